# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform as `platform.yml` says it: where the repository is, and the points of presence."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import forge, schedule, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import instance
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker

Json = dict[str, Any]

LAYOUT = 1
COMPONENTS = ("crds", "rbac", "policies", "argocd", "tenants", "observer", "operators")
#: folders that stand beside those of the PoPs
_TAKEN = ("claims", "retained")

_NAME: Json = {"type": "string", "minLength": 1}
_USERS: Json = {"type": "array", "items": _NAME}
_NETWORKS: Json = {"type": "array", "items": {"type": "string", "pattern": schema.CIDR}}
#: The fields of one PoP in platform.yml, and the options that gitops_repository takes for them.
POP: Json = {
    "type": "object",
    "properties": {
        "context": {**_NAME, "description": "Context of the kubeconfig; the PoP's name when not given."},
        "clusterDomain": {
            **_NAME,
            "description": "DNS domain of the cluster, unique among the PoPs, resolvable from all of them.",
        },
        "podCIDRs": {
            **_NETWORKS,
            "description": "Networks of the pods; nodes of one ring in other PoPs are let in from them.",
        },
        "argocd": {
            "type": "object",
            "description": "The PoP's Argo CD.",
            "properties": {
                "namespace": {**_NAME, "description": "Its namespace; argocd when not given."},
                "destination": {**_NAME, "description": "The cluster's name in it; in-cluster when not given."},
                "user": {
                    **_NAME,
                    "description": "The Kubernetes user that it applies with; its controller's account when not given.",
                },
            },
        },
        "deliverers": {
            **_USERS,
            "description": "Kubernetes users that may change and delete what is kept in Git; Argo CD's when not given.",
        },
        "components": {**_USERS, "description": "What the PoP runs; everything when not given."},
        "awx": instance.SCHEMA,
    },
}


@dataclass(frozen=True)
class Pop:
    """One point of presence, with the defaults of platform.yml filled in."""

    name: str
    context: str
    cluster_domain: str
    pod_cidrs: tuple[str, ...]
    argocd_namespace: str
    destination: str
    argocd_user: str
    deliverers: tuple[str, ...]
    components: tuple[str, ...]
    #: the platform's AWX, where it runs here (instance.SCHEMA)
    awx: Json | None = None


@dataclass(frozen=True)
class Platform:
    """The parsed platform.yml."""

    repo_url: str
    branch: str
    pops: dict[str, Pop]
    #: what it says of the Git host (forge.SCHEMA)
    forge: Json | None = None


@lru_cache(maxsize=1)
def _checker() -> Checker:
    pops = {"type": "object", "additionalProperties": POP, "minProperties": 1}
    properties = {"layout": {"enum": [LAYOUT]}, "repoURL": _NAME, "branch": _NAME, "forge": forge.SCHEMA, "pops": pops}
    return Checker({"type": "object", "properties": properties, "required": ["repoURL", "branch", "pops"]})


def parse(document: Any) -> Platform:
    """A Platform out of the parsed platform.yml.

    Raises InvalidFields: platform-outdated for a layout that is not ours, else option-invalid naming all that is wrong.
    """
    layout = document.get("layout") if isinstance(document, dict) else None
    if layout != LAYOUT:
        raise InvalidFields("platform-outdated", [FieldError("layout", layout, str(LAYOUT))])
    if isinstance(document.get("pops"), dict):
        # a PoP that is like the defaults in everything has nothing behind its name
        document = {**document, "pops": {name: {} if data is None else data for name, data in document["pops"].items()}}
    errors, rest = _checker().check(document, "")
    errors += _problems(rest.get("pops", {}))
    if errors:
        raise InvalidFields("option-invalid", errors)
    pops = {name: _pop(name, data) for name, data in document["pops"].items()}
    return Platform(document["repoURL"], document["branch"], pops, document.get("forge"))


def _problems(pops: Json) -> Iterator[FieldError]:
    for name, data in pops.items():
        if not schema.is_label(name, 20) or name in _TAKEN:
            words = f"a name of at most 20 lower-case letters, digits and hyphens, not {' or '.join(_TAKEN)}"
            yield FieldError(f"pops.{name}", name, words)
        for index, component in enumerate(data.get("components", [])):
            if component not in COMPONENTS:
                yield FieldError(f"pops.{name}.components[{index}]", component, "one of " + ", ".join(COMPONENTS))
        for index, network in enumerate(data.get("podCIDRs", [])):
            yield from network_problem(f"pops.{name}.podCIDRs[{index}]", network)
        cron = data.get("awx", {}).get("backupSchedule")
        if cron and (wrong := schedule.problem(cron)):
            yield FieldError(f"pops.{name}.awx.backupSchedule", cron, wrong)
    if len(having := [name for name, data in pops.items() if "awx" in data]) > 1:
        for name in having[1:]:
            yield FieldError(f"pops.{name}.awx", name, f"one AWX per platform; it runs in {having[0]}")


def network_problem(path: str, given: str) -> Iterator[FieldError]:
    """Why the API server would refuse this network, or warn of it; the pattern alone lets 300.0.0.0/99 pass."""
    try:
        network = str(ipaddress.ip_network(given, strict=False))
    except ValueError:
        yield FieldError(path, given, schema.PATTERNS[schema.CIDR])
        return
    if ipaddress.ip_interface(given).ip != ipaddress.ip_network(network).network_address:
        yield FieldError(path, given, "a network, without bits of a host", network)


def _pop(name: str, data: Json) -> Pop:
    argocd = data.get("argocd", {})
    namespace = argocd.get("namespace", "argocd")
    user = argocd.get("user", f"system:serviceaccount:{namespace}:argocd-application-controller")
    return Pop(
        name=name,
        context=data.get("context", name),
        cluster_domain=data.get("clusterDomain", "cluster.local"),
        pod_cidrs=tuple(data.get("podCIDRs", [])),
        argocd_namespace=namespace,
        destination=argocd.get("destination", "in-cluster"),
        argocd_user=user,
        deliverers=tuple(data.get("deliverers", [user])),
        components=tuple(data.get("components", COMPONENTS)),
        awx=data.get("awx"),
    )


def document(repo_url: str, branch: str, pops: Json, host: Json | None = None) -> Json:
    """The platform.yml to be written; `pops` maps a name to what differs from the defaults, host is the Git host."""
    if not pops:
        raise DbaasError("option-invalid", "pops: not given, allowed: at least one point of presence")
    return {"layout": LAYOUT, "repoURL": repo_url, "branch": branch, **({"forge": host} if host else {}), "pops": pops}

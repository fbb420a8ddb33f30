# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory plugin shows: points of presence, their nodes, and services. Plain data, to be cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import contexts
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Answer, Unreachable, combine
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP, NODE
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]

#: fields of a spec that are a service's variables, as they stand
_FIELDS = {"sku": "sku", "engine": "engine", "plan": "plan", "version": "version", "service_id": "serviceId"}
_ROLE = "node-role.kubernetes.io/"
_ZONE = "topology.kubernetes.io/zone"


@dataclass
class _Answer:
    failure: str = ""
    nodes: list[Json] = field(default_factory=list)
    copies: dict[tuple[str, str], Json] = field(default_factory=dict)


def run(run: Run) -> Json:
    """Everything that the options (repository, kubeconfig, nodes, services, phases, tenants) ask for.

    Returns pops {name: {context, cluster_domain}}, nodes {pop: [{name, address, zone, roles, ready, schedulable,
    version, labels}]}, services [{tenant, name, namespace, project, region, regions, sku, engine, plan, version,
    service_id, phase, message}] (the last two where phases is set, or there is no repository) and warnings. Raises
    DbaasError where the repository cannot be read, or there is none and the kubeconfig has no context of the platform.
    """
    services: list[Json] = []
    wanted = run.options.get("services", True)
    if run.text("repository"):
        with base.repository(run) as repository:
            snapshot = repository.fetch()
            platform = base.kept(snapshot)[1]
            if wanted:
                services = list(_declared(snapshot, set(run.options.get("tenants") or [])))
    else:
        platform = _reachable(run)
    look = bool(wanted and (run.options.get("phases") or not run.text("repository")))
    answers = _ask(run, platform, bool(run.options.get("nodes", True)), look)
    if look and not run.text("repository"):
        services = list(_born(answers, set(run.options.get("tenants") or [])))
    if look:
        for item in services:
            item |= _state(item, answers)
    return {
        "pops": {
            name: {"context": pop.context, "cluster_domain": pop.cluster_domain} for name, pop in platform.pops.items()
        },
        "nodes": {name: answer.nodes for name, answer in answers.items()},
        "services": sorted(services, key=lambda item: (item["tenant"], item["name"])),
        "warnings": [f"{name}: {answer.failure}" for name, answer in answers.items() if answer.failure],
    }


def _reachable(run: Run) -> Platform:
    """The PoPs of the shipped platform that the kubeconfig has a context for."""
    platform = base.stated(run)[1]
    known = contexts(run.text("kubeconfig") or None)
    pops = {name: pop for name, pop in platform.pops.items() if pop.context in known}
    if not pops:
        names = ", ".join(pop.context for pop in platform.pops.values())
        raise DbaasError("kube-missing", f"no repository is given, and the kubeconfig has none of the contexts {names}")
    return Platform(platform.repo_url, platform.branch, pops)


def _ask(run: Run, platform: Platform, nodes: bool, copies: bool) -> dict[str, _Answer]:
    """What each PoP says, all at once; nothing is asked of them where nothing is wanted."""
    if not (nodes or copies) or not platform.pops:
        return {name: _Answer() for name in platform.pops}

    def one(pop: Pop) -> _Answer:
        answer = _Answer()
        try:
            cluster = base.clusters(run, Platform("", "", {pop.name: pop}))[pop.name]
            if nodes:
                answer.nodes = sorted(map(_node, cluster.list(NODE)[0]), key=lambda item: str(item["name"]))
            if copies:
                found = cluster.list(CLAIM)[0]
                answer.copies = {(_tenant(each), each["metadata"]["name"]): each for each in found}
        except DbaasError as error:
            if not error.code.startswith("kube-"):
                raise
            answer.failure = f"{error.message.removeprefix(f'{pop.name}: ')} [{error.code}]"
        return answer

    with ThreadPoolExecutor(max_workers=min(base.WORKERS, len(platform.pops))) as pool:
        return dict(zip(platform.pops, pool.map(one, platform.pops.values()), strict=True))


def _tenant(copy: Json) -> str:
    return str(copy["metadata"]["namespace"]).removeprefix("tenant-")


def _declared(snapshot: Snapshot, tenants: set[str]) -> Iterable[Json]:
    """The services that the repository declares; what their claims do not give is taken from what was rendered."""
    claims: dict[tuple[str, str], str] = {}
    for path in snapshot.blobs:
        place = paths.place(path)
        if place.kind == "claim" and (not tenants or place.tenant in tenants):
            claims[place.tenant, place.name] = path
    files = snapshot.read(claims.values())
    given = {key: _document(files[path], path) for key, path in claims.items()}
    homes = {
        key: paths.service(key[0], str(document.get("spec", {}).get("region")), key[1])
        for key, document in given.items()
    }
    derived = snapshot.read(path for path in homes.values() if path in snapshot.blobs)
    for key, document in given.items():
        # the copy stands first, and the rest of the file is long
        begin = b"\n---\n".join(derived.get(homes[key], b"").split(b"\n---\n", 2)[:2])
        copy = _document(begin, homes[key])
        yield _service(*key, copy or document)


def _document(content: bytes, path: str) -> Json:
    """The first document of a file; {} where people made it something else: an inventory shows what there is."""
    try:
        first = next(iter(documents.load_all(content, path)), None)
    except DbaasError:
        return {}
    first = (born.copy_of(first) or first) if isinstance(first, dict) else None
    whole = isinstance(first, dict) and all(isinstance(first.get(part), dict) for part in ("metadata", "spec"))
    return first if whole and isinstance(first, dict) else {}


def _born(answers: Mapping[str, _Answer], tenants: set[str]) -> Iterable[Json]:
    copies = {key: copy for answer in answers.values() for key, copy in answer.copies.items()}
    for (tenant, name), copy in copies.items():
        if not tenants or tenant in tenants:
            yield _service(tenant, name, copy)


def _service(tenant: str, name: str, document: Json) -> Json:
    spec: Json = document.get("spec", {})
    home = spec.get("region") or ""
    replication = spec.get("replication")
    others = replication.get("regions") if isinstance(replication, dict) else None
    labels = document.get("metadata", {}).get("labels") or {}
    return {
        "tenant": tenant,
        "name": name,
        "namespace": paths.namespace(tenant),
        "project": labels.get(f"{GROUP}/project") or "",
        "region": home,
        "regions": [home, *(each for each in others or [] if each != home)] if home else [],
        **{variable: spec.get(member) or "" for variable, member in _FIELDS.items()},
    }


def _state(item: Json, answers: Mapping[str, _Answer]) -> Json:
    found: dict[str, Answer] = {}
    for region in item["regions"]:
        answer = answers.get(region)
        if answer is None or answer.failure:
            found[region] = Unreachable(answer.failure if answer else "the platform has no such point of presence")
        else:
            found[region] = answer.copies.get((item["tenant"], item["name"]))
    state = combine(item["region"], found) if found else {"phase": "Unknown", "message": "its claim names no region"}
    return {"phase": state["phase"], "message": state["message"]}


def _node(item: Json) -> Json:
    metadata, status = item["metadata"], item.get("status") or {}
    labels = metadata.get("labels") or {}
    addresses = {each["type"]: each["address"] for each in reversed(status.get("addresses") or [])}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    return {
        "name": metadata["name"],
        "address": addresses.get("InternalIP") or addresses.get("Hostname") or metadata["name"],
        "zone": labels.get(_ZONE) or "",
        "roles": sorted(key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)),
        "ready": conditions.get("Ready") == "True",
        "schedulable": not (item.get("spec") or {}).get("unschedulable"),
        "version": (status.get("nodeInfo") or {}).get("kubeletVersion") or "",
        "labels": labels,
    }

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim_info and the waiting alone: what services are, out of the copies of all their regions."""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, contexts
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import combine
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, SECRET
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, review, wait
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.runner.wait import Wanted

Json = dict[str, Any]


def run(run: Run) -> Json:
    """The runner of module service_claim_info."""
    services, clusters = find(run)
    found = wait.answers(services, clusters)
    return {
        "changed": False,
        "services": [_described(item, found[item.tenant, item.name]) for item in services],
    }


def run_wait(run: Run) -> Json:
    """Waits for services that are delivered already (module service_claim_wait), for their merge request first."""
    end = time.monotonic() + run.options["wait_timeout"]
    result: Json = {"changed": False}
    if number := run.options.get("merge_request"):
        result["merge_request"] = review.followed(run, number, end)
    services, clusters = find(run)
    if not services:
        raise DbaasError("option-invalid", f"tenant {run.text('tenant')}: has no service to wait for")
    outcome = wait.until_ready(services, clusters, max(end - time.monotonic(), 0), run.progress)
    result["wait"] = outcome
    bad = [item for item in outcome if item["phase"] != "Active"]
    return wait.failed(result, bad) if bad else result


def connection(run: Run) -> Json:
    """How to connect to one service, the values of its Secret included; for those who may read it.

    Returns host, port, tls, connection_string, region, the Secret's values by key, and the names of the TLS Secrets.
    """
    services, clusters = find(run)
    item = services[0]
    state = combine(item.home, wait.answers(services, clusters)[item.tenant, item.name])
    known: Json | None = state["connection"]
    label = f"{item.tenant}/{item.name}"
    if not known:
        raise DbaasError("not-active", f"{label} is {state['phase']}: it has no connection yet ({state['message']})")
    name = known["secretRef"]["name"]
    secret = clusters[item.home].get(SECRET, paths.namespace(item.tenant), name)
    if secret is None:
        raise DbaasError("not-active", f"{label}: Secret {paths.namespace(item.tenant)}/{name} is not there yet")
    return {
        **{key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()},
        "host": known["host"],
        "port": known["port"],
        "tls": known["tls"],
        "region": item.home,
        "connection_string": state["connectionString"],
        "ca_secret": known.get("caSecretRef", {}).get("name"),
        "client_certificate_secret": known.get("clientCertificateSecretRef", {}).get("name"),
    }


def find(run: Run) -> tuple[list[Wanted], dict[str, Cluster]]:
    """The services that the options name, and a client per PoP.

    With a repository the claims in it say which services there are; without one the copies that the PoPs answer with.
    """
    tenant, names = run.text("tenant"), list(run.options.get("names") or [])
    if run.text("repository"):
        with base.repository(run) as repository:
            snapshot = repository.fetch()
            _catalog, platform = base.kept(snapshot)
            found = from_git(snapshot, platform, tenant, names, run.options.get("operations") or {})
            return found, base.clusters(run, platform)
    here = reachable(run)
    clusters = base.clusters(run, here)
    return _from_copies(clusters, tenant, names), clusters


def reachable(run: Run) -> Platform:
    """The platform as the collection ships it, less the PoPs that the kubeconfig has no context of; for want of a
    repository.

    Raises DbaasError kube-missing when none is left.
    """
    _catalog, platform = base.stated(run)
    known = contexts(run.text("kubeconfig") or None)
    here = Platform(
        platform.repo_url, platform.branch, {name: pop for name, pop in platform.pops.items() if pop.context in known}
    )
    if not here.pops:
        wanted = ", ".join(pop.context for pop in platform.pops.values())
        raise DbaasError(
            "kube-missing", f"the kubeconfig has none of the contexts {wanted}; it has {', '.join(known) or 'none'}"
        )
    return here


def from_git(
    snapshot: Snapshot,
    platform: Platform,
    tenant: str,
    names: Sequence[str],
    operations: Mapping[str, str] | None = None,
    there: Mapping[str, str] | None = None,
) -> list[Wanted]:
    """The tenant's services that the repository declares, all or those named. Raises InvalidFields for unknown ones.

    there: the files that say what each service is, by its name; those of its claims when not given.
    """
    there = base.claims_of(snapshot, tenant) if there is None else there
    _all_known(tenant, names, there)
    wanted = {name: there[name] for name in names or sorted(there)}
    derived = [paths.service(tenant, pop, name) for name in wanted for pop in platform.pops]
    files = snapshot.read([*wanted.values(), *derived])
    services = []
    for name, path in wanted.items():
        try:
            spec = documents.load_all(files[path], path)[0]["spec"]
            home = spec["region"]
            regions = [home, *(region for region in spec.get("replication", {}).get("regions", []) if region != home)]
        except (LookupError, TypeError, AttributeError):
            # people edit these files
            raise DbaasError("document-invalid", f"{path}: is not a ServiceClaim with a region") from None
        operation = (operations or {}).get(name) or base.operation_in(files.get(paths.service(tenant, home, name), b""))
        services.append(Wanted(tenant, name, home, tuple(regions), operation))
    return services


def _from_copies(clusters: Mapping[str, Cluster], tenant: str, names: Iterable[str]) -> list[Wanted]:
    found: dict[str, Wanted] = {}
    silent: list[str] = []
    for region, cluster in clusters.items():
        try:
            copies = cluster.list(CLAIM, paths.namespace(tenant))[0]
        except DbaasError as error:
            if error.code != "kube-unreachable":
                raise
            silent.append(region)
            continue
        for copy in copies:
            # one that was born in the cluster holds only what was given
            home, others = copy["spec"]["region"], copy["spec"].get("replication", {}).get("regions", [])
            regions = (home, *(each for each in others if each != home))
            found[copy["metadata"]["name"]] = Wanted(tenant, copy["metadata"]["name"], home, regions)
    wanted = list(names) or sorted(found)
    if not silent:
        _all_known(tenant, wanted, found)
    # a service that is named but that no region which answers has may be in one that does not
    return [found.get(name) or Wanted(tenant, name, silent[0], tuple(silent)) for name in wanted]


def _all_known(tenant: str, names: Iterable[str], there: Collection[str]) -> None:
    if missing := [name for name in names if name not in there]:
        words = f"a service of tenant {tenant}: {', '.join(sorted(there)) or 'it has none'}"
        raise InvalidFields(
            "claim-invalid", [FieldError("names", name, words, nearest(name, there)) for name in missing]
        )


def _described(item: Wanted, found: Mapping[str, Any]) -> Json:
    state = combine(item.home, found, item.operation)
    spec: Json = next((answer["spec"] for answer in found.values() if isinstance(answer, dict)), {})
    return {
        "tenant": item.tenant,
        "name": item.name,
        "namespace": paths.namespace(item.tenant),
        "region": item.home,
        "phase": state["phase"],
        "message": state["message"],
        "regions": state["regions"],
        "connection": state["connection"],
        "connection_string": state["connectionString"],
        "endpoints": state["endpoints"],
        "conditions": state["conditions"],
        "last_operation": state["lastOperation"],
        "spec": spec,
    }


def catalog(run: Run) -> Json:
    """The whole catalog as data: the repository's where one is given, else the one that is shipped."""
    return known(run)[0].data()


def platform(run: Run) -> Json:
    """The platform as data: repo_url, branch, pops (name -> what platform.yml says of it, defaults filled in)."""
    return asdict(known(run)[1])


def known(run: Run) -> tuple[Catalog, Platform]:
    """Catalog and platform: of the folder `catalog` where one is given, else of the repository, else those shipped."""
    if folder := run.text("catalog"):
        place = Path(folder).expanduser()
        files = {path.name: path.read_text() for path in sorted(place.glob("*.yml")) if path.name != "platform.yml"}
        if not files:
            raise DbaasError("option-invalid", f"catalog: {folder} holds no *.yml of a catalog")
        own = place / "platform.yml"
        stated = {**run.options["shipped"], "catalog": files, **({"platform": own.read_text()} if own.exists() else {})}
        return base.stated(Run({"shipped": stated}))
    if not run.text("repository"):
        return base.stated(run)
    with base.repository(run) as repository:
        return base.kept(repository.fetch())

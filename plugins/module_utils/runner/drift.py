# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""gitops_drift_info: Git, the clusters and the catalog held against each other; and argocd_application_info."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients import argocd
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, charts, drift, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.drift import Finding, Key
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.paths import Place
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import APPLICATION, GROUP, VOLUME_CLAIM
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, info, reconcile
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]


@dataclass
class Live:
    """What a PoP has: objects of services by key, and Applications; silence says why it did not answer."""

    objects: dict[Key, Json] = field(default_factory=dict)
    applications: list[Json] = field(default_factory=list)
    silence: str = ""


def run(run: Run) -> Json:
    """The runner of module gitops_drift_info."""
    with base.repository(run) as repository:
        snapshot = repository.fetch()
        catalog, platform = base.kept(snapshot)
        places = reconcile.places_of(run, snapshot)
        pops = _pops(run, platform)
        scope, by_chart = run.options.get("tenants") or [], catalog.charts
        live = _look(run, pops, lambda cluster, pop: _live(cluster, pop, scope, by_chart))
        found = [item for pop in pops.values() for item in _of_pop(run, pop, live[pop.name], snapshot, places, catalog)]
        found += _unrendered(run, snapshot, places, platform, pops)
    order = {code: number for number, code in enumerate(drift.CODES)}
    found.sort(key=lambda item: (item.pop, order[item.code], item.tenant, item.service, item.object))
    result: Json = {
        "changed": False,
        "drift": [item.data() for item in found],
        "table": drift.table(found) if found else [],
        "summary": {name: _counts(item for item in found if item.pop == name) for name in pops},
    }
    if run.options.get("fail", True) and any(item.drift for item in found):
        return _failed(result, [item for item in found if item.drift])
    return result


def _counts(found: Iterable[Finding]) -> dict[str, int]:
    codes = [item.code for item in found]
    return {code: codes.count(code) for code in drift.CODES if code in codes}


def _failed(result: Json, found: Sequence[Finding]) -> Json:
    code = "drift-found"
    cls, retry, action = CODES[code]
    error = {"code": code, "class": cls, "retry": retry, "action": action, "runbook": code, "fields": []}
    head = f"{len(found)} {'difference' if len(found) == 1 else 'differences'}:"
    return {
        **result,
        "failed": True,
        "msg": "\n".join([head, *drift.table(found), f"{action} [{code}, {cls}]"]),
        "error": error,
    }


def _pops(run: Run, platform: Platform) -> dict[str, Pop]:
    """The PoPs that the option names, all when it names none."""
    wanted: list[str] = run.options.get("pops") or list(platform.pops)
    if unknown := [name for name in wanted if name not in platform.pops]:
        words = "one of " + ", ".join(platform.pops)
        errors = [FieldError("pops", name, words, nearest(name, platform.pops)) for name in unknown]
        raise InvalidFields("option-invalid", errors)
    return {name: platform.pops[name] for name in wanted}


def _look(run: Run, pops: Mapping[str, Pop], ask: Callable[[Cluster, Pop], Live]) -> dict[str, Live]:
    """What each PoP answers, all asked at once."""

    def one(pop: Pop) -> Live:
        try:
            return ask(base.clusters(run, Platform("", "", {pop.name: pop}))[pop.name], pop)
        except DbaasError as error:
            return Live(silence=error.message)

    with ThreadPoolExecutor(max_workers=max(1, min(base.WORKERS, len(pops)))) as pool:
        return dict(zip(pops, pool.map(one, pops.values()), strict=True))


def _live(cluster: Cluster, pop: Pop, tenants: Collection[str], by_chart: Collection[str]) -> Live:
    found = Live()
    spaces: list[str | None] = [paths.namespace(tenant) for tenant in tenants] or [None]
    for kind in kinds(by_chart):
        for space in spaces:
            try:
                items = cluster.list(kind, space, f"{GROUP}/tenant")[0]
            except KubeError as error:
                # the PoP does not know the kind, so it has no object of it
                if error.status != 404:
                    raise
                items = []
            found.objects.update((drift.key(item), item) for item in items)
    found.applications = list(cluster.list(APPLICATION, pop.argocd_namespace)[0])
    return found


def _of_pop(
    run: Run, pop: Pop, live: Live, snapshot: Snapshot, places: Mapping[str, Place], catalog: Catalog
) -> Iterator[Finding]:
    if live.silence:
        yield Finding(pop.name, "unreachable", live.silence)
        return
    known: set[Key] = set()
    mine = {path: place for path, place in places.items() if place.pop == pop.name}
    derived = [path for path, place in mine.items() if place.kind in ("service", "snapshot", "volumes")]
    for path, content in snapshot.read(derived).items():
        objects, why = _objects(content, path)
        if why:
            # nobody knows what should be there; the rest is looked at all the same
            yield Finding(pop.name, "differs", why, mine[path].tenant, mine[path].name, file=path)
        known.update(map(drift.key, objects))
        yield from drift.of_service(pop.name, objects, live.objects, path)
        if mine[path].kind == "service" and objects:
            copy = born.copy_of(objects[0]) or objects[0]
            yield from drift.of_catalog(pop.name, copy, catalog, VERSION, path)
    # Kubernetes makes volumes of what charts make
    yield from drift.orphans(
        pop.name, [item for item in live.objects.values() if item["kind"] != VOLUME_CLAIM.kind], known
    )
    for path in base.stale_policies(snapshot, catalog, Platform("", "", {pop.name: pop})):
        why = f"what tenants may apply is of another catalog than {catalog.revision}"
        yield Finding(pop.name, "older-catalog", why, object="ValidatingAdmissionPolicy dbaas-claims", file=path)

    scope = run.options.get("tenants") or []
    founded = {
        path: place.tenant for path, place in mine.items() if place.kind == "foundation" and place.name == "application"
    }
    overlay = paths.overlay(pop.name, "applications.yaml")
    applications = {item["metadata"]["name"]: item for item in live.applications}
    for path, content in snapshot.read([*founded, *([] if scope else [overlay])]).items():
        objects, why = _objects(content, path)
        if why:
            yield Finding(pop.name, "differs", why, founded.get(path, ""), file=path)
        for item in objects:
            yield from drift.of_object(pop.name, item, applications.get(item["metadata"]["name"]), path)
    words = {name: argocd.words(item) for name, item in applications.items()}
    foundations = [(path, place) for path, place in mine.items() if place.kind == "foundation"]
    values = {path: place.tenant for path, place in foundations if place.name == "values"}
    charted = {
        charts.application(values[path], item["name"]): values[path]
        for path, content in (snapshot.read(values) if catalog.charts else {}).items()
        for found in _objects_or_values(content, path)
        for item in charts.entries(found)
    }
    tenants = set(founded.values())
    yield from drift.of_applications(
        pop.name, live.applications, tenants, whole=not scope, words=words, charted=charted
    )


def _objects_or_values(content: bytes, path: str) -> list[Json]:
    """The mappings of a file, none where it cannot be read: that is told elsewhere."""
    try:
        return [item for item in documents.load_all(content, path) if isinstance(item, dict)]
    except DbaasError:
        return []


def _objects(content: bytes, path: str) -> tuple[list[Json], str]:
    """The objects of a file, and why they are not all that it holds: people can edit these files too."""
    try:
        found = documents.load_all(content, path)
    except DbaasError as error:
        return [], error.message
    objects = [item for item in found if _is_object(item)]
    return objects, "" if len(objects) == len(found) else f"{path}: holds what is no object"


def _is_object(item: Any) -> bool:
    if not isinstance(item, dict) or not all(isinstance(item.get(name), str) for name in ("apiVersion", "kind")):
        return False
    metadata = item.get("metadata")
    return (
        isinstance(metadata, dict)
        and isinstance(item.get("spec", {}), dict)
        and isinstance(metadata.get("name"), str)
        and all(isinstance(metadata.get(name) or {}, dict) for name in ("labels", "annotations"))
    )


def _unrendered(
    run: Run, snapshot: Snapshot, places: Mapping[str, Place], platform: Platform, pops: Mapping[str, Pop]
) -> Iterator[Finding]:
    files = reconcile.unrendered(snapshot, places, platform)
    waiting = reconcile.waiting(run, snapshot, files)
    for path, content in snapshot.read(files).items():
        place = places[path]
        for pop in reconcile.regions_of(path, content) or pops:
            if pop in pops:
                code, words = "not-rendered", "the claim was edited, and is not rendered"
                if path in waiting:
                    code, words = "waits-for-window", f"the claim was edited, and waits until {waiting[path]}"
                yield Finding(pop, code, words, tenant=place.tenant, service=place.name, file=path)


def applications(run: Run) -> Json:
    """The runner of module argocd_application_info."""
    if run.text("repository"):
        with base.repository(run) as repository:
            platform = base.kept(repository.fetch())[1]
    else:
        platform = info.reachable(run)
    tenants, names = run.options.get("tenants") or [], run.options.get("names") or []
    pops = _pops(run, platform)
    live = _look(
        run, pops, lambda cluster, pop: Live(applications=list(cluster.list(APPLICATION, pop.argocd_namespace)[0]))
    )
    found = [
        {"pop": pop, **_described(item)}
        for pop, answer in live.items()
        for item in sorted(answer.applications, key=lambda each: str(each["metadata"]["name"]))
        if (not names or item["metadata"]["name"] in names) and (not tenants or _tenant(item) in tenants)
    ]
    return {
        "changed": False,
        "applications": found,
        "silent": {pop: answer.silence for pop, answer in live.items() if answer.silence},
    }


def _tenant(application: Json) -> str:
    return str((application["metadata"].get("labels") or {}).get(f"{GROUP}/tenant") or "")


def _described(item: Json) -> Json:
    return {**argocd.words(item), **argocd.details(item), "tenant": _tenant(item)}

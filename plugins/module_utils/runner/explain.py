# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim_explanation_info: gathers, from all regions at once, what tells why services are not Active."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents, engines
from ansible_collections.dbaas.platform.plugins.module_utils.clients import argocd
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, explain, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.explain import Committed, Evidence
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import annotation
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    APPLICATION,
    CLAIM,
    CONFIG_MAP,
    EVENT,
    GROUP,
    NAMESPACE,
)
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, info, reconcile
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.runner.wait import Wanted

Json = dict[str, Any]


_UNREAD: Json = {}


@dataclass
class Region:
    """What one region answers about a tenant, all its services together."""

    failure: tuple[str, str] | None = None
    namespace: bool = True
    copies: dict[str, Json] = field(default_factory=dict)
    objects: list[Json] = field(default_factory=list)
    applications: dict[str, Json | None] = field(default_factory=dict)
    #: those of releases, each of one service
    releases: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def run(run: Run) -> Json:
    """The runner of module service_claim_explanation_info."""
    services = explanations(run, gather(run))
    for service in services:
        for line in service["lines"]:
            run.progress(line)
    return {"changed": False, "services": services}


def explanations(run: Run, found: Gathered) -> list[Json]:
    """The explanation of each service, with the runbook's section and the text for people."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    services = []
    for item in found.services:
        service = explain.explain(item.tenant, item.name, item.home, found.evidence(item), now)
        service["runbook"] = runbook(run, service["code"])
        services.append({**service, "lines": explain.lines(service)})
    return services


def runbook(run: Run, code: str) -> Json:
    """The section of docs/runbook.md about a code: {anchor, text}."""
    text = str((run.options.get("shipped") or {}).get("runbook") or "")
    found = re.search(rf"^## {re.escape(code)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return {"anchor": code, "text": " ".join(found[1].split()) if found else ""}


@dataclass
class Gathered:
    """All that was read: services, what Git holds of each in each region, and what the regions answer.

    files are those of the repository that speak of the services, at `commit`.
    """

    services: list[Wanted]
    regions: dict[str, Region]
    committed: dict[tuple[str, str], Committed] | None = None
    commit: str = ""
    files: dict[str, bytes] = field(default_factory=dict)

    def evidence(self, item: Wanted) -> list[Evidence]:
        """The evidence of one service, home region first."""
        return [self.of(item, region) for region in item.regions]

    def of(self, item: Wanted, region: str) -> Evidence:
        """The evidence of one service in one of its regions."""
        git = None if self.committed is None else self.committed[item.name, region]
        answer = self.regions[region]
        if answer.failure:
            return Evidence(region, git, failure=answer.failure)
        mine = [each for each in answer.objects if _label(each, "service") == item.name]
        return Evidence(
            region,
            git,
            namespace=answer.namespace,
            copy=answer.copies.get(item.name),
            objects=mine,
            applications={
                name: None if each is None else argocd.words(each) for name, each in answer.applications.items()
            }
            | {
                each["metadata"]["name"]: argocd.words(each)
                for each in answer.releases
                if _label(each, "service") == item.name
            },
            events=[each for each in answer.events if _concerns(each, item.name, answer.copies)],
            unread=answer.unread,
        )


def _label(item: Json, name: str) -> str:
    return str((item["metadata"].get("labels") or {}).get(f"{GROUP}/{name}", ""))


def _concerns(event: Json, service: str, services: Iterable[str]) -> bool:
    """Whether an event is about the service: all names begin with it, and none with a longer one of a neighbour."""
    name = str(event["involvedObject"].get("name") or "")
    owners = [each for each in {*services, service} if name == each or name.startswith(f"{each}-")]
    return max(owners, key=len, default="") == service


def gather(run: Run) -> Gathered:
    """Everything about the services that the options name. Regions that do not answer are part of it, no error."""
    tenant, names = run.text("tenant"), list(run.options.get("names") or [])
    found, platform, silence = None, None, ""
    if run.text("repository"):
        try:
            with base.repository(run) as repository:
                snapshot = repository.fetch()
                platform = base.kept(snapshot)[1]
                services = info.from_git(snapshot, platform, tenant, names, there=_declared(snapshot, tenant))
                files = _files(snapshot, services)
                found = Gathered(services, {}, _committed(run, snapshot, services, files), snapshot.commit, files)
        except DbaasError as error:
            # without Git the copies still tell what the regions have
            if not error.code.startswith("git-"):
                raise
            silence = error.message
    if found is None or platform is None:
        services, _clusters = info.find(replace(run, options={**run.options, "repository": ""}))
        found, platform = Gathered(services, {}), base.stated(run)[1]
    pops = platform.pops
    wanted = list(dict.fromkeys(region for item in services for region in item.regions))
    with ThreadPoolExecutor(max_workers=max(1, min(base.WORKERS, len(wanted)))) as pool:
        answers = pool.map(lambda region: _region(run, pops.get(region), region, tenant), wanted)
        found.regions.update(zip(wanted, answers, strict=True))
    if silence:
        for answer in found.regions.values():
            answer.unread.append(silence)
    return found


def _declared(snapshot: Snapshot, tenant: str) -> dict[str, str]:
    """Service -> the file that says what it is: its claim, the claim that is kept, or what was once rendered of one."""
    found: dict[str, dict[str, str]] = {"service": {}, "retained": {}, "claim": {}}
    for path in snapshot.blobs:
        place = paths.place(path)
        if place.tenant == tenant and place.kind in found:
            found[place.kind].setdefault(place.name, path)
    return {**found["service"], **found["retained"], **found["claim"]}


def _files(snapshot: Snapshot, services: Sequence[Wanted]) -> dict[str, bytes]:
    """The files that speak of these services, those that exist."""
    wanted = [paths.PLATFORM]
    for item in services:
        wanted += [paths.tenant(item.tenant), paths.claim(item.tenant, item.name)]
        wanted.append(paths.retained(item.tenant, item.name))
        for region in item.regions:
            founded = [paths.foundation(item.tenant, region, name) for name in ("application.yaml", "values.yaml")]
            wanted += [*founded, paths.service(item.tenant, region, item.name)]
    return snapshot.read(dict.fromkeys(wanted))


def _committed(
    run: Run, snapshot: Snapshot, services: Sequence[Wanted], files: Mapping[str, bytes]
) -> dict[tuple[str, str], Committed]:
    places = {
        (item.name, region): paths.service(item.tenant, region, item.name)
        for item in services
        for region in item.regions
    }
    tenants = {item.name: item.tenant for item in services}
    found = {}
    for (name, region), path in places.items():
        tenant = tenants[name]
        founded = paths.foundation(tenant, region, "application.yaml") in snapshot.blobs
        claims = (paths.claim(tenant, name), paths.retained(tenant, name))
        claim = next((each for each in claims if each in snapshot.blobs), "")
        if path not in files:
            found[name, region] = Committed(claim, founded)
            continue
        try:
            first = next(iter(documents.load_all(files[path], path)), None)
        except DbaasError as error:
            found[name, region] = Committed(claim, founded, True, problem=error.message)
            continue
        metadata = first.get("metadata") if isinstance(first, dict) else None
        notes: Json = (metadata if isinstance(metadata, dict) else {}).get("annotations") or {}
        said = {key: str(notes.get(f"{GROUP}/{key}") or "") for key in ("operation", "action", "requester", "deadline")}
        rendered = notes.get(f"{GROUP}/claim-blob") == snapshot.blobs.get(claim)
        found[name, region] = Committed(claim, founded, True, rendered, **said)
    stale = {item.claim for item in found.values() if item.claim and item.derived and not item.rendered}
    waits = reconcile.waiting(run, snapshot, stale)
    return {key: replace(item, waits=waits.get(item.claim, "")) for key, item in found.items()}


def _region(run: Run, pop: Pop | None, region: str, tenant: str) -> Region:
    """One region's answer; what it does not let us read is named, and where it does not answer at all, that."""
    answer = Region()
    try:
        if pop is None:
            raise DbaasError("kube-missing", f"the platform has no point of presence {region}")
        cluster = base.clusters(run, Platform("", "", {region: pop}))[region]
        copies = cluster.list(CLAIM, paths.namespace(tenant))[0]
    except DbaasError as error:
        if not error.code.startswith("kube-"):
            raise
        return replace(answer, failure=(error.code, error.message))
    answer.copies = {item["metadata"]["name"]: item for item in copies}

    def read(default: Any, ask: Callable[..., Any], *what: Any) -> Any:
        try:
            return ask(*what)
        except DbaasError as error:
            answer.unread.append(error.message)
            return default

    space = paths.namespace(tenant)
    # a tenant's own object is told of by its record: what was rendered, by which operation
    if own := [name for name, each in answer.copies.items() if born.by_tenant(each)]:
        records = read(([], ""), cluster.list, CONFIG_MAP, space, born.BORN_IN)[0]
        by_name = {each["metadata"]["labels"].get(f"{GROUP}/service"): each for each in records}
        for name in own:
            if name in by_name:
                answer.copies[name] = born.whole(answer.copies[name], by_name[name]) or answer.copies[name]
    answer.namespace = read({}, cluster.get, NAMESPACE, None, space) is not None
    makers = [engine for copy in answer.copies.values() if (engine := engines.of(copy))]
    for kind in dict.fromkeys(kind for engine in makers for kind in engine.kinds):
        answer.objects += read(([], ""), cluster.list, kind, space)[0]
    for name in (f"tenant-{tenant}", f"services-{tenant}"):
        application = read(_UNREAD, cluster.get, APPLICATION, pop.argocd_namespace, name)
        if application is not _UNREAD:
            answer.applications[name] = application
    if any(annotation(copy, "driver") == engines.BY_CHART for copy in answer.copies.values()):
        found = read(([], ""), cluster.list, APPLICATION, pop.argocd_namespace, f"{GROUP}/service")[0]
        answer.releases = [each for each in found if paths.namespace_of(each["metadata"]["name"]) == space]
    answer.events = read(([], ""), cluster.list, EVENT, space)[0]
    return answer

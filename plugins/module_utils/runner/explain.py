# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim_explanation_info: gathers, from all regions at once, what tells why services are not Active."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients import argocd
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.domain import explain, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.explain import Committed, Evidence
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    APPLICATION,
    CLAIM,
    EVENT,
    GROUP,
    NAMESPACE,
)
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, info
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.runner.wait import Wanted

Json = dict[str, Any]


_UNREAD: Json = {}
#: without Git the copies still tell what the regions have
_SILENT = ("git-unreachable", "git-auth", "git-broken")


@dataclass
class Region:
    """What one region answers about a tenant, all its services together."""

    failure: tuple[str, str] | None = None
    namespace: bool = True
    copies: dict[str, Json] = field(default_factory=dict)
    objects: list[Json] = field(default_factory=list)
    applications: dict[str, Json | None] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def run(run: Run) -> Json:
    """The runner of module service_claim_explanation_info."""
    found = gather(run)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    services = []
    for item in found.services:
        service = explain.explain(item.tenant, item.name, item.home, found.evidence(item), now)
        service["runbook"] = runbook(run, service["code"])
        service["lines"] = explain.lines(service)
        for line in service["lines"]:
            run.progress(line)
        services.append(service)
    return {"changed": False, "services": services}


def runbook(run: Run, code: str) -> Json:
    """The section of docs/runbook.md about a code: {anchor, text}."""
    text = str((run.options.get("shipped") or {}).get("runbook") or "")
    found = re.search(rf"^## {re.escape(code)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return {"anchor": code, "text": " ".join(found[1].split()) if found else ""}


@dataclass
class Gathered:
    """All that was read: services, what Git holds of each in each region, and what the regions answer."""

    services: list[Wanted]
    regions: dict[str, Region]
    committed: dict[tuple[str, str], Committed] | None = None

    def evidence(self, item: Wanted) -> list[Evidence]:
        """The evidence of one service, home region first."""
        return [self._of(item, region) for region in item.regions]

    def _of(self, item: Wanted, region: str) -> Evidence:
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
                services = info.from_git(snapshot, platform, tenant, names)
                found = Gathered(services, {}, _committed(snapshot, services))
        except DbaasError as error:
            if error.code not in _SILENT:
                raise
            silence = error.message
    if found is None or platform is None:
        services, _clusters = info.find(replace(run, options={**run.options, "repository": ""}))
        found, platform = Gathered(services, {}), base.stated(run)[1]
    pops = platform.pops
    wanted = list(dict.fromkeys(region for item in services for region in item.regions))
    with ThreadPoolExecutor(max_workers=max(1, min(16, len(wanted)))) as pool:
        answers = pool.map(lambda region: _region(run, pops.get(region), region, tenant), wanted)
        found.regions.update(zip(wanted, answers, strict=True))
    if silence:
        for answer in found.regions.values():
            answer.unread.append(silence)
    return found


def _committed(snapshot: Snapshot, services: Sequence[Wanted]) -> dict[tuple[str, str], Committed]:
    places = {
        (item.name, region): paths.service(item.tenant, region, item.name)
        for item in services
        for region in item.regions
    }
    files = snapshot.read([path for path in places.values() if path in snapshot.blobs])
    tenants = {item.name: item.tenant for item in services}
    found = {}
    for (name, region), path in places.items():
        tenant = tenants[name]
        founded = paths.foundation(tenant, region, "application.yaml") in snapshot.blobs
        if path not in files:
            found[name, region] = Committed(founded)
            continue
        first = next(iter(documents.load_all(files[path], path)), None)
        metadata = first.get("metadata") if isinstance(first, dict) else None
        notes: Json = (metadata if isinstance(metadata, dict) else {}).get("annotations") or {}
        said = {key: str(notes.get(f"{GROUP}/{key}") or "") for key in ("operation", "action", "requester", "deadline")}
        blob = snapshot.blobs.get(paths.claim(tenant, name))
        found[name, region] = Committed(founded, True, notes.get(f"{GROUP}/claim-blob") == blob, **said)
    return found


def _region(run: Run, pop: Pop | None, region: str, tenant: str) -> Region:
    """One region's answer; what it does not let us read is named, and where it does not answer at all, that."""
    answer = Region()
    try:
        if pop is None:
            raise DbaasError("kube-missing", f"the platform has no point of presence {region}")
        cluster = base.clusters(run, Platform("", "", {region: pop}))[region]
        copies = cluster.list(CLAIM, paths.namespace(tenant))[0]
    except DbaasError as error:
        return replace(answer, failure=(error.code, error.message))
    answer.copies = {item["metadata"]["name"]: item for item in copies}

    def read(default: Any, ask: Callable[..., Any], *what: Any) -> Any:
        try:
            return ask(*what)
        except DbaasError as error:
            answer.unread.append(error.message)
            return default

    space = paths.namespace(tenant)
    answer.namespace = read({}, cluster.get, NAMESPACE, None, space) is not None
    used = {copy["spec"].get("engine", "") for copy in copies}
    for kind in (kind for name, engine in ENGINES.items() if name in used for kind in engine.kinds):
        answer.objects += read(([], ""), cluster.list, kind, space)[0]
    for name in (f"tenant-{tenant}", f"services-{tenant}"):
        application = read(_UNREAD, cluster.get, APPLICATION, pop.argocd_namespace, name)
        if application is not _UNREAD:
            answer.applications[name] = application
    answer.events = read(([], ""), cluster.list, EVENT, space)[0]
    return answer

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a service is not Active: evidence of its points of presence -> findings, ordered by cause. Pure.

A finding belongs to one region. The first of all is the verdict: what somebody must mend comes before what time may
mend, and among those what stands earlier on the way from Git to the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, placement, quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import CODES
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import ACTION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Unreachable, annotation, combine
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Observation

Json = dict[str, Any]


def _as_errors(*codes: str) -> dict[str, tuple[str, str]]:
    return {code: (CODES[code][0], CODES[code][2]) for code in codes}


#: code -> (class, what to do), in the order of cause. The code is also the anchor in docs/runbook.md.
CAUSES: dict[str, tuple[str, str]] = {
    "being-deleted": ("user", "Nothing is wrong: somebody deprovisions the service; ask the requester."),
    **_as_errors("orphan", "not-rendered"),
    "foundation-missing": ("user", "Run playbook onboard_tenant with all regions of the tenant; then wait."),
    **_as_errors("document-invalid", "kube-missing", "kube-auth", "kube-refused", "kube-unreachable"),
    "sync-failed": ("dependency", "Mend what Argo CD names; the observer starts the sync again by itself."),
    "secrets-missing": ("dependency", "Put the platform key into that point of presence, or the Secret that is named."),
    **_as_errors("no-pool"),
    "operator-failed": ("dependency", "Read the operator's words and its log; the database goes on when it does."),
    "object-missing": (
        "dependency",
        "Look at Application services-<tenant> in Argo CD: it should make the object.",
    ),
    "deadline-passed": ("dependency", "See what holds it up; correct the claim, or take the change back by a commit."),
    "sync-pending": ("dependency", "Wait some seconds; if it stays so, look whether Argo CD and the observer run."),
    "observer-silent": ("dependency", "Wait some seconds; if it stays so, look whether the observer runs there."),
    "operator-silent": (
        "dependency",
        "Wait some seconds; if it stays so, look whether the operator runs there.",
    ),
    "nodes-missing": ("dependency", "See the events of the pods: which nodes are not ready, and why."),
    "in-progress": ("dependency", "Wait: playbook wait_for_service tells the progress."),
    "not-ready": ("dependency", "Read the conditions of the claim's copy."),
    **_as_errors("waits-for-window"),
    "active": ("user", "Nothing."),
}
_RANK = {code: number for number, code in enumerate(CAUSES)}
#: events that are told of a service in a region
_EVENTS = 5


@dataclass(frozen=True)
class Committed:
    """What the repository holds of a service in one region.

    claim: the file that declares it, "" when none does; rendered: out of the claim as it stands now; waits: when the
    window opens before which it is not, "" when it waits for none; problem: why the derived file cannot be read, ""
    when it can.
    """

    claim: str
    foundation: bool
    derived: bool = False
    rendered: bool = False
    operation: str = ""
    action: str = ""
    requester: str = ""
    deadline: str = ""
    problem: str = ""
    waits: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known of a service in one region.

    git is None where no repository was asked; failure is (code, message) where the region cannot be asked;
    applications holds what Argo CD says (clients.argocd.words) by name, None where there is none; unread says what
    could not be read.
    """

    region: str
    git: Committed | None = None
    failure: tuple[str, str] | None = None
    namespace: bool = True
    copy: Json | None = None
    objects: Sequence[Json] = ()
    applications: Mapping[str, Json | None] = field(default_factory=dict)
    events: Sequence[Json] = ()
    unread: Sequence[str] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that keeps the service from being Active in one region, as a sentence."""

    code: str
    region: str
    message: str

    def __str__(self) -> str:
        return f"{self.region}: {self.message}"


def explain(tenant: str, name: str, home: str, evidence: Sequence[Evidence], now: str) -> Json:
    """The explanation of one service. now: RFC 3339.

    Returns tenant, name, phase, why (one sentence), code, class, action, findings [{code, region, message}], regions
    {name: {phase, synced, facts, conditions, last_operation, objects, applications, events}}.
    """
    answers = {item.region: Unreachable(item.failure[1]) if item.failure else item.copy for item in evidence}
    operations = {item.git.operation for item in evidence if item.git and item.git.operation}
    state = combine(home, answers, operations.pop() if len(operations) == 1 else "")
    found = [finding for item in evidence for finding in findings(tenant, name, item, now)]
    found.sort(key=lambda each: (_RANK[each.code], each.region != home))
    code = found[0].code if found else "active"
    label, phase = f"{tenant}/{name}", state["phase"]
    if found:
        why = f"{label} is {phase}: {found[0]}"
    elif phase == "Active":
        why = f"{label} is Active in {', '.join(answers)}."
    else:
        # nothing to be found and yet not Active: it changed while it was read
        code, why = "not-ready", f"{label} is {phase}: {state['message'] or 'it changes just now'}"
    cls, action = CAUSES[code]
    regions = {item.region: _described(tenant, name, item, state["regions"][item.region], now) for item in evidence}
    return {
        "tenant": tenant,
        "name": name,
        "phase": phase,
        "why": why,
        "code": code,
        "class": cls,
        "action": action,
        "findings": [{"code": item.code, "region": item.region, "message": item.message} for item in found],
        "regions": regions,
    }


def lines(explanation: Json) -> list[str]:
    """An explanation as text: verdict, what to do, the runbook's section, all else that was found, evidence."""
    found = [explanation["why"]]
    if explanation["code"] != "active":
        found.append(f"What to do: {explanation['action']} [{explanation['code']}, {explanation['class']}]")
        found.append(f"Runbook: {explanation['runbook']['text']}")
    found += [f"Also {item['region']}: {item['message']} [{item['code']}]" for item in explanation["findings"][1:]]
    for region, data in explanation["regions"].items():
        found += [f"{region}: {data['phase']}", *(f"  {fact}" for fact in data["facts"])]
    return found


def findings(tenant: str, name: str, item: Evidence, now: str) -> Iterator[Finding]:
    """What keeps a service from being Active in one region, upstream first; nothing where it is Active."""
    if item.git:
        yield from _in_git(tenant, name, item, item.git)
    if item.failure:
        # the client's messages begin with the context, which bears the region's name as a rule
        yield Finding(item.failure[0], item.region, item.failure[1].removeprefix(f"{item.region}: "))
        return
    copy, trouble = item.copy, _trouble(item)
    if copy is None or (item.git and item.git.operation and annotation(copy, "operation") != item.git.operation):
        if copy is None and not item.namespace and item.applications.get(f"tenant-{tenant}", {}) is None:
            yield Finding(
                "foundation-missing",
                item.region,
                f"Argo CD has no Application tenant-{tenant}, and there is no namespace {paths.namespace(tenant)}",
            )
        elif trouble:
            yield Finding("sync-failed", item.region, trouble)
        else:
            yield Finding("sync-pending", item.region, _waiting_for_sync(tenant, item))
        return
    yield from _in_cluster(copy, item, trouble, now)


def _in_git(tenant: str, name: str, item: Evidence, git: Committed) -> Iterator[Finding]:
    if not git.foundation:
        path = paths.foundation(tenant, item.region, "application.yaml")
        yield Finding("foundation-missing", item.region, f"the repository has no {path}: the tenant is not there")
    path = paths.service(tenant, item.region, name)
    if not git.derived:
        yield Finding("not-rendered", item.region, f"the claim is in Git, but nothing was rendered of it: no {path}")
    elif git.problem:
        yield Finding("document-invalid", item.region, git.problem)
    elif git.action == ACTION:
        yield Finding("being-deleted", item.region, f"{git.requester or 'somebody'} deprovisions the service")
    elif not git.claim:
        yield Finding("orphan", item.region, f"{path} is there, and no claim: somebody removed it by hand")
    elif git.waits:
        yield Finding("waits-for-window", item.region, f"a change of {git.claim} waits for its window: {git.waits}")
    elif not git.rendered:
        yield Finding("not-rendered", item.region, f"{path} was rendered of another content of the claim's file")


def _trouble(item: Evidence) -> str:
    """What Argo CD cannot do, in its own words; "" when it can."""
    for name, words in item.applications.items():
        if words and words["trouble"]:
            return f"Argo CD cannot sync Application {name}: {words['trouble']}"
    # those who may not read Applications learn it of the copy
    synced: Json = _conditions(item.copy).get("Synced", {})
    return f"Argo CD cannot sync: {synced.get('message')}" if synced.get("status") == "False" else ""


def _waiting_for_sync(tenant: str, item: Evidence) -> str:
    has = "has an earlier commit" if item.copy else "has nothing of the service yet"
    services = f"services-{tenant}"
    if services not in item.applications:
        return f"the region {has}: Argo CD has not synced the newest commit"
    words = item.applications[services]
    if words is None:
        return f"the region {has}: Argo CD has no Application {services}"
    return f"the region {has}: Application {services} is {_state(words)}"


def _in_cluster(copy: Json, item: Evidence, trouble: str, now: str) -> Iterator[Finding]:
    region, status, spec = item.region, copy.get("status", {}), copy["spec"]
    operation, last = annotation(copy, "operation"), status.get("lastOperation", {})
    if copy["metadata"].get("deletionTimestamp") or status.get("phase") == "Deleting":
        if not item.git or item.git.action != ACTION:
            yield Finding("being-deleted", region, "the claim's copy is being deleted")
        return
    fresh = status.get("observedGeneration", 0) >= copy["metadata"].get("generation", 1)
    observed = fresh and last.get("id", "") == operation
    conditions = _conditions(copy)
    secrets = conditions.get("CredentialsReady", {})
    if observed and secrets.get("status") == "False":
        yield Finding("secrets-missing", region, secrets.get("message") or "Secrets are missing")
    engine = engines.of(copy)
    current = [each for each in item.objects if annotation(each, "operation") == operation]
    seen = engine.observe(spec, current) if engine and current else None
    healthy = observed and status.get("phase") == "Active"
    if placement.pooled(spec):
        yield Finding("no-pool", region, placement.stopped(spec)[1])
    elif engine and not seen and not healthy:
        what = "of an earlier operation" if item.objects else "not there"
        yield (
            Finding("sync-failed", region, trouble)
            if trouble
            else Finding("object-missing", region, f"the operator's object ({engine.kinds[0].kind}) is {what}")
        )
    if seen and seen.error:
        yield Finding("operator-failed", region, f"the operator says: {seen.error} ({_progress(seen)})")
    ends = deadline(copy)
    if ends and last.get("state", "Running") != "Succeeded" and ends < _moment(now):
        action = annotation(copy, "action") or "operation"
        yield Finding("deadline-passed", region, f"the {action} should have been done by {_text(ends)}")
    if not observed:
        age = _since(_changed_at(copy), now)
        yield Finding("observer-silent", region, f"the observer has not looked at the newest state{age}")
    if seen and not seen.error and not healthy:
        yield from _not_yet(item, current, status, seen)
    if not seen and engine is None and not healthy:
        yield Finding("not-ready", region, conditions.get("Ready", {}).get("message") or "the engine is not known")


def _not_yet(item: Evidence, current: Sequence[Json], status: Json, seen: Observation) -> Iterator[Finding]:
    silent = [each for each in current if not each.get("status")]
    event = _newest_warning(item.events)
    told = f"{_progress(seen)}{f': {seen.message}' if seen.message else ''}{event}"
    if silent:
        first = silent[0]
        what = f"{first['kind']} {first['metadata']['name']}"
        yield Finding("operator-silent", item.region, f"the operator has not taken up {what}{event}")
    elif not (seen.current and seen.ready == seen.wanted):
        yield Finding("nodes-missing" if status.get("phase") == "Degraded" else "in-progress", item.region, told)


def deadline(copy: Json) -> datetime | None:
    """When the last operation of a copy should have ended; None where that is not known."""
    last: Json = copy.get("status", {}).get("lastOperation", {})
    if last.get("id") != annotation(copy, "operation"):
        return None
    try:
        if last.get("deadline"):
            return _moment(last["deadline"])
        return _moment(last["startedAt"]) + timedelta(seconds=quantity.seconds(annotation(copy, "deadline")))
    except (KeyError, ValueError):
        return None


def _described(tenant: str, name: str, item: Evidence, state: Json, now: str) -> Json:
    status: Json = (item.copy or {}).get("status", {})
    return {
        "phase": state["phase"],
        "synced": state["synced"],
        "facts": list(_facts(tenant, name, item, state, now)),
        "conditions": status.get("conditions", []),
        "last_operation": status.get("lastOperation"),
        "objects": [
            {
                "kind": each["kind"],
                "name": each["metadata"]["name"],
                "operation": annotation(each, "operation"),
                "conditions": (each.get("status") or {}).get("conditions", []),
            }
            for each in item.objects
        ],
        "applications": dict(item.applications),
        "events": _newest(item.events),
    }


def _facts(tenant: str, name: str, item: Evidence, state: Json, now: str) -> Iterator[str]:
    """The evidence of one region, a sentence each, from Git to the database."""
    git = item.git
    if git is None:
        yield "Git: not asked"
    elif not git.derived:
        yield f"Git: no {paths.service(tenant, item.region, name)}"
    else:
        what = f"{git.action or 'operation'} {git.operation or 'without an id'}"
        if git.claim and git.claim != paths.claim(tenant, name):
            yield f"Git: kept for its data alone: {git.claim}"
        yield f"Git: committed, {what} by {git.requester or 'somebody'}, deadline {git.deadline or 'none'}"
    if item.failure:
        yield f"Kubernetes: {item.failure[1]} [{item.failure[0]}]"
        return
    for application, words in item.applications.items():
        if words is None:
            yield f"Argo CD: no Application {application}"
            continue
        yield f"Argo CD: {application} is {_state(words)}"
        yield from (f"Argo CD: {application} refuses {refused}" for refused in words["refused"])
    if item.copy is None:
        where = "" if item.namespace else f", nor its namespace {paths.namespace(tenant)}"
        yield f"Copy: there is none{where}"
    else:
        newest = "" if git is None else ", the newest" if state["synced"] else ", not the newest"
        yield f"Copy: bears operation {annotation(item.copy, 'operation') or 'none'}{newest}"
        yield f"Copy: {state['phase']}{', ' if state['message'] else ''}{state['message']}"
        yield from (f"Copy: {_condition(each)}" for each in _conditions(item.copy).values())
        yield from _last_operation(item.copy, now)
    for each in item.objects:
        label = f"{each['kind']} {each['metadata']['name']}"
        yield from (
            f"Operator: {label}: {_condition(condition)}"
            for condition in (each.get("status") or {}).get("conditions", [])
        )
        if not each.get("status"):
            yield f"Operator: {label} has no status yet"
    yield from (_event(each, now) for each in _newest(item.events))
    yield from (f"Not read: {each}" for each in item.unread)


def _last_operation(copy: Json, now: str) -> Iterator[str]:
    last: Json = copy.get("status", {}).get("lastOperation") or {}
    if not last:
        return
    ends = deadline(copy)
    until = f", deadline {_text(ends)}{' (passed)' if ends < _moment(now) else ''}" if ends else ""
    running = until if last.get("state") != "Succeeded" else ""
    reason = f" ({last['reason']})" if last.get("reason") else ""
    yield (
        f"Operation: {last.get('action', '')} by {last.get('requester', '')} {last.get('state', '')}{reason} since"
        f" {last.get('finishedAt') or last.get('startedAt', '')}, {last.get('ready', 0)} of {last.get('wanted', '?')}"
        f" nodes{running}"
    )
    for step in last.get("steps") or []:
        message = f": {step['message']}" if step.get("message") else ""
        at = f" at {step['at']}" if step.get("at") else ""
        yield f"Operation: {step.get('name')}{at}{message}"


def _conditions(item: Json | None) -> dict[str, Json]:
    return {each["type"]: each for each in ((item or {}).get("status") or {}).get("conditions", [])}


def _condition(item: Json) -> str:
    reason = f" ({item['reason']})" if item.get("reason") else ""
    message = f": {item['message']}" if item.get("message") else ""
    return f"{item.get('type')}={item.get('status')}{reason}{message}"


def _progress(seen: Observation) -> str:
    return f"{seen.ready} of {seen.wanted} nodes are ready"


def _state(words: Json) -> str:
    """What an Application is, in one line."""
    text = f"{words['sync'] or 'not compared yet'} and {words['health'] or 'of unknown health'}"
    last = f"; its last sync: {words['phase']}, {words['message']}" if words["phase"] else ""
    return text + last + (f"; {words['trouble']}" if words["trouble"] and words["trouble"] not in last else "")


def event_time(event: Json) -> str:
    """When an event was last seen, RFC 3339; old and new API have it in different fields."""
    series: Json = event.get("series") or {}
    seen = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return str(seen or event.get("metadata", {}).get("creationTimestamp") or "")


def _newest(events: Sequence[Json]) -> list[Json]:
    return [
        {
            "time": event_time(each),
            "type": each.get("type", ""),
            "reason": each.get("reason", ""),
            "object": f"{each['involvedObject'].get('kind', '')} {each['involvedObject'].get('name', '')}",
            "count": each.get("count") or (each.get("series") or {}).get("count") or 1,
            "message": each.get("message", ""),
        }
        for each in sorted(events, key=event_time, reverse=True)[:_EVENTS]
    ]


def _event(item: Json, now: str) -> str:
    times = f", {item['count']} times" if item["count"] > 1 else ""
    when = _since(item["time"], now).removeprefix(" for ")
    return f"Event: {item['type']} {item['reason']} of {item['object']} {when} ago{times}: {item['message']}"


def _newest_warning(events: Sequence[Json]) -> str:
    warnings = [each for each in events if each.get("type") == "Warning"]
    if not warnings:
        return ""
    newest = max(warnings, key=event_time)
    return f"; {newest['involvedObject'].get('kind')} {newest['involvedObject'].get('name')}: {newest.get('message')}"


def _changed_at(copy: Json) -> str:
    """When something else than the status of a copy was last written."""
    times = [
        str(entry.get("time") or "")
        for entry in copy["metadata"].get("managedFields", [])
        if not entry.get("subresource")
    ]
    return max(times, default="") or str(copy["metadata"].get("creationTimestamp") or "")


def _since(then: str, now: str) -> str:
    try:
        seconds = max(0, int((_moment(now) - _moment(then)).total_seconds()))
    except ValueError:
        return " for a time unknown"
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            count = seconds // size
            return f" for {count} {unit}{'s' if count > 1 else ''}"
    return " for 0 seconds"


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

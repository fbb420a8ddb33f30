# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observe and combine: what a PoP has of a service, and what the service is as a whole. Both pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, operation, placement
from ansible_collections.dbaas.platform.plugins.module_utils.domain import secrets as platform_secrets
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import GROUP, Engine, Observation

Json = dict[str, Any]

REGION = f"{GROUP}/region"
#: what the observer derives Secrets from; whoever bootstraps a PoP puts it there
PLATFORM_KEY = "dbaas-system/platform-key"
_UNCOMMITTED = "waiting for playbook reconcile_claims to commit what this says; it tells why where it cannot"
#: (status, reason, message) of a condition
Said: TypeAlias = tuple[str, str, str]


def annotation(item: Json, name: str, default: str = "") -> str:
    """One of our annotations of an object."""
    return str(item.get("metadata", {}).get("annotations", {}).get(f"{GROUP}/{name}", default))


def bears(copy: Json) -> str:
    """The id of the operation that a live copy bears; a tenant's own object only says it in its status."""
    return annotation(copy, "operation") or str(copy.get("status", {}).get("lastOperation", {}).get("id", ""))


def of_live(
    live: Json,
    record: Json | None,
    objects: Sequence[Json],
    *,
    secrets: Collection[str],
    now: str,
    complaints: str | None = None,
) -> Json:
    """The whole status of a live ServiceClaim: a copy's, or that of a tenant's own object with what stands for it.

    As observe; record is the ConfigMap beside a tenant's own object, None where nothing is rendered from that yet.
    """
    if not born.by_tenant(live):
        return observe(live, objects, secrets=secrets, now=now, complaints=complaints)
    copy = born.whole(live, record) if record else None
    if record is None or copy is None:
        return _waiting(live, now)
    said: Said = ("True", "Committed", "") if born.committed(live, record) else ("False", "Edited", _UNCOMMITTED)
    status = observe(copy, objects, secrets=secrets, now=now, complaints=complaints)
    conditions: list[Json] = live.get("status", {}).get("conditions", [])
    was: Json = next((item for item in conditions if item["type"] == "Committed"), {})
    condition = _condition(was, ("Committed", *said), status["observedGeneration"], now)
    return {**status, "conditions": [*status["conditions"], condition]}


def _waiting(live: Json, now: str) -> Json:
    before: Json = live.get("status", {})
    was: dict[str, Json] = {item["type"]: item for item in before.get("conditions", [])}
    provisioned = was.get("Provisioned", {}).get("status") == "True"
    phase, message = ("Degraded", "its record is gone") if provisioned else ("Pending", _UNCOMMITTED)
    if live["metadata"].get("deletionTimestamp"):
        phase, message = "Deleting", "its owner deletes it"
    generation = live["metadata"].get("generation", 1)
    told = [("Ready", "False", phase, message), ("Committed", "False", "NotCommitted", _UNCOMMITTED)]
    fresh = {item[0]: _condition(was.get(item[0], {}), item, generation, now) for item in told}
    conditions = {**was, **fresh} if provisioned else fresh
    return {**before, "phase": phase, "observedGeneration": generation, "conditions": list(conditions.values())}


def observe(
    copy: Json, objects: Sequence[Json], *, secrets: Collection[str], now: str, complaints: str | None = None
) -> Json:
    """The whole status of one copy.

    objects: the operators' objects of the service in its namespace; secrets: names of the Secrets there that the
    platform made; now: RFC 3339, used only where something changed; complaints: what Argo CD says keeps the tenant's
    files from being synced here, "" when nothing does, None when nothing was heard. The status before is
    copy["status"]; an equal one comes back when nothing changed.
    """
    before: Json = copy.get("status", {})
    metadata, spec = copy["metadata"], copy["spec"]
    engine = engines.of(copy)
    asked = annotation(copy, "operation")
    needed = [need.name for need in platform_secrets.wanted(copy) if need.name not in secrets]
    missing = f"waiting for Secrets {', '.join(needed)}: is Secret {PLATFORM_KEY} there?" if needed else ""
    # an operator's object of an earlier operation says nothing of this one
    current = [item for item in objects if annotation(item, "operation") == asked]
    seen = engine.observe(spec, current) if engine and current else None
    settled = before.get("operatorGeneration", 0)
    if seen and not seen.answered and seen.generation != settled and not _silent(seen, now):
        seen = replace(seen, current=False)
    if seen and seen.since and not _passed(seen.since, seen.patience, now):
        seen = replace(seen, terminal=False)
    was = {item["type"]: item for item in before.get("conditions", [])}
    provisioned = was.get("Provisioned", {}).get("status") == "True"
    last = before.get("lastOperation", {})
    changing = operation.under_way(last, asked)
    phase, message = _phase(metadata, seen, bool(objects), missing, provisioned, changing)
    reason, sentence = placement.stopped(spec) if placement.pooled(spec) else ("", "")
    if phase == "Pending" and sentence:
        message = "; ".join(filter(None, (sentence, missing)))
    if engine is None:
        message = f"this observer knows no engine {spec.get('engine')!r}"
    provisioned = provisioned or phase == "Active"

    paused = seen is not None and seen.paused and phase == "Active"
    ready: Said = ("True" if phase == "Active" else "False", phase, message)
    if paused:
        # as it is declared, so Active; but nobody can connect
        message = "paused: no node runs, and the data is kept"
        ready = ("False", "Paused", message)
    wanted_conditions = [
        ("Ready", *ready),
        ("Provisioned", "True" if provisioned else "False", "FirstActive" if provisioned else phase, ""),
        ("BackupConfigured", *_backup(spec, seen)),
        ("CredentialsReady", *(("False", "SecretsMissing", missing) if missing else ("True", "SecretsExist", ""))),
        _synced(was.get("Synced", {}), complaints),
    ]
    if paused:
        wanted_conditions.append(("Paused", "True", "Paused", message))
    if sentence:
        placed = ("False", reason) if reason == placement.NO_POOL else ("True", "Placed")
        wanted_conditions.append(("Placed", *placed, sentence))
    if replicating := _replicating(was, seen):
        wanted_conditions.append(("Replicating", *replicating))
    warnings = json.loads(annotation(copy, "warnings", "[]"))
    if warnings:
        wanted_conditions.append(("Warning", "True", "Admitted", "; ".join(warnings)))
    generation = metadata.get("generation", 1)
    status: Json = {
        "phase": phase,
        "observedGeneration": generation,
        "conditions": [_condition(was.get(item[0], {}), item, generation, now) for item in wanted_conditions],
        "lastOperation": _operation(copy, last, phase, seen, message, now, reason if phase == "Pending" else ""),
    }
    # until the next change of the operator's object what it says is up to date, whether it writes again or not
    if settled := seen.generation if seen and phase == "Active" else settled:
        status["operatorGeneration"] = settled
    if provisioned and engine:
        status |= _connection(copy, engine)
    return status


def _silent(seen: Observation, now: str) -> bool:
    """Whether an operator that says nothing of some changes has said nothing for long enough to mean that."""
    return bool(seen.patience and seen.written) and _passed(seen.written, seen.patience, now)


def _passed(since: str, seconds: int, now: str) -> bool:
    begin, today = (datetime.fromisoformat(time) for time in (since, now))
    return (today - begin).total_seconds() >= seconds


def _backup(spec: Json, seen: Observation | None) -> Said:
    if not spec.get("backup", {}).get("enabled", True):
        return "False", "Disabled", "The claim asks for no backups."
    return seen.backup if seen else ("Unknown", "NotReported", "")


def _replicating(was: Json, seen: Observation | None) -> Said | None:
    if seen:
        return seen.replicating
    before = was.get("Replicating")
    return (before["status"], before["reason"], before["message"]) if before else None


def _phase(
    metadata: Json, seen: Observation | None, exists: bool, missing: str, provisioned: bool, changing: bool
) -> tuple[str, str]:
    # the annotation counts only when it is the object's own uid
    asked = (metadata.get("annotations") or {}).get(f"{GROUP}/deletion")
    if metadata.get("deletionTimestamp") or (asked and asked == metadata.get("uid")):
        return "Deleting", "the service is being deleted"
    if seen is None:
        if provisioned:
            return (
                ("Updating", "the change has not reached the operator yet")
                if exists
                else ("Degraded", "the database's object is gone")
            )
        return "Pending", missing or "waiting for the database's object"
    progress = f"{seen.ready} of {seen.wanted} nodes are ready"
    detail = f"{progress}: {seen.message}" if seen.message else progress
    detail = f"{detail}; {missing}" if missing else detail
    if seen.error:
        if provisioned:
            return "Degraded", f"{seen.error} ({progress})"
        return ("Failed" if seen.terminal else "Provisioning"), f"{seen.error} ({progress})"
    if seen.current and seen.ready == seen.wanted and not missing:
        return "Active", progress
    if not provisioned:
        return "Provisioning", detail
    return ("Updating" if changing else "Degraded"), detail


def _synced(before: Json, complaints: str | None) -> tuple[str, str, str, str]:
    if complaints is None:
        # while nothing is heard, what was heard last stands
        return "Synced", before.get("status", "Unknown"), before.get("reason", "NotReported"), before.get("message", "")
    return ("Synced", "False", "SyncFailed", complaints) if complaints else ("Synced", "True", "Synced", "")


def _condition(before: Json, wanted: tuple[str, str, str, str], generation: int, now: str) -> Json:
    kind, status, reason, message = wanted
    moved = before.get("status") != status
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": now if moved else before["lastTransitionTime"],
    }


def _operation(
    copy: Json, last: Json, phase: str, seen: Observation | None, message: str, now: str, stopped: str
) -> Json:
    # whoever waits need not wait for the deadline; of an error that is older than the change nothing is known yet
    failing = seen is not None and seen.terminal and bool(seen.error) and seen.answered
    return operation.advanced(
        last,
        {"id": annotation(copy, "operation")}
        | {name: annotation(copy, name) for name in ("action", "requester", "deadline")},
        phase=phase,
        reached=seen is not None,
        ready=seen.ready if seen else 0,
        wanted=seen.wanted if seen else _nodes(copy["spec"]),
        words=message,
        now=now,
        stopped=stopped or (operation.TERMINAL if failing else ""),
    )


def _nodes(spec: Json) -> int:
    return sum(role.get("replicas", 0) for role in spec.get("resources", {}).values())


def _connection(copy: Json, engine: Engine) -> Json:
    metadata = copy["metadata"]
    region = metadata.get("labels", {}).get(REGION, copy["spec"]["region"])
    domain = annotation(copy, "cluster-domain", "cluster.local")
    to = engine.connection(metadata["name"], metadata["namespace"], domain, copy["spec"])
    url = f"{to.scheme}://{to.host}:{to.port}"
    references = {
        "secretRef": to.secret,
        "caSecretRef": to.ca_secret,
        "clientCertificateSecretRef": to.client_certificate_secret,
    }
    return {
        "connectionString": url,
        "connection": {
            "host": to.host,
            "port": to.port,
            "tls": to.tls,
            **{field: {"name": name} for field, name in references.items() if name},
        },
        "endpoints": [
            {
                "name": f"{to.scheme}-{region}",
                "region": region,
                "scope": "internal",
                "host": to.host,
                "port": to.port,
                "url": url,
            }
        ],
    }


class Unreachable(str):
    """In place of a copy: the PoP does not answer, and why."""


Answer: TypeAlias = "Json | Unreachable | None"


def combine(home: str, answers: Mapping[str, Answer], operation: str = "") -> Json:
    """The service's status out of what each of its regions answers: a copy, None (no copy there yet) or Unreachable.

    operation: the id of the newest commit's operation, where it is known; a region is synced when its copy bears it.
    Returns phase (also Unknown), message, regions {name: {phase, message, operation, synced, ready, wanted,
    failed}} (failed: why the newest operation has failed there, "" when it has not), connection, connectionString,
    endpoints, conditions (the home region's) and lastOperation (of the region where it is the furthest behind).
    """
    regions = {name: _region_status(answer, operation) for name, answer in answers.items()}
    phases = [item["phase"] for item in regions.values()]
    home_copy = answers.get(home)
    status: Json = home_copy.get("status", {}) if isinstance(home_copy, dict) else {}
    return {
        "phase": _combined(phases),
        "message": "; ".join(
            f"{name}: {item['phase']}, {item['message']}" for name, item in regions.items() if item["phase"] != "Active"
        ),
        "regions": regions,
        "connection": {**status["connection"], "region": home} if "connection" in status else None,
        "connectionString": status.get("connectionString"),
        "endpoints": [
            endpoint
            for answer in answers.values()
            if isinstance(answer, dict)
            for endpoint in answer.get("status", {}).get("endpoints", [])
        ],
        "conditions": status.get("conditions", []),
        "lastOperation": _last_operation(home, answers),
    }


def _last_operation(home: str, answers: Mapping[str, Answer]) -> Json | None:
    """The operation that the home region has, as of the region where it is the worst, which it names."""
    found = {
        region: answer.get("status", {}).get("lastOperation")
        for region, answer in sorted(answers.items(), key=lambda item: item[0] != home)
        if isinstance(answer, dict)
    }
    first: Json | None = found.get(home)
    if not first:
        return None
    same = [{**item, "region": region} for region, item in found.items() if item and item.get("id") == first.get("id")]
    return min(same, key=lambda item: ("Failed", "Running", "Succeeded").index(item.get("state", "Succeeded")))


def runs(answers: Mapping[str, Answer], operation: str) -> bool:
    """Whether this operation, the newest that was committed, is still on its way in a region that answers."""
    for answer in answers.values():
        if isinstance(answer, Unreachable):
            continue
        last: Json = (answer or {}).get("status", {}).get("lastOperation", {})
        if last.get("id") != operation or last.get("state") not in ("Succeeded", "Failed"):
            return True
    return False


def _region_status(answer: Answer, operation: str) -> Json:
    if not isinstance(answer, dict):
        phase, message = ("Pending", "not synced yet") if answer is None else ("Unreachable", str(answer))
        return {
            "phase": phase,
            "message": message,
            "operation": None,
            "synced": False,
            "ready": 0 if answer is None else None,
            "wanted": None,
            "failed": "",
        }
    status: Json = answer.get("status", {})
    last: Json = status.get("lastOperation", {})
    ready: Json = next((item for item in status.get("conditions", []) if item["type"] == "Ready"), {})
    has = bears(answer)
    synced = has == operation if operation else True
    # a change of annotations alone leaves the generation as it is
    observed = status.get("observedGeneration", 0) >= answer["metadata"].get("generation", 1) and last.get("id") == has
    phase, message = status.get("phase", "Pending"), ready.get("message", "")
    if not observed:
        phase, message = "Updating" if status else "Pending", "not observed yet"
    if not synced:
        stopped: Json = next((item for item in status.get("conditions", []) if item["type"] == "Synced"), {})
        why = f": {stopped['message']}" if stopped.get("status") == "False" else ""
        phase, message = "Updating", f"the newest commit is not synced yet{why}"
    return {
        "phase": phase,
        "message": message,
        "operation": has or None,
        "synced": synced,
        "ready": last.get("ready", 0),
        "wanted": last.get("wanted"),
        "failed": f"{last.get('reason', 'Failed')}: {last.get('message', '')}"
        if synced and observed and last.get("state") == "Failed"
        else "",
    }


def _combined(phases: list[str]) -> str:
    if all(phase == "Unreachable" for phase in phases):
        return "Unknown"
    for phase in ("Deleting", "Failed"):
        if phase in phases:
            return phase
    if "Unreachable" in phases or "Degraded" in phases:
        return "Degraded"
    if "Updating" in phases:
        return "Updating"
    if all(phase == phases[0] for phase in phases):
        return phases[0]
    return "Provisioning"

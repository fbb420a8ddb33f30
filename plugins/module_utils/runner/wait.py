# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting: committed → synced → provisioning n of m → ready, in each region, told while it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import CODES, DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.paths import namespace
from ansible_collections.dbaas.platform.plugins.module_utils.domain.placement import NO_POOL, NOT_BUILT
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Answer, Unreachable, combine
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

Json = dict[str, Any]

_PAUSE = 0.5
#: seconds for which a refusal is taken for that of a cluster that starts
_REFUSED = 10.0
#: more services than this are told of in sums
EACH = 12


@dataclass(frozen=True)
class Wanted:
    """A service that is waited for; operation is the id that its copies must bear ("" for any)."""

    tenant: str
    name: str
    home: str
    regions: tuple[str, ...]
    operation: str = ""

    @classmethod
    def of(cls, claim: Claim, operation: str) -> Wanted:
        return cls(claim.tenant, claim.name, claim.spec["region"], tuple(claim.regions), operation)


def answers(services: Iterable[Wanted], clusters: Mapping[str, Cluster]) -> dict[tuple[str, str], dict[str, Answer]]:
    """What each region answers for each service: one list per region and namespace, all regions at once."""
    asked: dict[str, dict[str, set[str]]] = {}
    for item in services:
        for region in item.regions:
            asked.setdefault(region, {}).setdefault(item.tenant, set()).add(item.name)
    found: dict[tuple[str, str], dict[str, Answer]] = {}
    with ThreadPoolExecutor(max_workers=max(1, min(base.WORKERS, len(asked)))) as pool:
        for region, result in zip(
            asked, pool.map(lambda each: _ask(clusters.get(each), asked[each]), asked), strict=True
        ):
            for key, answer in result.items():
                found.setdefault(key, {})[region] = answer
    return found


def _ask(cluster: Cluster | None, tenants: Mapping[str, set[str]]) -> dict[tuple[str, str], Answer]:
    found: dict[tuple[str, str], Answer] = {}
    for tenant, names in tenants.items():
        try:
            if cluster is None:
                raise DbaasError("kube-missing", "the platform has no such point of presence")
            copies = {item["metadata"]["name"]: item for item in cluster.list(CLAIM, namespace(tenant))[0]}
        except DbaasError as error:
            if error.code in ("kube-auth", "kube-refused"):
                # an answer that has nothing to do with the service: who asks must mend it
                raise
            found |= {(tenant, name): Unreachable(error.message) for name in names}
            if error.code == "kube-unreachable":
                rest = {key: value for key, value in tenants.items() if key != tenant}
                return found | {
                    (other, name): Unreachable(error.message) for other, more in rest.items() for name in more
                }
        else:
            found |= {(tenant, name): copies.get(name) for name in names}
    return found


def until_ready(
    services: Sequence[Wanted], clusters: Mapping[str, Cluster], timeout: float, progress: Callable[[str], None]
) -> list[Json]:
    """Waits until every service is Active in all its regions, one or its operation has failed, or time is over.

    One that lacks a pool is not waited for: only somebody who makes a pool can help it.

    Returns for each service tenant, name, phase, message, regions, connection and connection_string. Raises DbaasError
    when a cluster refuses us for a while: one that has just started refuses everybody.
    """
    end = time.monotonic() + timeout
    welcome = time.monotonic()
    told: dict[tuple[str, ...], str] = {}
    while True:
        try:
            found = answers(services, clusters)
        except DbaasError:
            if time.monotonic() - welcome > _REFUSED:
                raise
            time.sleep(_PAUSE)
            continue
        welcome = time.monotonic()
        states = [(item, combine(item.home, found[item.tenant, item.name], item.operation)) for item in services]
        _tell(states, told, progress)
        # what has no pool holds nobody else up
        going = [state for _item, state in states if not _unplaced(state)]
        phases = {state["phase"] for state in going}
        late = any(_failures(state) for state in going)
        if phases <= {"Active"} or "Failed" in phases or late or time.monotonic() >= end:
            return [_outcome(item, state) for item, state in states]
        time.sleep(_PAUSE)


def _tell(
    states: Sequence[tuple[Wanted, Json]], told: dict[tuple[str, ...], str], progress: Callable[[str], None]
) -> None:
    if len(states) > EACH:
        for region in sorted({region for item, _state in states for region in item.regions}):
            steps = [_step(state["regions"][region])[0] for item, state in states if region in item.regions]
            text = ", ".join(
                f"{steps.count(step)} {step}"
                for step in ("unreachable", "committed", "synced", "provisioning", "ready")
                if step in steps
            )
            _once(told, (region,), f"{region}: {text} of {len(steps)}", progress)
        return
    for item, state in states:
        for region, data in state["regions"].items():
            key = (item.tenant, item.name, region)
            step, text = _step(data)
            if step in ("synced", "provisioning", "ready"):
                # said once for each, also when it was over before a look
                _once(told, (*key, "synced"), f"{item.tenant}/{item.name} {region}: synced", progress)
            if step != "synced":
                _once(told, key, f"{item.tenant}/{item.name} {region}: {text}", progress)


def _once(told: dict[tuple[str, ...], str], key: tuple[str, ...], text: str, progress: Callable[[str], None]) -> None:
    if told.get(key) != text:
        told[key] = text
        progress(text)


def _step(region: Json) -> tuple[str, str]:
    phase = region["phase"]
    if phase == "Active":
        # of a service that is paused no node is wanted, and its message says so
        words = f"ready, {region['ready']} of {region['wanted']} nodes" if region["wanted"] else region["message"]
        return "ready", words
    if phase == "Unreachable":
        return "unreachable", f"unreachable: {region['message']}"
    if not region["synced"]:
        return "committed", "committed, waiting for Argo CD"
    if phase == "Pending":
        return "synced", "synced"
    return "provisioning", f"{phase.lower()}, {region['message']}"


def _failures(state: Json) -> list[str]:
    """Regions in which the operation has failed and the service is not Active, each with the reason."""
    regions = state["regions"].items()
    return [f"{name}: {data['failed']}" for name, data in regions if data["failed"] and data["phase"] != "Active"]


def _unplaced(state: Json) -> bool:
    """Whether a shared service cannot go on, since its pool is not there."""
    reasons = {data["failed"].partition(":")[0] for data in state["regions"].values()}
    return not reasons.isdisjoint((NO_POOL, NOT_BUILT))


def _outcome(item: Wanted, state: Json) -> Json:
    return {
        "tenant": item.tenant,
        "name": item.name,
        "phase": state["phase"],
        "message": state["message"],
        "regions": state["regions"],
        "connection": state["connection"],
        "connection_string": state["connectionString"],
        "endpoints": state["endpoints"],
    }


def failed(result: Json, services: Sequence[Json]) -> Json:
    """The result of a wait that did not end well: all that was delivered, which stays, and what is amiss."""
    failures = {f"{item['tenant']}/{item['name']}": "; ".join(_failures(item)) for item in services}
    phases = {item["phase"] for item in services}
    code = "wait-failed" if "Failed" in phases else "operation-failed" if any(failures.values()) else "wait-timeout"
    if all(map(_unplaced, services)):
        code = "no-pool"
    lines = [f"{item['tenant']}/{item['name']} is {item['phase']}: {item['message']}" for item in services]
    lines += [f"{name}: the operation has failed: {why}" for name, why in failures.items() if why]
    cls, retry, action = CODES[code]
    error = {"code": code, "class": cls, "retry": retry, "action": action, "runbook": code, "fields": []}
    return {**result, "failed": True, "msg": "\n".join([*lines, f"{action} [{code}, {cls}]"]), "error": error}

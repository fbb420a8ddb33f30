"""What an operator says cannot be made ends a wait at once, with its words; of the others the deadline does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import observe
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.runner import wait
from ansible_collections.dbaas.platform.plugins.module_utils.runner.wait import Wanted

from tests.unit.domain.shipped import OPERATION, catalog, rendered
from tests.unit.runner.world import FakeCluster

Json = dict[str, Any]

BEGIN, MINUTE_LATER, TOO_LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:31:00Z"
#: SKU -> the operator's kind, what its status says of what it cannot make, and its words in what is told
SAID: dict[str, tuple[str, Json, str]] = {
    "yb-dedicated": (
        "YBUniverse",
        {"universeState": "Creating", "actions": [{"status": "failed", "message": "no such zone"}]},
        "no such zone",
    ),
    "scy-ring-3": (
        "ScyllaCluster",
        {"observedGeneration": 1, "conditions": [{"type": "Degraded", "status": "True", "message": "no such class"}]},
        "no such class",
    ),
    "aero-strong-3": ("AerospikeCluster", {"phase": "Error"}, "the operator reports phase Error"),
    "mongo-flex-rs": (
        "PerconaServerMongoDB",
        {"state": "error", "message": "wrong psmdb options: no such size"},
        "wrong psmdb options: no such size",
    ),
}
#: SKU -> kind and status of an operator that has no word for it: Vitess' tries for ever, Dragonfly's says how far it is
SILENT: dict[str, tuple[str, Json]] = {
    "vt-sharded": ("VitessCluster", {"observedGeneration": 1}),
    "dfly-mem-16g": ("Dragonfly", {"phase": "Configuring"}),
}


def seen(sku: str, kind: str, status: Json, now: str = BEGIN, before: Json | None = None, patient: str = "") -> Json:
    """The service's copy as the observer of its PoP leaves it, once the operator has said this."""
    objects = copy.deepcopy(rendered({"sku": sku, "region": "lagos"}, "orders")["lagos"])
    (copied,) = [item for item in objects if item["kind"] == "ServiceClaim"]
    (made,) = [item for item in objects if item["kind"] == kind]
    made["metadata"] |= {"generation": 1}
    made["status"] = copy.deepcopy(status)
    for condition in made["status"].get("conditions", []):
        condition["lastTransitionTime"] = patient or BEGIN
    copied["metadata"] |= {"generation": 1, "uid": "u"}
    if before:
        copied["status"] = before
    there = [need.name for need in secrets.wanted(copied)]
    parts = [item for item in objects if item["kind"] in {each.kind for each in ENGINES[_engine(sku)].kinds}]
    copied["status"] = observe(copied, parts, secrets=there, now=now)
    return copied


def _engine(sku: str) -> str:
    return catalog().skus[sku].engine


def waited(copied: Json, monkeypatch: pytest.MonkeyPatch) -> Json:
    """What whoever waits is told; they are told at once, or this fails."""

    def again(_seconds: float) -> None:
        raise AssertionError("it was waited for")

    monkeypatch.setattr("time.sleep", again)
    service = Wanted("123", "orders", "lagos", ("lagos",), OPERATION)
    clusters: dict[str, Any] = {"lagos": FakeCluster([{"orders": copied}])}
    found = wait.until_ready([service], clusters, 1800, lambda _line: None)
    return wait.failed({}, found)


def test_every_engine_is_tried() -> None:
    # one beside those of the platform has its states in tests of its own
    platform = {"aerospike", "dragonfly", "mongodb", "scylla", "vitess", "yugabyte"}
    assert {_engine(sku) for sku in (*SAID, *SILENT)} == platform <= set(ENGINES)


@pytest.mark.parametrize("sku", SAID)
def test_a_terminal_reason_ends_the_wait_for_a_new_service(sku: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, status, words = SAID[sku]
    told = waited(seen(sku, kind, status, MINUTE_LATER), monkeypatch)
    assert (told["failed"], told["error"]["code"]) == (True, "wait-failed")
    assert f"123/orders is Failed: lagos: Failed, {words}" in told["msg"]


@pytest.mark.parametrize("sku", SAID)
def test_a_terminal_reason_ends_the_wait_for_a_change(sku: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, status, words = SAID[sku]
    first = seen(sku, kind, {}, BEGIN)["status"]
    # it was Active before, of another operation
    provisioned = {"type": "Provisioned", "status": "True", "lastTransitionTime": BEGIN}
    others = [item for item in first["conditions"] if item["type"] != "Provisioned"]
    active = {**first, "phase": "Active", "conditions": [*others, provisioned]}
    active["lastOperation"] = {**first["lastOperation"], "id": "another", "state": "Succeeded"}
    told = waited(seen(sku, kind, status, MINUTE_LATER, active), monkeypatch)
    assert (told["failed"], told["error"]["code"]) == (True, "operation-failed")
    assert f"the operation has failed: lagos: TerminalError: {words}" in told["msg"]


@pytest.mark.parametrize("sku", SILENT)
def test_where_no_operator_says_so_the_deadline_of_the_operation_does(
    sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, status = SILENT[sku]
    going = seen(sku, kind, status)
    with pytest.raises(AssertionError, match="it was waited for"):
        waited(going, monkeypatch)
    told = waited(seen(sku, kind, status, TOO_LATE, going["status"]), monkeypatch)
    assert told["error"]["code"] == "operation-failed"
    assert "DeadlineExceeded: not ready after the deadline" in told["msg"]


def test_what_scylla_s_operator_gets_over_by_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed attempt makes it Degraded until the next one; only what lasts cannot be made."""
    kind, status, _words = SAID["scy-ring-3"]
    for copied in (
        seen("scy-ring-3", kind, status, "2026-01-01T00:00:59Z"),
        # of the generation before, and just begun
        seen("scy-ring-3", kind, {**status, "observedGeneration": 0}, MINUTE_LATER),
        seen("scy-ring-3", kind, status, MINUTE_LATER, patient="2026-01-01T00:00:30Z"),
    ):
        with pytest.raises(AssertionError, match="it was waited for"):
            waited(copied, monkeypatch)

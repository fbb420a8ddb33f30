"""Windows of maintenance through the runners: what is committed, what waits, who says so, and who renders it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

from tests.unit.runner.world import FakeCluster, World

Json = dict[str, Any]

CLAIM = "tenants/acme/claims/orders.yaml"
LAGOS = "tenants/acme/lagos/services/orders.yaml"
NIGHTS: Json = {"windows": [{"days": ["sat"], "start": "22:30", "duration": "4h"}]}
OPENS = "2026-01-03T22:30:00Z"
WAITS = "acme/orders: waits for its window, which opens 2026-01-03T22:30:00Z"


class Clock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def night(self) -> None:
        self.moment = datetime(2026, 1, 3, 23, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(base, "now", lambda: found.moment)
    return found


def orders(world: World, cpu: str, **options: Any) -> Json:
    resources = {"node": {"cpu": cpu}}
    found = world.run(
        "service_claim",
        tenant="acme",
        name="orders",
        sku="scy-ring-3",
        region="lagos",
        maintenance=NIGHTS,
        resources=resources,
        **options,
    )
    assert isinstance(found, dict)
    return found


def test_a_change_waits_and_reconcile_renders_it_in_the_window(world: World, clock: Clock) -> None:
    orders(world, "4")
    derived = world.text(LAGOS)
    predicted = orders(world, "8", check=True, diff=True)
    result = orders(world, "8", diff=True)
    assert (predicted["diff"], predicted["operations"]) == (result["diff"], result["operations"])
    (operation,) = result["operations"]
    assert (operation["action"], operation["waits_until"], operation["id"]) == ("hold", OPENS, None)
    assert operation["plan"]["restart"] == "rolling"
    assert world.text(LAGOS) == derived
    assert world.git("diff", "--name-only", "main~1", "main").splitlines() == [CLAIM]
    assert "hold acme/orders" in world.git("log", "-1", "--format=%B")
    again = orders(world, "8")
    assert (again["changed"], again["operations"][0]["waits_until"]) == (False, OPENS)

    commits = world.commits()
    early = world.run("gitops_reconciliation")
    assert (early["changed"], early["operations"]) == (False, [])
    assert early["waiting"] == [{"tenant": "acme", "name": "orders", "until": OPENS}]
    assert world.commits() == commits

    clock.night()
    late = world.run("gitops_reconciliation")
    assert [(item["action"], item["changed"]) for item in late["operations"]] == [
        ("update", ["spec.resources.node.cpu"])
    ]
    assert late["waiting"] == []
    assert world.document(LAGOS)["spec"]["resources"]["node"]["cpu"] == "8"
    assert world.run("gitops_validation_info")["problems"] == []


def test_now_waits_for_nothing(world: World, clock: Clock) -> None:
    del clock
    orders(world, "4")
    (operation,) = orders(world, "8", timing="now")["operations"]
    assert (operation["action"], operation["waits_until"]) == ("update", None)
    assert world.operation("orders") == operation["id"]


def test_what_waits_can_be_made_to_come_now(world: World, clock: Clock) -> None:
    del clock
    orders(world, "4")
    assert orders(world, "8")["operations"][0]["action"] == "hold"
    (operation,) = orders(world, "8", timing="now")["operations"]
    assert (operation["action"], operation["waits_until"]) == ("update", None)
    assert operation["plan"]["restart"] == "rolling"
    assert world.operation("orders") == operation["id"]


def test_rendered_shows_what_it_will_be(world: World, clock: Clock) -> None:
    del clock
    orders(world, "4")
    shown = orders(world, "8", state="rendered")["manifests"]["rendered"]
    (ring,) = [item["object"] for item in shown if item["object"]["kind"] == "ScyllaCluster"]
    assert ring["spec"]["datacenter"]["racks"][0]["resources"]["limits"]["cpu"] == "8"


def test_whoever_looks_is_told_what_waits(world: World, clock: Clock) -> None:
    orders(world, "4")
    orders(world, "8")
    (problem,) = world.run("gitops_validation_info")["problems"]
    assert (problem["file"], problem["code"], problem["severity"]) == (CLAIM, "waits-for-window", "warning")
    assert OPENS in problem["message"]
    clock.night()
    (problem,) = world.run("gitops_validation_info")["problems"]
    assert problem["code"] == "not-rendered"


def test_drift_tells_what_waits_and_finds_no_fault(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(world, "4")
    orders(world, "8")
    pops = {name: FakeCluster(name=name) for name in ("lagos", "johannesburg")}
    monkeypatch.setattr(base, "clusters", lambda _run, platform: {name: pops[name] for name in platform.pops})
    found = world.run("gitops_drift_info", fail=False)["drift"]
    (waits,) = [item for item in found if item["code"] == "waits-for-window"]
    assert (waits["pop"], waits["service"], waits["drift"], waits["file"]) == ("lagos", "orders", False, CLAIM)
    assert "not-rendered" not in {item["code"] for item in found}
    clock.night()
    codes = {item["code"]: item["drift"] for item in world.run("gitops_drift_info", fail=False)["drift"]}
    assert codes["not-rendered"] is True


def test_a_rollback_does_not_wait(world: World, clock: Clock) -> None:
    """Whoever goes back has a reason."""
    orders(world, "4")
    clock.night()
    orders(world, "8")
    clock.moment = datetime(2026, 1, 5, 12, tzinfo=UTC)
    back = world.run("service_claim_rollback", tenant="acme", name="orders")
    assert back["operations"][0]["action"] == "rollback"
    assert world.document(LAGOS)["spec"]["resources"]["node"]["cpu"] == "4"


def test_a_rollback_takes_back_what_waits(world: World, clock: Clock) -> None:
    del clock
    orders(world, "4")
    claim, derived = world.text(CLAIM), world.document(LAGOS)["spec"]
    orders(world, "8")
    world.run("service_claim_rollback", tenant="acme", name="orders")
    assert (world.text(CLAIM), world.document(LAGOS)["spec"]) == (claim, derived)
    assert world.run("gitops_reconciliation")["waiting"] == []


def test_a_change_that_waits_is_not_waited_for(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """wait follows what runs: no copy will bear the operation of a change that waits."""
    del clock
    orders(world, "4")
    copy = world.document(LAGOS)
    runs = copy["metadata"]["annotations"]["dbaas.example.com/operation"]
    copy["metadata"]["generation"] = 1
    copy["status"] = {
        "phase": "Active",
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True", "message": "3 of 3 nodes are ready"}],
        "lastOperation": {"id": runs, "ready": 3, "wanted": 3},
    }
    cluster = FakeCluster([{"orders": copy}])
    monkeypatch.setattr(base, "clusters", lambda _run, _platform: {"lagos": cluster})
    result = orders(world, "8", wait=True, wait_timeout=1)
    assert not result.get("failed"), result.get("msg")
    assert [item["phase"] for item in result["wait"]] == ["Active"]

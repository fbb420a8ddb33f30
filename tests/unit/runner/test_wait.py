"""Waiting: what is told, in which order, and when it ends."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import wait
from ansible_collections.dbaas.platform.plugins.module_utils.runner.wait import Wanted

from tests.unit.runner.world import UNREACHABLE, FakeCluster, copy

BOTH = ("lagos", "johannesburg")


def until_ready(
    services: list[Wanted], clusters: dict[str, Any], timeout: float = 5
) -> tuple[list[dict[str, Any]], list[str]]:
    lines: list[str] = []
    return wait.until_ready(services, clusters, timeout, lines.append), lines


def orders(*regions: str, operation: str = "op") -> list[Wanted]:
    return [Wanted("acme", "orders", "lagos", regions or ("lagos",), operation)]


def states(*copies: dict[str, Any] | None) -> list[Any]:
    return [{} if item is None else {"orders": item} for item in copies]


def test_each_step_of_each_region_is_told_once_and_in_order() -> None:
    lagos = states(None, copy("orders", ""), *(copy("orders", "Provisioning", ready) for ready in (0, 2, 2)))
    lagos += states(copy("orders", "Active", 3, regions=BOTH))
    there = states(None, None, None, copy("orders", "Pending"), copy("orders", "Active", 3, regions=BOTH))
    clusters = {"lagos": FakeCluster(lagos), "johannesburg": FakeCluster(there)}
    outcome, lines = until_ready(orders(*BOTH), clusters)
    assert [line.removeprefix("acme/orders lagos: ") for line in lines if " lagos: " in line] == [
        "committed, waiting for Argo CD",
        "synced",
        "provisioning, 0 of 3 nodes are ready",
        "provisioning, 2 of 3 nodes are ready",
        "ready, 3 of 3 nodes",
    ]
    assert [line.removeprefix("acme/orders johannesburg: ") for line in lines if "johannesburg" in line] == [
        "committed, waiting for Argo CD",
        "synced",
        "ready, 3 of 3 nodes",
    ]
    assert outcome[0]["phase"] == "Active"
    assert outcome[0]["connection_string"] == "cql://orders-client:9142"
    assert set(outcome[0]["regions"]) == set(BOTH)


def test_a_service_that_is_paused_is_waited_for_and_told_of() -> None:
    rests = copy("orders", "Active", lastOperation={"id": "op", "ready": 0, "wanted": 0})
    rests["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": "paused: no node runs"}]
    outcome, lines = until_ready(orders(), {"lagos": FakeCluster(states(rests))})
    assert outcome[0]["phase"] == "Active"
    assert lines == ["acme/orders lagos: synced", "acme/orders lagos: paused: no node runs"]


def test_a_copy_of_an_earlier_operation_is_not_waited_for() -> None:
    old, new = copy("orders", "Active", 3, operation="old"), copy("orders", "Active", 3, operation="new")
    cluster = FakeCluster(states(old, old, new))
    assert until_ready(orders(operation="new"), {"lagos": cluster})[0][0]["phase"] == "Active"
    assert len(cluster.asked) == 3
    assert until_ready(orders(operation=""), {"lagos": FakeCluster(states(old))})[0][0]["phase"] == "Active"


def test_a_status_of_an_earlier_generation_is_not_ready() -> None:
    late = copy("orders", "Active", 3, observed=False)
    outcome, lines = until_ready(orders(), {"lagos": FakeCluster(states(late))}, timeout=0)
    assert outcome[0]["phase"] == "Updating"
    assert lines[-1] == "acme/orders lagos: updating, not observed yet"


def test_failed_ends_the_wait_at_once() -> None:
    cluster = FakeCluster(states(copy("orders", "Provisioning"), copy("orders", "Failed")))
    outcome, lines = until_ready(orders(*BOTH), {"lagos": cluster, "johannesburg": FakeCluster()}, timeout=600)
    assert outcome[0]["phase"] == "Failed"
    assert lines[-1].startswith("acme/orders lagos: failed")
    result = wait.failed({"commit": "c"}, outcome)
    assert (result["failed"], result["commit"], result["error"]["code"]) == (True, "c", "wait-failed")
    assert not result["error"]["retry"]


def test_a_failed_operation_ends_the_wait_with_its_reason() -> None:
    late = {"id": "op", "state": "Failed", "reason": "DeadlineExceeded", "message": "1 of 3", "ready": 1, "wanted": 3}
    clusters = {
        "lagos": FakeCluster(states(copy("orders", "Active", 3, regions=BOTH))),
        "johannesburg": FakeCluster(
            states(copy("orders", "Provisioning", 1), copy("orders", "Updating", 1, lastOperation=late))
        ),
    }
    outcome, _lines = until_ready(orders(*BOTH), clusters)
    assert len(clusters["lagos"].asked) == 2
    result = wait.failed({"commit": "c"}, outcome)
    assert (result["commit"], result["error"]["code"], result["error"]["retry"]) == ("c", "operation-failed", False)
    assert "acme/orders: the operation has failed: johannesburg: DeadlineExceeded: 1 of 3\n" in result["msg"]
    # one that came too late is there all the same
    ready = copy("orders", "Active", 3, lastOperation=late)
    assert until_ready(orders(), {"lagos": FakeCluster(states(ready))})[0][0]["phase"] == "Active"


def test_time_out_says_how_far_it_came() -> None:
    clusters = {"lagos": FakeCluster(states(copy("orders", "Active", 3))), "johannesburg": FakeCluster([UNREACHABLE])}
    outcome, lines = until_ready(orders(*BOTH), clusters, timeout=0)
    assert outcome[0]["phase"] == "Degraded"
    assert outcome[0]["regions"]["johannesburg"]["phase"] == "Unreachable"
    assert any("johannesburg: unreachable: " in line for line in lines)


def test_a_region_without_a_cluster_is_unreachable() -> None:
    outcome, _lines = until_ready(orders(), {}, timeout=0)
    assert outcome[0]["phase"] == "Unknown"
    assert "no such point of presence" in outcome[0]["message"]


def test_many_services_are_told_of_in_sums() -> None:
    names = [f"s{number:02}" for number in range(20)]
    services = [Wanted("acme", name, "lagos", BOTH if name == "s00" else ("lagos",), "op") for name in names]
    half = {name: copy(name, "Active" if name < "s10" else "Provisioning", 3) for name in names}
    pending = half | {"s19": copy("s19", "")}
    ready = {name: copy(name, "Active", 3) for name in names}
    clusters = {
        "lagos": FakeCluster([{}, pending, half, half, ready]),
        "johannesburg": FakeCluster([UNREACHABLE, ready]),
    }
    outcome, lines = until_ready(services, clusters)
    assert {item["phase"] for item in outcome} == {"Active"}
    assert lines == [
        "johannesburg: 1 unreachable of 1",
        "lagos: 20 committed of 20",
        "johannesburg: 1 ready of 1",
        "lagos: 1 synced, 9 provisioning, 10 ready of 20",
        "lagos: 10 provisioning, 10 ready of 20",
        "lagos: 20 ready of 20",
    ]
    assert len(clusters["lagos"].asked) == 5, "one list a round, however many services"


def test_a_cluster_that_is_down_is_asked_once_for_all_tenants() -> None:
    down = FakeCluster([UNREACHABLE])
    services = [Wanted(tenant, "orders", "lagos", ("lagos",)) for tenant in ("acme", "beta", "gamma")]
    clusters: dict[str, Any] = {"lagos": down}
    found = wait.answers(services, clusters)
    assert down.asked == ["tenant-acme"]
    assert {str(answer["lagos"]) for answer in found.values()} == {UNREACHABLE.message}


@pytest.mark.parametrize("code", ["kube-auth", "kube-refused"])
def test_a_refusal_is_the_askers_matter(code: str) -> None:
    with pytest.raises(DbaasError) as caught:
        until_ready(orders(), {"lagos": FakeCluster([DbaasError(code, "no")])})
    assert caught.value.code == code

"""Delivery without Git that was cut off, refused in part, or met another run at the same service."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

from tests.unit.runner.without_git import BOTH, Direct

Json = dict[str, Any]


RENDERER = "dbaas.example.com/renderer"
BIGGER: Json = {"merge": True, "resources": {"node": {"memory": "32Gi"}}}
FASTER: Json = {"merge": True, "resources": {"node": {"cpu": "16"}}}


def limits(direct: Direct) -> Json:
    """Of a node, as it is in the cluster."""
    rack: Json = direct.lagos.one("ScyllaCluster", "orders")["spec"]["datacenter"]["racks"][0]
    found: Json = rack["resources"]["limits"]
    return found


def test_what_could_not_be_applied_is_told_and_the_next_run_completes_it(direct: Direct) -> None:
    direct.johannesburg.refuses = {"ServiceMonitor"}
    first = direct.run(replication=BOTH)
    assert first["failed"]
    assert first["changed"]
    assert first["error"]["code"] == "direct-incomplete"
    assert "acme/orders in johannesburg: johannesburg: servicemonitors: 403: not here" in first["msg"]
    assert "Applied: acme/orders in lagos" in first["msg"]
    assert "ServiceClaim" not in direct.johannesburg.names("orders")
    direct.johannesburg.refuses = set()
    second = direct.run(replication=BOTH)
    assert second["changed"]
    assert not second.get("failed")
    assert direct.johannesburg.names("orders") == direct.lagos.names("orders")
    assert second["claim"]["service_id"] == first["claim"]["service_id"]
    assert not direct.run(replication=BOTH)["changed"]


def test_a_change_of_which_a_part_was_applied_is_completed(direct: Direct) -> None:
    direct.run()
    direct.lagos.refuses = {"ServiceMonitor"}
    assert direct.run(**BIGGER)["failed"]
    assert direct.lagos.one("ServiceClaim", "orders")["metadata"]["annotations"][RENDERER].startswith("unfinished")
    direct.lagos.refuses = set()
    assert not direct.run(**BIGGER).get("failed")
    assert limits(direct)["memory"] == "32Gi"
    assert direct.lagos.one("ServiceClaim", "orders")["metadata"]["annotations"][RENDERER] == VERSION
    assert not direct.run(**BIGGER)["changed"]


def test_a_change_of_which_a_part_was_applied_is_taken_back(direct: Direct) -> None:
    direct.run()
    before = direct.lagos.one("ScyllaCluster", "orders")["spec"]
    direct.lagos.refuses = {"ServiceMonitor"}
    assert direct.run(**BIGGER)["failed"]
    assert direct.lagos.one("ScyllaCluster", "orders")["spec"] != before
    direct.lagos.refuses = set()
    assert direct.run()["changed"]
    assert direct.lagos.one("ScyllaCluster", "orders")["spec"] == before
    assert not direct.run()["changed"]


def test_of_two_changes_at_once_one_is_told_and_the_next_run_makes_it_whole(direct: Direct) -> None:
    direct.run()

    def other() -> None:
        assert not direct.run(**FASTER).get("failed")

    # after the objects of the first and before its copy
    direct.lagos.before = {"apply ServiceMonitor orders": other}
    late = direct.run(**BIGGER)
    assert late["error"]["code"] == "direct-incomplete"
    assert "acme/orders in lagos: lagos: another run applied it at the same time" in late["msg"]
    # the objects are of both; the claim is that of the second
    assert direct.run(**FASTER)["changed"]
    assert limits(direct) == {"cpu": "16", "memory": "16Gi"}
    assert not direct.run(**FASTER)["changed"]


def test_a_change_planned_on_what_another_has_changed_since_is_told(direct: Direct) -> None:
    direct.run()
    direct.lagos.before = {"patch ServiceClaim orders": lambda: direct.run(**FASTER)}
    late = direct.run(**BIGGER)
    assert "another run applied it at the same time" in late["msg"]
    assert limits(direct) == {"cpu": "16", "memory": "16Gi"}
    # told, it runs again, and nothing of the other's is lost
    assert not direct.run(**BIGGER).get("failed")
    assert limits(direct) == {"cpu": "16", "memory": "32Gi"}
    assert not direct.run(**BIGGER)["changed"]


def test_of_two_that_make_a_service_at_once_one_is_told(direct: Direct) -> None:
    direct.lagos.before = {"apply ServiceClaim orders": lambda: direct.run(resources={"node": {"memory": "32Gi"}})}
    late = direct.run()
    assert "another run applied it at the same time" in late["msg"]
    again = direct.run()
    assert again["changed"]
    assert limits(direct)["memory"] == "16Gi"
    assert not direct.run()["changed"]


def test_a_run_cut_off_before_any_copy_keeps_the_identity(direct: Direct) -> None:
    direct.lagos.refuses = {"ServiceClaim"}
    first = direct.run()
    assert first["failed"]
    direct.lagos.refuses = set()
    with pytest.raises(DbaasError, match="lacks the copy of its claim: declare it again, then deprovision it"):
        direct.run(state="absent", deletion_policy="delete")
    assert direct.run()["claim"]["service_id"] == first["claim"]["service_id"]
    direct.run(state="absent", deletion_policy="delete")
    assert direct.lagos.names("orders") == []

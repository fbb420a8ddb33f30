"""What was delivered without Git goes, or is kept."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.unit.runner.without_git import BOTH, ORIGIN, RING, Direct
from tests.unit.runner.world import claim

Json = dict[str, Any]


def test_deletion_marks_and_removes_and_takes_two_steps(direct: Direct) -> None:
    direct.run(replication=BOTH)
    direct.run("other")
    predicted = direct.run(state="absent", deletion_policy="delete", check=True, diff=True)
    assert predicted["changed"]
    before = len(direct.lagos.writes)
    result = direct.run(state="absent", deletion_policy="delete")
    assert not result.get("failed"), result
    assert result["operations"] == predicted["operations"]
    assert result["commit"] is None
    assert result["wait"][0]["regions"] == {"lagos": "gone", "johannesburg": "gone"}
    assert direct.lagos.names("orders") == direct.johannesburg.names("orders") == []
    assert set(RING) <= set(direct.lagos.names("other"))
    writes = direct.lagos.writes[before:]
    first = writes.index(next(line for line in writes if line.startswith("delete")))
    assert writes[0] == "apply ServiceClaim orders"
    assert "apply ScyllaCluster orders" in writes[:first]
    assert writes[-1] == "delete ServiceClaim orders"
    again = direct.run(state="absent", deletion_policy="delete")
    assert not again["changed"]


def test_a_protected_service_does_not_go(direct: Direct) -> None:
    direct.run(deletion_protection=True)
    assert direct.refused(state="absent", deletion_policy="delete").code == "claim-invalid"


def test_retained_it_keeps_everything_and_its_name(direct: Direct) -> None:
    direct.run()
    kept = direct.lagos.names("orders")
    result = direct.run(state="absent")
    assert result["changed"]
    assert direct.lagos.names("orders") == kept
    assert not direct.run(state="absent")["changed"]
    error = direct.refused()
    assert "dbaas.example.com/retained" in str(error)
    del direct.lagos.one("ServiceClaim", "orders")["metadata"]["annotations"]["dbaas.example.com/retained"]
    assert not direct.run()["changed"]


@pytest.mark.parametrize("half", [False, True])
def test_what_is_retained_can_be_deleted(direct: Direct, half: bool) -> None:
    direct.run(replication=BOTH)
    direct.run(state="absent")
    if half:
        # a run that was cut off in between
        del direct.lagos.one("ServiceClaim", "orders")["metadata"]["annotations"]["dbaas.example.com/retained"]
    result = direct.run(state="absent", deletion_policy="delete", wait_timeout=30)
    assert not result.get("failed"), result
    assert direct.lagos.names("orders") == direct.johannesburg.names("orders") == []


def test_a_last_backup_is_awaited_and_stays(direct: Direct) -> None:
    direct.lagos.status["Backup"] = {"message": "Backup State: Running"}
    direct.run("shop", sku="yb-dedicated")
    gone = {"sku": "yb-dedicated", "state": "absent", "deletion_policy": "snapshot"}
    with pytest.raises(DbaasError, match="are not done"):
        direct.run("shop", wait_timeout=0, **gone)
    assert "YBUniverse" in direct.lagos.names("shop")
    (backup,) = [item for key, item in direct.lagos.objects.items() if key[0] == "Backup"]
    backup["status"] = {"message": "Backup State: Completed"}
    result = direct.run("shop", **gone)
    assert not result.get("failed"), result
    assert direct.lagos.names("shop") == []
    # one was enough, and it is none of the service's own objects
    assert [key[0] for key in direct.lagos.objects if key[0] == "Backup"] == ["Backup"]


def test_declared_again_a_deletion_is_taken_back(direct: Direct) -> None:
    direct.run()
    assert direct.run(state="absent", deletion_policy="delete", wait_timeout=0)["failed"]
    mark, keep = "dbaas.example.com/deletion", "argocd.argoproj.io/sync-options"
    annotations = direct.lagos.one("ScyllaCluster", "orders")["metadata"]["annotations"]
    assert mark in annotations
    assert keep not in annotations
    assert direct.run()["operations"][0]["action"] == "update"
    annotations = direct.lagos.one("ScyllaCluster", "orders")["metadata"]["annotations"]
    assert mark not in annotations
    assert keep in annotations
    assert not direct.run()["changed"]


def test_whoever_is_no_deliverer_deletes_nothing(direct: Direct) -> None:
    direct.run()
    direct.lagos.refuses = {"ScyllaCluster"}
    with pytest.raises(DbaasError) as caught:
        direct.run(state="absent", deletion_policy="delete")
    assert caught.value.code == "kube-refused"
    assert set(RING) <= set(direct.lagos.names("orders"))


def test_deletion_wants_every_pop_to_answer(direct: Direct) -> None:
    direct.run(replication=BOTH)
    direct.johannesburg.down = True
    assert direct.refused(state="absent", deletion_policy="delete").code == "kube-unreachable"


@pytest.mark.parametrize("policy", ["retain", "delete"])
def test_no_part_goes_as_if_it_were_all(direct: Direct, policy: str) -> None:
    direct.run(replication=BOTH)
    del direct.world.clusters["johannesburg"]
    error = direct.refused(state="absent", deletion_policy=policy)
    assert error.code == "kube-missing"
    assert "acme/orders is in johannesburg too" in str(error)


def test_purge_takes_what_was_delivered_directly_alone(direct: Direct) -> None:
    direct.many(claim("orders"), claim("stock"))
    copy = direct.lagos.one("ServiceClaim", "stock")
    direct.lagos.put(
        {**copy, "metadata": {"name": "theirs", "namespace": "tenant-acme", "annotations": {ORIGIN: "git"}}}
    )
    result = direct.many(claim("orders"), purge=True, scope={"tenant": "acme"}, deletion_policy="delete")
    assert [(item["name"], item["action"]) for item in result["operations"]] == [
        ("orders", "unchanged"),
        ("stock", "delete"),
    ]
    assert direct.lagos.names("stock") == []
    assert ("ServiceClaim", "tenant-acme", "theirs") in direct.lagos.objects

"""Delivery without Git, on API servers that apply, keep data and may be down."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.runner.without_git import BOTH, ORIGIN, RING, Direct
from tests.unit.runner.world import claim

Json = dict[str, Any]


def test_everything_is_applied_in_each_region_and_the_copy_last(direct: Direct) -> None:
    head = direct.world.head()
    result = direct.run(replication=BOTH)
    assert result["changed"]
    assert result["commit"] is None
    assert direct.world.head() == head
    (operation,) = result["operations"]
    assert (operation["action"], operation["regions"]) == ("create", BOTH["regions"])
    for pop in (direct.lagos, direct.johannesburg):
        assert set(RING) <= set(pop.names("orders"))
        assert pop.writes[-1] == "apply ServiceClaim orders"
        annotations = pop.one("ServiceClaim", "orders")["metadata"]["annotations"]
        assert annotations[ORIGIN] == "direct"
        assert annotations["dbaas.example.com/operation"] == operation["id"]
        assert "dbaas.example.com/path" not in annotations


def test_again_nothing_is_written(direct: Direct) -> None:
    made = direct.run(replication=BOTH)
    before = direct.written()
    again = direct.run(replication=BOTH)
    assert not again["changed"]
    assert again["operations"][0]["action"] == "unchanged"
    assert again["claim"]["service_id"] == made["claim"]["service_id"]
    assert direct.written() == before


def test_check_mode_predicts_all_of_it_and_writes_nothing(direct: Direct) -> None:
    direct.run()
    before = direct.written()
    change: Json = {"merge": True, "resources": {"node": {"memory": "32Gi"}}, "diff": True}
    predicted = direct.run(check=True, **change)
    assert direct.written() == before
    done = direct.run(**change)
    assert predicted["operations"] == done["operations"]
    assert predicted["diff"] == done["diff"]
    assert done["operations"][0]["changed"] == ["spec.resources.node.memory"]
    assert "+++ b/lagos/tenant-acme/ScyllaCluster/orders" in done["diff"]["prepared"]
    assert "32Gi" in done["diff"]["prepared"]
    assert direct.run(**change)["operations"][0]["action"] == "unchanged"


def test_a_new_service_is_predicted_with_its_id(direct: Direct) -> None:
    predicted = direct.run(check=True)
    assert direct.written() == []
    assert predicted["operations"] == direct.run()["operations"]


def test_a_name_used_again_is_another_service(direct: Direct) -> None:
    first = direct.run()["claim"]["service_id"]
    direct.run(state="absent", deletion_policy="delete")
    assert direct.run()["claim"]["service_id"] != first


def test_many_services_of_tenants_in_one_run(direct: Direct) -> None:
    result = direct.many(claim("orders"), claim("stock"), claim("users", replication=BOTH))
    assert [item["action"] for item in result["operations"]] == ["create"] * 3
    assert set(RING) <= set(direct.johannesburg.names("users"))
    assert direct.johannesburg.names("orders") == []
    before = direct.written()
    assert not direct.many(claim("orders"), claim("stock"), claim("users", replication=BOTH))["changed"]
    assert direct.written() == before


def test_what_is_wrong_is_told_before_anything_is_written(direct: Direct) -> None:
    error = direct.refused(storage={"size": "1Gi"}, version="1")
    assert error.code == "claim-invalid"
    assert "spec.storage.size" in str(error)
    assert "spec.version" in str(error)


def test_a_tenant_is_its_namespace(direct: Direct) -> None:
    nowhere = direct.refused(tenant="nobody")
    assert "kubectl create namespace tenant-nobody" in str(nowhere)
    repository = {"repository": direct.world.url}
    direct.johannesburg.objects.clear()
    declared = direct.refused(replication=BOTH, **repository)
    assert "a namespace that is there in johannesburg" in str(declared)
    there = direct.refused(replication=BOTH)
    assert "one of lagos (the tenant's regions)" in str(there)


def test_a_pop_that_does_not_answer_stops_what_it_is_needed_for(direct: Direct) -> None:
    direct.johannesburg.down = True
    assert direct.refused(replication=BOTH).code == "kube-unreachable"
    assert direct.run()["changed"]


def test_two_services_of_one_name_are_not_taken_for_one(direct: Direct) -> None:
    there = direct.run(region="johannesburg")["claim"]["service_id"]
    # nobody can tell now that the name is taken
    direct.johannesburg.down = True
    here = direct.run()["claim"]["service_id"]
    direct.johannesburg.down = False
    gone: Json = {"state": "absent", "deletion_policy": "delete"}
    for more in ({}, {"replication": BOTH}, {"merge": True, "version": "2026.1.0"}, gone, {"state": "absent"}):
        error = direct.refused(**more)
        assert error.code == "claim-invalid"
        assert f"{here} in lagos, {there} in johannesburg" in str(error)
    # the way out that the message speaks of
    other = direct.world.clusters.pop("johannesburg")
    assert direct.run(**gone)["changed"]
    assert direct.lagos.names("orders") == []
    direct.world.clusters["johannesburg"] = other
    again = direct.run(region="johannesburg")
    assert (again["changed"], again["claim"]["service_id"]) == (False, there)


def test_what_is_not_rendered_any_more_goes_if_it_is_ours(direct: Direct) -> None:
    direct.run()
    monitor = direct.lagos.one("ServiceMonitor", "orders")
    foreign = {**monitor, "metadata": {**monitor["metadata"], "name": "theirs", "labels": {"app": "x"}}}
    owned = {**monitor, "metadata": {**monitor["metadata"], "name": "made", "ownerReferences": [{"name": "orders"}]}}
    direct.lagos.put(foreign)
    direct.lagos.put(owned)
    off: Json = {"observability": {"metrics": {"enabled": False}}}
    ring = direct.lagos.one("ScyllaCluster", "orders")
    task = {"apiVersion": "scylla.scylladb.com/v1alpha1", "kind": "ScyllaDBManagerTask"}
    labels = ring["metadata"]["labels"]
    # as an older collection had rendered it: it holds data for the policies, so it is marked first
    direct.lagos.put({**task, "metadata": {"name": "orders-old", "namespace": "tenant-acme", "labels": labels}})
    another = {**labels, "dbaas.example.com/service-id": "another"}
    direct.lagos.put({**task, "metadata": {"name": "namesake", "namespace": "tenant-acme", "labels": another}})
    predicted = direct.run(check=True, diff=True, **off)
    assert "--- a/lagos/tenant-acme/ServiceMonitor/orders\n+++ /dev/null" in predicted["diff"]["prepared"]
    direct.run(**off)
    left = direct.lagos.names("orders")
    assert "PrometheusRule" not in left
    assert left.count("ServiceMonitor") == 1  # what an operator made
    assert ("ServiceMonitor", "tenant-acme", "theirs") in direct.lagos.objects
    assert ("ScyllaCluster", "tenant-acme", "orders") in direct.lagos.objects
    assert ("ScyllaDBManagerTask", "tenant-acme", "orders-old") not in direct.lagos.objects
    assert ("ScyllaDBManagerTask", "tenant-acme", "namesake") in direct.lagos.objects
    assert [line for line in direct.lagos.writes if "orders-old" in line] == [
        "patch ScyllaDBManagerTask orders-old",
        "delete ScyllaDBManagerTask orders-old",
    ]


def test_what_another_catalog_makes_of_it_is_in_the_plan(direct: Direct) -> None:
    direct.run()
    for kind in ("ServiceClaim", "ScyllaCluster"):
        direct.lagos.one(kind, "orders")["metadata"]["annotations"]["dbaas.example.com/catalog-revision"] = "old"
    allowed: Json = {"networking": {"allowed_cidrs": ["10.0.0.0/8"]}, "check": True}
    assert direct.run(**allowed)["operations"][0]["plan"]["restart"] == "none"
    # what an older catalog had it made of; the server's own defaults beside it are no change
    direct.lagos.one("ScyllaCluster", "orders")["spec"] |= {"agentVersion": "0", "defaulted": True}
    plan = direct.run(**allowed)["operations"][0]["plan"]
    assert plan["restart"] == "rolling"
    assert [item["field"] for item in plan["consequences"]] == [
        "spec.networking.allowedCIDRs",
        "ScyllaCluster orders",
    ]


def managed(direct: Direct, **annotations: str) -> None:
    direct.run()
    copy = direct.lagos.one("ServiceClaim", "orders")
    copy["metadata"]["annotations"] |= annotations


@pytest.mark.parametrize(
    "annotations",
    [{ORIGIN: "git"}, {"argocd.argoproj.io/tracking-id": "services-acme:x/ServiceClaim:tenant-acme/orders"}],
)
def test_what_argocd_manages_is_refused(direct: Direct, annotations: dict[str, str]) -> None:
    managed(direct, **annotations)
    for state in ({"storage": {"size": "1Ti"}}, {"state": "absent", "deletion_policy": "delete"}):
        error = direct.refused(**state)
        assert error.code == "argocd-managed"
        assert "acme/orders in lagos is kept in Git" in str(error)
    assert direct.refused(adopt=True, version="6.2.0").code == "argocd-managed"


def test_an_object_of_argocds_in_the_way_is_refused(direct: Direct) -> None:
    direct.run()
    tracked = direct.lagos.objects.pop(("ServiceClaim", "tenant-acme", "orders"))
    assert tracked
    direct.lagos.one("ScyllaCluster", "orders")["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "x"
    assert direct.refused(adopt=True).code == "argocd-managed"


def test_catalog_tenant_and_quota_come_from_a_repository_that_is_given(direct: Direct) -> None:
    world = direct.world
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"services": 1})
    head = world.head()
    assert direct.run(repository=world.url)["changed"]
    error = direct.refused(name="second", repository=world.url)
    assert error.code == "quota-exceeded"
    assert world.head() == head


def test_a_person_s_own_claim_under_their_own_argocd_holds_nobody_up(direct: Direct) -> None:
    own = claim("carts")
    own["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "theirs:dbaas.example.com/ServiceClaim:x/carts"}
    direct.lagos.put(own)
    direct.world.set_up()
    direct.world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"services": 5})
    options: Json = {"delivery": "direct", "tenant": "acme", "name": "carts-2", "sku": "scy-ring-3", "region": "lagos"}
    assert direct.world.run("service_claim", **options)["changed"]

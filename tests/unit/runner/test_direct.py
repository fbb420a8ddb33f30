"""Delivery without Git, on API servers that apply, keep data and may be down."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision

from tests.unit.runner.applying import Applying
from tests.unit.runner.world import World, claim

Json = dict[str, Any]
BOTH = {"regions": ["lagos", "johannesburg"]}
#: what a ScyllaDB service is made of, the backup task included
RING = ["ConfigMap", "NetworkPolicy", "PrometheusRule", "ScyllaCluster", "ServiceClaim", "ServiceMonitor"]
ORIGIN = "dbaas.example.com/origin"


class Direct:
    """Two PoPs without Argo CD and without a repository, tenant acme in both."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lagos, self.johannesburg = (Applying(name, "tenant-acme") for name in ("lagos", "johannesburg"))
        world.clusters.clear()
        world.clusters |= {"lagos": self.lagos, "johannesburg": self.johannesburg}  # type: ignore[dict-item]

    def run(self, name: str = "orders", **more: Any) -> Json:
        given = {"tenant": "acme", "name": name, "sku": "scy-ring-3", "region": "lagos", **more}
        return self.world.run("service_claim", **{"delivery": "direct", "repository": "", **given})

    def many(self, *claims: Json, **more: Any) -> Json:
        options = {"delivery": "direct", "repository": "", **more}
        return self.world.run("service_claims", claims=list(claims), **options)

    def refused(self, **more: Any) -> DbaasError:
        before = self.written()
        with pytest.raises(DbaasError) as caught:
            self.run(**more)
        assert self.written() == before
        return caught.value

    def written(self) -> list[str]:
        return [*self.lagos.writes, *self.johannesburg.writes]


@pytest.fixture
def direct(world: World, monkeypatch: pytest.MonkeyPatch) -> Direct:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    return Direct(world)


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


BIGGER: Json = {"merge": True, "resources": {"node": {"memory": "32Gi"}}}


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
    more: Json = {"merge": True, "resources": {"node": {"cpu": "16"}}}

    def other() -> None:
        assert not direct.run(**more).get("failed")

    # after the objects of the first and before its copy
    direct.lagos.before = {"apply ServiceMonitor orders": other}
    late = direct.run(**BIGGER)
    assert late["error"]["code"] == "direct-incomplete"
    assert "acme/orders in lagos: lagos: another run applied it at the same time" in late["msg"]
    # the objects are of both; the claim is that of the second
    assert direct.run(**more)["changed"]
    rack = direct.lagos.one("ScyllaCluster", "orders")["spec"]["datacenter"]["racks"][0]
    assert rack["resources"]["limits"] == {"cpu": "16", "memory": "16Gi"}
    assert not direct.run(**more)["changed"]


def test_of_two_that_make_a_service_at_once_one_is_told(direct: Direct) -> None:
    direct.lagos.before = {"apply ServiceClaim orders": lambda: direct.run(resources={"node": {"memory": "32Gi"}})}
    late = direct.run()
    assert "another run applied it at the same time" in late["msg"]
    again = direct.run()
    assert again["changed"]
    rack = direct.lagos.one("ScyllaCluster", "orders")["spec"]["datacenter"]["racks"][0]
    assert rack["resources"]["limits"]["memory"] == "16Gi"
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


def by_hand(direct: Direct, **spec: Any) -> Json:
    """A database that somebody made, of what we would render, and nothing else of ours; how it is taken over."""
    identity = direct.run()["claim"]["service_id"]
    made = direct.lagos.one("ScyllaCluster", "orders")
    direct.lagos.objects = {key: item for key, item in direct.lagos.objects.items() if key[0] == "Namespace"}
    direct.lagos.applied.clear()
    metadata = {"name": "orders", "namespace": "tenant-acme"}
    direct.lagos.put({**made, "metadata": metadata, "spec": {**made["spec"], **spec}})
    return {"adopt": True, "service_id": identity}


def test_a_foreign_object_is_taken_over_only_when_told_to(direct: Direct) -> None:
    how = by_hand(direct)
    error = direct.refused()
    assert error.code == "adoption-needed"
    assert "lagos: ScyllaCluster tenant-acme/orders is there already" in str(error)
    uid = direct.lagos.one("ScyllaCluster", "orders")["metadata"]["uid"]
    assert direct.run(**how)["operations"][0]["action"] == "create"
    assert direct.lagos.one("ScyllaCluster", "orders")["metadata"]["uid"] == uid
    assert not direct.run()["changed"]


def test_what_would_change_is_not_taken_over(direct: Direct) -> None:
    how = by_hand(direct, version="5.1.0")
    for check in (True, False):
        error = direct.refused(**how, check=check)
        assert error.code == "adoption-differs"
        assert error.message == "lagos: ScyllaCluster tenant-acme/orders: spec.version"
    # the pods of a ring bear the identity, so another one would restart them
    assert "spec.podMetadata.labels.dbaas.example.com/service-id" in str(direct.refused(adopt=True))


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


def test_catalog_tenant_and_quota_come_from_a_repository_that_is_given(direct: Direct) -> None:
    world = direct.world
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"services": 1})
    head = world.head()
    assert direct.run(repository=world.url)["changed"]
    error = direct.refused(name="second", repository=world.url)
    assert error.code == "quota-exceeded"
    assert world.head() == head


def test_a_service_moves_to_git_with_its_identity(direct: Direct) -> None:
    world = direct.world
    made = direct.run(replication=BOTH)
    cluster = direct.lagos.one("ScyllaCluster", "orders")
    cluster["metadata"]["managedFields"] = [{"manager": "dbaas-direct", "operation": "Apply"}, {"manager": "other"}]
    given: Json = {"delivery": "git", "repository": world.url, "adopt": True, "replication": BOTH}
    before = direct.written()
    predicted = direct.run(check=True, **given)
    assert direct.written() == before
    result = direct.run(**given)
    assert result["operations"] == predicted["operations"]
    assert result["commit"] == world.head()
    assert result["claim"]["service_id"] == made["claim"]["service_id"]
    fields = direct.lagos.one("ScyllaCluster", "orders")["metadata"]["managedFields"]
    assert sorted(entry["manager"] for entry in fields) == ["argocd-controller", "other"]
    assert not direct.run(**given)["changed"]


def test_what_would_restart_does_not_move_to_git(direct: Direct) -> None:
    direct.run()
    head = direct.world.head()
    given: Json = {"delivery": "git", "repository": direct.world.url, "adopt": True}
    error = direct.refused(resources={"node": {"memory": "64Gi"}}, **given)
    assert error.code == "adoption-differs"
    assert "memory" in str(error)
    assert direct.world.head() == head


def test_what_would_be_taken_away_does_not_move_to_git(direct: Direct) -> None:
    direct.run(placement={"node_selector": {"example.com/disk": "nvme"}})
    cluster = direct.lagos.one("ScyllaCluster", "orders")
    cluster["metadata"]["managedFields"] = [{"manager": "dbaas-direct", "operation": "Apply"}]
    error = direct.refused(delivery="git", repository=direct.world.url, adopt=True)
    assert error.code == "adoption-differs"
    assert "placement.nodeAffinity" in str(error)


def test_a_person_s_own_claim_under_their_own_argocd_holds_nobody_up(direct: Direct) -> None:
    own = claim("carts")
    own["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "theirs:dbaas.example.com/ServiceClaim:x/carts"}
    direct.lagos.put(own)
    direct.world.set_up()
    direct.world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"services": 5})
    options: Json = {"delivery": "direct", "tenant": "acme", "name": "carts-2", "sku": "scy-ring-3", "region": "lagos"}
    assert direct.world.run("service_claim", **options)["changed"]

"""Claims that tenants apply by kubectl: Git follows them, and nobody declares them by another way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, secrets, status
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision

from tests.unit.runner.synced import SyncedCluster
from tests.unit.runner.world import UNREACHABLE, FakeCluster, World, as_file, claim

Json = dict[str, Any]
FILE = "tenants/acme/claims/orders.yaml"
LAGOS = "tenants/acme/lagos/services/orders.yaml"
JOHANNESBURG = "tenants/acme/johannesburg/services/orders.yaml"
BOTH = {"regions": ["lagos", "johannesburg"]}
NOW = "2026-01-01T00:00:00Z"


class Pops:
    """The world with two PoPs that sync, in which tenants apply claims."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lagos, self.johannesburg = SyncedCluster(world, "lagos"), SyncedCluster(world, "johannesburg")
        world.clusters |= {"lagos": self.lagos, "johannesburg": self.johannesburg}  # type: ignore[dict-item]

    def reconcile(self, **more: Any) -> Json:
        return self.world.run("gitops_reconciliation", kubeconfig="kubeconfig", **more)

    def problems(self, result: Json) -> list[tuple[str, str, str]]:
        return [(item["file"], item["code"], item["severity"]) for item in result["problems"]]

    def status(self, pop: SyncedCluster) -> Json:
        """What the observer says of the tenant's object."""
        pop.sync()
        live = pop.objects["ServiceClaim", "tenant-acme", "orders"]
        record = pop.objects.get(("ConfigMap", "tenant-acme", "orders.claim"))
        objects = [item for key, item in pop.objects.items() if key[0] == "ScyllaCluster"]
        return status.of_live(live, record, objects, secrets=(), now=NOW)


@pytest.fixture
def pops(world: World, monkeypatch: pytest.MonkeyPatch) -> Pops:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    return Pops(world)


def said(found: Json, kind: str) -> tuple[str, str]:
    (item,) = [item for item in found["conditions"] if item["type"] == kind]
    return item["status"], item["reason"]


def test_a_claim_is_committed_with_what_is_rendered_and_no_copy_takes_its_place(pops: Pops) -> None:
    pops.lagos.apply_claim("orders", replication=BOTH, storage={"size": "200Gi"})
    waits = pops.status(pops.lagos)
    assert (waits["phase"], said(waits, "Committed")) == ("Pending", ("False", "NotCommitted"))
    assert "reconcile_claims" in waits["conditions"][0]["message"]

    predicted = pops.reconcile(check=True, diff=True)
    result = pops.reconcile(diff=True)
    assert (result["diff"], result["operations"]) == (predicted["diff"], predicted["operations"])
    (operation,) = result["operations"]
    assert (operation["action"], operation["regions"]) == ("create", ["lagos", "johannesburg"])
    trailer = f"Dbaas-Operation: {operation['id']} create acme/orders requester=kubectl@lagos deadline=30m"
    assert trailer in pops.world.git("log", "-1", "--format=%B")

    # what was given, without what the API server fills in, and where it was born
    file = pops.world.document(FILE)
    assert file["spec"].pop("serviceId")
    assert file["spec"] == {"sku": "scy-ring-3", "region": "lagos", "replication": BOTH, "storage": {"size": "200Gi"}}
    assert file["metadata"]["annotations"]["dbaas.example.com/born-in"] == "lagos"
    here = documents.load_all(pops.world.text(LAGOS))
    there = documents.load_all(pops.world.text(JOHANNESBURG))
    assert (here[0]["kind"], here[0]["metadata"]["name"]) == ("ConfigMap", "orders.claim")
    assert "ServiceClaim" not in {item["kind"] for item in here}
    assert there[0]["kind"] == "ServiceClaim"
    assert there[0]["metadata"]["annotations"]["dbaas.example.com/origin"] == "git"
    assert json.loads(here[0]["data"]["spec"]) == there[0]["spec"]

    again = pops.reconcile()
    assert (again["changed"], again["problems"], again["warnings"]) == (False, [], [])
    assert pops.world.run("gitops_validation_info")["problems"] == []


def test_the_status_comes_of_the_record_and_says_whether_it_is_of_what_the_object_says(pops: Pops) -> None:
    live = pops.lagos.apply_claim("orders")
    operation = pops.reconcile()["operations"][0]["id"]
    found = pops.status(pops.lagos)
    assert (found["lastOperation"]["id"], found["lastOperation"]["requester"]) == (operation, "kubectl@lagos")
    assert found["lastOperation"]["wanted"] == 3
    assert said(found, "Committed") == ("True", "Committed")
    live["status"] = found
    assert pops.status(pops.lagos) == found

    pops.lagos.apply_claim("orders", backup={"retention": "30d"})
    assert said(pops.status(pops.lagos), "Committed") == ("False", "Edited")

    # its Secrets are the record's: what its owner deletes takes none along
    record = pops.lagos.objects["ConfigMap", "tenant-acme", "orders.claim"]
    wanted = secrets.of_live(live, record)
    assert {item.owner["kind"] for item in wanted} == {"ConfigMap"}
    assert {item.owner["uid"] for item in wanted} == {record["metadata"]["uid"]}
    assert {item.service_id for item in wanted} == {pops.world.document(FILE)["spec"]["serviceId"]}
    assert secrets.of_live(live, None) == []


def test_a_database_in_a_pool_has_its_record_too(pops: Pops) -> None:
    pops.lagos.apply_claim("orders", sku="yb-shared")
    (operation,) = pops.reconcile()["operations"]
    assert operation["action"] == "create"
    (record,) = documents.load_all(pops.world.text(LAGOS))
    assert record["kind"] == "ConfigMap"
    found = pops.status(pops.lagos)
    assert found["phase"] == "Pending"
    assert said(found, "Committed") == ("True", "Committed")
    assert pops.reconcile()["changed"] is False
    assert pops.world.run("gitops_validation_info")["problems"] == []


def test_an_edit_by_kubectl_is_followed(pops: Pops) -> None:
    pops.lagos.apply_claim("orders")
    pops.reconcile()
    identity = pops.world.document(FILE)["spec"]["serviceId"]
    pops.lagos.apply_claim("orders", networking={"allowedCIDRs": ["10.0.0.0/8"]}, backup={"retention": "30d"})
    (operation,) = pops.reconcile()["operations"]
    assert (operation["action"], operation["changed"]) == (
        "update",
        ["spec.backup.retention", "spec.networking.allowedCIDRs"],
    )
    file = pops.world.document(FILE)["spec"]
    assert (file["serviceId"], file["backup"]) == (identity, {"retention": "30d"})
    assert file["networking"] == {"allowedCIDRs": ["10.0.0.0/8"]}
    assert pops.reconcile()["changed"] is False


def test_a_file_that_was_edited_is_refused_by_all_until_it_is_restored(pops: Pops, tmp_path: Path) -> None:
    pops.lagos.apply_claim("orders")
    pops.reconcile()
    before = pops.world.text(FILE)
    pops.world.write(tmp_path, **{FILE: before.replace("region: lagos", "region: lagos\n  backup: {retention: 9d}")})
    head = pops.world.head()
    for result in (pops.reconcile(), pops.world.run("gitops_validation_info"), pops.world.run("gitops_reconciliation")):
        assert result["failed"]
        (problem,) = result["problems"]
        assert "object in lagos" in problem["message"]
        assert "history" in problem["message"]
    assert pops.world.head() == head
    # an object that says the same has settled it
    pops.lagos.apply_claim("orders", backup={"retention": "9d"})
    assert pops.reconcile().get("failed") is None
    assert pops.world.run("gitops_validation_info")["problems"] == []


def test_another_way_to_change_it_is_refused_with_the_place_of_the_declaration(pops: Pops, tmp_path: Path) -> None:
    pops.lagos.apply_claim("orders")
    first = pops.reconcile()["commit"]
    pops.lagos.apply_claim("orders", backup={"retention": "30d"})
    pops.reconcile()
    world = pops.world
    for refused in (
        world.refused("service_claims", src=as_file(tmp_path, claim("orders", backup={"retention": "9d"}))),
        world.refused("service_claim", tenant="acme", name="orders", merge=True, backup={"retention": "9d"}),
        world.refused("service_claim_rollback", tenant="acme", name="orders", to=first),
    ):
        assert "object in lagos" in str(refused)
        assert "kubectl" in str(refused)
    forged = claim("carts")
    forged["metadata"]["annotations"] = {born.BORN_IN: "lagos", born.DECLARED: born.digest(forged)}
    assert "by kubectl alone" in str(world.refused("service_claims", src=as_file(tmp_path, forged)))


def test_a_name_that_is_taken_is_refused(pops: Pops, tmp_path: Path) -> None:
    pops.world.run(
        "service_claims", src=as_file(tmp_path, *(claim(name, region="johannesburg") for name in ("orders", "kept")))
    )
    pops.world.run("service_claim", tenant="acme", name="kept", state="absent")
    pops.lagos.apply_claim("orders")
    pops.lagos.apply_claim("kept")
    pops.lagos.apply_claim("twice")
    pops.johannesburg.apply_claim("twice", region="johannesburg")
    pops.lagos.apply_claim("away", region="johannesburg")
    head = pops.world.head()
    result = pops.reconcile()
    told = {item["file"]: item["message"] for item in result["problems"]}
    named = ["lagos:tenant-acme/away", "lagos:tenant-acme/kept", "lagos:tenant-acme/orders", "lagos:tenant-acme/twice"]
    assert sorted(told) == ["johannesburg:tenant-acme/twice", *named]
    assert "declared in Git already" in told["lagos:tenant-acme/orders"]
    assert "retained/kept.yaml" in told["lagos:tenant-acme/kept"]
    assert "applied in johannesburg" in told["lagos:tenant-acme/twice"]
    assert told["lagos:tenant-acme/away"].startswith("spec.region: given 'johannesburg', allowed: lagos")
    assert result["failed"]
    assert pops.world.head() == head


def test_of_two_pops_the_one_that_git_knows_goes_on(pops: Pops) -> None:
    pops.lagos.apply_claim("orders")
    pops.reconcile()
    pops.johannesburg.apply_claim("orders", region="johannesburg")
    pops.lagos.apply_claim("orders", backup={"retention": "30d"})
    result = pops.reconcile()
    assert pops.problems(result) == [("johannesburg:tenant-acme/orders", "claim-invalid", "error")]
    assert pops.world.document(FILE)["spec"]["backup"] == {"retention": "30d"}


def test_what_is_wrong_is_told_of_each_and_holds_nobody_up(pops: Pops) -> None:
    pops.lagos.apply_claim("orders")
    pops.lagos.apply_claim("carts", sku="scy-ring-4")
    result = pops.reconcile()
    (problem,) = result["problems"]
    assert problem["file"] == "lagos:tenant-acme/carts"
    assert problem["message"].startswith("spec.sku: given 'scy-ring-4'")
    assert problem["nearest"] == "scy-ring-3"
    assert [item["name"] for item in result["operations"]] == ["orders"]


def test_what_its_owner_deletes_runs_on_until_it_is_deprovisioned(pops: Pops) -> None:
    pops.lagos.apply_claim("orders", replication=BOTH)
    pops.reconcile()
    pops.lagos.sync()
    runs = pops.lagos.names("orders")
    options: Json = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete"}
    refused = pops.world.refused("service_claim", **options)
    assert refused.code == "deprovision-blocked"
    assert "kubectl --context lagos --namespace tenant-acme delete serviceclaim orders" in str(refused)

    pops.lagos.delete_claim("orders")
    result = pops.reconcile()
    assert (result["changed"], pops.problems(result)) == (False, [(FILE, "declaration-gone", "warning")])
    assert "deleted by its owner" in result["warnings"][0]
    pops.lagos.sync()
    assert pops.lagos.names("orders") == runs

    gone = pops.world.run("service_claim", **options)
    assert gone["wait"][0]["regions"] == {"lagos": "gone", "johannesburg": "gone"}
    assert [path for path in pops.world.files() if path.endswith("orders.yaml")] == []
    assert pops.lagos.names("orders") == pops.johannesburg.names("orders") == []
    assert pops.reconcile()["problems"] == []


def test_its_owner_may_apply_it_again(pops: Pops) -> None:
    pops.lagos.apply_claim("orders")
    pops.reconcile()
    identity = pops.world.document(FILE)["spec"]["serviceId"]
    pops.lagos.delete_claim("orders")
    pops.lagos.apply_claim("orders", backup={"retention": "30d"})
    assert pops.reconcile()["operations"][0]["action"] == "update"
    assert pops.world.document(FILE)["spec"]["serviceId"] == identity


def test_a_pop_that_is_silent_is_told_and_holds_up_nobody(pops: Pops) -> None:
    pops.lagos.apply_claim("orders")
    pops.johannesburg.down = True
    result = pops.reconcile()
    assert result.get("failed") is None
    assert [item["name"] for item in result["operations"]] == ["orders"]
    assert pops.problems(result) == [("platform.yml", "kube-unreachable", "warning")]
    # nor is what was born there taken for deleted
    pops.lagos.down = True
    assert {item["code"] for item in pops.reconcile()["problems"]} == {"kube-unreachable"}


def test_without_a_kubeconfig_no_cluster_is_asked(world: World) -> None:
    world.clusters = {"lagos": FakeCluster([UNREACHABLE]), "johannesburg": FakeCluster([UNREACHABLE])}
    assert world.run("gitops_reconciliation")["problems"] == []


@pytest.mark.parametrize("deletion_policy", ["retain", "delete"])
def test_a_purge_leaves_what_tenants_declare(pops: Pops, deletion_policy: str) -> None:
    pops.lagos.apply_claim("orders")
    pops.reconcile()
    pops.world.run("service_claims", claims=[claim("sessions"), claim("carts")])
    scope: Json = {"tenant": "acme"}
    result = pops.world.run(
        "service_claims", claims=[claim("sessions")], purge=True, scope=scope, deletion_policy=deletion_policy
    )
    assert [item["name"] for item in result["operations"] if item["action"] != "unchanged"] == ["carts"]
    assert FILE in pops.world.files()
    assert pops.reconcile()["problems"] == []


def test_a_tenant_s_own_object_with_our_labels_is_no_part_of_a_service(pops: Pops) -> None:
    pops.world.run("service_claim", tenant="acme", name="orders", sku="scy-ring-3", region="lagos")
    pops.lagos.sync()
    forged = pops.johannesburg.apply_claim("carts")
    forged["metadata"]["labels"] = {"dbaas.example.com/service": "orders", "dbaas.example.com/tenant": "acme"}
    options: Json = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete"}
    gone = pops.world.run("service_claim", **options)
    assert gone["wait"][0]["regions"] == {"lagos": "gone"}
    assert pops.lagos.names("orders") == []
    assert ("ServiceClaim", "tenant-acme", "carts") in pops.johannesburg.objects

"""Leaving a region on a real repository and PoPs that behave as Argo CD, the policies and the observers do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import crash, documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision, leaving, review

from tests.forge import GitHub
from tests.unit.runner.applying import Applying
from tests.unit.runner.synced import SyncedCluster
from tests.unit.runner.test_charts import Charted, ChartedCluster
from tests.unit.runner.test_review import _merge_all, serving
from tests.unit.runner.world import POPS, World, claim

Json = dict[str, Any]
BOTH = {"regions": ["lagos", "johannesburg"]}
LAGOS, JOHANNESBURG = (f"tenants/acme/{pop}/services/orders.yaml" for pop in ("lagos", "johannesburg"))
CLAIM = "tenants/acme/claims/orders.yaml"


def watched(objects: Mapping[Any, Json], *, active: bool) -> None:
    """What observers say of copies, and of tenants' own objects: that all is done, or that it is not."""
    for (kind, space, name), item in objects.items():
        if kind == "ServiceClaim":
            record = objects.get(("ConfigMap", space, f"{name}.claim"), item)
            operation = record["metadata"]["annotations"].get("dbaas.example.com/operation", "")
            phase, state = ("Active", "Succeeded") if active else ("Updating", "Running")
            item["status"] = {
                "phase": phase,
                "observedGeneration": item["metadata"].get("generation", 1),
                "lastOperation": {"id": operation, "state": state, "ready": 3, "wanted": 3},
                "conditions": [{"type": "Ready", "status": str(active), "message": "2 of 3 nodes are ready"}],
            }


class Watched(SyncedCluster):
    """A PoP that syncs and has an observer."""

    active = True

    def sync(self, revision: str = "main") -> None:
        super().sync(revision)
        watched(self.objects, active=self.active)


class WatchedChart(ChartedCluster):
    """The same where charts make services."""

    def sync(self, revision: str = "main") -> None:
        super().sync(revision)
        watched(self.objects, active=True)


class WatchedDirectly(Applying):
    """A PoP without Argo CD that has an observer."""

    active = True

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json | None:
        watched(self.objects, active=self.active)
        return super().get(kind, namespace, name)


class Pops:
    """The world with two PoPs, and a service `orders` in both."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lagos, self.johannesburg = Watched(world, "lagos"), Watched(world, "johannesburg")
        world.clusters |= {"lagos": self.lagos, "johannesburg": self.johannesburg}  # type: ignore[dict-item]

    def provision(self, sku: str, **spec: Any) -> Json:
        spec = {"replication": BOTH, **spec}
        result = self.world.run("service_claim", tenant="acme", name="orders", sku=sku, region="lagos", **spec)
        self.lagos.sync()
        self.johannesburg.sync()
        return result

    def leave(self, *regions: str, policy: str = "delete", **more: Any) -> Json:
        options: Json = {"state": "absent", "deletion_policy": policy, "regions": list(regions) or ["johannesburg"]}
        options |= {"wait_timeout": 60, **more}
        return self.world.run("service_claim", tenant="acme", name="orders", **options)

    def refused(self, **options: Any) -> str:
        given = {"state": "absent", "deletion_policy": "delete", "regions": ["johannesburg"], **options}
        return str(self.world.refused("service_claim", tenant="acme", name="orders", **given))

    def failed(self, **options: Any) -> DbaasError:
        with pytest.raises(DbaasError) as caught:
            self.leave(wait_timeout=0, **options)
        return caught.value

    def spec(self, path: str) -> Json:
        spec: Json = documents.load_all(self.world.text(path))[0]["spec"]
        return spec


@pytest.fixture
def pops(world: World, monkeypatch: pytest.MonkeyPatch) -> Pops:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    return Pops(world)


def test_two_commits_and_the_rest_stays(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    kept, commits, before = pops.lagos.uids("orders"), pops.world.commits(), pops.world.head()
    planned = pops.leave(check=True, diff=True)
    assert (planned["changed"], pops.world.head(), pops.lagos.uids("orders")) == (True, before, kept)
    assert len(pops.johannesburg.names("orders")) == len(kept)

    done = pops.leave(diff=True)
    assert not done.get("failed")
    assert pops.world.commits() == commits + 2
    assert done["wait"] == [{"tenant": "acme", "name": "orders", "regions": {"johannesburg": "gone"}}]
    (operation,) = done["operations"]
    assert (operation["action"], operation["changed"]) == ("leave", ["spec.replication.regions"])
    assert sorted(operation["regions"]) == ["johannesburg", "lagos"]
    plan = operation["plan"]
    assert plan["cost_monthly_usd"]["delta"] == -plan["cost_monthly_usd"]["after"] < 0
    assert plan["restart"] == "none"
    assert [*plan["gone"]] == ["johannesburg"]
    assert "YBUniverse orders" in plan["gone"]["johannesburg"]
    lost = " ".join(plan["irreversible"])
    assert "all data of the universe in johannesburg: no other region has it" in lost
    assert "in each of johannesburg, with all data; no final backup is taken" in lost

    assert pops.lagos.uids("orders") == kept
    assert pops.johannesburg.names("orders") == []
    assert pops.johannesburg.refused == pops.lagos.refused == []
    assert JOHANNESBURG not in pops.world.files()
    assert pops.spec(CLAIM)["replication"]["regions"] == pops.spec(LAGOS)["replication"]["regions"] == ["lagos"]
    messages = pops.world.git("log", "-2", "--format=%B")
    assert "Leave johannesburg with service acme/orders" in messages
    assert "Remove service acme/orders from johannesburg" in messages
    assert messages.count(f"Dbaas-Operation: {operation['id']} leave acme/orders") == 2
    assert pops.world.operation("orders") == operation["id"]

    first = pops.world.git("rev-parse", "main~1").strip()
    real = pops.world.git("diff", "--no-renames", before, first) + pops.world.git("diff", "--no-renames", first, "main")
    assert _lines(planned["diff"]["prepared"]) == _lines(done["diff"]["prepared"]) == _lines(real)
    assert planned["operations"] == done["operations"]

    head = pops.world.head()
    again = pops.leave()
    assert (again["changed"], again["operations"][0]["action"], pops.world.head()) == (False, "unchanged", head)
    assert again["warnings"] == ["acme/orders: is not in johannesburg"]


def _lines(diff: str) -> list[str]:
    """Without the abbreviated ids, which grow with the repository."""
    return [line for line in diff.splitlines() if not line.startswith("index ")]


def test_a_changed_claim_deletes_nothing(pops: Pops, tmp_path: Path) -> None:
    pops.provision("yb-dedicated")
    alone = {"sku": "yb-dedicated", "region": "lagos", "replication": {"regions": ["lagos"]}}
    error = pops.world.refused("service_claim", tenant="acme", name="orders", **alone)
    assert "let the service go from johannesburg (state: absent with regions" in str(error)

    # nor does a request that was merged; but leaving takes it at its word
    edited = pops.world.text(CLAIM).replace("  - johannesburg\n", "")
    pops.world.write(tmp_path, **{CLAIM.replace("/", "__"): edited})
    assert "let the service go" in pops.world.run("gitops_reconciliation")["msg"]
    assert len(pops.johannesburg.names("orders")) > 1
    done = pops.leave()
    assert not done.get("failed")
    assert (pops.johannesburg.names("orders"), pops.world.text(CLAIM)) == ([], edited)
    assert not pops.world.run("gitops_reconciliation")["changed"]


def test_who_may_not_leave(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    assert "regions other than lagos, its home" in pops.refused(regions=["lagos"])
    assert "nearest: johannesburg" in pops.refused(regions=["johanesburg"])
    assert "a region that is left keeps nothing" in pops.refused(deletion_policy="retain")
    assert "one region at least" in pops.refused(regions=[])
    assert "nothing, or state: absent" in pops.refused(state="present", sku="yb-dedicated", region="lagos")
    pops.provision("yb-dedicated", deletion_protection=True)
    assert "spec.deletionProtection" in pops.refused()
    assert pops.spec(CLAIM)["replication"]["regions"] == BOTH["regions"]


def test_nothing_goes_before_the_others_do_without_it(pops: Pops) -> None:
    pops.provision("mongo-flex-rs")
    assert "externalNodes" in pops.world.text(LAGOS)
    pops.lagos.active = False
    held = pops.leave(wait_timeout=0)
    assert held["failed"]
    held = pops.leave(wait_timeout=0)
    assert "lagos has to do without it first: Updating, 2 of 3 nodes are ready" in held["msg"]
    assert "externalNodes" not in pops.world.text(LAGOS)
    assert "PerconaServerMongoDB" in pops.johannesburg.names("orders")
    pops.lagos.active = True
    assert not pops.leave().get("failed")
    assert pops.johannesburg.names("orders") == []


def test_a_ring_is_left_node_by_node(pops: Pops) -> None:
    pops.provision("scy-ring-3")
    ready: Json = {"readyMembers": 3, "observedGeneration": 1}
    conditions = {"Available": "True", "Progressing": "False", "Degraded": "False"}
    ready["conditions"] = [{"type": kind, "status": status} for kind, status in conditions.items()]
    pops.johannesburg.status["ScyllaCluster"] = ready
    # the first run marks, the second would remove
    assert pops.leave(wait_timeout=0)["failed"]
    assert "members: 0" in pops.world.text(JOHANNESBURG)
    assert "members: 0" not in pops.world.text(LAGOS)
    held = pops.leave(wait_timeout=0)
    assert "3 of its nodes are not decommissioned yet" in held["msg"]
    assert (held["error"]["code"], held["changed"]) == ("deprovision-incomplete", False)
    # taken back they come back
    back = pops.world.run("service_claim_rollback", tenant="acme", name="orders")
    assert back["operations"][0]["changed"] == ["spec.replication.regions"]
    assert "members: 0" not in pops.world.text(JOHANNESBURG)
    assert pops.leave(wait_timeout=0)["failed"]
    pops.johannesburg.status["ScyllaCluster"] = {**ready, "readyMembers": 0}
    assert pops.leave()["wait"][0]["regions"] == {"johannesburg": "gone"}


def test_declared_again_it_stays_and_another_change_goes_beside(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    pops.lagos.active = False
    assert pops.leave(wait_timeout=0)["failed"]
    assert "dbaas.example.com/deletion:" in pops.world.text(JOHANNESBURG)
    # what leaves says nothing of the service any more, and holds nothing up
    grown = {"tserver": {"cpu": "8"}}
    beside = pops.provision("yb-dedicated", resources=grown, replication={"regions": ["lagos"]})
    assert beside["operations"][0]["changed"] == ["spec.resources.tserver.cpu"]
    assert "dbaas.example.com/deletion:" in pops.world.text(JOHANNESBURG)
    assert not pops.provision("yb-dedicated", resources=grown, replication={"regions": ["lagos"]})["changed"]
    assert not [item for item in problems(pops) if "waits" not in item]

    back = pops.provision("yb-dedicated", resources=grown)
    assert back["operations"][0]["changed"] == ["spec.replication.regions"]
    assert "dbaas.example.com/deletion:" not in pops.world.text(JOHANNESBURG)
    assert "Prune=false" in pops.world.text(JOHANNESBURG)
    assert pops.spec(LAGOS) == pops.spec(JOHANNESBURG)


def problems(pops: Pops) -> list[str]:
    return [str(item) for item in pops.world.run("gitops_validation_info").get("problems", [])]


def test_a_claim_by_kubectl_leaves_when_its_owner_says_so(pops: Pops) -> None:
    pops.lagos.apply_claim("orders", sku="yb-dedicated", replication=BOTH)
    assert pops.world.run("gitops_reconciliation", kubeconfig="kubeconfig")["changed"]
    pops.lagos.sync()
    pops.johannesburg.sync()
    assert "its owner takes that out of the object in lagos first, by kubectl" in pops.refused()

    pops.lagos.apply_claim("orders", sku="yb-dedicated", replication={"regions": ["lagos"]})
    waits = pops.world.run("gitops_reconciliation", kubeconfig="kubeconfig")
    assert "let the service go from johannesburg" in waits["msg"]
    assert not pops.leave().get("failed")
    assert pops.johannesburg.names("orders") == []
    assert "YBUniverse" in pops.lagos.names("orders")
    assert pops.spec(CLAIM)["replication"]["regions"] == ["lagos"]
    assert not pops.world.run("gitops_reconciliation", kubeconfig="kubeconfig")["changed"]


def test_who_declares_it_again_meanwhile_wins(pops: Pops, monkeypatch: pytest.MonkeyPatch) -> None:
    pops.provision("yb-dedicated")
    pops.lagos.active = False
    looked: list[str] = []
    behind = leaving.Leaving.unsettled

    def declared(self: leaving.Leaving, standings: Any) -> Any:
        if not looked:
            looked.append(pops.world.head())
            pops.provision("yb-dedicated")
        return behind(self, standings)

    monkeypatch.setattr(leaving.Leaving, "unsettled", declared)
    with pytest.raises(DbaasError) as caught:
        pops.leave()
    assert (caught.value.code, looked) == ("deprovision-cancelled", [pops.world.git("rev-parse", "main~1").strip()])
    assert "Prune=false" in pops.world.text(JOHANNESBURG)
    assert "YBUniverse" in pops.johannesburg.names("orders")


def test_a_region_that_is_silent_goes_when_it_answers(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    pops.johannesburg.down = True
    first = pops.leave(wait_timeout=0)
    assert "acme/orders in johannesburg: johannesburg: no answer" in first["msg"]
    assert pops.spec(LAGOS)["replication"]["regions"] == ["lagos"]
    pops.johannesburg.down = False
    checked = pops.leave(check=True)
    assert (checked["changed"], checked["operations"][0]["plan"]["cost_monthly_usd"]["delta"]) == (True, 0)
    done = pops.leave()
    assert done["wait"][0]["regions"] == {"johannesburg": "gone"}
    assert done["operations"][0]["id"] == first["operations"][0]["id"]


def test_what_else_is_refused(pops: Pops, tmp_path: Path) -> None:
    pops.provision("scy-ring-3", plan="global")
    assert "the global plan is for two regions or more" in pops.refused()
    pops.world.run("service_claim", tenant="acme", name="orders", merge=True, plan="clustered")
    content = pops.world.text(JOHANNESBURG)
    pops.world.remove(tmp_path, JOHANNESBURG)
    assert "is lost: restore it from history" in pops.refused()
    pops.world.write(tmp_path, **{JOHANNESBURG.replace("/", "__"): content})
    # what goes as a whole is not brought back by leaving a region
    pops.lagos.synced = pops.johannesburg.synced = False
    whole: Json = {"state": "absent", "deletion_policy": "delete", "wait_timeout": 0}
    assert pops.world.run("service_claim", tenant="acme", name="orders", **whole)["failed"]
    assert "it is being deleted in lagos: let that go on" in pops.refused()


def test_a_final_backup_comes_first(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    waits = pops.leave(policy="snapshot", wait_timeout=0, check=True)
    assert "a final backup is taken first" in " ".join(waits["operations"][0]["plan"]["irreversible"])
    message = str(pops.failed(policy="snapshot"))
    assert "acme/orders johannesburg" in message
    assert "lagos" not in message
    # nothing has left meanwhile, and the backup is that of the region alone
    assert pops.spec(CLAIM)["replication"] == BOTH
    assert [path.split("/")[2] for path in pops.world.files() if "/snapshots/" in path] == ["johannesburg"]


def test_without_git_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    lagos, johannesburg = (WatchedDirectly(name, "tenant-acme") for name in ("lagos", "johannesburg"))
    world.clusters.clear()
    world.clusters |= {"lagos": lagos, "johannesburg": johannesburg}  # type: ignore[dict-item]
    directly: Json = {"tenant": "acme", "name": "orders", "delivery": "direct", "repository": ""}
    world.run("service_claim", **directly, sku="mongo-flex-rs", region="lagos", replication=BOTH)
    assert lagos.one("PerconaServerMongoDB", "orders")["spec"]["replsets"][0]["externalNodes"]
    directly |= {"state": "absent", "deletion_policy": "delete", "regions": ["johannesburg"]}
    before = len(lagos.writes)
    predicted = world.run("service_claim", **directly, check=True)
    assert len(lagos.writes) == before
    lagos.active = False
    held = world.run("service_claim", **directly, wait_timeout=0)
    assert held["failed"]
    assert held["operations"] == predicted["operations"]
    assert "externalNodes" not in lagos.one("PerconaServerMongoDB", "orders")["spec"]["replsets"][0]
    assert "PerconaServerMongoDB" in johannesburg.names("orders")
    lagos.active = True
    done = world.run("service_claim", **directly)
    assert done["wait"][0]["regions"] == {"johannesburg": "gone"}
    assert johannesburg.names("orders") == []
    assert "PerconaServerMongoDB" in lagos.names("orders")
    assert not world.run("service_claim", **directly)["changed"]


def test_what_a_chart_made_goes_with_its_volumes(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    (tmp_path / "people").mkdir()
    charted = Charted(world, tmp_path / "people")
    charted.pops |= {name: WatchedChart(world, name) for name in charted.pops}
    world.clusters |= charted.pops
    charted.provision()
    lagos, johannesburg = charted.pops["lagos"], charted.pops["johannesburg"]
    lagos.sync()
    johannesburg.sync()
    kept = {key: item["metadata"]["uid"] for key, item in lagos.made.items()}
    predicted = charted.absent(regions=["johannesburg"], check=True, diff=True)
    commits = world.commits()
    done = charted.absent(regions=["johannesburg"], diff=True)
    assert not done.get("failed"), done
    assert world.commits() == commits + 3
    assert _lines(done["diff"]["prepared"]) == _lines(predicted["diff"]["prepared"])
    assert (johannesburg.made, johannesburg.refused, lagos.refused) == ({}, [], [])
    assert {key: item["metadata"]["uid"] for key, item in lagos.made.items()} == kept
    assert charted.problems() == []


def test_leaving_is_two_requests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    monkeypatch.setattr(review, "PAUSES", (0.02,))
    with serving(GitHub, world) as desk:
        pops = {name: Watched(world, name) for name in ("lagos", "johannesburg")}
        world.clusters |= pops  # type: ignore[arg-type]
        desk.orders(sku="yb-dedicated", replication=BOTH)
        desk.host.merge(1)
        for pop in pops.values():
            pop.sync()
        leave: Json = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete"}
        leave["regions"] = ["johannesburg"]
        planned = desk.run(**leave, check=True)
        assert planned["merge_request"]["branch"] == "dbaas/leave/acme/orders"
        merging = threading.Thread(target=lambda: _merge_all(desk, 2, 3))
        merging.start()
        result = desk.run(**leave, wait_timeout=60)
        merging.join()
        assert not result.get("failed"), result
        titles = ["Leave johannesburg with service acme/orders", "Remove service acme/orders from johannesburg"]
        assert [item.title for item in desk.host.merges[1:]] == titles
        assert desk.host.merges[1].labels == ["dbaas", "irreversible"]
        assert "cannot be undone: spec.replication.regions: all data of the universe" in desk.host.merges[1].body
        assert pops["johannesburg"].names("orders") == []
        assert not desk.run(**leave)["changed"]


def in_three(world: World) -> dict[str, Watched]:
    """Three PoPs, with a replica set `orders` over them."""
    names = ["lagos", "ashburn", "johannesburg"]
    world.run("gitops_repository", pops=[{**POPS[0], "name": name, "cluster_domain": name} for name in names])
    world.run("tenant", tenant="acme", regions=names)
    three = {name: Watched(world, name) for name in names}
    world.clusters |= three  # type: ignore[arg-type]
    orders: Json = {"tenant": "acme", "name": "orders", "sku": "mongo-flex-rs", "region": "lagos"}
    world.run("service_claim", **orders, replication={"regions": names})
    for pop in three.values():
        pop.sync()
    return three


def test_regions_are_left_one_after_the_other_whatever_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left says nothing any more: neither of what stays, nor may it hold the next one up."""
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    three = in_three(world)
    orders: Json = {"tenant": "acme", "name": "orders"}
    leave: Json = {**orders, "state": "absent", "deletion_policy": "delete"}
    three["ashburn"].down = True
    assert world.run("service_claim", **leave, regions=["ashburn"], wait_timeout=0)["failed"]
    done = world.run("service_claim", **leave, regions=["johannesburg"], wait_timeout=60)
    assert not done.get("failed"), done["msg"]
    assert (
        done["operations"][0]["plan"]["cost_monthly_usd"]["after"] * 2
        == done["operations"][0]["plan"]["cost_monthly_usd"]["before"]
    )
    assert documents.load_all(world.text(LAGOS))[0]["spec"]["replication"]["regions"] == ["lagos"]
    three["ashburn"].down = False
    last = world.run("service_claim", **leave, regions=["ashburn", "johannesburg"], wait_timeout=60)
    assert last["wait"][0]["regions"] == {"ashburn": "gone"}
    assert [path.split("/")[2] for path in world.files() if path.endswith("/services/orders.yaml")] == ["lagos"]


def test_who_declares_it_again_wins_over_a_run_that_only_goes_on(pops: Pops, monkeypatch: pytest.MonkeyPatch) -> None:
    pops.provision("yb-dedicated")
    pops.lagos.active = False
    assert pops.leave(wait_timeout=0)["failed"]
    declared: list[str] = []
    behind = leaving.Leaving.unsettled

    def again(self: leaving.Leaving, standings: Any) -> Any:
        found = behind(self, standings)
        if not declared:
            pops.provision("yb-dedicated")
            declared.append(pops.world.head())
        return found

    monkeypatch.setattr(leaving.Leaving, "unsettled", again)
    with pytest.raises(DbaasError) as caught:
        pops.leave()
    assert (caught.value.code, declared) == ("deprovision-cancelled", [pops.world.head()])
    assert "YBUniverse" in pops.johannesburg.names("orders")


def test_an_owner_who_names_it_again_is_heard_before_git_knows(pops: Pops) -> None:
    pops.lagos.apply_claim("orders", sku="yb-dedicated", replication=BOTH)
    pops.world.run("gitops_reconciliation", kubeconfig="kubeconfig")
    pops.lagos.sync()
    pops.johannesburg.sync()
    pops.lagos.apply_claim("orders", sku="yb-dedicated", replication={"regions": ["lagos"]})
    pops.lagos.active = False
    assert pops.leave(wait_timeout=0)["failed"]
    pops.lagos.active = True
    pops.lagos.apply_claim("orders", sku="yb-dedicated", replication=BOTH)
    held = pops.leave(wait_timeout=0)
    assert "lagos has to do without it first: its owner's object there names johannesburg again" in held["msg"]
    assert "YBUniverse" in pops.johannesburg.names("orders")
    pops.world.run("gitops_reconciliation", kubeconfig="kubeconfig")
    assert "dbaas.example.com/deletion:" not in pops.world.text(JOHANNESBURG)


def test_a_region_that_only_the_claim_names_leaves_by_a_commit_that_says_so(pops: Pops, tmp_path: Path) -> None:
    pops.provision("yb-dedicated", replication={"regions": ["lagos"]})
    edited = pops.world.text(CLAIM).replace("      - lagos\n", "      - lagos\n      - johannesburg\n")
    pops.world.write(tmp_path, **{CLAIM.replace("/", "__"): edited})
    planned, done = pops.leave(check=True), pops.leave()
    assert (done["changed"], done["warnings"]) == (True, ["acme/orders: is not in johannesburg"])
    assert planned["operations"] == done["operations"]
    trailer = f"Dbaas-Operation: {done['operations'][0]['id']} leave acme/orders"
    assert trailer in pops.world.git("log", "-1", "--format=%B")
    assert pops.world.operation("orders") == done["operations"][0]["id"]
    assert pops.spec(CLAIM)["replication"]["regions"] == ["lagos"]


def test_quotas_and_names_between_the_commits(pops: Pops) -> None:
    """What a service leaves counts no more; but its objects are there until they are gone."""
    pops.world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"cpu": "1000"})
    pops.provision("mongo-flex-rs")
    pops.johannesburg.down = True
    assert pops.leave(wait_timeout=0)["failed"]
    pops.provision("mongo-flex-rs", resources={"mongod": {"cpu": "8"}}, replication={"regions": ["lagos"]})
    used = pops.world.run("tenant_info")["tenants"]
    beside: Json = {"tenant": "acme", "name": "orders-rs0", "sku": "dfly-mem-16g", "region": "johannesburg"}
    assert "would be one of service orders too" in str(pops.world.refused("service_claim", **beside))
    pops.johannesburg.down = False
    assert not pops.leave().get("failed")
    assert pops.world.run("tenant_info")["tenants"] == used
    assert pops.world.run("service_claim", **beside)["changed"]


def test_what_has_gone_elsewhere_does_not_come_back(
    pops: Pops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pops.provision("yb-dedicated")
    pops.johannesburg.down = True
    assert pops.leave(wait_timeout=0)["failed"]
    monkeypatch.setattr(deprovision, "_TOGETHER", 0)
    whole: Json = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete"}
    for _attempt in range(30):
        # one second is enough for lagos, unless much else runs
        assert pops.world.run("service_claim", **whole, wait_timeout=1)["failed"]
        if LAGOS not in pops.world.files():
            break
    assert LAGOS not in pops.world.files()
    again = {"tenant": "acme", "name": "orders", "sku": "yb-dedicated", "region": "lagos"}
    assert "only what it leaves in johannesburg is there" in str(pops.world.refused("service_claim", **again))
    # nor is it known then that the others do without it
    pops.johannesburg.down = False
    assert pops.leave(wait_timeout=0)["failed"]
    assert "none of its derived files elsewhere is there" in pops.leave(wait_timeout=0)["msg"]
    assert "YBUniverse" in pops.johannesburg.names("orders")
    assert not pops.world.run("service_claim", **whole).get("failed")
    assert pops.johannesburg.names("orders") == []


def test_nodes_that_hand_over_are_let_in_until_they_are_gone(pops: Pops) -> None:
    """Without that no node could be decommissioned, and no member would hear that it is out."""
    network = POPS[1]["pod_cidrs"][0]
    ring: Json = {"sku": "scy-ring-3", "replication": {"regions": ["lagos"]}}
    pops.provision("scy-ring-3")
    assert network in pops.world.text(LAGOS)
    assert pops.leave(wait_timeout=0)["failed"]
    assert network in pops.world.text(LAGOS)
    assert not [item for item in problems(pops) if "waits" not in item]
    pops.provision(**ring, resources={"node": {"cpu": "8"}})
    assert network in pops.world.text(LAGOS)
    conditions = {"Available": "True", "Progressing": "False", "Degraded": "False"}
    told = [{"type": kind, "status": status} for kind, status in conditions.items()]
    pops.johannesburg.status["ScyllaCluster"] = {"readyMembers": 0, "observedGeneration": 1, "conditions": told}
    assert not pops.leave().get("failed")
    assert not problems(pops)
    pops.provision(**ring, resources={"node": {"cpu": "6"}})
    assert network not in pops.world.text(LAGOS)
    assert "dbaas.example.com/leaving" not in pops.world.text(LAGOS)


def test_who_never_spoke_to_it_lets_nobody_in(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    pops.lagos.active = False
    assert pops.leave(wait_timeout=0)["failed"]
    assert POPS[1]["pod_cidrs"][0] not in pops.world.text(LAGOS)


def test_a_set_that_is_paused_leaves_no_region(pops: Pops) -> None:
    pops.provision("mongo-flex-rs", paused=True)
    assert "false first: members that do not run take no others out of the replica set" in pops.refused()


@pytest.mark.parametrize("where", ["marked", "removed"])
def test_a_run_that_is_killed_goes_on(pops: Pops, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    pops.provision("mongo-flex-rs")
    kept = pops.lagos.uids("orders")

    def kill(name: str) -> None:
        if name == where:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(crash, "point", kill)
        with pytest.raises(KeyboardInterrupt):
            pops.leave()
    assert not pops.leave().get("failed")
    assert (pops.johannesburg.names("orders"), pops.lagos.uids("orders")) == ([], kept)


def test_sets_leave_where_they_are(pops: Pops) -> None:
    pops.provision("yb-dedicated")
    more: Json = {"tenant": "acme", "region": "lagos"}
    pops.world.run("service_claim", **more, name="here", sku="yb-dedicated")
    pops.world.run("service_claim", **more, name="other", sku="mongo-flex-rs", replication=BOTH)
    pops.lagos.sync()
    pops.johannesburg.sync()
    kept = pops.lagos.uids("orders", "here", "other")
    named = [claim(name, sku="yb-dedicated") for name in ("orders", "here", "other", "nobody", "orders")]
    options: Json = {"claims": named, "state": "absent", "deletion_policy": "delete", "wait_timeout": 60}
    options["regions"] = ["johannesburg", "johannesburg"]
    planned = pops.world.run("service_claims", **options, check=True, diff=True)
    done = pops.world.run("service_claims", **options, diff=True)
    assert not done.get("failed"), done["msg"]
    assert done["warnings"] == ["acme/here: is not in johannesburg"]
    assert planned["operations"] == done["operations"]
    assert _lines(planned["diff"]["prepared"]) == _lines(done["diff"]["prepared"])
    assert pops.johannesburg.names("orders") == pops.johannesburg.names("other") == []
    assert pops.lagos.uids("orders", "here", "other") == kept


def test_a_region_that_hangs_lends_its_operation_to_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    three = in_three(world)
    leave: Json = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete"}
    three["ashburn"].down = True
    assert world.run("service_claim", **leave, regions=["ashburn"], wait_timeout=0)["failed"]
    leave |= {"regions": ["ashburn", "johannesburg"], "wait_timeout": 0}
    checked, done = world.run("service_claim", **leave, check=True), world.run("service_claim", **leave)
    told = {item["operations"][0]["id"] for item in (checked, done)}
    assert told == {world.operation("orders"), world.operation("orders", "johannesburg")}
    assert f"Dbaas-Operation: {told.pop()} leave acme/orders" in world.git("log", "-1", "--format=%B")

"""Leaving a region on a real repository and PoPs that behave as Argo CD, the policies and the observers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision

from tests.unit.runner.synced import SyncedCluster
from tests.unit.runner.world import World

Json = dict[str, Any]
BOTH = {"regions": ["lagos", "johannesburg"]}
LAGOS, JOHANNESBURG = (f"tenants/acme/{pop}/services/orders.yaml" for pop in ("lagos", "johannesburg"))
CLAIM = "tenants/acme/claims/orders.yaml"


class Watched(SyncedCluster):
    """A PoP whose observer says of each copy that all is done, as long as it is `active`."""

    active = True

    def sync(self, revision: str = "main") -> None:
        super().sync(revision)
        for (kind, _space, _name), item in self.objects.items():
            if kind == "ServiceClaim":
                operation = item["metadata"]["annotations"]["dbaas.example.com/operation"]
                phase, state = ("Active", "Succeeded") if self.active else ("Updating", "Running")
                ready = {"type": "Ready", "status": str(self.active), "message": "2 of 3 nodes are ready"}
                last = {"id": operation, "state": state, "ready": 3, "wanted": 3}
                item["status"] = {"phase": phase, "observedGeneration": 1, "lastOperation": last, "conditions": [ready]}


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
    # declared again they come back
    pops.provision("scy-ring-3")
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

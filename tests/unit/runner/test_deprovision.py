"""Deprovisioning on a real repository and PoPs that behave as Argo CD and the policies do."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import crash, documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision

from tests.unit.runner.synced import SyncedCluster
from tests.unit.runner.world import World

Json = dict[str, Any]
BOTH = {"regions": ["lagos", "johannesburg"]}
ALL = ["ConfigMap", "NetworkPolicy", "PrometheusRule", "ScyllaCluster", "ServiceClaim", "ServiceMonitor"]


class Pops:
    """The world with two PoPs that sync, and services `orders` (both PoPs) and `other` (lagos)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lagos, self.johannesburg = SyncedCluster(world, "lagos"), SyncedCluster(world, "johannesburg")
        world.clusters |= {"lagos": self.lagos, "johannesburg": self.johannesburg}  # type: ignore[dict-item]
        self.provision("orders", replication=BOTH)
        self.provision("other")
        self.sync()

    def provision(self, name: str, **spec: Any) -> Json:
        return self.world.run("service_claim", tenant="acme", name=name, sku="scy-ring-3", region="lagos", **spec)

    def sync(self, revision: str = "main") -> None:
        self.lagos.sync(revision)
        self.johannesburg.sync(revision)

    def absent(self, *names: str, policy: str = "delete", **more: Any) -> Json:
        options = {"state": "absent", "deletion_policy": policy, **more}
        if len(names) == 1:
            return self.world.run("service_claim", tenant="acme", name=names[0], **options)
        named = [{"metadata": {"name": name, "namespace": "tenant-acme"}} for name in names]
        return self.world.run("service_claims", claims=named, **options)

    def files(self, name: str) -> list[str]:
        return [path for path in self.world.files() if path.endswith(f"/{name}.yaml")]


@pytest.fixture
def pops(world: World, monkeypatch: pytest.MonkeyPatch) -> Pops:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    return Pops(world)


def test_delete_takes_two_commits_and_exactly_the_one(pops: Pops) -> None:
    kept, commits = pops.lagos.uids("other"), pops.world.commits()
    result = pops.absent("orders")

    assert result["changed"]
    assert not result.get("failed")
    assert result["wait"] == [
        {"tenant": "acme", "name": "orders", "regions": {"lagos": "gone", "johannesburg": "gone"}}
    ]
    assert pops.world.commits() == commits + 2
    assert pops.files("orders") == []
    assert pops.lagos.names("orders") == pops.johannesburg.names("orders") == []
    assert pops.lagos.uids("other") == kept
    assert pops.lagos.names("other") == ALL
    assert pops.lagos.refused == pops.johannesburg.refused == []
    (operation,) = result["operations"]
    assert (operation["action"], operation["regions"]) == ("delete", ["lagos", "johannesburg"])
    messages = pops.world.git("log", "-2", "--format=%B")
    assert messages.count(f"Dbaas-Operation: {operation['id']} delete acme/orders") == 2
    assert "Mark service acme/orders for deletion" in messages
    assert "Remove service acme/orders" in messages


def test_again_changes_nothing(pops: Pops) -> None:
    pops.absent("orders")
    head = pops.world.head()
    again = pops.absent("orders")
    assert not again["changed"]
    assert again["operations"][0]["action"] == "unchanged"
    assert pops.world.head() == head


def test_the_plan_says_what_will_be_gone(pops: Pops) -> None:
    plan = pops.absent("orders", check=True)["operations"][0]["plan"]
    assert plan["restart"] == "outage"
    assert plan["cost_monthly_usd"] == {"before": 1800, "after": 0, "delta": -1800}
    assert "ScyllaCluster orders" in plan["gone"]["johannesburg"]
    assert plan["irreversible"] == [
        "3 volumes of 500Gi in each of lagos, johannesburg, with all data; no final backup is taken"
    ]


def test_check_mode_predicts_both_commits(pops: Pops) -> None:
    before = pops.world.head()
    predicted = pops.absent("orders", check=True, diff=True)
    assert predicted["changed"]
    assert pops.world.head() == before
    assert pops.lagos.names("orders") == ALL
    done = pops.absent("orders", diff=True)
    first = pops.world.git("rev-parse", "main~1").strip()
    real = pops.world.git("diff", "--no-renames", before, first) + pops.world.git("diff", "--no-renames", first, "main")
    assert _lines(predicted["diff"]["prepared"]) == _lines(done["diff"]["prepared"]) == _lines(real)
    assert predicted["operations"] == done["operations"]


def _lines(diff: str) -> list[str]:
    """Without the abbreviated ids, which grow with the repository."""
    return [line for line in diff.splitlines() if not line.startswith("index ")]


def test_retain_keeps_everything_but_the_declaration(pops: Pops) -> None:
    kept = pops.lagos.uids("orders")
    result = pops.absent("orders", policy="retain")
    assert result["changed"]
    pops.sync()
    assert pops.lagos.uids("orders") == kept
    assert "tenants/acme/retained/orders.yaml" in pops.files("orders")
    assert "tenants/acme/claims/orders.yaml" not in pops.files("orders")
    assert not pops.absent("orders", policy="retain")["changed"]

    # its name is not given away
    error = pops.world.refused("service_claim", tenant="acme", name="orders", sku="scy-ring-3", region="lagos")
    assert "move tenants/acme/retained/orders.yaml back to claims/" in str(error)

    assert pops.absent("orders")["wait"][0]["regions"] == {"lagos": "gone", "johannesburg": "gone"}
    assert pops.files("orders") == []


def test_what_is_half_deleted_is_not_called_kept(pops: Pops) -> None:
    pops.johannesburg.down = True
    assert pops.absent("orders")["failed"]
    error = pops.world.refused("service_claim", tenant="acme", name="orders", state="absent")
    assert error.code == "deprovision-blocked"
    assert "being deleted in johannesburg" in str(error)


def test_deletion_protection_refuses_to_delete_and_not_to_keep(pops: Pops) -> None:
    pops.provision("dear", deletion_protection=True)
    pops.sync()
    error = pops.world.refused("service_claim", tenant="acme", name="dear", state="absent", deletion_policy="delete")
    assert "spec.deletionProtection" in str(error)
    assert pops.absent("dear", policy="retain")["changed"]


def test_a_silent_pop_is_named_and_caught_up_later(pops: Pops) -> None:
    pops.johannesburg.down = True
    first = pops.absent("orders")
    assert first["failed"]
    assert first["error"]["code"] == "deprovision-incomplete"
    assert "acme/orders in johannesburg: johannesburg: no answer" in first["msg"]
    assert pops.lagos.names("orders") == []
    assert pops.files("orders") == [
        "tenants/acme/claims/orders.yaml",
        "tenants/acme/johannesburg/services/orders.yaml",
    ]
    pops.johannesburg.down = False
    pops.johannesburg.sync()
    assert pops.johannesburg.names("orders") == ALL

    # half gone, it cannot be declared again
    error = pops.world.refused(
        "service_claim", tenant="acme", name="orders", sku="scy-ring-3", region="lagos", replication=BOTH
    )
    assert "gone in lagos" in str(error)

    second = pops.absent("orders")
    assert not second.get("failed"), second["msg"]
    assert pops.johannesburg.names("orders") == []
    assert pops.files("orders") == []


def test_both_commits_at_once_delete_nothing(pops: Pops, tmp_path: Path) -> None:
    """Argo CD has not seen the mark when the file goes: the live objects are still protected."""
    kept = pops.lagos.uids("other")
    pops.lagos.synced = False
    first = pops.absent("other", wait_timeout=0)
    assert first["failed"]
    assert "waiting for Argo CD" in first["msg"] or "marked" in first["msg"]
    pops.world.remove(tmp_path, "tenants/acme/lagos/services/other.yaml")
    pops.lagos.sync()
    rest = {key: uid for key, uid in kept.items() if key[0] not in ("ServiceMonitor", "PrometheusRule")}
    assert pops.lagos.uids("other") == rest


def test_what_somebody_takes_back_stays(pops: Pops) -> None:
    pops.lagos.synced = False
    assert pops.absent("other", wait_timeout=0)["failed"]
    marked = pops.world.text("tenants/acme/lagos/services/other.yaml")
    assert "dbaas.example.com/deletion:" in marked
    back = pops.provision("other")
    assert back["changed"]
    pops.lagos.synced = True
    pops.sync()
    assert pops.lagos.names("other") == ALL
    text = pops.world.text("tenants/acme/lagos/services/other.yaml")
    assert "dbaas.example.com/deletion:" not in text
    assert text.count("Prune=false,Delete=false") == 4


def test_an_object_that_never_came_does_not_hold_the_rest(pops: Pops, monkeypatch: pytest.MonkeyPatch) -> None:
    pops.lagos.refuses.add("ScyllaCluster")
    pops.provision("broken")
    pops.sync()
    monkeypatch.setattr(deprovision, "_ABSENT", 0.05)
    assert not pops.absent("broken").get("failed")
    assert pops.files("broken") == []
    assert pops.lagos.names("broken") == []


def test_a_lost_file_is_named_and_nothing_is_deleted(pops: Pops, tmp_path: Path) -> None:
    kept = pops.lagos.uids("other")
    pops.world.remove(tmp_path, "tenants/acme/lagos/services/other.yaml")
    error = pops.world.refused("service_claim", tenant="acme", name="other", state="absent", deletion_policy="delete")
    assert error.code == "deprovision-blocked"
    assert "tenants/acme/lagos/services/other.yaml" in str(error)
    # the others go all the same
    assert not pops.absent("orders").get("failed")
    assert set(kept) - set(pops.lagos.uids("other")) <= {
        key for key in kept if key[0] in ("ServiceMonitor", "PrometheusRule")
    }


def test_a_lost_file_of_a_silent_pop_is_named_and_nothing_is_deleted(pops: Pops, tmp_path: Path) -> None:
    path = "tenants/acme/johannesburg/services/orders.yaml"
    pops.world.remove(tmp_path, path)
    pops.johannesburg.down = True
    error = pops.world.refused("service_claim", tenant="acme", name="orders", state="absent", deletion_policy="delete")
    assert error.code == "deprovision-blocked"
    assert f"johannesburg does not answer, and {path}" in str(error)


def test_many_go_in_two_commits(pops: Pops) -> None:
    commits = pops.world.commits()
    result = pops.absent("orders", "other")
    assert pops.world.commits() == commits + 2
    assert [item["name"] for item in result["operations"]] == ["orders", "other"]
    assert pops.lagos.objects == pops.johannesburg.objects == {}


def test_purge_lets_go_what_its_scope_has_and_was_not_given(pops: Pops, tmp_path: Path) -> None:
    given = [
        {
            "apiVersion": "dbaas.example.com/v1alpha1",
            "kind": "ServiceClaim",
            "metadata": {"name": "orders", "namespace": "tenant-acme"},
            "spec": {"sku": "scy-ring-3", "region": "lagos", "replication": BOTH},
        }
    ]
    pops.world.run("tenant", tenant="beta", regions=["lagos"])
    pops.world.run("service_claim", tenant="beta", name="theirs", sku="scy-ring-3", region="lagos")
    checked = pops.world.run(
        "service_claims", claims=given, purge=True, scope={"tenant": "acme"}, deletion_policy="delete", check=True
    )
    assert [item["name"] for item in checked["operations"] if item["action"] == "delete"] == ["other"]
    done = pops.world.run(
        "service_claims", claims=given, purge=True, scope={"tenant": "acme"}, deletion_policy="delete"
    )
    assert done["changed"]
    assert pops.lagos.names("other") == []
    assert pops.lagos.names("orders") == ALL
    assert pops.lagos.names("theirs") == ALL
    labels = {"team": "red"}
    none = pops.world.run("service_claims", claims=given, purge=True, scope={"labels": labels})
    assert not none["changed"]


@pytest.mark.parametrize("scope", [None, {}, {"tenant": ""}])
def test_purge_wants_a_scope(pops: Pops, scope: Json | None) -> None:
    claims = [{"metadata": {"name": "orders", "namespace": "tenant-acme"}}]
    error = pops.world.refused("service_claims", claims=claims, purge=True, scope=scope)
    assert error.code == "option-invalid"
    error = pops.world.refused("service_claims", claims=[], purge=True, scope={"tenant": "acme"})
    assert "at least one claim" in str(error)


def test_snapshot_is_taken_and_awaited_as_far_as_the_operator_tells(pops: Pops) -> None:
    kept = pops.lagos.uids("other")
    pops.lagos.status["ScyllaDBManagerTask"] = {"taskID": "7c1a"}
    with pytest.raises(DbaasError, match="backup/7c1a") as caught:
        pops.absent("other", policy="snapshot")
    assert caught.value.code == "snapshot-unconfirmed"
    assert pops.lagos.uids("other") == kept
    (path,) = [path for path in pops.world.files() if "/snapshots/" in path]
    task = pops.world.document(path)
    assert task["spec"]["backup"]["location"] == ["lagos:s3:dbaas-lagos-acme"]
    assert task["spec"]["scyllaDBClusterRef"] == {"kind": "ScyllaDBDatacenter", "name": "other"}

    # confirmed by a person, it is deleted, and its backup's task stays
    assert not pops.absent("other").get("failed")
    assert [key[0] for key in pops.lagos.objects if "ScyllaDBManagerTask" in key] == ["ScyllaDBManagerTask"]
    assert pops.lagos.names("other") == []


def _universe(pops: Pops) -> None:
    """Service `shop`, whose operator says that each backup is done."""
    pops.world.run("service_claim", tenant="acme", name="shop", sku="yb-dedicated", region="lagos")
    pops.lagos.status["Backup"] = {"message": "Backup State: Completed"}
    pops.sync()


def _backups(pops: Pops) -> list[str]:
    return [path for path in pops.world.files() if "/snapshots/shop-" in path]


def test_a_namesake_s_last_backup_is_none_of_this_service(pops: Pops) -> None:
    _universe(pops)
    assert not pops.absent("shop", policy="snapshot").get("failed")
    assert len(_backups(pops)) == 1
    _universe(pops)
    assert not pops.absent("shop", policy="snapshot").get("failed")
    assert len(_backups(pops)) == 2
    assert [key[0] for key in pops.lagos.objects].count("Backup") == 2


def test_a_last_backup_from_before_a_deletion_that_was_taken_back_is_too_old(pops: Pops) -> None:
    _universe(pops)
    pops.lagos.refuses.add("Backup")
    with pytest.raises(DbaasError, match="are not done"):
        pops.absent("shop", policy="snapshot", wait_timeout=0)
    pops.lagos.refuses.clear()
    pops.lagos.synced = False
    pops.lagos.sync()
    assert pops.absent("shop", policy="snapshot", wait_timeout=0)["failed"]
    assert len(_backups(pops)) == 1
    assert "action: delete" in pops.world.text("tenants/acme/lagos/services/shop.yaml")
    # what goes on after the mark takes no second one
    assert pops.absent("shop", policy="snapshot", wait_timeout=0)["failed"]
    assert len(_backups(pops)) == 1

    pops.lagos.synced = True
    _universe(pops)
    assert not pops.absent("shop", policy="snapshot").get("failed")
    assert len(_backups(pops)) == 2


#: point -> commits that the remote has when a run that deletes dies there
SNAPSHOT_POINTS = ("planned", "committed", "pushed", "snapshot")
POINTS = {"planned": 0, "committed": 0, "pushed": 1, "marked": 1, "removed": 2}


def _killed(pops: Pops, point: str, *names: str, policy: str) -> None:
    """The same run in a process of its own, which must die at this point."""
    child = os.fork()
    if child == 0:
        os.environ[crash.VARIABLE] = point
        try:
            pops.absent(*names, policy=policy)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, f"never came to {point}"


@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_ends_as_it_should_when_run_again(pops: Pops, point: str) -> None:
    kept, commits = pops.lagos.uids("other"), pops.world.commits()
    _killed(pops, point, "orders", policy="delete")
    assert pops.world.commits() == commits + POINTS[point]
    if point == "removed":
        # the files went only when the PoPs had the mark
        pops.sync("main~1")
    pops.sync()
    again = pops.absent("orders")
    assert not again.get("failed"), again["msg"]
    assert pops.world.commits() == commits + 2
    assert pops.files("orders") == pops.lagos.names("orders") == pops.johannesburg.names("orders") == []
    assert pops.lagos.refused == []
    assert pops.lagos.uids("other") == kept
    ids = {line.split()[1] for line in pops.world.git("log", "-2", "--format=%B").splitlines() if " delete " in line}
    assert len(ids) == 1
    assert not pops.absent("orders")["changed"]


@pytest.mark.parametrize("point", SNAPSHOT_POINTS)
def test_a_final_backup_is_asked_for_once(pops: Pops, point: str) -> None:
    pops.lagos.status["ScyllaDBManagerTask"] = {"taskID": "7c1a"}
    _killed(pops, point, "other", policy="snapshot")
    for _again in range(2):
        with pytest.raises(DbaasError, match="backup/7c1a"):
            pops.absent("other", policy="snapshot")
    assert len([path for path in pops.world.files() if "/snapshots/" in path]) == 1
    assert pops.lagos.names("other") == ALL


@pytest.mark.parametrize("point", ["planned", "committed", "pushed"])
def test_killed_while_keeping_it_keeps(pops: Pops, point: str) -> None:
    _killed(pops, point, "other", policy="retain")
    pops.absent("other", policy="retain")
    assert "tenants/acme/retained/other.yaml" in pops.files("other")
    assert "tenants/acme/claims/other.yaml" not in pops.files("other")
    pops.sync()
    assert pops.lagos.names("other") == ALL


def test_a_file_that_was_given_another_service_s_objects_takes_nothing_of_it(pops: Pops, tmp_path: Path) -> None:
    """Nor does it where the other's own file is lost, so that nothing else would keep Argo CD from pruning."""
    kept = pops.lagos.uids("other")
    mine, theirs = (f"tenants/acme/lagos/services/{name}.yaml" for name in ("orders", "other"))
    pops.world.write(tmp_path, **{mine: pops.world.text(mine) + pops.world.text(theirs), theirs: "# lost\n"})
    error = pops.world.refused("service_claim", tenant="acme", name="orders", state="absent", deletion_policy="delete")
    assert error.code == "deprovision-blocked"
    assert f"{mine}: document 7 is no object of acme/orders" in str(error)
    pops.sync()
    assert pops.lagos.uids("other") == kept


@pytest.mark.parametrize("policy", ["delete", "snapshot"])
@pytest.mark.parametrize("text", ["", "- no object\n", "kind: ServiceClaim\nspec:\n"])
def test_a_spoiled_file_is_named(pops: Pops, tmp_path: Path, text: str, policy: str) -> None:
    path = "tenants/acme/lagos/services/other.yaml"
    pops.lagos.synced = False
    pops.world.write(tmp_path, **{path: text})
    error = pops.world.refused("service_claim", tenant="acme", name="other", state="absent", deletion_policy=policy)
    assert error.code == "document-invalid"
    assert f"{path}: does not begin with the claim's copy" in str(error)


@pytest.mark.parametrize("left", ["nothing", "an empty file", "kept"])
def test_deletion_protection_outlives_the_claim_s_file(pops: Pops, tmp_path: Path, left: str) -> None:
    pops.provision("dear", deletion_protection=True)
    pops.sync()
    path = "tenants/acme/claims/dear.yaml"
    if left == "kept":
        # a declaration beside the kept one, which says nothing of protection
        pops.absent("dear", policy="retain")
        pops.world.write(tmp_path, **{path: pops.world.text("tenants/acme/claims/other.yaml")})
    elif left == "nothing":
        pops.world.remove(tmp_path, path)
    else:
        pops.world.write(tmp_path, **{path: ""})
    error = pops.world.refused("service_claim", tenant="acme", name="dear", state="absent", deletion_policy="delete")
    assert "spec.deletionProtection" in str(error)
    assert pops.lagos.names("dear") == ALL


def test_deletion_protection_that_comes_between_the_commits_is_heard(
    pops: Pops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "tenants/acme/claims/other.yaml"
    protected = documents.load_all(pops.world.text(path))[0]
    protected["spec"]["deletionProtection"] = True
    pops.lagos.synced = False

    def meanwhile(_seconds: float) -> None:
        if not pops.lagos.synced:
            pops.lagos.synced = True
            pops.world.write(tmp_path, **{path: documents.dump(protected)})

    monkeypatch.setattr("time.sleep", meanwhile)
    with pytest.raises(DbaasError, match=r"spec\.deletionProtection"):
        pops.absent("other")
    pops.sync()
    assert pops.lagos.names("other") == ALL

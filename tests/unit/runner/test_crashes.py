"""Killed at any named point, a run is run again: the result is right, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote

from tests.tools.tree import ROOT
from tests.unit.runner import crashes, test_deprovision
from tests.unit.runner.world import World

Json = dict[str, Any]

ONE: Json = {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}
MERGE: Json = {"tenant": "acme", "name": "orders", "merge": True, "resources": {"node": {"cpu": "8"}}}
BACK: Json = {"tenant": "acme", "name": "orders"}
#: point -> whether the remote has the commit when the run dies there
POINTS = {"planned": False, "committed": False, "pushed": True}


def test_every_point_that_the_code_names_is_hit() -> None:
    texts = (path.read_text() for path in (ROOT / "plugins").rglob("*.py"))
    named = {name for text in texts for name in re.findall(r"crash\.point\(\"([a-z-]+)\"\)", text)}
    # the killed runs of these tables fail where they do not come to their point
    assert named == {*POINTS, *test_deprovision.POINTS, *test_deprovision.SNAPSHOT_POINTS}


def cpu(world: World) -> str:
    copy = documents.load_all(world.text("tenants/acme/lagos/services/orders.yaml"))[0]
    return str(copy["spec"]["resources"]["node"]["cpu"])


def again(world: World, module: str, point: str, action: str, **options: Any) -> None:
    """Killed, and run again: one commit in all, by whichever of both."""
    commits = world.commits()
    crashes.killed(world, module, point, **options)
    assert world.commits() == commits + POINTS[point]
    assert len(crashes.left()) == 1
    result = world.run(module, **options)
    assert result["changed"] is not POINTS[point]
    assert world.commits() == commits + 1
    trailer = world.git("log", "-1", "--format=%(trailers:key=Dbaas-Operation,valueonly)").split()
    assert trailer[1:3] == [action, "acme/orders"]
    assert world.operation("orders") == trailer[0]
    assert crashes.left() == []
    assert not world.run(module, **options)["changed"]
    assert world.git("fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize("point", POINTS)
def test_create(world: World, point: str) -> None:
    again(world, "service_claim", point, "create", **ONE)
    assert cpu(world) == "4"


@pytest.mark.parametrize("point", POINTS)
def test_update(world: World, point: str) -> None:
    world.run("service_claim", **ONE)
    again(world, "service_claim", point, "update", **MERGE)
    assert cpu(world) == "8"


@pytest.mark.parametrize("point", POINTS)
def test_rollback_by_the_operation_that_it_undoes(world: World, point: str) -> None:
    world.run("service_claim", **ONE)
    grown = world.run("service_claim", **MERGE)["operations"][0]["id"]
    again(world, "service_claim_rollback", point, "rollback", **BACK, operation=grown)
    assert cpu(world) == "4"


@pytest.mark.parametrize("point", POINTS)
def test_rollback_to_a_commit(world: World, point: str) -> None:
    made = world.run("service_claim", **ONE)["commit"]
    world.run("service_claim", **MERGE)
    again(world, "service_claim_rollback", point, "rollback", **BACK, to=made)
    assert cpu(world) == "4"


@pytest.mark.parametrize("point", POINTS)
def test_reconcile(world: World, tmp_path: Path, point: str) -> None:
    """A claim that was edited with Git; nobody says what to do when it is run again but the repository."""
    world.run("service_claim", **ONE)
    path = "tenants/acme/claims/orders.yaml"
    item = world.document(path)
    item["spec"]["resources"] = {"node": {"cpu": "8"}}
    world.write(tmp_path, **{path: documents.dump(item)})
    again(world, "gitops_reconciliation", point, "update")
    assert cpu(world) == "8"
    assert world.run("gitops_validation_info")["problems"] == []


def test_a_run_that_lives_keeps_its_folder(world: World) -> None:
    """Whoever comes after takes away only what nobody holds."""
    with GitRepository(Remote(world.url)) as repository:
        (mine,) = crashes.left()
        crashes.killed(world, "service_claim", "planned", **ONE)
        assert len(crashes.left()) == 2
        world.run("service_claim", **ONE)
        assert crashes.left() == [mine]
        assert repository.fetch().commit == world.head()

"""service_claim_rollback: what was, planned anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.unit.runner.world import UNREACHABLE, World, copy

Json = dict[str, Any]

ONE: Json = {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}
SERVICE: Json = {"tenant": "acme", "name": "orders"}
CLAIM = "tenants/acme/claims/orders.yaml"


def change(world: World, **fields: Any) -> Json:
    result = world.run("service_claim", **SERVICE, merge=True, **fields)
    assert result["changed"]
    return result


def back(world: World, **options: Any) -> Json:
    return world.run("service_claim_rollback", **SERVICE, **options)


def cpu(world: World) -> str:
    (spec,) = [documents.load_all(world.text("tenants/acme/lagos/services/orders.yaml"))[0]["spec"]]
    return str(spec["resources"]["node"]["cpu"])


def why(world: World, **options: Any) -> list[str]:
    error = world.refused("service_claim_rollback", **SERVICE, **options)
    assert isinstance(error, InvalidFields)
    return [error.code, *(str(item) for item in error.errors)]


def test_previous_goes_back_and_once_more_forth(world: World) -> None:
    made = world.run("service_claim", **ONE)
    first = world.text(CLAIM)
    grown = change(world, resources={"node": {"cpu": "8"}})
    second = world.text(CLAIM)
    before = world.commits()

    result = back(world, requester="ada")
    assert world.text(CLAIM) == first
    assert cpu(world) == "4"
    assert (result["changed"], result["commit"], world.commits()) == (True, world.head(), before + 1)
    (operation,) = result["operations"]
    assert (operation["action"], operation["changed"]) == ("rollback", ["spec.resources.node.cpu"])
    assert operation["plan"]["restart"] == "rolling"
    assert result["claim"]["service_id"] == made["claim"]["service_id"]
    undone = grown["operations"][0]["id"]
    assert result["rollback"] == {"to": "previous", "commit": made["commit"], "undoes": undone}
    assert world.git("log", "-1", "--format=%B").splitlines()[:3] == [
        "Roll back service acme/orders",
        "",
        f"Dbaas-Operation: {operation['id']} rollback acme/orders requester=ada deadline=30m",
    ]
    assert len({operation["id"], *(each["operations"][0]["id"] for each in (made, grown))}) == 3

    forth = back(world)
    assert (world.text(CLAIM), cpu(world)) == (second, "8")
    assert forth["operations"][0]["action"] == "rollback"


def test_check_mode_predicts_the_diff_exactly(world: World) -> None:
    world.run("service_claim", **ONE)
    change(world, resources={"node": {"cpu": "8"}})
    head = world.head()
    checked = back(world, check=True, diff=True)
    assert (checked["changed"], checked["commit"], world.head()) == (True, None, head)
    applied = back(world, diff=True)
    assert checked["diff"] == applied["diff"] == {"prepared": world.git("diff", "--no-renames", head, world.head())}
    assert checked["operations"] == applied["operations"]


def test_a_commit_and_an_operation_name_what_was_too(world: World) -> None:
    made = world.run("service_claim", **ONE)
    change(world, resources={"node": {"cpu": "8"}})
    change(world, resources={"node": {"cpu": "16"}})
    assert back(world, to=made["operations"][0]["id"])["operations"][0]["action"] == "rollback"
    assert cpu(world) == "4"
    again = back(world, to=made["commit"][:9])
    assert (again["changed"], again["operations"][0]["action"]) == (False, "unchanged")
    assert again["rollback"] == {"to": made["commit"][:9], "commit": made["commit"], "undoes": None}


def test_what_was_edited_by_pull_request(world: World, tmp_path: Path) -> None:
    world.run("service_claim", **ONE)
    first = world.text(CLAIM)
    edited = first.replace(
        "  sku: scy-ring-3\n", "  sku: scy-ring-3\n  # asked for by the shop\n  resources: {node: {cpu: '8'}}\n"
    )
    assert edited != first
    world.write(tmp_path, **{CLAIM.replace("/", "__"): edited})
    # nobody has rendered that: what was changed last is the file
    assert back(world)["changed"]
    assert world.text(CLAIM) == first
    assert cpu(world) == "4"

    world.write(tmp_path, **{CLAIM.replace("/", "__"): edited})
    rendered = world.run("service_claim", **SERVICE, merge=True)
    assert (rendered["changed"], world.text(CLAIM), cpu(world)) == (True, edited, "8")
    back(world)
    assert (world.text(CLAIM), cpu(world)) == (first, "4")
    back(world)
    assert (world.text(CLAIM), cpu(world)) == (edited, "8")


def test_what_cannot_go_back_is_named_and_refused(world: World) -> None:
    made = world.run("service_claim", **ONE, version="2025.4.0")
    change(world, version="2026.1.0")
    code, *errors = why(world)
    words = "from 2026.1.0: 2026.1.0"
    assert code == "rollback-refused"
    assert errors == [
        f"as of {made['commit'][:12]} acme/orders: spec.version: given '2025.4.0', allowed: {words}; nearest: 2026.1.0"
    ]
    change(world, replication={"regions": ["johannesburg"]})
    assert "let the service go from johannesburg" in why(world)[1]


def test_a_version_that_the_claim_left_open_is_not_passed_over(world: World, tmp_path: Path) -> None:
    """The claim names none, so it runs what was the default then; going back to it is going back to that version."""
    catalog = world.text("base/catalog/scylla.yml")
    newer, older = "2026.1.0: {channel: supported, default: true", "2025.4.0: {channel: deprecated, "
    assert catalog.count(newer) == catalog.count(older) == 1
    old = catalog.replace(newer, newer.replace(", default: true", "")).replace(older, f"{older}default: true, ")
    world.write(tmp_path, **{"base__catalog__scylla.yml": old})
    made = world.run("service_claim", **ONE)
    assert made["claim"]["version"] == "2025.4.0"
    change(world, version="2026.1.0")
    assert "spec.version: given '2025.4.0', allowed: from 2026.1.0" in why(world)[1]
    # where the catalog has a way back, the claim says it from now on
    way = old.replace(newer.replace(", default: true", ""), "2026.1.0: {channel: supported, upgradesTo: [2025.4.0]")
    world.write(tmp_path, **{"base__catalog__scylla.yml": way})
    assert back(world)["operations"][0]["changed"] == ["spec.version"]
    assert world.document(CLAIM)["spec"]["version"] == "2025.4.0"


def test_words_for_what_is_not_there(world: World) -> None:
    made = world.run("service_claim", **ONE)
    other = world.run("service_claim", **{**ONE, "name": "carts"})
    early = world.git("rev-list", "--max-parents=0", "main").strip()
    operation = other["operations"][0]["id"]
    nothing = "a commit or an operation id: nothing came before what is, ever since the service was created"
    assert why(world) == ["option-invalid", f"to: given 'previous', allowed: {nothing}"]
    for to, words in (
        (operation, "an operation of acme/orders; this one is of acme/carts"),
        (made["claim"]["service_id"], "an operation of acme/orders; the history knows none such"),
        ("0" * 40, "the id of one commit of the branch"),
        ("yesterday", "previous, the id of a commit (7 hex digits or more), or of an operation"),
        (early, f"a commit at which {CLAIM} was there"),
    ):
        assert why(world, to=to) == ["option-invalid", f"to: given '{to}', allowed: {words}"]
    assert "nearest: orders" in str(world.refused("service_claim_rollback", tenant="acme", name="order"))


def test_undoing_an_operation_by_its_id_happens_once(world: World) -> None:
    made = world.run("service_claim", **ONE)
    grown = change(world, resources={"node": {"cpu": "8"}})["operations"][0]["id"]
    assert back(world, operation=grown)["changed"]
    assert not back(world, operation=grown)["changed"]
    assert cpu(world) == "4"
    larger = change(world, resources={"node": {"cpu": "16"}})["operations"][0]["id"]
    assert why(world, operation=grown) == [
        "option-invalid",
        f"operation: given '{grown}', allowed: {larger}: the last one",
    ]
    assert "an operation of acme/orders" in why(world, operation="0" * 36)[1]
    assert "nothing came before" in why(world, operation=made["operations"][0]["id"])[1]


@pytest.mark.parametrize(
    ("state", "action"), [("Running", "cancel"), ("Succeeded", "rollback"), ("Failed", "rollback"), ("", "cancel")]
)
def test_going_back_while_the_last_operation_runs_cancels_it(world: World, state: str, action: str) -> None:
    world.run("service_claim", **ONE)
    operation = change(world, resources={"node": {"cpu": "8"}})["operations"][0]["id"]
    seen = copy("orders", "Updating", 2, operation=operation, lastOperation={"id": operation, "state": state})
    world.clusters["lagos"].answers = [{"orders": seen} if state else {}]
    assert back(world, check=True, kubeconfig="there")["operations"][0]["action"] == action
    assert back(world, kubeconfig="there")["operations"][0]["action"] == action
    subject = world.git("log", "-1", "--format=%s").strip()
    assert (subject == "Cancel the last operation of service acme/orders") is (action == "cancel")


def test_whoever_cannot_be_asked_does_not_stand_in_the_way(world: World) -> None:
    world.run("service_claim", **ONE)
    change(world, resources={"node": {"cpu": "8"}})
    world.clusters["lagos"].answers = [UNREACHABLE]
    assert back(world, kubeconfig="there", check=True)["operations"][0]["action"] == "rollback"
    world.clusters["lagos"].answers = [type(UNREACHABLE)("kube-auth", "lagos: 401")]
    result = back(world, kubeconfig="there")
    assert result["operations"][0]["action"] == "rollback"
    assert result["warnings"] == ["nobody could be asked whether the last operation still runs: lagos: 401"]


def test_a_service_made_anew_does_not_go_back_to_its_namesake(world: World, tmp_path: Path) -> None:
    world.run("service_claim", **ONE)
    derived = "tenants/acme/lagos/services/orders.yaml"
    work = tmp_path / "work"
    world.write(tmp_path, touched="")
    for path in (CLAIM, derived):
        (work / path).unlink()
    world.write(tmp_path, gone="")
    world.run("service_claim", **ONE, resources={"node": {"cpu": "8"}})
    assert "nothing came before" in why(world)[1]

"""service_claim and service_claims: what is given becomes one commit, or one error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields

from tests.unit.runner.world import UNREACHABLE, FakeCluster, World, as_file, claim, copy

ONE: dict[str, Any] = {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}


def test_one_claim_is_one_commit(world: World) -> None:
    before = world.commits()
    result = world.run("service_claim", **ONE, requester="ada lovelace", deadline="1h")
    assert (result["changed"], result["commit"], world.commits()) == (True, world.head(), before + 1)
    assert "claims" not in result
    summary = result["claim"]
    assert {name: summary[name] for name in ("tenant", "name", "namespace", "sku", "plan", "region", "regions")} == {
        **ONE,
        "namespace": "tenant-acme",
        "plan": "dedicated",
        "regions": ["lagos"],
    }
    operation = result["operations"][0]
    assert operation | {"id": ""} == {
        "id": "",
        "tenant": "acme",
        "name": "orders",
        "action": "create",
        "changed": [],
        "regions": ["lagos"],
        "plan": {
            "restart": "none",
            "seconds": 960,
            "cost_monthly_usd": {"before": None, "after": 900, "delta": 900},
            "quota": [],
            "irreversible": [],
            "consequences": [],
            "text": ["restart: none; about 16 min", "cost: nothing -> $900 a month (+$900)"],
        },
        "waits_until": None,
    }
    assert world.git("log", "-1", "--format=%B").splitlines() == [
        "Create service acme/orders",
        "",
        f"Dbaas-Operation: {operation['id']} create acme/orders requester=ada_lovelace deadline=1h",
        "",
    ]
    assert world.lines == [f"acme/orders: committed {world.head()[:12]} (create)"]
    given = world.document("tenants/acme/claims/orders.yaml")
    assert given["spec"] == {"serviceId": summary["service_id"], "sku": "scy-ring-3", "region": "lagos"}
    derived = documents.load_all(world.text("tenants/acme/lagos/services/orders.yaml"))
    assert len(derived) == result["manifests"]["count"] > 3
    assert derived[0]["metadata"]["annotations"]["dbaas.example.com/operation"] == operation["id"]
    assert derived[0]["spec"] == summary["spec"]


def test_options_become_the_fields_that_they_stand_for(world: World) -> None:
    result = world.run(
        "service_claim",
        **ONE,
        project="web",
        networking={"allowed_cidrs": ["10.0.0.0/8"]},
        high_availability={"multi_az": False},
        replication={"regions": ["lagos", "johannesburg"]},
        resources={"node": {"cpu": "8"}},
    )
    given = world.document("tenants/acme/claims/orders.yaml")
    assert given["metadata"]["labels"] == {"dbaas.example.com/project": "web"}
    assert given["spec"] | {"serviceId": ""} == {
        "serviceId": "",
        "sku": "scy-ring-3",
        "region": "lagos",
        "networking": {"allowedCIDRs": ["10.0.0.0/8"]},
        "highAvailability": {"multiAZ": False},
        "replication": {"regions": ["lagos", "johannesburg"]},
        "resources": {"node": {"cpu": "8"}},
    }
    assert result["claim"]["regions"] == ["lagos", "johannesburg"]
    assert "tenants/acme/johannesburg/services/orders.yaml" in world.files()


def test_the_same_again_changes_nothing_and_another_size_is_an_update(world: World) -> None:
    first = world.run("service_claim", **ONE)
    head = world.head()
    again = world.run("service_claim", **ONE, diff=True)
    assert (again["changed"], again["commit"], again["diff"]) == (False, None, {"prepared": ""})
    assert again["operations"][0]["action"] == "unchanged"
    assert again["claim"] == first["claim"]
    assert again["manifests"] == {"count": 0}
    assert world.head() == head

    more: dict[str, Any] = {"resources": {"node": {"cpu": "8", "memory": "32Gi"}}}
    grown = world.run("service_claim", **ONE, **more)
    assert grown["operations"][0]["action"] == "update"
    assert grown["operations"][0]["changed"] == ["spec.resources.node.cpu", "spec.resources.node.memory"]
    assert grown["operations"][0]["id"] != first["operations"][0]["id"]
    assert grown["claim"]["service_id"] == first["claim"]["service_id"]
    assert world.refused("service_claim", **ONE, **more, storage={"size": "100Gi"}).code == "claim-invalid"


def test_merge_keeps_what_is_not_given(world: World) -> None:
    given: dict[str, Any] = {
        "networking": {"allowed_cidrs": ["10.0.0.0/8"]},
        "backup": {"retention": "30d"},
        "project": "web",
    }
    world.run("service_claim", **ONE, **given)
    service: dict[str, Any] = {"tenant": "acme", "name": "orders", "merge": True}
    head = world.head()
    assert not world.run("service_claim", **service)["changed"]
    grown = world.run(
        "service_claim",
        **service,
        resources={"node": {"cpu": "8"}},
        backup={"schedule": "0 */6 * * *"},
        replication={"regions": ["johannesburg"]},
    )
    assert world.document("tenants/acme/claims/orders.yaml") == {
        "apiVersion": "dbaas.example.com/v1alpha1",
        "kind": "ServiceClaim",
        "metadata": {
            "name": "orders",
            "namespace": "tenant-acme",
            "labels": {"dbaas.example.com/project": "web"},
        },
        "spec": {
            "serviceId": grown["claim"]["service_id"],
            "sku": "scy-ring-3",
            "region": "lagos",
            "networking": {"allowedCIDRs": ["10.0.0.0/8"]},
            "backup": {"retention": "30d", "schedule": "0 */6 * * *"},
            "resources": {"node": {"cpu": "8"}},
            "replication": {"regions": ["lagos", "johannesburg"]},
        },
    }
    operation = grown["operations"][0]
    changed = ["spec.backup.schedule", "spec.replication.regions", "spec.resources.node.cpu"]
    assert sorted(operation["changed"]) == changed
    assert {name: operation["plan"][name] for name in ("restart", "cost_monthly_usd", "irreversible")} == {
        "restart": "rolling",
        "cost_monthly_usd": {"before": 900, "after": 1800, "delta": 900},
        "irreversible": [],
    }
    assert world.git("diff", "--name-only", head, world.head()).split() == [
        "tenants/acme/claims/orders.yaml",
        "tenants/acme/johannesburg/services/orders.yaml",
        "tenants/acme/lagos/services/orders.yaml",
    ]


def test_merge_is_for_what_exists(world: World) -> None:
    error = world.refused("service_claim", **ONE, merge=True)
    assert isinstance(error, InvalidFields)
    assert str(error.errors[0]) == (
        "acme/orders: metadata.name: given 'orders', allowed: the name of a service that exists, to be changed"
    )
    missing = world.refused("service_claim", tenant="acme", name="orders", sku="scy-ring-3")
    assert "spec.region: not given" in str(missing)


@pytest.mark.parametrize("module", ["service_claim", "service_claims"])
def test_check_mode_predicts_the_commit(world: World, module: str) -> None:
    options: Any = ONE if module == "service_claim" else {"claims": [claim("orders"), claim("carts")]}
    head = world.head()
    checked = world.run(module, **options, check=True, diff=True, wait=True)
    assert (checked["changed"], checked["commit"], world.head()) == (True, None, head)
    assert world.lines[:3] == [
        "acme/orders: create",
        "  restart: none; about 16 min",
        "  cost: nothing -> $900 a month (+$900)",
    ]
    assert "wait" not in checked
    applied = world.run(module, **options, diff=True)
    assert checked["operations"] == applied["operations"]
    assert checked["diff"] == applied["diff"]
    assert applied["diff"]["prepared"] == world.git("diff", "--no-renames", head, world.head())
    assert "diff" not in world.run(module, **options)


def test_a_list_is_one_commit_and_tells_of_what_changed_only(world: World) -> None:
    world.run("service_claims", claims=[claim("stays")])
    before = world.commits()
    result = world.run("service_claims", claims=[claim("stays"), claim("orders"), claim("carts")])
    assert world.commits() == before + 1
    assert [item["name"] for item in result["claims"]] == ["orders", "carts"]
    assert [item["name"] for item in result["operations"]] == ["orders", "carts"]
    assert world.git("log", "-1", "--format=%s").strip() == "Change 2 services: 2 create"
    nothing = world.run("service_claims", claims=[claim("stays"), claim("orders")])
    assert (nothing["changed"], nothing["claims"], nothing["operations"]) == (False, [], [])
    only = world.run("service_claims", claims=[claim("stays")])
    assert (only["claims"][0]["name"], only["operations"][0]["action"]) == ("stays", "unchanged")


def test_a_file_of_many_documents_and_a_folder_of_files(world: World, tmp_path: Path) -> None:
    many = as_file(tmp_path, claim("orders"), claim("carts"))
    assert [item["name"] for item in world.run("service_claims", src=many)["claims"]] == ["orders", "carts"]
    folder = tmp_path / "claims"
    (folder / "more").mkdir(parents=True)
    (folder / "a.yml").write_text(json.dumps(claim("orders")))
    (folder / "more" / "b.yaml").write_text(f"{json.dumps(claim('users'))}\n---\n{json.dumps(claim('bills'))}\n")
    (folder / "README.md").write_text("no claims here\n")
    result = world.run("service_claims", src=str(folder))
    assert [item["name"] for item in result["operations"]] == ["users", "bills"]


def test_errors_name_the_file_and_the_document(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    (folder / "lagos").mkdir(parents=True)
    (folder / "same.yml").write_text(json.dumps(claim("one", sku="scy-ring-4")))
    (folder / "lagos" / "same.yml").write_text(
        f"{json.dumps(claim('two'))}\n---\n{json.dumps(claim('three', region=5))}"
    )
    error = world.refused("service_claims", src=str(folder))
    assert isinstance(error, InvalidFields)
    assert [(item.source, item.path) for item in error.errors] == [
        ("lagos/same.yml, document 2 acme/three", "spec.region"),
        ("same.yml acme/one", "spec.sku"),
    ]


def test_a_source_that_cannot_be_read_is_named(world: World, tmp_path: Path) -> None:
    assert "none.yml: No such file" in world.refused("service_claims", src=str(tmp_path / "none.yml")).message
    (tmp_path / "bare").mkdir()
    assert "holds no .yml or .yaml file" in world.refused("service_claims", src=str(tmp_path / "bare")).message
    broken = tmp_path / "broken.yml"
    broken.write_text("spec: [\n")
    error = world.refused("service_claims", src=str(broken))
    assert error.code == "document-invalid"
    assert "broken.yml, line" in error.message
    words = tmp_path / "words.yml"
    words.write_text("just words\n---\n- a list\n")
    error = world.refused("service_claims", src=str(words))
    assert isinstance(error, InvalidFields)
    assert [item.given for item in error.errors] == ["str", "list"]


def test_everything_wrong_is_said_at_once_and_nothing_is_written(world: World) -> None:
    bad = [
        claim("sku", sku="scy-ring-4"),
        claim("region", region="lagoss"),
        claim("size", storage={"size": "5TB"}),
        claim("unknown", colour="red"),
        claim("stranger", tenant="acmee"),
        claim("good"),
        claim("good"),
    ]
    error = world.refused("service_claims", claims=bad)
    assert isinstance(error, InvalidFields)
    assert [(item.source, item.path) for item in error.errors] == [
        ("claims[0] acme/sku", "spec.sku"),
        ("claims[1] acme/region", "spec.region"),
        ("claims[2] acme/size", "spec.storage.size"),
        ("claims[3] acme/unknown", "spec.colour"),
        ("claims[4] acmee/stranger", "metadata.namespace"),
        ("claims[6] acme/good", "metadata.name"),
    ]
    assert error.errors[1].nearest == "lagos"


def test_rendered_needs_nothing_and_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    result = world.run("service_claim", **{**ONE, "tenant": "anybody"}, state="rendered", repository=None)
    assert (result["changed"], result["commit"]) == (False, None)
    rendered = result["manifests"]["rendered"]
    assert len(rendered) == result["manifests"]["count"]
    assert {item["pop"] for item in rendered} == {"lagos"}
    assert {item["object"]["metadata"]["namespace"] for item in rendered} == {"tenant-anybody"}
    assert result["operations"][0]["action"] == "create"


def test_rendered_from_the_repository_knows_its_platform_and_tenants(world: World) -> None:
    commits = world.commits()
    with_it = world.run("service_claims", claims=[claim("orders"), claim("carts")], state="rendered")
    assert {item["object"]["metadata"]["name"] for item in with_it["manifests"]["rendered"]} >= {"orders", "carts"}
    assert world.commits() == commits
    stranger = [claim("orders", tenant="nobody")]
    assert world.refused("service_claims", claims=stranger, state="rendered").code == "claim-invalid"
    frankfurt = [claim("orders", region="frankfurt")]
    assert world.refused("service_claims", claims=frankfurt, state="rendered").code == "claim-invalid"
    without = world.run("service_claims", claims=frankfurt, state="rendered", repository=None)
    assert {item["pop"] for item in without["manifests"]["rendered"]} == {"frankfurt"}


def test_present_without_a_repository_is_refused(world: World) -> None:
    error = world.refused("service_claim", **ONE, repository="")
    assert error.code == "option-invalid"
    assert "DBAAS_REPOSITORY" in error.message


def test_warnings_come_with_the_result(world: World) -> None:
    result = world.run("service_claim", **ONE, version="2025.1.2")
    assert [text for text in result["warnings"] if text.startswith("acme/orders: ") and "2025.1.2" in text]


def test_waiting_follows_the_operation_that_was_committed(world: World) -> None:
    old = {"orders": copy("orders", "Active", 3, operation="older")}

    class Follows(FakeCluster):
        def list(self, kind: Any, namespace: str | None = None, labels: str = "", *, bare: bool = False) -> Any:
            if len(self.asked) > 2:
                self.answers = [{"orders": copy("orders", "Active", 3, operation=world.operation("orders"))}]
            return super().list(kind, namespace, labels, bare=bare)

    world.clusters["lagos"] = Follows([old])
    result = world.run("service_claim", **ONE, wait=True)
    assert result["wait"][0]["phase"] == "Active"
    assert world.clusters["lagos"].asked == ["tenant-acme"] * 4
    assert world.lines == [
        f"acme/orders: committed {world.head()[:12]} (create)",
        "acme/orders lagos: committed, waiting for Argo CD",
        "acme/orders lagos: synced",
        "acme/orders lagos: ready, 3 of 3 nodes",
    ]


def test_waiting_for_what_is_unchanged_follows_the_operation_of_its_last_commit(world: World) -> None:
    world.run("service_claim", **ONE)
    old, new = (copy("orders", "Active", 3, operation=each) for each in ("older", world.operation("orders")))
    world.clusters["lagos"].answers = [{"orders": old}, {"orders": new}]
    result = world.run("service_claim", **ONE, wait=True)
    assert (result["changed"], result["wait"][0]["phase"]) == (False, "Active")
    assert len(world.clusters["lagos"].asked) == 2


def test_a_wait_that_times_out_keeps_what_was_delivered(world: World) -> None:
    world.clusters["johannesburg"].answers = [UNREACHABLE]
    ring: dict[str, Any] = {"replication": {"regions": ["lagos", "johannesburg"]}}
    result = world.run("service_claim", **ONE, **ring, wait=True, wait_timeout=0)
    assert result["failed"]
    assert (result["changed"], result["commit"]) == (True, world.head())
    assert result["operations"][0]["action"] == "create"
    assert result["error"]["code"] == "wait-timeout"
    assert result["error"]["retry"]
    assert "johannesburg: Unreachable" in result["msg"]
    assert "Nothing was undone, operators go on with what is delivered" in result["msg"]


def test_nothing_to_wait_for_is_not_waited_for(world: World) -> None:
    assert world.run("service_claims", claims=[], wait=True, wait_timeout=5)["wait"] == []


def test_credentials_that_are_refused_end_the_wait(world: World) -> None:
    world.clusters["lagos"].answers = [DbaasError("kube-auth", "lagos: serviceclaims: 401: Unauthorized")]
    with pytest.raises(DbaasError, match="401"):
        world.run("service_claim", **ONE, wait=True)


def test_rendered_returns_every_object_of_what_stands_too(world: World) -> None:
    world.run("service_claim", **ONE)
    result = world.run("service_claims", claims=[claim("orders"), claim("carts")], state="rendered")
    names = [item["object"]["metadata"]["name"] for item in result["manifests"]["rendered"]]
    assert names.count("orders") == names.count("carts") > 3
    stands = documents.load_all(world.text("tenants/acme/lagos/services/orders.yaml"))
    assert all({"pop": "lagos", "object": item} in result["manifests"]["rendered"] for item in stands)


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("tenants/acme/tenant.yaml", "kind: Tenant\n", "tenant-invalid"),
        ("tenants/acme/tenant.yaml", "hello\n", "tenant-invalid"),
        ("tenants/acme/tenant.yaml", "", "tenant-invalid"),
        ("platform.yml", "", "platform-outdated"),
        ("tenants/acme/lagos/services/orders.yaml", "---\nspec: {a: 1}\n", "document-invalid"),
    ],
)
def test_a_file_spoiled_by_hand_is_named(world: World, tmp_path: Path, path: str, text: str, code: str) -> None:
    world.run("service_claim", **ONE)
    world.write(tmp_path, **{path.replace("/", "__"): text})
    assert world.refused("service_claim", **ONE, storage={"size": "1Ti"}).code == code


@pytest.mark.parametrize("text", ["", "---\n", "# nothing yet\n"])
def test_a_source_without_a_claim_is_no_green_run(world: World, tmp_path: Path, text: str) -> None:
    (tmp_path / "claims.yml").write_text(text)
    assert world.refused("service_claims", src=str(tmp_path / "claims.yml")).code == "document-invalid"
    assert world.refused("service_claims", src="").code == "document-invalid"


def test_what_is_hidden_in_a_folder_is_not_read(world: World, tmp_path: Path) -> None:
    for name in (".hidden.yml", ".git/claim.yml", "orders.yml"):
        (tmp_path / "claims" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "claims" / name).write_text(documents.dump(claim(name.rsplit("/", 1)[-1].strip(".").split(".")[0])))
    result = world.run("service_claims", src=str(tmp_path / "claims"), state="rendered")
    assert [item["name"] for item in result["claims"]] == ["orders"]

"""What nobody changed is rendered again when somebody asks for it, in waves, as far as restarts are allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

from tests.unit.runner.synced import SyncedCluster
from tests.unit.runner.world import World, as_file, claim

Json = dict[str, Any]
CATALOG = "base/catalog/scylla.yml"
LAGOS = "tenants/acme/lagos/services"


@pytest.fixture
def three(world: World, tmp_path: Path) -> World:
    """Three rings and a cache."""
    items = [claim(name) for name in ("carts", "orders", "users")]
    items.append(claim("cache", sku="dfly-mem-16g"))
    world.run("service_claims", src=as_file(tmp_path, *items))
    return world


def newer(world: World, folder: Path, old: str, new: str) -> None:
    """A change of the catalog that somebody merged."""
    text = world.text(CATALOG)
    assert old in text
    world.write(folder, **{CATALOG: text.replace(old, new)})


def test_a_catalog_that_makes_nothing_else_changes_nothing(three: World, tmp_path: Path) -> None:
    newer(three, tmp_path, "title: ScyllaDB ring of 3", "title: Three of ScyllaDB")
    head = three.head()
    result = three.run("service_claim_rerender")
    assert (result["changed"], result["operations"], result["commits"]) == (False, [], [])
    assert three.head() == head


def test_check_mode_tells_each_service_and_what_it_would_do_to_it(three: World, tmp_path: Path) -> None:
    newer(three, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    three.lines.clear()
    head = three.head()
    planned = three.run("service_claim_rerender", check=True, diff=True)
    assert three.head() == head
    assert planned["changed"]
    assert [(item["name"], item["action"], item["plan"]["restart"]) for item in planned["operations"]] == [
        (name, "rerender", "rolling") for name in ("carts", "orders", "users")
    ]
    assert "ScyllaCluster orders" in planned["operations"][1]["plan"]["consequences"][0]["field"]
    assert "acme/orders: rerender" in three.lines
    assert three.lines.count("  restart: rolling; about 60 s") == 3
    assert planned["diff"]["prepared"].count("+  agentVersion: 3.10.2") == 3

    done = three.run("service_claim_rerender", diff=True)
    assert done["diff"] == planned["diff"]
    assert done["operations"] == planned["operations"]
    (commit,) = done["commits"]
    assert three.head() == commit
    message = three.git("log", "-1", "--format=%B")
    assert message.startswith("Change 3 services: 3 rerender")
    assert f"Dbaas-Operation: {done['operations'][1]['id']} rerender acme/orders" in message
    # the claims are what they were, and the cache, of which nothing else comes, is left alone
    assert three.git("diff", "--name-only", f"{head}..main").splitlines() == [
        f"{LAGOS}/{name}.yaml" for name in ("carts", "orders", "users")
    ]
    assert three.run("service_claim_rerender")["changed"] is False
    named = {item["code"] for item in three.run("gitops_validation_info")["problems"]}
    assert named <= {"policies-stale", "claim-warning"}


def test_what_would_restart_is_left_where_nothing_may(three: World, tmp_path: Path) -> None:
    newer(three, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    result = three.run("service_claim_rerender", restart="none")
    assert (result["changed"], result["operations"]) == (False, [])
    assert [(item["name"], item["plan"]["restart"]) for item in result["held_back"]] == [
        (name, "rolling") for name in ("carts", "orders", "users")
    ]
    assert "acme/carts: held back, its restart would be rolling: restart=rolling takes it" in three.lines


def test_waves_are_commits_of_their_own_and_a_limit_leaves_the_rest(three: World, tmp_path: Path) -> None:
    newer(three, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    first = three.run("service_claim_rerender", wave=1, limit=2)
    assert (len(first["commits"]), first["left"]) == (2, 1)
    assert three.git("log", "-2", "--format=%s").splitlines() == [
        "Render again service acme/orders",
        "Render again service acme/carts",
    ]
    rest = three.run("service_claim_rerender", wave=1, limit=2)
    assert [item["name"] for item in rest["operations"]] == ["users"]
    assert three.run("service_claim_rerender")["changed"] is False


def test_a_scope_is_kept_and_its_names_are_known(three: World, tmp_path: Path) -> None:
    newer(three, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    for options, allowed in (
        ({"engines": ["scyla"]}, "nearest: scylla"),
        ({"services": ["acme/order"]}, "nearest: acme/orders"),
        ({"tenants": ["acm"]}, "nearest: acme"),
    ):
        assert allowed in str(three.refused("service_claim_rerender", **options))
    assert three.run("service_claim_rerender", engines=["dragonfly"])["changed"] is False
    result = three.run("service_claim_rerender", engines=["scylla"], services=["acme/orders"])
    assert [item["name"] for item in result["operations"]] == ["orders"]


def test_what_cannot_be_rendered_any_more_holds_up_nobody(three: World, tmp_path: Path) -> None:
    text = three.text("base/catalog/dragonfly.yml")
    three.write(tmp_path, **{"base/catalog/dragonfly.yml": text.replace("dfly-mem-16g:", "dfly-mem-15g:")})
    newer(three, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    result = three.run("service_claim_rerender")
    assert result["failed"]
    assert [item["file"] for item in result["problems"]] == ["tenants/acme/claims/cache.yaml"]
    assert len(result["operations"]) == 3


def test_a_limit_or_a_wave_that_takes_nothing_is_refused(world: World) -> None:
    error = world.refused("service_claim_rerender", limit=-1, wave=0)
    assert error.code == "option-invalid"
    assert "limit: given -1, allowed: 0 (all of them) or more" in str(error)
    assert "wave: given 0, allowed: 1 or more" in str(error)


def test_the_next_wave_waits_until_this_one_is_well(
    three: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(three, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    result = three.run("service_claim_rerender", wave=1, wait=True, wait_timeout=0)
    assert result["failed"]
    assert result["error"]["code"] == "wait-timeout"
    assert [item["name"] for item in result["operations"]] == ["carts"]
    assert len(result["commits"]) == 1


def test_what_a_tenant_applied_is_rendered_again_too(world: World, tmp_path: Path) -> None:
    lagos = SyncedCluster(world, "lagos")
    world.clusters["lagos"] = lagos  # type: ignore[assignment]
    lagos.apply_claim("orders")
    world.run("gitops_reconciliation", kubeconfig="kubeconfig")
    newer(world, tmp_path, "agentVersion: 3.10.1", "agentVersion: 3.10.2")
    result = world.run("service_claim_rerender")
    assert [item["name"] for item in result["operations"]] == ["orders"]
    kinds = [item["kind"] for item in documents.load_all(world.text(f"{LAGOS}/orders.yaml"))]
    assert kinds[0] == "ConfigMap"
    assert "ServiceClaim" not in kinds


def test_policies_follow_the_catalog(world: World, tmp_path: Path) -> None:
    path = "overlays/lagos/policies/claims.yaml"
    assert "scy-ring-3" in world.text(path)
    newer(world, tmp_path, "scy-ring-9:", "scy-ring-7:")
    named = world.run("gitops_validation_info")["problems"]
    assert {(item["file"], item["code"], item["severity"]) for item in named} == {
        (f"overlays/{pop}/policies/claims.yaml", "policies-stale", "warning") for pop in ("lagos", "johannesburg")
    }
    predicted = world.run("gitops_reconciliation", check=True, diff=True)
    result = world.run("gitops_reconciliation", diff=True)
    assert result["diff"] == predicted["diff"]
    assert path in result["policies"]
    assert "scy-ring-7" in world.text(path)
    with base.repository(base.Run({"repository": world.url})) as repository:
        catalog, _platform = base.kept(repository.fetch())
    assert f"Dbaas-Catalog: {catalog.revision}" in world.git("log", "-1", "--format=%B")
    assert world.run("gitops_validation_info")["problems"] == []
    assert world.run("gitops_reconciliation")["changed"] is False

"""Everything that is done with a service is done with one of the shared plan too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import observe
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM

from tests.unit.runner.test_born import Pops, pops, said
from tests.unit.runner.world import World, claim, copy

__all__ = ["pops"]

Json = dict[str, Any]

SHOP: Json = {"tenant": "acme", "name": "shop", "sku": "yb-shared", "region": "lagos"}
CLAIM_FILE, DERIVED = "tenants/acme/claims/shop.yaml", "tenants/acme/lagos/services/shop.yaml"
#: made from the catalog: whoever edits that is told
POLICIES = [f"overlays/{pop}/policies/claims.yaml" for pop in ("johannesburg", "lagos")]


def live(world: World) -> Json:
    """The copy as Argo CD applied it and the observer saw it."""
    item: Json = world.document(DERIVED)
    item["metadata"] |= {"uid": "u-shop", "generation": 1}
    item["status"] = observe(item, [], secrets=["shop-credentials"], now="2026-01-01T00:00:00Z", complaints="")
    return item


def add_pool(world: World, folder: Path) -> None:
    text = world.text("base/catalog/regions.yml")
    backups = "    backups: s3://dbaas-lagos-{tenant}\n"
    pool = f"{backups}    pools: {{yugabyte: [platform/pool-a]}}\n"
    world.write(folder, **{"base/catalog/regions.yml": text.replace(backups, pool)})


def problems(world: World) -> list[tuple[str, str]]:
    return [(item["code"], item["file"]) for item in world.run("gitops_validation_info")["problems"]]


def test_it_is_declared_and_declared_again(world: World, tmp_path: Path) -> None:
    result = world.run("service_claim", **SHOP)
    assert (result["manifests"]["count"], result["claim"]["price_monthly_usd"]) == (1, 60)
    assert "placement" not in world.document(CLAIM_FILE)["spec"]
    assert not world.run("service_claim", **SHOP)["changed"]
    assert world.run("gitops_validation_info")["problems"] == []
    add_pool(world, tmp_path)
    plan = world.run("service_claim", check=True, **SHOP)["operations"][0]
    assert (plan["action"], plan["changed"]) == ("update", ["spec.placement"])
    assert plan["plan"]["consequences"][0]["how"] == "the database is placed in platform/pool-a"
    assert world.run("service_claim", **SHOP)["changed"]
    assert world.document(CLAIM_FILE)["spec"]["placement"] == {"pool": "platform/pool-a"}
    assert world.document(DERIVED)["spec"]["placement"] == {"pool": "platform/pool-a"}
    assert not world.run("service_claim", **SHOP)["changed"]
    assert problems(world) == [("policies-stale", path) for path in POLICIES]
    world.run("gitops_reconciliation")
    assert problems(world) == []


def test_a_claim_that_a_person_writes_is_rendered(world: World, tmp_path: Path) -> None:
    text = (
        "apiVersion: dbaas.example.com/v1alpha1\nkind: ServiceClaim\n"
        "metadata: {name: shop, namespace: tenant-acme}\nspec: {sku: yb-shared, region: lagos}\n"
    )
    world.write(tmp_path, **{CLAIM_FILE: text})
    assert world.run("gitops_reconciliation")["changed"]
    assert world.document(DERIVED)["spec"]["database"]["name"].startswith("shop_")
    assert not world.run("gitops_reconciliation")["changed"]


def test_who_waits_for_a_pool_is_placed_when_one_comes(world: World, tmp_path: Path) -> None:
    claims = [claim("shop", sku="yb-shared"), claim("orders"), claim("books", sku="vt-shared")]
    world.run("service_claims", claims=claims)
    assert not world.run("gitops_reconciliation")["changed"]
    add_pool(world, tmp_path)
    assert problems(world) == [*(("policies-stale", path) for path in POLICIES), ("not-rendered", CLAIM_FILE)]
    (operation,) = world.run("gitops_reconciliation")["operations"]
    assert (operation["name"], operation["changed"]) == ("shop", ["spec.placement"])
    assert world.document(DERIVED)["spec"]["placement"] == {"pool": "platform/pool-a"}
    assert not world.run("gitops_reconciliation")["changed"]
    assert world.run("gitops_validation_info")["problems"] == []


def test_waiting_for_it_ends_at_once(world: World) -> None:
    world.run("service_claim", **SHOP)
    world.clusters["lagos"].answers = [{"shop": live(world)}]
    result = world.run("service_claim_wait", tenant="acme", names=["shop"], wait_timeout=20)
    assert (result["failed"], result["error"]["code"], result["error"]["class"]) == (True, "no-pool", "capacity")
    assert result["error"]["retry"]
    assert "the catalog names none (regions.lagos.pools.yugabyte)" in result["msg"]


def test_it_holds_up_no_other_service(world: World) -> None:
    world.run("service_claims", claims=[claim("shop", sku="yb-shared"), claim("orders")])
    shop, ring = live(world), world.operation("orders")
    world.clusters["lagos"].answers = [
        {"shop": shop, "orders": copy("orders", "Provisioning", 1, operation=ring)},
        {"shop": shop, "orders": copy("orders", "Active", 3, operation=ring)},
    ]
    result = world.run("service_claim_wait", tenant="acme", wait_timeout=20)
    assert {item["name"]: item["phase"] for item in result["wait"]} == {"orders": "Active", "shop": "Pending"}
    assert result["error"]["code"] == "no-pool"
    assert len(world.clusters["lagos"].answers) == 1


def test_why_and_whether_it_has_drifted(world: World) -> None:
    world.run("service_claim", **SHOP)
    item = live(world)
    world.clusters["lagos"].answers = [{"shop": item}]
    (service,) = world.run("service_claim_explanation_info", tenant="acme", names=["shop"])["services"]
    assert (service["code"], service["runbook"]["anchor"]) == ("no-pool", "no-pool")
    assert "`Placed`" in service["runbook"]["text"]
    world.clusters["lagos"].others[CLAIM] = [item]
    found = world.run("gitops_drift_info", pops=["lagos"], tenants=["acme"], fail=False)["drift"]
    assert [each for each in found if each["service"] == "shop"] == []
    item["spec"] = {**item["spec"], "database": {"name": "other"}}
    found = world.run("gitops_drift_info", pops=["lagos"], tenants=["acme"], fail=False)["drift"]
    assert [each["fields"] for each in found if each["service"] == "shop"] == [["spec.database.name"]]


@pytest.mark.parametrize("policy", ["retain", "delete"])
def test_it_goes(world: World, policy: str) -> None:
    world.run("service_claim", **SHOP)
    marked = {"dbaas.example.com/deletion": "u-shop"}
    item = live(world)
    world.clusters["lagos"].others[CLAIM] = [item]
    plan = world.run("service_claim", check=True, state="absent", deletion_policy=policy, tenant="acme", name="shop")
    (operation,) = plan["operations"]
    if policy == "delete":
        assert operation["plan"]["irreversible"] == [
            "the database in each of lagos, with all data; no final backup is taken"
        ]
        assert operation["plan"]["gone"] == {"lagos": ["ServiceClaim shop"]}
        item["metadata"]["annotations"] = {**item["metadata"]["annotations"], **marked}
    result = world.run(
        "service_claim", state="absent", deletion_policy=policy, tenant="acme", name="shop", wait_timeout=2
    )
    assert result["changed"]
    assert CLAIM_FILE not in world.files()
    assert (DERIVED in world.files()) == (policy == "retain")


def test_it_has_no_last_backup_yet(world: World) -> None:
    world.run("service_claim", **SHOP)
    error = world.refused("service_claim", state="absent", deletion_policy="snapshot", tenant="acme", name="shop")
    assert isinstance(error, DbaasError)
    assert (error.code, "backups are not built yet" in error.message) == ("option-invalid", True)


def test_quotas_count_it(world: World) -> None:
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"storage": "15Gi"})
    world.run("service_claim", **SHOP)
    with pytest.raises(InvalidFields, match="storage 15Gi, 10Gi used, 5Gi left, 10Gi wanted"):
        world.run("service_claim", **{**SHOP, "name": "more"})


def test_a_tenant_applies_one(pops: Pops, tmp_path: Path) -> None:
    add_pool(pops.world, tmp_path)
    pops.lagos.apply_claim("orders", sku="yb-shared")
    assert pops.reconcile()["changed"]
    # the record stands for the copy, and nothing else is rendered
    record = pops.world.document("tenants/acme/lagos/services/orders.yaml")
    assert (record["kind"], record["metadata"]["name"]) == ("ConfigMap", "orders.claim")
    assert pops.world.document("tenants/acme/claims/orders.yaml")["spec"]["placement"] == {"pool": "platform/pool-a"}
    assert said(pops.status(pops.lagos), "Placed") == ("True", "Placed")
    assert not pops.reconcile()["changed"]

"""service_claim_info, service_claim_wait, connection and catalog, with and without a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.unit.runner.world import SHIPPED, UNREACHABLE, World, claim, copy

BOTH = ("lagos", "johannesburg")
RING: dict[str, Any] = {"replication": {"regions": list(BOTH)}}


@pytest.fixture(params=["repository", "copies"])
def options(request: pytest.FixtureRequest, world: World) -> dict[str, Any]:
    """Acme has the ring `orders` and, in lagos alone, `carts`; said by the repository, or by the copies alone."""
    world.run("service_claims", claims=[claim("orders", **RING), claim("carts")])
    carts, orders = world.operation("carts"), world.operation("orders")
    active = {"orders": copy("orders", "Active", 3, regions=BOTH, operation=orders)}
    world.clusters["lagos"].answers = [{**active, "carts": copy("carts", "Provisioning", 1, operation=carts)}]
    world.clusters["johannesburg"].answers = [active]
    return {"tenant": "acme", **({} if request.param == "repository" else {"repository": ""})}


def test_services_are_what_their_regions_say_together(world: World, options: dict[str, Any]) -> None:
    result = world.run("service_claim_info", **options)
    assert not result["changed"]
    services = {item["name"]: item for item in result["services"]}
    assert list(services) == ["carts", "orders"]
    assert (services["carts"]["phase"], services["orders"]["phase"]) == ("Provisioning", "Active")
    assert services["carts"]["message"] == "lagos: Provisioning, 1 of 3 nodes are ready"
    orders = services["orders"]
    assert list(orders["regions"]) == ["lagos", "johannesburg"]
    assert orders["region"] == orders["connection"]["region"] == "lagos"
    assert orders["namespace"] == "tenant-acme"
    assert orders["connection_string"] == "cql://orders-client:9142"
    assert orders["last_operation"]["id"] == world.operation("orders")
    assert orders["spec"]["sku"] == "scy-ring-3"


def test_a_region_that_does_not_answer_is_named(world: World, options: dict[str, Any]) -> None:
    world.clusters["johannesburg"].answers = [UNREACHABLE]
    service = world.run("service_claim_info", **options, names=["orders"])["services"][0]
    assert service["phase"] == "Degraded"
    assert {region: data["phase"] for region, data in service["regions"].items()} == {
        "lagos": "Active",
        "johannesburg": "Unreachable",
    }
    assert UNREACHABLE.message in service["message"]


def test_a_service_of_which_no_region_answers_is_unknown(world: World, options: dict[str, Any]) -> None:
    for cluster in world.clusters.values():
        cluster.answers = [UNREACHABLE]
    service = world.run("service_claim_info", **options, names=["orders"])["services"][0]
    assert (service["phase"], service["spec"], service["connection"]) == ("Unknown", {}, None)


def test_names_that_nobody_knows_are_errors_with_the_nearest(world: World, options: dict[str, Any]) -> None:
    error = world.refused("service_claim_info", **options, names=["orders", "ordrs", "zzz"])
    assert isinstance(error, InvalidFields)
    assert [(item.path, item.given, item.nearest) for item in error.errors] == [
        ("names", "ordrs", "orders"),
        ("names", "zzz", None),
    ]
    assert "carts, orders" in error.errors[0].allowed


def test_a_tenant_without_services_has_none(world: World, options: dict[str, Any]) -> None:
    nobody = {**options, "tenant": "nobody"}
    assert world.run("service_claim_info", **nobody)["services"] == []
    assert "it has none" in world.refused("service_claim_info", **nobody, names=["orders"]).message
    assert "has no service to wait for" in world.refused("service_claim_wait", **nobody).message


def test_waiting_alone_ends_well_or_says_why(world: World, options: dict[str, Any]) -> None:
    done = world.run("service_claim_wait", **options, names=["orders"])
    assert (done["changed"], done["wait"][0]["phase"]) == (False, "Active")
    assert "failed" not in done
    late = world.run("service_claim_wait", **options, wait_timeout=0)
    assert late["failed"]
    assert [item["phase"] for item in late["wait"]] == ["Provisioning", "Active"]
    assert late["msg"].startswith("acme/carts is Provisioning: lagos: Provisioning, 1 of 3 nodes are ready\n")
    world.clusters["lagos"].answers = [{"carts": copy("carts", "Failed", operation=world.operation("carts"))}]
    failed = world.run("service_claim_wait", **options, names=["carts"])
    assert failed["error"]["code"] == "wait-failed"


def test_an_operation_that_is_named_is_waited_for(world: World) -> None:
    world.run("service_claims", claims=[claim("carts")])
    old, new = copy("carts", "Active", 3, operation="old"), copy("carts", "Active", 3, operation="new")
    world.clusters["lagos"].answers = [{"carts": old}, {"carts": new}]
    # also when it is not that of the newest commit
    world.run("service_claim_wait", tenant="acme", names=["carts"], operations={"carts": "new"})
    assert len(world.clusters["lagos"].asked) == 2


def test_a_newer_commit_is_not_taken_for_what_runs(world: World) -> None:
    world.run("service_claims", claims=[claim("carts")])
    world.clusters["lagos"].answers = [{"carts": copy("carts", "Active", 3, operation="older")}]
    service = world.run("service_claim_info", tenant="acme")["services"][0]
    assert (service["phase"], service["regions"]["lagos"]["synced"]) == ("Updating", False)
    assert "not synced yet" in service["message"]


def test_files_that_are_no_claims_are_no_services(world: World, tmp_path: Path) -> None:
    world.run("service_claims", claims=[claim("carts")])
    world.write(tmp_path, **{"tenants/acme/claims/README.md": "# who owns what\n"})
    assert [item["name"] for item in world.run("service_claim_info", tenant="acme")["services"]] == ["carts"]


@pytest.mark.parametrize("text", ["", "- a list\n", "spec: {}\n", "spec: {region: lagos, replication: 5}\n"])
def test_a_claim_that_somebody_broke_is_named(world: World, tmp_path: Path, text: str) -> None:
    world.write(tmp_path, **{"tenants/acme/claims/carts.yaml": f"# by hand\n{text}"})
    error = world.refused("service_claim_info", tenant="acme")
    assert error.code == "document-invalid"
    assert "tenants/acme/claims/carts.yaml" in error.message


def test_without_a_repository_only_contexts_that_are_there_are_asked(world: World) -> None:
    world.clusters["lagos"].answers = [{"orders": copy("orders", "Active", 3, regions=BOTH)}]
    del world.clusters["johannesburg"]
    service = world.run("service_claim_info", tenant="acme", repository="")["services"][0]
    assert service["regions"]["johannesburg"]["phase"] == "Unreachable"
    world.clusters.clear()
    world.clusters["elsewhere"] = None  # type: ignore[assignment]
    error = world.refused("service_claim_info", tenant="acme", repository="")
    assert error.code == "kube-missing"
    assert "lagos" in error.message
    assert "elsewhere" in error.message


def test_a_refusal_is_not_taken_for_silence(world: World) -> None:
    world.clusters["lagos"].answers = [DbaasError("kube-refused", "lagos: serviceclaims: 403: forbidden")]
    assert world.refused("service_claim_info", tenant="acme", repository="").code == "kube-refused"


def connection(world: World) -> dict[str, Any]:
    options = {"repository": world.url, "tenant": "acme", "names": ["carts"], "shipped": SHIPPED}
    return info.connection(Run(options))


def test_connection_holds_the_secrets_values(world: World) -> None:
    world.run("service_claims", claims=[claim("carts")])
    world.clusters["lagos"].answers = [{"carts": copy("carts", "Active", 3)}]
    world.clusters["lagos"].secrets["tenant-acme/orders-credentials"] = {"username": "admin", "password": "p"}
    assert connection(world) == {
        "username": "admin",
        "password": "p",
        "host": "orders-client",
        "port": 9142,
        "tls": True,
        "region": "lagos",
        "connection_string": "cql://orders-client:9142",
        "ca_secret": "orders-ca",
        "client_certificate_secret": "orders-cert",
    }


def test_connection_that_is_not_there_yet(world: World) -> None:
    world.run("service_claims", claims=[claim("carts")])
    world.clusters["lagos"].answers = [{"carts": copy("carts", "Provisioning", 1)}]
    with pytest.raises(DbaasError, match="acme/carts is Provisioning: it has no connection yet"):
        connection(world)
    world.clusters["lagos"].answers = [{"carts": copy("carts", "Active", 3)}]
    with pytest.raises(DbaasError, match="Secret tenant-acme/orders-credentials is not there yet"):
        connection(world)


def test_catalog_is_the_repositorys_where_one_is_given(world: World, tmp_path: Path) -> None:
    shipped = info.catalog(Run({"shipped": SHIPPED}))
    assert {"scy-ring-3", "scy-ring-5", "scy-ring-9"} <= set(shipped["skus"])
    assert info.catalog(Run({"repository": world.url})) == shipped
    text = world.text("base/catalog/scylla.yml").replace("dedicated: 900", "dedicated: 950")
    world.write(tmp_path, **{"base/catalog/scylla.yml": text})
    kept = info.catalog(Run({"repository": world.url}))
    assert kept["skus"]["scy-ring-3"]["price"]["dedicated"] == 950

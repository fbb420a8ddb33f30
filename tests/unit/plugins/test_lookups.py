"""The lookups, as templates call them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from tests.unit.runner.world import World, claim, copy


def lookup(name: str, *terms: str, **options: Any) -> list[Any]:
    found: list[Any] = lookup_loader.get(f"dbaas.platform.{name}").run(list(terms), variables={}, **options)
    return found


@pytest.fixture
def services(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    world.run("service_claims", claims=[claim("orders"), claim("carts")])
    copies = {name: copy(name, "Active", 3, operation=world.operation(name)) for name in ("orders", "carts")}
    world.clusters["lagos"].answers = [copies]
    world.clusters["lagos"].secrets["tenant-acme/orders-credentials"] = {"username": "admin", "password": "p"}
    monkeypatch.setenv("DBAAS_REPOSITORY", world.url)
    return world


def test_the_whole_catalog_or_one_sku() -> None:
    (catalog,) = lookup("service_catalog")
    assert set(catalog) == {"plans", "regions", "engines", "skus"}
    three, five = lookup("service_catalog", "scy-ring-3", "scy-ring-5")
    assert (three["name"], five["name"]) == ("scy-ring-3", "scy-ring-5")
    assert three["plans"] == catalog["skus"]["scy-ring-3"]["plans"]


def test_an_unknown_sku_is_named_with_the_nearest() -> None:
    with pytest.raises(AnsibleError, match=r"no SKU 'scy-ring-4'; there are scy-ring-3, .*; nearest: scy-ring-3"):
        lookup("service_catalog", "scy-ring-4")
    with pytest.raises(AnsibleError, match=r"no SKU 'zz'; there are [^;]*$"):
        lookup("service_catalog", "zz")


def test_the_catalog_of_the_repository(services: World) -> None:
    assert lookup("service_catalog") == lookup("service_catalog", repository="")
    with pytest.raises(AnsibleError, match="git-unreachable"):
        lookup("service_catalog", repository="file:///nowhere")


def test_a_service_and_its_connection(services: World) -> None:
    orders, carts = lookup("service_claim", "acme/orders", "acme/carts")
    assert (orders["name"], carts["name"]) == ("orders", "carts")
    assert (orders["phase"], orders["spec"]["sku"]) == ("Active", "scy-ring-3")
    (connection,) = lookup("connection", "acme/orders")
    assert (connection["host"], connection["password"]) == ("orders-client", "p")


@pytest.mark.parametrize("name", ["service_claim", "connection"])
def test_terms_name_tenant_and_service(services: World, name: str) -> None:
    for term in ("orders", "/orders", "acme/"):
        with pytest.raises(AnsibleError, match="allowed is <tenant>/<service>"):
            lookup(name, term)
    with pytest.raises(AnsibleError, match="nearest: orders"):
        lookup(name, "acme/ordrs")

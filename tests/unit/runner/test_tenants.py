"""tenant, tenants and tenant_info."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.unit.runner.world import POPS, World, as_file, claim


def tenant(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "dbaas.example.com/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {"regions": ["lagos"], **spec},
    }


@pytest.fixture
def world(empty: World) -> World:
    empty.run("gitops_repository", pops=POPS)
    return empty


def test_a_tenant_gets_a_foundation_in_each_of_its_regions(world: World) -> None:
    result = world.run("tenant", tenant="acme", regions=["lagos"], display_name="Acme Ltd", owners=["acme-admins"])
    assert result["changed"]
    assert result["commit"] == world.head()
    assert result["tenant"] == {
        "tenant": "acme",
        "displayName": "Acme Ltd",
        "regions": ["lagos"],
        "owners": ["acme-admins"],
    }
    assert result["operations"] == [{"tenant": "acme", "action": "create", "changed": [], "regions": ["lagos"]}]
    assert [path for path in world.files() if path.startswith("tenants/acme/")] == [
        "tenants/acme/lagos/application.yaml",
        "tenants/acme/lagos/services/.keep",
        "tenants/acme/lagos/values.yaml",
        "tenants/acme/tenant.yaml",
    ]
    assert world.document("tenants/acme/lagos/values.yaml")["owners"] == ["acme-admins"]
    assert "Dbaas-Tenant: create acme requester=" in world.git("log", "-1", "--format=%B")


def test_a_second_run_changes_nothing_and_another_region_is_an_update(world: World) -> None:
    world.run("tenant", tenant="acme", regions=["lagos"])
    head = world.head()
    again = world.run("tenant", tenant="acme", regions=["lagos"])
    assert (again["changed"], again["commit"], again["operations"][0]["action"]) == (False, None, "unchanged")
    assert again["tenant"] == {"tenant": "acme", "regions": ["lagos"]}
    assert world.head() == head

    more = world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"])
    assert more["operations"][0] | {"regions": []} == {
        "tenant": "acme",
        "action": "update",
        "changed": ["spec.regions"],
        "regions": [],
    }
    assert "tenants/acme/johannesburg/application.yaml" in world.files()


def test_a_region_is_never_left(world: World) -> None:
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"])
    error = world.refused("tenant", tenant="acme", regions=["lagos"])
    assert isinstance(error, InvalidFields)
    assert error.code == "tenant-invalid"
    assert "johannesburg" in error.errors[0].allowed


def test_check_mode_writes_nothing_and_shows_the_commit(world: World) -> None:
    head = world.head()
    checked = world.run("tenant", tenant="acme", regions=["lagos"], check=True, diff=True)
    assert (checked["changed"], checked["commit"], world.head()) == (True, None, head)
    applied = world.run("tenant", tenant="acme", regions=["lagos"], diff=True)
    assert checked["diff"] == applied["diff"]
    assert applied["diff"]["prepared"] == world.git("diff", "--no-renames", head, world.head())


def test_absent_is_refused(world: World) -> None:
    assert world.refused("tenant", tenant="acme", state="absent").code == "not-built"


def test_many_tenants_are_one_commit(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="stays", regions=["lagos"])
    given = [tenant("stays"), tenant("acme"), tenant("123", regions=["lagos", "johannesburg"])]
    before = world.commits()
    result = world.run("tenants", tenants=given)
    assert world.commits() == before + 1
    assert [item["tenant"] for item in result["operations"]] == ["acme", "123"]
    assert "Change 2 tenants: 2 create" in world.git("log", "-1", "--format=%s")
    assert not world.run("tenants", src=as_file(tmp_path, *given))["changed"]
    assert not world.run("tenants", tenants=[])["changed"]


def test_all_that_is_wrong_is_said_at_once(world: World, tmp_path: Path) -> None:
    bad: list[Any] = [
        tenant("Acme"),
        tenant("far", regions=["lagoss"]),
        "no tenant",
        {"kind": "Tenant", "metadata": {}},
        tenant("odd", colour="red"),
        tenant("good"),
        tenant("good"),
    ]
    error = world.refused("tenants", src=as_file(tmp_path, *bad))
    assert isinstance(error, InvalidFields)
    wrong = {(item.source, item.path) for item in error.errors}
    assert {
        ("tenant Acme", "metadata.name"),
        ("tenant far", "spec.regions[0]"),
        ("tenant odd", "spec.colour"),
        ("tenant good", "metadata.name"),
        ("tenant number 4", "spec"),
    } <= wrong
    assert any(source == "tenant number 3" for source, _path in wrong)
    assert next(item for item in error.errors if item.path == "spec.regions[0]").nearest == "lagos"


def test_a_file_that_is_not_there_is_named(world: World, tmp_path: Path) -> None:
    error = world.refused("tenants", src=str(tmp_path / "none.yml"))
    assert error.code == "document-invalid"
    assert "none.yml: No such file" in error.message


def test_info_lists_tenants_with_their_services(world: World) -> None:
    world.run("tenants", tenants=[tenant("acme", displayName="Acme"), tenant("bare")])
    world.run("service_claims", claims=[claim("orders"), claim("carts")])
    found = world.run("tenant_info")
    assert not found["changed"]
    assert found["tenants"] == [
        {
            "tenant": "acme",
            "namespace": "tenant-acme",
            "displayName": "Acme",
            "regions": ["lagos"],
            "services": ["carts", "orders"],
        },
        {"tenant": "bare", "namespace": "tenant-bare", "regions": ["lagos"], "services": []},
    ]
    assert [item["tenant"] for item in world.run("tenant_info", tenants=["bare", "nobody"])["tenants"]] == ["bare"]


def test_other_files_among_the_claims_are_no_services(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="acme", regions=["lagos"])
    world.write(tmp_path, tenants__acme__claims__README="# who owns what\n")
    assert world.run("tenant_info")["tenants"][0]["services"] == []


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("tenant", {"tenant": "acme", "regions": ["lagos"]}),
        ("tenant_info", {}),
        ("service_claim", {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}),
        ("service_claim_info", {"tenant": "acme"}),
    ],
)
def test_a_repository_that_was_never_set_up_is_said_to_be_so(
    empty: World, module: str, options: dict[str, Any]
) -> None:
    assert empty.refused(module, **options).code == "platform-missing"

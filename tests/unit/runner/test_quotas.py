"""Quotas against a real repository: what it holds counts, and writers that race are counted one after the other."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository
from ansible_collections.dbaas.platform.plugins.module_utils.domain import tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields

from tests.unit.runner.world import World, claim

Json = dict[str, Any]
ALL = ["lagos", "johannesburg"]


def limit(world: World, **quotas: Any) -> Json:
    return world.run("tenant", tenant="acme", regions=ALL, quotas=quotas)


def told(error: DbaasError) -> list[tuple[str, str]]:
    assert isinstance(error, InvalidFields)
    return [(item.path, item.allowed) for item in error.errors]


def test_a_claim_over_quota_is_refused_with_what_is_left(world: World) -> None:
    limit(world, services=2, storage="4Ti")
    world.run("service_claim", tenant="acme", name="orders", sku="scy-ring-3", region="lagos")
    error = world.refused(
        "service_claim", tenant="acme", name="carts", sku="scy-ring-3", region="lagos", storage={"size": "1Ti"}
    )
    assert (error.code, error.cls, error.retry) == ("quota-exceeded", "quota", False)
    words = "the quota of tenant acme in all: storage 4Ti, 1500Gi used, 2596Gi left, 3Ti wanted"
    assert told(error) == [("spec.storage.size", words)]
    # check mode says the same, and nothing stands between the tenant and what is left
    assert (
        world.refused("service_claims", claims=[claim("carts", storage={"size": "1Ti"})], check=True).code == error.code
    )
    world.run("service_claim", tenant="acme", name="carts", sku="scy-ring-3", region="lagos", storage={"size": "800Gi"})
    assert "services 2, 2 used, 0 left, 1 wanted" in str(world.refused("service_claims", claims=[claim("more")]))


def test_claims_that_overrun_together_are_refused_together(world: World) -> None:
    limit(world, services=3)
    world.run("service_claims", claims=[claim("stays")])
    error = world.refused("service_claims", claims=[claim(name) for name in ("a", "b", "c", "stays")])
    assert isinstance(error, InvalidFields)
    assert [(item.source, item.path) for item in error.errors] == [("claims[2] acme/c", "metadata.name")]
    assert "3, 1 used, 2 by others of this run, 0 left, 1 wanted" in error.errors[0].allowed
    assert world.run("service_claims", claims=[claim("a"), claim("b"), claim("stays")])["changed"]


def test_wrong_fields_and_quotas_are_said_at_once(world: World) -> None:
    limit(world, services=1)
    error = world.refused("service_claims", claims=[claim("a"), claim("b"), claim("c", version="0.0.1")])
    assert error.code == "claim-invalid"
    assert [path for path, _words in told(error)] == ["spec.version", "metadata.name"]


def test_what_runs_already_is_left_alone_and_tenants_without_quotas_too(world: World) -> None:
    world.run("tenant", tenant="other", regions=ALL)
    world.run("service_claims", claims=[claim("orders"), claim("carts")])
    limit(world, services=1, storage="1Gi", cpu="100")
    assert not world.run("service_claims", claims=[claim("orders"), claim("carts")])["changed"]
    assert world.run("service_claims", claims=[claim("orders", resources={"node": {"cpu": "5"}})])["changed"]
    error = world.refused("service_claims", claims=[claim("orders", replication={"regions": ALL})])
    assert [path for path, _words in told(error)] == ["spec.storage.size"]
    assert world.run("service_claims", claims=[claim("orders", tenant="other")])["changed"]


def test_by_plan_and_by_region(world: World) -> None:
    limit(world, plans={"clustered": {"services": 0}}, regions={"johannesburg": {"cpu": "20"}})
    error = world.refused(
        "service_claims",
        claims=[
            claim("a", plan="clustered"),
            claim("b", replication={"regions": ALL}, resources={"node": {"cpu": "8"}}),
        ],
    )
    assert told(error) == [
        ("spec.plan", "the quota of tenant acme for plan clustered: services 0, 0 used, 0 left, 1 wanted"),
        ("spec.resources", "the quota of tenant acme in johannesburg: cpu 20, 0 used, 20 left, 24 wanted"),
    ]
    assert world.run("service_claims", claims=[claim("b", replication={"regions": ALL})])["changed"]


def test_a_service_counts_as_long_as_it_has_files(world: World, tmp_path: Path) -> None:
    limit(world, services=1)
    world.run("service_claims", claims=[claim("kept")])
    world.write(tmp_path, **{"tenants__acme__retained__kept.yaml": world.text("tenants/acme/claims/kept.yaml")})
    work = tmp_path / "work"
    subprocess.run(["git", "rm", "--quiet", "tenants/acme/claims/kept.yaml"], cwd=work, check=True)
    world.write(tmp_path, README="gone from claims/\n")
    assert world.refused("service_claims", claims=[claim("orders")]).code == "quota-exceeded"


def test_what_somebody_put_among_the_services_is_no_service(world: World, tmp_path: Path) -> None:
    limit(world, services=1)
    role = "kind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: evil}\n"
    world.write(tmp_path, **{"tenants__acme__lagos__services__evil.yaml": role})
    assert world.run("service_claims", claims=[claim("orders")])["changed"]
    world.write(tmp_path, **{"tenants__acme__lagos__services__orders.yaml": "kind: ServiceClaim\nspec: {}\n"})
    error = world.refused("service_claims", claims=[claim("carts")])
    assert (error.code, "services/orders.yaml" in error.message) == ("document-invalid", True)


def test_two_writers_that_together_would_overrun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has planned on the same commit; its push is refused, and its new plan sees the first one's service."""
    limit(world, services=1)
    before = world.commits()
    push = GitRepository.push
    raced: list[str] = []

    def lose(self: GitRepository, commit: str) -> None:
        if not raced:
            raced.append(commit)
            # the other writer, from its own fetch to its own push, while this one was between plan and push
            assert world.run("service_claim", tenant="acme", name="first", sku="scy-ring-3", region="lagos")["changed"]
        push(self, commit)

    monkeypatch.setattr(GitRepository, "push", lose)
    with pytest.raises(DbaasError) as caught:
        world.run("service_claim", tenant="acme", name="second", sku="scy-ring-3", region="lagos")
    assert caught.value.code == "quota-exceeded"
    assert "services 1, 1 used, 0 left, 1 wanted" in str(caught.value)
    assert world.commits() == before + 1
    assert [path for path in world.files() if "/claims/" in path] == ["tenants/acme/claims/first.yaml"]
    assert any("Another writer was faster" in line for line in world.lines)
    assert "tenants/acme/lagos/services/second.yaml" not in world.files()


def test_many_writers_at_once_never_overrun(world: World) -> None:
    limit(world, services=2)

    def write(name: str) -> str:
        try:
            world.run("service_claim", tenant="acme", name=name, sku="scy-ring-3", region="lagos")
        except DbaasError as error:
            return error.code
        return "landed"

    with ThreadPoolExecutor() as pool:
        outcomes = sorted(pool.map(write, ("a", "b", "c", "d", "e")))
    assert outcomes == ["landed", "landed", *["quota-exceeded"] * 3]
    assert len([path for path in world.files() if "/claims/" in path]) == 2


def test_a_quota_below_what_is_used_says_so(world: World) -> None:
    world.run("service_claims", claims=[claim("orders"), claim("carts", replication={"regions": ALL})])
    checked = world.run("tenant", tenant="acme", regions=ALL, quotas={"services": 1, "storage": "9Ti"}, check=True)
    lowered = limit(world, services=1, storage="9Ti")
    words = "what is there stays, and nothing more of it is admitted"
    assert lowered["warnings"] == [f"tenant acme: services in all: 2 are used, the quota is 1; {words}"]
    assert checked["warnings"] == lowered["warnings"]
    # it is said when the quota changes
    assert limit(world, services=1, storage="9Ti") | {"tenant": 0, "operations": 0} == {
        "changed": False,
        "tenant": 0,
        "operations": 0,
        "commit": None,
        "warnings": [],
    }
    fewer = tenant.document("acme", {"regions": ALL, "quotas": {"regions": {"johannesburg": {"cpu": "1"}}}})
    (warning,) = world.run("tenants", tenants=[fewer])["warnings"]
    assert warning.startswith("tenant acme: cpu in johannesburg: 12 are used, the quota is 1;")
    # and a running node may come back all the same
    values = world.document("tenants/acme/johannesburg/values.yaml")
    assert values["quota"] == {"requests.cpu": "17", "limits.cpu": "17"}
    assert values["needed"] == {"cpu": "12"}
    # which is what everybody else expects to find there
    assert world.run("gitops_validation_info")["problems"] == []
    assert not world.run("gitops_reconciliation")["changed"]


def test_quotas_that_are_taken_back(world: World) -> None:
    limit(world, cpu="40")
    assert world.document("tenants/acme/lagos/values.yaml")["quota"] == {"requests.cpu": "52", "limits.cpu": "52"}
    world.run("tenant", tenant="acme", regions=ALL)
    assert world.document("tenants/acme/lagos/values.yaml")["quota"] == {}
    assert not world.run("tenant", tenant="acme", regions=ALL)["changed"]
    assert world.run("service_claims", claims=[claim("orders", resources={"node": {"cpu": "16"}})])["changed"]


def test_info_says_what_is_used_and_what_is_left(world: World) -> None:
    world.run("tenant", tenant="free", regions=ALL)
    limit(world, services=3, cpu="100", plans={"dedicated": {"services": 2}}, regions={"lagos": {"memory": "100Gi"}})
    world.run("service_claims", claims=[claim("orders", replication={"regions": ALL}), claim("orders", tenant="free")])
    acme, free = world.run("tenant_info")["tenants"]
    assert acme["quota_usage"] == {
        "services": {"limit": 3, "used": 1, "left": 2},
        "cpu": {"limit": "100", "used": "24", "left": "76"},
        "plans": {"dedicated": {"services": {"limit": 2, "used": 1, "left": 1}}},
        "regions": {"lagos": {"memory": {"limit": "100Gi", "used": "48Gi", "left": "52Gi"}}},
    }
    assert "quota_usage" not in free


def test_only_tenants_with_quotas_have_all_their_services_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run("service_claims", claims=[claim("orders"), claim("carts")])
    asked: list[set[str]] = []
    contents = GitRepository.contents

    def counting(self: GitRepository, oids: Any, most: int | None = None) -> dict[str, bytes]:
        asked.append(set(oids))
        return contents(self, oids, most)

    monkeypatch.setattr(GitRepository, "contents", counting)
    orders = world.git("rev-parse", "main:tenants/acme/lagos/services/orders.yaml").strip()
    world.run("service_claims", claims=[claim("carts")])
    assert not any(orders in oids for oids in asked)
    limit(world, services=2)
    asked.clear()
    world.run("service_claims", claims=[claim("carts")])
    # platform and catalog, tenants, and all the rest in one
    assert [orders in oids for oids in asked] == [False, False, True]


def test_backups_stay_in_the_tenants_regions(world: World) -> None:
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], backup_destinations=["s3://acme-own"])
    error = world.refused("service_claims", claims=[claim("a", backup={"destination": "s3://dbaas-frankfurt-acme"})])
    assert error.code == "claim-invalid"
    assert told(error)[0][1].endswith("; this one lies in frankfurt")
    own = {"destination": "s3://acme-own"}
    assert world.run("service_claim", tenant="acme", name="a", sku="scy-ring-3", region="lagos", backup=own)["changed"]


def test_a_merged_change_of_quotas_is_rendered_and_a_claim_beyond_them_is_named(world: World, tmp_path: Path) -> None:
    world.run("service_claims", claims=[claim("orders")])
    item = tenant.document("acme", {"regions": ALL, "quotas": {"services": 1, "cpu": "10"}})
    files = {"tenants__acme__tenant.yaml": documents.dump(item)}
    world.write(tmp_path, **files, **{"tenants__acme__claims__more.yaml": documents.dump(claim("more"))})
    problems = world.run("gitops_validation_info")["problems"]
    assert ("tenants/acme/claims/more.yaml", "quota-exceeded") in {(item["file"], item["code"]) for item in problems}
    result = world.run("gitops_reconciliation")
    assert world.document("tenants/acme/lagos/values.yaml")["needed"] == {"cpu": "12"}
    assert "tenants/acme/lagos/services/more.yaml" not in world.files()
    assert {item["file"] for item in result["problems"]} == {"tenants/acme/claims/more.yaml"}

"""Pull requests as a way in: what people merged with plain Git is rendered, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository

from tests.unit.runner.world import World, as_file, claim

Json = dict[str, Any]
CLAIMS = "tenants/acme/claims"
LAGOS = "tenants/acme/lagos/services"


def rendered(world: World, tmp_path: Path, *names: str, **spec: Any) -> None:
    items = [claim(name, **spec) for name in names]
    assert world.run("service_claims", src=as_file(tmp_path, *items))["changed"]


def edited(world: World, name: str, old: str, new: str) -> dict[str, str]:
    text = world.text(f"{CLAIMS}/{name}.yaml")
    assert text.count(old) == 1
    return {f"{CLAIMS}/{name}.yaml": text.replace(old, new)}


def changed_files(world: World) -> list[str]:
    return world.git("diff", "--name-only", "main~1", "main").splitlines()


def test_a_merged_edit_is_rendered_and_it_alone(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", "carts", backup={"retention": "20d"})
    world.write(tmp_path, **edited(world, "orders", "20d", "30d"))
    named = world.run("gitops_validation_info")["problems"]
    assert [(item["file"], item["code"], item["severity"]) for item in named] == [
        (f"{CLAIMS}/orders.yaml", "not-rendered", "warning")
    ]
    assert "reconcile_claims" in named[0]["message"]

    result = world.run("gitops_reconciliation", requester="merger", deadline="20m")
    assert result["changed"]
    operation = result["operations"][0]
    assert (operation["name"], operation["action"]) == ("orders", "update")
    assert operation["changed"] == ["spec.backup.retention"]
    assert changed_files(world) == [f"{LAGOS}/orders.yaml"]
    assert world.operation("orders") == operation["id"]
    trailer = f"Dbaas-Operation: {operation['id']} update acme/orders requester=merger deadline=20m"
    assert trailer in world.git("log", "-1", "--format=%B")
    copy = world.document(f"{LAGOS}/orders.yaml")
    assert copy["spec"]["backup"]["retention"] == "30d"
    assert world.run("gitops_validation_info")["problems"] == []

    commits = world.commits()
    again = world.run("gitops_reconciliation")
    assert (again["changed"], again["operations"], again["commit"]) == (False, [], None)
    assert world.commits() == commits


def test_a_new_file_gets_its_identity_with_what_is_derived(world: World, tmp_path: Path) -> None:
    """The file as a person wrote it, with a comment and in another order."""
    text = (
        "# ours\nkind: ServiceClaim\napiVersion: dbaas.example.com/v1alpha1\n"
        "metadata: {name: orders, namespace: tenant-acme}\n"
        "spec: {sku: scy-ring-3, region: lagos, replication: {regions: [lagos, johannesburg]}}\n"
    )
    world.write(tmp_path, **{f"{CLAIMS}/orders.yaml": text})
    predicted = world.run("gitops_reconciliation", check=True, diff=True)
    assert (predicted["changed"], predicted["commit"]) == (True, None)
    made = world.run("gitops_reconciliation", diff=True)
    assert made["diff"] == predicted["diff"]
    assert made["operations"] == predicted["operations"]
    assert changed_files(world) == [
        f"{CLAIMS}/orders.yaml",
        "tenants/acme/johannesburg/services/orders.yaml",
        f"{LAGOS}/orders.yaml",
    ]
    stands = world.document(f"{CLAIMS}/orders.yaml")
    assert stands["spec"].pop("serviceId") == world.document(f"{LAGOS}/orders.yaml")["spec"]["serviceId"]
    assert stands == documents.load_all(text)[0]
    assert not world.run("gitops_reconciliation")["changed"]


def test_what_is_missing_in_one_region_comes_back(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", replication={"regions": ["lagos", "johannesburg"]})
    rendered(world, tmp_path, "carts")
    world.remove(tmp_path, "tenants/acme/johannesburg/services/orders.yaml")
    named = world.run("gitops_validation_info")["problems"]
    assert "not rendered in johannesburg" in named[0]["message"]
    assert [item["name"] for item in world.run("gitops_reconciliation")["operations"]] == ["orders"]
    assert world.run("gitops_validation_info")["problems"] == []


def test_broken_files_do_not_hold_up_the_others(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", backup={"retention": "20d"})
    rendered(world, tmp_path, "small", storage={"size": "200Gi"})
    text = documents.dump(claim("carts", region="lagoss", plan="clusterd"))
    world.write(
        tmp_path,
        **edited(world, "orders", "20d", "30d"),
        **edited(world, "small", "200Gi", "100Gi"),
        **{
            f"{CLAIMS}/carts.yaml": text,
            f"{CLAIMS}/torn.yaml": "apiVersion: [\n",
            f"{CLAIMS}/two.yaml": "a: 1\n---\nb: 2\n",
            f"{CLAIMS}/other.yaml": documents.dump(claim("another", tenant="globex")),
        },
    )
    result = world.run("gitops_reconciliation")
    assert result["failed"]
    assert result["changed"]
    assert [item["name"] for item in result["operations"]] == ["orders"]
    assert result["commit"] == world.head()
    assert changed_files(world) == [f"{LAGOS}/orders.yaml"]
    found = [(item["file"].removeprefix(f"{CLAIMS}/"), item["line"], item["code"]) for item in result["problems"]]
    region = 1 + text.splitlines().index("  region: lagoss")
    size = 1 + next(n for n, line in enumerate(world.text(f"{CLAIMS}/small.yaml").splitlines()) if "100Gi" in line)
    assert found == [
        ("carts.yaml", region, "claim-invalid"),
        ("carts.yaml", region + 1, "claim-invalid"),
        ("other.yaml", 4, "claim-invalid"),
        ("other.yaml", 5, "claim-invalid"),
        ("small.yaml", size, "claim-invalid"),
        ("torn.yaml", 2, "document-invalid"),
        ("two.yaml", 1, "document-invalid"),
    ]
    assert "nearest: lagos" in result["problems"][0]["message"]
    assert result["problems"][0]["nearest"] == "lagos"
    assert result["error"]["code"] == "not-reconciled"
    for file in ("carts", "other", "small", "torn", "two"):
        assert f"{CLAIMS}/{file}.yaml:" in result["msg"]

    # what was wrong is told again, and there is nothing else to do
    commits = world.commits()
    again = world.run("gitops_reconciliation")
    assert (again["failed"], again["changed"], len(again["problems"])) == (True, False, 7)
    assert world.commits() == commits


def test_a_spoiled_derived_file_holds_up_its_own_claim_alone(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", "carts", "other", backup={"retention": "20d"})
    world.write(
        tmp_path,
        **edited(world, "orders", "20d", "30d"),
        **edited(world, "carts", "20d", "30d"),
        **{f"{LAGOS}/carts.yaml": "kind: Nothing\n"},
    )
    result = world.run("gitops_reconciliation")
    assert [item["name"] for item in result["operations"]] == ["orders"]
    assert [(item["file"], item["code"]) for item in result["problems"]] == [
        (f"{LAGOS}/carts.yaml", "document-invalid")
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  engine: scylla\n", "  engine: none\n"),
        ("    size: 500Gi\n", "    size: much\n"),
        ("  storage:\n", "  storage: 5\n  other:\n"),
        ("  resources:\n", "  resources: {node: 5}\n  other:\n"),
        ("  replication:\n", "  replication: []\n  other:\n"),
    ],
)
def test_a_copy_that_nobody_can_reckon_with_holds_up_only_its_tenant(
    world: World, tmp_path: Path, old: str, new: str
) -> None:
    rendered(world, tmp_path, "orders")
    world.run("tenant", tenant="beta", regions=["lagos"])
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"services": 5})
    path = f"{LAGOS}/orders.yaml"
    head, _mark, rest = world.text(path).partition("\n---\n")
    copy, mark, others = rest.partition("\n---\n")
    assert copy.count(old) == 1
    spoiled = f"{head}\n---\n{copy.replace(old, new)}{mark}{others}"
    files = {
        path: spoiled,
        f"{CLAIMS}/carts.yaml": documents.dump(claim("carts")),
        "tenants/beta/claims/theirs.yaml": documents.dump(claim("theirs", "beta")),
    }
    world.write(tmp_path, **files)
    assert path in [item["file"] for item in world.run("gitops_validation_info")["problems"]]
    result = world.run("gitops_reconciliation")
    assert [item["name"] for item in result["operations"]] == ["theirs"]
    assert [item["file"] for item in result["problems"]] == [path]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: NetworkPolicy\n", "sort: NetworkPolicy\n"),
        ("  observability:\n", "  other:\n"),
        ("  backup:\n", "  backup: []\n  other:\n"),
    ],
)
def test_a_file_that_was_spoiled_in_its_middle_holds_up_only_its_own(
    world: World, tmp_path: Path, old: str, new: str
) -> None:
    rendered(world, tmp_path, "orders", "carts", backup={"retention": "20d"})
    path = f"{LAGOS}/orders.yaml"
    # as another version of the collection had rendered it, so that what is rendered anew is compared
    text = world.text(path).replace("dbaas.example.com/renderer: ", "dbaas.example.com/renderer: 0")
    assert text.count(old) == 1
    changes = {**edited(world, "orders", "20d", "30d"), **edited(world, "carts", "20d", "30d")}
    world.write(tmp_path, **{**changes, path: text.replace(old, new)})
    result = world.run("gitops_reconciliation")
    assert [item["name"] for item in result["operations"]] == ["carts"]
    assert [(item["file"], item["code"]) for item in result["problems"]] == [(path, "document-invalid")]


def test_foundations_that_are_not_as_tenant_yaml_says(world: World, tmp_path: Path) -> None:
    path = "tenants/acme/tenant.yaml"
    item = world.document(path)
    item["spec"]["owners"] = ["acme-admins"]
    world.write(tmp_path, **{path: documents.dump(item)})
    named = world.run("gitops_validation_info")["problems"]
    values = [f"tenants/acme/{pop}/values.yaml" for pop in ("johannesburg", "lagos")]
    assert [(item["file"], item["code"]) for item in named] == [(file, "not-rendered") for file in values]
    result = world.run("gitops_reconciliation")
    assert result["tenants"] == [{"tenant": "acme", "action": "update", "regions": ["lagos", "johannesburg"]}]
    assert changed_files(world) == values
    assert world.document(values[1])["owners"] == ["acme-admins"]
    assert world.run("gitops_validation_info")["problems"] == []
    assert not world.run("gitops_reconciliation")["changed"]

    # a name for people stands in no derived file
    item["spec"]["displayName"] = "Acme"
    world.write(tmp_path, **{path: documents.dump(item)})
    assert world.run("gitops_validation_info")["problems"] == []
    assert not world.run("gitops_reconciliation")["changed"]

    # a tenant as a person adds it, with its first service, is one commit
    newcomer = documents.dump({**item, "metadata": {"name": "globex"}})
    first = documents.dump(claim("shop", tenant="globex"))
    world.write(tmp_path, **{"tenants/globex/tenant.yaml": newcomer, "tenants/globex/claims/shop.yaml": first})
    both = world.run("gitops_reconciliation")
    assert [entry["tenant"] for entry in both["tenants"]] == ["globex"]
    assert [entry["tenant"] for entry in both["operations"]] == ["globex"]
    message = world.git("log", "-1", "--format=%B")
    assert message.startswith("Create service globex/shop; Update tenant globex\n\nDbaas-Operation: ")
    assert "\nDbaas-Tenant: update globex requester=" in message
    assert "tenants/globex/lagos/services/.keep" in world.files()
    assert world.run("gitops_validation_info")["problems"] == []


def test_a_broken_tenant_holds_up_only_itself(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="globex", regions=["lagos"])
    given = {
        f"tenants/{tenant}/claims/shop.yaml": documents.dump(claim("shop", tenant=tenant))
        for tenant in ("acme", "globex")
    }
    broken = world.text("tenants/globex/tenant.yaml").replace("- lagos", "- lagoss")
    world.write(tmp_path, **{"tenants/globex/tenant.yaml": broken}, **given)
    result = world.run("gitops_reconciliation")
    assert [(item["tenant"], item["action"]) for item in result["operations"]] == [("acme", "create")]
    assert [(item["file"], item["code"], item["nearest"]) for item in result["problems"]] == [
        ("tenants/globex/tenant.yaml", "tenant-invalid", "lagos")
    ]
    line = 1 + broken.splitlines().index(next(line for line in broken.splitlines() if "lagoss" in line))
    assert result["problems"][0]["line"] == line


def test_a_scope(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="globex", regions=["lagos"])
    given = {
        f"tenants/{tenant}/claims/shop.yaml": documents.dump(claim("shop", tenant=tenant))
        for tenant in ("acme", "globex")
    }
    world.write(tmp_path, **given)
    assert [item["tenant"] for item in world.run("gitops_reconciliation", tenants=["globex"])["operations"]] == [
        "globex"
    ]
    assert [item["tenant"] for item in world.run("gitops_reconciliation")["operations"]] == ["acme"]
    error = world.refused("gitops_reconciliation", tenants=["globx"])
    assert error.code == "option-invalid"
    assert "nearest: globex" in error.message


@pytest.mark.parametrize("where", ["deleting", "retained"])
def test_what_is_on_its_way_out_and_what_is_kept_is_left_alone(world: World, tmp_path: Path, where: str) -> None:
    rendered(world, tmp_path, "orders", backup={"retention": "20d"})
    if where == "deleting":
        derived = world.text(f"{LAGOS}/orders.yaml").replace("action: create", "action: delete")
        world.write(tmp_path, **edited(world, "orders", "20d", "30d"), **{f"{LAGOS}/orders.yaml": derived})
    else:
        text = world.text(f"{CLAIMS}/orders.yaml")
        world.remove(tmp_path, f"{CLAIMS}/orders.yaml")
        world.write(tmp_path, **{"tenants/acme/retained/orders.yaml": text})
    assert not world.run("gitops_reconciliation")["changed"]
    assert world.run("gitops_validation_info")["problems"] == []


def test_a_name_that_is_kept_is_not_given_away(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders")
    text = world.text(f"{CLAIMS}/orders.yaml")
    world.write(tmp_path, **{"tenants/acme/retained/orders.yaml": text, f"{CLAIMS}/orders.yaml": f"# mine\n{text}"})
    result = world.run("gitops_reconciliation")
    assert (result["changed"], [item["code"] for item in result["problems"]]) == (False, ["claim-invalid"])
    assert "a service of this name is kept" in result["msg"]
    named = [(item["file"], item["line"]) for item in world.run("gitops_validation_info")["problems"]]
    assert named == [(f"{CLAIMS}/orders.yaml", 5)]


def test_a_claim_that_lost_its_foundation_region_is_refused(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="globex", regions=["lagos"])
    item = documents.dump(claim("shop", tenant="globex", region="johannesburg"))
    world.write(tmp_path, **{"tenants/globex/claims/shop.yaml": item})
    problem = world.run("gitops_reconciliation")["problems"][0]
    assert "the tenant's regions" in problem["message"]
    assert (problem["allowed"], problem["nearest"]) == ("one of lagos (the tenant's regions)", None)


def test_what_together_goes_beyond_a_quota_is_rendered_as_far_as_it_fits(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], quotas={"services": 2})
    files = {f"{CLAIMS}/{name}.yaml": documents.dump(claim(name)) for name in ("a", "b", "c")}
    world.write(tmp_path, **files)
    named = world.run("gitops_validation_info")["problems"]
    assert [(item["file"], item["code"]) for item in named] == [
        (f"{CLAIMS}/a.yaml", "not-rendered"),
        (f"{CLAIMS}/b.yaml", "not-rendered"),
        (f"{CLAIMS}/c.yaml", "quota-exceeded"),
    ]
    result = world.run("gitops_reconciliation")
    assert [item["name"] for item in result["operations"]] == ["a", "b"]
    assert [(item["file"], item["code"]) for item in result["problems"]] == [(f"{CLAIMS}/c.yaml", "quota-exceeded")]
    assert "services 2" in result["msg"]


def test_several_at_once_render_each_claim_once(world: World, tmp_path: Path) -> None:
    """A webhook, a schedule and somebody by hand: whoever is slower finds nothing left to do."""
    world.write(tmp_path, **{f"{CLAIMS}/{name}.yaml": documents.dump(claim(name)) for name in ("a", "b", "c")})
    before = world.commits()
    with ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(lambda _number: world.run("gitops_reconciliation"), range(4)))
    # in the same second two of them make the same commit, byte for byte, and both have pushed it
    assert {result["commit"] for result in results if result["changed"]} == {world.head()}
    assert world.commits() == before + 1
    trailers = world.git("log", "-1", "--format=%(trailers:key=Dbaas-Operation,valueonly)", "main").split("\n")
    assert [line.split()[2] for line in trailers if line] == ["acme/a", "acme/b", "acme/c"]


def test_another_writer_between_fetch_and_push(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was merged meanwhile is rendered too, and what somebody else has rendered is not rendered again."""
    world.write(tmp_path, **{f"{CLAIMS}/{name}.yaml": documents.dump(claim(name)) for name in ("a", "b")})
    push, pushed = GitRepository.push, []

    def late(self: GitRepository, commit: str) -> None:
        pushed.append(commit)
        if len(pushed) == 1:
            monkeypatch.setattr(GitRepository, "push", push)
            world.run("gitops_reconciliation")
            world.write(tmp_path, **{f"{CLAIMS}/c.yaml": documents.dump(claim("c"))})
            monkeypatch.setattr(GitRepository, "push", late)
        push(self, commit)

    monkeypatch.setattr(GitRepository, "push", late)
    result = world.run("gitops_reconciliation")
    assert [item["name"] for item in result["operations"]] == ["c"]
    assert len(pushed) == 2

"""The lookups, as templates call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.plugin_docs import read_docstring
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

from tests.tools.tree import ROOT
from tests.unit.runner.world import World, claim, copy


def lookup(name: str, *terms: Any, **options: Any) -> list[Any]:
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
    with pytest.raises(AnsibleError, match=r"no SKU 'scy-ring-4'; there are .*scy-ring-3, .*; nearest: scy-ring-3"):
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
    for term in ("orders", "/orders", "acme/", 123, None):
        with pytest.raises(AnsibleError, match="allowed is <tenant>/<service>"):
            lookup(name, term)
    with pytest.raises(AnsibleError, match="nearest: orders"):
        lookup(name, "acme/ordrs")


def names(template: dict[str, Any]) -> list[str]:
    return [question["variable"] for question in template["survey_spec"]["spec"]]


def test_a_job_template_for_every_playbook_no_more_and_no_less() -> None:
    books = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml") if not path.name.endswith(".meta.yml"))
    found = lookup("awx_job_templates", common={"organization": "DBaaS"})
    assert [template["playbook"] for template in found] == [f"playbooks/{book}" for book in books]
    assert [template["name"] for template in found] == [
        f"dbaas-{book.removesuffix('.yml').replace('_', '-')}" for book in books
    ]
    assert {template["organization"] for template in found} == {"DBaaS"}
    assert all(names(template)[-1] == "dbaas_idempotency_key" for template in found)
    by_name = {template["name"]: template for template in found}
    assert by_name["dbaas-provision-service"]["ask_limit_on_launch"]
    # it works on all points of presence as one, so a limit is an error
    assert not by_name["dbaas-reconcile-claims"]["ask_limit_on_launch"]


def test_job_templates_by_name_with_fields_of_their_own() -> None:
    (found,) = lookup(
        "awx_job_templates",
        "provision_service",
        common={"inventory": "platform"},
        differing={"provision_service": {"inventory": "lagos"}},
        without=["dbaas_wait"],
    )
    assert found["inventory"] == "lagos"
    assert "dbaas_wait_timeout" in names(found)
    assert "dbaas_wait" not in names(found)
    with pytest.raises(
        AnsibleError, match=r"_terms: given 'provision', allowed: one of .*; nearest: provision_service"
    ):
        lookup("awx_job_templates", "provision")


def test_choices_of_a_catalog_of_ones_own(tmp_path: Path) -> None:
    for name in ("plans.yml", "platform.yml", "regions.yml", "scylla.yml"):
        text = (ROOT / "catalog" / name).read_text().replace("scy-ring-3", "our-ring").replace("ashburn", "dallas")
        (tmp_path / name).write_text(text)
    (found,) = lookup("awx_job_templates", "provision_service", catalog=str(tmp_path))
    choices = {question["variable"]: question.get("choices") for question in found["survey_spec"]["spec"]}
    assert choices["sku"][:3] == ["our-ring", "scy-ring-5", "scy-ring-9"]
    assert choices["engine"] == ["scylla"]
    assert choices["region"][:4] == ["lagos", "johannesburg", "frankfurt", "dallas"]
    (tmp_path / "platform.yml").unlink()
    (found,) = lookup("awx_job_templates", "provision_service", catalog=str(tmp_path))
    assert "ashburn" in str(found["survey_spec"])
    with pytest.raises(AnsibleError, match="nowhere holds no"):
        lookup("awx_job_templates", catalog="nowhere")


def test_choices_of_the_repository(services: World) -> None:
    (found,) = lookup("awx_job_templates", "provision_service")
    choices = {question["variable"]: question.get("choices") for question in found["survey_spec"]["spec"]}
    assert choices["region"] == ["lagos", "johannesburg"]


def test_an_environment_that_holds_nothing_is_none(services: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # so AWX sets what was not given of a credential
    for name in ("BRANCH", "USERNAME", "TOKEN_FILE", "SSH_KEY_FILE", "SSH_KNOWN_HOSTS", "CA_CERT", "PROXY"):
        monkeypatch.setenv(f"DBAAS_GIT_{name}", "")
    assert list(lookup("platform")[0]["pops"]) == ["lagos", "johannesburg"]


def test_the_platform_and_its_points_of_presence(services: World) -> None:
    (platform,) = lookup("platform")
    assert (list(platform["pops"]), platform["branch"]) == (["lagos", "johannesburg"], "main")
    (lagos,) = lookup("platform", "lagos")
    assert (lagos["context"], lagos["cluster_domain"]) == ("lagos", "lagos.dbaas.internal")
    with pytest.raises(AnsibleError, match="no point of presence 'accra'; there are lagos, johannesburg"):
        lookup("platform", "accra")
    (shipped,) = lookup("platform", repository="")
    assert list(shipped["pops"])[:4] == ["lagos", "johannesburg", "frankfurt", "ashburn"]


# --- a lookup for each engine ----------------------------------------------------------------------------------------


def test_every_engine_has_one() -> None:
    assert set(ENGINES) <= {path.stem for path in (ROOT / "plugins/lookup").glob("*.py")}


@pytest.mark.parametrize("name", ENGINES)
def test_what_the_platform_offers_of_an_engine(name: str) -> None:
    (catalog,) = lookup("service_catalog")
    versions, parameters, capabilities = lookup(name, "versions", "parameters", "capabilities")
    assert [each["version"] for each in versions] == list(catalog["engines"][name]["versions"])
    assert [each["version"] for each in versions if each["default"]] == [versions[0]["version"]]
    assert {each["channel"] for each in versions} <= {"preview", "supported", "deprecated", "expired"}
    assert parameters == catalog["engines"][name].get("parameters", {})
    assert capabilities["pitr"] is catalog["engines"][name]["capabilities"]["pitr"]
    with pytest.raises(AnsibleError, match="'version': allowed is one of versions, parameters, capabilities, conn"):
        lookup(name, "version")


def test_versions_of_the_platform_itself_stand_where_they_belong(services: World, tmp_path: Path) -> None:
    added = {"2026.10.0": {"channel": "supported"}, "2025.1.10": {"channel": "deprecated"}}
    entries = {"engines": {"scylla": {"versions": added}}}
    services.write(tmp_path, **{"catalog/mine.yml": json.dumps(entries)})
    (versions,) = lookup("scylla", "versions")
    names = [each["version"] for each in versions]
    assert names == ["2026.10.0", "2026.1.0", "2025.4.0", "2025.3.0", "2025.1.10", "2025.1.2"]


@pytest.mark.parametrize("name", ENGINES)
def test_its_example_of_a_connection(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBAAS_REPOSITORY", raising=False)
    text: str = read_docstring(str(ROOT / f"plugins/lookup/{name}.py"))["plainexamples"]
    (example,) = [task["ansible.builtin.debug"]["msg"] for task in yaml.safe_load(text) if "'connection'" in str(task)]
    service = example.partition("acme/")[2].partition("'")[0]
    item = copy(service, "Active", 3)
    item["spec"]["engine"] = name
    world.clusters["lagos"].answers = [{service: item}]
    assert Templar(loader=DataLoader()).template(trust_as_template(example)) == "cql://orders-client:9142"
    (known,) = lookup(name, "connection", service=f"acme/{service}")
    assert known["secretRef"] == {"name": "orders-credentials"}
    assert "password" not in str(known)
    item["spec"]["engine"] = "other"
    with pytest.raises(AnsibleError, match=f"acme/{service} is a service of other: ask lookup dbaas.platform.other"):
        lookup(name, "connection", service=f"acme/{service}")


def test_a_service_that_has_no_connection_says_why(services: World) -> None:
    services.clusters["lagos"].answers = [{"orders": copy("orders", "Provisioning", 1)}]
    with pytest.raises(AnsibleError, match=r"acme/orders is \w+: it has no connection yet \(lagos: "):
        lookup("scylla", "connection", service="acme/orders")
    with pytest.raises(AnsibleError, match="allowed is <tenant>/<service>"):
        lookup("scylla", "connection")

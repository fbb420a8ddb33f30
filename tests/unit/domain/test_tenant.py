from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import repository, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError

from tests.lab.binaries import cache_folder
from tests.tools.tree import ROOT
from tests.unit.domain import shipped
from tests.unit.engines.test_yugabyte_chart import OFFER

Json = dict[str, Any]


def errors(*items: Any) -> list[FieldError]:
    return tenant.errors(items, shipped.platform())


def test_a_whole_tenant() -> None:
    spec = {
        "displayName": "Acme",
        "regions": ["lagos", "frankfurt"],
        "projects": ["web"],
        "owners": ["acme-sre"],
        "quotas": {
            "services": 10,
            "storage": "20Ti",
            "cpu": "100",
            "memory": "512Gi",
            "plans": {"clustered": {"services": 2}},
            "regions": {"lagos": {"storage": "1Ti"}},
        },
        "billingAccount": "A-1",
    }
    document = tenant.document("123", spec)
    assert errors(document) == []
    assert document["metadata"] == {"name": "123"}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({}, "spec.regions"),
        ({"regions": []}, "spec.regions"),
        ({"regions": ["lagos", "lagos"]}, "spec.regions"),
        ({"regions": ["lagos", "atlantis"]}, "spec.regions[1]"),
        ({"regions": ["lagos"], "quotas": {"regions": {"mars": {}}}}, "spec.quotas.regions.mars"),
        ({"regions": ["lagos"], "quotas": {"storage": "1TB"}}, "spec.quotas.storage"),
        ({"regions": ["lagos"], "quotas": {"services": -1}}, "spec.quotas.services"),
        ({"regions": ["lagos"], "projects": ["No"]}, "spec.projects[0]"),
        ({"regions": ["lagos"], "owner": "x"}, "spec.owner"),
        ([], "spec"),
    ],
)
def test_refusals(spec: Any, path: str) -> None:
    (error,) = errors(tenant.document("123", spec))
    assert (error.path, error.source) == (path, "tenant 123")


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a" * 41, "../a", 123, None])
def test_names_that_are_refused(name: Any) -> None:
    (error,) = errors(tenant.document(name, {"regions": ["lagos"]}))
    assert error.path == "metadata.name"


@pytest.mark.parametrize("item", [None, [], {}, {"metadata": []}, {"metadata": {"name": ["a"]}}, "tenant"])
def test_documents_that_are_no_tenants(item: Any) -> None:
    assert errors(item)


def test_all_errors_of_all_tenants_at_once() -> None:
    good = tenant.document("a", {"regions": ["lagos"]})
    bad = tenant.document("b", {"regions": ["lagoss"], "quotas": {"cpu": "x"}})
    found = errors(good, bad, {"kind": "Tenant"}, good)
    assert [(error.source, error.path) for error in found] == [
        ("tenant b", "spec.quotas.cpu"),
        ("tenant b", "spec.regions[0]"),
        ("tenant number 3", "apiVersion"),
        ("tenant number 3", "metadata"),
        ("tenant number 3", "spec"),
        ("tenant a", "metadata.name"),
    ]
    assert found[1].nearest == "lagos"


def test_quotas_are_for_plans_that_there_are() -> None:
    quotas = {"plans": {"dedicatd": {"services": 1}}, "regions": {"mars": {"cpu": "1"}}}
    found = errors(tenant.document("a", {"regions": ["lagos"], "quotas": quotas}))
    assert [(error.path, error.nearest) for error in found] == [
        ("spec.quotas.regions.mars", None),
        ("spec.quotas.plans.dedicatd", "dedicated"),
    ]


def values(quotas: dict[str, Any], *held: dict[str, Any], **stands: Any) -> dict[str, Any]:
    item = tenant.document("123", {"regions": ["lagos"], "quotas": quotas})
    platform = shipped.platform()
    files = tenant.foundation(item, platform.pops["lagos"], platform, stands=stands, held=held)
    return files["tenants/123/lagos/values.yaml"]


def test_the_resource_quota_has_room_for_what_stands_beside_a_database() -> None:
    assert values({"storage": "10Ti", "cpu": "100", "memory": "1Ti", "services": 3})["quota"] == {
        "requests.storage": "12800Gi",
        "requests.cpu": "127",
        "limits.cpu": "127",
        "requests.memory": "1284Gi",
        "limits.memory": "1284Gi",
    }
    # the narrower of the region's and the whole one; whole units, rounded up
    narrow = {"cpu": "100", "regions": {"lagos": {"cpu": "1500m"}, "frankfurt": {"memory": "1Gi"}}}
    assert values(narrow)["quota"] == {"requests.cpu": "4", "limits.cpu": "4"}
    assert values({"memory": "513Mi", "regions": {"lagos": {"memory": "2Ti"}}})["quota"] == {
        "requests.memory": "5Gi",
        "limits.memory": "5Gi",
    }


@pytest.mark.parametrize("quotas", [{}, {"services": 3}, {"plans": {"global": {"cpu": "1"}}}])
def test_no_resource_quota_where_nothing_limits_the_region(quotas: dict[str, Any]) -> None:
    assert "quota" not in values(quotas)
    # a foundation never prunes: one that was there is emptied
    assert values(quotas, quota={})["quota"] == {}


def test_a_lowered_quota_never_keeps_a_running_node_from_coming_back() -> None:
    held = shipped.admitted(shipped.WIDE).spec
    # 3 nodes of 4 cores and 16Gi, 500Gi each, in this region
    lowered = values({"cpu": "1", "memory": "1Gi", "storage": "1Gi"}, held)
    assert lowered == {
        "owners": [],
        "quota": {
            "requests.storage": "1875Gi",
            "requests.cpu": "17",
            "limits.cpu": "17",
            "requests.memory": "64Gi",
            "limits.memory": "64Gi",
        },
        "needed": {"storage": "1500Gi", "cpu": "12", "memory": "48Gi"},
    }
    # it stays as it is when less is used, and goes once the quota is above it
    assert values({"cpu": "1", "memory": "1Gi", "storage": "1Gi"}, **lowered) == lowered
    raised = values({"cpu": "12", "memory": "1Gi", "storage": "1Gi"}, **lowered)
    assert (raised["needed"], raised["quota"]["limits.cpu"]) == ({"storage": "1500Gi", "memory": "48Gi"}, "17")
    assert "needed" not in values({"services": 1}, **lowered)
    # what somebody wrote there that is no amount counts for nothing
    assert "needed" not in values({"cpu": "20"}, quota={}, needed={"cpu": "many", "memory": 3})
    assert "needed" not in values({"cpu": "20"}, quota={}, needed=["cpu"])


def helm() -> str:
    """Helm from PATH, or the one that the lab has fetched or built."""
    built = sorted(cache_folder().glob("bin/*/helm"))
    found = shutil.which("helm") or (str(built[0]) if built else "")
    if not found:
        pytest.skip("no helm here: the lab has one once it was up")
    return found


def rendered(tmp_path: Path, quotas: dict[str, Any], **stands: Any) -> dict[str, dict[str, Any]]:
    return template(tmp_path, documents.dump(values(quotas, **stands)))


def template(tmp_path: Path, own: str, catalog: Catalog | None = None) -> dict[str, dict[str, Any]]:
    """The foundation's objects out of a tenant's own values, as Argo CD has Helm make them."""
    platform = shipped.platform()
    made = repository.overlay(platform.pops["lagos"], platform, catalog or shipped.catalog())
    pops = made["overlays/lagos/tenants/values.yaml"]
    command = [helm(), "template", "tenant", str(ROOT / "gitops/charts/tenant"), "--namespace", "tenant-123"]
    for name, text in (("own", own), ("pop", documents.dump_all(pops))):
        (tmp_path / f"{name}.yaml").write_text(text)
        command += ["--values", str(tmp_path / f"{name}.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in documents.load_all(done.stdout)}


def test_the_chart_makes_quota_and_limits_out_of_the_values(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {"cpu": "100", "memory": "1Ti", "storage": "10Ti"})
    assert objects["ResourceQuota/tenant"]["metadata"]["namespace"] == "tenant-123"
    assert objects["ResourceQuota/tenant"]["spec"] == {
        "hard": {
            "requests.storage": "12800Gi",
            "requests.cpu": "127",
            "limits.cpu": "127",
            "requests.memory": "1284Gi",
            "limits.memory": "1284Gi",
        }
    }
    small = {"cpu": "250m", "memory": "512Mi"}
    (limit,) = objects["LimitRange/tenant"]["spec"]["limits"]
    assert limit == {"type": "Container", "default": small, "defaultRequest": small}
    # only what the quota asks of a pod is filled in
    (limit,) = rendered(tmp_path, {"cpu": "100"})["LimitRange/tenant"]["spec"]["limits"]
    assert limit["default"] == {"cpu": "250m"}
    assert rendered(tmp_path, {"storage": "1Ti"})["LimitRange/tenant"]["spec"] == {"limits": []}


def charted(tmp_path: Path, own: str) -> dict[str, dict[str, Any]]:
    """The foundation's objects where the catalog has a chart."""
    return template(tmp_path, own, shipped.changed_catalog(OFFER))


RELEASE = """\
owners: []
releases:
  - {name: shop-a, service: shop, engine: yugabyte, version: 2025.2.5, values: {Image: {tag: "1"}}}
  - {name: cart-a, service: cart, engine: yugabyte, gone: true}
"""


def test_a_release_is_an_application_of_a_project_that_takes_what_the_chart_makes(tmp_path: Path) -> None:
    objects = charted(tmp_path, RELEASE)
    project = objects["AppProject/charts-123"]["spec"]
    assert project["sourceRepos"] == ["https://charts.example.com", shipped.platform().repo_url]
    assert project["destinations"] == [{"name": "in-cluster", "namespace": "tenant-123"}]
    assert {item["kind"] for item in project["namespaceResourceWhitelist"]} == {
        "StatefulSet", "Service", "Secret", "ConfigMap", "PodDisruptionBudget", "Certificate",
    }  # fmt: skip
    application = objects["Application/chart-123.shop-a"]
    assert application["metadata"]["namespace"] == "argocd"
    assert application["metadata"]["annotations"] == {**tenant.KEEP, "argocd.argoproj.io/sync-wave": "1"}
    assert "finalizers" not in application["metadata"]
    assert application["metadata"]["labels"]["dbaas.example.com/service"] == "shop"
    spec = application["spec"]
    assert (spec["project"], spec["destination"]["namespace"]) == ("charts-123", "tenant-123")
    assert spec["source"] == {
        "repoURL": "https://charts.example.com",
        "chart": "yugabyte",
        "targetRevision": "2025.2.5",
        "helm": {"releaseName": "shop-a", "valuesObject": {"Image": {"tag": "1"}}},
    }
    assert spec["syncPolicy"]["automated"]["prune"] is False
    # what there was of a service that is gone goes, by an empty folder
    emptied = objects["Application/chart-123.cart-a"]["spec"]
    assert (emptied["source"]["path"], emptied["source"]["repoURL"]) == (
        "base/charts/empty",
        shipped.platform().repo_url,
    )
    assert emptied["syncPolicy"]["automated"]["prune"] is True
    # the services' project has not got what the chart makes
    allowed = {item["kind"] for item in objects["AppProject/tenant-123"]["spec"]["namespaceResourceWhitelist"]}
    assert not allowed & {"StatefulSet", "Secret", "Certificate"}


def test_without_a_chart_a_tenants_own_values_bring_none(tmp_path: Path) -> None:
    chart = "{engine: yugabyte, repoURL: https://evil.example.com, name: evil, kinds: [{group: '*', kind: '*'}]}"
    evil = f"charts: [{chart}]\n"
    assert template(tmp_path, f"{RELEASE}{evil}") == template(tmp_path, "owners: []\n")
    assert charted(tmp_path, f"{RELEASE}{evil}") == charted(tmp_path, RELEASE)
    # nor does an engine that has none
    other = charted(tmp_path, RELEASE.replace("engine: yugabyte", "engine: scylla"))
    assert [name for name in other if name.startswith("Application/chart-")] == []


def test_pods_have_accounts_with_what_they_need_and_a_tenants_own_values_bring_none(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {})
    name = "vitess-backups"
    assert objects[f"ServiceAccount/{name}"]["metadata"]["namespace"] == "tenant-123"
    rules = {resource: rule["verbs"] for rule in objects[f"Role/{name}"]["rules"] for resource in rule["resources"]}
    # what looks after backups does not touch the database
    assert (rules["vitessbackups"], rules["vitessshards"]) == (["*"], ["get", "list", "watch"])
    binding = objects[f"RoleBinding/{name}"]
    assert binding["roleRef"]["name"] == name
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "tenant-123"}]
    assert "ServiceAccount/aerospike-backup-service" in objects
    assert "Role/aerospike-backup-service" not in objects
    evil = "accounts: [{name: evil, rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]}]\n"
    assert template(tmp_path, f"owners: []\n{evil}") == template(tmp_path, "owners: []\n")


def test_without_quotas_the_chart_makes_neither(tmp_path: Path) -> None:
    kinds = {name.partition("/")[0] for name in rendered(tmp_path, {})}
    others = {"Namespace", "NetworkPolicy", "ServiceAccount", "AppProject", "Application"}
    assert kinds == {"Role", "RoleBinding", *others}
    emptied = rendered(tmp_path, {}, quota={})
    assert emptied["ResourceQuota/tenant"]["spec"] == {"hard": {}}
    assert emptied["LimitRange/tenant"]["spec"] == {"limits": []}


WIDER = """\
owners: [sre]
region: ashburn
argocd: {namespace: tenant-124, destination: elsewhere}
repository: {url: https://evil.example.com, branch: evil, path: base}
kinds: [{group: "*", kind: "*"}]
"""


def test_a_tenants_own_values_never_widen_what_it_may(tmp_path: Path) -> None:
    assert template(tmp_path, WIDER) == template(tmp_path, "owners: [sre]\n")
    objects = template(tmp_path, WIDER)
    project, services = objects["AppProject/tenant-123"], objects["Application/services-123"]
    assert project["metadata"]["namespace"] == services["metadata"]["namespace"] == "argocd"
    assert project["spec"]["namespaceResourceWhitelist"] == repository.allowed_kinds()
    assert project["spec"]["sourceRepos"] == [shipped.platform().repo_url]
    assert services["spec"]["source"] == {
        "repoURL": shipped.platform().repo_url,
        "targetRevision": "main",
        "path": "tenants/123/lagos/services",
        "directory": {"recurse": True},
    }


@pytest.mark.parametrize(
    "own",
    [
        "kind: ClusterRole\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: evil}\nowners: []\n",
        "owners: []\nextra: {}\n",
        "owners: {a: b}\n",
        "owners: []\nquota: {pods: '1'}\n",
        'owners: []\nquota: {requests.cpu: "1\\n---\\nkind: Pod"}\n',
        "quota: {}\n",
        "",
    ],
)
def test_values_that_hold_something_else_are_refused(own: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="values don't meet the specifications"):
        template(tmp_path, own)


def test_no_text_of_a_tenant_becomes_an_object(tmp_path: Path) -> None:
    objects = template(
        tmp_path, documents.dump({"owners": ["a\n---\nkind: ClusterRole\nmetadata: {name: evil}\n", '"{{']})
    )
    assert {name.partition("/")[0] for name in objects} == {
        "Namespace", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding", "AppProject", "Application",
    }  # fmt: skip
    assert objects["RoleBinding/owner"]["subjects"][0]["name"].startswith("a\n---\n")


def test_the_foundation() -> None:
    item = tenant.document("123", {"regions": ["lagos"], "owners": ["sre"]})
    pop = shipped.platform().pops["lagos"]
    files = tenant.foundation(item, pop, shipped.platform(), stands={})
    assert list(files) == ["tenants/123/lagos/application.yaml", "tenants/123/lagos/values.yaml"]
    application, values = files.values()
    assert application["metadata"]["name"] == "tenant-123"
    assert application["metadata"]["annotations"] == tenant.KEEP
    assert application["spec"]["project"] == "platform"
    source = application["spec"]["source"]
    assert source["helm"]["valueFiles"] == ["/tenants/123/lagos/values.yaml", "/overlays/lagos/tenants/values.yaml"]
    assert (source["repoURL"], source["path"]) == (shipped.platform().repo_url, "base/charts/tenant")
    assert application["spec"]["destination"] == {"name": "in-cluster", "namespace": "tenant-123"}
    assert application["spec"]["syncPolicy"]["automated"]["prune"] is False
    assert application["spec"]["syncPolicy"]["retry"]["limit"] == 2
    assert values == {"owners": ["sre"]}

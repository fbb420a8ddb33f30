from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError

from tests.unit.domain import shipped

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


def test_the_foundation() -> None:
    item = tenant.document("123", {"regions": ["lagos"], "owners": ["sre"]})
    pop = shipped.platform().pops["lagos"]
    files = tenant.foundation(item, pop, shipped.platform())
    assert list(files) == ["tenants/123/lagos/application.yaml", "tenants/123/lagos/values.yaml"]
    application, values = files.values()
    assert application["metadata"]["name"] == "tenant-123"
    assert application["metadata"]["annotations"] == tenant.KEEP
    assert application["spec"]["project"] == "platform"
    source = application["spec"]["source"]
    assert source["helm"]["valueFiles"] == ["/tenants/123/lagos/values.yaml"]
    assert (source["repoURL"], source["path"]) == (shipped.platform().repo_url, "base/charts/tenant")
    assert application["spec"]["destination"] == {"name": "in-cluster", "namespace": "tenant-123"}
    assert application["spec"]["syncPolicy"]["automated"]["prune"] is False
    assert application["spec"]["syncPolicy"]["retry"]["limit"] == 2
    assert values == {
        "region": "lagos",
        "argocd": {"namespace": "argocd", "destination": "in-cluster"},
        "repository": {
            "url": shipped.platform().repo_url,
            "branch": "main",
            "path": "tenants/123/lagos/services",
        },
        "owners": ["sre"],
    }

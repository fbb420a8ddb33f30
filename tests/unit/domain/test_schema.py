from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker, fill

from tests.unit.domain import shipped

Json = dict[str, Any]

#: The example of the requirements, as it stands there.
EXAMPLE = """
apiVersion: dbaas.example.com/v1alpha1
kind: ServiceClaim
metadata:
  name: tenant123-yugabyte
  namespace: tenant-123
spec:
  engine: yugabyte
  version: "2.18.0"
  plan: clustered
  region: lagos
  storage: {size: 2Ti, class: fast-nvme}
  replication:
    factor: 3
    regions: [lagos, johannesburg, frankfurt]
  backup:
    enabled: true
    schedule: "0 */6 * * *"
    retention: 14d
    destination: s3://backups/tenant-123/yugabyte
  observability:
    metrics: {enabled: true, scrapeInterval: 30s}
    logs: {enabled: true, retention: 30d}
  highAvailability: {enabled: true, multiAZ: true}
  networking:
    tls: {enabled: true, certificate: tenant-123-cert}
    allowedCIDRs: [10.0.0.0/8]
  resources:
    master: {replicas: 3, cpu: "8", memory: 32Gi}
    tserver: {replicas: 6, cpu: "16", memory: 64Gi}
status:
  phase: Active
  connectionString: "postgresql://yugabyte-svc.tenant-123.svc.cluster.local:5433"
  endpoints:
    - {name: master-ui, url: https://yugabyte-master-ui.lagos.dbaas.example.com}
    - {name: tserver-ui, url: https://yugabyte-tserver-ui.lagos.dbaas.example.com}
  conditions:
    - {type: Ready, status: "True", lastTransitionTime: "2025-09-24T10:00:00Z"}
    - {type: BackupConfigured, status: "True", lastTransitionTime: "2025-09-24T10:05:00Z"}
"""


def example() -> Json:
    (found,) = documents.load_all(EXAMPLE)
    assert isinstance(found, dict)
    return found


def parts(node: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from parts(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from parts(node[key], f"{path}.{key}")


def version() -> Json:
    (found,) = schema.crd()["spec"]["versions"]
    assert isinstance(found, dict)
    return found


def test_the_crd_is_structural() -> None:
    for path, node in parts(version()["schema"]["openAPIV3Schema"]):
        if "type" not in node:
            # the other way to be structural
            assert node["x-kubernetes-preserve-unknown-fields"] is True, path
            continue
        assert node["type"] in ("object", "array", "string", "integer", "boolean"), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert (node["type"] == "array") == ("items" in node), path
        if node["type"] == "object" and path != ".metadata" and "x-kubernetes-preserve-unknown-fields" not in node:
            assert "properties" in node or "additionalProperties" in node, path
        # an API server takes these nowhere in a structural schema
        assert not {"uniqueItems", "$ref", "definitions", "patternProperties"} & set(node), path


def test_every_field_of_the_spec_is_described() -> None:
    missing = [path for path, node in parts(schema.SPEC) if not node.get("description")]
    assert missing == []


def test_defaults_fit_their_own_schema() -> None:
    for path, node in parts(schema.SPEC):
        if "default" in node:
            wrong = Checker({"type": "object", "properties": {"it": node}}).errors({"it": node["default"]}, path)
            assert wrong == []


def test_every_pattern_has_words_and_compiles() -> None:
    for path, node in parts(schema.SPEC):
        if "pattern" in node:
            assert node["pattern"] in schema.PATTERNS, path
            re.compile(node["pattern"])


def test_the_crd_has_status_columns_and_short_name() -> None:
    crd = schema.crd()
    assert crd["metadata"]["name"] == "serviceclaims.dbaas.example.com"
    assert crd["spec"]["names"]["shortNames"] == ["dbc"]
    assert version()["subresources"] == {"status": {}}
    assert [column["name"] for column in version()["additionalPrinterColumns"]] == [
        "SKU",
        "Engine", "Plan", "Region", "Phase", "Ready", "Wanted", "Age",
    ]  # fmt: skip


def test_cel_says_what_a_schema_cannot() -> None:
    rules = schema.SPEC["x-kubernetes-validations"]
    messages = {rule["message"] for rule in rules}
    assert messages == {
        "sku, or engine and plan, must be given",
        "regions must contain the home region",
        "storage cannot shrink",
        "engine cannot be changed",
        "region cannot be changed",
        "serviceId cannot be changed",
    }


def test_the_example_fits_field_by_field() -> None:
    assert Checker(claim.DOCUMENT).errors(example(), "example") == []
    assert Checker(schema.STATUS).errors(example()["status"], "example") == []


def test_nothing_of_the_example_is_lost() -> None:
    spec = example()["spec"]
    assert fill(schema.SPEC, spec) == {**spec, "deletionProtection": False}


def test_the_example_is_admitted_as_it_stands() -> None:
    found, errors = shipped.admit(example())
    assert errors == []
    assert found is not None
    assert (found.sku.name, found.topology) == ("yb-clustered", "separate")
    assert {**found.spec, **example()["spec"]} == found.spec
    assert found.warnings == (
        "version 2.18.0 of yugabyte is deprecated; supported: 2025.2.5, 2025.2.1, 2024.2.4",
        "networking.tls.certificate tenant-123-cert is not used: the operator signs the certificates itself",
    )


def test_the_example_as_a_ring_is_refused_where_scylla_differs() -> None:
    item = example()
    item["spec"]["engine"] = "scylla"
    found, errors = shipped.admit(item)
    assert found is None
    assert {error.path for error in errors} == {
        "spec.version",
        "spec.backup.destination",
        "spec.networking.tls.certificate",
        "spec.resources.master",
        "spec.resources.tserver",
    }


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("allowedCIDRs", "allowed_cidrs"),
        ("multiAZ", "multi_az"),
        ("serviceId", "service_id"),
        ("scrapeInterval", "scrape_interval"),
        ("region", "region"),
        ("podCIDRs", "pod_cidrs"),
        ("repoURL", "repo_url"),
    ],
)
def test_options_are_in_snake_case(field: str, option: str) -> None:
    assert schema.snake(field) == option


def test_no_two_fields_share_an_option() -> None:
    for path, node in parts(schema.SPEC):
        names = [schema.snake(name) for name in node.get("properties", {})]
        assert len(set(names)) == len(names), path


def test_defaults_are_filled_as_the_api_server_does() -> None:
    spec = fill(schema.SPEC, {"region": "lagos", "backup": {"retention": "1d"}, "resources": {"node": {"cpu": "2"}}})
    assert spec["backup"] == {"enabled": True, "schedule": "0 2 * * *", "retention": "1d"}
    assert spec["observability"]["logs"] == {"enabled": True, "retention": "30d"}
    assert spec["networking"] == {"tls": {"enabled": True}, "allowedCIDRs": []}
    assert spec["resources"] == {"node": {"cpu": "2"}}
    assert "storage" not in spec


def test_filling_leaves_what_was_given_alone() -> None:
    given: Json = {"region": "lagos"}
    fill(schema.SPEC, given)["networking"]["allowedCIDRs"].append("10.0.0.0/8")
    assert given == {"region": "lagos"}
    assert fill(schema.SPEC, given)["networking"]["allowedCIDRs"] == []

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tools.tree import ROOT
from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, ID, OPERATION, SMALL, TENANTS, WIDE, admitted, refused

Json = dict[str, Any]

LOOSE = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=250)

LEFT = (
    "all of johannesburg, lagos: no change of a claim deletes what is in a region; let the service go from johannesburg"
    " (state: absent with regions, or playbook deprovision_service)"
)
IMMUTABLE = (
    "ScyllaDB's operator cannot change storage in place; take a SKU of more nodes, or restore a backup into a new"
    " service"
)


def merged(spec: Json, change: Json) -> Json:
    result = dict(spec)
    for key, value in change.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def test_a_small_claim_becomes_a_whole_one() -> None:
    claim = admitted(SMALL)
    assert (claim.tenant, claim.name, claim.namespace, claim.project) == ("123", "ring", "tenant-123", "default")
    assert (claim.regions, claim.topology, claim.sla, claim.price) == (["lagos"], "single", 99.5, 900)
    assert claim.warnings == ()
    assert claim.given["spec"] == {"serviceId": ID, **SMALL}
    assert claim.spec == {
        "serviceId": ID,
        "sku": "scy-ring-3",
        "engine": "scylla",
        "plan": "dedicated",
        "version": "2026.1.0",
        "region": "lagos",
        "storage": {"size": "500Gi", "class": "fast-nvme"},
        "replication": {"factor": 3, "regions": ["lagos"]},
        "backup": {"enabled": True, "schedule": "0 2 * * *", "retention": "14d"},
        "observability": {
            "metrics": {"enabled": True, "scrapeInterval": "30s"},
            "logs": {"enabled": True, "retention": "30d"},
        },
        "highAvailability": {"enabled": True, "multiAZ": True},
        "networking": {"tls": {"enabled": True}, "allowedCIDRs": []},
        "deletionProtection": False,
        "resources": {"node": {"replicas": 3, "cpu": "4", "memory": "16Gi"}},
    }


def test_the_whole_spec_fits_the_crd() -> None:
    claim = admitted(WIDE)
    assert claims._checker().errors({**claim.given, "spec": claim.spec}, "") == []


def test_admitting_changes_nothing_that_was_given() -> None:
    item = shipped.document({"serviceId": ID, **SMALL})
    before = copy.deepcopy(item)
    shipped.admit(item)
    assert item == before


@pytest.mark.parametrize(
    ("spec", "sku", "plan", "topology", "price"),
    [
        ({"engine": "scylla", "plan": "dedicated"}, "scy-ring-3", "dedicated", "single", 900),
        ({"engine": "scylla", "plan": "clustered"}, "scy-ring-5", "clustered", "single", 4000),
        ({"sku": "scy-ring-9"}, "scy-ring-9", "clustered", "single", 7200),
        ({"sku": "scy-ring-3", "plan": "clustered"}, "scy-ring-3", "clustered", "single", 2400),
        ({"sku": "scy-ring-3", "engine": "scylla"}, "scy-ring-3", "dedicated", "single", 900),
    ],
)
def test_sku_or_engine_and_plan(spec: Json, sku: str, plan: str, topology: str, price: int) -> None:
    claim = admitted({"region": "lagos", **spec})
    assert (claim.sku.name, claim.spec["plan"], claim.topology, claim.price) == (sku, plan, topology, price)


def test_several_regions_home_first() -> None:
    claim = admitted({"engine": "scylla", "plan": "global", "region": "lagos", "replication": WIDE["replication"]})
    assert (claim.sku.name, claim.topology, claim.price, claim.sla) == ("scy-ring-9", "active-active", 31000, 99.95)
    assert claim.regions == ["lagos", "johannesburg"]
    assert admitted(WIDE).topology == "stretched"


TLS = {"networking": {"tls": {"enabled": False}}}


REGIONS = "one of " + ", ".join(shipped.platform().pops)
VERSIONS = "one of " + ", ".join(shipped.catalog().engines["scylla"]["versions"])
NO_SHARED_RING = "its keyspaces share every node's disk and cores, and none of them can be held to a part"


@pytest.mark.parametrize(
    ("change", "path", "allowed", "nearest"),
    [
        ({"sku": "scy-ring-33"}, "spec.sku", "one of " + ", ".join(shipped.catalog().skus), "scy-ring-3"),
        ({"engine": "vitess"}, "spec.engine", "scylla (of SKU scy-ring-3)", "scylla"),
        ({"engine": "mysql"}, "spec.engine", "one of " + ", ".join(schema.ENGINES), None),
        (
            {"plan": "shared"},
            "spec.plan",
            f"one of dedicated, clustered, global (of SKU scy-ring-3): {NO_SHARED_RING}; nearest: SKU scy-ring-3",
            "dedicated",
        ),
        ({"plan": "global"}, "spec.replication.regions", "the global plan is for two regions or more", None),
        ({"region": "lagoss"}, "spec.region", REGIONS, "lagos"),
        ({"storage": {"size": "50Gi"}}, "spec.storage.size", "100Gi to 10Ti", "100Gi"),
        ({"storage": {"size": "11Ti"}}, "spec.storage.size", "100Gi to 10Ti", "10Ti"),
        ({"storage": {"size": "50G"}}, "spec.storage.size", "a size such as 100Gi or 2Ti", None),
        (
            {"storage": {"class": "fast-nvm"}},
            "spec.storage.class",
            "in lagos one of fast-nvme, ceph-block",
            "fast-nvme",
        ),
        ({"replication": {"factor": 2}}, "spec.replication.factor", "3 (of SKU scy-ring-3)", 3),
        ({"replication": {"factor": 10}}, "spec.replication.factor", "at most 9", 9),
        ({"replication": {"regions": []}}, "spec.replication.regions", "at least 1 entries", None),
        (
            {"replication": {"regions": ["lagos", "lagos"]}},
            "spec.replication.regions",
            "each entry once",
            None,
        ),
        (
            {"replication": {"regions": ["frankfurt"]}},
            "spec.replication.regions",
            "regions with the home region among them",
            ["lagos", "frankfurt"],
        ),
        (
            {"replication": {"regions": ["lagos", "franfurt"]}},
            "spec.replication.regions[1]",
            REGIONS,
            "frankfurt",
        ),
        ({"version": "2026.1.1"}, "spec.version", VERSIONS, "2026.1.0"),
        ({"version": "5.2"}, "spec.version", VERSIONS, "2026.1.0"),
        ({"version": 2025.1}, "spec.version", "text in quotes", None),
        (
            {"backup": {"schedule": "0 2 * *"}},
            "spec.backup.schedule",
            "five fields: minute hour day-of-month month day-of-week",
            None,
        ),
        ({"backup": {"retention": "2y"}}, "spec.backup.retention", "a duration such as 12h, 14d or 4w", None),
        ({"backup": {"retention": "99999d"}}, "spec.backup.retention", "a duration such as 12h, 14d or 4w", None),
        (
            {"backup": {"destination": "s3://backups/tenant"}},
            "spec.backup.destination",
            "a bucket without a path (ScyllaDB Manager keeps no prefix)",
            "s3://backups",
        ),
        (
            {"networking": {"allowedCIDRs": ["10.0.0.7/8"]}},
            "spec.networking.allowedCIDRs[0]",
            "a network, without bits of a host",
            "10.0.0.0/8",
        ),
        (
            {"networking": {"allowedCIDRs": ["10.0.0.0/8", "300.0.0.0/99"]}},
            "spec.networking.allowedCIDRs[1]",
            "a network such as 10.0.0.0/8",
            None,
        ),
        (TLS, "spec.networking.tls.enabled", "true: clients prove who they are by certificate", True),
        (
            {"networking": {"tls": {"certificate": "mine"}}},
            "spec.networking.tls.certificate",
            "nothing: the operator makes the certificates itself",
            None,
        ),
        (
            {"highAvailability": {"enabled": False}},
            "spec.highAvailability.enabled",
            "true: a ring always survives the loss of a node",
            True,
        ),
        (
            {"resources": {"node": {"replicas": 5}}},
            "spec.resources.node.replicas",
            "3 (of SKU scy-ring-3); scy-ring-5 has 5",
            3,
        ),
        ({"resources": {"node": {"replicas": 7}}}, "spec.resources.node.replicas", "3 (of SKU scy-ring-3)", 3),
        ({"resources": {"node": {"cpu": "1"}}}, "spec.resources.node.cpu", "2 to 32", "2"),
        (
            {"resources": {"node": {"cpu": "2500m"}}},
            "spec.resources.node.cpu",
            "whole cores: a node has CPUs of its own",
            None,
        ),
        ({"resources": {"node": {"memory": "1Ti"}}}, "spec.resources.node.memory", "8Gi to 256Gi", "256Gi"),
        ({"resources": {"tserver": {"replicas": 3}}}, "spec.resources.tserver", "roles of this engine: node", None),
        ({"serviceId": "x"}, "spec.serviceId", "a UUID in lower case", None),
    ],
)
def test_refusals(change: Json, path: str, allowed: str, nearest: object) -> None:
    errors = refused(merged(SMALL, change))
    assert set(errors) == {path}
    assert (errors[path].allowed, errors[path].nearest) == (allowed, nearest)
    node: Any = change
    for part in path.replace("[", ".").replace("]", "").split(".")[1:]:
        node = node[int(part)] if isinstance(node, list) else node.get(part)
        if node is None:
            break
    assert node is None or errors[path].given == node


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, {"spec.region", "spec.engine", "spec.plan"}),
        ({"region": "lagos"}, {"spec.engine", "spec.plan"}),
        ({"region": "lagos", "engine": "scylla"}, {"spec.plan"}),
        ({"region": "lagos", "engine": "scylla", "plan": "shared"}, {"spec.plan"}),
        ({"sku": "scy-ring-3"}, {"spec.region"}),
    ],
)
def test_what_must_be_given(given_: Json, expected: set[str]) -> None:
    assert set(refused(given_)) == expected


def test_an_engine_without_skus_names_what_there_is() -> None:
    sold_out = {f"skus/{sku.name}": None for sku in shipped.catalog().skus.values() if sku.engine == "dragonfly"}
    offered = shipped.changed_catalog(sold_out)
    bad = {"region": "lagos", "engine": "dragonfly", "plan": "shared", "storage": {"class": "tape"}}
    errors = refused(bad, offered=offered)
    assert set(errors) == {"spec.engine"}
    rest = ", ".join(engine for engine in offered.engines if engine != "dragonfly")
    assert errors["spec.engine"].allowed == f"one of {rest}: the catalog offers no dragonfly yet"


def test_a_plan_that_an_engine_lacks_names_those_that_it_has() -> None:
    error = refused({"region": "lagos", "engine": "scylla", "plan": "shared"})["spec.plan"]
    offered = "one of dedicated, clustered, global (what the catalog offers of scylla)"
    assert error.allowed == f"{offered}: {NO_SHARED_RING}; nearest: SKU scy-ring-3"
    assert error.nearest == "dedicated"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (None, {"(document)"}),
        ([], {"(document)"}),
        ("claim", {"(document)"}),
        ({}, {"apiVersion", "kind", "metadata", "spec"}),
        ({"metadata": []}, {"apiVersion", "kind", "metadata", "spec"}),
        ({"metadata": {"name": 5}}, {"apiVersion", "kind", "metadata.name", "metadata.namespace", "spec"}),
        ({"metadata": {"name": "a", "namespace": "b"}}, {"apiVersion", "kind", "metadata.namespace", "spec"}),
        ({"metadata": {"name": "a", "namespace": "tenant-"}}, {"apiVersion", "kind", "metadata.namespace", "spec"}),
    ],
)
def test_documents_that_are_no_claims(item: Any, expected: set[str]) -> None:
    found, errors = shipped.admit(item)
    assert found is None
    assert {error.path for error in errors} == expected


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": "Ring"},
        {"name": "9ring"},
        {"name": "r" * 41},
        {"name": "../ring"},
        {"namespace": "tenant-A"},
        {"namespace": "default"},
        {"namespace": "tenant-" + "1" * 41},
        {"labels": {"dbaas.example.com/project": "No Such Label"}},
        {"labels": {"dbaas.example.com/project": 7}},
        {"annotations": {}},
    ],
)
def test_metadata_that_is_refused(metadata: Json) -> None:
    item = shipped.document({"serviceId": ID, **SMALL})
    item["metadata"] |= metadata
    found, errors = shipped.admit(item)
    assert found is None
    (error,) = errors
    assert error.path.startswith(f"metadata.{next(iter(metadata))}")


def test_a_namespace_without_its_prefix_has_a_nearest() -> None:
    item = shipped.document({"serviceId": ID, **SMALL})
    item["metadata"]["namespace"] = "123"
    (error,) = shipped.admit(item)[1]
    assert (error.allowed, error.nearest) == ("tenant-<id>", "tenant-123")


def test_a_status_is_accepted_and_not_taken_over() -> None:
    claim, errors = shipped.admit({**shipped.document({"serviceId": ID, **SMALL}), "status": {"phase": "Active"}})
    assert errors == []
    assert claim is not None
    assert "status" not in claim.given


def test_everything_that_is_wrong_comes_at_once() -> None:
    errors = refused(
        {
            "sku": "scy-ring-3",
            "plan": "shared",
            "region": "atlantis",
            "version": "1.0",
            "storag": {},
            "storage": {"size": "1Gi", "class": "tape"},
            "replication": {"factor": 2, "regions": ["lagos", 5]},
            "backup": {"schedule": "never", "retention": "long"},
            "networking": {"tls": {"enabled": False}, "allowedCIDRs": ["10.0.0.1/8"]},
            "highAvailability": {"enabled": False},
            "resources": {"node": {"cpu": "64"}},
        },
    )
    assert set(errors) == {
        "spec.plan",
        "spec.region",
        "spec.version",
        "spec.storag",
        "spec.storage.size",
        "spec.replication.regions[1]",
        "spec.replication.factor",
        "spec.backup.schedule",
        "spec.backup.retention",
        "spec.networking.allowedCIDRs[0]",
        "spec.resources.node.cpu",
    }
    assert errors["spec.storag"].nearest == "storage"


def test_an_error_names_its_document() -> None:
    admission = claims.Admission(shipped.catalog(), shipped.platform(), None)
    errors = admission.admit(shipped.document({"sku": "x", "region": "lagos"}), source="claims.yaml, document 2")[1]
    assert [error.source for error in errors] == ["claims.yaml, document 2"]
    first = next(iter(shipped.catalog().skus))
    assert str(errors[0]).startswith(f"claims.yaml, document 2: spec.sku: given 'x', allowed: one of {first}")
    errors = admission.admit(shipped.document({"sku": "x", "region": "lagos"}))[1]
    assert [error.source for error in errors] == ["123/ring"]


# --- tenants ---------------------------------------------------------------------------------------------------------


def test_a_tenant_that_is_not_onboarded() -> None:
    (error,) = shipped.admit(shipped.document(SMALL, tenant="124"), tenants=TENANTS)[1]
    assert (error.path, error.nearest) == ("metadata.namespace", "tenant-123")
    (error,) = shipped.admit(shipped.document(SMALL, tenant="acme"), tenants=TENANTS)[1]
    assert error.nearest is None


def test_regions_are_the_tenants() -> None:
    errors = refused({**SMALL, "replication": {"regions": ["lagos", "ashburn"]}}, tenants=TENANTS)
    assert set(errors) == {"spec.replication.regions[1]"}
    assert errors["spec.replication.regions[1]"].allowed == "one of lagos, johannesburg (the tenant's regions)"
    assert set(refused({**SMALL, "region": "frankfurt"}, tenants=TENANTS)) == {"spec.region"}
    assert admitted(WIDE, tenants=TENANTS).regions == ["lagos", "johannesburg"]


@pytest.mark.parametrize(("project", "near"), [(None, None), ("wep", "web"), ("other", None)])
def test_projects_are_the_tenants(project: str | None, near: str | None) -> None:
    tenants = {"123": {"spec": {"regions": ["lagos"], "projects": ["web", "batch"]}}}
    (error,) = shipped.admit(shipped.document(SMALL, project=project), tenants=tenants)[1]
    assert (error.path, error.given) == ("metadata.labels.dbaas.example.com/project", project)
    assert (error.allowed, error.nearest) == ("one of web, batch", near)
    claim, errors = shipped.admit(shipped.document(SMALL, project="web"), tenants=tenants)
    assert errors == []
    assert claim is not None
    assert claim.project == "web"


# --- regions that must reach each other ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "word", "named"),
    [
        ({"pod_cidrs": ()}, "podCIDRs", {"johannesburg"}),
        ({"cluster_domain": "lagos.dbaas.internal"}, "clusterDomain", {"lagos", "johannesburg"}),
    ],
)
def test_a_ring_over_regions_needs_networks_and_names(change: Json, word: str, named: set[str]) -> None:
    shipped_pops = shipped.platform().pops
    pops = {**shipped_pops, "johannesburg": replace(shipped_pops["johannesburg"], **change)}
    platform = replace(shipped.platform(), pops=pops)
    errors = shipped.admit(shipped.document({"serviceId": ID, **WIDE}), pops=platform)[1]
    assert {error.path for error in errors} == {"spec.replication.regions"}
    assert {error.given for error in errors} == named
    assert all(word in error.allowed for error in errors)
    assert admitted({**SMALL, "region": "johannesburg"}, pops=platform).regions == ["johannesburg"]


def test_a_region_of_the_catalog_that_has_no_pop() -> None:
    pops = {name: pop for name, pop in shipped.platform().pops.items() if name != "ashburn"}
    errors = refused({**SMALL, "region": "ashburn"}, pops=replace(shipped.platform(), pops=pops))
    assert errors["spec.region"].allowed == "one of " + ", ".join(pops)


def test_a_name_must_fit_what_the_operator_makes_of_it() -> None:
    name = "r" * 40
    claim, errors = shipped.admit(shipped.document({"serviceId": ID, **WIDE}, name))
    assert claim is None
    (error,) = errors
    assert (error.path, error.allowed) == ("metadata.name", "at most 37 characters in these regions")
    assert error.nearest == name[:37]
    assert admitted(SMALL, name).name == name


def test_a_factor_needs_as_many_zones() -> None:
    offered = shipped.changed_catalog({"regions/lagos/zones": ["lagos-a", "lagos-b"]})
    errors = refused(SMALL, offered=offered)
    assert set(errors) == {"spec.replication.factor"}
    assert errors["spec.replication.factor"].allowed == "at most 2, the zones of each region: a zone holds one copy"
    assert admitted(merged(SMALL, {"highAvailability": {"multiAZ": False}}), offered=offered).spec["replication"]


def test_a_factor_needs_as_many_nodes() -> None:
    offered = shipped.changed_catalog({"skus/scy-ring-3/replicationFactor": {"default": 5, "allowed": [3, 5]}})
    spec = merged(SMALL, {"highAvailability": {"multiAZ": False}})
    assert refused(spec, offered=offered)["spec.replication.factor"].nearest == 3


# --- versions ------------------------------------------------------------------------------------------------------


def test_a_deprecated_version_is_accepted_with_a_warning() -> None:
    claim = admitted({**SMALL, "version": "2025.3.0"})
    assert claim.warnings == ("version 2025.3.0 of scylla is deprecated; supported: 2026.1.0",)


def test_an_expired_version_only_keeps_what_runs() -> None:
    offered = shipped.changed_catalog({"engines/scylla/versions/2025.3.0/channel": "expired"})
    errors = refused({**SMALL, "version": "2025.3.0"}, offered=offered)
    assert errors["spec.version"].allowed == "one of 2026.1.0, 2025.4.0, 2025.1.2"
    running = admitted({**SMALL, "version": "2025.3.0"}).spec
    claim = admitted({**SMALL, "version": "2025.3.0"}, offered=offered, before=running)
    assert claim.warnings == ("version 2025.3.0 of scylla is expired; supported: 2026.1.0",)


def test_a_version_that_the_catalog_forgot_keeps_running() -> None:
    running = admitted({**SMALL, "version": "2025.1.2"}).spec
    offered = shipped.changed_catalog({"engines/scylla/versions/2025.1.2": None})
    assert admitted(SMALL, offered=offered, before=running).spec["version"] == "2025.1.2"
    assert "spec.version" in refused({**SMALL, "version": "2025.1.2"}, offered=offered)
    assert "spec.version" in refused({**SMALL, "version": "2026.1.0"}, offered=offered, before=running)


def test_a_preview_is_accepted_with_a_warning() -> None:
    offered = shipped.changed_catalog({"engines/scylla/versions/2026.2.0": {"channel": "preview"}})
    assert "is preview" in admitted({**SMALL, "version": "2026.2.0"}, offered=offered).warnings[0]


def test_what_runs_is_not_upgraded_by_a_newer_default() -> None:
    running = admitted({**SMALL, "version": "2025.3.0"}).spec
    assert admitted(SMALL, before=running).spec["version"] == "2025.3.0"


@pytest.mark.parametrize(
    ("running", "wanted", "allowed"),
    [
        ("2025.1.2", "2026.1.0", None),
        ("2025.3.0", "2025.4.0", None),
        ("2025.1.2", "2025.3.0", "from 2025.1.2: 2025.1.2, 2025.4.0, 2026.1.0"),
        ("2026.1.0", "2025.4.0", "from 2026.1.0: 2026.1.0"),
    ],
)
def test_upgrade_paths(running: str, wanted: str, allowed: str | None) -> None:
    before = admitted({**SMALL, "version": running}).spec
    spec = {**SMALL, "version": wanted}
    if allowed is None:
        assert admitted(spec, before=before).spec["version"] == wanted
    else:
        error = refused(spec, before=before)["spec.version"]
        assert (error.allowed, error.nearest) == (allowed, running)


# --- changes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"region": "johannesburg"}, "spec.region", "lagos: it cannot be changed"),
        ({"serviceId": OPERATION}, "spec.serviceId", f"{ID}: it cannot be changed"),
        (
            {"storage": {"size": "1Ti"}},
            "spec.storage.size",
            f"500Gi: {IMMUTABLE}",
        ),
        (
            {"storage": {"size": "400Gi"}},
            "spec.storage.size",
            f"500Gi: {IMMUTABLE}",
        ),
        (
            {"storage": {"class": "ceph-block"}},
            "spec.storage.class",
            f"fast-nvme: {IMMUTABLE}",
        ),
        (
            {"highAvailability": {"multiAZ": False}},
            "spec.highAvailability.multiAZ",
            "true: racks cannot move between zones",
        ),
        (
            {"replication": {"regions": ["lagos"]}},
            "spec.replication.regions",
            LEFT,
        ),
    ],
)
def test_changes_that_are_refused(change: Json, path: str, words: str) -> None:
    errors = refused(merged(WIDE, change), before=admitted(WIDE).spec)
    assert set(errors) == {path}
    assert errors[path].allowed == words


@pytest.mark.parametrize("sku", sorted(shipped.catalog().skus))
def test_no_service_becomes_one_of_another_engine(sku: str) -> None:
    offered = shipped.catalog().skus[sku]
    before = admitted(
        {"sku": "dfly-mem-16g" if offered.engine != "dragonfly" else "mongo-flex-rs", "region": "lagos"}
    ).spec
    claim, errors = shipped.admit(shipped.document({"serviceId": ID, "sku": sku, "region": "lagos"}), before=before)
    assert claim is None
    paths = {error.path for error in errors}
    assert "spec.engine" in paths or (sku in ("yb-shared", "vt-shared") and "spec.plan" in paths)


def test_storage_never_shrinks_whatever_the_engine_can() -> None:
    before = merged(admitted(SMALL).spec, {"storage": {"size": "1Ti"}})
    (error,) = claims.Admission._changes(before, admitted(SMALL).spec)
    assert (error.path, error.allowed, error.nearest) == (
        "spec.storage.size",
        "at least 1Ti: storage cannot shrink",
        "1Ti",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"replication": {"regions": ["johannesburg", "lagos", "frankfurt"]}},
        {"sku": "scy-ring-5", "plan": "clustered"},
        {"resources": {"node": {"cpu": "16", "memory": "64Gi"}}},
        {"backup": {"enabled": False}},
        {"networking": {"allowedCIDRs": ["10.0.0.0/8"]}},
    ],
)
def test_changes_that_are_possible(change: Json) -> None:
    assert admitted(merged(WIDE, change), before=admitted(WIDE).spec).spec["serviceId"] == ID


def test_a_schedule_counts_only_where_backups_are_made() -> None:
    assert (
        admitted(merged(SMALL, {"backup": {"enabled": False, "schedule": "never"}})).spec["backup"]["enabled"] is False
    )


# --- hostile input -------------------------------------------------------------------------------------------------

WORDS = [
    "lagos", "johannesburg", "nowhere", "scylla", "yugabyte", "clustered", "global", "dedicated", "scy-ring-3",
    "scy-ring-9", "500Gi", "1Ti", "99999999999Ti", "3", "500m", "0 2 * * *", "0 0 L * *", "* * * * 7", "14d", "9999w",
    "s3://bucket", "s3://b/p/q", "10.0.0.0/8", "300.1.1.1/99", "::/0", "tenant-123", "tenant-", "ring", "a" * 40,
    "2025.3.0", "2026.1.0", "ServiceClaim", "dbaas.example.com/v1alpha1", "",
]  # fmt: skip


def fields(node: Json, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    children = {
        **node.get("properties", {}),
        **({"node": node["additionalProperties"]} if "additionalProperties" in node else {}),
    }
    for name, child in children.items():
        found += [(*path, name), *fields(child, (*path, name))]
    return found


FIELDS = fields(claims.DOCUMENT)
KEYS = sorted({name for path in FIELDS for name in path})
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)
RUNNING = admitted(SMALL).spec


def holds(item: Any, running: bool, known: bool) -> None:
    before, tenants = RUNNING if running else None, TENANTS if known else None
    claim, errors = shipped.admit(item, before=before, tenants=tenants)
    assert (claim is None) == bool(errors)
    assert all(error.path and str(error) for error in errors)
    if claim is not None:
        render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP)


@LOOSE
@given(JSON, st.booleans(), st.booleans())
def test_no_document_makes_it_fail(item: Any, running: bool, known: bool) -> None:
    holds(item, running, known)


@LOOSE
@given(st.lists(st.tuples(st.sampled_from(FIELDS), JSON), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_no_field_makes_it_fail(changes: list[tuple[tuple[str, ...], Any]], running: bool, known: bool) -> None:
    item: Json = shipped.document({"serviceId": ID, **SMALL})
    for path, value in changes:
        node = item
        for part in path[:-1]:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[path[-1]] = value
    holds(item, running, known)


@CALM
@given(st.from_regex(schema.NAME, fullmatch=True).filter(lambda name: len(name) <= 40), st.text(max_size=60))
def test_a_key_is_the_namespace_and_the_name(tenant: str, name: str) -> None:
    assert claims.key(claims.document(tenant, name, {})) == (tenant, name)


def test_a_wrong_sku_does_not_hide_what_no_sku_would_take() -> None:
    bad = {"storage": {"size": "12Ti", "class": "tape"}, "version": "4.0.0", "resources": {"node": {"replicas": 5}}}
    found = refused({"region": "lagos", "sku": "scy-ring-4", **bad})
    assert set(found) == {"spec.sku", "spec.storage.size", "spec.storage.class", "spec.version"}


def test_what_no_sku_would_take_is_said_in_the_words_of_the_nearest() -> None:
    found = refused({"region": "lagos", "sku": "scy-ring-4", "version": "1.0"})
    assert found["spec.version"].allowed == "one of 2026.1.0, 2025.4.0, 2025.3.0, 2025.1.2"


@pytest.mark.parametrize("sku", sorted(shipped.catalog().skus))
def test_regions_of_which_none_is_known_are_named(sku: str) -> None:
    claim, errors = shipped.admit(
        shipped.document({"sku": sku, "region": "lagos", "replication": {"regions": ["nowhere"]}})
    )
    assert claim is None
    assert {error.path for error in errors} == {"spec.replication.regions", "spec.replication.regions[0]"}


def test_an_unknown_home_region_blames_no_storage_class() -> None:
    found = refused({**SMALL, "region": "atlantis", "replication": {"regions": ["atlantis", "lagos"]}})
    assert set(found) == {"spec.region", "spec.replication.regions[0]"}


def test_a_service_cannot_take_the_place_of_the_tenants_own_policy() -> None:
    claim, errors = shipped.admit(shipped.document({"serviceId": ID, **SMALL}, "default-deny"))
    assert claim is None
    assert [error.path for error in errors] == ["metadata.name"]


def test_names_that_a_foundation_takes_are_refused() -> None:
    chart = (ROOT / "gitops/charts/tenant/templates/foundation.tpl").read_text()
    made = re.findall(r"kind: NetworkPolicy\nmetadata:\n  name: (\S+)", chart)
    assert made == list(claims._TAKEN)


# --- residency of backups --------------------------------------------------------------------------------------------


def destination(address: str, **more: Any) -> list[str]:
    """What is said of a claim whose backups go there, by a tenant of lagos and johannesburg."""
    spec = {"regions": ["lagos", "johannesburg"], **more}
    item = shipped.document({"serviceId": ID, **SMALL, "backup": {"enabled": False, "destination": address}})
    _claim, errors = shipped.admit(item, tenants={"123": {"metadata": {"name": "123"}, "spec": spec}})
    assert {error.path for error in errors} <= {"spec.backup.destination"}
    return [error.allowed for error in errors]


@pytest.mark.parametrize(
    "address",
    [
        "s3://dbaas-lagos-123",
        "s3://dbaas-johannesburg-123/",
        "s3://dbaas-lagos-123/yugabyte/orders",
        # the address of the requirements' example
        "s3://backups/tenant-123/yugabyte",
    ],
)
def test_backups_may_go_where_the_tenant_may(address: str) -> None:
    assert destination(address) == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://dbaas-frankfurt-123", "; this one lies in frankfurt"),
        ("s3://elsewhere", "or one that its document names in backupDestinations"),
        # what belongs to another tenant, or only looks alike
        ("s3://dbaas-lagos-124", "backupDestinations"),
        ("s3://dbaas-lagos-1234/x", "backupDestinations"),
        ("s3://backups", "backupDestinations"),
        ("s3://backups/tenant-124", "backupDestinations"),
        ("s3://backups/tenant-123/../tenant-124", "backupDestinations"),
        ("s3://backups//tenant-123", "backupDestinations"),
    ],
)
def test_backups_do_not_leave_the_tenants_regions(address: str, words: str) -> None:
    (allowed,) = destination(address)
    assert allowed.endswith(words)
    assert "(s3://dbaas-lagos-123, s3://backups/tenant-123, s3://dbaas-johannesburg-123)" in allowed


def test_a_tenants_document_may_name_further_places() -> None:
    named = {"backupDestinations": ["s3://their-own/db", "s3://vault"]}
    for address in ("s3://their-own/db", "s3://their-own/db/orders", "s3://vault/x"):
        assert destination(address, **named) == []
    for address in ("s3://their-own", "s3://their-own/dbx", "s3://vaults"):
        assert destination(address, **named) != []


def test_without_a_repository_nobody_knows_where_buckets_lie() -> None:
    assert (
        admitted({**SMALL, "backup": {"destination": "s3://elsewhere"}}).spec["backup"]["destination"]
        == "s3://elsewhere"
    )

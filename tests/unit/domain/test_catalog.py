from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import catalog as catalogs
from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import CHANNELS, Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

from tests.unit.domain import shipped

Json = dict[str, Any]
TOPOLOGY = "engines.scylla.topologies.shared.one"


def test_what_is_shipped_is_a_catalog() -> None:
    catalog = shipped.catalog()
    # these at least: one more is an edit of data
    assert set(catalog.skus) >= {
        *("yb-shared", "yb-dedicated", "yb-clustered", "yb-global"),
        *("vt-shared", "vt-sharded", "vt-dedicated"),
        *("scy-ring-3", "scy-ring-5", "scy-ring-9"),
        *("dfly-mem-16g", "dfly-mem-64g"),
        *("aero-strong-3", "aero-strong-5"),
        *("mongo-flex-rs", "mongo-flex-sharded"),
    }
    assert list(catalog.plans) == list(schema.PLANS)
    assert set(catalog.engines) == set(ENGINES) <= set(schema.ENGINES)


def test_regions_are_those_of_the_platform() -> None:
    assert set(shipped.platform().pops) == set(shipped.catalog().regions)
    domains = [pop.cluster_domain for pop in shipped.platform().pops.values()]
    assert len(set(domains)) == len(domains)


@pytest.mark.parametrize("region", shipped.catalog().regions)
def test_a_region_has_what_a_ring_needs(region: str) -> None:
    data = shipped.catalog().regions[region]
    assert schema.is_label(region, 20)
    assert len(data["zones"]) >= 3
    assert all(zone.startswith(f"{region}-") for zone in data["zones"])
    assert data["storageClasses"]
    longest = data["backups"].replace("{tenant}", "t" * 40).removeprefix("s3://")
    assert data["backups"].startswith("s3://")
    assert len(longest) <= 63
    assert shipped.catalog().buckets(region, "123")[0] == f"s3://dbaas-{region}-123"


def test_a_region_s_buckets_are_a_tenant_s_own() -> None:
    assert shipped.catalog().buckets("lagos", "123") == ["s3://dbaas-lagos-123", "s3://backups/tenant-123"]
    assert shipped.catalog().buckets("mars", "123") == []


@pytest.mark.parametrize("region", shipped.catalog().regions)
@pytest.mark.parametrize(
    ("sku", "plan"), [(sku.name, plan) for sku in shipped.catalog().skus.values() for plan in sku.plans]
)
def test_every_sku_can_be_had_everywhere(region: str, sku: str, plan: str) -> None:
    regions = [region, *(each for each in shipped.catalog().regions if each != region)]
    spec = {
        "sku": sku,
        "plan": plan,
        "region": region,
        "replication": {"regions": regions[: 2 if plan == "global" else 1]},
    }
    claim = shipped.admitted(spec)
    limits = shipped.catalog().plans[plan]["price"]
    assert limits["min"] <= claim.price <= limits.get("max", claim.price)


@pytest.mark.parametrize("engine", shipped.catalog().engines)
def test_versions_lead_to_one_that_is_supported(engine: str) -> None:
    versions, default = shipped.catalog().engines[engine]["versions"], shipped.catalog().default_version(engine)
    assert versions[default]["channel"] == "supported"
    assert all(data["channel"] in CHANNELS for data in versions.values())

    def ends(version: str) -> set[str]:
        onward = versions[version].get("upgradesTo", [])
        return {end for each in onward for end in ends(each)} or {version}

    assert {versions[end]["channel"] for version in versions for end in ends(version)} == {"supported"}


@pytest.mark.parametrize("engine", shipped.catalog().engines)
def test_pausing_is_what_the_engine_renders(engine: str) -> None:
    optional = getattr(ENGINES[engine], "optional", {})
    assert shipped.catalog().engines[engine]["capabilities"]["pause"] == (optional.get("paused") == "")


@pytest.mark.parametrize("engine", shipped.catalog().engines)
def test_each_plan_of_an_engine_chooses_a_sku(engine: str) -> None:
    for plan in shipped.catalog().engines[engine]["topologies"]:
        sku = shipped.catalog().choose(engine, plan)
        if shipped.catalog().lacks(engine, plan):
            assert sku is None
            continue
        assert sku is not None
        assert plan in sku.data["defaultFor"]


def test_ring_n_has_n_nodes() -> None:
    rings = {name: sku for name, sku in shipped.catalog().skus.items() if sku.engine == "scylla"}
    assert {"scy-ring-3", "scy-ring-5", "scy-ring-9"} <= set(rings)
    for name, sku in rings.items():
        assert sku.data["resources"]["node"]["replicas"] == int(name.rsplit("-", 1)[-1])
        assert quantity.size(sku.data["storage"]["max"]) == quantity.size("10Ti")


def test_choosing_falls_back_to_any_that_fits() -> None:
    offered = shipped.changed_catalog({"skus/scy-ring-9/defaultFor": None})
    sku = offered.choose("scylla", "global")
    assert sku is not None
    assert sku.name == "scy-ring-3"
    assert offered.choose("scylla", "shared") is None
    assert offered.choose("mysql", "clustered") is None


def test_topologies() -> None:
    catalog = shipped.catalog()
    assert catalog.topology("scylla", "dedicated", 1) == "single"
    assert catalog.topology("scylla", "clustered", 2) == "stretched"
    assert catalog.topology("scylla", "global", 3) == "active-active"
    assert catalog.topology("scylla", "global", 1) == {"refused": "the global plan is for two regions or more"}
    assert catalog.topology("yugabyte", "shared", 1) == catalog.topology("vitess", "shared", 1) == "pooled"
    assert catalog.topology("vitess", "shared", 2) == {"refused": "a shared database lives in one region"}
    assert catalog.topology("scylla", "tiny", 1) == {"refused": "scylla has no tiny plan for that"}


def test_a_plan_that_an_engine_lacks_says_why() -> None:
    alone = {"refused": "it is alone"}
    change = {"engines/scylla/topologies/shared": {"one": alone, "many": {"refused": "far"}}}
    catalog = shipped.changed_catalog(change)
    assert catalog.lacks("scylla", "shared") == "it is alone"
    # one region or many: it has the plan
    assert catalog.lacks("scylla", "global") == ""
    assert (catalog.lacks("scylla", "tiny"), catalog.lacks("mysql", "shared")) == ("", "")
    for spec in ({"engine": "scylla"}, {"sku": "scy-ring-3"}):
        error = shipped.refused({"region": "lagos", "plan": "shared", **spec}, offered=catalog)["spec.plan"]
        assert error.allowed.endswith("): it is alone; nearest: SKU scy-ring-3")


def test_the_revision_changes_with_the_data_alone() -> None:
    again = catalogs.load(reversed(shipped.sections()))
    assert again.revision == shipped.catalog().revision
    assert len(again.revision) == 12
    assert shipped.changed_catalog({"skus/scy-ring-3/price/dedicated": 901}).revision != again.revision


def test_data_loads_again() -> None:
    data = shipped.catalog().data()
    again = catalogs.load([data])
    assert isinstance(again, Catalog)
    assert again.data() == data


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"skus/scy-ring-3/engine": "scyla"}, "skus.scy-ring-3.engine", f"one of {', '.join(ENGINES)}"),
        ({"skus/scy-ring-3/plans": ["tiny"]}, "skus.scy-ring-3.plans", "one of shared, dedicated, clustered, global"),
        (
            {"skus/scy-ring-3/price/dedicated": None},
            "skus.scy-ring-3.price.dedicated",
            "a price for each plan of the SKU",
        ),
        ({"skus/scy-ring-3/price/dedicated": "cheap"}, "skus.scy-ring-3.price.dedicated", "a whole number"),
        ({"skus/scy-ring-3/storage": None}, "skus.scy-ring-3.storage", "this field is required"),
        ({"skus/scy-ring-3/storage/min": "1Ti"}, "skus.scy-ring-3.storage.default", "1Ti to 10Ti"),
        ({"skus/scy-ring-3/storage/min": "1TB"}, "skus.scy-ring-3.storage.min", "a size such as 100Gi or 2Ti"),
        (
            {"skus/scy-ring-3/resources": {"node": {"replicas": 3}}},
            "skus.scy-ring-3.resources.node.cpu",
            "this field is required",
        ),
        ({"skus/scy-ring-3/resources/node/cpu/max": "3"}, "skus.scy-ring-3.resources.node.cpu.default", "2 to 3"),
        (
            {"skus/scy-ring-3/replicationFactor/default": 5},
            "skus.scy-ring-3.replicationFactor.default",
            "one of those allowed",
        ),
        ({"skus/scy-ring-5/defaultFor": ["dedicated"]}, "skus.scy-ring-5.defaultFor", "one of clustered, global"),
        (
            {"engines/scylla/versions/2026.1.0/channel": "old"},
            "engines.scylla.versions.2026.1.0.channel",
            "one of preview, supported, deprecated, expired",
        ),
        (
            {"engines/scylla/versions/2026.1.0/channel": "expired"},
            "engines.scylla.versions.2026.1.0.channel",
            "for the default version another channel",
        ),
        ({"engines/scylla/versions/2026.1.0/default": False}, "engines.scylla.versions", "one default version"),
        ({"engines/scylla/versions/2025.4.0/default": True}, "engines.scylla.versions", "one default version"),
        (
            {"engines/scylla/versions/2025.4.0/upgradesTo": ["9.9"]},
            "engines.scylla.versions.2025.4.0.upgradesTo",
            "one of " + ", ".join(shipped.catalog().engines["scylla"]["versions"]),
        ),
        (
            {"engines/mongodb/versions/8.0.17/released": "soon"},
            "engines.mongodb.versions.8.0.17.released",
            "a date such as 2026-01-31, or a month such as 2026-01",
        ),
        ({"regions/lagos/zones": []}, "regions.lagos.zones", "at least 1 entries"),
        ({"regions/lagos/zones": ["a", "a"]}, "regions.lagos.zones", "each entry once"),
        ({"regions/lagos/storageClasses": None}, "regions.lagos.storageClasses", "this field is required"),
        ({"plans/shared/sla": None}, "plans.shared.sla", "this field is required"),
        ({"plans/shared/allows": None}, "plans.shared.allows", "this field is required"),
        (
            {"skus/yb-shared/price/shared": 201},
            "skus.yb-shared.price.shared",
            "50 to 200 USD a month (of plan shared, in 1 region)",
        ),
        (
            {"skus/yb-global/price/global": 4999},
            "skus.yb-global.price.global",
            "10000 or more USD a month (of plan global, in 2 regions)",
        ),
        (
            {"skus/dfly-mem-16g/plans": ["shared"], "skus/dfly-mem-16g/price": {"shared": 100}},
            "skus.dfly-mem-16g.price.shared",
            "plans that the engine has: DragonflyDB has no users that see just their part of it",
        ),
        ({"skus/yb-shared/database": None}, "skus.yb-shared.database", "what the engine takes as a database's name"),
        ({"skus/yb-shared/edition": "closed"}, "skus.yb-shared.edition", "one of open-source"),
        ({"engines/scylla/topologies/shared": None}, "engines.scylla.topologies.shared", "a row for each plan"),
        (
            {"engines/scylla/topologies/global/many": "everywhere"},
            "engines.scylla.topologies.global.many",
            "one of single, separate, stretched, one-way, active-active, or {refused: why}",
        ),
        (
            {"engines/vitess/topologies/dedicated/one": "pooled"},
            "engines.vitess.topologies.dedicated.one",
            "one of single, separate, stretched, one-way, active-active, or {refused: why}",
        ),
        (
            {"engines/vitess/topologies/shared/one": {"refused": "no", "because": "so"}},
            "engines.vitess.topologies.shared.one",
            "one of pooled, or {refused: why}",
        ),
        ({"engines/scylla/capabilities/pitr": None}, "engines.scylla.capabilities.pitr", "this field is required"),
        ({"engines/scylla/capabilities/cdc": False}, "engines.scylla.capabilities.cdc", "text in quotes"),
        (
            {"regions/lagos/pools": {"yugabyte": ["a"]}},
            "regions.lagos.pools.yugabyte[0]",
            "a service as tenant/service",
        ),
    ],
)
def test_what_is_refused(change: Json, path: str, allowed: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        shipped.changed_catalog(change)
    assert caught.value.code == "catalog-invalid"
    assert (path, allowed) in [(error.path, error.allowed) for error in caught.value.errors]


@pytest.mark.parametrize(
    "document", [None, [], "x", {"skus": []}, {"colours": {}}, {"skus": {"a": None}}, {"skus": None}]
)
def test_files_that_are_no_catalog(document: Any) -> None:
    with pytest.raises(InvalidFields, match="catalog-invalid"):
        catalogs.load([*copy.deepcopy(shipped.sections()), document])


def test_a_name_that_is_there_twice() -> None:
    with pytest.raises(InvalidFields) as caught:
        catalogs.load([*shipped.sections(), {"regions": shipped.catalog().regions}])
    assert [error.path for error in caught.value.errors] == [f"regions.{name}" for name in shipped.catalog().regions]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"engines/yugabyte/driver": "chart"}, "engines.yugabyte.driver"),
        ({"engines/yugabyte/driver": "helm"}, "engines.yugabyte.driver"),
        (
            {"engines/scylla/chart": {"repoURL": "x", "name": "x", "version": "1"}},
            "engines.scylla.chart",
        ),
        ({"engines/yugabyte/chart": {"repoURL": "x", "name": "x"}}, "engines.yugabyte.chart.version"),
    ],
)
def test_what_cannot_be_chosen_to_make_services(change: Json, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        shipped.changed_catalog(change)
    assert [error.path for error in caught.value.errors] == [path]


def test_operators_make_services_unless_the_catalog_says_otherwise() -> None:
    assert {shipped.catalog().driver(engine) for engine in shipped.catalog().engines} == {"operator"}
    assert shipped.catalog().charts == {}


# --- what a platform puts over it ------------------------------------------------------------------------------------


def test_it_extends_replaces_and_takes_away() -> None:
    versions = {"2026.1.0": {"default": None}, "2026.2.0": {"channel": "preview", "default": True}}
    first = {
        "engines": {"scylla": {"versions": versions}},
        "skus": {"scy-ring-9": None, "scy-ring-3": {"storage": {"max": "20Ti"}}},
    }
    own = [first, {"skus": {"scy-ring-3": {"price": {"dedicated": 1000}}}}]
    catalog = catalogs.load(shipped.sections(), own)
    assert (catalog.default_version("scylla"), "scy-ring-9" in catalog.skus) == ("2026.2.0", False)
    ring = catalog.skus["scy-ring-3"].data
    assert (ring["storage"], ring["price"]["dedicated"]) == ({"default": "500Gi", "min": "100Gi", "max": "20Ti"}, 1000)
    # what was shipped is as it was
    assert shipped.catalog().skus["scy-ring-3"].data["storage"]["max"] == "10Ti"
    assert catalog.revision != shipped.catalog().revision == catalogs.load(shipped.sections(), []).revision


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ({"colours": {}}, "colours"),
        ([], "(document)"),
        ({"skus": []}, "skus"),
        ({"skus": {"a": 5}}, "skus.a"),
        ({"skus": {"a": {"title": "A"}}}, "skus.a.engine"),
        ({"plans": {"shared": None}}, "skus.yb-shared.plans"),
        # nobody could make a service of it
        ({"engines": {"mysql": shipped.catalog().engines["scylla"]}}, "engines.mysql"),
        # null within an answer takes its reason away
        ({"engines": {"scylla": {"topologies": {"shared": {"one": {"refused": None}}}}}}, TOPOLOGY),
        ({"engines": {"scylla": {"topologies": {"shared": {"one": {"refused": 3}}}}}}, TOPOLOGY),
        ({"engines": {"scylla": {"versions": {"9 x": {"channel": "supported"}}}}}, "engines.scylla.versions.9 x"),
        (
            {"engines": {"scylla": {"parameters": {"a": {"restart": "none", "min": 2, "max": 1}}}}},
            "engines.scylla.parameters.a.min",
        ),
        # what no claim could be rendered with
        ({"skus": {"scy-ring-3": {"resources": {"node": None}}}}, "skus.scy-ring-3.resources"),
        ({"skus": {"mongo-flex-sharded": {"resources": {"configsvr": None}}}}, "skus.mongo-flex-sharded.resources"),
        ({"skus": {"A ring": shipped.catalog().skus["scy-ring-3"].data}}, "skus.A ring"),
        ({"skus": {"scy-ring-3": {"price": {"dedicated": 900.5}}}}, "skus.scy-ring-3.price.dedicated"),
        ({"skus": {"yb-shared": {"database": {"maxLength": 5}}}}, "skus.yb-shared.database.maxLength"),
        ({"plans": {"dedicated": {"sla": 995}}}, "plans.dedicated.sla"),
        ({"regions": {"A place": shipped.catalog().regions["lagos"]}}, "regions.A place"),
        ({"regions": {"lagos": {"backups": "s3://db-{tenat}"}}}, "regions.lagos.backups"),
        ({"regions": {"lagos": {"buckets": ["ftp://backups"]}}}, "regions.lagos.buckets[0]"),
        # a pool of what takes no databases of others
        ({"regions": {"lagos": {"pools": {"yugabite": ["platform/a"]}}}}, "regions.lagos.pools"),
        ({"regions": {"lagos": {"pools": {"scylla": ["platform/a"]}}}}, "regions.lagos.pools"),
    ],
)
def test_it_is_checked_as_a_whole(own: Any, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        catalogs.load(shipped.sections(), [own])
    assert (caught.value.code, path in [error.path for error in caught.value.errors]) == ("catalog-invalid", True)


def test_the_nearest_sku_of_a_plan_that_is_lacking() -> None:
    catalog = shipped.catalog()
    near = {(engine, plan): catalog.nearest_sku(engine, plan) for engine in ENGINES for plan in catalog.plans}
    assert all(sku and sku.engine == engine for (engine, _plan), sku in near.items())
    assert getattr(near["dragonfly", "global"], "name", "") == "dfly-mem-16g"
    assert getattr(near["vitess", "global"], "name", "") == "vt-sharded"
    assert catalog.nearest_sku("scylla", "tiny") is catalog.nearest_sku("mysql", "shared") is None

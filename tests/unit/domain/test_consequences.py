"""What a change means: hand-made expectations for each field, and for any two claims that nothing is left unsaid."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import catalog as catalogs
from ansible_collections.dbaas.platform.plugins.module_utils.domain import consequences as module
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.consequences import (
    NOTHING,
    Effects,
    consequences,
    creation,
    of_change,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ClaimsPlan,
    Document,
    Operation,
    Request,
    plan_claims,
    wanted_paths,
)
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tests.unit.domain import shipped
from tests.unit.domain.shipped import SMALL, admitted

Json = dict[str, Any]
Files = dict[str, bytes]

MINUTES = 60
TENANTS = copy.deepcopy(shipped.TENANTS)
TENANTS["123"]["spec"]["allows"] = {"overrides": ["NetworkPolicy", "Dragonfly", "ScyllaCluster"], "images": True}


def merged(spec: Json, change: Json) -> Json:
    found = copy.deepcopy(spec)
    for key, value in change.items():
        found[key] = merged(found[key], value) if isinstance(found.get(key), dict) else value
    return found


def planned(files: Files, spec: Json, *, project: str | None = None, **more: Any) -> ClaimsPlan:
    documents = [Document("", shipped.document(spec, project=project))]
    return plan_claims(
        documents,
        {path: files[path] for path in wanted_paths(documents, shipped.platform()) if path in files},
        catalog=more.get("catalog", shipped.catalog()),
        platform=shipped.platform(),
        tenants=more.get("tenants", TENANTS),
        request=Request("c0ffee", "ada", "30m", more.get("renderer", "1.0.0")),
        yaml=shipped.YAML,
    )


def applied(files: Files, plan: ClaimsPlan) -> Files:
    return {**files, **{path: content for path, content in plan.files.items() if content is not None}}


def change(before: Json, after: Json, **more: Any) -> Operation:
    files = applied({}, planned({}, before))
    (operation,) = planned(files, after, **more).operations
    return operation


def said(operation: Operation) -> dict[str, tuple[str, int]]:
    return {item.field: (item.restart, item.seconds) for item in operation.effects.consequences}


# --- ScyllaDB, by hand: a node takes five minutes to restart or to join -----------------------------------------------


@pytest.mark.parametrize(
    ("after", "restart", "minutes", "fields"),
    [
        ({"resources": {"node": {"cpu": "8"}}}, "rolling", 15, {"spec.resources.node.cpu": ("rolling", 900)}),
        (
            {"resources": {"node": {"cpu": "8", "memory": "32Gi"}}},
            "rolling",
            15,
            {"spec.resources.node.cpu": ("rolling", 900), "spec.resources.node.memory": ("rolling", 900)},
        ),
        ({"networking": {"allowedCIDRs": ["10.0.0.0/8"]}}, "none", 0, {"spec.networking.allowedCIDRs": ("none", 0)}),
        ({"backup": {"schedule": "0 3 * * *"}}, "none", 0, {"spec.backup.schedule": ("none", 0)}),
        ({"backup": {"destination": "s3://dbaas-lagos-123"}}, "none", 0, {"spec.backup.destination": ("none", 0)}),
        (
            {"observability": {"metrics": {"enabled": False}}},
            "none",
            0,
            {"spec.observability.metrics.enabled": ("none", 0)},
        ),
        ({"plan": "clustered"}, "none", 0, {"spec.plan": ("none", 0)}),
        (
            {"replication": {"regions": ["lagos", "johannesburg"]}},
            "none",
            15,
            {"spec.replication.regions": ("none", 900)},
        ),
        (
            # a larger SKU: its own plan and defaults come with it
            {"sku": "scy-ring-5"},
            "rolling",
            25,
            {
                "spec.sku": ("none", 0),
                "spec.plan": ("none", 0),
                "spec.resources.node.replicas": ("none", 600),
                "spec.resources.node.cpu": ("rolling", 900),
                "spec.resources.node.memory": ("rolling", 900),
            },
        ),
    ],
)
def test_a_ring_of_three_in_one_region(after: Json, restart: str, minutes: int, fields: Json) -> None:
    operation = change(SMALL, merged(SMALL, after))
    assert said(operation) == fields
    assert set(operation.changed) == set(fields)
    assert (operation.effects.restart, operation.effects.seconds) == (restart, (minutes + 1) * MINUTES)


def test_all_nodes_of_all_regions_restart() -> None:
    wide = merged(SMALL, {"replication": {"regions": ["lagos", "johannesburg"]}})
    assert said(change(wide, merged(wide, {"resources": {"node": {"cpu": "8"}}}))) == {
        "spec.resources.node.cpu": ("rolling", 6 * 300)
    }


def test_scaling_in_hands_the_data_on_and_restarts_nothing() -> None:
    five = merged(SMALL, {"sku": "scy-ring-5", "resources": {"node": {"cpu": "4", "memory": "16Gi"}}})
    operation = change(five, merged(five, {"sku": "scy-ring-3", "plan": "clustered"}))
    assert said(operation) == {"spec.sku": ("none", 0), "spec.resources.node.replicas": ("none", 600)}
    (nodes,) = [item for item in operation.effects.consequences if item.seconds]
    assert nodes.how == "2 nodes of each region are decommissioned one by one: they hand their data on first"
    assert operation.effects.irreversible == ()
    assert (operation.effects.cost_before, operation.effects.cost_after) == (4000, 2400)


def test_what_cannot_be_undone_is_named() -> None:
    assert change({**SMALL, "version": "2025.4.0"}, {**SMALL, "version": "2026.1.0"}).effects.irreversible == (
        "spec.version: ScyllaDB never goes back to an older version",
    )
    wide = merged(SMALL, {"replication": {"regions": ["lagos", "johannesburg"]}})
    assert change(SMALL, wide).effects.irreversible == ()
    shorter = merged(SMALL, {"backup": {"retention": "7d"}})
    assert change(SMALL, shorter).effects.irreversible == ("spec.backup.retention: backups older than 7d are deleted",)
    assert change(shorter, SMALL).effects.irreversible == ()


def test_cost_in_words_and_figures() -> None:
    wide = merged(SMALL, {"replication": {"regions": ["lagos", "johannesburg"]}})
    effects = change(SMALL, wide).effects
    assert effects.data()["cost_monthly_usd"] == {"before": 900, "after": 1800, "delta": 900}
    assert effects.text()[:2] == ["restart: none; about 16 min", "cost: $900 -> $1800 a month (+$900)"]
    five = {**SMALL, "sku": "scy-ring-5"}
    less = change(five, {**SMALL, "plan": "dedicated"}).effects
    assert less.text()[1] == "cost: $4000 -> $900 a month (-$3100)"
    gone = shipped.changed_catalog({"skus/scy-ring-3/price/clustered": 2100, "skus/scy-ring-5/price/clustered": 2100})
    assert change(five, {**SMALL, "plan": "clustered"}, catalog=gone).effects.cost_before == 2100
    assert module.price({**admitted(SMALL).spec, "sku": "gone"}, shipped.catalog()) is None


def test_a_new_service() -> None:
    wide = merged(SMALL, {"replication": {"regions": ["lagos", "johannesburg"]}})
    effects = creation(admitted(wide).spec, shipped.catalog())
    assert effects == Effects("none", 60 + 6 * 300, None, 1800)
    assert effects.text() == ["restart: none; about 31 min", "cost: nothing -> $1800 a month (+$1800)"]
    (operation,) = planned({}, wide).operations
    assert operation.effects == effects


def test_nothing_is_nothing() -> None:
    assert change(SMALL, SMALL).effects == NOTHING
    assert NOTHING.text() == ["nothing changes"]
    assert of_change(admitted(SMALL).spec, admitted(SMALL).spec, [], shipped.catalog()).restart == "none"


def test_a_field_of_which_nobody_says_anything_is_told_as_the_worst() -> None:
    spec = admitted(SMALL).spec
    (found,) = consequences(spec, {**spec, "novelty": 1}, ["spec.novelty"], shipped.catalog())
    assert (found.restart, found.how) == ("outage", "the engine does not say what this does")


def test_another_project_is_a_change_of_labels() -> None:
    files = applied({}, planned({}, SMALL, project="web"))
    (operation,) = planned(files, SMALL, project="shop").operations
    assert operation.changed == ("metadata.labels.dbaas.example.com/project",)
    assert said(operation) == {operation.changed[0]: ("none", 0)}


def test_quotas_before_and_after() -> None:
    tenants = copy.deepcopy(TENANTS)
    tenants["123"]["spec"]["quotas"] = {
        "services": 5,
        "plans": {"dedicated": {"cpu": "100"}},
        "regions": {"lagos": {"memory": "1Ti"}},
    }
    files = applied({}, planned({}, SMALL, tenants=tenants))
    (operation,) = planned(files, merged(SMALL, {"resources": {"node": {"cpu": "8"}}}), tenants=tenants).operations
    assert list(operation.effects.quota) == [
        {"scope": "in all", "amount": "services", "limit": "5", "before": "1", "after": "1"},
        {"scope": "for plan dedicated", "amount": "cpu", "limit": "100", "before": "12", "after": "24"},
        {"scope": "in lagos", "amount": "memory", "limit": "1Ti", "before": "48Gi", "after": "48Gi"},
    ]
    assert "quota for plan dedicated: cpu 12 -> 24 of 100" in operation.effects.text()
    (made,) = planned({}, SMALL, tenants=tenants).operations
    assert made.effects.quota[0] == {
        "scope": "in all",
        "amount": "services",
        "limit": "5",
        "before": "0",
        "after": "1",
    }


# --- what a newer catalog or renderer takes along ---------------------------------------------------------------------


def test_a_change_says_what_a_newer_catalog_takes_along() -> None:
    newer = shipped.changed_catalog({"engines/scylla/agentVersion": "3.11.0"})
    operation = change(SMALL, merged(SMALL, {"backup": {"retention": "30d"}}), catalog=newer)
    assert said(operation) == {"spec.backup.retention": ("none", 0), "ScyllaCluster ring": ("rolling", 0)}
    assert operation.effects.restart == "rolling"
    dearer = shipped.changed_catalog({"skus/scy-ring-3/price/dedicated": 950})
    assert said(change(SMALL, merged(SMALL, {"backup": {"retention": "30d"}}), catalog=dearer)) == {
        "spec.backup.retention": ("none", 0)
    }
    # the same objects, whoever renders them
    assert change(SMALL, {**SMALL, "plan": "clustered"}, renderer="2.0.0").effects.restart == "none"


# --- for any two claims -----------------------------------------------------------------------------------------------


def _fields(optional: Json) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in optional.items()})


ENGINES: Json = {
    "dragonfly": {
        "sku": ["dfly-mem-16g", "dfly-mem-64g"],
        "plan": ["dedicated"],
        "version": ["1.39.0", "1.38.1", "1.36.0"],
        "parameters": [{"maxclients": 1000}, {"maxclients": 2000, "cache_mode": True}],
        "images": [{"server": "registry.example.com/dragonfly"}],
        "roles": ["node"],
    },
    "mongodb": {
        "sku": ["mongo-flex-rs", "mongo-flex-sharded"],
        "plan": ["dedicated", "clustered", "global"],
        "version": ["8.0.19", "8.0.17", "7.0.28"],
        "parameters": [{"operationProfiling.mode": "all"}, {"net.maxIncomingConnections": 1000}],
        "images": [{"exporter": "registry.example.com/exporter:1"}],
        "roles": ["mongod"],
    },
    "scylla": {
        "sku": ["scy-ring-3", "scy-ring-5", "scy-ring-9"],
        "plan": ["dedicated", "clustered", "global"],
        "version": ["2026.1.0", "2025.4.0", "2025.3.0", "2025.1.2"],
        "parameters": [{"hinted_handoff_enabled": False}, {"blocked-reactor-notify-ms": 50}],
        "images": [{"server": "registry.example.com/scylla"}],
        "roles": ["node"],
    },
    "yugabyte": {
        "sku": ["yb-dedicated", "yb-clustered", "yb-global"],
        "plan": ["dedicated", "clustered", "global"],
        "version": ["2025.2.5", "2025.2.1", "2024.2.4", "2.20.1", "2.18.0"],
        "parameters": [{"ysql_max_connections": 500}, {"cdc_intent_retention_ms": 3600000}],
        "images": [],
        "roles": ["master", "tserver"],
    },
    "aerospike": {
        "sku": ["aero-strong-3", "aero-strong-5"],
        "plan": ["dedicated", "clustered", "global"],
        "version": ["8.1.2.0", "8.0.0.3", "7.2.0.1"],
        "parameters": [{"nsup-period": 60}, {"proto-fd-max": 20000, "partition-tree-sprigs": 512}],
        "images": [{"backup": "registry.example.com/backup:3.5.0"}],
        "roles": ["node"],
    },
    "vitess": {
        "sku": ["vt-dedicated", "vt-sharded"],
        "plan": ["dedicated", "clustered"],
        "version": ["24.0.4", "24.0.0", "23.0.0"],
        "parameters": [{"max_connections": 1000}, {"max_memory_rows": 1000}],
        "images": [{"server": "registry.example.com/lite"}],
        "roles": ["vtgate", "vttablet", "mysqld"],
    },
    "pooled": {
        "sku": ["yb-shared", "vt-shared"],
        "plan": ["shared"],
        "version": [],
        "roles": ["vttablet", "mysqld"],
    },
}


def specs(engine: str) -> st.SearchStrategy[Json]:
    """Claims of an engine, of all fields that there are, mostly such as may follow each other."""
    offered = ENGINES[engine]
    amounts = _fields({"cpu": ["4", "8"], "memory": ["16Gi", "32Gi"]})
    if engine == "pooled":
        return _in_a_pool(offered)
    window = {"days": ["sat", "sun"], "start": "22:30", "duration": "4h"}
    policy = {"kind": "NetworkPolicy", "patch": {"spec": {"policyTypes": ["Ingress"]}}}
    return st.fixed_dictionaries(
        {"sku": st.sampled_from(offered["sku"]), "region": st.just("lagos")},
        optional={
            "plan": st.sampled_from(offered["plan"]),
            "version": st.sampled_from(offered["version"]),
            "deletionProtection": st.booleans(),
            "parameters": st.sampled_from(offered["parameters"]),
            "images": st.sampled_from(offered["images"] or [{}]),
            "paused": st.booleans(),
            "maintenance": st.sampled_from([{"windows": [window]}, {"windows": [window, {**window, "days": ["mon"]}]}]),
            "placement": _fields(
                {
                    "nodeSelector": [{"example.com/disk": "nvme"}],
                    "tolerations": [[{"key": "example.com/databases", "operator": "Exists", "effect": "NoSchedule"}]],
                }
            ),
            "overrides": st.sampled_from([[], [policy]]),
            "storage": _fields({"size": ["500Gi", "1Ti"], "class": ["fast-nvme"]}),
            "replication": _fields(
                {"factor": [2, 3, 5], "regions": [["lagos"], ["lagos", "johannesburg"], ["johannesburg", "lagos"]]}
            ),
            "resources": st.fixed_dictionaries({}, optional=dict.fromkeys(offered["roles"], amounts)),
            "backup": _fields(
                {
                    "enabled": [True, False],
                    "schedule": ["0 2 * * *", "0 */6 * * *"],
                    "retention": ["14d", "7d"],
                    "destination": ["s3://dbaas-lagos-123"],
                }
            ),
            "networking": st.fixed_dictionaries(
                {},
                optional={
                    "allowedCIDRs": st.sampled_from([[], ["10.0.0.0/8"]]),
                    "tls": _fields({"enabled": [True], "certificate": ["own"]}),
                },
            ),
            "highAvailability": _fields({"enabled": [True], "multiAZ": [True, False]}),
            "observability": st.fixed_dictionaries(
                {},
                optional={
                    "metrics": _fields({"enabled": [True, False], "scrapeInterval": ["30s", "1m"]}),
                    "logs": _fields({"enabled": [True, False], "retention": ["30d", "7d"]}),
                },
            ),
        },
    )


def _in_a_pool(offered: Json) -> st.SearchStrategy[Json]:
    """Those of the shared plan; few fields are their own."""
    amounts = _fields({"cpu": ["500m", "1"], "memory": ["1Gi", "2Gi"]})
    return st.fixed_dictionaries(
        {"sku": st.sampled_from(offered["sku"]), "region": st.just("lagos")},
        optional={
            "plan": st.sampled_from(offered["plan"]),
            "deletionProtection": st.booleans(),
            "database": _fields({"name": ["shop"]}),
            "placement": _fields({"pool": ["platform/pool-a"]}),
            "storage": _fields({"size": ["10Gi", "20Gi"], "class": ["fast-nvme", "ceph-block"]}),
            "replication": _fields({"regions": [["lagos"]]}),
            "resources": st.fixed_dictionaries({}, optional=dict.fromkeys(offered["roles"], amounts)),
            "backup": _fields({"retention": ["14d", "7d"]}),
            "networking": _fields({"allowedCIDRs": [[], ["10.0.0.0/8"]]}),
            "highAvailability": _fields({"multiAZ": [True, False]}),
            "observability": st.just({"logs": {"enabled": False}}),
            "parameters": st.just({"anything": 1}),
            "paused": st.booleans(),
        },
    )


#: the shipped catalog with a pool
POOLS = {"yugabyte": ["platform/pool-a"], "vitess": ["platform/pool-a"]}


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(specs("pooled"), specs("pooled"), st.booleans())
def test_so_have_those_of_a_database_in_a_pool(before: Json, after: Json, late: bool) -> None:
    pool = shipped.changed_catalog({"regions/lagos/pools": POOLS})
    try:
        files = applied({}, planned({}, before, catalog=shipped.catalog() if late else pool))
        second = planned(files, after, catalog=pool)
    except InvalidFields:
        assume(False)
    (operation,) = second.operations
    assert {item.field for item in operation.effects.consequences} == set(operation.changed)
    assert all(item.how and "does not say" not in item.how for item in operation.effects.consequences)
    third = planned(applied(files, second), after, catalog=pool)
    assert (third.files, [item.action for item in third.operations]) == ({}, ["unchanged"])


def test_the_claims_below_have_every_field_that_there_is() -> None:
    """Whoever adds a field adds it there, and so has to say what changing it means."""
    known = set(schema.SPEC["properties"]) - {"serviceId", "engine"}
    fields: set[str] = set()

    def complete(spec: Json) -> bool:
        fields.update(spec)
        return known <= fields

    with contextlib.suppress(NoSuchExample):
        find(st.one_of(*map(specs, ENGINES)), complete, settings=settings(max_examples=500, phases=[Phase.generate]))
    assert fields == known, "fields whose change nobody looks at"


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(
    st.sampled_from([engine for engine in ENGINES if engine != "pooled"]).flatmap(
        lambda engine: st.tuples(specs(engine), specs(engine))
    ),
    st.sampled_from([None, "web"]),
)
def test_every_field_that_changes_has_its_consequence_and_a_plan_that_is_applied_is_empty(
    both: tuple[Json, Json], project: str | None
) -> None:
    before, after = both
    try:
        files = applied({}, planned({}, before))
        second = planned(files, after, project=project)
    except InvalidFields:
        assume(False)
    (operation,) = second.operations
    told = {item.field for item in operation.effects.consequences}
    assert told == set(operation.changed)
    assert all(item.how and "does not say" not in item.how for item in operation.effects.consequences)
    assert all(item.restart in catalogs.RESTARTS and item.seconds >= 0 for item in operation.effects.consequences)
    assert operation.effects.restart in {"none", *(item.restart for item in operation.effects.consequences)}
    files = applied(files, second)
    third = planned(files, after, project=project)
    assert (third.files, [item.action for item in third.operations]) == ({}, ["unchanged"])
    # and back, where that is allowed: the plan of a rollback covers as much
    try:
        (back,) = planned(files, before).operations
    except InvalidFields:
        return
    assert {item.field for item in back.effects.consequences} == set(back.changed)

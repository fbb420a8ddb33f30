from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Backup, Consequence, Rule
from ansible_collections.dbaas.platform.plugins.module_utils.engines.yugabyte import (
    SCHEDULE,
    STORAGE,
    UNIVERSE,
    Yugabyte,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, admitted, only, refused, rendered
from tests.unit.domain.test_schema import example

Json = dict[str, Any]

ENGINE = Yugabyte()
PLAIN: Json = {"sku": "yb-dedicated", "region": "lagos"}
WIDE: Json = {**PLAIN, "replication": {"regions": ["lagos", "johannesburg"]}}


def universe(spec: Json, region: str = "lagos") -> Json:
    found = only(rendered(spec, "shop")[region], "YBUniverse")["spec"]
    assert isinstance(found, dict)
    return found


def the_example() -> dict[str, list[Json]]:
    item = example()
    item["spec"]["serviceId"] = shipped.ID
    claim, errors = shipped.admit(item)
    assert claim is not None, errors
    return render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP)


def test_the_example_is_a_universe_in_each_of_its_regions() -> None:
    """What the operator's definition asks for, worked out by hand from the claim of the requirements."""
    regions = the_example()
    assert list(regions) == ["lagos", "johannesburg", "frankfurt"]
    for region, objects in regions.items():
        made = only(objects, "YBUniverse")
        assert (made["apiVersion"], made["metadata"]["name"]) == ("operator.yugabyte.io/v1alpha1", "tenant123-yugabyte")
        master, tserver = {"cpu": "8", "memory": "32Gi"}, {"cpu": "16", "memory": "64Gi"}
        labels = {"dbaas.example.com/service": "tenant123-yugabyte"}
        assert made["spec"] == {
            "ybSoftwareVersion": "2.18.0.1-b4",
            "numNodes": 6,
            "replicationFactor": 3,
            "zoneFilter": [f"{region}-a", f"{region}-b", f"{region}-c"],
            "enableNodeToNodeEncrypt": True,
            "enableClientToNodeEncrypt": True,
            "enableYSQLAuth": True,
            "ysqlPassword": {"secretName": "tenant123-yugabyte-credentials"},
            "deviceInfo": {"volumeSize": 2048, "numVolumes": 1, "storageClass": "fast-nvme"},
            "masterDeviceInfo": {"volumeSize": 50, "numVolumes": 1, "storageClass": "fast-nvme"},
            "kubernetesOverrides": {
                "resource": {
                    "master": {"requests": master, "limits": master},
                    "tserver": {"requests": tserver, "limits": tserver},
                },
                "master": {"podLabels": {**labels, "dbaas.example.com/role": "master"}},
                "tserver": {"podLabels": {**labels, "dbaas.example.com/role": "tserver"}},
            },
        }


def test_the_examples_backups_go_where_it_says_and_stay_fourteen_days() -> None:
    objects = the_example()["frankfurt"]
    storage, schedule = only(objects, "StorageConfig"), only(objects, "BackupSchedule")
    assert storage["metadata"]["name"] == "tenant123-yugabyte-backups"
    assert storage["spec"] == {
        "config_type": "STORAGE_S3",
        "data": {"BACKUP_LOCATION": "s3://backups/tenant-123/yugabyte", "USE_IAM": True},
    }
    assert schedule["metadata"]["name"] == "tenant123-yugabyte-yugabyte"
    assert schedule["spec"] == {
        "universe": "tenant123-yugabyte",
        "storageConfig": "tenant123-yugabyte-backups",
        "keyspace": "yugabyte",
        "backupType": "PGSQL_TABLE_TYPE",
        "cronExpression": "0 */6 * * *",
        "timeBeforeDelete": 1209600000,
    }


@pytest.mark.parametrize(
    ("sku", "plan", "tservers"),
    [("yb-dedicated", "dedicated", 3), ("yb-clustered", "clustered", 6), ("yb-global", "global", 6)],
)
def test_sizes_come_from_the_sku(sku: str, plan: str, tservers: int) -> None:
    regions = ["lagos", "frankfurt"] if plan == "global" else ["lagos"]
    spec = universe({"sku": sku, "region": "lagos", "replication": {"regions": regions}})
    roles = shipped.catalog().skus[sku].data["resources"]
    assert (spec["numNodes"], spec["replicationFactor"], spec["deviceInfo"]["volumeSize"]) == (tservers, 3, 500)
    for role, amounts in roles.items():
        wanted = {amount: amounts[amount]["default"] for amount in ("cpu", "memory")}
        assert spec["kubernetesOverrides"]["resource"][role] == {"requests": wanted, "limits": wanted}


@CALM
@given(st.integers(100, 10240), st.booleans())
def test_a_size_is_the_same_in_whole_gib(gib: int, in_tebi: bool) -> None:
    size = f"{gib // 1024}Ti" if in_tebi and gib >= 1024 else f"{gib}Gi"
    wanted = gib // 1024 * 1024 if size.endswith("Ti") else gib
    assert universe({**PLAIN, "storage": {"size": size}})["deviceInfo"]["volumeSize"] == wanted


@CALM
@given(st.integers(1, 9999), st.sampled_from([("h", 3600), ("d", 86400), ("w", 604800)]))
def test_retention_is_in_milliseconds(amount: int, unit: tuple[str, int]) -> None:
    spec = {**PLAIN, "backup": {"retention": f"{amount}{unit[0]}"}}
    made = only(rendered(spec)["lagos"], "BackupSchedule")["spec"]
    assert made["timeBeforeDelete"] == amount * unit[1] * 1000


def test_every_version_has_a_full_build() -> None:
    for version, data in shipped.catalog().engines["yugabyte"]["versions"].items():
        build = universe({**PLAIN, "version": version})["ybSoftwareVersion"]
        assert build == data["build"]
        assert build.startswith(f"{version}.")
        assert "-b" in build


@pytest.mark.parametrize("gone", ["engines/yugabyte/versions/2.18.0", "engines/yugabyte/versions/2.18.0/build"])
def test_a_version_that_runs_must_stay_in_the_catalog(gone: str) -> None:
    spec = {**PLAIN, "version": "2.18.0"}
    changes: Json = {gone: None}
    offered = shipped.changed_catalog(changes)
    claim = admitted(spec, offered=offered, before=admitted(spec).spec)
    with pytest.raises(InvalidFields, match=r"engines\.yugabyte\.versions\.2\.18\.0\.build") as caught:
        render(claim, offered, shipped.platform(), shipped.STAMP)
    assert caught.value.code == "catalog-invalid"


def test_one_zone_where_multi_az_is_off() -> None:
    assert universe({**PLAIN, "highAvailability": {"multiAZ": False}})["zoneFilter"] == ["lagos-a"]


def test_regions_are_not_joined() -> None:
    """Nothing of one region's objects names the other, and no other region's pods are let in."""
    for region, objects in rendered(WIDE).items():
        (other,) = {"lagos", "johannesburg"} - {region}
        for item in objects[1:]:
            assert other not in str(item["spec"]), item
        _clients, peers, *_rest = only(objects, "NetworkPolicy")["spec"]["ingress"]
        assert peers["from"] == [{"podSelector": {"matchLabels": {"dbaas.example.com/service": "ring"}}}]
    assert admitted(WIDE).topology == "separate"


def test_regions_that_are_not_joined_need_no_way_to_each_other() -> None:
    """What a ring needs of the PoPs is not asked of universes of their own."""
    pops = {name: replace(pop, pod_cidrs=()) for name, pop in shipped.platform().pops.items()}
    lonely = replace(shipped.platform(), pops=pops)
    admitted(WIDE, pops=lonely)
    claim, errors = shipped.admit(shipped.document({"serviceId": shipped.ID, **shipped.WIDE}), pops=lonely)
    assert claim is None
    assert {error.given for error in errors} == {"lagos", "johannesburg"}


@CALM
@given(
    st.from_regex(schema.NAME, fullmatch=True).filter(lambda name: len(name) <= schema.NAME_LENGTH),
    st.from_regex(schema.LABEL, fullmatch=True).filter(lambda name: len(name) <= 40),
)
def test_all_names_are_within_limits(name: str, tenant: str) -> None:
    claim, errors = shipped.admit(shipped.document({"serviceId": shipped.ID, **WIDE}, name, tenant))
    assert claim is not None, errors
    for objects in render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP).values():
        for item in objects:
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", item["metadata"]["name"])
            # a Service's name is a DNS label, and what is left of one is for the operator's suffixes
            assert len(item["metadata"]["name"]) <= 63
            assert item["metadata"]["name"].startswith(name)
        keys = [(item["kind"], item["metadata"]["name"]) for item in objects]
        assert len(set(keys)) == len(keys)
        labels = only(objects, "YBUniverse")["spec"]["kubernetesOverrides"]["tserver"]["podLabels"]
        assert all(len(value) <= 63 for value in labels.values())


def test_pods_are_found_by_labels_of_ours() -> None:
    objects = rendered(PLAIN, "shop")["lagos"]
    labels = only(objects, "YBUniverse")["spec"]["kubernetesOverrides"]
    services = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "Service"}
    assert set(services) == {"shop-master", "shop-tserver"}
    for role in ("master", "tserver"):
        assert services[f"shop-{role}"]["selector"] == labels[role]["podLabels"]
    ports = {port["name"]: port["port"] for service in services.values() for port in service["ports"]}
    assert ports == {"master-metrics": 7000, "ysql": 5433, "tserver-metrics": 9000, "ysql-metrics": 13000}
    assert all(port["targetPort"] == port["port"] for service in services.values() for port in service["ports"])
    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": {"dbaas.example.com/service": "shop"}}
    assert [port["port"] for port in policy["ingress"][0]["ports"]] == [5433]
    assert {7100, 9100, 18018} <= {port["port"] for port in policy["ingress"][1]["ports"]}


def test_metrics_are_read_where_the_processes_show_them() -> None:
    objects = rendered(PLAIN, "shop")["lagos"]
    monitor = only(objects, "ServiceMonitor")["spec"]
    assert monitor["endpoints"] == [
        {"port": port, "interval": "30s", "path": "/prometheus-metrics"}
        for port in ("master-metrics", "tserver-metrics", "ysql-metrics")
    ]
    assert monitor["selector"] == {"matchLabels": {"dbaas.example.com/service": "shop"}}
    assert monitor["targetLabels"] == ["dbaas.example.com/service"]
    (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    assert {name: rule["labels"]["severity"] for name, rule in rules.items()} == {
        "DatabaseUnhealthy": "critical",
        "DatabaseCpuHigh": "warning",
        "DatabaseDiskFull": "warning",
    }
    where = 'namespace="tenant-123",dbaas_example_com_service="shop"'
    assert rules["DatabaseUnhealthy"]["expr"] == (
        f'(count(up{{{where},endpoint="tserver-metrics"}} == 1) or vector(0)) < 3'
        f' or (count(up{{{where},endpoint="master-metrics"}} == 1) or vector(0)) < 3'
    )
    assert rules["DatabaseUnhealthy"]["for"] == "5m"
    assert "> 0.8" in rules["DatabaseCpuHigh"]["expr"]
    assert where in rules["DatabaseCpuHigh"]["expr"]


def test_the_password_is_a_secret_by_name() -> None:
    (need,) = ENGINE.secrets("shop", RUNNING)
    assert (need.name, need.purpose) == ("shop-credentials", "superuser")
    assert universe(PLAIN)["ysqlPassword"] == {"secretName": need.name}
    assert need.fields == {"username": "yugabyte", "password": "{password}", "ysqlPassword": "{password}"}


def test_where_clients_connect() -> None:
    to = ENGINE.connection("shop", "tenant-123", "lagos.internal", RUNNING)
    assert (to.scheme, to.host, to.port, to.tls) == (
        "postgresql",
        "shop-tserver.tenant-123.svc.lagos.internal",
        5433,
        True,
    )
    assert (to.secret, to.ca_secret, to.client_certificate_secret) == ("shop-credentials", None, None)


def test_keys_of_a_regions_object_storage_are_named_and_no_more() -> None:
    s3 = {"endpoint": "s3.lagos.example.com", "accessKeyId": "AKIDLAGOS", "secret": "object-storage"}
    offered = shipped.changed_catalog({"regions/lagos/s3": s3})
    objects = render(admitted(PLAIN, offered=offered), offered, shipped.platform(), shipped.STAMP)["lagos"]
    assert only(objects, "StorageConfig")["spec"] == {
        "config_type": "STORAGE_S3",
        "data": {
            "BACKUP_LOCATION": "s3://dbaas-lagos-123",
            "AWS_ACCESS_KEY_ID": "AKIDLAGOS",
            "AWS_HOST_BASE": "s3.lagos.example.com",
            "PATH_STYLE_ACCESS": True,
        },
        "awsSecretAccessKeySecret": {"name": "object-storage", "namespace": "tenant-123"},
    }


def test_backups_can_be_off() -> None:
    kinds = {item["kind"] for item in rendered({**PLAIN, "backup": {"enabled": False}})["lagos"]}
    assert not {"StorageConfig", "BackupSchedule"} & kinds


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"replication": {"factor": 5}}, "spec.replication.factor", "3 (of SKU yb-dedicated)"),
        ({"highAvailability": {"enabled": False}}, "spec.highAvailability.enabled", "true: "),
        ({"networking": {"tls": {"enabled": False}}}, "spec.networking.tls.enabled", "true: "),
        ({"resources": {"node": {"replicas": 3}}}, "spec.resources.node", "roles of this engine: master, tserver"),
        ({"resources": {"master": {"replicas": 5}}}, "spec.resources.master.replicas", "3"),
        ({"version": "2.19.0"}, "spec.version", "one of 2025.2.5"),
        ({"storage": {"size": "20Ti"}}, "spec.storage.size", "100Gi to 10Ti"),
    ],
)
def test_refusals(change: Json, path: str, allowed: str) -> None:
    assert refused({**PLAIN, **change})[path].allowed.startswith(allowed)


def test_as_many_masters_as_copies_and_enough_tservers() -> None:
    factors = {"skus/yb-dedicated/replicationFactor/allowed": [3, 5]}
    errors = refused({**PLAIN, "replication": {"factor": 5}}, offered=shipped.changed_catalog(factors))
    assert {path: error.allowed for path, error in errors.items()} == {
        "spec.replication.factor": "at most 3, the nodes of each region"
    }
    five = {**PLAIN, "sku": "yb-clustered", "replication": {"factor": 5}}
    spec = universe(five)
    assert (spec["replicationFactor"], spec["numNodes"]) == (5, 6)
    assert admitted(five).spec["resources"]["master"]["replicas"] == 5
    error = refused({**five, "resources": {"master": {"replicas": 3}}})["spec.resources.master.replicas"]
    assert (error.allowed, error.nearest) == ("5, as many as copies of the data", 5)


def test_zones_must_be_enough_to_lose_one() -> None:
    offered = shipped.changed_catalog({"regions/lagos/zones": ["lagos-a", "lagos-b"]})
    error = refused(PLAIN, offered=offered)["spec.highAvailability.multiAZ"]
    assert (error.nearest, "majority" in error.allowed) == (False, True)
    admitted({**PLAIN, "highAvailability": {"multiAZ": False}}, offered=offered)


@pytest.mark.parametrize(
    ("schedule", "retention", "hours"),
    [("0 2 * * *", "24h", None), ("0 2 * * *", "23h", 24), ("0 2 * * 1-5", "2d", 72), ("0 2 1 * *", "14d", 744)],
)
def test_backups_that_are_gone_before_there_are_others(schedule: str, retention: str, hours: int | None) -> None:
    found = admitted({**PLAIN, "backup": {"schedule": schedule, "retention": retention}}).warnings
    assert [f"up to {hours} hours after it" in warning for warning in found] == ([True] if hours else [])
    assert (
        admitted({**PLAIN, "backup": {"enabled": False, "schedule": schedule, "retention": retention}}).warnings == ()
    )


def test_a_certificate_of_ones_own_is_not_used() -> None:
    (warning,) = admitted({**PLAIN, "networking": {"tls": {"certificate": "mine"}}}).warnings
    assert warning == "networking.tls.certificate mine is not used: the operator signs the certificates itself"


RUNNING = admitted(PLAIN).spec
UNIVERSES = "the operator cannot change it on a universe"
SCHEDULES = "the operator cannot change it on a schedule"


@pytest.mark.parametrize(
    ("change", "path", "allowed", "nearest"),
    [
        ({"storage": {"class": "ceph-block"}}, "spec.storage.class", f"fast-nvme: {UNIVERSES}", "fast-nvme"),
        ({"storage": {"size": "400Gi"}}, "spec.storage.size", "at least 500Gi: storage cannot shrink", "500Gi"),
        ({"highAvailability": {"multiAZ": False}}, "spec.highAvailability.multiAZ", f"true: {UNIVERSES}", True),
        ({"backup": {"retention": "7d"}}, "spec.backup.retention", f"14d: {SCHEDULES}", "14d"),
        ({"backup": {"destination": "s3://other"}}, "spec.backup.destination", f"not given: {SCHEDULES}", None),
        ({"backup": {"enabled": False}}, "spec.backup.enabled", f"true: {SCHEDULES}", True),
    ],
)
def test_what_the_operator_cannot_change(change: Json, path: str, allowed: str, nearest: Any) -> None:
    errors = refused({**PLAIN, **change}, before=RUNNING)
    assert {found: (error.allowed, error.nearest) for found, error in errors.items()} == {path: (allowed, nearest)}


def test_copies_cannot_change_either() -> None:
    offered = shipped.changed_catalog({"skus/yb-dedicated/replicationFactor/allowed": [1, 3]})
    errors = refused({**PLAIN, "replication": {"factor": 1}}, before=RUNNING, offered=offered)
    assert errors["spec.replication.factor"].allowed == "3: the operator cannot change it on a universe"


@pytest.mark.parametrize(
    "change",
    [
        {"storage": {"size": "1Ti"}},
        {"backup": {"schedule": "0 3 * * *"}},
        {"resources": {"tserver": {"cpu": "8", "memory": "32Gi"}}},
        {"replication": {"regions": ["lagos", "frankfurt"]}},
        {"networking": {"allowedCIDRs": ["10.0.0.0/8"]}},
    ],
)
def test_what_it_can(change: Json) -> None:
    admitted({**PLAIN, **change}, before=RUNNING)


def test_backups_can_begin_later() -> None:
    off = admitted({**PLAIN, "backup": {"enabled": False}}).spec
    admitted({**PLAIN, "backup": {"retention": "7d", "destination": "s3://elsewhere"}}, before=off)


def test_versions_go_up_step_by_step() -> None:
    old = admitted({**PLAIN, "version": "2.18.0"}).spec
    admitted({**PLAIN, "version": "2.20.1"}, before=old)
    assert refused({**PLAIN, "version": "2025.2.5"}, before=old)["spec.version"].nearest == "2.18.0"


def test_consequences_of_a_change() -> None:
    old = admitted({**WIDE, "version": "2.18.0"}).spec
    bigger = {"tserver": {"cpu": "8", "memory": "32Gi"}}
    new = admitted({**WIDE, "version": "2.20.1", "storage": {"size": "1Ti"}, "resources": bigger}).spec
    rolling, never = "in place, a node at a time", "the operator has no way back to an older version"
    # two regions of three masters and three tservers, four minutes each; a minute a volume
    assert list(ENGINE.consequences(old, new)) == [
        Consequence("spec.resources.tserver.cpu", "rolling", 1440, rolling),
        Consequence("spec.resources.tserver.memory", "rolling", 1440, rolling),
        Consequence("spec.version", "rolling", 2880, rolling, never),
        Consequence("spec.storage.size", "none", 360, "in place: the volumes grow", "volumes never shrink"),
    ]
    assert list(ENGINE.consequences(old, old)) == []


def test_consequences_of_more_nodes_and_regions() -> None:
    old, new = admitted(WIDE).spec, admitted({**WIDE, "sku": "yb-clustered"}).spec
    new["replication"]["regions"] = [*new["replication"]["regions"], "frankfurt"]
    assert [each for each in ENGINE.consequences(old, new) if each.restart == "none"] == [
        Consequence(
            "spec.resources.tserver.replicas",
            "none",
            1080,
            "3 nodes more in each region take their part of the tablets over",
        ),
        Consequence(
            "spec.replication.regions",
            "none",
            1620,
            "a universe of its own in frankfurt, empty: nothing replicates until xCluster is set up",
        ),
    ]
    turned = copy.deepcopy(old)
    turned["replication"]["regions"].reverse()
    assert list(ENGINE.consequences(old, turned)) == [
        Consequence("spec.replication.regions", "none", 0, "the same regions in another order")
    ]
    (back,) = [
        each for each in ENGINE.consequences(old=new, new=old) if each.field == "spec.resources.tserver.replicas"
    ]
    assert (back.seconds, back.how) == (1620, "3 nodes of each region hand their tablets on, then go")


# --- observe -------------------------------------------------------------------------------------------------------


def observed(
    status: Json, storage: Json | None = None, schedule: Json | None = None, more: Json | None = None, **metadata: Any
) -> Any:
    objects = copy.deepcopy(rendered({**PLAIN, **(more or {})})["lagos"])
    said = {UNIVERSE.kind: status, STORAGE.kind: storage or {}, SCHEDULE.kind: schedule or {}}
    items = [{**item, "status": said[item["kind"]]} for item in objects if item["kind"] in said]
    items[0]["metadata"] |= {"generation": 2, **metadata}
    return ENGINE.observe(RUNNING, items)


WAITING = ("Unknown", "NotRegistered", "The operator has not taken the schedule yet.")
RUN = {"action_type": "EditUniverse", "status": "running", "message": "3 of 5 steps"}
READY: Json = {"universeState": "Ready", "sqlEndpoints": ["a:5433"], "actions": []}


def test_an_operator_that_has_said_nothing() -> None:
    seen = observed({})
    assert (seen.ready, seen.wanted, seen.current, seen.error) == (0, 6, False, "")
    assert (seen.message, seen.generation) == ("waiting for the operator", 2)
    assert seen.backup[:2] == ("Unknown", "NotRegistered")
    assert seen.replicating is None


def test_a_universe_that_is_made() -> None:
    seen = observed({"universeState": "Creating", "actions": [RUN]})
    assert (seen.ready, seen.wanted, seen.current) == (0, 6, False)
    assert seen.message == "the universe is Creating, 3 of 5 steps"


def test_a_universe_that_is_ready() -> None:
    seen = observed(READY)
    assert (seen.ready, seen.wanted, seen.current, seen.error, seen.terminal) == (6, 6, True, "", False)


def test_a_universe_that_is_paused_wants_no_nodes() -> None:
    asked = {"paused": True}
    rests = observed({**READY, "universeState": "Paused"}, more=asked)
    assert (rests.ready, rests.wanted, rests.current, rests.paused) == (0, 0, True, True)
    assert rests.backup[:2] == ("False", "Paused")
    stops = observed({**READY, "universeState": "Editing", "actions": [RUN]}, more=asked)
    assert (stops.ready, stops.wanted, stops.current, stops.paused) == (0, 0, False, False)
    # it goes on: what was said of the pause does not count
    assert not observed({**READY, "universeState": "Paused"}).current


@pytest.mark.parametrize("change", [{"actions": [RUN]}, {"universeState": "Editing"}, {"universeState": ""}])
def test_a_universe_that_is_not_done(change: Json) -> None:
    assert not observed({**READY, **change}).current


def test_a_universe_that_changes_keeps_its_nodes() -> None:
    assert observed({**READY, "universeState": "Editing", "actions": [RUN]}).ready == 6


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"actions": [RUN, {"action_type": "EditUniverse", "status": "failed", "message": "no zone"}]}, "no zone"),
        ({"actions": [{"action_type": "EditUniverse", "status": "failed"}]}, "EditUniverse failed"),
        ({"actions": [{"status": "failed"}]}, "an action failed"),
        ({"universeState": "Error Creating"}, "Error Creating"),
    ],
)
def test_errors_are_the_operators(change: Json, error: str) -> None:
    seen = observed({**READY, **change})
    assert (seen.error, seen.terminal, seen.current) == (error, True, False)


def test_a_universe_that_is_gone() -> None:
    rest = [item for item in rendered(PLAIN)["lagos"] if item["kind"] in (STORAGE.kind, SCHEDULE.kind)]
    seen = ENGINE.observe(RUNNING, rest)
    assert (seen.ready, seen.wanted, seen.current, seen.message) == (0, 6, False, "the universe's object is not there")
    for item in rest:
        item["status"] = {"success": True, "state": "Active"}
    apart = ENGINE.observe(admitted(WIDE).spec, rest)
    assert (apart.backup[0], apart.replicating and apart.replicating[0]) == ("True", "False")


@pytest.mark.parametrize(
    ("storage", "schedule", "expected"),
    [
        ({}, {}, WAITING),
        ({"success": True}, {}, WAITING),
        ({"success": True}, {"state": "Creating"}, WAITING),
        ({"success": True}, {"state": "Editing"}, WAITING),
        ({}, {"state": "Active"}, WAITING),
        (
            {"success": True},
            {"state": "Active"},
            ("True", "Scheduled", "Database yugabyte; others need schedules of their own."),
        ),
        ({"success": False, "message": "no bucket"}, {"state": "Active"}, ("False", "StorageFailed", "no bucket")),
        ({"success": False}, {"state": "Active"}, ("False", "StorageFailed", "")),
        ({"success": True}, {"state": "Error"}, ("False", "ScheduleFailed", "The schedule is Error.")),
        ({"success": True}, {"state": "Stopped"}, ("False", "ScheduleFailed", "The schedule is Stopped.")),
    ],
)
def test_backups_as_the_operator_says(storage: Json, schedule: Json, expected: tuple[str, str, str]) -> None:
    assert observed(READY, storage, schedule).backup == expected


def test_several_regions_do_not_replicate() -> None:
    spec = admitted(WIDE).spec
    seen = ENGINE.observe(spec, [item for item in rendered(WIDE)["lagos"] if item["kind"] == UNIVERSE.kind])
    status, reason, message = seen.replicating or ("", "", "")
    assert (status, reason) == ("False", "XClusterNotSetUp")
    assert "not in the others" in message


def fields(spec: str, status: str) -> list[Json]:
    return [
        {"manager": "argocd", "time": "2026-01-01T00:00:01Z", "fieldsV1": {"f:metadata": {}}},
        {"manager": "argocd", "time": spec, "fieldsV1": {"f:spec": {"f:numNodes": {}}}},
        {"manager": "yba", "subresource": "status", "time": status, "fieldsV1": {"f:status": {}}},
    ]


@pytest.mark.parametrize(
    ("spec", "status", "answered"),
    [
        ("2026-01-01T00:00:09Z", "2026-01-01T00:00:08Z", False),
        ("2026-01-01T00:00:09Z", "2026-01-01T00:00:09Z", True),
        ("2026-01-01T00:00:09Z", "2026-01-01T00:01:00Z", True),
    ],
)
def test_a_status_older_than_the_spec_says_nothing_of_it(spec: str, status: str, answered: bool) -> None:
    assert observed(READY, managedFields=fields(spec, status)).answered is answered
    assert observed(READY, managedFields=[*reversed(fields(spec, status)), {"manager": "nobody"}]).answered is answered
    assert observed(READY).answered


def test_of_many_writers_the_last_one_counts() -> None:
    earlier = fields("2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z")
    later = fields("2026-01-01T00:00:08Z", "2026-01-01T00:00:05Z")
    for entries in ([*earlier, *later], [*later, *earlier]):
        assert not observed(READY, managedFields=entries).answered
    later = fields("2026-01-01T00:00:08Z", "2026-01-01T00:00:09Z")
    for entries in ([*earlier, *later], [*later, *earlier]):
        assert observed(READY, managedFields=entries).answered


def test_a_universe_without_a_generation_is_of_the_first() -> None:
    (item,) = [item for item in rendered(PLAIN)["lagos"] if item["kind"] == UNIVERSE.kind]
    assert ENGINE.observe(RUNNING, [item]).generation == 1


# --- the last backup -----------------------------------------------------------------------------------------------


def test_a_last_backup_is_taken_where_the_others_are_and_kept() -> None:
    (made,) = ENGINE.snapshot(rendered(PLAIN, "shop")["lagos"], "shop-12345678")
    assert made == {
        "apiVersion": "operator.yugabyte.io/v1alpha1",
        "kind": "Backup",
        "metadata": {"name": "shop-12345678"},
        "spec": {
            "universe": "shop",
            "storageConfig": "shop-backups",
            "keyspace": "yugabyte",
            "backupType": "PGSQL_TABLE_TYPE",
        },
    }


def test_without_backups_there_is_nowhere_to_put_the_last_one() -> None:
    objects = rendered({**PLAIN, "backup": {"enabled": False}})["lagos"]
    with pytest.raises(DbaasError, match="no bucket"):
        ENGINE.snapshot(objects, "shop-12345678")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, Backup("running", "the operator has not taken the backup yet")),
        ({"message": "Backup State: InProgress"}, Backup("running", "Backup State: InProgress")),
        ({"message": "Backup State: Completed"}, Backup("done", "database yugabyte is backed up")),
        *(
            ({"message": f"Backup State: {state}"}, Backup("failed", f"Backup State: {state}"))
            for state in ("Failed", "Stopped", "Skipped", "Deleted", "FailedToDelete")
        ),
    ],
)
def test_how_far_the_last_backup_is(status: Json, expected: Backup) -> None:
    assert ENGINE.snapshot_state([{"kind": "Backup", "status": status}]) == expected
    assert ENGINE.snapshot_state([{"kind": "Backup"}]).state == "running"


# --- guards and health ---------------------------------------------------------------------------------------------


def test_guards_are_balanced_and_say_what_is_wrong() -> None:
    rules = ENGINE.guards()[UNIVERSE]
    assert len({rule.message for rule in rules}) == len(rules) == 5
    for rule in rules:
        assert rule.message.startswith("spec.")
        assert all(rule.expression.count(a) == rule.expression.count(b) for a, b in ("()", "[]", "{}"))
    for field in ("deviceInfo", "masterDeviceInfo"):
        size = f"spec.?{field}.volumeSize.orValue(0)"
        grows = Rule(
            f"oldObject == null || object.{size} >= oldObject.{size}", f"spec.{field}.volumeSize cannot shrink"
        )
        assert grows in rules


def test_health_covers_every_kind() -> None:
    assert set(ENGINE.health) == {f"operator.yugabyte.io_{kind.kind}" for kind in ENGINE.kinds}
    for lua in ENGINE.health.values():
        assert 'status = "Healthy"' in lua
        assert 'status = "Degraded"' in lua

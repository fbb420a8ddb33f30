from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Consequence
from ansible_collections.dbaas.platform.plugins.module_utils.engines.vitess import CLUSTER, INIT, Vitess
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, admitted, only, refused, rendered

Json = dict[str, Any]

ENGINE = Vitess()
PLAIN: Json = {"sku": "vt-dedicated", "region": "lagos"}
SHARDED: Json = {"sku": "vt-sharded", "region": "lagos"}
POOL = "innodb_buffer_pool_size"
EVERYWHERE: Json = {"destination": "s3://dbaas-lagos-123"}
WIDE: Json = {**PLAIN, "replication": {"regions": ["lagos", "frankfurt"]}, "backup": EVERYWHERE}
RUNNING = admitted(PLAIN).spec
#: a platform that has a lockserver over its regions
SPANNED = shipped.changed_catalog(
    {
        "engines/vitess/lockserver": "topology.example.com:2379",
        "engines/vitess/topologies/dedicated/many": "stretched",
    }
)


def cluster(spec: Json, region: str = "lagos") -> Json:
    found = only(rendered(spec, "shop")[region], "VitessCluster")["spec"]
    assert isinstance(found, dict)
    return found


def spanned(region: str) -> Json:
    """One region's part of a Vitess over two."""
    claim = admitted(WIDE, "shop", offered=SPANNED)
    objects = render(claim, SPANNED, shipped.platform(), shipped.STAMP)[region]
    found = only(objects, "VitessCluster")["spec"]
    assert isinstance(found, dict)
    return found


def partitioning(spec: Json) -> Json:
    ((one,),) = [keyspace["partitionings"] for keyspace in spec["keyspaces"]]
    found = one["equal"]
    assert isinstance(found, dict)
    return found


def pools(spec: Json) -> list[Json]:
    found = partitioning(spec)["shardTemplate"]["tabletPools"]
    assert isinstance(found, list)
    return found


# --- the cluster: what the operator's documentation asks for, worked out by hand -----------------------------------


def test_a_cell_for_each_zone_without_hyphens() -> None:
    spec = cluster(PLAIN)
    assert [(cell["name"], cell["zone"]) for cell in spec["cells"]] == [
        ("lagos_a", "lagos-a"),
        ("lagos_b", "lagos-b"),
        ("lagos_c", "lagos-c"),
    ]
    assert [(pool["cell"], pool["type"], pool["replicas"]) for pool in pools(spec)] == [
        ("lagos_a", "replica", 1),
        ("lagos_b", "replica", 1),
        ("lagos_c", "replica", 1),
    ]
    five = cluster({**PLAIN, "replication": {"factor": 5}})
    assert [pool["replicas"] for pool in pools(five)] == [2, 2, 1]
    assert partitioning(five)["parts"] == 1


def test_one_cell_where_multi_az_is_off() -> None:
    spec = cluster({**PLAIN, "highAvailability": {"multiAZ": False}})
    assert [(cell["name"], cell["gateway"]["replicas"]) for cell in spec["cells"]] == [("lagos_a", 3)]
    assert [(pool["cell"], pool["replicas"]) for pool in pools(spec)] == [("lagos_a", 3)]


@pytest.mark.parametrize(("sku", "shards", "gates"), [("vt-dedicated", 1, [1, 1, 1]), ("vt-sharded", 4, [2, 2, 2])])
def test_shards_come_from_the_sku(sku: str, shards: int, gates: list[int]) -> None:
    spec = cluster({"sku": sku, "region": "lagos"})
    assert partitioning(spec)["parts"] == shards
    # three tablets for each shard, one in each cell
    assert [pool["replicas"] for pool in pools(spec)] == [1, 1, 1]
    assert [cell["gateway"]["replicas"] for cell in spec["cells"]] == gates


def test_every_part_is_of_one_version() -> None:
    image = "vitess/lite:v24.0.4-mysql80"
    assert cluster(PLAIN)["images"] == {
        "vtctld": image,
        "vtgate": image,
        "vttablet": image,
        "vtorc": image,
        "vtbackup": image,
        "mysqld": {"mysql80Compatible": image},
        "mysqldExporter": "prom/mysqld-exporter:v0.14.0",
    }
    assert cluster({**PLAIN, "version": "23.0.0"})["images"]["vtgate"] == "vitess/lite:v23.0.0-mysql80"


def test_changes_wait_for_nobody() -> None:
    """The operator's default waits for an annotation on each child."""
    assert cluster(PLAIN)["updateStrategy"] == {"type": "Immediate"}


def test_a_shard_fails_over_by_itself_and_loses_nothing() -> None:
    (keyspace,) = cluster(PLAIN)["keyspaces"]
    small = {"cpu": "100m", "memory": "256Mi"}
    assert (keyspace["name"], keyspace["durabilityPolicy"]) == ("main", "semi_sync")
    assert keyspace["vitessOrchestrator"] == {"resources": {"requests": small, "limits": small}}


def test_vtgates_ask_for_a_password_and_tls() -> None:
    for cell in cluster({**PLAIN, "resources": {"vtgate": {"cpu": "2", "memory": "4Gi"}}})["cells"]:
        amounts = {"cpu": "2", "memory": "4Gi"}
        assert cell["gateway"] == {
            "replicas": 1,
            "resources": {"requests": amounts, "limits": amounts},
            "authentication": {"static": {"secret": {"name": "shop-credentials", "key": "users.json"}}},
            "secureTransport": {
                "required": True,
                "tls": {
                    "certSecret": {"name": "shop-tls", "key": "tls.crt"},
                    "keySecret": {"name": "shop-tls", "key": "tls.key"},
                },
            },
        }


def test_a_tablet() -> None:
    given_ = {"vttablet": {"cpu": "2", "memory": "4Gi"}, "mysqld": {"cpu": "8", "memory": "10Gi"}}
    spec = cluster({**PLAIN, "resources": given_, "storage": {"size": "1Ti", "class": "ceph-block"}})
    small = {"cpu": "100m", "memory": "256Mi"}
    for pool in pools(spec):
        assert pool["vttablet"] == {
            "resources": {"requests": given_["vttablet"], "limits": given_["vttablet"]},
            "extraFlags": {"heartbeat-enable": "true", "heartbeat-interval": "1s"},
        }
        assert pool["mysqld"] == {
            "resources": {"requests": given_["mysqld"], "limits": given_["mysqld"]},
            # 6 of 10 GiB; three days of binary logs
            "configOverrides": "innodb_buffer_pool_size=6442450944\nbinlog_expire_logs_seconds=259200\n",
        }
        assert pool["mysqldExporter"] == {"resources": {"requests": small, "limits": small}}
        assert pool["dataVolumeClaimTemplate"] == {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "ceph-block",
            "resources": {"requests": {"storage": "1Ti"}},
        }


@CALM
@given(st.integers(2, 256))
def test_the_buffer_pool_is_a_part_of_the_memory(gib: int) -> None:
    """MySQL's manual: 50 to 75 % of what there is."""
    spec = cluster({**PLAIN, "resources": {"mysqld": {"memory": f"{gib}Gi"}}})
    first = pools(spec)[0]["mysqld"]["configOverrides"].splitlines()[0]
    assert 0.5 <= int(first.partition("=")[2]) / (gib * 2**30) <= 0.75


def test_one_region_has_a_lockserver_of_its_own() -> None:
    amounts = {"cpu": "200m", "memory": "512Mi"}
    assert cluster(PLAIN)["globalLockserver"] == {
        "etcd": {
            "resources": {"requests": amounts, "limits": amounts},
            "dataVolumeClaimTemplate": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "fast-nvme",
                "resources": {"requests": {"storage": "5Gi"}},
            },
        }
    }
    assert "topologyReconciliation" not in cluster(PLAIN)
    dashboard = cluster(PLAIN)["vitessDashboard"]
    assert (dashboard["cells"], dashboard["replicas"]) == (["lagos_a"], 1)
    assert dashboard["resources"]["limits"] == {"cpu": "100m", "memory": "256Mi"}


def test_users_and_what_makes_them() -> None:
    spec = cluster(PLAIN)
    secrets = {need.name: need for need in ENGINE.secrets("shop", RUNNING)}
    script = partitioning(spec)["shardTemplate"]["databaseInitScriptSecret"]
    assert script == {"name": "shop-init", "key": "init_db.sql"}
    assert secrets["shop-init"].fields == {"init_db.sql": INIT}
    fields = secrets["shop-credentials"].fields
    assert json.loads(fields["users.json"]) == {"dbaas": [{"UserData": "dbaas", "Password": "{password}"}]}
    assert (fields["username"], fields["password"]) == ("dbaas", "{password}")
    assert (secrets["shop-init"].purpose, secrets["shop-credentials"].purpose) == ("init", "superuser")


def test_the_script_makes_the_users_that_vitess_works_as() -> None:
    made = dict(part.split("'@'")[:2] for line in INIT.splitlines() for part in line.split("CREATE USER '")[1:])
    assert {name: host.split("'")[0] for name, host in made.items()} == {
        "vt_dba": "localhost",
        "vt_app": "localhost",
        "vt_appdebug": "localhost",
        "vt_allprivs": "localhost",
        "vt_filtered": "localhost",
        "vt_monitoring": "localhost",
        "vt_repl": "%",
    }
    lines = INIT.splitlines()
    # nothing of it may reach a binary log, and a server that was read-only is so again
    assert lines.index("SET GLOBAL super_read_only = OFF;") < lines.index("SET sql_log_bin = 0;") < 4
    assert lines[0] == "SET @before = @@global.super_read_only;"
    assert lines[-4:] == [
        "FLUSH PRIVILEGES;",
        "RESET REPLICA ALL;",
        "RESET MASTER;",
        "SET GLOBAL super_read_only = @before;",
    ]
    assert "GRANT ALL ON *.* TO 'vt_dba'@'localhost' WITH GRANT OPTION;" in INIT
    assert "GRANT REPLICATION SLAVE ON *.* TO 'vt_repl'@'%';" in INIT
    assert INIT.count("REPLICATION SLAVE") == 3


def test_the_certificate_is_of_the_service_that_clients_know() -> None:
    need = next(need for need in ENGINE.secrets("shop", RUNNING) if need.name == "shop-tls")
    assert need.fields == {"tls.crt": "{certificate}", "tls.key": "{key}", "ca.crt": "{authority}"}
    assert need.hosts == ("shop-vtgate.{namespace}.svc", "shop-vtgate.{namespace}.svc.{domain}")
    own = admitted({**PLAIN, "networking": {"tls": {"certificate": "mine"}}}).spec
    assert "ring-tls" not in {need.name for need in ENGINE.secrets("ring", own)}
    assert ENGINE.connection("ring", "tenant-123", "x", own).ca_secret == "mine"
    (first, *_more) = cluster({**PLAIN, "networking": {"tls": {"certificate": "mine"}}})["cells"]
    assert first["gateway"]["secureTransport"]["tls"]["certSecret"]["name"] == "mine"


# --- several regions -----------------------------------------------------------------------------------------------


def test_several_regions_want_a_lockserver_over_them() -> None:
    error = refused(WIDE)["spec.replication.regions"]
    assert error.allowed.startswith("the regions of a Vitess share a lockserver")
    nothing = shipped.changed_catalog({"engines/vitess/topologies/dedicated/many": "stretched"})
    with pytest.raises(InvalidFields, match=r"engines\.vitess\.lockserver"):
        render(admitted(WIDE, offered=nothing), nothing, shipped.platform(), shipped.STAMP)


def test_several_regions_begin_with_one_backup() -> None:
    error = refused({**WIDE, "backup": {}}, offered=SPANNED)["spec.backup.destination"]
    assert (error.given, error.allowed.partition(":")[0]) == (None, "an address that all regions reach")
    admitted({**WIDE, "backup": {"enabled": False}}, offered=SPANNED)


def test_never_active_in_two_regions() -> None:
    error = refused({"engine": "vitess", "plan": "global", "region": "lagos"})["spec.plan"]
    assert error.allowed == (
        "one of shared, dedicated, clustered (what the catalog offers of vitess): a shard of Vitess has one primary and"
        " is never active in two regions; nearest: SKU vt-sharded"
    )


@pytest.mark.parametrize("region", ["lagos", "frankfurt"])
def test_each_region_has_its_own_cells_of_one_vitess(region: str) -> None:
    spec = spanned(region)
    cells = [f"{region}_{zone}" for zone in "abc"]
    assert [cell["name"] for cell in spec["cells"]] == cells
    assert [pool["cell"] for pool in pools(spec)] == cells
    assert spec["globalLockserver"] == {
        "external": {
            "implementation": "etcd2",
            "address": "topology.example.com:2379",
            "rootPath": f"/vitess/tenant-123/shop/{shipped.ID}/global",
        }
    }
    # without these the operator takes /vitess/<cluster>/local/<cell>, where another tenant's shop is as well
    assert [cell["lockserver"]["external"]["rootPath"] for cell in spec["cells"]] == [
        f"/vitess/tenant-123/shop/{shipped.ID}/local/{cell}" for cell in cells
    ]
    assert {cell["lockserver"]["external"]["address"] for cell in spec["cells"]} == {"topology.example.com:2379"}
    # what the other region's operator made is no left-over
    assert spec["topologyReconciliation"] == {
        "registerCellsAliases": False,
        "pruneCells": False,
        "pruneKeyspaces": False,
        "pruneShards": False,
    }


def test_one_region_begins() -> None:
    assert "replication" not in partitioning(spanned("lagos"))["shardTemplate"]
    assert partitioning(spanned("frankfurt"))["shardTemplate"]["replication"] == {
        "initializeMaster": False,
        "initializeBackup": False,
    }


# --- backups -------------------------------------------------------------------------------------------------------


def test_backups_of_every_shard() -> None:
    amounts = {"cpu": "1", "memory": "2Gi"}
    assert cluster({**PLAIN, "backup": {"schedule": "0 */6 * * *"}})["backup"] == {
        "engine": "xtrabackup",
        "locations": [
            {"s3": {"bucket": "dbaas-lagos-123", "region": "us-east-1", "keyPrefix": f"shop/{shipped.ID}"}},
        ],
        "schedules": [
            {
                "name": "scheduled",
                "schedule": "0 */6 * * *",
                "resources": {"requests": amounts, "limits": amounts},
                "strategies": [
                    {
                        "name": "all",
                        "scope": "Cluster",
                        "extraFlags": {"min_retention_time": "336h", "min_retention_count": "1"},
                    }
                ],
                "backupMethod": "vtbackup",
                "concurrencyPolicy": "Forbid",
                "jobTimeoutMinute": 720,
            }
        ],
        "subcontroller": {"serviceAccountName": "vitess-backups"},
    }
    assert "backup" not in cluster({**PLAIN, "backup": {"enabled": False}})


@pytest.mark.parametrize(("retention", "hours"), [("36h", 36), ("14d", 336), ("4w", 672)])
def test_retention_is_in_hours(retention: str, hours: int) -> None:
    ((schedule,),) = [cluster({**PLAIN, "backup": {"retention": retention}})["backup"]["schedules"]]
    assert schedule["strategies"][0]["extraFlags"]["min_retention_time"] == f"{hours}h"


def test_a_path_and_keys_of_a_regions_object_storage() -> None:
    s3 = {"endpoint": "s3.lagos.example.com:443", "accessKeyId": "AKIDLAGOS", "secret": "object-storage"}
    offered = shipped.changed_catalog({"regions/lagos/s3": s3})
    spec = {**PLAIN, "backup": {"destination": "s3://dbaas-lagos-123/deep/er/"}}
    objects = render(admitted(spec, offered=offered), offered, shipped.platform(), shipped.STAMP)["lagos"]
    made = only(objects, "VitessCluster")["spec"]
    assert made["backup"]["locations"] == [
        {
            "s3": {
                "bucket": "dbaas-lagos-123",
                "region": "us-east-1",
                "keyPrefix": f"deep/er/ring/{shipped.ID}",
                "endpoint": "s3.lagos.example.com:443",
                "forcePathStyle": True,
                "authSecret": {"name": "object-storage", "key": "credentials"},
            }
        }
    ]
    assert "AKIDLAGOS" not in json.dumps(made)


def test_a_namesake_does_not_start_from_the_backups_of_another_service() -> None:
    # the operator keeps them at <keyPrefix>/<cluster>, and a cluster that finds some there begins with them
    (before,), (after,) = (
        cluster({**PLAIN, "serviceId": each * 8 + "-1111-5111-8111-111111111111"})["backup"]["locations"]
        for each in ("1", "2")
    )
    assert before["s3"]["keyPrefix"] != after["s3"]["keyPrefix"]


def test_no_last_backup() -> None:
    with pytest.raises(DbaasError, match="on a schedule alone") as caught:
        ENGINE.snapshot(rendered(PLAIN)["lagos"], "ring-12345678")
    assert caught.value.code == "option-invalid"
    with pytest.raises(DbaasError, match="no bucket"):
        ENGINE.snapshot(rendered({**PLAIN, "backup": {"enabled": False}})["lagos"], "ring-12345678")
    assert ENGINE.snapshot_state([{"kind": "VitessCluster"}]).state == "failed"


# --- what surrounds it ---------------------------------------------------------------------------------------------


def test_clients_reach_vtgates_and_no_mysqld() -> None:
    """mysqld listens on the same port, and knows no password."""
    spec = {**PLAIN, "networking": {"allowedCIDRs": ["10.0.0.0/8"]}}
    policies = {
        item["metadata"]["name"]: item["spec"]
        for item in rendered(spec, "shop")["lagos"]
        if item["kind"] == "NetworkPolicy"
    }
    assert set(policies) == {"shop", "shop.clients"}
    everything = {"matchLabels": {"planetscale.com/cluster": "shop"}}
    assert policies["shop"]["podSelector"] == everything
    peers, operators, monitoring = policies["shop"]["ingress"]
    assert peers["from"] == [{"podSelector": everything}]
    assert {port["port"] for port in peers["ports"]} == {3306, 15999, 15000, 2379, 2380}
    assert operators["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "vitess-operator"
    }
    assert {port["port"] for port in monitoring["ports"]} == {15000, 9104}
    assert policies["shop.clients"] == {
        "podSelector": {
            "matchLabels": {"planetscale.com/cluster": "shop", "planetscale.com/component": "vtgate"},
        },
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
                "ports": [{"protocol": "TCP", "port": 3306}, {"protocol": "TCP", "port": 15999}],
            }
        ],
    }


def test_pods_are_found_by_services_whose_names_are_known() -> None:
    objects = rendered(PLAIN, "shop")["lagos"]
    services = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "Service"}
    assert set(services) == {"shop-vtgate", "shop-vttablet"}
    for role in ("vtgate", "vttablet"):
        assert services[f"shop-{role}"]["selector"] == {
            "planetscale.com/cluster": "shop",
            "planetscale.com/component": role,
        }
    ports = {port["name"]: port["port"] for service in services.values() for port in service["ports"]}
    assert ports == {"mysql": 3306, "grpc": 15999, "vtgate-web": 15000, "vttablet-web": 15000, "mysqld": 9104}
    assert all(port["targetPort"] == port["port"] for service in services.values() for port in service["ports"])


def test_metrics_and_alerts() -> None:
    objects = rendered(SHARDED, "shop")["lagos"]
    monitor = only(objects, "ServiceMonitor")["spec"]
    assert monitor["endpoints"] == [
        {"port": port, "interval": "30s"} for port in ("vtgate-web", "vttablet-web", "mysqld")
    ]
    assert monitor["selector"] == {"matchLabels": {"dbaas.example.com/service": "shop"}}
    assert monitor["targetLabels"] == ["dbaas.example.com/service"]
    (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    assert {name: rule["labels"]["severity"] for name, rule in rules.items()} == {
        "DatabaseUnhealthy": "critical",
        "ReplicationBehind": "warning",
        "DatabaseCpuHigh": "warning",
        "DatabaseDiskFull": "warning",
    }
    where = 'namespace="tenant-123",dbaas_example_com_service="shop"'
    assert rules["DatabaseUnhealthy"]["expr"] == (
        f'(count(up{{{where},endpoint="vttablet-web"}} == 1) or vector(0)) < 12'
        f' or (count(up{{{where},endpoint="vtgate-web"}} == 1) or vector(0)) < 6'
    )
    # nanoseconds
    assert rules["ReplicationBehind"]["expr"] == f"max(vttablet_heartbeat_current_lag_ns{{{where}}}) > 60000000000"
    assert 'persistentvolumeclaim=~"shop-(vttablet|etcd)-.+"' in rules["DatabaseDiskFull"]["expr"]
    assert rules["DatabaseCpuHigh"]["expr"].endswith("> 0.8")


def test_a_tablet_and_a_vtgate_may_be_evicted_at_a_time() -> None:
    budgets = {
        item["metadata"]["name"]: item["spec"]
        for item in rendered(SHARDED, "shop")["lagos"]
        if item["kind"] == "PodDisruptionBudget"
    }

    def of(component: str) -> Json:
        return {"matchLabels": {"planetscale.com/cluster": "shop", "planetscale.com/component": component}}

    # tablets are of a kind without scale, of which Kubernetes counts no maxUnavailable; vtgates are of Deployments
    assert budgets == {
        "shop": {"minAvailable": 11, "selector": of("vttablet")},
        "shop.vtgate": {"maxUnavailable": 1, "selector": of("vtgate")},
    }


def test_where_clients_connect() -> None:
    to = ENGINE.connection("shop", "tenant-123", "lagos.internal", RUNNING)
    assert (to.scheme, to.host, to.port, to.tls) == ("mysql", "shop-vtgate.tenant-123.svc.lagos.internal", 3306, True)
    assert (to.secret, to.ca_secret, to.client_certificate_secret) == ("shop-credentials", "shop-tls", None)


def test_a_tablet_has_one_volume() -> None:
    assert ENGINE.volumes(RUNNING) == {"vtgate": "0", "vttablet": "0"}


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"replication": {"factor": 4}}, "spec.replication.factor", "3, 5 (of SKU vt-dedicated)"),
        ({"highAvailability": {"enabled": False}}, "spec.highAvailability.enabled", "true: "),
        ({"networking": {"tls": {"enabled": False}}}, "spec.networking.tls.enabled", "true: "),
        ({"version": "22.0.0"}, "spec.version", "one of 24.0.4, 24.0.0, 23.0.0"),
        ({"storage": {"size": "5Ti"}}, "spec.storage.size", "20Gi to 4Ti"),
        ({"resources": {"mysqld": {"replicas": 5}}}, "spec.resources.mysqld.replicas", "3, as many as copies"),
        ({"plan": "clustered"}, "spec.plan", "one of dedicated (of SKU vt-dedicated)"),
    ],
)
def test_refusals(change: Json, path: str, allowed: str) -> None:
    errors = refused({**PLAIN, **change})
    assert list(errors) == [path]
    assert errors[path].allowed.startswith(allowed)


def test_the_pool_of_innodb_fits_mysqlds_memory() -> None:
    fits = 12 * 2**30
    assert f"innodb_buffer_pool_size={fits}" in json.dumps(cluster({**PLAIN, "parameters": {POOL: fits}}))
    found = refused({**PLAIN, "parameters": {POOL: fits + 1}})
    assert {path: error.nearest for path, error in found.items()} == {f"spec.parameters.{POOL}": fits}
    # as much is too much once the nodes are smaller
    smaller = {"mysqld": {"memory": "8Gi"}}
    assert set(refused({**PLAIN, "resources": smaller, "parameters": {POOL: fits}})) == {f"spec.parameters.{POOL}"}


def test_whole_shards_and_a_tablet_for_each_copy() -> None:
    offered = shipped.changed_catalog({"skus/vt-sharded/replicationFactor/allowed": [3, 5, 9]})
    errors = refused({**SHARDED, "replication": {"factor": 5}}, offered=offered)
    assert errors["spec.replication.factor"].allowed.startswith("a number that the 12 tablets")
    few = shipped.changed_catalog(
        {"skus/vt-sharded/replicationFactor/allowed": [3, 5], "skus/vt-sharded/resources/vttablet/replicas": 3}
    )
    _claim, wrong = shipped.admit(
        shipped.document({"serviceId": shipped.ID, **SHARDED, "replication": {"factor": 5}}), offered=few
    )
    assert "at most 3, the nodes of each region" in [error.allowed for error in wrong]


def test_two_zones_are_no_majority() -> None:
    offered = shipped.changed_catalog({"regions/lagos/zones": ["lagos-a", "lagos-b"]})
    error = refused(PLAIN, offered=offered)["spec.highAvailability.multiAZ"]
    assert (error.nearest, "lockserver" in error.allowed) == (False, True)
    admitted({**PLAIN, "highAvailability": {"multiAZ": False}}, offered=offered)


CLASS = "the operator ignores another class for volumes that are there"


@pytest.mark.parametrize(
    ("change", "path", "allowed", "nearest"),
    [
        ({"storage": {"class": "ceph-block"}}, "spec.storage.class", f"fast-nvme: {CLASS}", "fast-nvme"),
        (
            {"highAvailability": {"multiAZ": False}},
            "spec.highAvailability.multiAZ",
            "true: the operator keeps a cell while a primary is in it",
            True,
        ),
        (
            {"sku": "vt-sharded", "storage": {"size": "500Gi"}},
            "spec.sku",
            "a SKU of 1 shard: resharding (vtctldclient Reshard) is not built yet",
            "vt-dedicated",
        ),
        ({"storage": {"size": "100Gi"}}, "spec.storage.size", "at least 250Gi: storage cannot shrink", "250Gi"),
        ({"version": "24.0.0"}, "spec.version", "from 24.0.4: 24.0.4", "24.0.4"),
    ],
)
def test_what_the_operator_cannot_change(change: Json, path: str, allowed: str, nearest: Any) -> None:
    errors = refused({**PLAIN, **change}, before=RUNNING)
    assert {found: (error.allowed, error.nearest) for found, error in errors.items()} == {path: (allowed, nearest)}


def test_shards_neither_split_nor_merge() -> None:
    errors = refused({**PLAIN, "storage": {"size": "500Gi"}}, before=admitted(SHARDED).spec)
    assert errors["spec.sku"].allowed.startswith("a SKU of 4 shards: ")


def test_one_region_keeps_its_own_lockserver() -> None:
    error = refused(WIDE, before=RUNNING, offered=SPANNED)["spec.replication.regions"]
    assert (error.allowed, error.nearest) == (
        "lagos: it has a lockserver of its own, which it cannot leave for one that spans regions",
        ["lagos"],
    )
    two = admitted(WIDE, offered=SPANNED).spec
    three = {**WIDE, "replication": {"regions": ["lagos", "frankfurt", "ashburn"]}}
    many = admitted(three, before=two, offered=SPANNED).spec
    # and of three one can go, but not the last but one
    assert list(ENGINE.check_change(many, two)) == []
    (gone,) = ENGINE.consequences(many, two)
    assert "the cells in ashburn go; first see that no shard's primary is there" in gone.how
    one = {**two, "replication": {**two["replication"], "regions": ["lagos"]}}
    (error,) = ENGINE.check_change(two, one)
    assert error.allowed.startswith("two regions at least: one region has a lockserver of its own")


def test_more_copies_start_from_a_backup() -> None:
    five = {**PLAIN, "replication": {"factor": 5}}
    admitted(five, before=RUNNING)
    bare = admitted({**PLAIN, "backup": {"enabled": False}}).spec
    error = refused(five, before=bare)["spec.replication.factor"]
    assert error.allowed == "3: new tablets start from a backup, and the service has none"
    admitted(PLAIN, before=admitted({**five, "backup": {"enabled": False}}).spec)


def test_consequences() -> None:
    old = admitted({**WIDE, "version": "23.0.0"}, offered=SPANNED).spec
    changed = {
        **WIDE,
        "replication": {"factor": 5, "regions": ["lagos", "frankfurt", "ashburn"]},
        "resources": {"mysqld": {"memory": "32Gi"}},
        "storage": {"size": "500Gi"},
        "networking": {"tls": {"certificate": "ring-tls"}},
    }
    new = admitted(changed, offered=SPANNED).spec
    rolling = "in place, a node at a time"
    assert list(ENGINE.consequences(old, new)) == [
        Consequence("spec.resources.mysqld.memory", "rolling", 1800, rolling),
        Consequence("spec.version", "rolling", 5400, rolling, "the catalog knows no way back to an older version"),
        Consequence(
            "spec.resources.vttablet.replicas",
            "none",
            720,
            "2 nodes more in each region start from the last backup and catch up",
        ),
        Consequence(
            "spec.resources.mysqld.replicas",
            "none",
            720,
            "2 nodes more in each region start from the last backup and catch up",
        ),
        Consequence("spec.replication.factor", "none", 0, "5 tablets for each shard, of which one leads"),
        Consequence(
            "spec.replication.regions",
            "none",
            2340,
            "cells in ashburn join: their tablets start from a backup and follow the primary",
        ),
        Consequence("spec.storage.size", "none", 360, "in place: the volumes grow", "volumes never shrink"),
        Consequence("spec.networking.tls.certificate", "rolling", 360, "vtgates mount another Secret"),
    ]
    (back, _mysqld) = [each for each in ENGINE.consequences(old=new, new=old) if each.field.endswith(".replicas")]
    assert back.how == "2 nodes of each region hand on what they lead, then go"


@pytest.mark.parametrize("change", [{"enabled": False}, {"destination": "s3://backups/tenant-123"}])
def test_tablets_restart_to_be_told_where_backups_are(change: Json) -> None:
    (path,) = change
    (item,) = ENGINE.consequences(RUNNING, admitted({**PLAIN, "backup": change}).spec)
    assert (item.field, item.restart, item.seconds) == (f"spec.backup.{path}", "rolling", 900)
    assert item.how == "tablets are told where backups are when they start: they restart one at a time"


def test_a_change_of_machines_restarts_all_but_the_lockserver() -> None:
    moved = admitted({**PLAIN, "placement": {"nodeSelector": {"disk": "nvme"}}}).spec
    (item,) = ENGINE.consequences(RUNNING, moved)
    nodes = sum(role["replicas"] for role in RUNNING["resources"].values())
    assert (item.field, item.restart, item.seconds) == ("spec.placement", "rolling", 300 * nodes)
    assert item.how.startswith(
        "nodes restart one at a time, on machines that fit; one whose volume cannot follow stays"
    )
    assert "The lockserver moves only when somebody releases its pods" in item.how


# --- observe -------------------------------------------------------------------------------------------------------

OPEN = {f"lagos_{zone}": {"gatewayAvailable": "True"} for zone in "abc"}
TABLETS = {
    "desiredShards": 1,
    "readyShards": 1,
    "desiredTablets": 3,
    "readyTablets": 3,
    "updatedTablets": 3,
}
READY: Json = {"observedGeneration": 2, "cells": OPEN, "keyspaces": {"main": TABLETS}}


def observed(status: Json) -> Any:
    (item,) = [item for item in copy.deepcopy(rendered(PLAIN)["lagos"]) if item["kind"] == CLUSTER.kind]
    item["metadata"]["generation"] = 2
    return ENGINE.observe(RUNNING, [{**item, "status": status}])


def keyspace(**change: Any) -> Json:
    return {**READY, "keyspaces": {"main": {**TABLETS, **change}}}


def test_an_operator_that_has_said_nothing() -> None:
    seen = observed({})
    assert (seen.ready, seen.wanted, seen.current, seen.error) == (0, 3, False, "")
    assert seen.message == "no vtgate answers in lagos_a, lagos_b, lagos_c"
    (item,) = [item for item in rendered(PLAIN)["lagos"] if item["kind"] == CLUSTER.kind]
    assert not ENGINE.observe(RUNNING, [item]).current


def test_a_cluster_that_is_ready() -> None:
    seen = observed(READY)
    assert (seen.ready, seen.wanted, seen.current, seen.error, seen.message) == (3, 3, True, "", "")
    assert seen.answered
    assert seen.backup[:2] == ("Unknown", "NotReported")
    assert "its VitessShards do" in seen.backup[2]


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({**READY, "observedGeneration": 1}, 3),
        ({**READY, "cells": {**OPEN, "lagos_b": {"gatewayAvailable": "False"}}}, 3),
        ({**READY, "cells": {}}, 3),
        ({**READY, "cells": {**OPEN, "lagos_b": {"gatewayAvailable": "True", "pendingChanges": "vtgate"}}}, 3),
        (keyspace(readyTablets=2), 2),
        # those that are to go are there a while
        (keyspace(readyTablets=5, desiredTablets=5, updatedTablets=5), 3),
        (keyspace(updatedTablets=1), 3),
        (keyspace(readyShards=0), 3),
        (keyspace(readyShards=2, desiredShards=2), 3),
        (keyspace(pendingChanges="vttablet"), 3),
        ({**READY, "keyspaces": {}}, 0),
    ],
)
def test_a_cluster_that_is_not_done(status: Json, ready: int) -> None:
    seen = observed(status)
    assert seen.ready == ready
    assert seen.error == ""
    assert not (seen.current and seen.ready == seen.wanted)


def test_what_waits_is_told() -> None:
    assert observed(keyspace(pendingChanges="vttablet")).message == "changes wait: vttablet"
    both = {**keyspace(pendingChanges="vttablet"), "cells": {**OPEN, "lagos_a": {"pendingChanges": "vtgate"}}}
    assert observed(both).message == "no vtgate answers in lagos_a; changes wait: vtgate, vttablet"


@pytest.mark.parametrize(
    ("part", "why", "error"),
    [
        ("orphanedCells", {"reason": "InUse", "message": "a keyspace is in it"}, "old: a keyspace is in it"),
        ("orphanedKeyspaces", {"reason": "NotIdle", "message": ""}, "old: NotIdle"),
    ],
)
def test_what_cannot_go_is_an_error(part: str, why: Json, error: str) -> None:
    seen = observed({**READY, part: {"old": why}})
    assert (seen.error, seen.terminal) == (error, False)


# --- guards and health ---------------------------------------------------------------------------------------------


def test_guards_are_balanced_and_say_what_is_wrong() -> None:
    rules = ENGINE.guards()[CLUSTER]
    assert len({rule.message for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.message.startswith(("spec.", "metadata.name"))
        assert all(rule.expression.count(a) == rule.expression.count(b) for a, b in ("()", "[]", "{}"))


def test_health() -> None:
    assert set(ENGINE.health) == {"planetscale.com_VitessCluster"}
    (lua,) = ENGINE.health.values()
    for state in ("Healthy", "Degraded", "Progressing"):
        assert f'status = "{state}"' in lua

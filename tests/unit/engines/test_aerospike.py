from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines.aerospike import (
    BACKUP,
    BACKUP_SERVICE,
    CLUSTER,
    Aerospike,
)
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Consequence

from tests.unit.domain import shipped
from tests.unit.domain.shipped import admitted, only, refused, rendered

Json = dict[str, Any]

ENGINE = Aerospike()
PLAIN: Json = {"sku": "aero-strong-3", "region": "lagos"}
REGIONS: Json = {"replication": {"regions": ["lagos", "frankfurt"]}}
#: one way, from the home region
WIDE: Json = {**PLAIN, **REGIONS}
#: both ways
EVERYWHERE: Json = {**WIDE, "plan": "global"}
RUNNING = admitted(PLAIN).spec


def cluster(spec: Json, region: str = "lagos") -> Json:
    found = only(rendered(spec, "shop")[region], "AerospikeCluster")["spec"]
    assert isinstance(found, dict)
    return found


def config(spec: Json, region: str = "lagos") -> Json:
    found = cluster(spec, region)["aerospikeConfig"]
    assert isinstance(found, dict)
    return found


# --- the cluster: what the operator's documentation asks for, worked out by hand -----------------------------------


def test_size_image_and_racks() -> None:
    spec = cluster(PLAIN)
    assert (spec["size"], spec["image"]) == (3, "aerospike/aerospike-server-enterprise:8.1.2.0")
    # one rack a zone; its id is 1 and up, since 0 is for a rack alone
    assert spec["rackConfig"] == {
        "namespaces": ["data"],
        "racks": [{"id": 1, "zone": "lagos-a"}, {"id": 2, "zone": "lagos-b"}, {"id": 3, "zone": "lagos-c"}],
    }
    assert spec["maxUnavailable"] == 1
    assert spec["enableDynamicConfigUpdate"] is True


def test_one_rack_where_multi_az_is_off() -> None:
    spec = {**PLAIN, "highAvailability": {"multiAZ": False}}
    assert cluster(spec)["rackConfig"]["racks"] == [{"id": 1, "zone": "lagos-a"}]


def test_the_namespace_is_strongly_consistent_on_a_raw_device() -> None:
    assert config(PLAIN)["namespaces"] == [
        {
            "name": "data",
            "replication-factor": 2,
            "strong-consistency": True,
            "storage-engine": {"type": "device", "devices": ["/dbaas/dev/data"]},
        }
    ]
    assert config({**PLAIN, "replication": {"factor": 3}})["namespaces"][0]["replication-factor"] == 3


def test_volumes() -> None:
    storage = cluster({**PLAIN, "storage": {"size": "1Ti", "class": "ceph-block"}})["storage"]
    # the operator wants a file system for its work, and blocks for a device
    assert storage["volumes"] == [
        {
            "name": "workdir",
            "aerospike": {"path": "/opt/aerospike"},
            "source": {"persistentVolume": {"storageClass": "ceph-block", "volumeMode": "Filesystem", "size": "5Gi"}},
        },
        {
            "name": "data",
            "aerospike": {"path": "/dbaas/dev/data"},
            "source": {"persistentVolume": {"storageClass": "ceph-block", "volumeMode": "Block", "size": "1Ti"}},
        },
        {
            "name": "licence",
            "aerospike": {"path": "/etc/dbaas/licence"},
            "source": {"secret": {"secretName": "aerospike-feature-key"}},
        },
        {
            "name": "tls",
            "aerospike": {"path": "/etc/dbaas/tls"},
            "source": {"secret": {"secretName": "shop-tls"}},
            "sidecars": [{"containerName": "exporter", "path": "/etc/dbaas/tls"}],
        },
        {
            "name": "xdr",
            "aerospike": {"path": "/etc/dbaas/xdr"},
            "source": {"secret": {"secretName": "shop-xdr"}},
        },
    ]
    # what is left of a node that goes must not be found by the next one of its name
    assert storage["filesystemVolumePolicy"] == {"cascadeDelete": True, "initMethod": "deleteFiles"}
    assert storage["blockVolumePolicy"] == {"cascadeDelete": True, "initMethod": "blkdiscardWithHeaderCleanup"}
    taken = ("/etc/aerospike", "/configs")
    assert not [volume for volume in storage["volumes"] if volume["aerospike"]["path"].startswith(taken)]


def test_nodes_have_their_amounts_and_share_no_host() -> None:
    pod = cluster({**PLAIN, "resources": {"node": {"cpu": "8", "memory": "64Gi"}}})["podSpec"]
    wanted = {"cpu": "8", "memory": "64Gi"}
    assert pod["aerospikeContainer"] == {"resources": {"requests": wanted, "limits": wanted}}
    assert pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == {
        "nodeSelectorTerms": [
            {
                "matchExpressions": [
                    {
                        "key": "topology.kubernetes.io/zone",
                        "operator": "In",
                        "values": ["lagos-a", "lagos-b", "lagos-c"],
                    }
                ]
            }
        ]
    }
    assert {"podAntiAffinity": pod["affinity"]["podAntiAffinity"]} == {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"aerospike.com/cr": "shop"}},
                }
            ]
        }
    }
    assert pod["multiPodPerHost"] is True
    # a label that a change of plan or project would change restarts every node
    assert pod["metadata"] == {
        "labels": {
            "dbaas.example.com/tenant": "123",
            "dbaas.example.com/service": "shop",
            "dbaas.example.com/engine": "aerospike",
            "dbaas.example.com/service-id": shipped.ID,
            "dbaas.example.com/region": "lagos",
        }
    }


def test_pods_are_reached_by_their_own_addresses_and_no_port_of_a_host() -> None:
    policy = cluster(PLAIN)["aerospikeNetworkPolicy"]
    assert policy == {"access": "pod", "alternateAccess": "pod", "tlsAccess": "pod", "tlsAlternateAccess": "pod"}


def test_everything_speaks_tls() -> None:
    assert config(PLAIN)["network"] == {
        "service": {"tls-name": "shop.tenant-123.svc", "tls-port": 4333, "tls-authenticate-client": "false"},
        "fabric": {"tls-name": "shop.tenant-123.svc", "tls-port": 3011},
        "heartbeat": {"tls-name": "shop.tenant-123.svc", "tls-port": 3012},
        "tls": [
            {
                "name": "shop.tenant-123.svc",
                "cert-file": "/etc/dbaas/tls/tls.crt",
                "key-file": "/etc/dbaas/tls/tls.key",
                "ca-file": "/etc/dbaas/tls/ca.crt",
            }
        ],
    }
    assert cluster(PLAIN)["operatorClientCert"] == {
        "secretCertSource": {
            "secretName": "shop-tls",
            "caCertsFilename": "ca.crt",
            "clientCertFilename": "tls.crt",
            "clientKeyFilename": "tls.key",
        }
    }


def test_the_certificate_is_of_the_name_that_is_asked_for() -> None:
    need = next(need for need in ENGINE.secrets("shop", RUNNING) if need.name == "shop-tls")
    assert need.fields == {"tls.crt": "{certificate}", "tls.key": "{key}", "ca.crt": "{authority}"}
    assert need.purpose == "tls"
    # the first is what nodes and clients look for, see tls-name
    assert need.hosts == (
        "shop.{namespace}.svc",
        "shop.{namespace}.svc.{domain}",
        "*.shop.{namespace}.svc.{domain}",
    )


def test_a_tenant_may_bring_its_own_certificate() -> None:
    own = admitted({**PLAIN, "networking": {"tls": {"certificate": "mine"}}}).spec
    assert "ring-tls" not in {need.name for need in ENGINE.secrets("ring", own)}
    made = cluster({**PLAIN, "networking": {"tls": {"certificate": "mine"}}})
    assert made["storage"]["volumes"][3]["source"]["secret"] == {"secretName": "mine"}
    assert made["operatorClientCert"]["secretCertSource"]["secretName"] == "mine"
    assert ENGINE.connection("ring", "tenant-123", "x", own).ca_secret == "mine"


def test_users_and_their_secrets() -> None:
    spec = cluster(PLAIN)
    assert config(PLAIN)["security"] == {}
    # admin with both roles is what the operator itself asks for
    assert spec["aerospikeAccessControl"]["users"] == [
        {"name": "admin", "secretName": "shop-admin", "roles": ["sys-admin", "user-admin"]},
        {"name": "dbaas", "secretName": "shop-credentials", "roles": ["read-write", "sindex-admin", "truncate"]},
        {"name": "xdr", "secretName": "shop-xdr", "roles": ["read-write"]},
        {"name": "backup", "secretName": "shop-backup", "roles": ["read", "data-admin"]},
        {"name": "exporter", "secretName": "shop-exporter", "roles": ["read"]},
    ]
    needs = {need.name: need for need in ENGINE.secrets("shop", RUNNING)}
    assert set(needs) == {"shop-tls", *(user["secretName"] for user in spec["aerospikeAccessControl"]["users"])}
    assert needs["shop-credentials"].fields == {"username": "dbaas", "password": "{password}"}
    assert needs["shop-admin"].purpose == "admin"


def test_the_licence_is_a_secret_by_name() -> None:
    assert config(PLAIN)["service"] == {"feature-key-file": "/etc/dbaas/licence/features.conf"}
    gone = shipped.changed_catalog({"engines/aerospike/licence/featureKey": None})
    with pytest.raises(InvalidFields, match=r"engines\.aerospike\.licence\.featureKey") as caught:
        render(admitted(PLAIN, offered=gone), gone, shipped.platform(), shipped.STAMP)
    assert caught.value.code == "catalog-invalid"


@pytest.mark.parametrize("place", ["images/server", "images/exporter", "images/backup", "images"])
def test_what_services_are_made_of_stands_in_the_catalog(place: str) -> None:
    gone = shipped.changed_catalog({f"engines/aerospike/{place}": None})
    with pytest.raises(InvalidFields, match=r"engines\.aerospike\." + place.replace("/", r"\.")):
        render(admitted(PLAIN, offered=gone), gone, shipped.platform(), shipped.STAMP)


@pytest.mark.parametrize(("sku", "nodes"), [("aero-strong-3", 3), ("aero-strong-5", 5)])
def test_strong_n_has_n_nodes(sku: str, nodes: int) -> None:
    spec = cluster({"sku": sku, "plan": "clustered", "region": "lagos"})
    assert spec["size"] == nodes
    assert len(spec["rackConfig"]["racks"]) == 3


# --- several regions -----------------------------------------------------------------------------------------------


def targets(spec: Json, region: str) -> dict[str, Json]:
    return {dc["name"]: dc for dc in config(spec, region).get("xdr", {}).get("dcs", [])}


def test_one_region_ships_nowhere() -> None:
    assert "xdr" not in config(PLAIN)


@pytest.mark.parametrize("plan", ["dedicated", "clustered"])
def test_the_home_region_ships_to_the_others_and_gets_nothing_back(plan: str) -> None:
    spec = {**WIDE, "plan": plan}
    assert admitted(spec).topology == "one-way"
    assert set(targets(spec, "lagos")) == {"frankfurt"}
    assert targets(spec, "frankfurt") == {}


def test_both_ways_where_the_plan_is_active_active() -> None:
    three: Json = {**EVERYWHERE, "replication": {"regions": ["lagos", "frankfurt", "ashburn"]}}
    assert admitted(three).topology == "active-active"
    assert set(targets(three, "lagos")) == {"frankfurt", "ashburn"}
    assert set(targets(three, "ashburn")) == {"lagos", "frankfurt"}


def test_a_target_is_named_by_a_node_of_each_of_its_racks() -> None:
    (target,) = targets(WIDE, "lagos").values()
    assert target == {
        "name": "frankfurt",
        # host, port and TLS name; a pod is called <cluster>-<rack>-<number>
        "node-address-ports": [
            f"shop-{rack}-0.shop.tenant-123.svc.frankfurt.dbaas.internal 4333 shop.tenant-123.svc" for rack in (1, 2, 3)
        ],
        "tls-name": "shop.tenant-123.svc",
        "auth-mode": "internal",
        "auth-user": "xdr",
        "auth-password-file": "/etc/dbaas/xdr/password",
        "namespaces": [{"name": "data"}],
    }
    single = {**WIDE, "highAvailability": {"multiAZ": False}}
    assert len(next(iter(targets(single, "lagos").values()))["node-address-ports"]) == 1


def test_regions_let_each_other_in() -> None:
    policies = [item for item in rendered(WIDE, "shop")["lagos"] if item["kind"] == "NetworkPolicy"]
    (policy,) = (item["spec"] for item in policies if item["metadata"]["name"] == "shop")
    clients, peers, operators, monitoring = policy["ingress"]
    assert policy["podSelector"] == {"matchLabels": {"aerospike.com/cr": "shop"}}
    assert [port["port"] for port in clients["ports"]] == [4333]
    assert {"ipBlock": {"cidr": "10.43.0.0/16"}} in peers["from"]
    assert {port["port"] for port in peers["ports"]} == {3011, 3012, 4333}
    assert operators["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "aerospike"}
    assert [port["port"] for port in monitoring["ports"]] == [9145]


def test_that_regions_are_not_consistent_with_each_other_is_said() -> None:
    (warning,) = admitted(WIDE).warnings
    assert "strong within a region alone" in warning
    assert admitted(PLAIN).warnings == ()


# --- backups -------------------------------------------------------------------------------------------------------


def test_a_backup_service_and_its_routine() -> None:
    objects = rendered(PLAIN, "shop")["lagos"]
    service, routine = only(objects, "AerospikeBackupService"), only(objects, "AerospikeBackup")
    assert service["metadata"]["name"] == "shop-backups"
    amounts = {"cpu": "1", "memory": "1Gi"}
    assert service["spec"] == {
        "image": "aerospike/aerospike-backup-service:3.5.0",
        "config": {
            "service": {"http": {"port": 8080}},
            # 14 days of one backup a day
            "backup-policies": {"scheduled": {"retention": {"full": 14}}},
            "storage": {
                "s3": {
                    "s3-storage": {
                        "bucket": "dbaas-lagos-123",
                        "path": f"shop/{shipped.ID}/lagos",
                        "s3-region": "us-east-1",
                    }
                }
            },
        },
        "secrets": [
            {"secretName": "shop-backup", "volumeMount": {"name": "shop-backup", "mountPath": "/etc/dbaas/user"}},
            {"secretName": "shop-tls", "volumeMount": {"name": "shop-tls", "mountPath": "/etc/dbaas/tls"}},
        ],
        "resources": {"requests": amounts, "limits": amounts},
    }
    assert routine["metadata"]["name"] == "shop"
    # names begin with <namespace>-<name of the backup>-
    assert routine["spec"] == {
        "backupService": {"name": "shop-backups", "namespace": "tenant-123"},
        "config": {
            "aerospike-cluster": {
                "tenant-123-shop-cluster": {
                    "seed-nodes": [
                        {
                            "host-name": "shop.tenant-123.svc.lagos.dbaas.internal",
                            "port": 4333,
                            "tls-name": "shop.tenant-123.svc",
                        }
                    ],
                    "tls": {"ca-file": "/etc/dbaas/tls/ca.crt"},
                    "credentials": {"user": "backup", "password-path": "/etc/dbaas/user/password"},
                }
            },
            "backup-routines": {
                "tenant-123-shop-scheduled": {
                    "interval-cron": "0 0 2 * * *",
                    "namespaces": ["data"],
                    "source-cluster": "tenant-123-shop-cluster",
                    "storage": "s3",
                    "backup-policy": "scheduled",
                }
            },
        },
    }


@pytest.mark.parametrize(
    ("schedule", "retention", "cron", "full"),
    [
        # 14 d at 6 h
        ("0 */6 * * *", "14d", "0 0 */6 * * *", 56),
        # the first of the days of the week is 1 there
        ("30 1 * * 0", "4w", "0 30 1 * * SUN", 4),
        ("30 1 * * 1-5/2", "1w", "0 30 1 * * MON-FRI/2", 4),
        ("0 3 * * SAT,6", "1w", "0 0 3 * * SAT,SAT", 1),
        ("0 3 1 * *", "1h", "0 0 3 1 * *", 1),
    ],
)
def test_schedules_and_retentions(schedule: str, retention: str, cron: str, full: int) -> None:
    spec = {**PLAIN, "backup": {"schedule": schedule, "retention": retention}}
    objects = rendered(spec)["lagos"]
    (routine,) = only(objects, "AerospikeBackup")["spec"]["config"]["backup-routines"].values()
    assert routine["interval-cron"] == cron
    policies = only(objects, "AerospikeBackupService")["spec"]["config"]["backup-policies"]
    assert policies == {"scheduled": {"retention": {"full": full}}}


def test_a_path_and_keys_of_a_regions_object_storage() -> None:
    s3 = {"endpoint": "s3.lagos.example.com", "accessKeyId": "AKIDLAGOS", "secret": "object-storage", "region": "af-1"}
    offered = shipped.changed_catalog({"regions/lagos/s3": s3})
    spec = {**PLAIN, "backup": {"destination": "s3://dbaas-lagos-123/deep/er/"}}
    objects = render(admitted(spec, offered=offered), offered, shipped.platform(), shipped.STAMP)["lagos"]
    service = only(objects, "AerospikeBackupService")["spec"]
    assert service["config"]["storage"]["s3"]["s3-storage"] == {
        "bucket": "dbaas-lagos-123",
        "path": f"deep/er/ring/{shipped.ID}/lagos",
        "s3-region": "af-1",
        "s3-endpoint-override": "https://s3.lagos.example.com",
        "s3-profile": "default",
    }
    assert service["secrets"][2] == {
        "secretName": "object-storage",
        "volumeMount": {"name": "object-storage", "mountPath": "/root/.aws/credentials", "subPath": "credentials"},
    }
    assert "AKIDLAGOS" not in json.dumps(service)


def test_no_region_and_no_namesake_cleans_up_the_backups_of_another() -> None:
    # routines keep what they make at <path>/<routine>, and are called alike
    def places(service_id: str) -> list[str]:
        spec = {**WIDE, "serviceId": service_id, "backup": {"destination": "s3://backups/tenant-123"}}
        return [
            only(objects, "AerospikeBackupService")["spec"]["config"]["storage"]["s3"]["s3-storage"]["path"]
            for objects in rendered(spec, "shop").values()
        ]

    found = [*places(shipped.ID), *places(shipped.OPERATION)]
    assert len({*found}) == len(found) == 4


def test_who_takes_backups_reaches_the_nodes_and_object_storage() -> None:
    policies = {
        item["metadata"]["name"]: item["spec"]
        for item in rendered(PLAIN, "shop")["lagos"]
        if item["kind"] == "NetworkPolicy"
    }
    # the operator gives its pod the name of the backup service; the tenant's foundation lets nothing in or out
    operator = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "aerospike"}}}
    assert policies["shop.backups"] == {
        "podSelector": {"matchLabels": {"aerospike.com/cr": "shop-backups"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [operator], "ports": [{"protocol": "TCP", "port": 8080}]}],
        "egress": [{}],
    }
    assert {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 4333}]} in policies["shop"]["ingress"]


def test_backups_can_be_off() -> None:
    kinds = {item["kind"] for item in rendered({**PLAIN, "backup": {"enabled": False}})["lagos"]}
    assert not {"AerospikeBackupService", "AerospikeBackup"} & kinds


def test_no_last_backup() -> None:
    with pytest.raises(DbaasError, match="takes no backup of its own") as caught:
        ENGINE.snapshot(rendered(PLAIN)["lagos"], "ring-12345678")
    assert caught.value.code == "option-invalid"
    with pytest.raises(DbaasError, match="no bucket"):
        ENGINE.snapshot(rendered({**PLAIN, "backup": {"enabled": False}})["lagos"], "ring-12345678")
    assert ENGINE.snapshot_state([{"kind": "AerospikeBackup"}]).state == "failed"


# --- what surrounds it ---------------------------------------------------------------------------------------------


def test_the_exporter_asks_its_own_node() -> None:
    (sidecar,) = cluster(PLAIN)["podSpec"]["sidecars"]
    assert (sidecar["name"], sidecar["image"]) == ("exporter", "aerospike/aerospike-prometheus-exporter:1.24.0")
    settings = {entry["name"]: entry.get("value") for entry in sidecar["env"]}
    assert settings == {
        "AS_HOST": "localhost",
        "AS_PORT": "4333",
        "AS_NODE_TLS_NAME": "shop.tenant-123.svc",
        "AS_ROOT_CA": "file:/etc/dbaas/tls/ca.crt",
        "AS_AUTH_USER": "exporter",
        "AS_AUTH_PASSWORD": None,
    }
    assert sidecar["env"][-1]["valueFrom"] == {"secretKeyRef": {"name": "shop-exporter", "key": "password"}}
    assert sidecar["ports"] == [{"name": "exporter", "containerPort": 9145, "protocol": "TCP"}]
    assert sidecar["resources"]["limits"] == {"cpu": "100m", "memory": "128Mi"}


def test_metrics_and_alerts() -> None:
    objects = rendered(PLAIN, "shop")["lagos"]
    # the pods themselves: no Service leads to the exporter
    monitor = only(objects, "PodMonitor")["spec"]
    assert monitor == {
        "selector": {"matchLabels": {"aerospike.com/cr": "shop"}},
        "podTargetLabels": ["dbaas.example.com/service"],
        "podMetricsEndpoints": [{"port": "exporter", "interval": "30s"}],
    }
    (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    assert {name: rule["labels"]["severity"] for name, rule in rules.items()} == {
        "DatabaseUnhealthy": "critical",
        "DatabaseDataFull": "warning",
        "DatabaseCpuHigh": "warning",
        "DatabaseDiskFull": "warning",
    }
    where = '{namespace="tenant-123",dbaas_example_com_service="shop"}'
    assert rules["DatabaseUnhealthy"]["expr"] == (
        '(count(up{namespace="tenant-123",dbaas_example_com_service="shop",endpoint="exporter"} == 1) or vector(0)) < 3'
        f" or min(aerospike_node_stats_cluster_size{where}) < 3"
        f" or max(aerospike_namespace_unavailable_partitions{where}) > 0"
        f" or max(aerospike_namespace_dead_partitions{where}) > 0"
    )
    # writes stop at 70 %
    assert rules["DatabaseDataFull"]["expr"] == f"max(aerospike_namespace_data_used_pct{where}) > 60"
    assert 'persistentvolumeclaim=~"workdir-shop-[0-9]+-[0-9]+"' in rules["DatabaseDiskFull"]["expr"]
    assert rules["DatabaseCpuHigh"]["expr"].endswith(f"on(pod) up{where}) > 0.8")
    assert "PodDisruptionBudget" not in {item["kind"] for item in objects}


@pytest.mark.parametrize(("full", "soon"), [(70, 60), (35, 30), (90, 77), (0, 85)])
def test_somebody_is_told_before_writes_stop(full: int, soon: int) -> None:
    spec = {**PLAIN, "parameters": {"stop-writes-used-pct": full}}
    (group,) = only(rendered(spec, "shop")["lagos"], "PrometheusRule")["spec"]["groups"]
    (rule,) = [rule for rule in group["rules"] if rule["alert"] == "DatabaseDataFull"]
    assert rule["expr"].endswith(f"> {soon}")
    assert f"more than {soon} % of its device; at {full or 100} % writes are refused" in rule["annotations"]["summary"]


@pytest.mark.parametrize(("spec", "region", "behind"), [(WIDE, "lagos", True), (WIDE, "frankfurt", False)])
def test_who_ships_looks_at_how_far_behind_it_is(spec: Json, region: str, behind: bool) -> None:
    (group,) = only(rendered(spec)[region], "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    assert ("ReplicationBehind" in rules) is behind
    assert not behind or rules["ReplicationBehind"].startswith("max(aerospike_xdr_lag{")


def test_where_clients_connect() -> None:
    to = ENGINE.connection("shop", "tenant-123", "lagos.internal", RUNNING)
    assert (to.scheme, to.host, to.port, to.tls) == ("aerospike", "shop.tenant-123.svc.lagos.internal", 4333, True)
    assert (to.secret, to.ca_secret, to.client_certificate_secret) == ("shop-credentials", "shop-tls", None)


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"replication": {"factor": 4}}, "spec.replication.factor", "2, 3 (of SKU aero-strong-3)"),
        ({"highAvailability": {"enabled": False}}, "spec.highAvailability.enabled", "true: "),
        ({"networking": {"tls": {"enabled": False}}}, "spec.networking.tls.enabled", "true: "),
        ({"version": "6.4.0"}, "spec.version", "one of 8.1.2.0, 8.0.0.3, 7.2.0.1"),
        ({"storage": {"size": "3Ti"}}, "spec.storage.size", "50Gi to 2Ti"),
        ({"backup": {"schedule": "0 2 1 * 1"}}, "spec.backup.schedule", "a day of the month or a day of the week"),
        ({"plan": "global"}, "spec.replication.regions", "the global plan is for two regions or more"),
    ],
)
def test_refusals(change: Json, path: str, allowed: str) -> None:
    errors = refused({**PLAIN, **change})
    assert list(errors) == [path]
    assert errors[path].allowed.startswith(allowed)


def test_a_node_for_each_copy() -> None:
    offered = shipped.changed_catalog({"skus/aero-strong-3/replicationFactor/allowed": [2, 4]})
    errors = refused({**PLAIN, "replication": {"factor": 4}}, offered=offered)
    assert errors["spec.replication.factor"].allowed == "at most 3, the nodes of each region"


def test_two_zones_are_no_majority() -> None:
    offered = shipped.changed_catalog({"regions/lagos/zones": ["lagos-a", "lagos-b"]})
    error = refused(PLAIN, offered=offered)["spec.highAvailability.multiAZ"]
    assert (error.nearest, "majority" in error.allowed) == (False, True)
    admitted({**PLAIN, "highAvailability": {"multiAZ": False}}, offered=offered)


def test_both_kinds_of_days_where_no_backups_are_made() -> None:
    admitted({**PLAIN, "backup": {"enabled": False, "schedule": "0 2 1 * 1"}})


VOLUMES = "the operator refuses to alter volumes; restore a backup into a new service"
COPIES = "the operator refuses to change it where consistency is strong"
KEPT = "what makes backups is not taken away while the service lives"


@pytest.mark.parametrize(
    ("change", "path", "allowed", "nearest"),
    [
        ({"storage": {"size": "1Ti"}}, "spec.storage.size", f"500Gi: {VOLUMES}", "500Gi"),
        ({"storage": {"class": "ceph-block"}}, "spec.storage.class", f"fast-nvme: {VOLUMES}", "fast-nvme"),
        ({"replication": {"factor": 3}}, "spec.replication.factor", f"2: {COPIES}", 2),
        (
            {"highAvailability": {"multiAZ": False}},
            "spec.highAvailability.multiAZ",
            "true: racks cannot move between zones",
            True,
        ),
        ({"backup": {"enabled": False}}, "spec.backup.enabled", f"true: {KEPT}", True),
        ({"version": "8.0.0.3"}, "spec.version", "from 8.1.2.0: 8.1.2.0", "8.1.2.0"),
    ],
)
def test_what_the_operator_cannot_change(change: Json, path: str, allowed: str, nearest: Any) -> None:
    errors = refused({**PLAIN, **change}, before=RUNNING)
    assert {found: (error.allowed, error.nearest) for found, error in errors.items()} == {path: (allowed, nearest)}


def test_what_can_change() -> None:
    off = admitted({**PLAIN, "backup": {"enabled": False}}).spec
    assert list(ENGINE.check_change(off, RUNNING)) == []
    old = admitted({**PLAIN, "version": "7.2.0.1"}).spec
    for version in ("8.0.0.3", "8.1.2.0"):
        admitted({**PLAIN, "version": version}, before=old)
    five = {"sku": "aero-strong-5", "plan": "clustered", "region": "lagos", "backup": {"retention": "30d"}}
    admitted({**five, **REGIONS}, before=RUNNING)


def test_consequences() -> None:
    old = admitted({**PLAIN, "version": "8.0.0.3"}).spec
    new = admitted(
        {
            "sku": "aero-strong-5",
            "plan": "global",
            "region": "lagos",
            "resources": {"node": {"cpu": "8", "memory": "32Gi"}},
            "networking": {"tls": {"certificate": "ring-tls"}},
            **REGIONS,
        }
    ).spec
    rolling = "in place, a node at a time"
    assert list(ENGINE.consequences(old, new)) == [
        Consequence("spec.resources.node.cpu", "rolling", 900, rolling),
        Consequence("spec.version", "rolling", 900, rolling, "Aerospike goes back only by steps by hand"),
        Consequence(
            "spec.resources.node.replicas",
            "none",
            240,
            "2 nodes more in each region join the roster and take their part of the partitions over",
        ),
        Consequence(
            "spec.replication.regions",
            "none",
            600,
            "a cluster of 5 nodes in frankfurt; what is written from now on is shipped there, what was there before"
            " only after a rewind of XDR",
        ),
        Consequence(
            "spec.plan",
            "rolling",
            3000,
            "which region ships to which may change; a node that cannot take that while it runs is restarted",
        ),
        Consequence("spec.networking.tls.certificate", "rolling", 900, "nodes mount another Secret"),
    ]
    (back,) = [each for each in ENGINE.consequences(old=new, new=old) if each.field == "spec.resources.node.replicas"]
    assert back.how == "2 nodes of each region hand their partitions on, leave the roster and go"
    # in one region the plan is labels and price
    assert not list(ENGINE.consequences(RUNNING, {**RUNNING, "plan": "clustered"}))


# --- observe -------------------------------------------------------------------------------------------------------


def observed(status: Json, service: Json | None = None, backup: Json | None = None, **metadata: Any) -> Any:
    objects = copy.deepcopy(rendered(PLAIN)["lagos"])
    said = {CLUSTER.kind: status, BACKUP_SERVICE.kind: service or {}, BACKUP.kind: backup or {}}
    items = [{**item, "status": said[item["kind"]]} for item in objects if item["kind"] in said]
    items[0]["metadata"] |= {"generation": 2, **metadata}
    return ENGINE.observe(RUNNING, items)


PODS = {f"ring-{rack}-0": {"podIP": f"10.0.0.{rack}"} for rack in (1, 2, 3)}
READY: Json = {
    "phase": "Completed",
    "size": 3,
    "image": "aerospike/aerospike-server-enterprise:8.1.2.0",
    "pods": PODS,
}
TAKEN: Json = {"backupService": {"name": "ring-backups"}, "config": {"backup-routines": {}}}


def test_an_operator_that_has_said_nothing() -> None:
    seen = observed({})
    assert (seen.ready, seen.wanted, seen.current, seen.error, seen.terminal) == (0, 3, False, "", False)
    assert (seen.message, seen.generation) == ("waiting for the operator", 2)
    assert seen.backup[:2] == ("Unknown", "NotRegistered")
    assert seen.replicating is None


def test_a_cluster_that_is_ready() -> None:
    seen = observed(READY)
    assert (seen.ready, seen.wanted, seen.current, seen.error, seen.answered) == (3, 3, True, "", True)


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "InProgress"},
        # the last one that was made, of an earlier spec
        {"size": 2},
        {"image": "aerospike/aerospike-server-enterprise:8.0.0.3"},
    ],
)
def test_a_cluster_that_is_not_done(change: Json) -> None:
    seen = observed({**READY, **change})
    assert (seen.current, seen.error) == (False, "")
    assert seen.message.startswith("the cluster is ")


def test_nodes_that_are_there() -> None:
    assert observed({**READY, "pods": {"ring-1-0": {}}}).ready == 1
    # those that leave are there a while
    assert observed({**READY, "pods": {**PODS, "ring-1-1": {}}}).ready == 3


def test_an_error_is_the_operators() -> None:
    seen = observed({**READY, "phase": "Error"})
    assert (seen.error, seen.terminal) == ("the operator reports phase Error: its events say why", True)
    assert not seen.current


def test_a_cluster_that_is_gone() -> None:
    rest = [item for item in rendered(WIDE)["lagos"] if item["kind"] == BACKUP.kind]
    seen = ENGINE.observe(admitted(WIDE).spec, rest)
    assert (seen.ready, seen.wanted, seen.current, seen.message) == (0, 3, False, "the cluster's object is not there")
    assert (seen.replicating or ("",))[0] == "Unknown"


def test_a_status_older_than_the_spec_says_nothing_of_it() -> None:
    fields = [
        {"time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:spec": {}}},
        {"time": "2026-01-01T00:00:08Z", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    assert not observed(READY, managedFields=fields).answered
    assert not observed(READY, managedFields=fields, generation=2).answered


def test_any_status_is_of_a_spec_that_never_changed() -> None:
    """Marked anew since, by a run that takes up what one that was killed had begun; there is nothing else to answer."""
    marked = [{"time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:spec": {}}}]
    assert not observed(READY, managedFields=marked, generation=1).answered
    status = {"time": "2026-01-01T00:00:08Z", "subresource": "status", "fieldsV1": {"f:status": {}}}
    assert observed(READY, managedFields=[*marked, status], generation=1).answered


def test_several_regions_and_what_the_operator_says_of_them() -> None:
    objects = [item for item in rendered(WIDE)["lagos"] if item["kind"] == CLUSTER.kind]
    status, reason, message = ENGINE.observe(admitted(WIDE).spec, objects).replicating or ("", "", "")
    assert (status, reason) == ("Unknown", "NotReported")
    assert "aerospike_xdr_lag" in message


@pytest.mark.parametrize(
    ("service", "backup", "expected"),
    [
        ({}, {}, ("Unknown", "NotRegistered")),
        ({"phase": "InProgress"}, TAKEN, ("Unknown", "NotRegistered")),
        ({"phase": "Completed"}, {}, ("Unknown", "NotRegistered")),
        ({"phase": "Completed"}, TAKEN, ("True", "Scheduled")),
        ({"phase": "Error"}, TAKEN, ("False", "ServiceFailed")),
    ],
)
def test_backups_as_the_operator_says(service: Json, backup: Json, expected: tuple[str, str]) -> None:
    assert observed(READY, service, backup).backup[:2] == expected


# --- guards and health ---------------------------------------------------------------------------------------------


def test_guards_are_balanced_and_say_what_is_wrong() -> None:
    guards = ENGINE.guards()
    assert list(guards) == [CLUSTER, BACKUP_SERVICE, BACKUP]
    for rules in guards.values():
        assert len({rule.message for rule in rules}) == len(rules)
        for rule in rules:
            assert rule.message.startswith(("spec.", "metadata.name"))
            assert all(rule.expression.count(a) == rule.expression.count(b) for a, b in ("()", "[]", "{}"))


def test_health_covers_every_kind() -> None:
    assert set(ENGINE.health) == {f"asdb.aerospike.com_{kind.kind}" for kind in ENGINE.kinds}
    for lua in ENGINE.health.values():
        assert 'status = "Healthy"' in lua
        assert 'status = "Progressing"' in lua

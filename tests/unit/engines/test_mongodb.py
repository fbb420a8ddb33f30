from __future__ import annotations

import base64
import copy
import re
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema, secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.quota import usage
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import SECRET, Backup, Consequence
from ansible_collections.dbaas.platform.plugins.module_utils.engines.mongodb import CLUSTER, Mongodb
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, ID, admitted, only, refused, rendered

Json = dict[str, Any]

ENGINE = Mongodb()
PLAIN: Json = {"sku": "mongo-flex-rs", "region": "lagos"}
SHARDED: Json = {"sku": "mongo-flex-sharded", "region": "lagos"}
REGIONS = ["lagos", "johannesburg", "frankfurt", "ashburn"]
WIDE: Json = {**PLAIN, "replication": {"regions": REGIONS[:3]}}
ZONE = "topology.kubernetes.io/zone"


def cluster(spec: Json, region: str = "lagos", offered: Any = None) -> Json:
    offered = offered or shipped.catalog()
    objects = render(admitted(spec, "shop", offered=offered), offered, shipped.platform(), shipped.STAMP)
    found = only(objects[region], "PerconaServerMongoDB")["spec"]
    assert isinstance(found, dict)
    return found


def standing(role: str, zones: list[str], region: str = "lagos") -> Json:
    """Labels and places of the pods of a role of service shop."""
    pods = {"dbaas.example.com/service": "shop", "dbaas.example.com/role": role}
    machines = [{"key": ZONE, "operator": "In", "values": [f"{region}-{zone}" for zone in zones]}]
    return {
        "labels": {
            **pods,
            "dbaas.example.com/tenant": "123",
            "dbaas.example.com/engine": "mongodb",
            "dbaas.example.com/service-id": ID,
            "dbaas.example.com/region": region,
        },
        "affinity": {
            "advanced": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": machines}]
                    }
                },
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": pods}}
                    ]
                },
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": ZONE,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": pods},
            }
        ],
    }


def amounts(cpu: str, memory: str) -> Json:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


def monitor(part: str) -> Json:
    key = f"MONGODB_CLUSTER_MONITOR_{part}"
    return {"name": f"MONGODB_{part}", "valueFrom": {"secretKeyRef": {"name": "shop-accounts", "key": key}}}


def volume(size: str) -> Json:
    return {"persistentVolumeClaim": {"storageClassName": "fast-nvme", "resources": {"requests": {"storage": size}}}}


EXPORTER: Json = {
    "sidecars": [
        {
            "name": "exporter",
            "image": "percona/mongodb_exporter:0.53.0",
            "args": [
                "--collect-all",
                "--compatible-mode",
                "--mongodb.direct-connect",
                (
                    "--mongodb.uri=mongodb://localhost:27017/admin?tls=true&tlsCAFile=/etc/exporter-tls/ca.crt"
                    "&tlsCertificateFile=/etc/exporter-tls/tls.crt&tlsPrivateKeyFile=/etc/exporter-tls/tls.key"
                ),
            ],
            "env": [monitor("USER"), monitor("PASSWORD")],
            "ports": [{"name": "metrics", "containerPort": 9216}],
            "resources": amounts("100m", "128Mi"),
            "volumeMounts": [{"name": "exporter-tls", "mountPath": "/etc/exporter-tls", "readOnly": True}],
        }
    ],
    "sidecarVolumes": [{"name": "exporter-tls", "secret": {"secretName": "shop-tls"}}],
}


def test_a_replica_set_of_three() -> None:
    """What the operator's definition asks for, worked out by hand from its documentation."""
    made = only(rendered(PLAIN, "shop")["lagos"], "PerconaServerMongoDB")
    assert (made["apiVersion"], made["metadata"]["name"]) == ("psmdb.percona.com/v1", "shop")
    assert made["spec"] == {
        "crVersion": "1.22.0",
        "image": "percona/percona-server-mongodb:8.0.19-7",
        "clusterServiceDNSSuffix": "svc.lagos.dbaas.internal",
        "updateStrategy": "SmartUpdate",
        "upgradeOptions": {"apply": "disabled", "setFCV": False},
        "storageScaling": {"enableVolumeScaling": True},
        "tls": {"mode": "requireTLS"},
        "secrets": {
            "users": "shop-accounts",
            "keyFile": "shop-keyfile",
            "encryptionKey": "shop-encryption",
            "ssl": "shop-tls",
            "sslInternal": "shop-tls-internal",
        },
        "replsets": [
            {
                "name": "rs0",
                "size": 3,
                "resources": amounts("4", "16Gi"),
                "volumeSpec": volume("100Gi"),
                "podDisruptionBudget": {"maxUnavailable": 1},
                **standing("rs0", ["a", "b", "c"]),
                **EXPORTER,
            }
        ],
        "backup": {
            "enabled": True,
            "image": "percona/percona-backup-mongodb:2.12.0",
            "storages": {
                "s3": {
                    "type": "s3",
                    "main": True,
                    "s3": {"bucket": "dbaas-lagos-123", "prefix": f"shop/{ID}", "region": "us-east-1"},
                }
            },
            "tasks": [
                {
                    "name": "scheduled",
                    "enabled": True,
                    "schedule": "0 2 * * *",
                    "type": "logical",
                    "storageName": "s3",
                    # one a day, kept for 14 days
                    "retention": {"type": "count", "count": 14, "deleteFromStorage": True},
                }
            ],
            "pitr": {"enabled": True, "oplogSpanMin": 5},
        },
        "users": [
            {
                "name": "dbaas",
                "db": "admin",
                "passwordSecretRef": {"name": "shop-credentials", "key": "password"},
                "roles": [
                    {"name": role, "db": "admin"}
                    for role in ("readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase", "clusterMonitor")
                ],
            }
        ],
    }


def test_two_shards_with_their_config_servers() -> None:
    spec = cluster(SHARDED)
    assert [(item["name"], item["size"]) for item in spec["replsets"]] == [("rs0", 3), ("rs1", 3)]
    # members of one shard keep apart, those of two may stand on one machine
    assert [item["labels"]["dbaas.example.com/role"] for item in spec["replsets"]] == ["rs0", "rs1"]
    assert spec["sharding"] == {
        "enabled": True,
        "balancer": {"enabled": True},
        "configsvrReplSet": {
            "size": 3,
            "resources": amounts("1", "2Gi"),
            "volumeSpec": volume("20Gi"),
            "podDisruptionBudget": {"maxUnavailable": 1},
            **standing("cfg", ["a", "b", "c"]),
            **EXPORTER,
        },
        "mongos": {"size": 2, "resources": amounts("2", "4Gi"), **standing("mongos", ["a", "b"])},
    }
    assert "sharding" not in cluster(PLAIN)


@pytest.mark.parametrize(
    ("backup", "count"),
    [
        ({"schedule": "0 */6 * * *", "retention": "14d"}, 56),
        ({"schedule": "0 2 * * *", "retention": "36h"}, 2),
        ({"schedule": "0 2 * * 0", "retention": "1d"}, 1),
    ],
)
def test_retention_is_a_number_of_backups(backup: Json, count: int) -> None:
    (task,) = cluster({**PLAIN, "backup": backup})["backup"]["tasks"]
    assert (task["schedule"], task["retention"]["count"]) == (backup["schedule"], count)


@pytest.mark.parametrize("spec", [PLAIN, SHARDED, WIDE])
def test_at_most_five_minutes_are_lost(spec: Json) -> None:
    pitr = cluster(spec)["backup"]["pitr"]
    assert pitr["enabled"]
    assert 0 < pitr["oplogSpanMin"] <= 5


@pytest.mark.parametrize("destination", ["s3://mine/some/where/", "s3://mine/some/where"])
def test_backups_go_where_it_says_and_never_to_another_services_place(destination: str) -> None:
    storage = cluster({**PLAIN, "backup": {"destination": destination}})["backup"]["storages"]["s3"]["s3"]
    assert storage == {"bucket": "mine", "prefix": f"some/where/shop/{ID}", "region": "us-east-1"}


def test_object_storage_with_a_key_of_its_own() -> None:
    s3 = {"endpoint": "s3.lagos.example.com", "accessKeyId": "AKIDLAGOS", "secret": "object-storage"}
    storage = cluster(PLAIN, offered=shipped.changed_catalog({"regions/lagos/s3": s3}))["backup"]["storages"]["s3"]
    assert (
        storage["s3"].items()
        >= {
            "endpointUrl": "https://s3.lagos.example.com",
            "credentialsSecret": "object-storage",
            "forcePathStyle": True,
        }.items()
    )


def test_without_backups_and_metrics() -> None:
    spec = cluster({**PLAIN, "backup": {"enabled": False}, "observability": {"metrics": {"enabled": False}}})
    assert spec["backup"] == {"enabled": False, "image": "percona/percona-backup-mongodb:2.12.0"}
    assert not {"sidecars", "sidecarVolumes"} & set(spec["replsets"][0])


def test_one_zone_where_multi_az_is_off() -> None:
    (members,) = cluster({**PLAIN, "highAvailability": {"multiAZ": False}})["replsets"]
    assert members["affinity"] == standing("rs0", ["a"])["affinity"]


@pytest.mark.parametrize("version", shipped.catalog().engines["mongodb"]["versions"])
def test_every_version_is_an_image(version: str) -> None:
    tag = cluster({**PLAIN, "version": version})["image"].split(":")[1]
    assert re.fullmatch(rf"{re.escape(version)}-[0-9]+", tag)


# --- several regions -----------------------------------------------------------------------------------------------


def test_the_home_region_names_the_members_of_the_others() -> None:
    (members,) = cluster(WIDE)["replsets"]
    assert members["size"] == 3
    assert members["externalNodes"] == [
        {
            "host": f"shop-rs0-{number}.shop-rs0.tenant-123.svc.{region}.dbaas.internal",
            "port": 27017,
            "votes": votes,
            "priority": votes,
            "tags": {"region": region},
        }
        for region in ("johannesburg", "frankfurt")
        for number, votes in ((0, 1), (1, 1), (2, 0))
    ]


def test_the_other_regions_run_their_members_and_manage_nothing() -> None:
    for region in ("johannesburg", "frankfurt"):
        spec = cluster(WIDE, region)
        (members,) = spec["replsets"]
        assert (spec["unmanaged"], spec["updateStrategy"]) == (True, "RollingUpdate")
        assert spec["clusterServiceDNSSuffix"] == f"svc.{region}.dbaas.internal"
        assert not {"users", "sharding"} & set(spec)
        assert "externalNodes" not in members
        assert spec["backup"] == {"enabled": False, "image": "percona/percona-backup-mongodb:2.12.0"}
        assert members["labels"] == standing("rs0", [], region)["labels"]
    home = cluster(WIDE)
    assert "unmanaged" not in home
    assert home["secrets"] == cluster(WIDE, "frankfurt")["secrets"]


@pytest.mark.parametrize("factor", [3, 5])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_an_odd_number_votes_and_the_loss_of_another_region_leaves_a_majority(factor: int, size: int) -> None:
    spec = {**PLAIN, "replication": {"factor": factor, "regions": REGIONS[:size]}}
    (members,) = cluster(spec)["replsets"]
    away = members["externalNodes"]
    assert len(away) == factor * (size - 1)
    voters = members["size"] + sum(item["votes"] for item in away)
    assert voters % 2 == 1
    assert voters <= 7
    for region in REGIONS[1:size]:
        theirs = sum(item["votes"] for item in away if item["tags"]["region"] == region)
        assert voters - theirs > voters / 2
    # the home region's have priority 2, the operator's default
    assert all(item["priority"] == item["votes"] for item in away)


def test_shards_and_config_servers_have_members_everywhere() -> None:
    spec = cluster({**SHARDED, "plan": "global", "replication": {"regions": REGIONS[:2]}})
    for name, members in (
        *((item["name"], item) for item in spec["replsets"]),
        ("cfg", spec["sharding"]["configsvrReplSet"]),
    ):
        assert [item["host"] for item in members["externalNodes"]] == [
            f"shop-{name}-{number}.shop-{name}.tenant-123.svc.johannesburg.dbaas.internal" for number in range(3)
        ]


def test_topologies() -> None:
    assert admitted(PLAIN).topology == "single"
    assert admitted(WIDE).topology == "stretched"
    wide = {**PLAIN, "plan": "global", "replication": {"regions": REGIONS[:2]}}
    assert (admitted(wide).topology, admitted(wide).joined) == ("one-way", True)
    peers = only(rendered(wide, "shop")["lagos"], "NetworkPolicy")["spec"]["ingress"][1]
    assert {"ipBlock": {"cidr": "10.42.0.0/16"}} in peers["from"]


def test_two_regions_say_what_they_cannot() -> None:
    (warning,) = admitted({**PLAIN, "replication": {"regions": REGIONS[:2]}}).warnings
    assert "a third region would elect one" in warning
    assert admitted(WIDE).warnings == admitted(PLAIN).warnings == ()


# --- Secrets and connection ----------------------------------------------------------------------------------------


def made_secrets(spec: Json, region: str = "lagos") -> dict[str, dict[str, bytes]]:
    (claimed, *_rest) = rendered(spec, "shop")[region]
    return {
        item.name: {field: base64.b64decode(text) for field, text in secrets.build(item, bytes(32))["data"].items()}
        for item in secrets.wanted(claimed)
    }


def names(certificate: bytes) -> list[str]:
    found = x509.load_pem_x509_certificate(certificate).extensions
    return found.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_every_secret_that_the_operator_would_make_is_made() -> None:
    found = made_secrets(PLAIN)
    assert set(found) == {"shop-credentials", *cluster(PLAIN)["secrets"].values()}
    assert found["shop-credentials"]["username"] == b"dbaas"
    users = found["shop-accounts"]
    roles = ("BACKUP", "CLUSTER_ADMIN", "CLUSTER_MONITOR", "DATABASE_ADMIN", "USER_ADMIN")
    assert set(users) == {f"MONGODB_{role}_{part}" for role in roles for part in ("USER", "PASSWORD")}
    assert users["MONGODB_CLUSTER_ADMIN_USER"] == b"cluster-admin"
    passwords = {users[f"MONGODB_{role}_PASSWORD"] for role in roles}
    assert (len(passwords), {len(word) for word in passwords}) == (5, {43})
    # what mongod reads: base64 alone, and a key of 32 bytes
    assert len(base64.b64decode(found["shop-encryption"]["encryption-key"], validate=True)) == 32
    assert len(base64.b64decode(found["shop-keyfile"]["mongodb-key"], validate=True)) == 32
    assert found["shop-keyfile"]["mongodb-key"] != found["shop-encryption"]["encryption-key"]


def test_all_regions_have_the_same_and_trust_each_other() -> None:
    here, there = made_secrets(WIDE), made_secrets(WIDE, "frankfurt")
    for name in ("shop-accounts", "shop-keyfile", "shop-encryption", "shop-credentials"):
        assert here[name] == there[name]
    for name in ("shop-tls", "shop-tls-internal"):
        authority = x509.load_pem_x509_certificate(here[name]["ca.crt"])
        x509.load_pem_x509_certificate(there[name]["tls.crt"]).verify_directly_issued_by(authority)
    assert here["shop-tls"]["tls.key"] != here["shop-tls-internal"]["tls.key"]
    # what the home region knows its members by
    host = cluster(WIDE)["replsets"][0]["externalNodes"][-1]["host"]
    assert f"*.{host.split('.', 1)[1]}" in names(there["shop-tls"]["tls.crt"])


def test_certificates_name_what_clients_and_members_use() -> None:
    assert names(made_secrets(PLAIN)["shop-tls"]["tls.crt"]) == [
        "localhost",
        "shop-rs0",
        "shop-rs0.tenant-123",
        "shop-rs0.tenant-123.svc.lagos.dbaas.internal",
        "*.shop-rs0.tenant-123.svc.lagos.dbaas.internal",
    ]
    sharded = names(made_secrets(SHARDED)["shop-tls-internal"]["tls.crt"])
    # a Secret is made once: a shard more must find itself in it
    for each in ("mongos", "cfg", "rs0", "rs1", "rs15"):
        assert f"*.shop-{each}.tenant-123.svc.lagos.dbaas.internal" in sharded
    assert "shop-mongos" in sharded


@pytest.mark.parametrize(("spec", "entry"), [(PLAIN, "rs0"), (SHARDED, "mongos")])
def test_connection(spec: Json, entry: str) -> None:
    to = ENGINE.connection("shop", "tenant-123", "lagos.internal", admitted(spec).spec)
    assert (to.scheme, to.host, to.port) == ("mongodb", f"shop-{entry}.tenant-123.svc.lagos.internal", 27017)
    assert (to.tls, to.secret) == (True, "shop-credentials")
    assert (to.ca_secret, to.client_certificate_secret) == ("shop-tls", "shop-tls")


@CALM
@given(
    st.from_regex(schema.NAME, fullmatch=True).filter(lambda name: len(name) <= schema.NAME_LENGTH),
    st.from_regex(schema.LABEL, fullmatch=True).filter(lambda name: len(name) <= 40),
)
def test_all_names_are_within_limits(name: str, tenant: str) -> None:
    claim, errors = shipped.admit(shipped.document({"serviceId": ID, **SHARDED}, name, tenant))
    assert claim is not None, errors
    (objects,) = render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP).values()
    made = [(item["kind"], item["metadata"]["name"]) for item in objects]
    made += [("Secret", need.name) for need in secrets.wanted(objects[0])]
    # what the operator makes besides, of this claim and of the one whose name could get in its way
    made += [("Secret", f"internal-{name}-users"), ("Secret", f"internal-internal-{name}-users")]
    assert len(set(made)) == len(made)
    # as the operator checks it, and its longest StatefulSet with a hash of 11
    assert len(f"{name}rs15") <= 50
    assert len(f"{name}-mongos") + 11 <= 63


def test_what_surrounds_it() -> None:
    objects = rendered(SHARDED, "shop")["lagos"]
    kinds = ["ServiceClaim", "PerconaServerMongoDB", "NetworkPolicy", "PodMonitor", "PrometheusRule"]
    assert [item["kind"] for item in objects] == kinds
    pods = {"dbaas.example.com/service": "shop"}
    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": pods}
    clients, peers, operator, monitoring = policy["ingress"]
    for rule in (clients, peers):
        assert [port["port"] for port in rule["ports"]] == [27017]
    assert operator["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "psmdb-operator"}
    assert [port["port"] for port in monitoring["ports"]] == [9216]
    assert only(objects, "PodMonitor")["spec"] == {
        "selector": {"matchLabels": pods},
        "podTargetLabels": ["dbaas.example.com/service"],
        "podMetricsEndpoints": [{"port": "metrics", "interval": "30s"}],
    }
    (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    ours = 'namespace="tenant-123",dbaas_example_com_service="shop"'
    # two shards and the config servers, three each; mongos has no exporter
    assert rules["DatabaseUnhealthy"]["expr"] == (
        f'(count(up{{{ours},endpoint="metrics"}} == 1) or vector(0)) < 9 or min(mongodb_up{{{ours}}}) < 1'
    )
    assert rules["ReplicationLag"]["expr"] == f"max(mongodb_mongod_replset_member_replication_lag{{{ours}}}) > 60"
    assert rules["DatabaseCpuHigh"]["expr"].endswith(f"and on(pod) up{{{ours}}}) > 0.8")
    said = {name: (rule["labels"]["severity"], rule.get("for")) for name, rule in rules.items()}
    assert said == {
        "DatabaseUnhealthy": ("critical", "5m"),
        "ReplicationLag": ("warning", "10m"),
        "DatabaseCpuHigh": ("warning", "10m"),
        "DatabaseDiskFull": ("warning", "10m"),
    }
    assert [rule["annotations"]["summary"].split(": ")[1] for rule in group["rules"]] == [
        "Members are down.",
        "A member is more than a minute behind.",
        "CPU is above 80 %.",
        "Disk usage is above 85 %.",
    ]
    (pattern,) = set(re.findall(r'persistentvolumeclaim=~"([^"]+)"', rules["DatabaseDiskFull"]["expr"]))
    assert re.fullmatch(pattern, "mongod-data-shop-rs1-0")
    assert re.fullmatch(pattern, "mongod-data-shop-cfg-2")
    assert not re.fullmatch(pattern, "mongod-data-shop-rs0-rs0-0")


def test_volumes_count_as_they_are() -> None:
    gib = 2**30
    assert usage([admitted(PLAIN).spec])["storage"] == 3 * 100 * gib
    # six members, three config servers, and two mongos without any
    assert usage([admitted(SHARDED).spec])["storage"] == (6 * 200 + 3 * 20) * gib


# --- what it cannot ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"networking": {"tls": {"enabled": False}}}, "spec.networking.tls.enabled", "true: the operator takes no"),
        ({"networking": {"tls": {"certificate": "x"}}}, "spec.networking.tls.certificate", "nothing: the members"),
        ({"highAvailability": {"enabled": False}}, "spec.highAvailability.enabled", "true: a replica set always"),
        ({"plan": "clustered"}, "spec.plan", "one of dedicated, global (of SKU mongo-flex-rs)"),
        ({"plan": "global"}, "spec.replication.regions", "the global plan is for two regions or more"),
        (
            {"plan": "shared"},
            "spec.plan",
            "one of dedicated, global (of SKU mongo-flex-rs): MongoDB bounds no database's share",
        ),
    ],
)
def test_refusals(change: Json, path: str, allowed: str) -> None:
    assert refused({**PLAIN, **change})[path].allowed.startswith(allowed)


def test_a_majority_must_be_there() -> None:
    offered = shipped.changed_catalog({"skus/mongo-flex-rs/replicationFactor/allowed": [3, 4]})
    error = refused({**PLAIN, "replication": {"factor": 4}}, offered=offered)["spec.replication.factor"]
    assert (error.nearest, error.allowed) == (5, "an odd number: a majority has to elect")


@pytest.mark.parametrize(("nodes", "nearest"), [(7, 6), (51, 51)])
def test_nodes_are_copies_times_shards(nodes: int, nearest: int) -> None:
    offered = shipped.changed_catalog({"skus/mongo-flex-sharded/resources/mongod/replicas": nodes})
    error = refused(SHARDED, offered=offered)["spec.resources.mongod.replicas"]
    assert (error.nearest, error.allowed) == (nearest, "copies times shards, of which there are at most 16")
    admitted(SHARDED, offered=shipped.changed_catalog({"skus/mongo-flex-sharded/resources/mongod/replicas": 48}))


def test_fewer_nodes_than_copies() -> None:
    offered = shipped.changed_catalog({"skus/mongo-flex-sharded/resources/mongod/replicas": 2})
    errors = refused(SHARDED, offered=offered)
    assert errors["spec.replication.factor"].allowed == "at most 2, the nodes of each region"


RUNNING = admitted(PLAIN).spec


def test_what_cannot_change() -> None:
    errors = refused({**PLAIN, "storage": {"class": "ceph-block"}}, before=RUNNING)
    assert list(errors) == ["spec.storage.class"]
    assert errors["spec.storage.class"].allowed.startswith("fast-nvme: volumes do not move")
    errors = refused(SHARDED, before=RUNNING)
    assert (errors["spec.sku"].nearest, errors["spec.sku"].given) == ("mongo-flex-rs", "mongo-flex-sharded")
    assert "becomes no sharded cluster in place" in errors["spec.sku"].allowed
    assert "spec.sku" in refused(PLAIN, before=admitted(SHARDED).spec)
    old = admitted({**PLAIN, "version": "7.0.28"}).spec
    admitted({**PLAIN, "version": "8.0.19"}, before=old)
    assert refused({**PLAIN, "version": "7.0.28"}, before=RUNNING)["spec.version"].nearest == "8.0.19"


# --- consequences --------------------------------------------------------------------------------------------------


def test_what_restarts_the_members_one_after_the_other() -> None:
    old = admitted({**PLAIN, "version": "7.0.28"}).spec
    new = admitted({**PLAIN, "version": "8.0.19", "resources": {"mongod": {"cpu": "8"}}}).spec
    how, never = "in place, a node at a time", "MongoDB never goes back to an older version"
    # three members, three minutes each
    assert list(ENGINE.consequences(old, new)) == [
        Consequence("spec.resources.mongod.cpu", "rolling", 540, how),
        Consequence("spec.version", "rolling", 540, how, never),
    ]
    assert list(ENGINE.consequences(old, old)) == []


def test_what_grows() -> None:
    wider = {**PLAIN, "storage": {"size": "1Ti"}, "replication": {"factor": 5, "regions": REGIONS[:2]}}
    grows, copies = "in place: the volumes grow", "as many members as copies of the data"
    joins = "members in johannesburg join the replica set and copy all from others; reads there want a read preference"
    assert list(ENGINE.consequences(RUNNING, admitted(wider).spec)) == [
        Consequence(
            "spec.resources.mongod.replicas", "none", 240, "2 nodes more in each region copy all from another member"
        ),
        Consequence("spec.replication.regions", "none", 600, joins),
        Consequence("spec.replication.factor", "none", 0, copies),
        Consequence("spec.storage.size", "none", 180, grows, "volumes never shrink"),
    ]
    fewer = [*ENGINE.consequences(admitted({**PLAIN, "replication": {"factor": 5}}).spec, RUNNING)]
    assert [item.how for item in fewer] == ["2 nodes of each region leave the replica set", copies]


@pytest.mark.parametrize(
    ("change", "path", "how"),
    [
        ({"highAvailability": {"multiAZ": False}}, "spec.highAvailability.multiAZ", "members restart one at a time"),
        ({"backup": {"enabled": False}}, "spec.backup.enabled", "a backup agent beside each member comes or goes"),
        (
            {"observability": {"metrics": {"enabled": False}}},
            "spec.observability.metrics.enabled",
            "an exporter beside each member comes or goes",
        ),
    ],
)
def test_what_else_restarts_them(change: Json, path: str, how: str) -> None:
    (item,) = ENGINE.consequences(admitted(WIDE).spec, admitted({**WIDE, **change}).spec)
    # three members in each of three regions
    assert (item.field, item.restart, item.seconds) == (path, "rolling", 1620)
    assert item.how.startswith(how)


def test_an_exporter_stands_beside_shards_and_configuration_alone() -> None:
    sharded = {"sku": "mongo-flex-sharded", "region": "lagos"}
    dark = admitted({**sharded, "observability": {"metrics": {"enabled": False}}}).spec
    (item,) = ENGINE.consequences(admitted(sharded).spec, dark)
    # six members of two shards, and three
    assert item.seconds == 9 * 180


# --- observe -------------------------------------------------------------------------------------------------------


def observed(status: Json, spec: Json | None = None, region: str = "lagos") -> Any:
    spec = spec or PLAIN
    made = copy.deepcopy(only(rendered(spec)[region], "PerconaServerMongoDB"))
    made["metadata"]["generation"] = 2
    return ENGINE.observe(admitted(spec).spec, [{**made, "status": status}])


READY: Json = {"state": "ready", "observedGeneration": 2, "ready": 3, "size": 3}


def test_an_operator_that_has_said_nothing() -> None:
    seen = observed({})
    assert (seen.ready, seen.wanted, seen.current, seen.error) == (0, 3, False, "")
    assert seen.message == "waiting for the operator"
    assert seen.backup[:2] == ("Unknown", "NotReported")


def test_a_cluster_that_is_paused_wants_no_members() -> None:
    asked = {**PLAIN, "paused": True}
    stops = observed({**READY, "state": "stopping"}, asked)
    assert (stops.ready, stops.wanted, stops.current, stops.paused) == (3, 0, False, False)
    rests = observed({**READY, "state": "paused"}, asked)
    assert (rests.ready, rests.wanted, rests.current, rests.paused) == (0, 0, True, True)
    assert rests.backup[:2] == ("False", "Paused")
    # the operator has not seen it yet, or has not seen that it goes on
    assert not observed({**READY, "state": "paused", "observedGeneration": 1}, asked).current
    assert not observed(READY, asked).current
    assert not observed({**READY, "state": "paused"}).current


def test_a_cluster_that_is_ready() -> None:
    seen = observed(READY)
    assert (seen.ready, seen.wanted, seen.current, seen.error, seen.terminal) == (3, 3, True, "", False)
    assert seen.backup[:2] == ("True", "Scheduled")
    assert "every 5 minutes" in seen.backup[2]
    assert seen.replicating is None
    # six members, three config servers, two mongos
    assert observed(READY, SHARDED).wanted == 11


@pytest.mark.parametrize(
    "change", [{"state": "initializing"}, {"observedGeneration": 1}, {"state": "stopping"}, {"state": "paused"}]
)
def test_a_cluster_that_is_not_done(change: Json) -> None:
    seen = observed({**READY, **change})
    assert (seen.current, seen.error) == (False, "")
    assert seen.message == f"the operator says {change.get('state', 'ready')}"


@pytest.mark.parametrize(
    ("said", "error", "terminal"),
    [
        # as Percona's operator writes them; of a spec that it refuses there is nothing to wait for
        (
            {"message": "Error: wrong psmdb options: MCS is not available on this cluster"},
            "Error: wrong psmdb options: MCS is not available on this cluster",
            True,
        ),
        ({"message": "Error: dial: ping mongo: context canceled"}, "Error: dial: ping mongo: context canceled", False),
        ({}, "the operator says error", False),
    ],
)
def test_errors_are_the_operators(said: Json, error: str, terminal: bool) -> None:
    seen = observed({**READY, "state": "error", **said})
    assert (seen.error, seen.terminal, seen.current) == (error, terminal, False)
    assert seen.message == error


def test_an_operator_that_looks_for_secrets_too_soon_has_not_failed() -> None:
    (rule,) = ENGINE.guards()[SECRET]
    words = f"ensure mongo Key shop-keyfile: secrets is forbidden: ValidatingAdmissionPolicy: {rule.message}"
    seen = observed({"state": "error", "message": words})
    assert (seen.error, seen.terminal, seen.current, seen.message) == ("", False, False, words)


def test_each_region_says_what_it_knows_of_the_others() -> None:
    assert observed(READY, WIDE).replicating[:2] == ("Unknown", "NotReported")
    away = observed(READY, WIDE, "frankfurt")
    assert away.replicating[:2] == ("True", "Joined")
    assert away.backup[:2] == ("True", "TakenAtHome")
    waits = observed({**READY, "state": "initializing"}, WIDE, "frankfurt")
    assert waits.replicating[:2] == ("False", "NotJoined")


def test_a_cluster_that_is_gone() -> None:
    seen = ENGINE.observe(RUNNING, [{"kind": "PerconaServerMongoDBBackup", "metadata": {}}])
    assert (seen.ready, seen.wanted, seen.current) == (0, 3, False)
    assert seen.message == "the cluster's object is not there"


# --- the last backup, guards and health ----------------------------------------------------------------------------


def test_a_last_backup_is_taken_at_home_alone() -> None:
    regions = rendered(WIDE, "shop")
    assert ENGINE.snapshot(regions["lagos"], "shop-12345678") == [
        {
            "apiVersion": "psmdb.percona.com/v1",
            "kind": "PerconaServerMongoDBBackup",
            "metadata": {"name": "shop-12345678"},
            "spec": {"clusterName": "shop", "storageName": "s3", "type": "logical"},
        }
    ]
    assert ENGINE.snapshot(regions["frankfurt"], "shop-12345678") == []
    with pytest.raises(DbaasError, match="no bucket"):
        ENGINE.snapshot(rendered({**PLAIN, "backup": {"enabled": False}})["lagos"], "shop-12345678")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, Backup("running", "the operator has not taken the backup yet")),
        ({"state": "running"}, Backup("running", "the operator says running")),
        ({"state": "ready", "destination": "s3://b/x"}, Backup("done", "backed up to s3://b/x")),
        ({"state": "ready"}, Backup("done", "backed up to the bucket")),
        ({"state": "error", "error": "no space on storage"}, Backup("failed", "no space on storage")),
        ({"state": "rejected"}, Backup("failed", "the operator says rejected")),
    ],
)
def test_how_far_the_last_backup_is(status: Json, expected: Backup) -> None:
    assert ENGINE.snapshot_state([{"kind": "PerconaServerMongoDBBackup", "status": status}]) == expected
    assert ENGINE.snapshot_state([{"kind": "PerconaServerMongoDBBackup"}]).state == "running"


def test_guards_are_balanced_and_say_what_is_wrong() -> None:
    rules = ENGINE.guards()[CLUSTER]
    assert len({rule.message for rule in rules}) == len(rules) == 16
    for rule in rules:
        assert rule.message.startswith("spec.")
        assert all(rule.expression.count(a) == rule.expression.count(b) for a, b in ("()", "[]", "{}"))
    (votes,) = [rule.expression for rule in rules if "replsetSize" in rule.expression]
    assert "all(r, (r.?arbiter.enabled.orValue(false) ? r.size >= 4 : (r.size >= 3 && r.size % 2 == 1)))" in votes


def test_a_region_is_left_by_members_that_run() -> None:
    wide, home = admitted(WIDE).spec, admitted(PLAIN).spec
    (error,) = ENGINE.check_change(wide, {**home, "paused": True})
    assert (error.path, error.given, error.nearest) == ("spec.paused", True, False)
    assert "members that do not run take no others out" in error.allowed
    assert list(ENGINE.check_change(wide, home)) == []
    assert list(ENGINE.check_change(home, {**home, "paused": True})) == []


def test_health_covers_every_kind() -> None:
    assert set(ENGINE.health) == {f"psmdb.percona.com_{kind.kind}" for kind in ENGINE.kinds}
    for lua in ENGINE.health.values():
        assert 'status = "Healthy"' in lua
        assert 'status = "Degraded"' in lua

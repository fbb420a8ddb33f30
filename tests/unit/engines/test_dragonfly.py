from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity, schema, secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.consequences import consequences
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.quota import usage
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Backup, Consequence
from ansible_collections.dbaas.platform.plugins.module_utils.engines.dragonfly import DRAGONFLY, Dragonfly
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, ID, admitted, only, refused, rendered

Json = dict[str, Any]

ENGINE = Dragonfly()
PLAIN: Json = {"sku": "dfly-mem-16g", "region": "lagos"}
LOCAL: Json = {**PLAIN, "backup": {"enabled": False}}
CLEAR: Json = {**PLAIN, "networking": {"tls": {"enabled": False}}}


def dragonfly(spec: Json, name: str = "shop", offered: Any = None) -> Json:
    offered = offered or shipped.catalog()
    objects = render(admitted(spec, name, offered=offered), offered, shipped.platform(), shipped.STAMP)["lagos"]
    found = only(objects, "Dragonfly")["spec"]
    assert isinstance(found, dict)
    return found


def test_a_cache_of_sixteen_gib() -> None:
    """What the operator's definition asks for, worked out by hand from its documentation."""
    made = only(rendered(PLAIN, "shop")["lagos"], "Dragonfly")
    assert (made["apiVersion"], made["metadata"]["name"]) == ("dragonflydb.io/v1alpha1", "shop")
    amounts = {"cpu": "4", "memory": "16Gi"}
    pods = {"dbaas.example.com/service": "shop"}
    zone = "topology.kubernetes.io/zone"
    assert made["spec"] == {
        "image": "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0",
        # the master and one replica
        "replicas": 2,
        "resources": {"requests": amounts, "limits": amounts},
        # 85 % of 17179869184 bytes
        "args": ["--maxmemory=14602888806", "--proactor_threads=4", "--s3_ec2_metadata=true"],
        "podMetadata": {
            "labels": {
                **pods,
                "dbaas.example.com/tenant": "123",
                "dbaas.example.com/engine": "dragonfly",
                "dbaas.example.com/service-id": ID,
                "dbaas.example.com/region": "lagos",
            }
        },
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": zone, "operator": "In", "values": ["lagos-a", "lagos-b", "lagos-c"]}
                            ]
                        }
                    ]
                }
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": pods}}
                ]
            },
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": zone,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": pods},
            }
        ],
        "networkPolicyEnabled": False,
        "enableReplicationReadinessGate": True,
        "authentication": {"passwordFromSecret": {"name": "shop-credentials", "key": "password"}},
        "snapshot": {
            "cron": "0 2 * * *",
            "dir": f"s3://dbaas-lagos-123/shop/{ID}",
            "enableOnMasterOnly": True,
        },
        "tlsSecretRef": {"name": "shop-tls"},
    }


@pytest.mark.parametrize("sku", ["dfly-mem-16g", "dfly-mem-64g"])
@pytest.mark.parametrize("cpu", ["4", "7", "16"])
def test_data_takes_less_than_the_limit_and_threads_have_a_core_each(sku: str, cpu: str) -> None:
    spec = dragonfly({"sku": sku, "region": "lagos", "resources": {"node": {"cpu": cpu}}})
    arguments = dict(text.removeprefix("--").split("=") for text in spec["args"])
    limit = quantity.size(spec["resources"]["limits"]["memory"])
    assert sku.endswith(spec["resources"]["limits"]["memory"].lower().removesuffix("i"))
    assert 0.8 * limit <= int(arguments["maxmemory"]) <= 0.9 * limit
    assert arguments["proactor_threads"] == cpu
    # a thread does not begin with less than 256 MiB
    assert int(arguments["maxmemory"]) >= int(cpu) * 256 * 2**20


def test_without_backups_snapshots_go_to_a_volume_of_each_node() -> None:
    spec = dragonfly({**LOCAL, "storage": {"size": "100Gi", "class": "ceph-block"}})
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "ceph-block",
        "resources": {"requests": {"storage": "100Gi"}},
    }
    assert spec["snapshot"] == {"persistentVolumeClaimSpec": claim}
    assert not any("s3" in argument for argument in spec["args"])


def test_volumes_count_where_there_are_any() -> None:
    assert usage([admitted(PLAIN).spec])["storage"] == 0
    assert usage([admitted(LOCAL).spec])["storage"] == 2 * 50 * 2**30


def test_a_namesake_begins_with_nothing_of_this_one() -> None:
    """A node loads what it finds at the address of the snapshots when it begins."""
    other = "99999999-9999-5999-8999-999999999999"
    places = {
        dragonfly({**PLAIN, "backup": {"destination": "s3://mine/caches/"}}, name)["snapshot"]["dir"]
        for name in ("shop", "shop2")
    }
    places.add(
        dragonfly({**PLAIN, "serviceId": other, "backup": {"destination": "s3://mine/caches"}})["snapshot"]["dir"]
    )
    assert places == {f"s3://mine/caches/shop/{ID}", f"s3://mine/caches/shop2/{ID}", f"s3://mine/caches/shop/{other}"}


def test_object_storage_with_a_key_of_its_own() -> None:
    s3 = {"endpoint": "s3.lagos.example.com", "accessKeyId": "AKIDLAGOS", "secret": "object-storage"}
    spec = dragonfly(PLAIN, offered=shipped.changed_catalog({"regions/lagos/s3": s3}))
    assert spec["args"][2:] == ["--s3_endpoint=s3.lagos.example.com"]
    assert spec["env"] == [
        {"name": "AWS_ACCESS_KEY_ID", "value": "AKIDLAGOS"},
        {
            "name": "AWS_SECRET_ACCESS_KEY",
            "valueFrom": {"secretKeyRef": {"name": "object-storage", "key": "AWS_SECRET_ACCESS_KEY"}},
        },
        {"name": "AWS_REGION", "value": "us-east-1"},
    ]
    assert "env" not in dragonfly(PLAIN)


def test_one_zone_where_multi_az_is_off() -> None:
    affinity = dragonfly({**PLAIN, "highAvailability": {"multiAZ": False}})["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["lagos-a"]


def test_as_many_nodes_as_copies() -> None:
    assert dragonfly({**PLAIN, "replication": {"factor": 3}})["replicas"] == 3
    alone = {**PLAIN, "replication": {"factor": 1}, "highAvailability": {"enabled": False}}
    assert dragonfly(alone)["replicas"] == 1
    # without replicas nothing survives, and who asks for that has to say so
    error = refused({**PLAIN, "replication": {"factor": 1}})["spec.replication.factor"]
    assert (error.nearest, error.allowed[:11]) == (2, "at least 2:")


@pytest.mark.parametrize("version", shipped.catalog().engines["dragonfly"]["versions"])
def test_every_version_is_an_image(version: str) -> None:
    assert dragonfly({**PLAIN, "version": version})["image"].endswith(f"/dragonfly:v{version}")


def test_in_clear_there_is_no_certificate() -> None:
    assert "tlsSecretRef" not in dragonfly(CLEAR)
    assert [need.name for need in ENGINE.secrets("shop", admitted(CLEAR).spec)] == ["shop-credentials"]
    to = ENGINE.connection("shop", "tenant-123", "lagos.internal", admitted(CLEAR).spec)
    assert (to.scheme, to.tls, to.ca_secret) == ("redis", False, None)


def test_with_tls_clients_find_the_authority_beside_the_password() -> None:
    to = ENGINE.connection("shop", "tenant-123", "lagos.internal", admitted(PLAIN).spec)
    assert (to.scheme, to.host, to.port) == ("rediss", "shop.tenant-123.svc.lagos.internal", 6379)
    assert (to.tls, to.secret, to.ca_secret) == (True, "shop-credentials", "shop-tls")


def test_the_secrets_are_made_before_the_operator_needs_them() -> None:
    (copy, *_rest) = rendered(PLAIN, "shop")["lagos"]
    password, tls = (secrets.build(item, bytes(32))["data"] for item in secrets.wanted(copy))
    assert base64.b64decode(password["username"]) == b"default"
    assert len(base64.b64decode(password["password"])) == 43
    # the names that the operator reads, and what a client trusts
    assert set(tls) == {"tls.crt", "tls.key", "ca.crt"}
    server, authority = (x509.load_pem_x509_certificate(base64.b64decode(tls[name])) for name in ("tls.crt", "ca.crt"))
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "shop.tenant-123.svc.lagos.dbaas.internal",
        "shop.tenant-123.svc",
        "shop.tenant-123",
        "shop",
    ]
    assert b"PRIVATE KEY" in base64.b64decode(tls["tls.key"])


def test_a_certificate_of_the_tenants_own() -> None:
    own = {**PLAIN, "networking": {"tls": {"certificate": "mine"}}}
    assert dragonfly(own)["tlsSecretRef"] == {"name": "mine"}
    spec = admitted(own).spec
    assert [need.name for need in ENGINE.secrets("shop", spec)] == ["shop-credentials"]
    assert ENGINE.connection("shop", "tenant-123", "x", spec).ca_secret == "mine"


@CALM
@given(
    st.from_regex(schema.NAME, fullmatch=True).filter(lambda name: len(name) <= schema.NAME_LENGTH),
    st.from_regex(schema.LABEL, fullmatch=True).filter(lambda name: len(name) <= 40),
)
def test_all_names_are_within_limits(name: str, tenant: str) -> None:
    claim, errors = shipped.admit(shipped.document({"serviceId": ID, **PLAIN}, name, tenant))
    assert claim is not None, errors
    (objects,) = render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP).values()
    made = [(item["kind"], item["metadata"]["name"]) for item in objects]
    made += [("Secret", need.name) for need in secrets.wanted(objects[0])]
    assert len(set(made)) == len(made)
    # the operator's StatefulSet, whose name a label of its pods bears with a hash of 10
    assert len(name) + 11 <= 63
    for value in only(objects, "Dragonfly")["spec"]["podMetadata"]["labels"].values():
        assert len(value) <= 63


def test_what_surrounds_it() -> None:
    objects = rendered(PLAIN, "shop")["lagos"]
    assert [item["kind"] for item in objects] == [
        "ServiceClaim",
        "Dragonfly",
        "NetworkPolicy",
        "PodMonitor",
        "PrometheusRule",
    ]
    pods = {"dbaas.example.com/service": "shop"}
    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": pods}
    clients, peers, operator, monitoring = policy["ingress"]
    # replicas copy by the admin port, which asks for no password: nobody else may reach it
    assert [port["port"] for port in clients["ports"]] == [6379]
    assert peers["from"] == [{"podSelector": {"matchLabels": pods}}]
    assert [port["port"] for port in peers["ports"]] == [9999, 6379]
    assert operator["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "dragonfly-operator-system"
    }
    assert [port["port"] for port in monitoring["ports"]] == [9999]
    # the operator's Service leads to the master's data port alone
    assert only(objects, "PodMonitor")["spec"] == {
        "selector": {"matchLabels": pods},
        "podTargetLabels": ["dbaas.example.com/service"],
        "podMetricsEndpoints": [{"port": "admin", "interval": "30s"}],
    }
    (group,) = only(objects, "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}
    ours = 'namespace="tenant-123",dbaas_example_com_service="shop"'
    assert rules["DatabaseUnhealthy"]["expr"] == (f'(count(up{{{ours},endpoint="admin"}} == 1) or vector(0)) < 2')
    assert rules["BackupFailed"]["expr"] == f"increase(dragonfly_failed_backups_total{{{ours}}}[1h]) > 0"
    assert rules["DatabaseMemoryHigh"]["expr"] == (
        f"max(dragonfly_memory_used_bytes{{{ours}}} / dragonfly_memory_max_bytes{{{ours}}}) > 0.9"
    )
    said = {name: (rule["labels"]["severity"], rule.get("for")) for name, rule in rules.items()}
    assert said == {
        "DatabaseUnhealthy": ("critical", "5m"),
        "BackupFailed": ("critical", None),
        "DatabaseMemoryHigh": ("warning", "10m"),
        "DatabaseDiskFull": ("warning", "10m"),
    }
    assert [rule["annotations"]["summary"].split(": ")[1] for rule in group["rules"]] == [
        "Nodes are down.",
        "The last snapshot failed.",
        "Memory for data is above 90 %.",
        "Disk usage is above 85 %.",
    ]


def test_volumes_of_a_namesake_are_not_ours() -> None:
    (group,) = only(rendered(LOCAL, "shop")["lagos"], "PrometheusRule")["spec"]["groups"]
    (disk,) = [rule["expr"] for rule in group["rules"] if rule["alert"] == "DatabaseDiskFull"]
    (pattern,) = set(re.findall(r'persistentvolumeclaim=~"([^"]+)"', disk))
    assert re.fullmatch(pattern, "df-shop-0")
    assert not re.fullmatch(pattern, "df-shop-2-0")


# --- what it cannot ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "path", "allowed"),
    [
        ({"replication": {"regions": ["lagos", "ashburn"]}}, "spec.replication.regions", "within one region alone"),
        ({"plan": "clustered"}, "spec.plan", "one shard"),
        ({"plan": "global"}, "spec.plan", "within one region alone"),
        ({"plan": "shared"}, "spec.plan", "no users that see just their part"),
        ({"resources": {"node": {"memory": "32Gi"}}}, "spec.resources.node.memory", "16Gi to 16Gi"),
        ({"resources": {"node": {"cpu": "1500m"}}}, "spec.resources.node.cpu", "whole cores: a thread has one"),
    ],
)
def test_refusals(change: Json, path: str, allowed: str) -> None:
    assert allowed in refused({**PLAIN, **change})[path].allowed


def test_threads_take_memory_each() -> None:
    offered = shipped.changed_catalog(
        {
            "skus/dfly-mem-16g/resources/node/memory": {"default": "2Gi", "min": "1Gi", "max": "16Gi"},
        }
    )
    # 85 % of 2 GiB hold six times 256 MiB
    error = refused({**PLAIN, "resources": {"node": {"cpu": "7"}}}, offered=offered)["spec.resources.node.cpu"]
    assert (error.nearest, error.allowed) == ("6", "at most 6: each thread takes 256 MiB")
    admitted({**PLAIN, "resources": {"node": {"cpu": "6"}}}, offered=offered)


def test_warnings() -> None:
    (kept,) = admitted({**PLAIN, "backup": {"retention": "7d"}}).warnings
    assert "7d is not kept by DragonflyDB" in kept
    (lost,) = admitted(LOCAL).warnings
    assert "survives the end of all nodes" in lost
    clear, _kept = admitted({**PLAIN, "networking": {"tls": {"enabled": False}}}).warnings
    assert "travel in clear" in clear


RUNNING, STORED = admitted(PLAIN).spec, admitted(LOCAL).spec


@pytest.mark.parametrize(
    ("before", "change", "path", "allowed"),
    [
        (LOCAL, {"storage": {"size": "60Gi"}}, "spec.storage.size", "50Gi: the operator ignores changes of volumes"),
        (LOCAL, {"storage": {"class": "ceph-block"}}, "spec.storage.class", "fast-nvme: the operator ignores changes"),
        (PLAIN, {"backup": {"enabled": False}}, "spec.backup.enabled", "true: a running service gets no volume"),
    ],
)
def test_what_the_operator_ignores_is_refused(before: Json, change: Json, path: str, allowed: str) -> None:
    errors = refused({**before, **change}, before=admitted(before).spec)
    assert list(errors) == [path]
    assert errors[path].allowed.startswith(allowed)


def test_what_it_can() -> None:
    admitted({**PLAIN, "storage": {"size": "60Gi", "class": "ceph-block"}}, before=RUNNING)
    admitted(PLAIN, before=STORED)
    old = admitted({**PLAIN, "version": "1.36.0"}).spec
    admitted({**PLAIN, "version": "1.39.0"}, before=old)
    assert refused({**PLAIN, "version": "1.36.0"}, before=RUNNING)["spec.version"].nearest == "1.39.0"


# --- consequences --------------------------------------------------------------------------------------------------

ROLLING = "in place, a node at a time"


def test_what_restarts_the_nodes_one_after_the_other() -> None:
    bigger = {**PLAIN, "sku": "dfly-mem-64g", "version": "1.39.0"}
    old, new = admitted({**PLAIN, "version": "1.36.0"}).spec, admitted(bigger).spec
    never = "an older version may not load the snapshots of a newer one"
    # two nodes, two minutes each
    assert list(ENGINE.consequences(old, new)) == [
        Consequence("spec.resources.node.cpu", "rolling", 240, ROLLING),
        Consequence("spec.resources.node.memory", "rolling", 240, ROLLING),
        Consequence("spec.version", "rolling", 240, ROLLING, never),
        Consequence("spec.storage.size", "none", 0, "not used: snapshots go to object storage"),
    ]
    assert list(ENGINE.consequences(old, old)) == []


@pytest.mark.parametrize(
    ("before", "change", "path", "restart", "seconds", "how"),
    [
        (LOCAL, {"backup": {}}, "backup.enabled", "rolling", 240, "snapshots go to object storage from now on"),
        (PLAIN, {"backup": {"schedule": "0 3 * * *"}}, "backup.schedule", "rolling", 240, "a node at a time"),
        (
            PLAIN,
            {"backup": {"destination": "s3://x1x"}},
            "backup.destination",
            "rolling",
            240,
            "a node at a time; sn",
        ),
        (PLAIN, CLEAR, "networking.tls.enabled", "rolling", 240, "a node at a time; clients have to speak"),
        (
            PLAIN,
            {"networking": {"tls": {"certificate": "x"}}},
            "networking.tls.certificate",
            "rolling",
            240,
            "a node at a time",
        ),
        (
            PLAIN,
            {"highAvailability": {"multiAZ": False}},
            "highAvailability.multiAZ",
            "rolling",
            240,
            "nodes move, one at a time",
        ),
        (PLAIN, {"backup": {"retention": "1d"}}, "backup.retention", "none", 0, "nothing: see the warning"),
        (PLAIN, {"highAvailability": {"enabled": False}}, "highAvailability.enabled", "none", 0, "nothing by itself"),
        (PLAIN, {"storage": {"class": "ceph-block"}}, "storage.class", "none", 0, "not used: snapshots go"),
    ],
)
def test_what_each_field_does(before: Json, change: Json, path: str, restart: str, seconds: int, how: str) -> None:
    (item,) = ENGINE.consequences(admitted(before).spec, admitted({**before, **change}).spec)
    assert (item.field, item.restart, item.seconds) == (f"spec.{path}", restart, seconds)
    assert item.how.startswith(how)


def test_copies_come_and_go_without_a_restart() -> None:
    three = admitted({**PLAIN, "replication": {"factor": 3}}).spec
    copies = Consequence("spec.replication.factor", "none", 0, "as many nodes as copies of the data")
    assert list(ENGINE.consequences(RUNNING, three)) == [
        Consequence("spec.resources.node.replicas", "none", 60, "1 nodes more in each region load all from the master"),
        copies,
    ]
    assert list(ENGINE.consequences(three, RUNNING)) == [
        Consequence(
            "spec.resources.node.replicas",
            "none",
            60,
            "1 nodes of each region go, the master last: a replica takes over",
        ),
        copies,
    ]


def test_a_copy_more_changes_no_node_that_there_is() -> None:
    # the operator restarts nodes for whatever changes in their template, where they may stand included
    two, three = dragonfly(PLAIN), dragonfly({**PLAIN, "replication": {"factor": 3}})
    assert (two.pop("replicas"), three.pop("replicas")) == (2, 3)
    assert two == three


def test_a_node_alone_is_away_while_it_restarts() -> None:
    alone = {**PLAIN, "replication": {"factor": 1}, "highAvailability": {"enabled": False}}
    old, new = admitted(alone).spec, admitted({**alone, "resources": {"node": {"cpu": "8"}}}).spec
    assert consequences(old, new, ["spec.resources.node.cpu"], shipped.catalog()) == [
        Consequence("spec.resources.node.cpu", "outage", 120, "the only node restarts: in place, a node at a time")
    ]
    kept = admitted({**alone, "backup": {"retention": "1d"}}).spec
    assert [item.restart for item in consequences(old, kept, [], shipped.catalog())] == ["none"]


# --- observe -------------------------------------------------------------------------------------------------------


def observed(status: Json, **metadata: Any) -> Any:
    made = only(rendered(PLAIN)["lagos"], "Dragonfly")
    return ENGINE.observe(RUNNING, [{**made, "metadata": {**made["metadata"], **metadata}, "status": status}])


def test_an_operator_that_has_said_nothing() -> None:
    seen = observed({}, generation=2)
    assert (seen.ready, seen.wanted, seen.current, seen.message) == (0, 2, False, "waiting for the operator")
    assert (seen.generation, seen.error, seen.terminal, seen.patience) == (2, "", False, 30)
    assert observed({}).generation == 1


@pytest.mark.parametrize(
    ("status", "ready", "current"),
    [
        ({"phase": "ResourcesCreated"}, 0, False),
        ({"phase": "Configuring"}, 0, False),
        ({"phase": "Ready"}, 2, True),
        ({"phase": "ready"}, 2, True),
        # replicas first: the rest serves
        ({"phase": "RollingUpdate"}, 2, False),
        ({"phase": "Ready", "isRollingUpdate": True}, 2, False),
    ],
)
def test_what_its_phases_mean(status: Json, ready: int, current: bool) -> None:
    seen = observed(status)
    assert (seen.ready, seen.current, seen.message) == (ready, current, f"the operator says {status['phase']}")
    assert seen.backup[:2] == ("Unknown", "NotReported")
    assert "dragonfly_failed_backups_total" in seen.backup[2]


def test_what_was_said_before_the_change_says_nothing_of_it() -> None:
    fields = [
        {"manager": "argocd", "time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "dfly", "subresource": "status", "time": "2026-01-01T00:00:08Z", "fieldsV1": {"f:status": {}}},
    ]
    seen = observed({"phase": "Ready"}, managedFields=fields)
    assert (seen.answered, seen.written) == (False, "2026-01-01T00:00:09Z")
    fields[1]["time"] = "2026-01-01T00:00:10Z"
    assert observed({"phase": "Ready"}, managedFields=fields).answered


# --- the last backup, guards and health ----------------------------------------------------------------------------


def test_no_backup_is_taken_when_asked() -> None:
    with pytest.raises(DbaasError, match="takes none when asked") as caught:
        ENGINE.snapshot(rendered(PLAIN)["lagos"], "shop-12345678")
    assert caught.value.code == "option-invalid"
    assert ENGINE.snapshot_state([]) == Backup("failed", "DragonflyDB's operator takes no backup when asked")
    assert shipped.catalog().engines["dragonfly"]["capabilities"]["backupOnDemand"] is False


def test_guards_are_balanced_and_say_what_is_wrong() -> None:
    rules = ENGINE.guards()[DRAGONFLY]
    assert len({rule.message for rule in rules}) == len(rules) == 11
    for rule in rules:
        assert rule.message.startswith("spec.")
        assert all(rule.expression.count(a) == rule.expression.count(b) for a, b in ("()", "[]", "{}"))


def test_health_covers_every_kind() -> None:
    assert set(ENGINE.health) == {"dragonflydb.io_Dragonfly"}
    (lua,) = ENGINE.health.values()
    assert 'status = "Healthy"' in lua

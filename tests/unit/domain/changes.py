"""Every change of every engine: what it is, and what it does, worked out by hand from the operators' documentation.

Held against what the plan says here, and against the genuine definitions and guards on the lab.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

#: of each engine a service as it runs before
BASES: dict[str, Json] = {
    "scylla": {"sku": "scy-ring-3", "version": "2025.4.0"},
    "yugabyte": {"sku": "yb-dedicated", "version": "2025.2.1"},
    "vitess": {"sku": "vt-dedicated", "version": "24.0.0"},
    "dragonfly": {"sku": "dfly-mem-16g", "version": "1.38.1"},
    "aerospike": {"sku": "aero-strong-3", "version": "8.0.0.3"},
    "mongodb": {"sku": "mongo-flex-rs", "version": "8.0.17"},
}
LOCAL: Json = {"backup": {"enabled": False}}
HOME: Json = {"replication": {"regions": ["lagos"]}}
BOTH: Json = {"replication": {"regions": ["lagos", "johannesburg"]}}
TAINTED: Json = {
    "placement": {
        "nodeSelector": {"example.com/disk": "nvme"},
        "tolerations": [{"key": "example.com/databases", "operator": "Exists", "effect": "NoSchedule"}],
    }
}


@dataclass(frozen=True)
class Change:
    """One change of a running service. before: what it differs in from the base of its engine.

    restart is the class of the whole; undone: words of what cannot be undone, "" where all can; told: a path
    of spec in the operator's main object, and what stands there afterwards.
    """

    engine: str
    name: str
    change: Json
    restart: str
    before: Json | None = None
    undone: str = ""
    told: tuple[str, object] = ("", None)


@dataclass(frozen=True)
class Refusal:
    """One change that an engine cannot make: the field, and words of the reason."""

    engine: str
    name: str
    change: Json
    field: str
    words: str
    before: Json | None = None


def specs(item: Change | Refusal) -> tuple[Json, Json]:
    """The spec that is declared before a change, and after it."""
    was = merged({**BASES[item.engine], "region": "lagos"}, item.before or {})
    return was, merged(was, item.change)


def merged(spec: Json, change: Json) -> Json:
    found = copy.deepcopy(spec)
    for key, value in change.items():
        if value is None:
            del found[key]
            continue
        found[key] = merged(found[key], value) if isinstance(found.get(key), dict) else copy.deepcopy(value)
    return found


RACK = "datacenter.racks.0"
SHARD = "keyspaces.0.partitionings.0.equal.shardTemplate.tabletPools.0"
CHANGES: list[Change] = [
    # a ring grows by its SKU; the nodes' amounts stay where they are named
    Change(
        "scylla",
        "scale",
        {"sku": "scy-ring-5", "resources": {"node": {"cpu": "4", "memory": "16Gi"}}},
        "none",
        told=(f"{RACK}.members", 2),
    ),
    Change(
        "scylla",
        "scale-in",
        {"sku": "scy-ring-3", "plan": "clustered"},
        "none",
        before={"sku": "scy-ring-5", "resources": {"node": {"cpu": "4", "memory": "16Gi"}}},
        told=(f"{RACK}.members", 1),
    ),
    Change(
        "scylla",
        "resources",
        {"resources": {"node": {"cpu": "8", "memory": "32Gi"}}},
        "rolling",
        told=(f"{RACK}.resources.limits", {"cpu": "8", "memory": "32Gi"}),
    ),
    Change(
        "scylla",
        "version",
        {"version": "2026.1.0"},
        "rolling",
        undone="never goes back to an older version",
        told=("version", "2026.1.0"),
    ),
    Change(
        "scylla",
        "parameters",
        {"parameters": {"hinted_handoff_enabled": False, "blocked-reactor-notify-ms": 50}},
        "rolling",
        told=("scyllaArgs", "--blocked-reactor-notify-ms=50"),
    ),
    Change(
        "scylla", "no-parameters", {"parameters": None}, "rolling", before={"parameters": {"max_hint_window_in_ms": 1}}
    ),
    Change("scylla", "region", BOTH, "none"),
    Change("scylla", "plan", {"plan": "clustered"}, "none"),
    Change("scylla", "backups", LOCAL, "none"),
    Change("scylla", "placement", TAINTED, "rolling"),
    # YugabyteDB
    Change(
        "yugabyte",
        "scale",
        {
            "sku": "yb-clustered",
            "plan": "clustered",
            "resources": {
                "master": {"cpu": "2", "memory": "4Gi"},
                "tserver": {"cpu": "4", "memory": "16Gi"},
            },
        },
        "none",
        told=("numNodes", 6),
    ),
    Change(
        "yugabyte",
        "resources",
        {"resources": {"tserver": {"cpu": "8", "memory": "32Gi"}}},
        "rolling",
        told=("kubernetesOverrides.resource.tserver.limits", {"cpu": "8", "memory": "32Gi"}),
    ),
    Change(
        "yugabyte",
        "storage",
        {"storage": {"size": "1Ti"}},
        "none",
        undone="volumes never shrink",
        told=("deviceInfo.volumeSize", 1024),
    ),
    Change(
        "yugabyte",
        "version",
        {"version": "2025.2.5"},
        "rolling",
        undone="no way back to an older version",
        told=("ybSoftwareVersion", "2025.2.5.0-b122"),
    ),
    Change(
        "yugabyte",
        "parameters",
        {"parameters": {"ysql_max_connections": 500}},
        "rolling",
        told=("gFlags", {"tserverGFlags": {"ysql_max_connections": "500"}}),
    ),
    Change("yugabyte", "region", BOTH, "none"),
    Change("yugabyte", "pause", {"paused": True}, "outage", told=("paused", True)),
    Change("yugabyte", "resume", {"paused": False}, "none", before={"paused": True}, told=("paused", None)),
    Change("yugabyte", "placement", TAINTED, "rolling"),
    # Vitess
    Change("vitess", "scale", {"replication": {"factor": 5}}, "none", told=(f"{SHARD}.replicas", 2)),
    Change(
        "vitess",
        "resources",
        {"resources": {"mysqld": {"cpu": "8", "memory": "32Gi"}}},
        "rolling",
        told=(f"{SHARD}.mysqld.resources.limits", {"cpu": "8", "memory": "32Gi"}),
    ),
    Change(
        "vitess",
        "storage",
        {"storage": {"size": "500Gi"}},
        "none",
        undone="volumes never shrink",
        told=(f"{SHARD}.dataVolumeClaimTemplate.resources.requests.storage", "500Gi"),
    ),
    Change(
        "vitess",
        "version",
        {"version": "24.0.4"},
        "rolling",
        undone="no way back to an older version",
        told=("images.vttablet", "vitess/lite:v24.0.4-mysql80"),
    ),
    Change("vitess", "parameters", {"parameters": {"max_connections": 900, "max_memory_rows": 9}}, "rolling"),
    Change("vitess", "placement", TAINTED, "rolling"),
    # DragonflyDB: a node is a copy
    Change("dragonfly", "scale", {"replication": {"factor": 3}}, "none", told=("replicas", 3)),
    Change(
        "dragonfly", "resources", {"resources": {"node": {"cpu": "8"}}}, "rolling", told=("resources.limits.cpu", "8")
    ),
    Change(
        "dragonfly",
        "memory",
        {"sku": "dfly-mem-64g", "storage": {"size": "160Gi"}},
        "rolling",
        # 85 % of 64 GiB
        told=("args.0", "--maxmemory=58411555225"),
    ),
    # snapshots go to object storage: there is no volume
    Change("dragonfly", "storage", {"storage": {"size": "100Gi"}}, "none"),
    Change(
        "dragonfly",
        "version",
        {"version": "1.39.0"},
        "rolling",
        undone="may not load the snapshots",
        told=("image", "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0"),
    ),
    Change("dragonfly", "parameters", {"parameters": {"dbnum": 4}}, "rolling", told=("args.2", "--dbnum=4")),
    Change(
        "dragonfly",
        "alone",
        {"parameters": {"dbnum": 4}},
        "outage",
        before={"replication": {"factor": 1}, "highAvailability": {"enabled": False}},
    ),
    Change("dragonfly", "placement", TAINTED, "rolling"),
    # Aerospike
    Change(
        "aerospike",
        "scale",
        {"sku": "aero-strong-5", "plan": "clustered", "resources": {"node": {"cpu": "4", "memory": "32Gi"}}},
        "none",
        told=("size", 5),
    ),
    Change("aerospike", "resources", {"resources": {"node": {"cpu": "8"}}}, "rolling"),
    Change(
        "aerospike",
        "version",
        {"version": "8.1.2.0"},
        "rolling",
        undone="only by steps by hand",
        told=("image", "aerospike/aerospike-server-enterprise:8.1.2.0"),
    ),
    # the operator sets it while nodes run
    Change(
        "aerospike",
        "parameters",
        {"parameters": {"nsup-period": 60, "default-ttl": 3600}},
        "none",
        told=("aerospikeConfig.namespaces.0.default-ttl", 3600),
    ),
    Change("aerospike", "static-parameters", {"parameters": {"partition-tree-sprigs": 512}}, "rolling"),
    Change("aerospike", "region", BOTH, "none"),
    Change("aerospike", "plan", {"plan": "clustered"}, "none"),
    # both ways now, which some nodes cannot take while they run
    Change("aerospike", "global", {"plan": "global"}, "rolling", before=BOTH),
    Change("aerospike", "placement", TAINTED, "rolling"),
    # MongoDB
    Change("mongodb", "scale", {"replication": {"factor": 5}}, "none", told=("replsets.0.size", 5)),
    Change("mongodb", "resources", {"resources": {"mongod": {"memory": "32Gi"}}}, "rolling"),
    Change(
        "mongodb",
        "storage",
        {"storage": {"size": "200Gi"}},
        "none",
        undone="volumes never shrink",
        told=("replsets.0.volumeSpec.persistentVolumeClaim.resources.requests.storage", "200Gi"),
    ),
    Change(
        "mongodb",
        "version",
        {"version": "8.0.19"},
        "rolling",
        undone="never goes back to an older version",
        told=("image", "percona/percona-server-mongodb:8.0.19-7"),
    ),
    Change(
        "mongodb",
        "parameters",
        {"parameters": {"net.maxIncomingConnections": 900}},
        "rolling",
        told=("replsets.0.configuration", "net:\n  maxIncomingConnections: 900\n"),
    ),
    Change("mongodb", "region", BOTH, "none"),
    Change("mongodb", "pause", {"paused": True}, "outage", told=("pause", True)),
    Change("mongodb", "resume", {"paused": False}, "none", before={"paused": True}, told=("pause", None)),
    Change("mongodb", "backups", LOCAL, "rolling", told=("backup.enabled", False)),
    Change("mongodb", "placement", TAINTED, "rolling"),
]
#: what it does to the home region that a service leaves johannesburg
LEAVINGS: list[Change] = [
    Change("scylla", "leave", HOME, "none", BOTH, undone="keyspaces that replicate in johannesburg alone"),
    Change("yugabyte", "leave", HOME, "none", BOTH, undone="all data of the universe in johannesburg"),
    Change(
        "aerospike",
        "leave",
        HOME,
        "rolling",
        BOTH,
        undone="what was written in johannesburg and not shipped",
        told=("aerospikeConfig.xdr", None),
    ),
    Change(
        "mongodb",
        "leave",
        HOME,
        "none",
        BOTH,
        undone="the copies in johannesburg; the home region has all data",
        told=("replsets.0.externalNodes", None),
    ),
]
SIZE, REGIONS = "spec.storage.size", "spec.replication.regions"
#: what the engines or their operators cannot do
REFUSALS: list[Refusal] = [
    Refusal("scylla", "storage", {"storage": {"size": "1Ti"}}, SIZE, "cannot change storage in place"),
    Refusal(
        "scylla", "zones", {"highAvailability": {"multiAZ": False}}, "spec.highAvailability.multiAZ", "between zones"
    ),
    Refusal("scylla", "back", {"version": "2025.3.0"}, "spec.version", "from 2025.4.0: 2025.4.0, 2026.1.0"),
    Refusal("scylla", "pause", {"paused": True}, "spec.paused", "stops no ring"),
    Refusal("yugabyte", "class", {"storage": {"class": "ceph-block"}}, "spec.storage.class", "cannot change it"),
    Refusal(
        "yugabyte",
        "copies",
        {"replication": {"factor": 5}},
        "spec.replication.factor",
        "cannot change it on a universe",
    ),
    Refusal("yugabyte", "shrink", {"storage": {"size": "200Gi"}}, SIZE, "storage cannot shrink"),
    Refusal("vitess", "region", BOTH, REGIONS, "a lockserver of its own"),
    Refusal("vitess", "shards", {"sku": "vt-sharded"}, "spec.sku", "resharding"),
    Refusal("vitess", "pause", {"paused": True}, "spec.paused", "keeps a tablet"),
    Refusal("dragonfly", "storage", {"storage": {"size": "100Gi"}}, SIZE, "ignores changes of volumes", LOCAL),
    Refusal("dragonfly", "region", BOTH, REGIONS, "within one region alone"),
    Refusal("dragonfly", "plan", {"plan": "clustered"}, "spec.plan", "a node more is a copy more"),
    Refusal("dragonfly", "pause", {"paused": True}, "spec.paused", "in memory"),
    Refusal("aerospike", "storage", {"storage": {"size": "1Ti"}}, SIZE, "refuses to alter volumes"),
    Refusal("aerospike", "copies", {"replication": {"factor": 3}}, "spec.replication.factor", "consistency is strong"),
    Refusal("aerospike", "pause", {"paused": True}, "spec.paused", "the operator's own work"),
    Refusal("mongodb", "shards", {"sku": "mongo-flex-sharded"}, "spec.sku", "becomes no sharded cluster"),
    Refusal("mongodb", "class", {"storage": {"class": "ceph-block"}}, "spec.storage.class", "volumes do not move"),
    *(
        Refusal(engine, "leave", HOME, REGIONS, "no change of a claim deletes", BOTH)
        for engine in ("scylla", "yugabyte", "aerospike", "mongodb")
    ),
]

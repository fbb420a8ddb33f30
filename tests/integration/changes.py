"""What each engine can change on services that run, what that does, and what it cannot: the table of test_engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

BOTH: Json = {"replication": {"regions": ["lagos", "johannesburg"]}}
#: engine -> API path of its objects, up to the name
OBJECTS = {
    "aerospike": "asdb.aerospike.com/v1/namespaces/{}/aerospikeclusters",
    "dragonfly": "dragonflydb.io/v1alpha1/namespaces/{}/dragonflies",
    "mongodb": "psmdb.percona.com/v1/namespaces/{}/perconaservermongodbs",
    "scylla": "scylla.scylladb.com/v1/namespaces/{}/scyllaclusters",
    "vitess": "planetscale.com/v2/namespaces/{}/vitessclusters",
    "yugabyte": "operator.yugabyte.io/v1alpha1/namespaces/{}/ybuniverses",
}


@dataclass(frozen=True)
class Case:
    """A change of one service.

    before, after: its spec without the home region; restart: the class that the plan says; field, old, new: a place of
    the operator's object (in the region that is looked at) and what stands there; back: why it cannot be taken back.
    """

    engine: str
    change: str
    before: Json
    after: Json
    restart: str
    field: str
    old: Any
    new: Any
    back: str = ""
    region: str = "lagos"

    @property
    def name(self) -> str:
        return f"{self.engine}-{self.change}"


STAYS = "let the service go from johannesburg"
GROWN = "storage cannot shrink"
_RACK = "datacenter.racks.0"
_MEMBERS = "replsets.0"
_VOLUME = "volumeSpec.persistentVolumeClaim.resources.requests.storage"
_TABLETS = "keyspaces.0.partitionings.0.equal.shardTemplate.tabletPools"
_MYSQLD = "innodb_buffer_pool_size=10307921510\nbinlog_expire_logs_seconds=259200\n"
CASES = (
    Case("scylla", "scale", {"sku": "scy-ring-5"}, {"sku": "scy-ring-9"}, "none", f"{_RACK}.members", 2, 3),
    Case(
        "scylla",
        "resources",
        {"sku": "scy-ring-3"},
        {"sku": "scy-ring-3", "resources": {"node": {"cpu": "8"}}},
        "rolling",
        f"{_RACK}.resources.limits.cpu",
        "4",
        "8",
    ),
    Case(
        "scylla",
        "version",
        {"sku": "scy-ring-3", "version": "2025.4.0"},
        {"sku": "scy-ring-3", "version": "2026.1.0"},
        "rolling",
        "version",
        "2025.4.0",
        "2026.1.0",
        "from 2026.1.0: 2026.1.0",
    ),
    Case(
        "scylla",
        "region",
        {"sku": "scy-ring-3"},
        {"sku": "scy-ring-3", **BOTH},
        "none",
        "externalSeeds.2",
        None,
        "scylla-region-lagos-c-0.tenant-many.svc.lagos.dbaas.internal",
        STAYS,
        "johannesburg",
    ),
    Case(
        "scylla",
        "plan",
        {"sku": "scy-ring-3"},
        {"sku": "scy-ring-3", "plan": "clustered"},
        "none",
        f"{_RACK}.members",
        1,
        1,
    ),
    Case(
        "mongodb",
        "scale",
        {"sku": "mongo-flex-rs"},
        {"sku": "mongo-flex-rs", "replication": {"factor": 5}},
        "none",
        f"{_MEMBERS}.size",
        3,
        5,
    ),
    Case(
        "mongodb",
        "resources",
        {"sku": "mongo-flex-rs"},
        {"sku": "mongo-flex-rs", "resources": {"mongod": {"memory": "32Gi"}}},
        "rolling",
        f"{_MEMBERS}.resources.limits.memory",
        "16Gi",
        "32Gi",
    ),
    Case(
        "mongodb",
        "storage",
        {"sku": "mongo-flex-sharded", "storage": {"size": "200Gi"}},
        {"sku": "mongo-flex-sharded", "storage": {"size": "300Gi"}},
        "none",
        f"replsets.1.{_VOLUME}",
        "200Gi",
        "300Gi",
        GROWN,
    ),
    Case(
        "mongodb",
        "version",
        {"sku": "mongo-flex-rs", "version": "8.0.17"},
        {"sku": "mongo-flex-rs", "version": "8.0.19"},
        "rolling",
        "image",
        "percona/percona-server-mongodb:8.0.17-6",
        "percona/percona-server-mongodb:8.0.19-7",
        "from 8.0.19: 8.0.19",
    ),
    Case(
        "mongodb",
        "region",
        {"sku": "mongo-flex-rs"},
        {"sku": "mongo-flex-rs", **BOTH},
        "none",
        "unmanaged",
        None,
        True,
        STAYS,
        "johannesburg",
    ),
    Case(
        "mongodb",
        "plan",
        {"sku": "mongo-flex-rs", **BOTH},
        {"sku": "mongo-flex-rs", "plan": "global", **BOTH},
        "none",
        "replsets.0.externalNodes.0.host",
        "mongodb-plan-rs0-0.mongodb-plan-rs0.tenant-many.svc.johannesburg.dbaas.internal",
        "mongodb-plan-rs0-0.mongodb-plan-rs0.tenant-many.svc.johannesburg.dbaas.internal",
    ),
    Case(
        "yugabyte",
        "plan",
        {"sku": "yb-dedicated"},
        {"sku": "yb-clustered"},
        "rolling",
        "numNodes",
        3,
        6,
    ),
    Case(
        "yugabyte",
        "resources",
        {"sku": "yb-dedicated"},
        {"sku": "yb-dedicated", "resources": {"tserver": {"cpu": "8"}}},
        "rolling",
        "kubernetesOverrides.resource.tserver.limits.cpu",
        "4",
        "8",
    ),
    Case(
        "yugabyte",
        "storage",
        {"sku": "yb-dedicated", "storage": {"size": "500Gi"}},
        {"sku": "yb-dedicated", "storage": {"size": "1Ti"}},
        "none",
        "deviceInfo.volumeSize",
        500,
        1024,
        GROWN,
    ),
    Case(
        "yugabyte",
        "version",
        {"sku": "yb-dedicated", "version": "2025.2.1"},
        {"sku": "yb-dedicated", "version": "2025.2.5"},
        "rolling",
        "ybSoftwareVersion",
        "2025.2.1.0-b141",
        "2025.2.5.0-b122",
        "from 2025.2.5: 2025.2.5",
    ),
    Case(
        "yugabyte",
        "region",
        {"sku": "yb-dedicated"},
        {"sku": "yb-dedicated", **BOTH},
        "none",
        "zoneFilter.0",
        None,
        "johannesburg-a",
        STAYS,
        "johannesburg",
    ),
    Case(
        "vitess",
        "scale",
        {"sku": "vt-dedicated"},
        {"sku": "vt-dedicated", "replication": {"factor": 5}},
        "none",
        f"{_TABLETS}.0.replicas",
        1,
        2,
    ),
    Case(
        "vitess",
        "resources",
        {"sku": "vt-dedicated"},
        {"sku": "vt-dedicated", "resources": {"mysqld": {"cpu": "8"}}},
        "rolling",
        f"{_TABLETS}.0.mysqld.resources.limits.cpu",
        "4",
        "8",
    ),
    Case(
        "vitess",
        "storage",
        {"sku": "vt-sharded", "storage": {"size": "500Gi"}},
        {"sku": "vt-sharded", "storage": {"size": "1Ti"}},
        "none",
        f"{_TABLETS}.0.dataVolumeClaimTemplate.resources.requests.storage",
        "500Gi",
        "1Ti",
        GROWN,
    ),
    Case(
        "vitess",
        "version",
        {"sku": "vt-dedicated", "version": "24.0.0"},
        {"sku": "vt-dedicated", "version": "24.0.4"},
        "rolling",
        "images.vttablet",
        "vitess/lite:v24.0.0-mysql80",
        "vitess/lite:v24.0.4-mysql80",
        "from 24.0.4: 24.0.4",
    ),
    Case(
        "dragonfly",
        "scale",
        {"sku": "dfly-mem-16g"},
        {"sku": "dfly-mem-16g", "replication": {"factor": 3}},
        "none",
        "replicas",
        2,
        3,
    ),
    Case(
        "dragonfly",
        "resources",
        {"sku": "dfly-mem-16g", "resources": {"node": {"cpu": "2"}}},
        {"sku": "dfly-mem-16g", "resources": {"node": {"cpu": "8"}}},
        "rolling",
        "args.1",
        "--proactor_threads=2",
        "--proactor_threads=8",
    ),
    Case(
        "dragonfly",
        "version",
        {"sku": "dfly-mem-16g", "version": "1.38.1"},
        {"sku": "dfly-mem-16g", "version": "1.39.0"},
        "rolling",
        "image",
        "docker.dragonflydb.io/dragonflydb/dragonfly:v1.38.1",
        "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0",
        "from 1.39.0: 1.39.0",
    ),
    Case(
        "aerospike",
        "scale",
        {"sku": "aero-strong-3", "plan": "clustered"},
        {"sku": "aero-strong-5", "plan": "clustered", "resources": {"node": {"cpu": "4", "memory": "32Gi"}}},
        "none",
        "size",
        3,
        5,
    ),
    Case(
        "aerospike",
        "resources",
        {"sku": "aero-strong-3"},
        {"sku": "aero-strong-3", "resources": {"node": {"memory": "64Gi"}}},
        "rolling",
        "podSpec.aerospikeContainer.resources.limits.memory",
        "32Gi",
        "64Gi",
    ),
    Case(
        "aerospike",
        "version",
        {"sku": "aero-strong-3", "version": "8.0.0.3"},
        {"sku": "aero-strong-3", "version": "8.1.2.0"},
        "rolling",
        "image",
        "aerospike/aerospike-server-enterprise:8.0.0.3",
        "aerospike/aerospike-server-enterprise:8.1.2.0",
        "from 8.1.2.0: 8.1.2.0",
    ),
    Case(
        "aerospike",
        "region",
        {"sku": "aero-strong-3"},
        {"sku": "aero-strong-3", **BOTH},
        "none",
        "rackConfig.racks.0.zone",
        None,
        "johannesburg-a",
        STAYS,
        "johannesburg",
    ),
    Case(
        "aerospike",
        "plan",
        {"sku": "aero-strong-3", "plan": "dedicated", **BOTH},
        {"sku": "aero-strong-3", "plan": "global", **BOTH},
        "rolling",
        "aerospikeConfig.xdr.dcs.0.name",
        None,
        "lagos",
        region="johannesburg",
    ),
    Case(
        "scylla",
        "parameters",
        {"sku": "scy-ring-3"},
        {"sku": "scy-ring-3", "parameters": {"blocked-reactor-notify-ms": 50}},
        "rolling",
        "scyllaArgs",
        None,
        "--blocked-reactor-notify-ms=50",
    ),
    Case(
        "mongodb",
        "parameters",
        {"sku": "mongo-flex-rs"},
        {"sku": "mongo-flex-rs", "parameters": {"operationProfiling.mode": "slowOp"}},
        "rolling",
        f"{_MEMBERS}.configuration",
        None,
        'operationProfiling:\n  mode: "slowOp"\n',
    ),
    Case(
        "mongodb",
        "pause",
        {"sku": "mongo-flex-rs", "paused": False},
        {"sku": "mongo-flex-rs", "paused": True},
        "outage",
        "pause",
        None,
        True,
    ),
    Case(
        "yugabyte",
        "parameters",
        {"sku": "yb-dedicated"},
        {"sku": "yb-dedicated", "parameters": {"ysql_max_connections": 400}},
        "rolling",
        "gFlags.tserverGFlags.ysql_max_connections",
        None,
        "400",
    ),
    Case(
        "yugabyte",
        "resume",
        {"sku": "yb-dedicated", "paused": True},
        {"sku": "yb-dedicated"},
        "none",
        "paused",
        True,
        False,
    ),
    Case(
        "vitess",
        "parameters",
        {"sku": "vt-dedicated", "parameters": {"max_connections": 500}},
        {"sku": "vt-dedicated", "parameters": {"max_connections": 900}},
        "rolling",
        f"{_TABLETS}.0.mysqld.configOverrides",
        f"{_MYSQLD}max_connections=500\n",
        f"{_MYSQLD}max_connections=900\n",
    ),
    Case(
        "dragonfly",
        "parameters",
        {"sku": "dfly-mem-16g"},
        {"sku": "dfly-mem-16g", "parameters": {"maxclients": 1000}},
        "rolling",
        "args.2",
        "--s3_ec2_metadata=true",
        "--maxclients=1000",
    ),
    Case(
        "aerospike",
        "parameters",
        {"sku": "aero-strong-3"},
        {"sku": "aero-strong-3", "parameters": {"defrag-lwm-pct": 60}},
        "none",
        "aerospikeConfig.namespaces.0.storage-engine.defrag-lwm-pct",
        None,
        60,
    ),
)
#: services that leave johannesburg in the end: what the home region's nodes do meanwhile, and what is lost
LEAVINGS = {
    "aerospike-region": ("rolling", "what was written in johannesburg and not shipped to another region"),
    "mongodb-region": ("none", "the copies in johannesburg"),
    "scylla-region": ("none", "keyspaces that replicate in johannesburg alone"),
    "yugabyte-region": ("none", "all data of the universe in johannesburg"),
}
#: and those that are in lagos alone
HOMES = ("dragonfly-version", "vitess-version")
#: what services that run cannot change: which service, its spec, the field that is named, and why
NEVER: tuple[tuple[str, Json, str, str], ...] = (
    ("scylla-plan", {"storage": {"size": "1Ti"}}, "spec.storage.size", "cannot change storage in place"),
    ("scylla-resources", {"version": "2025.4.0"}, "spec.version", "from 2026.1.0: 2026.1.0"),
    ("aerospike-plan", {"storage": {"size": "1Ti"}}, "spec.storage.size", "refuses to alter volumes"),
    ("aerospike-resources", {"replication": {"factor": 3}}, "spec.replication.factor", "refuses to change it"),
    ("mongodb-resources", {"sku": "mongo-flex-sharded"}, "spec.sku", "becomes no sharded cluster in place"),
    ("mongodb-scale", {"storage": {"size": "50Gi"}}, "spec.storage.size", GROWN),
    ("yugabyte-plan", {"replication": {"factor": 5}}, "spec.replication.factor", "cannot change it on a universe"),
    ("vitess-resources", {"sku": "vt-sharded"}, "spec.sku", "resharding (vtctldclient Reshard) is not built yet"),
    ("vitess-scale", BOTH, "spec.replication.regions", "the catalog names none (engines.vitess.lockserver)"),
    ("stored", {"storage": {"size": "60Gi"}}, "spec.storage.size", "the operator ignores changes of volumes"),
    ("scylla-region", {"paused": True}, "spec.paused", "its operator stops no ring"),
    ("vitess-version", {"paused": True}, "spec.paused", "keeps a tablet of each shard"),
    ("dragonfly-version", {"paused": True}, "spec.paused", "it holds its data in memory"),
    ("aerospike-version", {"paused": True}, "spec.paused", "the nodes run on"),
    ("dragonfly-resources", {"parameters": {"maxclient": 1}}, "spec.parameters.maxclient", "maxclients"),
    ("dragonfly-scale", BOTH, "spec.replication.regions", "DragonflyDB replicates within one region alone"),
)
#: services that are made with the others, and that tests of their engine look at
STILL: dict[str, Json] = {
    "sharp": {"sku": "aero-strong-3", "plan": "global", **BOTH},
    "marked": {"sku": "aero-strong-3"},
    "cache": {"sku": "dfly-mem-16g"},
    "stored": {"sku": "dfly-mem-16g", "backup": {"enabled": False}},
    "papers": {"sku": "mongo-flex-rs", **BOTH},
    "leaving": {"sku": "mongo-flex-rs", **BOTH},
    "reef": {"sku": "vt-dedicated"},
    "twofold": {"sku": "yb-dedicated", **BOTH},
    "ruled": {"sku": "yb-dedicated"},
    "leaves": {"sku": "yb-dedicated"},
}
#: those of STILL that are changed or taken away one by one, in a tenant of their own: a sync looks at all of its tenant
APART = ("marked", "leaving", "ruled", "leaves")

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Vitess by vitess-operator: one VitessCluster in each region, a cell for each zone, one keyspace.

Several regions are one Vitess: each VitessCluster has the cells of its own region alone, and all find each other by a
global lockserver that the platform brings (an etcd over its regions). A shard has one primary, at home from the start.
The operator has no webhook: what it would ignore, or stumble over, is refused by the guards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    DISRUPTION_BUDGET,
    SERVICE,
    Alert,
    Backup,
    Connection,
    Consequence,
    Kind,
    Obj,
    Observation,
    Rule,
    SecretNeed,
    Share,
    Surroundings,
)

CLUSTER = Kind("planetscale.com", "v2", "VitessCluster", "vitessclusters")
#: the keyspace that is there from the start
KEYSPACE = "main"
MYSQL, GRPC, WEB, EXPORTER, ETCD, ETCD_PEERS = 3306, 15999, 15000, 9104, 2379, 2380
_CLUSTER_LABEL, _COMPONENT = "planetscale.com/cluster", "planetscale.com/component"
_KEEPER = "vitess-backups"
_GATE_SECONDS = 60
#: of each member of a region's own lockserver
_ETCD = {"cpu": "200m", "memory": "512Mi"}
_ETCD_VOLUME = "5Gi"
#: what stands beside the tablets: VTOrc, vtctld, the exporter in each tablet, a backup's pod
_SMALL = {"cpu": "100m", "memory": "256Mi"}
_BACKUP_POD = {"cpu": "1", "memory": "2Gi"}
#: in percent; connections, sorting and the copies of replicas want the rest
_MOST_OF_MEMORY = 75
_POOL = "innodb_buffer_pool_size"
#: binary logs are there for whoever follows changes and was away a while
_LOGS_SECONDS = 3 * 86400
#: what mysqld's users may do that Vitess works as
_WORK = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, FILE, REFERENCES, INDEX, ALTER, SHOW DATABASES,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, CREATE ROUTINE,"
    " ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"
)
#: run on each new data folder, before anything is replicated: the users that Vitess is compiled to know
INIT = "\n".join(
    [
        "SET @before = @@global.super_read_only;",
        "SET GLOBAL super_read_only = OFF;",
        "SET sql_log_bin = 0;",
        "DELETE FROM mysql.user WHERE User = '' OR (User = 'root' AND Host <> 'localhost');",
        "DROP DATABASE IF EXISTS test;",
        *(
            f"CREATE USER '{user}'@'{host}'; GRANT {rights} ON *.* TO '{user}'@'{host}'{more};"
            for user, host, rights, more in (
                ("vt_dba", "localhost", "ALL", " WITH GRANT OPTION"),
                ("vt_app", "localhost", _WORK, ""),
                ("vt_appdebug", "localhost", "SELECT, SHOW DATABASES, PROCESS", ""),
                ("vt_allprivs", "localhost", f"{_WORK}, REPLICATION SLAVE", ""),
                ("vt_filtered", "localhost", f"{_WORK}, REPLICATION SLAVE", ""),
                ("vt_monitoring", "localhost", "SELECT, PROCESS, SUPER, REPLICATION CLIENT, RELOAD", ""),
                ("vt_repl", "%", "REPLICATION SLAVE", ""),
            )
        ),
        "FLUSH PRIVILEGES;",
        "RESET REPLICA ALL;",
        "RESET MASTER;",
        "SET GLOBAL super_read_only = @before;",
        "",
    ]
)


class Vitess:
    """The engine `vitess`; see Engine."""

    name = "vitess"
    kinds: tuple[Kind, ...] = (CLUSTER,)
    plain: tuple[Kind, ...] = (SERVICE,)
    start_seconds = 180
    #: an estimate: a tablet hands its shard on where it leads it, stops, starts and has caught up
    restart_seconds = 300
    optional: Mapping[str, str] = {
        "placement": "",
        "paused": "its operator keeps a tablet of each shard, and takes none of them away while it leads",
    }
    #: my.cnf of mysqld, flags of tablets and of gates
    places = ("mysqld", "vttablet", "vtgate")
    roles = (("mysqld", "vtgate", "vttablet"),)
    #: what looks after backups is a pod of the operator's in the cluster's namespace
    accounts: Mapping[str, Sequence[Obj]] = {
        _KEEPER: (
            {"apiGroups": [CLUSTER.group], "resources": ["vitessshards"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [CLUSTER.group], "resources": ["vitessbackups", "vitessbackupstorages"], "verbs": ["*"]},
            {
                "apiGroups": [CLUSTER.group],
                "resources": [
                    *("vitessbackups/status", "vitessbackupstorages/status"),
                    *("vitessbackups/finalizers", "vitessbackupstorages/finalizers"),
                ],
                "verbs": ["get", "patch", "update"],
            },
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        ),
    }
    health: Mapping[str, str] = {
        f"{CLUSTER.group}_{CLUSTER.kind}": """\
local status = obj.status or {}
for _, kept in ipairs({status.orphanedCells or {}, status.orphanedKeyspaces or {}}) do
  for name, why in pairs(kept) do
    return {status = "Degraded", message = name .. ": " .. (why.message or why.reason or "cannot be taken away")}
  end
end
local done = status.observedGeneration == obj.metadata.generation and status.keyspaces ~= nil and status.cells ~= nil
for _, keyspace in pairs(status.keyspaces or {}) do
  done = done and (keyspace.pendingChanges or "") == "" and keyspace.readyShards == keyspace.desiredShards
      and keyspace.readyTablets == keyspace.desiredTablets and keyspace.updatedTablets == keyspace.desiredTablets
end
for _, cell in pairs(status.cells or {}) do
  done = done and cell.gatewayAvailable == "True" and (cell.pendingChanges or "") == ""
end
if done then
  return {status = "Healthy", message = "all tablets are ready"}
end
return {status = "Progressing", message = "waiting for the operator"}
"""
    }

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:  # noqa: ARG002 - as Engine has it
        tablets, factor = spec["resources"]["vttablet"]["replicas"], spec["replication"]["factor"]
        yield from shared.enough_nodes(spec, "vttablet")
        if tablets % factor:
            words = f"a number that the {tablets} tablets of each region make whole shards of"
            yield FieldError("spec.replication.factor", factor, words)
        zones = [len(regions[each]["zones"]) for each in spec["replication"]["regions"] if each in regions]
        if spec["highAvailability"]["multiAZ"] and min(zones) < 3:
            words = "false: of two zones one holds most of a region's lockserver, and is lost with it"
            yield FieldError("spec.highAvailability.multiAZ", True, words, False)
        asked, most = spec.get("parameters", {}).get(_POOL, 0), _pool(spec, _MOST_OF_MEMORY)
        if isinstance(asked, int) and asked > most:
            words = f"at most {most}, {_MOST_OF_MEMORY} % of mysqld's memory: with more it is killed, or does not start"
            yield FieldError(f"spec.parameters.{_POOL}", asked, words, most)
        backup = spec["backup"]
        if len(spec["replication"]["regions"]) > 1 and backup["enabled"] and "destination" not in backup:
            words = "an address that all regions reach: tablets elsewhere begin with the home region's first backup"
            yield FieldError("spec.backup.destination", None, words)
        survives, proves = "a shard always survives the loss of a tablet", "passwords never travel in clear"
        yield from shared.always_on(spec, survives, proves)

    def warnings(self, spec: Obj) -> Iterator[str]:  # noqa: ARG002 - as Engine has it
        yield from ()

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        words = "the operator ignores another class for volumes that are there"
        yield from shared.fixed("spec.storage.class", old["storage"]["class"], new["storage"]["class"], words)
        was, wanted = (each["highAvailability"]["multiAZ"] for each in (old, new))
        words = "the operator keeps a cell while a primary is in it"
        yield from shared.fixed("spec.highAvailability.multiAZ", was, wanted, words)
        was, wanted = (each["replication"]["regions"] for each in (old, new))
        if len(was) == 1 < len(wanted):
            words = f"{was[0]}: it has a lockserver of its own, which it cannot leave for one that spans regions"
            yield FieldError(shared.REGIONS, wanted, words, was)
        elif len(wanted) == 1 < len(was):
            words = (
                "two regions at least: one region has a lockserver of its own, and does not leave for it the one that"
                " spans regions; restore a backup into a new service of that region, and let this one go"
            )
            yield FieldError(shared.REGIONS, wanted, words, was)
        shards = shard_count(old), shard_count(new)
        if shards[0] != shards[1]:
            words = f"a SKU of {_shards(shards[0])}: resharding (vtctldclient Reshard) is not built yet"
            yield FieldError("spec.sku", new["sku"], words, old["sku"])
        elif new["replication"]["factor"] > old["replication"]["factor"] and not old["backup"]["enabled"]:
            words = f"{old['replication']['factor']}: new tablets start from a backup, and the service has none"
            yield FieldError("spec.replication.factor", new["replication"]["factor"], words)

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        yield from shared.rolling(old, new, self.restart_seconds, "the catalog knows no way back to an older version")
        joined = "start from the last backup and catch up"
        left = "hand on what they lead, then go"
        yield from shared.scaling(old, new, self.start_seconds, joined, left)
        factors = old["replication"]["factor"], new["replication"]["factor"]
        if factors[0] != factors[1]:
            how = f"{factors[1]} tablets for each shard, of which one leads"
            yield Consequence("spec.replication.factor", "none", 0, how)
        how = "cells in {} join: their tablets start from a backup and follow the primary"
        yield from shared.more_regions(old, new, self.start_seconds, how)
        how = (
            "the cells in {} go; first see that no shard's primary is there (vtctldclient PlannedReparentShard), and"
            " afterwards take them out of the lockserver (DeleteTablets, DeleteCellInfo --force)"
        )
        lost = "the copies in {}, and what a primary there had not sent on"
        yield from shared.fewer_regions(old, new, 0, how, lost)
        if old["storage"]["size"] != new["storage"]["size"]:
            tablets = old["resources"]["mysqld"]["replicas"] * len(old["replication"]["regions"])
            how, never = "in place: the volumes grow", "volumes never shrink"
            yield Consequence("spec.storage.size", "none", 60 * tablets, how, never)
        for field in ("enabled", "destination"):
            if old["backup"].get(field) != new["backup"].get(field):
                tablets = old["resources"]["vttablet"]["replicas"] * len(old["replication"]["regions"])
                how = "tablets are told where backups are when they start: they restart one at a time"
                yield Consequence(f"spec.backup.{field}", "rolling", self.restart_seconds * tablets, how)
        if old.get("placement") != new.get("placement"):
            nodes = sum(role["replicas"] for role in old["resources"].values()) * len(old["replication"]["regions"])
            how = (
                "nodes restart one at a time, on machines that fit; one whose volume cannot follow stays away. The"
                " lockserver moves only when somebody releases its pods (rollout.planetscale.com/released)"
            )
            yield Consequence("spec.placement", "rolling", self.restart_seconds * nodes, how)
        was, wanted = (each["networking"]["tls"].get("certificate") for each in (old, new))
        if was != wanted:
            seconds = _GATE_SECONDS * old["resources"]["vtgate"]["replicas"] * len(old["replication"]["regions"])
            yield Consequence("spec.networking.tls.certificate", "rolling", seconds, "vtgates mount another Secret")

    def render(self, share: Share) -> list[Obj]:
        return [
            share.make(CLUSTER, share.name, spec=self._cluster(share)),
            _service(share, "vtgate", mysql=MYSQL, grpc=GRPC, vtgate_web=WEB),
            _service(share, "vttablet", vttablet_web=WEB, mysqld=EXPORTER),
            *_budgets(share),
        ]

    def _cluster(self, share: Share) -> Obj:
        spec, cells = share.spec, self._cells(share)
        image = f"{shared.offered(share, 'images', 'server')}:v{spec['version']}-mysql80"
        secret = shared.certificate_secret(share.name, spec)
        gates = dict(shared.spread(spec["resources"]["vtgate"]["replicas"], [zone for zone, _copies in cells]))
        gate_flags = shared.settings(share, "vtgate")
        cluster: Obj = {
            # else a change waits for an annotation on each child
            "updateStrategy": {"type": "Immediate"},
            "images": {
                **dict.fromkeys(("vtctld", "vtgate", "vttablet", "vtorc", "vtbackup"), image),
                "mysqld": {"mysql80Compatible": image},
                "mysqldExporter": shared.offered(share, "images", "exporter"),
            },
            "globalLockserver": self._lockserver(share),
            "cells": [
                {
                    "name": _cell(zone),
                    "zone": zone,
                    # else the operator takes a place that is called after the cluster alone, as another tenant's is
                    **({"lockserver": _spanning(share, f"local/{_cell(zone)}")} if len(share.domains) > 1 else {}),
                    "gateway": {
                        "replicas": gates[zone],
                        "resources": shared.amounts(spec["resources"]["vtgate"]),
                        "authentication": {
                            "static": {"secret": {"name": _credentials(share.name), "key": "users.json"}}
                        },
                        "secureTransport": {
                            "required": True,
                            "tls": {
                                "certSecret": {"name": secret, "key": "tls.crt"},
                                "keySecret": {"name": secret, "key": "tls.key"},
                            },
                        },
                        **({"extraFlags": gate_flags} if gate_flags else {}),
                        **_standing(share, "vtgate", zone),
                    },
                }
                for zone, _copies in cells
            ],
            "vitessDashboard": {
                "cells": [_cell(cells[0][0])],
                "replicas": 1,
                "resources": shared.amounts(_SMALL),
                **_standing(share, "vtctld"),
            },
            "keyspaces": [
                {
                    "name": KEYSPACE,
                    "durabilityPolicy": "semi_sync",
                    "vitessOrchestrator": {"resources": shared.amounts(_SMALL), **_standing(share, "vtorc")},
                    "partitionings": [
                        {"equal": {"parts": shard_count(spec), "shardTemplate": self._shard(share, cells)}}
                    ],
                }
            ],
        }
        if spec["backup"]["enabled"]:
            cluster["backup"] = _backup(share)
        if len(share.domains) > 1:
            # what another region's operator made must not look like what is left over
            cluster["topologyReconciliation"] = dict.fromkeys(
                ("registerCellsAliases", "pruneCells", "pruneKeyspaces", "pruneShards"), False
            )
        return cluster

    def _shard(self, share: Share, cells: Sequence[tuple[str, int]]) -> Obj:
        spec = share.spec
        mysqld = spec["resources"]["mysqld"]
        volume = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": spec["storage"]["class"],
            "resources": {"requests": {"storage": spec["storage"]["size"]}},
        }
        settings = {
            # of mysqld's memory; connections and sorting take the rest
            _POOL: _pool(spec, 60),
            "binlog_expire_logs_seconds": _LOGS_SECONDS,
            **shared.settings(share, "mysqld"),
        }
        pools = [
            {
                "cell": _cell(zone),
                "type": "replica",
                "replicas": copies,
                "vttablet": {
                    "resources": shared.amounts(spec["resources"]["vttablet"]),
                    # how far a replica is behind is measured by these
                    "extraFlags": {
                        "heartbeat-enable": "true",
                        "heartbeat-interval": "1s",
                        **shared.settings(share, "vttablet"),
                    },
                },
                "mysqld": {
                    "resources": shared.amounts(mysqld),
                    "configOverrides": "".join(f"{name}={value}\n" for name, value in settings.items()),
                },
                "mysqldExporter": {"resources": shared.amounts(_SMALL)},
                "dataVolumeClaimTemplate": volume,
                **_standing(share, "vttablet", zone),
            }
            for zone, copies in cells
        ]
        template: Obj = {
            "databaseInitScriptSecret": {"name": _init(share.name), "key": "init_db.sql"},
            "tabletPools": pools,
        }
        if not share.home:
            # one of the regions begins, and the others follow
            template["replication"] = {"initializeMaster": False, "initializeBackup": False}
        return template

    @staticmethod
    def _cells(share: Share) -> list[tuple[str, int]]:
        """(zone, copies of each shard in it) of the region."""
        factor = share.spec["replication"]["factor"]
        return shared.spread(factor, shared.zones(share.zones[share.region], factor, share.spec))

    @staticmethod
    def _lockserver(share: Share) -> Obj:
        if len(share.domains) > 1:
            return _spanning(share, "global")
        volume = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": share.spec["storage"]["class"],
            "resources": {"requests": {"storage": _ETCD_VOLUME}},
        }
        etcd = {"resources": shared.amounts(_ETCD), "dataVolumeClaimTemplate": volume}
        return {"etcd": {**etcd, **_standing(share, "etcd")}}

    def surroundings(self, share: Share) -> Surroundings:
        where = shared.selector(share, shared.SERIES)
        tablets, gates = (share.spec["resources"][role]["replicas"] for role in ("vttablet", "vtgate"))
        return Surroundings(
            pods={_CLUSTER_LABEL: share.name},
            # tablets have mysqld behind the same port, which asks nobody for a password
            client_pods={_CLUSTER_LABEL: share.name, _COMPONENT: "vtgate"},
            client_ports=(MYSQL, GRPC),
            peer_ports=(WEB, ETCD, ETCD_PEERS),
            metrics_ports=(WEB, EXPORTER),
            metrics_services={shared.LABEL: share.name},
            metrics_endpoints=("vtgate-web", "vttablet-web", "mysqld"),
            target_labels=(shared.LABEL,),
            operator_namespaces=("vitess-operator",),
            # the operator writes a hash behind
            volumes=f"{share.name}-(vttablet|etcd)-.+",
            alerts=(
                Alert(
                    "DatabaseUnhealthy",
                    "critical",
                    f"{shared.up(share, shared.SERIES, 'vttablet-web')} < {tablets}"
                    f" or {shared.up(share, shared.SERIES, 'vtgate-web')} < {gates}",
                    5,
                    "Tablets or vtgates are down.",
                ),
                Alert(
                    "ReplicationBehind",
                    "warning",
                    f"max(vttablet_heartbeat_current_lag_ns{{{where}}}) > {60 * 10**9}",
                    10,
                    "A replica is a minute behind its primary.",
                ),
                Alert(
                    "DatabaseCpuHigh", "warning", shared.cpu_above(share, shared.SERIES, 0.8), 10, "CPU is above 80 %."
                ),
            ),
            disruption_budget=False,  # one for each component, see _budgets
        )

    def volumes(self, spec: Obj) -> Mapping[str, str]:  # noqa: ARG002 - as Engine has it
        # vttablet and mysqld are one pod with one volume, and vtgate has none
        return {"vtgate": "0", "vttablet": "0"}

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:
        return Connection(
            scheme="mysql",
            host=f"{_gate(name)}.{namespace}.svc.{domain}",
            port=MYSQL,
            tls=True,
            secret=_credentials(name),
            ca_secret=shared.certificate_secret(name, spec),
        )

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:
        users = json.dumps({"dbaas": [{"UserData": "dbaas", "Password": "{password}"}]})
        fields = {"username": "dbaas", "password": "{password}", "users.json": users}
        host = f"{_gate(name)}.{{namespace}}.svc"
        return (
            SecretNeed(_credentials(name), "superuser", fields),
            # nothing in it is secret, but the operator takes it of a Secret alone
            SecretNeed(_init(name), "init", {"init_db.sql": INIT}),
            *shared.served(name, spec, (host, f"{host}.{{domain}}")),
        )

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - as Engine has it
        return {
            "Service": ["-vtgate", "-vttablet", "-~"],
            "Pod": ["-~", "-~-#"],
            "Deployment": ["-~"],
            "PodDisruptionBudget": ["", ".vtgate"],
        }

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        status: Obj = cluster.get("status", {})
        keyspace: Obj = status.get("keyspaces", {}).get(KEYSPACE, {})
        wanted = spec["resources"]["vttablet"]["replicas"]
        closed = [
            cell["name"]
            for cell in cluster["spec"]["cells"]
            if status.get("cells", {}).get(cell["name"], {}).get("gatewayAvailable") != "True"
        ]
        pending = [
            part["pendingChanges"]
            for part in (*status.get("cells", {}).values(), keyspace)
            if part.get("pendingChanges")
        ]
        stuck = [*status.get("orphanedCells", {}).items(), *status.get("orphanedKeyspaces", {}).items()]
        seen = status.get("observedGeneration", 0) >= cluster["metadata"].get("generation", 1)
        updated = keyspace.get("updatedTablets", 0) == keyspace.get("desiredTablets", 0) == wanted
        ready = keyspace.get("readyShards", 0) == keyspace.get("desiredShards", 0) == shard_count(spec)
        words = [f"no vtgate answers in {', '.join(closed)}"] if closed else []
        return Observation(
            # more than are wanted are there while some go
            ready=min(keyspace.get("readyTablets", 0), wanted),
            wanted=wanted,
            current=seen and updated and ready and not pending and not closed,
            error="; ".join(f"{name}: {why.get('message') or why.get('reason')}" for name, why in stuck),
            message="; ".join([*words, *([f"changes wait: {', '.join(pending)}"] if pending else [])]),
            backup=_UNTOLD,
        )

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:  # noqa: ARG002 - as Engine has it
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        if "backup" not in cluster["spec"]:
            raise shared.no_bucket()
        words = (
            "deletion_policy: snapshot, but Vitess' operator takes backups on a schedule alone, of a cluster that is"
            " there. Take one by hand (vtctldclient BackupShard), then delete"
        )
        raise DbaasError("option-invalid", words)

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:  # noqa: ARG002 - as Engine has it
        return Backup("failed", "the operator takes no last backup")

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {CLUSTER: _RULES}


_UNTOLD = (
    "Unknown",
    "NotReported",
    "The cluster's object does not tell of backups; its VitessShards do (status.hasInitialBackup, backupLocations).",
)


def shard_count(spec: Obj) -> int:
    """How many shards the tablets of a region make."""
    return int(spec["resources"]["vttablet"]["replicas"]) // int(spec["replication"]["factor"])


def _pool(spec: Obj, percent: int) -> int:
    """So much of mysqld's memory, in bytes."""
    return quantity.size(spec["resources"]["mysqld"]["memory"]) * percent // 100


def _shards(number: int) -> str:
    return "1 shard" if number == 1 else f"{number} shards"


def _cell(zone: str) -> str:
    """A zone as Vitess calls it: names of cells have no hyphens."""
    return zone.replace("-", "_")


def _spanning(share: Share, place: str) -> Obj:
    """A place of the service's own in the lockserver that spans regions, and that all tenants share."""
    root = f"/vitess/{share.namespace}/{share.name}/{share.spec['serviceId']}/{place}"
    address = shared.offered(share, "lockserver")
    return {"external": {"implementation": "etcd2", "address": address, "rootPath": root}}


def _gate(name: str) -> str:
    return f"{name}-vtgate"


def _credentials(name: str) -> str:
    return f"{name}-credentials"


def _init(name: str) -> str:
    return f"{name}-init"


def _standing(share: Share, component: str, zone: str = "") -> Obj:
    """Where the pods of a component stand, as the claim's placement wants it; nothing where that names nothing."""
    machines, terms = shared.machines(share.spec), shared.terms(share.spec)
    tolerations = {"tolerations": machines["tolerations"]} if "tolerations" in machines else {}
    if not terms:
        return tolerations
    # an affinity takes the place of the operator's own, which has the cell's zone and keeps pods apart
    pods = {_CLUSTER_LABEL: share.name, _COMPONENT: component}
    affinity: Obj = shared.placement([zone], pods, *terms) if zone else shared.placement([], pods, *terms)
    (apart,) = affinity["podAntiAffinity"].pop("requiredDuringSchedulingIgnoredDuringExecution")
    preferred = [{"weight": 1, "podAffinityTerm": apart}]
    affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return {"affinity": affinity, **tolerations}


def _backup(share: Share) -> Obj:
    backup = share.spec["backup"]
    bucket, path = shared.own_place(share)
    s3: Obj = {
        "bucket": bucket,
        "region": shared.s3_region(share),
        # the operator adds the cluster's name alone; new tablets start from what they find there
        "keyPrefix": path,
    }
    if share.s3:
        # a file of the AWS tools
        access = {"name": share.s3["secret"], "key": "credentials"}
        s3 |= {"endpoint": share.s3["endpoint"], "forcePathStyle": True, "authSecret": access}
    hours = quantity.seconds(backup["retention"]) // 3600
    strategy = {
        "name": "all",
        "scope": "Cluster",
        "extraFlags": {"min_retention_time": f"{hours}h", "min_retention_count": "1"},
    }
    schedule = {
        "name": "scheduled",
        "schedule": backup["schedule"],
        "resources": shared.amounts(_BACKUP_POD),
        "strategies": [strategy],
        "backupMethod": "vtbackup",
        "concurrencyPolicy": "Forbid",
        # the operator's own ten minutes are over before much is copied
        "jobTimeoutMinute": 720,
    }
    return {
        "engine": "xtrabackup",
        "locations": [{"s3": s3}],
        "schedules": [schedule],
        # else it would run as the operator's own, by that name
        "subcontroller": {"serviceAccountName": _KEEPER},
    }


def _budgets(share: Share) -> Iterator[Obj]:
    """One tablet and one vtgate may be evicted at a time. The operator makes a budget for its etcd itself.

    Tablets are pods of a kind of the operator's that has no scale: by maxUnavailable Kubernetes would let none of them
    go, nor any other pod of such a budget.
    """
    tablets = share.spec["resources"]["vttablet"]["replicas"]
    for name, component, limit in (
        (share.name, "vttablet", {"minAvailable": tablets - 1}),
        # no service can be called like this: names of claims have no dots
        (f"{share.name}.vtgate", "vtgate", {"maxUnavailable": 1}),
    ):
        pods = {_CLUSTER_LABEL: share.name, _COMPONENT: component}
        yield share.make(DISRUPTION_BUDGET, name, spec={**limit, "selector": {"matchLabels": pods}})


def _service(share: Share, component: str, **ports: int) -> Obj:
    """Pods of a component by a name that can be known: those of the operator's own Services end in a hash."""
    return share.make(
        SERVICE,
        f"{share.name}-{component}",
        spec={
            "selector": {_CLUSTER_LABEL: share.name, _COMPONENT: component},
            "ports": [
                {"name": name.replace("_", "-"), "port": port, "targetPort": port, "protocol": "TCP"}
                for name, port in ports.items()
            ],
        },
    )


_CELLS = "object.spec.cells"
_KEYSPACES = "object.spec.?keyspaces.orValue([])"
_OLD_KEYSPACES = "oldObject.spec.?keyspaces.orValue([])"
_SCHEDULES = "object.spec.?backup.schedules.orValue([])"
_LOCATIONS = "object.spec.?backup.locations.orValue([])"
_EQUAL_POOLS = "p.?equal.shardTemplate.tabletPools.orValue([])"
_BACKENDS = "['gcs', 's3', 'azblob', 'ceph', 'volume']"


def _pools(keyspaces: str, condition: str) -> str:
    """That a condition holds of each tablet pool `t` of the keyspaces `k`, however they are cut into shards."""
    of_equal = f"p.?equal.shardTemplate.tabletPools.orValue([]).all(t, {condition})"
    of_custom = f"p.?custom.shards.orValue([]).all(s, s.?tabletPools.orValue([]).all(t, {condition}))"
    return f"{keyspaces}.all(k, k.partitionings.all(p, {of_equal} && {of_custom}))"


def _storage(pool: str) -> str:
    return f"quantity(string({pool}.?dataVolumeClaimTemplate.resources.requests[?'storage'].orValue('0')))"


#: None of these is refused by the operator: it ignores them, waits for ever, or stops reconciling.
_RULES: tuple[Rule, ...] = (
    Rule(
        "object.metadata.name.size() <= 63", "metadata.name: at most 63 characters, since children bear it as a label"
    ),
    Rule(
        f"{_CELLS}.all(c, {_CELLS}.exists_one(o, o.name == c.name))",
        "spec.cells: each name once",
    ),
    Rule(
        f"{_KEYSPACES}.all(k, {_KEYSPACES}.exists_one(o, o.name == k.name))",
        "spec.keyspaces: each name once",
    ),
    Rule(
        f"{_KEYSPACES}.all(k, k.partitionings.all(p, has(p.equal) != has(p.custom)))",
        "spec.keyspaces: a partitioning is either equal or custom",
    ),
    Rule(
        _pools(_KEYSPACES, f"{_CELLS}.exists(c, c.name == t.cell)"),
        "spec.keyspaces: a tablet pool stands in a cell of this cluster",
    ),
    Rule(
        f"{_KEYSPACES}.all(k, k.partitionings.all(p, {_EQUAL_POOLS}.all(t, has(t.externalDatastore)"
        f" || {_EQUAL_POOLS}.exists_one(o, o.cell == t.cell && o.type == t.type))))",
        "spec.keyspaces: one tablet pool of a type in a cell",
    ),
    Rule(
        _pools(
            _KEYSPACES,
            f"!has(t.backupLocationName) || {_LOCATIONS}.exists(l, l.?name.orValue('') == t.backupLocationName)",
        ),
        "spec.keyspaces: backupLocationName is one of spec.backup.locations",
    ),
    Rule(
        f"oldObject == null || {_OLD_KEYSPACES}.all(o, {_KEYSPACES}.exists(k, k.name == o.name)"
        " || o.?turndownPolicy.orValue('RequireIdle') == 'Immediate' || o.partitionings.all(p,"
        " p.?equal.shardTemplate.tabletPools.orValue([]).size() == 0))",
        "spec.keyspaces: one that has tablets goes only when its turndownPolicy was Immediate before",
    ),
    Rule(
        f"oldObject == null || {_OLD_KEYSPACES}.all(o, {_KEYSPACES}.all(k, k.name != o.name || o.partitionings.all(q,"
        f" q.?equal.shardTemplate.tabletPools.orValue([]).all(b, k.partitionings.all(p, {_EQUAL_POOLS}.all(t,"
        f" t.cell != b.cell || t.type != b.type || ({_storage('t')}.compareTo({_storage('b')}) >= 0"
        " && t.?dataVolumeClaimTemplate.storageClassName == b.?dataVolumeClaimTemplate.storageClassName)))))))",
        "spec.keyspaces: volumes grow, and keep their class",
    ),
    Rule(
        "oldObject == null || !oldObject.spec.?globalLockserver.etcd.hasValue()"
        " || object.spec.?globalLockserver.etcd.hasValue()",
        "spec.globalLockserver: the operator never takes its own etcd away",
    ),
    Rule(
        f"{_LOCATIONS}.all(l, {_BACKENDS}.exists_one(b, b in l))",
        "spec.backup.locations: each has one place",
    ),
    Rule(
        f"{_LOCATIONS}.all(l, {_LOCATIONS}.exists_one(o, o.?name.orValue('') == l.?name.orValue('')))",
        "spec.backup.locations: each name once",
    ),
    Rule(
        f"{_SCHEDULES}.all(s, (s.?schedule.orValue('') != '') != (s.?frequency.orValue('') != ''))",
        "spec.backup.schedules: either a schedule or a frequency",
    ),
    Rule(
        f"{_SCHEDULES}.all(s, s.strategies.all(t, t.?scope.orValue('Shard') == 'Cluster' ? (!has(t.keyspace) &&"
        " !has(t.shard)) : has(t.keyspace) && (t.?scope.orValue('Shard') == 'Shard') == has(t.shard)))",
        "spec.backup.schedules: scope Shard wants keyspace and shard, Keyspace a keyspace, Cluster neither",
    ),
)

ENGINE = Vitess()

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""MongoDB by Percona's operator: one PerconaServerMongoDB in each region.

Over several regions it is one replica set (of each shard): the home region's object names the members of the others,
whose objects are unmanaged and only run them. All need the same keys, passwords and certificates, so the observers make
them; an operator that looks sooner, and would make its own, is refused, and tries again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    GROUP,
    SECRET,
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

_GROUP = "psmdb.percona.com"
CLUSTER = Kind(_GROUP, "v1", "PerconaServerMongoDB", "perconaservermongodbs")
BACKUP = Kind(_GROUP, "v1", "PerconaServerMongoDBBackup", "perconaservermongodbbackups")
#: what the exporter beside each member gets
EXPORTER_AMOUNTS = {"cpu": "100m", "memory": "128Mi"}
#: minutes between two pieces of the oplog, and so what can be lost at most
OPLOG_MINUTES = 5
#: more members than these do not vote
VOTERS = 7
#: a certificate is made once and names every shard that there may be
MAX_SHARDS = 16
CONFIG_VOLUME = "20Gi"
#: the only storage that a service's object names
STORAGE = "s3"
PORT, METRICS_PORT = 27017, 9216
_ROLE = f"{GROUP}/role"
_USERS = ("BACKUP", "CLUSTER_ADMIN", "CLUSTER_MONITOR", "DATABASE_ADMIN", "USER_ADMIN")
_TENANTS_ROLES = ("readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase", "clusterMonitor")


class Mongodb:
    """The engine `mongodb`; see Engine."""

    name = "mongodb"
    kinds: tuple[Kind, ...] = (CLUSTER, BACKUP)
    plain: tuple[Kind, ...] = ()
    start_seconds = 120
    #: an estimate: a member steps down, restarts, and has caught up
    restart_seconds = 180
    optional: Mapping[str, str] = {"placement": "", "paused": ""}
    roles = (("mongod",), ("configsvr", "mongod", "mongos"))
    health: Mapping[str, str] = {
        f"{_GROUP}_{CLUSTER.kind}": """\
local status = obj.status or {}
if status.observedGeneration == obj.metadata.generation then
  if status.state == "ready" or status.state == "paused" then
    return {status = "Healthy", message = status.message or ""}
  end
  if status.state == "error" then
    return {status = "Degraded", message = status.message or "the operator says error"}
  end
end
return {status = "Progressing", message = "the operator says " .. (status.state or "nothing yet")}
""",
        f"{_GROUP}_{BACKUP.kind}": """\
local status = obj.status or {}
if status.state == "ready" then
  return {status = "Healthy", message = status.destination or ""}
end
if status.state == "error" or status.state == "rejected" then
  return {status = "Degraded", message = status.error or "the backup failed"}
end
return {status = "Progressing", message = status.state or "waiting for the operator"}
""",
    }

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:  # noqa: ARG002 - as Engine has it
        yield from shared.enough_nodes(spec, "mongod")
        factor, nodes = spec["replication"]["factor"], spec["resources"]["mongod"]["replicas"]
        if factor % 2 == 0:
            yield FieldError("spec.replication.factor", factor, "an odd number: a majority has to elect", factor + 1)
        elif _sharded(spec) and (nodes % factor or nodes // factor > MAX_SHARDS):
            words = f"copies times shards, of which there are at most {MAX_SHARDS}"
            yield FieldError("spec.resources.mongod.replicas", nodes, words, max(1, nodes // factor) * factor)
        survives, proves = "a replica set always survives the loss of a member", "the operator takes no clear text"
        yield from shared.always_on(spec, survives, proves)
        if certificate := spec["networking"]["tls"].get("certificate"):
            words = "nothing: the members trust each other by certificates that are made for them"
            yield FieldError("spec.networking.tls.certificate", certificate, words)

    def warnings(self, spec: Obj) -> Iterator[str]:
        if len(spec["replication"]["regions"]) == 2:
            yield (
                "two regions elect no primary without the home region: when it is lost the other one stays read-only"
                " until somebody reconfigures the replica set; a third region would elect one"
            )

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        classes = old["storage"]["class"], new["storage"]["class"]
        yield from shared.fixed("spec.storage.class", *classes, "volumes do not move; restore into a new service")
        if _sharded(old) != _sharded(new):
            words = f"{old['sku']}: a replica set becomes no sharded cluster in place, nor back; restore into a new one"
            yield FieldError("spec.sku", new["sku"], words, old["sku"])
        if new.get("paused") and set(old["replication"]["regions"]) - set(new["replication"]["regions"]):
            words = "false first: members that do not run take no others out of the replica set"
            yield FieldError("spec.paused", True, words, False)

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        yield from shared.rolling(old, new, self.restart_seconds, "MongoDB never goes back to an older version")
        joined, left = "copy all from another member", "leave the replica set"
        yield from shared.scaling(old, new, self.start_seconds, joined, left)
        how = "members in {} join the replica set and copy all from others; reads there want a read preference"
        yield from shared.more_regions(old, new, self.start_seconds, how)
        how = "the home region's operator takes the members in {} out of the replica set before they go"
        lost = "the copies in {}; the home region has all data, and whoever read there reads elsewhere"
        yield from shared.fewer_regions(old, new, 0, how, lost)
        nodes = sum(role["replicas"] for role in old["resources"].values()) * len(old["replication"]["regions"])
        factors = old["replication"]["factor"], new["replication"]["factor"]
        if factors[0] != factors[1]:
            yield Consequence("spec.replication.factor", "none", 0, "as many members as copies of the data")
        if old["storage"]["size"] != new["storage"]["size"]:
            how, never = "in place: the volumes grow", "volumes never shrink"
            volumes = old["resources"]["mongod"]["replicas"] * len(old["replication"]["regions"])
            yield Consequence("spec.storage.size", "none", 60 * volumes, how, never)
        if old["highAvailability"]["multiAZ"] != new["highAvailability"]["multiAZ"]:
            # their volumes stay where they are
            how = "members restart one at a time; one whose volume lies in a zone that is left does not start again"
            yield Consequence("spec.highAvailability.multiAZ", "rolling", self.restart_seconds * nodes, how)
        if old["observability"]["metrics"]["enabled"] != new["observability"]["metrics"]["enabled"]:
            roles = [amounts["replicas"] for role, amounts in old["resources"].items() if role != "mongos"]
            seconds = self.restart_seconds * sum(roles) * len(old["replication"]["regions"])
            how = "an exporter beside each member comes or goes: members restart one at a time"
            yield Consequence("spec.observability.metrics.enabled", "rolling", seconds, how)
        if old["backup"]["enabled"] != new["backup"]["enabled"]:
            how = "a backup agent beside each member comes or goes: members restart one at a time"
            yield Consequence("spec.backup.enabled", "rolling", self.restart_seconds * nodes, how)

    def render(self, share: Share) -> list[Obj]:
        spec, sets = share.spec, _replica_sets(share.spec)
        factor, storage = spec["replication"]["factor"], spec["storage"]
        build = shared.offered(share, "versions", spec["version"], "build")
        cluster: Obj = {
            "crVersion": shared.offered(share, "operator", "version"),
            "image": f"{shared.offered(share, 'images', 'server')}:{build}",
            "clusterServiceDNSSuffix": f"svc.{share.domains[share.region]}",
            "updateStrategy": "SmartUpdate" if share.home else "RollingUpdate",
            # versions change when the claim does
            "upgradeOptions": {"apply": "disabled", "setFCV": False},
            "storageScaling": {"enableVolumeScaling": True},
            "tls": {"mode": "requireTLS"},
            "secrets": {
                "users": _accounts(share.name),
                "keyFile": f"{share.name}-keyfile",
                "encryptionKey": f"{share.name}-encryption",
                "ssl": _certificate(share.name),
                "sslInternal": f"{_certificate(share.name)}-internal",
            },
            "replsets": [
                {"name": name, **self._members(share, name, "mongod", factor, storage["size"])} for name in sets
            ],
            "backup": self._backup(share),
        }
        if spec.get("paused"):
            cluster["pause"] = True
        if _sharded(spec):
            mongos = spec["resources"]["mongos"]
            cluster["sharding"] = {
                "enabled": True,
                "balancer": {"enabled": True},
                "configsvrReplSet": self._members(share, "cfg", "configsvr", factor, CONFIG_VOLUME),
                "mongos": {
                    "size": mongos["replicas"],
                    "resources": shared.amounts(mongos),
                    **self._standing(share, "mongos", mongos["replicas"]),
                },
            }
        if share.home:
            cluster["users"] = [
                {
                    "name": "dbaas",
                    "db": "admin",
                    "passwordSecretRef": {"name": _credentials(share.name), "key": "password"},
                    "roles": [{"name": role, "db": "admin"} for role in _TENANTS_ROLES],
                }
            ]
        else:
            cluster["unmanaged"] = True
        return [share.make(CLUSTER, share.name, spec=cluster)]

    def _standing(self, share: Share, role: str, nodes: int) -> Obj:
        """Where the pods of one replica set, or of mongos, stand, and how they are found."""
        pods = {shared.LABEL: share.name, _ROLE: role}
        zones = shared.zones(share.zones[share.region], nodes, share.spec)
        return {
            "labels": {**shared.pod_labels(share), _ROLE: role},
            "affinity": {"advanced": shared.placement(zones, pods)},
            "topologySpreadConstraints": [shared.over_zones(pods)],
            **shared.machines(share.spec),
        }

    def _members(self, share: Share, name: str, role: str, size: int, volume: str) -> Obj:
        """A replica set of this region, and in the home region its members elsewhere."""
        claim = {"storageClassName": share.spec["storage"]["class"], "resources": {"requests": {"storage": volume}}}
        members: Obj = {
            "size": size,
            "resources": shared.amounts(share.spec["resources"][role]),
            "volumeSpec": {"persistentVolumeClaim": claim},
            "podDisruptionBudget": {"maxUnavailable": 1},
            **self._standing(share, name, size),
        }
        if share.spec["observability"]["metrics"]["enabled"]:
            members["sidecars"] = [_exporter(share)]
            members["sidecarVolumes"] = [{"name": "exporter-tls", "secret": {"secretName": _certificate(share.name)}}]
        if role == "mongod" and (configuration := _configuration(share)):
            members["configuration"] = configuration
        if share.home and len(share.domains) > 1:
            members["externalNodes"] = [*_elsewhere(share, name, size)]
        return members

    def _backup(self, share: Share) -> Obj:
        backup, image = share.spec["backup"], shared.offered(share, "images", "backup")
        # the definition wants an image all the same; an unmanaged cluster takes no backups
        if not backup["enabled"] or not share.home:
            return {"enabled": False, "image": image}
        bucket, path = shared.own_place(share)
        s3: Obj = {
            "bucket": bucket,
            # two clusters at one place would take each other's backups for their own
            "prefix": path,
            "region": shared.s3_region(share),
        }
        if share.s3:
            s3 |= {
                "endpointUrl": f"https://{share.s3['endpoint']}",
                "credentialsSecret": share.s3["secret"],
                "forcePathStyle": True,
            }
        return {
            "enabled": True,
            "image": image,
            "storages": {STORAGE: {"type": "s3", "main": True, "s3": s3}},
            "tasks": [
                {
                    "name": "scheduled",
                    "enabled": True,
                    "schedule": backup["schedule"],
                    "type": "logical",
                    "storageName": STORAGE,
                    "retention": {"type": "count", "count": shared.kept(backup), "deleteFromStorage": True},
                }
            ],
            "pitr": {"enabled": True, "oplogSpanMin": OPLOG_MINUTES},
        }

    def surroundings(self, share: Share) -> Surroundings:
        ours = shared.selector(share, shared.SERIES)
        members = sum(amounts["replicas"] for role, amounts in share.spec["resources"].items() if role != "mongos")
        return Surroundings(
            pods={shared.LABEL: share.name},
            client_ports=(PORT,),
            peer_ports=(),
            metrics_ports=(METRICS_PORT,),
            metrics_services={},
            metrics_endpoints=("metrics",),
            target_labels=(shared.LABEL,),
            operator_namespaces=("psmdb-operator",),
            volumes=f"mongod-data-{share.name}-(rs[0-9]+|cfg)-[0-9]+",
            alerts=(
                Alert(
                    "DatabaseUnhealthy",
                    "critical",
                    f"{shared.up(share, shared.SERIES, 'metrics')} < {members} or min(mongodb_up{{{ours}}}) < 1",
                    5,
                    "Members are down.",
                ),
                Alert(
                    "ReplicationLag",
                    "warning",
                    f"max(mongodb_mongod_replset_member_replication_lag{{{ours}}}) > 60",
                    10,
                    "A member is more than a minute behind.",
                ),
                Alert(
                    "DatabaseCpuHigh", "warning", shared.cpu_above(share, shared.SERIES, 0.8), 10, "CPU is above 80 %."
                ),
            ),
            disruption_budget=False,  # the operator makes one for each replica set
        )

    def volumes(self, spec: Obj) -> Mapping[str, str]:  # noqa: ARG002 - as Engine has it
        return {"configsvr": CONFIG_VOLUME, "mongos": "0Gi"}

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:
        return Connection(
            scheme="mongodb",
            host=f"{name}-{_entry(spec)}.{namespace}.svc.{domain}",
            port=PORT,
            tls=True,
            secret=_credentials(name),
            ca_secret=_certificate(name),
            client_certificate_secret=_certificate(name),
        )

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:
        sets = [f"rs{number}" for number in range(MAX_SHARDS)] + ["cfg", "mongos"] if _sharded(spec) else ["rs0"]
        hosts = [
            "localhost",
            f"{name}-{_entry(spec)}",
            f"{name}-{_entry(spec)}.{{namespace}}",
            *(f"{star}{name}-{each}.{{namespace}}.svc.{{domain}}" for each in sets for star in ("", "*.")),
        ]
        users = {f"MONGODB_{user}_USER": user.lower().replace("_", "-") for user in _USERS}
        users |= {f"MONGODB_{user}_PASSWORD": f"{{password/{user.lower()}}}" for user in _USERS}
        certificate = _certificate(name)
        return (
            SecretNeed(_credentials(name), "superuser", {"username": "dbaas", "password": "{password}"}),
            SecretNeed(_accounts(name), "system-users", users),
            SecretNeed(f"{name}-keyfile", "keyfile", {"mongodb-key": "{base64}"}),
            SecretNeed(f"{name}-encryption", "encryption", {"encryption-key": "{base64}"}),
            shared.certificate(certificate, tuple(hosts)),
            shared.certificate(f"{certificate}-internal", tuple(hosts)),
        )

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - as Engine has it
        members = ["-rs#", "-cfg"] if _sharded(spec) else ["-rs#"]
        sets = [*members, "-mongos"] if _sharded(spec) else members
        nodes = [f"{each}-#" for each in sets]
        settings = [f"{each}-mongod" for each in members] + sets[len(members) :]
        return {
            "Service": [*sets, *nodes],
            "StatefulSet": sets,
            "Pod": nodes,
            "ConfigMap": [*settings, *(f"{each}-hookscript" for each in settings), "-pbm-hookscript"],
            # component and replica set, of which mongos has none
            "PodDisruptionBudget": ["-mongod-rs#", *(["-cfg-cfg", "-mongos-"] if _sharded(spec) else [])],
            # by names of its own where the claim's object gives none
            "Secret": ["-custom-user-secret", "-databaseadmin-conn-str"],
        }

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        wanted = sum(role["replicas"] for role in spec["resources"].values())
        cluster = next((item for item in objects if item["kind"] == CLUSTER.kind), None)
        if cluster is None:
            return Observation(0, wanted, False, message="the cluster's object is not there")
        status: Obj = cluster.get("status", {})
        state, seen = status.get("state", ""), status.get("observedGeneration", 0)
        error = (status.get("message") or "the operator says error") if state == "error" else ""
        if _TOO_SOON in error:
            error = ""
        away, pausing = cluster["spec"].get("unmanaged", False), cluster["spec"].get("pause", False)
        paused = pausing and state == "paused"
        return Observation(
            ready=0 if paused else status.get("ready", 0),
            wanted=0 if pausing else wanted,
            current=state == ("paused" if pausing else "ready") and seen >= cluster["metadata"].get("generation", 1),
            error=error,
            # all else it tries again, and gets over by itself: mongos may be there before its users are
            terminal=_NO_SUCH_SPEC in error,
            message=status.get("message") or (f"the operator says {state}" if state else "waiting for the operator"),
            backup=shared.PAUSED if paused else _AT_HOME if away else _SCHEDULED if state == "ready" else _NOT_READY,
            paused=paused,
            # of an error it writes no observedGeneration
            answered=shared.answered(cluster),
            replicating=_replicating(away, state) if len(spec["replication"]["regions"]) > 1 else None,
        )

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        if cluster["spec"].get("unmanaged"):
            return []
        if not cluster["spec"]["backup"]["enabled"]:
            raise shared.no_bucket()
        if cluster["spec"].get("pause"):
            raise shared.paused()
        spec = {"clusterName": cluster["metadata"]["name"], "storageName": STORAGE, "type": "logical"}
        return [{"apiVersion": BACKUP.api_version, "kind": BACKUP.kind, "metadata": {"name": name}, "spec": spec}]

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:
        status: Obj = objects[0].get("status", {})
        state = status.get("state", "")
        if state == "ready":
            return Backup("done", f"backed up to {status.get('destination', 'the bucket')}")
        if state in ("error", "rejected"):
            return Backup("failed", status.get("error") or f"the operator says {state}")
        return Backup("running", f"the operator says {state}" if state else "the operator has not taken the backup yet")

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {CLUSTER: _GUARDS, SECRET: (_SECRETS_ARE_MADE,)}


_SCHEDULED = ("True", "Scheduled", f"The oplog is saved every {OPLOG_MINUTES} minutes, from the first backup on.")
_NOT_READY = ("Unknown", "NotReported", "The operator takes backups of a cluster that is ready.")
_AT_HOME = ("True", "TakenAtHome", "The home region takes the backups of the whole replica set.")


def _replicating(away: bool, state: str) -> tuple[str, str, str]:
    if not away:
        words = (
            "The operator says nothing of members in other regions; the copies there, and the alert ReplicationLag, do."
        )
        return "Unknown", "NotReported", words
    if state == "ready":
        # so it says of members that it does not manage when they see a primary
        return "True", "Joined", "The members have joined the home region's replica set."
    return "False", "NotJoined", "The members have not joined the home region's replica set yet."


def _sharded(spec: Obj) -> bool:
    return "mongos" in spec["resources"]


def _replica_sets(spec: Obj) -> list[str]:
    shards = spec["resources"]["mongod"]["replicas"] // spec["replication"]["factor"] if _sharded(spec) else 1
    return [f"rs{number}" for number in range(shards)]


def _entry(spec: Obj) -> str:
    """What clients speak to."""
    return "mongos" if _sharded(spec) else "rs0"


def _credentials(name: str) -> str:
    return f"{name}-credentials"


def _certificate(name: str) -> str:
    return f"{name}-tls"


def _accounts(name: str) -> str:
    """The Secret with the operator's users; internal-<name>-users is one that the operator makes, of another claim."""
    return f"{name}-accounts"


def _elsewhere(share: Share, replica_set: str, size: int) -> Iterator[Obj]:
    """The members in the other regions. All together an odd number votes, seven at most, the home region's all."""
    left = VOTERS - size
    for region, domain in share.domains.items():
        if region == share.region:
            continue
        voting, left = min(left, 2), left - min(left, 2)
        for number in range(size):
            votes = 1 if number < voting else 0
            service = f"{share.name}-{replica_set}"
            yield {
                "host": f"{service}-{number}.{service}.{share.namespace}.svc.{domain}",
                "port": PORT,
                "votes": votes,
                # the home region's have 2: it has the primary as long as it can
                "priority": votes,
                "tags": {"region": region},
            }


def _configuration(share: Share) -> str:
    """The claim's parameters as a piece of mongod.conf: a dot in a name is a level (YAML takes JSON's scalars)."""
    levels: Obj = {}
    for name in shared.settings(share):
        *above, last = name.split(".")
        level = levels
        for part in above:
            level = level.setdefault(part, {})
        level[last] = share.spec["parameters"][name]
    return "".join(_lines(levels, 0))


def _lines(levels: Obj, depth: int) -> Iterator[str]:
    for key, value in levels.items():
        if isinstance(value, dict):
            yield f"{'  ' * depth}{key}:\n"
            yield from _lines(value, depth + 1)
        else:
            yield f"{'  ' * depth}{key}: {json.dumps(value)}\n"


def _exporter(share: Share) -> Obj:
    """Prometheus' view of one member: nothing of MongoDB or its operator speaks to it."""

    def user(part: str) -> Obj:
        key = f"MONGODB_CLUSTER_MONITOR_{part}"
        return {"name": f"MONGODB_{part}", "valueFrom": {"secretKeyRef": {"name": _accounts(share.name), "key": key}}}

    files = {"tlsCAFile": "ca.crt", "tlsCertificateFile": "tls.crt", "tlsPrivateKeyFile": "tls.key"}
    tls = "&".join(f"{option}=/etc/exporter-tls/{file}" for option, file in files.items())
    return {
        "name": "exporter",
        "image": shared.offered(share, "images", "exporter"),
        "args": [
            "--collect-all",
            "--compatible-mode",
            "--mongodb.direct-connect",
            f"--mongodb.uri=mongodb://localhost:{PORT}/admin?tls=true&{tls}",
        ],
        "env": [user("USER"), user("PASSWORD")],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
        "resources": shared.amounts(EXPORTER_AMOUNTS),
        "volumeMounts": [{"name": "exporter-tls", "mountPath": "/etc/exporter-tls", "readOnly": True}],
    }


_SETS = "object.spec.?replsets.orValue([])"
_UNSAFE = "object.spec.?unsafeFlags"
_SHARDING = "object.spec.?sharding"
_STORAGES = "object.spec.?backup.storages.orValue({})"
_TASKS = "object.spec.?backup.tasks.orValue([])"
_STRATEGY = "object.spec.?updateStrategy.orValue('SmartUpdate')"
_REQUEST = "volumeSpec.persistentVolumeClaim.resources.requests"


def _safe(members: str) -> str:
    arbiter = f"{members}.?arbiter.enabled.orValue(false)"
    return f"({arbiter} ? {members}.size >= 4 : ({members}.size >= 3 && {members}.size % 2 == 1))"


#: how it begins to say that it will never make a cluster of the spec
_NO_SUCH_SPEC = "wrong psmdb options"
_TOO_SOON = "the observer makes this Secret"
#: in a namespace where it is the same in all regions; the operator marks with this label what it makes
_SECRETS_ARE_MADE = Rule(
    "oldObject != null || !object.metadata.namespace.startsWith('tenant-')"
    " || object.metadata.?labels['app.kubernetes.io/managed-by'].orValue('') != 'percona-server-mongodb-operator'"
    " || !object.metadata.name.matches('-(accounts|keyfile|encryption|tls|tls-internal)$')",
    f"{_TOO_SOON}, the same in every region of its service: try again",
)
#: what the operator says by its status alone (error), or not at all
_GUARDS: tuple[Rule, ...] = (
    Rule(
        "object.spec.?crVersion.orValue('').matches('^1[.][0-9]+[.][0-9]+$')", "spec.crVersion: the operator's version"
    ),
    Rule(
        f"{_SETS}.size() > 0 && {_SETS}.all(r, r.?{_REQUEST}[?'storage'].hasValue())",
        "spec.replsets: one at least, each with the size of its volume",
    ),
    Rule(
        f"{_UNSAFE}.replsetSize.orValue(false) || {_SETS}.all(r, {_safe('r')})",
        "spec.replsets: an odd size of 3 or more, with an arbiter 4 or more",
    ),
    Rule(
        f"{_SETS}.size() < 2 || {_SHARDING}.enabled.orValue(false)",
        "spec.replsets: several are shards, which want sharding",
    ),
    Rule(
        f"!{_SHARDING}.enabled.orValue(false)"
        f" || ({_SHARDING}.mongos.hasValue() && {_SHARDING}.configsvrReplSet.size.orValue(0) >= 3"
        f" && {_SHARDING}.configsvrReplSet.size.orValue(0) % 2 == 1)",
        "spec.sharding: mongos, and a configsvrReplSet of an odd size of 3 or more",
    ),
    Rule(
        f"{_SETS}.all(r, r.?storage.engine.orValue('wiredTiger') in ['wiredTiger', 'inMemory'])",
        "spec.replsets: storage.engine is wiredTiger or inMemory",
    ),
    Rule(
        f"{_SETS}.all(r, (object.metadata.name + r.?name.orValue('rs0')).size() <= 50)",
        "spec.replsets: the names of cluster and replica set have 50 characters together",
    ),
    Rule(
        f"{_SETS}.all(r, r.?externalNodes.orValue([]).all(n, n.votes in [0, 1] && (n.votes == 1 || n.priority == 0)))",
        "spec.replsets: of externalNodes votes are 0 or 1, and who does not vote has priority 0",
    ),
    Rule(
        f"{_UNSAFE}.tls.orValue(false)"
        " || object.spec.?tls.mode.orValue('preferTLS') in ['allowTLS', 'preferTLS', 'requireTLS']",
        "spec.tls.mode: allowTLS, preferTLS or requireTLS",
    ),
    Rule(
        f"{_STRATEGY} in ['SmartUpdate', 'RollingUpdate', 'OnDelete']",
        "spec.updateStrategy: SmartUpdate, RollingUpdate or OnDelete",
    ),
    Rule(
        f"!object.spec.?unmanaged.orValue(false) || {_STRATEGY} != 'SmartUpdate'",
        "spec.unmanaged wants another updateStrategy than SmartUpdate",
    ),
    Rule(
        f"{_STORAGES}.size() < 2 || {_STORAGES}.exists_one(n, {_STORAGES}[n].?main.orValue(false))",
        "spec.backup.storages: one of several is main",
    ),
    Rule(
        f"{_TASKS}.all(t, t.?storageName.orValue('') in {_STORAGES})",
        "spec.backup.tasks: storageName is one of the storages",
    ),
    Rule(
        f"{_TASKS}.all(t, t.?schedule.orValue('').matches('^[^ ]+( [^ ]+){{4}}$'))",
        "spec.backup.tasks: schedule has five fields",
    ),
    Rule(
        "object.spec.?users.orValue([]).all(u, u.roles.size() > 0)",
        "spec.users: each has a role",
    ),
    Rule(
        f"oldObject == null || oldObject.spec.?replsets.orValue([]).all(o, {_SETS}.all(r, r.?name != o.?name"
        f" || !o.?{_REQUEST}[?'storage'].hasValue() || (r.?{_REQUEST}[?'storage'].hasValue()"
        f" && !quantity(string(r.{_REQUEST}['storage'])).isLessThan(quantity(string(o.{_REQUEST}['storage']))))))",
        "spec.replsets: volumes cannot shrink",
    ),
)

ENGINE = Mongodb()

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""DragonflyDB by dragonfly-operator: one Dragonfly, a master with its replicas, in one region.

Snapshots go to object storage where the claim asks for backups, else to a volume of each node: the operator mounts a
volume at the snapshots' address, so one service has either. Whatever node begins loads the newest snapshot of that
address, so each service has one of its own for all its life. Its object keeps no observedGeneration, and its status
changes only with what restarts nodes (see Observation.patience).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
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

DRAGONFLY = Kind("dragonflydb.io", "v1alpha1", "Dragonfly", "dragonflies")
#: of a node's memory, in percent: the rest is for connections, replication and the snapshot that is being written
DATA_SHARE = 85
#: a thread does not begin with less
_BYTES_PER_THREAD = 256 * 2**20
#: the operator looks at a change within seconds; when it says nothing for so long there was nothing to restart
_PATIENCE = 30


class Dragonfly:
    """The engine `dragonfly`; see Engine."""

    name = "dragonfly"
    kinds: tuple[Kind, ...] = (DRAGONFLY,)
    plain: tuple[Kind, ...] = ()
    start_seconds = 60
    #: an estimate: a replica starts, loads all from the master, and takes over
    restart_seconds = 120
    optional: Mapping[str, str] = {
        "placement": "",
        "paused": "it holds its data in memory, and what was written since the last snapshot would be lost",
    }
    roles = (("node",),)
    health: Mapping[str, str] = {
        f"{DRAGONFLY.group}_{DRAGONFLY.kind}": """\
local phase = obj.status ~= nil and obj.status.phase or ""
if (phase == "Ready" or phase == "ready") and not obj.status.isRollingUpdate then
  return {status = "Healthy", message = "the master and its replicas are ready"}
end
return {status = "Progressing", message = phase == "" and "waiting for the operator" or "the operator says " .. phase}
"""
    }

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:  # noqa: ARG002 - as Engine has it
        node, factor = spec["resources"]["node"], spec["replication"]["factor"]
        if spec["highAvailability"]["enabled"] and factor < 2:
            words = "at least 2: without a replica nothing survives the loss of the node (or highAvailability off)"
            yield FieldError("spec.replication.factor", factor, words, 2)
        yield from shared.whole_cores(spec, "node", "a thread has one")
        most = _data(node) // _BYTES_PER_THREAD
        if _threads(node) > most:
            words = f"at most {most}: each thread takes {_BYTES_PER_THREAD // 2**20} MiB"
            yield FieldError("spec.resources.node.cpu", node["cpu"], words, str(most))

    def warnings(self, spec: Obj) -> Iterator[str]:
        if not spec["networking"]["tls"]["enabled"]:
            yield "networking.tls.enabled false: the password and all data travel in clear"
        if spec["backup"]["enabled"]:
            yield (
                f"backup.retention {spec['backup']['retention']} is not kept by DragonflyDB: snapshots stay until a"
                " lifecycle rule of the bucket takes them away"
            )
        else:
            yield "without backups only what a node writes when it ends in order survives the end of all nodes"

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        if old["backup"]["enabled"]:
            words = "a running service gets no volume, which snapshots would need without backups"
            yield from shared.fixed("spec.backup.enabled", True, new["backup"]["enabled"], words)
            return
        words = "the operator ignores changes of volumes; restore a snapshot into a new service"
        for field in ("size", "class"):
            yield from shared.fixed(f"spec.storage.{field}", old["storage"][field], new["storage"][field], words)

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        nodes = old["resources"]["node"]["replicas"]
        downgrade = "an older version may not load the snapshots of a newer one"
        yield from shared.rolling(old, new, self.restart_seconds, downgrade)
        joined, left = "load all from the master", "go, the master last: a replica takes over"
        yield from shared.scaling(old, new, self.start_seconds, joined, left)
        factors = old["replication"]["factor"], new["replication"]["factor"]
        if factors[0] != factors[1]:
            yield Consequence("spec.replication.factor", "none", 0, "as many nodes as copies of the data")
        # all of these are arguments of the server, or say where its pods stand
        for path, how in (
            ("backup.enabled", "snapshots go to object storage from now on, the volumes are left as they are"),
            ("backup.schedule", "a node at a time"),
            ("backup.destination", "a node at a time; snapshots that exist stay where they are"),
            ("networking.tls.enabled", "a node at a time; clients have to speak the other way at once"),
            ("networking.tls.certificate", "a node at a time"),
            ("highAvailability.multiAZ", "nodes move, one at a time"),
        ):
            if _at(old, path) != _at(new, path):
                yield Consequence(f"spec.{path}", "rolling", self.restart_seconds * nodes, how)
        for path, how in (
            ("backup.retention", "nothing: see the warning"),
            ("highAvailability.enabled", "nothing by itself: the copies are replication.factor"),
            ("storage.size", "not used: snapshots go to object storage"),
            ("storage.class", "not used: snapshots go to object storage"),
        ):
            if _at(old, path) != _at(new, path):
                yield Consequence(f"spec.{path}", "none", 0, how)

    def render(self, share: Share) -> list[Obj]:
        spec, node = share.spec, share.spec["resources"]["node"]
        pods = {shared.LABEL: share.name}
        # however few nodes there are, all of them: a copy more must not change the pods that there are
        offered = share.zones[share.region]
        zones = shared.zones(offered, len(offered), spec)
        dragonfly: Obj = {
            "image": f"{shared.offered(share, 'images', 'server')}:v{spec['version']}",
            "replicas": node["replicas"],
            "resources": shared.amounts(node),
            "args": [
                f"--maxmemory={_data(node)}",
                f"--proactor_threads={_threads(node)}",
                *(f"--{name}={value}" for name, value in shared.settings(share).items()),
            ],
            **shared.machines(spec),
            "podMetadata": {"labels": shared.pod_labels(share)},
            "affinity": shared.placement(zones, pods),
            "topologySpreadConstraints": [shared.over_zones(pods)],
            # the operator's own would have our policy's name
            "networkPolicyEnabled": False,
            # a replica that has not loaded all yet must not count when a machine is drained
            "enableReplicationReadinessGate": True,
            "authentication": {"passwordFromSecret": {"name": _credentials(share.name), "key": "password"}},
            "snapshot": self._volume(spec),
        }
        if spec["backup"]["enabled"]:
            self._back_up(share, dragonfly)
        if spec["networking"]["tls"]["enabled"]:
            dragonfly["tlsSecretRef"] = {"name": shared.certificate_secret(share.name, spec)}
        return [share.make(DRAGONFLY, share.name, spec=dragonfly)]

    def _volume(self, spec: Obj) -> Obj:
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": spec["storage"]["class"],
            "resources": {"requests": {"storage": spec["storage"]["size"]}},
        }
        return {"persistentVolumeClaimSpec": claim}

    def _back_up(self, share: Share, dragonfly: Obj) -> None:
        """Snapshots to object storage, and the way there."""
        dragonfly["snapshot"] = {
            "cron": share.spec["backup"]["schedule"],
            # a node begins with the newest snapshot that it finds there
            "dir": "s3://{}/{}".format(*shared.own_place(share)),
            "enableOnMasterOnly": True,
        }
        if not share.s3:
            dragonfly["args"].append("--s3_ec2_metadata=true")
            return
        dragonfly["args"].append(f"--s3_endpoint={share.s3['endpoint']}")
        dragonfly["env"] = [
            {"name": "AWS_ACCESS_KEY_ID", "value": share.s3["accessKeyId"]},
            {
                "name": "AWS_SECRET_ACCESS_KEY",
                "valueFrom": {"secretKeyRef": {"name": share.s3["secret"], "key": "AWS_SECRET_ACCESS_KEY"}},
            },
            {"name": "AWS_REGION", "value": shared.s3_region(share)},
        ]

    def surroundings(self, share: Share) -> Surroundings:
        ours = shared.selector(share, shared.SERIES)
        nodes = share.spec["resources"]["node"]["replicas"]
        used = f"dragonfly_memory_used_bytes{{{ours}}} / dragonfly_memory_max_bytes{{{ours}}}"
        return Surroundings(
            pods={shared.LABEL: share.name},
            client_ports=(6379,),
            peer_ports=(9999,),
            metrics_ports=(9999,),
            metrics_services={},
            metrics_endpoints=("admin",),
            target_labels=(shared.LABEL,),
            operator_namespaces=("dragonfly-operator-system",),
            volumes=f"df-{share.name}-[0-9]+",
            alerts=(
                Alert(
                    "DatabaseUnhealthy",
                    "critical",
                    f"{shared.up(share, shared.SERIES, 'admin')} < {nodes}",
                    5,
                    "Nodes are down.",
                ),
                Alert(
                    "BackupFailed",
                    "critical",
                    f"increase(dragonfly_failed_backups_total{{{ours}}}[1h]) > 0",
                    0,
                    "The last snapshot failed.",
                ),
                Alert("DatabaseMemoryHigh", "warning", f"max({used}) > 0.9", 10, "Memory for data is above 90 %."),
            ),
            disruption_budget=False,  # the operator makes one
        )

    def volumes(self, spec: Obj) -> Mapping[str, str]:
        return {"node": "0Gi"} if spec["backup"]["enabled"] else {}

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:
        tls = spec["networking"]["tls"]["enabled"]
        return Connection(
            scheme="rediss" if tls else "redis",
            # always the master
            host=f"{name}.{namespace}.svc.{domain}",
            port=6379,
            tls=tls,
            secret=_credentials(name),
            ca_secret=shared.certificate_secret(name, spec) if tls else None,
        )

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:
        password = SecretNeed(_credentials(name), "superuser", {"username": "default", "password": "{password}"})
        tls = spec["networking"]["tls"]
        if not tls["enabled"] or "certificate" in tls:
            return (password,)
        hosts = (f"{name}.{{namespace}}.svc.{{domain}}", f"{name}.{{namespace}}.svc", f"{name}.{{namespace}}", name)
        return password, shared.certificate(shared.certificate_secret(name, spec), hosts)

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - as Engine has it
        return {"Service": [""], "StatefulSet": [""], "Pod": ["-#"]}

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:  # noqa: ARG002 - as Engine has it
        (dragonfly,) = objects
        status: Obj = dragonfly.get("status", {})
        phase, wanted = status.get("phase", ""), dragonfly["spec"].get("replicas", 0)
        ready = phase.lower() == "ready"
        rolling = phase == "RollingUpdate" or status.get("isRollingUpdate", False)
        return Observation(
            # the operator counts no nodes; while it restarts them one after the other the rest serves
            ready=wanted if ready or rolling else 0,
            wanted=wanted,
            current=ready and not rolling,
            message=f"the operator says {phase}" if phase else "waiting for the operator",
            backup=_SNAPSHOTS,
            generation=dragonfly["metadata"].get("generation", 1),
            answered=shared.answered(dragonfly),
            written=shared.written(dragonfly),
            patience=_PATIENCE,
        )

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:  # noqa: ARG002 - as Engine has it
        words = "deletion_policy: snapshot, but DragonflyDB's operator takes none when asked; retain it, or delete it"
        raise DbaasError("option-invalid", words)

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:  # noqa: ARG002 - as Engine has it
        return Backup("failed", "DragonflyDB's operator takes no backup when asked")

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {DRAGONFLY: _GUARDS}


_SNAPSHOTS = (
    "Unknown",
    "NotReported",
    "The operator does not say what came of a snapshot; metric dragonfly_failed_backups_total and its alert do.",
)


def _at(spec: Obj, path: str) -> object:
    found: object = spec
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _data(node: Obj) -> int:
    """Bytes of a node's memory that data may take."""
    return quantity.size(node["memory"]) * DATA_SHARE // 100


def _threads(node: Obj) -> int:
    return max(1, quantity.cpu(node["cpu"]) // 1000)


def _credentials(name: str) -> str:
    return f"{name}-credentials"


_RESERVED = (
    "['app', 'app.kubernetes.io/name', 'app.kubernetes.io/version', 'app.kubernetes.io/component',"
    " 'app.kubernetes.io/instance', 'app.kubernetes.io/managed-by', 'app.kubernetes.io/part-of']"
)
_SNAPSHOT = "object.spec.?snapshot"
_VOLUME = f"{_SNAPSHOT}.persistentVolumeClaimSpec"

#: what the operator only writes into its log, and then does nothing, or does not do
_GUARDS: tuple[Rule, ...] = (
    *(
        Rule(
            f"object.spec.?{field}.orValue({{}}).all(key, !(key in {_RESERVED}))",
            f"spec.{field.replace('?', '')}: the operator's own labels",
        )
        for field in ("labels", "podMetadata.labels", "ownedObjectsMetadata.labels", "serviceSpec.labels")
    ),
    Rule(
        f"!({_VOLUME}.hasValue() && {_SNAPSHOT}.existingPersistentVolumeClaimName.orValue('') != '')",
        "spec.snapshot: a volume of its own or one that exists",
    ),
    Rule(
        f"{_SNAPSHOT}.cron.orValue('') == '' || {_SNAPSHOT}.dir.orValue('') != '' || {_VOLUME}.hasValue()"
        f" || {_SNAPSHOT}.existingPersistentVolumeClaimName.orValue('') != ''",
        "spec.snapshot.cron needs a dir or a volume",
    ),
    Rule(
        f"!{_VOLUME}.hasValue() || {_SNAPSHOT}.dir.orValue('/').startsWith('/')",
        "spec.snapshot: a volume cannot be mounted at an address of object storage",
    ),
    Rule(
        f"oldObject == null || !{_VOLUME}.hasValue()"
        f" || {_VOLUME} == oldObject.spec.?snapshot.persistentVolumeClaimSpec",
        "spec.snapshot.persistentVolumeClaimSpec: a running instance gets no other volume",
    ),
    Rule("object.spec.?replicas.orValue(0) > 0", "spec.replicas: without it there is no node"),
    Rule(
        "!object.spec.?tlsSecretRef.hasValue() || object.spec.?authentication.passwordFromSecret.hasValue()"
        " || object.spec.?authentication.clientCaCertSecret.hasValue()",
        "spec.tlsSecretRef needs a password or the clients' authority",
    ),
    Rule(
        "!object.spec.?authentication.clientCaCertSecret.hasValue() || object.spec.?tlsSecretRef.hasValue()",
        "spec.authentication.clientCaCertSecret needs tlsSecretRef",
    ),
)

ENGINE = Dragonfly()

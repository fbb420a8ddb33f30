# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""YugabyteDB by its operator (the one in YugabyteDB Anywhere): one YBUniverse in each region, and none joins another.

The operator knows neither xCluster nor read replicas, so a service of several regions is as many universes until
yb-admin sets xCluster up. It names pods and services after its own releases; ours are found by labels that the universe
puts on its pods, and by Services of our own. Its object keeps no observedGeneration (see Observation.answered).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity, schedule
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    GROUP,
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

_GROUP = "operator.yugabyte.io"
UNIVERSE = Kind(_GROUP, "v1alpha1", "YBUniverse", "ybuniverses")
STORAGE = Kind(_GROUP, "v1alpha1", "StorageConfig", "storageconfigs")
SCHEDULE = Kind(_GROUP, "v1alpha1", "BackupSchedule", "backupschedules")
BACKUP = Kind(_GROUP, "v1alpha1", "Backup", "backups")
#: the database that is there from the start; a schedule backs up one
DATABASE = "yugabyte"
#: GiB of a master's volume: the catalog of tables, which is small
MASTER_VOLUME = 50
_GIB = 2**30
_LABEL = shared.LABEL
ROLE = f"{GROUP}/role"
_SERIES = shared.SERIES


class Yugabyte:
    """The engine `yugabyte`; see Engine."""

    name = "yugabyte"
    kinds: tuple[Kind, ...] = (UNIVERSE, STORAGE, SCHEDULE, BACKUP)
    plain: tuple[Kind, ...] = (SERVICE,)
    start_seconds = 180
    #: an estimate: a node hands its leaders on, stops, starts and has them again
    restart_seconds = 240
    optional: Mapping[str, str] = {"placement": "", "paused": ""}
    #: whose flags: universe is both
    places = ("tserver", "master", "universe")
    roles = (("master", "tserver"),)
    health: Mapping[str, str] = {
        f"{_GROUP}_{UNIVERSE.kind}": """\
local errors = {["Error Creating"] = true, ["Error Updating"] = true, ["Error Deleting"] = true}
local state = ""
if obj.status ~= nil then
  state = obj.status.universeState or ""
  for _, action in ipairs(obj.status.actions or {}) do
    if action.status == "failed" then
      return {status = "Degraded", message = action.message or "an action of the operator failed"}
    end
    if state == "Ready" or state == "Paused" then state = "Editing" end
  end
end
if errors[state] then
  return {status = "Degraded", message = state}
end
if state == "Ready" then
  return {status = "Healthy", message = "the universe is ready"}
end
if state == "Paused" then
  return {status = "Healthy", message = "the universe is paused"}
end
return {status = "Progressing", message = state == "" and "waiting for the operator" or "the universe is " .. state}
""",
        f"{_GROUP}_{STORAGE.kind}": """\
if obj.status ~= nil and obj.status.success == true then
  return {status = "Healthy", message = obj.status.message or ""}
end
if obj.status ~= nil and obj.status.success == false then
  return {status = "Degraded", message = obj.status.message or "the storage cannot be used"}
end
return {status = "Progressing", message = "waiting for the operator"}
""",
        f"{_GROUP}_{SCHEDULE.kind}": """\
if obj.status ~= nil and obj.status.state == "Active" then
  return {status = "Healthy", message = "next backup: " .. (obj.status.nextBackupTime or "unknown")}
end
if obj.status ~= nil and obj.status.state == "Error" then
  return {status = "Degraded", message = "the schedule cannot be used"}
end
return {status = "Progressing", message = "waiting for the operator"}
""",
        f"{_GROUP}_{BACKUP.kind}": """\
local message = obj.status ~= nil and obj.status.message or ""
if message == "Backup State: Completed" then
  return {status = "Healthy", message = message}
end
if message == "Backup State: Failed" or message == "Backup State: Stopped" then
  return {status = "Degraded", message = message}
end
return {status = "Progressing", message = message}
""",
    }

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:  # noqa: ARG002 - as Engine has it
        factor = spec["replication"]["factor"]
        yield from shared.enough_nodes(spec, "tserver")
        fewest = min(len(regions[each]["zones"]) for each in spec["replication"]["regions"] if each in regions)
        if spec["highAvailability"]["multiAZ"] and -(-factor // fewest) > (factor - 1) // 2:
            words = "false: the loss of one of so few zones would take the majority of the copies along"
            yield FieldError("spec.highAvailability.multiAZ", True, words, False)
        survives, proves = "a universe always survives the loss of a node", "no client speaks to a universe in clear"
        yield from shared.always_on(spec, survives, proves)

    def warnings(self, spec: Obj) -> Iterator[str]:
        if certificate := spec["networking"]["tls"].get("certificate"):
            yield f"networking.tls.certificate {certificate} is not used: the operator signs the certificates itself"
        backup = spec["backup"]
        if backup["enabled"] and schedule.problem(backup["schedule"]) is None:
            gap = schedule.longest_gap(backup["schedule"])
            if quantity.seconds(backup["retention"]) < gap:
                yield (
                    f"backup.retention {backup['retention']}: a backup is deleted before there is another one, up to"
                    f" {gap // 3600} hours after it; until then the service has none"
                )

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        words = "the operator cannot change it on a universe"
        yield from shared.fixed("spec.storage.class", old["storage"]["class"], new["storage"]["class"], words)
        was, wanted = (each["highAvailability"]["multiAZ"] for each in (old, new))
        yield from shared.fixed("spec.highAvailability.multiAZ", was, wanted, words)
        factors = old["replication"]["factor"], new["replication"]["factor"]
        yield from shared.fixed("spec.replication.factor", *factors, words)
        if old["backup"]["enabled"]:
            words = "the operator cannot change it on a schedule"
            for field in ("enabled", "retention", "destination"):
                was, wanted = (each["backup"].get(field) for each in (old, new))
                yield from shared.fixed(f"spec.backup.{field}", was, wanted, words)

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        yield from shared.rolling(old, new, self.restart_seconds, "the operator has no way back to an older version")
        joined, left = "take their part of the tablets over", "hand their tablets on, then go"
        yield from shared.scaling(old, new, self.start_seconds, joined, left)
        how = "a universe of its own in {}, empty: nothing replicates until xCluster is set up"
        yield from shared.more_regions(old, new, self.start_seconds, how)
        how = "the universe in {} goes; those of the other regions are not touched"
        lost = "all data of the universe in {}: no other region has it, unless xCluster was set up"
        yield from shared.fewer_regions(old, new, 0, how, lost)
        if old["storage"]["size"] != new["storage"]["size"]:
            nodes = old["resources"]["tserver"]["replicas"] * len(old["replication"]["regions"])
            how, never = "in place: the volumes grow", "volumes never shrink"
            yield Consequence("spec.storage.size", "none", 60 * nodes, how, never)
        was, wanted = (each["networking"]["tls"].get("certificate") for each in (old, new))
        if was != wanted:
            yield Consequence("spec.networking.tls.certificate", "none", 0, "not used, see the warning")

    def render(self, share: Share) -> list[Obj]:
        objects = [share.make(UNIVERSE, share.name, spec=self._universe(share)), *services(share)]
        if share.spec["backup"]["enabled"]:
            objects += self._backups(share)
        return objects

    def _universe(self, share: Share) -> Obj:
        spec = share.spec
        tservers, storage = spec["resources"]["tserver"], spec["storage"]
        machines = shared.machines(spec)
        tolerations = {"tolerations": machines.pop("tolerations")} if "tolerations" in machines else {}
        flags = {f"{role}GFlags": shared.settings(share, role, "universe") for role in ("master", "tserver")}
        return {
            # without universeName: the operator makes one that no other tenant's has
            "ybSoftwareVersion": build(share.engine, spec["version"]),
            "numNodes": tservers["replicas"],
            "replicationFactor": spec["replication"]["factor"],
            "zoneFilter": list(shared.zones(share.zones[share.region], tservers["replicas"], spec)),
            "enableNodeToNodeEncrypt": True,
            "enableClientToNodeEncrypt": True,
            "enableYSQLAuth": True,
            "ysqlPassword": {"secretName": _credentials(share.name)},
            # sizes of claims are whole GiB
            "deviceInfo": _device(storage, quantity.size(storage["size"]) // _GIB),
            "masterDeviceInfo": _device(storage, MASTER_VOLUME),
            "kubernetesOverrides": {
                "resource": {role: shared.amounts(amounts) for role, amounts in spec["resources"].items()},
                **{role: {"podLabels": {_LABEL: share.name, ROLE: role}, **tolerations} for role in spec["resources"]},
                **machines,
            },
            **({"gFlags": gflags} if (gflags := {name: given for name, given in flags.items() if given}) else {}),
            **({"paused": True} if spec.get("paused") else {}),
        }

    def _backups(self, share: Share) -> list[Obj]:
        backup, name = share.spec["backup"], f"{share.name}-backups"
        storage: Obj = {"config_type": "STORAGE_S3", "data": {"BACKUP_LOCATION": share.backups}}
        if share.s3:
            access = {"AWS_ACCESS_KEY_ID": share.s3["accessKeyId"], "AWS_HOST_BASE": share.s3["endpoint"]}
            storage["data"] |= {**access, "PATH_STYLE_ACCESS": True}
            storage["awsSecretAccessKeySecret"] = {"name": share.s3["secret"], "namespace": share.namespace}
        else:
            storage["data"]["USE_IAM"] = True
        planned = {
            **_source(share.name, name),
            "cronExpression": backup["schedule"],
            "timeBeforeDelete": quantity.seconds(backup["retention"]) * 1000,
        }
        return [
            share.make(STORAGE, name, spec=storage),
            share.make(SCHEDULE, f"{share.name}-{DATABASE}", spec=planned),
        ]

    def surroundings(self, share: Share) -> Surroundings:
        tservers, masters = share.spec["resources"]["tserver"]["replicas"], share.spec["replication"]["factor"]
        return Surroundings(
            pods={_LABEL: share.name},
            client_ports=(5433,),
            peer_ports=(7000, 7100, 9000, 9100, 13000, 18018),
            metrics_ports=(7000, 9000, 13000),
            metrics_services={_LABEL: share.name},
            metrics_endpoints=("master-metrics", "tserver-metrics", "ysql-metrics"),
            metrics_path="/prometheus-metrics",
            target_labels=(_LABEL,),
            operator_namespaces=("yb-platform",),
            # the operator's release name stands between
            volumes=f"datadir[0-9]+-(.+-)?{share.name}-(.+-)?yb-(master|tserver)-[0-9]+",
            alerts=(
                Alert(
                    "DatabaseUnhealthy",
                    "critical",
                    f"{shared.up(share, _SERIES, 'tserver-metrics')} < {tservers}"
                    f" or {shared.up(share, _SERIES, 'master-metrics')} < {masters}",
                    5,
                    "Nodes of the universe are down.",
                ),
                Alert("DatabaseCpuHigh", "warning", shared.cpu_above(share, _SERIES, 0.8), 10, "CPU is above 80 %."),
            ),
            disruption_budget=False,  # the operator's chart makes one for each role
        )

    def volumes(self, spec: Obj) -> Mapping[str, str]:  # noqa: ARG002 - as Engine has it
        return {"master": f"{MASTER_VOLUME}Gi"}

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:  # noqa: ARG002 - as Engine has it
        return Connection(
            scheme="postgresql",
            host=f"{name}-tserver.{namespace}.svc.{domain}",
            port=5433,
            tls=True,
            secret=_credentials(name),
        )

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:  # noqa: ARG002 - as Engine has it
        # the operator reads ysqlPassword; clients find the pair that every engine's credentials have
        fields = {"username": "yugabyte", "password": "{password}", "ysqlPassword": "{password}"}
        return (SecretNeed(_credentials(name), "superuser", fields),)

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - as Engine has it
        # names that its operator gives begin with yb, and have an id of the universe in them
        return {"Service": ["-master", "-tserver"]}

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        by = {item["kind"]: item for item in objects}
        backup = _backup_condition(*(by.get(kind.kind, {}).get("status", {}) for kind in (STORAGE, SCHEDULE)))
        wanted = spec["resources"]["tserver"]["replicas"] + spec["resources"]["master"]["replicas"]
        replicating = SEPARATE if len(spec["replication"]["regions"]) > 1 else None
        universe = by.get(UNIVERSE.kind)
        if universe is None:
            words = "the universe's object is not there"
            return Observation(0, wanted, False, message=words, backup=backup, replicating=replicating)
        status: Obj = universe.get("status", {})
        state, actions = status.get("universeState", ""), status.get("actions", [])
        failed = next((action for action in actions if action.get("status") == "failed"), None)
        error = state if state.startswith("Error") else ""
        if failed:
            error = failed.get("message") or f"{failed.get('action_type', 'an action')} failed"
        pausing = universe["spec"].get("paused", False)
        # not every version of the operator has a word for it
        paused = pausing and state in ("Paused", "Ready") and not actions
        return Observation(
            # the operator counts no nodes: a universe that is being changed has them
            ready=wanted if state in ("Ready", "Editing") and not pausing else 0,
            wanted=0 if pausing else wanted,
            current=paused if pausing else state == "Ready" and not actions,
            error=error,
            terminal=bool(error),
            message=_progress(state, actions),
            backup=shared.PAUSED if paused else backup,
            paused=paused,
            replicating=replicating,
            generation=universe["metadata"].get("generation", 1),
            answered=shared.answered(universe),
        )

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:
        by = {item["kind"]: item["metadata"]["name"] for item in objects}
        if STORAGE.kind not in by:
            raise shared.no_bucket()
        if any(item["kind"] == UNIVERSE.kind and item["spec"].get("paused") for item in objects):
            raise shared.paused()
        # without timeBeforeDelete: it stays until somebody deletes it
        spec = _source(by[UNIVERSE.kind], by[STORAGE.kind])
        return [{"apiVersion": BACKUP.api_version, "kind": BACKUP.kind, "metadata": {"name": name}, "spec": spec}]

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:
        # the operator tells by this text alone
        said = str(objects[0].get("status", {}).get("message", ""))
        state = said.removeprefix("Backup State: ")
        if state == "Completed":
            return Backup("done", f"database {DATABASE} is backed up")
        if state in ("Failed", "Stopped", "Skipped", "Deleted", "FailedToDelete"):
            return Backup("failed", said)
        return Backup("running", said or "the operator has not taken the backup yet")

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {UNIVERSE: _GUARDS}


SEPARATE = (
    "False",
    "XClusterNotSetUp",
    "Each region has a universe of its own: what is written in one is not in the others until xCluster is set up.",
)

_WAITING = ("Unknown", "NotRegistered", "The operator has not taken the schedule yet.")


def _backup_condition(storage: Obj, planned: Obj) -> tuple[str, str, str]:
    if storage.get("success") is False:
        return "False", "StorageFailed", str(storage.get("message", ""))
    state = planned.get("state", "")
    if state and state not in ("Active", "Creating", "Editing"):
        return "False", "ScheduleFailed", f"The schedule is {state}."
    if storage.get("success") and state == "Active":
        return "True", "Scheduled", f"Database {DATABASE}; others need schedules of their own."
    return _WAITING


def _progress(state: str, actions: Sequence[Obj]) -> str:
    words = [f"the universe is {state}"] if state else ["waiting for the operator"]
    return ", ".join([*words, *(str(action["message"]) for action in actions if action.get("message"))])


def _source(universe: str, storage: str) -> Obj:
    """What is backed up, and where to."""
    return {"universe": universe, "storageConfig": storage, "keyspace": DATABASE, "backupType": "PGSQL_TABLE_TYPE"}


def build(engine: Obj, version: str) -> str:
    """What the operator and the images call a version. Raises InvalidFields catalog-invalid where nothing says it."""
    found = engine["versions"].get(version, {}).get("build")
    if not found:
        words = "what the operator calls this version: one that runs is set expired, not taken away"
        path = f"engines.{Yugabyte.name}.versions.{version}.build"
        raise InvalidFields("catalog-invalid", [FieldError(path, None, words)])
    return str(found)


def _credentials(name: str) -> str:
    return f"{name}-credentials"


def _device(storage: Obj, gib: int) -> Obj:
    return {"volumeSize": gib, "numVolumes": 1, "storageClass": storage["class"]}


def services(share: Share) -> list[Obj]:
    """Where clients connect to, and what Prometheus reads: the operator's names are not known, a chart's are many."""

    def service(role: str, **ports: int) -> Obj:
        return share.make(
            SERVICE,
            f"{share.name}-{role}",
            spec={
                "selector": {_LABEL: share.name, ROLE: role},
                "ports": [
                    {"name": name.replace("_", "-"), "port": port, "targetPort": port, "protocol": "TCP"}
                    for name, port in ports.items()
                ],
            },
        )

    return [
        service("master", master_metrics=7000),
        service("tserver", ysql=5433, tserver_metrics=9000, ysql_metrics=13000),
    ]


_FULL_BUILD = r"^[0-9]+([.][0-9]+){3}-b[0-9]+$"


def _grows(field: str) -> Rule:
    size = f"spec.?{field}.volumeSize.orValue(0)"
    return Rule(f"oldObject == null || object.{size} >= oldObject.{size}", f"spec.{field}.volumeSize cannot shrink")


#: what the definition does not say; its own rules hold most fields still
_GUARDS: tuple[Rule, ...] = (
    Rule(
        f"object.spec.?ybSoftwareVersion.orValue('').matches('{_FULL_BUILD}')",
        "spec.ybSoftwareVersion is a full build such as 2.20.1.3-b3",
    ),
    Rule(
        "object.spec.?replicationFactor.orValue(0) > 0 && object.spec.?numNodes.orValue(0) > 0",
        "spec.replicationFactor and spec.numNodes are both needed",
    ),
    Rule(
        "!object.spec.?enableYSQLAuth.orValue(false) || object.spec.?ysqlPassword.secretName.orValue('') != ''",
        "spec.ysqlPassword: enableYSQLAuth needs the name of its Secret",
    ),
    _grows("deviceInfo"),
    _grows("masterDeviceInfo"),
)

ENGINE = Yugabyte()

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""ScyllaDB by scylla-operator: one ScyllaCluster in each region, joined into one ring.

The first (home) datacenter names no outside seeds; the others name its nodes by DNS, since pod addresses are not known
when rendering. Broadcast by pod address and headless services, so that a region can be added later: the operator
refuses to change these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    CONFIG_MAP,
    GROUP,
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

TASK = Kind("scylla.scylladb.com", "v1alpha1", "ScyllaDBManagerTask", "scylladbmanagertasks")
CLUSTER = Kind("scylla.scylladb.com", "v1", "ScyllaCluster", "scyllaclusters")
#: a StatefulSet's revision label must fit 63 characters, and the hash takes 11 of them
STATEFUL_SET_LENGTH = 52
AGENT = {"cpu": "100m", "memory": "256Mi"}
#: Whatever its controllers fail at, also what goes by itself (a conflict, a service that is not there yet), makes the
#: cluster Degraded until they succeed; what lasts for so many seconds does not go by itself.
_PATIENCE = 60


def racks(region: str, zones: Sequence[str], spec: Obj) -> list[tuple[str, str, int]]:
    """(rack, zone, nodes) of a datacenter, as even as can be; a rack is named after its zone, without the region."""
    nodes = spec["resources"]["node"]["replicas"]
    used = shared.spread(nodes, shared.zones(zones, nodes, spec))
    return [(zone.removeprefix(f"{region}-"), zone, members) for zone, members in used]


class Scylla:
    """The engine `scylla`; see Engine."""

    name = "scylla"
    kinds: tuple[Kind, ...] = (CLUSTER, TASK)
    plain: tuple[Kind, ...] = (CONFIG_MAP,)
    start_seconds = 300
    #: an estimate: a node drains, stops, starts and is up again
    restart_seconds = 300
    optional: Mapping[str, str] = {
        "placement": "",
        "paused": "its operator stops no ring; a node that leaves hands its data on, and the last ones cannot",
    }
    #: scylla.yaml, and arguments of the server
    places = ("config", "args")
    roles = (("node",),)
    health: Mapping[str, str] = {
        f"{CLUSTER.group}_{CLUSTER.kind}": """\
local by = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do by[condition.type] = condition end
end
if by.Degraded ~= nil and by.Degraded.status == "True" then
  return {status = "Degraded", message = by.Degraded.message}
end
if by.Available ~= nil and by.Available.status == "True" and by.Progressing ~= nil and by.Progressing.status == "False"
    and obj.status.observedGeneration == obj.metadata.generation then
  return {status = "Healthy", message = "all members are available"}
end
return {status = "Progressing", message = "waiting for the operator"}
"""
    }

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:
        availability, tls = spec["highAvailability"], spec["networking"]["tls"]
        rings = {
            region: racks(region, regions[region]["zones"], spec)
            for region in spec["replication"]["regions"]
            if region in regions
        }
        longest = max(len(f"-{region}-{rack}") for region, ring in rings.items() for rack, *_rest in ring)
        if len(name) + longest > STATEFUL_SET_LENGTH:
            limit = STATEFUL_SET_LENGTH - longest
            words = f"at most {limit} characters in these regions"
            yield FieldError("metadata.name", name, words, name[:limit].rstrip("-"))
        factor = spec["replication"]["factor"]
        zones = min(len(ring) for ring in rings.values())
        if availability["multiAZ"] and factor > zones:
            words = f"at most {zones}, the zones of each region: a zone holds one copy"
            yield FieldError("spec.replication.factor", factor, words, zones)
        yield from shared.enough_nodes(spec, "node")
        yield from shared.whole_cores(spec, "node", "a node has CPUs of its own")
        survives, proves = "a ring always survives the loss of a node", "clients prove who they are by certificate"
        yield from shared.always_on(spec, survives, proves)
        if "certificate" in tls:
            words = "nothing: the operator makes the certificates itself"
            yield FieldError("spec.networking.tls.certificate", tls["certificate"], words)
        destination = spec["backup"].get("destination", "")
        bucket, _slash, path = destination.removeprefix("s3://").partition("/")
        if spec["backup"]["enabled"] and path.strip("/"):
            words = "a bucket without a path (ScyllaDB Manager keeps no prefix)"
            yield FieldError("spec.backup.destination", destination, words, f"s3://{bucket}")

    def warnings(self, spec: Obj) -> Iterator[str]:  # noqa: ARG002 - as Engine has it
        yield from ()

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        for field in ("size", "class"):
            words = (
                "ScyllaDB's operator cannot change storage in place; take a SKU of more nodes, or restore a backup into"
                " a new service"
            )
            yield from shared.fixed(f"spec.storage.{field}", old["storage"][field], new["storage"][field], words)
        was, wanted = (each["highAvailability"]["multiAZ"] for each in (old, new))
        yield from shared.fixed("spec.highAvailability.multiAZ", was, wanted, "racks cannot move between zones")

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        yield from shared.rolling(old, new, self.restart_seconds, "ScyllaDB never goes back to an older version")
        joined = "join one by one and take their part of the data over"
        left = "are decommissioned one by one: they hand their data on first"
        yield from shared.scaling(old, new, self.start_seconds, joined, left)
        how = (
            f"a datacenter of {new['resources']['node']['replicas']} nodes joins the ring in {{}}; then let keyspaces"
            " replicate there (ALTER KEYSPACE) and run nodetool rebuild"
        )
        yield from shared.more_regions(old, new, self.start_seconds, how)
        how = (
            "the nodes in {} are decommissioned one by one and leave the ring; first let no keyspace replicate there"
            " (ALTER KEYSPACE, system_auth and system_distributed too), or they stay"
        )
        lost = "keyspaces that replicate in {} alone; what other datacenters have stays"
        yield from shared.fewer_regions(old, new, self.start_seconds, how, lost)
        if old["replication"]["factor"] != new["replication"]["factor"]:
            how = "holds for keyspaces that are made from now on; those that exist keep theirs (ALTER KEYSPACE)"
            yield Consequence("spec.replication.factor", "none", 0, how)

    def render(self, share: Share) -> list[Obj]:
        spec, node = share.spec, share.spec["resources"]["node"]
        config = f"{share.name}-config"
        cluster: Obj = {
            "version": spec["version"],
            "agentVersion": shared.offered(share, "agentVersion"),
            "automaticOrphanedNodeCleanup": True,
            # Without these, pods inherit what stands on the cluster, and any new operation id restarts every node.
            "podMetadata": {
                "labels": shared.pod_labels(share),
                "annotations": {f"{GROUP}/path": paths.claim(share.tenant, share.name)},
            },
            "exposeOptions": {
                "nodeService": {"type": "Headless"},
                "broadcastOptions": {"nodes": {"type": "PodIP"}, "clients": {"type": "PodIP"}},
            },
            "datacenter": {
                "name": share.region,
                "racks": [
                    {
                        "name": rack,
                        "members": members,
                        "storage": {"capacity": spec["storage"]["size"], "storageClassName": spec["storage"]["class"]},
                        # equal requests and limits: only then does a node get CPUs of its own
                        "resources": shared.amounts(node),
                        "agentResources": shared.amounts(AGENT),
                        "scyllaConfig": config,
                        "scyllaAgentConfig": _agent_config(share.name),
                        "placement": _placement(share, zone),
                    }
                    for rack, zone, members in self._racks(share, share.region)
                ],
            },
        }
        # a catalog that names none leaves them to the operator
        for role, field in (("server", "repository"), ("agent", "agentRepository")):
            if image := share.engine.get("images", {}).get(role):
                cluster[field] = image
        if not share.home:
            cluster["externalSeeds"] = self._seeds(share)
        if spec["backup"]["enabled"]:
            cluster["backups"] = [self._backup(share)]
        if share.home:
            # one repair covers the whole ring, so only one datacenter asks for it
            cluster["repairs"] = [{"name": "weekly", "cron": "0 4 * * 6"}]
        given = {"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer"}
        given |= (asked := shared.settings(share, "config"))
        if asked:
            # nodes read the file when they start, and the operator does not start them for it
            text = json.dumps(asked).encode()
            cluster["forceRedeploymentReason"] = f"scylla.yaml {hashlib.sha256(text).hexdigest()[:12]}"
        if arguments := shared.settings(share, "args"):
            cluster["scyllaArgs"] = " ".join(f"--{name}={value}" for name, value in arguments.items())
        settings = "".join(f"{name}: {value}\n" for name, value in given.items())
        return [
            share.make(CONFIG_MAP, config, data={"scylla.yaml": settings}),
            share.make(CLUSTER, share.name, spec=cluster),
        ]

    def surroundings(self, share: Share) -> Surroundings:
        where = shared.selector(share, "scylla_cluster")
        nodes = share.spec["resources"]["node"]["replicas"]
        names = "|".join(rack for rack, *_rest in self._racks(share, share.region))
        # each node answers at two endpoints, its own and its agent's
        up = shared.up(share, "scylla_cluster", "prometheus")
        return Surroundings(
            pods={"scylla/cluster": share.name},
            client_ports=(9142, 19142),
            peer_ports=(7000, 7001, 10001),
            metrics_ports=(9180, 5090),
            metrics_services={
                "scylla/cluster": share.name,
                "scylla-operator.scylladb.com/scylla-service-type": "member",
            },
            metrics_endpoints=("prometheus", "agent-prometheus"),
            target_labels=("scylla/cluster",),
            operator_namespaces=("scylla-operator", "scylla-manager"),
            volumes=f"data-{share.name}-{share.region}-({names})-[0-9]+",
            alerts=(
                Alert(
                    "DatabaseUnhealthy",
                    "critical",
                    f"{up} < {nodes} or max(scylla_node_operation_mode{{{where}}}) > 3",
                    5,
                    "Nodes of the ring are down or leaving.",
                ),
                Alert(
                    "BackupFailed",
                    "critical",
                    f'increase(scylla_manager_scheduler_run_total{{cluster="{share.namespace}/{share.name}",'
                    'type="backup",status="ERROR"}[1h]) > 0',
                    0,
                    "The last backup failed.",
                ),
                # Seastar polls: what the container burns says nothing, what the reactor does says all
                Alert(
                    "DatabaseCpuHigh",
                    "warning",
                    f"avg(scylla_reactor_utilization{{{where}}}) > 80",
                    10,
                    "CPU is above 80 %.",
                ),
            ),
            disruption_budget=False,  # the operator makes one
        )

    def volumes(self, spec: Obj) -> Mapping[str, str]:  # noqa: ARG002 - as Engine has it
        return {}

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:  # noqa: ARG002 - as Engine has it
        return Connection(
            scheme="cql",
            host=f"{name}-client.{namespace}.svc.{domain}",
            port=9142,
            tls=True,
            secret=f"{name}-credentials",
            ca_secret=f"{name}-local-serving-ca",
            client_certificate_secret=f"{name}-local-user-admin",
        )

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:  # noqa: ARG002 - as Engine has it
        return (
            # the operator takes the agent's token from its configuration, so it is the same in every datacenter
            SecretNeed(_agent_config(name), "agent", {"scylla-manager-agent.yaml": "auth_token: {password}\n"}),
            SecretNeed(f"{name}-credentials", "superuser", {"username": "dbaas", "password": "{password}"}),
        )

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:
        rings = {
            region: [rack for rack, *_rest in racks(region, regions[region]["zones"], spec)]
            for region in spec["replication"]["regions"]
            if region in regions
        }
        sets = [f"-{region}-{rack}" for region, ring in rings.items() for rack in ring]
        members = [f"{each}-#" for each in sets]
        snitches = [f"-{rack}-snitch-config" for ring in rings.values() for rack in ring]
        authorities = ("-local-client-ca", "-local-serving-ca")
        certificates = ("-local-serving-certs", "-local-user-admin", "-local-cql-connection-configs-admin")
        return {
            "Service": ["-client", *members],
            "StatefulSet": sets,
            "Pod": members,
            "ConfigMap": ["-config", "-managed-config", "-upgrade-context", *authorities, *snitches],
            "Secret": ["-auth-token", *authorities, *certificates],
        }

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:  # noqa: ARG002 - as Engine has it
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        status: Obj = cluster.get("status", {})
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        degraded, progressing = conditions.get("Degraded", {}), conditions.get("Progressing", {})
        wanted = sum(rack.get("members", 0) for rack in cluster["spec"].get("datacenter", {}).get("racks", []))
        seen = status.get("observedGeneration", 0) >= cluster["metadata"].get("generation", 1)
        failing = degraded.get("status") == "True"
        begun = degraded.get("lastTransitionTime", "") if failing and seen else ""
        return Observation(
            ready=status.get("readyMembers", 0),
            wanted=wanted,
            current=seen
            and progressing.get("status") == "False"
            and conditions.get("Available", {}).get("status") == "True",
            error=(degraded.get("message") or degraded.get("reason", "Degraded")) if failing else "",
            # what stood before a change says nothing of it
            terminal=bool(begun),
            since=max(begun, shared.written(cluster)) if begun else "",
            patience=_PATIENCE,
            message=progressing.get("message", ""),
            backup=_backup_condition(status),
        )

    def parting(self, objects: Sequence[Obj]) -> list[Obj]:
        """Racks without members: the operator decommissions the nodes one by one, or the ring would miss them."""

        def empty(cluster: Obj) -> Obj:
            center = cluster["spec"]["datacenter"]
            racks_ = [{**rack, "members": 0} for rack in center["racks"]]
            return {**cluster, "spec": {**cluster["spec"], "datacenter": {**center, "racks": racks_}}}

        return [empty(item) if item["kind"] == CLUSTER.kind else item for item in objects]

    def remains(self, objects: Sequence[Obj]) -> str:
        if not any(item["kind"] == CLUSTER.kind for item in objects):
            return ""
        seen = self.observe({}, objects)
        if seen.current and seen.ready == seen.wanted == 0:
            return ""
        words = f"{seen.ready} of its nodes are not decommissioned yet"
        words = f"{words}: {seen.error or seen.message}" if seen.error or seen.message else words
        return f"{words} (no keyspace may replicate there any more: ALTER KEYSPACE)"

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        scheduled = cluster["spec"].get("backups")
        if not scheduled:
            raise shared.no_bucket()
        return [
            {
                "apiVersion": TASK.api_version,
                "kind": TASK.kind,
                "metadata": {"name": name},
                "spec": {
                    "type": "Backup",
                    # what the operator makes of a ScyllaCluster, and tasks refer to
                    "scyllaDBClusterRef": {"kind": "ScyllaDBDatacenter", "name": cluster["metadata"]["name"]},
                    # no schedule: it runs once, now
                    "backup": {"dc": scheduled[0]["dc"], "location": scheduled[0]["location"], "retention": 1},
                },
            }
        ]

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:
        status: Obj = objects[0].get("status", {})
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        if conditions.get("Degraded", {}).get("status") == "True":
            return Backup("failed", conditions["Degraded"].get("message", ""))
        if not status.get("taskID"):
            return Backup("running", "ScyllaDB Manager has not taken the task yet")
        words = f"ScyllaDB Manager has task backup/{status['taskID']}; only `sctool progress` tells when it has ended"
        return Backup("unknown", words)

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {CLUSTER: (*_CREATE, *_UPDATE)}

    def _racks(self, share: Share, region: str) -> list[tuple[str, str, int]]:
        return racks(region, share.zones[region], share.spec)

    def _seeds(self, share: Share) -> list[str]:
        # the first node of each rack of the home datacenter
        home, domain = next(iter(share.domains.items()))
        return [
            f"{share.name}-{home}-{rack}-0.{share.namespace}.svc.{domain}" for rack, *_rest in self._racks(share, home)
        ]

    def _backup(self, share: Share) -> Obj:
        backup = share.spec["backup"]
        bucket = share.backups.removeprefix("s3://").strip("/")
        return {
            "name": "scheduled",
            "cron": backup["schedule"],
            "retention": shared.kept(backup),
            # each region backs up its own copies, to its own bucket
            "dc": [share.region],
            "location": [f"{share.region}:s3:{bucket}"],
        }


def _agent_config(name: str) -> str:
    return f"{name}-agent-config"


def _placement(share: Share, zone: str) -> Obj:
    of_nodes = ("scylla.scylladb.com/node-type", "scylla")
    return {
        **shared.placement([zone], {"scylla/cluster": share.name}, of_nodes, *shared.terms(share.spec)),
        "tolerations": [
            {
                "key": "scylla-operator.scylladb.com/dedicated",
                "operator": "Equal",
                "value": "scyllaclusters",
                "effect": "NoSchedule",
            },
            *shared.machines(share.spec).get("tolerations", []),
        ],
    }


def _backup_condition(status: Obj) -> tuple[str, str, str]:
    tasks = {task.get("name"): task for task in status.get("backups", [])}
    task = tasks.get("scheduled")
    if not task:
        return "Unknown", "NotRegistered", "ScyllaDB Manager has not taken the task yet."
    if task.get("error"):
        return "False", "TaskFailed", str(task["error"])
    return (
        ("True", "Scheduled", "")
        if task.get("id")
        else ("Unknown", "NotRegistered", "ScyllaDB Manager has not taken the task yet.")
    )


_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_CRON = r"^(@[a-z]+( .+)?|[^@ ]+( +[^ ]+){4,5})$"
_FLOAT = r"^[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][-+]?[0-9]+)?$"
_RACKS = "object.spec.?datacenter.racks.orValue([])"
_NODE_SERVICE = "object.spec.?exposeOptions.nodeService.type.orValue('ClusterIP')"


def _tasks(field: str) -> tuple[Rule, ...]:
    tasks = f"object.spec.?{field}.orValue([])"
    cron = "t.?cron.orValue('')"
    return (
        Rule(
            f"{tasks}.all(t, t.?name.orValue('').size() <= 253 && t.?name.orValue('').matches('{_SUBDOMAIN}'))",
            f"spec.{field}: each needs a name that is a DNS subdomain",
        ),
        Rule(
            f"{tasks}.all(t, {tasks}.exists_one(o, o.?name == t.?name))",
            f"spec.{field}: names must be unique",
        ),
        Rule(
            f"{tasks}.all(t, {cron} == '' || ({cron}.matches('{_CRON}') && !{cron}.contains('TZ')))",
            f"spec.{field}: cron takes five fields, six with seconds in front, or a descriptor, and never TZ",
        ),
        Rule(
            # the server's own time zones: an unknown one is an error, and so a refusal
            f"{tasks}.all(t, t.?timezone.orValue('') == '' || ({cron} != '' && t.timezone.matches('^[A-Z]')"
            " && timestamp('2026-01-01T00:00:00Z').getHours(t.timezone) >= 0))",
            f"spec.{field}: timezone is an IANA zone, and goes only together with cron",
        ),
        Rule(
            f"{tasks}.all(t, {cron} == '' || t.?interval.orValue('').matches('^(0+[dhms]?)*$'))",
            f"spec.{field}: interval must be zero beside cron",
        ),
    )


def _broadcast(to: str) -> tuple[Rule, ...]:
    kind = f"object.spec.?exposeOptions.broadcastOptions.{to}.type"
    return (
        Rule(
            f"!{kind}.hasValue() || {kind}.value() == 'PodIP'"
            f" || ({kind}.value() == 'ServiceClusterIP' && {_NODE_SERVICE} in ['ClusterIP', 'LoadBalancer'])"
            f" || ({kind}.value() == 'ServiceLoadBalancerIngress' && {_NODE_SERVICE} == 'LoadBalancer')",
            f"spec.exposeOptions.broadcastOptions.{to}.type does not go with the type of the node service",
        ),
    )


#: Of the webhook's rules these are left out: addresses in scyllaArgs must be of the cluster's IP family.
_CREATE: tuple[Rule, ...] = (
    Rule("object.spec.?version.orValue('') != ''", "spec.version is required"),
    Rule(
        f"{_RACKS}.all(r, {_RACKS}.exists_one(o, o.?name == r.?name))",
        "spec.datacenter.racks: names must be unique",
    ),
    Rule(
        f"{_RACKS}.all(r, ['cpu', 'memory'].all(a, r.?resources.limits[?a].hasValue()"
        " && quantity(string(r.resources.limits[a])).isGreaterThan(quantity('0'))))",
        "spec.datacenter.racks: each needs limits of cpu and memory",
    ),
    *_tasks("repairs"),
    *_tasks("backups"),
    Rule(
        f"object.spec.?repairs.orValue([]).all(t, t.?intensity.orValue('1').matches('{_FLOAT}'))",
        "spec.repairs: intensity must be a number",
    ),
    Rule(
        "object.spec.?genericUpgrade.failureStrategy.orValue('Retry') == 'Retry'",
        "spec.genericUpgrade.failureStrategy: only Retry",
    ),
    Rule(
        f"object.spec.?dnsDomains.orValue([]).all(d, d.size() <= 253 && d.matches('{_SUBDOMAIN}') && d.contains('.'))",
        "spec.dnsDomains: fully qualified names",
    ),
    Rule(
        "!object.spec.?exposeOptions.cql.ingress.hasValue() || object.spec.?dnsDomains.orValue([]).size() > 0",
        "spec.dnsDomains: exposeOptions.cql.ingress needs one",
    ),
    Rule(
        f"{_NODE_SERVICE} in ['Headless', 'ClusterIP', 'LoadBalancer']",
        "spec.exposeOptions.nodeService.type: Headless, ClusterIP or LoadBalancer",
    ),
    *_broadcast("clients"),
    *_broadcast("nodes"),
    Rule("object.spec.?alternator.port.orValue(0) == 0", "spec.alternator.port is deprecated"),
    Rule(
        "object.spec.?alternator.servingCertificate.type.orValue('') != 'UserManaged'"
        " || object.spec.?alternator.servingCertificate.userManagedOptions.secretName.orValue('') != ''",
        "spec.alternator.servingCertificate: UserManaged needs the name of its Secret",
    ),
    Rule(
        "object.spec.?alternator.servingCertificate.operatorManagedOptions.additionalDNSNames.orValue([])"
        f".all(d, d.size() <= 253 && d.matches('{_SUBDOMAIN}'))",
        "spec.alternator.servingCertificate: additionalDNSNames must be DNS names",
    ),
    *(
        Rule(f"object.spec.?{field}.orValue(0) >= 0", f"spec.{field} must not be negative")
        for field in ("minReadySeconds", "minTerminationGracePeriodSeconds")
    ),
)


_UPDATE: tuple[Rule, ...] = (
    shared.immutable("datacenter.name"),
    Rule(
        "oldObject == null || oldObject.spec.?datacenter.racks.orValue([]).all(o,"
        f" {_RACKS}.exists(r, r.?name == o.?name)"
        " || (o.?members.orValue(0) == 0 && oldObject.?status.racks[?o.name].members.orValue(0) == 0"
        " && oldObject.?status.observedGeneration.orValue(0) >= oldObject.metadata.generation))",
        "spec.datacenter.racks: a rack goes only when it has no members left and the operator has seen that",
    ),
    Rule(
        "oldObject == null || oldObject.spec.?datacenter.racks.orValue([]).all(o,"
        f" {_RACKS}.all(r, r.?name != o.?name || r.?storage == o.?storage))",
        "spec.datacenter.racks: storage is immutable",
    ),
    *(
        shared.immutable(f"exposeOptions.{field}")
        for field in ("nodeService.type", "broadcastOptions.clients.type", "broadcastOptions.nodes.type")
    ),
)

ENGINE = Scylla()

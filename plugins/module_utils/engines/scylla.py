# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""ScyllaDB by scylla-operator: one ScyllaCluster in each region, joined into one ring.

The first (home) datacenter names no outside seeds; the others name its nodes by DNS, since pod addresses are not known
when rendering. Broadcast by pod address and headless services, so that a region can be added later: the operator
refuses to change these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, quantity, schedule
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
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
#: an estimate: a node drains, stops, starts and is up again
_RESTART_SECONDS = 300
#: labels that a service keeps all its life
_OF_PODS = tuple(f"{GROUP}/{name}" for name in ("tenant", "service", "engine", "service-id", "region"))


def racks(region: str, nodes: int, zones: Sequence[str], multi_az: bool) -> list[tuple[str, str, int]]:
    """(rack, zone, nodes) of a datacenter, as even as can be; a rack is named after its zone, without the region."""
    used = zones[:nodes] if multi_az else zones[:1]
    each, more = divmod(nodes, len(used))
    return [
        (zone.removeprefix(f"{region}-"), zone, each + (1 if index < more else 0)) for index, zone in enumerate(used)
    ]


class Scylla:
    """The engine `scylla`; see Engine."""

    name = "scylla"
    kinds: tuple[Kind, ...] = (CLUSTER, TASK)
    start_seconds = 300
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
        node, availability, tls = spec["resources"]["node"], spec["highAvailability"], spec["networking"]["tls"]
        rings = {
            region: racks(region, node["replicas"], regions[region]["zones"], availability["multiAZ"])
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
        if factor > node["replicas"]:
            words = f"at most {node['replicas']}, the nodes of each region"
            yield FieldError("spec.replication.factor", factor, words, node["replicas"])
        if quantity.cpu(node["cpu"]) % 1000:
            yield FieldError("spec.resources.node.cpu", node["cpu"], "whole cores: a node has CPUs of its own")
        if not availability["enabled"]:
            words = "true: a ring always survives the loss of a node"
            yield FieldError("spec.highAvailability.enabled", False, words, True)
        if not tls["enabled"]:
            words = "true: clients prove who they are by certificate"
            yield FieldError("spec.networking.tls.enabled", False, words, True)
        if "certificate" in tls:
            words = "nothing: the operator makes the certificates itself"
            yield FieldError("spec.networking.tls.certificate", tls["certificate"], words)
        destination = spec["backup"].get("destination", "")
        bucket, _slash, path = destination.removeprefix("s3://").partition("/")
        if spec["backup"]["enabled"] and path.strip("/"):
            words = "a bucket without a path (ScyllaDB Manager keeps no prefix)"
            yield FieldError("spec.backup.destination", destination, words, f"s3://{bucket}")

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        for field in ("size", "class"):
            if old["storage"][field] != new["storage"][field]:
                words = (
                    f"{old['storage'][field]}: ScyllaDB's operator cannot change storage in place; take a SKU of more"
                    " nodes, or restore a backup into a new service"
                )
                yield FieldError(f"spec.storage.{field}", new["storage"][field], words, old["storage"][field])
        was, wanted = old["highAvailability"]["multiAZ"], new["highAvailability"]["multiAZ"]
        if was != wanted:
            words = f"{str(was).lower()}: racks cannot move between zones"
            yield FieldError("spec.highAvailability.multiAZ", wanted, words, was)

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        was, wanted = old["resources"]["node"], new["resources"]["node"]
        regions = old["replication"]["regions"]
        rolling = _RESTART_SECONDS * was["replicas"] * len(regions)
        for field in ("cpu", "memory"):
            if was[field] != wanted[field]:
                yield Consequence(f"spec.resources.node.{field}", "rolling", rolling, "in place, a node at a time")
        if old["version"] != new["version"]:
            words = "ScyllaDB never goes back to an older version"
            yield Consequence("spec.version", "rolling", rolling, "in place, a node at a time", words)
        more = wanted["replicas"] - was["replicas"]
        if more:
            how = (
                f"{more} nodes more in each region join one by one and take their part of the data over"
                if more > 0
                else f"{-more} nodes of each region are decommissioned one by one: they hand their data on first"
            )
            seconds = self.start_seconds * abs(more) * len(regions)
            yield Consequence("spec.resources.node.replicas", "none", seconds, how)
        if added := [region for region in new["replication"]["regions"] if region not in regions]:
            how = (
                f"a datacenter of {wanted['replicas']} nodes joins the ring in {', '.join(added)}; then let keyspaces"
                " replicate there (ALTER KEYSPACE) and run nodetool rebuild"
            )
            seconds = self.start_seconds * wanted["replicas"] * len(added)
            words = "a region cannot be left"
            yield Consequence("spec.replication.regions", "none", seconds, how, words)
        elif regions != new["replication"]["regions"]:
            yield Consequence("spec.replication.regions", "none", 0, "the same regions in another order")
        if old["replication"]["factor"] != new["replication"]["factor"]:
            how = "holds for keyspaces that are made from now on; those that exist keep theirs (ALTER KEYSPACE)"
            yield Consequence("spec.replication.factor", "none", 0, how)

    def render(self, share: Share) -> list[Obj]:
        spec, node = share.spec, share.spec["resources"]["node"]
        config = f"{share.name}-config"
        amounts = {"cpu": node["cpu"], "memory": node["memory"]}
        agent = {"cpu": "100m", "memory": "256Mi"}
        cluster: Obj = {
            "version": spec["version"],
            "agentVersion": share.engine["agentVersion"],
            "automaticOrphanedNodeCleanup": True,
            # Without these, pods inherit what stands on the cluster, and any new operation id restarts every node.
            "podMetadata": {
                "labels": {key: share.labels[key] for key in _OF_PODS},
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
                        "resources": {"requests": amounts, "limits": amounts},
                        "agentResources": {"requests": agent, "limits": agent},
                        "scyllaConfig": config,
                        "scyllaAgentConfig": _agent_config(share.name),
                        "placement": _placement(share.name, zone),
                    }
                    for rack, zone, members in self._racks(share, share.region)
                ],
            },
        }
        if not share.home:
            cluster["externalSeeds"] = self._seeds(share)
        if spec["backup"]["enabled"]:
            cluster["backups"] = [self._backup(share)]
        if share.home:
            # one repair covers the whole ring, so only one datacenter asks for it
            cluster["repairs"] = [{"name": "weekly", "cron": "0 4 * * 6"}]
        settings = "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n"
        return [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": share.metadata(config),
                "data": {"scylla.yaml": settings},
            },
            {
                "apiVersion": CLUSTER.api_version,
                "kind": CLUSTER.kind,
                "metadata": share.metadata(share.name),
                "spec": cluster,
            },
        ]

    def surroundings(self, share: Share) -> Surroundings:
        where = f'namespace="{share.namespace}",scylla_cluster="{share.name}"'
        nodes = share.spec["resources"]["node"]["replicas"]
        names = "|".join(rack for rack, *_rest in self._racks(share, share.region))
        # each node answers at two endpoints, its own and its agent's
        up = f'count(up{{{where},endpoint="prometheus"}} == 1) or vector(0)'
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
                    f"({up}) < {nodes} or max(scylla_node_operation_mode{{{where}}}) > 3",
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

    def connection(self, name: str, namespace: str, domain: str) -> Connection:
        return Connection(
            scheme="cql",
            host=f"{name}-client.{namespace}.svc.{domain}",
            port=9142,
            tls=True,
            secret=f"{name}-credentials",
            ca_secret=f"{name}-local-serving-ca",
            client_certificate_secret=f"{name}-local-user-admin",
        )

    def secrets(self, name: str) -> tuple[SecretNeed, ...]:
        return (
            # the operator takes the agent's token from its configuration, so it is the same in every datacenter
            SecretNeed(_agent_config(name), "agent", {"scylla-manager-agent.yaml": "auth_token: {password}\n"}),
            SecretNeed(f"{name}-credentials", "superuser", {"username": "dbaas", "password": "{password}"}),
        )

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        status: Obj = cluster.get("status", {})
        conditions = {item["type"]: item for item in status.get("conditions", [])}
        degraded, progressing = conditions.get("Degraded", {}), conditions.get("Progressing", {})
        wanted = sum(rack.get("members", 0) for rack in cluster["spec"].get("datacenter", {}).get("racks", []))
        seen = status.get("observedGeneration", 0) >= cluster["metadata"].get("generation", 1)
        return Observation(
            ready=status.get("readyMembers", 0),
            wanted=wanted,
            current=seen
            and progressing.get("status") == "False"
            and conditions.get("Available", {}).get("status") == "True",
            error=(degraded.get("message") or degraded.get("reason", "Degraded"))
            if degraded.get("status") == "True"
            else "",
            message=progressing.get("message", ""),
            backup=_backup_condition(spec, status),
        )

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:
        cluster = next(item for item in objects if item["kind"] == CLUSTER.kind)
        scheduled = cluster["spec"].get("backups")
        if not scheduled:
            raise DbaasError(
                "option-invalid", "deletion_policy: snapshot, but the claim asks for no backups: there is no bucket"
            )
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
        nodes, spread = share.spec["resources"]["node"]["replicas"], share.spec["highAvailability"]["multiAZ"]
        return racks(region, nodes, share.zones[region], spread)

    def _seeds(self, share: Share) -> list[str]:
        # the first node of each rack of the home datacenter
        home, domain = next(iter(share.domains.items()))
        return [
            f"{share.name}-{home}-{rack}-0.{share.namespace}.svc.{domain}" for rack, *_rest in self._racks(share, home)
        ]

    def _backup(self, share: Share) -> Obj:
        backup = share.spec["backup"]
        keep = math.ceil(quantity.seconds(backup["retention"]) / schedule.shortest_gap(backup["schedule"]))
        bucket = share.backups.removeprefix("s3://").strip("/")
        return {
            "name": "scheduled",
            "cron": backup["schedule"],
            "retention": keep,
            # each region backs up its own copies, to its own bucket
            "dc": [share.region],
            "location": [f"{share.region}:s3:{bucket}"],
        }


def _agent_config(name: str) -> str:
    return f"{name}-agent-config"


def _placement(name: str, zone: str) -> Obj:
    def term(key: str, value: str) -> Obj:
        return {"key": key, "operator": "In", "values": [value]}

    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            term("topology.kubernetes.io/zone", zone),
                            term("scylla.scylladb.com/node-type", "scylla"),
                        ]
                    }
                ]
            }
        },
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"scylla/cluster": name}}}
            ]
        },
        "tolerations": [
            {
                "key": "scylla-operator.scylladb.com/dedicated",
                "operator": "Equal",
                "value": "scyllaclusters",
                "effect": "NoSchedule",
            }
        ],
    }


def _backup_condition(spec: Obj, status: Obj) -> tuple[str, str, str]:
    if not spec["backup"]["enabled"]:
        return "False", "Disabled", "The claim asks for no backups."
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


def _immutable(field: str, message: str) -> Rule:
    return Rule(f"oldObject == null || object.spec.?{field} == oldObject.spec.?{field}", message)


_UPDATE: tuple[Rule, ...] = (
    _immutable("datacenter.name", "spec.datacenter.name is immutable"),
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
        _immutable(f"exposeOptions.{field}", f"spec.exposeOptions.{field} is immutable")
        for field in ("nodeService.type", "broadcastOptions.clients.type", "broadcastOptions.nodes.type")
    ),
)

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Aerospike by its operator: one AerospikeCluster in each region, a rack in each zone, one namespace.

Regions are clusters of their own that ship their writes to each other (XDR), after the fact: consistency ends at a
region's border. Pods are reached by their own addresses, so that the nodes of a region find those of another one.
The operator copies what it has made of spec into its object's status, and keeps no observedGeneration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    NETWORK_POLICY,
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

_GROUP = "asdb.aerospike.com"
CLUSTER = Kind(_GROUP, "v1", "AerospikeCluster", "aerospikeclusters")
BACKUP_SERVICE = Kind(_GROUP, "v1beta1", "AerospikeBackupService", "aerospikebackupservices")
BACKUP = Kind(_GROUP, "v1beta1", "AerospikeBackup", "aerospikebackups")
#: the namespace that every cluster has: the same in each region, since XDR ships a namespace to its like
NAMESPACE = "data"
PORT, FABRIC, HEARTBEAT, EXPORTER, BACKUPS = 4333, 3011, 3012, 9145, 8080
_DEVICE = "/dbaas/dev/data"
#: files that Secrets are mounted as; the operator keeps /etc/aerospike and /configs for itself
_FEATURES, _CERTIFICATES, _XDR = "/etc/dbaas/licence", "/etc/dbaas/tls", "/etc/dbaas/xdr"
_WORK_VOLUME = "5Gi"
#: beside the server on each node
_SIDECAR = {"cpu": "100m", "memory": "128Mi"}
#: of the one pod that takes a region's backups
_BACKUP_POD = {"cpu": "1", "memory": "1Gi"}
#: user -> its roles; the password of each is a Secret
_USERS = {
    "admin": ("sys-admin", "user-admin"),
    "dbaas": ("read-write", "sindex-admin", "truncate"),
    "xdr": ("read-write",),
    "backup": ("read", "data-admin"),
    "exporter": ("read",),
}
_PODS = "aerospike.com/cr"
#: the namespace of the operator
_OPERATOR = "aerospike"
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def _written() -> Iterator[str]:
    """jq paths of what the operator's webhook writes into what is applied: defaults, and what it works out of spec."""
    methods = ("InitMethod", "WipeMethod", "CascadeDelete")
    yield '.metadata.labels["aerospike.com/api-version"]'
    yield from (f".spec.rackConfig.racks[].effective{part}" for part in ("AerospikeConfig", "Storage", "PodSpec"))
    for place in ("volumes[]", "blockVolumePolicy", "filesystemVolumePolicy"):
        yield from (f".spec.storage.{place}.effective{method}" for method in methods)
    yield from (f".spec.podSpec.{field}" for field in ("effectiveDNSPolicy", "securityContext"))
    yield from (f'.spec.aerospikeConfig.service["{key}"]' for key in ("node-id", "cluster-name"))
    for access in ("access", "alternate-access", "tls-access", "tls-alternate-access"):
        yield from (f'.spec.aerospikeConfig.network.service["{access}-{part}"]' for part in ("addresses", "port"))
    yield from (f".spec.aerospikeConfig.{part}" for part in ("network.heartbeat.mode", "logging"))


class Aerospike:
    """The engine `aerospike`; see Engine."""

    name = "aerospike"
    kinds: tuple[Kind, ...] = (CLUSTER, BACKUP_SERVICE, BACKUP)
    plain: tuple[Kind, ...] = ()
    start_seconds = 120
    #: an estimate: a node stops, starts and has its partitions again
    restart_seconds = 300
    optional: Mapping[str, str] = {
        "placement": "",
        "paused": "paused of its operator stops the operator's own work; the nodes run on",
    }
    #: of the namespace, of its storage engine, of the node
    places = ("namespace", "storage-engine", "service")
    #: nodes read what they are of and write into its status what has become of them; the operator looks for both names
    accounts: Mapping[str, Sequence[Obj]] = {
        "aerospike-operator-controller-manager": (
            {"apiGroups": [_GROUP], "resources": ["aerospikeclusters"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [_GROUP], "resources": ["aerospikeclusters/status"], "verbs": ["get", "patch", "update"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "patch", "update"]},
            {
                "apiGroups": [""],
                "resources": ["configmaps", "persistentvolumeclaims", "services"],
                "verbs": ["get", "list"],
            },
        ),
        "aerospike-backup-service": (),
    }
    roles = (("node",),)
    health: Mapping[str, str] = {
        f"{_GROUP}_{CLUSTER.kind}": """\
local status = obj.status or {}
if status.phase == "Error" then
  return {status = "Degraded", message = "the operator reports an error, see its events"}
end
if status.phase == "Completed" and status.size == obj.spec.size and status.image == obj.spec.image then
  return {status = "Healthy", message = "all nodes are as they should be"}
end
return {status = "Progressing", message = "waiting for the operator"}
""",
        f"{_GROUP}_{BACKUP_SERVICE.kind}": """\
local phase = obj.status ~= nil and obj.status.phase or ""
if phase == "Error" then
  return {status = "Degraded", message = "the backup service cannot be made, see the operator's events"}
end
if phase == "Completed" then
  return {status = "Healthy", message = "the backup service runs"}
end
return {status = "Progressing", message = "waiting for the operator"}
""",
        f"{_GROUP}_{BACKUP.kind}": """\
if obj.status ~= nil and obj.status.config ~= nil then
  return {status = "Healthy", message = "the backup service has the routine"}
end
return {status = "Progressing", message = "waiting for the operator"}
""",
    }

    written: Mapping[str, Sequence[str]] = {f"{_GROUP}_{CLUSTER.kind}": tuple(_written())}

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:  # noqa: ARG002 - as Engine has it
        yield from shared.enough_nodes(spec, "node")
        zones = [len(regions[each]["zones"]) for each in spec["replication"]["regions"] if each in regions]
        if spec["highAvailability"]["multiAZ"] and min(zones) < 3:
            words = "false: of two zones one holds half of the roster, and what is left when it is lost is no majority"
            yield FieldError("spec.highAvailability.multiAZ", True, words, False)
        survives, proves = "a cluster always survives the loss of a node", "passwords never travel in clear"
        yield from shared.always_on(spec, survives, proves)
        lives, looks = (spec.get("parameters", {}).get(each, 0) for each in ("default-ttl", "nsup-period"))
        if isinstance(lives, int) and lives and not looks:
            words = "0, or an nsup-period too: without one nothing that has expired is ever taken away"
            yield FieldError("spec.parameters.default-ttl", lives, words, 0)
        days = spec["backup"]["schedule"].split()
        if spec["backup"]["enabled"] and len(days) == 5 and days[2] != "*" and days[4] != "*":
            words = "a day of the month or a day of the week, not both: the backup service takes one"
            yield FieldError("spec.backup.schedule", spec["backup"]["schedule"], words)

    def warnings(self, spec: Obj) -> Iterator[str]:
        if len(spec["replication"]["regions"]) > 1:
            yield (
                "replication.regions: consistency is strong within a region alone; between regions writes are shipped"
                " after they were confirmed (XDR), and of two writes to one record in two regions one is lost"
            )

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        words = "the operator refuses to alter volumes; restore a backup into a new service"
        for field in ("size", "class"):
            yield from shared.fixed(f"spec.storage.{field}", old["storage"][field], new["storage"][field], words)
        was, wanted = (each["highAvailability"]["multiAZ"] for each in (old, new))
        yield from shared.fixed("spec.highAvailability.multiAZ", was, wanted, "racks cannot move between zones")
        factors = old["replication"]["factor"], new["replication"]["factor"]
        words = "the operator refuses to change it where consistency is strong"
        yield from shared.fixed("spec.replication.factor", *factors, words)
        if old["backup"]["enabled"]:
            words = "what makes backups is not taken away while the service lives"
            yield from shared.fixed("spec.backup.enabled", True, new["backup"]["enabled"], words)

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        yield from shared.rolling(old, new, self.restart_seconds, "Aerospike goes back only by steps by hand")
        joined = "join the roster and take their part of the partitions over"
        left = "hand their partitions on, leave the roster and go"
        yield from shared.scaling(old, new, self.start_seconds, joined, left)
        how = (
            f"a cluster of {new['resources']['node']['replicas']} nodes in {{}}; what is written from now on is shipped"
            " there, what was there before only after a rewind of XDR"
        )
        yield from shared.more_regions(old, new, self.start_seconds, how)
        # a target less in the configuration of each node that stays
        nodes = new["resources"]["node"]["replicas"] * len(new["replication"]["regions"])
        how = (
            "the other regions ship nothing to {} any more; a node that cannot take that while it runs is restarted;"
            " clients leave it first, and XDR catches up (aerospike_xdr_lag is 0 there)"
        )
        lost = (
            "what was written in {} and not shipped to another region, which is all of it where shipping goes one way"
        )
        for item in shared.fewer_regions(old, new, 0, how, lost, "rolling"):
            yield replace(item, seconds=self.restart_seconds * nodes)
        if old["plan"] != new["plan"] and len(new["replication"]["regions"]) > 1:
            how = "which region ships to which may change; a node that cannot take that while it runs is restarted"
            seconds = self.restart_seconds * new["resources"]["node"]["replicas"] * len(new["replication"]["regions"])
            yield Consequence("spec.plan", "rolling", seconds, how)
        was, wanted = (each["networking"]["tls"].get("certificate") for each in (old, new))
        if was != wanted:
            seconds = self.restart_seconds * old["resources"]["node"]["replicas"] * len(old["replication"]["regions"])
            yield Consequence("spec.networking.tls.certificate", "rolling", seconds, "nodes mount another Secret")

    def render(self, share: Share) -> list[Obj]:
        backups = self._backups(share) if share.spec["backup"]["enabled"] else []
        return [share.make(CLUSTER, share.name, spec=self._cluster(share)), *backups]

    def _cluster(self, share: Share) -> Obj:
        spec, node = share.spec, share.spec["resources"]["node"]
        racks = self._racks(share, share.region)
        return {
            "size": node["replicas"],
            "image": f"{shared.offered(share, 'images', 'server')}:{spec['version']}",
            "maxUnavailable": 1,
            # else most changes of the configuration would restart every node
            "enableDynamicConfigUpdate": True,
            "rackConfig": {
                "namespaces": [NAMESPACE],
                "racks": [{"id": number, "zone": zone} for number, zone in racks],
            },
            # without ports of the hosts, which the clusters of others would want as well
            "aerospikeNetworkPolicy": dict.fromkeys(
                ("access", "alternateAccess", "tlsAccess", "tlsAlternateAccess"), "pod"
            ),
            "podSpec": {
                # no ports of hosts are taken; that two nodes share no host is said below
                "multiPodPerHost": True,
                "metadata": {"labels": shared.pod_labels(share)},
                "affinity": shared.placement([zone for _id, zone in racks], {_PODS: share.name}),
                "aerospikeContainer": {"resources": shared.amounts(node)},
                "sidecars": [_exporter(share)],
                **shared.machines(spec),
            },
            "storage": self._storage(share),
            "operatorClientCert": {
                "secretCertSource": {
                    "secretName": shared.certificate_secret(share.name, share.spec),
                    "caCertsFilename": "ca.crt",
                    "clientCertFilename": "tls.crt",
                    "clientKeyFilename": "tls.key",
                }
            },
            "aerospikeAccessControl": {
                "users": [
                    {"name": user, "secretName": _secret(share.name, user), "roles": list(roles)}
                    for user, roles in _USERS.items()
                ]
            },
            "aerospikeConfig": self._config(share),
        }

    def _storage(self, share: Share) -> Obj:
        def volume(name: str, path: str, size: str, mode: str) -> Obj:
            claim = {"storageClass": share.spec["storage"]["class"], "volumeMode": mode, "size": size}
            return {"name": name, "aerospike": {"path": path}, "source": {"persistentVolume": claim}}

        def secret(name: str, path: str, secret_name: str) -> Obj:
            return {"name": name, "aerospike": {"path": path}, "source": {"secret": {"secretName": secret_name}}}

        certificates = secret("tls", _CERTIFICATES, shared.certificate_secret(share.name, share.spec))
        certificates["sidecars"] = [{"containerName": "exporter", "path": _CERTIFICATES}]
        return {
            # A node that is gone for good takes its data along: one that comes back under its name must not find it.
            "filesystemVolumePolicy": {"cascadeDelete": True, "initMethod": "deleteFiles"},
            "blockVolumePolicy": {"cascadeDelete": True, "initMethod": "blkdiscardWithHeaderCleanup"},
            "volumes": [
                volume("workdir", "/opt/aerospike", _WORK_VOLUME, "Filesystem"),
                volume("data", _DEVICE, share.spec["storage"]["size"], "Block"),
                secret("licence", _FEATURES, shared.offered(share, "licence", "featureKey")),
                certificates,
                # in every region from the start: a volume more restarts every node
                secret("xdr", _XDR, _secret(share.name, "xdr")),
            ],
        }

    def _config(self, share: Share) -> Obj:
        name = _tls_name(share)
        config: Obj = {
            "service": {"feature-key-file": f"{_FEATURES}/features.conf", **_settings(share, "service")},
            "security": {},
            "network": {
                "service": {"tls-name": name, "tls-port": PORT, "tls-authenticate-client": "false"},
                "fabric": {"tls-name": name, "tls-port": FABRIC},
                "heartbeat": {"tls-name": name, "tls-port": HEARTBEAT},
                "tls": [
                    {
                        "name": name,
                        "cert-file": f"{_CERTIFICATES}/tls.crt",
                        "key-file": f"{_CERTIFICATES}/tls.key",
                        "ca-file": f"{_CERTIFICATES}/ca.crt",
                    }
                ],
            },
            "namespaces": [
                {
                    "name": NAMESPACE,
                    "replication-factor": share.spec["replication"]["factor"],
                    "strong-consistency": True,
                    "storage-engine": {"type": "device", "devices": [_DEVICE], **_settings(share, "storage-engine")},
                    **_settings(share, "namespace"),
                }
            ],
        }
        if targets := _ships_to(share):
            config["xdr"] = {"dcs": [self._target(share, region) for region in targets]}
        return config

    def _target(self, share: Share, region: str) -> Obj:
        # the first node of each rack; the others are found through them
        name = _tls_name(share)
        seeds = [
            f"{share.name}-{number}-0.{name}.{share.domains[region]} {PORT} {name}"
            for number, _zone in self._racks(share, region)
        ]
        return {
            "name": region,
            "node-address-ports": seeds,
            "tls-name": name,
            "auth-mode": "internal",
            "auth-user": "xdr",
            "auth-password-file": f"{_XDR}/password",
            "namespaces": [{"name": NAMESPACE}],
        }

    @staticmethod
    def _racks(share: Share, region: str) -> list[tuple[int, str]]:
        used = shared.zones(share.zones[region], share.spec["resources"]["node"]["replicas"], share.spec)
        return list(enumerate(used, 1))

    def _backups(self, share: Share) -> list[Obj]:
        name, backup = f"{share.name}-backups", share.spec["backup"]
        # a rule of the operator: what a backup names begins with its namespace and name
        ours = f"{share.namespace}-{share.name}"
        # Routines are called alike in each region and by each namesake, and one cleans up what is at its place. No
        # place may be another's.
        bucket, path = shared.own_place(share)
        storage = {"bucket": bucket, "path": f"{path}/{share.region}", "s3-region": shared.s3_region(share)}
        mounts = [
            _mount(_secret(share.name, "backup"), "/etc/dbaas/user"),
            _mount(shared.certificate_secret(share.name, share.spec), _CERTIFICATES),
        ]
        if share.s3:
            storage |= {"s3-endpoint-override": f"https://{share.s3['endpoint']}", "s3-profile": "default"}
            # the service reads a file of the AWS tools
            mounts.append(_mount(share.s3["secret"], "/root/.aws/credentials", subPath="credentials"))
        seed = {"host-name": f"{_tls_name(share)}.{share.domains[share.region]}", "port": PORT}
        cluster = {
            "seed-nodes": [{**seed, "tls-name": _tls_name(share)}],
            "tls": {"ca-file": f"{_CERTIFICATES}/ca.crt"},
            "credentials": {"user": "backup", "password-path": "/etc/dbaas/user/password"},
        }
        routine = {
            "interval-cron": _with_seconds(backup["schedule"]),
            "namespaces": [NAMESPACE],
            "source-cluster": f"{ours}-cluster",
            "storage": "s3",
            "backup-policy": "scheduled",
        }
        machines = shared.machines(share.spec)
        return [
            share.make(
                BACKUP_SERVICE,
                name,
                spec={
                    "image": shared.offered(share, "images", "backup"),
                    "config": {
                        "service": {"http": {"port": BACKUPS}},
                        "backup-policies": {"scheduled": {"retention": {"full": shared.kept(backup)}}},
                        "storage": {"s3": {"s3-storage": storage}},
                    },
                    "secrets": mounts,
                    "resources": shared.amounts(_BACKUP_POD),
                    **({"podSpec": machines} if machines else {}),
                },
            ),
            share.make(
                BACKUP,
                share.name,
                spec={
                    "backupService": {"name": name, "namespace": share.namespace},
                    "config": {
                        "aerospike-cluster": {f"{ours}-cluster": cluster},
                        "backup-routines": {f"{ours}-scheduled": routine},
                    },
                },
            ),
            # a pod of its own, which the policy of the nodes does not open: it reads them, writes to object storage,
            # and is told of the routine by the operator. No service is called like this: names of claims have no dots
            share.make(
                NETWORK_POLICY,
                f"{share.name}.backups",
                spec={
                    "podSelector": {"matchLabels": {_PODS: name}},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": [
                        {
                            "from": [
                                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": _OPERATOR}}}
                            ],
                            "ports": [{"protocol": "TCP", "port": BACKUPS}],
                        }
                    ],
                    "egress": [{}],
                },
            ),
        ]

    def surroundings(self, share: Share) -> Surroundings:
        where, nodes = shared.selector(share, shared.SERIES), share.spec["resources"]["node"]["replicas"]
        # the server's own default; 0 is no limit but the device's own end
        full = share.spec.get("parameters", {}).get("stop-writes-used-pct", 70) or 100
        soon = full * 6 // 7
        alerts = [
            Alert(
                "DatabaseUnhealthy",
                "critical",
                f"{shared.up(share, shared.SERIES, 'exporter')} < {nodes}"
                f" or min(aerospike_node_stats_cluster_size{{{where}}}) < {nodes}"
                f" or max(aerospike_namespace_unavailable_partitions{{{where}}}) > 0"
                f" or max(aerospike_namespace_dead_partitions{{{where}}}) > 0",
                5,
                "Nodes or partitions of the cluster are missing.",
            ),
            # the data lies on a raw device, of which the kubelet knows nothing
            Alert(
                "DatabaseDataFull",
                "warning",
                f"max(aerospike_namespace_data_used_pct{{{where}}}) > {soon}",
                10,
                f"The data takes more than {soon} % of its device; at {full} % writes are refused.",
            ),
            Alert("DatabaseCpuHigh", "warning", shared.cpu_above(share, shared.SERIES, 0.8), 10, "CPU is above 80 %."),
        ]
        if _ships_to(share):
            lag = f"max(aerospike_xdr_lag{{{where}}}) > 60"
            alerts.append(Alert("ReplicationBehind", "warning", lag, 10, "Another region is a minute behind."))
        return Surroundings(
            pods={_PODS: share.name},
            client_ports=(PORT,),
            peer_ports=(FABRIC, HEARTBEAT),
            metrics_ports=(EXPORTER,),
            # the operator's Services do not lead to the exporter
            metrics_services={},
            metrics_endpoints=("exporter",),
            target_labels=(shared.LABEL,),
            operator_namespaces=(_OPERATOR,),
            volumes=f"workdir-{share.name}-[0-9]+-[0-9]+",
            alerts=tuple(alerts),
            disruption_budget=False,  # the operator makes one
        )

    def volumes(self, spec: Obj) -> Mapping[str, str]:  # noqa: ARG002 - as Engine has it
        return {}

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:
        return Connection(
            scheme="aerospike",
            host=f"{name}.{namespace}.svc.{domain}",
            port=PORT,
            tls=True,
            secret=_secret(name, "dbaas"),
            ca_secret=shared.certificate_secret(name, spec),
        )

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:
        host = f"{name}.{{namespace}}.svc"
        # the operator reads password; clients find the pair that every engine's credentials have
        passwords = (
            SecretNeed(_secret(name, user), user, {"username": user, "password": "{password}"}) for user in _USERS
        )
        # the first name is what nodes and clients ask each other for, see _tls_name
        hosts = (host, f"{host}.{{domain}}", f"*.{host}.{{domain}}")
        return (*passwords, *shared.served(name, spec, hosts))

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - as Engine has it
        rack, pod, backups = "-#", "-#-#", "-backups"
        return {
            "Service": ["", pod, backups],
            "StatefulSet": [rack],
            "Pod": [pod],
            "ConfigMap": [rack, backups],
            "Deployment": [backups],
        }

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        by = {item["kind"]: item for item in objects}
        backup = _backup_condition(*(by.get(kind.kind, {}).get("status", {}) for kind in (BACKUP_SERVICE, BACKUP)))
        wanted = spec["resources"]["node"]["replicas"]
        replicating = _REPLICATING if len(spec["replication"]["regions"]) > 1 else None
        cluster = by.get(CLUSTER.kind)
        if cluster is None:
            words = "the cluster's object is not there"
            return Observation(0, wanted, False, message=words, backup=backup, replicating=replicating)
        status: Obj = cluster.get("status", {})
        phase, there = status.get("phase", ""), len(status.get("pods", {}))
        # what the operator has made last stands in its status as it stood in spec
        made = all(status.get(field) == cluster["spec"].get(field) for field in ("size", "image"))
        failed = phase == "Error"
        return Observation(
            ready=min(there, wanted),
            wanted=wanted,
            current=phase == "Completed" and made,
            error="the operator reports phase Error: its events say why" if failed else "",
            terminal=failed,
            message=f"the cluster is {phase}" if phase else "waiting for the operator",
            backup=backup,
            replicating=replicating,
            generation=cluster["metadata"].get("generation", 1),
            answered=shared.answered(cluster),
        )

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:  # noqa: ARG002 - as Engine has it
        if not any(item["kind"] == BACKUP.kind for item in objects):
            raise shared.no_bucket()
        words = (
            "deletion_policy: snapshot, but Aerospike's operator takes no backup of its own for a service that goes: it"
            " takes one on demand only by a change of the routine that goes with the service. Take it there, wait for"
            " the backup service, and delete then"
        )
        raise DbaasError("option-invalid", words)

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:  # noqa: ARG002 - as Engine has it
        return Backup("failed", "the operator takes no last backup")

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {CLUSTER: _CLUSTER_RULES, BACKUP_SERVICE: _SERVICE_RULES, BACKUP: _BACKUP_RULES}


_REPLICATING = (
    "Unknown",
    "NotReported",
    "XDR is set up as the plan says; the operator does not tell whether it keeps up, aerospike_xdr_lag does.",
)
_WAITING = ("Unknown", "NotRegistered", "The backup service has not taken the routine yet.")


def _backup_condition(service: Obj, backup: Obj) -> tuple[str, str, str]:
    if service.get("phase") == "Error":
        return "False", "ServiceFailed", "The backup service cannot be made: the operator's events say why."
    if service.get("phase") == "Completed" and backup.get("config"):
        return "True", "Scheduled", f"Namespace {NAMESPACE}; others need routines of their own."
    return _WAITING


def _secret(name: str, user: str) -> str:
    """The Secret with a user's password; that of the tenant's own user is called as with every engine."""
    return f"{name}-{'credentials' if user == 'dbaas' else user}"


def _tls_name(share: Share) -> str:
    """What certificates prove; the same in each region, so that one knows the other's."""
    return f"{share.name}.{share.namespace}.svc"


def _ships_to(share: Share) -> list[str]:
    """The regions that this one ships its writes to: all others, or all others of the home region alone."""
    others = [region for region in share.domains if region != share.region]
    both_ways = share.engine["topologies"][share.spec["plan"]]["many"] == "active-active"
    return others if both_ways or share.home else []


def _settings(share: Share, place: str) -> Obj:
    """The claim's parameters of one section, with their types: the operator's webhook looks at these."""
    return {name: share.spec["parameters"][name] for name in shared.settings(share, place)}


def _exporter(share: Share) -> Obj:
    settings = {
        "AS_HOST": "localhost",
        "AS_PORT": str(PORT),
        "AS_NODE_TLS_NAME": _tls_name(share),
        "AS_ROOT_CA": f"file:{_CERTIFICATES}/ca.crt",
        "AS_AUTH_USER": "exporter",
    }
    password = {"secretKeyRef": {"name": _secret(share.name, "exporter"), "key": "password"}}
    return {
        "name": "exporter",
        "image": shared.offered(share, "images", "exporter"),
        "env": [
            *({"name": key, "value": value} for key, value in settings.items()),
            {"name": "AS_AUTH_PASSWORD", "valueFrom": password},
        ],
        "ports": [{"name": "exporter", "containerPort": EXPORTER, "protocol": "TCP"}],
        "resources": shared.amounts(_SIDECAR),
    }


def _mount(secret: str, path: str, **more: str) -> Obj:
    return {"secretName": secret, "volumeMount": {"name": secret, "mountPath": path, **more}}


def _with_seconds(schedule: str) -> str:
    """Cron as the backup service reads it: seconds first, and days of the week by name, since its Sunday is 1."""
    *rest, days = schedule.split()
    return " ".join(["0", *rest, re.sub(r"(?<!/)[0-6]", lambda found: _DAYS[int(found[0])], days)])


_CONFIG = "object.spec.?aerospikeConfig"
_SPACES = f"{_CONFIG}.namespaces.orValue([])"
_RACKS = "object.spec.?rackConfig.racks.orValue([])"
_OLD_RACKS = "oldObject.spec.?rackConfig.racks.orValue([])"
_USERS_LIST = "object.spec.?aerospikeAccessControl.users.orValue([])"
_VOLUMES = "spec.?storage.volumes.orValue([]).filter(v, has(v.source) && has(v.source.persistentVolume))"
_EDITIONS = "['enterprise', 'federal']"
_PARTS = ("service", "fabric", "heartbeat")


def _kept_while_set(part: str, key: str) -> Rule:
    """A port or name that may come and go, and never changes."""
    field = f"spec.?aerospikeConfig.network.{part}[?'{key}']"
    return Rule(
        f"oldObject == null || !oldObject.{field}.hasValue() || !object.{field}.hasValue()"
        f" || object.{field} == oldObject.{field}",
        f"spec.aerospikeConfig.network.{part}.{key} is immutable",
    )


#: Of the webhook's rules these are left out: the configuration's own schema of each version, upgrade paths, LDAP;
#: and of what render lacks: roles, custom networks, local disks, batch sizes, racks with settings of their own.
_CLUSTER_RULES: tuple[Rule, ...] = (
    Rule(
        "oldObject != null || (object.metadata.name.size() <= 40"
        " && object.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$'))",
        "metadata.name: at most 40 characters, the first a letter",
    ),
    Rule(
        f"{_EDITIONS}.exists(e, object.spec.image.contains(e))"
        " && object.spec.image.matches(':[^/:]*[0-9]+([.][0-9]+)+[^/:]*$')",
        "spec.image: of the enterprise or federal edition, with a tag that holds a version",
    ),
    Rule(
        f"oldObject == null || {_EDITIONS}.all(e, object.spec.image.contains(e) == oldObject.spec.image.contains(e))",
        "spec.image: the edition is immutable",
    ),
    Rule(
        " && ".join(f"{_CONFIG}.network.{part}.hasValue()" for part in _PARTS) + f" && {_SPACES}.size() > 0",
        "spec.aerospikeConfig: network with service, fabric and heartbeat, and a namespace, are needed",
    ),
    Rule(
        f"{_SPACES}.all(n, n[?'name'].orValue('') != ''"
        " && n[?'storage-engine'].type.orValue('') in ['memory', 'device', 'pmem'])",
        "spec.aerospikeConfig.namespaces: each needs a name and a storage-engine of a known type",
    ),
    Rule(
        f"{_CONFIG}.service[?'cluster-name'].orValue(object.metadata.name) == object.metadata.name"
        f" && {_CONFIG}.network.heartbeat.mode.orValue('mesh') == 'mesh'",
        "spec.aerospikeConfig: cluster-name and heartbeat.mode are the operator's",
    ),
    Rule(
        f"{_SPACES}.all(n, !n[?'strong-consistency'].orValue(false) || (n[?'storage-engine'].type.orValue('') !="
        " 'memory' && n[?'replication-factor'].orValue(2) <= object.spec.size))",
        "spec.aerospikeConfig.namespaces: strong consistency wants a device, and a node for each copy",
    ),
    Rule(
        "oldObject == null || oldObject.spec.?aerospikeConfig.namespaces.orValue([]).all(o,"
        f" {_SPACES}.all(n, n.name != o.name || (n[?'strong-consistency'].orValue(false) =="
        " o[?'strong-consistency'].orValue(false) && (!o[?'strong-consistency'].orValue(false)"
        " || n[?'replication-factor'].orValue(2) == o[?'replication-factor'].orValue(2)))))",
        "spec.aerospikeConfig.namespaces: strong-consistency and its replication-factor are immutable",
    ),
    *(_kept_while_set(part, key) for part in _PARTS for key in ("port", "tls-port", "tls-name")),
    Rule(
        " && ".join(
            f"(!{_CONFIG}.network.{part}[?'tls-name'].hasValue() || ({_CONFIG}.network.{part}[?'tls-port'].hasValue()"
            f" && {_CONFIG}.network.tls.orValue([]).exists(t, t.name =="
            f" {_CONFIG}.network.{part}[?'tls-name'].value())))"
            for part in _PARTS
        ),
        "spec.aerospikeConfig.network: a tls-name needs a tls-port and an entry in tls",
    ),
    Rule(
        f"{_CONFIG}.network.tls.orValue([]).all(t, t[?'cert-file'].hasValue() == t[?'key-file'].hasValue())",
        "spec.aerospikeConfig.network.tls: cert-file and key-file go together",
    ),
    Rule(
        f"!{_CONFIG}.network.service[?'tls-name'].hasValue()"
        f" || string({_CONFIG}.network.service[?'tls-authenticate-client'].orValue('any')) == 'false'"
        " || object.spec.?operatorClientCert.secretCertSource.hasValue()"
        " != object.spec.?operatorClientCert.certPathInOperator.hasValue()",
        "spec.operatorClientCert: one source of certificates where nodes ask clients for theirs",
    ),
    Rule(
        f"!{_CONFIG}.security.hasValue() || {_USERS_LIST}.exists(u, u.name == 'admin'"
        " && ['sys-admin', 'user-admin'].all(r, r in u.roles))",
        "spec.aerospikeAccessControl: user admin with roles sys-admin and user-admin is needed",
    ),
    Rule(
        f"{_USERS_LIST}.all(u, {_USERS_LIST}.exists_one(o, o.name == u.name) && (u.?authMode.orValue('Internal') =="
        " 'PKIOnly') != (u.?secretName.orValue('') != ''))",
        "spec.aerospikeAccessControl.users: each once, and with a Secret where it has a password",
    ),
    Rule(
        "oldObject == null || !oldObject.spec.?aerospikeAccessControl.hasValue()"
        " || object.spec.?aerospikeAccessControl.hasValue()",
        "spec.aerospikeAccessControl cannot be taken away",
    ),
    Rule(
        "type(object.spec.?maxUnavailable.orValue(1)) != int || object.spec.size == 1"
        f" || {_SPACES}.all(n, n[?'replication-factor'].orValue(2) == 1"
        " || object.spec.?maxUnavailable.orValue(1) < n[?'replication-factor'].orValue(2))",
        "spec.maxUnavailable: fewer than the copies of each namespace",
    ),
    Rule(
        f"{_RACKS}.all(r, {_RACKS}.exists_one(o, o.id == r.id) && (r.id != 0 || {_RACKS}.size() == 1))",
        "spec.rackConfig.racks: each id once, and 0 for a rack alone",
    ),
    Rule(
        f"oldObject == null || {_OLD_RACKS}.all(o, {_RACKS}.all(r, r.id != o.id || (r.?zone == o.?zone"
        " && r.?region == o.?region && r.?rackLabel == o.?rackLabel && r.?nodeName == o.?nodeName)))",
        "spec.rackConfig.racks: where a rack stands is immutable",
    ),
    Rule(
        f"oldObject == null || (object.{_VOLUMES}.size() == oldObject.{_VOLUMES}.size()"
        f" && oldObject.{_VOLUMES}.all(o, object.{_VOLUMES}.exists(v, v.name == o.name"
        " && v.source.persistentVolume == o.source.persistentVolume)))",
        "spec.storage.volumes: persistent volumes are immutable",
    ),
    Rule(
        "object.spec.?storage.volumes.orValue([]).all(v, v.source.size() == 1)",
        "spec.storage.volumes: each has one source",
    ),
    shared.immutable("podSpec.multiPodPerHost"),
    Rule(
        "oldObject != null || object.spec.?operations.orValue([]).size() == 0",
        "spec.operations: not before the cluster is there",
    ),
)

_SERVICE_RULES: tuple[Rule, ...] = (
    Rule(
        "object.spec.image.matches(':[^/:]*([3-9]|[1-9][0-9]+)([.][0-9]+)+[^/:]*$')",
        "spec.image: a tag of version 3.0.0 or later",
    ),
    Rule(
        "['backup-routines', 'aerospike-clusters'].all(key, !object.spec.config[?key].hasValue())",
        "spec.config: clusters and routines belong to AerospikeBackup",
    ),
    Rule(
        "object.spec.?secrets.orValue([]).all(s, object.spec.secrets.exists_one(o,"
        " o.volumeMount.name == s.volumeMount.name))",
        "spec.secrets: each volume once",
    ),
)

_OWN = "object.metadata.namespace + '-' + object.metadata.name + '-'"
_BACKUP_RULES: tuple[Rule, ...] = (
    Rule(
        "oldObject != null || object.spec.?onDemandBackups.orValue([]).size() == 0",
        "spec.onDemandBackups: not before the routine is there",
    ),
    shared.immutable("backupService"),
    Rule(
        "['service', 'backup-policies', 'storage', 'secret-agents'].all(key, !object.spec.config[?key].hasValue())",
        "spec.config: policies, storage and the service's settings belong to AerospikeBackupService",
    ),
    Rule(
        "object.spec.config[?'aerospike-cluster'].orValue({}).size() == 1"
        " && object.spec.config[?'backup-routines'].orValue({}).size() > 0",
        "spec.config: one aerospike-cluster, and backup-routines, are needed",
    ),
    Rule(
        "['aerospike-cluster', 'backup-routines'].all(part, object.spec.config[?part].orValue({})"
        f".all(key, key.startsWith({_OWN})))",
        "spec.config: names begin with <namespace>-<name of the backup>-",
    ),
    Rule(
        "object.spec.config[?'backup-routines'].orValue({}).all(key, object.spec.config[?'aerospike-cluster']"
        ".orValue({}).all(cluster, object.spec.config['backup-routines'][key][?'source-cluster'].orValue('') =="
        " cluster))",
        "spec.config.backup-routines: source-cluster is the one of this backup",
    ),
)

ENGINE = Aerospike()

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""YugabyteDB by its makers' Helm chart: the Apache-licensed database alone, a universe of its own in each region.

A release in each zone, as the chart wants it; together they are one universe. Argo CD renders the releases, from
Applications that the tenant's foundation makes; what stands here are their values. The chart makes no backups, and its
StatefulSets keep the volumes that they began with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from string import ascii_lowercase

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import shared, yugabyte
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    DRIVER,
    JOB,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Backup,
    Connection,
    Kind,
    Obj,
    Observation,
    Release,
    Rule,
    Share,
    Surroundings,
)

_GIB = 2**30
_CERTIFICATE = Kind("cert-manager.io", "v1", "Certificate", "certificates")
_BIN = "/home/yugabyte/bin"
_CERTIFICATES = "/root/.yugabytedb"
_ROLES = ("master", "tserver")
#: sets the password and says where copies go; each step may be repeated
_SETUP = f"""\
set -eu
sql="{_BIN}/ysqlsh --no-password --host $HOST --username yugabyte --set ON_ERROR_STOP=1"
export PGSSLMODE=verify-ca PGSSLROOTCERT={_CERTIFICATES}/ca.crt
until PGPASSWORD=$PASSWORD $sql --command 'select 1' ||
  printf "alter role yugabyte with password '%s'" "$PASSWORD" | PGPASSWORD=yugabyte $sql
do sleep 5; done
{_BIN}/yb-admin --master_addresses "$MASTERS" --certs_dir_name {_CERTIFICATES} modify_placement_info "$ZONES" "$COPIES"
"""


class YugabyteChart(yugabyte.Yugabyte):
    """The engine `yugabyte` as the chart `yugabyte` makes it; see Engine and Chart."""

    kinds: tuple[Kind, ...] = (STATEFUL_SET,)
    plain: tuple[Kind, ...] = (SERVICE, JOB)
    health: Mapping[str, str] = {}
    made: tuple[Kind, ...] = (STATEFUL_SET, SERVICE, SECRET, CONFIG_MAP, DISRUPTION_BUDGET, _CERTIFICATE)

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:
        yield from super().check(name, spec, regions)
        if spec["backup"]["enabled"]:
            yield FieldError("spec.backup.enabled", True, "false: the chart makes no backups", False)
        if spec.get("paused"):
            yield FieldError("spec.paused", True, "false: the chart stops no nodes", False)
        for role, amounts in spec["resources"].items():
            yield from shared.whole_cores(spec, role, "the chart tells the database how many there are")
            if quantity.size(amounts["memory"]) % _GIB:
                words = "whole Gi: the chart reckons the database's limit from them"
                yield FieldError(f"spec.resources.{role}.memory", amounts["memory"], words)

    def warnings(self, spec: Obj) -> Iterator[str]:
        if certificate := spec["networking"]["tls"].get("certificate"):
            yield f"networking.tls.certificate {certificate} is not used: the platform's issuer signs the certificates"

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        words = "a StatefulSet keeps the volumes that it began with"
        for field in ("class", "size"):
            yield from shared.fixed(f"spec.storage.{field}", old["storage"][field], new["storage"][field], words)
        words = "it cannot be changed on a universe that the chart has made"
        for place, field in (("highAvailability", "multiAZ"), ("replication", "factor")):
            yield from shared.fixed(f"spec.{place}.{field}", old[place][field], new[place][field], words)

    def render(self, share: Share) -> list[Obj]:
        return [*yugabyte.services(share), self._setup(share)]

    def releases(self, share: Share) -> list[Release]:
        """The releases of a service in a region, and the values of each."""
        return [
            Release(name, self._values(share, name, zone, masters, tservers))
            for name, zone, masters, tservers in _parts(share)
        ]

    def _values(self, share: Share, name: str, zone: str, masters: int, tservers: int) -> Obj:
        spec, storage = share.spec, share.spec["storage"]
        machines = shared.machines(spec)
        tolerations = {"tolerations": machines.pop("tolerations")} if "tolerations" in machines else {}
        place = {"placement_cloud": "dbaas", "placement_region": share.region, "placement_zone": zone}
        return {
            "fullnameOverride": name,
            "oldNamingStyle": False,
            "domainName": share.domains[share.region],
            # of StatefulSets, pods and the templates of volumes: none of them may ever change
            "commonLabels": {**shared.pod_labels(share), DRIVER: "chart"},
            "statefulSetAnnotations": dict(share.annotations),
            "Image": {"tag": yugabyte.build(share.engine, spec["version"])},
            "isMultiAz": True,
            "AZ": zone,
            "masterAddresses": _masters(share),
            "replicas": {"master": masters, "tserver": tservers, "totalMasters": spec["replication"]["factor"]},
            "resource": {role: shared.amounts(_whole(amounts)) for role, amounts in spec["resources"].items()},
            "storage": {
                role: {"count": 1, "size": f"{gib}Gi", "storageClass": storage["class"]}
                for role, gib in (
                    ("master", yugabyte.MASTER_VOLUME),
                    ("tserver", quantity.size(storage["size"]) // _GIB),
                )
            },
            "gflags": {
                "master": {**shared.settings(share, "master", "universe"), **place},
                # the probe asks within its pod, and knows no password
                "tserver": {
                    **shared.settings(share, "tserver", "universe"),
                    **place,
                    "ysql_enable_auth": "true",
                    "ysql_hba_conf_csv": '"local all yugabyte trust"',
                },
            },
            "tls": {
                "enabled": True,
                # the chart's own is known to everybody
                "rootCA": {"cert": "", "key": ""},
                "certManager": {
                    "enabled": True,
                    "bootstrapSelfsigned": False,
                    "useClusterIssuer": True,
                    "clusterIssuer": shared.offered(share, "chart", "clusterIssuer"),
                },
            },
            # clients come by the service that spans the zones
            "enableLoadBalancer": False,
            "serviceEndpoints": [],
            "yugabytedUi": {"enabled": False},
            **machines,
            **{
                role: {
                    **tolerations,
                    "podLabels": {yugabyte.ROLE: role},
                    "affinity": shared.placement([zone], {shared.LABEL: share.name, yugabyte.ROLE: role}),
                    "readinessProbe": {"enabled": True},
                }
                for role in _ROLES
            },
        }

    def _setup(self, share: Share) -> Obj:
        image = f"yugabytedb/yugabyte:{yugabyte.build(share.engine, share.spec['version'])}"
        first = _parts(share)[0][0]
        credentials = self.secrets(share.name, share.spec)[0].name
        zones = [f"dbaas.{share.region}.{zone}" for _name, zone, *_nodes in _parts(share)]
        said = {
            "HOST": self.connection(share.name, share.namespace, share.domains[share.region], share.spec).host,
            "MASTERS": _masters(share),
            "ZONES": ",".join(zones),
            "COPIES": str(share.spec["replication"]["factor"]),
        }
        password = {"secretKeyRef": {"name": credentials, "key": "password"}}
        container = {
            "name": "setup",
            "image": image,
            "command": ["/bin/bash", "-c", _SETUP],
            "env": [
                *({"name": key, "value": value} for key, value in said.items()),
                {"name": "PASSWORD", "valueFrom": password},
            ],
            "volumeMounts": [{"name": "certificates", "mountPath": _CERTIFICATES, "readOnly": True}],
        }
        pod = {
            "restartPolicy": "OnFailure",
            "containers": [container],
            "volumes": [{"name": "certificates", "secret": {"secretName": f"{first}-client-tls"}}],
        }
        template = {"metadata": {"labels": shared.pod_labels(share)}, "spec": pod}
        # a Job cannot be changed: another one is another name, and the old one goes with its line in the file
        mark = sha256(repr((container, pod["volumes"])).encode()).hexdigest()[:8]
        job = share.make(JOB, f"{share.name}-setup-{mark}", spec={"backoffLimit": 100, "template": template})
        del job["metadata"]["annotations"]
        return job

    def surroundings(self, share: Share) -> Surroundings:
        volumes = f"{share.name}-[a-z]-datadir0-{share.name}-[a-z]-yb-(master|tserver)-[0-9]+"
        return replace(super().surroundings(share), operator_namespaces=(), volumes=volumes)

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:
        found = super().connection(name, namespace, domain, spec)
        return replace(found, ca_secret=f"{name}-a-client-tls")

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:
        zones = max(
            (len(regions[each]["zones"]) for each in spec["replication"]["regions"] if each in regions), default=1
        )
        parts = [f"-{letter}" for letter in ascii_lowercase[:zones]]
        sets = [f"{part}-yb-{role}" for part in parts for role in _ROLES]
        return {
            "Service": [*super().names(spec, regions)["Service"], *(f"{each}s" for each in sets)],
            "StatefulSet": sets,
            "Pod": [f"{each}-#" for each in sets],
            "PodDisruptionBudget": [f"{each}-pdb" for each in sets],
            "Certificate": [f"{each}-tls-cert" for each in sets] + [f"{part}-client-tls" for part in parts],
            "Secret": [
                *(f"{each}-tls-cert" for each in sets),
                *(f"{part}-{role}-gflags" for part in parts for role in _ROLES),
                *(f"{part}{ending}" for part in parts for ending in ("-client-tls", "-root-ca")),
            ],
        }

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        wanted = spec["resources"]["tserver"]["replicas"] + spec["resources"]["master"]["replicas"]
        replicating = yugabyte.SEPARATE if len(spec["replication"]["regions"]) > 1 else None
        ready, planned, waiting = 0, 0, []
        for item in objects:
            status: Obj = item.get("status", {})
            nodes = item["spec"].get("replicas", 1)
            planned += nodes
            ready += min(nodes, status.get("readyReplicas", 0))
            seen = status.get("observedGeneration") == item["metadata"].get("generation", 1)
            # a set without nodes has no revision of them
            done = status.get("updatedReplicas", 0) == nodes == status.get("replicas", 0)
            if not (seen and done and status.get("readyReplicas", 0) == nodes):
                waiting.append(item["metadata"]["name"])
        message = f"waiting for {', '.join(sorted(waiting))}" if waiting else ""
        if planned != wanted:
            message = f"the StatefulSets that are there have {planned} nodes"
        current = not waiting and planned == wanted
        return Observation(ready, wanted, current, message=message, replicating=replicating)

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:  # noqa: ARG002 - as Engine has it
        raise shared.no_bucket()

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:  # noqa: ARG002 - as Engine has it
        return Backup("failed", "the chart makes no backups")

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        return {}


def _parts(share: Share) -> list[tuple[str, str, int, int]]:
    """(release, zone, masters, tservers) of each zone that the service stands in.

    A letter of the zone ends the name, of one zone too: so no release is called like another service's.
    """
    masters, tservers = (share.spec["resources"][role]["replicas"] for role in _ROLES)
    used = shared.zones(share.zones[share.region], min(masters, tservers), share.spec)
    return [
        (f"{share.name}-{letter}", zone, some, others)
        for letter, (zone, some), (_zone, others) in zip(
            ascii_lowercase, shared.spread(masters, used), shared.spread(tservers, used), strict=False
        )
    ]


def _masters(share: Share) -> str:
    domain = f"{share.namespace}.svc.{share.domains[share.region]}:7100"
    return ",".join(
        f"{name}-yb-master-{node}.{name}-yb-masters.{domain}"
        for name, _zone, masters, _tservers in _parts(share)
        for node in range(masters)
    )


def _whole(amounts: Obj) -> Obj:
    """CPU and memory in the units that the chart can read."""
    return {
        "cpu": str(quantity.cpu(amounts["cpu"]) // 1000),
        "memory": f"{quantity.size(amounts['memory']) // _GIB}Gi",
    }


CHART = YugabyteChart()

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What more than one engine's file needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity, schedule
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    GROUP,
    Consequence,
    Obj,
    Rule,
    SecretNeed,
    Share,
)

#: the label by which pods, Services and objects of a service are found, and what it is called on a series in Prometheus
LABEL = f"{GROUP}/service"
SERIES = "dbaas_example_com_service"
#: what stores that are spoken to by an endpoint of their own take for the region that S3's protocol wants
S3_REGION = "us-east-1"
#: labels that a service keeps all its life: another one on a pod would restart it
_OF_PODS = tuple(f"{GROUP}/{name}" for name in ("tenant", "service", "engine", "service-id", "region"))

#: the field that regions which join or are left change
REGIONS = "spec.replication.regions"

#: the condition BackupConfigured of a service that is paused
PAUSED = ("False", "Paused", "Nothing is backed up while the service is paused; the backups that there are stay.")


def pod_labels(share: Share) -> dict[str, str]:
    """What each pod of a service may bear."""
    return {key: share.labels[key] for key in _OF_PODS}


def placement(zones: Sequence[str], pods: dict[str, str], *terms: tuple[str, str]) -> Obj:
    """Affinity of nodes that stand in these zones (any, without), each on a machine of its own.

    pods: labels of the nodes that keep apart; terms: labels that a machine must have beside.
    """
    in_zones = [("topology.kubernetes.io/zone", list(zones))] if zones else []
    wanted = [*in_zones, *((key, [value]) for key, value in terms)]
    machines = [{"key": key, "operator": "In", "values": values} for key, values in wanted]
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": machines}]}
        },
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": pods}}
            ]
        },
    }


def zones(offered: Sequence[str], nodes: int, spec: Obj) -> Sequence[str]:
    """The zones of a region that so many nodes of this claim stand in."""
    return offered[:nodes] if spec["highAvailability"]["multiAZ"] else offered[:1]


def spread(nodes: int, used: Sequence[str]) -> list[tuple[str, int]]:
    """(zone, nodes in it), as even as can be, the first zones first."""
    each, more = divmod(nodes, len(used))
    return [(zone, each + (1 if index < more else 0)) for index, zone in enumerate(used)]


def over_zones(pods: dict[str, str]) -> Obj:
    """A topology spread constraint: nodes of these labels stand in all zones as evenly as can be."""
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": pods},
    }


def own_place(share: Share) -> tuple[str, str]:
    """The bucket of the backups, and a path in it that is no other service's, of this name or another, at any time."""
    bucket, _slash, path = share.backups.removeprefix("s3://").partition("/")
    above = f"{path.strip('/')}/" if path.strip("/") else ""
    return bucket, f"{above}{share.name}/{share.spec['serviceId']}"


def machines(spec: Obj) -> Obj:
    """nodeSelector and tolerations of pods, as the claim's placement has them: only what it names."""
    wanted: Obj = spec.get("placement", {})
    return {field: wanted[field] for field in ("nodeSelector", "tolerations") if wanted.get(field)}


def terms(spec: Obj) -> tuple[tuple[str, str], ...]:
    """The same node selector as terms of `placement`, for operators that take none."""
    return tuple(spec.get("placement", {}).get("nodeSelector", {}).items())


def settings(share: Share, *places: str) -> dict[str, str]:
    """The claim's parameters that are rendered to one of these places (any, without), by name, each as text."""
    known: Obj = share.engine.get("parameters", {})
    given: Obj = share.spec.get("parameters", {})
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in sorted(given.items())
        if not places or known[name].get("place") in places
    }


def amounts(role: Obj) -> Obj:
    """CPU and memory of one node as `resources` of a container: what it asks for is what it gets."""
    each = {"cpu": role["cpu"], "memory": role["memory"]}
    return {"requests": dict(each), "limits": dict(each)}


def offered(share: Share, *path: str) -> str:
    """A text of the engine's section of the catalog. Raises InvalidFields catalog-invalid where it is not there."""
    node: object = share.engine
    for part in path:
        node = node.get(part) if isinstance(node, Mapping) else None
    if not node:
        place = ".".join(("engines", share.spec["engine"], *path))
        raise InvalidFields("catalog-invalid", [FieldError(place, None, "what services that run are made of")])
    return str(node)


def certificate_secret(name: str, spec: Obj) -> str:
    """The Secret (tls.crt, tls.key, ca.crt) that clients are served with: the tenant's own, or the observer's."""
    return str(spec["networking"]["tls"].get("certificate", f"{name}-tls"))


def served(name: str, spec: Obj, hosts: tuple[str, ...]) -> tuple[SecretNeed, ...]:
    """That Secret, for these host names, where the tenant brings none."""
    return () if "certificate" in spec["networking"]["tls"] else (certificate(certificate_secret(name, spec), hosts),)


def s3_region(share: Share) -> str:
    """What the region's object storage calls its own region."""
    return str(share.s3.get("region", S3_REGION))


def kept(backup: Obj) -> int:
    """How many backups its retention is, in the busiest stretch of its schedule."""
    return math.ceil(quantity.seconds(backup["retention"]) / schedule.shortest_gap(backup["schedule"]))


def enough_nodes(spec: Obj, role: str) -> Iterator[FieldError]:
    """Each copy of the data stands on a node of its own."""
    nodes, factor = spec["resources"][role]["replicas"], spec["replication"]["factor"]
    if factor > nodes:
        yield FieldError("spec.replication.factor", factor, f"at most {nodes}, the nodes of each region", nodes)


def whole_cores(spec: Obj, role: str, why: str) -> Iterator[FieldError]:
    """A node has CPUs of its own."""
    cpu = spec["resources"][role]["cpu"]
    if quantity.cpu(cpu) % 1000:
        yield FieldError(f"spec.resources.{role}.cpu", cpu, f"whole cores: {why}")


def always_on(spec: Obj, availability: str, encryption: str) -> Iterator[FieldError]:
    """For engines that know no other way: survival of a node's loss, and TLS; the texts say why."""
    if not spec["highAvailability"]["enabled"]:
        yield FieldError("spec.highAvailability.enabled", False, f"true: {availability}", True)
    if not spec["networking"]["tls"]["enabled"]:
        yield FieldError("spec.networking.tls.enabled", False, f"true: {encryption}", True)


def fixed(path: str, old: object, new: object, why: str) -> Iterator[FieldError]:
    """A field that stays as it is for the service's life."""
    if old != new:
        was = str(old).lower() if isinstance(old, bool) else "not given" if old is None else old
        yield FieldError(path, new, f"{was}: {why}", old)


def rolling(old: Obj, new: Obj, seconds: int, downgrade: str) -> Iterator[Consequence]:
    """What restarts every node, one after the other: its amounts, and the version, which never goes back.

    seconds: one node's restart until its data is served again.
    """
    how, regions = "in place, a node at a time", len(old["replication"]["regions"])
    for role, was in old["resources"].items():
        for field in ("cpu", "memory"):
            if was[field] != new["resources"][role][field]:
                path = f"spec.resources.{role}.{field}"
                yield Consequence(path, "rolling", seconds * was["replicas"] * regions, how)
    if old["version"] != new["version"]:
        nodes = sum(role["replicas"] for role in old["resources"].values())
        yield Consequence("spec.version", "rolling", seconds * nodes * regions, how, downgrade)


def scaling(old: Obj, new: Obj, seconds: int, joined: str, left: str) -> Iterator[Consequence]:
    """Nodes more or fewer of a role; the texts say what those that come and those that go do. seconds: for one node."""
    for role, was in old["resources"].items():
        more = new["resources"][role]["replicas"] - was["replicas"]
        if more:
            how = f"{more} nodes more in each region {joined}" if more > 0 else f"{-more} nodes of each region {left}"
            path = f"spec.resources.{role}.replicas"
            yield Consequence(path, "none", seconds * abs(more) * len(old["replication"]["regions"]), how)


def more_regions(old: Obj, new: Obj, seconds: int, how: str) -> Iterator[Consequence]:
    """Regions more, in how as {}, or in another order. seconds: for one node."""
    was, wanted = old["replication"]["regions"], new["replication"]["regions"]
    if added := [region for region in wanted if region not in was]:
        nodes = sum(role["replicas"] for role in new["resources"].values())
        yield Consequence(REGIONS, "none", seconds * nodes * len(added), how.format(", ".join(added)))
    elif was != wanted and not set(was) - set(wanted):
        yield Consequence(REGIONS, "none", 0, "the same regions in another order")


def fewer_regions(
    old: Obj, new: Obj, seconds: int, how: str, lost: str, restart: str = "none"
) -> Iterator[Consequence]:
    """Regions that are left, in how and lost (what cannot be brought back) as {}. seconds: for one node there."""
    left = [region for region in old["replication"]["regions"] if region not in new["replication"]["regions"]]
    if left:
        nodes = sum(role["replicas"] for role in old["resources"].values()) * len(left)
        names = ", ".join(left)
        yield Consequence(REGIONS, restart, seconds * nodes, how.format(names), lost.format(names))


def certificate(name: str, hosts: tuple[str, ...]) -> SecretNeed:
    """A Secret of the shape of kubernetes.io/tls with a certificate for these hosts; see SecretNeed."""
    return SecretNeed(name, "tls", {"tls.crt": "{certificate}", "tls.key": "{key}", "ca.crt": "{authority}"}, hosts)


def no_bucket() -> DbaasError:
    """A last backup of a service that has none has nowhere to go."""
    words = "deletion_policy: snapshot, but the claim asks for no backups: there is no bucket"
    return DbaasError("option-invalid", words)


def paused() -> DbaasError:
    """A last backup of a service whose nodes are stopped."""
    return DbaasError("option-invalid", "deletion_policy: snapshot, but the service is paused: let it go on first")


def answered(item: Obj) -> bool:
    """Whether the operator wrote a status since the object's spec was written last (to the second).

    For operators that keep no observedGeneration. Read from metadata.managedFields; true where these are not there.
    A spec that never changed has been answered by any status: those who only marked the object anew since then are said
    to have written its spec again.
    """
    entries = item["metadata"].get("managedFields", [])
    status = max((entry.get("time", "") for entry in entries if entry.get("subresource") == "status"), default="")
    never_changed = item["metadata"].get("generation") == 1 and bool(status)
    return never_changed or bool(status >= written(item))


def written(item: Obj) -> str:
    """When the object's spec was written last, as its metadata.managedFields say; "" where they do not."""
    return max(
        (
            str(entry.get("time", ""))
            for entry in item["metadata"].get("managedFields", [])
            if entry.get("subresource") != "status" and "f:spec" in entry.get("fieldsV1", {})
        ),
        default="",
    )


def up(share: Share, service_label: str, endpoint: str) -> str:
    """PromQL: how many of the service's nodes answer at an endpoint (label of the service -> its name)."""
    return f'(count(up{{{selector(share, service_label)},endpoint="{endpoint}"}} == 1) or vector(0))'


def cpu_above(share: Share, service_label: str, part: float) -> str:
    """PromQL: that a pod of the service uses more than that part of its CPUs."""
    space = f'namespace="{share.namespace}"'
    used = f'sum by (pod) (rate(container_cpu_usage_seconds_total{{{space},container!=""}}[5m]))'
    limit = f'sum by (pod) (kube_pod_container_resource_limits{{{space},resource="cpu"}})'
    return f"max({used} / on(pod) {limit} and on(pod) up{{{selector(share, service_label)}}}) > {part}"


def selector(share: Share, service_label: str) -> str:
    """The labels that the service's own series bear in Prometheus."""
    return f'namespace="{share.namespace}",{service_label}="{share.name}"'


def immutable(field: str) -> Rule:
    """A guard: the field of spec stays as it was set, or unset."""
    return Rule(f"oldObject == null || object.spec.?{field} == oldObject.spec.?{field}", f"spec.{field} is immutable")

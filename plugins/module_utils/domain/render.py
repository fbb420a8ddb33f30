# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Render: an admitted claim becomes every object of the service in each region. Pure: the same claim, the same objects.

What surrounds every engine (the claim's copy, network policy, monitors, alerts, disruption budget) stands here, outside
the engines' files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, hatches, paths, placement
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Claim, joins
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.tenant import KEEP
from ansible_collections.dbaas.platform.plugins.module_utils.engines import BY_CHART, CHARTS, ENGINES, operator_kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    CLAIM,
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    DRIVER,
    GROUP,
    NETWORK_POLICY,
    VOLUME_CLAIM,
    Alert,
    Kind,
    Share,
    Surroundings,
)

Json = dict[str, Any]

SERVICE_MONITOR = Kind("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors")
POD_MONITOR = Kind("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")
RULE = Kind("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules")

#: On the copy of a service delivered without Git: its claim as it was given, as JSON.
CLAIM_ANNOTATION = f"{GROUP}/claim"
#: On the copies of a service that leaves regions: which.
LEAVING = f"{GROUP}/leaving"
#: The namespace of Prometheus, as its label says it.
MONITORING_NAMESPACE = "monitoring"


def kinds(charts: Collection[str] = ()) -> tuple[Kind, ...]:
    """Every kind that render can make: what a tenant's Argo CD project allows.

    charts: the engines whose services are made by charts too; what they hold is written to be deleted.
    """
    makers = [*ENGINES.values(), *(CHARTS[name] for name in charts)]
    # a ConfigMap is the record of a claim that was born in a cluster
    plain = dict.fromkeys([CONFIG_MAP, *(kind for engine in makers for kind in engine.plain)])
    if charts:
        plain[VOLUME_CLAIM] = None
    return (CLAIM, *plain, NETWORK_POLICY, DISRUPTION_BUDGET, SERVICE_MONITOR, POD_MONITOR, RULE, *operator_kinds())


@dataclass(frozen=True)
class Stamp:
    """Where the derived objects come from. operation is the id of the change that renders them (a UUID)."""

    claim_blob: str
    catalog_revision: str
    renderer: str
    operation: str
    action: str
    requester: str
    deadline: str
    #: git, or direct where nothing is in Git
    origin: str = "git"
    #: regions that the service is leaving, with commas between: until all is gone there their nodes are let in
    leaving: str = ""

    def annotations(self) -> dict[str, str]:
        found = {f"{GROUP}/{field.replace('_', '-')}": getattr(self, field) for field in self.__dataclass_fields__}
        return {name: value for name, value in found.items() if value or name != LEAVING}


#: the annotations of a Stamp, by their names
STAMPED = frozenset(f"{GROUP}/{field.replace('_', '-')}" for field in Stamp.__dataclass_fields__)
_STAMPED = re.compile(rb"(?m)^ +dbaas\.example\.com/([a-z-]+): \"?([^\"\n]*)")


def stamped(derived: bytes) -> dict[str, str]:
    """What the beginning of a derived file says of itself, by the names of Stamp's fields in kebab case.

    Read without a parser: a repository has tens of thousands of such files.
    """
    found: dict[str, str] = {}
    for name, value in _STAMPED.findall(derived):
        found.setdefault(name.decode(), value.decode(errors="replace"))
    return found


def render(claim: Claim, catalog: Catalog, platform: Platform, stamp: Stamp) -> dict[str, list[Json]]:
    """Region -> its objects, the claim's copy first.

    Raises InvalidFields claim-invalid for patches of the claim that do not fit what is rendered.
    """
    return {region: _region(claim, region, catalog, platform, stamp) for region in claim.regions}


def _region(claim: Claim, region: str, catalog: Catalog, platform: Platform, stamp: Stamp) -> list[Json]:
    copy, *rest = _objects(claim, region, catalog, platform, stamp)
    # the tenant's own object stands where the copy would
    return [born.record(copy) if claim.born_in == region else copy, *rest]


def _objects(claim: Claim, region: str, catalog: Catalog, platform: Platform, stamp: Stamp) -> list[Json]:
    share = _share(claim, region, catalog, platform, stamp)
    if placement.pooled(claim.spec):
        # its pool is another service, and the observer makes its credentials
        return [_copy(claim, share, stamp)]
    engine = engines.by(claim.sku.engine, claim.driver)
    around = engine.surroundings(share)
    objects = [_copy(claim, share, stamp), *engine.render(share), *_network_policies(share, around)]
    if around.disruption_budget:
        objects.append(_disruption_budget(share, around))
    # of nodes that are stopped nobody is called
    if claim.spec["observability"]["metrics"]["enabled"] and not claim.spec.get("paused"):
        objects += [_monitor(share, around), _rule(share, around)]
    return hatches.patched(objects, claim.spec.get("overrides", []))


def releases(claim: Claim, catalog: Catalog, platform: Platform, stamp: Stamp) -> dict[str, list[Json]]:
    """Region -> the releases that make the service there, as the foundation's values have them; {} by an operator."""
    if claim.driver != BY_CHART:
        return {}
    chart = CHARTS[claim.sku.engine]
    return {
        region: [
            {"name": each.name, "service": claim.name, "engine": claim.sku.engine, "values": each.values}
            for each in chart.releases(_share(claim, region, catalog, platform, stamp))
        ]
        for region in claim.regions
    }


def _share(claim: Claim, region: str, catalog: Catalog, platform: Platform, stamp: Stamp) -> Share:
    labels = {
        "tenant": claim.tenant,
        "service": claim.name,
        "project": claim.project,
        "plan": claim.spec["plan"],
        "engine": claim.spec["engine"],
        "sku": claim.sku.name,
        "service-id": claim.spec["serviceId"],
        "region": region,
    }
    template = claim.spec["backup"].get("destination") or catalog.regions[region]["backups"]
    engine = catalog.engines[claim.spec["engine"]]
    return Share(
        name=claim.name,
        namespace=claim.namespace,
        tenant=claim.tenant,
        region=region,
        spec=claim.spec,
        zones={each: tuple(catalog.regions[each]["zones"]) for each in claim.regions},
        domains={each: platform.pops[each].cluster_domain for each in claim.regions},
        peers=_peers(claim, region, catalog, platform, stamp),
        backups=template.replace("{tenant}", claim.tenant),
        s3=catalog.regions[region].get("s3", {}),
        engine={**engine, "images": {**engine.get("images", {}), **claim.spec.get("images", {})}},
        labels={f"{GROUP}/{name}": value for name, value in labels.items()},
        # the operation on every object: a status counts only when the operator's object is of the copy's operation
        annotations={**KEEP, f"{GROUP}/operation": stamp.operation},
    )


def _peers(claim: Claim, region: str, catalog: Catalog, platform: Platform, stamp: Stamp) -> tuple[str, ...]:
    """The pod networks of the other regions whose nodes speak with those here.

    Those in regions that are left as well: they hand over what they have, and leave the ring or the replica set.
    """
    left = [pop for pop in stamp.leaving.split(",") if pop in platform.pops and pop not in claim.regions]
    regions = [*claim.regions, *left]
    topology = catalog.topology(claim.spec["engine"], claim.spec["plan"], len(regions)) if left else claim.topology
    if not joins(str(topology)):
        return ()
    return tuple(cidr for each in regions if each != region for cidr in platform.pops[each].pod_cidrs)


def _copy(claim: Claim, share: Share, stamp: Stamp) -> Json:
    metadata = share.metadata(claim.name, **stamp.annotations())
    metadata["annotations"] |= {
        # where there is no file that a person could edit, the copy tells what it would say
        **(
            {CLAIM_ANNOTATION: json.dumps(claim.given)}
            if stamp.origin == "direct"
            else {f"{GROUP}/path": paths.claim(claim.tenant, claim.name)}
        ),
        f"{GROUP}/cluster-domain": share.domains[share.region],
        **({DRIVER: claim.driver} if claim.driver == BY_CHART else {}),
        **({f"{GROUP}/warnings": json.dumps(claim.warnings)} if claim.warnings else {}),
        **claim.given["metadata"].get("annotations", {}),
    }
    return {"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, "metadata": metadata, "spec": claim.spec}


def _network_policies(share: Share, around: Surroundings) -> list[Json]:
    def ports(numbers: tuple[int, ...]) -> list[Json]:
        return [{"protocol": "TCP", "port": number} for number in numbers]

    def spaces(*names: str) -> list[Json]:
        return [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in names]

    def blocks(networks: tuple[str, ...]) -> list[Json]:
        return [{"ipBlock": {"cidr": network}} for network in networks]

    own = {"podSelector": {"matchLabels": dict(around.pods)}}
    clients = [{"podSelector": {}}, *blocks(tuple(share.spec["networking"]["allowedCIDRs"]))]
    from_clients = {"from": clients, "ports": ports(around.client_ports)}
    policy = share.make(
        NETWORK_POLICY,
        share.name,
        spec={
            **own,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                *([] if around.client_pods else [from_clients]),
                {"from": [own, *blocks(share.peers)], "ports": ports(around.peer_ports + around.client_ports)},
                # an empty list would let everybody in
                *([{"from": spaces(*around.operator_namespaces)}] if around.operator_namespaces else []),
                {"from": spaces(MONITORING_NAMESPACE), "ports": ports(around.metrics_ports)},
            ],
            # object storage and the other regions lie outside; what comes in is what a database must guard
            "egress": [{}],
        },
    )
    if not around.client_pods:
        return [policy]
    open_to_clients = {
        "podSelector": {"matchLabels": dict(around.client_pods)},
        "policyTypes": ["Ingress"],
        "ingress": [from_clients],
    }
    # no service can be called like this: names of claims have no dots
    return [policy, share.make(NETWORK_POLICY, f"{share.name}.clients", spec=open_to_clients)]


def _disruption_budget(share: Share, around: Surroundings) -> Json:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(around.pods)}}
    return share.make(DISRUPTION_BUDGET, share.name, spec=spec)


def _monitoring_metadata(share: Share) -> Json:
    # monitors and rules may go with their file: nothing is lost with them
    return {"name": share.name, "namespace": share.namespace, "labels": dict(share.labels)}


def _monitor(share: Share, around: Surroundings) -> Json:
    how = {"interval": share.spec["observability"]["metrics"]["scrapeInterval"]}
    if around.metrics_path:
        how["path"] = around.metrics_path
    # not every operator's Services lead to every node, or to the port that tells
    kind = SERVICE_MONITOR if around.metrics_services else POD_MONITOR
    labels, endpoints = (
        ("targetLabels", "endpoints") if around.metrics_services else ("podTargetLabels", "podMetricsEndpoints")
    )
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": _monitoring_metadata(share),
        "spec": {
            "selector": {"matchLabels": dict(around.metrics_services or around.pods)},
            labels: list(around.target_labels),
            endpoints: [{"port": port, **how} for port in around.metrics_endpoints],
        },
    }


def _rule(share: Share, around: Surroundings) -> Json:
    volumes = f'namespace="{share.namespace}",persistentvolumeclaim=~"{around.volumes}"'
    disk = Alert(
        "DatabaseDiskFull",
        "warning",
        f"max(kubelet_volume_stats_used_bytes{{{volumes}}} / kubelet_volume_stats_capacity_bytes{{{volumes}}}) > 0.85",
        10,
        "Disk usage is above 85 %.",
    )
    identity = {name: share.labels[f"{GROUP}/{name}"] for name in ("tenant", "service", "engine", "plan", "region")}
    return {
        "apiVersion": RULE.api_version,
        "kind": RULE.kind,
        "metadata": _monitoring_metadata(share),
        "spec": {
            "groups": [
                {
                    "name": f"{share.namespace}.{share.name}",
                    "rules": [
                        {
                            "alert": alert.name,
                            "expr": alert.expression,
                            **({"for": f"{alert.minutes}m"} if alert.minutes else {}),
                            "labels": {"severity": alert.severity, **identity},
                            "annotations": {
                                "summary": f"{share.namespace}/{share.name} in {share.region}: {alert.summary}"
                            },
                        }
                        for alert in (*around.alerts, disk)
                    ],
                }
            ]
        },
    }

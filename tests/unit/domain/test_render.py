from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import render as renders
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import derived_file
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds, render
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Share, Surroundings
from ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla import Scylla
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, ID, OPERATION, SMALL, STAMP, WIDE, admitted, only, rendered

Json = dict[str, Any]

MONITORING = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
NAMES = st.from_regex(schema.NAME, fullmatch=True).filter(lambda name: len(name) <= schema.NAME_LENGTH)


def every_claim() -> Iterator[Json]:
    for sku, plan, regions in shipped.every_topology(("lagos", "frankfurt")):
        if len(regions) == (2 if plan == "global" else 1):
            yield {"sku": sku, "plan": plan, "region": "lagos", "replication": {"regions": regions}}


def objects(spec: Json, name: str = "ring") -> list[tuple[str, Json]]:
    return [(region, item) for region, items in rendered(spec, name).items() for item in items]


def test_each_region_gets_its_own_datacenter_and_no_other() -> None:
    regions = rendered(WIDE)
    assert list(regions) == ["lagos", "johannesburg"]
    for region, items in regions.items():
        cluster = only(items, "ScyllaCluster")
        assert cluster["spec"]["datacenter"]["name"] == region
        assert {item["metadata"]["labels"]["dbaas.example.com/region"] for item in items} == {region}
        other = ({"lagos", "johannesburg"} - {region}).pop()
        placed = json.dumps([rack["placement"] for rack in cluster["spec"]["datacenter"]["racks"]])
        assert other not in placed


def test_the_copy_stands_first_and_holds_the_whole_spec() -> None:
    claim = admitted({**SMALL, "version": "2025.3.0"})
    (copy, *_rest) = render(claim, shipped.catalog(), shipped.platform(), STAMP)["lagos"]
    assert (copy["kind"], copy["spec"]) == ("ServiceClaim", claim.spec)
    annotations = {
        name.removeprefix("dbaas.example.com/"): value for name, value in copy["metadata"]["annotations"].items()
    }
    assert annotations == {
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
        "origin": "git",
        "path": "tenants/123/claims/ring.yaml",
        "cluster-domain": "lagos.dbaas.internal",
        "claim-blob": "0" * 40,
        "catalog-revision": "0" * 12,
        "renderer": "1.0.0",
        "operation": OPERATION,
        "action": "create",
        "requester": "ada",
        "deadline": "30m",
        "warnings": json.dumps(list(claim.warnings)),
    }
    assert "dbaas.example.com/warnings" not in rendered(SMALL)["lagos"][0]["metadata"]["annotations"]


def test_the_copy_tells_where_its_claim_was_born() -> None:
    document = shipped.document({"serviceId": ID, **SMALL}, "ring")
    document["metadata"]["annotations"] = {"dbaas.example.com/born-in": "lagos"}
    claim, errors = shipped.admit(document)
    assert claim is not None, errors
    (copy, *_rest) = render(claim, shipped.catalog(), shipped.platform(), STAMP)["lagos"]
    assert copy["metadata"]["annotations"]["dbaas.example.com/born-in"] == "lagos"


def test_a_derived_file_says_at_its_beginning_what_it_was_made_from() -> None:
    items = rendered(WIDE)["lagos"]
    said = renders.stamped(derived_file("tenants/123/claims/ring.yaml", shipped.YAML.dump_all(items)))
    stamp = STAMP.annotations()
    assert {name: said[name.removeprefix("dbaas.example.com/")] for name in stamp} == stamp
    # of several with one name the first counts, which is the copy's
    assert said["region"] == "lagos"


@pytest.mark.parametrize("spec", list(every_claim()))
def test_labels_names_and_protection(spec: Json) -> None:
    for region, item in objects(spec):
        metadata = item["metadata"]
        assert metadata["namespace"] == "tenant-123"
        assert metadata["name"].startswith("ring")
        assert metadata["labels"] == {
            "dbaas.example.com/tenant": "123",
            "dbaas.example.com/service": "ring",
            "dbaas.example.com/project": "default",
            "dbaas.example.com/plan": spec["plan"],
            "dbaas.example.com/engine": shipped.catalog().skus[spec["sku"]].engine,
            "dbaas.example.com/sku": spec["sku"],
            "dbaas.example.com/service-id": ID,
            "dbaas.example.com/region": region,
        }
        if item["kind"] in MONITORING:
            assert "annotations" not in metadata
        else:
            assert tenant.KEEP.items() <= metadata["annotations"].items()
            assert metadata["annotations"]["dbaas.example.com/operation"] == OPERATION


def test_kinds_are_what_can_be_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {(item["apiVersion"], item["kind"]) for spec in every_claim() for _region, item in objects(spec)}
    # what deprovisioning leaves behind is rendered too
    for spec in every_claim():
        rest = [item for _region, item in objects(spec)]
        if shipped.takes_a_last_backup(spec["sku"]):
            final = ENGINES[rest[0]["spec"]["engine"]].snapshot(rest, "ring-12345678")
            made |= {(item["apiVersion"], item["kind"]) for item in final}

    class WithoutBudget(Scylla):
        def surroundings(self, share: Share) -> Surroundings:
            return replace(super().surroundings(share), disruption_budget=True, metrics_services={})

    # an engine whose operator makes no budget
    monkeypatch.setitem(ENGINES, "scylla", WithoutBudget())
    budget = only(rendered(SMALL)["lagos"], "PodDisruptionBudget")
    assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": {"scylla/cluster": "ring"}}}
    assert (budget["metadata"]["name"], budget["metadata"]["namespace"]) == ("ring", "tenant-123")
    made.add((budget["apiVersion"], budget["kind"]))
    # nor Services that lead to what its nodes tell
    monitor = only(rendered(SMALL)["lagos"], "PodMonitor")
    assert monitor["spec"] == {
        "selector": {"matchLabels": {"scylla/cluster": "ring"}},
        "podTargetLabels": ["scylla/cluster"],
        "podMetricsEndpoints": [
            {"port": "prometheus", "interval": "30s"},
            {"port": "agent-prometheus", "interval": "30s"},
        ],
    }
    made.add((monitor["apiVersion"], monitor["kind"]))
    assert made == {(kind.api_version, kind.kind) for kind in kinds()}
    # what a chart's StatefulSets leave behind is written to be deleted
    volumes = ("v1", "PersistentVolumeClaim")
    assert volumes in {(kind.api_version, kind.kind) for kind in kinds(["yugabyte"])} - made


def test_no_object_twice() -> None:
    for items in rendered(WIDE).values():
        keys = [(item["kind"], item["metadata"]["name"]) for item in items]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("spec", [SMALL, WIDE])
def test_the_same_claim_gives_the_same_objects(spec: Json) -> None:
    again = {**spec, **({"replication": {"regions": [*spec["replication"]["regions"]]}} if spec is WIDE else {})}
    assert json.dumps(rendered(spec)) == json.dumps(rendered(again))


def test_rendering_changes_no_claim() -> None:
    claim = admitted(WIDE)
    before = json.dumps(claim.spec)
    first = render(claim, shipped.catalog(), shipped.platform(), STAMP)
    first["lagos"][1]["metadata"]["labels"]["x"] = "y"
    assert json.dumps(claim.spec) == before
    assert "x" not in render(claim, shipped.catalog(), shipped.platform(), STAMP)["lagos"][1]["metadata"]["labels"]


def test_two_claims_share_no_name() -> None:
    names = ["a", "a-b", "ab"]
    seen = [(item["kind"], item["metadata"]["name"]) for name in names for _region, item in objects(SMALL, name)]
    assert len(set(seen)) == len(seen)


DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


@CALM
@given(NAMES, st.from_regex(schema.LABEL, fullmatch=True).filter(lambda name: len(name) <= 40))
def test_all_names_are_within_limits(name: str, tenant_id: str) -> None:
    item = shipped.document({"serviceId": ID, **WIDE}, name, tenant_id, "web")
    claim, errors = shipped.admit(item)
    if claim is None:
        # the only reason, and the name that is offered instead will do
        (error,) = errors
        assert (error.path, len(name) > 37) == ("metadata.name", True)
        claim, errors = shipped.admit(shipped.document({"serviceId": ID, **WIDE}, str(error.nearest), tenant_id, "web"))
        assert errors == []
        assert claim is not None
    for items in render(claim, shipped.catalog(), shipped.platform(), STAMP).values():
        for made in items:
            metadata = made["metadata"]
            assert DNS.fullmatch(metadata["name"])
            assert len(metadata["name"]) <= 63
            assert len(metadata["namespace"]) <= 63
            for value in metadata["labels"].values():
                assert LABEL_VALUE.fullmatch(value)
                assert len(value) <= 63
        cluster = only(items, "ScyllaCluster")
        datacenter = cluster["spec"]["datacenter"]
        for rack in datacenter["racks"]:
            # the operator's StatefulSet; its pods, services and volumes add an ordinal
            assert len(f"{claim.name}-{datacenter['name']}-{rack['name']}") <= 52


def test_the_network_policy_lets_in_who_may() -> None:
    policy = only(
        rendered({**WIDE, "networking": {"allowedCIDRs": ["10.0.0.0/8", "fd00::/8"]}})["lagos"], "NetworkPolicy"
    )
    assert policy["spec"]["podSelector"] == {"matchLabels": {"scylla/cluster": "ring"}}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    clients, peers, operators, monitoring = policy["spec"]["ingress"]
    assert clients["from"] == [
        {"podSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
        {"ipBlock": {"cidr": "fd00::/8"}},
    ]
    assert {port["port"] for port in clients["ports"]} == {9142, 19142}
    assert peers["from"] == [
        {"podSelector": {"matchLabels": {"scylla/cluster": "ring"}}},
        {"ipBlock": {"cidr": "10.42.0.0/16"}},
    ]
    assert {7000, 7001, 10001} <= {port["port"] for port in peers["ports"]}
    assert [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in operators["from"]] == [
        "scylla-operator",
        "scylla-manager",
    ]
    assert {port["port"] for port in monitoring["ports"]} == {9180, 5090}
    # backups leave for object storage, and nodes for the other regions
    assert policy["spec"]["egress"] == [{}]


def test_without_networks_only_the_namespace_gets_in() -> None:
    policy = only(rendered(SMALL)["lagos"], "NetworkPolicy")
    clients, peers, *_rest = policy["spec"]["ingress"]
    assert clients["from"] == [{"podSelector": {}}]
    assert len(peers["from"]) == 1


def test_metrics_and_alerts() -> None:
    spec = {**SMALL, "observability": {"metrics": {"scrapeInterval": "15s"}}}
    items = rendered(spec)["lagos"]
    monitor = only(items, "ServiceMonitor")
    assert monitor["spec"]["endpoints"] == [
        {"port": "prometheus", "interval": "15s"},
        {"port": "agent-prometheus", "interval": "15s"},
    ]
    assert monitor["spec"]["selector"] == {
        "matchLabels": {"scylla/cluster": "ring", "scylla-operator.scylladb.com/scylla-service-type": "member"}
    }
    assert monitor["spec"]["targetLabels"] == ["scylla/cluster"]
    (group,) = only(items, "PrometheusRule")["spec"]["groups"]
    assert group["name"] == "tenant-123.ring"
    rules = {rule["alert"]: rule for rule in group["rules"]}
    severities = {name: rule["labels"]["severity"] for name, rule in rules.items()}
    assert severities == {
        "DatabaseUnhealthy": "critical",
        "BackupFailed": "critical",
        "DatabaseCpuHigh": "warning",
        "DatabaseDiskFull": "warning",
    }
    for rule in rules.values():
        assert (
            rule["labels"].items()
            >= {
                "tenant": "123",
                "service": "ring",
                "engine": "scylla",
                "plan": "dedicated",
                "region": "lagos",
            }.items()
        )
        assert rule["annotations"]["summary"].startswith("tenant-123/ring in lagos: ")
        assert 'namespace="tenant-123"' in rule["expr"] or 'cluster="tenant-123/ring"' in rule["expr"]
    assert "> 0.85" in rules["DatabaseDiskFull"]["expr"]
    assert "> 80" in rules["DatabaseCpuHigh"]["expr"]
    assert rules["DatabaseUnhealthy"]["for"] == "5m"
    assert "for" not in rules["BackupFailed"]
    # a node has two endpoints: counted together, half of the nodes could be down unseen
    assert 'endpoint="prometheus"} == 1' in rules["DatabaseUnhealthy"]["expr"]
    assert "< 3 or" in rules["DatabaseUnhealthy"]["expr"]


def test_volumes_of_a_namesake_are_not_ours() -> None:
    (group,) = only(rendered(SMALL)["lagos"], "PrometheusRule")["spec"]["groups"]
    (disk,) = [rule["expr"] for rule in group["rules"] if rule["alert"] == "DatabaseDiskFull"]
    (pattern,) = set(re.findall(r'persistentvolumeclaim=~"([^"]+)"', disk))
    assert re.fullmatch(pattern, "data-ring-lagos-a-0")
    assert re.fullmatch(pattern, "data-ring-lagos-c-11")
    assert not re.fullmatch(pattern, "data-ring-lagos-lagos-a-0")


def test_metrics_can_be_off() -> None:
    items = rendered({**SMALL, "observability": {"metrics": {"enabled": False}}})["lagos"]
    assert not MONITORING & {item["kind"] for item in items}


def test_backups_go_to_the_regions_own_bucket_or_where_told() -> None:
    regions = rendered({**WIDE, "backup": {"schedule": "0 */6 * * *"}})
    found = {region: only(items, "ScyllaCluster")["spec"]["backups"] for region, items in regions.items()}
    assert found == {
        region: [
            {
                "name": "scheduled",
                "cron": "0 */6 * * *",
                "retention": 56,
                "dc": [region],
                "location": [f"{region}:s3:dbaas-{region}-123"],
            }
        ]
        for region in ("lagos", "johannesburg")
    }
    told = only(rendered({**SMALL, "backup": {"destination": "s3://mine/"}})["lagos"], "ScyllaCluster")
    assert told["spec"]["backups"][0]["location"] == ["lagos:s3:mine"]


def test_all_documents_are_json() -> None:
    assert json.loads(json.dumps(rendered(WIDE))) == rendered(WIDE)
    assert renders.MONITORING_NAMESPACE == "monitoring"

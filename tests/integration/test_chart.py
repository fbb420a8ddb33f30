"""YugabyteDB by a Helm chart that Argo CD takes from a Helm repository.

The chart is one of ours with the value keys of YugabyteDB's own, and kwok plays what makes its StatefulSets ready; the
repository, Argo CD's way with it, the API server and its policies are real.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import DELAY, NAMESPACE, Platform, git, until
from tests.integration.test_delivery import refused
from tests.lab import Lab, chartserver
from tests.lab.platform import set_up

Json = dict[str, Any]
#: what the platform puts over the catalog as shipped
CATALOG = "catalog/yugabyte.yml"
CLAIM: Json = {"sku": "yb-dedicated", "backup": {"enabled": False}}
SETS = "/apis/apps/v1/namespaces/tenant-acme/statefulsets"
VOLUMES = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"


def commit(work: Path, words: str) -> None:
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", words)
    git(work, "push", "--quiet")


@pytest.fixture(scope="module")
def charted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A lab of one PoP whose catalog has the chart; the operator of the catalog in Git has chosen it."""
    lab = Lab.up(("lagos",), state=tmp_path_factory.mktemp("charted"), delay=DELAY)
    try:
        with chartserver.serve() as address:
            set_up(lab)
            platform = Platform(lab)
            work = platform.clone(tmp_path_factory.mktemp("work"))
            chart = {"repoURL": address, "name": "yugabyte", "version": "0.1.0", "clusterIssuer": "platform"}
            (work / CATALOG).parent.mkdir()
            catalog = {"engines": {"yugabyte": {"driver": "chart", "chart": chart}}}
            (work / CATALOG).write_text(yaml.safe_dump(catalog))
            commit(work, "Make YugabyteDB by its chart")
            set_up(lab)
            made = platform.module("tenant", {"tenant": "acme", "regions": ["lagos"], "owners": ["acme-admins"]})
            assert made["changed"], made
            yield platform
    finally:
        lab.down(purge=True)


def sets(platform: Platform) -> dict[str, Json]:
    found = platform.lab.api("lagos").get(SETS) or {"items": []}
    return {item["metadata"]["name"]: item for item in found["items"]}


def names(*releases: str) -> set[str]:
    return {f"{release}-yb-{role}" for release in releases for role in ("master", "tserver")}


def volumes(platform: Platform, service: str) -> list[Json]:
    """The claims of volumes that Kubernetes' own controller makes of a StatefulSet, which the lab does not run."""
    made = []
    for item in sets(platform).values():
        if item["metadata"]["labels"]["dbaas.example.com/service"] != service:
            continue
        for template in item["spec"]["volumeClaimTemplates"]:
            for node in range(item["spec"]["replicas"]):
                name = f"{template['metadata']['name']}-{item['metadata']['name']}-{node}"
                metadata = {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
                volume = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
                made.append(platform.lab.api("lagos").apply({**volume, "spec": template["spec"]}))
    return made


def test_a_service_by_a_chart_from_its_claim_to_its_end(charted: Platform, tmp_path: Path) -> None:
    lagos = charted.lab.api("lagos")
    result = charted.claim("orders", **CLAIM)
    assert result["wait"][0]["phase"] == "Active", result
    assert (
        result["wait"][0]["connection_string"]
        == "postgresql://orders-tserver.tenant-acme.svc.lagos.dbaas.internal:5433"
    )
    assert set(sets(charted)) == names("orders-a", "orders-b", "orders-c")
    application = lagos.get(f"{APPLICATIONS}/chart-acme.orders-a") or {}
    source = application["spec"]["source"]
    assert (source["chart"], source["targetRevision"]) == ("yugabyte", "0.1.0")
    assert application["status"]["sync"]["status"] == "Synced"
    assert not charted.claim("orders", **CLAIM)["changed"]

    # six tservers instead of three, over the same zones
    bigger = charted.claim("orders", **{**CLAIM, "sku": "yb-clustered", "plan": "clustered"})
    assert bigger["wait"][0]["phase"] == "Active", bigger
    assert {name: item["spec"]["replicas"] for name, item in sets(charted).items()} == {
        name: 2 if name.endswith("tserver") else 1 for name in names("orders-a", "orders-b", "orders-c")
    }
    assert not validated(charted)["failed"]

    # nothing but deprovisioning takes data away
    held = volumes(charted, "orders")
    assert len(held) == 9
    before = {name: item["metadata"]["uid"] for name, item in sets(charted).items()}
    some = "orders-b-yb-tserver"
    for user in ("admin", "argocd"):
        assert "deprovisioning" in refused(charted, "DELETE", f"{SETS}/{some}", user=user)
        assert "deprovisioning" in refused(charted, "DELETE", f"{VOLUMES}/{held[0]['metadata']['name']}", user=user)
    mark = {"metadata": {"annotations": {"dbaas.example.com/deletion": before[some]}}}
    assert "only the deliverers" in refused(charted, "PATCH", f"{SETS}/{some}", mark)
    unlabelled = {"metadata": {"labels": {"dbaas.example.com/driver": None}}}
    assert "stays" in refused(charted, "PATCH", f"{SETS}/{some}", unlabelled)
    deleted = application_of(charted, "orders-b")
    cascade = {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}
    lagos.patch(f"{APPLICATIONS}/chart-acme.orders-b", cascade)
    lagos.delete(f"{APPLICATIONS}/chart-acme.orders-b")
    # its foundation makes it again
    until(lambda: application_of(charted, "orders-b") not in ("", deleted), 60)
    values = work_file(charted, tmp_path)
    without = yaml.safe_load(values.read_text())
    without["releases"] = [item for item in without["releases"] if item["name"] != "orders-c"]
    head = values.read_text().partition("\n")[0]
    values.write_text(f"{head}\n---\n{yaml.safe_dump(without)}")
    commit(values.parents[3], "Take a release away by hand")
    edited = validated(charted)
    assert "the releases of orders are not what" in edited["msg"]
    time.sleep(5)
    assert {name: item["metadata"]["uid"] for name, item in sets(charted).items()} == before
    git(values.parents[3], "revert", "--no-edit", "HEAD")
    git(values.parents[3], "push", "--quiet")

    gone = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete", "wait_timeout": 120}
    result = charted.module("service_claim", gone)
    assert not result["failed"], result
    assert sets(charted) == {}
    until(lambda: not (lagos.get(VOLUMES) or {"items": []})["items"])
    assert not validated(charted)["failed"]


def validated(platform: Platform) -> Json:
    return platform.module("gitops_validation_info", {"strict": False})


def application_of(platform: Platform, release: str) -> str:
    found = platform.lab.api("lagos").get(f"{APPLICATIONS}/chart-acme.{release}") or {"metadata": {"uid": ""}}
    return str(found["metadata"]["uid"])


def work_file(platform: Platform, folder: Path) -> Path:
    """The values of acme's foundation, in a clone."""
    return platform.clone(folder) / "tenants/acme/lagos/values.yaml"

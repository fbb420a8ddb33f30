"""The observer at 2,000 copies: its memory, and how long a change of the operator takes to become status."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document, Request, plan_claims
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.lab import Lab
from tests.lab.platform import set_up
from tests.unit.runner.world import SHIPPED, claim

Json = dict[str, Any]
COPIES, CHANGES, A_SECOND = 2000, 400, 20
NAMESPACE = "tenant-acme"
CLAIMS = "/apis/dbaas.example.com/v1alpha1/serviceclaims"
CLUSTERS = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.up(["lagos"], state=tmp_path_factory.mktemp("lab"), delay=1.0)
    try:
        set_up(lab)
        # nothing of what follows is in Git
        lab.stop("argocd-application-controller", "lagos")
        lab.stop("argocd-repo-server")
        yield lab
    finally:
        lab.down(purge=True)


def rendered() -> list[Json]:
    """The copies, and what their operator works on."""
    given = [Document("", claim(f"s{number:04}")) for number in range(COPIES)]
    catalog, platform = base.stated(Run({"shipped": SHIPPED}))
    request = Request("", "bench", "30m", "0")
    plan = plan_claims(given, {}, catalog=catalog, platform=platform, tenants=None, request=request, yaml=base.YAML)
    return [item for item in plan.manifests["lagos"] if item["kind"] in ("ServiceClaim", "ScyllaCluster")]


def wait_active(lab: Lab, count: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        items = lab.api("lagos").request("GET", CLAIMS)["items"]
        active = [item for item in items if item.get("status", {}).get("phase") == "Active"]
        if len(active) == count:
            return
        assert time.monotonic() < end, f"{len(active)} of {count} copies are Active after {seconds:g} s"
        time.sleep(0.5)


@pytest.mark.timeout(1800)
def test_two_thousand_copies(lab: Lab) -> None:
    api, operator = lab.api("lagos", "argocd"), lab.api("lagos", "operator")
    objects = rendered()
    assert len(objects) == 2 * COPIES
    first = [item for item in objects if item["metadata"]["name"] == "s0000"]
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for item in first:
        api.apply(item)
    wait_active(lab, 1, 120)
    # what the operator's stand-in said of one holds for all; it would take minutes to say it of each
    status = api.request("GET", f"{CLUSTERS}/s0000")["status"]
    lab.stop("kwok", "lagos")

    def make(item: Json) -> None:
        api.apply(item)
        if item["kind"] == "ScyllaCluster":
            operator.patch(f"{CLUSTERS}/{item['metadata']['name']}", {"status": status}, "status")

    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, [item for item in objects if item not in first]))
    applied = time.monotonic() - start
    wait_active(lab, COPIES, 1200)
    active = time.monotonic() - start
    (observer,) = [row for row in lab.status() if row["name"] == "lagos.observer"]

    seconds = sorted(changes(lab))
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[-1]
    print(
        f"\nobserver, {COPIES:,} copies: {observer['mib']} MiB; applied in {applied:.0f} s, Active after {active:.0f} s"
        f"\n{CHANGES} changes of the operator, {A_SECOND} a second, until status says so:"
        f" median {statistics.median(seconds):.3f} s, p99 {p99:.3f} s, most {seconds[-1]:.3f} s"
    )
    assert observer["mib"] < 512
    assert p99 < 5


def changes(lab: Lab) -> list[float]:
    """Seconds from each loss of a member to the copy's status that tells of it, as a watcher sees it."""
    cluster = Cluster(kubeconfig=str(lab.kubeconfig("admin")), context="lagos")
    copies, version = cluster.list(CLAIM, NAMESPACE)
    names = [item["metadata"]["name"] for item in copies][:CHANGES]
    begun: dict[str, float] = {}
    seen: dict[str, float] = {}
    done = threading.Event()

    def look() -> None:
        for _change, item in cluster.watch(CLAIM, version, NAMESPACE):
            if item.get("status", {}).get("phase") == "Degraded":
                seen.setdefault(item["metadata"]["name"], time.monotonic())
                if len(seen) == CHANGES:
                    done.set()
                    return

    threading.Thread(target=look, daemon=True).start()
    api = lab.api("lagos", "operator")
    first = time.monotonic()
    for number, name in enumerate(names):
        time.sleep(max(0.0, first + number / A_SECOND - time.monotonic()))
        begun[name] = time.monotonic()
        api.patch(f"{CLUSTERS}/{name}", {"status": {"readyMembers": 2}}, "status")
    assert done.wait(120), f"{len(seen)} of {CHANGES} changes became status"
    return [seen[name] - begun[name] for name in names]

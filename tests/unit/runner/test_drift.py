"""Git, the clusters and the catalog held against each other: a real repository, and clusters that obey a test."""

from __future__ import annotations

import copy as copies
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import RULE, kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import APPLICATION, CLAIM, NETWORK_POLICY

from tests.unit.runner.test_reconcile import edited, rendered
from tests.unit.runner.world import UNREACHABLE, World

Json = dict[str, Any]


def apply(world: World, *pops: str) -> None:
    """Do what Argo CD does: give each PoP's cluster what Git has, and say that all is Synced."""
    for pop in pops or world.clusters:
        items = [
            item
            for path in world.files()
            if path.startswith("tenants/") and f"/{pop}/services/" in path and path.endswith(".yaml")
            for item in documents.load_all(world.text(path))
        ]
        others: dict[Any, Any] = {kind: [] for kind in kinds()}
        for item in items:
            kind = next(kind for kind in kinds() if (kind.api_version, kind.kind) == (item["apiVersion"], item["kind"]))
            others[kind].append({**item, "status": {"phase": "Active"}})
        applications = [
            document
            for path in world.files()
            if path == f"overlays/{pop}/applications.yaml" or path.endswith(f"/{pop}/application.yaml")
            for document in documents.load_all(world.text(path))
        ]
        for item in list(applications):
            if item["metadata"]["name"].startswith("tenant-"):
                child = copies.deepcopy(item)
                child["metadata"]["name"] = item["metadata"]["name"].replace("tenant-", "services-")
                applications.append(child)
        for item in applications:
            item["status"] = {"sync": {"status": "Synced", "revision": world.head()}, "health": {"status": "Healthy"}}
        world.clusters[pop].others = {**others, APPLICATION: applications}


def found(world: World, **options: Any) -> list[tuple[str, str, str]]:
    report = world.run("gitops_drift_info", fail=False, **options)
    return [(item["pop"], item["code"], item["object"] or item["service"]) for item in report["drift"]]


@pytest.fixture
def running(world: World, tmp_path: Path) -> World:
    rendered(world, tmp_path, "orders", replication={"regions": ["lagos", "johannesburg"]}, backup={"retention": "20d"})
    apply(world)
    return world


def live(world: World, kind: Any, name: str, pop: str = "lagos") -> Json:
    others: Any = world.clusters[pop].others[kind]
    return next(item for item in others if item["metadata"]["name"] == name)


def test_what_is_applied_has_not_drifted(running: World) -> None:
    # operators and the API server fill in what nobody wrote
    live(running, CLAIM, "orders")["spec"]["more"] = "default"
    report = running.run("gitops_drift_info")
    assert (report["drift"], report["table"], report.get("failed")) == ([], [], None)
    assert report["summary"] == {"lagos": {}, "johannesburg": {}}


def test_what_is_missing_changed_or_too_much(running: World, tmp_path: Path) -> None:
    live(running, NETWORK_POLICY, "orders")["spec"]["egress"] = []
    live(running, NETWORK_POLICY, "orders")["metadata"]["labels"]["dbaas.example.com/plan"] = "shared"
    running.clusters["johannesburg"].others[RULE] = []
    stray = copies.deepcopy(live(running, CLAIM, "orders"))
    stray["metadata"] |= {"name": "ghost"}
    running.clusters["lagos"].others[CLAIM].append(stray)  # type: ignore[union-attr]
    report = running.run("gitops_drift_info")
    assert [(item["pop"], item["code"], item["object"]) for item in report["drift"]] == [
        ("johannesburg", "missing", "PrometheusRule orders"),
        ("lagos", "differs", "NetworkPolicy orders"),
        ("lagos", "orphan", "ServiceClaim ghost"),
    ]
    assert report["drift"][1]["fields"] == ["metadata.labels.dbaas.example.com/plan", "spec.egress"]
    assert report["drift"][1]["file"] == "tenants/acme/lagos/services/orders.yaml"
    assert (report["failed"], report["error"]["code"]) == (True, "drift-found")
    assert report["msg"].splitlines()[1:-1][:4] == report["table"]
    assert report["summary"] == {"lagos": {"differs": 1, "orphan": 1}, "johannesburg": {"missing": 1}}
    assert found(running, pops=["johannesburg"]) == [("johannesburg", "missing", "PrometheusRule orders")]


def test_a_pop_that_does_not_answer_hides_no_other(running: World) -> None:
    running.clusters["johannesburg"].others[CLAIM] = UNREACHABLE
    live(running, CLAIM, "orders")["spec"]["plan"] = "shared"
    assert found(running) == [("johannesburg", "unreachable", ""), ("lagos", "differs", "ServiceClaim orders")]


def test_a_kind_that_a_pop_does_not_know_is_missing_there(running: World) -> None:
    running.clusters["lagos"].others[RULE] = KubeError("kube-refused", "lagos: no such kind", 404)
    assert found(running) == [("lagos", "missing", "PrometheusRule orders")]
    running.clusters["lagos"].others[RULE] = KubeError("kube-refused", "lagos: forbidden", 403)
    assert found(running) == [("lagos", "unreachable", "")]


def test_applications_that_are_not_synced_lost_or_changed(running: World) -> None:
    others: Any = running.clusters["lagos"].others
    services = live(running, APPLICATION, "services-acme")
    services["status"] = {
        "sync": {"status": "OutOfSync"},
        "operationState": {
            "phase": "Failed",
            "message": "one or more objects failed",
            "syncResult": {
                "resources": [{"kind": "ClusterRole", "name": "x", "status": "SyncFailed", "message": "no"}]
            },
        },
    }
    live(running, APPLICATION, "tenant-acme")["spec"]["project"] = "default"
    report = running.run("gitops_drift_info", fail=False, pops=["lagos"])["drift"]
    assert [(item["code"], item["object"]) for item in report] == [
        ("differs", "Application tenant-acme"),
        ("not-synced", "Application services-acme"),
    ]
    assert "ClusterRole x: no" in report[1]["message"]
    others[APPLICATION] = [item for item in others[APPLICATION] if "acme" not in item["metadata"]["name"]]
    live(running, APPLICATION, "dbaas-tenants")["status"] = {}
    lost = [("missing", "Application services-acme"), ("missing", "Application tenant-acme")]
    seen = [(code, name) for _pop, code, name in found(running, pops=["lagos"])]
    assert seen == [*lost, ("not-synced", "Application dbaas-tenants")]
    # the platform's own are not looked at when only some tenants are
    assert [(code, name) for _pop, code, name in found(running, pops=["lagos"], tenants=["acme"])] == lost


def test_what_is_not_rendered_is_drift(running: World, tmp_path: Path) -> None:
    running.write(tmp_path, **edited(running, "orders", "20d", "30d"))
    assert found(running) == [("johannesburg", "not-rendered", "orders"), ("lagos", "not-rendered", "orders")]


def test_a_spoiled_file_hides_nothing(running: World, tmp_path: Path) -> None:
    running.write(tmp_path, **{"tenants/acme/lagos/services/orders.yaml": "x: [\n"})
    codes = {(code, name) for _pop, code, name in found(running, pops=["lagos"])}
    assert {("differs", "orders"), ("not-rendered", "orders"), ("orphan", "ServiceClaim orders")} <= codes


@pytest.mark.parametrize(
    "text", ["a: [\n", "- no object\n", "kind: Deployment\n", "apiVersion: v1\nkind: X\nmetadata: []\n"]
)
@pytest.mark.parametrize(
    "path",
    [
        "tenants/acme/lagos/application.yaml",
        "overlays/lagos/applications.yaml",
        "tenants/acme/lagos/services/orders.yaml",
    ],
)
def test_what_is_no_object_hides_nothing(running: World, tmp_path: Path, path: str, text: str) -> None:
    running.clusters["johannesburg"].answers = [UNREACHABLE]
    del running.clusters["johannesburg"].others[CLAIM]
    running.write(tmp_path, **{path: text})
    report = running.run("gitops_drift_info", fail=False)["drift"]
    assert [item["file"] for item in report if item["code"] == "differs" and path in item["message"]] == [path]
    assert ("johannesburg", "unreachable") in [(item["pop"], item["code"]) for item in report]


def test_older_catalogs_and_versions_are_told_and_are_no_drift(running: World, tmp_path: Path) -> None:
    path = "base/catalog/scylla.yml"
    catalog = documents.load_all(running.text(path))[0]
    version = running.document("tenants/acme/lagos/services/orders.yaml")["spec"]["version"]
    versions = catalog["engines"]["scylla"]["versions"]
    versions[version] = {**versions[version], "channel": "deprecated"}
    running.write(tmp_path, **{path: documents.dump(catalog)})
    report = running.run("gitops_drift_info", pops=["lagos"])
    assert [(item["code"], item["drift"]) for item in report["drift"]] == [
        ("version-deprecated", False),
        ("older-catalog", False),
        # what tenants may apply, until it is made anew
        ("older-catalog", False),
    ]
    assert "failed" not in report
    versions[version] = {"channel": "expired"}
    other = next(name for name in versions if name != version)
    versions[other] |= {"channel": "supported", "default": True}
    running.write(tmp_path, **{path: documents.dump(catalog)})
    assert ("lagos", "version-expired", "ServiceClaim orders") in found(running)


def test_an_older_renderer(running: World, tmp_path: Path) -> None:
    path = "tenants/acme/lagos/services/orders.yaml"
    text = running.text(path)
    running.write(tmp_path, **{path: text.replace("renderer: 0.1.0", "renderer: 0.0.9")})
    apply(running)
    report = running.run("gitops_drift_info", pops=["lagos"])["drift"]
    assert [(item["code"], item["message"]) for item in report] == [
        ("older-renderer", "rendered by version 0.0.9; this is 0.1.0")
    ]


def test_unknown_names_are_refused(running: World) -> None:
    assert "nearest: lagos" in running.refused("gitops_drift_info", pops=["lagoss"]).message
    assert "nearest: acme" in running.refused("gitops_drift_info", tenants=["acmee"]).message


def test_applications_with_argo_cds_own_words(running: World) -> None:
    services = live(running, APPLICATION, "services-acme")
    services["metadata"]["labels"] = {"dbaas.example.com/tenant": "acme"}
    services["status"] |= {
        "conditions": [{"type": "SyncError", "message": "Failed sync attempt"}],
        "health": {"status": "Degraded", "message": "one of three"},
        "operationState": {"phase": "Failed", "message": "it failed", "finishedAt": "2026-01-01T00:00:00Z"},
    }
    for repository in (running.url, None):
        result = running.run("argocd_application_info", names=["services-acme"], pops=["lagos"], repository=repository)
        (item,) = result["applications"]
        assert (item["pop"], item["tenant"], item["sync"], item["health"]) == ("lagos", "acme", "Synced", "Degraded")
        assert (item["health_message"], item["message"]) == ("one of three", "it failed")
        assert item["trouble"] == "SyncError: Failed sync attempt"
        assert item["conditions"] == [{"type": "SyncError", "message": "Failed sync attempt"}]
        assert (item["revision"], item["finished_at"]) == (running.head(), "2026-01-01T00:00:00Z")
        assert result["silent"] == {}
    running.clusters["johannesburg"].others[APPLICATION] = UNREACHABLE
    result = running.run("argocd_application_info", tenants=["acme"])
    assert {item["name"] for item in result["applications"]} == {"tenant-acme", "services-acme"}
    assert "connection refused" in result["silent"]["johannesburg"]

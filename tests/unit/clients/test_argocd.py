"""Which commits touch an Application, and when it must be pushed on."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.argocd import (
    Application,
    Changes,
    address,
    attempted,
    complaints,
    delay,
    holds,
    parse,
    refresh_patch,
    sync_patch,
    told,
    touched,
)

Json = dict[str, Any]


def obj(source: Json, status: Json | None = None, **more: Any) -> Json:
    spec = {"source": {"repoURL": "http://git/r.git", "targetRevision": "main", **source}, **more}
    return {"metadata": {"name": "a", "namespace": "argocd"}, "spec": spec, "status": status or {}}


def application(source: Json, status: Json | None = None, **more: Any) -> Application:
    parsed = parse(obj(source, status, **more))
    assert parsed
    return parsed


PARENT = {"path": "tenants", "directory": {"recurse": True, "include": "*/lagos/application.yaml"}}
FOUNDATION = {"path": "base/charts/tenant", "helm": {"valueFiles": ["/tenants/1/lagos/values.yaml", "own.yaml"]}}
SERVICES = {"path": "tenants/1/lagos/services", "directory": {"recurse": True}}
ROOT = {"path": "overlays/lagos"}
FLAT = {"path": "overlays/lagos", "directory": {"recurse": False}}
EXCEPT = {"path": ".", "directory": {"recurse": True, "exclude": "{docs/*,*.md}"}}


@pytest.mark.parametrize(
    ("source", "file", "expected"),
    [
        (PARENT, "tenants/1/lagos/application.yaml", True),
        (PARENT, "tenants/1/ashburn/application.yaml", False),
        (PARENT, "tenants/1/lagos/services/a.yaml", False),
        (PARENT, "other/1/lagos/application.yaml", False),
        (FOUNDATION, "base/charts/tenant/templates/quota.yaml", True),
        (FOUNDATION, "tenants/1/lagos/values.yaml", True),
        (FOUNDATION, "base/charts/tenant/own.yaml", True),
        (FOUNDATION, "tenants/2/lagos/values.yaml", False),
        (FOUNDATION, "tenants/1/lagos/services/a.yaml", False),
        (SERVICES, "tenants/1/lagos/services/a.yaml", True),
        (SERVICES, "tenants/1/lagos/services/deep/a.yaml", True),
        (SERVICES, "tenants/1/lagos/services2/a.yaml", False),
        (SERVICES, "tenants/1/claims/a.yaml", False),
        (ROOT, "overlays/lagos/parent.yaml", True),
        (ROOT, "overlays/ashburn/parent.yaml", False),
        (FLAT, "overlays/lagos/parent.yaml", True),
        (FLAT, "overlays/lagos/deep/parent.yaml", False),
        (EXCEPT, "a/b.yaml", True),
        (EXCEPT, "docs/b.yaml", False),
        (EXCEPT, "README.md", False),
    ],
)
def test_touched(source: Json, file: str, expected: bool) -> None:
    assert touched(application(source), Changes([file])) is expected


def test_ten_thousand_changes_on_ten_thousand_applications_are_quick() -> None:
    changes = Changes(f"tenants/{number}/lagos/services/a.yaml" for number in range(10_000))
    services = [application({**SERVICES, "path": f"tenants/{number}/lagos/services"}) for number in range(10_000)]
    assert all(touched(each, changes) for each in services)
    assert not touched(application(FOUNDATION), changes)


def test_what_the_platform_never_makes_is_left_alone() -> None:
    assert parse(obj({"chart": "redis"})) is None
    assert parse({"metadata": {"name": "a"}, "spec": {"sources": [{"repoURL": "x"}]}}) is None


def test_two_spellings_of_an_address_are_one() -> None:
    assert address("http://git/r.git") == address("http://git/r/") == "http://git/r"


HEAD = "c0ffee"


@pytest.mark.parametrize(
    ("sync", "phase", "attempted", "stuck"),
    [
        ("Synced", "Succeeded", HEAD, False),
        ("OutOfSync", "Failed", HEAD, True),
        ("OutOfSync", "Error", HEAD, True),
        ("Synced", "Failed", HEAD, True),
        ("Synced", "Failed", "older", False),
        ("OutOfSync", "Succeeded", HEAD, True),
        ("OutOfSync", "Running", HEAD, False),
        ("Unknown", "Failed", HEAD, False),
    ],
)
def test_stuck(sync: str, phase: str, attempted: str, stuck: bool) -> None:
    status = {
        "sync": {"status": sync, "revision": HEAD},
        "operationState": {"phase": phase, "syncResult": {"revision": attempted}},
    }
    assert application(SERVICES, status, syncPolicy={"automated": {}}).stuck is stuck
    assert not application(SERVICES, status).stuck
    assert not application(SERVICES, status, syncPolicy={"automated": {"enabled": False}}).stuck
    running = parse(obj(SERVICES, status, syncPolicy={"automated": {}}) | {"operation": {}})
    assert running
    assert not running.stuck


def test_a_failed_operation_without_result_tells_what_it_wanted() -> None:
    state = {"phase": "Error", "operation": {"sync": {"revision": HEAD}}}
    status = {"sync": {"status": "Synced", "revision": HEAD}, "operationState": state}
    assert application(SERVICES, status, syncPolicy={"automated": {}}).stuck


def test_a_comparison_that_failed_is_no_revision() -> None:
    assert application(SERVICES, {"sync": {"status": "Unknown", "revision": HEAD}}).revision == ""


def test_patches() -> None:
    policy = {"automated": {"prune": True}, "syncOptions": ["ServerSideApply=true"]}
    patch = sync_patch(application(SERVICES, syncPolicy=policy), HEAD)
    assert patch == {
        "operation": {
            "initiatedBy": {"username": "dbaas-observer"},
            "sync": {"revision": HEAD, "prune": True, "syncOptions": ["ServerSideApply=true"]},
        }
    }
    assert sync_patch(application(SERVICES), HEAD)["operation"]["sync"] == {"revision": HEAD, "prune": False}
    assert refresh_patch() == {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


def test_delays_double_to_five_minutes() -> None:
    assert [delay(tries) for tries in (0, 1, 2, 5, 6, 1000)] == [10, 20, 40, 300, 300, 300]


ROLE = {
    "kind": "ClusterRole",
    "namespace": "tenant-1",
    "name": "evil",
    "status": "SyncFailed",
    "message": "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project tenant-1",
}
FOREIGN = {
    "kind": "ConfigMap",
    "namespace": "tenant-2",
    "name": "x",
    "status": "SyncFailed",
    "message": "namespace tenant-2 is not permitted in project 'tenant-1'",
}
FINE = {"kind": "ConfigMap", "namespace": "tenant-1", "name": "y", "status": "Synced", "message": "configured"}


def failed(*resources: Json, phase: str = "Failed", sync: str = "OutOfSync", at: str = "a", now: str = "a") -> Json:
    state = {
        "phase": phase,
        "message": "one or more synchronization tasks are not valid (retried 2 times).",
        "syncResult": {"revision": at, "resources": list(resources)},
    }
    status = {"sync": {"status": sync, "revision": now}, "operationState": state}
    return obj(SERVICES, status, destination={"namespace": "tenant-1"})


def words(item: Json) -> str:
    found = complaints(item)
    assert found is not None
    return told(found)


def test_what_argo_cd_refused_is_told_with_its_words() -> None:
    assert words(failed(FINE, ROLE, FOREIGN)) == (
        "ClusterRole evil: resource rbac.authorization.k8s.io:ClusterRole is not permitted in project tenant-1; "
        "ConfigMap tenant-2/x: namespace tenant-2 is not permitted in project 'tenant-1'"
    )
    # the count of tries would make each of them news
    assert words(failed(FINE)) == "one or more synchronization tasks are not valid"
    assert words(failed(FINE, phase="Error")) == words(failed(FINE))
    assert attempted(failed(ROLE, at="abc")) == "abc"


def test_what_failed_is_over_once_another_commit_is_synced() -> None:
    assert words(failed(ROLE, sync="Synced", at="a", now="b")) == ""
    assert words(failed(ROLE, sync="Synced")) != ""
    assert words(failed(ROLE, sync="OutOfSync", at="a", now="b")) != ""
    assert words(failed(FINE, phase="Succeeded", sync="Synced")) == words(obj(SERVICES)) == ""


def test_while_a_sync_runs_nobody_knows() -> None:
    assert complaints(failed(ROLE, phase="Running")) is None
    assert complaints(failed(ROLE, phase="Terminating")) is None
    assert complaints(failed(ROLE) | {"operation": {}}) is None


def test_what_cannot_even_be_compared() -> None:
    path = "/srv/_argocd-repo/4f0c1d7c-4f6e-4ee5-8f2b-9d4d2a4b1c11/base/charts/tenant"
    item = obj(SERVICES, {"conditions": [
        {"type": "ComparisonError", "message": f"helm template {path}\n  failed: Additional property kind"},
        {"type": "SharedResourceWarning", "message": "not ours"},
    ]})  # fmt: skip
    assert words(item) == "helm template …/base/charts/tenant failed: Additional property kind"


def test_a_long_message_keeps_its_end_and_is_the_same_each_time() -> None:
    def said(*fields: str) -> str:
        names = ", ".join(f"'{field}'" for field in fields)
        message = f"failed: {'helm ' * 200}: additional properties {names} not allowed"
        return words(obj(SERVICES, {"conditions": [{"type": "ComparisonError", "message": message}]}))

    assert said("rules", "kind") == said("kind", "rules")
    assert said("rules", "kind").endswith("additional properties 'kind', 'rules' not allowed")
    assert said("kind").startswith("failed: helm")
    assert len(said("kind")) == 601


def test_a_folder_of_errors_is_a_short_text() -> None:
    many = [{**ROLE, "name": f"r{number}", "message": "m" * 5000} for number in range(10)]
    assert len(words(failed(*many))) < 2100
    assert words(failed(*many)).endswith("; and 7 more")


def test_the_files_that_a_parent_holds() -> None:
    parent = application(PARENT)
    assert holds(parent, "tenants/1/lagos/application.yaml")
    assert not holds(parent, "tenants/1/ashburn/application.yaml")
    assert not holds(parent, "base/lagos/application.yaml")

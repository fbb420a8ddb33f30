"""Pull requests as a way in, on the lab: plain Git, the playbooks of pipelines, and what Argo CD makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import POPS, Platform, git, until
from tests.integration.test_playbooks import play, succeeds

Json = dict[str, Any]
TENANT = "merged"
NAMESPACE = f"tenant-{TENANT}"
CLAIM = f"tenants/{TENANT}/claims/orders.yaml"
DERIVED = f"tenants/{TENANT}/lagos/services/orders.yaml"
TEXT = f"""\
# the shop's orders
apiVersion: dbaas.example.com/v1alpha1
kind: ServiceClaim
metadata:
  name: orders
  namespace: {NAMESPACE}
spec:
  sku: scy-ring-3
  region: lagos
  backup:
    retention: 20d
"""
ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: everything
rules: []
"""


@pytest.fixture(scope="module")
def work(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working copy, as a person has it, and a tenant of its own."""
    made = platform.module("tenant", {"tenant": TENANT, "regions": list(POPS)})
    assert made["changed"], made
    return platform.clone(tmp_path_factory.mktemp("person"))


def push(work: Path, files: dict[str, str | None]) -> None:
    """Merge a change with plain Git, as a Git host does: a branch, and a merge commit on main."""
    git(work, "switch", "--quiet", "main")
    git(work, "pull", "--quiet")
    git(work, "switch", "--quiet", "--create", "change")
    for path, text in files.items():
        if text is None:
            git(work, "rm", "--quiet", path)
        else:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
            git(work, "add", path)
    git(work, "commit", "--quiet", "--message", "A pull request")
    git(work, "switch", "--quiet", "main")
    git(work, "merge", "--quiet", "--no-ff", "--message", "Merge it", "change")
    git(work, "branch", "--quiet", "--delete", "change")
    git(work, "push", "--quiet")


def named(platform: Platform) -> list[tuple[str, int, str]]:
    """What validate_gitops names of this tenant."""
    result = platform.module("gitops_validation_info", {"strict": False})
    return [
        (item["file"], item["line"], item["code"])
        for item in result["problems"]
        if item["file"].startswith(f"tenants/{TENANT}/")
    ]


def uid(platform: Platform) -> str:
    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/orders"
    found = platform.lab.api("lagos").get(path)
    return str(found["metadata"]["uid"]) if found else ""


def application(platform: Platform) -> Json:
    found = platform.module("argocd_application_info", {"names": [f"services-{TENANT}"], "pops": ["lagos"]})
    assert not found["silent"]
    return dict(found["applications"][0])


def test_a_merged_claim_is_named_rendered_and_becomes_active(platform: Platform, work: Path) -> None:
    # the pipeline of the request
    (work / CLAIM).parent.mkdir(parents=True, exist_ok=True)
    (work / CLAIM).write_text(TEXT.replace("lagos", "lagoss"))
    pipeline = {"path": str(work), "report_format": "github"}
    code, output = play(platform, "validate_gitops", pipeline)
    assert code != 0
    assert f"::error file={CLAIM},line=9,title=claim-invalid::spec.region" in output
    (work / CLAIM).write_text(TEXT)
    output = succeeds(platform, "validate_gitops", pipeline)[1]
    assert f"::warning file={CLAIM},line=1,title=not-rendered" in output
    (work / CLAIM).unlink()

    push(work, {CLAIM: TEXT})
    assert named(platform) == [(CLAIM, 1, "not-rendered")]
    head = platform.head()
    changed, output = succeeds(platform, "reconcile_claims", {"tenants": TENANT, "requester": "merger"})
    assert changed == 1
    assert platform.git("diff", "--name-only", head, "main").splitlines() == [CLAIM, DERIVED]
    assert "requester=merger" in platform.git("log", "-1", "--format=%B", "main")
    assert named(platform) == []
    assert succeeds(platform, "reconcile_claims", {"tenants": TENANT})[0] == 0
    succeeds(platform, "wait_for_service", {"tenant": TENANT, "services": "orders", "dbaas_wait_timeout": "60"})

    # an edit of one claim renders that one
    push(work, {CLAIM: platform.git("show", f"main:{CLAIM}").replace("20d", "30d")})
    assert named(platform) == [(CLAIM, 1, "not-rendered")]
    assert succeeds(platform, "reconcile_claims", {"tenants": TENANT})[0] == 1
    assert platform.git("diff", "--name-only", "main~1", "main").splitlines() == [DERIVED]
    until(lambda: platform.copy("lagos", "orders", NAMESPACE)["spec"]["backup"]["retention"] == "30d")


def test_a_claim_that_is_deleted_with_git_is_an_orphan_that_lives(
    platform: Platform, work: Path, tmp_path: Path
) -> None:
    before = uid(platform)
    assert before
    claim = platform.git("show", f"main:{CLAIM}")
    push(work, {CLAIM: None})
    assert named(platform) == [(DERIVED, 1, "orphan")]
    assert succeeds(platform, "reconcile_claims", {"tenants": TENANT})[0] == 0
    derived = platform.git("show", f"main:{DERIVED}")
    push(work, {DERIVED: None})
    report = tmp_path / "drift.json"
    answers = {"tenants": TENANT, "report_file": str(report)}
    code, output = play(platform, "drift_report", answers, "--limit", "lagos")
    assert code != 0
    assert "[drift-found, user]" in output
    found = {(item["code"], item["object"]) for item in json.loads(report.read_text())["drift"]}
    assert {("orphan", "ScyllaCluster orders"), ("orphan", "ServiceClaim orders")} <= found, output
    assert play(platform, "drift_report", {**answers, "dbaas_report_only": "true"}, "--limit", "lagos")[0] == 0
    push(work, {CLAIM: claim, DERIVED: derived})
    assert named(platform) == []
    until(lambda: application(platform)["sync"] == "Synced")
    assert uid(platform) == before
    output = succeeds(platform, "drift_report", {"tenants": TENANT})[1]
    assert "drift-found" not in output


def test_a_foreign_object_is_named_by_all_and_goes_by_itself(platform: Platform, work: Path) -> None:
    path = f"tenants/{TENANT}/lagos/services/role.yaml"
    push(work, {path: ROLE})
    assert (path, 2, "foreign-object") in named(platform)
    until(lambda: "ClusterRole" in application(platform)["trouble"], 60)
    code, output = play(platform, "drift_report", {"tenants": TENANT}, "--limit", "lagos")
    assert code != 0
    assert "not-synced" in output
    assert "ClusterRole" in output
    push(work, {path: None})
    until(lambda: application(platform)["sync"] == "Synced", 60)
    assert named(platform) == []

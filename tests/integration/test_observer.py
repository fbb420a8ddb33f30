"""The observer with a real Argo CD: a commit refreshes what it touches, nothing else, and nothing failed stays so."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.integration.conftest import Platform, git, until

Json = dict[str, Any]
NAMESPACE = "tenant-quiet"
SERVICES = "tenants/quiet/lagos/services"
POLICIES = "/apis/admissionregistration.k8s.io/v1"


def config_map(name: str, value: str = "1") -> str:
    metadata = {"name": name, "namespace": NAMESPACE}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}})


def push(work: Path, name: str, value: str = "1") -> str:
    """Commit one ConfigMap beside the services of lagos, by plain git."""
    git(work, "pull", "--quiet", "--rebase")
    (work / SERVICES / f"{name}.yaml").write_text(config_map(name, value))
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", f"{name} {value}")
    git(work, "push", "--quiet")
    return git(work, "rev-parse", "HEAD").strip()


def events(platform: Platform, pop: str, event: str) -> list[Json]:
    lines = platform.lab.log("observer", pop).read_text().splitlines()
    return [line for line in (json.loads(text) for text in lines if text.startswith("{")) if line["event"] == event]


def live(platform: Platform, name: str) -> str:
    found = platform.lab.api("lagos").get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}") or {"data": {}}
    return str(found["data"].get("value", ""))


def is_live(platform: Platform, name: str, value: str) -> bool:
    return live(platform, name) == value


def test_only_what_a_commit_touches_is_refreshed(platform: Platform, tmp_path: Path) -> None:
    work = platform.clone(tmp_path)
    push(work, "touched", "0")
    # the tenant is new: its Applications have come by now
    until(lambda: live(platform, "touched") == "0")
    refreshed: list[str] = []
    for value in ("1", "2", "3"):
        head = push(work, "touched", value)
        start = time.monotonic()
        until(partial(is_live, platform, "touched", value))
        assert time.monotonic() - start < 8, "the PoP's ear is slow"
        refreshed = [line["application"] for line in events(platform, "lagos", "refresh") if line["head"] == head]
        assert refreshed in ([], ["services-quiet"])
        assert [line for line in events(platform, "johannesburg", "refresh") if line["head"] == head] == []
        if refreshed:
            break
        # Argo CD looks once more after each sync, and may have seen this commit before the ear did
    assert refreshed


def test_commits_that_nobody_heard_are_applied_after_a_restart(platform: Platform, tmp_path: Path) -> None:
    work = platform.clone(tmp_path)
    platform.lab.stop("observer", "lagos")
    try:
        push(work, "unheard", "1")
        push(work, "unheard", "2")
    finally:
        platform.lab.start("observer", "lagos")
    until(lambda: live(platform, "unheard") == "2", 15)


def test_a_sync_that_failed_is_tried_again_without_another_commit(platform: Platform, tmp_path: Path) -> None:
    lagos = platform.lab.api("lagos", "admin")
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-later"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
                ]
            },
            "validations": [{"expression": "object.metadata.name != 'later'"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-later"},
        "spec": {"policyName": "no-later", "validationActions": ["Deny"]},
    }
    lagos.apply(policy)
    lagos.apply(binding)
    time.sleep(2)
    head = push(platform.clone(tmp_path), "later")

    def failed() -> bool:
        listed = lagos.get("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications") or {"items": []}
        states = [item.get("status", {}).get("operationState", {}) for item in listed["items"]]
        return any(
            state.get("phase") in ("Failed", "Error") and state.get("syncResult", {}).get("revision") == head
            for state in states
        )

    try:
        until(failed, 40)
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            lagos.delete(f"{POLICIES}/{kind}/no-later")
    until(lambda: live(platform, "later"), 60)
    assert platform.head() == head
    assert events(platform, "lagos", "sync")


def test_the_observer_says_nothing_secret(platform: Platform) -> None:
    for pop in ("lagos", "johannesburg"):
        log = platform.lab.log("observer", pop).read_text()
        assert platform.lab.git_token("argocd") not in log

"""The lab itself: a pushed commit is synced, what is up is left alone, what died comes back, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.lab.api import Api, ApiError
from tests.lab.processes import marked

POP = "lagos"
DELAY = 3.0
CONFIG_MAP = "/api/v1/namespaces/default/configmaps/pushed"
CLUSTER = "/apis/scylla.scylladb.com/v1/namespaces/default/scyllaclusters/ring"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    state = tmp_path_factory.mktemp("lab")
    lab = Lab.up([POP], state=state, delay=DELAY)
    yield lab
    lab.down(purge=True)
    assert marked(state) == []


def until(what: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com"}
    identity |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **identity}, capture_output=True, text=True, check=False
    )


def pids(lab: Lab) -> dict[str, int]:
    return {row["name"]: row["pid"] for row in lab.status()}


def restart(pid: Callable[[], int], old: int) -> None:
    until(lambda: pid() not in {0, old})


@pytest.fixture(scope="module")
def clone(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    assert git(folder, "clone", "--quiet", lab.git_remote(), ".").returncode == 0
    git(folder, "switch", "-c", "main")
    return folder


def push(clone: Path, value: str) -> None:
    (clone / "demo").mkdir(exist_ok=True)
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: pushed}}\ndata: {{value: {value}}}\n"
    (clone / "demo" / "map.yaml").write_text(text)
    git(clone, "add", ".")
    assert git(clone, "commit", "--quiet", "-m", value).returncode == 0
    pushed = git(clone, "push", "origin", "main")
    assert pushed.returncode == 0, pushed.stderr


def refresh(api: Api) -> None:
    path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/demo"
    api.patch(path, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}})


def value(api: Api) -> str | None:
    found = api.get(CONFIG_MAP)
    return found["data"]["value"] if found else None


def test_pushed_commit_is_synced(lab: Lab, clone: Path) -> None:
    push(clone, "first")
    api = lab.api(POP)
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "demo", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": lab.git_url, "targetRevision": "main", "path": "demo"},
            "destination": {"name": "pop", "namespace": "default"},
            "syncPolicy": {"automated": {"selfHeal": True}, "syncOptions": ["ServerSideApply=true"]},
        },
    }
    api.apply(application)
    until(lambda: value(api) == "first")
    push(clone, "second")
    refresh(api)
    until(lambda: value(api) == "second")


def test_up_again_changes_nothing(lab: Lab) -> None:
    before = pids(lab)
    started = time.monotonic()
    again = Lab.up([POP], state=lab.state, delay=DELAY)
    assert time.monotonic() - started < 5
    assert pids(again) == before
    assert again.git_token() == lab.git_token()


def test_stage_counts_members(lab: Lab) -> None:
    """A ring of six has five ready before it is available; a new generation plays again, a bad status stays."""
    api = lab.api(POP)
    racks = [
        {"name": name, "members": 2, "storage": {"capacity": "10Gi"}, "resources": {}, "placement": {}}
        for name in ("a", "b", "c")
    ]
    cluster = {
        "apiVersion": "scylla.scylladb.com/v1",
        "kind": "ScyllaCluster",
        "metadata": {"name": "ring", "namespace": "default"},
        "spec": {"version": "2025.1.9", "agentVersion": "3.7.0", "datacenter": {"name": POP, "racks": racks}},
    }
    started = time.monotonic()
    api.apply(cluster)
    seen: list[tuple[int, int, str]] = []

    def look() -> bool:
        status = (api.get(CLUSTER) or {}).get("status") or {}
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        row = (status.get("members", 0), status.get("readyMembers", 0), conditions.get("Available", ""))
        if row not in seen:
            seen.append(row)
        return bool(row[2] == "True")

    until(look)
    assert seen[-3:] == [(6, 0, "False"), (6, 5, "False"), (6, 6, "True")]
    assert DELAY - 1 < time.monotonic() - started < DELAY + 5

    racks[0]["members"] = 3
    api.apply(cluster)
    until(lambda: api.request("GET", CLUSTER)["status"].get("readyMembers") == 7)
    status = api.request("GET", CLUSTER)["status"]
    assert status["observedGeneration"] == 2
    assert status["racks"]["a"]["readyMembers"] == 3

    api.patch(CLUSTER, {"status": {"readyMembers": 5}}, "status")
    time.sleep(DELAY)
    assert api.request("GET", CLUSTER)["status"]["readyMembers"] == 5


def test_users_have_their_rights_only(lab: Lab, clone: Path) -> None:
    for user in ("reader", "observer", "operator"):
        with pytest.raises(ApiError, match="403"):
            lab.api(POP, user).get("/api/v1/namespaces/dbaas-system/secrets/platform-key")
    assert lab.api(POP, "argocd").get("/api/v1/namespaces/dbaas-system/secrets/platform-key")
    (clone / "x").write_text("x")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "x")
    refused = git(clone, "push", lab.git_remote("argocd"), "main")
    assert refused.returncode != 0
    assert "403" in refused.stderr
    assert git(clone, "ls-remote", lab.git_remote("argocd")).returncode == 0
    assert git(clone, "ls-remote", lab.git_url.replace("://", "://writer:wrong@")).returncode != 0
    with lab.refuse_pushes("closed for the night"):
        refused = git(clone, "push", "origin", "main")
        assert refused.returncode != 0
        assert "closed for the night" in refused.stderr
    assert git(clone, "push", "origin", "main").returncode == 0


@pytest.mark.parametrize("process", ["etcd", "kube-apiserver", "argocd-application-controller", "kwok"])
def test_a_killed_process_comes_back(lab: Lab, clone: Path, process: str) -> None:
    old = lab.pid(process, POP)
    lab.kill(process, POP)
    restart(lambda: lab.pid(process, POP), old)
    api = lab.api(POP)
    api.wait_ready(30)
    push(clone, f"after-{process}")
    until(lambda: _refreshed(api, f"after-{process}"), 30)


def _refreshed(api: Api, wanted: str) -> bool:
    refresh(api)
    time.sleep(0.5)
    return value(api) == wanted


def test_up_mends_what_is_half_dead(lab: Lab, clone: Path) -> None:
    """The supervisor killed with its children orphaned, and one of them killed as well."""
    orphans = {row["pid"] for row in lab.status() if not row["name"].endswith("etcd")}
    victims = [int((lab.state / "supervisord.pid").read_text()), lab.pid("etcd", POP)]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    again = Lab.up([POP], state=lab.state, delay=DELAY)
    assert not orphans & set(marked(lab.state))
    assert all(row["state"] == "RUNNING" for row in again.status())
    push(clone, "mended")
    until(lambda: _refreshed(again.api(POP), "mended"), 30)


def test_stopped_stays_stopped_until_started(lab: Lab) -> None:
    lab.stop("kube-apiserver", POP)
    time.sleep(2)
    assert lab.pid("kube-apiserver", POP) == 0
    lab.start("kube-apiserver", POP)
    assert lab.api(POP).get(CONFIG_MAP)


def test_kubeconfigs_hold_one_context_per_pop(lab: Lab) -> None:
    from kubernetes import client, config

    contexts, _active = config.list_kube_config_contexts(str(lab.kubeconfig("reader")))  # type: ignore[no-untyped-call]
    assert [context["name"] for context in contexts] == [POP]
    with config.new_client_from_config(str(lab.kubeconfig()), context=POP) as api:  # type: ignore[no-untyped-call]
        assert client.VersionApi(api).get_code().git_version == "v1.33.13"
    assert lab.kubeconfig().stat().st_mode & 0o077 == 0

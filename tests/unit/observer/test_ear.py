"""The ear against a real Git repository and a cluster of the test's own; time is the test's."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.extensions.observer.complaints import Complaints
from ansible_collections.dbaas.platform.extensions.observer.ear import Ear, essence, read_remote
from ansible_collections.dbaas.platform.extensions.observer.metrics import Metrics
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import SECRET, Kind, Obj

from tests.lab.sshd import Program
from tests.unit.gitremote import serving_ssh

REFRESH = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}


class Repository:
    """A remote in a folder, written by plumbing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(folder))
        for setting in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            self.git("config", setting, "true")

    def git(self, *arguments: str, stdin: str = "") -> str:
        environment = {
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.folder),
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            ["git", *arguments], input=stdin, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, *paths: str, **texts: str) -> str:
        """Write these files anew (texts: by path, / written as __)."""
        contents = {**dict.fromkeys(paths, str(self.count)), **{p.replace("__", "/"): t for p, t in texts.items()}}
        files = "".join(f"M 100644 inline {path}\ndata <<E\n{text}\nE\n\n" for path, text in contents.items())
        parent = "from refs/heads/main^0\n" if self.count else ""
        self.git(
            "fast-import", "--quiet", "--force",
            stdin=f"commit refs/heads/main\ncommitter t <t@example.com> 0 +0000\ndata <<E\nm\nE\n{parent}{files}",
        )  # fmt: skip
        return self.git("rev-parse", "main")

    @property
    def count(self) -> int:
        listed = subprocess.run(
            ["git", "rev-list", "--count", "main"], env={"GIT_DIR": str(self.folder), "PATH": "/usr/bin:/bin"},
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        return int(listed.stdout or 0)


class Cluster:
    def __init__(self, url: str) -> None:
        data = {"url": url, "username": "argocd", "password": "canary"}
        self.secret = {
            "metadata": {"name": "repository"},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
        self.config_maps: dict[str, Obj] = {}
        self.patches: list[tuple[str, Obj]] = []
        self.errors: list[Exception] = []

    def list(self, *_arguments: Any) -> tuple[list[Obj], str]:
        return [self.secret], "1"

    def get(self, kind: Kind, _namespace: str, name: str) -> Obj | None:
        return self.secret if kind == SECRET else self.config_maps.get(name)

    def patch(self, _kind: Kind, _namespace: str, name: str, body: Obj) -> Obj:
        if self.errors:
            raise self.errors[0]
        self.patches.append((name, body))
        return {}

    @property
    def refreshed(self) -> Sequence[str]:
        names = sorted(name for name, body in self.patches if body == REFRESH)
        self.patches = [patch for patch in self.patches if patch[1] != REFRESH]
        return names


class Pop:
    """An ear, the remote and the Applications that it knows."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "remote.git")
        self.cluster = Cluster(str(self.repository.folder))
        self.folder = folder
        self.applications: dict[str, Obj] = {}
        self.version = 0
        self.restart()

    def restart(self) -> None:
        self.metrics = Metrics()
        self.complaints = Complaints()
        folder = self.folder / "ear"
        self.ear = Ear(self.cluster, self.metrics, folder, "argocd", 2.0, self.complaints)  # type: ignore[arg-type]
        self.ear.store.ready.set()
        self.ear.store.replace([essence(obj) for obj in self.applications.values()])

    def set(
        self, name: str, path: str, revision: str, sync: str = "Synced", phase: str = "Succeeded", **more: Any
    ) -> None:
        self.version += 1
        self.applications[name] = {
            "metadata": {
                "name": name, "namespace": "argocd", "resourceVersion": str(self.version),
                "annotations": more.pop("annotations", {}),
            },
            "spec": {
                "source": {"repoURL": f"{self.repository.folder}", "targetRevision": "main", "path": path},
                "syncPolicy": {"automated": {"prune": True}},
            },
            "status": {
                "sync": {"status": sync, "revision": revision},
                "operationState": {"phase": phase, "syncResult": {"revision": revision}},
            },
            **more,
        }  # fmt: skip
        self.ear.store.event("MODIFIED", self.applications[name])


@pytest.fixture
def pop(tmp_path: Path) -> Pop:
    pop = Pop(tmp_path)
    head = pop.repository.commit("a/1", "b/1", "c/1")
    for name in ("a", "b", "c"):
        pop.set(name, name, head)
    return pop


def test_only_what_a_commit_touches_is_refreshed_and_once(pop: Pop) -> None:
    pop.ear.look(0)
    assert pop.cluster.refreshed == []
    head = pop.repository.commit("a/1", "b/2")
    pop.ear.look(2)
    assert pop.cluster.refreshed == ["a", "b"]
    pop.ear.look(4)
    assert pop.cluster.refreshed == []
    pop.set("a", "a", head)
    pop.ear.look(6)
    assert pop.cluster.refreshed == []


def test_one_without_effect_is_asked_again_ever_more_seldom(pop: Pop) -> None:
    pop.repository.commit("a/1")
    asked = []
    for now in range(0, 200, 2):
        pop.ear.look(now)
        if pop.cluster.refreshed:
            asked.append(now)
    assert asked == [0, 10, 30, 70, 150]


def test_one_that_has_not_been_heard_yet_is_not_asked_twice(pop: Pop) -> None:
    head = pop.repository.commit("x")
    pop.repository.commit("a/1")
    pop.set("a", "a", head, annotations={"argocd.argoproj.io/refresh": "normal"})
    for now in (0, 10, 30):
        pop.ear.look(now)
    assert pop.cluster.refreshed == []


def test_a_restart_costs_nothing(pop: Pop) -> None:
    pop.repository.commit("a/1")
    pop.repository.commit("c/1")
    pop.restart()
    pop.ear.look(0)
    assert pop.cluster.refreshed == ["a", "c"]


def test_commits_while_others_lag_behind(pop: Pop) -> None:
    pop.repository.commit("a/1")
    pop.ear.look(0)
    pop.cluster.patches.clear()
    second = pop.repository.commit("b/1")
    pop.set("a", "a", second)
    pop.ear.look(2)
    assert pop.cluster.refreshed == ["b"]


def test_a_revision_that_the_remote_forgot_is_refreshed(pop: Pop) -> None:
    pop.set("a", "a", "0" * 40)
    pop.set("b", "b", "", sync="Unknown")
    pop.ear.look(0)
    assert pop.cluster.refreshed == ["a", "b"]


def test_a_sync_that_failed_is_started_again_later_and_later(pop: Pop) -> None:
    head = pop.repository.commit("x")
    pop.set("a", "a", head, sync="OutOfSync", phase="Failed")
    started = []
    for now in range(0, 1000, 10):
        pop.ear.look(now)
        if pop.cluster.patches:
            [(name, body)] = pop.cluster.patches
            assert (name, body["operation"]["sync"]) == ("a", {"revision": head, "prune": True})
            pop.cluster.patches.clear()
            started.append(now)
    assert started == [10, 30, 70, 150, 310, 610, 910]


def test_a_sync_that_runs_is_left_alone_and_one_that_succeeds_ends_it(pop: Pop) -> None:
    head = pop.repository.commit("x")
    pop.set("a", "a", head, sync="OutOfSync", phase="Failed")
    pop.ear.look(0)
    pop.set("a", "a", head, sync="OutOfSync", phase="Running")
    pop.ear.look(20)
    assert pop.cluster.patches == []
    pop.set("a", "a", head, sync="OutOfSync", phase="Failed")
    pop.ear.look(22)
    assert len(pop.cluster.patches) == 1
    pop.set("a", "a", head)
    pop.ear.look(24)
    pop.set("a", "a", head, sync="OutOfSync", phase="Failed")
    pop.ear.look(26)
    assert len(pop.cluster.patches) == 1


def test_one_that_failed_at_an_older_commit_which_the_head_does_not_touch(pop: Pop) -> None:
    old = pop.repository.commit("x")
    pop.set("a", "a", old, sync="OutOfSync", phase="Failed")
    head = pop.repository.commit("y")
    pop.ear.look(0)
    pop.ear.look(10)
    assert [body["operation"]["sync"]["revision"] for _name, body in pop.cluster.patches] == [head]


def test_a_patch_that_fails_is_asked_again_and_one_for_nobody_is_not(pop: Pop) -> None:
    pop.repository.commit("a/1")
    pop.cluster.errors[:] = [KubeError("kube-unreachable", "down")]
    with pytest.raises(DbaasError):
        pop.ear.look(0)
    pop.cluster.errors[:] = [KubeError("kube-refused", "gone", 404)]
    pop.ear.look(10)
    assert pop.cluster.patches == []
    del pop.applications["a"]
    pop.ear.store.replace([essence(obj) for obj in pop.applications.values()])
    pop.cluster.errors.clear()
    pop.ear.look(40)
    assert pop.cluster.patches == []


def test_applications_of_unknown_repositories_are_not_looked_at(pop: Pop, tmp_path: Path) -> None:
    foreign = essence(pop.applications["a"] | {"spec": {"source": {"repoURL": str(tmp_path / "none"), "path": "a"}}})
    pop.ear.store.replace([foreign])
    pop.ear.look(0)
    assert pop.cluster.patches == []


def test_a_remote_that_is_away_is_an_error_without_the_credential(pop: Pop) -> None:
    pop.repository.folder.rename(pop.folder / "away")
    with pytest.raises(DbaasError) as caught:
        pop.ear.look(0)
    assert "canary" not in str(caught.value)


def encoded(**data: str) -> Obj:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def test_remotes_come_from_argo_cds_secrets(pop: Pop, tmp_path: Path) -> None:
    def keep(content: str) -> str:
        (tmp_path / content).write_text(content)
        return content

    remote = read_remote(pop.cluster.secret, {}, keep)
    assert remote
    assert (remote.username, remote.token, remote.ssh_key_file, remote.ca_cert) == ("argocd", "canary", None, None)
    assert read_remote(encoded(url="x", type="helm"), {}, keep) is None
    assert read_remote({}, {}, keep) is None

    trusted = {
        "argocd-ssh-known-hosts-cm": {"ssh_known_hosts": "hosts"},
        "argocd-tls-certs-cm": {"git.example.com": "authority"},
    }
    over_ssh = read_remote(encoded(url="git@git.example.com:x", sshPrivateKey="key"), trusted, keep)
    assert over_ssh
    assert (over_ssh.ssh_key_file, over_ssh.ssh_known_hosts, over_ssh.token) == ("key", "hosts", None)
    private = read_remote(encoded(url="https://git.example.com:8443/x", password="p"), trusted, keep)
    assert private
    assert (private.ca_cert, private.ssh_known_hosts) == ("authority", None)
    elsewhere = read_remote(encoded(url="https://other.example.com/x"), trusted, keep)
    assert elsewhere
    assert elsewhere.ca_cert is None


def test_the_ear_hears_over_ssh_with_argo_cds_deploy_key(pop: Pop, tmp_path: Path, sshd: Program) -> None:
    with serving_ssh(tmp_path, sshd) as there:
        with GitRepository(there.remote()) as repository:
            head = repository.commit(repository.fetch(), {"tenants/a/x.yaml": b"1"}, "m", "a")
            repository.push(head)
        key = there.keys.key("argocd").read_text()
        # as a form hands it over
        pop.cluster.secret |= encoded(url=there.url, sshPrivateKey=key.rstrip())
        hosts = {"data": {"ssh_known_hosts": there.keys.known_hosts.read_text()}}
        pop.cluster.config_maps["argocd-ssh-known-hosts-cm"] = hosts
        pop.set("a", "tenants/a", head)
        pop.applications["a"]["spec"]["source"]["repoURL"] = there.url
        pop.restart()
        pop.ear.look(0)
        assert pop.cluster.refreshed == []
        with GitRepository(there.remote()) as repository:
            repository.push(repository.commit(repository.fetch(), {"tenants/a/x.yaml": b"2"}, "m", "a"))
        pop.ear.look(1)
        assert pop.cluster.refreshed == ["a"]
        kept = [path for path in (pop.folder / "ear").iterdir() if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
        # the host has another key than the one that Argo CD knows
        pop.cluster.config_maps["argocd-ssh-known-hosts-cm"] = {"data": {"ssh_known_hosts": "# nobody\n"}}
        with pytest.raises(DbaasError) as caught:
            pop.ear.look(1000)
        assert caught.value.code == "git-host-key"


# --- what Argo CD says -----------------------------------------------------------------------------------------------


def refused(pop: Pop, name: str, path: str, revision: str, *resources: Obj, phase: str = "Failed") -> None:
    """An Application whose sync at that commit failed on these objects."""
    failed = [{"status": "SyncFailed", **item} for item in resources]
    state = {"phase": phase, "message": "not valid", "syncResult": {"revision": revision, "resources": failed}}
    status = {"sync": {"status": "OutOfSync", "revision": revision}, "operationState": state}
    source = {"repoURL": f"{pop.repository.folder}", "targetRevision": "main", "path": path}
    if path == "tenants":
        source["directory"] = {"recurse": True, "include": "*/lagos/application.yaml"}  # type: ignore[assignment]
    pop.set(name, path, revision, spec={"source": source, "syncPolicy": {"automated": {}}}, status=status)


ROLE = {"kind": "ClusterRole", "name": "evil", "message": "is not permitted in project tenants"}


def test_a_tenant_hears_what_argo_cd_says_of_its_applications(pop: Pop) -> None:
    head = pop.repository.commit("tenants/1/lagos/services/a.yaml")
    assert pop.complaints.of("tenant-1") is None
    pop.set("services-1", "tenants/1/lagos/services", head)
    assert pop.complaints.of("tenant-1") == ""
    refused(pop, "services-1", "tenants/1/lagos/services", head, ROLE)
    words = "Application services-1: ClusterRole evil: is not permitted in project tenants"
    assert pop.complaints.of("tenant-1") == words
    # a sync that runs says nothing yet; one that went well ends it
    refused(pop, "services-1", "tenants/1/lagos/services", head, phase="Running")
    assert pop.complaints.of("tenant-1") == words
    pop.set("services-1", "tenants/1/lagos/services", head)
    assert pop.complaints.of("tenant-1") == ""
    refused(pop, "tenant-1", "base/charts/tenant", head, {**ROLE, "kind": "Namespace", "name": "tenant-2"})
    assert "Application tenant-1: Namespace tenant-2" in str(pop.complaints.of("tenant-1"))
    for name in ("tenant-1", "services-1"):
        pop.ear.store.event("DELETED", essence(pop.applications[name] | {"metadata": {
            "name": name, "namespace": "argocd", "resourceVersion": "999",
        }}))  # fmt: skip
    assert pop.complaints.of("tenant-1") is None
    # what is nobody's says nothing of anybody
    refused(pop, "a", "a", head, ROLE)
    assert pop.complaints.of("a") is None


def test_what_the_parent_refuses_is_found_in_the_tenants_files(pop: Pop) -> None:
    head = pop.repository.commit(
        **{
            "tenants__1__lagos__application.yaml": "kind: Application\nname: tenant-1\n",
            "tenants__2__lagos__application.yaml": "kind: Application\n---\nkind: ClusterRole\nname: evil\n",
            "tenants__3__ashburn__application.yaml": "kind: ClusterRole\nname: evil\n",
        },
    )
    foundation = {"kind": "Application", "namespace": "argocd", "name": "tenant-4", "message": "denied by policy"}
    refused(pop, "dbaas-tenants", "tenants", head, ROLE, foundation)
    pop.ear.look(0)
    assert [pop.complaints.of(f"tenant-{number}") for number in (1, 2, 3, 4)] == [
        None,
        "Application dbaas-tenants: ClusterRole evil: is not permitted in project tenants",
        None,
        "Application dbaas-tenants: Application argocd/tenant-4: denied by policy",
    ]
    again = pop.repository.commit(**{"tenants__2__lagos__application.yaml": "kind: Application\n"})
    refused(pop, "dbaas-tenants", "tenants", again, foundation)
    pop.ear.look(2)
    assert [pop.complaints.of(f"tenant-{number}") is None for number in (2, 4)] == [True, False]
    pop.set("dbaas-tenants", "tenants", again)
    pop.ear.look(4)
    assert pop.complaints.of("tenant-4") is None


def test_files_are_looked_into_once_for_the_same_words(pop: Pop, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[set[str]] = []
    entries = GitRepository.entries

    def counting(self: GitRepository, commit: str) -> Any:
        looked.append({commit})
        return entries(self, commit)

    monkeypatch.setattr(GitRepository, "entries", counting)
    head = pop.repository.commit(**{"tenants__2__lagos__application.yaml": "kind: ClusterRole\nname: evil\n"})
    for now in (0, 2, 4):
        refused(pop, "dbaas-tenants", "tenants", head, ROLE)
        pop.ear.look(now)
    assert looked == [{head}]
    # a remote that is away for a moment loses nothing
    newer = pop.repository.commit(**{"tenants__3__lagos__application.yaml": "kind: ClusterRole\nname: evil\n"})

    def away(self: GitRepository, revisions: Any) -> set[str]:
        raise DbaasError("git-unreachable", "away")

    monkeypatch.setattr(GitRepository, "fetch_trees", away)
    refused(pop, "dbaas-tenants", "tenants", newer, ROLE)
    with pytest.raises(DbaasError):
        pop.ear.look(6)
    monkeypatch.undo()
    pop.ear.look(8)
    assert pop.complaints.of("tenant-3")

"""A database is never lost by accident: what goes wrong with Git, Argo CD and people, and what is left then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import Platform, git, until
from tests.integration.test_delivery import refused

Json = dict[str, Any]
TENANT = "unlucky"
NAMESPACE = f"tenant-{TENANT}"
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
#: what keeps its uid whatever happens
PLACES = (
    f"/apis/dbaas.example.com/v1alpha1/namespaces/{NAMESPACE}/serviceclaims",
    f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters",
    f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies",
    f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
    f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    f"/api/v1/namespaces/{NAMESPACE}/secrets",
)


class Tenant:
    """The tenant of these tests, with service `first` in lagos."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.lagos = platform.lab.api("lagos")
        self.made = 0
        assert platform.module("tenant", {"tenant": TENANT, "regions": ["lagos"]})["changed"]
        self.provision("first")
        self.uids = self.look()
        assert len(self.uids) >= 6
        self.work = platform.clone(folder)

    def provision(self, name: str, *, wait: bool = True) -> None:
        claim = {"tenant": TENANT, "name": name, "sku": "scy-ring-3", "region": "lagos"}
        result = self.platform.module("service_claim", {**claim, "wait": wait, "wait_timeout": 90})
        assert not result["failed"], result

    def another(self) -> None:
        """A second service, created meanwhile, becomes Active."""
        self.made += 1
        self.provision(f"second-{self.made}")

    def look(self) -> dict[str, str]:
        """Path -> uid of what service `first` and the tenant have."""
        found = {NAMESPACE: (self.lagos.get(f"/api/v1/namespaces/{NAMESPACE}") or {})["metadata"]["uid"]}
        for place in PLACES:
            for item in (self.lagos.get(place) or {"items": []})["items"]:
                if item["metadata"].get("labels", {}).get("dbaas.example.com/service") == "first":
                    found[f"{place}/{item['metadata']['name']}"] = item["metadata"]["uid"]
        return found

    def change(self, *command: str) -> None:
        """Commit and push a change of the repository as a person makes it."""
        git(self.work, "pull", "--quiet")
        git(self.work, *command)
        git(self.work, "commit", "--quiet", "--message", f"Go wrong: {' '.join(command)}")
        git(self.work, "push", "--quiet")

    def revert(self) -> None:
        git(self.work, "pull", "--quiet")
        git(self.work, "revert", "--no-edit", "HEAD")
        git(self.work, "push", "--quiet")

    def application(self, name: str) -> Json:
        return self.lagos.get(f"{APPLICATIONS}/{name}") or {}

    def settled(self) -> None:
        """Until Argo CD has seen the head and all of the tenant's Applications stand still."""
        head = self.platform.head()

        def still() -> bool:
            states = [self.application(name).get("status", {}) for name in (f"services-{TENANT}", "dbaas-tenants")]
            return all(
                state.get("sync", {}).get("status") == "Synced"
                and state.get("operationState", {}).get("phase") != "Running"
                for state in states
            ) and (states[0]["sync"]["revision"] == head or states[1]["sync"]["revision"] == head)

        until(still, 60)

    def nothing_is_lost(self) -> None:
        assert self.look() == self.uids

    @contextmanager
    def orphaned(self, *command: str) -> Iterator[None]:
        """The repository is wrong while this lasts; nothing is lost by it, nor by setting it right."""
        self.change(*command)
        self.settled()
        self.nothing_is_lost()
        yield
        self.nothing_is_lost()

    def delete_with_cascade(self, name: str) -> None:
        path = f"{APPLICATIONS}/{name}"
        uid = self.application(name)["metadata"]["uid"]
        self.lagos.patch(path, {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}})
        self.lagos.request("DELETE", path)
        until(partial(self._is_back, name, uid), 60)

    def _is_back(self, name: str, uid: str) -> bool:
        found = self.application(name)
        return bool(found and found["metadata"]["uid"] != uid and found.get("status", {}).get("sync"))


@pytest.fixture(scope="module")
def tenant(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(platform, tmp_path_factory.mktemp("unlucky"))


@pytest.mark.parametrize(
    "command",
    [
        ("rm", "--quiet", f"tenants/{TENANT}/lagos/services/first.yaml"),
        ("rm", "--quiet", f"tenants/{TENANT}/lagos/application.yaml"),
    ],
    ids=["service", "application"],
)
def test_a_lost_file_costs_nothing_and_blocks_nothing(tenant: Tenant, command: tuple[str, ...]) -> None:
    with tenant.orphaned(*command):
        tenant.another()
        found = tenant.platform.module("gitops_validation_info", {"format": "text"})
        # a lost file is named by what it was made from
        made_from = (
            "claims/first.yaml"
            if "services" in command[-1]
            else f"tenant.yaml:1: its foundation in lagos lacks {command[-1]}"
        )
        assert f"tenants/{TENANT}/{made_from}" in found["report"]
    git(tenant.work, "pull", "--quiet")
    git(tenant.work, "checkout", "HEAD~2", "--", command[-1])
    git(tenant.work, "commit", "--quiet", "--message", "Take it back")
    git(tenant.work, "push", "--quiet")
    tenant.settled()
    tenant.nothing_is_lost()


@pytest.mark.parametrize(
    "command",
    [("rm", "-r", "--quiet", f"tenants/{TENANT}"), ("mv", f"tenants/{TENANT}", f"tenants/{TENANT}-renamed")],
    ids=["removed", "renamed"],
)
def test_a_lost_folder_costs_nothing(tenant: Tenant, command: tuple[str, ...]) -> None:
    tenant.change(*command)
    # the parent has seen it, the Applications of the tenant live on without a source
    until(lambda: tenant.application("dbaas-tenants")["status"]["sync"]["revision"] == tenant.platform.head(), 30)
    time.sleep(3)
    tenant.nothing_is_lost()
    tenant.revert()
    tenant.settled()
    tenant.another()
    tenant.nothing_is_lost()


@pytest.mark.parametrize("name", [f"services-{TENANT}", NAMESPACE, "dbaas-tenants"])
def test_an_application_deleted_with_cascade_comes_back(tenant: Tenant, name: str) -> None:
    tenant.delete_with_cascade(name)
    tenant.nothing_is_lost()
    tenant.another()
    tenant.nothing_is_lost()


def test_an_application_whose_status_is_emptied_costs_nothing(tenant: Tenant) -> None:
    path = f"{APPLICATIONS}/services-{TENANT}"
    tenant.lagos.patch(path, {"status": None})
    until(lambda: tenant.application(f"services-{TENANT}").get("status", {}).get("sync"), 60)
    tenant.another()
    tenant.nothing_is_lost()


def test_half_a_minute_without_the_repo_server_and_what_administrators_may_not(tenant: Tenant) -> None:
    lab = tenant.platform.lab
    lab.stop("argocd-repo-server")
    try:
        start = time.monotonic()
        tenant.provision("meanwhile", wait=False)
        mark(tenant)
        # what Argo CD is made to look at while it cannot read anything
        for name in (f"services-{TENANT}", NAMESPACE, "dbaas-tenants"):
            hard = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}
            tenant.lagos.patch(f"{APPLICATIONS}/{name}", hard)
        assert "deprovisioning" in refused(tenant.platform, "DELETE", f"/api/v1/namespaces/{NAMESPACE}")
        while time.monotonic() - start < 30:
            tenant.nothing_is_lost()
            time.sleep(2)
    finally:
        lab.start("argocd-repo-server")
    until(lambda: tenant.platform.phase("lagos", "meanwhile", NAMESPACE) == "Active", 90)
    tenant.nothing_is_lost()


def mark(tenant: Tenant) -> None:
    """An administrator cannot put the mark that lets an object be deleted on anything that holds data."""
    for path, uid in tenant.uids.items():
        if path.startswith(PLACES[:2]):
            asked: Json = {"metadata": {"annotations": {"dbaas.example.com/deletion": uid}}}
            assert "deliverers" in refused(tenant.platform, "PATCH", path, asked) or path.startswith(PLACES[0])
            assert "deprovisioning" in refused(tenant.platform, "DELETE", path)


def test_both_commits_at_once_delete_nothing(tenant: Tenant) -> None:
    """The mark and the removal come to Argo CD as one: the live objects never bore the mark."""
    tenant.provision("hasty")
    lagos = tenant.lagos
    paths = [f"{place}/hasty" for place in PLACES[:2]]
    before = [(lagos.get(path) or {})["metadata"]["uid"] for path in paths]
    git(tenant.work, "pull", "--quiet")
    file = tenant.work / f"tenants/{TENANT}/lagos/services/hasty.yaml"
    uids = dict(zip(("ServiceClaim", "ScyllaCluster"), before, strict=True))
    marked = []
    for item in yaml.safe_load_all(file.read_text()):
        annotations = item["metadata"].get("annotations", {})
        for option in ("sync-options", "compare-options"):
            annotations.pop(f"argocd.argoproj.io/{option}", None)
        if item["kind"] in uids:
            annotations["dbaas.example.com/deletion"] = uids[item["kind"]]
        marked.append(json.dumps(item))
    file.write_text("\n---\n".join(marked))
    git(tenant.work, "commit", "--quiet", "--all", "--message", "Mark")
    git(tenant.work, "rm", "--quiet", str(file))
    git(tenant.work, "commit", "--quiet", "--message", "Remove")
    git(tenant.work, "push", "--quiet")
    tenant.settled()
    assert [(lagos.get(path) or {})["metadata"]["uid"] for path in paths] == before


def test_one_goes_while_anothers_file_is_missing(tenant: Tenant) -> None:
    tenant.provision("goes")
    with tenant.orphaned("rm", "--quiet", f"tenants/{TENANT}/lagos/services/first.yaml"):
        gone = {"tenant": TENANT, "name": "goes", "state": "absent", "deletion_policy": "delete", "wait_timeout": 60}
        result = tenant.platform.module("service_claim", gone)
        assert not result["failed"], result
        for place in PLACES[:2]:
            assert tenant.lagos.get(f"{place}/goes") is None
    blocked = {"tenant": TENANT, "name": "first", "state": "absent", "deletion_policy": "delete", "wait_timeout": 10}
    result = tenant.platform.module("service_claim", blocked)
    assert result["error"]["code"] == "deprovision-blocked"
    tenant.nothing_is_lost()

"""Why a service is not Active, asked of a real platform in which something is broken, by who may only read."""

from __future__ import annotations

import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import POPS, Platform, git, until
from tests.integration.test_playbooks import play
from tests.lab.platform import ROOT, environment

Json = dict[str, Any]
TENANT = "read"
NAMESPACE = f"tenant-{TENANT}"
SERVICES = f"tenants/{TENANT}/lagos/services"


@pytest.fixture(scope="module", autouse=True)
def orders(platform: Platform) -> str:
    """A tenant of these tests' own, in lagos, with an Active service `orders`."""
    assert not platform.module("tenant", {"tenant": TENANT, "regions": ["lagos"], "owners": ["readers"]})["failed"]
    result = claim(platform, "orders", wait=True)
    assert result["wait"][0]["phase"] == "Active", result
    return "orders"


def claim(platform: Platform, name: str, *, wait: bool = False, **fields: Any) -> Json:
    arguments = {"tenant": TENANT, "name": name, "sku": "scy-ring-3", "region": "lagos", **fields}
    result = platform.module("service_claim", {**arguments, "wait": wait, "wait_timeout": 90})
    assert not result["failed"], result
    return result


def why(platform: Platform, name: str) -> Json:
    result = platform.module("service_claim_explanation_info", {"tenant": TENANT, "names": [name]})
    assert not result["failed"], result
    found: Json = result["services"][0]
    unread = [fact for fact in found["regions"]["lagos"]["facts"] if fact.startswith("Not read")]
    # the reader's rights are enough for all that is read
    assert unread == []
    return found


@contextmanager
def stopped(platform: Platform, process: str, pop: str | None = None) -> Iterator[None]:
    platform.lab.stop(process, pop)
    try:
        yield
    finally:
        platform.lab.start(process, pop)


def bears(platform: Platform, name: str, operation: str) -> bool:
    notes = platform.copy("lagos", name, NAMESPACE).get("metadata", {}).get("annotations", {})
    return bool(notes.get("dbaas.example.com/operation") == operation)


def test_nothing_is_wrong_and_the_playbook_says_so(platform: Platform, orders: str) -> None:
    code, output = play(platform, "explain_service", {"tenant": TENANT, "services": "orders\n"})
    assert code == 0, output
    assert "read/orders is Active in lagos." in output
    assert "Argo CD: services-read is Synced and Healthy" in output
    assert "changed=0" in output


def test_the_operators_words_and_the_events_of_its_pods(platform: Platform, orders: str) -> None:
    lagos = platform.lab.api("lagos")
    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/orders"
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "orders-lagos-a-0.1", "namespace": NAMESPACE}}
    about = {"kind": "Pod", "name": "orders-lagos-a-0", "namespace": NAMESPACE}
    more = {"involvedObject": about, "type": "Warning", "reason": "FailedMount", "message": "volume vol-1 is gone"}
    lagos.apply({**event, **more, "firstTimestamp": now, "lastTimestamp": now, "count": 3})

    def degraded(status: str, message: str) -> None:
        conditions = (lagos.get(path) or {})["status"]["conditions"]
        for item in conditions:
            if item["type"] == "Degraded":
                item |= {"status": status, "reason": "DiskLost", "message": message}
        lagos.patch(path, {"status": {"conditions": conditions}}, "status")

    degraded("True", "a disk of orders-lagos-a-0 is gone")
    until(lambda: platform.phase("lagos", "orders", NAMESPACE) == "Degraded")
    found = why(platform, "orders")
    assert (found["code"], found["phase"]) == ("operator-failed", "Degraded")
    assert "lagos: the operator says: a disk of orders-lagos-a-0 is gone" in found["why"]
    assert found["runbook"]["text"]
    facts = found["regions"]["lagos"]["facts"]
    assert "Operator: ScyllaCluster orders: Degraded=True (DiskLost): a disk of orders-lagos-a-0 is gone" in facts
    assert any("FailedMount of Pod orders-lagos-a-0" in fact and "volume vol-1 is gone" in fact for fact in facts)
    degraded("False", "")
    until(lambda: platform.phase("lagos", "orders", NAMESPACE) == "Active")


def test_the_platform_as_an_inventory(platform: Platform, orders: str, tmp_path: Path) -> None:
    for pop in POPS:
        name = {"name": f"{pop}-machine", "labels": {"topology.kubernetes.io/zone": "a"}}
        platform.lab.api(pop).apply({"apiVersion": "v1", "kind": "Node", "metadata": name})
    source = tmp_path / "lab.dbaas.yml"
    source.write_text("plugin: dbaas.platform.pops\nphases: true\ntenants: [read]\n")

    def run(*command: str) -> tuple[int, str, str]:
        done = subprocess.run(
            command, env=environment(platform.lab), capture_output=True, text=True, check=False, cwd=ROOT
        )
        return done.returncode, done.stdout, done.stderr

    inventory = ("ansible-inventory", "-i", str(source), "--list")
    code, output, errors = run(*inventory)
    assert (code, errors) == (0, "")
    listed = json.loads(output)
    assert listed["pops"]["hosts"] == list(POPS)
    assert listed["nodes_lagos"]["hosts"] == ["lagos-machine"]
    assert "read.orders" in listed["tenant_read"]["hosts"]
    assert "read.orders" in listed["services_lagos"]["hosts"]
    variables = listed["_meta"]["hostvars"]
    assert variables["read.orders"]["dbaas_phase"] == "Active"
    assert variables["johannesburg-machine"]["dbaas_node"]["zone"] == "a"
    # playbooks run with it as with any inventory of the platform
    answers = "tenant=read services=orders"
    wait = ("ansible-playbook", "-i", str(source), "dbaas.platform.wait_for_service", "-e", answers)
    code, output, errors = run(*wait, "--limit", "lagos")
    assert code == 0, output + errors
    assert "read/orders lagos: ready, 3 of 3 nodes" in output
    code, output, errors = run(*wait, "--limit", "nodes")
    assert code == 2, output + errors
    assert "No point of presence is left" in output
    # one that is down is warned of
    with stopped(platform, "kube-apiserver", "johannesburg"):
        code, output, errors = run(*inventory)
    assert code == 0
    assert "[kube-unreachable]" in errors
    listed = json.loads(output)
    assert listed["pops"]["hosts"] == list(POPS)
    assert "lagos-machine" in listed["_meta"]["hostvars"]
    assert "johannesburg-machine" not in listed["_meta"]["hostvars"]


def test_an_observer_that_is_stopped(platform: Platform, orders: str) -> None:
    with stopped(platform, "observer", "lagos"):
        done = claim(platform, "orders", resources={"node": {"cpu": "8", "memory": "32Gi"}})
        operation = done["operations"][0]["id"]
        refresh = {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
        # nobody is there to have Argo CD look
        application = f"/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/services-{TENANT}"
        platform.lab.api("lagos").patch(application, refresh)
        until(lambda: bears(platform, "orders", operation))
        found = until(lambda: item if (item := why(platform, "orders"))["code"] == "observer-silent" else None)
        assert "the observer has not looked at the newest state" in found["why"]
    until(lambda: platform.phase("lagos", "orders", NAMESPACE) == "Active", 40)


def test_a_wait_that_fails_leaves_a_bundle_and_its_own_error(platform: Platform, orders: str, tmp_path: Path) -> None:
    answers: Json = {"tenant": TENANT, "dbaas_bundle": str(tmp_path / "bundles"), "dbaas_wait_timeout": 1}
    with stopped(platform, "observer", "lagos"):
        given = {**answers, "service": "unseen", "sku": "scy-ring-3", "region": "lagos"}
        for playbook, asked in (("provision_service", given), ("wait_for_service", {**answers, "services": "unseen"})):
            code, output = play(platform, playbook, asked)
            assert code == 2, output
            assert f"{TENANT}/unseen is " in output
            assert "[wait-timeout, dependency]" in output
            assert "support bundle: " in output
            assert "rescued=0" in output
            bundle = max((tmp_path / "bundles").iterdir(), key=lambda path: path.stat().st_mtime)
            with tarfile.open(bundle) as archive:
                files = {member.name.split("/", 1)[1]: archive.extractfile(member) for member in archive.getmembers()}
                text = {name: file.read().decode() for name, file in files.items() if file}
            assert text["explanation.txt"].startswith(f"{TENANT}/unseen is ")
            assert "dbaas.example.com/v1alpha1" in text[f"git/tenants/{TENANT}/claims/unseen.yaml"]
            for secret in (platform.lab.git_token("writer"), platform.lab.git_token("argocd")):
                assert not [name for name, each in text.items() if secret in each]
    # on request; a service that is well has a bundle as any other
    code, output = play(platform, "explain_service", {**answers, "services": ["orders"], "dbaas_bundle": str(tmp_path)})
    assert code == 0, output
    assert [path.name[:18] for path in tmp_path.glob("*.tar.gz")] == ["dbaas-read-orders-"]
    # in a process of its own, as on another host
    path = tmp_path / "apart.tar.gz"
    apart = platform.module("service_claim_bundle", {"tenant": TENANT, "path": str(path)}, "-B", "60", "-P", "1")
    assert not apart["failed"], apart
    assert path.exists()
    # a bundle that cannot be written hides nothing
    (tmp_path / "file").write_text("")
    failing = {**answers, "services": "unseen,nobody", "dbaas_bundle": str(tmp_path / "file")}
    code, output = play(platform, "wait_for_service", failing)
    assert code == 2
    assert "given 'nobody', allowed: a service of tenant read" in output


def test_a_foreign_object_in_the_folder(platform: Platform, orders: str, tmp_path: Path) -> None:
    work = platform.clone(tmp_path)
    foreign = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: evil\nrules: []\n"
    (work / SERVICES / "evil.yaml").write_text(foreign)
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "A foreign object")
    git(work, "push", "--quiet")
    claim(platform, "blocked")
    found = until(lambda: item if (item := why(platform, "blocked"))["code"] == "sync-failed" else None, 60)
    assert "evil" in found["why"]
    assert "ClusterRole" in found["why"]
    assert f"services-{TENANT}" in found["why"]
    git(work, "pull", "--quiet", "--rebase")
    git(work, "rm", "--quiet", f"{SERVICES}/evil.yaml")
    git(work, "commit", "--quiet", "--message", "Away with it")
    git(work, "push", "--quiet")
    until(lambda: platform.phase("lagos", "blocked", NAMESPACE) == "Active", 90)
    assert why(platform, "blocked")["code"] == "active"


def test_an_argo_cd_whose_repo_server_is_stopped(platform: Platform, orders: str) -> None:
    with stopped(platform, "argocd-repo-server"):
        claim(platform, "late")
        found = until(lambda: item if (item := why(platform, "late"))["code"] == "sync-failed" else None, 60)
        assert "ComparisonError" in found["why"]
    until(lambda: platform.phase("lagos", "late", NAMESPACE) == "Active", 120)

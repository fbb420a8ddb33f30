"""A second set-up: other names, ports, branch, namespace of Argo CD, Git by SSH, and nobody but the documented users.

The region is none of ours: the catalog is data. Once the PoP is bootstrapped the administrator is gone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import git, until
from tests.lab import Lab, sshd
from tests.lab.api import ApiError
from tests.lab.binaries import LabError
from tests.lab.platform import ROOT, pops, wait_synced

Json = dict[str, Any]
POP = "nairobi"
REGION = """\
  nairobi:
    title: Nairobi, Kenya
    zones: [nairobi-a, nairobi-b, nairobi-c]
    storageClasses: [local-ssd]
    backups: s3://dbaas-nairobi-{tenant}
"""


class Second:
    """What its user has: an address, a deploy key, the keys of the host, a kubeconfig of `reader`. Nothing else."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        for source in (lab.ssh.key("writer"), lab.ssh.known_hosts, lab.kubeconfig("reader")):
            shutil.copy(source, folder / source.name)
        self.environment = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "DBAAS_REPOSITORY": lab.git_url,
            "DBAAS_GIT_BRANCH": "live",
            "DBAAS_GIT_SSH_KEY_FILE": str(folder / "writer"),
            "DBAAS_GIT_SSH_KNOWN_HOSTS": str(folder / "known_hosts"),
            "K8S_AUTH_KUBECONFIG": str(folder / "reader.yaml"),
        }
        self.printed = ""

    def module(self, name: str, arguments: Json, **environment: str) -> Json:
        command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-vvv", "-m", f"dbaas.platform.{name}"]
        done = subprocess.run(
            [*command, "-a", json.dumps(arguments)],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        self.printed += done.stdout + done.stderr
        head, brace, rest = done.stdout.partition("=> {")
        assert brace, done.stdout + done.stderr
        result: Json = json.JSONDecoder().raw_decode("{" + rest)[0]
        return {**result, "failed": "FAILED" in head}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    state = tmp_path_factory.mktemp("second")
    try:
        sshd.resolve(state / "ssh")
    except LabError as error:
        pytest.skip(f"no sshd: {error}")
    lab = Lab.up([POP], state=state, delay=2.0, branch="live", argocd="delivery", ssh=True)
    try:
        second = Second(lab, tmp_path_factory.mktemp("user"))
        made = second.module("gitops_repository", {"pops": pops(lab)})
        assert made["changed"], made
        offer_region(lab, second.folder)
        lab.api(POP).apply(made["roots"][POP])
        wait_synced(lab)
        dismiss_administrator(lab)
        yield second
    finally:
        lab.down(purge=True)


def offer_region(lab: Lab, folder: Path) -> None:
    """By plain Git, as whoever keeps the catalog does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_SSH_COMMAND", lab.git_environment("writer")["GIT_SSH_COMMAND"])
        git(folder, "clone", "--quiet", "--branch", "live", lab.git_url, "work")
        regions = folder / "work/base/catalog/regions.yml"
        regions.write_text(regions.read_text() + REGION)
        git(folder / "work", "commit", "--quiet", "--all", "--message", "Offer Nairobi")
        git(folder / "work", "push", "--quiet")


def dismiss_administrator(lab: Lab) -> None:
    """Whatever lets one be an administrator, or a process of the PoP, is unreadable from now on."""
    for path in (*lab.state.glob("kubeconfigs/*"), *lab.state.glob("pops/*/admin.kubeconfig")):
        path.unlink()
    for path in (lab.state / "pki/server.key", lab.state / "pki/sa.key", lab.state / "state.json"):
        path.unlink()
    for path in lab.state.glob("pops/*/tokens.csv"):
        path.unlink()
    assert not [path for path in lab.state.rglob("*admin*") if path.is_file()]


def test_address_and_credentials_are_all_it_takes(second: Second) -> None:
    tenant = second.module("tenant", {"tenant": "acme", "regions": [POP]})
    assert tenant["changed"], tenant
    made = second.module(
        "service_claim",
        {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": POP, "wait": True, "wait_timeout": 90},
    )
    assert not made["failed"], made
    assert [item["phase"] for item in made["wait"]] == ["Active"]
    found = second.module("service_claim_info", {"tenant": "acme"})
    assert [(item["name"], item["phase"]) for item in found["services"]] == [("orders", "Active")]
    log = subprocess.run(
        ["git", "-C", str(second.lab.repository), "log", "--format=%H", "live"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout.split()[0] == made["commit"]
    again = second.module(
        "service_claim", {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": POP, "wait": True}
    )
    assert not again["changed"], again


def test_the_pop_fetched_over_ssh(second: Second) -> None:
    """Argo CD and the observer, with the read-only key: the head was heard, and every sync was of the branch."""
    lines = [json.loads(line) for line in second.lab.log("observer", POP).read_text().splitlines() if line[:1] == "{"]
    assert [line for line in lines if line["event"] == "refresh"]
    assert not [line for line in lines if line["event"] == "not hearing" and "git" in line["reason"].lower()]
    api = second.lab.api(POP, "reader")
    listed = api.request("GET", "/apis/argoproj.io/v1alpha1/namespaces/delivery/applications")["items"]
    assert {item["spec"]["source"]["repoURL"] for item in listed} == {second.lab.git_url}
    assert {item["spec"]["source"]["targetRevision"] for item in listed} == {"live"}
    assert "services-acme" in {item["metadata"]["name"] for item in listed}
    assert until(lambda: second.lab.api(POP, "observer").get("/api/v1/namespaces/delivery/secrets/gitops"))


def test_the_users_may_do_what_is_documented_and_no_more(second: Second) -> None:
    forbidden = {
        "reader": [
            "/api/v1/namespaces/delivery/secrets",
            "/api/v1/namespaces/tenant-acme/secrets",
            "/apis/apps/v1/deployments",
        ],
        "observer": ["/api/v1/namespaces/delivery/configmaps/argocd-cm", "/apis/apps/v1/deployments"],
    }
    for user, paths in forbidden.items():
        for path in paths:
            with pytest.raises(ApiError, match="403"):
                second.lab.api(POP, user).request("GET", path)


def test_the_pops_own_key_may_not_write(second: Second) -> None:
    shutil.copy(second.lab.ssh.key("argocd"), second.folder / "argocd")
    refused = second.module(
        "service_claim",
        {"tenant": "acme", "name": "other", "sku": "scy-ring-3", "region": POP},
        DBAAS_GIT_SSH_KEY_FILE=str(second.folder / "argocd"),
    )
    assert refused["failed"]
    assert refused["error"]["code"] == "git-auth"


def test_no_key_is_shown(second: Second) -> None:
    shown = second.printed + "".join(path.read_text(errors="replace") for path in second.lab.state.glob("logs/*"))
    for user in ("writer", "argocd"):
        for line in second.lab.ssh.key(user).read_text().splitlines()[1:-1]:
            assert line not in shown

"""AWX through Git: brought up, configured, lost and brought back.

The API server, Git and Argo CD are real. The operator's part (pods, status, the administrator's Secret) is played
here, its kinds are a small definition of our own, and AWX's API is the double.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.plugin_docs import read_docstring
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import instance

from tests.awx import Double
from tests.integration.conftest import Platform, until
from tests.lab.api import Api
from tests.lab.platform import ROOT, environment

Json = dict[str, Any]
AWX = "/apis/awx.ansible.com/v1beta1/namespaces/awx/awxs/awx"
BACKUPS = "/apis/awx.ansible.com/v1beta1/namespaces/awx/awxbackups"
PLAYBOOKS = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml") if ".meta." not in path.name]
DONE = {"type": "Successful", "status": "True", "reason": "Successful"}


def playbook(platform: Platform, name: str, answers: Json, *options: str) -> str:
    """Runs it as an administrator does, without an inventory; what it printed."""
    command = ["ansible-playbook", f"dbaas.platform.{name}", "--extra-vars", json.dumps(answers), *options]
    done = subprocess.run(
        command,
        env={**environment(platform.lab, "admin"), "ANSIBLE_LOCALHOST_WARNING": "false"},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    platform.printed += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def operator(api: Api, password: str) -> Iterator[None]:
    """What the AWX operator does once Argo CD has brought its object; and a backup whenever one is asked for."""
    over = threading.Event()

    def operate() -> None:
        while not over.wait(0.3):
            awx = api.get(AWX)
            if awx and not awx.get("status"):
                secret = {"password": base64.b64encode(password.encode()).decode()}
                meta = {"name": "awx-admin-password", "namespace": "awx"}
                api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": secret})
                status(api, AWX, {"conditions": [DONE], "adminPasswordSecret": meta["name"], "version": "24.6.1"})
            for item in (api.get(BACKUPS) or {"items": []})["items"]:
                if not item.get("status"):
                    made = {"conditions": [DONE], "backupDirectory": "/backups/1", "backupClaim": instance.BACKUPS}
                    status(api, f"{BACKUPS}/{item['metadata']['name']}", made)

    thread = threading.Thread(target=operate, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def status(api: Api, path: str, value: Json) -> None:
    body = json.dumps({"status": value}).encode()
    api.request("PATCH", f"{path}/status", body, "application/merge-patch+json")


def test_awx_comes_up_and_comes_back(platform: Platform, tmp_path: Path) -> None:
    api = platform.lab.api("lagos")
    for definition in yaml.safe_load((ROOT / "tests/lab/awx_crds.yaml").read_text())["items"]:
        api.apply(definition)
    token = tmp_path / "token"
    asked: Json = {"region": "lagos", "awx_hostname": "awx.test", "dbaas_awx_token_file": str(token)}

    planned = playbook(platform, "bootstrap_control_plane", {**asked, "awx_address": "http://127.0.0.1:9"}, "--check")
    assert "changed=2" in planned
    assert not token.exists()

    with Double(playbooks=PLAYBOOKS) as awx, operator(api, awx.password):
        answers = {**asked, "awx_address": awx.url}
        shown = playbook(platform, "bootstrap_control_plane", answers)
        assert "failed=0" in shown
        first = token.read_text()
        assert first.strip() not in "".join(platform.printed)
        made = api.get(AWX) or {}
        assert made["spec"]["hostname"] == "awx.test"
        assert [job["status"] for job in awx.store.rows["jobs"].values()] == ["successful"]
        templates = len(awx.store.rows["job_templates"])
        assert templates == len(PLAYBOOKS)

        before = len(awx.writes)
        shown = playbook(platform, "bootstrap_control_plane", answers)
        assert "changed=0" in shown
        assert [call.path for call in awx.writes[before:]] == [f"job_templates/{_template(awx)}/launch/"]

    # all of it is gone: the object, its Secret, and AWX's database
    api.request("DELETE", AWX)
    api.request("DELETE", "/api/v1/namespaces/awx/secrets/awx-admin-password")
    with Double(playbooks=PLAYBOOKS) as awx, operator(api, awx.password):
        playbook(platform, "bootstrap_control_plane", {**asked, "awx_address": awx.url})
        assert token.read_text() != first
        assert len(awx.store.rows["job_templates"]) == templates
        assert [job["status"] for job in awx.store.rows["jobs"].values()] == ["successful"]

        playbook(platform, "backup_control_plane", {"context": "lagos", "backups_kept": 1})
        (kept,) = api.get(BACKUPS)["items"]  # type: ignore[index]
        assert kept["spec"] == instance.backup("x")["spec"]
        documented(platform, tmp_path, awx.url)


def documented(platform: Platform, folder: Path, url: str) -> None:
    """Runs what the documentation of awx_token and awx_backup shows, in this point of presence."""
    tasks: list[Json] = []
    for name in ("awx_token", "awx_backup"):
        shown = yaml.safe_load(read_docstring(str(ROOT / f"plugins/modules/{name}.py"))["plainexamples"])
        for task in shown:
            task[f"dbaas.platform.{name}"]["context"] = "lagos"
        tasks += shown
    (folder / "examples.yml").write_text(
        yaml.safe_dump([{"name": "Examples", "hosts": "localhost", "gather_facts": False, "tasks": tasks}])
    )
    own = {"HOME": str(folder), "CONTROLLER_HOST": url}
    done = subprocess.run(
        ["ansible-playbook", "examples.yml"],
        env={**environment(platform.lab, "admin"), **own},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    platform.printed += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / ".config/dbaas/awx-token").is_file()


def _template(awx: Double) -> int:
    return int(awx.store.find("job_templates", name="dbaas-validate-gitops")["id"])


def test_what_git_holds_of_awx_is_what_kubernetes_takes(platform: Platform) -> None:
    """The account of the backups may do what they need; its job would be made."""
    api = platform.lab.api("lagos")
    jobs = until(lambda: (api.get("/apis/batch/v1/namespaces/awx/cronjobs") or {}).get("items"))
    assert [item["spec"]["schedule"] for item in jobs] == ["15 2 * * *"]
    asked = {"namespace": "awx", "group": "awx.ansible.com", "resource": "awxbackups", "verb": "create"}
    assert platform.may("lagos", "system:serviceaccount:awx:awx-backups", asked)

"""A launch with a survey's answers becomes a database: by ansible-runner, and by AWX, whose double really plays."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import awx
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.awx import AwxLauncher
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import Launcher, Outcome, Request
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.embedded import EmbeddedLauncher, of_collection

from tests.awx import Double
from tests.integration.conftest import Platform, until
from tests.lab.platform import ROOT, environment
from tests.unit.awx.places import playing, provided
from tests.unit.awx.swallowing import Swallowing

Json = dict[str, Any]


@pytest.fixture
def embedded(platform: Platform, tmp_path: Path) -> EmbeddedLauncher:
    return of_collection(tmp_path / "jobs", environment(platform.lab))


def order(service: str, key: str, /, **more: Any) -> Request:
    """What a survey's answers are, as AWX sends them: nothing for what was not answered but an empty text."""
    answers = {"tenant": "acme", "service": service, "sku": "scy-ring-3", "region": "lagos", "project": ""}
    return Request("dbaas-provision-service", {**answers, "dbaas_wait_timeout": 120, **more}, key)


def commits(platform: Platform, service: str) -> list[str]:
    """The commits that made or changed a claim."""
    return platform.git("log", "--format=%H", "main", "--", f"tenants/acme/claims/{service}.yaml").split()


def followed(platform: Platform, launcher: Launcher, asked: Request) -> Outcome:
    told: list[str] = []
    outcome = launcher.follow(launcher.launch(asked).id, told.append, 180)
    platform.printed += told
    if outcome.status == "successful":
        assert f"acme/{asked.answers['service']} lagos: ready, 3 of 3 nodes" in "\n".join(told)
    return outcome


def test_a_launch_becomes_a_service_and_is_done_once(platform: Platform, embedded: EmbeddedLauncher) -> None:
    outcome = followed(platform, embedded, order("launched", "order-1"))
    assert outcome.status == "successful", outcome.detail
    assert platform.phase("lagos", "launched") == "Active"
    assert commits(platform, "launched") == [outcome.result["commit"]]
    assert {name: outcome.result[name] for name in ("tenant", "service", "action", "phase")} == {
        "tenant": "acme",
        "service": "launched",
        "action": "create",
        "phase": "Active",
    }
    assert outcome.result["connection_string"].startswith("cql://launched-client.")
    assert outcome.result["service_id"] == platform.copy("lagos", "launched")["spec"]["serviceId"]

    head = platform.head()
    again = embedded.launch(order("launched", "order-1"))
    assert (again.id, again.found) == (outcome.id, True)
    assert followed(platform, embedded, order("launched", "order-1")).result == outcome.result
    # what another key asks for is there already
    other = followed(platform, embedded, order("launched", "order-2"))
    assert other.id != outcome.id
    assert (other.result["action"], other.result["commit"]) == ("unchanged", None)
    assert platform.head() == head


def test_a_tenants_fault_comes_in_its_own_words(platform: Platform, embedded: EmbeddedLauncher) -> None:
    outcome = followed(platform, embedded, order("too-small", "", storage_size="1Mi"))
    assert outcome.status == "failed"
    assert outcome.reason is not None
    assert (outcome.reason.code, outcome.reason.cls) == ("claim-invalid", "user")
    assert "spec.storage.size: given '1Mi'" in outcome.reason.message
    # what is the operators' to mend says nothing of hosts
    away = of_collection(embedded.folder, {**environment(platform.lab), "DBAAS_REPOSITORY": "http://127.0.0.1:9/x.git"})
    outcome = followed(platform, away, order("nowhere", ""))
    assert outcome.reason is not None
    assert outcome.reason.code == "git-unreachable"
    assert "127.0.0.1" in outcome.detail
    assert "127.0.0.1" not in outcome.reason.message
    assert commits(platform, "too-small") == commits(platform, "nowhere") == []


def test_the_answer_to_a_launch_is_lost(
    platform: Platform, embedded: EmbeddedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awx, "PAUSE", 0.3)
    inventories = embedded.inventories["platform"]
    templates = list(embedded.templates.values())
    runner = playing(ROOT, inventories, environment(platform.lab))
    playbooks = [str(template["playbook"]) for template in templates]
    with Double(runner=runner, playbooks=playbooks) as double, Swallowing(double.url, "/launch/") as proxy:
        organization = double.by_hand("POST", "organizations/", {"name": "DBaaS"})["id"]
        number = provided(double, organization, templates)["dbaas-provision-service"]
        launcher = AwxLauncher(Awx(proxy.url, token=double.token))
        outcome = followed(platform, launcher, order("swallowed", "order-3"))
        assert outcome.status == "successful", outcome.detail
        assert proxy.swallowed == 1
        assert followed(platform, launcher, order("swallowed", "order-3")).id == outcome.id
        jobs = double.by_hand("GET", f"jobs/?job_template={number}")["results"]
        assert [str(job["id"]) for job in jobs] == [outcome.id]
        assert len([call for call in double.writes if call.path.endswith("/launch/")]) == 1
        assert double.unknown == []
    assert platform.phase("lagos", "swallowed") == "Active"
    assert commits(platform, "swallowed") == [outcome.result["commit"]]


def configured(double: Double, platform: Platform) -> None:
    """Makes an empty AWX run the platform, by our own playbook; every order has to be approved."""
    for row in double.store.rows["credential_types"].values():
        # recorded by their names alone; AWX's documentation says that they ask for just a token
        if row["kind"] == "token":
            row["inputs"] = {"fields": [{"id": "token", "type": "string", "label": "Token", "secret": True}]}
            row.pop("_unrecorded", None)
    command = ["ansible-playbook", "dbaas.platform.configure_awx", "-e", "awx_approval_limit_usd=1"]
    access = {"CONTROLLER_HOST": double.url, "CONTROLLER_OAUTH_TOKEN": double.token}
    done = subprocess.run(
        command, cwd=ROOT, env={**environment(platform.lab), **access}, capture_output=True, text=True, check=False
    )
    platform.printed += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_order_goes_through_the_workflow_with_its_approval(
    platform: Platform, embedded: EmbeddedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awx, "PAUSE", 0.3)
    runner = playing(ROOT, embedded.inventories["platform"], environment(platform.lab))
    playbooks = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")]
    with Double(runner=runner, playbooks=playbooks) as double:
        configured(double, platform)
        launcher = AwxLauncher(Awx(double.url, token=double.token))
        answers = {"tenant": "acme", "service": "ordered", "sku": "scy-ring-3", "region": "lagos"}
        asked = Request("dbaas-provision", answers, "order-4")
        told: list[str] = []

        def approve() -> None:
            until(lambda: any(line.endswith("waits for approval") for line in told), 120)
            assert commits(platform, "ordered") == []
            (waiting,) = double.by_hand("GET", "workflow_approvals/?status=pending")["results"]
            double.by_hand("POST", f"workflow_approvals/{waiting['id']}/approve/", {})

        person = threading.Thread(target=approve)
        person.start()
        outcome = launcher.follow(launcher.launch(asked).id, told.append, 300)
        person.join()
        platform.printed += told
        assert outcome.status == "successful", outcome.detail
        assert any("[approval-needed, user]" in line for line in told)
        assert launcher.launch(asked).found
        assert double.unknown == []
    assert platform.phase("lagos", "ordered") == "Active"
    assert commits(platform, "ordered") == [outcome.result["commit"]]
    # what was planned, delivered and verified
    assert (outcome.result["price_monthly_usd"] > 1, outcome.result["action"]) == (True, "create")
    assert outcome.result["connection_string"].startswith("cql://ordered-client.")

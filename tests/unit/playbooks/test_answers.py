"""Playbooks take the answers of their surveys as AWX sends them: text, lists, defaults, empty for what was left out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_templates, base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.tools.tree import ROOT
from tests.unit.awx.places import extravars
from tests.unit.runner.world import World, claim

Json = dict[str, Any]
BOOKS = awx_templates.books(ROOT)
CLUSTER = r"kube-missing|kubeconfig|Kubernetes"
ORDERS: Json = {"tenant": "acme", "service": "orders"}
#: Playbook -> what a person answers beside the defaults, and how the run then ends. Those that ask clusters find none
#: here: that they come so far says that they took the answers.
GIVEN: dict[str, tuple[Json, str]] = {
    "backup_control_plane": ({}, CLUSTER),
    "bootstrap_control_plane": ({"region": "lagos", "awx_hostname": "awx.example.com"}, CLUSTER),
    # nothing says where AWX is
    "configure_awx": ({"purge": "true"}, r"controller_host: not given"),
    "deprovision_service": ({**ORDERS, "deletion_policy": "delete", "confirm": "orders"}, CLUSTER),
    "drift_report": ({"tenants": "acme\n"}, r"2 differences: unreachable in lagos, johannesburg"),
    "explain_service": ({"tenant": "acme", "services": "orders\n"}, CLUSTER),
    "onboard_tenant": (
        {"tenant": "globex", "regions": ["lagos"], "owners": "dbas\r\n\r\n sres \r\n", "quotas": "services: 3\n"},
        r"changed=1 ",
    ),
    "plan_service": ({**ORDERS, "merge": "true", "cpu": "8", "regions": []}, r"update acme/orders: scy-ring-3"),
    "provision_service": (
        {
            "tenant": "acme",
            "service": "carts",
            "sku": "scy-ring-3",
            "region": "lagos",
            "regions": ["lagos", "johannesburg"],
            "allowed_cidrs": "10.0.0.0/8\n192.168.0.0/16",
            "dbaas_wait": "false",
        },
        r"changed=1 ",
    ),
    "reconcile_claims": ({}, r"failed=0"),
    "rerender_services": ({"engines": "scylla\n", "dbaas_wait": "false"}, r"failed=0"),
    "rollback_service": ({**ORDERS, "to": "", "dbaas_wait": "false"}, r"nothing came before what is"),
    "update_service": (
        {
            **ORDERS,
            "replicas": 3,
            "memory": "32Gi",
            "parameters": "hinted_handoff_enabled: false\nread_request_timeout_in_ms: 10000",
            "paused": "false",
            "dbaas_timing": "now",
            "backup_enabled": "false",
            "dbaas_wait": "false",
        },
        r"changed=1 ",
    ),
    "validate_gitops": ({"strict": "false"}, r"failed=0"),
    "verify_service": (ORDERS, CLUSTER),
    "wait_for_service": ({"tenant": "acme", "service": "orders", "dbaas_wait_timeout": 60}, CLUSTER),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(tmp_path_factory.mktemp("git"), monkeypatch)
        world.set_up()
        world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"])
        world.run("service_claims", claims=[claim("orders")])
        yield world


def asked(playbook: str) -> Json:
    run = Run(
        {
            "shipped": base.shipped(ROOT),
            "books": BOOKS,
            "playbooks": [playbook],
            "common": {},
            "differing": {},
            "without": [],
        }
    )
    (template,) = awx_templates.run(run)
    found: Json = template["survey_spec"]
    return found


def play(playbook: str, answers: Json, folder: Path, world: World) -> str:
    """What ansible-playbook tells, run as AWX runs it: the answers from a file, over the inventories of two PoPs."""
    (folder / "extravars").write_text(extravars(answers))
    inventories = [option for pop in ("lagos", "johannesburg") for option in ("-i", str(ROOT / "inventories" / pop))]
    command = ["ansible-playbook", *inventories, "-e", f"@{folder / 'extravars'}", f"dbaas.platform.{playbook}"]
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "DBAAS_REPOSITORY": world.url,
        "K8S_AUTH_KUBECONFIG": str(folder / "none"),
        "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        "PWD": str(folder),
    }
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return " ".join((done.stdout + done.stderr).split())


def test_every_playbook_is_tried() -> None:
    assert sorted(GIVEN) == sorted(BOOKS)


@pytest.mark.parametrize("playbook", GIVEN)
def test_a_playbook_takes_the_answers_of_its_survey(playbook: str, world: World, tmp_path: Path) -> None:
    given, end = GIVEN[playbook]
    spec = asked(playbook)
    assert survey.refusals(spec, given) == []
    answers = survey.filled(spec, given)
    # AWX fills in the empty text of every question that was not answered
    assert answers[survey.KEY] == ""
    output = play(playbook, answers, tmp_path, world)
    assert "answers-invalid" not in output
    assert "Validation of arguments failed" not in output
    assert re.search(end, output), output


def test_a_report_lands_where_the_command_was_run(world: World, tmp_path: Path) -> None:
    play("drift_report", {"report_file": "drift.json"}, tmp_path, world)
    assert {item["pop"] for item in json.loads((tmp_path / "drift.json").read_text())["drift"]} >= {"lagos"}


def test_lines_of_a_survey_are_taken_without_what_is_around_them(world: World, tmp_path: Path) -> None:
    given = {
        "tenant": "lined",
        "regions": ["lagos"],
        "owners": "dbas\r\n\r\n on call \r\n",
        "projects": "a\n\nb\n",
    }
    play("onboard_tenant", survey.filled(asked("onboard_tenant"), given), tmp_path, world)
    spec = world.document("tenants/lined/tenant.yaml")["spec"]
    assert (spec["owners"], spec["projects"]) == (["dbas", "on call"], ["a", "b"])


@pytest.mark.parametrize(
    ("playbook", "wrong", "words"),
    [
        ("update_service", {"replicas": "three"}, "'three'"),
        ("update_service", {"backup_enabled": "treu"}, "treu"),
        ("update_service", {"paused": "treu"}, "treu"),
        (
            "update_service",
            {"parameters": "read_request_timeout_in_ms: soon"},
            "spec.parameters.read_request_timeout_in_ms",
        ),
        ("wait_for_service", {"dbaas_wait_timeout": "30m"}, "'30m'"),
        ("provision_service", {"dbaas_wait": "maybe"}, "maybe"),
        ("onboard_tenant", {"regions": []}, "Not given: regions"),
        ("onboard_tenant", {"quotas": "services 3"}, "quotas"),
        ("onboard_tenant", {"quotas": "services: [3"}, "quotas"),
        ("onboard_tenant", {"quotas": "storage: 3"}, "quotas.storage: given '3', allowed: a size such as"),
    ],
)
def test_what_is_of_another_kind_is_refused(
    playbook: str, wrong: Json, words: str, world: World, tmp_path: Path
) -> None:
    before = world.commits()
    output = play(playbook, {**survey.filled(asked(playbook), GIVEN[playbook][0]), **wrong}, tmp_path, world)
    assert words in output
    assert "failed=1" in output
    assert world.commits() == before


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, ""),
        ({"approval_limit_usd": 100}, "as it costs more than $100 a month: "),
        (
            {"plan": "global", "regions": ["lagos", "johannesburg"], "approval_limit_usd": 20000},
            "as the plan is global: create acme/wagons: scy-ring-3, plan global, scylla 2026.1.0 in lagos, johan",
        ),
    ],
)
def test_the_gate_fails_where_somebody_must_approve(change: Json, reasons: str, world: World, tmp_path: Path) -> None:
    given = {"tenant": "acme", "service": "wagons", "sku": "scy-ring-3", "region": "lagos", "gate": "true", **change}
    spec = asked("plan_service")
    assert survey.refusals(spec, given) == []
    before = world.commits()
    output = play("plan_service", survey.filled(spec, given), tmp_path, world)
    assert ("failed=1" in output) == bool(reasons)
    assert reasons in output
    assert ("[approval-needed, user]" in output) == bool(reasons)
    # whoever is asked to approve finds the plan in what the job leaves
    stats = output[output.index("CUSTOM STATS") :]
    assert '"create acme/wagons: scy-ring-3, plan ' in stats
    assert "a month (+$" in stats
    assert world.commits() == before


def test_a_plan_is_told_as_a_table_too(world: World, tmp_path: Path) -> None:
    given = {"tenant": "acme", "service": "shop", "sku": "yb-shared", "region": "lagos", "database": "web_shop"}
    spec = asked("plan_service")
    assert survey.refusals(spec, given) == []
    before = world.commits()
    output = play("plan_service", survey.filled(spec, given), tmp_path, world)
    head = "service SKU plan regions USD a month SLA % restart"
    line = "acme/shop yb-shared shared lagos 60 99.0 none"
    said, left = output.split("CUSTOM STATS")
    assert f'"{head}", "{line}", "create acme/shop: yb-shared, plan shared, ' in said
    assert f'"table": [ "{head}", "{line}" ]' in left
    assert world.commits() == before


def test_a_database_gets_the_name_that_was_answered(world: World, tmp_path: Path) -> None:
    given = {"tenant": "acme", "service": "shop", "sku": "vt-shared", "region": "lagos", "dbaas_wait": "false"}
    spec = asked("provision_service")
    output = play("provision_service", survey.filled(spec, {**given, "database": "Web-Shop"}), tmp_path, world)
    assert "spec.database.name" in output, output
    assert "changed=1 " in play("provision_service", survey.filled(spec, {**given, "database": "web"}), tmp_path, world)
    assert "database:\n    name: web\n" in world.text("tenants/acme/claims/shop.yaml")


def test_an_empty_flag_says_nothing(world: World, tmp_path: Path) -> None:
    output = play("plan_service", {**ORDERS, "merge": "true", "backup_enabled": "", "cpu": "8"}, tmp_path, world)
    assert re.search(r"update acme/orders: scy-ring-3", output), output
    assert "backup" not in output

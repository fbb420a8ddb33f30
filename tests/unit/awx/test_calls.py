"""What we ask AWX: every call is one of those in tests/awx/calls.md, and AWX has each of them."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.awx import AwxLauncher
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import Request

from tests.awx import Double, Run
from tests.awx.kinds import KINDS
from tests.awx.recordings import exchanges, route
from tests.unit.awx.configuring import apply, configuration, drift
from tests.unit.awx.launching import TEMPLATE
from tests.unit.awx.places import provided

Json = dict[str, Any]
LIST = Path(__file__).parents[2] / "awx/calls.md"


def configured(double: Double) -> None:
    """Everything made, looked at, exported, changed and taken away again."""
    given = {**configuration(), "controller_settings": {"MAX_FORKS": 100}}
    apply(double, given)
    for kind, rows in double.store.rows.items():
        for number, row in list(rows.items()):
            mine = kind in KINDS and row.get("_created_by") and kind != "tokens"
            if mine and "description" in KINDS[kind].fields:
                double.by_hand("PATCH", f"{kind}/{number}/", {"description": "by hand"})
    for row in double.store.rows["workflow_job_template_nodes"].values():
        double.by_hand("PATCH", f"workflow_job_template_nodes/{row['id']}/", {"all_parents_must_converge": True})
    user = double.store.find("users", username="alice")["id"]
    double.by_hand("PATCH", f"users/{user}/", {"first_name": "x"})
    number = double.store.find("job_templates", name="provision")["id"]
    double.by_hand("DELETE", f"job_templates/{number}/survey_spec/")
    assert drift(double, given, export=True)["drift"]
    apply(double, given, update_secrets=True, adopt=True)
    less = copy.deepcopy(given)
    for template in less["controller_templates"]:
        for name in ("survey_spec", "credentials", "labels", "notification_templates_error", "instance_groups"):
            if name in template:
                template[name] = {} if name == "survey_spec" else []
    for workflow in less["controller_workflows"]:
        workflow["simplified_workflow_nodes"] = workflow["simplified_workflow_nodes"][-1:]
        workflow["notification_templates_approvals"] = []
    apply(double, less, adopt=True)
    apply(double, {"controller_labels": []}, purge=True)


def launched(double: Double) -> None:
    """A job launched, found again, followed and cancelled; so is a workflow."""
    launcher = AwxLauncher(Awx(double.url, token=double.token, timeout=10))
    organization = double.by_hand("POST", "organizations/", {"name": "DBaaS"})["id"]
    toy = provided(double, organization, [TEMPLATE])["dbaas-toy"]
    request = Request("dbaas-toy", {"service": "orders"}, key="k-1")
    launcher.plan(request)
    job = launcher.launch(request)
    launcher.follow(job.id, print)
    assert launcher.launch(request).found
    bad = launcher.launch(Request("dbaas-toy", {"service": "orders", "words": "no"}))
    assert launcher.follow(bad.id, print).reason is not None
    launcher.cancel(launcher.launch(Request("dbaas-toy", {"service": "hang"})).id)
    fields = {"name": "dbaas-order", "organization": organization, "ask_variables_on_launch": True}
    workflow = double.by_hand("POST", "workflow_job_templates/", fields)["id"]
    node = {"identifier": "a", "unified_job_template": toy, "extra_data": {"service": "orders"}}
    double.by_hand("POST", f"workflow_job_templates/{workflow}/workflow_nodes/", node)
    for answers in ({}, {"words": "no"}):
        launcher.follow(launcher.launch(Request("dbaas-order", answers)).id, print)
    launcher.cancel(launcher.launch(Request("dbaas-order", {"service": "hang"})).id)


def play(run: Run) -> None:
    if run.variables["service"] == "hang":
        run.canceled.wait(10)
    bad = bool(run.variables.get("words"))
    run.task("Do it", {"msg": "no"} if bad else {}, outcome="failed" if bad else "ok")


def listed() -> dict[str, str]:
    """call -> where AWX's answer to it is known from."""
    rows = re.findall(r"^\| `(\w+ \S+)` \| (.+) \|$", LIST.read_text(), re.MULTILINE)
    return dict(rows)


def known_from(call: str) -> str:
    method, path = call.split()
    found = [
        exchange
        for exchange in exchanges().values()
        if exchange.method == method and (route(exchange.path.split("?")[0]) or ("",))[0] == path
    ]
    # rather one that went well
    found.sort(key=lambda exchange: exchange.status >= 400)
    return f"recorded, {found[0].number}" if found else "schema"


@pytest.fixture(scope="module")
def made() -> set[str]:
    calls = set()
    for story in (configured, launched):
        with Double(runner=play, playbooks=["provision.yml", "wait.yml", "toy.yml", "broken.yml"]) as double:
            story(double)
            assert double.unknown == []
            assert double.ignored == []
            for call in double.calls:
                template = route("/api/v2/" + call.path.split("?")[0])
                assert template is not None, call
                calls.add(f"{call.method} {template[0]}")
    return calls


def test_all_that_we_ask_is_listed(made: set[str]) -> None:
    assert sorted(made - set(listed())) == []


@pytest.mark.parametrize("call", listed())
def test_awx_has_what_is_listed(call: str) -> None:
    assert listed()[call] == known_from(call)
    method, path = call.split()
    template = route(re.sub(r"\{\w+\}", "1", path))
    assert template is not None
    assert method in (*template[1], "OPTIONS")

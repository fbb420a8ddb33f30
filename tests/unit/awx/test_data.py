"""The data that role awx ships: consistent in itself, within what AWX takes, and applied to a double of it as one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2
import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey

from tests.awx import Double, Run
from tests.tools.tree import ROOT
from tests.unit.awx.configuring import apply, drift, one, written_by

Json = dict[str, Any]
PLAYBOOKS = sorted(
    f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml") if not path.name.endswith(".meta.yml")
)
#: an installation that has everything
FULL: Json = {
    "awx_registry_host": "registry.example.com",
    "awx_slack_token": "xoxb-canary",
    "awx_pagerduty_token": "pd-canary",
    "awx_pagerduty_service_key": "pd-service-canary",
    "awx_pagerduty_subdomain": "dbaas",
    "awx_webhook_url": "https://hooks.example.com/dbaas",
    "awx_pops": ["lagos", "accra"],
}
PLAY = f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_vars: {{dir: {ROOT / "roles/awx/defaults/main"}}}
    - ansible.builtin.copy: {{content: "{{{{ awx_configuration | to_json }}}}", dest: "{{{{ there }}}}", mode: "0600"}}
"""


@cache
def data(answers: str = "{}") -> Json:
    """The configuration with these variables set, as Ansible makes it of the role's defaults."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "play.yml").write_text(PLAY)
        there = Path(folder) / "data.json"
        env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        }
        command = ["ansible-playbook", "-e", answers, "-e", f"there={there}", "play.yml"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        found: Json = json.loads(there.read_text())
        return found


@pytest.fixture(params=["as shipped", "full"])
def configuration(request: pytest.FixtureRequest) -> Json:
    return data() if request.param == "as shipped" else data(json.dumps(FULL))


@pytest.fixture
def double() -> Iterator[Double]:
    with Double(playbooks=PLAYBOOKS) as awx:
        yield awx


def named(configuration: Json, kind: str) -> dict[str, Json]:
    found = {item["name"]: item for item in configuration[f"controller_{kind}"]}
    assert len(found) == len(configuration[f"controller_{kind}"]), f"two {kind} of one name"
    return found


def asked(template: Json) -> dict[str, Json]:
    return {question["variable"]: question for question in template["survey_spec"]["spec"]}


def test_every_playbook_has_its_template_and_nothing_else_has(configuration: Json) -> None:
    assert sorted(template["playbook"] for template in configuration["controller_templates"]) == PLAYBOOKS


def test_what_is_named_is_there(configuration: Json) -> None:
    known = {
        kind: named(configuration, kind)
        for kind in ("organizations", "projects", "execution_environments", "labels", "instance_groups", "inventories")
    }
    known |= {kind: named(configuration, kind) for kind in ("templates", "workflows", "notifications", "credentials")}
    (organization,) = known["organizations"].values()
    assert set(organization["galaxy_credentials"]) <= set(known["credentials"])
    for item in known["templates"].values():
        assert item["project"] in known["projects"]
        assert item["inventory"] in known["inventories"]
        assert item["execution_environment"] in known["execution_environments"]
        assert set(item["credentials"]) <= set(known["credentials"])
        assert set(item["labels"]) <= set(known["labels"])
        assert item.get("webhook_credential", "dbaas-git-host") in known["credentials"]
    for item in [*known["templates"].values(), *known["workflows"].values()]:
        told = [each for field, names in item.items() if field.startswith("notification_templates") for each in names]
        assert set(told) <= set(known["notifications"])
    for item in known["instance_groups"].values():
        assert item["credential"] in known["credentials"]
    for item in configuration["controller_inventory_sources"]:
        assert item["inventory"] in known["inventories"]
        assert item["source_project"] in known["projects"]
    for item in configuration["controller_roles"]:
        assert item["team"] in named(configuration, "teams")
        assert set(item.get("job_templates", [])) <= set(known["templates"])
        assert set(item.get("workflows", [])) <= set(known["workflows"])
        assert set(item.get("inventories", [])) <= set(known["inventories"])
    every = [item for items in configuration.values() for item in items]
    assert {item["organization"] for item in every if "organization" in item} == set(known["organizations"])


def test_points_of_presence_come_from_the_platform() -> None:
    shipped, other = data(), data(json.dumps(FULL))
    assert list(named(shipped, "inventories")) == ["platform", "lagos", "johannesburg", "frankfurt", "ashburn"]
    assert list(named(other, "inventories")) == ["platform", "lagos", "accra"]
    assert list(named(other, "instance_groups")) == ["lagos", "accra"]
    assert "{pop}" not in json.dumps([shipped, other])
    places = [(item["name"], item["inventory"], item["source_path"]) for item in other["controller_inventory_sources"]]
    assert sorted(places) == [
        ("accra", "accra", "inventories/accra/hosts.yml"),
        ("accra", "platform", "inventories/accra/hosts.yml"),
        ("lagos", "lagos", "inventories/lagos/hosts.yml"),
        ("lagos", "platform", "inventories/lagos/hosts.yml"),
    ]
    for item in shipped["controller_inventory_sources"]:
        assert (ROOT / item["source_path"]).is_file()


def test_credentials_fit_their_types_and_secrets_are_looked_up(configuration: Json) -> None:
    types = named(configuration, "credential_types")
    credentials = named(configuration, "credentials")
    looked_up = {
        (item["target_credential"], item["input_field_name"]): item
        for item in configuration["controller_credential_input_sources"]
    }
    assert len(looked_up) == len(configuration["controller_credential_input_sources"])
    for (target, field), item in looked_up.items():
        assert item["source_credential"] == "dbaas-lookup"
        assert set(item["metadata"]) == {"secret_path", "secret_key"}
        assert field not in credentials[target]["inputs"]
    for name, item in credentials.items():
        if kind := types.get(item["credential_type"]):
            fields = {field["id"]: field for field in kind["inputs"]["fields"]}
            found = {*item["inputs"], *(field for target, field in looked_up if target == name)}
            assert set(kind["inputs"]["required"]) <= found <= set(fields)
            # nothing secret stands in the data
            assert not [field for field in item["inputs"] if fields[field].get("secret")]
    assert "canary" not in json.dumps(configuration["controller_credentials"])


def test_injectors_give_jobs_what_the_modules_read(tmp_path: Path) -> None:
    types = named(data(), "credential_types")
    documented = (ROOT / "plugins/doc_fragments/connection.py").read_text()
    for kind in types.values():
        # as AWX renders them: every input that is not there is empty, and files are known by their labels
        fields = [field["id"] for field in kind["inputs"]["fields"]]
        labels = [label.partition(".")[2] for label in kind["injectors"].get("file", {})]
        filename: Any = {label: f"/runner/env/{label}" for label in labels if label} or "/runner/env/one"
        env = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
        everything = {**{field: f"<{field}>" for field in fields}, "tower": {"filename": filename}}
        for text in [*kind["injectors"]["env"].values(), *kind["injectors"].get("file", {}).values()]:
            assert env.from_string(text).render(everything)
        for variable in kind["injectors"]["env"]:
            assert not variable.startswith("ANSIBLE_")
    git = types["DBaaS GitOps repository"]["injectors"]["env"]
    assert set(git) | {"DBAAS_GIT_TOKEN"} == set(re.findall(r"DBAAS_(?:GIT_\w+|REPOSITORY)", documented))
    rendered = {
        name: jinja2.Template(text).render(repository="r", token="t", tower={"filename": {"token": "/f"}})
        for name, text in git.items()
    }
    assert {name: text for name, text in rendered.items() if text} == {
        "DBAAS_REPOSITORY": "r",
        "DBAAS_GIT_TOKEN_FILE": "/f",
    }


def test_nodes_run_templates_with_what_these_ask_for(configuration: Json) -> None:
    templates = named(configuration, "templates")
    assert set(named(configuration, "workflows")) == {
        "dbaas-provision",
        "dbaas-update",
        "dbaas-decommission",
        "dbaas-onboard",
    }
    for workflow in configuration["controller_workflows"]:
        nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
        questions = asked(workflow)
        for node in nodes.values():
            following = {name for sort in ("success", "failure", "always") for name in node.get(f"{sort}_nodes", [])}
            assert following <= set(nodes)
            if "approval_node" in node:
                assert set(node["approval_node"]) == {"name", "description", "timeout"}
                assert node["approval_node"]["timeout"] > 0
                continue
            template = templates[node["unified_job_template"]]
            given = node.get("extra_data", {})
            # AWX refuses a node with variables that its template does not ask for, or in another form
            assert set(given) <= set(asked(template))
            answers = {**given, **dict.fromkeys(questions)}
            # what the workflow asks for goes over what a node gives
            assert not set(given) & set(questions)
            for prompt, value in (("job_type", "ask_job_type_on_launch"), ("diff_mode", "ask_diff_mode_on_launch")):
                assert prompt not in node or template[value]
            needed = {name for name, question in asked(template).items() if question["required"]}
            assert needed <= set(answers)
            wrong = survey.refusals({"spec": [asked(template)[name] for name in given]}, given)
            assert wrong == []
            # an answer that one of them takes every other takes too
            for name in set(questions) & set(asked(template)):
                shared = ("type", "choices", "max")
                mine, theirs = questions[name], asked(template)[name]
                assert [mine.get(field) for field in shared] == [theirs.get(field) for field in shared], name


def paths(workflow: Json, failing: set[str]) -> list[str]:
    """The nodes that run, in their order, where these fail; and what becomes of the workflow, as AWX has it."""
    nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for name, node in nodes.items():
        for each in [*node.get("success_nodes", []), *node.get("failure_nodes", [])]:
            after[each].append(name)
    todo, ran, bad = [name for name in nodes if not after[name]], [], False
    while todo:
        name = todo.pop(0)
        if name in ran:
            continue
        ran.append(name)
        sort = "failure" if name in failing else "success"
        following = nodes[name].get(f"{sort}_nodes", [])
        # a failure that nothing follows is a failure of the workflow
        bad = bad or (sort == "failure" and not following)
        todo += following
    return [*ran, "failed" if bad else "successful"]


@pytest.mark.parametrize(
    ("workflow", "failing", "expected"),
    [
        ("dbaas-provision", "", "plan gate deliver wait verify successful"),
        ("dbaas-provision", "plan", "plan failed"),
        ("dbaas-provision", "gate", "plan gate approve deliver wait verify successful"),
        ("dbaas-provision", "gate approve", "plan gate approve failed"),
        ("dbaas-provision", "deliver", "plan gate deliver failed"),
        ("dbaas-provision", "wait explain", "plan gate deliver wait explain failed"),
        ("dbaas-provision", "wait", "plan gate deliver wait explain verify successful"),
        ("dbaas-provision", "verify", "plan gate deliver wait verify failed"),
        ("dbaas-update", "gate", "plan gate approve deliver wait verify successful"),
        ("dbaas-update", "wait explain", "plan gate deliver wait explain failed"),
        ("dbaas-decommission", "", "guard approve delete successful"),
        ("dbaas-decommission", "guard", "guard failed"),
        ("dbaas-decommission", "approve", "guard approve failed"),
        ("dbaas-onboard", "approve", "plan approve failed"),
    ],
)
def test_where_workflows_go(workflow: str, failing: str, expected: str) -> None:
    found = named(data(), "workflows")[workflow]
    assert paths(found, set(failing.split())) == expected.split()


def test_schedules_run_templates_that_need_no_answer(configuration: Json) -> None:
    templates = named(configuration, "templates")
    for schedule in named(configuration, "schedules").values():
        assert survey.refusals(templates[schedule["unified_job_template"]]["survey_spec"], {}) == []
        assert re.fullmatch(r"DTSTART:20260101T000000Z RRULE:FREQ=\w+;INTERVAL=1;\S+", schedule["rrule"])
    assert set(named(configuration, "schedules")) == {
        "dbaas-reconcile-claims",
        "dbaas-drift-report",
        "dbaas-validate-gitops",
    }


def test_whoever_approves_is_told_what_is_planned() -> None:
    configuration = data(json.dumps(FULL))
    assert list(named(configuration, "notifications")) == ["dbaas-slack", "dbaas-pagerduty", "dbaas-webhook"]
    template = named(configuration, "templates")["dbaas-plan-service"]
    assert template["notification_templates_error"] == ["dbaas-slack", "dbaas-pagerduty", "dbaas-webhook"]
    for workflow in named(configuration, "workflows").values():
        assert workflow["notification_templates_approvals"] == template["notification_templates_error"]
    messages = named(configuration, "notifications")["dbaas-slack"]["messages"]
    job = {
        "id": 7,
        "name": "dbaas-plan-service",
        "status": "failed",
        "artifacts": {"dbaas_result": {"text": ["create acme/orders: scy-ring-9", "cost: nothing -> $15500 a month"]}},
    }
    context = {"job": job, "job_friendly_name": "Job", "url": "https://awx.example.com/#/jobs/playbook/7"}
    said = jinja2.Template(messages["error"]["message"]).render(context)
    assert said == (
        "Job dbaas-plan-service failed: https://awx.example.com/#/jobs/playbook/7 create acme/orders: scy-ring-9"
        " | cost: nothing -> $15500 a month"
    )
    bodies = named(configuration, "notifications")["dbaas-webhook"]["messages"]
    body = json.loads(jinja2.Template(bodies["error"]["body"]).render(context))
    assert body["result"] == job["artifacts"]
    # without an address or a token nothing is made, and nobody is told
    # AWX's context of a workflow has no artifacts, and of one that hides them a text
    for event in ("started", "success", "error"):
        for left in ({}, {"artifacts": "$hidden due to Ansible no_log flag$"}):
            bare = {**context, "job": {"id": 6, "name": 'dbaas-"x"', "status": "failed", **left}}
            assert json.loads(jinja2.Template(bodies[event]["body"]).render(bare))["name"] == 'dbaas-"x"'
            assert jinja2.Template(messages["error"]["message"]).render(bare).strip().endswith(bare["url"])
    assert data()["controller_notifications"] == []
    assert named(data(), "templates")["dbaas-plan-service"]["notification_templates_error"] == []


def test_a_credential_of_ones_own_is_not_looked_up() -> None:
    own = data(json.dumps({"awx_credential_inputs": {"dbaas-gitops": {"token": "t", "username": "u"}}}))
    assert named(own, "credentials")["dbaas-gitops"]["inputs"] == {
        "repository": "https://git.example.com/dbaas-gitops.git",
        "branch": "main",
        "token": "t",
        "username": "u",
    }
    targets = {item["target_credential"] for item in own["controller_credential_input_sources"]}
    assert "dbaas-gitops" not in targets
    assert "dbaas-kubeconfig" in targets


def test_all_of_it_is_applied_and_then_nothing_differs(double: Double, configuration: Json) -> None:
    written_by(double, configuration)
    assert not double.unknown
    assert drift(double, configuration)["drift"] == []
    template = one(double, "job_templates", "dbaas-provision-service")
    spec = double.by_hand("GET", f"job_templates/{template['id']}/survey_spec/")
    wanted = named(configuration, "templates")["dbaas-provision-service"]["survey_spec"]
    assert [question["variable"] for question in spec["spec"]] == [question["variable"] for question in wanted["spec"]]
    hooked = one(double, "job_templates", "dbaas-reconcile-claims")
    assert hooked["webhook_service"] == "github"


def test_without_a_git_host_nothing_is_hooked(double: Double) -> None:
    configuration = data(json.dumps({"awx_git_host": "", "awx_container_groups": False}))
    apply(double, configuration)
    assert one(double, "job_templates", "dbaas-reconcile-claims")["webhook_service"] == ""
    assert not one(double, "instance_groups", "lagos")["is_container_group"]


def test_every_template_can_be_launched_with_what_its_survey_needs(double: Double) -> None:
    configuration = data()
    apply(double, configuration)
    for template in configuration["controller_templates"]:
        answers = {
            name: question["choices"][:1] if question["type"] == "multiselect" else question.get("choices", ["abc"])[0]
            for name, question in asked(template).items()
            if question["required"]
        }
        path = f"job_templates/{one(double, 'job_templates', template['name'])['id']}/launch/"
        launched = double.by_hand("POST", path, {"extra_vars": answers})
        assert launched["ignored_fields"] == {}
        # what our rules fill in is what AWX does
        assert json.loads(launched["extra_vars"]) == survey.filled(template["survey_spec"], answers)


ORDER: Json = {"tenant": "acme", "service": "orders", "sku": "scy-ring-9", "region": "lagos"}


@pytest.mark.parametrize("decision", ["", "approve", "deny"])
def test_a_double_of_awx_runs_the_workflow_that_provisions(decision: str) -> None:
    ran: list[tuple[str, Json]] = []

    def runner(run: Run) -> str:
        ran.append((run.name, dict(run.variables)))
        run.artifacts["dbaas_result"] = {"text": [f"what {run.name} left"]}
        # whether somebody must approve is what the gate alone finds out
        return "failed" if decision and run.variables.get("gate") == "true" else "successful"

    with Double(playbooks=PLAYBOOKS, runner=runner) as awx:
        apply(awx, data())
        workflow = one(awx, "workflow_job_templates", "dbaas-provision")["id"]
        order = {"extra_vars": {**ORDER, survey.KEY: "order-1"}}
        number = awx.by_hand("POST", f"workflow_job_templates/{workflow}/launch/", order)["id"]
        if decision:
            awx.settle()
            (approval,) = awx.by_hand("GET", "workflow_approvals/?status=pending")["results"]
            assert 'end of job "gate"' in approval["summary_fields"]["workflow_approval_template"]["description"]
            awx.by_hand("POST", f"workflow_approvals/{approval['id']}/{decision}/")
        status = awx.wait_for(number)["status"]
    names = [name.removeprefix("dbaas-") for name, _variables in ran]
    after = ["provision-service", "wait-for-service", "verify-service"]
    assert names == ["plan-service", "plan-service", *([] if decision == "deny" else after)]
    assert status == ("failed" if decision == "deny" else "successful")
    for name, variables in ran:
        # what the survey asked for reaches every job, and what a node gives just its own
        assert {key: variables[key] for key in ORDER} == ORDER
        assert variables[survey.KEY] == "order-1"
        assert variables.get("dbaas_wait", "-") == ("false" if name == "dbaas-provision-service" else "-")
    assert [variables["gate"] for _name, variables in ran[:2]] == ["false", "true"]
    assert ran[1][1]["approval_limit_usd"] == 5000

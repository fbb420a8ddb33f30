# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""awx_configuration against the double of AWX's API: what it writes, what it leaves, what it says."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import KINDS
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_configuration
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.awx import Double

Json = dict[str, Any]


def survey() -> Json:
    return {
        "name": "Database",
        "description": "",
        "spec": [
            {
                "question_name": "Engine",
                "question_description": "",
                "variable": "engine",
                "type": "multiplechoice",
                "required": True,
                "choices": ["scylla", "yugabyte"],
                "default": "scylla",
            },
            {
                "question_name": "Replicas",
                "question_description": "",
                "variable": "replicas",
                "type": "integer",
                "required": False,
                "min": 1,
                "max": 9,
                "default": 3,
            },
        ],
    }


def configuration() -> Json:
    """One of every kind, in the shapes of infra.aap_configuration."""
    return {
        "controller_schedules": [
            {
                "name": "nightly",
                "unified_job_template": "provision",
                "organization": "DBaaS",
                "rrule": "DTSTART;TZID=Africa/Lagos:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1",
                "extra_data": {"engine": "scylla"},
            }
        ],
        "controller_roles": [
            {"team": "operators", "job_templates": ["provision", "wait"], "roles": ["execute", "read"]},
            {"team": "operators", "workflow": "order", "role": "approval", "lookup_organization": "DBaaS"},
            {"user": "alice", "target_team": "operators", "role": "member"},
        ],
        "controller_workflows": [
            {
                "name": "order",
                "organization": "DBaaS",
                "ask_variables_on_launch": "yes",
                "survey_enabled": True,
                "survey": survey(),
                "notification_templates_approvals": ["hook"],
                "simplified_workflow_nodes": [
                    {
                        "identifier": "approve",
                        "approval_node": {"name": "Order?", "description": "Look at the job before", "timeout": 600},
                        "success_nodes": ["deliver"],
                    },
                    {"identifier": "deliver", "unified_job_template": "provision", "always_nodes": ["check"]},
                    {"identifier": "check", "unified_job_template": "wait", "all_parents_must_converge": True},
                ],
            }
        ],
        "controller_templates": [
            {
                "name": "provision",
                "project": "content",
                "inventory": "platform",
                "playbook": "provision.yml",
                "execution_environment": "dbaas-ee",
                "credentials": ["git", {"name": "api", "credential_type": {"name": "API"}}],
                "labels": ["database"],
                "instance_groups": ["lagos"],
                "extra_vars": {"dbaas_wait": False},
                "survey_enabled": True,
                "survey_spec": survey(),
                "ask_variables_on_launch": True,
                "notification_templates_error": ["hook"],
            },
            {"name": "wait", "project": "content", "inventory": "platform", "playbook": "wait.yml"},
        ],
        "controller_inventory_sources": [
            {
                "name": "from-git",
                "inventory": "platform",
                "organization": "DBaaS",
                "source": "scm",
                "source_project": "content",
                "source_path": "inventory/hosts.yml",
                "update_on_launch": True,
            }
        ],
        "controller_groups": [{"name": "pops", "inventory": "platform", "hosts": ["lagos-1"]}],
        "controller_hosts": [{"name": "lagos-1", "inventory": "platform", "variables": {"pop": "lagos"}}],
        "controller_inventories": [{"name": "platform", "organization": "DBaaS", "variables": {"region": "africa"}}],
        "controller_projects": [
            {
                "name": "content",
                "organization": "DBaaS",
                "scm_type": "git",
                "scm_url": "https://git.example.test/dbaas.git",
                "scm_branch": "main",
                "scm_clean": "no",
                "credential": {"name": "git-read", "organization": {"name": "DBaaS"}},
            }
        ],
        "controller_notifications": [
            {
                "name": "hook",
                "organization": "DBaaS",
                "notification_type": "webhook",
                "notification_configuration": {
                    "url": "https://hooks.example.test/awx",
                    "headers": {"X-From": "awx"},
                    "username": "awx",
                    "password": "hook-secret-1",
                },
                "messages": {"success": {"body": '{"state": "{  { job.status }}"}'}},
            }
        ],
        "controller_credential_input_sources": [
            {
                "target_credential": "api",
                "input_field_name": "token",
                "source_credential": "vault",
                "metadata": {"secret_path": "dbaas/api", "secret_key": "token"},
            }
        ],
        "controller_credentials": [
            {
                "name": "git",
                "organization": "DBaaS",
                "credential_type": "GitOps",
                "inputs": {"url": "https://git.example.test/gitops.git", "token": "git-secret-1"},
            },
            {"name": "api", "organization": "DBaaS", "credential_type": "API", "inputs": {"url": "https://a.test"}},
            {
                "name": "git-read",
                "organization": "DBaaS",
                "credential_type": "Source Control",
                "inputs": {"username": "reader", "password": "scm-secret-1"},
            },
            {
                "name": "vault",
                "organization": "DBaaS",
                "credential_type": "HashiCorp Vault Secret Lookup",
                "inputs": {"url": "https://vault.example.test", "token": "vault-secret-1", "api_version": "v2"},
            },
        ],
        "controller_credential_types": [
            {
                "name": name,
                "kind": "cloud",
                "inputs": {
                    "fields": [
                        {"id": "url", "type": "string", "label": "URL"},
                        {"id": "token", "type": "string", "label": "Token", "secret": True},
                    ],
                    "required": ["url"],
                },
                "injectors": {"env": {f"{name.upper()}_URL": "{  { url }}", f"{name.upper()}_TOKEN": "{  { token }}"}},
            }
            for name in ("GitOps", "API")
        ],
        "controller_labels": [{"name": "database", "organization": "DBaaS"}],
        "controller_execution_environments": [
            {"name": "dbaas-ee", "organization": "DBaaS", "image": "registry.example.test/dbaas:1", "pull": "missing"}
        ],
        "controller_instance_groups": [{"name": "lagos", "is_container_group": True, "max_forks": 10}],
        "controller_teams": [{"name": "operators", "organization": "DBaaS", "description": "who operates"}],
        "controller_user_accounts": [
            {"username": "alice", "password": "user-secret-1", "email": "alice@example.test", "organization": "DBaaS"}
        ],
        "controller_organizations": [
            {
                "name": "DBaaS",
                "description": "Databases",
                "default_environment": "dbaas-ee",
                "instance_groups": ["lagos"],
                "notification_templates_error": ["hook"],
            }
        ],
    }


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as awx:
        yield awx


def options(double: Double, **more: Any) -> Json:
    return {"controller_host": double.url, "controller_oauthtoken": double.token, "validate_certs": True, **more}


def apply(double: Double, given: Json, *, check: bool = False, diff: bool = False, **more: Any) -> Json:
    more = {"label": "dbaas", **more}
    run = Run(options(double, configuration=copy.deepcopy(given), **more), check=check, diff=diff)
    return awx_configuration.run(run)


def drift(double: Double, given: Json, **more: Any) -> Json:
    given = options(double, configuration=copy.deepcopy(given), **{"label": "dbaas", "fail": False, **more})
    return awx_configuration.info(Run(given))


def writes(double: Double) -> list[str]:
    return [f"{call.method} {call.path}" for call in double.writes]


def shape(written: list[str]) -> list[str]:
    """Writes without what stands for ids."""
    return sorted(re.sub(r"/(<[^>]*>|\d+)/", "/*/", line) for line in written)


def written_by(double: Double, given: Json, **more: Any) -> list[str]:
    """What a run writes, after it was held against what check mode says, and a run after it writes nothing."""
    said = apply(double, given, check=True, **more)
    before = len(double.writes)
    done = apply(double, given, **more)
    assert not done.get("failed"), done["msg"]
    made = writes(double)[before:]
    assert shape(made) == shape(said["writes"])
    assert shape(made) == shape(done["writes"])
    after = len(double.writes)
    again = apply(double, given, **{**more, "update_secrets": False})
    assert (again["changed"], again["writes"], len(double.writes)) == (False, [], after)
    return made


def one(double: Double, kind: str, name: str) -> Json:
    """An object of the double, as its API shows it."""
    found: list[Json] = double.by_hand("GET", f"{kind}/?name={name}")["results"]
    assert len(found) == 1, found
    return found[0]


def what(report: Json) -> set[tuple[str, str, str]]:
    return {(item["code"], item["name"], item["what"]) for item in report["drift"]}


def test_the_first_run_makes_all_and_the_second_writes_nothing(double: Double) -> None:
    made = written_by(double, configuration())
    kinds = {line.split()[1].split("/")[0] for line in made if line.startswith("POST")}
    assert kinds == {
        "organizations", "users", "teams", "credential_types", "credentials", "credential_input_sources",
        "instance_groups", "execution_environments", "labels", "notification_templates", "projects", "inventories",
        "inventory_sources", "hosts", "groups", "job_templates", "workflow_job_templates",
        "workflow_job_template_nodes", "schedules", "roles",
    }  # fmt: skip
    assert not double.unknown
    assert drift(double, configuration())["drift"] == []
    assert one(double, "organizations", "DBaaS")["description"] == "Databases [dbaas]"
    template = one(double, "job_templates", "provision")
    assert template["description"] == ""
    assert {label["name"] for label in template["summary_fields"]["labels"]["results"]} == {"database", "dbaas"}
    assert {item["name"] for item in template["summary_fields"]["credentials"]} == {"git", "api"}
    kind = one(double, "credential_types", "API")
    assert kind["injectors"] == {"env": {"API_URL": "{{ url }}", "API_TOKEN": "{{ token }}"}}


def test_reads_take_one_call_for_each_page_and_each_sub_list(double: Double) -> None:
    apply(double, configuration())
    before = len(double.calls)
    apply(double, configuration())
    calls = [call for call in double.calls[before:] if call.method == "GET"]
    lists = [call.path.split("?")[0] for call in calls if call.path.split("?")[0].count("/") == 1]
    assert len(lists) == len(set(lists))
    below = [call.path.split("?")[0] for call in calls if call.path.split("?")[0].count("/") > 1]
    assert len(below) == len(set(below))
    # two surveys, links of the organization, group, template and workflow, roles of the team and the user
    assert len(below) < 20


def test_one_changed_question_is_one_write(double: Double) -> None:
    apply(double, configuration())
    given = configuration()
    given["controller_templates"][0]["survey_spec"]["spec"][1]["max"] = 7
    template = one(double, "job_templates", "provision")["id"]
    assert written_by(double, given) == [f"POST job_templates/{template}/survey_spec/"]


def test_what_is_not_said_is_left_as_it_is(double: Double) -> None:
    apply(double, configuration())
    template = one(double, "job_templates", "wait")["id"]
    double.by_hand("PATCH", f"job_templates/{template}/", {"forks": 7, "description": "by hand"})
    other = double.by_hand("POST", f"job_templates/{template}/labels/", {"name": "mine", "organization": 2})
    assert apply(double, configuration())["writes"] == []
    assert other["id"] in [
        label["id"] for label in double.by_hand("GET", f"job_templates/{template}/labels/")["results"]
    ]


def test_the_drift_report_names_what_was_changed_by_hand(double: Double) -> None:
    apply(double, configuration())
    ids = {name: one(double, "job_templates", name)["id"] for name in ("provision", "wait")}
    nodes = {node["identifier"]: node for node in double.by_hand("GET", "workflow_job_template_nodes/")["results"]}
    hook = one(double, "notification_templates", "hook")["id"]
    spec = double.by_hand("GET", f"job_templates/{ids['provision']}/survey_spec/")
    spec["spec"][0]["choices"] = ["scylla"]
    spec["spec"].append({**spec["spec"][1], "variable": "more", "question_name": "More"})
    double.by_hand("POST", f"job_templates/{ids['provision']}/survey_spec/", spec)
    path = f"workflow_job_template_nodes/{nodes['deliver']['id']}"
    double.by_hand("POST", f"{path}/always_nodes/", {"id": nodes["check"]["id"], "disassociate": True})
    double.by_hand("POST", f"{path}/failure_nodes/", {"id": nodes["check"]["id"]})
    stray = {"identifier": "stray", "unified_job_template": ids["wait"]}
    double.by_hand("POST", f"workflow_job_templates/{nodes['check']['workflow_job_template']}/workflow_nodes/", stray)
    gone = {"id": hook, "disassociate": True}
    double.by_hand("POST", f"job_templates/{ids['provision']}/notification_templates_error/", gone)
    double.by_hand("POST", f"job_templates/{ids['wait']}/notification_templates_success/", {"id": hook})
    team = one(double, "teams", "operators")["id"]
    roles = one(double, "job_templates", "wait")["summary_fields"]["object_roles"]
    double.by_hand("POST", f"roles/{roles['execute_role']['id']}/teams/", {"id": team, "disassociate": True})
    double.by_hand("POST", f"roles/{roles['admin_role']['id']}/teams/", {"id": team})
    double.by_hand("PATCH", f"job_templates/{ids['provision']}/", {"limit": "", "extra_vars": "dbaas_wait: true"})
    approval = nodes["approve"]["unified_job_template"]
    double.by_hand("PATCH", f"workflow_approval_templates/{approval}/", {"timeout": 5})
    double.by_hand("PATCH", f"projects/{one(double, 'projects', 'content')['id']}/", {"scm_branch": "hack"})
    double.by_hand("DELETE", f"schedules/{one(double, 'schedules', 'nightly')['id']}/")
    before = len(double.writes)
    report = drift(double, configuration())
    assert len(double.writes) == before
    assert what(report) == {
        ("differs", "provision", "survey_spec.engine.choices"),
        ("differs", "provision", "survey_spec.more"),
        ("differs", "deliver", "always_nodes.check"),
        ("differs", "deliver", "failure_nodes.check"),
        ("extra", "stray", ""),
        ("differs", "provision", "notification_templates_error.hook"),
        ("missing", "execute on job template wait (DBaaS) for team operators (DBaaS)", ""),
        ("extra", "admin on job template wait (DBaaS) for team operators (DBaaS)", ""),
        ("differs", "provision", "extra_vars"),
        ("differs", "approve", "approval_node.timeout"),
        ("differs", "content", "scm_branch"),
        ("missing", "nightly", ""),
    }
    choices = next(item for item in report["drift"] if item["what"] == "survey_spec.engine.choices")
    assert (choices["wanted"], choices["live"]) == ("scylla\nyugabyte", "scylla")
    failed = drift(double, configuration(), fail=True)
    assert (failed["failed"], failed["error"]["code"]) == (True, "drift-found")
    assert "survey_spec.engine.choices" in failed["msg"]
    written_by(double, configuration(), purge=True)
    assert drift(double, configuration())["drift"] == []


def test_what_somebody_else_made_is_never_touched(double: Double) -> None:
    double.by_hand("POST", "organizations/", {"name": "Mine"})
    mine = one(double, "organizations", "Mine")["id"]
    double.by_hand("POST", "inventories/", {"name": "own", "organization": mine})
    apply(double, configuration())
    ours = one(double, "organizations", "DBaaS")["id"]
    theirs = double.by_hand("POST", "inventories/", {"name": "theirs", "organization": ours, "variables": "a: 1"})
    before = double.by_hand("GET", f"inventories/{theirs['id']}/")
    apply(double, configuration(), purge=True)
    assert double.by_hand("GET", f"inventories/{theirs['id']}/") == before
    given = {"controller_inventories": [{"name": "theirs", "organization": "DBaaS", "variables": {"a": 2}}]}
    count = len(double.writes)
    with pytest.raises(DbaasError) as refused:
        apply(double, given)
    assert refused.value.code == "awx-foreign"
    assert "inventory theirs (DBaaS)" in str(refused.value)
    assert len(double.writes) == count
    assert ("differs", "theirs", "labels.dbaas") in what(drift(double, given))
    written_by(double, given, adopt=True)
    assert double.by_hand("GET", f"inventories/{theirs['id']}/")["variables"] == '{"a": 2}'


def test_purge_takes_only_what_is_ours_and_unused(double: Double) -> None:
    apply(double, configuration())
    template = one(double, "job_templates", "wait")
    api = one(double, "credentials", "api")["id"]
    foreign = double.by_hand(
        "POST",
        "job_templates/",
        {"name": "theirs", "project": template["project"], "inventory": template["inventory"], "playbook": "wait.yml"},
    )
    double.by_hand("POST", f"job_templates/{foreign['id']}/credentials/", {"id": api})
    less = {
        "controller_organizations": configuration()["controller_organizations"],
        "controller_execution_environments": configuration()["controller_execution_environments"],
        "controller_notifications": configuration()["controller_notifications"],
        "controller_instance_groups": configuration()["controller_instance_groups"],
    }
    said = apply(double, less, check=True, purge=True)
    kept = "\n".join(said["warnings"])
    for name in ("project content", "inventory platform", "credential api"):
        assert f"{name} (DBaaS) is not purged" in kept
    deleted = written_by(double, less, purge=True)
    assert all(line.startswith("DELETE ") for line in deleted)
    kinds = ("job_templates", "workflow_job_templates", "projects", "inventories", "teams", "credential_types")
    left = {
        kind: {item["name"] for item in double.by_hand("GET", f"{kind}/?page_size=200")["results"]} for kind in kinds
    }
    assert left["job_templates"] == {"theirs"}
    assert left["workflow_job_templates"] == left["teams"] == set()
    assert (left["projects"], left["inventories"]) == ({"content"}, {"platform"})
    assert "GitOps" not in left["credential_types"]
    assert "API" in left["credential_types"]
    assert double.by_hand("GET", f"job_templates/{foreign['id']}/")["inventory"] == template["inventory"]
    assert double.by_hand("GET", "users/?username=alice")["count"] == 1


def test_purge_without_anything_wanted_leaves_an_awx_as_it_was(double: Double) -> None:
    kinds = [kind.name for kind in KINDS.values() if kind.described and kind.variables]
    before = {
        kind: {item["id"] for item in double.by_hand("GET", f"{kind}/?page_size=200")["results"]} for kind in kinds
    }
    apply(double, configuration())
    apply(double, {"controller_labels": []}, purge=True)
    after = {
        kind: {item["id"] for item in double.by_hand("GET", f"{kind}/?page_size=200")["results"]} for kind in kinds
    }
    assert after == before


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 1, 4, 11, 17, 24, 33, 34, 40, 50, 52])
def test_a_run_that_is_killed_ends_as_it_should_when_it_is_run_again(
    double: Double, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    exchange = Awx._exchange
    left = after

    def killing(self: Awx, method: str, *args: Any, **more: Any) -> Any:
        nonlocal left
        if method in ("POST", "PATCH", "DELETE"):
            if left <= 0:
                raise Killed
            left -= 1
        return exchange(self, method, *args, **more)

    monkeypatch.setattr(Awx, "_exchange", killing)
    with pytest.raises(Killed):
        apply(double, configuration())
    monkeypatch.undo()
    assert len(double.writes) == after
    rest = written_by(double, configuration())
    assert len(rest) == 53 - after
    assert drift(double, configuration())["drift"] == []

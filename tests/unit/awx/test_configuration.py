# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""awx_configuration against the double of AWX's API: what it writes, what it leaves, what it says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients import awx as clients
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import KINDS
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_configuration
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.awx import Double
from tests.unit.awx.configuring import (
    apply,
    configuration,
    drift,
    one,
    options,
    shape,
    survey,
    what,
    writes,
    written_by,
)

Json = dict[str, Any]


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as awx:
        yield awx


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


def test_a_secret_is_written_when_it_has_changed_and_never_shown(double: Double) -> None:
    first = apply(double, configuration(), diff=True)
    git = one(double, "credentials", "git")
    assert git["description"].startswith("[dbaas ")
    given = configuration()
    given["controller_credentials"][0]["inputs"]["token"] = "git-secret-2"
    given["controller_notifications"][0]["notification_configuration"]["password"] = "hook-secret-2"
    said = apply(double, given, check=True, diff=True)
    report = drift(double, given)
    assert what(report) == {
        ("differs", "git", "inputs.token"),
        ("differs", "hook", "notification_configuration.password"),
    }
    hook = one(double, "notification_templates", "hook")["id"]
    expected = [f"PATCH credentials/{git['id']}/", f"PATCH notification_templates/{hook}/"]
    assert sorted(written_by(double, given)) == expected
    # the two go at once, in either order
    sent = {call.path.partition("/")[0]: call.body for call in double.writes[-2:]}
    assert "git-secret-2" in json.dumps(sent)
    url = "https://git.example.test/gitops.git"
    assert sent["credentials"]["inputs"].get("url", url) == url
    assert "-secret-" not in json.dumps([first, said, report])
    assert one(double, "credentials", "git")["description"] != git["description"]
    stored = double.store.rows["credentials"][git["id"]]
    assert "git-secret-2" in json.dumps(stored)


def test_secrets_without_a_fingerprint_are_written_on_request(double: Double) -> None:
    apply(double, configuration(), label="")
    given = configuration()
    given["controller_credentials"][0]["inputs"]["token"] = "git-secret-2"
    given["controller_user_accounts"][0]["password"] = "user-secret-2"
    given["controller_user_accounts"][0]["update_secrets"] = False
    assert apply(double, given, label="")["writes"] == []
    made = written_by(double, given, label="", update_secrets=True)
    credentials = {item["name"]: item["id"] for item in double.by_hand("GET", "credentials/")["results"]}
    hook = one(double, "notification_templates", "hook")["id"]
    names = ("git", "git-read", "vault")
    expected = [f"PATCH credentials/{credentials[name]}/" for name in names] + [f"PATCH notification_templates/{hook}/"]
    assert sorted(made) == sorted(expected)


def test_a_changed_input_keeps_the_secret_beside_it(double: Double) -> None:
    apply(double, configuration())
    given = configuration()
    given["controller_credentials"][0]["inputs"] = {"url": "https://new.example.test", "token": "$encrypted$"}
    written_by(double, given)
    live = one(double, "credentials", "git")
    assert live["inputs"] == {"url": "https://new.example.test", "token": "$encrypted$"}
    assert "git-secret-1" in json.dumps(double.store.rows["credentials"][live["id"]])


@pytest.mark.parametrize("label", ["", "dbaas"])
def test_an_export_applied_to_the_same_awx_writes_nothing(double: Double, label: str) -> None:
    apply(double, configuration())
    job = double.by_hand("GET", "system_job_templates/")["results"][0]
    rule = "DTSTART:20300101T030000Z RRULE:FREQ=DAILY;INTERVAL=1"
    double.by_hand("POST", "schedules/", {"name": "clean", "rrule": rule, "unified_job_template": job["id"]})
    source = one(double, "inventory_sources", "from-git")
    brought = double.by_hand("POST", "groups/", {"name": "brought", "inventory": source["inventory"]})
    double.store.rows["groups"][brought["id"]]["_sources"] = [source["id"]]
    before = len(double.writes)
    held = awx_configuration.info(Run(options(double, export=True, label=label)))["configuration"]
    assert set(held) == set(configuration()) - ({"controller_user_accounts"} if label else set())
    assert [group["name"] for group in held["controller_groups"]] == ["pops"]
    assert "-secret-" not in json.dumps(held)
    assert apply(double, held, label=label, purge=bool(label))["writes"] == []
    assert len(double.writes) == before
    if label:
        assert "[dbaas" not in json.dumps(held)
        with Double() as other:
            organizations: Json = {"controller_organizations": [{"name": "DBaaS", "description": "Databases"}]}
            users = "controller_user_accounts"
            rest = {**organizations, users: configuration()[users]}
            apply(other, rest)
            done = apply(other, held)
            assert not done.get("failed"), done["msg"]
            assert apply(other, held)["writes"] == []
            assert "credential git (DBaaS) is made without token" in "\n".join(done["warnings"])
            secrets = {("git", "inputs.token"), ("git-read", "inputs.password"), ("vault", "inputs.token")}
            secrets |= {("hook", "notification_configuration.password")}
            missing = ("missing", "member on team operators (DBaaS) for user alice", "")
            assert what(drift(other, configuration())) == {("differs", *each) for each in secrets} | {missing}


def test_everything_that_is_wrong_is_named_at_once_before_any_write(double: Double) -> None:
    given = configuration()
    template, workflow = given["controller_templates"][0], given["controller_workflows"][0]
    template |= {
        "inventory": "platfrom",
        "job_type": "runn",
        "forks": "many",
        "become_enabld": True,
        "credentials": ["git", "gone"],
        "labels": "databse",
        "survey_spec": {"spec": [{"question_name": "E", "variable": "e", "type": "chioce"}]},
    }
    workflow["simplified_workflow_nodes"][0]["success_nodes"] = ["delivre"]
    workflow["simplified_workflow_nodes"][1]["unified_job_template"] = "provison"
    given["controller_notifications"][0]["notification_configuration"] = {"ulr": "https://x", "headers": {}}
    given["controller_credentials"][0]["inputs"] = {"tokn": "canary-1"}
    given["controller_roles"] = [{"team": "operatorz", "role": "execute", "job_template": "wait"}]
    given["controller_tempates"] = []
    given["controller_hosts"][0]["variables"] = "a: ["
    with pytest.raises(InvalidFields) as refused:
        apply(double, given)
    assert refused.value.code == "awx-configuration-invalid"
    found = {error.path: error.nearest for error in refused.value.errors}
    assert found == {
        "controller_tempates": "controller_templates",
        "controller_templates[provision].inventory": "platform",
        "controller_templates[provision].job_type": "run",
        "controller_templates[provision].forks": None,
        "controller_templates[provision].become_enabld": "become_enabled",
        "controller_templates[provision].credentials[1]": None,
        "controller_templates[provision].labels[0]": "database",
        "controller_templates[provision].survey_spec.spec[0].type": None,
        "controller_templates[provision].survey_spec.spec[0].required": None,
        "controller_workflows[order].workflow_nodes[approve].success_nodes[0]": "deliver",
        "controller_workflows[order].workflow_nodes[deliver].unified_job_template": "provision",
        "controller_notifications[hook].notification_configuration.ulr": "url",
        "controller_notifications[hook].notification_configuration.url": None,
        "controller_credentials[git].inputs.tokn": "token",
        "controller_roles[0].team": "operators",
        "controller_hosts[lagos-1].variables": None,
    }
    assert "canary" not in str(refused.value)
    assert double.writes == []


def test_names_are_looked_for_in_the_organization_first(double: Double) -> None:
    apply(double, configuration())
    more = configuration()
    more["controller_organizations"].append({"name": "Other"})
    more["controller_inventories"].append({"name": "platform", "organization": "Other"})
    more["controller_teams"].append({"name": "operators", "organization": "Other"})
    with pytest.raises(InvalidFields) as refused:
        apply(double, more)
    paths = [error.path for error in refused.value.errors]
    assert paths == [
        "controller_hosts[lagos-1].inventory",
        "controller_groups[pops].inventory",
        "controller_roles[0].team",
        "controller_roles[2].target_team",
    ]
    for name in ("controller_roles", "controller_hosts", "controller_groups"):
        del more[name]
    made = written_by(double, more)
    assert {line.split("/")[0] for line in made} == {
        "POST organizations",
        "POST inventories",
        "POST teams",
        "POST labels",
    }
    assert one(double, "job_templates", "wait")["summary_fields"]["inventory"]["name"] == "platform"


def test_what_fails_holds_up_only_what_depends_on_it(double: Double) -> None:
    double.fail("POST", "^notification_templates/", "403", times=1)
    result = apply(double, configuration())
    assert (result["failed"], result["changed"], result["error"]["code"]) == (True, True, "awx-forbidden")
    applied = {(item["action"], item["name"]) for item in result["applied"]}
    missing = {(item["action"], item["name"]): item["reason"] for item in result["not_applied"]}
    assert ("create", "provision") in applied
    assert ("create", "nightly") in applied
    assert set(missing) == {("create", "hook"), ("link", "provision"), ("link", "order"), ("link", "DBaaS")}
    assert missing["link", "order"] == "create notification template hook (DBaaS) failed"
    assert "not tried: link workflow order (DBaaS): create notification template hook (DBaaS) failed" in result["msg"]
    assert shape(writes(double)) == shape(result["writes"])
    assert len(written_by(double, configuration())) == 4


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("^job_templates/$", "swallow"),
        ("^workflow_job_template_nodes/$", "swallow"),
        ("create_approval_template", "swallow"),
        ("survey_spec", "swallow"),
        ("^credentials/$", "truncated"),
        ("^job_templates/$", "502"),
        ("^credential_input_sources/$", "refuse"),
        ("^inventories/$", "429"),
    ],
)
def test_a_write_whose_answer_is_lost_is_made_once(double: Double, path: str, how: str) -> None:
    double.fail("POST", path, how, times=2, seconds=0.1)
    done = apply(double, configuration())
    assert not done.get("failed"), done["msg"]
    assert apply(double, configuration())["writes"] == []
    for kind in KINDS.values():
        if kind.variables or kind.name == "workflow_job_template_nodes":
            names = [
                (item.get("name") or item.get("identifier"), item.get("organization"))
                for item in double.by_hand("GET", f"{kind.name}/?page_size=200")["results"]
            ]
            assert kind.identity[0] != "name" or len(names) == len(set(names)), kind.name
    assert len(double.store.rows.get("workflow_approval_templates", {})) == 1


def test_a_token_that_expires_on_the_way_stops_it_and_says_where(double: Double) -> None:
    apply(double, {"controller_organizations": [{"name": "DBaaS"}]})
    double.fail("POST", "^(projects|inventories)/", "401", times=50)
    result = apply(double, configuration())
    assert result["error"]["code"] == "awx-unauthorized"
    assert result["applied"]
    tried = [call for call in double.writes if call.status == 401]
    assert 1 <= len(tried) <= 2
    double.faults.clear()
    written_by(double, configuration())
    assert drift(double, configuration())["drift"] == []


@pytest.mark.parametrize(("how", "code"), [("401", "awx-unauthorized"), ("html", "awx-answer-invalid")])
def test_reading_that_fails_writes_nothing(double: Double, how: str, code: str) -> None:
    double.fail("GET", "^projects/", how, times=50)
    with pytest.raises(DbaasError) as failed:
        apply(double, configuration())
    assert failed.value.code == code
    assert double.writes == []


def test_reading_that_fails_for_a_moment_goes_on(double: Double) -> None:
    for how in ("429", "500", "truncated", "refuse"):
        double.fail("GET", "^(projects|credentials|inventories)/", how, seconds=0.1)
    assert not apply(double, configuration()).get("failed")


def fetching(double: Double, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Lets AWX take its time to fetch projects."""
    fetched = double.jobs._synced

    def slowly(*given: Any) -> str:
        time.sleep(seconds)
        return fetched(*given)

    monkeypatch.setattr(double.jobs, "_synced", slowly)


def test_templates_wait_for_their_project(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    fetching(double, monkeypatch, 1.0)
    monkeypatch.setattr(awx_configuration, "_TELL", 0.3)
    told: list[str] = []
    given = options(double, configuration=configuration(), label="dbaas")
    done = awx_configuration.run(Run(given, progress=told.append))
    assert not done.get("failed"), done["msg"]
    assert any("project content (DBaaS): AWX is fetching it" in line for line in told)
    assert any("writes are done" in line for line in told)


def test_a_project_that_takes_too_long_is_said(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    fetching(double, monkeypatch, 2.0)
    result = apply(double, configuration(), wait_timeout=1)
    assert result["error"]["code"] == "awx-fetch-timeout"
    assert {(item["action"], item["name"]) for item in result["not_applied"]} >= {
        ("fetch", "content"),
        ("create", "wait"),
    }
    double.settle()
    written_by(double, configuration())


def test_a_project_that_cannot_be_fetched_is_said_with_the_reason(double: Double) -> None:
    given = configuration()
    given["controller_projects"][0]["scm_url"] = "file:///srv/git/does-not-exist.git"
    result = apply(double, given)
    assert result["error"]["code"] == "awx-fetch-failed"
    assert "project content (DBaaS): its update is failed" in result["msg"]
    assert "does not appear to be a git repository" in result["msg"] or "fatal" in result["msg"]
    assert ("create", "from-git") in {(item["action"], item["name"]) for item in result["applied"]}
    assert written_by(double, configuration())[0].startswith("PATCH projects/")


def test_a_playbook_that_the_project_lacks_is_said(double: Double) -> None:
    given = configuration()
    given["controller_templates"][1]["playbook"] = "wiat.yml"
    result = apply(double, given)
    assert result["error"]["code"] == "awx-fetch-failed"
    assert "has no playbook wiat.yml" in result["msg"]
    assert "nearest: wait.yml" in result["msg"]
    assert ("create", "provision") in {(item["action"], item["name"]) for item in result["applied"]}


def test_a_new_playbook_is_fetched_first(double: Double) -> None:
    apply(double, configuration())
    double.settle()
    double.jobs.playbooks = [*double.jobs.playbooks, "new.yml"]
    given = configuration()
    new = {"name": "new", "project": "content", "inventory": "platform", "playbook": "new.yml"}
    given["controller_templates"].append(new)
    project = one(double, "projects", "content")["id"]
    made = written_by(double, given)
    assert made[:2] == [f"POST projects/{project}/update/", "POST job_templates/"]


def test_a_project_without_an_update_is_told(double: Double) -> None:
    given = {
        "controller_organizations": [{"name": "DBaaS"}],
        "controller_projects": [{"name": "by-hand", "organization": "DBaaS", "scm_type": "", "local_path": "dbaas"}],
        "controller_inventories": [{"name": "platform", "organization": "DBaaS"}],
        "controller_templates": [{"name": "t", "project": "by-hand", "inventory": "platform", "playbook": "site.yml"}],
    }
    assert "project by-hand (DBaaS) is not fetched by AWX" in apply(double, given, check=True)["warnings"][0]


def test_what_running_jobs_use_is_not_deleted_and_the_jobs_are_named() -> None:
    started, go_on = threading.Event(), threading.Event()

    def running(_run: Any) -> None:
        started.set()
        go_on.wait(10)

    with Double(runner=running) as double:
        apply(double, configuration())
        template = one(double, "job_templates", "wait")["id"]
        job = double.by_hand("POST", f"job_templates/{template}/launch/", {})
        assert started.wait(5)
        less = configuration()
        del less["controller_templates"][1], less["controller_workflows"]
        less["controller_roles"] = [{"team": "operators", "job_template": "provision", "roles": ["execute", "read"]}]
        result = apply(double, less, purge=True)
        assert result["error"]["code"] == "awx-in-use"
        assert f"job template wait (DBaaS) is used by running jobs: job {job['job']}" in result["msg"]
        assert double.by_hand("GET", "workflow_job_templates/")["count"] == 0
        go_on.set()
        double.settle()
        assert written_by(double, less, purge=True) == [f"DELETE job_templates/{template}/"]


def test_an_inventory_that_awx_is_still_deleting_is_waited_for(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "controller_organizations": [{"name": "DBaaS"}],
        "controller_inventories": [{"name": "platform", "organization": "DBaaS"}],
    }
    apply(double, given)
    old = one(double, "inventories", "platform")["id"]
    double.store.rows["inventories"][old]["pending_deletion"] = True
    looked: list[str] = []
    get = Awx.get

    def looking(self: Awx, path: str, **query: Any) -> Json:
        if path == f"inventories/{old}/":
            looked.append(path)
            if len(looked) == 2:
                double.by_hand("DELETE", path)
        return get(self, path, **query)

    monkeypatch.setattr(Awx, "get", looking)
    done = apply(double, given)
    assert not done.get("failed"), done["msg"]
    assert len(looked) >= 2
    assert one(double, "inventories", "platform")["id"] != old


def test_nodes_are_created_changed_linked_anew_and_deleted(double: Double) -> None:
    apply(double, configuration())
    given = configuration()
    nodes = given["controller_workflows"][0]["simplified_workflow_nodes"]
    # the other way round: with the old links left the new ones would close a circle
    nodes[0] = {"identifier": "approve", "unified_job_template": "content"}
    nodes[1] = {"identifier": "deliver", "unified_job_template": "provision", "success_nodes": ["approve"]}
    nodes[2] = {"identifier": "tell", "unified_job_template": "wait", "failure_nodes": ["deliver"]}
    made = written_by(double, given)
    live = {item["identifier"]: item for item in double.by_hand("GET", "workflow_job_template_nodes/")["results"]}
    assert set(live) == {"approve", "deliver", "tell"}
    assert live["tell"]["failure_nodes"] == [live["deliver"]["id"]]
    assert live["deliver"]["success_nodes"] == [live["approve"]["id"]]
    assert live["approve"]["summary_fields"]["unified_job_template"]["name"] == "content"
    assert sum(line.startswith("DELETE") for line in made) == 1


def test_the_order_of_instance_groups_counts(double: Double) -> None:
    given = configuration()
    given["controller_instance_groups"].append({"name": "frankfurt", "is_container_group": True})
    given["controller_templates"][0]["instance_groups"] = ["lagos", "frankfurt"]
    apply(double, given)
    given["controller_templates"][0]["instance_groups"] = ["frankfurt", "lagos"]
    assert len(written_by(double, given)) == 4
    template = one(double, "job_templates", "provision")["id"]
    names = [item["name"] for item in double.by_hand("GET", f"job_templates/{template}/instance_groups/")["results"]]
    assert names == ["frankfurt", "lagos"]


def test_the_source_of_a_constructed_inventory_is_awx_own_to_make(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "Auto-created source for: all"
    given: Json = {
        "controller_organizations": [{"name": "DBaaS"}],
        "controller_inventories": [
            {"name": "lagos", "organization": "DBaaS"},
            {"name": "all", "organization": "DBaaS", "kind": "constructed", "input_inventories": "lagos"},
        ],
        "controller_inventory_sources": [
            {
                "name": name,
                "inventory": "all",
                "limit": "pops",
                "source_vars": {"plugin": "ansible.builtin.constructed"},
            }
        ],
    }
    post = Awx.post

    def making(self: Awx, path: str, body: Json, **more: Any) -> Any:
        made = post(self, path, body, **more)
        if path == "inventories/" and body.get("kind") == "constructed":
            # the double does not do what AWX does then
            source = {"name": name, "inventory": (made or {})["id"], "source": "constructed"}
            double.by_hand("POST", "inventory_sources/", source)
        return made

    monkeypatch.setattr(Awx, "post", making)
    made = written_by(double, given)
    source = one(double, "inventory_sources", name)
    assert f"PATCH inventory_sources/{source['id']}/" in made
    assert (source["limit"], source["description"]) == ("pops", "")
    assert apply(double, given, purge=True)["writes"] == []
    del given["controller_inventory_sources"], given["controller_inventories"][1]
    inventory = one(double, "inventories", "all")["id"]
    assert written_by(double, given, purge=True) == [f"DELETE inventories/{inventory}/"]


def test_entries_can_be_absent_and_be_renamed(double: Double) -> None:
    apply(double, configuration())
    template = one(double, "job_templates", "wait")["id"]
    given: Json = {"controller_templates": [{"name": "wait", "organization": "DBaaS", "new_name": "await"}]}
    assert written_by(double, given) == [f"PATCH job_templates/{template}/"]
    assert one(double, "job_templates", "await")["id"] == template
    given = {
        "controller_templates": [{"name": "await", "organization": "DBaaS", "state": "absent"}],
        "controller_roles": [{"team": "operators", "job_template": "provision", "role": "read", "state": "absent"}],
    }
    # neither needs the other
    assert shape(written_by(double, given)) == ["DELETE job_templates/*/", "POST roles/*/teams/"]


def test_forms_of_an_awxkit_export_are_taken(double: Double) -> None:
    apply(double, configuration())
    organization = {"name": "DBaaS", "type": "organization"}
    template = {"name": "provision", "type": "job_template", "organization": organization}
    given: Json = {
        "controller_workflows": [
            {
                "name": "order",
                "organization": organization,
                "natural_key": {"name": "order", "type": "workflow_job_template", "organization": organization},
                "custom_virtualenv": None,
                "limit": None,
                "related": {
                    "labels": [],
                    "schedules": [
                        {"name": "weekly", "rrule": "DTSTART:20300101T030000Z RRULE:FREQ=WEEKLY;INTERVAL=1"},
                    ],
                    "notification_templates_approvals": [{"name": "hook", "organization": organization}],
                    "survey_spec": survey(),
                    "workflow_nodes": [
                        {
                            "identifier": "approve",
                            "related": {
                                "create_approval_template": {
                                    "name": "Order?",
                                    "description": "Look at the job before",
                                    "timeout": 600,
                                },
                                "success_nodes": [
                                    {"identifier": "deliver", "workflow_job_template": {"name": "order"}}
                                ],
                            },
                        },
                        {
                            "identifier": "deliver",
                            "unified_job_template": template,
                            "related": {"always_nodes": [{"identifier": "check"}]},
                        },
                        {
                            "identifier": "check",
                            "all_parents_must_converge": True,
                            "unified_job_template": {**template, "name": "wait"},
                        },
                    ],
                },
            }
        ],
        "controller_settings": {"settings": {}},
    }
    given["controller_workflows"][0]["related"]["schedules"][0]["extra_data"] = {"engine": "scylla"}
    assert written_by(double, given) == ["POST schedules/"]


def test_lists_of_an_awxkit_export_and_older_words_are_taken(double: Double) -> None:
    apply(double, configuration())
    organization = {"name": "DBaaS", "type": "organization"}
    role = {"type": "role", "name": "Execute"}
    template = {"name": "provision", "type": "job_template", "organization": organization}
    given: Json = {
        "controller_configuration_projects_async_retries": 60,
        "inventory": [{"name": "platform", "kind": "", "host_filter": None, "organization": organization}],
        "projects": [
            {
                "name": "content",
                "local_path": "_48__content",
                "scm_type": "git",
                "custom_virtualenv": None,
                "organization": organization,
                "scm_credential": "git-read",
                "related": {"schedules": [], "notification_templates_error": []},
            }
        ],
        "teams": [
            {
                "name": "operators",
                "description": "who operates",
                "organization": organization,
                "related": {"roles": [{**role, "content_object": template}]},
            }
        ],
        "users": [
            {
                "username": "alice",
                "password": "",
                "related": {"roles": [{**role, "name": "Project Admin", "content_object": organization}]},
                "natural_key": {"username": "alice", "type": "user"},
            }
        ],
        "job_templates": [
            {
                "name": "wait",
                "project": {"name": "content", "type": "project", "organization": organization},
                "inventory": {"name": "platform", "type": "inventory", "organization": organization},
                "ask_extra_vars": False,
                "ask_limit": "yes",
                "concurrent_jobs_enabled": False,
            }
        ],
    }
    made = written_by(double, given)
    wait = one(double, "job_templates", "wait")
    user = double.store.find("users", username="alice")["id"]
    assert sorted(made) == [f"PATCH job_templates/{wait['id']}/", f"POST users/{user}/roles/"]
    assert wait["ask_limit_on_launch"] is True
    given["users"][0]["related"]["roles"][0]["content_object"] = {**template, "name": "provison"}
    with pytest.raises(InvalidFields) as refused:
        apply(double, given)
    (error,) = refused.value.errors
    assert (error.path, error.nearest) == ("users[alice].roles[0].content_object", "provision")


def test_settings_are_written_where_they_differ(double: Double) -> None:
    given = {
        "controller_settings": [{"name": "DEFAULT_JOB_TIMEOUT", "value": 3600}, {"name": "MAX_FORKS", "value": 200}]
    }
    assert written_by(double, given) == ["PATCH settings/all/"]
    unseen = apply(double, {"controller_settings": {"SUBSCRIPTIONS_PASSWORD": "canary-1"}}, check=True, diff=True)
    assert unseen["writes"] == ["PATCH settings/all/"]
    assert "canary" not in str(unseen)
    with pytest.raises(InvalidFields) as refused:
        apply(double, {"controller_settings": {"MAX_FORK": 3}})
    assert refused.value.errors[0].nearest == "MAX_FORKS"


def test_src_is_a_file_or_a_folder(double: Double, tmp_path: Path) -> None:
    for name, content in configuration().items():
        (tmp_path / f"{name}.yml").write_text(documents.dump({name: content}))
    (tmp_path / "more.yaml").write_text("controller_teams: [{name: auditors, organization: DBaaS}]\n")
    done = awx_configuration.run(Run(options(double, src=str(tmp_path), label="dbaas")))
    assert not done.get("failed"), done["msg"]
    assert {team["name"] for team in double.by_hand("GET", "teams/")["results"]} == {"auditors", "operators"}
    report = awx_configuration.info(Run(options(double, src=str(tmp_path), label="dbaas")))
    assert report["drift"] == []


def test_what_an_export_hides_is_not_taken_for_a_secret(double: Double) -> None:
    hidden = "$encrypted$"
    given = configuration()
    given["controller_credentials"][0]["inputs"]["token"] = hidden
    given["controller_notifications"][0]["notification_configuration"]["password"] = hidden
    question = {"question_name": "P", "variable": "p", "type": "password", "required": False, "default": hidden}
    given["controller_templates"][0]["survey_spec"]["spec"].append(question)
    done = apply(double, given)
    assert not done.get("failed"), done["msg"]
    assert {warning.split(":")[0] for warning in done["warnings"]} == {
        "credential git (DBaaS) is made without token",
        "notification template hook (DBaaS) is made without password",
        "job template provision (DBaaS) is made without p",
    }
    assert hidden not in json.dumps([call.body for call in double.writes])
    assert apply(double, given)["writes"] == []
    slack = {"notification_type": "slack", "notification_configuration": {"channels": ["#a"], "token": hidden}}
    wrong = {
        "controller_notifications": [{"name": "chat", "organization": "DBaaS", **slack}],
        "controller_user_accounts": [{"username": "bob", "password": hidden}],
    }
    with pytest.raises(InvalidFields) as refused:
        apply(double, wrong)
    assert [error.path for error in refused.value.errors] == [
        "controller_user_accounts[bob].password",
        "controller_notifications[chat].notification_configuration.token",
    ]


def test_purge_wants_a_label(double: Double) -> None:
    with pytest.raises(InvalidFields) as refused:
        apply(double, configuration(), label="", purge=True)
    assert refused.value.errors[0].path == "label"
    assert double.writes == []


def test_a_label_is_words(double: Double) -> None:
    with pytest.raises(InvalidFields) as refused:
        apply(double, configuration(), label="db]aas")
    assert refused.value.code == "option-invalid"


def test_awx_behind_a_gateway_is_reached_by_its_prefix() -> None:
    given = {
        "controller_organizations": [{"name": "DBaaS"}],
        "controller_teams": [{"name": "t", "organization": "DBaaS"}],
    }
    with Double(prefix="/api/controller/") as double:
        made = awx_configuration.run(Run(options(double, configuration=given, controller_prefix="controller")))
        assert made["writes"] == ["POST organizations/", "POST teams/"]


def test_a_certificate_of_an_unknown_authority_is_refused_until_it_is_named() -> None:
    given = {"controller_organizations": [{"name": "DBaaS"}]}
    with Double(tls=True) as double:
        with pytest.raises(DbaasError) as refused:
            apply(double, given)
        assert refused.value.code == "awx-unreachable"
        assert "certificate" in refused.value.message
        assert double.writes == []
        trusted = options(double, configuration=given, controller_ca_cert=str(double.ca))
        assert awx_configuration.run(Run(trusted))["writes"] == ["POST organizations/"]


def test_an_awx_that_is_down_is_said(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PAUSES", (0.1,))
    double.server.shutdown()
    double.server.server_close()
    with pytest.raises(DbaasError) as failed:
        apply(double, configuration())
    assert failed.value.code == "awx-unreachable"

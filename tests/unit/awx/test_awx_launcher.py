"""Launching by AWX where AWX, the network or somebody else gets in between; and workflows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients import awx as client
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.survey import KEY
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import awx, base
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.awx import AwxLauncher
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import Request

from tests.awx import Run
from tests.unit.awx.launching import SURVEY, TEMPLATE, request, until
from tests.unit.awx.places import Played

Json = dict[str, Any]


def toy(run: Run) -> str | None:
    """What the toy does, without Ansible: `gate` holds it until it is cancelled, `words` let it fail."""
    asked = run.variables
    run.task("Do what was asked", {"msg": f"{asked['service']} is asked for"})
    if asked.get("gate"):
        run.canceled.wait(20)
    if asked.get("words"):
        run.task("Refuse", {"msg": asked["words"]}, outcome="failed")
        return None
    run.artifacts["dbaas_result"] = {"service": asked["service"], "by": run.name}
    return None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("PAUSE", 0.05), ("LOOK", 0.05), ("LOST", 1.0), ("PATIENCE", 5.0)):
        monkeypatch.setattr(awx, name, seconds)
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.01, 0.01))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Played]:
    with Played(tmp_path, runner=toy) as played:
        yield played
        assert played.awx.unknown == []


def launches(place: Played) -> list[str]:
    return [call.path for call in place.awx.writes if call.path.endswith("/launch/")]


def code_of(launcher: AwxLauncher, asked: Request) -> str:
    with pytest.raises(DbaasError) as caught:
        launcher.launch(asked)
    return caught.value.code


@pytest.mark.parametrize("how", ["swallow", "truncated"])
def test_where_the_answer_is_lost_there_is_one_job(place: Played, how: str) -> None:
    place.awx.fail("POST", "launch/$", how)
    launched = place.launcher().launch(request("orders", "key-1"))
    assert place.launcher().follow(launched.id, print, 60).result == {"service": "orders", "by": "dbaas-toy"}
    again = place.launcher().launch(request("orders", "key-1"))
    assert (again.id, again.found) == (launched.id, True)
    assert [str(job["id"]) for job in place.jobs()] == [launched.id]
    assert len(launches(place)) == 1


@pytest.mark.parametrize("how", ["refuse", "500", "502"])
def test_a_launch_that_awx_never_took_is_told_and_not_repeated(place: Played, how: str) -> None:
    place.awx.fail("POST", "launch/$", how)
    with pytest.raises(DbaasError) as caught:
        place.launcher().launch(request("orders", "key-1"))
    assert caught.value.code == "awx-unconfirmed"
    assert "no job bears the key 'key-1'" in str(caught.value)
    assert (place.jobs(), len(launches(place))) == ([], 1)
    # what the message says to do
    assert place.launcher().launch(request("orders", "key-1")).found is False
    assert len(place.jobs()) == 1


def test_without_a_key_a_lost_answer_is_told_at_once(place: Played) -> None:
    place.awx.fail("POST", "launch/$", "swallow")
    assert code_of(place.launcher(), request("orders")) == "awx-unconfirmed"
    assert len(launches(place)) == 1


def test_a_job_that_comes_late_is_waited_for(place: Played) -> None:
    place.awx.fail("POST", "launch/$", "swallow")
    # AWX is down when the job is looked for first
    place.awx.fail("GET", r"^jobs/\?", "503", times=5)
    launcher = place.launcher()
    before, looked = launcher._keyed, []

    def later(template: Any, key: str) -> list[Json]:
        looked.append(key)
        return [] if len(looked) == 1 else before(template, key)

    launcher._keyed = later  # type: ignore[method-assign]
    launched = launcher.launch(request("orders", "key-1"))
    assert [str(job["id"]) for job in place.jobs()] == [launched.id]


def test_of_two_launches_that_did_not_see_each_other_one_survives(
    place: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has launched; whoever is answered last cancels the later job."""
    asked = request("orders", "key-1", gate="shut")
    barrier = threading.Barrier(2)
    looked: set[str] = set()
    before = AwxLauncher._keyed

    def together(self: AwxLauncher, template: Any, key: str) -> list[Json]:
        found = before(self, template, key)
        if (name := threading.current_thread().name) not in looked and name.startswith("launcher"):
            looked.add(name)
            assert found == []
            barrier.wait(10)
        return found

    monkeypatch.setattr(AwxLauncher, "_keyed", together)
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda: ids.append(place.launcher().launch(asked).id), name=f"launcher-{number}")
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    first, second = place.jobs()
    assert len(launches(place)) == 2
    until(lambda: [job["status"] for job in place.jobs()][1] == "canceled")
    assert place.jobs()[0]["status"] == "running"
    assert str(first["id"]) in ids
    # one that was told of the second before the first was there follows the first
    told: list[str] = []
    place.launcher().cancel(str(first["id"]))
    assert place.launcher().follow(str(second["id"]), told.append, 60).id == str(first["id"])
    assert f"job {second['id']} made way for job {first['id']}, which bears the same key" in told


def test_what_somebody_relaunches_and_what_is_old_is_not_the_keys_job(place: Played) -> None:
    first = place.launcher().launch(request("orders", "key-1"))
    place.awx.wait_for(int(first.id))
    place.awx.by_hand("POST", f"jobs/{first.id}/relaunch/", {})
    assert place.launcher().launch(request("orders", "key-1")).id == first.id
    with place.awx.lock:
        for job in place.awx.store.rows["jobs"].values():
            job["created"] = "2020-01-01T00:00:00.000000Z"
    assert place.launcher().launch(request("orders", "key-1")).found is False


def test_a_prompt_that_awx_left_out_ends_the_job(place: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    # as if the template had changed after it was read
    monkeypatch.setattr(base, "unasked", lambda *_: [])
    asked = request("orders", "key-1", gate="shut", prompts={"scm_branch": "main"})
    with pytest.raises(DbaasError) as caught:
        place.launcher().launch(asked)
    assert caught.value.code == "awx-rejected"
    assert '{"scm_branch": "main"}' in str(caught.value)
    until(lambda: [job["status"] for job in place.jobs()] == ["canceled"])


def test_a_key_that_awx_would_leave_out_is_refused_before(place: Played) -> None:
    spec = {**SURVEY, "spec": [question for question in SURVEY["spec"] if question["variable"] != KEY]}
    place.awx.by_hand("POST", f"job_templates/{place.template}/survey_spec/", spec)
    with pytest.raises(DbaasError) as caught:
        place.launcher().launch(request("orders", "key-1"))
    assert "idempotency_key: given 'key-1'" in str(caught.value)
    assert launches(place) == []
    # a template that takes any variable takes the key too
    place.awx.by_hand("PATCH", f"job_templates/{place.template}/", {"ask_variables_on_launch": True})
    job = place.launcher().launch(request("orders", "key-1", more="x"))
    assert place.launcher().launch(request("orders", "key-1", more="x")).id == job.id


def test_awx_refuses_in_its_own_words_what_a_plan_refuses_too(place: Played) -> None:
    asked = request("", "", size="7", region="lagoss", secret="too-long-a-secret")
    told = []
    for call in (place.launcher().plan, place.launcher().launch):
        with pytest.raises(DbaasError) as caught:
            call(asked)
        assert caught.value.code == "answers-invalid"
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert told[0].count("\n  ") == 4
    assert "too-long-a-secret" not in told[0]
    assert [call.status for call in place.awx.writes] == [400]


@pytest.mark.parametrize(
    ("method", "path", "how", "times", "code"),
    [
        ("GET", "job_templates/", "401", 9, "awx-unauthorized"),
        ("POST", "launch/", "401", 9, "awx-unauthorized"),
        ("POST", "launch/", "403", 1, "awx-forbidden"),
        ("GET", "job_templates/", "503", 9, "awx-busy"),
        ("GET", "job_templates/", "truncated", 9, "awx-unreachable"),
        ("GET", "job_templates/", "html", 9, "awx-answer-invalid"),
        ("POST", "launch/", "429", 9, "awx-busy"),
    ],
)
def test_failures_have_their_codes(place: Played, method: str, path: str, how: str, times: int, code: str) -> None:
    place.awx.fail(method, path, how, times=times, seconds=0.01)
    assert code_of(place.launcher(), request("orders", "key-1")) == code
    assert place.jobs() == []


@pytest.mark.parametrize(
    ("method", "path", "how"),
    [("GET", "", "503"), ("GET", "", "truncated"), ("GET", "", "429"), ("POST", "launch/", "429")],
)
def test_what_passes_is_tried_again(place: Played, method: str, path: str, how: str) -> None:
    place.awx.fail(method, path, how, times=2, seconds=0.01)
    launched = place.launcher().launch(request("orders", "key-1"))
    assert place.launcher().follow(launched.id, print, 60).status == "successful"
    assert len(place.jobs()) == 1


def test_awx_is_down(place: Played) -> None:
    nowhere = AwxLauncher(Awx("http://127.0.0.1:9", token="x", timeout=1))
    assert code_of(nowhere, request("orders", "key-1")) == "awx-unreachable"


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    with Played(tmp_path, runner=toy, tls=True) as place:
        stranger = AwxLauncher(Awx(place.awx.url, token=place.awx.token))
        with pytest.raises(DbaasError) as caught:
            stranger.launch(request("orders", "key-1"))
        assert caught.value.code == "awx-unreachable"
        assert "certificate" in str(caught.value)
        launched = place.launcher().launch(request("orders", "key-1"))
        assert place.launcher().follow(launched.id, print, 60).status == "successful"


def test_behind_a_gateway(tmp_path: Path) -> None:
    with Played(tmp_path, runner=toy, prefix="/api/controller/") as place:
        launcher = AwxLauncher(Awx(place.awx.url, token=place.awx.token, prefix="controller"))
        launched = launcher.launch(request("orders", "key-1"))
        assert launcher.follow(launched.id, print, 60).status == "successful"
        assert launcher.launch(request("orders", "key-1")).found


def test_awx_may_be_silent_for_a_while(place: Played) -> None:
    launched = place.launcher().launch(request("orders", "key-1"))
    place.awx.fail("GET", "^jobs/", "503", times=6)
    told: list[str] = []
    assert place.launcher().follow(launched.id, told.append, 60).status == "successful"
    assert any(line.startswith("AWX does not answer: ") for line in told)
    # a token that expires meanwhile does not pass
    place.awx.fail("GET", "^jobs/", "401")
    with pytest.raises(DbaasError) as caught:
        place.launcher().follow(launched.id, print, 60)
    assert caught.value.code == "awx-unauthorized"


def test_awx_may_not_be_silent_for_ever(place: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awx, "PATIENCE", 0.2)
    launched = place.launcher().launch(request("orders", "key-1"))
    place.awx.fail("GET", "^jobs/", "503", times=1000)
    with pytest.raises(DbaasError) as caught:
        place.launcher().follow(launched.id, print, 60)
    assert caught.value.code == "awx-busy"


def test_a_name_in_two_organizations(place: Played) -> None:
    other = place.awx.by_hand("POST", "organizations/", {"name": "Other"})["id"]
    place.awx.by_hand("POST", "inventories/", {"name": "spare", "organization": other})
    project = place.awx.by_hand(
        "POST", "projects/", {"name": "P", "organization": other, "scm_type": "git", "scm_url": "https://x/y.git"}
    )
    place.awx.settle()
    fields = {"name": "dbaas-toy", "organization": other, "project": project["id"], "playbook": "toy.yml"}
    place.awx.by_hand("POST", "job_templates/", {**fields, "ask_inventory_on_launch": True})
    with pytest.raises(DbaasError) as caught:
        place.launcher().launch(request("orders"))
    assert caught.value.code == "option-invalid"
    assert "DBaaS (job template), Other (job template)" in str(caught.value)
    asked = request("orders")
    launched = place.launcher().launch(Request(asked.template, asked.answers, organization="DBaaS"))
    assert place.awx.wait_for(int(launched.id))["job_template"] == place.template


def test_a_plan_sees_that_a_user_may_not_launch(place: Played) -> None:
    with place.awx.lock:
        place.awx.store.rows["job_templates"][place.template]["_capabilities"] = {"start": False}
    with pytest.raises(DbaasError) as caught:
        place.launcher().plan(request("orders"))
    assert caught.value.code == "awx-forbidden"


def test_events_that_awx_stores_late_are_told_in_the_end() -> None:
    """AWX stores events side by side: a later one may be there first, and some only after the job's end."""

    def event(counter: int, task: str, *, failed: bool = False) -> Json:
        data = {"task": task, "host": "lagos", "res": {"msg": f"{task} [git-raced, dependency]"}}
        kind = "runner_on_failed" if failed else "playbook_on_task_start"
        return {"counter": counter, "event": kind, "failed": failed, "event_data": data, "stdout": ""}

    looks: list[tuple[Json, list[Json]]] = [
        ({"status": "running"}, [event(1, "a"), event(3, "c")]),
        ({"status": "failed", "event_processing_finished": False}, [event(2, "b"), event(3, "c"), event(5, "e")]),
        ({"status": "failed", "event_processing_finished": True}, [event(4, "d", failed=True), event(5, "e")]),
    ]
    since: list[int] = []

    class Late:
        host = "https://awx.example.com"

        def get(self, path: str, **_query: Any) -> Json:
            return {"id": 7, "type": "job", "name": "toy", "extra_vars": "{}", **looks[0][0]}

        def pages(self, path: str, **query: Any) -> list[Json]:
            since.append(query["counter__gt"])
            return looks.pop(0)[1]

    told: list[str] = []
    watch = awx.JobWatch(Late(), 7, told.append)  # type: ignore[arg-type]
    while not watch.look():
        pass
    assert [line for line in told if line.startswith(("TASK", "FAILED"))] == [
        *("TASK a", "TASK c", "TASK b", "TASK e"),
        "FAILED d [git-raced, dependency]",
    ]
    # never beyond a gap
    assert since == [0, 1, 3]
    failure = watch.failure()
    assert failure is not None
    assert failure.code == "git-raced"


# workflows


def workflow(place: Played, first: Json | None = None) -> int:
    """gate -(failure)-> approval -(success)-> deliver; gate -(success)-> deliver: as `dbaas-provision` will be."""
    templates = [{**TEMPLATE, "name": "dbaas-gate"}, {**TEMPLATE, "name": "dbaas-deliver"}]
    numbers = provided_again(place, templates)
    made: int = place.awx.by_hand(
        "POST",
        "workflow_job_templates/",
        {
            "name": "dbaas-order",
            "organization": place.organization,
            "survey_enabled": True,
            "ask_limit_on_launch": True,
        },
    )["id"]
    place.awx.by_hand("POST", f"workflow_job_templates/{made}/survey_spec/", SURVEY)

    def node(identifier: str, template: int | None, **more: Any) -> int:
        fields = {"identifier": identifier, "workflow_job_template": made, **more}
        fields |= {"unified_job_template": template} if template else {}
        return int(place.awx.by_hand("POST", "workflow_job_template_nodes/", fields)["id"])

    gate = node("gate", numbers["dbaas-gate"], extra_data=first or {})
    deliver = node("deliver", numbers["dbaas-deliver"])
    approve = node("approve", None)
    path = f"workflow_job_template_nodes/{approve}/create_approval_template/"
    place.awx.by_hand("POST", path, {"name": "Approve the order", "timeout": 600})
    for parent, way, child in ((gate, "success", deliver), (gate, "failure", approve), (approve, "success", deliver)):
        place.awx.by_hand("POST", f"workflow_job_template_nodes/{parent}/{way}_nodes/", {"id": child})
    return made


def provided_again(place: Played, templates: list[Json]) -> dict[str, int]:
    """More templates beside the toy, in the same organization."""
    toy_fields = place.awx.by_hand("GET", f"job_templates/{place.template}/")
    made = {}
    for template in templates:
        fields = {name: value for name, value in template.items() if name not in ("survey_spec", "inventory")}
        fields |= {name: toy_fields[name] for name in ("organization", "project", "inventory")}
        number = place.awx.by_hand("POST", "job_templates/", {**fields, "ask_variables_on_launch": True})["id"]
        place.awx.by_hand("POST", f"job_templates/{number}/survey_spec/", template["survey_spec"])
        made[str(template["name"])] = int(number)
    return made


def gated(run: Run) -> str | None:
    """The gate lets small orders through."""
    if run.name == "dbaas-gate" and int(run.variables["size"]) > 10:
        run.task("See whether it must be approved", {"msg": "too dear [answers-invalid, user]"}, outcome="failed")
        return None
    if run.name == "dbaas-gate":
        run.task("Do what was asked")
        run.artifacts["dbaas_result"] = {"service": "planned", "price": 5}
        return None
    return toy(run)


def order(key: str = "", **answers: Any) -> Request:
    return Request("dbaas-order", {"service": "orders", **answers}, key)


def test_a_workflow_is_followed_through_its_jobs(tmp_path: Path) -> None:
    with Played(tmp_path, runner=gated) as place:
        workflow(place)
        told: list[str] = []
        launcher = place.launcher()
        launched = launcher.launch(order("key-1"))
        assert launched.url.endswith(f"/#/jobs/workflow/{launched.id}/output")
        outcome = launcher.follow(launched.id, told.append, 60)
        assert (outcome.status, outcome.reason) == ("successful", None)
        assert outcome.result == {"service": "orders", "by": "dbaas-deliver", "price": 5}
        assert "dbaas-gate: TASK Do what was asked" in told
        assert "dbaas-deliver: TASK Do what was asked" in told
        again = launcher.launch(order("key-1"))
        assert (again.id, again.found) == (launched.id, True)
        assert launcher.follow(again.id, print, 60).status == "successful"
        # its jobs bear the key too, and are not what was launched with it
        deliver = launcher.launch(Request("dbaas-deliver", {"service": "orders"}, "key-1"))
        assert deliver.found is False
        assert place.awx.unknown == []


@pytest.mark.parametrize(("answer", "status"), [("approve", "successful"), ("deny", "failed")])
def test_a_workflow_waits_for_its_approval(tmp_path: Path, answer: str, status: str) -> None:
    with Played(tmp_path, runner=gated) as place:
        workflow(place)
        told: list[str] = []
        launched = place.launcher().launch(order("key-1", size=50))

        def decide() -> None:
            until(lambda: "Approve the order: waits for approval" in told)
            pending = place.awx.by_hand("GET", "workflow_approvals/?status=pending")["results"][0]["id"]
            place.awx.by_hand("POST", f"workflow_approvals/{pending}/{answer}/", {})

        person = threading.Thread(target=decide)
        person.start()
        outcome = place.launcher().follow(launched.id, told.append, 60)
        person.join()
        assert outcome.status == status
        if answer == "approve":
            # the gate failed, and the workflow has a way for that
            assert (outcome.reason, outcome.result["by"]) == (None, "dbaas-deliver")
        else:
            assert outcome.reason is not None
            assert outcome.reason.code == "approval-denied"
            assert outcome.reason.message == "The approval 'Approve the order' was denied."
            assert "Approve the order" in outcome.detail
        assert place.awx.unknown == []


def test_a_workflow_fails_for_the_reason_of_its_last_job(tmp_path: Path) -> None:
    def late(run: Run) -> str | None:
        if run.name == "dbaas-gate":
            return None
        run.task("Commit", {"msg": "no room [quota-exceeded, quota]"}, outcome="failed", host="db-1.internal")
        return None

    with Played(tmp_path, runner=late) as place:
        workflow(place)
        launched = place.launcher().launch(order("key-1"))
        outcome = place.launcher().follow(launched.id, print, 60)
        assert outcome.status == "failed"
        assert outcome.reason is not None
        assert (outcome.reason.code, outcome.reason.reference) == ("quota-exceeded", launched.id)
        assert outcome.detail.startswith("dbaas-deliver (job ")
        assert "task 'Commit' on db-1.internal" in outcome.detail


def test_a_workflow_is_cancelled(tmp_path: Path) -> None:
    with Played(tmp_path, runner=gated) as place:
        workflow(place)
        launched = place.launcher().launch(order("key-1", gate="shut"))
        names = ("dbaas-deliver", "running")
        until(lambda: names in [(job["name"], job["status"]) for job in place.awx.by_hand("GET", "jobs/")["results"]])
        place.launcher().cancel(launched.id)
        outcome = place.launcher().follow(launched.id, print, 60)
        assert (outcome.status, outcome.reason and outcome.reason.code) == ("canceled", "job-canceled")

"""What events say: those that ansible-runner makes of our modules, and those that AWX recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import jobs
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import CODES

Json = dict[str, Any]


def failed(res: Json, *, task: str = "Commit", host: str = "lagos", **data: Any) -> Json:
    event = "runner_on_unreachable" if data.pop("away", False) else "runner_on_failed"
    more = {"task": task, "host": host, "res": res, "ignore_errors": None, **data}
    return {"event": event, "stdout": f"\x1b[0;31mfatal: [{host}]\x1b[0m\r\n", "event_data": more}


def test_a_module_of_ours_brings_its_code() -> None:
    error = {"code": "quota-exceeded", "class": "quota"}
    found = jobs.failure([failed({"msg": "too much\nAsk for less [quota-exceeded, quota]", "error": error})])
    assert found == jobs.Failure(
        "Commit", "lagos", "too much\nAsk for less [quota-exceeded, quota]", "quota-exceeded", "fatal: [lagos]\n"
    )


@pytest.mark.parametrize(
    ("res", "code"),
    [
        ({"msg": "Not given: service. [answers-invalid, user]"}, "answers-invalid"),
        ({"msg": "5 differences: missing in lagos [drift-found, user]."}, "drift-found"),
        ({"msg": "Validation of arguments failed", "argument_errors": ["x is not an int"]}, "answers-invalid"),
        ({"msg": "the list [a-b, c] is odd"}, ""),
        ({"msg": "all [ok]"}, ""),
        (
            {"results": [{"msg": "fine"}, {"failed": True, "msg": "x [git-raced, dependency]"}], "msg": "one"},
            "git-raced",
        ),
        ({"censored": "the output has been hidden"}, ""),
        ({}, ""),
    ],
)
def test_others_bring_it_at_the_end_of_their_words(res: Json, code: str) -> None:
    found = jobs.failure([failed(res)])
    assert found is not None
    assert found.code == code
    assert found.message


def test_the_last_failed_task_ended_the_job() -> None:
    coded = {"msg": "x", "error": {"code": "drift-found"}}
    events = [
        failed({"msg": "rescued"}, task="First"),
        failed({"msg": "plain"}, host="lagos"),
        failed(coded, host="frankfurt"),
        failed({"msg": "ignored"}, task="Later", ignore_errors=True),
        {"event": "runner_on_ok", "event_data": {"task": "Bundle"}},
    ]
    found = jobs.failure(events)
    assert found is not None
    assert (found.task, found.host, found.code) == ("Commit", "frankfurt", "drift-found")
    away = jobs.failure([failed({"msg": "no route"}, away=True)])
    assert away is not None
    assert away.message == "no route"
    assert jobs.failure([]) is None


def test_progress_is_tasks_what_modules_say_and_failures() -> None:
    events: list[Json] = [
        {"event": "playbook_on_start", "event_data": {}},
        {"event": "playbook_on_task_start", "event_data": {"task": "Wait", "name": "Wait"}},
        {"event": "verbose", "stdout": "\x1b[0;32macme/orders lagos: ready, 3 of 3\x1b[0m\r\n\r\n"},
        {"event": "runner_on_ok", "stdout": "ok: [lagos]", "event_data": {"res": {"msg": "x"}}},
        failed({"msg": "first\nsecond"}),
        failed({"msg": "never mind"}, ignore_errors=True),
    ]
    lines = [line for event in events for line in jobs.progress(event)]
    assert lines == ["TASK Wait", "acme/orders lagos: ready, 3 of 3", "FAILED first"]


def test_artifacts_are_what_set_stats_left() -> None:
    stats = {"event": "playbook_on_stats", "event_data": {"ok": {}, "artifact_data": {"dbaas_result": {"commit": "c"}}}}
    assert jobs.artifacts([{"event": "verbose"}, stats]) == {"dbaas_result": {"commit": "c"}}
    assert jobs.artifacts([{"event": "playbook_on_stats", "event_data": {}}]) == {}


@pytest.mark.parametrize("code", [*CODES, "", "no-such-code"])
def test_a_tenant_sees_its_own_faults_and_nothing_of_what_lies_behind(code: str) -> None:
    words = "https://u:pw@git-1.internal:8443/x.git at 10.1.2.3 said no"
    found = jobs.reason(code, words, "26")
    known = code if code in CODES else "job-failed"
    assert (found.code, found.cls, found.retry) == (known, *CODES[known][:2])
    if code in jobs.OWN:
        assert found.message == words
        assert found.cls in ("user", "quota")
    else:
        assert found.message.endswith(f" [{known}] Reference: 26.")
        assert not {"git-1", "10.1.2.3", "pw"} & set(found.message.replace(":", " ").split())
        assert "internal" not in json.dumps(found.message)


def test_what_a_tenant_may_see_is_known_code_by_code() -> None:
    assert set(CODES) >= jobs.OWN
    # these are faults of users too, but of those who set the platform up: their words name hosts and files
    assert not jobs.OWN & {code for code in CODES if code.startswith(("git-", "kube-", "awx-", "platform-"))}

"""lastOperation: its steps, its deadline, and the truth about what came too late."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.operation import advanced, under_way
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker

Json = dict[str, Any]

ASKED: Json = {"id": "one", "action": "update", "requester": "ada", "deadline": "10m"}
CHECKER = Checker(schema.STATUS)


def at(minute: int) -> str:
    return f"2026-01-01T00:{minute:02}:00Z"


def look(last: Json, minute: int, phase: str = "Provisioning", ready: int = 0, **asked: str) -> Json:
    found = advanced(
        last,
        ASKED | asked,
        phase=phase,
        reached=phase != "Pending",
        ready=ready,
        wanted=3,
        words=f"{ready} of 3",
        now=at(minute),
    )
    assert CHECKER.errors({"lastOperation": found}, "status") == []
    return found


def steps(operation: Json) -> list[tuple[str, str | None, str]]:
    return [(step["name"], step.get("at"), step["message"]) for step in operation["steps"]]


def test_steps_as_they_are_reached_each_with_its_time() -> None:
    pending = look({}, 0, "Pending")
    committed = ("committed", None, "update by ada")
    assert steps(pending) == [committed, ("synced", at(0), "")]
    assert look(pending, 1, "Pending") == pending
    begun = look(pending, 2)
    assert steps(begun) == [committed, ("synced", at(0), ""), ("provisioning", at(2), "0 of 3")]
    more = look(begun, 3, ready=2)
    assert steps(more)[2:] == [("provisioning", at(2), "2 of 3")]
    assert (more["state"], more["startedAt"], more["deadline"], "finishedAt" in more) == (
        "Running",
        at(0),
        at(10),
        False,
    )
    # the operator's object is gone for a moment: what was reached was reached
    assert steps(look(more, 4, "Pending"))[2][:2] == ("provisioning", at(2))
    done = look(more, 5, "Active", ready=3)
    assert steps(done)[2:] == [("provisioning", at(2), "3 of 3"), ("ready", at(5), "3 of 3")]
    assert (done["state"], done["finishedAt"], done["message"], "reason" in done) == (
        "Succeeded",
        at(5),
        "3 of 3",
        False,
    )


def test_what_happens_after_the_end_is_not_the_operations_matter() -> None:
    done = look({}, 0, "Active", ready=3)
    assert look(done, 30, "Degraded", ready=2) == {**done, "ready": 2}
    gone = advanced(done, ASKED, phase="Degraded", reached=False, ready=0, wanted=9, words="gone", now=at(31))
    assert gone == {**done, "ready": 0}


def test_a_deadline_that_has_passed_fails_the_operation_once() -> None:
    running = look(look({}, 0), 10)
    assert running["state"] == "Running"
    late = look(running, 11, ready=1)
    assert (late["state"], late["reason"], late["finishedAt"], late["deadline"]) == (
        "Failed",
        "DeadlineExceeded",
        at(11),
        at(10),
    )
    assert late["message"] == "not ready after the deadline: 1 of 3"
    assert under_way(late, "one")
    later = look(late, 20, ready=2)
    assert (later["finishedAt"], later["ready"]) == (at(11), 2)
    # another deadline in the annotation does not move one that runs
    assert look(running, 11, deadline="2h")["state"] == "Failed"


def test_ready_after_the_deadline_is_said_as_it_was() -> None:
    late = look(look({}, 0), 11)
    ready = look(late, 12, "Active", ready=3)
    assert (ready["state"], ready["reason"], ready["finishedAt"]) == ("Failed", "DeadlineExceeded", at(11))
    assert ready["message"] == "ready, but only after the deadline: 3 of 3"
    assert steps(ready)[-1] == ("ready", at(12), "ready, but only after the deadline: 3 of 3")
    assert not under_way(ready, "one")
    assert look(ready, 40, "Degraded", ready=1) == {**ready, "ready": 1}
    # seen first when both had happened already
    assert look(look({}, 0), 12, "Active", ready=3)["reason"] == "DeadlineExceeded"


def test_a_new_operation_begins_anew() -> None:
    late = look(look({}, 0), 11)
    assert under_way(late, "two")
    fresh = look(late, 12, id="two")
    assert (fresh["state"], fresh["startedAt"], fresh["deadline"]) == ("Running", at(12), at(22))
    assert steps(fresh)[1:] == [("synced", at(12), ""), ("provisioning", at(12), "0 of 3")]
    assert "reason" not in fresh


def test_a_terminal_error_can_be_overcome() -> None:
    failed = look({}, 0, "Failed")
    assert (failed["state"], failed["reason"], failed["finishedAt"]) == ("Failed", "TerminalError", at(0))
    assert look(failed, 1, "Failed") == failed
    again = look(failed, 2)
    assert (again["state"], "reason" in again, "finishedAt" in again) == ("Running", False, False)
    assert look(again, 3, "Active", ready=3)["state"] == "Succeeded"


@pytest.mark.parametrize("deadline", ["", "soon", "9" * 20 + "w"])
def test_without_a_deadline_that_can_be_read_there_is_none(deadline: str) -> None:
    running = look({}, 0, deadline=deadline)
    assert "deadline" not in running
    assert look(running, 59, deadline=deadline)["state"] == "Running"


def test_what_an_older_observer_left() -> None:
    old: Json = {"id": "one", "state": "Running", "startedAt": at(0)}
    assert look(old, 1)["deadline"] == at(10)
    assert look(old, 11)["reason"] == "DeadlineExceeded"
    assert not under_way({"id": "one", "state": "Succeeded"}, "one")

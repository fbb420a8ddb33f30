"""What both launchers do alike: AWX, played by the double, and ansible-runner on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import awx, base
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import Launcher, Request

from tests.unit.awx.launching import request, until
from tests.unit.awx.places import Embedded, Played

Json = dict[str, Any]


class Place(Protocol):
    """Where jobs run."""

    def launcher(self) -> Launcher:
        """A new launcher, as another process would have it."""

    def runs(self) -> list[str]:
        """What the playbook noted: a line for each run."""


@pytest.fixture(params=["embedded", "awx"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "embedded":
        yield Embedded(tmp_path)
        return
    monkeypatch.setattr(awx, "PAUSE", 0.1)
    with Played(tmp_path) as played:
        yield played
        assert played.awx.unknown == []


@pytest.fixture
def told() -> list[str]:
    """The lines of progress."""
    return []


def refused(launcher: Launcher, asked: Request) -> DbaasError:
    """The error of a launch; it is the same when only planned."""
    with pytest.raises(DbaasError) as planned:
        launcher.plan(asked)
    with pytest.raises(DbaasError) as caught:
        launcher.launch(asked)
    assert str(planned.value) == str(caught.value)
    return caught.value


def test_answers_become_a_job_that_leaves_a_result(place: Place, told: list[str]) -> None:
    launcher = place.launcher()
    prompts = {"limit": "frankfurt", "inventory": "platform"}
    launched = launcher.launch(request("orders", "", region="frankfurt", prompts=prompts))
    outcome = launcher.follow(launched.id, told.append, 60)
    assert (outcome.id, outcome.status, outcome.reason) == (launched.id, "successful", None)
    # size was not answered, and is the survey's default
    assert outcome.result == {"service": "orders", "size": 5, "region": "frankfurt"}
    assert [run.split()[:2] for run in place.runs()] == [["orders", "frankfurt"]]
    assert next(line for line in told if line.startswith("TASK")) == "TASK Note the run"
    assert launched.found is False


def test_a_key_finds_its_job_however_often_it_is_launched(place: Place, told: list[str], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    asked = request("orders", "key-1", gate=str(gate))
    first = place.launcher().launch(asked)
    until(place.runs)
    # while it runs
    assert place.launcher().launch(asked) == base.Launched(first.id, "dbaas-toy", True, first.url)
    assert place.launcher().plan(asked)["job"] == first.id
    gate.touch()
    assert place.launcher().follow(first.id, told.append, 60).status == "successful"
    # and when it has ended
    again = place.launcher().launch(asked)
    assert (again.id, again.found) == (first.id, True)
    assert place.launcher().follow(again.id, told.append, 60).result["service"] == "orders"
    other = place.launcher().launch(request("orders", "key-2", gate=str(gate)))
    assert other.id != first.id
    assert place.launcher().follow(other.id, told.append, 60).status == "successful"
    assert len(place.runs()) == 2


def test_a_key_stands_for_the_same_answers(place: Place, told: list[str]) -> None:
    launcher = place.launcher()
    first = launcher.launch(request("orders", "key-1", size=7))
    error = refused(launcher, request("carts", "key-1", size=8))
    assert error.code == "launch-key-reused"
    assert f"job {first.id}" in str(error)
    assert "another service, size" in str(error)
    launcher.follow(first.id, told.append, 60)
    assert len(place.runs()) == 1


def test_of_launches_at_the_same_time_one_survives(place: Place, told: list[str], tmp_path: Path) -> None:
    asked = request("orders", "key-1", gate=str(tmp_path / "gate"))
    barrier = threading.Barrier(4)
    ids: list[str] = []

    def launch() -> None:
        launcher = place.launcher()
        barrier.wait()
        launched = launcher.launch(asked)
        ids.append(launcher.follow(launched.id, told.append, 60).id)

    threads = [threading.Thread(target=launch) for _number in range(4)]
    for thread in threads:
        thread.start()
    until(place.runs)
    (tmp_path / "gate").touch()
    for thread in threads:
        thread.join(60)
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert place.launcher().follow(ids[0], told.append, 1).status == "successful"


def test_all_that_is_wrong_with_the_answers_is_named_at_once(place: Place) -> None:
    asked = request("", "", size="7", region="lagoss", srvice="x", secret="too-long-a-secret")
    error = refused(place.launcher(), Request(asked.template, asked.answers, "", {"scm_branch": "main"}))
    assert error.code == "answers-invalid"
    text = str(error)
    assert "'service' value  is too small (length is 0 must be at least 1)." in text
    assert "Value 7 for 'size' expected to be an integer." in text
    assert "Value lagoss for 'region' expected to be one of ['lagos', 'frankfurt']." in text
    assert "srvice: given 'x', allowed: an answer of template dbaas-toy" in text
    assert "nearest: service" in text
    assert "scm_branch" in text
    assert "6 answers are wrong" in text
    assert "too-long-a-secret" not in text
    assert place.runs() == []


def test_names_that_are_not_there_are_named_with_the_nearest(place: Place) -> None:
    error = refused(place.launcher(), Request("dbaas-toi", {}))
    assert (error.code, "nearest: dbaas-toy" in str(error)) == ("template-missing", True)
    error = refused(place.launcher(), request("orders", "", prompts={"inventory": "platforms"}))
    assert (error.code, "nearest: platform" in str(error)) == ("answers-invalid", True)
    for call in (place.launcher().cancel, lambda job: place.launcher().follow(job, print, 1)):
        with pytest.raises(DbaasError) as caught:
            call("4711")
        assert caught.value.code == "job-missing"


def test_a_plan_starts_nothing_and_tells_no_secret(place: Place) -> None:
    plan = place.launcher().plan(request("orders", "key-1", secret="hush", prompts={"limit": "lagos"}))
    assert plan["template"] == "dbaas-toy"
    assert plan["answers"]["size"] == 5
    assert plan["answers"]["secret"] == base.HIDDEN
    assert plan["prompts"]["limit"] == "lagos"
    assert plan["job"] == ""
    assert place.runs() == []


@pytest.mark.parametrize(
    ("words", "code", "cls", "own"),
    [
        ("spec.region: given 'x', allowed: lagos [claim-invalid, user]", "claim-invalid", "user", True),
        (
            "10.1.2.3 (git-1.internal) is away [git-unreachable, dependency]",
            "git-unreachable",
            "dependency",
            False,
        ),
        ("the token was refused by git-1.internal 10.1.2.3 [git-auth, user]", "git-auth", "user", False),
        ("host db-1.internal 10.1.2.3 burst", "job-failed", "bug", False),
    ],
)
def test_why_a_job_failed(place: Place, told: list[str], words: str, code: str, cls: str, own: bool) -> None:
    launcher = place.launcher()
    launched = launcher.launch(request("orders", "", words=words))
    outcome = launcher.follow(launched.id, told.append, 60)
    assert outcome.status == "failed"
    # operators see the task and all it said
    assert "task 'Refuse' on lagos" in outcome.detail
    assert words in outcome.detail
    assert f"FAILED {words}" in told
    reason = outcome.reason
    assert reason is not None
    assert (reason.code, reason.cls, reason.reference) == (code, cls, launched.id)
    if own:
        assert reason.message == words
    else:
        assert f"[{code}] Reference: {launched.id}." in reason.message
        assert "internal" not in reason.message
        assert "10.1.2.3" not in reason.message


def test_a_job_that_takes_too_long_goes_on(place: Place, told: list[str], tmp_path: Path) -> None:
    launcher = place.launcher()
    launched = launcher.launch(request("orders", "", gate=str(tmp_path / "gate")))
    with pytest.raises(DbaasError) as caught:
        launcher.follow(launched.id, told.append, 0.1)
    assert (caught.value.code, caught.value.retry) == ("job-timeout", True)
    (tmp_path / "gate").touch()
    assert launcher.follow(launched.id, told.append, 60).status == "successful"


def test_a_job_is_cancelled(place: Place, told: list[str], tmp_path: Path) -> None:
    launcher = place.launcher()
    launched = launcher.launch(request("orders", "key-1", gate=str(tmp_path / "gate")))
    until(place.runs)
    place.launcher().cancel(launched.id)
    outcome = launcher.follow(launched.id, told.append, 60)
    assert (outcome.status, outcome.reason and outcome.reason.code) == ("canceled", "job-canceled")
    # one that has ended stays as it is, and its key stays its own
    launcher.cancel(launched.id)
    assert launcher.follow(launched.id, told.append, 1).status == "canceled"
    assert launcher.launch(request("orders", "key-1", gate=str(tmp_path / "gate"))).id == launched.id

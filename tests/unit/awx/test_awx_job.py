"""Module awx_job: by its runner, by its own main(), and as Ansible runs it, interrupted too."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.dbaas.platform.plugins.module_utils import specs
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import awx
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_job
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.tools.tree import ROOT
from tests.unit.awx.launching import until
from tests.unit.awx.places import Played
from tests.unit.awx.test_awx_launcher import toy

Json = dict[str, Any]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Played]:
    monkeypatch.setattr(awx, "PAUSE", 0.05)
    with Played(tmp_path, runner=toy) as played:
        yield played
        assert played.awx.unknown == []


def task(place: Played, *, check: bool = False, **options: Any) -> tuple[Json, list[str]]:
    """Result and progress of a task."""
    told: list[str] = []
    given = {"template": "dbaas-toy", "controller_host": place.awx.url, "controller_oauthtoken": place.awx.token}
    checked = ArgumentSpecValidator(**specs.awx_job()).validate({**given, **options})
    assert checked.error_messages == []
    return awx_job.run(Run(checked.validated_parameters, check=check, progress=told.append)), told


def orders(**more: Any) -> Json:
    return {"service": "orders", **more}


def test_a_job_is_launched_followed_and_found_again(place: Played) -> None:
    result, told = task(place, extra_vars=orders(), idempotency_key="key-1", limit="lagos")
    assert result["changed"]
    assert result["job"]["status"] == "successful"
    assert result["job"]["url"].startswith(place.awx.url)
    assert result["result"] == result["artifacts"]["dbaas_result"] == {"service": "orders", "by": "dbaas-toy"}
    assert "TASK Do what was asked" in told
    again, told = task(place, extra_vars=orders(), idempotency_key="key-1", limit="lagos")
    assert (again["changed"], again["job"]["id"], again["job"]["found"]) == (False, result["job"]["id"], True)
    assert again["result"] == result["result"]
    assert told[0] == f"job {result['job']['id']} of dbaas-toy was there"
    assert [job["limit"] for job in place.jobs()] == ["lagos"]


def test_check_mode_says_what_would_be_launched_and_launches_nothing(place: Played) -> None:
    options: Json = {"extra_vars": orders(secret="hush"), "idempotency_key": "key-1", "job_type": "check"}
    result, _told = task(place, check=True, **options)
    assert result["changed"]
    assert result["launch"]["answers"]["size"] == 5
    assert result["launch"]["prompts"] == {"job_type": "check"}
    assert "hush" not in json.dumps(result)
    assert place.awx.writes == []
    made, _told = task(place, **options)
    found, _told = task(place, check=True, **options)
    assert (found["changed"], found["job"]["id"], found["job"]["found"]) == (False, made["job"]["id"], True)
    assert len(place.awx.writes) == 1


def test_without_waiting_the_job_is_only_launched(place: Played) -> None:
    result, told = task(place, extra_vars=orders(gate="shut"), wait=False)
    assert (result["changed"], result["job"]["status"], "result" in result) == (True, "", False)
    assert told == [f"job {result['job']['id']} of dbaas-toy is launched"]
    later, _told = task(place, extra_vars=orders(gate="shut"), wait_timeout=0.2)
    assert (later["failed"], later["changed"], later["error"]["code"]) == (True, True, "job-timeout")
    assert {job["status"] for job in place.jobs()} == {"running"}


def test_a_failed_job_brings_its_tasks_output_and_what_a_tenant_may_see(place: Played) -> None:
    words = "git-1.internal refused the token [git-auth, user]"
    result, _told = task(place, extra_vars=orders(words=words))
    assert result["failed"]
    assert result["job"]["status"] == "failed"
    assert "task 'Refuse' on localhost" in result["msg"]
    assert "fatal: [localhost]: FAILED!" in result["msg"]
    assert (result["error"]["code"], result["reason"]["class"]) == ("git-auth", "user")
    assert "internal" not in result["reason"]["message"]
    unknown, _told = task(place, extra_vars=orders(words="burst"))
    assert (unknown["error"]["code"], unknown["error"]["class"]) == ("job-failed", "bug")


def command(place: Played, **options: Any) -> list[str]:
    given = {"template": "dbaas-toy", "extra_vars": orders(gate="shut"), **options}
    ansible = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "dbaas.platform.awx_job"]
    return [*ansible, "-a", json.dumps(given)]


def environment(place: Played) -> dict[str, str]:
    access = {"CONTROLLER_HOST": place.awx.url, "CONTROLLER_OAUTH_TOKEN": place.awx.token}
    return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **access}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_task_cancels_its_job(place: Played, number: signal.Signals, tmp_path: Path) -> None:
    with (
        (tmp_path / "output").open("w+") as output,
        subprocess.Popen(command(place), env=environment(place), cwd=ROOT, stdout=output, stderr=output) as process,
    ):
        try:
            until(lambda: any("job_events" in call.path for call in place.awx.calls))
            process.send_signal(number)
            process.wait(60)
        finally:
            process.kill()
        until(lambda: [job["status"] for job in place.jobs()] == ["canceled"])
    assert place.awx.token not in (tmp_path / "output").read_text()


def test_progress_is_seen_while_the_job_runs(place: Played) -> None:
    ended = {"extra_vars": orders()}
    done = subprocess.run(
        command(place, **ended), env=environment(place), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TASK Do what was asked" in done.stdout
    assert '"status": "successful"' in done.stdout


def test_the_module_itself_does_the_same(place: Played, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module("ansible_collections.dbaas.platform.plugins.modules.awx_job").main
    access = {"controller_host": place.awx.url, "controller_oauthtoken": place.awx.token}
    with patch_module_args({"template": "dbaas-toy", "extra_vars": orders(), **access}), pytest.raises(SystemExit):
        main()
    result = json.loads(capsys.readouterr().out)
    assert result["job"]["status"] == "successful"
    assert place.awx.token not in json.dumps(result["job"])
    with patch_module_args({"template": "dbaas-toi", **access}), pytest.raises(SystemExit):
        main()
    result = json.loads(capsys.readouterr().out)
    assert (result["failed"], result["error"]["code"]) == (True, "template-missing")

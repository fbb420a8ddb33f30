"""What only the embedded launcher has: jobs outlive who launched them, and nothing hangs on one that was killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import embedded
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import Request

from tests.tools.tree import ROOT
from tests.unit.awx.launching import request, until
from tests.unit.awx.places import Embedded

Json = dict[str, Any]


@pytest.fixture
def place(tmp_path: Path) -> Embedded:
    return Embedded(tmp_path)


def processes(text: str) -> list[int]:
    """Processes whose arguments or environment hold this text."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            held = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in held and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


def supervisor(place: Embedded, job: str) -> int:
    """The job's own process."""
    wanted = str(place.folder / "jobs" / job)
    for candidate in processes(wanted):
        arguments = Path(f"/proc/{candidate}/cmdline").read_bytes().decode().split("\0")
        if arguments[-2] == wanted:
            return candidate
    raise AssertionError(f"{job} has no process")


def test_a_job_whose_process_was_killed_is_told_as_lost(place: Embedded, tmp_path: Path) -> None:
    asked = request("orders", "key-1", gate=str(tmp_path / "gate"))
    launched = place.launcher().launch(asked)
    until(place.runs)
    os.kill(supervisor(place, launched.id), signal.SIGKILL)
    outcome = place.launcher().follow(launched.id, print, 60)
    assert outcome.status == "lost"
    assert outcome.reason is not None
    assert (outcome.reason.code, outcome.reason.retry) == ("job-lost", True)
    # the playbook does not go on behind its back
    until(lambda: not processes(str(place.folder / "jobs" / launched.id)), 10)
    again = place.launcher().launch(asked)
    assert (again.id, again.found) == (launched.id, True)
    assert place.launcher().follow(again.id, print, 60).status == "lost"
    assert len(place.runs()) == 1


def test_a_job_outlives_who_launched_it(place: Embedded, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"""
import os, pathlib, sys
sys.path[:0] = [{str(ROOT / ".cache/collections")!r}, {str(ROOT)!r}]
from tests.unit.awx.launching import request
from tests.unit.awx.places import Embedded
place = Embedded(pathlib.Path({str(tmp_path)!r}))
print(place.launcher().launch(request("orders", "key-1", gate={str(gate)!r})).id, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    job = done.stdout.strip()
    gate.touch()
    told: list[str] = []
    assert place.launcher().follow(job, told.append, 60).result["service"] == "orders"
    assert "TASK Wait for the gate" in told
    assert place.launcher().launch(request("orders", "key-1", gate=str(gate))).found


def test_a_launch_that_was_killed_before_its_job_began_is_made_again(place: Embedded) -> None:
    asked = request("orders", "key-1")
    launched = place.launcher().launch(asked)
    assert place.launcher().follow(launched.id, print, 60).status == "successful"
    folder = place.folder / "jobs" / launched.id
    # as if nothing had come after job.json
    for name in ("started", "ended"):
        (folder / name).unlink()
    again = place.launcher().launch(asked)
    assert (again.id, again.found) == (launched.id, False)
    assert place.launcher().follow(again.id, print, 60).status == "successful"
    assert len(place.runs()) == 2


def test_two_processes_of_one_job_run_it_once(place: Embedded, tmp_path: Path) -> None:
    launched = place.launcher().launch(request("orders", "key-1", gate=str(tmp_path / "gate")))
    folder = place.folder / "jobs" / launched.id
    # a launcher that was killed between starting the process and hearing of it
    boot = [sys.executable, "-c", embedded._BOOT, str(embedded._IMPORTS), str(folder)]
    second = subprocess.run(boot, capture_output=True, env=place.environment, timeout=20, check=True)
    assert second.stdout == b"started\n"
    (tmp_path / "gate").touch()
    assert place.launcher().follow(launched.id, print, 60).status == "successful"
    assert len(place.runs()) == 1


def test_nothing_secret_is_written_down_or_shown(place: Embedded, tmp_path: Path) -> None:
    launched = place.launcher().launch(request("orders", "", secret="canary-2", gate=str(tmp_path / "gate")))
    until(place.runs)
    folder = place.folder / "jobs" / launched.id
    arguments = []
    for each in processes(str(folder)):
        # some processes of a playbook are over in a moment
        with suppress(OSError):
            arguments.append(Path(f"/proc/{each}/cmdline").read_bytes())
    assert arguments
    assert not [each for each in arguments if b"canary" in each]
    (tmp_path / "gate").touch()
    assert place.launcher().follow(launched.id, print, 60).status == "successful"
    holding = {path.name: path for path in folder.rglob("*") if path.is_file() and b"canary" in path.read_bytes()}
    # the answers themselves, for their owner alone; the environment's token nowhere
    assert set(holding) == {"job.json", "extravars"}
    assert {path.stat().st_mode & 0o777 for path in holding.values()} == {0o600}
    assert not [path for path in holding.values() if b"canary-1" in path.read_bytes()]
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "answer",
    ["{{ 1 + 1 }}", "{% if 1 %}x{%endif%}", "#jinja2: x: 1", 'a"b"\\U0041:\t\x7f\né🐘', "0012", "no"],
)
def test_an_answer_is_never_a_template(place: Embedded, answer: str) -> None:
    launched = place.launcher().launch(request(answer, "", region="lagos"))
    outcome = place.launcher().follow(launched.id, print, 60)
    assert (outcome.status, outcome.result["service"], outcome.result["size"]) == ("successful", answer, 5)


def test_check_mode_and_a_playbook_that_cannot_be_read(place: Embedded) -> None:
    launcher = place.launcher()
    launched = launcher.launch(request("orders", "", prompts={"job_type": "check"}))
    assert launcher.follow(launched.id, print, 60).status == "successful"
    # a line in a file that is written in check mode too; a debug that says so
    assert len(place.runs()) == 1
    folder = place.folder / "jobs" / launched.id
    assert json.loads((folder / "job.json").read_text())["prompts"] == {"job_type": "check"}
    assert "checked: True" in (folder / "artifacts" / "stdout").read_text()
    broken = launcher.launch(Request("dbaas-broken", {"service": "orders"}))
    outcome = launcher.follow(broken.id, print, 60)
    assert (outcome.status, outcome.reason and outcome.reason.code) == ("failed", "job-failed")
    assert "broken.yml" in outcome.detail


def test_the_collections_own_templates_are_those_of_awx(tmp_path: Path) -> None:
    launcher = embedded.of_collection(tmp_path)
    playbooks = [path for path in (ROOT / "playbooks").glob("*.yml") if ".meta" not in path.name]
    assert sorted(item["playbook"] for item in launcher.templates.values()) == sorted(
        f"playbooks/{path.name}" for path in playbooks
    )
    assert len(launcher.inventories["platform"]) == len(launcher.inventories) - 1 > 1
    # what may be given at launch is what the role lets AWX ask for
    asked = Request("dbaas-wait-for-service", {"tenant": "acme"}, "", {"inventory": "lagos"})
    assert launcher.plan(asked)["prompts"]["inventory"] == "lagos"
    answers = {"tenant": "acme", "service": "orders", "sku": "scy-ring-3", "region": "lagos"}
    with pytest.raises(DbaasError) as caught:
        launcher.plan(Request("dbaas-provision-service", answers, "", {"inventory": "lagos"}))
    assert "ask_inventory_on_launch is false" in str(caught.value)


def test_a_program_needs_no_ansible_to_launch() -> None:
    code = """
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ansible":
            raise ImportError(name)
sys.meta_path.insert(0, Refuses())
from pathlib import Path
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import awx, embedded
print(len(embedded.of_collection(Path("unused")).templates))
"""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / ".cache/collections")}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_a_folder_that_cannot_be_written_to_is_an_error(place: Embedded) -> None:
    (place.folder / "jobs").write_text("a file where jobs should be")
    with pytest.raises(DbaasError) as caught:
        place.launcher().launch(request("orders", "key-1"))
    assert caught.value.code == "job-lost"
    assert "Not a directory" in str(caught.value) or "File exists" in str(caught.value)


def test_a_job_that_ansible_runner_cannot_run_is_in_error(place: Embedded) -> None:
    asked = request("orders", "key-1")
    folder = place.folder / "jobs" / place.launcher().launch(asked).id
    place.launcher().follow(folder.name, print, 60)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "artifacts").write_text("a file where the record should be")
    launched = place.launcher().launch(asked)
    outcome = place.launcher().follow(launched.id, print, 60)
    assert (outcome.status, outcome.reason and outcome.reason.code) == ("error", "job-failed")
    assert "artifacts" in outcome.detail


def test_a_process_that_cannot_start_is_an_error(place: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_BOOT", "raise SystemExit('no room')")
    with pytest.raises(DbaasError) as caught:
        place.launcher().launch(request("orders", "key-1"))
    assert caught.value.code == "job-lost"
    assert "launcher.log" in str(caught.value)
    monkeypatch.undo()
    started = time.monotonic()
    launched = place.launcher().launch(request("orders", "key-1"))
    assert not launched.found
    assert place.launcher().follow(launched.id, print, 60).status == "successful"
    assert time.monotonic() - started < 30

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The embedded launcher: ansible-runner on this machine, for trying everything without an AWX.

Each job is a folder, and a process of its own that outlives whoever launched it:

    job.json    what was launched; written once
    started     the job's process has begun
    running     locked by the job's process as long as it lives
    artifacts/  ansible-runner's record: job_events, stdout
    cancel      somebody wants the job to end
    ended       the state in which it ended

What is locked by nobody, has started and has not ended is lost. So every process that knows the folder tells the same
of a job, and nothing has to be cleaned up after one that was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import importlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import jobs
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import base
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import (
    Launched,
    Outcome,
    Progress,
    Request,
)
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_templates
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, shipped

Json = dict[str, Any]

#: Seconds between two looks at a job.
PAUSE = 0.3
#: The collection's root, with its playbooks; and the folder from which Python finds the collection.
ROOT = Path(__file__).parents[3]
_IMPORTS = Path(__file__).parents[6]
#: of prctl(2)
_DIES_WITH_PARENT, _SUBREAPER = 1, 36
_BEGUN = b"started\n"
_BOOT = f"import sys; sys.path.insert(0, sys.argv[1]); from {__name__} import main; main(sys.argv[2])"


class EmbeddedLauncher:
    """Runs templates by ansible-runner. Safe for several threads and processes over one folder.

    folder: where jobs are kept, one folder each; whoever may read it may read the answers. templates: as
    `controller_templates` has them (name, playbook, inventory, survey_spec, ask_*_on_launch). inventories: name ->
    sources, as ansible-playbook takes them. environment: what jobs see, the process's own when not given; in AWX it is
    credentials that give jobs DBAAS_REPOSITORY and K8S_AUTH_KUBECONFIG. project: the folder that the templates'
    playbooks are relative to.
    """

    def __init__(
        self,
        folder: Path,
        templates: Sequence[Json],
        inventories: Mapping[str, Sequence[str]],
        environment: Mapping[str, str] | None = None,
        project: Path = ROOT,
    ) -> None:
        self.folder = folder
        self.templates = {str(item["name"]): item for item in templates}
        self.inventories = inventories
        self.environment = environment
        self.project = project

    def plan(self, request: Request) -> Json:
        """See Launcher."""
        job, asked = self._prepared(request)
        ident = _ident(request) if request.key else ""
        known = bool(ident) and self._found(request, self.folder / ident)
        shown = {name: value for name, value in job.items() if name not in ("project", "sources")}
        answers = base.shown(job["answers"], asked)
        return {**shown, "answers": answers, "job": ident if known else ""}

    def launch(self, request: Request) -> Launched:
        """See Launcher. Comes back when the job's process has begun."""
        job, _asked = self._prepared(request)
        if importlib.util.find_spec("ansible_runner") is None:
            raise DbaasError("dependency-missing", "The Python package ansible-runner is missing.")
        ident = _ident(request)
        folder = self.folder / ident
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(folder / "launching"):
                found = self._found(request, folder)
                if not found:
                    _write(folder / "job.json", json.dumps(job))
                    self._start(folder)
        except OSError as error:
            raise DbaasError("job-lost", f"job {ident} could not be started: {error}") from None
        return Launched(ident, request.template, found=found, url=str(folder))

    def _found(self, request: Request, folder: Path) -> bool:
        """Whether the job was launched; one that was written down and never began was not."""
        if not (folder / "started").exists():
            return False
        known = json.loads((folder / "job.json").read_text())
        base.same(request, known["answers"], known["prompts"], folder.name)
        return True

    def _prepared(self, request: Request) -> tuple[Json, Json]:
        """What job.json is to say, and the survey."""
        template = self.templates.get(request.template)
        if template is None:
            raise base.missing("template", request.template, sorted(self.templates))
        asked: Json = (template.get("survey_spec") if template.get("survey_enabled", True) else None) or {"spec": []}
        given = base.variables(request)
        found = base.unasked(request.template, template, asked, request)
        inventory = request.prompts.get("inventory") or template.get("inventory")
        if inventory and inventory not in self.inventories:
            known = sorted(self.inventories)
            allowed = f"an inventory: {', '.join(known) or 'there is none'}"
            found.append(FieldError("inventory", inventory, allowed, nearest(inventory, known)))
        base.refused(found, survey.refusals(asked, given), asked, given)
        job = {
            "template": request.template,
            "kind": "job_template",
            "playbook": str(template["playbook"]),
            "project": str(self.project),
            "sources": [str(source) for source in self.inventories[inventory]] if inventory else [],
            "answers": survey.filled(asked, given),
            "prompts": {
                **{name: template[name] for name in base.PROMPTS if name != "inventory" and template.get(name)},
                **request.prompts,
            },
        }
        return job, asked

    def follow(self, job: str, progress: Progress, timeout: float | None = None) -> Outcome:
        """See Launcher."""
        folder = self._known(job)
        end = None if timeout is None else time.monotonic() + timeout
        events: list[Json] = []
        while True:
            # looked at first, so that what a job writes before it ends is read after
            running = _held(folder / "running")
            for event in _events(folder, len(events)):
                events.append(event)
                for line in jobs.progress(event):
                    progress(line)
            if not running:
                return _outcome(folder, events)
            if end is not None and time.monotonic() > end:
                raise DbaasError("job-timeout", f"job {job} has not ended within {timeout:g} s")
            time.sleep(PAUSE)

    def cancel(self, job: str) -> None:
        """See Launcher. The job's process looks every second."""
        (self._known(job) / "cancel").touch()

    def _known(self, job: str) -> Path:
        folder = self.folder / job
        if folder.parent != self.folder or not (folder / "job.json").is_file():
            raise DbaasError("job-missing", f"job {job}: {self.folder} has no such job")
        return folder

    def _start(self, folder: Path) -> None:
        environment = dict(os.environ if self.environment is None else self.environment)
        paths = [str(_IMPORTS), environment.get("ANSIBLE_COLLECTIONS_PATH", "")]
        environment |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(path for path in paths if path),
        }
        ours, theirs = os.pipe()
        with (folder / "launcher.log").open("ab") as log, os.fdopen(theirs, "wb") as tell:
            child = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(_IMPORTS), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=tell,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        with os.fdopen(ours, "rb") as told:
            begun = told.readline()
        if not begun:
            child.wait()
            raise DbaasError("job-lost", f"job {folder.name} could not be started; see {folder}/launcher.log")
        _reap()
        _children.append(child)


def of_collection(
    folder: Path, environment: Mapping[str, str] | None = None, catalog: Mapping[str, Any] | None = None
) -> EmbeddedLauncher:
    """A launcher of this collection's own playbooks, with the inventories and the surveys that AWX has of them.

    folder, environment: see EmbeddedLauncher. catalog: where the choices of the surveys come from, as lookup
    awx_job_templates takes it (repository, token, …, or catalog: a folder); the catalog as shipped when not given.
    """
    inventories = sorted(path for path in (ROOT / "inventories").iterdir() if path.is_dir())
    # what AWX's templates ask for at launch stands in the role that brings them to AWX
    role = (ROOT / "roles/awx/defaults/main/templates.yml").read_text()
    differing = {
        playbook: {name: value for name, value in fields.items() if name.startswith("ask_")}
        for playbook, fields in documents.load_all(role, "templates.yml")[0]["awx_differing"].items()
        if isinstance(fields, dict)
    }
    asked = {"books": awx_templates.books(ROOT), "playbooks": [], "differing": differing, "without": []}
    common = {"common": {"inventory": "platform"}}
    templates = awx_templates.run(Run({**asked, **common, "shipped": shipped(ROOT), **(catalog or {})}))
    sources = {path.name: [str(path)] for path in inventories}
    return EmbeddedLauncher(folder, templates, {**sources, "platform": [*map(str, inventories)]}, environment)


#: jobs' processes that this one started; looked at so that none stays a zombie
_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]


def main(place: str) -> None:
    """The job's process: runs what `job.json` says, and writes `ended`."""
    folder = Path(place)
    job: Json = json.loads((folder / "job.json").read_text())
    with (folder / "running").open("a") as lock:
        if not _mine(lock, folder):
            os.write(1, _BEGUN)
            return
        (folder / "started").touch()
        # whoever launched it waits for this line; nobody reads what comes later
        os.write(1, _BEGUN)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        signal.signal(signal.SIGTERM, lambda *_: (folder / "cancel").touch())
        linux = sys.platform == "linux"
        if linux:
            _keep_together()
        try:
            status = _play(folder, job)
        except Exception:  # noqa: BLE001 - nobody is there to tell it to but launcher.log
            traceback.print_exc()
            status = "error"
        if linux:
            _end_all()
        _write(folder / "ended", status)


def _play(folder: Path, job: Json) -> str:
    """Runs the playbook; the state in which it ended."""
    import ansible_runner

    _environment(folder, job["answers"])

    def unwrite(status: Json, runner_config: Any) -> None:
        # ansible-runner writes the whole environment down, secrets and all
        if status["status"] == "running":
            (Path(runner_config.artifact_dir) / "command").unlink(missing_ok=True)

    prompts: Json = job["prompts"]
    switches = [
        *(["--check"] if prompts.get("job_type") == "check" else []),
        *(["--diff"] if prompts.get("diff_mode") else []),
    ]
    done = ansible_runner.run(
        private_data_dir=str(folder),
        artifact_dir=str(folder),
        ident="artifacts",
        project_dir=job["project"],
        playbook=job["playbook"],
        inventory=job["sources"],
        limit=prompts.get("limit") or None,
        tags=prompts.get("job_tags") or None,
        skip_tags=prompts.get("skip_tags") or None,
        verbosity=prompts.get("verbosity") or None,
        cmdline=" ".join(switches) or None,
        settings={"pexpect_timeout": 1},
        quiet=True,
        cancel_callback=(folder / "cancel").exists,
        status_handler=unwrite,
    )
    return str(done.status) if done.status in jobs.ENDED else "failed"


def _mine(lock: IO[str], folder: Path) -> bool:
    """Whether this process is the one to run the job: a launcher that was killed may have left another that does."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if (folder / "started").exists():
                return False
            # somebody looks at whether it runs
            time.sleep(0.05)
        else:
            return not (folder / "started").exists()


def _keep_together() -> None:
    """No process of the job outlives it: Ansible's workers have sessions of their own, which no group's signal reaches.

    Those whose parent dies become this process's children; where this process is killed the playbook ends too. Linux
    alone can do that.
    """
    # with which ansible-runner starts the playbook
    pexpect: Any = importlib.import_module("pexpect")
    prctl = ctypes.CDLL(None).prctl
    prctl(_SUBREAPER, 1, 0, 0, 0)
    pexpect.spawn = functools.partial(pexpect.spawn, preexec_fn=lambda: prctl(_DIES_WITH_PARENT, signal.SIGTERM))


def _end_all() -> None:
    """Kills what is left of the job: children, and theirs as they come down to this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while left := children.read_text().split():
        for child in map(int, left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _environment(folder: Path, answers: Json) -> None:
    """The answers as a file: on a command line everybody could read them."""
    (folder / "env").mkdir(mode=0o700, exist_ok=True)
    _write(folder / "env" / "extravars", _unsafe(answers))


def _unsafe(value: Any) -> str:
    """An answer as YAML in which no text is a template: as in AWX, nobody who may launch may run what they like."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(str(name))}: {_unsafe(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_unsafe, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    # with the tag ansible-core takes "no" for false, so only what may be a template gets it
    return f"!unsafe {_quoted(value)}" if "{" in value or "#" in value else _quoted(value)


def _quoted(text: str) -> str:
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(plain) + '"'


def _ident(request: Request) -> str:
    name = re.sub(r"[^\w.-]+", "-", request.template)
    if not request.key:
        return f"{name}-{uuid.uuid4().hex[:24]}"
    whole = f"{request.template}\n{request.key}"
    return f"{name}-{hashlib.sha256(whole.encode()).hexdigest()[:24]}"


def _write(path: Path, text: str) -> None:
    """The whole file or none, readable by its owner alone."""
    half = path.with_name(f"{path.name}.new")
    half.touch(mode=0o600)
    half.write_text(text, encoding="utf-8")
    half.replace(path)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among all processes, which the system sees to: a killed one holds nothing."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _held(path: Path) -> bool:
    try:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _events(folder: Path, known: int) -> Iterator[Json]:
    """The events after the first `known`, as far as they are there without a gap."""
    there = {
        int(path.name.partition("-")[0]): path
        for path in (folder / "artifacts" / "job_events").glob("[0-9]*-*.json")
        if "partial" not in path.name
    }
    for number in sorted(there)[known:]:
        yield json.loads(there[number].read_text())


def _outcome(folder: Path, events: Sequence[Json]) -> Outcome:
    try:
        status = (folder / "ended").read_text()
    except FileNotFoundError:
        status = "lost"
    failure = jobs.failure(events)
    detail = ""
    if status != "successful":
        detail = f"{failure}\n{failure.stdout}" if failure else _tail(folder)
    return Outcome(folder.name, status, jobs.artifacts(events), base.reason(status, failure, folder.name), detail)


def _tail(folder: Path) -> str:
    """The last lines of a job that failed in no task, such as one with a playbook that cannot be read."""
    for name in ("artifacts/stdout", "launcher.log"):
        with contextlib.suppress(OSError):
            if lines := jobs.plain((folder / name).read_text(errors="replace")).splitlines():
                return "\n".join(lines[-20:])
    return ""

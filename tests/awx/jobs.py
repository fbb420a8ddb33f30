"""Jobs: how they are launched, run (by a function that the test gives) and end."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import surveys
from .fields import parsed
from .kinds import JOBS, KINDS, Kind
from .problems import Problem
from .recordings import Json, content
from .store import ACTIVE, ENCRYPTED, ROOT, Store, now

# Prompts of a launch: the field, and what lets it be asked.
PROMPTS = {
    "extra_vars": "ask_variables_on_launch",
    "limit": "ask_limit_on_launch",
    "job_tags": "ask_tags_on_launch",
    "skip_tags": "ask_skip_tags_on_launch",
    "job_type": "ask_job_type_on_launch",
    "verbosity": "ask_verbosity_on_launch",
    "inventory": "ask_inventory_on_launch",
    "diff_mode": "ask_diff_mode_on_launch",
    "scm_branch": "ask_scm_branch_on_launch",
    "execution_environment": "ask_execution_environment_on_launch",
    "forks": "ask_forks_on_launch",
    "job_slice_count": "ask_job_slice_count_on_launch",
    "timeout": "ask_timeout_on_launch",
    "credentials": "ask_credential_on_launch",
    "labels": "ask_labels_on_launch",
    "instance_groups": "ask_instance_groups_on_launch",
}
TIED = ("credentials", "labels", "instance_groups")
# Recorded events: what all of a sort have in common.
_EVENTS: dict[str, Json] = {event["event"]: event for number in (157, 167) for event in content(number)["results"]}


@dataclass
class Run:
    """A job that runs, for the function that runs it.

    It calls task for each task and result of a host, puts what set_stats set into artifacts, and returns the status
    (None: successful, or failed after a failed task). canceled is set when somebody cancels the job. variables are the
    job's, secrets included. log is what stands in its stdout.
    """

    job: Json
    template: Json
    variables: Json
    canceled: threading.Event
    _add: Callable[[str, Json, str], None]
    artifacts: Json = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    _stats: dict[str, dict[str, int]] = field(default_factory=dict)
    _task: str = ""
    _uuids: dict[str, str] = field(default_factory=dict)
    tasks: int = 0
    plays: int = 1

    @property
    def name(self) -> str:
        """The template's."""
        return str(self.template["name"])

    @property
    def failed(self) -> bool:
        """Whether a task has failed on some host."""
        return any(counts.get("failures") or counts.get("dark") for counts in self._stats.values())

    def task(self, name: str, res: Json | None = None, *, host: str = "localhost", outcome: str = "ok") -> None:
        """A task and its result on a host. outcome: ok, failed, unreachable, skipped; res as a module returns it."""
        result = {"changed": False, "_ansible_no_log": False, **(res or {})}
        if name != self._task:
            self._task, self.tasks = name, self.tasks + 1
            self._event("playbook_on_task_start", {"task": name, "name": name}, f"\r\nTASK [{name}] " + "*" * 40)
        data = {"task": name, "host": host, "remote_addr": host}
        self._event("runner_on_start", data, "")
        counts = self._stats.setdefault(host, {})
        key = {"failed": "failures", "unreachable": "dark"}.get(outcome, outcome)
        counts[key] = counts.get(key, 0) + 1
        if outcome == "ok" and result["changed"]:
            counts["changed"] = counts.get("changed", 0) + 1
        said = {"failed": f"fatal: [{host}]: FAILED! => ", "unreachable": f"fatal: [{host}]: UNREACHABLE! => "}
        text = said.get(outcome, f"{outcome}: [{host}] => ") + json.dumps(res or {})
        self._event(f"runner_on_{outcome}", {**data, "res": result}, text)

    def start(self) -> None:
        """The events before the first task."""
        self._event("playbook_on_start", {}, "")
        self._event(
            "playbook_on_play_start", {"play": self.name, "name": self.name}, f"\r\nPLAY [{self.name}] " + "*" * 40
        )

    def stop(self) -> None:
        """The recap."""
        words = ("changed", "dark", "failures", "ignored", "ok", "processed", "rescued", "skipped")
        stats: Json = {word: {} for word in words}
        for host, counts in self._stats.items():
            stats["processed"][host] = 1
            for word, number in counts.items():
                stats[word][host] = number
        recap = "\r\nPLAY RECAP " + "*" * 40
        self._event("playbook_on_stats", {**stats, "artifact_data": self.artifacts}, recap)

    def _event(self, event: str, data: Json, text: str) -> None:
        if text:
            self.log.append(text.replace("\r\n", "\n"))
        known = {"playbook": self.job.get("playbook", ""), "play": self.name, "uuid": str(uuid.uuid4()), **data}
        self._add(event, known, text)

    @property
    def stats(self) -> dict[str, dict[str, int]]:
        """Results by host."""
        return self._stats


Runner = Callable[[Run], str | None]


def succeed(run: Run) -> None:
    """The runner of a double that got no other: every job is successful at once."""
    run.task("Say what was asked", {"msg": f"{run.name}: {', '.join(sorted(run.variables))}"})


class Jobs:
    """The jobs of a double, each in a thread of its own while it runs."""

    def __init__(self, store: Store, lock: threading.RLock, runner: Runner) -> None:
        self.store, self.runner = store, runner
        self.changed = threading.Condition(lock)
        self._running: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self.begun: list[Callable[[Json], None]] = []
        self.done: list[Callable[[Json], None]] = []
        self.closed = False
        # what a project has once it was synchronized, and the address of one that fails to
        self.playbooks: list[str] = []

    def busy(self) -> bool:
        """Whether a job runs, or could: approvals wait for people, and what waits for another job waits."""
        with self.changed:
            jobs = [job for name in JOBS for job in self.store.rows[name].values() if job["status"] in ACTIVE]
            return any(
                job["status"] == "pending" and not self._blocked(job)
                if job["type"] == "workflow_job"
                else job["type"] != "workflow_approval" and not self._blocked(job)
                for job in jobs
            )

    # launching

    def asked(self, template: Json) -> Json:
        """What a launch of the template would ask: GET launch/."""
        workflow = template["type"] == "workflow_job_template"
        shown: Json = content(247 if workflow else 136)
        survey = template.get("_survey") or {}
        for name in list(shown):
            if name.startswith("ask_"):
                shown[name] = template[name]
        shown["survey_enabled"] = bool(template["survey_enabled"] and survey)
        needed = [q["variable"] for q in survey.get("spec", []) if q["required"]] if template["survey_enabled"] else []
        shown["variables_needed_to_start"] = needed
        asks = any(template[name] for name in shown if name.startswith("ask_") and name in template)
        shown["can_start_without_user_input"] = not (asks or needed)
        data = {"name": template["name"], "id": template["id"], "description": template["description"]}
        shown["workflow_job_template_data" if workflow else "job_template_data"] = data
        inventory = self.store.get("inventories", template["inventory"])
        nothing: Json = {"name": None, "id": None} if workflow else {}
        for name in shown["defaults"]:
            shown["defaults"][name] = template.get(name)
        shown["defaults"]["inventory"] = {"name": inventory["name"], "id": inventory["id"]} if inventory else nothing
        if not workflow:
            shown["inventory_needed_to_start"] = inventory is None
            environment = self.store.get("execution_environments", template["execution_environment"])
            shown["defaults"]["execution_environment"] = (
                {"name": environment["name"], "id": environment["id"]} if environment else {}
            )
            for name in ("labels", "instance_groups"):
                shown["defaults"][name] = [
                    {"id": entry["id"], "name": entry["name"]} for entry in self.store.tied(template, name)
                ]
            shown["defaults"]["credentials"] = [
                {**{key: entry[key] for key in ("id", "name", "credential_type")}, "passwords_needed": []}
                for entry in self.store.tied(template, "credentials")
            ]
        return shown

    def prompts(self, template: Json, body: Json, needed: bool = True) -> tuple[Json, Json, Json]:
        """The prompts that are taken, those that are not, and what is wrong (extra_vars' faults)."""
        taken: Json = {}
        ignored: Json = {}
        errors: Json = {}
        given = body.get("extra_vars") or {}
        try:
            variables = dict(given) if isinstance(given, dict) else parsed(str(given))
        except ValueError as error:
            raise Problem(400, {"extra_vars": [str(error)]}) from error
        survey = template.get("_survey") if template.get("survey_enabled") else None
        if survey:
            faults = surveys.faults(survey, variables, needed)
            if faults:
                errors["variables_needed_to_start"] = faults
        known = {question["variable"] for question in survey["spec"]} if survey else set()
        open_ = template.get("ask_variables_on_launch")
        taken["extra_vars"] = {name: value for name, value in variables.items() if open_ or name in known}
        rest = {name: value for name, value in variables.items() if name not in taken["extra_vars"]}
        if rest:
            ignored["extra_vars"] = rest
        for name, switch in PROMPTS.items():
            if name == "extra_vars" or body.get(name) is None:
                continue
            if template.get(switch):
                taken[name] = body[name]
            elif name not in template or body[name] != template[name]:
                ignored[name] = body[name]
        return taken, ignored, errors

    def launch(self, template: Json, body: Json, user: Json, **more: Any) -> tuple[Json, Json]:
        """A job and what was ignored. Raises Problem: an answer that the survey does not take, and so on."""
        taken, ignored, errors = self.prompts(template, body)
        if template["type"] == "job_template":
            if template["project"] is None:
                errors["project"] = ["A project is required to run a job."]
            if template["inventory"] is None and taken.get("inventory") is None:
                errors["inventory"] = ["Job Template 'inventory' is missing or undefined."]
            for name in ("inventory", "execution_environment"):
                kind = KINDS["job_templates"].references[name]
                if taken.get(name) is not None and self.store.get(kind, taken[name]) is None:
                    errors[name] = [content(115)["inventory"][0].replace("999999", str(taken[name]))]
        if errors:
            raise Problem(400, errors)
        return self.create(template, taken, user, **more), ignored

    def create(self, template: Json, taken: Json, user: Json | None, **more: Any) -> Json:
        """A job of a template, about to run."""
        kind = KINDS["workflow_jobs" if template["type"] == "workflow_job_template" else "jobs"]
        survey = (template.get("_survey") or {}) if template.get("survey_enabled") else {}
        variables = {**parsed(template["extra_vars"]), **surveys.defaults(survey)}
        secret = surveys.secrets(survey)
        variables.update({k: v for k, v in taken.get("extra_vars", {}).items() if not (k in secret and v == ENCRYPTED)})
        shown = {k: ENCRYPTED if k in secret and v != "" else v for k, v in variables.items()}
        copied = _copied(kind, template)
        fields: Json = {
            **_FRESH,
            **copied,
            **{name: value for name, value in taken.items() if name not in ("extra_vars", *TIED)},
            "unified_job_template": template["id"],
            f"{template['type']}": template["id"],
            "extra_vars": json.dumps(shown),
            "_variables": variables,
            "_taken": taken,
        }
        job = self._new(kind, fields, user, more)
        for name in TIED:
            if name in kind.links:
                key = (KINDS[_plural(template)].name, template["id"], name)
                self.store.links[kind.name, job["id"], name] = list(taken.get(name) or self.store.links.get(key, []))
        return job

    def _new(self, kind: Kind, fields: Json, user: Json | None, more: Json) -> Json:
        fields = {key: value for key, value in {**fields, **more}.items() if key in kind.shown or key[0] == "_"}
        if user:
            by = {"id": user["id"], "name": user["username"], "type": "user", "url": f"{ROOT}users/{user['id']}/"}
            fields["launched_by"] = by
        blank = {key: value for key, value in _FRESH.items() if key in kind.shown}
        job = self.store.add(kind, {**blank, **fields}, user["id"] if user else None)
        template = self.store.template(job["unified_job_template"])
        if template is not None:
            self._mark(template, job)
            if "organization" not in job and "organization" in template:
                job["_organization"] = template["organization"]
        return job

    def update(self, template: Json, user: Json | None, **more: Any) -> Json:
        """A project's or inventory source's update."""
        project = template["type"] == "project"
        kind = KINDS["project_updates" if project else "inventory_updates"]
        copied = _copied(kind, template)
        fields: Json = {**copied, "unified_job_template": template["id"], template["type"]: template["id"]}
        if project:
            fields |= {"job_type": "check", "job_tags": "update_git,install_roles,install_collections"}
            fields["scm_revision"] = ""
        else:
            inventory = self.store.get("inventories", template["inventory"])
            fields["name"] = f"{inventory['name'] if inventory else ''} - {template['name']}"
            fields |= {"source_project": None, "source_project_update": None, "scm_revision": ""}
            fields["_organization"] = inventory["organization"] if inventory else None
        job = self._new(kind, {**_FRESH, **fields}, user, more)
        template["status"] = "pending"
        return job

    def approval(self, template: Json, workflow: Json) -> Json:
        """An approval that waits."""
        fields = {
            **{name: template[name] for name in ("name", "description")},
            "unified_job_template": template["id"],
            "started": now(),
            "can_approve_or_deny": True,
            "approval_expiration": None,
            "timed_out": False,
            "launch_type": "workflow",
            "_workflow_job": workflow["id"],
        }
        fields["_related"] = {
            "source_workflow_job": workflow["url"],
            "workflow_approval_template": template["url"],
        }
        user = self.store.get("users", workflow["_created_by"])
        job = self._new(KINDS["workflow_approvals"], fields, user, {})
        job["_modified_by"] = None
        return job

    def _mark(self, template: Json, job: Json) -> None:
        template["_current"] = job["id"]
        template["status"] = job["status"]

    # running

    def start(self, job: Json) -> None:
        """Runs a job in a thread."""
        stop = threading.Event()
        self._running[job["id"]] = stop
        thread = threading.Thread(target=self._run, args=(job, stop), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, job: Json, stop: threading.Event) -> None:
        with self.changed:
            while not stop.is_set() and not self.closed and self._blocked(job):
                self.changed.wait(0.05)
            if stop.is_set() or self.closed:
                self.finish(job, "canceled")
                return
            self._started(job)
            run = self._prepared(job, stop)
        status = self._carried_out(job, run)
        with self.changed:
            for host, counts in run.stats.items():
                self._summary(job, host, counts)
            if "artifacts" in job:
                job["artifacts"] = run.artifacts
            job["_log"] = run.log
            failed, fine = sum(map(_bad, run.stats.values())), sum(not _bad(counts) for counts in run.stats.values())
            if "host_status_counts" in job:
                counted = {"failures": failed, "ok": fine}
                shown = {key: number for key, number in counted.items() if number} or None
                job["host_status_counts"] = None if job["type"] == "project_update" and not failed else shown
            if "playbook_counts" in job:
                job["playbook_counts"] = {"play_count": run.plays, "task_count": run.tasks}
            self.finish(job, "canceled" if stop.is_set() else status)

    def _carried_out(self, job: Json, run: Run) -> str:
        run.start()
        try:
            status = (self.runner(run) if job["type"] == "job" else None) or ("failed" if run.failed else "successful")
        except Exception as error:  # noqa: BLE001 - a runner that breaks is a job in error, as in AWX
            status = "error"
            with self.changed:
                job["result_traceback"] = repr(error)
        if job["type"] == "project_update":
            return self._synced(job, run)
        run.stop()
        return status

    def _synced(self, job: Json, run: Run) -> str:
        """A project's update, with the output that was recorded."""
        with self.changed:
            project = self.store.rows["projects"][job["project"]]
            broken = _broken(project)
            run.log = content(78 if broken else 69)["content"].split("\n")[:-1]
            run.plays = run.tasks = 1 if broken else 3
            run.stats["localhost"] = {"failures": 1} if broken else {"ok": 3}
            if broken:
                return "failed"
            project["_playbooks"] = self.playbooks
            job["scm_revision"] = project["_revision"]
            project["scm_revision"] = project["_revision"]
            return "successful"

    def _blocked(self, job: Json) -> bool:
        if job["type"] not in ("job", "workflow_job") or job.get("allow_simultaneous"):
            return False
        return any(
            other["status"] in ACTIVE and other["id"] < job["id"]
            for other in self.store.rows[_jobs_of(job)].values()
            if other["unified_job_template"] == job["unified_job_template"]
        )

    def _started(self, job: Json) -> None:
        job.update({"status": "running", "started": now()})
        job["_modified_by"] = None
        if job["type"] != "workflow_job":
            template = self.store.template(job["unified_job_template"])
            control = job["type"] == "project_update"
            environment = {"id": 2} if control else self.store.environment(template or {})
            job["execution_environment"] = job["execution_environment"] or (environment or {}).get("id")
            for name in ("execution_node", "controller_node"):
                if name in job:
                    job[name] = self.store.rows["instances"][1]["hostname"]
            if control:
                job["_instance_group"] = 1
            elif "instance_group" in job:
                job["instance_group"] = 2
            job["work_unit_id"] = uuid.uuid4().hex[:8]
            job["job_cwd"] = "/runner/project"
            if "source_project" in job:
                job["source_project"] = (template or {}).get("source_project")
            project = self.store.get("projects", job.get("source_project") or job.get("project"))
            if "scm_revision" in job and project:
                job["scm_revision"] = project["scm_revision"]
        self._template_status(job, "running")
        for hook in self.begun:
            hook(job)
        self.changed.notify_all()

    def _prepared(self, job: Json, stop: threading.Event) -> Run:
        template = self.store.template(job["unified_job_template"]) or {}

        def add(event: str, data: Json, text: str) -> None:
            with self.changed:
                self._event(job, event, data, text)

        return Run(job, template, dict(job.get("_variables", {})), stop, add)

    def _event(self, job: Json, event: str, data: Json, text: str) -> None:
        if job["type"] != "job":
            return
        kind = KINDS["job_events"]
        pattern = _EVENTS.get(event, _EVENTS["runner_on_ok"])
        counter = job["_events"] = job.get("_events", 0) + 1
        line = job.get("_line", 0)
        job["_line"] = line + text.count("\n") + (1 if text else 0)
        host_name = data.get("host", "")
        host = next((h["id"] for h in self.store.rows["hosts"].values() if h["name"] == host_name), None)
        fields = {
            "job": job["id"],
            "event": event,
            "counter": counter,
            "event_display": pattern["event_display"].split(" (")[0] + (f" ({data['name']})" if "name" in data else ""),
            "event_data": {**pattern["event_data"], **data},
            "event_level": pattern["event_level"],
            "failed": event in ("runner_on_failed", "runner_on_unreachable")
            or (event == "playbook_on_stats" and bool(data["failures"] or data["dark"])),
            "changed": bool(data.get("res", {}).get("changed")),
            "uuid": data["uuid"],
            "parent_uuid": "",
            "host": host if host_name else None,
            "host_name": host_name,
            "playbook": data["playbook"],
            "play": data["play"] if event not in ("playbook_on_start", "playbook_on_stats") else "",
            "task": data.get("task", ""),
            "stdout": text,
            "start_line": line,
            "end_line": job["_line"],
            "_related": {"job": job["url"]},
        }
        if fields["host"] is not None:
            fields["_related"]["host"] = self.store.path("hosts", fields["host"])
        self.store.add(kind, fields, None)

    def _summary(self, job: Json, host: str, counts: dict[str, int]) -> None:
        if job["type"] != "job":
            return
        kind = KINDS["job_host_summaries"]
        number = next((h["id"] for h in self.store.rows["hosts"].values() if h["name"] == host), None)
        blank = dict.fromkeys(("changed", "dark", "failures", "ok", "skipped", "ignored", "rescued"), 0)
        fields = {**blank, **counts, "job": job["id"], "host": number, "host_name": host, "failed": bool(_bad(counts))}
        related = {"job": job["url"], **({"host": self.store.path("hosts", number)} if number else {})}
        summary = self.store.add(kind, {**fields, "processed": 1, "_related": related}, None)
        if number is not None:
            self.store.rows["hosts"][number]["has_active_failures"] = summary["failed"]

    def finish(self, job: Json, status: str) -> None:
        """A job ends."""
        ended = datetime.now(UTC)
        job.update({"status": status, "finished": now(), "failed": status in ("failed", "error", "canceled")})
        if status == "canceled":
            job["canceled_on"] = job["canceled_on"] or now()
        if job["started"]:
            began = datetime.strptime(job["started"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
            job["elapsed"] = round((ended - began).total_seconds(), 3)
        if job["type"] != "workflow_job":
            job["_modified_by"] = None
        if "event_processing_finished" in job:
            job["event_processing_finished"] = True
        self._running.pop(job["id"], None)
        self._template_status(job, status)
        self.store.forget()
        for hook in self.done:
            hook(job)
        self.changed.notify_all()

    def _template_status(self, job: Json, status: str) -> None:
        template = self.store.template(job["unified_job_template"]) if job["unified_job_template"] else None
        if template is None:
            return
        template["status"] = status
        if status not in ACTIVE:
            template.update({"last_job_run": job["finished"], "last_job_failed": job["failed"], "_last": job["id"]})
            if template.get("_current") == job["id"]:
                template["_current"] = None
            if "last_updated" in template:
                template.update({"last_updated": job["finished"], "last_update_failed": job["failed"]})

    def cancel(self, job: Json) -> None:
        """Asks a job to stop; one that waits for another stops at once."""
        job["canceled_on"] = now()
        if job["id"] in self._running:
            self._running[job["id"]].set()
        else:
            self.finish(job, "canceled")
        self.changed.notify_all()

    def close(self) -> None:
        """Stops what still runs."""
        with self.changed:
            self.closed = True
            for stop in self._running.values():
                stop.set()
            self.changed.notify_all()
        for thread in self._threads:
            thread.join(5)

    def wait(self, number: int, seconds: float = 10.0) -> Json:
        """The job when it has ended. Raises TimeoutError."""
        with self.changed:
            ended = self.changed.wait_for(lambda: (self.store.job(number) or {}).get("finished"), seconds)
            if not ended:
                raise TimeoutError(f"job {number} still runs")
            return self.store.job(number) or {}


def _copied(kind: Kind, template: Json) -> Json:
    """What a job takes over from its template."""
    own = {*_FRESH, "id", "type", "url", "created", "modified"}
    return {name: template[name] for name in kind.shown if name in template and name not in own}


def _broken(project: Json) -> bool:
    """Whether its repository cannot be reached: a file that is not there, or no URL at all."""
    url = str(project["scm_url"])
    return "does-not-exist" in url or not re.match(r"[\w+.-]+://|[^/\s]+@[^/\s]+:", url)


def _bad(counts: dict[str, int]) -> int:
    return 1 if counts.get("failures") or counts.get("dark") else 0


def _plural(template: Json) -> str:
    return str(template["url"].split("/")[3])


def _jobs_of(job: Json) -> str:
    return str(job["url"].split("/")[3])


# A job that has just been launched.
_FRESH: Json = {
    "launch_type": "manual",
    "status": "pending",
    "execution_environment": None,
    "failed": False,
    "started": None,
    "finished": None,
    "canceled_on": None,
    "elapsed": 0.0,
    "job_args": "",
    "job_cwd": "",
    "job_env": {},
    "job_explanation": "",
    "execution_node": "",
    "controller_node": "",
    "result_traceback": "",
    "event_processing_finished": False,
    "work_unit_id": None,
    "artifacts": {},
    "scm_revision": "",
    "instance_group": None,
    "host_status_counts": None,
    "playbook_counts": {"play_count": 0, "task_count": 0},
    "webhook_guid": "",
}

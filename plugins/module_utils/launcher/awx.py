# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Launching by AWX.

AWX has no idempotency key, so a launch carries its own as the variable `dbaas_idempotency_key`. AWX refuses to filter
by extra_vars; the jobs of the template are read, which bear them, as far back as REMEMBERED.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx, AwxError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import jobs
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.jobs import Failure
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.launcher import base
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import (
    Launched,
    Outcome,
    Progress,
    Request,
)

Json = dict[str, Any]

#: How long a key finds its job: what is older is not looked through.
REMEMBERED = timedelta(days=7)
#: Seconds between two looks at a job, between two looks for one whose launch was not answered, and how long for it.
PAUSE, LOOK, LOST = 2.0, 1.0, 20.0
#: Seconds that AWX may be silent while a job is followed, and that its last events may take to arrive.
PATIENCE, EVENTS = 300.0, 30.0

#: kind of template -> its list, the list of its jobs and the filter by it there, the page of a job in AWX
_KINDS = {
    "job_template": ("job_templates", "jobs", "playbook"),
    "workflow_job_template": ("workflow_job_templates", "workflow_jobs", "workflow"),
}
_JOBS = {"job": "jobs", "workflow_job": "workflow_jobs"}


class AwxLauncher:
    """Launches what AWX has: job templates, and workflow templates by the same names."""

    def __init__(self, awx: Awx) -> None:
        self.awx = awx

    def plan(self, request: Request) -> Json:
        """See Launcher."""
        template, asked, prompts = self._prepared(request, whole=True)
        summary = template.get("summary_fields") or {}
        if not (summary.get("user_capabilities") or {}).get("start", True):
            raise AwxError("awx-forbidden", f"this user may not launch {request.template}", 403)
        known = self._keyed(template, request.key) if request.key else []
        if known:
            base.same(request, _extra(known[0]), known[0], str(known[0]["id"]))
        return {
            "template": request.template,
            "kind": template["type"],
            "answers": base.shown(survey.filled(asked, base.variables(request)), asked),
            "prompts": {**prompts, **({"inventory": request.prompts["inventory"]} if "inventory" in prompts else {})},
            "job": str(known[0]["id"]) if known else "",
        }

    def launch(self, request: Request) -> Launched:
        """See Launcher. Where AWX's answer is lost the job is looked for by its key; nothing is ever launched twice.

        Raises awx-unconfirmed where it cannot be found: the same launch with the same key is right then.
        """
        template, asked, prompts = self._prepared(request, whole=False)
        if request.key and (known := self._keyed(template, request.key)):
            base.same(request, _extra(known[0]), known[0], str(known[0]["id"]))
            return self._launched(request, template, known[0]["id"], found=True)
        path = f"{_KINDS[template['type']][0]}/{template['id']}/launch/"
        try:
            answer = self.awx.post(path, {"extra_vars": base.variables(request), **prompts}) or {}
        except AwxError as error:
            if error.code == "awx-unconfirmed" and request.key:
                return self._launched(request, template, self._lost(template, request.key, error))
            needed = error.detail.get("variables_needed_to_start") if isinstance(error.detail, dict) else None
            if needed:
                base.refused([], [str(sentence) for sentence in needed], asked, request.answers)
            raise
        job = int(answer["id"])
        if ignored := answer.get("ignored_fields"):
            # the template changed since it was read: with a limit less the job works on more than it should
            self._cancel(_KINDS[template["type"]][1], job)
            raise AwxError("awx-rejected", f"job {job} left out {json.dumps(ignored)}, and was cancelled for it", 201)
        return self._launched(request, template, self._winner(template, request.key, job))

    def follow(self, job: str, progress: Progress, timeout: float | None = None) -> Outcome:
        """See Launcher. AWX may be silent for PATIENCE seconds meanwhile."""
        end = None if timeout is None else time.monotonic() + timeout
        kind, _state = self._find(job)
        watch: Watch = (WorkflowWatch if kind == "workflow_jobs" else JobWatch)(self.awx, int(job), progress)
        heard = time.monotonic()
        while True:
            try:
                if watch.look():
                    break
                heard = time.monotonic()
            except AwxError as error:
                if not error.retry or time.monotonic() - heard > PATIENCE:
                    raise
                progress(f"AWX does not answer: {error.message}")
            if end is not None and time.monotonic() > end:
                raise DbaasError("job-timeout", f"job {job} has not ended within {timeout:g} s")
            time.sleep(PAUSE)
        if watch.state["status"] == "canceled" and (earlier := self._earlier(watch.state)) is not None:
            progress(f"job {job} made way for job {earlier}, which bears the same key")
            return self.follow(str(earlier), progress, None if end is None else end - time.monotonic())
        return watch.outcome()

    def cancel(self, job: str) -> None:
        """See Launcher."""
        kind, _state = self._find(job)
        self._cancel(kind, int(job))

    def _prepared(self, request: Request, *, whole: bool) -> tuple[Json, Json, Json]:
        """Template, survey, and the prompts as AWX takes them.

        Raises answers-invalid for what AWX would leave out in silence; `whole`: also for what it would refuse itself.
        """
        template = self._template(request)
        place = f"{_KINDS[template['type']][0]}/{template['id']}/survey_spec/"
        asked = {"spec": [], **(self.awx.get(place) if template.get("survey_enabled") else {})}
        wrong = base.unasked(request.template, template, asked, request)
        prompts = dict(request.prompts)
        if "inventory" in prompts:
            found = self.awx.get("inventories/", name=prompts["inventory"])["results"]
            mine = [item for item in found if item["organization"] == template.get("organization")]
            if not found:
                known = sorted(str(item["name"]) for item in self.awx.pages("inventories/"))
                like = nearest(prompts["inventory"], known)
                allowed = f"an inventory: {', '.join(known) or 'there is none'}"
                wrong.append(FieldError("inventory", prompts["inventory"], allowed, like))
            else:
                prompts["inventory"] = (mine or found)[0]["id"]
        if wrong or whole:
            given = base.variables(request)
            base.refused(wrong, survey.refusals(asked, given), asked, given)
        return template, asked, prompts

    def _template(self, request: Request) -> Json:
        query = {"organization__name": request.organization} if request.organization else {}
        lists = [lists for lists, _jobs, _page in _KINDS.values()]
        pages = self.awx.together([partial(self.awx.get, f"{each}/", name=request.template, **query) for each in lists])
        found: list[Json] = [item for page in pages for item in page["results"]]
        if not found:
            every = self.awx.together([partial(self.awx.pages, f"{each}/", **query) for each in lists])
            raise base.missing("template", request.template, sorted(item["name"] for some in every for item in some))
        if len(found) > 1:
            places = sorted(_organization(item) for item in found)
            allowed = f"one of those that have a template {request.template}: {', '.join(places)}"
            raise InvalidFields("option-invalid", [FieldError("organization", request.organization or None, allowed)])
        return found[0]

    def _keyed(self, template: Mapping[str, Any], key: str) -> list[Json]:
        """The template's jobs that were launched with this key, the first one first.

        A job that someone relaunched and the jobs within a workflow bear the key of another.
        """
        _templates, lists, _page = _KINDS[template["type"]]
        since = (datetime.now(UTC) - REMEMBERED).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {template["type"]: template["id"], "launch_type": "manual", "created__gte": since}
        found = [job for job in self.awx.pages(f"{lists}/", **query) if _extra(job).get(survey.KEY) == key]
        return sorted(found, key=lambda job: int(job["id"]))

    def _lost(self, template: Json, key: str, error: AwxError) -> int:
        """The job whose launch was not answered, if AWX has it before long."""
        end = time.monotonic() + LOST
        while True:
            with contextlib.suppress(AwxError):
                if known := self._keyed(template, key):
                    return self._winner(template, key, int(known[0]["id"]))
            if time.monotonic() > end:
                raise AwxError(error.code, f"{error.message}; no job bears the key {key!r} after {LOST:g} s") from None
            time.sleep(LOOK)

    def _winner(self, template: Json, key: str, mine: int) -> int:
        """The first of the jobs with this key; later ones, launched at the same time elsewhere, are cancelled.

        Whoever sees a double cancels it: of two launchers the one that AWX answers last sees both jobs.
        """
        if not key:
            return mine
        # the job is launched, whether AWX answers now or not
        with contextlib.suppress(AwxError):
            first, *others = self._keyed(template, key) or [{"id": mine}]
            for job in others:
                if job["status"] not in jobs.ENDED:
                    self._cancel(_KINDS[template["type"]][1], int(job["id"]))
            return int(first["id"])
        return mine

    def _earlier(self, state: Json) -> int | None:
        """The job that one which was cancelled made way for."""
        key, kind = _extra(state).get(survey.KEY), f"{state['type']}_template"
        if not key or not state.get(kind):
            return None
        known = self._keyed({"type": kind, "id": state[kind]}, str(key))
        return int(known[0]["id"]) if known and known[0]["id"] < state["id"] else None

    def _cancel(self, kind: str, job: int) -> None:
        try:
            self.awx.post(f"{kind}/{job}/cancel/", {}, repeatable=True)
        except AwxError as error:
            if error.status != 405:  # it has ended
                raise

    def _find(self, job: str) -> tuple[str, Json]:
        found = self.awx.get("unified_jobs/", id=job)["results"] if job.isdecimal() else []
        if not found or found[0]["type"] not in _JOBS:
            raise DbaasError("job-missing", f"job {job}: AWX has no such job, or this user may not see it")
        return _JOBS[found[0]["type"]], found[0]

    def _launched(self, request: Request, template: Json, job: int, *, found: bool = False) -> Launched:
        page = _KINDS[template["type"]][2]
        url = f"{self.awx.host}/#/jobs/{page}/{job}/output"
        return Launched(str(job), request.template, found=found, url=url)


class Watch:
    """One job of AWX that is followed; `state` is what AWX said of it last."""

    def __init__(self, awx: Awx, job: int, progress: Progress, kind: str) -> None:
        self.awx = awx
        self.job = job
        self.progress = progress
        self.kind = kind
        self.state: Json = {"status": ""}

    def look(self) -> bool:
        """Tells what is new. True when the job has ended and nothing more comes."""
        before = self.state["status"]
        self.state = self.awx.get(f"{self.kind}/{self.job}/")
        if self.state["status"] != before:
            why = self.state.get("job_explanation") or ""
            self.progress(f"job {self.job} {self.state['name']} is {self.state['status']}{f': {why}' if why else ''}")
        return self.state["status"] in jobs.ENDED

    def failure(self) -> Failure | None:
        """What it failed in, as far as that is known."""
        return None

    def outcome(self) -> Outcome:
        """How it ended."""
        status, failure = str(self.state["status"]), self.failure()
        detail = ""
        if status != "successful":
            detail = f"{failure}\n{failure.stdout}" if failure else self._words()
        reason = base.reason(status, failure, str(self.job))
        return Outcome(str(self.job), status, self.state.get("artifacts") or {}, reason, detail)

    def _words(self) -> str:
        """What AWX says of a job that failed in no task."""
        words = [self.state.get("job_explanation"), self.state.get("result_traceback")]
        if self.kind == "jobs":
            with contextlib.suppress(AwxError):
                content = str(self.awx.get(f"jobs/{self.job}/stdout/", format="json").get("content", ""))
                words += jobs.plain(content).splitlines()[-20:]
        return "\n".join(str(word) for word in words if word)


class JobWatch(Watch):
    """A job of a job template: followed by its events."""

    def __init__(self, awx: Awx, job: int, progress: Progress) -> None:
        super().__init__(awx, job, progress, "jobs")
        self._seen: set[int] = set()
        #: every event up to this one is known
        self._known = 0
        self._failed: list[Json] = []
        self._ended: float | None = None

    def look(self) -> bool:
        ended = super().look()
        self._read()
        if not ended:
            return False
        self._ended = self._ended or time.monotonic()
        # events arrive after the job's end
        return bool(self.state.get("event_processing_finished", True)) or time.monotonic() - self._ended > EVENTS

    def _read(self) -> None:
        query = {"counter__gt": self._known, "order_by": "counter"}
        for event in self.awx.pages(f"jobs/{self.job}/job_events/", **query):
            # AWX stores them side by side: a later one may be there first
            if event["counter"] in self._seen:
                continue
            self._seen.add(event["counter"])
            if event.get("failed"):
                self._failed.append(event)
            for line in jobs.progress(event):
                self.progress(line)
        while self._known + 1 in self._seen:
            self._known += 1
            self._seen.discard(self._known)

    def failure(self) -> Failure | None:
        return jobs.failure(sorted(self._failed, key=lambda event: int(event["counter"])))


class WorkflowWatch(Watch):
    """A workflow: followed by its nodes, their jobs and approvals."""

    def __init__(self, awx: Awx, job: int, progress: Progress) -> None:
        super().__init__(awx, job, progress, "workflow_jobs")
        self._told: dict[int, str] = {}
        self._watches: dict[int, JobWatch] = {}
        self._jobs: list[Json] = []

    def look(self) -> bool:
        ended = super().look()
        nodes = self.awx.pages(f"workflow_jobs/{self.job}/workflow_nodes/")
        self._jobs = [node["summary_fields"]["job"] for node in nodes if node["summary_fields"].get("job")]
        self._jobs.sort(key=lambda job: int(job["id"]))
        done = [self._look(job) for job in self._jobs]
        return ended and all(done)

    def _look(self, job: Json) -> bool:
        number, name = int(job["id"]), str(job["name"])
        if job["type"] == "job":
            watch = self._watches.setdefault(number, JobWatch(self.awx, number, _named(self.progress, name)))
            return watch.state["status"] in jobs.ENDED or watch.look()
        status = str(job["status"])
        if self._told.get(number) != status:
            self._told[number] = status
            waits = job["type"] == "workflow_approval" and status == "pending"
            self.progress(f"{name}: {'waits for approval' if waits else status}")
        return status in jobs.ENDED

    def _last(self) -> Json | None:
        """What the workflow failed in: nodes before it failed on the way that the workflow foresees."""
        return next((job for job in reversed(self._jobs) if job.get("failed")), None)

    def failure(self) -> Failure | None:
        job = self._last()
        if job is None:
            return None
        if job["type"] == "workflow_approval":
            said = "was not given in time" if job.get("timed_out") else "was denied"
            return Failure(str(job["name"]), "AWX", f"The approval {job['name']!r} {said}.", "approval-denied", "")
        watch = self._watches.get(int(job["id"]))
        return watch.failure() if watch else None

    def outcome(self) -> Outcome:
        ended = super().outcome()
        left: Json = {}
        for _number, watch in sorted(self._watches.items()):
            for name, value in (watch.state.get("artifacts") or {}).items():
                before = left.get(name)
                # what was planned, delivered and verified is one result
                left[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
        job = self._last() if ended.status != "successful" else None
        detail = f"{job['name']} (job {job['id']}): {ended.detail}" if job else ended.detail
        return replace(ended, artifacts=left, detail=detail)


def _named(progress: Progress, name: str) -> Progress:
    return lambda line: progress(f"{name}: {line}")


def _extra(job: Mapping[str, Any]) -> Json:
    """The variables of a job, which AWX keeps as text."""
    try:
        found = json.loads(job.get("extra_vars") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _organization(template: Json) -> str:
    organization: Sequence[str] | Json = (template.get("summary_fields") or {}).get("organization") or {}
    name = organization.get("name") if isinstance(organization, dict) else None
    return f"{name or 'none'} ({template['type'].replace('_', ' ')})"

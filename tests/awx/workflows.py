"""Workflow jobs: which node runs next, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from .jobs import Jobs
from .kinds import KINDS
from .notifications import Notifications
from .recordings import Json, content
from .store import ACTIVE, Store, now

_PATHS = ("success_nodes", "failure_nodes", "always_nodes")
_PROMPTS = (
    *("inventory", "scm_branch", "job_type", "job_tags", "skip_tags", "limit", "diff_mode", "verbosity", "forks"),
    *("execution_environment", "job_slice_count", "timeout"),
)


class Workflows:
    """Starts the nodes of workflow jobs as those before them end."""

    def __init__(self, store: Store, jobs: Jobs, notifications: Notifications) -> None:
        self.store, self.jobs, self.notifications = store, jobs, notifications
        self._timers: list[threading.Timer] = []
        jobs.done.append(self._ended)

    def start(self, job: Json) -> None:
        """Makes the nodes of a workflow job and starts the first."""
        if "_bulk" not in job:
            self._nodes(job)
        if self.jobs._blocked(job):
            return
        self._go(job)

    def _go(self, job: Json) -> None:
        self._later(0.02, self._begin, job)

    def _begin(self, job: Json) -> None:
        with self.jobs.changed:
            if job["status"] == "pending":
                job.update({"status": "running", "started": now()})
                for hook in self.jobs.begun:
                    hook(job)
                self._step(job)

    def _nodes(self, job: Json) -> None:
        made: dict[int, Json] = {}
        kind, pattern = KINDS["workflow_job_nodes"], KINDS["workflow_job_template_nodes"]
        for node in self.store.rows[pattern.name].values():
            if node["workflow_job_template"] == job["workflow_job_template"]:
                copied = {name: node[name] for name in (*_PROMPTS, "extra_data", "unified_job_template", "identifier")}
                copied["all_parents_must_converge"] = node["all_parents_must_converge"]
                fields = {**copied, "workflow_job": job["id"], "job": None, "do_not_run": False}
                fields["_extra_data"] = node.get("_extra_data", node["extra_data"])
                made[node["id"]] = self.store.add(kind, fields, None)
                for name in ("credentials", "labels", "instance_groups"):
                    linked = self.store.links.get((pattern.name, node["id"], name), [])
                    self.store.links[kind.name, made[node["id"]]["id"], name] = list(linked)
        for number, row in made.items():
            for path in _PATHS:
                row[path] = [made[n]["id"] for n in self.store.links.get((pattern.name, number, path), [])]

    def bulk(self, body: Json, user: Json) -> Json:
        """A workflow of jobs that were launched together."""
        by = {"id": user["id"], "name": user["username"], "type": "user", "url": user["url"]}
        blank = {key: value for key, value in content(268).items() if key in KINDS["workflow_jobs"].shown}
        fields = {**blank, "name": body["name"], "launched_by": by, "_variables": {}, "_bulk": True}
        for name in ("id", "url", "related", "summary_fields", "created", "modified"):
            fields.pop(name)
        job = self.store.add(KINDS["workflow_jobs"], fields, user["id"])
        for index, entry in enumerate(body["jobs"]):
            node: Json = {name: entry.get(name) for name in _PROMPTS}
            node |= {"extra_data": entry.get("extra_data", {}), "unified_job_template": entry["unified_job_template"]}
            node |= {"identifier": entry.get("identifier", str(index)), "workflow_job": job["id"], "job": None}
            node |= {**{path: [] for path in _PATHS}, "do_not_run": False, "all_parents_must_converge": False}
            self.store.add(KINDS["workflow_job_nodes"], {**node, "_extra_data": node["extra_data"]}, None)
        return job

    def nodes(self, job: Json) -> list[Json]:
        return [row for row in self.store.rows["workflow_job_nodes"].values() if row["workflow_job"] == job["id"]]

    def _ended(self, job: Json) -> None:
        if job["type"] == "workflow_job":
            waiting = [
                other
                for other in self.store.rows["workflow_jobs"].values()
                if other["status"] == "pending" and not self.jobs._blocked(other)
            ]
            for other in waiting[:1]:
                self._go(other)
        workflow = self.store.job(job["_workflow_job"]) if job.get("_workflow_job") else None
        if workflow and workflow["status"] == "running":
            self._step(workflow)

    def _step(self, workflow: Json) -> None:
        """Starts what can start; ends the workflow when nothing runs."""
        nodes = {node["id"]: node for node in self.nodes(workflow)}
        progress = True
        while progress:
            progress = False
            for node in nodes.values():
                if node["job"] is None and not node["do_not_run"] and node["unified_job_template"] is not None:
                    verdict = self._verdict(node, nodes)
                    if verdict is None:
                        continue
                    progress = True
                    if verdict and not workflow.get("_canceled"):
                        self._launch(workflow, node, nodes)
                    else:
                        node["do_not_run"] = True
        running = [node for node in nodes.values() if node["job"] and self._job(node)["status"] in ACTIVE]
        if not running:
            self._finish(workflow, nodes)

    def _job(self, node: Json) -> Json:
        return self.store.job(node["job"]) or {}

    def _verdict(self, node: Json, nodes: dict[int, Json]) -> bool | None:
        """Whether a node runs; None: not known yet."""
        votes = [self._vote(parent, path) for parent in nodes.values() for path in _PATHS if node["id"] in parent[path]]
        if not votes:
            return True
        if node["all_parents_must_converge"]:
            return False if False in votes else None if None in votes else True
        return True if True in votes else None if None in votes else False

    def _vote(self, parent: Json, path: str) -> bool | None:
        if parent["do_not_run"]:
            return False
        job = self._job(parent) if parent["job"] else {}
        if not job or job["status"] in ACTIVE:
            return None
        if path == "always_nodes":
            return True
        return bool((job["status"] == "successful") == (path == "success_nodes"))

    def _launch(self, workflow: Json, node: Json, nodes: dict[int, Json]) -> None:
        template = self.store.template(node["unified_job_template"]) or {}
        user = self.store.get("users", workflow["_created_by"])
        if template["type"] == "workflow_approval_template":
            job = self.jobs.approval(template, workflow)
            self.notifications.approval(job, "running")
            self._expires(job, template["timeout"])
        elif template["type"] in ("project", "inventory_source"):
            job = self.jobs.update(template, user, launch_type="workflow", _workflow_job=workflow["id"])
        else:
            taken: Json = {name: node[name] for name in _PROMPTS if node.get(name) is not None}
            variables = {**(node.get("_extra_data") or {}), **self._artifacts(node, nodes)}
            taken["extra_vars"] = {**variables, **workflow["_variables"]}
            job = self.jobs.create(template, taken, user, launch_type="workflow", _workflow_job=workflow["id"])
        job["_related"] = {**job.get("_related", {}), "source_workflow_job": workflow["url"]}
        node["job"] = job["id"]
        node["_related"] = {"job": job["url"]}
        if job["type"] == "workflow_job":
            self.start(job)
        elif job["type"] != "workflow_approval":
            self.jobs.start(job)

    def _artifacts(self, node: Json, nodes: dict[int, Json]) -> Json:
        """What the jobs before it set with set_stats."""
        found: Json = {}
        for parent in nodes.values():
            if any(node["id"] in parent[path] for path in _PATHS) and parent["job"]:
                found.update(self._artifacts(parent, nodes))
                found.update(self._job(parent).get("artifacts") or {})
        return found

    def _finish(self, workflow: Json, nodes: dict[int, Json]) -> None:
        if workflow.get("_canceled"):
            self.jobs.finish(workflow, "canceled")
            return
        failed = False
        for node in nodes.values():
            job = self._job(node) if node["job"] else {}
            handled = bool(node["failure_nodes"] or node["always_nodes"])
            if job and job["status"] in ("failed", "error", "canceled") and not handled:
                failed = True
            if node["unified_job_template"] is None and not node["do_not_run"]:
                failed = True
        if failed:
            workflow["job_explanation"] = content(261)["job_explanation"]
        self.jobs.finish(workflow, "failed" if failed else "successful")

    def decide(self, approval: Json, yes: bool, user: Json) -> None:
        """Somebody approves or denies."""
        approval.update({"can_approve_or_deny": False, "approval_expiration": None, "_decided_by": user["id"]})
        approval["_related"] = {**approval["_related"], "approved_or_denied_by": user["url"]}
        self.jobs.finish(approval, "successful" if yes else "failed")

    def _expires(self, approval: Json, seconds: int) -> None:
        """An approval that nobody gives in time is denied; 0 seconds: it waits for ever."""
        if seconds:
            ends = datetime.now(UTC) + timedelta(seconds=seconds)
            approval["approval_expiration"] = ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            self._later(seconds, self._expired, approval, seconds)

    def _expired(self, approval: Json, seconds: int) -> None:
        with self.jobs.changed:
            if approval["status"] != "pending":
                return
            said = f"The approval node {approval['name']} ({approval['id']}) has expired after {seconds} seconds."
            approval.update({"timed_out": True, "job_explanation": said})
            approval.update({"can_approve_or_deny": False, "approval_expiration": None})
            self.jobs.finish(approval, "failed")

    def _later(self, seconds: float, what: Callable[..., None], *args: Any) -> None:
        timer = threading.Timer(seconds, what, args)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def close(self) -> None:
        """Nothing happens any more."""
        for timer in self._timers:
            timer.cancel()

    def cancel(self, workflow: Json) -> None:
        """Cancels a workflow with all that it runs."""
        workflow.update({"_canceled": True, "canceled_on": now()})
        running = [self._job(node) for node in self.nodes(workflow) if node["job"]]
        for job in [job for job in running if job["status"] in ACTIVE]:
            self.jobs.cancel(job)
        if workflow["status"] == "pending":
            self.jobs.finish(workflow, "canceled")

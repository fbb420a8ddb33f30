"""Notifications of jobs and approvals: their text is rendered, and sent only where the test asked for it."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import urlsplit

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .kinds import KINDS
from .recordings import Json, content
from .store import Store

_FRIENDLY = {
    "job": ("Job", "playbook"),
    "workflow_job": ("Workflow Job", "workflow"),
    "project_update": ("Project Update", "project"),
    "inventory_update": ("Inventory Update", "inventory"),
    "workflow_approval": ("Workflow Approval", "workflow"),
}


class Notifications:
    """deliver: webhooks on the loopback interface are really called; others never are. url: AWX's own address."""

    def __init__(self, store: Store, deliver: bool, url: str = "") -> None:
        self.store, self.deliver, self.url = store, deliver, url
        self._threads: list[threading.Thread] = []

    def started(self, job: Json) -> None:
        if job["type"] != "workflow_approval":
            self._notify(job, "started", "started")

    def ended(self, job: Json) -> None:
        if job["type"] == "workflow_approval":
            denied = "timed_out" if job["timed_out"] else "denied"
            self.approval(job, "approved" if job["status"] == "successful" else denied)
        else:
            event = "success" if job["status"] == "successful" else "error"
            self._notify(job, event, event)

    def approval(self, job: Json, event: str) -> None:
        """event: running, approved, denied, timed_out."""
        self._notify(job, "approvals", event)

    def _notify(self, job: Json, route: str, event: str) -> None:
        for template in self._templates(job, f"notification_templates_{route}"):
            self._send(template, job, event, self.text(template, job, event))

    def _templates(self, job: Json, route: str) -> list[Json]:
        """Those of the template, and of its organization."""
        owner = self.store.template(job["unified_job_template"]) if job["unified_job_template"] else None
        if job["type"] == "workflow_approval":
            workflow = self.store.job(job["_workflow_job"]) or {}
            owner = self.store.get("workflow_job_templates", workflow.get("workflow_job_template"))
        found: dict[int, Json] = {}
        organization = self.store.get("organizations", owner.get("organization")) if owner else None
        for row in (owner, organization):
            if row is None or route not in KINDS[row["url"].split("/")[3]].links:
                continue
            found.update({template["id"]: template for template in self.store.tied(row, route)})
        return list(found.values())

    def text(self, template: Json, job: Json, event: str) -> Json:
        """A notification's subject (message) and body, rendered."""
        sort, approval = template["notification_type"], job["type"] == "workflow_approval"
        own, usual = template["messages"], content(328)["actions"]["POST"]["messages"][sort]
        if approval:
            own, usual = own.get("workflow_approval") or {}, usual["workflow_approval"]
        chosen = {**usual[event], **{part: text for part, text in (own.get(event) or {}).items() if text}}
        context = self._context(job)
        rendered: Json = {part: _rendered(text or "", context) for part, text in chosen.items()}
        if sort == "webhook":
            try:
                rendered["body"] = json.loads(rendered["body"])
            except ValueError:
                rendered["body"] = {"body": rendered["body"]}
        return rendered

    def _context(self, job: Json) -> Json:
        shown = self.store.show(job)
        name, page = _FRIENDLY[job["type"]]
        number = job["_workflow_job"] if job["type"] == "workflow_approval" else job["id"]
        url = f"{self.url}/jobs/{page}/{number}"
        status = {"pending": "pending", "successful": "approved", "failed": "denied"}.get(job["status"], "")
        context = {
            "job": shown,
            "job_friendly_name": name,
            "url": url,
            "job_metadata": json.dumps(self._data(job, url)),
        }
        if job["type"] == "workflow_approval":
            context |= {"approval_node_name": job["name"], "approval_status": status, "workflow_url": url}
        return context

    def _data(self, job: Json, url: str) -> Json:
        """What AWX tells of a job when the message says nothing else."""
        user = self.store.get("users", job["_created_by"])
        data: Json = {"id": job["id"], "name": job["name"], "url": url}
        data["created_by"] = user["username"] if user else None
        data |= {"started": _offset(job["started"]), "finished": _offset(job["finished"])}
        data |= {"status": job["status"], "traceback": job.get("result_traceback", "")}
        if job["type"] == "job":
            for name, kind in (("inventory", "inventories"), ("project", "projects")):
                other = self.store.get(kind, job[name])
                data[name] = other["name"] if other else None
            data |= {"playbook": job["playbook"], "credential": None, "limit": job["limit"]}
            keys = ("failed", "changed", "dark", "failures", "ok", "processed", "skipped", "rescued", "ignored")
            summaries = self.store.rows["job_host_summaries"].values()
            data["extra_vars"] = job["extra_vars"]
            data["hosts"] = {
                row["host_name"]: {key: row[key] for key in keys} for row in summaries if row["job"] == job["id"]
            }
        return data

    def _send(self, template: Json, job: Json, event: str, text: Json) -> None:
        body = text["body"] if text.get("body") else text.get("message", "")
        fields = {
            "notification_template": template["id"],
            "notification_type": template["notification_type"],
            "recipients": recipients(template),
            "status": "successful",
            "notifications_sent": 1,
            "error": "",
            "body": body,
            "_job": job["id"],
            "_event": event,
            "_text": text,
            "_related": {"notification_template": template["url"]},
        }
        row = self.store.add(KINDS["notifications"], fields, None)
        url = urlsplit(str(template["notification_configuration"].get("url", "")))
        if self.deliver and template["notification_type"] == "webhook" and url.hostname in ("127.0.0.1", "localhost"):
            thread = threading.Thread(target=_post, args=(template["_configuration"], url, body, row), daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Waits for what is being sent."""
        for thread in self._threads:
            thread.join(5)


def _rendered(text: str, context: Json) -> str:
    """A text with its names filled in: as in AWX nothing of it is left where one is not there."""
    try:
        return ImmutableSandboxedEnvironment(autoescape=False).from_string(text).render(context)
    except (jinja2.TemplateSyntaxError, jinja2.UndefinedError, jinja2.exceptions.SecurityError):
        return ""


def recipients(template: Json) -> str:
    """Where a notification goes, as AWX shows it."""
    configuration = template["notification_configuration"]
    return str(
        configuration.get("url") or ", ".join(configuration.get("channels") or configuration.get("recipients") or [])
    )


def _offset(moment: str | None) -> str | None:
    return moment.replace("Z", "+00:00") if moment else None


def _post(configuration: Json, url: Any, body: Any, row: Json) -> None:
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=5)
    headers = {"Content-Type": "application/json", **configuration["headers"]}
    try:
        connection.request(configuration["http_method"], url.path or "/", json.dumps(body), headers)
        status = connection.getresponse().status
        if status >= 400:
            row.update({"status": "failed", "notifications_sent": 0, "error": f"Error sending notification: {status}"})
    except OSError as error:
        row.update({"status": "failed", "notifications_sent": 0, "error": f"Error sending notification: {error}"})
    finally:
        connection.close()

"""The routes that are no plain lists of objects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace

from . import filters, recurrence, surveys
from .api import Answer, Api, Handler, Request, object_of
from .fields import parsed
from .kinds import JOBS, KINDS, Kind
from .notifications import Notifications, recipients
from .problems import Problem, detail, forbidden
from .recordings import Json, content
from .store import ACTIVE
from .workflows import Workflows

_SLUG = "/api/v2/settings/{category_slug}/"


class Special:
    """Puts its handlers into the API."""

    def __init__(self, api: Api, notifications: Notifications) -> None:
        self.api, self.store, self.jobs, self.notifications = api, api.store, api.jobs, notifications
        self.workflows = Workflows(api.store, api.jobs, notifications)
        for name in ("job_templates", "workflow_job_templates"):
            self._on(name, "launch", GET=self._asked, POST=self._launch)
            self._on(name, "survey_spec", GET=self._survey, POST=self._new_survey, DELETE=self._no_survey)
            self._on(name, "copy", POST=self._copy)
            self._on(name, "webhook_key", GET=self._key, POST=self._new_key)
            self._on(name, "github", POST=self._hooked)
            self._on(name, "gitlab", POST=self._hooked)
        for name in ("jobs", "project_updates", "inventory_updates", "workflow_jobs"):
            self._on(name, "cancel", GET=self._can_cancel, POST=self._cancel)
            self._on(name, "notifications", GET=self._job_notifications)
        for name in ("jobs", "project_updates", "inventory_updates"):
            self._on(name, "stdout", GET=self._stdout)
        self._on("jobs", "relaunch", POST=self._relaunch)
        self._on("workflow_jobs", "relaunch", POST=self._relaunch)
        self._on("jobs", "job_events", GET=self._of_job("job_events"))
        self._on("jobs", "job_host_summaries", GET=self._of_job("job_host_summaries"))
        self._on("jobs", "create_schedule", GET=self._create_schedule)
        self._on("workflow_jobs", "workflow_nodes", GET=self._of_workflow)
        self._on("workflow_approvals", "approve", POST=self._decide)
        self._on("workflow_approvals", "deny", POST=self._decide)
        self._on("workflow_job_template_nodes", "create_approval_template", POST=self._approval_template)
        self._on("projects", "playbooks", GET=lambda request, row, kind: Answer(200, row.get("_playbooks", [])))
        self._on("projects", "inventories", GET=lambda request, row, kind: Answer(200, content(66)))
        for name in ("projects", "inventory_sources"):
            self._on(name, "update", GET=self._can_update, POST=self._update)
        self._on("inventories", "update_inventory_sources", GET=self._can_update_all, POST=self._update_all)
        for name in ("inventories", "hosts", "groups"):
            self._on(name, "variable_data", GET=self._variables, PUT=self._set_variables, PATCH=self._set_variables)
        self._on("hosts", "groups", GET=self._groups, POST=self._into_group)
        self._on("hosts", "all_groups", GET=self._groups)
        self._on("inventories", "script", GET=self._script)
        self._on("groups", "inventory_sources", GET=self._brought_by)
        self._on("notification_templates", "test", POST=self._test)
        self._on("schedules", "jobs", GET=self._scheduled)
        self._on("*", "object_roles", GET=self._object_roles)
        self._on("*", "access_list", GET=self._access_list)
        self._on("*", "activity_stream", GET=self._activity)
        self._on("roles", "users", GET=self._holders("users"), POST=self._grant_to("users"))
        self._on("roles", "teams", GET=self._holders("teams"), POST=self._grant_to("teams"))
        for name in ("users", "teams"):
            self._on(name, "roles", GET=self._roles, POST=self._grant)
        for name in ("organizations", "teams", "admin_of_organizations"):
            self._on("users", name, GET=self._memberships)
        plain: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("/api/", "GET"): lambda request: Answer(200, content(1)),
            ("/api/v2/", "GET"): lambda request: Answer(200, content(2)),
            ("/api/v2/ping/", "GET"): lambda request: Answer(200, content(3)),
            ("/api/v2/config/", "GET"): lambda request: Answer(200, content(4)),
            ("/api/v2/me/", "GET"): self._me,
            ("/api/v2/schedules/preview/", "POST"): self._preview,
            ("/api/v2/unified_jobs/", "GET"): self._unified_jobs,
            ("/api/v2/unified_job_templates/", "GET"): self._unified_job_templates,
            ("/api/v2/bulk/host_create/", "POST"): self._bulk_hosts,
            ("/api/v2/bulk/host_delete/", "POST"): self._bulk_host_delete,
            ("/api/v2/bulk/job_launch/", "POST"): self._bulk_launch,
            (_SLUG, "GET"): self._settings,
            (_SLUG, "PATCH"): self._set_settings,
            (_SLUG, "PUT"): self._set_settings,
            ("/api/v2/role_user_assignments/", "POST"): self._assign("users", "user"),
            ("/api/v2/role_team_assignments/", "POST"): self._assign("teams", "team"),
        }
        api.plain.update(plain)

    def _on(self, kind: str, name: str, **handlers: Handler) -> None:
        for method, handler in handlers.items():
            self.api.handlers[kind, name, method] = handler

    def _may(self, request: Request, row: Json, name: str) -> Json:
        if request.user is None or not self.api.may(request.user, row, name):
            raise forbidden()
        return request.user

    # launching

    def _asked(self, request: Request, row: Json, kind: Kind) -> Answer:
        return Answer(200, self.jobs.asked(row))

    def _launch(self, request: Request, row: Json, kind: Kind) -> Answer:
        user = self._may(request, row, "execute_role")
        job, ignored = self.jobs.launch(row, object_of(request.body), user)
        shown = self._begun(job)
        return Answer(201, {job["type"]: job["id"], "ignored_fields": ignored, **shown}, {"Location": job["url"]})

    def _begun(self, job: Json) -> Json:
        """A job as AWX shows it when it was just made; then it runs."""
        shown = self.store.show(job)
        for name in ("host_status_counts", "playbook_counts", "custom_virtualenv"):
            if job["type"] in ("job", "project_update") and name in shown:
                del shown[name]
        if job["type"] == "workflow_job":
            self.workflows.start(job)
        else:
            self.jobs.start(job)
        return shown

    def _relaunch(self, request: Request, row: Json, kind: Kind) -> Answer:
        template = self.store.template(row["unified_job_template"]) if row["unified_job_template"] else None
        if template is None:
            raise detail(400, "Job Template Project is missing or undefined.")
        user = self._may(request, template, "execute_role")
        job = self.jobs.create(template, row.get("_taken", {}), user, launch_type="relaunch")
        job.update({"extra_vars": row["extra_vars"], "_variables": dict(row["_variables"])})
        shown = self._begun(job)
        own = {} if job["type"] == "workflow_job" else {job["type"]: job["id"]}
        return Answer(201, {**own, **shown}, {"Location": job["url"]})

    def _copy(self, request: Request, row: Json, kind: Kind) -> Answer:
        user = self._may(request, row, "admin_role")
        body = {**{name: row[name] for name in kind.fields}, **object_of(request.body)}
        copy = self.api.create(kind, body, user)
        copy["_survey"] = json.loads(json.dumps(row.get("_survey"))) if row.get("_survey") else {}
        for name in kind.links:
            self.store.links[kind.name, copy["id"], name] = list(self.store.links.get((kind.name, row["id"], name), []))
        return Answer(201, self.store.show(copy), {"Location": copy["url"]})

    # surveys

    def _survey(self, request: Request, row: Json, kind: Kind) -> Answer:
        return Answer(200, surveys.shown(row["_survey"]) if row.get("_survey") else {})

    def _new_survey(self, request: Request, row: Json, kind: Kind) -> Answer:
        user = self._may(request, row, "admin_role")
        row["_survey"] = surveys.check(object_of(request.body), row.get("_survey") or {})
        self.api.remember("update", kind, row, user, {"survey_spec": "changed"})
        return Answer(200)

    def _no_survey(self, request: Request, row: Json, kind: Kind) -> Answer:
        self._may(request, row, "admin_role")
        row["_survey"] = {}
        return Answer(200)

    # jobs

    def _can_cancel(self, request: Request, row: Json, kind: Kind) -> Answer:
        return Answer(200, {"can_cancel": row["status"] in ACTIVE})

    def _cancel(self, request: Request, row: Json, kind: Kind) -> Answer:
        if row["status"] not in ACTIVE:
            raise Problem(405, content(161))
        if row["type"] == "workflow_job":
            self.workflows.cancel(row)
        else:
            self.jobs.cancel(row)
        return Answer(202)

    def _of_job(self, name: str) -> Handler:
        def listed(request: Request, row: Json, kind: Kind) -> Answer:
            rows = [entry for entry in self.store.rows[name].values() if entry["job"] == row["id"]]
            return Answer(200, filters.page(self.store, KINDS[name], request.path, request.query, rows))

        return listed

    def _stdout(self, request: Request, row: Json, kind: Kind) -> Answer:
        asked = request.asked
        text = "\n".join(row.get("_log", [])) + ("\n" if row.get("_log") else "")
        lines = text.split("\n")[:-1]
        if asked.get("format", "api") in ("txt", "txt_download", "ansi", "ansi_download"):
            plain = re.sub(r"\x1b\[[0-9;]*m", "", text) if asked["format"].startswith("txt") else text
            return Answer(200, text=plain, sort="text/plain; charset=utf-8")
        first = int(asked.get("start_line") or 0)
        last = min(int(asked.get("end_line") or len(lines)), len(lines))
        wanted = "".join(f"{line}\n" for line in lines[first:last])
        if asked.get("content_encoding") == "base64":
            wanted = base64.b64encode(wanted.encode()).decode()
        return Answer(200, {"range": {"start": first, "end": last, "absolute_end": len(lines)}, "content": wanted})

    def _job_notifications(self, request: Request, row: Json, kind: Kind) -> Answer:
        rows = [entry for entry in self.store.rows["notifications"].values() if entry.get("_job") == row["id"]]
        return Answer(200, filters.page(self.store, KINDS["notifications"], request.path, request.query, rows))

    def _create_schedule(self, request: Request, row: Json, kind: Kind) -> Answer:
        template = self.store.template(row["unified_job_template"]) or {}
        secret = surveys.secrets(template.get("_survey") or {})
        given = row["_taken"].get("extra_vars", {})
        shown = {name: "$encrypted$" if name in secret else value for name, value in given.items()}
        return Answer(200, {"can_schedule": True, "prompts": {"extra_vars": shown} if shown else {}})

    def _unified_jobs(self, request: Request) -> Answer:
        return self.api.listed(request, KINDS["jobs"], self.api.mixed(JOBS))

    def _unified_job_templates(self, request: Request) -> Answer:
        return self.api.listed(request, KINDS["job_templates"], self.api.all_templates())

    def _scheduled(self, request: Request, row: Json, kind: Kind) -> Answer:
        jobs = [job for job in self.api.mixed(JOBS) if job.get("_schedule") == row["id"]]
        return self.api.listed(request, KINDS["jobs"], jobs)

    def _brought_by(self, request: Request, row: Json, kind: Kind) -> Answer:
        """What brought a group: no update of the double's brings any, but a test may say so."""
        sources = [
            source
            for source in self.store.rows["inventory_sources"].values()
            if source["id"] in row.get("_sources", ())
        ]
        return self.api.listed(request, KINDS["inventory_sources"], sources)

    # workflows

    def _of_workflow(self, request: Request, row: Json, kind: Kind) -> Answer:
        name = "workflow_job_nodes"
        rows = [entry for entry in self.store.rows[name].values() if entry["workflow_job"] == row["id"]]
        return Answer(200, filters.page(self.store, KINDS[name], request.path, request.query, rows))

    def _decide(self, request: Request, row: Json, kind: Kind) -> Answer:
        if request.user is None:
            raise forbidden()
        if row["status"] != "pending":
            raise Problem(400, content(255))
        self.workflows.decide(row, request.path.endswith("/approve/"), request.user)
        return Answer(204)

    def _approval_template(self, request: Request, row: Json, kind: Kind) -> Answer:
        if request.user is None:
            raise forbidden()
        if row["unified_job_template"] is not None:
            raise Problem(400, {"error": "This workflow job template node already has a unified job template."})
        approval = KINDS["workflow_approval_templates"]
        template = self.api.create(approval, object_of(request.body), request.user)
        row["unified_job_template"] = template["id"]
        return Answer(201, self.store.show(template))

    # projects, inventories

    def _can_update(self, request: Request, row: Json, kind: Kind) -> Answer:
        return Answer(200, {"can_update": kind.name != "projects" or bool(row["scm_type"])})

    def _update(self, request: Request, row: Json, kind: Kind) -> Answer:
        user = self._may(request, row, "admin_role")
        if kind.name == "projects" and not row["scm_type"]:
            raise detail(405, 'Method "POST" not allowed.')
        job = self.jobs.update(row, user)
        return Answer(202, {job["type"]: job["id"], **self._begun(job)}, {"Location": job["url"]})

    def _sources(self, row: Json) -> list[Json]:
        return [source for source in self.store.rows["inventory_sources"].values() if source["inventory"] == row["id"]]

    def _can_update_all(self, request: Request, row: Json, kind: Kind) -> Answer:
        shown = [{"inventory_source": source["id"], "can_update": True} for source in self._sources(row)]
        return Answer(200, shown)

    def _update_all(self, request: Request, row: Json, kind: Kind) -> Answer:
        user = self._may(request, row, "admin_role")
        shown = []
        for source in self._sources(row):
            job = self.jobs.update(source, user)
            shown.append(
                {"inventory_source": source["id"], "status": "started", job["type"]: job["id"], **self._begun(job)}
            )
        if not shown:
            raise Problem(400, {"detail": "No inventory sources to update."})
        return Answer(202, shown)

    def _variables(self, request: Request, row: Json, kind: Kind) -> Answer:
        return Answer(200, parsed(row["variables"]))

    def _set_variables(self, request: Request, row: Json, kind: Kind) -> Answer:
        self._may(request, row, "admin_role")
        given = object_of(request.body)
        row["variables"] = json.dumps(given)
        return Answer(200, given)

    def _groups(self, request: Request, row: Json, kind: Kind) -> Answer:
        return self.api.listed(request, KINDS["groups"], list(self.store.holders(row["id"], "hosts", "groups")))

    def _into_group(self, request: Request, row: Json, kind: Kind) -> Answer:
        body = object_of(request.body)
        group = self.store.rows["groups"].get(body.get("id", 0))
        if group is None:
            raise detail(400, "Group matching query does not exist.")
        into = replace(request, body={**body, "id": row["id"]})
        return self.api.tie(into, KINDS["groups"], group, "hosts", kind)

    def _script(self, request: Request, row: Json, kind: Kind) -> Answer:
        hosts = [host for host in self.store.rows["hosts"].values() if host["inventory"] == row["id"]]
        groups = [group for group in self.store.rows["groups"].values() if group["inventory"] == row["id"]]
        disabled = "all" in request.asked
        shown = [host for host in hosts if host["enabled"] or disabled]
        every: Json = {"vars": parsed(row["variables"])} if parsed(row["variables"]) else {}
        grouped: set[int] = set()
        script: Json = {"all": every}
        children: set[int] = set()
        for group in groups:
            members = self.store.links.get(("groups", group["id"], "hosts"), [])
            grouped |= set(members)
            entry: Json = {"hosts": [host["name"] for host in shown if host["id"] in members]}
            below = self.store.tied(group, "children")
            children |= {child["id"] for child in below}
            if below:
                entry["children"] = [child["name"] for child in below]
            if parsed(group["variables"]):
                entry["vars"] = parsed(group["variables"])
            script[group["name"]] = entry
        every["hosts"] = [host["name"] for host in shown if host["id"] not in grouped]
        every["children"] = [group["name"] for group in groups if group["id"] not in children]
        if "hostvars" in request.asked:
            script["_meta"] = {"hostvars": {host["name"]: self._host_variables(host, request) for host in shown}}
        return Answer(200, script)

    def _host_variables(self, host: Json, request: Request) -> Json:
        own: Json = dict(parsed(host["variables"]))
        if "towervars" in request.asked:
            enabled = str(host["enabled"]).lower()
            for word in ("remote_host", "remote_tower"):
                own.update({f"{word}_enabled": enabled, f"{word}_id": host["id"]})
        return own

    def _bulk_hosts(self, request: Request) -> Answer:
        body, kind = object_of(request.body), KINDS["hosts"]
        made = []
        for entry in body["hosts"]:
            if request.user is None:
                raise forbidden()
            host = self.api.create(kind, {**entry, "inventory": body["inventory"]}, request.user)
            keys = ("name", "enabled", "instance_id", "description", "variables", "id", "url")
            shown = {key: host[key] for key in keys}
            made.append({**shown, "inventory": self.store.path("inventories", body["inventory"])})
        return Answer(201, {"url": self.store.path("inventories", body["inventory"]), "hosts": made})

    def _bulk_host_delete(self, request: Request) -> Answer:
        gone = {}
        for number in object_of(request.body)["hosts"]:
            host = self.store.rows["hosts"][number]
            gone[str(number)] = f"The host {host['name']} was deleted"
            self.store.remove(KINDS["hosts"], number)
        return Answer(201, {"hosts": gone})

    def _bulk_launch(self, request: Request) -> Answer:
        if request.user is None:
            raise forbidden()
        job = self.workflows.bulk(object_of(request.body), request.user)
        shown = self._begun(job)
        shown["related"].pop("notifications")
        shown["summary_fields"].pop("user_capabilities")
        return Answer(201, shown)

    # notifications

    def _test(self, request: Request, row: Json, kind: Kind) -> Answer:
        sample: Json = content(227)
        fields = {key: sample[key] for key in ("error", "notifications_sent")}
        fields |= {"status": "pending", "notification_template": row["id"]}
        fields |= {"notification_type": row["notification_type"]}
        fields["recipients"] = recipients(row)
        fields["body"] = {"body": f"Test Notification {row['id']} {self.notifications.url}"}
        fields["_related"] = {"notification_template": row["url"]}
        made = self.store.add(KINDS["notifications"], fields, None)
        shown = self.store.show(made)
        made.update({"status": "successful", "notifications_sent": 1})
        return Answer(202, {"notification": made["id"], **shown}, {"Location": made["url"]})

    # webhooks

    def _key(self, request: Request, row: Json, kind: Kind) -> Answer:
        self._may(request, row, "admin_role")
        return Answer(200, {"webhook_key": row.get("_webhook_key", "")})

    def _new_key(self, request: Request, row: Json, kind: Kind) -> Answer:
        self._may(request, row, "admin_role")
        if not row["webhook_service"]:
            raise Problem(400, {"webhook_service": ["A webhook service is needed."]})
        row["_webhook_key"] = uuid.uuid4().hex
        return Answer(201, {"webhook_key": row["_webhook_key"]})

    def _hooked(self, request: Request, row: Json, kind: Kind) -> Answer:
        """A push of the Git host: signed with the template's key, it launches the template."""
        service = request.path.strip("/").split("/")[-1]
        key = row.get("_webhook_key") or ""
        if row.get("webhook_service") != service or not key or not _signed(service, key, request):
            raise Problem(403, content(320))
        guid = request.headers.get("x-github-delivery") or request.headers.get("x-gitlab-event-uuid") or ""
        if guid and any(job.get("webhook_guid") == guid for job in self.api.mixed(("jobs", "workflow_jobs"))):
            return Answer(202, {"message": "Webhook previously received, aborting."})
        event = request.headers.get("x-github-event") or request.headers.get("x-gitlab-event") or ""
        payload = request.body
        sha = payload.get("after") or payload.get("checkout_sha") or ""
        variables = {
            "awx_webhook_event_type": event,
            "awx_webhook_event_guid": guid,
            "awx_webhook_event_ref": sha,
            "awx_webhook_payload": payload,
        }
        taken = {
            "extra_vars": {
                f"{brand}{name[3:]}": value for brand in ("tower", "awx") for name, value in variables.items()
            }
        }
        job = self.jobs.create(row, taken, None, launch_type="webhook", webhook_guid=guid)
        job["launched_by"] = {"id": row["id"], "name": row["name"], "type": row["type"], "url": row["url"]}
        self._begun(job)
        return Answer(202, {"message": "Job queued."})

    # roles

    def _object_roles(self, request: Request, row: Json, kind: Kind) -> Answer:
        rows = [self.store.rows["roles"][number] for number in row.get("_roles", {}).values()]
        return Answer(200, filters.page(self.store, KINDS["roles"], request.path, request.query, rows))

    def _holders(self, name: str) -> Handler:
        def listed(request: Request, row: Json, kind: Kind) -> Answer:
            rows = [
                entry for entry in self.store.rows[name].values() if row["id"] in self.api.granted(name, entry["id"])
            ]
            return self.api.listed(request, KINDS[name], rows)

        return listed

    def _grant_to(self, name: str) -> Handler:
        def grant(request: Request, row: Json, kind: Kind) -> Answer:
            return self.api.grant(request, KINDS[name], object_of(request.body).get("id"), row["id"])

        return grant

    def _roles(self, request: Request, row: Json, kind: Kind) -> Answer:
        rows = [self.store.rows["roles"][number] for number in self.api.granted(kind.name, row["id"])]
        shown = filters.page(self.store, KINDS["roles"], request.path, request.query, rows)
        if kind.name == "teams":
            for entry in shown["results"]:
                entry["summary_fields"]["user_capabilities"] = {"unattach": True}
        return Answer(200, shown)

    def _grant(self, request: Request, row: Json, kind: Kind) -> Answer:
        number = object_of(request.body).get("id")
        if number is None:
            raise Problem(400, {"msg": "Role 'id' field is missing."})
        return self.api.grant(request, kind, row["id"], number)

    def _memberships(self, request: Request, row: Json, kind: Kind) -> Answer:
        wanted = request.path.strip("/").split("/")[-1]
        name, column = {
            "organizations": ("organizations", "member_role"),
            "admin_of_organizations": ("organizations", "admin_role"),
            "teams": ("teams", "member_role"),
        }[wanted]
        held = self.api.granted("users", row["id"])
        rows = [entry for entry in self.store.rows[name].values() if entry["_roles"][column] in held]
        return self.api.listed(request, KINDS[name], rows)

    def _access_list(self, request: Request, row: Json, kind: Kind) -> Answer:
        sample: list[Json] = content(301)["results"]
        found = []
        for user in sorted(self.store.rows["users"].values(), key=lambda user: int(user["id"])):
            direct = self._direct(user, row)
            indirect = sample[0]["summary_fields"]["indirect_access"] if user["is_superuser"] else []
            if direct or indirect:
                shown = self.store.show(user)
                shown["related"].pop("named_url", None)
                shown["summary_fields"].pop("user_capabilities")
                shown["summary_fields"].update({"direct_access": direct, "indirect_access": indirect})
                found.append(shown)
        return Answer(200, {"count": len(found), "next": None, "previous": None, "results": found})

    def _direct(self, user: Json, row: Json) -> list[Json]:
        found = []
        ways: list[tuple[Json | None, list[int]]] = [(None, self.api.granted("users", user["id"]))]
        for team in self.store.rows["teams"].values():
            if team["_roles"]["member_role"] in ways[0][1]:
                ways.append((team, self.api.granted("teams", team["id"])))
        implied = {"admin_role": list(row["_roles"]), "execute_role": ["execute_role", "read_role"]}
        for by, held in ways:
            for column, number in row.get("_roles", {}).items():
                if number not in held:
                    continue
                role = self.store.rows["roles"][number]
                said: Json = {"id": number, "name": role["name"], "description": role["description"]}
                if by:
                    organization = self.store.get("organizations", by["organization"]) or {}
                    said |= {"team_id": by["id"], "team_name": by["name"]}
                    said["team_organization_name"] = organization.get("name")
                said |= {"resource_name": row["name"], "resource_type": row["type"]}
                said |= {"related": {row["type"]: row["url"]}, "user_capabilities": {"unattach": True}}
                found.append({"role": said, "descendant_roles": implied.get(column, [column])})
        return found

    def _assign(self, name: str, column: str) -> Callable[[Request], Answer]:
        kind = KINDS[f"role_{column}_assignments"]

        def assign(request: Request) -> Answer:
            body = object_of(request.body)
            definition = self.store.rows["role_definitions"].get(body.get("role_definition", 0))
            if definition is None:
                said = f'Invalid pk "{body.get("role_definition")}" - object does not exist.'
                raise Problem(400, {"role_definition": [said]})
            target = next(k for k in KINDS.values() if f"awx.{k.type.replace('_', '')}" == definition["content_type"])
            number = str(body.get("object_id", ""))
            row = self.store.rows[target.name].get(int(number)) if number.isdigit() else None
            if row is None:
                said = content(306)["object_id"][0].replace("999999", number)
                raise Problem(400, {"object_id": [said]})
            if request.user is None or not self.api.may(request.user, row, "admin_role"):
                raise forbidden()
            role = self.api.role_of(definition, (target.name, row["id"]))
            if role not in self.api.granted(name, body[column]):
                self.api.granted(name, body[column]).append(role)
            fields = {
                "role_definition": definition["id"],
                column: body[column],
                "object_id": number,
                "content_type": definition["content_type"],
                "object_ansible_id": None,
                "created_by": request.user["id"],
                "_of": (target.name, row["id"]),
                "_related": {"content_object": row["url"]},
            }
            made = self.store.add(kind, fields, request.user["id"])
            made["_modified_by"] = None
            return Answer(201, self.store.show(made), {"Location": made["url"]})

        return assign

    # the rest

    def _me(self, request: Request) -> Answer:
        me = [request.user] if request.user else []
        return Answer(200, filters.page(self.store, KINDS["users"], request.path, request.query, me))

    def _preview(self, request: Request) -> Answer:
        text = object_of(request.body).get("rrule", "")
        recurrence.check(text)
        return Answer(200, recurrence.preview(text))

    def _activity(self, request: Request, row: Json, kind: Kind) -> Answer:
        stream = self.store.rows["activity_stream"].values()
        rows = [entry for entry in stream if row["url"] in entry["_related"].get(kind.type, [])]
        return self.api.listed(request, KINDS["activity_stream"], rows)

    def _shown_settings(self, slug: str) -> Json:
        if slug == "jobs":
            return {name: self.store.settings[name] for name in content(321)}
        if slug == "all":
            return dict(self.store.settings)
        raise detail(501, f"The settings of {slug} were not recorded.")

    def _settings(self, request: Request) -> Answer:
        if request.user is None or not request.user["is_superuser"]:
            raise forbidden()
        return Answer(200, self._shown_settings(request.path.strip("/").split("/")[-1]))

    def _set_settings(self, request: Request) -> Answer:
        if request.user is None or not request.user["is_superuser"]:
            raise forbidden()
        slug = request.path.strip("/").split("/")[-1]
        known = self._shown_settings(slug)
        self.store.settings.update({name: value for name, value in object_of(request.body).items() if name in known})
        return Answer(200, self._shown_settings(slug))


def _signed(service: str, key: str, request: Request) -> bool:
    if service == "gitlab":
        return hmac.compare_digest(request.headers.get("x-gitlab-token", ""), key)
    made = hmac.new(key.encode(), request.raw, hashlib.sha1).hexdigest()
    return hmac.compare_digest(request.headers.get("x-hub-signature", ""), f"sha1={made}")

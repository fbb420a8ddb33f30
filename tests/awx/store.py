"""What the double remembers, and how AWX would show it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from .kinds import ALONE, BY_TYPE, JOBS, KINDS, TEMPLATES, Kind
from .recordings import Json, content, schema

ROOT = "/api/v2/"
ENCRYPTED = "$encrypted$"
ACTIVE = ("new", "pending", "waiting", "running")
# The sentences of roles as recorded, by kind and name of the role.
_ROLES: dict[str, Json] = {
    kind.name: kind.shown["summary_fields"]["object_roles"]
    for kind in KINDS.values()
    if "object_roles" in kind.shown.get("summary_fields", {})
}
# What a reference is summed up with, besides id, name and description; what is null is left out.
_MORE: dict[str, tuple[str, ...]] = {
    "inventories": (
        *("has_active_failures", "total_hosts", "hosts_with_active_failures", "total_groups", "has_inventory_sources"),
        *("total_inventory_sources", "inventory_sources_with_failures", "organization_id", "kind"),
    ),
    "projects": ("status", "scm_type", "allow_override"),
    "execution_environments": ("image",),
    "credentials": ("kind", "cloud", "kubernetes", "credential_type_id"),
    "role_definitions": ("managed",),
}


def now() -> str:
    """The time as AWX writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Store:
    """rows: objects by kind and id, as AWX would show their fields; what starts with _ is never shown.

    links: ids of what is tied to an object, by (kind, id, route), in order. sequences: the last id that was given.
    """

    rows: dict[str, dict[int, Json]] = field(default_factory=lambda: {name: {} for name in KINDS})
    links: dict[tuple[str, int, str], list[int]] = field(default_factory=dict)
    sequences: Counter[str] = field(default_factory=Counter)
    grants: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    _counted: dict[str, Counter[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings.update(
            {
                name: described["default"]
                for name, described in schema()["definitions"]["SettingSingleton"]["properties"].items()
                if "default" in described
            }
        )
        self.settings.update(content(321))

    # finding

    def find(self, kind: str, **fields: Any) -> Json:
        """The one object whose fields are so. Its row may be changed by hand. Raises LookupError."""
        found = [row for row in self.rows[kind].values() if all(row.get(name) == fields[name] for name in fields)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} {kind} with {fields}")
        return found[0]

    def get(self, kind: str, number: int | None) -> Json | None:
        if number is None:
            return None
        return self.rows[kind].get(number) if kind != "unified_job_templates" else self.template(number)

    def template(self, number: int) -> Json | None:
        """Whatever can be launched, of any kind."""
        return next((self.rows[name][number] for name in TEMPLATES if number in self.rows[name]), None)

    def job(self, number: int) -> Json | None:
        """A job of any kind."""
        return next((self.rows[name][number] for name in JOBS if number in self.rows[name]), None)

    def tied(self, row: Json, route: str) -> list[Json]:
        """What is tied to an object, in order."""
        kind = BY_TYPE[row["type"]]
        numbers = self.links.get((kind.name, row["id"], route), [])
        return [self.rows[kind.links[route]][number] for number in numbers]

    def holders(self, number: int, route: str, of: str) -> Iterator[Json]:
        """The objects of a kind that have this one tied by the route."""
        for (owner, owner_id, name), numbers in self.links.items():
            if owner == of and name == route and number in numbers:
                yield self.rows[owner][owner_id]

    def count(self, kind: str, name: str, value: Any) -> int:
        """How many objects of a kind have this value, remembered until the next write."""
        key = f"{kind}.{name}"
        if key not in self._counted:
            self._counted[key] = Counter(row.get(name) for row in self.rows[kind].values())
        return self._counted[key][value]

    def forget(self) -> None:
        """Something was written: what was counted holds no longer."""
        self._counted.clear()

    # writing

    def add(self, kind: Kind, fields: Json, by: int | None) -> Json:
        """A new object, with what AWX itself puts there. by: the user who made it."""
        self.forget()
        self.sequences[kind.sequence] += 1
        number, moment = self.sequences[kind.sequence], now()
        row = {key: value for key, value in kind.shown.items() if key not in ("related", "summary_fields")}
        row.update({"id": number, "url": f"{ROOT}{kind.name}/{number}/"})
        row.update({name: moment for name in ("created", "modified", "timestamp") if name in row})
        row.update(fields)
        row.update({"_created_by": by, "_modified_by": by, "_ansible_id": str(uuid.uuid4())})
        self.rows[kind.name][number] = row
        if kind.name in _ROLES:
            row["_roles"] = {name: self._role(kind, row, name, _ROLES[kind.name][name]) for name in _ROLES[kind.name]}
        return row

    def _role(self, kind: Kind, row: Json, name: str, said: Json) -> int:
        role = KINDS["roles"]
        self.sequences["roles"] += 1
        number = self.sequences["roles"]
        self.rows["roles"][number] = {
            "id": number,
            "type": role.type,
            "url": f"{ROOT}roles/{number}/",
            "name": said["name"],
            "description": said["description"],
            "_of": (kind.name, row["id"]),
            "_field": name,
        }
        return number

    def remove(self, kind: Kind, number: int) -> None:
        """Takes an object away with what hangs on it."""
        self.forget()
        row = self.rows[kind.name].pop(number)
        for role in row.get("_roles", {}).values():
            self.rows["roles"].pop(role, None)
            for granted in self.grants.values():
                if role in granted:
                    granted.remove(role)
        for key in [key for key in self.links if key[:2] == (kind.name, number)]:
            del self.links[key]
        for (owner, _owner_id, route), numbers in self.links.items():
            if KINDS[owner].links.get(route) == kind.name and number in numbers:
                numbers.remove(number)
        for other in KINDS.values():
            for name, target in other.references.items():
                if target == kind.name or (target == "unified_job_templates" and kind.name in TEMPLATES):
                    self._unpoint(other, name, number)

    def _unpoint(self, other: Kind, name: str, number: int) -> None:
        """What named the removed object goes with it, or names nothing from now on, as AWX's tables say."""
        follows = {
            ("hosts", "inventory"),
            ("groups", "inventory"),
            ("inventory_sources", "inventory"),
            ("inventory_sources", "source_project"),
            ("schedules", "unified_job_template"),
            ("workflow_job_template_nodes", "workflow_job_template"),
            ("credential_input_sources", "source_credential"),
            ("credential_input_sources", "target_credential"),
            ("credentials", "credential_type"),
            ("notification_templates", "organization"),
            ("inventories", "organization"),
            ("teams", "organization"),
            ("labels", "organization"),
            ("workflow_job_nodes", "workflow_job"),
            ("role_user_assignments", "user"),
            ("role_team_assignments", "team"),
            ("tokens", "user"),
        }
        for row in [row for row in self.rows[other.name].values() if row.get(name) == number]:
            if (other.name, name) in follows:
                if row["id"] in self.rows[other.name]:
                    self.remove(other, row["id"])
            else:
                row[name] = None

    # showing

    def path(self, kind: str, number: int) -> str:
        row = self.get(kind, number)
        return str(row["url"]) if row else f"{ROOT}{kind}/{number}/"

    def show(self, row: Json, alone: bool = True, fresh: bool = False) -> Json:
        """An object as AWX shows it: alone or in a list; fresh: in the answer to its creation, which says less."""
        kind = BY_TYPE[row["type"]] if "type" in row else KINDS[row["url"].split("/")[3]]
        left_out = () if alone or kind.name not in JOBS else ALONE
        shown = {key: value for key, value in row.items() if key[0] != "_" and key not in left_out}
        shown.update(self._computed(kind, row))
        shown["related"] = self._related(kind, row, alone)
        shown["summary_fields"] = self._summary(kind, row, alone and not fresh)
        return shown

    def _computed(self, kind: Kind, row: Json) -> Json:
        number = row["id"]
        if kind.name == "inventories":
            return {
                "total_hosts": self.count("hosts", "inventory", number),
                "hosts_with_active_failures": self._failing(number),
                "has_active_failures": bool(self._failing(number)),
                "total_groups": self.count("groups", "inventory", number),
                "total_inventory_sources": self.count("inventory_sources", "inventory", number),
                "has_inventory_sources": bool(self.count("inventory_sources", "inventory", number)),
            }
        if kind.name == "workflow_job_template_nodes":
            return {
                f"{when}_nodes": list(self.links.get((kind.name, number, f"{when}_nodes"), []))
                for when in ("success", "failure", "always")
            }
        if kind.name == "users":
            return {"password": ENCRYPTED}
        if "next_job_run" in row and kind.name != "system_job_templates":
            coming = self._coming(row)
            return {"next_job_run": coming["next_run"] if coming else None}
        return {}

    def _failing(self, number: int) -> int:
        hosts = self.rows["hosts"].values()
        return sum(host["has_active_failures"] for host in hosts if host["inventory"] == number)

    def _related(self, kind: Kind, row: Json, alone: bool) -> Json:
        own, related = row["url"], {}
        for name, value in kind.shown["related"].items():
            if isinstance(value, str) and value.startswith(kind.shown["url"]) and name != "webhook_receiver":
                related[name] = own + value.removeprefix(kind.shown["url"])
        if alone and kind.named:
            related["named_url"] = f"{ROOT}{kind.name}/{self.named(kind, row)}/"
        if "labels" in related and "instance_groups" in related and kind.name == "job_templates":
            related["webhook_key"] = own + "webhook_key/"
        if "webhook_receiver" in kind.shown["related"]:
            related["webhook_key"] = own + "webhook_key/"
            related["webhook_receiver"] = f"{own}{row['webhook_service']}/" if row.get("webhook_service") else ""
        if row.get("kind") == "smart" and kind.name == "inventories":
            for name in ("groups", "root_groups", "update_inventory_sources", "inventory_sources", "tree"):
                related.pop(name)
        for name in ("created_by", "modified_by"):
            if row.get(f"_{name}") is not None and "created_by" in kind.shown["related"]:
                related[name] = f"{ROOT}users/{row[f'_{name}']}/"
        for name, target in kind.references.items():
            if row.get(name) is not None and target != "instance_groups":
                related[name] = self.path(target, row[name])
        related.update(row.get("_related", {}))
        if kind.ids == "unified_job_templates":
            related.update(self._runs_related(row))
        if kind.name == "schedules":
            related.update(self._schedule_related(row))
        if kind.name == "roles" and row["_of"]:
            of = self.rows[row["_of"][0]][row["_of"][1]]
            related.pop("job_template", None)
            related[of["type"]] = of["url"]
        return related

    def _schedule_related(self, row: Json) -> Json:
        template = self.template(row["unified_job_template"]) or {}
        return {
            name: self.path(target, template[name])
            for name, target in (("project", "projects"), ("inventory", "inventories"))
            if template.get(name) is not None
        }

    def runs(self, row: Json) -> list[Json]:
        """The jobs of a template, newest first."""
        return [
            job
            for name in JOBS
            for job in sorted(self.rows[name].values(), key=lambda job: -job["id"])
            if job.get("unified_job_template") == row["id"]
        ]

    def _runs_related(self, row: Json) -> Json:
        related: Json = {}
        project = row["type"] == "project"
        if row.get("_current") is not None and (job := self.job(row["_current"])):
            related["current_job"] = job["url"]
            if project or row["type"] == "inventory_source":
                related["current_update"] = job["url"]
        if row.get("_last") is not None and (job := self.job(row["_last"])):
            related["last_job"] = job["url"]
            if project or row["type"] == "inventory_source":
                related["last_update"] = job["url"]
        coming = self._coming(row)
        if coming:
            related["next_schedule"] = coming["url"]
        return related

    def _coming(self, template: Json) -> Json | None:
        """The schedule that launches a template next."""
        found = [
            schedule
            for schedule in self.rows["schedules"].values()
            if schedule["unified_job_template"] == template["id"] and schedule["next_run"]
        ]
        return min(found, key=lambda schedule: str(schedule["next_run"])) if found else None

    def named(self, kind: Kind, row: Json) -> str:
        """An object's name as it stands in its named URL."""
        parts = []
        for part in kind.named:
            if part == "name+kind":
                parts.append(f"{row['name']}+{row['kind']}")
            elif part == "organization":
                parts.append(self._organization_name(kind, row))
            elif part in kind.references:
                other = self.get(kind.references[part], row.get(part))
                both = other and other["type"] == "credential_type"
                parts.append(f"{other['name']}+{other['kind']}" if both and other else other["name"] if other else "")
            else:
                parts.append(str(row[part]))
        return "++".join(parts)

    def _organization_name(self, kind: Kind, row: Json) -> str:
        owner: Json | None = row
        for name in ("inventory", "workflow_job_template"):
            if name in kind.named:
                owner = self.get(kind.references[name], row.get(name))
        organization = self.get("organizations", owner.get("organization")) if owner else None
        return organization["name"] if organization else ""

    def brief(self, kind: str, row: Json) -> Json:
        """An object in the summary_fields of another."""
        if kind == "users":
            return {key: row[key] for key in ("id", "username", "first_name", "last_name")}
        shown = {"id": row["id"], "name": row["name"], "description": row.get("description", "")}
        facts = {**row, **(self._computed(KINDS[kind], row) if kind == "inventories" else {})}
        facts["organization_id"] = row.get("organization")
        facts["credential_type_id"] = row.get("credential_type")
        shown.update({name: facts[name] for name in _MORE.get(kind, ()) if facts.get(name) is not None})
        return shown

    def unified(self, template: Json, timeout: bool = False) -> Json:
        """A template in the summary_fields of what launches it."""
        types = {"job_template": "job", "project": "project_update", "inventory_source": "inventory_update"}
        types |= {"workflow_job_template": "workflow_job", "workflow_approval_template": "workflow_approval"}
        types |= {"system_job_template": "system_job"}
        shown = {"id": template["id"], "name": template["name"], "description": template["description"]}
        shown["unified_job_type"] = types[template["type"]]
        if timeout and "timeout" in template and template["type"] == "workflow_approval_template":
            shown["timeout"] = template["timeout"]
        return shown

    def _summary(self, kind: Kind, row: Json, alone: bool) -> Json:
        pattern, number = kind.shown["summary_fields"], row["id"]
        shown: Json = {}
        for name, target in kind.references.items():
            other = self.get(target, row.get(name))
            if other is None or (name in ("user", "application") and kind.name != "tokens" and "user" not in pattern):
                continue
            if target == "unified_job_templates":
                shown[name] = self.unified(other, kind.name == "workflow_job_template_nodes")
            elif target == "instance_groups":
                shown[name] = {key: other[key] for key in ("id", "name", "is_container_group")}
            elif target == "inventory_sources":
                keys = ("id", "name", "source", "last_updated", "status")
                shown[name] = {key: other[key] for key in keys if other[key] is not None}
            else:
                shown[name] = self.brief(target, other)
                if kind.name == "credential_input_sources":
                    shown[name].pop("kubernetes", None)
        for name in ("created_by", "modified_by"):
            user = self.get("users", row.get(f"_{name}"))
            if user and "created_by" in kind.shown["related"]:
                shown[name] = self.brief("users", user)
        if "resource" in pattern:
            shown["resource"] = {**pattern["resource"], "ansible_id": row["_ansible_id"]}
        if "_roles" in row:
            said = pattern["object_roles"]
            shown["object_roles"] = {name: {**said[name], "id": role} for name, role in row["_roles"].items()}
        if "user_capabilities" in pattern:
            shown["user_capabilities"] = row.get("_capabilities", pattern["user_capabilities"])
        if "labels" in pattern:
            shown["labels"] = self._listed(row, "labels", ("id", "name"))
        if kind.name == "hosts":
            groups = [{"id": group["id"], "name": group["name"]} for group in self.holders(number, "hosts", "groups")]
            shown.update({"groups": {"count": len(groups), "results": groups[:5]}, "recent_jobs": []})
        if kind.name in ("job_templates", "jobs", "inventory_sources", "inventory_updates"):
            shown["credentials"] = self._credentials(row)
        if "survey_enabled" in row and row.get("_survey"):
            shown["survey"] = {
                "title": row["_survey"].get("name", ""),
                "description": row["_survey"].get("description", ""),
            }
        more = getattr(self, f"_summary_{kind.name}", None)
        if more:
            shown.update(more(row, alone))
        if kind.ids == "unified_job_templates":
            shown.update(self._runs_summary(kind, row, alone))
        if kind.name in JOBS:
            shown.update(self._job_summary(row, alone))
        return shown

    def _credentials(self, row: Json) -> list[Json]:
        keys = ("id", "name", "description", "kind", "cloud")
        kind = BY_TYPE[row["type"]]
        tied = self.tied(row, "credentials") if "credentials" in kind.links else []
        return [{key: credential[key] for key in keys} for credential in tied]

    def _listed(self, row: Json, route: str, keys: tuple[str, ...]) -> Json:
        found = [{key: entry[key] for key in keys} for entry in self.tied(row, route)]
        return {"count": len(found), "results": found[:10]}

    def _summary_organizations(self, row: Json, alone: bool) -> Json:
        number = row["id"]
        counts = {
            name: self.count(name, "organization", number)
            for name in ("inventories", "teams", "projects", "job_templates")
        }
        for name in ("users", "admins"):
            counts[name] = len(self.links.get(("organizations", number, name), []))
        if alone:
            counts["hosts"] = sum(
                self.count("hosts", "inventory", inventory["id"])
                for inventory in self.rows["inventories"].values()
                if inventory["organization"] == number
            )
        return {"related_field_counts": counts}

    def _summary_credentials(self, row: Json, alone: bool) -> Json:
        owners = []
        for name, kind in (("organization", "organizations"), ("_user", "users"), ("_team", "teams")):
            owner = self.get(kind, row.get(name))
            if owner:
                owners.append(
                    {
                        "id": owner["id"],
                        "type": owner["type"],
                        "name": owner.get("name", owner.get("username")),
                        "description": owner.get("description", ""),
                        "url": owner["url"],
                    }
                )
        return {"owners": owners}

    def _summary_notification_templates(self, row: Json, alone: bool) -> Json:
        recent = [
            {key: entry[key] for key in ("id", "status", "created", "error")}
            for entry in self.rows["notifications"].values()
            if entry["notification_template"] == row["id"]
        ]
        return {"recent_notifications": recent[-5:][::-1]}

    def _summary_schedules(self, row: Json, alone: bool) -> Json:
        template = self.template(row["unified_job_template"]) or {}
        inventory = self.get("inventories", row.get("inventory") or template.get("inventory"))
        return {"inventory": self.brief("inventories", inventory)} if inventory else {}

    def _summary_inventory_sources(self, row: Json, alone: bool) -> Json:
        inventory = self.get("inventories", row["inventory"])
        organization = self.get("organizations", inventory["organization"]) if inventory else None
        return {"organization": self.brief("organizations", organization)} if organization else {}

    def _summary_notifications(self, row: Json, alone: bool) -> Json:
        template = self.get("notification_templates", row["notification_template"])
        return {"notification_template": self.brief("notification_templates", template)} if template else {}

    def _summary_roles(self, row: Json, alone: bool) -> Json:
        if row.get("_of") is None:
            return {}
        kind, number = row["_of"]
        of = self.rows[kind][number]
        return {
            "resource_name": of.get("name", of.get("username")),
            "resource_type": of["type"],
            "resource_type_display_name": of["type"].replace("_", " ").title(),
            "resource_id": number,
        }

    def _summary_job_events(self, row: Json, alone: bool) -> Json:
        return {"job": self._job_brief(row["job"]), "role": {}, **self._host_brief(row)}

    def _summary_job_host_summaries(self, row: Json, alone: bool) -> Json:
        return {"job": self._job_brief(row["job"]), **self._host_brief(row)}

    def _host_brief(self, row: Json) -> Json:
        host = self.get("hosts", row["host"])
        return {"host": self.brief("hosts", host)} if host else {}

    def _job_brief(self, number: int) -> Json:
        job = self.rows["jobs"][number]
        template = self.get("job_templates", job["job_template"])
        keys = ("id", "name", "description", "status", "failed", "elapsed", "type")
        shown = {key: job[key] for key in keys}
        if template:
            shown.update({"job_template_id": template["id"], "job_template_name": template["name"]})
        return shown

    def _summary_workflow_approval_templates(self, row: Json, alone: bool) -> Json:
        node = next(
            (n for n in self.rows["workflow_job_template_nodes"].values() if n["unified_job_template"] == row["id"]),
            None,
        )
        workflow = self.get("workflow_job_templates", node["workflow_job_template"]) if node else None
        return {"workflow_job_template": self.brief("workflow_job_templates", workflow)} if workflow else {}

    def _summary_workflow_job_nodes(self, row: Json, alone: bool) -> Json:
        job = self.job(row["job"]) if row.get("job") else None
        if job is None:
            return {}
        keys = ("id", "name", "description", "status", "failed", "elapsed", "type", "timed_out")
        return {"job": {key: job[key] for key in keys if key in job}}

    def _summary_activity_stream(self, row: Json, alone: bool) -> Json:
        shown: Json = {}
        for name, urls in row["_related"].items():
            url = urls if name == "actor" else urls[0]
            kind, number = url.split("/")[3:5]
            of = self.rows[kind].get(int(number))
            if of and name == "actor":
                shown[name] = self.brief("users", of)
            elif of and "name" in of:
                shown[name] = [self.brief(kind, of)]
        return shown

    def _summary_role_user_assignments(self, row: Json, alone: bool) -> Json:
        of = self.rows[row["_of"][0]].get(row["_of"][1])
        return {"content_object": self.brief(row["_of"][0], of)} if of else {}

    _summary_role_team_assignments = _summary_role_user_assignments

    def _runs_summary(self, kind: Kind, row: Json, alone: bool) -> Json:
        shown: Json = {}
        for name, label in (("_last", "last"), ("_current", "current")):
            job = self.job(row[name]) if row.get(name) is not None else None
            if job:
                keys = ("id", "name", "description", "status", "failed")
                update = {key: job[key] for key in keys}
                finished = {"finished": job["finished"]} if job["finished"] and label == "last" else {}
                shown[f"{label}_job"] = {**update, **finished}
                shown[f"{label}_update"] = update
        if "recent_jobs" in kind.shown["summary_fields"]:
            keys = ("id", "status", "finished", "canceled_on", "type")
            shown["recent_jobs"] = [{key: job[key] for key in keys} for job in self.runs(row)[:10]]
        if alone and kind.name in ("job_templates", "projects", "workflow_approval_templates"):
            environment = self.environment(row)
            if environment:
                shown["resolved_environment"] = self.brief("execution_environments", environment)
        return shown

    def environment(self, row: Json) -> Json | None:
        """The execution environment that a job of this template would get."""
        chosen = self.get("execution_environments", row.get("execution_environment"))
        organization = self.get("organizations", row.get("organization")) or {}
        chosen = chosen or self.get("execution_environments", row.get("default_environment"))
        chosen = chosen or self.get("execution_environments", organization.get("default_environment"))
        return chosen or self.rows["execution_environments"].get(1)

    def _job_summary(self, row: Json, alone: bool) -> Json:
        shown: Json = {}
        keys = ("id", "name", "description", "status", "failed", "elapsed")
        organization = self.get("organizations", row.get("_organization"))
        if organization:
            shown["organization"] = self.brief("organizations", organization)
        group = self.get("instance_groups", row.get("_instance_group"))
        if group:
            shown["instance_group"] = {key: group[key] for key in ("id", "name", "is_container_group")}
        workflow = self.job(row["_workflow_job"]) if row.get("_workflow_job") else None
        if workflow:
            shown["source_workflow_job"] = {key: workflow[key] for key in keys}
        if row["type"] == "workflow_approval" and workflow:
            template = self.get("workflow_job_templates", workflow["workflow_job_template"])
            own = self.template(row["unified_job_template"])
            if template:
                shown["workflow_job_template"] = self.brief("workflow_job_templates", template)
            shown["workflow_job"] = {key: workflow[key] for key in ("id", "name", "description")}
            if own:
                shown["workflow_approval_template"] = {
                    key: own[key] for key in ("id", "name", "description", "timeout")
                }
            user = self.get("users", row.get("_decided_by"))
            if user:
                shown["approved_or_denied_by"] = self.brief("users", user)
        if workflow and alone and (row["type"] == "job" or row.get("_decided_by")):
            shown["ancestor_job"] = self._ancestor(workflow)
        return shown

    def _ancestor(self, workflow: Json) -> Json:
        return {"id": workflow["id"], "name": workflow["name"], "type": workflow["type"], "url": workflow["url"]}


def quoted(value: str) -> str:
    """Text in a URL's query."""
    return quote(value, safe="")

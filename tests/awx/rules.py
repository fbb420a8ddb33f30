"""What AWX demands of single kinds of objects, beyond the types of their fields."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jinja2
from jinja2 import meta, nodes

from . import recurrence, surveys
from .jobs import Jobs
from .kinds import Kind
from .problems import Problem, detail, forbidden
from .recordings import Json, content
from .store import ENCRYPTED, Store

_IMAGE = re.compile(r"[\w.-]+(?::\d+)?(?:/[\w.-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?\Z")
_SORTS = {"string": str, "password": str, "int": int, "bool": bool, "list": list, "object": dict}
_MESSAGES = ("job", "job_friendly_name", "url", "job_metadata", "approval_node_name", "approval_status", "workflow_url")
NOT_ASKED = content(210)["limit"][0]


def bad(name: str, text: str) -> Problem:
    """One bad field."""
    return Problem(400, {name: [text]})


class Rules:
    """One method for each kind that has rules: it gets the new values, changes them, or raises Problem."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self.store, self.jobs = store, jobs

    def apply(self, kind: Kind, values: Json, before: Json | None, body: Json, user: Json) -> Json:
        """The fields to keep. before: the object that is changed, None for a new one."""
        rule = getattr(self, f"_{kind.name}", None)
        if rule:
            rule(values, before, body, user)
        self._unique(kind, values, before)
        return values

    def _unique(self, kind: Kind, values: Json, before: Json | None) -> None:
        if not kind.unique:
            return
        mine = [values.get(name, (before or {}).get(name)) for name in kind.unique]
        if kind.name in ("credentials", "job_templates", "projects", "workflow_job_templates") and None in mine[:1]:
            return  # without an organization names may repeat
        for row in self.store.rows[kind.name].values():
            if row is not before and [row.get(name) for name in kind.unique] == mine:
                raise bad(kind.unique[0] if len(kind.unique) == 1 else "__all__", kind.clash)

    def _projects(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        new = {**(before or {}), **values}
        if new["scm_type"] and not new["scm_url"]:
            raise bad("scm_url", content(72)["scm_url"][0])

    def _job_templates(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        new = {**(before or {}), **values}
        project = self.store.get("projects", new.get("project"))
        if project is None:
            raise bad("project", content(111)["project"][0])
        if new.get("inventory") is None and not new["ask_inventory_on_launch"]:
            raise bad("inventory", content(112)["inventory"][0])
        if not new["playbook"]:
            raise bad("playbook", "Must select playbook for project.")
        known = project.get("_playbooks", [])
        if not project["allow_override"] and new["playbook"] not in known:
            raise bad("playbook", content(110)["playbook"][0])
        values["organization"] = project["organization"]
        self._webhook(values, before)

    def _workflow_job_templates(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        self._webhook(values, before)

    def _webhook(self, values: Json, before: Json | None) -> None:
        if values.get("webhook_service") and values["webhook_service"] != (before or {}).get("webhook_service"):
            values["_webhook_key"] = secrets.token_urlsafe(38)
        if values.get("webhook_service") == "":
            values["_webhook_key"] = ""
        credential = values.get("webhook_credential")
        service = values.get("webhook_service", (before or {}).get("webhook_service"))
        if credential is not None:
            if not service:
                raise bad("webhook_credential", "Must be a Personal Access Token.")
            kind = self.store.get("credential_types", self.store.rows["credentials"][credential]["credential_type"])
            if kind and kind["kind"] != "token":
                raise bad("webhook_credential", "Must be a Personal Access Token.")

    def _groups(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if values.get("name") in ("all", "_meta"):
            raise bad("name", content(51)["name"][0])

    def _execution_environments(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if before and before["managed"]:
            raise forbidden()
        if "image" in values and not _IMAGE.match(values["image"]):
            raise bad("image", content(37)["image"][0].replace("not a valid image !!", values["image"]))

        self._credential_kind(
            values, "registry", "Only container registry credentials can be associated with an execution environment"
        )

    def _instance_groups(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        self._credential_kind(
            values, "kubernetes", "Only Kubernetes credentials can be associated with an Instance Group"
        )
        if values.get("credential") and not values.get("is_container_group"):
            said = "is_container_group must be True when associating a credential to an Instance Group"
            raise bad("is_container_group", said)

    def _credential_kind(self, values: Json, kind: str, said: str) -> None:
        credential = self.store.get("credentials", values.get("credential"))
        if credential and self.store.rows["credential_types"][credential["credential_type"]]["kind"] != kind:
            raise bad("credential", said)

    def _credential_types(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if before and before["managed"]:
            raise Problem(403, content(86))
        if values.get("kind", "cloud") not in ("cloud", "net"):
            raise bad("kind", content(83)["kind"][0].replace("ssh", values["kind"]))
        for entry in (values.get("inputs") or {}).get("fields", []):
            entry.setdefault("type", "string")
        in_use = before and self.store.count("credentials", "credential_type", before["id"])
        if before and in_use and values.get("inputs", before["inputs"]) != before["inputs"]:
            raise detail(403, "Modifications to inputs are not allowed for credential types that are in use")
        inputs: Json = {**(before or {}), **values}.get("inputs") or {}
        for entry in inputs.get("fields", []):
            if entry.get("type", "string") not in ("string", "boolean"):
                raise bad("inputs", content(82)["inputs"][0].replace("integer", entry["type"]))
        self._injectors(values.get("injectors", {}), {entry["id"] for entry in inputs.get("fields", [])})

    def _injectors(self, injectors: Json, known: set[str]) -> None:
        for section, entries in injectors.items():
            if section not in ("env", "extra_vars", "file"):
                raise bad("injectors", f"Additional properties are not allowed ('{section}' was unexpected)")
            for name, template in entries.items():
                if section == "env" and name.startswith("ANSIBLE_"):
                    raise bad("injectors", content(81)["injectors"][0].replace("ANSIBLE_X", name))
                for undefined in sorted(
                    meta.find_undeclared_variables(jinja2.Environment(autoescape=True).parse(str(template)))
                ):
                    if undefined not in known | {"tower", "awx"}:
                        said = content(80)["injectors"][0]
                        raise bad("injectors", said.replace("unknown_field", undefined).replace("X", name, 1))

    def _credentials(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if before is None and not any(values.get(name) for name in ("organization", "user", "team")):
            raise Problem(400, content(101))
        number: int = {**(before or {}), **values}["credential_type"]
        kind = self.store.rows["credential_types"][number]
        if kind.get("_unrecorded"):
            raise detail(501, f"The inputs of the credential type {kind['name']} were not recorded.")
        if "inputs" in values:
            kept = (before or {}).get("_inputs", {})
            values["_inputs"] = {k: kept.get(k, "") if v == ENCRYPTED else v for k, v in values["inputs"].items()}
            self._inputs(kind, values["_inputs"])
        given: Json = {**(before or {}), **values}.get("_inputs", {})
        secret = {entry["id"] for entry in kind["inputs"].get("fields", []) if entry.get("secret")}
        values["inputs"] = {k: ENCRYPTED if k in secret and v else v for k, v in given.items()}
        values.update({"kind": kind["namespace"], "cloud": kind["kind"] == "cloud"})
        values["kubernetes"] = kind["kind"] == "kubernetes"
        for owner in ("user", "team"):
            if values.pop(owner, None):
                values[f"_{owner}"] = body[owner]

    def _inputs(self, kind: Json, given: Json) -> None:
        fields = {entry["id"]: entry for entry in kind["inputs"].get("fields", [])}
        unknown = [name for name in given if name not in fields]
        if unknown:
            raise bad("inputs", _unexpected(unknown))
        wrong: Json = {}
        for name, value in given.items():
            sort: str = fields[name].get("type", "string")
            right = isinstance(value, bool) if sort == "boolean" else isinstance(value, str)
            if not right:
                wrong[name] = [content(100)["inputs"]["api_url"][0].replace("5", repr(value)).replace("string", sort)]
            elif fields[name].get("format") == "ssh_private_key" and value and "-----BEGIN" not in value:
                wrong[name] = [f"Invalid certificate or key: {value[:100]}..."]
        if wrong:
            raise Problem(400, {"inputs": wrong})

    def _credential_input_sources(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        new = {**(before or {}), **values}
        credentials, types = self.store.rows["credentials"], self.store.rows["credential_types"]
        source = types[credentials[new["source_credential"]]["credential_type"]]
        target = types[credentials[new["target_credential"]]["credential_type"]]
        if source["kind"] != "external":
            raise bad("source_credential", "Source must be an external credential")
        if target["kind"] == "external":
            raise bad("target_credential", "Target must be a non-external credential")
        options = [entry["id"] for entry in target["inputs"].get("fields", [])]
        if new["input_field_name"] not in options:
            said = f"Input field must be defined on target credential (options are {', '.join(sorted(options))})."
            raise bad("input_field_name", said)
        known = {entry["id"] for entry in source["inputs"].get("metadata", [])}
        unknown = [name for name in new["metadata"] if name not in known]
        if unknown:
            raise bad("metadata", _unexpected(unknown))

    def _notification_templates(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        new = {**(before or {}), **values}
        described = content(328)["actions"]["POST"]["notification_configuration"][new["notification_type"]]
        if "notification_configuration" in values:
            kept = (before or {}).get("_configuration", {})
            given = {
                k: kept.get(k, "") if v == ENCRYPTED else v for k, v in values["notification_configuration"].items()
            }
            for name, entry in described.items():
                if name not in given and "default" in entry:
                    given[name] = entry["default"]
            missing = [name for name in described if name not in given]
            if missing:
                raise bad("__all__", f"Missing required fields for Notification Configuration: {missing}.")
            wrong = [
                f"Configuration field '{name}' incorrect type, expected {described[name]['type']}."
                for name in described
                if not isinstance(given[name], _SORTS[described[name]["type"]])
            ]
            if wrong:
                raise Problem(400, {"__all__": wrong})
            values["_configuration"] = given
            values["notification_configuration"] = {
                k: ENCRYPTED if described.get(k, {}).get("type") == "password" and v else v for k, v in given.items()
            }
        if "messages" in values:
            values["messages"] = self._messages(values["messages"], new["notification_type"])

    def _messages(self, messages: Json | None, sort: str) -> Json:
        blank = dict.fromkeys(("started", "success", "error", "workflow_approval"))
        messages = {**blank, **(messages or {})}
        errors = []
        for event, message in messages.items():
            parts = message.items() if event != "workflow_approval" and message else []
            for part, text in parts:
                if unknown := _unknown(str(text or "")):
                    errors.append(f"Field '{unknown}' unavailable")
                    if sort == "webhook" and part == "body":
                        said = f"Webhook body for '{event}' is not valid. The following gave an error ({unknown})."
                        errors.append(said)
        if errors:
            raise Problem(400, {"messages": errors})
        return messages

    def _users(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        password = values.pop("password", "")
        if password and password != ENCRYPTED:
            values["_password"] = password
        elif before is None:
            raise Problem(400, content(282))

    def _tokens(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if set(str(values.get("scope", "write")).split()) - {"read", "write"}:
            raise Problem(400, content(310))
        if before is None:
            ends = datetime.now(UTC) + timedelta(days=365 * 1000)
            values.update(
                {"user": user["id"], "expires": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "refresh_token": None}
            )
            values.update({"_token": secrets.token_urlsafe(22), "token": "************"})

    def _role_definitions(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if "permissions" in values:
            values["permissions"] = sorted(values["permissions"])
        values.update({"created_by": user["id"], "modified_by": user["id"], "managed": False})

    def _inventory_sources(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        new = {**(before or {}), **values}
        if new["source"] == "scm" and new.get("source_project") is None:
            raise bad("source_project", "Project required for scm type sources.")

    def _schedules(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        new = {**(before or {}), **values}
        if "rrule" in values:
            recurrence.check(values["rrule"])
            values["rrule"] = recurrence.with_utc_until(values["rrule"])
            new["rrule"] = values["rrule"]
        template = self.store.template(new["unified_job_template"]) or {}
        self._prompted(values, new, template, needed=True)
        values.update(recurrence.facts(new["rrule"], new["enabled"]))

    def _workflow_job_template_nodes(self, values: Json, before: Json | None, body: Json, user: Json) -> None:
        if not values.get("identifier", before):
            values["identifier"] = str(uuid.uuid4())
        new = {**(before or {}), **values}
        template = self.store.template(new["unified_job_template"]) if new["unified_job_template"] else None
        if template is not None:
            self._prompted(values, new, template, needed=False)

    def _prompted(self, values: Json, new: Json, template: Json, needed: bool) -> None:
        """Answers and prompts that are kept for later launches: what would be ignored then is refused now."""
        body = {**new, "extra_vars": new.get("extra_data") or {}}
        if template.get("type") == "workflow_job_template":
            body = {key: value for key, value in body.items() if key in ("extra_vars", *template)}
        _taken, ignored, errors = self.jobs.prompts(template, body, needed)
        for name in ignored:
            if name == "extra_vars":
                listed = ", ".join(ignored["extra_vars"])
                sort = "Workflow" if template.get("type") == "workflow_job_template" else "Job"
                said = f"Variables {listed} are not allowed on launch. Check the Prompt on Launch setting on the {sort}"
                errors["extra_data"] = [f"{said} Template to include Extra Variables."]
            elif new.get(name) is not None:
                errors[name] = [NOT_ASKED]
        if errors:
            raise Problem(400, errors)
        if "extra_data" in values:
            secret = surveys.secrets(template.get("_survey") or {})
            kept = values["extra_data"]
            values["_extra_data"] = kept
            values["extra_data"] = {k: ENCRYPTED if k in secret and v else v for k, v in kept.items()}


def _unexpected(names: list[str]) -> str:
    said = ", ".join(repr(name) for name in sorted(names))
    return f"Additional properties are not allowed ({said} {'was' if len(names) == 1 else 'were'} unexpected)"


# What a message may say of a job.
_OF_JOB = {
    *("id", "type", "url", "created", "modified", "name", "description", "job_type", "playbook", "forks", "limit"),
    *(
        "verbosity",
        "job_tags",
        "force_handlers",
        "skip_tags",
        "start_at_task",
        "timeout",
        "use_fact_cache",
        "launch_type",
    ),
    *("status", "failed", "started", "finished", "elapsed", "job_explanation", "execution_node", "controller_node"),
    *("allow_simultaneous", "scm_revision", "diff_mode", "job_slice_number", "job_slice_count", "custom_virtualenv"),
    *("approval_status", "approval_node_name", "workflow_url", "scm_branch", "artifacts", "host_status_counts"),
    "summary_fields",
}


def _unknown(text: str) -> str | None:
    """A name that notifications do not have."""
    try:
        tree = jinja2.Environment(autoescape=True).parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise Problem(400, {"messages": [f"Unable to render message: {error.message}"]}) from error
    used = {name.name for name in tree.find_all(nodes.Name)}
    asked = [part.attr for part in tree.find_all(nodes.Getattr) if part.node == nodes.Name("job", "load")]
    unknown = [name for name in sorted(used) if name not in _MESSAGES]
    return next(iter([*unknown, *(name for name in asked if name not in _OF_JOB)]), None)


def equal(first: Any, second: Any) -> bool:
    """Whether a field stays as it is."""
    return type(first) is type(second) and first == second

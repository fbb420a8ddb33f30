"""The kinds of objects: their fields and defaults come from the recordings and the schema, the rest is said here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .recordings import Json, content, schema

# Shown only where an object stands alone, not in lists.
ALONE = (
    *("job_args", "job_cwd", "job_env", "result_traceback", "event_processing_finished"),
    *("host_status_counts", "playbook_counts", "custom_virtualenv"),
)
_EMPTY: Json = {"string": "", "boolean": False, "integer": 0, "choice": "", "json": {}, "list": [], "id": None}


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    name is its path below /api/v2; model is what AWX calls it in errors; shown is an object of the kind as AWX showed
    it, definition its name in the schema. references: fields that name other objects, with the kind of those.
    unique: the fields that no two share, and how AWX says so (None: it does not mind). named: what makes its named URL.
    links: routes below an object where others are tied to it, with their kind. children: routes below an object that
    list and create objects of a kind which name it in a field. ids: the sequence that numbers it.
    """

    name: str
    model: str
    definition: str
    shown: Json
    references: dict[str, str] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    clash: str = ""
    named: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    children: dict[str, tuple[str, str]] = field(default_factory=dict)
    ids: str = ""
    options: int | None = None
    order: tuple[str, ...] = ("name",)

    @property
    def type(self) -> str:
        return str(self.shown.get("type", self.name))

    @property
    def sequence(self) -> str:
        return self.ids or self.name

    @cached_property
    def fields(self) -> dict[str, Json]:
        """What may be written, as AWX's OPTIONS describe it: recorded where they were, else made from the schema."""
        if self.options is not None:
            recorded: dict[str, Json] = content(self.options)["actions"]["POST"]
            return recorded
        if not self.definition:
            return {}
        definition = schema()["definitions"][self.definition]
        return {
            name: self._described(name, described, name in definition["required"])
            for name, described in definition["properties"].items()
            if not described.get("readOnly")
        }

    def _described(self, name: str, described: Json, required: bool) -> Json:
        kind = described.get("type", "object")
        if name in self.references:
            kind = "id"
        elif "enum" in described:
            kind = "choice"
        label = described.get("title", name.replace("_", " ").capitalize())
        made: Json = {
            "type": {"object": "json", "array": "list"}.get(kind, kind),
            "required": required,
            "hidden": False,
            "label": label,
            "filterable": True,
        }
        if "description" in described:
            made["help_text"] = described["description"]
        if "default" in described and name != "identifier":
            made["default"] = described["default"]
        if "enum" in described:
            made["choices"] = [[choice, str(choice)] for choice in described["enum"]]
        for word, key in (("maxLength", "max_length"), ("minimum", "min_value"), ("maximum", "max_value")):
            if word in described:
                made[key] = described[word]
        return made

    @cached_property
    def nullable(self) -> frozenset[str]:
        """The fields that take null: those that AWX itself showed as null, and references that need not be given."""
        given = {name for name, value in self.shown.items() if value is None}
        return frozenset(given | {name for name, field in self.fields.items() if self._optional_reference(field)})

    @cached_property
    def blanked(self) -> frozenset[str]:
        """The fields where null is taken for nothing: an empty text, false."""
        properties = schema()["definitions"][self.definition]["properties"] if self.definition else {}
        return frozenset(name for name, described in properties.items() if described.get("x-nullable"))

    @staticmethod
    def _optional_reference(described: Json) -> bool:
        return bool(described["type"] == "id" and not described["required"])

    def default(self, name: str) -> Any:
        """What a field is when it is not given: as shown when it had not been sent, else as described."""
        described = self.fields[name]
        if described["type"] == "id" or (self.shown.get(name, "") is None):
            return None
        if "default" in described:
            return described["default"]
        return _EMPTY[described["type"]]


def _unified(name: str, number: int, **more: Any) -> Kind:
    """A kind of job: nothing of it is written."""
    shown = content(number)
    shown = shown["results"][0] if "results" in shown else shown
    shown = {key: value for key, value in shown.items() if key not in (shown["type"], "ignored_fields")}
    return Kind(name, more.pop("model"), "", shown, ids="unified_jobs", order=("id",), **more)


def _first(number: int, index: int = 0) -> Json:
    entry: Json = content(number)["results"][index]
    return entry


_NOTIFIED = {f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error")}
_PROMPTS = {"inventory": "inventories", "execution_environment": "execution_environments"}
_PROMPTED = {"labels": "labels", "credentials": "credentials", "instance_groups": "instance_groups"}
_SHOWN = {"labels": "labels", "credentials": "credentials"}
_JOB = {
    "inventory": "inventories",
    "project": "projects",
    "organization": "organizations",
    "execution_environment": "execution_environments",
    "instance_group": "instance_groups",
    "unified_job_template": "unified_job_templates",
}
_TEMPLATES = "unified_job_templates"

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "organizations",
            "Organization",
            "Organization",
            content(18),
            options=31,
            references={"default_environment": "execution_environments"},
            unique=("name",),
            clash="Organization with this Name already exists.",
            named=("name",),
            links={
                **_NOTIFIED,
                "notification_templates_approvals": "notification_templates",
                "instance_groups": "instance_groups",
                "galaxy_credentials": "credentials",
                "users": "users",
                "admins": "users",
            },
            children={
                child: (child, "organization")
                for child in (
                    "execution_environments",
                    "projects",
                    "inventories",
                    "job_templates",
                    "workflow_job_templates",
                    "teams",
                    "credentials",
                    "notification_templates",
                )
            },
        ),
        Kind(
            "users",
            "User",
            "User",
            content(280),
            unique=("username",),
            clash="A user with that username already exists.",
            named=("username",),
            children={"tokens": ("tokens", "user"), "personal_tokens": ("tokens", "user")},
            order=("username",),
        ),
        Kind(
            "teams",
            "Team",
            "Team",
            content(277),
            references={"organization": "organizations"},
            unique=("organization", "name"),
            clash="Team with this Organization and Name already exists.",
            named=("name", "organization"),
            links={"users": "users"},
        ),
        Kind(
            "labels",
            "Label",
            "Label",
            content(119),
            references={"organization": "organizations"},
            unique=("name", "organization"),
            clash="Label with this Name and Organization already exists.",
            named=("name", "organization"),
        ),
        Kind(
            "instance_groups",
            "InstanceGroup",
            "InstanceGroup",
            _first(7, 1),
            references={"credential": "credentials"},
            unique=("name",),
            clash="Instance group with this Name already exists.",
        ),
        Kind("instances", "Instance", "", _first(6), order=("id",)),
        Kind(
            "execution_environments",
            "ExecutionEnvironment",
            "ExecutionEnvironment",
            content(36),
            references={"organization": "organizations", "credential": "credentials"},
            unique=("name",),
            clash="Execution environment with this Name already exists.",
            named=("name",),
            order=("-created",),
        ),
        Kind(
            "credential_types",
            "CredentialType",
            "CredentialType",
            content(79),
            unique=("name", "kind"),
            clash="Credential type with this Name and Kind already exists.",
            named=("name+kind",),
            children={"credentials": ("credentials", "credential_type")},
        ),
        Kind(
            "credentials",
            "Credential",
            "CredentialSerializerCreate",
            content(95),
            options=329,
            references={"organization": "organizations", "credential_type": "credential_types"},
            unique=("organization", "name", "credential_type"),
            clash="Credential with this Organization, Name and Credential type already exists.",
            named=("name", "credential_type", "organization"),
            children={"input_sources": ("credential_input_sources", "target_credential")},
        ),
        Kind(
            "credential_input_sources",
            "CredentialInputSource",
            "CredentialInputSource",
            content(106),
            references={"source_credential": "credentials", "target_credential": "credentials"},
            unique=("target_credential", "input_field_name"),
            clash="Credential input source with this Target credential and Input field name already exists.",
            order=("id",),
        ),
        Kind(
            "projects",
            "Project",
            "Project",
            content(63),
            references={
                "organization": "organizations",
                "credential": "credentials",
                "default_environment": "execution_environments",
                "signature_validation_credential": "credentials",
            },
            unique=("organization", "name"),
            clash="Project with this (organization, name) combination already exists.",
            named=("name", "organization"),
            links=_NOTIFIED,
            children={
                "schedules": ("schedules", "unified_job_template"),
                "project_updates": ("project_updates", "project"),
                "scm_inventory_sources": ("inventory_sources", "source_project"),
            },
            ids=_TEMPLATES,
        ),
        Kind(
            "inventories",
            "Inventory",
            "Inventory",
            content(38),
            references={"organization": "organizations"},
            unique=("name", "organization"),
            clash="Inventory with this Name and Organization already exists.",
            named=("name", "organization"),
            links={"instance_groups": "instance_groups", "labels": "labels", "input_inventories": "inventories"},
            children={
                "hosts": ("hosts", "inventory"),
                "groups": ("groups", "inventory"),
                "root_groups": ("groups", "inventory"),
                "inventory_sources": ("inventory_sources", "inventory"),
                "job_templates": ("job_templates", "inventory"),
            },
        ),
        Kind(
            "inventory_sources",
            "InventorySource",
            "InventorySource",
            content(270),
            references={
                "inventory": "inventories",
                "source_project": "projects",
                "credential": "credentials",
                "execution_environment": "execution_environments",
            },
            unique=("inventory", "name"),
            clash="InventorySource with this (inventory, name) combination already exists.",
            named=("name", "inventory", "organization"),
            links={**_NOTIFIED, "credentials": "credentials"},
            children={
                "schedules": ("schedules", "unified_job_template"),
                "inventory_updates": ("inventory_updates", "inventory_source"),
            },
            ids=_TEMPLATES,
        ),
        Kind(
            "hosts",
            "Host",
            "Host",
            content(44),
            references={"inventory": "inventories"},
            unique=("name", "inventory"),
            clash="Host with this Name and Inventory already exists.",
            named=("name", "inventory", "organization"),
        ),
        Kind(
            "groups",
            "Group",
            "Group",
            content(50),
            references={"inventory": "inventories"},
            unique=("name", "inventory"),
            clash="Group with this Name and Inventory already exists.",
            named=("name", "inventory", "organization"),
            links={"hosts": "hosts", "children": "groups"},
        ),
        Kind(
            "notification_templates",
            "NotificationTemplate",
            "NotificationTemplate",
            content(215),
            options=328,
            references={"organization": "organizations"},
            unique=("organization", "name"),
            clash="Notification template with this Organization and Name already exists.",
            named=("name", "organization"),
            children={"notifications": ("notifications", "notification_template")},
        ),
        Kind("notifications", "Notification", "", content(228), order=("id",)),
        Kind(
            "job_templates",
            "JobTemplate",
            "JobTemplate",
            content(109),
            options=326,
            references={
                "inventory": "inventories",
                "project": "projects",
                "organization": "organizations",
                "execution_environment": "execution_environments",
                "webhook_credential": "credentials",
            },
            unique=("organization", "name"),
            clash="JobTemplate with this (organization, name) combination already exists.",
            named=("name", "organization"),
            links={**_NOTIFIED, **_PROMPTED},
            children={"schedules": ("schedules", "unified_job_template"), "jobs": ("jobs", "job_template")},
            ids=_TEMPLATES,
        ),
        Kind(
            "workflow_job_templates",
            "WorkflowJobTemplate",
            "WorkflowJobTemplate",
            content(231),
            references={
                "inventory": "inventories",
                "organization": "organizations",
                "webhook_credential": "credentials",
            },
            unique=("organization", "name"),
            clash="WorkflowJobTemplate with this (organization, name) combination already exists.",
            named=("name", "organization"),
            links={**_NOTIFIED, "notification_templates_approvals": "notification_templates", "labels": "labels"},
            children={
                "schedules": ("schedules", "unified_job_template"),
                "workflow_jobs": ("workflow_jobs", "workflow_job_template"),
                "workflow_nodes": ("workflow_job_template_nodes", "workflow_job_template"),
            },
            ids=_TEMPLATES,
        ),
        Kind(
            "workflow_job_template_nodes",
            "WorkflowJobTemplateNode",
            "WorkflowJobTemplateNode",
            content(233),
            references={
                **_PROMPTS,
                "workflow_job_template": "workflow_job_templates",
                "unified_job_template": _TEMPLATES,
            },
            unique=("identifier", "workflow_job_template"),
            clash="Workflow job template node with this Identifier and Workflow job template already exists.",
            named=("identifier", "workflow_job_template", "organization"),
            links={
                **_PROMPTED,
                **{f"{when}_nodes": "workflow_job_template_nodes" for when in ("success", "failure", "always")},
            },
            order=("id",),
        ),
        Kind(
            "workflow_approval_templates",
            "WorkflowApprovalTemplate",
            "WorkflowApprovalTemplate",
            content(235),
            references={"execution_environment": "execution_environments"},
            children={"approvals": ("workflow_approvals", "workflow_approval_template")},
            ids=_TEMPLATES,
        ),
        Kind("system_job_templates", "SystemJobTemplate", "", _first(324), ids=_TEMPLATES),
        Kind(
            "schedules",
            "Schedule",
            "Schedule",
            content(187),
            options=327,
            references={**_PROMPTS, "unified_job_template": _TEMPLATES},
            unique=("unified_job_template", "name"),
            clash="Schedule with this Unified job template and Name already exists.",
            links=_PROMPTED,
        ),
        Kind(
            "tokens",
            "OAuth2AccessToken",
            "OAuth2Token",
            content(309),
            references={"user": "users", "application": "applications"},
            order=("id",),
        ),
        Kind("roles", "Role", "", _first(289), order=("id",)),
        Kind("role_definitions", "RoleDefinition", "RoleDefinition", content(308), order=("id",)),
        Kind(
            "role_user_assignments",
            "RoleUserAssignment",
            "RoleUserAssignment",
            content(304),
            references={"role_definition": "role_definitions", "user": "users"},
            order=("id",),
        ),
        Kind(
            "role_team_assignments",
            "RoleTeamAssignment",
            "RoleTeamAssignment",
            _first(305),
            references={"role_definition": "role_definitions", "team": "teams"},
            order=("id",),
        ),
        Kind("activity_stream", "ActivityStream", "", _first(322), order=("id",)),
        _unified("jobs", 153, model="Job", references={**_JOB, "job_template": "job_templates"}, links=_SHOWN),
        _unified("project_updates", 68, model="ProjectUpdate", references=_JOB),
        _unified(
            "inventory_updates",
            273,
            model="InventoryUpdate",
            references={**_JOB, "inventory_source": "inventory_sources", "source_project": "projects"},
        ),
        _unified(
            "workflow_jobs",
            251,
            model="WorkflowJob",
            references={**_JOB, "workflow_job_template": "workflow_job_templates"},
            links={"labels": "labels"},
        ),
        _unified("workflow_approvals", 256, model="WorkflowApproval", references=_JOB),
        Kind(
            "workflow_job_nodes",
            "WorkflowJobNode",
            "",
            _first(252),
            references={**_PROMPTS, "workflow_job": "workflow_jobs", "unified_job_template": _TEMPLATES},
            links=_PROMPTED,
            order=("id",),
        ),
        Kind("job_events", "JobEvent", "", _first(157, 4), order=("counter",)),
        Kind("job_host_summaries", "JobHostSummary", "", _first(158), order=("id",)),
    )
}
BY_TYPE = {kind.type: kind for kind in KINDS.values()}
TEMPLATES = tuple(name for name, kind in KINDS.items() if kind.ids == _TEMPLATES)
JOBS = tuple(name for name, kind in KINDS.items() if kind.ids == "unified_jobs")

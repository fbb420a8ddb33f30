# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of objects that AWX holds: what they are known by, what they point at, what hangs on them. Pure data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ORGANIZATIONS = "organizations"
CREDENTIALS = "credentials"
CREDENTIAL_TYPES = "credential_types"
INPUT_SOURCES = "credential_input_sources"
PROJECTS = "projects"
INVENTORIES = "inventories"
LABELS = "labels"
NOTIFICATIONS = "notification_templates"
TEMPLATES = "job_templates"
WORKFLOWS = "workflow_job_templates"
NODES = "workflow_job_template_nodes"
SCHEDULES = "schedules"
TEAMS = "teams"
USERS = "users"
#: not objects of AWX's lists: grants of roles to teams and users, and the one set of settings
ROLES = "roles"
SETTINGS = "settings"

#: what a workflow's node and a schedule can run, by AWX's word for it; where a name is not clear the first wins
RUNNABLE = {
    "job": TEMPLATES,
    "workflow_job": WORKFLOWS,
    "project_update": PROJECTS,
    "inventory_update": "inventory_sources",
    "system_job": "system_job_templates",
}
#: awxkit's `type` in a reference -> kind
TYPES = {
    "organization": ORGANIZATIONS,
    "credential": CREDENTIALS,
    "credential_type": CREDENTIAL_TYPES,
    "project": PROJECTS,
    "inventory": INVENTORIES,
    "inventory_source": "inventory_sources",
    "job_template": TEMPLATES,
    "workflow_job_template": WORKFLOWS,
    "system_job_template": "system_job_templates",
    "execution_environment": "execution_environments",
    "instance_group": "instance_groups",
    "notification_template": NOTIFICATIONS,
    "label": LABELS,
    "team": TEAMS,
    "user": USERS,
    "host": "hosts",
    "group": "groups",
}
_TOLD = {f"notification_templates_{when}": NOTIFICATIONS for when in ("started", "success", "error")}
_APPROVALS = {"notification_templates_approvals": NOTIFICATIONS}


class Key(NamedTuple):
    """What an object is known by, without its id: its kind, and the values of the kind's identity in their order.

    A value is text, the Key of another object, or None.
    """

    kind: str
    parts: tuple[str | Key | None, ...]

    @property
    def name(self) -> str:
        """The object's own name."""
        return str(self.parts[0])

    @property
    def organization(self) -> str:
        """Name of the organization that it is in, "" where it is in none."""
        for part in reversed(self.parts[1:]):
            if isinstance(part, Key):
                return part.name if part.kind == ORGANIZATIONS else part.organization
        return ""

    def __str__(self) -> str:
        inside = [part for part in self.parts[1:] if isinstance(part, Key) and part.kind != CREDENTIAL_TYPES]
        title = KINDS[self.kind].title if self.kind in KINDS else self.kind
        return f"{title} {self.name}" + "".join(f" ({_short(part)})" for part in inside[-1:])


def _short(key: Key) -> str:
    return key.name if key.kind == ORGANIZATIONS else str(key)


@dataclass(frozen=True)
class Kind:
    """One kind; `name` is also the path of its list.

    variables: names of infra.aap_configuration's lists of it, the first one is that of an export.
    identity: the fields of its Key, in order; the first is text.
    references: field -> kinds that it names one of. links: sub-list -> kind of what is in it (ordered: order counts).
    texts: fields of AWX that hold a mapping as text (YAML or JSON). found: fields that say where the object is, which
    AWX takes from elsewhere. late: references that may point at what needs this object first.
    words: the configuration's other words for fields.
    """

    name: str
    title: str
    variables: tuple[str, ...] = ()
    identity: tuple[str, ...] = ("name", "organization")
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    ordered: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict)
    described: bool = True
    labelled: bool = False
    surveyed: bool = False


def _one(*kinds: str) -> tuple[str, ...]:
    return kinds


_IN = {"organization": _one(ORGANIZATIONS)}
_EE = {"execution_environment": _one("execution_environments")}
_RUNS = {"unified_job_template": tuple(RUNNABLE.values())}
_INVENTORY = {"inventory": _one(INVENTORIES)}
_GROUPS = {"instance_groups": "instance_groups"}
_PROMPTED = {CREDENTIALS: CREDENTIALS, LABELS: LABELS, **_GROUPS}
_SURVEY = {"survey": "survey_spec", "ask_extra_vars": "ask_variables_on_launch"}
_ASKED = ("diff_mode", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory", "credential", "scm_branch")
_OLD = {
    **{f"ask_{name}": f"ask_{name}_on_launch" for name in _ASKED},
    "concurrent_jobs_enabled": "allow_simultaneous",
    "fact_caching_enabled": "use_fact_cache",
    "force_handlers_enabled": "force_handlers",
}


def _kinds() -> Iterator[Kind]:
    """In the order in which they are read: what others are known by stands before them."""
    yield Kind(
        ORGANIZATIONS,
        "organization",
        ("controller_organizations", "aap_organizations"),
        identity=("name",),
        references={"default_environment": _one("execution_environments")},
        links={**_GROUPS, "galaxy_credentials": CREDENTIALS, **_TOLD, **_APPROVALS},
        ordered=frozenset({"instance_groups", "galaxy_credentials"}),
        late=frozenset({"default_environment"}),
    )
    yield Kind(
        USERS,
        "user",
        ("controller_user_accounts", "aap_user_accounts"),
        identity=("username",),
        described=False,
        words={"user": "username", "superuser": "is_superuser", "auditor": "is_system_auditor"},
    )
    yield Kind(TEAMS, "team", ("controller_teams", "aap_teams"), references=_IN)
    yield Kind(CREDENTIAL_TYPES, "credential type", ("controller_credential_types",), identity=("name",))
    yield Kind(
        CREDENTIALS,
        "credential",
        ("controller_credentials",),
        identity=("name", "credential_type", "organization"),
        references={**_IN, "credential_type": _one(CREDENTIAL_TYPES), "user": _one(USERS), "team": _one(TEAMS)},
    )
    yield Kind(
        INPUT_SOURCES,
        "credential input source",
        ("controller_credential_input_sources",),
        identity=("input_field_name", "target_credential"),
        references={"target_credential": _one(CREDENTIALS), "source_credential": _one(CREDENTIALS)},
    )
    yield Kind("instances", "instance", identity=("hostname",), described=False)
    yield Kind(
        "instance_groups",
        "instance group",
        ("controller_instance_groups",),
        identity=("name",),
        references={"credential": _one(CREDENTIALS)},
        links={"instances": "instances"},
        described=False,
    )
    yield Kind(
        "execution_environments",
        "execution environment",
        ("controller_execution_environments",),
        identity=("name",),
        references={**_IN, "credential": _one(CREDENTIALS)},
    )
    yield Kind(LABELS, "label", ("controller_labels",), references=_IN, described=False)
    yield Kind(NOTIFICATIONS, "notification template", ("controller_notifications",), references=_IN)
    yield Kind(
        PROJECTS,
        "project",
        ("controller_projects",),
        references={
            **_IN,
            "credential": _one(CREDENTIALS),
            "signature_validation_credential": _one(CREDENTIALS),
            "default_environment": _one("execution_environments"),
        },
        links=_TOLD,
        words={"scm_credential": "credential", "job_timeout": "timeout"},
    )
    yield Kind(
        INVENTORIES,
        "inventory",
        ("controller_inventories",),
        references=_IN,
        links={**_GROUPS, "input_inventories": INVENTORIES, LABELS: LABELS},
        ordered=frozenset({"instance_groups", "input_inventories"}),
        texts=frozenset({"variables"}),
        labelled=True,
    )
    yield Kind(
        "inventory_sources",
        "inventory source",
        ("controller_inventory_sources",),
        identity=("name", "inventory"),
        references={**_INVENTORY, **_EE, "credential": _one(CREDENTIALS), "source_project": _one(PROJECTS)},
        links=_TOLD,
        texts=frozenset({"source_vars"}),
    )
    yield Kind(
        "hosts",
        "host",
        ("controller_hosts",),
        identity=("name", "inventory"),
        references=_INVENTORY,
        texts=frozenset({"variables"}),
    )
    yield Kind(
        "groups",
        "group",
        ("controller_groups",),
        identity=("name", "inventory"),
        references=_INVENTORY,
        links={"hosts": "hosts", "children": "groups"},
        texts=frozenset({"variables"}),
    )
    yield Kind(
        TEMPLATES,
        "job template",
        ("controller_templates",),
        references={
            **_IN,
            **_INVENTORY,
            **_EE,
            "project": _one(PROJECTS),
            "webhook_credential": _one(CREDENTIALS),
        },
        links={CREDENTIALS: CREDENTIALS, LABELS: LABELS, **_GROUPS, **_TOLD},
        ordered=frozenset({"instance_groups"}),
        texts=frozenset({"extra_vars"}),
        found=frozenset({"organization"}),
        words={**_SURVEY, **_OLD},
        labelled=True,
        surveyed=True,
    )
    yield Kind(
        WORKFLOWS,
        "workflow",
        ("controller_workflows",),
        references={**_IN, **_INVENTORY, "webhook_credential": _one(CREDENTIALS)},
        links={LABELS: LABELS, **_TOLD, **_APPROVALS},
        texts=frozenset({"extra_vars"}),
        words={**_SURVEY, **{name: word for name, word in _OLD.items() if name.startswith("ask_")}},
        labelled=True,
        surveyed=True,
    )
    yield Kind("system_job_templates", "system job template", identity=("name",))
    yield Kind(
        NODES,
        "node",
        identity=("identifier", "workflow_job_template"),
        references={"workflow_job_template": _one(WORKFLOWS), **_RUNS, **_INVENTORY, **_EE},
        links={"success_nodes": NODES, "failure_nodes": NODES, "always_nodes": NODES, **_PROMPTED},
        ordered=frozenset({"instance_groups"}),
        described=False,
    )
    yield Kind(
        SCHEDULES,
        "schedule",
        ("controller_schedules",),
        identity=("name", "unified_job_template"),
        references={**_RUNS, **_INVENTORY, **_EE},
        links=_PROMPTED,
        ordered=frozenset({"instance_groups"}),
    )


KINDS: dict[str, Kind] = {kind.name: kind for kind in _kinds()}
#: variable of the configuration -> kind; roles and settings are of their own
VARIABLES: dict[str, str] = {
    **{variable: kind.name for kind in KINDS.values() for variable in kind.variables},
    "controller_roles": ROLES,
    "controller_settings": SETTINGS,
}
#: the lists of awxkit's exports, which are also older names of those variables
EXPORTED: dict[str, str] = {
    **{kind.name: kind.name for kind in KINDS.values() if kind.variables},
    "inventory": INVENTORIES,
    ROLES: ROLES,
    SETTINGS: SETTINGS,
}
#: what stands among such variables and speaks of other things: how infra.aap_configuration works, other products
BESIDE = ("controller_configuration_", "aap_configuration_", "eda_", "hub_", "ah_", "gateway_")
#: links of a node: their names are also fields of its answer
EDGES = ("success_nodes", "failure_nodes", "always_nodes")
#: fields of controller_roles -> kind of what the role is on
GRANTED = {
    "target_team": TEAMS,
    "inventory": INVENTORIES,
    "job_template": TEMPLATES,
    "workflow": WORKFLOWS,
    "credential": CREDENTIALS,
    "organization": ORGANIZATIONS,
    "project": PROJECTS,
    "instance_group": "instance_groups",
}
#: kind of what a role is on -> the roles that AWX gives a new one
ROLES_OF: dict[str, tuple[str, ...]] = {
    TEAMS: ("admin", "member", "read"),
    INVENTORIES: ("adhoc", "admin", "read", "update", "use"),
    TEMPLATES: ("admin", "execute", "read"),
    WORKFLOWS: ("admin", "approval", "execute", "read"),
    CREDENTIALS: ("admin", "read", "use"),
    ORGANIZATIONS: (
        *("admin", "approval", "auditor", "credential_admin", "execute", "execution_environment_admin"),
        *("inventory_admin", "job_template_admin", "member", "notification_admin", "project_admin", "read"),
        "workflow_admin",
    ),
    PROJECTS: ("admin", "read", "update", "use"),
    "instance_groups": ("admin", "read", "use"),
}
PLURALS = {
    "target_teams": "target_team",
    "inventories": "inventory",
    "job_templates": "job_template",
    "workflows": "workflow",
    "credentials": "credential",
    "organizations": "organization",
    "projects": "project",
    "instance_groups": "instance_group",
}


def by_itself(key: Key) -> bool:
    """Whether an object comes and goes with its inventory: the source of a constructed one, which only AWX can make."""
    return key.kind == "inventory_sources" and key.name.startswith("Auto-created source for: ")


def needed(kinds: frozenset[str]) -> frozenset[str]:
    """These kinds and all that their objects can point at, which must be read to tell names from ids."""
    found: set[str] = set()
    todo = set(kinds)
    while todo:
        kind = KINDS[todo.pop()]
        found.add(kind.name)
        pointed = {name for names in kind.references.values() for name in names} | set(kind.links.values())
        todo |= pointed - found - {"instances", "system_job_templates", NODES}
    return frozenset(found)

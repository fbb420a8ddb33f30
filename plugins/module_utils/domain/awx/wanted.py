# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a configuration wants of AWX: the lists of infra.aap_configuration, with every name resolved. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import values
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import (
    BESIDE,
    CREDENTIAL_TYPES,
    CREDENTIALS,
    EDGES,
    EXPORTED,
    GRANTED,
    INPUT_SOURCES,
    INVENTORIES,
    KINDS,
    LABELS,
    NODES,
    NOTIFICATIONS,
    ORGANIZATIONS,
    PLURALS,
    PROJECTS,
    ROLES,
    ROLES_OF,
    SCHEDULES,
    SETTINGS,
    TEAMS,
    TEMPLATES,
    TYPES,
    USERS,
    VARIABLES,
    WORKFLOWS,
    Key,
    Kind,
    by_itself,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.values import Parse
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import HIDDEN, Grant, World
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest

Json = dict[str, Any]

#: fields that an export of AWX carries and that nobody sets
_NOISE = frozenset({"id", "type", "url", "natural_key", "summary_fields", "created", "modified"})
#: fields of infra.aap_configuration that say how to work, not what there should be
_HOW = frozenset(
    {
        "state",
        "new_name",
        "new_username",
        "update_secrets",
        "wait",
        "interval",
        "update_project",
        "destroy_current_nodes",
        "lookup_organization",
        "preserve_existing_hosts",
        "preserve_existing_children",
        "preserve_existing_instances",
    }
)
#: what AWX's page for notifications sets and its OPTIONS do not tell
_UNTOLD = {"slack": ("hex_color",)}
#: types of a notification's configuration that are no text -> the same of fields
_CHECKED = {"int": "integer", "bool": "boolean"}
_STATES = ("present", "absent", "exists")
#: lists that hang on an object in an export -> the kind that they are, and the field that names the object
_HANGING = {
    (WORKFLOWS, "workflow_nodes"): (NODES, "workflow_job_template"),
    (WORKFLOWS, SCHEDULES): (SCHEDULES, "unified_job_template"),
    (TEMPLATES, SCHEDULES): (SCHEDULES, "unified_job_template"),
    (PROJECTS, SCHEDULES): (SCHEDULES, "unified_job_template"),
    ("inventory_sources", SCHEDULES): (SCHEDULES, "unified_job_template"),
    (INVENTORIES, "inventory_sources"): ("inventory_sources", "inventory"),
    (INVENTORIES, "hosts"): ("hosts", "inventory"),
    (INVENTORIES, "groups"): ("groups", "inventory"),
    (CREDENTIALS, "input_sources"): (INPUT_SOURCES, "target_credential"),
}


@dataclass(frozen=True)
class Links:
    """What a sub-list of an object is to hold: just that, or at least that where not exact."""

    keys: tuple[Key, ...]
    exact: bool = True


@dataclass
class Wanted:
    """One object of the configuration.

    where: its path in the configuration. state: present, absent or exists (made when it is missing, else left alone).
    fields: as AWX takes them, a reference is a Key or None. survey: {} for none, None where it is not said. approval:
    what an approval node asks. keep: its secrets are never changed. new_name: what it is to be called.
    """

    key: Key
    where: str
    state: str = "present"
    fields: Json = field(default_factory=dict)
    links: dict[str, Links] = field(default_factory=dict)
    survey: Json | None = None
    approval: Json | None = None
    keep: bool = False
    new_name: str = ""


@dataclass
class Configuration:
    """All that is wanted. graphs: workflows whose nodes are all said. takes: Grant -> whether it is to be there."""

    objects: dict[Key, Wanted] = field(default_factory=dict)
    graphs: set[Key] = field(default_factory=set)
    grants: dict[Grant, bool] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)
    #: what could not be taken as given, in words
    notes: list[str] = field(default_factory=list)


@dataclass
class _Item:
    """An entry of the configuration that is being read."""

    kind: Kind
    where: str
    raw: Json
    parent: Key | None = None
    key: Key | None = None


def lists(configuration: Mapping[str, Any]) -> tuple[dict[str, list[tuple[str, Any]]], list[FieldError]]:
    """The entries by kind, each with its path; and what is no variable or no list."""
    found: dict[str, list[tuple[str, Any]]] = {}
    errors: list[FieldError] = []
    for variable, content in configuration.items():
        kind = VARIABLES.get(variable) or EXPORTED.get(variable)
        if kind is None and variable.startswith(BESIDE):
            continue
        if kind is None:
            near = nearest(variable, VARIABLES)
            errors.append(FieldError(variable, "…", "one of " + ", ".join(sorted(VARIABLES)), near))
        elif kind == SETTINGS and isinstance(content, Mapping):
            settings: Any = content.get("settings", content)
            found.setdefault(kind, []).append((variable, settings))
        elif content is not None and not isinstance(content, list):
            errors.append(FieldError(variable, "…", "a list"))
        else:
            for number, item in enumerate(content or ()):
                name = (item.get("name") or item.get("username")) if isinstance(item, Mapping) else None
                found.setdefault(kind, []).append((f"{variable}[{name or number}]", item))
    return found, errors


def kinds_of(configuration: Mapping[str, Any]) -> frozenset[str]:
    """Which kinds a configuration speaks of, before anything of AWX is known."""
    found, _errors = lists(configuration)
    kinds = {kind for kind in found if kind in KINDS}
    for kind, entries in found.items():
        for _where, item in entries:
            if not isinstance(item, Mapping):
                continue
            related = item.get("related")
            held = {**(related if isinstance(related, Mapping) else {}), **item}
            if held.get("simplified_workflow_nodes") is not None or held.get("workflow_nodes") is not None:
                kinds.add(NODES)
            kinds |= {other for (holder, name), (other, _f) in _HANGING.items() if holder == kind and held.get(name)}
            if kind == "instance_groups" and held.get("instances") is not None:
                kinds.add("instances")
            if kind in (USERS, TEAMS) and held.get("roles"):
                objects = [role.get("content_object") for role in held["roles"] if isinstance(role, Mapping)]
                kinds |= {
                    TYPES[str(one.get("type"))]
                    for one in objects
                    if isinstance(one, Mapping) and one.get("type") in TYPES
                }
            if kind == ROLES:
                named = {PLURALS.get(name, name) for name, value in item.items() if value}
                kinds |= {other for name, other in GRANTED.items() if name in named} | {USERS, TEAMS}
    return frozenset(kinds)


def read(
    configuration: Mapping[str, Any], world: World, options: Mapping[str, Json], parse: Parse, label: str = ""
) -> Configuration:
    """What is wanted, with names resolved against what is wanted and what AWX has.

    options: kind -> what OPTIONS of its list say can be set. label: ours, put on every object that can bear it.
    All that is wrong stands in `errors`: unknown fields and variables, wrong types, names that nothing has.
    """
    reader = _Reader(world, options, parse, label)
    reader.read(configuration)
    return reader.found


class _Reader:
    def __init__(self, world: World, options: Mapping[str, Json], parse: Parse, label: str) -> None:
        self.world = world
        self.options = options
        self.parse = parse
        self.label = label
        self.found = Configuration()
        self.items: list[_Item] = []
        #: (kind, name) -> all objects of that name, wanted or there
        self.named: dict[tuple[str, str], list[Key]] = {}
        self.gone: set[Key] = set()

    def wrong(self, path: str, given: object, allowed: str, near: object = None) -> None:
        self.found.errors.append(FieldError(path, given, allowed, near))

    def read(self, configuration: Mapping[str, Any]) -> None:
        for key in (*self.world.objects, *self.world.seen):
            self.named.setdefault((key.kind, key.name), []).append(key)
        entries, errors = lists(configuration)
        self.found.errors += errors
        for kind in KINDS.values():
            for where, raw in entries.get(kind.name, ()):
                self.take(kind, where, raw)
        # a kind's objects are known by others of kinds before it, or of the list that they hang on
        order = {name: number for number, name in enumerate(KINDS)}
        self.items.sort(key=lambda item: order[item.kind.name])
        for item in self.items:
            self.identify(item)
        for item in self.items:
            if item.key is not None:
                self.fill(item, item.key)
        for where, raw in entries.get(ROLES, ()):
            self.grants(where, raw)
        for item in self.items:
            if item.key is not None and item.kind.name in (USERS, TEAMS):
                self.exported_roles(item, item.key)
        for where, raw in entries.get(SETTINGS, ()):
            self.settings(where, raw)
        self.labels()

    def take(self, kind: Kind, where: str, raw: Any, parent: Key | None = None) -> None:
        """Takes in an entry and what hangs on it."""
        if not isinstance(raw, Mapping):
            self.wrong(where, "…", "a mapping")
            return
        entry = dict(raw)
        related = entry.pop("related", None) or {}
        if not isinstance(related, Mapping):
            self.wrong(f"{where}.related", "…", "a mapping")
            related = {}
        entry = {**related, **entry}
        for word, name in kind.words.items():
            if word in entry:
                entry.setdefault(name, entry.pop(word))
                entry.pop(word, None)
        if (simple := entry.pop("simplified_workflow_nodes", None)) is not None and kind.name == WORKFLOWS:
            entry["workflow_nodes"] = simple
        if kind.name == NODES:
            self.approval(where, entry)
        item = _Item(kind, where, {name: values.unspaced(value) for name, value in entry.items()}, parent)
        self.items.append(item)
        self.hang(item)

    def approval(self, where: str, entry: Json) -> None:
        """An approval node's three ways to be written, made one."""
        asks = entry.pop("create_approval_template", None) or None
        given = entry.pop("approval_node", None) or asks
        runs = entry.get("unified_job_template")
        if given is None and isinstance(runs, Mapping) and runs.get("type") == "workflow_approval":
            given = {name: runs[name] for name in ("name", "description", "timeout") if runs.get(name) is not None}
            del entry["unified_job_template"]
        if given is None:
            return
        if not isinstance(given, Mapping) or not given.get("name"):
            self.wrong(f"{where}.approval_node", given, "a mapping with a name")
            given = {"name": "?"}
        elif unknown := [name for name in given if name not in ("name", "description", "timeout")]:
            self.wrong(f"{where}.approval_node", unknown, "name, description and timeout")
        elif entry.get("unified_job_template"):
            self.wrong(f"{where}.unified_job_template", entry["unified_job_template"], "nothing: it asks for approval")
        entry["approval_node"] = {"description": "", "timeout": 0, **given}

    def hang(self, item: _Item) -> None:
        """Takes the lists that hang on an entry for entries of their own."""
        for (holder, name), (kind, back) in _HANGING.items():
            if holder != item.kind.name or name not in item.raw or name in item.kind.links:
                continue
            content = item.raw.pop(name)
            if content is not None and not isinstance(content, list):
                self.wrong(f"{item.where}.{name}", "…", "a list")
                continue
            for number, raw in enumerate(content or ()):
                own = (raw.get("identifier") or raw.get("name")) if isinstance(raw, Mapping) else None
                where = f"{item.where}.{name}[{own or number}]"
                # the object itself is known once it is identified
                entry = {**raw, back: item} if isinstance(raw, Mapping) else raw
                self.take(KINDS[kind], where, entry)
            if kind == NODES and content is not None:
                item.raw["__graph"] = True

    def identify(self, item: _Item) -> None:
        """Finds out what the entry is known by."""
        kind, raw, where = item.kind, item.raw, item.where
        first = kind.identity[0]
        name = raw.get(first)
        if not isinstance(name, str | int) or isinstance(name, bool) or not str(name).strip():
            self.wrong(f"{where}.{first}", name, "text")
            return
        parts: list[str | Key | None] = [str(name).strip()]
        for part in kind.identity[1:]:
            if part in kind.found:
                found, known = self.place(item)
            elif raw.get(part) is None and part == "organization":
                found, known = self.unplaced(item, parts)
            else:
                found, known = self.identity(item, part)
            if not known:
                return
            parts.append(found)
        key = Key(kind.name, tuple(parts))
        renamed = str(raw.get("new_name") or raw.get("new_username") or "")
        if renamed and (other := key._replace(parts=(renamed, *key.parts[1:]))) in self.world.objects:
            key = other
        if key in self.world.doubles:
            self.wrong(where, name, "a name that AWX has only once")
            return
        if key in self.found.objects:
            self.wrong(where, name, f"{key} only once")
            return
        state = raw.get("state") or "present"
        if state not in _STATES:
            self.wrong(f"{where}.state", state, "one of " + ", ".join(_STATES), nearest(state, _STATES))
            state = "present"
        wanted = Wanted(key, where, str(state), keep=raw.get("update_secrets") is False)
        wanted.new_name = renamed if key.name != renamed else ""
        self.found.objects[key] = wanted
        item.key = key
        if state == "absent":
            self.gone.add(key)
        for called in {key.name, renamed} - {""}:
            others = self.named.setdefault((kind.name, called), [])
            if key not in others:
                others.append(key)

    def identity(self, item: _Item, part: str) -> tuple[Key | None, bool]:
        given = item.raw.get(part)
        if isinstance(given, _Item):
            return given.key, given.key is not None
        if given in (None, ""):
            self.wrong(f"{item.where}.{part}", None, f"the name of a {_titles(item.kind.references[part])}")
            return None, False
        return self.resolve(f"{item.where}.{part}", given, item.kind.references[part], self.scope(item))

    def place(self, item: _Item) -> tuple[Key | None, bool]:
        """The organization of a job template: that of its project."""
        given = item.raw.get("organization")
        own: Key | None = None
        if given not in (None, ""):
            own, known = self.resolve(f"{item.where}.organization", given, (ORGANIZATIONS,), None)
            if not known:
                return None, False
        project = item.raw.get("project")
        if project in (None, ""):
            return (
                (own, True) if own is not None else self.unplaced(item, [str(item.raw[item.kind.identity[0]]).strip()])
            )
        found, known = self.resolve(f"{item.where}.project", project, (PROJECTS,), own)
        if not known or found is None:
            return None, False
        organization = found.parts[-1]
        if own is not None and organization != own:
            self.wrong(f"{item.where}.organization", own.name, f"that of its project, {found.organization or 'none'}")
            return None, False
        return (organization if isinstance(organization, Key) else None), True

    def unplaced(self, item: _Item, parts: list[str | Key | None]) -> tuple[Key | None, bool]:
        """The organization of an entry that names none: that of the one object that is else known alike."""
        named = self.named.get((item.kind.name, str(parts[0])), ())
        there = [key for key in named if key in self.world.objects and list(key.parts[:-1]) == parts]
        if len(there) > 1:
            names = ", ".join(sorted(key.organization or "none" for key in there))
            self.wrong(f"{item.where}.organization", None, f"one of those that have this name: {names}")
            return None, False
        found = there[0].parts[-1] if there else None
        return (found if isinstance(found, Key) else None), True

    def scope(self, item: _Item) -> Key | None:
        """The organization in which an entry's references are looked for first."""
        given = _name(item.raw.get("lookup_organization") or item.raw.get("organization"))
        found = self.named.get((ORGANIZATIONS, given), []) if given else []
        if found:
            return found[0]
        return _organization(item.key) if item.key is not None else None

    def resolve(self, path: str, given: Any, kinds: Iterable[str], scope: Key | None) -> tuple[Key | None, bool]:
        """The object that a reference means; says what is wrong where there is none, or more than one.

        given: a name, an id, or a mapping with name, organization, type. scope: the organization that is meant when
        several have the name.
        """
        kinds = tuple(kinds)
        if given in (None, ""):
            return None, True
        within: Mapping[str, Any] = {}
        if isinstance(given, Mapping):
            within = given
            kinds = tuple(kind for kind in kinds if TYPES.get(str(given.get("type")), kind) == kind) or kinds
            given = next((given[KINDS[kind].identity[0]] for kind in kinds if given.get(KINDS[kind].identity[0])), None)
            if given is None:
                self.wrong(path, dict(within), f"the name of a {_titles(kinds)}")
                return None, False
        if isinstance(given, bool) or not isinstance(given, str | int):
            self.wrong(path, given, f"the name of a {_titles(kinds)}")
            return None, False
        name = str(given).strip()
        candidates: list[Key] = []
        for kind in kinds:
            candidates = [key for key in self.named.get((kind, name), ()) if self.fits(key, within)]
            if candidates:
                break
        if len(candidates) > 1 and scope is not None:
            candidates = [key for key in candidates if _organization(key) == scope] or candidates
        if not candidates and name.isdigit():
            candidates = [
                live.key for live in self.world.objects.values() if live.key.kind in kinds and live.id == int(name)
            ]
        if len(candidates) == 1:
            if candidates[0] in self.gone:
                self.wrong(path, name, f"a {_titles(kinds)} that is to be there: this one is to be absent")
                return None, False
            return candidates[0], True
        if candidates:
            places = ", ".join(sorted(key.organization or "none" for key in candidates))
            self.wrong(path, name, f"one of several, with its organization ({{name, organization}}): {places}")
        else:
            known = sorted({other for kind, other in self.named if kind in kinds})
            self.wrong(path, name, f"a {_titles(kinds)} that AWX or this configuration has", nearest(name, known))
        return None, False

    def fits(self, key: Key, within: Mapping[str, Any]) -> bool:
        """Whether an object is where a reference's mapping says."""
        organization = _name(within.get("organization"))
        if organization is None and isinstance(inventory := within.get("inventory"), Mapping):
            organization = _name(inventory.get("organization"))
        if organization and key.kind != ORGANIZATIONS and key.organization != organization:
            return False
        inside = {part.kind: part.name for part in key.parts if isinstance(part, Key)}
        kind, inventory = _name(within.get("credential_type")), _name(within.get("inventory"))
        return not (kind and inside.get(CREDENTIAL_TYPES, kind) != kind) and not (
            inventory and inside.get(INVENTORIES, inventory) != inventory
        )

    def fill(self, item: _Item, key: Key) -> None:
        """Reads the fields of an entry."""
        kind, where = item.kind, item.where
        wanted = self.found.objects[key]
        scope = self.scope(item)
        specs: Json = self.options.get(kind.name) or {}
        if item.raw.pop("__graph", False):
            self.found.graphs.add(key)
        if wanted.state == "absent":
            return
        for name, value in item.raw.items():
            path = f"{where}.{name}"
            if name in _HOW or name in _NOISE or (name == "roles" and kind.name in (USERS, TEAMS)):
                continue
            if name == "local_path" and kind.name == PROJECTS and item.raw.get("scm_type"):
                # AWX's own name for the folder that it fetches into, which an export carries
                continue
            if name == "survey_spec" and kind.surveyed:
                self.survey(path, value, wanted)
            elif name == "approval_node" and kind.name == NODES:
                wanted.approval = value
            elif name in kind.identity and name not in kind.found:
                wanted.fields[name] = key.parts[kind.identity.index(name)]
            elif name in kind.found or (name == "organization" and name not in kind.references):
                continue
            elif name in kind.references:
                found, known = self.resolve(path, value, kind.references[name], scope)
                if known:
                    wanted.fields[name] = found
            elif name in kind.links:
                self.link(item, wanted, name, value, scope)
            else:
                self.value(path, name, value, specs, wanted)
        if kind.name == CREDENTIALS and "inputs" in wanted.fields:
            self.inputs(where, wanted)
        if kind.name == NOTIFICATIONS and "notification_configuration" in wanted.fields:
            self.notification(where, wanted, specs)
        if kind.name == USERS and item.raw.get("organization") not in (None, ""):
            self.found.grants.setdefault(Grant(key, "member", self.member(item)), True)
        for name in kind.identity:
            if name not in kind.found:
                wanted.fields.setdefault(name, key.parts[kind.identity.index(name)])
        if kind.name == NODES and key.parts[1] in self.found.graphs:
            for name in EDGES:
                wanted.links.setdefault(name, Links(()))
        if key not in self.world.objects and not by_itself(key):
            self.required(item, wanted, specs)

    def member(self, item: _Item) -> Key:
        found, _known = self.resolve(f"{item.where}.organization", item.raw["organization"], (ORGANIZATIONS,), None)
        return found or Key(ORGANIZATIONS, ("?",))

    def value(self, path: str, name: str, value: Any, specs: Json, wanted: Wanted) -> None:
        kind = KINDS[wanted.key.kind]
        if name == "copy_from" and value:
            self.wrong(path, value, "nothing: name the fields that the copy would have")
            return
        if specs and name not in specs:
            if value not in (None, "", [], {}):
                known = [*specs, *kind.links, *(("survey_spec",) if kind.surveyed else ())]
                self.wrong(path, "…", f"a field of a {kind.title}", nearest(name, known))
            return
        spec: Json = specs.get(name) or {}
        if name in kind.texts:
            if not isinstance(value, str | Mapping | None):
                self.wrong(path, "…", "a mapping, or a text that holds one")
                return
            if not isinstance(held := values.mapping(value, self.parse), dict):
                self.wrong(path, "…", "a mapping, or a text that holds one")
                return
            wanted.fields[name] = value if isinstance(value, str) else held
            return
        if value is None and ("default" not in spec or spec["default"] is not None):
            # nothing is said of it; where AWX itself knows nothing, nothing can be wanted
            return
        if kind.name == CREDENTIAL_TYPES and name in ("inputs", "injectors"):
            value = values.fields_typed(values.mapping(value, self.parse))
        taken, errors = values.checked(path, value, spec)
        self.found.errors += [replace(error, given="…") for error in errors] if name == "password" else errors
        wanted.fields[name] = values.plain(taken) if isinstance(taken, Mapping | list) else taken

    def survey(self, path: str, value: Any, wanted: Wanted) -> None:
        if isinstance(value, str):
            value = values.mapping(value, self.parse)
        errors = values.survey_errors(path, value) if value else []
        self.found.errors += errors
        if not errors:
            spec = (value or {}).get("spec") or []
            wanted.survey = (
                {
                    **value,
                    "name": value.get("name") or "",
                    "description": value.get("description") or "",
                    "spec": [values.asked(item) for item in spec],
                }
                if spec
                else {}
            )

    def link(self, item: _Item, wanted: Wanted, name: str, value: Any, scope: Key | None) -> None:
        kind = item.kind.links[name]
        if value is None and kind != NODES:
            return
        given = value if isinstance(value, list) else [value] if value not in (None, "") else []
        keys: list[Key] = []
        for number, one in enumerate(given):
            path = f"{item.where}.{name}[{number}]"
            found: Key | None
            if kind == NODES:
                identifier = one.get("identifier") if isinstance(one, Mapping) else one
                target = Key(NODES, (str(identifier), wanted.key.parts[1]))
                if target not in self.found.objects:
                    others = [
                        key.name for key in self.found.objects if key.kind == NODES and key.parts[1] == target.parts[1]
                    ]
                    self.wrong(
                        path, identifier, "the identifier of a node of this workflow", nearest(identifier, others)
                    )
                    continue
                found, known = target, True
            elif kind in ("hosts", "groups"):
                found, known = self.inside(path, kind, one, wanted.key)
            else:
                found, known = self.resolve(path, one, (kind,), scope)
            if known and found is not None and found not in keys:
                keys.append(found)
        exact = not item.raw.get(f"preserve_existing_{name}", False)
        wanted.links[name] = Links(tuple(keys), exact)

    def inside(self, path: str, kind: str, one: Any, group: Key) -> tuple[Key | None, bool]:
        """A host or group of the same inventory."""
        name = _name(one)
        target = Key(kind, (str(name), group.parts[1]))
        if target in self.found.objects or target in self.world.objects:
            return target, True
        others = [
            other for key in (*self.found.objects, *self.world.objects) if key.kind == kind for other in [key.name]
        ]
        self.wrong(path, name, f"a {KINDS[kind].title} of the same inventory", nearest(name, others))
        return None, False

    def inputs(self, where: str, wanted: Wanted) -> None:
        """Holds a credential's inputs against its type."""
        known = self.type_fields(wanted.key)
        inputs = wanted.fields["inputs"]
        if not isinstance(inputs, Mapping):
            self.wrong(f"{where}.inputs", "…", "a mapping")
            wanted.fields["inputs"] = {}
            return
        if known is None:
            return
        for name, value in inputs.items():
            path = f"{where}.inputs.{name}"
            if name not in known:
                self.wrong(path, "…", "one of " + ", ".join(known), nearest(name, known))
            elif known[name].get("type", "string") == "boolean" and not isinstance(value, bool):
                self.wrong(path, "…", "true or false")
            elif known[name].get("type", "string") == "string" and not isinstance(value, str):
                self.wrong(path, "…", "text")
            elif (choices := known[name].get("choices")) and value not in choices:
                self.wrong(path, value, "one of " + ", ".join(choices), nearest(value, choices))

    def type_fields(self, credential: Key) -> dict[str, Json] | None:
        """The inputs that a credential's type has, None where they are not known."""
        key = credential.parts[1]
        if not isinstance(key, Key):
            return None
        inputs: Any = None
        if key in self.found.objects:
            inputs = self.found.objects[key].fields.get("inputs")
        if inputs is None and key in self.world.objects:
            inputs = self.world.objects[key].item.get("inputs")
        if isinstance(inputs, str):
            inputs = values.mapping(inputs, self.parse)
        if not isinstance(inputs, Mapping):
            return None
        return {
            str(item["id"]): dict(item)
            for item in inputs.get("fields") or ()
            if isinstance(item, Mapping) and "id" in item
        }

    def notification(self, where: str, wanted: Wanted, specs: Json) -> None:
        """Holds a notification's configuration against what AWX's OPTIONS say of its type."""
        live = self.world.objects.get(wanted.key)
        kind = wanted.fields.get("notification_type") or (live.item.get("notification_type") if live else None)
        known: Any = (specs.get("notification_configuration") or {}).get(kind)
        given = wanted.fields["notification_configuration"]
        if not isinstance(known, Mapping) or not isinstance(given, Mapping):
            return
        given = wanted.fields["notification_configuration"] = {n: v for n, v in given.items() if v is not None}
        held: Any = (live.item.get("notification_configuration") if live else None) or {}
        for name, value in given.items():
            path = f"{where}.notification_configuration.{name}"
            if name in known:
                given[name] = self.notified(path, value, str(known[name].get("type")))
            elif name not in _UNTOLD.get(str(kind), ()) and name not in held:
                self.wrong(path, "…", "one of " + ", ".join(known), nearest(name, known))
        if live is None or live.item.get("notification_type") != kind:
            for name, spec in known.items():
                if given.get(name, HIDDEN) == HIDDEN and "default" not in spec:
                    self.wrong(f"{where}.notification_configuration.{name}", None, f"needed for {kind}")

    def notified(self, path: str, value: Any, kind: str) -> Any:
        """One value of a notification's configuration, as AWX takes it."""
        if kind in _CHECKED:
            taken, errors = values.checked(path, value, {"type": _CHECKED[kind]})
            self.found.errors += errors
            return taken
        right, words = {"list": (list, "a list"), "object": (Mapping, "a mapping")}.get(kind, (str, "text"))
        if not isinstance(value, right):
            self.wrong(path, "…", words)
        return value

    def required(self, item: _Item, wanted: Wanted, specs: Json) -> None:
        """What AWX needs of a new object."""
        for name, spec in specs.items():
            given = wanted.fields.get(name)
            if spec.get("required") and given in (None, "") and name not in item.kind.identity:
                bad = any(error.path == f"{item.where}.{name}" for error in self.found.errors)
                if not bad and name != "notification_configuration":
                    self.wrong(f"{item.where}.{name}", None, "needed for a new one")
        if item.kind.name == USERS and wanted.fields.get("password") in (None, "", HIDDEN):
            self.wrong(f"{item.where}.password", None, "needed for a new one")
        placed = "organization" in item.kind.identity and (specs.get("organization") or {}).get("required")
        if placed and wanted.key.parts[-1] is None:
            self.wrong(f"{item.where}.organization", None, "needed for a new one")

    def grants(self, where: str, raw: Any) -> None:
        """Reads an entry of controller_roles: each role on each object for each team and user."""
        if not isinstance(raw, Mapping):
            self.wrong(where, "…", "a mapping")
            return
        known = {"user", "users", "team", "teams", "role", "roles", "state", "lookup_organization", *GRANTED, *PLURALS}
        for name in raw:
            if name not in known:
                self.wrong(f"{where}.{name}", raw[name], "one of " + ", ".join(sorted(known)), nearest(name, known))
        organization = raw.get("lookup_organization")
        scope: Key | None = None
        if organization:
            scope, _known = self.resolve(f"{where}.lookup_organization", organization, (ORGANIZATIONS,), None)
        principals = [*self.several(where, raw, "user", USERS, scope), *self.several(where, raw, "team", TEAMS, scope)]
        targets: list[Key] = []
        plural = {single: several for several, single in PLURALS.items()}
        for name, kind in GRANTED.items():
            targets += self.several(where, raw, name, kind, scope, plural[name])
        roles = raw.get("roles") or raw.get("role") or []
        roles = roles if isinstance(roles, list) else [roles]
        for name, found in (("user", principals), ("role", roles)):
            if not found and not any(error.path.startswith(where) for error in self.found.errors):
                self.wrong(f"{where}.{name}", None, "needed")
        if not targets and not any(error.path.startswith(where) for error in self.found.errors):
            self.wrong(where, None, "what the role is on: one of " + ", ".join(GRANTED))
        for principal in principals:
            for target in targets:
                for role in roles:
                    self.grant(where, Grant(principal, str(role).lower().replace(" ", "_"), target), raw.get("state"))

    def exported_roles(self, item: _Item, key: Key) -> None:
        """Reads the roles that an export of awxkit tells of a team or user."""
        for number, role in enumerate(item.raw.get("roles") or ()):
            where = f"{item.where}.roles[{number}]"
            on = role.get("content_object") if isinstance(role, Mapping) else None
            kind = TYPES.get(str(on.get("type"))) if isinstance(on, Mapping) else None
            if kind is None or not role.get("name"):
                self.wrong(where, "…", "a mapping with name and content_object")
                continue
            target, known = self.resolve(f"{where}.content_object", on, (kind,), None)
            if known and target is not None:
                self.grant(where, Grant(key, str(role["name"]).lower().replace(" ", "_"), target), "present")

    def grant(self, where: str, grant: Grant, state: Any) -> None:
        roles = self.world.roles_of(grant.on) or ROLES_OF.get(grant.on.kind, ())
        if grant.role not in roles:
            self.wrong(
                f"{where}.role", grant.role, f"a role of {grant.on}: {', '.join(roles)}", nearest(grant.role, roles)
            )
            return
        self.found.grants[grant] = state != "absent"

    def several(
        self, where: str, raw: Mapping[str, Any], name: str, kind: str, scope: Key | None, plural: str = ""
    ) -> list[Key]:
        found: list[Key] = []
        for field_name in (name, plural or f"{name}s"):
            given = raw.get(field_name)
            for one in given if isinstance(given, list) else [given]:
                if one in (None, ""):
                    continue
                key, known = self.resolve(f"{where}.{field_name}", one, (kind,), scope)
                if known and key is not None and key not in found:
                    found.append(key)
        return found

    def settings(self, where: str, raw: Any) -> None:
        if not isinstance(raw, Mapping):
            self.wrong(where, "…", "a mapping")
            return
        given = {raw["name"]: raw.get("value")} if where.endswith("]") and "name" in raw else raw
        for name, value in given.items():
            if self.world.settings and name not in self.world.settings:
                self.wrong(f"{where}.{name}", "…", "a setting of AWX", nearest(name, self.world.settings))
            else:
                self.found.settings[name] = values.plain(value)

    def labels(self) -> None:
        """Our label, wanted in each organization where an object bears it."""
        if not self.label:
            return
        for wanted in list(self.found.objects.values()):
            if not KINDS[wanted.key.kind].labelled or wanted.state == "absent":
                continue
            organization = wanted.key.parts[-1]
            if not isinstance(organization, Key):
                self.wrong(f"{wanted.where}.organization", None, "needed: labels belong to organizations")
                continue
            key = Key(LABELS, (self.label, organization))
            if key not in self.found.objects:
                fields = {"name": self.label, "organization": organization}
                self.found.objects[key] = Wanted(key, "label", fields=fields)
            told = wanted.links.get(LABELS)
            links = told.keys if told is not None else ()
            wanted.links[LABELS] = Links(
                (*links, *((key,) if key not in links else ())), told is not None and told.exact
            )


def secrets_of(wanted: Wanted, found: Configuration, world: World, options: Mapping[str, Json]) -> dict[str, Json]:
    """An object's secret values: field -> name -> value (name "" for a field that is one itself); no hidden ones."""
    fields: dict[str, Json] = {}
    if wanted.key.kind == USERS and wanted.fields.get("password"):
        fields["password"] = {"": wanted.fields["password"]}
    for name, secret in secret_names(wanted, found, world, options).items():
        held = wanted.fields.get(name)
        if isinstance(held, Mapping):
            fields[name] = {one: held[one] for one in secret if held.get(one) not in (None, "", HIDDEN)}
    return {name: content for name, content in fields.items() if content and content.get("") != HIDDEN}


def secret_names(
    wanted: Wanted, found: Configuration, world: World, options: Mapping[str, Json]
) -> dict[str, set[str]]:
    """Which entries of an object's mappings are secrets: field -> names."""
    kind = wanted.key.kind
    if kind == CREDENTIALS:
        reader = _Reader(world, options, lambda text: text, "")
        reader.found = found
        known = reader.type_fields(wanted.key)
        inputs = wanted.fields.get("inputs")
        if known is None:
            # of a type that nobody knows anything may be a secret
            return {"inputs": set(inputs) if isinstance(inputs, Mapping) else set()}
        return {"inputs": {name for name, spec in known.items() if spec.get("secret")}}
    if kind == NOTIFICATIONS:
        live = world.objects.get(wanted.key)
        chosen = wanted.fields.get("notification_type") or (live.item.get("notification_type") if live else None)
        spec: Any = ((options.get(kind) or {}).get("notification_configuration") or {}).get(chosen)
        given = wanted.fields.get("notification_configuration")
        if not isinstance(spec, Mapping):
            return {"notification_configuration": set(given) if isinstance(given, Mapping) else set()}
        return {"notification_configuration": {name for name, one in spec.items() if one.get("type") == "password"}}
    return {}


def _organization(key: Key) -> Key | None:
    """The organization that an object is in."""
    for part in reversed(key.parts[1:]):
        if isinstance(part, Key):
            return part if part.kind == ORGANIZATIONS else _organization(part)
    return None


def _name(given: Any) -> str | None:
    """The name in a reference, None where there is none."""
    if isinstance(given, Mapping):
        given = given.get("name")
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) else None


def _titles(kinds: Iterable[str]) -> str:
    titles = [KINDS[kind].title for kind in kinds]
    return titles[0] if len(titles) == 1 else ", ".join(titles[:-1]) + f" or {titles[-1]}"


def leaves(value: Any) -> Iterator[str]:
    """Every text in a mapping or list."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)

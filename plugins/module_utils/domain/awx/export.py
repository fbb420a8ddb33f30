# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A running AWX as the variables of infra.aap_configuration: applied to the same AWX they change nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import values
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import (
    CREDENTIAL_TYPES,
    CREDENTIALS,
    EDGES,
    GRANTED,
    INVENTORIES,
    KINDS,
    LABELS,
    NODES,
    ORGANIZATIONS,
    PROJECTS,
    TEAMS,
    TYPES,
    USERS,
    WORKFLOWS,
    Key,
    Kind,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.values import Mark, Parse
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import Live, World, approval

Json = dict[str, Any]

_TYPE = {kind: name for name, kind in TYPES.items()}
_FIELD = {kind: name for name, kind in GRANTED.items()}
#: sub-lists that no export holds: which nodes of the cluster are in an instance group is no configuration
_LEFT = frozenset({"instances"})


def reads(world: World) -> list[tuple[Key, str]]:
    """The sub-lists that must be known: (object, name of the list)."""
    found: list[tuple[Key, str]] = []
    sourced = {live.key for live in world.of(INVENTORIES) if live.item.get("has_inventory_sources")}
    for live in _exported(world):
        kind = KINDS[live.key.kind]
        found += [(live.key, name) for name in kind.links if name not in live.links and name not in _LEFT]
        if kind.surveyed and (live.item.get("survey_enabled") or "survey" in (live.item.get("summary_fields") or {})):
            found.append((live.key, "survey_spec"))
        if live.key.kind in (TEAMS, USERS):
            found.append((live.key, "roles"))
        if live.key.kind == "groups" and live.key.parts[1] in sourced:
            # hosts say themselves whether a source brought them
            found.append((live.key, "inventory_sources"))
    return found


def export(world: World, options: Mapping[str, Json], parse: Parse, label: str = "") -> Json:
    """Variable -> its list, for every kind that AWX has objects of. All that `reads` names has to be known.

    options: kind -> what OPTIONS say can be set: what is as AWX has it by default is left out. label: only what bears
    it, without the marks. Secrets stand as $encrypted$, which changes nothing where they are.
    """
    return _Export(world, options, parse, label).all()


def _exported(world: World) -> list[Live]:
    """All objects but AWX's own and what inventory sources bring."""
    return [live for live in world.objects.values() if not live.managed and not live.sourced]


class _Export:
    def __init__(self, world: World, options: Mapping[str, Json], parse: Parse, label: str) -> None:
        self.world = world
        self.options = options
        self.parse = parse
        self.label = label
        self.mark = Mark(label)
        #: (kind, name) -> how many objects have it
        self.named: dict[tuple[str, str], int] = {}
        for key in world.objects:
            self.named[key.kind, key.name] = self.named.get((key.kind, key.name), 0) + 1

    def all(self) -> Json:
        found: Json = {}
        lives = [live for live in _exported(self.world) if self.ours(live)]
        if self.label:
            # labels and instance groups bear no mark: those that ours use go with them
            used = {key for live in lives for name in (LABELS, "instance_groups") for key in live.links.get(name, ())}
            ours = {live.key for live in lives}
            lives += [live for key in used - ours if key.name != self.label and (live := self.world.objects.get(key))]
            lives.sort(key=lambda live: live.id)
        for kind in KINDS.values():
            entries = [self.entry(kind, live) for live in lives if live.key.kind == kind.name and kind.variables]
            if entries:
                found[kind.variables[0]] = entries
        grants = self.grants({live.key for live in lives})
        return {**found, **({"controller_roles": grants} if grants else {})}

    def ours(self, live: Live) -> bool:
        if not self.label:
            return True
        kind = KINDS[live.key.kind]
        if kind.labelled:
            return any(label.name == self.label for label in live.links.get(LABELS, ()))
        return kind.described and self.mark.of(live.item.get("description")) is not None

    def entry(self, kind: Kind, live: Live) -> Json:
        found: Json = {kind.identity[0]: live.key.name}
        specs: Json = self.options.get(kind.name) or {}
        for name in (*kind.identity[1:], *specs):
            if name not in found and (value := self.field(kind, live, name, specs.get(name) or {})) is not None:
                found[name] = value
        if kind.name == CREDENTIALS and live.key.parts[-1] is None:
            found |= self.owner(live)
        for name in kind.links:
            keys = [key for key in live.links.get(name, ()) if not (name == LABELS and key.name == self.label)]
            if keys and name not in EDGES:
                found[name] = [self.reference((kind.links[name],), key) for key in keys]
        if live.survey and live.survey.get("spec"):
            found["survey_spec"] = live.survey
        if kind.name == WORKFLOWS:
            nodes = [node for node in self.world.of(NODES) if node.key.parts[1] == live.key]
            if nodes:
                found["workflow_nodes"] = [self.node(node) for node in nodes]
        return found

    def field(self, kind: Kind, live: Live, name: str, spec: Json) -> Any:
        """A field's value, None where it is left out."""
        value = self.world.value(live, name)
        if name in kind.found:
            value = live.key.parts[kind.identity.index(name)]
        if name in kind.references or name in kind.found:
            return None if value is None else self.reference(kind.references[name], value)
        if spec.get("type") == "id" or (kind.name == USERS and name == "password"):
            return None
        if kind.name == PROJECTS and name == "local_path" and live.item.get("scm_type"):
            # AWX's own name for the folder that it fetches into
            return None
        if name in kind.texts:
            return values.mapping(value, self.parse) or None
        if name == "description" and self.label:
            value = self.mark.off(value)
        if value in (None, "", [], {}) or ("default" in spec and value == spec["default"] and not spec.get("required")):
            return None
        return value

    def owner(self, live: Live) -> Json:
        """Whose a credential is that is in no organization."""
        for owner in (live.item.get("summary_fields") or {}).get("owners") or ():
            if owner.get("type") in ("user", "team"):
                return {owner["type"]: owner.get("name")}
        return {}

    def node(self, live: Live) -> Json:
        """A workflow's node as awxkit exports it."""
        kind = KINDS[NODES]
        found: Json = {"identifier": live.key.name}
        asked = approval(live)
        if asked is not None:
            given = {name: asked[name] for name in ("name", "description", "timeout") if asked[name] not in (None, "")}
            found["unified_job_template"] = {"type": "workflow_approval", **given}
        elif isinstance(runs := self.world.value(live, "unified_job_template"), Key):
            found["unified_job_template"] = self.spelled(runs)
        specs: Json = self.options.get(NODES) or {}
        for name in specs:
            if name in ("identifier", "workflow_job_template", "unified_job_template"):
                continue
            if (value := self.field(kind, live, name, specs[name])) is not None:
                found[name] = value
        related: Json = {name: [{"identifier": key.name} for key in live.links.get(name, ())] for name in EDGES}
        for name in (CREDENTIALS, LABELS, "instance_groups"):
            if keys := live.links.get(name):
                related[name] = [self.reference((kind.links[name],), key) for key in keys]
        return {**found, "related": related}

    def reference(self, kinds: tuple[str, ...], key: Key) -> Any:
        """A reference: the name, or where that says not enough a mapping of name, type and where it is."""
        among = sum(self.named.get((kind, key.name), 0) for kind in kinds)
        return key.name if among == 1 else self.spelled(key)

    def spelled(self, key: Key) -> Json:
        found: Json = {KINDS[key.kind].identity[0] if key.kind in KINDS else "name": key.name}
        if key.kind in _TYPE:
            found["type"] = _TYPE[key.kind]
        for part in key.parts[1:]:
            if isinstance(part, Key) and part.kind in (ORGANIZATIONS, CREDENTIAL_TYPES):
                found[_TYPE[part.kind]] = {"name": part.name}
            elif isinstance(part, Key):
                found[_TYPE.get(part.kind, "name")] = self.spelled(part)
        return found

    def grants(self, exported: set[Key]) -> list[Json]:
        found: list[Json] = []
        for grant in sorted(self.world.grants, key=str):
            field = _FIELD.get(grant.on.kind)
            if field is None or grant.on not in self.world.objects or (self.label and grant.principal not in exported):
                continue
            principal = "team" if grant.principal.kind == TEAMS else "user"
            found.append(
                {
                    principal: self.reference((grant.principal.kind,), grant.principal),
                    "role": grant.role,
                    field: self.reference((grant.on.kind,), grant.on),
                }
            )
        return found

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running AWX holds, with names in the place of ids: built from the lists that it answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import (
    EDGES,
    KINDS,
    LABELS,
    NODES,
    RUNNABLE,
    TEMPLATES,
    Key,
    Kind,
)

Json = dict[str, Any]
#: AWX's word for a secret that it keeps
HIDDEN = "$encrypted$"
APPROVAL = "workflow_approval"


class Grant(NamedTuple):
    """A team or user has a role on an object: `role` without `_role`, such as "execute"."""

    principal: Key
    role: str
    on: Key

    def __str__(self) -> str:
        return f"{self.role} on {self.on} for {self.principal}"


@dataclass
class Live:
    """One object. `links` and `survey` are there only as far as they were read."""

    key: Key
    id: int
    item: Json
    links: dict[str, tuple[Key, ...]] = field(default_factory=dict)
    survey: Json | None = None
    #: whether an inventory source brought it
    sourced: bool = False

    @property
    def managed(self) -> bool:
        """Whether it is AWX's own."""
        return bool(self.item.get("managed"))


class World:
    """All objects that were read, by Key and by id."""

    def __init__(self, lists: Mapping[str, Sequence[Json]]) -> None:
        """`lists`: kind -> the objects of its list."""
        self.objects: dict[Key, Live] = {}
        self.doubles: set[Key] = set()
        #: being deleted by AWX: as good as gone, but their names are taken still
        self.leaving: dict[Key, int] = {}
        #: what is pointed at and was not read, such as AWX's own system jobs
        self.seen: dict[Key, int] = {}
        self.settings: Json = {}
        self.grants: set[Grant] = set()
        self.read: frozenset[str] = frozenset(lists)
        self._keys: dict[tuple[str, int], Key] = {}
        self._roles: dict[int, tuple[Key, str]] = {}
        self._role_ids: dict[Key, dict[str, int]] = {}
        for kind in KINDS.values():
            for item in lists.get(kind.name, ()):
                self._add(kind, item)
        for live in self.objects.values():
            self._derive(live)
            if "unified_job_template" in KINDS[live.key.kind].references:
                self.reference(KINDS[live.key.kind], "unified_job_template", live.item)

    def _add(self, kind: Kind, item: Json) -> None:
        key = Key(kind.name, tuple(self._part(kind, name, item) for name in kind.identity))
        if item.get("pending_deletion"):
            self.leaving[key] = item["id"]
            return
        if key in self.objects:
            self.doubles.add(key)
        else:
            self.objects[key] = Live(
                key, item["id"], item, sourced=kind.name == "hosts" and bool(item.get("has_inventory_sources"))
            )
        self._keys[kind.name, item["id"]] = key
        roles: Json = (item.get("summary_fields") or {}).get("object_roles") or {}
        for name, role in roles.items():
            known = key, name.removesuffix("_role")
            self._roles[role["id"]] = known
            self._role_ids.setdefault(key, {})[known[1]] = role["id"]

    def _part(self, kind: Kind, name: str, item: Json) -> str | Key | None:
        if name not in kind.references:
            return str(item.get(name) or "")
        return self.reference(kind, name, item)

    def reference(self, kind: Kind, name: str, item: Json) -> Key | None:
        """The Key of what a reference's id points at, None for none."""
        number = item.get(name)
        if number is None:
            return None
        for other in kind.references[name]:
            if (found := self._keys.get((other, int(number)))) is not None:
                return found
        summary: Json = (item.get("summary_fields") or {}).get(name) or {}
        if name == "unified_job_template" and summary:
            other = RUNNABLE.get(str(summary.get("unified_job_type")), APPROVAL)
            known = KINDS[other].identity if other in KINDS else ("name",)
            key = Key(other, (str(summary.get("name")), *[None] * (len(known) - 1)))
            self.seen[key] = int(number)
            return key
        return Key(kind.references[name][0], (f"#{number}",))

    def _derive(self, live: Live) -> None:
        """The links that stand in the object itself."""
        summary: Json = live.item.get("summary_fields") or {}
        labels = summary.get(LABELS)
        if KINDS[live.key.kind].labelled and isinstance(labels, dict):
            results = labels.get("results") or []
            # AWX lists the first ten only
            if labels.get("count", 0) == len(results):
                live.links[LABELS] = tuple(self._label(live, item) for item in results)
        if live.key.kind == TEMPLATES and isinstance(summary.get("credentials"), list):
            self.link(live, "credentials", summary["credentials"])
        if live.key.kind == NODES:
            for name in EDGES:
                self.link(live, name, [{"id": number} for number in live.item.get(name) or ()])

    def _label(self, live: Live, item: Json) -> Key:
        known = self._keys.get((LABELS, item["id"]))
        organization = live.key.parts[-1]
        return known or Key(LABELS, (str(item["name"]), organization))

    def link(self, live: Live, name: str, items: Iterable[Json]) -> None:
        """Takes in a sub-list of an object: what it holds, in its order."""
        kind = KINDS[live.key.kind].links[name]
        live.links[name] = tuple(
            self._keys.get((kind, item["id"])) or Key(kind, (str(item.get("name") or f"#{item['id']}"),))
            for item in items
        )

    def grant(self, principal: Key, roles: Iterable[Json]) -> None:
        """Takes in the roles of a team or user; those on what was not read are left out."""
        for role in roles:
            if (known := self._roles.get(role["id"])) is not None:
                self.grants.add(Grant(principal, known[1], known[0]))

    def role_id(self, on: Key, role: str) -> int | None:
        """The id of an object's role, None where it has none of that name."""
        return self._role_ids.get(on, {}).get(role)

    def roles_of(self, on: Key) -> list[str]:
        """Names of the roles that an object has."""
        return sorted(self._role_ids.get(on, {}))

    def value(self, live: Live, name: str) -> Any:
        """A field of an object, with a Key in the place of an id."""
        kind = KINDS[live.key.kind]
        return self.reference(kind, name, live.item) if name in kind.references else live.item.get(name)

    def of(self, kind: str) -> list[Live]:
        """The objects of one kind."""
        return [live for live in self.objects.values() if live.key.kind == kind]


def approval(live: Live) -> Json | None:
    """What an approval node asks: name, description, timeout and id; None where the node is none."""
    summary: Json = (live.item.get("summary_fields") or {}).get("unified_job_template") or {}
    if summary.get("unified_job_type") != APPROVAL:
        return None
    return {name: summary.get(name) for name in ("id", "name", "description", "timeout")}

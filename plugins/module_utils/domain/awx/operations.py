# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done to an AWX: requests, the operations that they make up, and the differences that ask for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import Key
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError

Json = dict[str, Any]


@dataclass(frozen=True)
class Role:
    """Stands for the id of an object's role."""

    on: Key
    role: str


@dataclass(frozen=True)
class Asked:
    """Stands for the id of an approval node's template."""

    node: Key


@dataclass(frozen=True)
class Request:
    """One write; where an id belongs, path and body hold what it is the id of."""

    method: str
    path: tuple[str | Key | Role | Asked, ...]
    body: Json | None = None

    def needs(self) -> Iterator[Key]:
        """All objects whose ids are needed."""
        for part in (*self.path, *(self.body or {}).values()):
            if isinstance(part, Role):
                yield part.on
            elif isinstance(part, Asked):
                yield part.node
            elif isinstance(part, Key):
                yield part


@dataclass
class Operation:
    """What is done to one object: requests in their order.

    verb: create, update, link, survey, approval, grant, revoke, fetch (a project), delete, set (settings). fields: what
    changes. needs: numbers of the operations before it. playbooks: what a fetched project must have -> its templates.
    """

    verb: str
    key: Key
    requests: list[Request] = field(default_factory=list)
    fields: tuple[str, ...] = ()
    needs: set[int] = field(default_factory=set)
    playbooks: dict[str, list[Key]] = field(default_factory=dict)
    about: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.about or self.key}"

    def data(self) -> Json:
        """For a task's result."""
        return {
            "action": self.verb,
            "kind": self.key.kind,
            "name": self.about or self.key.name,
            "organization": self.key.organization,
            "fields": list(self.fields),
        }


@dataclass(frozen=True)
class Difference:
    """One thing that is not as wanted. code: missing, differs or extra; what: the field, "" for the object itself."""

    key: Key
    code: str
    what: str = ""
    wanted: Any = None
    live: Any = None
    about: str = ""

    def data(self) -> Json:
        """As plain data, for the report."""
        return {
            "kind": self.key.kind,
            "name": self.about or self.key.name,
            "organization": self.key.organization,
            "object": self.about or str(self.key),
            "code": self.code,
            "what": self.what,
            "wanted": shown(self.wanted),
            "live": shown(self.live),
            "message": str(self),
        }

    def __str__(self) -> str:
        of = self.about or str(self.key)
        if self.code == "missing":
            return f"{of}: missing"
        if self.code == "extra":
            return f"{of}: is there and is not wanted"
        return f"{of}: {self.what} is {_short(self.live)}, wanted {_short(self.wanted)}"


@dataclass
class Plan:
    """All that is to be done, what differs, and what stands against it."""

    operations: list[Operation] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)
    #: objects that bear a wanted name and are not ours
    foreign: list[Key] = field(default_factory=list)

    @property
    def requests(self) -> list[Request]:
        """Every write, in order of the operations."""
        return [request for operation in self.operations for request in operation.requests]


def shown(value: Any) -> Any:
    """A value for people: names in the place of Keys."""
    if isinstance(value, Key):
        return str(value)
    if isinstance(value, tuple | list):
        return [shown(item) for item in value]
    return {name: shown(item) for name, item in value.items()} if isinstance(value, Mapping) else value


def _short(value: Any) -> str:
    text = str(shown(value)) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"

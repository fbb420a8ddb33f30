# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of operations on an AWX: which ones come before which, and what can be done at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import (
    INPUT_SOURCES,
    KINDS,
    LABELS,
    NODES,
    ORGANIZATIONS,
    PROJECTS,
    TEMPLATES,
    Key,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.operations import Operation
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.wanted import Configuration
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import Live, World


def order(operations: list[Operation], found: Configuration, world: World, fetched: Mapping[Key, int]) -> None:
    """Says of each operation which ones come before. fetched: project -> number of the operation that fetches it."""
    _Order(operations, found, world, fetched).run()


class _Order:
    def __init__(
        self, operations: list[Operation], found: Configuration, world: World, fetched: Mapping[Key, int]
    ) -> None:
        self.operations = operations
        self.found = found
        self.world = world
        self.fetched = fetched

    def run(self) -> None:
        index = _Index(self.operations)
        users: dict[Key, set[Key]] = {}
        if any(operation.verb == "delete" for operation in self.operations):
            for live in self.world.objects.values():
                for target in self.pointed(live):
                    users.setdefault(target, set()).add(live.key)
        for number, operation in enumerate(self.operations):
            if operation.verb == "delete":
                operation.needs |= self.before_delete(operation.key, index, users.get(operation.key, set()))
                continue
            keys = {key for request in operation.requests for key in request.needs()} | {operation.key}
            keys |= {part for part in operation.key.parts if isinstance(part, Key)}
            for key in keys:
                operation.needs |= index.of("create", key)
                if key != operation.key and key.kind != ORGANIZATIONS:
                    operation.needs |= index.of("update", key)
                    if operation.key.kind != INPUT_SOURCES and operation.verb in ("create", "update"):
                        operation.needs |= index.sources.get(key, set())
            operation.needs |= self.more_needs(operation, index)
            operation.needs.discard(number)

    def more_needs(self, operation: Operation, index: _Index) -> set[int]:
        found: set[int] = set()
        want = self.found.objects.get(operation.key)
        if want is not None and operation.verb in ("create", "update"):
            runs = want.fields.get("unified_job_template")
            if isinstance(runs, Key):
                # AWX holds the prompts of nodes and schedules against what their template asks for
                found |= index.of("survey", runs)
            project = want.fields.get("project")
            if operation.key.kind == TEMPLATES and isinstance(project, Key) and project in self.fetched:
                found.add(self.fetched[project])
            if operation.key.kind == PROJECTS and isinstance(organization := want.fields.get("organization"), Key):
                # a project that is fetched before has no server to install its collections from
                links = index.of("link", organization)
                found |= {one for one in links if self.operations[one].fields == ("galaxy_credentials",)}
        if operation.verb == "link" and operation.fields == (LABELS,) and _drops(operation):
            for request in operation.requests:
                found |= index.labels.get((request.body or {})["id"], set())
        if operation.verb in ("fetch", "approval"):
            found |= index.of("update", operation.key)
        if operation.verb == "link" and operation.key.kind == NODES and not _drops(operation):
            found |= index.untied.get(operation.key.parts[1], set())
        return found

    def before_delete(self, key: Key, index: _Index, users: set[Key]) -> set[int]:
        """A deletion comes after that of what uses the object, and after the changes that make others not use it."""
        if key.kind == NODES:
            return set()
        found = {
            number
            for user in users - {key}
            for verb in ("delete", "update", "link", "approval")
            for number in index.of(verb, user)
        }
        # a label is gone with the last that bears it
        for label in self.world.objects[key].links.get(LABELS, ()):
            found |= index.labels.get(label, set())
        return found

    def pointed(self, live: Live) -> set[Key]:
        """What an object points at now."""
        found = {key for keys in live.links.values() for key in keys}
        for name in KINDS[live.key.kind].references:
            if isinstance(value := self.world.value(live, name), Key):
                found.add(value)
        return found


class _Index:
    """Numbers of operations, by what they do to what.

    sources: credential -> those that give it an input source. labels: label -> those that put it on something. untied:
    workflow -> those that take its edges or nodes away.
    """

    def __init__(self, operations: list[Operation]) -> None:
        self.sources: dict[Key, set[int]] = {}
        self.labels: dict[Key, set[int]] = {}
        self.untied: dict[Any, set[int]] = {}
        self._about: dict[tuple[str, Key], set[int]] = {}
        for number, operation in enumerate(operations):
            key = operation.key
            self._about.setdefault((operation.verb, key), set()).add(number)
            if key.kind == INPUT_SOURCES and operation.verb != "delete" and isinstance(target := key.parts[-1], Key):
                self.sources.setdefault(target, set()).add(number)
            if key.kind == NODES and (operation.verb == "delete" or _drops(operation)):
                self.untied.setdefault(key.parts[1], set()).add(number)
            for label in _labels_put(operation):
                self.labels.setdefault(label, set()).add(number)

    def of(self, verb: str, key: Key) -> set[int]:
        """Those that do this to an object."""
        return self._about.get((verb, key), set())


def waves(operations: list[Operation]) -> list[list[int]]:
    """Numbers of the operations, put together where they can be done at once, in order."""
    level: dict[int, int] = {}

    def of(number: int, above: frozenset[int]) -> int:
        if number not in level:
            needs = [other for other in operations[number].needs if other not in above]
            level[number] = 1 + max((of(other, above | {number}) for other in needs), default=-1)
        return level[number]

    for number in range(len(operations)):
        of(number, frozenset())
    found: list[list[int]] = [[] for _level in range(1 + max(level.values(), default=-1))]
    for number, depth in sorted(level.items()):
        found[depth].append(number)
    return found


def _labels_put(operation: Operation) -> set[Key]:
    """The labels that an operation puts on something."""
    if operation.verb not in ("create", "link"):
        return set()
    bodies = [request.body or {} for request in operation.requests if request.path[-1] == LABELS]
    return {body["id"] for body in bodies if "id" in body and not body.get("disassociate")}


def _drops(operation: Operation) -> bool:
    """Whether an operation takes links away, at least at first."""
    return operation.verb == "link" and bool((operation.requests[0].body or {}).get("disassociate"))

"""A PoP's API server as direct delivery meets it: server-side apply, merge patches, the policies that keep data."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import DATA, DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import NAMESPACE, Kind

Json = dict[str, Any]
Key = tuple[str, str | None, str]
SERVICE = "dbaas.example.com/service"
GUARDED = {kind.kind for kind in DATA}


class Applying:
    """Objects by (kind, namespace, name); writes notes each write that was not dry."""

    def __init__(self, name: str, *namespaces: str) -> None:
        self.name = name
        self.objects: dict[Key, Json] = {}
        self.applied: dict[tuple[Key, str], Json] = {}
        self.writes: list[str] = []
        self.down = False
        #: objects that the API server refuses, by kind
        self.refuses: set[str] = set()
        #: what somebody else does before a write, once, by the note of that write
        self.before: dict[str, Callable[[], object]] = {}
        #: what an operator says of each object, by kind
        self.status: dict[str, Json] = {}
        self._version = 0
        for each in namespaces:
            self.put({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": each}})

    def put(self, item: Json) -> Json:
        """What somebody else has made."""
        metadata = item["metadata"]
        key = (item["kind"], metadata.get("namespace"), metadata["name"])
        self._version += 1
        there = self.objects.get(key)
        uid = there["metadata"]["uid"] if there else str(uuid.uuid4())
        version = str(self._version)
        said = {"status": self.status[key[0]]} if key[0] in self.status else {}
        generation = there["metadata"]["generation"] + (there.get("spec") != item.get("spec")) if there else 1
        given = {"uid": uid, "resourceVersion": version, "generation": generation}
        self.objects[key] = {**item, "metadata": {**metadata, **given}, **said}
        return self.objects[key]

    def names(self, service: str) -> list[str]:
        return sorted(key[0] for key, item in self.objects.items() if _labels(item).get(SERVICE) == service)

    def one(self, kind: str, name: str, namespace: str = "tenant-acme") -> Json:
        return self.objects[kind, namespace, name]

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json | None:
        self._answer()
        return copy.deepcopy(self.objects.get((kind.kind, namespace, name)))

    def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = "", *, bare: bool = False
    ) -> tuple[list[Json], str]:
        self._answer()
        found = [
            copy.deepcopy(item)
            for key, item in self.objects.items()
            if key[0] == kind.kind and namespace in (None, key[1]) and _selected(item, labels or "")
        ]
        if bare:
            found = [{name: item[name] for name in ("apiVersion", "kind", "metadata")} for item in found]
        return found, str(self._version)

    def apply(self, kind: Kind, obj: Json, *, manager: str, dry_run: bool = False) -> Json:
        self._answer()
        if kind.kind in self.refuses:
            raise KubeError("kube-refused", f"{self.name}: {kind.plural}: 403: not here", 403)
        key = (kind.kind, obj["metadata"]["namespace"], obj["metadata"]["name"])
        if not dry_run:
            self._disturbed(f"apply {kind.kind} {key[2]}")
        before = self.objects.get(key, {"metadata": {}})
        made: Json = _merged(_without(before, self.applied.get((key, manager), {}), obj), obj)
        if dry_run:
            return made
        self.applied[key, manager] = obj
        self.writes.append(f"apply {kind.kind} {key[2]}")
        return self.put(made)

    def apply_text(self, kind: Kind, namespace: str, name: str, text: bytes, *, manager: str) -> None:
        obj = json.loads(text)
        assert (obj["metadata"]["namespace"], obj["metadata"]["name"]) == (namespace, name)
        self.apply(kind, obj, manager=manager)

    def patch(self, kind: Kind, namespace: str | None, name: str, body: Json) -> Json:
        self._answer()
        self._disturbed(f"patch {kind.kind} {name}")
        self.writes.append(f"patch {kind.kind} {name}")
        return self.put(_merged(self.objects[kind.kind, namespace, name], body))

    def delete(self, kind: Kind, namespace: str | None, name: str, uid: str = "") -> bool:
        self._answer()
        there = self.objects.get((kind.kind, namespace, name))
        if there is None:
            return False
        metadata = there["metadata"]
        if kind.kind in GUARDED and (metadata.get("annotations") or {}).get(DELETION) != metadata["uid"]:
            raise KubeError("kube-refused", f"{self.name}: {kind.plural}: 403: {name} holds a service", 403)
        if uid not in ("", metadata["uid"]):
            raise KubeError("kube-refused", f"{self.name}: {kind.plural}: 409: another uid", 409)
        self.writes.append(f"delete {kind.kind} {name}")
        del self.objects[kind.kind, namespace, name]
        for key in [key for key in self.applied if key[0] == (kind.kind, namespace, name)]:
            del self.applied[key]
        return True

    def _disturbed(self, write: str) -> None:
        if other := self.before.pop(write, None):
            other()

    def _answer(self) -> None:
        if self.down:
            raise KubeError("kube-unreachable", f"{self.name}: no answer")


def _labels(item: Json) -> Json:
    labels: Json = item["metadata"].get("labels") or {}
    return labels


def _selected(item: Json, labels: str) -> bool:
    name, given, value = labels.partition("=")
    there = _labels(item)
    return not labels or (there.get(name) == value if given else name in there)


def _without(live: Any, before: Any, now: Any) -> Any:
    """The live object without what this manager applied before and does not any more."""
    if not isinstance(live, dict) or not isinstance(before, dict) or not isinstance(now, dict):
        return live
    gone = before.keys() - now.keys()
    return {key: _without(value, before.get(key), now.get(key)) for key, value in live.items() if key not in gone}


def _merged(live: Any, given: Any) -> Any:
    if not isinstance(live, dict) or not isinstance(given, dict):
        return given
    merged = {**live, **{key: _merged(live.get(key), value) for key, value in given.items()}}
    return {key: value for key, value in merged.items() if value is not None}

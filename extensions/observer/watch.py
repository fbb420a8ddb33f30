# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the cluster holds, kept by list and watch, and the queue of keys that are to be looked at."""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind, Obj

from .metrics import Metrics

#: (namespace, name)
Key = tuple[str, str]

SERVICE = "dbaas.example.com/service"
RETRY_SECONDS = 5.0


def log(event: str, **fields: Any) -> None:
    """One line of JSON on stdout."""
    line = json.dumps({"time": time.strftime("%FT%TZ", time.gmtime()), "event": event, **fields})
    # In one piece: threads speak at the same time.
    print(line + "\n", end="", flush=True)


class Queue:
    """Keys in the order in which they came, each at most once, and none by two workers at a time."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._ready: dict[Key, None] = {}
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._later: list[tuple[float, Key]] = []

    def __len__(self) -> int:
        return len(self._ready) + len(self._later)

    def add(self, key: Key, after: float = 0.0) -> None:
        """Ask for `key`, now or in `after` seconds."""
        with self._change:
            if after:
                heapq.heappush(self._later, (time.monotonic() + after, key))
            elif key in self._busy:
                self._again.add(key)
                return
            else:
                self._ready[key] = None
            self._change.notify()

    def get(self) -> Key:
        """The next key; to be given back by `done`."""
        with self._change:
            while True:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    key = heapq.heappop(self._later)[1]
                    if key in self._busy:
                        self._again.add(key)
                    else:
                        self._ready[key] = None
                if self._ready:
                    key = next(iter(self._ready))
                    del self._ready[key]
                    self._busy.add(key)
                    return key
                self._change.wait(self._later[0][0] - now if self._later else None)

    def done(self, key: Key) -> None:
        """The worker has finished with `key`."""
        with self._change:
            self._busy.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._ready[key] = None
                self._change.notify()


def own_key(obj: Obj) -> Key:
    """Key of the object itself."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def service_key(obj: Obj) -> Key | None:
    """Key of the claim that an operator's object or a Secret belongs to."""
    service = (obj["metadata"].get("labels") or {}).get(SERVICE)
    return (obj["metadata"].get("namespace", ""), service) if service else None


def slim(obj: Obj) -> Obj:
    """The object without what nobody here reads and is most of its size."""
    obj["metadata"].pop("managedFields", None)
    (obj["metadata"].get("annotations") or {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return obj


def dated(obj: Obj) -> Obj:
    """The same of an operator's object, with what tells when its spec and its status were written last."""
    entries = obj["metadata"].get("managedFields") or []
    slim(obj)
    obj["metadata"]["managedFields"] = [
        {
            "subresource": entry.get("subresource", ""),
            "time": entry.get("time", ""),
            "fieldsV1": {"f:spec": {}} if "f:spec" in (entry.get("fieldsV1") or {}) else {},
        }
        for entry in entries
    ]
    return obj


class Store:
    """The objects of one kind as the cluster has them, by `key`; tells `changed` about each key that differs.

    A kind that is not there (no CRD yet) is a kind without objects, asked for again every few seconds; where it is not
    `granted` to everybody, so is one that we may not read.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        changed: Callable[[Key], None],
        metrics: Metrics,
        *,
        key: Callable[[Obj], Key | None] = own_key,
        keep: Callable[[Obj], Obj] = slim,
        namespace: str | None = None,
        labels: str | None = None,
        granted: bool = True,
    ) -> None:
        self.kind = kind
        self._granted = granted
        self.ready = threading.Event()
        self._cluster = cluster
        self._changed = changed
        self._metrics = metrics
        self._key = key
        self._keep = keep
        self._namespace = namespace
        self._labels = labels
        self._lock = threading.Lock()
        self._objects: dict[Key, dict[str, Obj]] = {}
        self._complaint = ""

    def start(self) -> None:
        """List and watch in a thread of its own, for ever."""
        threading.Thread(target=self._run, name=self.kind.plural, daemon=True).start()

    def of(self, key: Key) -> list[Obj]:
        """The objects of a key, by name."""
        with self._lock:
            return [obj for _name, obj in sorted(self._objects.get(key, {}).items())]

    def all(self) -> list[Obj]:
        """Every object."""
        with self._lock:
            return [obj for group in self._objects.values() for obj in group.values()]

    def put(self, obj: Obj) -> None:
        """Take the cluster's answer to a write of our own, so that the next look is not at what was before it."""
        with self._lock:
            group = self._objects.get(self._key(obj) or ("", ""), {})
            name = obj["metadata"]["name"]
            if name in group and _version(group[name]) < _version(obj):
                group[name] = self._keep(obj)

    def replace(self, objects: list[Obj]) -> None:
        """A new list."""
        fresh: dict[Key, dict[str, Obj]] = {}
        for obj in objects:
            if key := self._key(obj):
                fresh.setdefault(key, {})[obj["metadata"]["name"]] = self._keep(obj)
        with self._lock:
            old, self._objects = self._objects, fresh
        for key in old.keys() | fresh.keys():
            if _versions(old.get(key, {})) != _versions(fresh.get(key, {})):
                self._changed(key)

    def event(self, change: str, obj: Obj) -> None:
        """One event of the watch."""
        key, name = self._key(obj), obj["metadata"]["name"]
        if key is None:
            return
        with self._lock:
            group = self._objects.setdefault(key, {})
            known = group.get(name)
            if known and _version(known) >= _version(obj):
                return
            if change == "DELETED":
                group.pop(name, None)
                if not group:
                    del self._objects[key]
            else:
                group[name] = self._keep(obj)
        self._changed(key)

    def _run(self) -> None:
        failures = 0
        while True:
            try:
                objects, version = self._cluster.list(self.kind, self._namespace, self._labels)
                self.replace(objects)
                del objects
                self.ready.set()
                if self._complaint:
                    log("watching", kind=self.kind.plural)
                self._complaint, failures = "", 0
                self._watch(version)
            except DbaasError as error:
                failures += 1
                self._lost(error)
            except Exception as error:  # noqa: BLE001 - a watch that ends makes the whole process blind
                failures += 1
                self._complain(type(error).__name__)
            self._metrics.watch_restarts.labels(self.kind.plural).inc()
            time.sleep(min(0.25 * 2**failures, RETRY_SECONDS) if failures else 0)

    def _watch(self, version: str) -> None:
        while True:
            for change, obj in self._cluster.watch(self.kind, version, self._namespace, self._labels):
                version = obj["metadata"]["resourceVersion"]
                if change != "BOOKMARK":
                    self.event(change, obj)

    def _lost(self, error: DbaasError) -> None:
        status = error.status if isinstance(error, KubeError) else 0
        if status == 404:
            self.replace([])
            self.ready.set()
        if status == 403 and not self._granted:
            # what was seen while we might is not gone
            self.ready.set()
            return
        if status != 410:
            self._complain(error.message)

    def _complain(self, message: str) -> None:
        # A cluster that is down for an hour is one line.
        if message != self._complaint:
            log("not watching", kind=self.kind.plural, reason=message)
        self._complaint = message
        self._metrics.errors.labels("watch").inc()


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _versions(group: dict[str, Obj]) -> dict[str, str]:
    return {name: obj["metadata"]["resourceVersion"] for name, obj in group.items()}

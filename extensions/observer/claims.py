# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the status of every copy of a claim true, and makes the Secrets that it lacks."""

from __future__ import annotations

import base64
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol

from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.born import BORN_IN
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import BY_CHART
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    CLAIM,
    CONFIG_MAP,
    DRIVER,
    SECRET,
    Kind,
    Obj,
)

from .complaints import Complaints
from .metrics import Metrics
from .watch import SERVICE, Key, Queue, Store, dated, log, service_key

MANAGER = "dbaas-observer"
MADE_BY_US = "dbaas.example.com/managed-by=observer"
#: operators make objects of these kinds too, which say nothing that their own do not
OF_CHARTS = f"{DRIVER}={BY_CHART}"
PLATFORM_KEY = ("dbaas-system", "platform-key")
#: Deadlines pass without an event: what is not Active is looked at again after so many seconds.
PATROL_SECONDS = 10.0


class Domain(Protocol):
    """The pure functions that decide; the tests give their own."""

    def kinds(self) -> Sequence[Kind]: ...
    def chart_kinds(self) -> Sequence[Kind]: ...

    def observe(
        self,
        live: Obj,
        record: Obj | None,
        objects: Sequence[Obj],
        *,
        secrets: Collection[str],
        now: str,
        complaints: str | None,
    ) -> Obj: ...

    def wanted(self, live: Obj, record: Obj | None) -> Sequence[Any]: ...
    def build(self, wanted: Any, key: bytes) -> Obj: ...


class Claims:
    """Stores, queue and workers of one PoP. `retry_seconds`: first delay after a failure, doubled to a minute."""

    def __init__(
        self,
        cluster: Cluster,
        domain: Domain,
        metrics: Metrics,
        complaints: Complaints | None = None,
        retry_seconds: float = 1.0,
    ) -> None:
        self.queue = Queue()
        self._cluster = cluster
        self._domain = domain
        self._metrics = metrics
        self._retry_seconds = retry_seconds
        self._failures: dict[Key, int] = {}
        self._keyless = False
        self._complaints = complaints or Complaints()
        self._complaints.changed = self.look_again
        self._names: dict[str, set[str]] = {}
        add: Callable[[Key], None] = self.queue.add
        self.claims = Store(cluster, CLAIM, self._changed, metrics)
        self.secrets = Store(cluster, SECRET, add, metrics, key=service_key, labels=MADE_BY_US)
        self.operators = [
            Store(cluster, kind, add, metrics, key=service_key, keep=dated, labels=SERVICE) for kind in domain.kinds()
        ]
        self.operators += [
            Store(cluster, kind, add, metrics, key=service_key, labels=OF_CHARTS, granted=False)
            for kind in domain.chart_kinds()
        ]
        self.records = Store(cluster, CONFIG_MAP, add, metrics, key=service_key, labels=BORN_IN)
        metrics.queue_depth.set_function(lambda: len(self.queue))
        metrics.count_claims(self._phases)

    @property
    def stores(self) -> list[Store]:
        """All that is listed and watched."""
        return [self.claims, self.secrets, self.records, *self.operators]

    def start(self, workers: int) -> None:
        """Watch; work once every first list is there: a list that is missing must not look like lost databases."""
        for store in self.stores:
            store.start()

        def begin() -> None:
            for store in self.stores:
                store.ready.wait()
            log("ready", claims=len(self.claims.all()))
            for number in range(workers):
                threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()
            while True:
                time.sleep(PATROL_SECONDS)
                self.patrol()

        threading.Thread(target=begin, name="patrol", daemon=True).start()

    def look_again(self, namespace: str) -> None:
        """Look again at every claim in a namespace."""
        # one step for the interpreter, so that a name that comes in meanwhile does no harm
        for name in tuple(self._names.get(namespace, ())):
            self.queue.add((namespace, name))

    def _changed(self, key: Key) -> None:
        self._names.setdefault(key[0], set()).add(key[1])
        self.queue.add(key)

    def patrol(self) -> None:
        """Look again at every claim that is not Active."""
        for copy in self.claims.all():
            if (copy.get("status") or {}).get("phase") != "Active":
                self.queue.add((copy["metadata"]["namespace"], copy["metadata"]["name"]))

    def reconcile(self, key: Key) -> None:
        """Make the status of one copy what it should be; nothing is written when it is."""
        found = self.claims.of(key)
        if not found:
            return
        copy = found[0]
        secrets = {secret["metadata"]["name"] for secret in self.secrets.of(key)}
        # what stands for a tenant's own object
        record = next(iter(self.records.of(key)), None)
        secrets |= self._make_secrets(copy, record, secrets)
        objects = [obj for store in self.operators for obj in store.of(key)]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        complaints = self._complaints.of(key[0])
        status = self._domain.observe(copy, record, objects, secrets=secrets, now=now, complaints=complaints)
        if status == copy.get("status"):
            return
        metadata = {"namespace": key[0], "name": key[1]}
        body = {"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, "metadata": metadata, "status": status}
        self.claims.put(self._cluster.apply(CLAIM, body, manager=MANAGER, subresource="status"))
        self._metrics.status_writes.inc()
        before, after = (copy.get("status") or {}).get("phase"), status.get("phase")
        if before != after:
            log("phase", namespace=key[0], claim=key[1], before=before, after=after)

    def _make_secrets(self, copy: Obj, record: Obj | None, present: Collection[str]) -> set[str]:
        missing = [wanted for wanted in self._domain.wanted(copy, record) if wanted.name not in present]
        if not missing or copy["metadata"].get("deletionTimestamp"):
            return set()
        key = self._platform_key()
        if key is None:
            return set()
        for wanted in missing:
            # One that somebody else has put there serves as well: it is never overwritten.
            if self._cluster.create(SECRET, self._domain.build(wanted, key)):
                self._metrics.secrets_made.inc()
                log("secret made", namespace=copy["metadata"]["namespace"], secret=wanted.name)
        return {wanted.name for wanted in missing}

    def _platform_key(self) -> bytes | None:
        secret = self._cluster.get(SECRET, *PLATFORM_KEY)
        data = ((secret or {}).get("data") or {}).get("key")
        if not data and not self._keyless:
            log("no platform key", secret="/".join(PLATFORM_KEY), key="key")
        self._keyless = not data
        return base64.b64decode(data) if data else None

    def _work(self) -> None:
        while True:
            key = self.queue.get()
            started = time.perf_counter()
            try:
                self.reconcile(key)
                self._failures.pop(key, None)
            except DbaasError as error:
                # Deleted between the list and our write: the watch says so too.
                if not (isinstance(error, KubeError) and error.status == 404):
                    self._failed(key, error.message)
            except Exception as error:  # noqa: BLE001 - one claim that cannot be judged must not blind the PoP
                where = traceback.extract_tb(error.__traceback__)[-1]
                self._failed(key, f"{type(error).__name__} in {where.name}, line {where.lineno}")
            finally:
                self.queue.done(key)
                self._metrics.reconcile_seconds.observe(time.perf_counter() - started)

    def _failed(self, key: Key, reason: str) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if failures == 1:
            log("failed", namespace=key[0], claim=key[1], reason=reason)
        self._metrics.errors.labels("claim").inc()
        self.queue.add(key, after=min(self._retry_seconds * 2 ** min(failures - 1, 10), 60.0))

    def _phases(self) -> Iterator[tuple[str, str]]:
        for copy in self.claims.all():
            labels, given = copy["metadata"].get("labels") or {}, copy["spec"].get("engine", "")
            engine = labels.get("dbaas.example.com/engine", given)
            yield (copy.get("status") or {}).get("phase") or "Pending", engine

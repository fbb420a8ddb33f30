"""The reconciler with pure functions and a cluster of the test's own."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.dbaas.platform.extensions.observer.claims import Claims
from ansible_collections.dbaas.platform.extensions.observer.complaints import Complaints
from ansible_collections.dbaas.platform.extensions.observer.metrics import Metrics
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, Kind, Obj

KEY = ("tenant-1", "orders")
OPERATED = Kind("db.example.org", "v1", "Ring", "rings")
PLATFORM_KEY = "canary-key"


@dataclass(frozen=True)
class Wanted:
    name: str


class Domain:
    """Active when the ring says so and its Secret is there."""

    def chart_kinds(self) -> Sequence[Kind]:
        return ()

    def kinds(self) -> Sequence[Kind]:
        return (OPERATED,)

    def observe(
        self,
        live: Obj,
        record: Obj | None,
        objects: Sequence[Obj],
        *,
        secrets: Collection[str],
        now: str,
        complaints: str | None,
    ) -> Obj:
        ready = any(obj["status"]["ready"] for obj in objects) and "orders-admin" in secrets
        return {"phase": "Active" if ready else "Pending", **({"complaints": complaints} if complaints else {})}

    def wanted(self, live: Obj, record: Obj | None) -> Sequence[Any]:
        return [Wanted("orders-admin")]

    def build(self, wanted: Any, key: bytes) -> Obj:
        assert key == PLATFORM_KEY.encode()
        return {"metadata": {"namespace": KEY[0], "name": wanted.name}, "data": {}}


class Cluster:
    def __init__(self) -> None:
        self.applied: list[tuple[Obj, Any]] = []
        self.created: list[Obj] = []
        self.key: Obj | None = {"data": {"key": base64.b64encode(PLATFORM_KEY.encode()).decode()}}
        self.errors: list[Exception] = []
        self.exists = False
        self.wrote = threading.Event()

    def get(self, *_arguments: Any) -> Obj | None:
        return self.key

    def create(self, _kind: Kind, obj: Obj) -> Obj | None:
        self.created.append(obj)
        return None if self.exists else obj

    def apply(self, _kind: Kind, obj: Obj, **options: Any) -> Obj:
        if self.errors:
            raise self.errors.pop(0)
        self.applied.append((obj, options))
        self.wrote.set()
        return copy(version=100 + len(self.applied), status=obj["status"])


def copy(version: int = 1, **more: Any) -> Obj:
    labels = {"dbaas.example.com/engine": "scylla"}
    return {
        "metadata": {"namespace": KEY[0], "name": KEY[1], "resourceVersion": str(version), "labels": labels},
        "spec": {},
        **more,
    }


def member(name: str, **more: Any) -> Obj:
    labels = {"dbaas.example.com/service": KEY[1]}
    return {"metadata": {"namespace": KEY[0], "name": name, "resourceVersion": "1", "labels": labels}, **more}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def claims(cluster: Cluster) -> Claims:
    claims = Claims(cluster, Domain(), Metrics(), retry_seconds=0.01)  # type: ignore[arg-type]
    claims.claims.replace([copy()])
    claims.operators[0].replace([member("orders", status={"ready": True})])
    return claims


def test_status_is_applied_once_with_our_manager_and_nothing_else(claims: Claims, cluster: Cluster) -> None:
    claims.secrets.replace([member("orders-admin")])
    claims.reconcile(KEY)
    claims.reconcile(KEY)
    (body, options), *more = cluster.applied
    assert (more, cluster.created) == ([], [])
    assert options == {"manager": "dbaas-observer", "subresource": "status"}
    assert body == {
        "apiVersion": CLAIM.api_version,
        "kind": "ServiceClaim",
        "metadata": {"namespace": KEY[0], "name": KEY[1]},
        "status": {"phase": "Active"},
    }


def test_absent_secrets_are_made_and_counted_as_there(
    claims: Claims, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    claims.reconcile(KEY)
    assert [obj["metadata"]["name"] for obj in cluster.created] == ["orders-admin"]
    assert cluster.applied[0][0]["status"] == {"phase": "Active"}
    out = capsys.readouterr().out
    assert "secret made" in out
    assert PLATFORM_KEY not in out


def test_what_stands_for_a_tenants_own_object_is_handed_on_and_wakes_its_claim(
    claims: Claims, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    while len(claims.queue):
        claims.queue.done(claims.queue.get())
    claims.records.event("ADDED", member("orders.claim"))
    assert claims.queue.get() == KEY
    given: list[Obj | None] = []
    observe = Domain.observe

    def noting(self: Domain, live: Obj, record: Obj | None, objects: Sequence[Obj], **more: Any) -> Obj:
        given.append(record)
        return observe(self, live, record, objects, **more)

    monkeypatch.setattr(Domain, "observe", noting)
    claims.reconcile(KEY)
    assert [record["metadata"]["name"] for record in given if record] == ["orders.claim"]


def test_a_secret_that_somebody_else_made_serves(
    claims: Claims, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.exists = True
    claims.reconcile(KEY)
    assert cluster.applied[0][0]["status"] == {"phase": "Active"}
    assert "secret made" not in capsys.readouterr().out


def test_without_the_platform_key_the_status_says_so_and_the_log_once(
    claims: Claims, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.key = None
    claims.reconcile(KEY)
    claims.reconcile(KEY)
    assert cluster.created == []
    assert cluster.applied[0][0]["status"] == {"phase": "Pending"}
    assert capsys.readouterr().out.count("no platform key") == 1


def test_nothing_is_made_for_what_is_going_or_gone(claims: Claims, cluster: Cluster) -> None:
    going = copy()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    claims.claims.replace([going])
    claims.reconcile(KEY)
    assert cluster.created == []
    claims.claims.replace([])
    cluster.applied.clear()
    claims.reconcile(KEY)
    assert cluster.applied == []


def ready(claims: Claims) -> None:
    for store in claims.stores:
        store.start = lambda: None  # type: ignore[method-assign]
        store.ready.set()
    claims.start(workers=2)


def test_workers_wait_for_every_first_list(claims: Claims, cluster: Cluster) -> None:
    for store in claims.stores:
        store.start = lambda: None  # type: ignore[method-assign]
    claims.claims.ready.set()
    claims.start(workers=1)
    assert not cluster.wrote.wait(0.03)
    for store in claims.stores:
        store.ready.set()
    assert cluster.wrote.wait(5)


def test_failures_are_tried_again_and_one_line(
    claims: Claims, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.errors = [KubeError("kube-unreachable", "refused"), KubeError("kube-unreachable", "refused"), KeyError("x")]
    ready(claims)
    assert cluster.wrote.wait(5)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [line for line in lines if line["event"] == "failed"]
    assert [line["reason"] for line in failed] == ["refused"]


def test_a_copy_that_vanished_is_no_failure(
    claims: Claims, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.errors = [KubeError("kube-refused", "not found", 404)]
    ready(claims)
    while cluster.errors or len(claims.queue):
        pass
    assert "failed" not in capsys.readouterr().out


def test_the_patrol_looks_at_what_is_not_active(claims: Claims) -> None:
    for _each in range(len(claims.queue)):
        claims.queue.done(claims.queue.get())
    claims.claims.replace([copy(version=2, status={"phase": "Active"})])
    claims.queue.done(claims.queue.get())
    claims.patrol()
    assert len(claims.queue) == 0
    claims.claims.replace([copy(version=3, status={"phase": "Degraded"})])
    claims.queue.done(claims.queue.get())
    claims.patrol()
    assert len(claims.queue) == 1


def test_what_argo_cd_says_of_a_tenant_has_its_claims_looked_at_again_and_no_others(cluster: Cluster) -> None:
    complaints = Complaints()
    claims = Claims(cluster, Domain(), Metrics(), complaints)  # type: ignore[arg-type]
    other = copy()
    other["metadata"] = {**other["metadata"], "namespace": "tenant-2"}
    for store in claims.stores:
        store.replace([])
    claims.claims.replace([copy(), other])
    for _copy in range(2):
        claims.queue.done(claims.queue.get())
    assert len(claims.queue) == 0

    complaints.note("services-1", {"tenant-1": "a ClusterRole"})
    assert len(claims.queue) == 1
    key = claims.queue.get()
    claims.reconcile(key)
    claims.queue.done(key)
    assert cluster.applied[-1][0]["metadata"] == {"namespace": "tenant-1", "name": "orders"}
    assert cluster.applied[-1][0]["status"]["complaints"] == "Application services-1: a ClusterRole"
    # the same words again are no news
    complaints.note("services-1", {"tenant-1": "a ClusterRole"})
    assert len(claims.queue) == 0
    complaints.note("services-1", {"tenant-1": ""})
    assert len(claims.queue) == 1


def test_words_of_several_applications_stand_together_until_each_takes_them_back() -> None:
    heard: list[str] = []
    complaints = Complaints()
    complaints.changed = heard.append
    assert complaints.of("tenant-1") is None
    complaints.note("tenant-1", {"tenant-1": ""})
    assert complaints.of("tenant-1") == ""
    complaints.note("services-1", {"tenant-1": "b"})
    complaints.note("dbaas-tenants", {"tenant-1": "a", "tenant-2": "c"})
    assert complaints.of("tenant-1") == "Application dbaas-tenants: a; Application services-1: b"
    assert complaints.of("tenant-2") == "Application dbaas-tenants: c"
    heard.clear()
    complaints.note("dbaas-tenants", {"tenant-1": "a"})
    assert heard == ["tenant-2"]
    assert complaints.of("tenant-2") is None
    complaints.note("dbaas-tenants", {})
    complaints.note("services-1", {})
    assert complaints.of("tenant-1") == ""

"""The queue and the store, without a cluster."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbaas.platform.extensions.observer import watch
from ansible_collections.dbaas.platform.extensions.observer.metrics import Metrics
from ansible_collections.dbaas.platform.extensions.observer.watch import Key, Queue, Store, own_key, service_key
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, Obj

A, B = ("tenant-1", "a"), ("tenant-1", "b")


def thing(name: str, version: int, service: str | None = None, **more: Any) -> Obj:
    labels = {"dbaas.example.com/service": service} if service else {}
    metadata = {"namespace": "tenant-1", "name": name, "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, **more}


def test_a_key_waits_once_and_in_order() -> None:
    queue = Queue()
    for key in (A, B, A):
        queue.add(key)
    assert len(queue) == 2
    assert [queue.get(), queue.get()] == [A, B]


def test_a_key_being_worked_on_comes_again_when_it_is_done() -> None:
    queue = Queue()
    queue.add(A)
    assert queue.get() == A
    queue.add(A)
    queue.add(B)
    assert queue.get() == B
    assert len(queue) == 0
    queue.done(A)
    assert queue.get() == A


def test_of_an_operators_object_stays_when_it_was_written() -> None:
    entries = [
        {"manager": "argocd", "time": "t1", "fieldsV1": {"f:spec": {"f:numNodes": {}}, "f:metadata": {}}},
        {"manager": "operator", "subresource": "status", "time": "t2", "fieldsV1": {"f:status": {}}},
    ]
    kept = watch.dated({"metadata": {"managedFields": entries}})["metadata"]["managedFields"]
    assert kept == [
        {"subresource": "", "time": "t1", "fieldsV1": {"f:spec": {}}},
        {"subresource": "status", "time": "t2", "fieldsV1": {}},
    ]
    assert watch.dated({"metadata": {}}) == {"metadata": {"managedFields": []}}


def test_a_delay_is_kept_and_does_not_hold_up_others() -> None:
    queue = Queue()
    queue.add(A, after=0.05)
    queue.add(B)
    started = time.monotonic()
    assert [queue.get(), queue.get()] == [B, A]
    assert 0.04 < time.monotonic() - started < 1


def test_one_that_waits_wakes_for_what_comes() -> None:
    queue = Queue()
    threading.Timer(0.02, queue.add, [A]).start()
    assert queue.get() == A


class Fake:
    """A cluster whose lists and watches are written down; the last list stays."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.listed = 0
        self.over = threading.Event()

    def list(self, *_arguments: Any) -> tuple[list[Obj], str]:
        self.listed += 1
        if not self.script:
            threading.Event().wait()
        answer: Any = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, "5"

    def watch(self, *_arguments: Any) -> Iterator[tuple[str, Obj]]:
        for answer in self.script.pop(0) if self.script else ():
            if isinstance(answer, Exception):
                raise answer
            yield answer
        if not self.script:
            self.over.set()
            threading.Event().wait()


def store(cluster: Any = None) -> tuple[Store, list[Key]]:
    changed: list[Key] = []
    return Store(cluster, CLAIM, changed.append, Metrics(), key=service_key), changed


def test_objects_lie_by_their_claim() -> None:
    objects, changed = store()
    objects.replace([thing("y", 1, "a"), thing("x", 2, "a"), thing("z", 3, "b"), thing("stranger", 4)])
    assert [obj["metadata"]["name"] for obj in objects.of(A)] == ["x", "y"]
    assert sorted(changed) == [A, B]
    assert own_key(objects.of(B)[0]) == ("tenant-1", "z")
    assert len(objects.all()) == 3


def test_a_new_list_tells_only_what_differs() -> None:
    objects, changed = store()
    objects.replace([thing("x", 1, "a"), thing("y", 2, "b")])
    changed.clear()
    objects.replace([thing("x", 1, "a"), thing("y", 3, "b")])
    assert changed == [B]
    objects.replace([thing("x", 1, "a")])
    assert changed == [B, B]
    assert objects.of(B) == []


def test_events_add_change_and_delete() -> None:
    objects, changed = store()
    objects.event("ADDED", thing("x", 1, "a"))
    objects.event("MODIFIED", thing("x", 2, "a", status=1))
    assert objects.of(A)[0]["status"] == 1
    objects.event("DELETED", thing("x", 3, "a"))
    assert objects.of(A) == []
    objects.event("ADDED", thing("stranger", 4))
    assert changed == [A, A, A]


def test_our_own_write_is_seen_at_once_and_its_late_event_is_nothing_new() -> None:
    objects, changed = store()
    objects.replace([thing("x", 1, "a")])
    objects.put(thing("x", 5, "a", status="ours"))
    objects.event("MODIFIED", thing("x", 4, "a", status="older"))
    objects.event("MODIFIED", thing("x", 5, "a", status="ours"))
    assert objects.of(A)[0]["status"] == "ours"
    assert changed == [A]
    objects.event("DELETED", thing("x", 6, "a"))
    objects.put(thing("x", 5, "a"))
    assert objects.of(A) == []


def test_what_nobody_reads_is_not_kept() -> None:
    objects, _changed = store()
    fat = thing("x", 1, "a")
    fat["metadata"] |= {"managedFields": [1], "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}
    objects.event("ADDED", fat)
    assert objects.of(A)[0]["metadata"].keys() == {"namespace", "name", "resourceVersion", "labels", "annotations"}


def run(monkeypatch: pytest.MonkeyPatch, *script: Any) -> tuple[Fake, Store]:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.001)
    cluster = Fake(*script)
    objects, _changed = store(cluster)
    objects.start()
    assert cluster.over.wait(5)
    return cluster, objects


def test_a_version_that_is_too_old_is_a_new_list_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = KubeError("kube-refused", "too old", 410)
    cluster, objects = run(monkeypatch, [thing("x", 1, "a")], [gone], [thing("y", 2, "a")], [])
    assert (cluster.listed, [obj["metadata"]["name"] for obj in objects.of(A)]) == (2, ["y"])
    assert capsys.readouterr().out == ""


def test_a_server_that_is_down_is_one_line_and_keeps_what_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    down = KubeError("kube-unreachable", "refused")
    _cluster, objects = run(monkeypatch, [thing("x", 1, "a")], [down], down, down, [thing("x", 1, "a")], [])
    assert objects.of(A)
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["not watching", "watching"]


def test_a_kind_without_crd_is_empty_and_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = KubeError("kube-refused", "404 page not found", 404)
    cluster = Fake(missing)
    objects, _changed = store(cluster)
    objects.start()
    assert objects.ready.wait(5)
    cluster, objects = run(monkeypatch, missing, [thing("x", 1, "a")], [("MODIFIED", thing("x", 2, "a", status=1))])
    assert objects.of(A)[0]["status"] == 1


def test_without_rights_it_is_not_ready() -> None:
    cluster = Fake(KubeError("kube-refused", "forbidden", 403))
    objects, _changed = store(cluster)
    objects.start()
    while not cluster.listed:
        time.sleep(0.001)
    assert not objects.ready.wait(0.02)


def test_what_we_may_not_read_is_not_there_and_what_we_saw_is_not_gone() -> None:
    forbidden = KubeError("kube-refused", "forbidden", 403)
    objects = Store(Fake(), CLAIM, lambda _key: None, Metrics(), key=service_key, granted=False)  # type: ignore[arg-type]
    objects._lost(forbidden)
    assert objects.ready.is_set()
    objects.replace([thing("x", 1, "a")])
    objects._lost(forbidden)
    assert [obj["metadata"]["name"] for obj in objects.of(A)] == ["x"]
    # of kinds that every observer may read it is a failure
    others = Store(Fake(), CLAIM, lambda _key: None, Metrics(), key=service_key)  # type: ignore[arg-type]
    others._lost(forbidden)
    assert not others.ready.is_set()

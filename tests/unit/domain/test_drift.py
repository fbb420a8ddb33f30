"""What counts as a difference between Git and a cluster, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import drift
from ansible_collections.dbaas.platform.plugins.module_utils.domain.differences import differences

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("wanted", "live", "paths"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1, "default": True}], "d": 0}}, []),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["a.b[0].c"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
        ({"a": 1, "b": 2}, {}, ["a", "b"]),
        ({"a": {}, "b": [], "c": "", "d": None}, {}, []),
        ({"a": {}}, {"a": {"default": 1}}, []),
        ({"a": False}, {}, ["a"]),
        ({"a": 0}, {}, ["a"]),
        ({"a": "1"}, {"a": 1}, ["a"]),
        ({"a": True}, {"a": False}, ["a"]),
    ],
)
def test_differences(wanted: Any, live: Any, paths: list[str]) -> None:
    assert list(differences(wanted, live)) == paths


def item(name: str, kind: str = "ScyllaCluster", **metadata: Any) -> Json:
    labels = {"dbaas.example.com/tenant": "acme", "dbaas.example.com/service": name}
    found = {"name": name, "namespace": "tenant-acme", "labels": labels, **metadata}
    return {"apiVersion": "scylla.scylladb.com/v1", "kind": kind, "metadata": found}


def test_what_operators_make_and_what_goes_are_no_orphans() -> None:
    mine, stray = item("orders"), item("ghost")
    made = item("made", ownerReferences=[{"kind": "ScyllaCluster"}])
    going = item("going", deletionTimestamp="2026-01-01T00:00:00Z")
    snapshot = item("left", labels={"dbaas.example.com/tenant": "acme", "dbaas.example.com/snapshot-of": "old"})
    foundation = item("default-deny", labels={"dbaas.example.com/tenant": "acme"})
    live = [mine, stray, made, going, snapshot, foundation]
    found = list(drift.orphans("lagos", live, {drift.key(mine)}))
    assert [(each.object, each.service, each.tenant) for each in found] == [
        ("ScyllaCluster ghost", "ghost", "acme"),
        ("ScyllaCluster left", "old", "acme"),
    ]


def test_what_is_missing_of_a_service_that_goes_is_no_drift() -> None:
    copy = item("orders", annotations={"dbaas.example.com/action": "delete"})
    assert list(drift.of_service("lagos", [copy], {}, "f")) == []
    copy["metadata"]["annotations"] = {}
    assert [each.code for each in drift.of_service("lagos", [copy], {}, "f")] == ["missing"]


def test_a_table_of_it() -> None:
    found = [
        drift.Finding("lagos", "differs", "differs from Git in spec.x", "acme", "orders", "ConfigMap a"),
        drift.Finding("johannesburg", "unreachable", "no answer"),
    ]
    assert drift.table(found) == [
        "pop           what         whose        object",
        "lagos         differs      acme/orders  ConfigMap a  differs from Git in spec.x",
        "johannesburg  unreachable                            no answer",
    ]
    assert found[0].data() == {
        "pop": "lagos",
        "code": "differs",
        "drift": True,
        "message": "differs from Git in spec.x",
        "tenant": "acme",
        "service": "orders",
        "object": "ConfigMap a",
        "file": "",
        "fields": [],
    }

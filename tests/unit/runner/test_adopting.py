"""What runs already is taken over: by a claim, and from delivery without Git by Git."""

from __future__ import annotations

from typing import Any

from tests.unit.runner.without_git import BOTH, Direct

Json = dict[str, Any]


def by_hand(direct: Direct, **spec: Any) -> Json:
    """A database that somebody made, of what we would render, and nothing else of ours; how it is taken over."""
    identity = direct.run()["claim"]["service_id"]
    made = direct.lagos.one("ScyllaCluster", "orders")
    direct.lagos.objects = {key: item for key, item in direct.lagos.objects.items() if key[0] == "Namespace"}
    direct.lagos.applied.clear()
    metadata = {"name": "orders", "namespace": "tenant-acme"}
    direct.lagos.put({**made, "metadata": metadata, "spec": {**made["spec"], **spec}})
    return {"adopt": True, "service_id": identity}


def test_a_foreign_object_is_taken_over_only_when_told_to(direct: Direct) -> None:
    how = by_hand(direct)
    error = direct.refused()
    assert error.code == "adoption-needed"
    assert "lagos: ScyllaCluster tenant-acme/orders is there already" in str(error)
    uid = direct.lagos.one("ScyllaCluster", "orders")["metadata"]["uid"]
    assert direct.run(**how)["operations"][0]["action"] == "create"
    assert direct.lagos.one("ScyllaCluster", "orders")["metadata"]["uid"] == uid
    assert not direct.run()["changed"]


def test_what_would_change_is_not_taken_over(direct: Direct) -> None:
    how = by_hand(direct, version="5.1.0")
    for check in (True, False):
        error = direct.refused(**how, check=check)
        assert error.code == "adoption-differs"
        assert error.message == "lagos: ScyllaCluster tenant-acme/orders: spec.version"
    # the pods of a ring bear the identity, so another one would restart them
    assert "spec.podMetadata.labels.dbaas.example.com/service-id" in str(direct.refused(adopt=True))


def test_a_service_moves_to_git_with_its_identity(direct: Direct) -> None:
    world = direct.world
    made = direct.run(replication=BOTH)
    cluster = direct.lagos.one("ScyllaCluster", "orders")
    cluster["metadata"]["managedFields"] = [{"manager": "dbaas-direct", "operation": "Apply"}, {"manager": "other"}]
    given: Json = {"delivery": "git", "repository": world.url, "adopt": True, "replication": BOTH}
    before = direct.written()
    predicted = direct.run(check=True, **given)
    assert direct.written() == before
    result = direct.run(**given)
    assert result["operations"] == predicted["operations"]
    assert result["commit"] == world.head()
    assert result["claim"]["service_id"] == made["claim"]["service_id"]
    fields = direct.lagos.one("ScyllaCluster", "orders")["metadata"]["managedFields"]
    assert sorted(entry["manager"] for entry in fields) == ["argocd-controller", "other"]
    assert not direct.run(**given)["changed"]


def test_what_would_restart_does_not_move_to_git(direct: Direct) -> None:
    direct.run()
    head = direct.world.head()
    given: Json = {"delivery": "git", "repository": direct.world.url, "adopt": True}
    error = direct.refused(resources={"node": {"memory": "64Gi"}}, **given)
    assert error.code == "adoption-differs"
    assert "memory" in str(error)
    assert direct.world.head() == head


def test_what_would_be_taken_away_does_not_move_to_git(direct: Direct) -> None:
    direct.run(placement={"node_selector": {"example.com/disk": "nvme"}})
    cluster = direct.lagos.one("ScyllaCluster", "orders")
    cluster["metadata"]["managedFields"] = [{"manager": "dbaas-direct", "operation": "Apply"}]
    error = direct.refused(delivery="git", repository=direct.world.url, adopt=True)
    assert error.code == "adoption-differs"
    assert "placement.nodeAffinity" in str(error)

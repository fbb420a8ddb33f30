"""Services go, and only those that are meant: through Git and Argo CD, with the admission policies beneath."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.integration.conftest import POPS, Platform, git, until
from tests.integration.test_delivery import refused
from tests.integration.test_playbooks import fails, succeeds

Json = dict[str, Any]
TENANT = "leaving"
NAMESPACE = f"tenant-{TENANT}"
RING: Json = {"replication": {"regions": list(POPS)}}


def provision(platform: Platform, name: str, **fields: Any) -> None:
    found = platform.module("tenant", {"tenant": TENANT, "regions": list(POPS)})
    assert not found["failed"], found
    arguments = {"tenant": TENANT, "name": name, "sku": "scy-ring-3", "region": "lagos", **fields}
    result = platform.module("service_claim", {**arguments, "wait": True, "wait_timeout": 60})
    assert not result["failed"], result


def objects(platform: Platform, pop: str, name: str) -> dict[str, str]:
    """What the PoP has of a service that lives as long as it does: path -> uid; Secrets too."""
    api, found = platform.lab.api(pop), {}
    for place in (
        f"/apis/dbaas.example.com/v1alpha1/namespaces/{NAMESPACE}/serviceclaims",
        f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters",
        f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies",
        f"/api/v1/namespaces/{NAMESPACE}/configmaps",
        f"/api/v1/namespaces/{NAMESPACE}/secrets",
    ):
        for item in (api.get(place) or {"items": []})["items"]:
            if item["metadata"].get("labels", {}).get("dbaas.example.com/service") == name:
                found[f"{place}/{item['metadata']['name']}"] = item["metadata"]["uid"]
    return found


def nothing(platform: Platform, pop: str, name: str) -> bool:
    return objects(platform, pop, name) == {}


def test_a_service_is_deleted_in_both_regions_and_nothing_else(platform: Platform) -> None:
    provision(platform, "goes", **RING)
    provision(platform, "stays")
    kept = objects(platform, "lagos", "stays")
    assert len(objects(platform, "lagos", "goes")) == 6

    answers = {"tenant": TENANT, "service": "goes", "deletion_policy": "delete", "dbaas_wait_timeout": "60"}
    # the name is asked for once more, and the limit must leave every region
    assert "once more as confirm" in fails(platform, "deprovision_service", answers)
    answers["confirm"] = "goes"
    assert "johannesburg, which" in fails(platform, "deprovision_service", answers, "--limit", "lagos")
    # of a region that is left its own name is, so that who gives it wrong does not lose the service
    leaves = {**answers, "regions": "johannesburg"}
    assert "(johannesburg; given goes)" in fails(platform, "deprovision_service", leaves)
    head = platform.head()
    changed, output = succeeds(platform, "deprovision_service", answers, "--check", "--diff")
    assert changed == 1
    assert "deleted file mode 100644" in output
    assert platform.head() == head

    changed, output = succeeds(platform, "deprovision_service", answers)
    assert changed == 1
    assert "ScyllaCluster goes" in output
    for pop in POPS:
        assert f"{TENANT}/goes {pop}: gone" in output
        # the Secrets go with the copy, by the garbage collector
        until(partial(nothing, platform, pop, "goes"))
    assert objects(platform, "lagos", "stays") == kept
    assert platform.git("ls-tree", "-r", "--name-only", "main", f"tenants/{TENANT}/").count("goes") == 0
    changed, output = succeeds(platform, "deprovision_service", answers)
    assert changed == 0
    assert platform.phase("lagos", "stays", NAMESPACE) == "Active"


def test_a_pop_that_is_down_is_named_and_caught_up_later(platform: Platform) -> None:
    provision(platform, "half", **RING)
    gone = {"tenant": TENANT, "name": "half", "state": "absent", "deletion_policy": "delete", "wait_timeout": 40}
    platform.lab.stop("kube-apiserver", "johannesburg")
    try:
        first = platform.module("service_claim", gone)
        assert first["failed"]
        assert first["error"]["code"] == "deprovision-incomplete"
        assert "leaving/half in johannesburg" in first["msg"]
        assert first["wait"][0]["regions"]["lagos"] == "gone"
    finally:
        platform.lab.start("kube-apiserver", "johannesburg")
    assert objects(platform, "johannesburg", "half") != {}
    second = platform.module("service_claim", {**gone, "wait_timeout": 120})
    assert not second["failed"], second
    # the garbage collector, which takes the Secrets, begins anew after its API server was away
    until(lambda: objects(platform, "johannesburg", "half") == {}, 60)
    until(lambda: objects(platform, "lagos", "half") == {})


def test_what_is_kept_stays_and_its_name_is_taken(platform: Platform, tmp_path: Path) -> None:
    provision(platform, "kept")
    before = objects(platform, "lagos", "kept")
    result = platform.module("service_claim", {"tenant": TENANT, "name": "kept", "state": "absent"})
    assert result["changed"]
    assert objects(platform, "lagos", "kept") == before
    again = {"tenant": TENANT, "name": "kept", "sku": "scy-ring-3", "region": "lagos"}
    assert "is kept" in platform.module("service_claim", again)["msg"]
    work = platform.clone(tmp_path)
    git(work, "mv", f"tenants/{TENANT}/retained/kept.yaml", f"tenants/{TENANT}/claims/kept.yaml")
    git(work, "commit", "--quiet", "--message", "Take it up again")
    git(work, "push", "--quiet")
    assert not platform.module("service_claim", again)["changed"]
    assert objects(platform, "lagos", "kept") == before


def test_the_mark_cannot_be_set_by_anybody_else(platform: Platform) -> None:
    provision(platform, "marked")
    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/marked"
    uid = objects(platform, "lagos", "marked")[path]
    mark = {"metadata": {"annotations": {"dbaas.example.com/deletion": uid}}}
    for user in ("admin", "observer", "operator"):
        refused(platform, "PATCH", path, mark, user=user)
    refused(platform, "DELETE", f"/api/v1/namespaces/{NAMESPACE}")
    assert objects(platform, "lagos", "marked")[path] == uid

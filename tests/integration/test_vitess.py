"""Vitess through every real part but the database and its operator, whose status kwok plays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conftest import MANY, Many, Platform
from tests.integration.test_delivery import refused

Json = dict[str, Any]
KINDS = f"/apis/planetscale.com/v2/namespaces/{MANY}/vitessclusters"


def cluster(platform: Platform, name: str) -> Json:
    return platform.lab.api("lagos").get(f"{KINDS}/{name}") or {}


def test_a_claim_becomes_a_sharded_vitess(many: Many) -> None:
    (waited,) = [item for item in many.results["made"]["wait"] if item["name"] == "vitess-storage"]
    assert waited["connection_string"] == "mysql://vitess-storage-vtgate.tenant-many.svc.lagos.dbaas.internal:3306"
    made = many.objects["lagos"]["vitess-storage"]
    assert [cell["name"] for cell in made["spec"]["cells"]] == ["lagos_a", "lagos_b", "lagos_c"]
    assert made["status"]["keyspaces"]["main"]["readyTablets"] == 12
    said = {item["type"]: item for item in many.copies["lagos"]["vitess-storage"]["status"]["conditions"]}
    assert (said["Ready"]["status"], said["CredentialsReady"]["status"]) == ("True", "True")
    assert (said["BackupConfigured"]["status"], said["BackupConfigured"]["reason"]) == ("Unknown", "NotReported")


@pytest.mark.usefixtures("many")
def test_what_its_operator_would_ignore_or_stumble_over_is_refused(platform: Platform) -> None:
    spec = cluster(platform, "reef")["spec"]

    def changed(change: Callable[[Json], object]) -> Json:
        """The lists of spec with one change; a merge patch takes them whole."""
        lists = copy.deepcopy({part: spec[part] for part in ("cells", "keyspaces", "backup")})
        change(lists)
        return {"spec": lists}

    def cut(lists: Json) -> Json:
        found: Json = lists["keyspaces"][0]["partitionings"][0]
        return found

    def pool(lists: Json) -> Json:
        found: Json = cut(lists)["equal"]["shardTemplate"]["tabletPools"][0]
        return found

    def storage(lists: Json, size: str) -> None:
        pool(lists)["dataVolumeClaimTemplate"]["resources"]["requests"]["storage"] = size

    secret = {"name": "x", "key": "y"}
    whole: Json = {"shards": [{"keyRange": {}, "databaseInitScriptSecret": secret}]}
    cases: list[tuple[Callable[[Json], object], str]] = [
        (lambda x: x["cells"].append(x["cells"][0]), "spec.cells: each name once"),
        (lambda x: x["keyspaces"].append(x["keyspaces"][0]), "spec.keyspaces: each name once"),
        (lambda x: cut(x).update(custom=whole), "either equal or custom"),
        (lambda x: pool(x).update(cell="nowhere"), "a tablet pool stands in a cell of this cluster"),
        (lambda x: pool(x).update(cell="lagos_b", name="other"), "one tablet pool of a type in a cell"),
        (lambda x: pool(x).update(backupLocationName="other"), "backupLocationName is one of"),
        (lambda x: x.update(keyspaces=[]), "goes only when its turndownPolicy was Immediate before"),
        (lambda x: storage(x, "100Gi"), "volumes grow, and keep their class"),
        (
            lambda x: pool(x)["dataVolumeClaimTemplate"].update(storageClassName="ceph-block"),
            "volumes grow, and keep their class",
        ),
        (lambda x: x["backup"]["locations"][0].update(volume={"emptyDir": {}}), "each has one place"),
        (lambda x: x["backup"]["locations"].append(x["backup"]["locations"][0]), "locations: each name once"),
        (lambda x: x["backup"]["schedules"][0].update(frequency="6h"), "either a schedule or a frequency"),
        (
            lambda x: x["backup"]["schedules"][0]["strategies"][0].update(keyspace="main"),
            "scope Shard wants keyspace and shard",
        ),
    ]
    path = f"{KINDS}/reef"
    for change, words in cases:
        assert words in refused(platform, "PATCH", path, changed(change), user="argocd"), words
    external = {"implementation": "etcd2", "address": "x:2379", "rootPath": "/x"}
    moved = {"spec": {"globalLockserver": {"etcd": None, "external": external}}}
    assert "never takes its own etcd away" in refused(platform, "PATCH", path, moved, user="argocd")
    # more of the same is let through
    platform.lab.api("lagos", "argocd").patch(f"{path}?dryRun=All", changed(lambda x: storage(x, "2Ti")))
    assert "deprovisioning" in refused(platform, "DELETE", path, user="argocd")

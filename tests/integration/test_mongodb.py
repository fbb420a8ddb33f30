"""MongoDB through every real part but the database and Percona's operator, whose status kwok plays."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.integration.conftest import FEW, MANY, POPS, Many, Platform, until
from tests.integration.test_delivery import refused
from tests.integration.test_yugabyte import conditions

Json = dict[str, Any]


def path(name: str, namespace: str = MANY) -> str:
    return f"/apis/psmdb.percona.com/v1/namespaces/{namespace}/perconaservermongodbs/{name}"


def cluster(platform: Platform, pop: str, name: str, namespace: str = MANY) -> Json:
    return platform.lab.api(pop).get(path(name, namespace)) or {}


def secret(platform: Platform, pop: str, name: str) -> Json:
    found = platform.lab.api(pop).get(f"/api/v1/namespaces/{MANY}/secrets/{name}") or {}
    data: Json = found["data"]
    return data


def test_one_replica_set_over_two_regions(platform: Platform, many: Many) -> None:
    (waited,) = [item for item in many.results["made"]["wait"] if item["name"] == "papers"]
    assert waited["connection_string"] == ("mongodb://papers-rs0.tenant-many.svc.lagos.dbaas.internal:27017")
    home, away = (cluster(platform, pop, "papers") for pop in POPS)
    assert (home["status"]["state"], away["status"]["state"]) == ("ready", "ready")
    assert away["spec"]["unmanaged"]
    hosts = [item["host"] for item in home["spec"]["replsets"][0]["externalNodes"]]
    assert hosts[0] == "papers-rs0-0.papers-rs0.tenant-many.svc.johannesburg.dbaas.internal"
    said = conditions(platform, "lagos", "papers", MANY)
    assert said["BackupConfigured"] == ("True", "Scheduled")
    assert said["Replicating"] == ("Unknown", "NotReported")
    assert conditions(platform, "johannesburg", "papers", MANY)["Replicating"] == ("True", "Joined")
    # who joins must have what the others have, and nobody carried it over
    for field in ("users", "keyFile", "encryptionKey"):
        name = home["spec"]["secrets"][field]
        assert secret(platform, "lagos", name) == secret(platform, "johannesburg", name)
    for field in ("ssl", "sslInternal"):
        name = home["spec"]["secrets"][field]
        assert secret(platform, "lagos", name)["tls.key"] == secret(platform, "johannesburg", name)["tls.key"]


def test_a_sharded_cluster_is_ready_with_all_its_parts(many: Many) -> None:
    made = many.objects["lagos"]["mongodb-storage"]
    assert made["status"]["ready"] == 11
    sizes = [members["volumeSpec"]["persistentVolumeClaim"]["resources"] for members in made["spec"]["replsets"]]
    assert sizes == [{"requests": {"storage": "300Gi"}}] * 2


@pytest.mark.usefixtures("many")
def test_an_error_is_told_in_the_operators_words(platform: Platform) -> None:
    lagos = platform.lab.api("lagos")
    lagos.patch(path("papers"), {"status": {"state": "error", "message": "no primary can be elected"}}, "status")
    until(lambda: platform.phase("lagos", "papers", MANY) == "Degraded", 10)
    assert "no primary can be elected" in platform.info("papers", "many")["message"]
    lagos.patch(path("papers"), {"status": {"state": "ready", "message": ""}}, "status")
    until(lambda: platform.phase("lagos", "papers", MANY) == "Active", 10)


@pytest.mark.usefixtures("many")
def test_the_operators_rules_are_kept(platform: Platform) -> None:
    (members,) = cluster(platform, "lagos", "papers")["spec"]["replsets"]
    smaller = {"persistentVolumeClaim": {"resources": {"requests": {"storage": "1Gi"}}}}
    node = {"host": "x", "votes": 0, "priority": 1}
    for patch, words in (
        ({"replsets": [{**members, "size": 2}]}, "an odd size of 3 or more"),
        ({"replsets": [members, {**members, "name": "rs1"}]}, "several are shards"),
        ({"replsets": [{**members, "volumeSpec": smaller}]}, "volumes cannot shrink"),
        ({"replsets": [{**members, "volumeSpec": {"emptyDir": {}}}]}, "each with the size of its volume"),
        ({"replsets": [{**members, "externalNodes": [node]}]}, "who does not vote has priority 0"),
        ({"replsets": [{**members, "storage": {"engine": "mmapv1"}}]}, "wiredTiger or inMemory"),
        ({"replsets": [{**members, "name": "r" * 45}]}, "50 characters together"),
        ({"sharding": {"enabled": True}}, "mongos, and a configsvrReplSet"),
        ({"tls": {"mode": "sometimes"}}, "allowTLS, preferTLS or requireTLS"),
        ({"updateStrategy": "Nonsense"}, "SmartUpdate, RollingUpdate or OnDelete"),
        ({"unmanaged": True}, "another updateStrategy than SmartUpdate"),
        ({"crVersion": ""}, "spec.crVersion"),
        ({"backup": {"storages": {"more": {"type": "s3", "main": True, "s3": {"bucket": "b"}}}}}, "several is main"),
        ({"backup": {"tasks": [{"name": "x", "enabled": True, "storageName": "nope"}]}}, "one of the storages"),
        ({"backup": {"tasks": [{"name": "x", "enabled": True, "storageName": "s3", "schedule": "daily"}]}}, "five"),
        ({"users": [{"name": "x", "roles": []}]}, "each has a role"),
    ):
        assert words in refused(platform, "PATCH", path("papers"), {"spec": patch}, user="argocd")
    assert "deprovisioning" in refused(platform, "DELETE", path("papers"), user="argocd")


def test_an_operator_makes_no_secrets_that_the_regions_must_share(platform: Platform) -> None:
    secrets = f"/api/v1/namespaces/{MANY}/secrets"
    labels = {"app.kubernetes.io/managed-by": "percona-server-mongodb-operator"}
    for name in ("early-accounts", "early-keyfile", "early-encryption", "early-tls", "early-tls-internal"):
        item = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}
        assert "the observer makes this Secret" in refused(platform, "POST", secrets, item)
    # its own, and everybody else's, are theirs
    for name, marks in (("internal-early-users", labels), ("early-tls", {})):
        item = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": marks}}
        platform.lab.api("lagos").request("POST", f"{secrets}?dryRun=All", json.dumps(item).encode())


@pytest.mark.usefixtures("many")
def test_a_last_backup_is_taken_at_home_before_all_goes(platform: Platform) -> None:
    gone = {"tenant": "few", "name": "leaving", "state": "absent", "deletion_policy": "snapshot", "wait_timeout": 60}
    result = platform.module("service_claim", gone)
    assert not result["failed"], result
    for pop, backups in zip(POPS, (1, 0), strict=True):
        until(partial(_gone, platform, pop, "leaving"))
        kind = f"/apis/psmdb.percona.com/v1/namespaces/{FEW}/perconaservermongodbbackups"
        found = (platform.lab.api(pop).get(kind) or {})["items"]
        assert [item["status"]["state"] for item in found] == ["ready"] * backups
        assert all(item["spec"]["clusterName"] == "leaving" for item in found)


def _gone(platform: Platform, pop: str, name: str) -> bool:
    return not cluster(platform, pop, name, FEW)

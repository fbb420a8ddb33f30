"""Aerospike through every real part but the database and its operator, whose status kwok plays."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.integration.conftest import FEW, MANY, POPS, Many, Platform, until
from tests.integration.test_delivery import refused

Json = dict[str, Any]
KINDS = "/apis/asdb.aerospike.com/v1/namespaces/{}/aerospikeclusters"
BACKUPS = f"/apis/asdb.aerospike.com/v1beta1/namespaces/{MANY}"


def cluster(platform: Platform, pop: str, name: str, namespace: str = MANY) -> Json:
    return platform.lab.api(pop).get(f"{KINDS.format(namespace)}/{name}") or {}


def conditions(platform: Platform, pop: str, name: str) -> dict[str, tuple[str, str]]:
    found = platform.copy(pop, name, MANY)["status"]["conditions"]
    return {item["type"]: (item["status"], item["reason"]) for item in found}


def backed_up(platform: Platform, pop: str, name: str) -> bool:
    return conditions(platform, pop, name)["BackupConfigured"] == ("True", "Scheduled")


def test_regions_ship_to_each_other(platform: Platform, many: Many) -> None:
    (made,) = [item for item in many.results["made"]["wait"] if item["name"] == "sharp"]
    assert made["connection_string"] == "aerospike://sharp.tenant-many.svc.lagos.dbaas.internal:4333"
    for pop, other in (POPS, reversed(POPS)):
        # the backup service is looked at beside the cluster, and may be ready after it
        until(partial(backed_up, platform, pop, "sharp"))
        assert (
            conditions(platform, pop, "sharp").items()
            >= {
                "Ready": ("True", "Active"),
                "CredentialsReady": ("True", "SecretsExist"),
                "Replicating": ("Unknown", "NotReported"),
                "Warning": ("True", "Admitted"),
            }.items()
        )
        made = cluster(platform, pop, "sharp")
        assert [rack["zone"] for rack in made["spec"]["rackConfig"]["racks"]] == [f"{pop}-{zone}" for zone in "abc"]
        assert [target["name"] for target in made["spec"]["aerospikeConfig"]["xdr"]["dcs"]] == [other]
    # what ships to a region proves itself there by the password of both
    secrets = [platform.lab.api(pop).get(f"/api/v1/namespaces/{MANY}/secrets/sharp-xdr") or {} for pop in POPS]
    assert secrets[0]["data"] == secrets[1]["data"]


@pytest.mark.usefixtures("many")
def test_what_its_webhook_refuses_is_refused(platform: Platform) -> None:
    made = cluster(platform, "lagos", "sharp")["spec"]
    racks, volumes, settings = made["rackConfig"]["racks"], made["storage"]["volumes"], made["aerospikeConfig"]
    users = made["aerospikeAccessControl"]["users"]
    (space,) = settings["namespaces"]
    path = f"{KINDS.format(MANY)}/sharp"

    def network(**parts: Any) -> Json:
        return {"aerospikeConfig": {"network": parts}}

    for patch, words in (
        ({"image": "aerospike/aerospike-server:8.1.2.0"}, "spec.image: of the enterprise or federal edition"),
        ({"image": "aerospike/aerospike-server-enterprise:latest"}, "spec.image: of the enterprise or federal edition"),
        ({"image": "aerospike/aerospike-server-federal:8.1.2.0"}, "the edition is immutable"),
        ({"aerospikeConfig": {"namespaces": []}}, "and a namespace, are needed"),
        (network(fabric=None), "network with service, fabric and heartbeat"),
        ({"aerospikeConfig": {"namespaces": [{"name": "x"}]}}, "each needs a name and a storage-engine"),
        ({"aerospikeConfig": {"service": {"cluster-name": "other"}}}, "are the operator's"),
        ({"aerospikeConfig": {"namespaces": [{**space, "replication-factor": 4}]}}, "a node for each copy"),
        ({"aerospikeConfig": {"namespaces": [{**space, "replication-factor": 3}]}}, "replication-factor are immutable"),
        ({"aerospikeConfig": {"namespaces": [{**space, "strong-consistency": False}]}}, "are immutable"),
        (network(service={"tls-port": 4334}), "network.service.tls-port is immutable"),
        (network(tls=[]), "a tls-name needs a tls-port and an entry in tls"),
        (network(tls=[{"name": "sharp.tenant-many.svc", "cert-file": "/x"}]), "cert-file and key-file go together"),
        ({**network(service={"tls-authenticate-client": "any"}), "operatorClientCert": None}, "one source of"),
        ({"aerospikeAccessControl": {"users": users[1:]}}, "user admin with roles sys-admin and user-admin"),
        ({"aerospikeAccessControl": {"users": [*users, {"name": "x", "roles": []}]}}, "and with a Secret"),
        ({"aerospikeConfig": {"security": None}, "aerospikeAccessControl": None}, "cannot be taken away"),
        ({"maxUnavailable": 2}, "fewer than the copies"),
        ({"rackConfig": {"racks": [*racks, racks[0]]}}, "each id once"),
        ({"rackConfig": {"racks": [{**racks[0], "zone": "lagos-z"}, *racks[1:]]}}, "where a rack stands is immutable"),
        ({"storage": {"volumes": volumes[1:]}}, "persistent volumes are immutable"),
        (
            {"storage": {"volumes": [*volumes[:2], {**volumes[2], "source": {}}]}},
            "spec.storage.volumes: each has one source",
        ),
        ({"podSpec": {"multiPodPerHost": False}}, "spec.podSpec.multiPodPerHost is immutable"),
    ):
        assert words in refused(platform, "PATCH", path, {"spec": patch}, user="argocd"), patch
    for name, patch, words in (
        ("sharp-backups", {"image": "aerospike/aerospike-backup-service:2.0.0"}, "a tag of version 3.0.0 or later"),
        ("sharp-backups", {"config": {"backup-routines": {}}}, "belong to AerospikeBackup"),
    ):
        service = f"{BACKUPS}/aerospikebackupservices/{name}"
        assert words in refused(platform, "PATCH", service, {"spec": patch}, user="argocd")
    routine = f"{BACKUPS}/aerospikebackups/sharp"
    for patch, words in (
        ({"backupService": {"name": "other"}}, "spec.backupService is immutable"),
        ({"config": {"storage": {}}}, "belong to AerospikeBackupService"),
        ({"config": {"backup-routines": None}}, "are needed"),
        ({"config": {"backup-routines": {"mine": {"source-cluster": "x"}}}}, "names begin with"),
        ({"config": {"backup-routines": {"tenant-many-sharp-x": {"source-cluster": "x"}}}}, "source-cluster is"),
    ):
        assert words in refused(platform, "PATCH", routine, {"spec": patch}, user="argocd"), patch
    assert "deprovisioning" in refused(platform, "DELETE", path, user="argocd")


@pytest.mark.usefixtures("many")
def test_what_its_webhook_writes_stays(platform: Platform) -> None:
    lagos, path = platform.lab.api("lagos", "argocd"), f"{KINDS.format(FEW)}/marked"
    racks = [
        {**rack, "effectiveAerospikeConfig": {"service": {}}}
        for rack in cluster(platform, "lagos", "marked", FEW)["spec"]["rackConfig"]["racks"]
    ]
    settings = {"service": {"node-id": "ENV_NODE_ID", "cluster-name": "marked"}, "logging": [{"name": "console"}]}
    lagos.patch(path, {"spec": {"rackConfig": {"racks": racks}, "aerospikeConfig": settings}})
    # a change of something else is applied over it
    bigger: Json = {"sku": "aero-strong-3", "resources": {"node": {"cpu": "8"}}}
    assert platform.claim("marked", tenant="few", **bigger)["wait"][0]["phase"] == "Active"
    made = cluster(platform, "lagos", "marked", FEW)["spec"]
    assert made["podSpec"]["aerospikeContainer"]["resources"]["limits"]["cpu"] == "8"
    assert made["rackConfig"]["racks"] == racks
    assert made["aerospikeConfig"]["service"]["node-id"] == "ENV_NODE_ID"
    assert made["aerospikeConfig"]["logging"] == [{"name": "console"}]


@pytest.mark.usefixtures("many")
def test_it_takes_no_last_backup_and_deletes_nothing_then(platform: Platform) -> None:
    gone = {"tenant": "many", "name": "sharp", "state": "absent", "deletion_policy": "snapshot"}
    result = platform.module("service_claim", gone)
    assert result["failed"]
    assert "takes no backup of its own" in result["msg"]
    assert platform.phase("lagos", "sharp", MANY) == "Active"

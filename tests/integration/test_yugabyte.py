"""YugabyteDB through every real part but the database and its operator, whose status kwok plays."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.integration.conftest import FEW, MANY, POPS, Many, Platform, until
from tests.integration.test_delivery import refused

Json = dict[str, Any]


def conditions(platform: Platform, pop: str, name: str, namespace: str = MANY) -> dict[str, tuple[str, str]]:
    found = platform.copy(pop, name, namespace)["status"]["conditions"]
    return {item["type"]: (item["status"], item["reason"]) for item in found}


def backed_up(platform: Platform, pop: str, name: str, namespace: str = MANY) -> bool:
    return conditions(platform, pop, name, namespace)["BackupConfigured"] == ("True", "Scheduled")


def universe(platform: Platform, pop: str, name: str, namespace: str = MANY) -> Json:
    path = f"/apis/operator.yugabyte.io/v1alpha1/namespaces/{namespace}/ybuniverses/{name}"
    return platform.lab.api(pop).get(path) or {}


def test_each_region_has_a_universe_of_its_own(platform: Platform, many: Many) -> None:
    (waited,) = [item for item in many.results["made"]["wait"] if item["name"] == "twofold"]
    assert waited["connection_string"] == ("postgresql://twofold-tserver.tenant-many.svc.lagos.dbaas.internal:5433")
    for pop in POPS:
        # the schedule is looked at beside the universe, and may be ready after it
        until(partial(backed_up, platform, pop, "twofold"))
        assert (
            conditions(platform, pop, "twofold").items()
            >= {
                "Ready": ("True", "Active"),
                "Provisioned": ("True", "FirstActive"),
                "CredentialsReady": ("True", "SecretsExist"),
                "Replicating": ("False", "XClusterNotSetUp"),
            }.items()
        )
        made = universe(platform, pop, "twofold")
        assert made["spec"]["zoneFilter"] == [f"{pop}-{letter}" for letter in "abc"]
        assert made["status"]["universeState"] == "Ready"
    secrets = [
        platform.lab.api(pop).get(f"/api/v1/namespaces/{MANY}/secrets/twofold-credentials") or {} for pop in POPS
    ]
    assert secrets[0]["data"] == secrets[1]["data"]
    assert secrets[0]["data"]["password"] == secrets[0]["data"]["ysqlPassword"]


@pytest.mark.usefixtures("many")
def test_what_does_not_reach_the_universe_waits_for_nothing(platform: Platform) -> None:
    opened = platform.claim("ruled", tenant="few", sku="yb-dedicated", networking={"allowed_cidrs": ["10.0.0.0/8"]})
    assert opened["wait"][0]["phase"] == "Active"
    assert universe(platform, "lagos", "ruled", FEW)["metadata"]["generation"] == 1
    assert platform.copy("lagos", "ruled", FEW)["status"]["operatorGeneration"] == 1


@pytest.mark.usefixtures("many")
def test_a_failed_action_is_told_in_the_operators_words(platform: Platform) -> None:
    path = f"/apis/operator.yugabyte.io/v1alpha1/namespaces/{FEW}/ybuniverses/ruled"
    lagos = platform.lab.api("lagos")
    failed = {"action_type": "EditUniverse", "status": "failed", "message": "no node has room for a tserver"}
    lagos.patch(path, {"status": {"actions": [failed]}}, "status")
    until(lambda: platform.phase("lagos", "ruled", FEW) == "Degraded", 10)
    assert "no node has room for a tserver" in platform.info("ruled", "few")["message"]
    lagos.patch(path, {"status": {"actions": []}}, "status")
    until(lambda: platform.phase("lagos", "ruled", FEW) == "Active", 10)


@pytest.mark.usefixtures("many")
def test_the_operators_rules_are_kept(platform: Platform) -> None:
    path = f"/apis/operator.yugabyte.io/v1alpha1/namespaces/{FEW}/ybuniverses/ruled"
    for patch, words in (
        ({"ybSoftwareVersion": "2025.2.5"}, "full build"),
        ({"deviceInfo": {"volumeSize": 100}}, "cannot shrink"),
    ):
        assert words in refused(platform, "PATCH", path, {"spec": patch}, user="argocd")
    assert "deprovisioning" in refused(platform, "DELETE", path, user="argocd")


@pytest.mark.usefixtures("many")
def test_a_last_backup_is_awaited_before_the_universe_goes(platform: Platform) -> None:
    gone = {"tenant": "few", "name": "leaves", "state": "absent", "deletion_policy": "snapshot", "wait_timeout": 60}
    result = platform.module("service_claim", gone)
    assert not result["failed"], result
    until(lambda: not universe(platform, "lagos", "leaves", FEW))
    backups = f"/apis/operator.yugabyte.io/v1alpha1/namespaces/{FEW}/backups"
    (backup,) = (platform.lab.api("lagos").get(backups) or {})["items"]
    assert backup["status"]["message"] == "Backup State: Completed"
    assert backup["spec"]["universe"] == "leaves"

"""YugabyteDB through every real part but the database and its operator, whose status kwok plays."""

from __future__ import annotations

from typing import Any

from tests.integration.conftest import NAMESPACE, POPS, Platform, until

Json = dict[str, Any]
UNIVERSE: Json = {"sku": "yb-dedicated", "replication": {"regions": list(POPS)}}


def conditions(platform: Platform, pop: str, name: str) -> dict[str, tuple[str, str]]:
    found = platform.copy(pop, name)["status"]["conditions"]
    return {item["type"]: (item["status"], item["reason"]) for item in found}


def universe(platform: Platform, pop: str, name: str) -> Json:
    path = f"/apis/operator.yugabyte.io/v1alpha1/namespaces/{NAMESPACE}/ybuniverses/{name}"
    return platform.lab.api(pop).get(path) or {}


def test_each_region_has_a_universe_of_its_own(platform: Platform) -> None:
    result = platform.claim("apart", **UNIVERSE)
    assert result["wait"][0]["phase"] == "Active", result
    assert result["wait"][0]["connection_string"] == (
        "postgresql://apart-tserver.tenant-acme.svc.lagos.dbaas.internal:5433"
    )
    for pop in POPS:
        assert conditions(platform, pop, "apart") == {
            "Ready": ("True", "Active"),
            "Provisioned": ("True", "FirstActive"),
            "BackupConfigured": ("True", "Scheduled"),
            "CredentialsReady": ("True", "SecretsExist"),
            "Replicating": ("False", "XClusterNotSetUp"),
        }
        made = universe(platform, pop, "apart")
        assert made["spec"]["zoneFilter"] == [f"{pop}-{letter}" for letter in "abc"]
        assert made["status"]["universeState"] == "Ready"
    secrets = [
        platform.lab.api(pop).get(f"/api/v1/namespaces/{NAMESPACE}/secrets/apart-credentials") or {} for pop in POPS
    ]
    assert secrets[0]["data"] == secrets[1]["data"]
    assert secrets[0]["data"]["password"] == secrets[0]["data"]["ysqlPassword"]


def test_a_change_is_done_when_the_operator_says_so_after_it(platform: Platform) -> None:
    """Its object has no observedGeneration, and is Ready before it has seen the change."""
    platform.claim("grown", sku="yb-dedicated")
    bigger: Json = {"storage": {"size": "1Ti"}}
    changed = platform.claim("grown", wait=False, sku="yb-dedicated", **bigger)
    operation = changed["operations"][0]["id"]
    phases: list[str] = []

    def done() -> bool:
        copy = platform.copy("lagos", "grown")
        last = copy["status"]["lastOperation"]
        if last["id"] == operation and copy["status"]["phase"] not in phases:
            phases.append(copy["status"]["phase"])
        return bool(last["id"] == operation and last["state"] == "Succeeded")

    until(done, 30)
    assert phases == ["Updating", "Active"]
    assert universe(platform, "lagos", "grown")["spec"]["deviceInfo"]["volumeSize"] == 1024
    assert platform.copy("lagos", "grown")["status"]["operatorGeneration"] == 2
    # what does not reach the universe's spec waits for nothing
    opened = platform.claim("grown", sku="yb-dedicated", **bigger, networking={"allowed_cidrs": ["10.0.0.0/8"]})
    assert opened["wait"][0]["phase"] == "Active"
    assert universe(platform, "lagos", "grown")["metadata"]["generation"] == 2


def test_a_failed_action_is_told_in_the_operators_words(platform: Platform) -> None:
    platform.claim("broken", sku="yb-dedicated")
    path = f"/apis/operator.yugabyte.io/v1alpha1/namespaces/{NAMESPACE}/ybuniverses/broken"
    lagos = platform.lab.api("lagos")
    failed = {"action_type": "EditUniverse", "status": "failed", "message": "no node has room for a tserver"}
    lagos.patch(path, {"status": {"actions": [failed]}}, "status")
    until(lambda: platform.phase("lagos", "broken") == "Degraded", 10)
    assert "no node has room for a tserver" in platform.info("broken")["message"]
    lagos.patch(path, {"status": {"actions": []}}, "status")
    until(lambda: platform.phase("lagos", "broken") == "Active", 10)

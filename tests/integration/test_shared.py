"""A service of the shared plan through Git, Argo CD and the observer, as far as it goes without a pool."""

from __future__ import annotations

import base64

from tests.integration.conftest import NAMESPACE, Platform, until


def test_it_is_told_at_once_that_no_pool_is_there_and_it_can_go_again(platform: Platform) -> None:
    asked = {"tenant": "acme", "name": "web-shop", "sku": "yb-shared", "region": "lagos"}
    result = platform.module("service_claim", {**asked, "wait": True, "wait_timeout": 300})
    assert (result["failed"], result["error"]["code"]) == (True, "no-pool")
    assert "the catalog names none (regions.lagos.pools.yugabyte)" in result["msg"]
    assert result["manifests"]["count"] == 1
    copy = platform.copy("lagos", "web-shop")
    conditions = {item["type"]: (item["status"], item["reason"]) for item in copy["status"]["conditions"]}
    assert conditions.items() >= {"Placed": ("False", "NoPool"), "CredentialsReady": ("True", "SecretsExist")}.items()
    assert (copy["status"]["phase"], copy["status"]["lastOperation"]["state"]) == ("Pending", "Failed")
    name = copy["spec"]["database"]["name"]
    assert name == f"web_shop_{copy['spec']['serviceId'].replace('-', '')[:12]}"
    api, secrets = platform.lab.api("lagos"), f"/api/v1/namespaces/{NAMESPACE}/secrets"
    secret = api.get(f"{secrets}/web-shop-credentials") or {}
    assert base64.b64decode(secret["data"]["username"]).decode() == name
    explained = platform.module("service_claim_explanation_info", {"tenant": "acme", "names": ["web-shop"]})
    assert explained["services"][0]["code"] == "no-pool"
    again = platform.module("service_claim", asked)
    assert not again["changed"]
    gone = {"tenant": "acme", "name": "web-shop", "state": "absent", "deletion_policy": "delete", "wait_timeout": 60}
    assert not platform.module("service_claim", gone)["failed"]
    assert platform.copy("lagos", "web-shop") == {}
    until(lambda: api.get(f"{secrets}/web-shop-credentials") is None)

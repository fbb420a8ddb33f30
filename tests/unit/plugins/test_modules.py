"""The modules' own main(), as they run where the action cannot: async, or on another host."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.awx import Double
from tests.unit.awx.configuring import configuration
from tests.unit.gitremote import CANARY, serving
from tests.unit.plugins.test_specs import PLUGINS
from tests.unit.runner.world import POPS, SHIPPED, World, as_file, claim, copy

Json = dict[str, Any]


@pytest.fixture
def module(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(name: str, /, **arguments: Any) -> Json:
        capsys.readouterr()
        main = importlib.import_module(f"{PLUGINS}.modules.{name}").main
        with patch_module_args(arguments), pytest.raises(SystemExit):
            main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_every_module_runs_from_an_empty_repository_to_a_service(empty: World, module: Any, tmp_path: Path) -> None:
    git: Json = {"repository": empty.url}
    shipped: Json = {**git, "shipped": SHIPPED}
    assert module("gitops_repository", **shipped, pops=POPS)["changed"]
    assert module("tenant", **shipped, tenant="acme", regions=["lagos"])["commit"] == empty.head()
    assert module("tenants", **shipped, tenants=[])["changed"] is False
    one = {**shipped, "tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}
    checked = module("service_claim", **one, _ansible_check_mode=True, _ansible_diff=True)
    assert (checked["changed"], checked["commit"]) == (True, None)
    made = module("service_claim", **one, _ansible_diff=True)
    assert made["diff"] == checked["diff"]
    assert module("service_claims", **shipped, src=as_file(tmp_path, claim("carts")))["commit"] == empty.head()
    assert module("tenant_info", **git)["tenants"][0]["services"] == ["carts", "orders"]
    copies = {name: copy(name, "Active", 3, operation=empty.operation(name)) for name in ("orders", "carts")}
    empty.clusters["lagos"].answers = [copies]
    for name, key in (("service_claim_info", "services"), ("service_claim_wait", "wait")):
        found = module(name, **shipped, tenant="acme")[key]
        assert [item["phase"] for item in found] == ["Active", "Active"]
    assert module("gitops_reconciliation", **shipped)["changed"] is False
    assert module("gitops_validation_info", **git)["problems"] == []
    drift = module("gitops_drift_info", **git, fail=False)["drift"]
    assert ("missing", "carts") in {(item["code"], item["service"]) for item in drift}
    assert module("argocd_application_info", **shipped)["applications"] == []


def test_a_failure_is_a_result(world: World, module: Any) -> None:
    bad = claim("orders", region="lagoss")
    result = module("service_claims", repository=world.url, shipped=SHIPPED, claims=[bad])
    assert result["failed"]
    assert result["error"]["fields"][0]["nearest"] == "lagos"
    assert "failed" in module("service_claim", tenant="acme", name="orders")


def test_a_token_never_comes_back(module: Any, tmp_path: Path) -> None:
    with serving(tmp_path / "http") as remote:
        access = {"repository": remote.url, "username": "writer", "shipped": SHIPPED, "token": CANARY}
        made = module("gitops_repository", **access, pops=POPS, proxy="http://u:canary-2@127.0.0.1:1")
        assert made["failed"]
        assert made["error"]["code"] == "git-unreachable"
        assert module("gitops_repository", **access, pops=POPS)["changed"]
        told = [made, module("tenant", **{**access, "username": "argocd"}, tenant="acme", regions=["lagos"])]
    assert told[1]["error"]["code"] == "git-auth"
    assert "canary" not in str(told)


def test_an_awx_is_configured_by_the_module_too_and_its_secrets_stay_where_they_are(module: Any) -> None:
    with Double() as double:
        access = {"controller_host": double.url, "controller_oauthtoken": double.token, "label": "dbaas"}
        made = module("awx_configuration", **access, configuration=configuration(), _ansible_diff=True)
        assert made["changed"]
        again = module("awx_configuration", **access, configuration=configuration(), purge=True)
        assert not again["changed"]
        found = module("awx_configuration_info", **access, configuration=configuration(), export=True)
        assert found["drift"] == []
        refused = module(
            "awx_configuration",
            **access,
            configuration={
                "controller_credentials": [{"name": "x", "inputs": CANARY, "pasword": CANARY}, CANARY],
                "controller_credentails": [CANARY],
            },
        )
        assert refused["error"]["code"] == "awx-configuration-invalid"
        told = str([made, again, found, refused])
        assert "-secret-1" not in told
        assert double.token not in told
        assert CANARY not in told

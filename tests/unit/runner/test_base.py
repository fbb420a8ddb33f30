"""What all runners share: tokens, who asks, failures."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.tools.tree import ROOT
from tests.unit.gitremote import CANARY, serving
from tests.unit.runner.world import POPS, SHIPPED, World


def test_failure_has_a_text_for_people_and_the_same_for_machines() -> None:
    result = base.failure(DbaasError("git-raced", "too slow"))
    assert result == {
        "failed": True,
        "msg": f"too slow\n{CODES['git-raced'][2]} [git-raced, dependency]",
        "error": {
            "code": "git-raced",
            "class": "dependency",
            "retry": True,
            "action": CODES["git-raced"][2],
            "runbook": "git-raced",
            "fields": [],
        },
    }


def test_failure_names_every_field() -> None:
    errors = [FieldError("spec.a", 5, "text", "five", "x.yml"), FieldError("spec.b", None, "a number")]
    result = base.failure(InvalidFields("claim-invalid", errors))
    assert result["error"]["fields"] == [
        {"path": "spec.a", "source": "x.yml", "given": "5", "allowed": "text", "nearest": "five"},
        {"path": "spec.b", "source": "", "given": None, "allowed": "a number", "nearest": None},
    ]
    assert result["msg"].splitlines()[:3] == [
        "2 fields are wrong:",
        "  x.yml: spec.a: given 5, allowed: text; nearest: five",
        "  spec.b: not given, allowed: a number",
    ]


def test_every_code_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    assert [code for code in CODES if f"## {code}\n" not in runbook] == []


def test_the_token_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text(f"{CANARY}\n")
    with serving(tmp_path / "http") as remote:
        run: dict[str, Any] = {"repository": remote.url, "username": "writer", "shipped": SHIPPED, "pops": POPS}
        for options in ({"token_file": "~/token"}, {"token": CANARY, "token_file": "/nowhere"}):
            with base.repository(Run({**run, **options})) as repository:
                assert repository.head() is None
        for wrong in ({}, {"token": "other"}):
            with pytest.raises(DbaasError) as caught, base.repository(Run({**run, **wrong})) as repository:
                repository.head()
            assert caught.value.code == "git-auth"
    with pytest.raises(DbaasError, match="/nowhere: No such file") as caught:
        base.repository(Run({**run, "token_file": "/nowhere"}))
    assert caught.value.code == "option-invalid"


def test_a_token_comes_back_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP, as the writer that pushes: neither results nor failures hold it in any form."""
    world = World(tmp_path / "git", monkeypatch)
    told: list[Any] = []
    with serving(tmp_path / "http") as remote:
        access: dict[str, Any] = {"repository": remote.url, "username": "writer", "token": CANARY}
        told.append(world.run("gitops_repository", **access, pops=POPS, diff=True))
        told.append(world.run("tenant", **access, tenant="acme", regions=["lagos"], diff=True))
        told.append(world.run("tenant_info", **access))
        remote.hook("pre-receive", "echo no; exit 1")
        for more in (
            {},
            {"username": "argocd"},
            {"repository": remote.url.replace("//", f"//writer:{quote(CANARY, safe='')}@")},
        ):
            with pytest.raises(DbaasError) as caught:
                world.run("tenant", **{**access, **more}, tenant="beta", regions=["lagos"])
            told.append(base.failure(caught.value))
    assert told[0]["changed"]
    assert [item["error"]["code"] for item in told[3:]] == ["git-refused", "git-auth", "option-invalid"]
    assert "canary" not in f"{told}{world.lines}"


def test_who_asks_is_one_word() -> None:
    def requester(name: str | None) -> str:
        return base.request(Run({"requester": name}), "").requester

    assert requester("ada") == "ada"
    assert requester("Ada King\nDbaas-Operation: forged") == "Ada_King_Dbaas-Operation:_forged"
    assert requester(None) == requester("") == getpass.getuser()
    assert base.author(Run({"requester": "ada"})) == "ada <ada@dbaas.invalid>"
    assert base.author(Run({"requester": "ada@example.com"})) == "ada@example.com <ada@example.com>"


def test_what_is_shipped_is_whole() -> None:
    assert set(SHIPPED) == {"catalog", "platform", "base", "runbook"}
    files = {path.name for path in (ROOT / "catalog").glob("*.yml")}
    assert set(SHIPPED["catalog"]) == files - {"platform.yml"} >= {"plans.yml", "regions.yml", "scylla.yml"}
    assert "charts/tenant/Chart.yaml" in SHIPPED["base"]
    # what chart-made services become: Git keeps no folder without a file, and Argo CD fails without the folder
    assert "path: base/charts/empty\n" in SHIPPED["base"]["charts/tenant/templates/foundation.tpl"]
    assert [name for name in SHIPPED["base"] if name.startswith("charts/empty/")]
    assert not [name for name in SHIPPED["base"] if name.endswith(".md")]
    catalog, platform = base.stated(Run({"shipped": SHIPPED}))
    assert list(platform.pops) == ["lagos", "johannesburg", "frankfurt", "ashburn"]
    assert "scy-ring-3" in catalog.skus


def test_a_cluster_per_context_of_the_one_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, str]] = []
    monkeypatch.setattr(base, "Cluster", lambda *, kubeconfig, context: asked.append((kubeconfig, context)))
    _catalog, platform = base.stated(Run({"shipped": SHIPPED}))
    assert list(base.clusters(Run({"kubeconfig": "/k"}), platform)) == list(platform.pops)
    assert asked == [("/k", name) for name in platform.pops]
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", "/from/environment")
    asked.clear()
    base.clusters(Run({}), platform)
    assert {kubeconfig for kubeconfig, _context in asked} == {"/from/environment"}


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert base.request(Run({}), "").requester.startswith("uid-")


@pytest.mark.parametrize("deadline", ["soon", "30", "30m\nDbaas-Operation: forged"])
def test_a_deadline_is_a_duration(deadline: str) -> None:
    with pytest.raises(InvalidFields, match="deadline: given"):
        base.request(Run({"deadline": deadline}), "")

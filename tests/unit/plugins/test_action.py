"""The one base of all actions, through the plugins as Ansible loads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import action_loader, connection_loader
from ansible.template import Templar
from ansible.utils.display import Display

from tests.unit.gitremote import CANARY, serving
from tests.unit.runner.world import POPS, World, claim, copy

Json = dict[str, Any]
ONE = {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(Display, "display", lambda _self, line, *_rest, **_more: lines.append(line))
    return lines


def action(
    name: str,
    arguments: Json | str,
    *,
    check: bool = False,
    diff: bool = False,
    seconds: int = 0,
    once: bool = False,
    transport: str = "ansible.builtin.local",
) -> ActionBase:
    """The action plugin for a task with these arguments, given as a task's YAML gives them."""
    loader = DataLoader()
    task = Task()
    task.action, task.args = (
        f"dbaas.platform.{name}",
        loader.load(arguments if isinstance(arguments, str) else json.dumps(arguments)),
    )
    task.check_mode, task.diff, task.async_val, task.run_once = check, diff, seconds, once
    context = PlayContext()
    found: ActionBase = action_loader.get(
        task.action,
        task=task,
        connection=connection_loader.get(transport, context),
        play_context=context,
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )
    return found


def run(name: str, arguments: Json | str, variables: Json | None = None, **modes: Any) -> Json:
    result: Json = action(name, arguments, **modes).run(task_vars=variables)
    return result


def test_the_runner_is_given_plain_values_all_options_and_what_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    plugin = action(
        "service_claims", "claims:\n- {spec: {day: 2026-01-02, size: 5, ratio: 0.5, flag: true}}\n", diff=True
    )

    def runner(run: Any) -> Any:
        seen.append(run)
        return {"changed": False}

    monkeypatch.setattr(type(plugin), "runner", staticmethod(runner))
    assert plugin.run(task_vars={})["changed"] is False
    (given,) = seen
    assert (given.check, given.diff) == (False, True)
    # a date is text to whoever reads YAML 1.2
    assert given.options["claims"] == [{"spec": {"day": "2026-01-02", "size": 5, "ratio": 0.5, "flag": True}}]
    assert (given.options["wait_timeout"], given.options["state"], given.options["src"]) == (1800, "present", None)
    assert set(given.options["shipped"]) == {"catalog", "platform", "base", "runbook"}
    odd: list[Any] = []

    def look(value: Any) -> None:
        if isinstance(value, dict | list):
            for item in [*value, *(value.values() if isinstance(value, dict) else [])]:
                look(item)
        if type(value) not in (dict, list, str, int, float, bool, type(None)):
            odd.append(value)

    look(given.options)
    assert odd == []


def test_a_task_delivers_and_the_same_again_changes_nothing(world: World, shown: list[str]) -> None:
    arguments = {**ONE, "repository": world.url}
    head = world.head()
    checked = run("service_claim", arguments, check=True, diff=True)
    assert (checked["changed"], checked["commit"], world.head()) == (True, None, head)
    assert shown[0] == "acme/orders: create"
    shown.clear()
    first = run("service_claim", arguments, {"inventory_hostname": "lagos"})
    assert (first["changed"], first["commit"]) == (True, world.head())
    assert shown == [f"lagos: acme/orders: committed {world.head()[:12]} (create)"]
    again = run("service_claim", arguments)
    assert not again["changed"]
    run("service_claim", {**arguments, "name": "carts"}, {"inventory_hostname": "lagos"}, once=True)
    assert shown[1:] == [f"acme/carts: committed {world.head()[:12]} (create)"]
    json.dumps([checked, first, again])


def test_progress_is_shown_while_it_waits(world: World, shown: list[str]) -> None:
    run("service_claim", {**ONE, "repository": world.url})
    shown.clear()
    ready = copy("orders", "Active", 3, operation=world.operation("orders"))
    world.clusters["lagos"].answers = [{}, {"orders": ready}]
    arguments = {"tenant": "acme", "repository": world.url, "wait_timeout": 5}
    assert run("service_claim_wait", arguments, {"inventory_hostname": "localhost"})["wait"][0]["phase"] == "Active"
    assert shown == [
        "acme/orders lagos: committed, waiting for Argo CD",
        "acme/orders lagos: synced",
        "acme/orders lagos: ready, 3 of 3 nodes",
    ]


def test_the_environment_names_the_repository(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBAAS_REPOSITORY", world.url)
    assert run("tenant_info", {})["tenants"][0]["tenant"] == "acme"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tenant": "acme", "sku": "scy-ring-3"}, "missing required arguments: name"),
        ({**ONE, "colour": "red"}, "Unsupported parameters .* colour"),
        ({**ONE, "state": "gone"}, "value of state must be one of: present, absent, rendered, got: gone"),
        ({**ONE, "wait_timeout": "soon"}, "wait_timeout"),
        ({**ONE, "networking": {"allowedCIDRs": []}}, r"networking\.allowedCIDRs"),
    ],
)
def test_options_are_checked_as_the_module_checks_them(arguments: Json, words: str) -> None:
    with pytest.raises(AnsibleError, match=words):
        run("service_claim", arguments)


@pytest.mark.parametrize(
    "arguments", [{}, {"claims": [], "src": "/x"}, {"claims": [], "state": "rendered", "src": "/x"}]
)
def test_one_source_of_claims_is_wanted(arguments: Json) -> None:
    with pytest.raises(AnsibleError, match=r"one of the following is required|mutually exclusive"):
        run("service_claims", arguments)


def test_a_failure_is_a_result(world: World) -> None:
    bad = [claim("orders", region="lagoss"), claim("carts", colour="red")]
    result = run("service_claims", {"claims": bad, "repository": world.url})
    assert result["failed"]
    assert result["error"]["code"] == "claim-invalid"
    assert [field["path"] for field in result["error"]["fields"]] == ["spec.region", "spec.colour"]
    json.dumps(result)


@pytest.mark.parametrize(
    ("arguments", "variables", "requester"),
    [
        ({}, {"awx_user_name": "ada"}, "ada"),
        ({"requester": "bob"}, {"awx_user_name": "ada"}, "bob"),
        ({"requester": ""}, {"awx_user_name": "{{ who }}", "who": "eve"}, "{{"),
    ],
)
def test_who_asks_is_awxs_user(world: World, arguments: Json, variables: Json, requester: str) -> None:
    run("service_claim", {**ONE, **arguments, "repository": world.url}, variables)
    assert f"requester={requester}" in world.git("log", "-1", "--format=%B")


def test_async_and_other_hosts_get_the_module(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Json] = []

    def execute(_self: Any, **given: Any) -> Json:
        sent.append(given)
        return {"ansible_job_id": "1"}

    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    arguments = {**ONE, "repository": world.url}
    assert run("service_claim", arguments, {"awx_user_name": "ada"}, seconds=60)["ansible_job_id"] == "1"
    run("service_claim", arguments, transport="ansible.builtin.ssh")
    assert [item["wrap_async"] for item in sent] == [60, 0]
    for item in sent:
        assert set(item["module_args"]["shipped"]) == {"catalog", "platform", "base", "runbook"}
        assert arguments.items() <= item["module_args"].items()
    assert sent[0]["module_args"]["requester"] == "ada"
    assert world.commits() == 2


def test_a_token_never_comes_back(tmp_path: Path, shown: list[str]) -> None:
    with serving(tmp_path / "http") as remote:
        access = {"repository": remote.url, "username": "writer", "token": CANARY}
        told = [run("gitops_repository", {**access, "pops": POPS}, diff=True)]
        told.append(run("tenant", {**access, "tenant": "acme", "regions": ["lagos"]}))
        told.append(run("tenant", {**access, "username": "argocd", "tenant": "beta", "regions": ["lagos"]}))
    assert [item.get("failed", False) for item in told] == [False, False, True]
    assert "canary" not in f"{told}{shown}"

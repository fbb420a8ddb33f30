"""Modules, actions, argument specs and documentation say the same."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from ansible.parsing.plugin_docs import read_docstring
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import add_fragments
from ansible_collections.dbaas.platform.plugins.module_utils import specs
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

from tests.tools.tree import ROOT
from tests.unit.runner.world import MODULES

Json = dict[str, Any]
PLUGINS = "ansible_collections.dbaas.platform.plugins"
LOOKUPS = tuple(sorted(("awx_job_templates", "connection", "platform", "service_catalog", "service_claim", *ENGINES)))
#: those that look at the repository alone -> their other options
OF_GIT = {
    "awx_job_templates": ("common", "differing", "without", "catalog"),
    "platform": ("catalog",),
    "service_catalog": (),
}
GROUPS: dict[str, list[str]] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]


def names(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / folder).glob("*.py") if path.stem != "__init__")


def load(folder: str, name: str) -> ModuleType:
    return importlib.import_module(f"{PLUGINS}.{folder}.{name}")


def documented(folder: str, name: str) -> Json:
    """DOCUMENTATION with its fragments."""
    path = str(ROOT / "plugins" / folder / f"{name}.py")
    doc: Json = read_docstring(path)["doc"]
    add_fragments(doc, path, fragment_loader=fragment_loader, is_module=folder == "modules")
    return doc


def plain(option: Json, children: str) -> Json:
    """What documentation and spec of one option must agree on."""
    kept = {key: option[key] for key in ("type", "elements", "required", "default", "choices") if option.get(key)}
    kept |= {"default": False} if option.get("default") is False else {}
    nested = option.get(children)
    return kept | ({"options": {name: plain(child, children) for name, child in nested.items()}} if nested else {})


def test_nothing_is_missing_anywhere() -> None:
    assert names("modules") == names("action") == sorted(MODULES)
    assert all(group == sorted(group) for group in GROUPS.values())
    assert tuple(names("lookup")) == LOOKUPS


@pytest.mark.parametrize("name", MODULES)
def test_module_documents_its_argument_spec(name: str) -> None:
    doc = documented("modules", name)
    assert doc["module"] == name
    spec = MODULES[name][0]()["argument_spec"]
    options = doc["options"]
    assert {key: plain(item, "suboptions") for key, item in options.items()} == {
        key: plain(item, "options") for key, item in spec.items()
    }
    for key, item in spec.items():
        text = " ".join([*options[key]["description"]])
        assert re.findall(r"E\((\w+)\)", text) == item.get("fallback", (None, []))[1], key
    membership = doc["attributes"]["action_group"].get("membership", [])
    assert membership == [f"dbaas.platform.{group}" for group, members in GROUPS.items() if name in members]


@pytest.mark.parametrize("name", MODULES)
def test_action_and_module_call_the_same_runner_with_the_same_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    module, action = load("modules", name), load("action", name).ActionModule
    monkeypatch.setattr(module, "run_module", lambda *given: called.extend(given))
    module.main()
    spec, runner = MODULES[name]
    assert called == [spec(), runner]
    assert (action.spec, action.runner) == (spec, runner)


@pytest.mark.parametrize(("given", "meant"), [({}, None), ({"regions": None}, []), ({"regions": ["lagos"]}, ["lagos"])])
def test_regions_that_came_out_as_null_are_not_left_out(
    given: Json, meant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out, all of a service goes."""
    action = load("action", "service_claim").ActionModule
    monkeypatch.setattr(action, "runner", staticmethod(lambda run: {"meant": run.options["regions"]}))
    task = Mock(args={"tenant": "acme", "name": "orders", "state": "absent", **given}, async_val=0, check_mode=True)
    task.diff = False
    connection = Mock(transport="local")
    plugin = action(task, connection, Mock(check_mode=True), Mock(), Mock(), Mock())
    assert plugin.run(task_vars={})["meant"] == meant


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookup_reads_the_same_environment_as_the_modules(name: str) -> None:
    options = documented("lookup", name)["options"]
    spec = specs.connections()
    if name in OF_GIT:
        del spec["kubeconfig"]
    service = ("service",) if name in ENGINES else ()
    assert set(options) == {"_terms", *service, *OF_GIT.get(name, ()), *spec}
    for key, item in spec.items():
        assert options[key]["type"] == item["type"]
        assert [variable["name"] for variable in options[key]["env"]] == item["fallback"][1]


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_marked(name: str) -> None:
    """What carries a secret is no_log, and nothing else: a masked option would mask its words everywhere."""
    spec = MODULES[name][0]()["argument_spec"]
    secret = {"token", "proxy"} if "repository" in spec else set()
    secret |= {"controller_oauthtoken", "controller_password"} if "controller_oauthtoken" in spec else set()
    assert {key for key, item in spec.items() if item.get("no_log")} == secret

"""Each playbook can be an AWX job template as it stands: its argument spec and its plays say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import CODES

from tests.tools.tree import ROOT

FOLDER = ROOT / "playbooks"
#: those that work on the repository as a whole, with any inventory or with none
WHOLE = (
    "backup_control_plane",
    "bootstrap_control_plane",
    "configure_awx",
    "reconcile_claims",
    "rerender_services",
    "validate_gitops",
)
#: those that look at each point of presence for itself
EACH = ("drift_report",)
PLAYBOOKS = sorted(path.stem for path in FOLDER.glob("*.yml") if not path.stem.endswith(".meta"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def spec(name: str) -> dict[str, Any]:
    meta = load(FOLDER / f"{name}.meta.yml")
    assert set(meta) == {"short_description", "description", "argument_specs"}
    assert list(meta["argument_specs"]) == [name]
    found: dict[str, Any] = meta["argument_specs"][name]
    return found


def test_every_playbook_has_its_argument_spec() -> None:
    assert sorted(path.stem.removesuffix(".meta") for path in FOLDER.glob("*.meta.yml")) == PLAYBOOKS
    assert "provision_service" in PLAYBOOKS


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_what_is_asked_for_is_used_and_what_is_used_is_asked_for(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text()
    plays = load(FOLDER / f"{name}.yml")
    # the options of our modules bear the same names, so only expressions count
    expressions = " ".join(re.findall(r"(?s:{{.*?}})|that:.*|when: .*|- dbaas_wait.*", text))
    options = spec(name)["options"]
    for option in options:
        assert re.search(rf"\b{option}\b", expressions), f"{option} is never used"
    used = set(re.findall(r"\bdbaas_\w+", expressions))
    assert used <= set(options)
    assert plays[1]["vars"]["dbaas_playbook"] == name
    for option, data in options.items():
        optional = rf"\b{option} (\| default\(|is defined and)"
        assert data.get("required") or re.search(optional, expressions), f"{option} may be missing"
        if data["type"] in ("int", "bool") and not data.get("required"):
            assert "default" in data or "as it is when" in data["description"] or "as they are" in data["description"]


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_plays_look_at_the_limit_and_at_the_answers_first(name: str) -> None:
    limit, work, *_more = load(FOLDER / f"{name}.yml")
    assert limit["hosts"] == "all:localhost"
    first = "tasks/whole.yml" if name in WHOLE else "tasks/pops.yml"
    assert [task["ansible.builtin.import_tasks"] for task in limit["tasks"]] == [first]
    assert work["hosts"] == ("localhost" if name in WHOLE else "pops")
    assert work["tasks"][0]["ansible.builtin.import_tasks"] == "tasks/answers.yml"
    assert not limit["gather_facts"]
    assert not work["gather_facts"]
    # Git and the clusters are asked once, however many points of presence there are
    if name not in EACH:
        assert all(task.get("run_once") for task in work["tasks"][1:])


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_examples_give_what_is_required(name: str) -> None:
    found = spec(name)
    for option, data in found["options"].items():
        if data.get("required"):
            assert re.search(rf"-e {option}=|\"{option}\":", found["examples"]), option
    assert f"dbaas.platform.{name}" in found["examples"]


def tasks(plays: Any) -> list[dict[str, Any]]:
    """All tasks, those of blocks and of the files that are taken in among them."""
    found: list[dict[str, Any]] = []
    for item in plays:
        inner = [part for key in ("tasks", "block", "always", "rescue") for part in item.get(key, [])]
        if file := item.get("ansible.builtin.import_tasks"):
            inner += load(FOLDER / file)
        found += [*([] if inner else [item]), *tasks(inner)]
    return found


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_launcher_is_told_what_came_of_it(name: str) -> None:
    every = tasks(load(FOLDER / f"{name}.yml"))
    left = [task["ansible.builtin.set_stats"]["data"] for task in every if "ansible.builtin.set_stats" in task]
    assert left
    assert all(set(data) == {"dbaas_result"} for data in left)
    # why a job failed is found out by the code that its words end with
    for task in every:
        if words := task.get("ansible.builtin.assert", {}).get("fail_msg"):
            code, cls = re.findall(r"\[([a-z-]+), ([a-z]+)\]\.?$", words.strip())[0]
            assert CODES[code][0] == cls

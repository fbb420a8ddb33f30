"""The example of docs/launching.md, run as it stands, with each of the two launchers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.awx import Double
from tests.tools.tree import ROOT
from tests.unit.awx.places import playing, provided
from tests.unit.runner.world import World

EMBEDDED, AWX, LAUNCH = re.findall(r"```python\n(.*?)```", (ROOT / "docs/launching.md").read_text(), re.DOTALL)


@pytest.fixture
def ordered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A platform with tenant acme, and what a job sees of it."""
    world = World(tmp_path / "git", monkeypatch)
    world.set_up()
    return world


def run(code: str, folder: Path, **variables: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    more = {"PATH": path, "PYTHONPATH": str(ROOT / ".cache/collections"), "HOME": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def same_twice(world: World, code: str, folder: Path, **variables: str) -> None:
    """The first run orders, the second finds the job."""
    head = world.head()
    first = run(code, folder, **variables)
    assert "TASK Commit the claim and what is rendered from it" in first
    last = first.strip().splitlines()[-1]
    assert last.startswith("successful {"), first
    assert f"'commit': '{world.head()}'" in last
    assert world.head() != head
    head = world.head()
    assert run(code, folder, **variables).strip().splitlines()[-1] == last
    assert world.head() == head


def test_by_ansible_runner(ordered: World, tmp_path: Path) -> None:
    same_twice(ordered, EMBEDDED + LAUNCH, tmp_path, DBAAS_REPOSITORY=ordered.url)
    assert len(list((tmp_path / "jobs").iterdir())) == 1
    wrong = LAUNCH.replace('"order-4711"', '"order-4712"').replace("scy-ring-3", "scy-ring-33")
    said = run(EMBEDDED + wrong, tmp_path, DBAAS_REPOSITORY=ordered.url)
    assert "not ordered: 1 answer is wrong:\n  Value scy-ring-33 for 'sku' expected to be one of [" in said
    assert "[answers-invalid, again: False]" in said


def test_by_awx(ordered: World, tmp_path: Path) -> None:
    from ansible_collections.dbaas.platform.plugins.module_utils.launcher.embedded import of_collection

    launcher = of_collection(tmp_path / "unused")
    templates = list(launcher.templates.values())
    more = {"DBAAS_REPOSITORY": ordered.url, "HOME": str(tmp_path)}
    runner = playing(ROOT, launcher.inventories["platform"], more)
    with Double(runner=runner, playbooks=[str(template["playbook"]) for template in templates]) as double:
        organization = double.by_hand("POST", "organizations/", {"name": "DBaaS"})["id"]
        provided(double, organization, templates)
        access = {"CONTROLLER_HOST": double.url, "CONTROLLER_OAUTH_TOKEN": double.token}
        same_twice(ordered, AWX + LAUNCH, tmp_path, **access)
        assert double.unknown == []

"""The walk of docs/awx.md: its commands run as they stand, and its answers are what surveys take."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey

from tests.awx import Double
from tests.tools.tree import ROOT
from tests.unit.awx.test_data import Json, data, named
from tests.unit.runner.world import World

PAGE = (ROOT / "docs/awx.md").read_text()


def blocks(info: str) -> list[str]:
    """The texts of the page's code blocks with this info string."""
    return re.findall(rf"^```{re.escape(info)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def shell(script: str, folder: Path, env: Json) -> tuple[int, str]:
    """Exit code and output of a block in a shell, in a folder with the project's inventories."""
    known = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
    }
    command = ["sh", "-ec", script]
    done = subprocess.run(command, cwd=folder, env={**known, **env}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "walk"
    place.mkdir()
    (place / "inventories").symlink_to(ROOT / "inventories")
    return place


def test_an_empty_awx_is_configured_and_compared(folder: Path) -> None:
    (settings,) = [block for block in blocks("yaml") if block.startswith("awx_project_url")]
    (folder / "awx.yml").write_text(settings)
    look, make, again, compare = blocks("sh awx")
    playbooks = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")]
    with Double(playbooks=playbooks) as double:
        env = {"CONTROLLER_HOST": double.url, "CONTROLLER_OAUTH_TOKEN": double.token, "VAULT_SECRET_ID": "canary"}
        code, output = shell(look, folder, env)
        assert (code, double.writes) == (0, []), output
        assert "dbaas-provision" in output
        for script, changed in ((make, 1), (again, 0)):
            code, output = shell(script, folder, env)
            assert code == 0, output
            assert f"changed={changed} " in output
            assert "canary" not in output
        assert shell(compare, folder, env)[0] == 0
        assert json.loads((folder / "awx-drift.json").read_text())["drift"] == []
        # as a job of AWX it has the file by a credential; without it it would make AWX as the defaults say
        job = "ansible-playbook dbaas.platform.configure_awx -e awx_job_id=7"
        code, output = shell(job, folder, {**env, "DBAAS_AWX_SETTINGS": str(folder / "awx.yml")})
        assert code == 0, output
        assert "changed=0 " in output
        before = len(double.writes)
        code, output = shell(job, folder, env)
        assert code != 0
        assert "give its template credential dbaas-settings" in " ".join(output.split())
        assert len(double.writes) == before
        project = double.by_hand("GET", "projects/?name=dbaas.platform")["results"][0]
        assert project["scm_url"] == "https://git.example.com/platform/dbaas.platform.git"
        double.by_hand("PATCH", f"projects/{project['id']}/", {"scm_branch": "mine"})
        assert shell(compare, folder, env)[0] != 0
        assert [item["what"] for item in json.loads((folder / "awx-drift.json").read_text())["drift"]] == ["scm_branch"]


@pytest.mark.parametrize(
    ("playbook", "workflow"), [("onboard_tenant", "dbaas-onboard"), ("provision_service", "dbaas-provision")]
)
def test_the_answers_are_what_the_surveys_take(playbook: str, workflow: str) -> None:
    (text,) = blocks(f"yaml answers {playbook}")
    answers = yaml.safe_load(text)
    for kind, name in (("workflows", workflow), ("templates", f"dbaas-{playbook.replace('_', '-')}")):
        spec = named(data(), kind)[name]["survey_spec"]
        assert set(answers) <= {question["variable"] for question in spec["spec"]}
        assert survey.refusals(spec, answers) == []


def test_the_same_by_ansible_playbook(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "git", monkeypatch)
    world.set_up()
    onboard, plan, deliver = blocks("sh git")
    env = {"DBAAS_REPOSITORY": world.url}
    seen = []
    for script in (onboard, plan, deliver):
        before = world.commits()
        code, output = shell(script, folder, env)
        assert code == 0, output
        seen.append((max(map(int, re.findall(r"changed=(\d)", output))), world.commits() - before))
        if script == plan:
            told = re.search(
                r"create acme/orders: scy-ring-3, plan dedicated, scylla 2026.1.0 in lagos; SLA 99.5 %", PAGE
            )
            assert told
            assert told[0] in output
            assert "$900 a month" in output
    assert seen == [(1, 1), (0, 0), (1, 1)]
    # the answers of the surveys and those given here are the same
    (text,) = blocks("yaml answers provision_service")
    assert all(f"-e {name}={value}" in deliver for name, value in yaml.safe_load(text).items())


def test_nothing_else_on_the_page_looks_like_a_command_that_is_run() -> None:
    kinds = re.findall(r"^```(\w.*)$", PAGE, re.MULTILINE)
    assert sorted(set(kinds)) == [
        "sh",
        "sh awx",
        "sh git",
        "yaml",
        "yaml answers onboard_tenant",
        "yaml answers provision_service",
    ]
    assert "Nothing on this page was run on a real AWX" in PAGE
    # what was run is what says so
    assert len(blocks("sh awx")) == 4
    assert len(blocks("sh git")) == 3

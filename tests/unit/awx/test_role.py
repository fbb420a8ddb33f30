# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbook configure_awx with its role, by ansible-playbook against the double: an address and a token, no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import VARIABLES

from tests.awx import Double
from tests.tools.tree import ROOT
from tests.unit.awx.configuring import configuration, one

Json = dict[str, Any]
ROLE = ROOT / "roles/awx"
CANARIES = ("git-secret-1", "hook-secret-1", "user-secret-1", "scm-secret-1", "vault-secret-1")


def load(path: str) -> Json:
    found: Json = yaml.safe_load((ROLE / path).read_text())
    return found


def play(double: Double, folder: Path, *more: str, given: Json | None = None) -> tuple[int, str]:
    """Exit code and output of the playbook."""
    data = folder / "data.json"
    data.write_text(json.dumps(configuration() if given is None else given))
    run = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "dbaas.platform.configure_awx",
        "-e",
        f"@{data}",
        *more,
    ]
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CONTROLLER_", "ANSIBLE_"))},
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "CONTROLLER_HOST": double.url,
        "CONTROLLER_OAUTH_TOKEN": double.token,
    }
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_role_takes_every_variable_and_says_its_own() -> None:
    assert load("vars/main.yml")["__awx_variables"] == sorted(VARIABLES)
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = {**load("defaults/main/settings.yml"), **load("defaults/main/how.yml")}
    assert set(options) == set(defaults)
    # a default that is made of others is said in words
    plain = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    assert {name: data["default"] for name, data in options.items() if "default" in data} == plain
    readme = (ROLE / "README.md").read_text()
    assert [name for name in load("defaults/main/how.yml") if f"`{name}`" not in readme] == []


def test_what_was_made_and_then_changed_by_hand_is_reported(tmp_path: Path) -> None:
    with Double() as double:
        code, output = play(double, tmp_path, "-vvv", "--diff")
        assert code == 0, output
        assert "organization DBaaS" in output
        assert [name for name in CANARIES if name in output.replace(str(tmp_path), "")] == []
        assert double.token not in output
        made = len(double.writes)
        template = one(double, "job_templates", "provision")
        assert template["playbook"] == "provision.yml"
        double.by_hand("PATCH", f"job_templates/{template['id']}/", {"extra_vars": "a: 1"})
        report = tmp_path / "drift.json"
        asked = ("-e", "dbaas_report_only=true", "-e", f"report_file={report}")
        code, output = play(double, tmp_path, *asked)
        assert code == 2
        assert "[drift-found, user]" in output
        found = json.loads(report.read_text())
        assert [(item["name"], item["what"]) for item in found["drift"]] == [("provision", "extra_vars")]
        assert len(double.writes) == made


def test_the_shipped_data_need_nothing_but_an_address_and_a_token(tmp_path: Path) -> None:
    playbooks = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")]
    with Double(playbooks=playbooks) as double:
        code, output = play(double, tmp_path, given={})
        assert code == 0, output
        made = len(double.writes)
        assert made > 100
        code, output = play(double, tmp_path, "-e", "purge=true", given={})
        assert code == 0, output
        assert "changed=0" in output
        assert len(double.writes) == made
        assert not double.unknown

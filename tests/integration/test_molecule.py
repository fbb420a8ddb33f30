"""Molecule's default scenario, which brings up a lab of its own, as people run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lab.platform import ROOT


def test_default_scenario(tmp_path: Path) -> None:
    tools = Path(sys.executable).parent
    env = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "MOLECULE_")) and name != "DBAAS_LAB"
        },
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        # else molecule takes the same folder for every checkout of the same name
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path),
    }
    done = subprocess.run(
        [str(tools / "molecule"), "test"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "ready, 3 of 3 nodes" in output
    for step in ("create", "converge", "idempotence", "verify", "destroy"):
        assert f"{step}: Executed: Successful" in output
    assert not (tmp_path / "lab").exists()

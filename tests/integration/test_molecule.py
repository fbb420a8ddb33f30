"""Molecule's default scenario, which brings up a lab of its own, as people run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lab.platform import ROOT


def test_default_scenario() -> None:
    tools = Path(sys.executable).parent
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "DBAAS_LAB", "MOLECULE_"))
    }
    done = subprocess.run(
        [str(tools / "molecule"), "test"],
        cwd=ROOT,
        env={**env, "PATH": f"{tools}{os.pathsep}{env['PATH']}", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "ready, 3 of 3 nodes" in output
    for step in ("create", "converge", "idempotence", "verify", "destroy"):
        assert f"{step}: Executed: Successful" in output
    assert not (ROOT / ".cache/molecule/lab").exists()

"""Mutation tests of the pure domain: changes that no unit test notices are listed, for people to judge.

mutmut finds a mutant by its module's full name, so it works in a copy where files lie as they are imported.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools import tree

CONFIG = """\
[mutmut]
source_paths =
    {package}/plugins/module_utils/domain
    {package}/plugins/module_utils/engines
also_copy =
    {package}
mutate_only_covered_lines = true
pytest_add_cli_args_test_selection =
    {package}/tests/unit/domain
    {package}/tests/unit/engines

[tool:pytest]
addopts = -p no:pytest-ansible --import-mode=importlib
pythonpath = . {package}
"""


def main(*mutants: str) -> int:
    with tempfile.TemporaryDirectory(prefix="dbaas-mutation-") as folder:
        base = Path(folder)
        copy = tree.copy(base)
        for path in ("pyproject.toml", "tests/unit/conftest.py"):  # the plugin loader is none of the domain's business
            (copy / path).unlink()
        (base / "setup.cfg").write_text(CONFIG.format(package=copy.relative_to(base)), encoding="utf-8")
        subprocess.run(["mutmut", "run", *mutants], cwd=base, check=False)
        return subprocess.run(["mutmut", "results"], cwd=base, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

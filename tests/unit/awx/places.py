"""Where the jobs of the tests run."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.dbaas.platform.plugins.module_utils.launcher.embedded import EmbeddedLauncher

from tests.unit.awx import launching
from tests.unit.awx.launching import TEMPLATE


class Embedded:
    """By ansible-runner on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = launching.project(folder / "project")
        self.notes = folder / "runs"
        self.environment = {"PATH": "/usr/bin:/bin", "RUNS": str(self.notes), "HOME": str(folder), "TOKEN": "canary-1"}

    def launcher(self) -> EmbeddedLauncher:
        """A new one, as another process would have it."""
        broken = {**TEMPLATE, "name": "dbaas-broken", "playbook": "broken.yml"}
        inventories = {"platform": [str(self.project / "hosts.yml")]}
        return EmbeddedLauncher(
            self.folder / "jobs", [TEMPLATE, broken], inventories, self.environment, project=self.project
        )

    def runs(self) -> list[str]:
        """What the playbook noted: a line for each run."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []

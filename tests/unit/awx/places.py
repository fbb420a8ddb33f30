"""Where the jobs of the tests run."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.awx import AwxLauncher
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.embedded import EmbeddedLauncher

from tests.awx import Double, Run
from tests.unit.awx import launching
from tests.unit.awx.launching import TEMPLATE

Json = dict[str, Any]


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


class Played:
    """By AWX: the double, whose jobs run the same playbook."""

    def __init__(self, folder: Path, **double: Any) -> None:
        self.project = launching.project(folder / "project")
        self.notes = folder / "runs"
        runner = playing(self.project, [str(self.project / "hosts.yml")], {"RUNS": str(self.notes)})
        self.awx = Double(runner=double.pop("runner", runner), playbooks=["toy.yml", "broken.yml"], **double)
        self.organization = self.awx.by_hand("POST", "organizations/", {"name": "DBaaS"})["id"]
        self.template = provided(self.awx, self.organization, [TEMPLATE])["dbaas-toy"]

    def launcher(self) -> AwxLauncher:
        """A new one, as another process would have it."""
        verify = str(self.awx.ca) if self.awx.ca else True
        return AwxLauncher(Awx(self.awx.url, token=self.awx.token, timeout=10, verify=verify))

    def runs(self) -> list[str]:
        """What the playbook noted: a line for each run."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def jobs(self) -> list[Json]:
        """The jobs of the toy that AWX has."""
        path = f"jobs/?job_template={self.template}&order_by=id&page_size=200"
        found: list[Json] = self.awx.by_hand("GET", path)["results"]
        return found

    def __enter__(self) -> Played:
        self.awx.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.awx.close()


def provided(awx: Double, organization: int, templates: Sequence[Json]) -> dict[str, int]:
    """Gives an AWX these templates, with a project and an inventory `platform`; name -> id."""
    inventory = awx.by_hand("POST", "inventories/", {"name": "platform", "organization": organization})["id"]
    source = {"scm_type": "git", "scm_url": "https://git.example.com/dbaas.git"}
    project = awx.by_hand("POST", "projects/", {"name": "DBaaS", "organization": organization, **source})["id"]
    awx.settle()
    made = {}
    for template in templates:
        fields = {name: value for name, value in template.items() if name not in ("survey_spec", "inventory")}
        fields |= {"organization": organization, "project": project, "inventory": inventory}
        number = awx.by_hand("POST", "job_templates/", fields)["id"]
        awx.by_hand("POST", f"job_templates/{number}/survey_spec/", template["survey_spec"])
        made[str(template["name"])] = int(number)
    return made


def extravars(variables: Json) -> str:
    """A job's variables as AWX writes them: no text is a template, and so ansible-core takes an empty one for null."""

    def tagged(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{tagged(name)}: {tagged(item)}" for name, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(tagged, value)) + "]"
        return f"{'!unsafe ' if isinstance(value, str) else ''}{json.dumps(value)}"

    return "".join(f"? {tagged(name)}\n: {tagged(value)}\n" for name, value in variables.items())


def playing(project: Path, inventory: Sequence[str], environment: Mapping[str, str]) -> Callable[[Run], str]:
    """What runs a double's jobs for real, as AWX does: ansible-runner, its events the job's."""

    def play(run: Run) -> str:
        import ansible_runner

        def keep(event: Json) -> bool:
            data: Json = event.get("event_data") or {}
            if event["event"] == "playbook_on_stats":
                run.artifacts.update(data.get("artifact_data") or {})
            elif event["event"] not in ("playbook_on_start", "playbook_on_play_start"):
                text = str(event.get("stdout", ""))
                run.log.append(text)
                more = {"uuid": event["uuid"], "playbook": "", "play": "", **data}
                run._add(event["event"], more, text)
            return False

        with tempfile.TemporaryDirectory(prefix="awx_") as folder:
            (Path(folder) / "env").mkdir()
            (Path(folder) / "env/extravars").write_text(extravars(run.variables))
            switches = ["--check"] if run.job["job_type"] == "check" else []
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            done = ansible_runner.run(
                private_data_dir=folder,
                project_dir=str(project),
                playbook=run.job["playbook"],
                inventory=list(inventory),
                limit=run.job["limit"] or None,
                cmdline=" ".join(switches) or None,
                envvars={"PATH": path, **environment},
                settings={"pexpect_timeout": 1},
                quiet=True,
                event_handler=keep,
                cancel_callback=run.canceled.is_set,
            )
        return str(done.status)

    return play

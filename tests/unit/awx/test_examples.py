"""What the documentation of modules, lookups and filters shows, run as it stands where no cluster is needed.

The modules of AWX run on the double; tests/integration runs all others on the lab.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.plugin_docs import read_docstring

from tests.awx import Double, Run
from tests.tools.tree import ROOT

Json = dict[str, Any]
PLAYBOOKS = [f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml") if ".meta." not in path.name]


def examples(folder: str, *names: str) -> list[Json]:
    """The tasks of these plugins' EXAMPLES, in this order; of all plugins of the folder where none is named."""
    every = names or sorted(path.stem for path in (ROOT / "plugins" / folder).glob("*.py") if path.stem != "__init__")
    found = [read_docstring(str(ROOT / "plugins" / folder / f"{name}.py"))["plainexamples"] for name in every]
    assert all(found)
    return [task for text in found for task in yaml.safe_load(text)]


def play(folder: Path, tasks: list[Json], variables: Json | None = None, **environment: Any) -> str:
    """Runs the tasks in one play; what it printed."""
    work = {"name": "Examples", "hosts": "localhost", "gather_facts": False, "vars": variables or {}, "tasks": tasks}
    (folder / "examples.yml").write_text(yaml.safe_dump([work], sort_keys=False))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONTROLLER_", "DBAAS_"))}
    settings = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "examples.yml"],
        cwd=folder,
        env={**kept, **settings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_filters_and_lookups(tmp_path: Path) -> None:
    tasks = examples("filter") + examples("lookup", "awx_job_templates", "platform")
    # a connection needs a service that runs: tests/unit/plugins/test_lookups.py
    for engine in ("aerospike", "dragonfly", "mongodb", "scylla", "vitess", "yugabyte"):
        tasks += [task for task in examples("lookup", engine) if "'connection'" not in str(task)]
    output = play(tmp_path, tasks, {"backup_retention": "30d"})
    assert "failed=0" in output
    assert output.count("TASK [") == len(tasks)
    assert '"2 services                                                      1860"' in output
    assert "2025.2.5" in output


def test_modules_of_awx(tmp_path: Path) -> None:
    def runner(run: Run) -> str:
        run.artifacts["dbaas_result"] = {"connection_string": "cql://orders"}
        return "successful"

    configure, job = examples("modules", "awx_configuration"), examples("modules", "awx_job")
    tasks = configure + examples("modules", "awx_configuration_info")
    with Double(playbooks=["hello.yml", *PLAYBOOKS], runner=runner) as awx:
        assert configure[0]["dbaas.platform.awx_configuration"].pop("controller_host")
        organization = {"name": "DBaaS"}
        (tmp_path / "awx").mkdir()
        (tmp_path / "awx/all.yml").write_text(yaml.safe_dump({"controller_organizations": [organization]}))
        default = awx.by_hand("GET", "organizations/?name=Default")["results"]
        number = (default or [awx.by_hand("POST", "organizations/", {"name": "Default"})])[0]["id"]
        awx.by_hand("POST", "inventories/", {"name": "Demo Inventory", "organization": number})
        address: Json = {"CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": awx.token}
        output = play(tmp_path, tasks, {"awx_token": awx.token}, **address)
        assert output.count("TASK [") == len(tasks)
        # what is launched then comes with the role; the first example purges what bears its label
        play(
            tmp_path, [{"name": "Configure", "ansible.builtin.include_role": {"name": "dbaas.platform.awx"}}], **address
        )
        output = play(tmp_path, job, **address)
        assert "failed=0" in output
        assert output.count("TASK [") == len(job)
        assert "cql://orders" in output
        assert len(awx.by_hand("GET", "jobs/?order_by=-id")["results"]) == len(job) - 1

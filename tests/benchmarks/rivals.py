"""An environment of what others use, made once in the user's cache: never the one that our tests run in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.lab.binaries import alone, cache_folder
from tests.lab.progress import Progress

#: Ansible with its collections, and what kubernetes.core needs
PACKAGES = ("ansible==12.3.0", "kubernetes==37.0.1")


def programs() -> Path:
    """The folder of the environment's programs."""
    folder = cache_folder() / "rivals" / "-".join(PACKAGES)
    found = folder / "bin"
    with alone(cache_folder() / "rivals.lock", Progress()):
        if not (folder / "made").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            tool = Path(sys.executable).parent / "uv"
            pip: list[Any] = [tool, "pip", "install", "--python", found / "python"]
            command = pip if tool.exists() else [found / "python", "-m", "pip", "install"]
            subprocess.run([*command, "--quiet", *PACKAGES], check=True)
            (folder / "made").touch()
    return found


def version(programs: Path, collection: str) -> str:
    """The version of a collection (`awx/awx`) that comes with the packages."""
    manifest = next(programs.parent.rglob(f"{collection}/MANIFEST.json"))
    found: str = yaml.safe_load(manifest.read_text())["collection_info"]["version"]
    return found


def play(folder: Path, tasks: list[dict[str, Any]], env: dict[str, str]) -> str:
    """What ansible-playbook, of the first folder of the environment's PATH, prints for these tasks on localhost."""
    book = folder / "site.yml"
    head = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    book.write_text(yaml.safe_dump([{**head, "tasks": tasks}], sort_keys=False))
    program = Path(env["PATH"].split(os.pathsep)[0]) / "ansible-playbook"
    done = subprocess.run([program, book], env=env, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def environment(programs: Path, folder: Path, **more: str) -> dict[str, str]:
    """An environment without the caller's Ansible, whose programs come first."""
    own = ("ANSIBLE_", "CONTROLLER_", "TOWER_", "DBAAS_", "K8S_AUTH_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_REMOTE_TMP": str(folder / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "ansible"),
        **more,
    }

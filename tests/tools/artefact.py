"""Build the collection into dist/, let galaxy-importer judge it, make the execution environment's context of it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.tools.tree import ROOT

CONFIG = """\
[galaxy-importer]
check_required_tags = True
offline_ansible_lint = True
run_ansible_doc = True
run_ansible_lint = True
run_ansible_test = False
"""


def build() -> Path:
    """Build the collection from the checkout as it lies there; gives the tarball."""
    command = ["ansible-galaxy", "collection", "build", "--force", "--output-path", "dist"]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return Path(out.rstrip().rpartition(" at ")[2])


def importer(tarball: Path) -> int:
    """Run galaxy-importer, which ends well whatever it finds: its warnings and errors fail here."""
    home = ROOT / ".cache/importer"
    lock = ROOT / "tests/requirements-importer.txt"
    stamp = home / "locked"
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        venv.create(home, with_pip=False, clear=True)
        sync = ["uv", "pip", "sync", "--quiet", "--python", str(home / "bin/python"), str(lock)]
        subprocess.run(sync, check=True, env={"UV_SYSTEM_CERTS": "1", **os.environ})
        stamp.write_bytes(lock.read_bytes())
    config = home / "importer.cfg"
    config.write_text(CONFIG, encoding="utf-8")
    env = {
        **os.environ,
        "GALAXY_IMPORTER_CONFIG": str(config),
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    command = [str(home / "bin/python"), "-m", "galaxy_importer.main", str(tarball)]
    done = subprocess.run(
        command, cwd=home, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout)
    complaints = [line for line in done.stdout.splitlines() if line.startswith(("WARNING", "ERROR"))]
    return done.returncode or len(complaints)


def environment() -> int:
    """Run `ansible-builder create` and look whether the context holds the collection and every pin."""
    context = ROOT / ".cache/execution-environment"
    command = ["ansible-builder", "create", "--file", "execution-environment.yml", "--context", str(context)]
    command += ["--output-filename", "Containerfile"]
    subprocess.run(command, cwd=ROOT, check=True)
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    given = set((context / "_build/requirements.txt").read_text(encoding="utf-8").splitlines())
    missing = [pin for pin in pins if pin not in given]
    missing += [
        name for name in ("Containerfile", "_build/bindep.txt", "_build/collections") if not (context / name).exists()
    ]
    missing += [] if list((context / "_build/collections").glob("*.tar.gz")) else ["the collection"]
    print("missing in the context:" if missing else "the context is complete", *missing)
    return len(missing)


if __name__ == "__main__":
    made = build()
    sys.exit(1 if environment() + importer(made) else 0)

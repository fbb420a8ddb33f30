"""`ansible-test sanity` on a copy of the checkout, after a file planted there has shown that the gate does fail.

Outside of a folder …/ansible_collections/dbaas/platform, or in one that Git ignores, ansible-test tests nothing and
ends well.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible_test._internal import python_requirements

from tests.lab.binaries import cache_folder
from tests.tools import tree

HOME = cache_folder() / "ansible-test"
# ansible-test downloads get-pip.py from a host of its own; ensurepip does the same from what Python brings.
GET_PIP = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
options = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *options], check=False).returncode)
"""


def environment() -> dict[str, str]:
    """A home of its own for ansible-test, and a PATH without pyenv's shims, which may stand for no interpreter."""
    version = re.search(r"pip='([0-9.]+)'", Path(python_requirements.__file__).read_text(encoding="utf-8"))
    if version is None:
        raise SystemExit("this ansible-test no longer says which pip it wants: see collect_bootstrap in it")
    stand_in = HOME / ".ansible/test/cache" / f"get_pip_{version[1].replace('.', '_')}.py"
    stand_in.parent.mkdir(parents=True, exist_ok=True)
    stand_in.write_text(GET_PIP, encoding="utf-8")
    real = sorted(
        str(path)
        for path in Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/3.1[1-9].*/bin")
    )
    found = [folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.endswith("/.pyenv/shims")]
    path = os.pathsep.join([str(Path(sys.executable).parent), *real, *found])
    return {**os.environ, "HOME": str(HOME), "PATH": path, "PYTHONWARNINGS": "ignore"}


def run(folder: Path, *options: str) -> tuple[int, str]:
    """Run `ansible-test sanity` in `folder`; gives its exit code and all that it printed."""
    command = ["ansible-test", "sanity", "--color", "no", *options]
    env = environment()
    done = subprocess.run(
        command, cwd=folder, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def main(*options: str) -> int:
    with tempfile.TemporaryDirectory(prefix="dbaas-sanity-") as base:
        folder = tree.copy(Path(base))
        planted = folder / "plugins/module_utils/planted.py"
        planted.write_text("def broken(:\n", encoding="utf-8")
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        code, output = run(folder, "--test", "compile", "--python", python)
        if code == 0 or "planted.py" not in output:
            print(output, "ansible-test passed a file that does not compile: it tests nothing", sep="\n")
            return 1
        planted.unlink()
        code, output = run(folder, *options)
    print(output)
    for skipped in dict.fromkeys(re.findall(r"WARNING: Skipping (.+)", output)):
        print(f"not run: {skipped}")
    if "All targets skipped" in output:
        print("ansible-test skipped all targets")
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Programs made of the sources of Percona's operator, by Go: built once, kept in the user's cache.

`python -m tests.operators.build` builds them and says how far it is; the tests build them as well, and say nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.lab.binaries import LabError, alone, cache_folder, run_build
from tests.lab.progress import Progress

#: the operator that catalog/mongodb.yml names
MODULE, VERSION = "github.com/percona/percona-server-mongodb-operator", "v1.22.0"
#: of its module: what whoever installs it applies
MANIFESTS = ("crd.yaml", "cw-rbac.yaml")
#: ours, by Go: `check` asks the operator's validation, `member` stands in for what runs in the pods
SOURCES = Path(__file__).with_name("go")
OURS = ("check", "member")


def programs(progress: Progress) -> Path:
    """The folder with check, member, manager (the operator itself) and MANIFESTS. LabError where Go is missing."""
    digest = hashlib.sha256()
    files = sorted(SOURCES.rglob("*.go"))
    for path in files:
        digest.update(path.read_bytes())
    operators = cache_folder() / "operators"
    operators.mkdir(parents=True, exist_ok=True)
    folder = operators / f"percona-{VERSION}-{digest.hexdigest()[:12]}"
    with alone(operators / "lock", progress):
        if not folder.is_dir():
            _build(folder, progress)
    return folder


def _build(folder: Path, progress: Progress) -> None:
    go = shutil.which("go")
    if go is None:
        raise LabError("Go is not on PATH: the operator cannot be built")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    source = part / "source"
    shutil.copytree(SOURCES, source)
    environment = {**os.environ, "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}

    def run(*command: str) -> str:
        done = subprocess.run([go, *command], cwd=source, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"go {command[0]} failed (are the sources reachable? GOPROXY):\n{done.stderr[-2000:]}")
        return done.stdout

    progress.say(
        f"building Percona's operator {VERSION} from its Go module: some 7 minutes on two cores the first time"
    )
    with progress.task("asking what sources it is made of"):
        run("mod", "init", "operators")
        run("get", "-tool", f"{MODULE}/cmd/manager@{VERSION}")
        run("mod", "tidy")
    packages = [*(f"./{name}" for name in OURS), f"{MODULE}/cmd/manager"]
    command = [go, "build", "-v", "-ldflags", "-s -w", "-o", f"{part}{os.sep}", *packages]
    run_build(command, environment, progress, source)
    deploy = Path(run("list", "-m", "-f", "{{.Dir}}", MODULE).strip()) / "deploy"
    for name in MANIFESTS:
        # the cache of modules is read-only, and so are its files
        (part / name).write_bytes((deploy / name).read_bytes())
    shutil.rmtree(source)
    part.rename(folder)


if __name__ == "__main__":
    with Progress() as display:
        display.say(f"the programs are in {programs(display)}")

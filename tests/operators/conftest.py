"""Programs made of the operators' own sources, by Go: built once, kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.binaries import cache_folder

#: the operator that catalog/mongodb.yml names
PERCONA = "github.com/percona/percona-server-mongodb-operator@v1.22.0"
CHECK = Path(__file__).with_name("main.go")


@pytest.fixture(scope="session")
def percona() -> Path:
    """The checker of PerconaServerMongoDBs; DBAAS_PSMDB_CHECK names one that is there already."""
    if given := os.environ.get("DBAAS_PSMDB_CHECK"):
        return Path(given)
    folder = cache_folder() / "operators" / PERCONA.rsplit("/", 1)[-1]
    program = folder / "psmdb-check"
    if not program.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("Go is not on PATH: the operator's checks cannot be built")
        source = folder / "source"
        source.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECK, source)
        (source / "go.mod").unlink(missing_ok=True)
        environment = {**os.environ, "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        for command in (
            ["mod", "init", "psmdb-check"],
            ["get", PERCONA],
            ["mod", "tidy"],
            ["build", "-ldflags", "-s -w", "-o", str(program), "."],
        ):
            done = subprocess.run(
                [go, *command], cwd=source, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
    return program

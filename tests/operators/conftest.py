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
#: files in, a line each out: "ok", or what the operator says is wrong. It fills in its defaults and looks at the whole.
CHECK = """\
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	psmdb "github.com/percona/percona-server-mongodb-operator/pkg/apis/psmdb/v1"
	"github.com/percona/percona-server-mongodb-operator/pkg/version"
	"sigs.k8s.io/yaml"
)

func said(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var cluster psmdb.PerconaServerMongoDB
	if err := yaml.UnmarshalStrict(text, &cluster); err != nil {
		return err.Error()
	}
	if err := cluster.CheckNSetDefaults(context.Background(), version.PlatformKubernetes); err != nil {
		return err.Error()
	}
	return "ok"
}

func main() {
	for _, path := range os.Args[1:] {
		fmt.Println(strings.ReplaceAll(said(path), "\\n", " "))
	}
}
"""


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
        (source / "main.go").write_text(CHECK)
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

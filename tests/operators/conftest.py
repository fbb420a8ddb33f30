"""Programs made of the operators' own sources, and a cluster in which they run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.progress import Progress
from tests.operators import build
from tests.operators.cluster import Cluster, why_not

#: the services of the tests of a running operator: one that most share, and some that have a thing of their own
PLAIN: dict[str, Any] = {"sku": "mongo-flex-rs", "region": "lagos", "backup": {"enabled": False}}
SERVICES: dict[str, dict[str, Any]] = {
    "shop": PLAIN,
    "early": {**PLAIN, "version": "8.0.17"},
    "wide": {"sku": "mongo-flex-sharded", "region": "lagos", "parameters": {"net.maxIncomingConnections": 2000}},
    "wrong": PLAIN,
    "far": {**PLAIN, "replication": {"regions": ["lagos", "johannesburg"]}},
    "kept": {"sku": "mongo-flex-rs", "region": "lagos"},
}


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the programs; see build.py."""
    if not shutil.which("go"):
        pytest.skip("Go is not on PATH: the operator cannot be built")
    return build.programs(Progress(quiet=True))


@pytest.fixture(scope="session")
def percona(programs: Path) -> Path:
    """The checker of PerconaServerMongoDBs."""
    return programs / "check"


@pytest.fixture(scope="session")
def cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with Percona's operator in it, and none of SERVICES yet."""
    if why := why_not():
        pytest.skip(f"no namespaces of processes and mounts: {why}")
    running = Cluster(tmp_path_factory.mktemp("operators"), programs, SERVICES)
    try:
        running.start()
        yield running
    finally:
        running.stop()

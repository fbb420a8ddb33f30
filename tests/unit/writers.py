"""Processes that deliver to one branch at the same time, one claim each at a time, by the runner of service_claims."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import claims, gitops, tenants
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, shipped

from tests.tools.tree import ROOT
from tests.unit.gitremote import CANARY, GitRemote

Json = dict[str, Any]


@dataclass(frozen=True)
class Crowd:
    """What they did: for each claim its name, commit, seconds and attempts; `failed` holds messages."""

    landed: list[tuple[str, str, float, int]]
    failed: list[str]

    @property
    def seconds(self) -> list[float]:
        return sorted(item[2] for item in self.landed)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[-1]

    def line(self) -> str:
        median = statistics.median(self.seconds)
        attempts = sum(item[3] for item in self.landed) / len(self.landed)
        return (
            f"{len(self.landed)} landed, {len(self.failed)} failed; seconds: median {median:.2f}, p99 {self.p99:.2f}, "
            f"most {self.seconds[-1]:.2f}; {attempts:.1f} attempts each"
        )


def crowd(there: GitRemote, writers: int, seconds: float) -> Crowd:
    """Let so many processes write for so long, each its own claims of tenant acme."""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / '.cache/collections'}", "PATH": os.environ["PATH"], "URL": there.url}
    command = [sys.executable, "-m", "tests.unit.writers", str(seconds)]
    processes = [
        subprocess.Popen([*command, str(number)], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(writers)
    ]
    found = [json.loads(line) for process in processes for line in process.communicate()[0].splitlines()]
    landed = [(i["name"], i["commit"], i["seconds"], i["attempts"]) for i in found if "commit" in i]
    return Crowd(landed, [i["failed"] for i in found if "failed" in i])


def prepare(there: GitRemote) -> None:
    """A platform with tenant acme."""
    common = connection(there.url)
    pops = [{"name": name, "cluster_domain": f"{name}.dbaas.internal"} for name in ("lagos", "johannesburg")]
    gitops.run(Run({**common, "pops": pops}))
    tenants.run_one(Run({**common, "tenant": "acme", "regions": ["lagos", "johannesburg"], "state": "present"}))


def connection(url: str) -> Json:
    """The options that every module has."""
    return {"repository": url, "username": "writer", "token": CANARY, "shipped": shipped(ROOT), "requester": "crowd"}


def write(number: str, seconds: float, url: str) -> None:
    """Declare one new service after the other, and print what became of each as a line of JSON."""
    common = connection(url)
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        count += 1
        name = f"w{number}-{count}"
        document = {
            "apiVersion": "dbaas.example.com/v1alpha1",
            "kind": "ServiceClaim",
            "metadata": {"name": name, "namespace": "tenant-acme"},
            "spec": {"sku": "scy-ring-3", "region": "lagos"},
        }
        raced: list[str] = []
        start = time.monotonic()
        try:
            result = claims.run_many(Run({**common, "claims": [document]}, progress=raced.append))
        except DbaasError as error:
            print(json.dumps({"failed": f"{name}: {error.code}: {error.message}"}))
        else:
            attempts = 1 + sum("Another writer" in line for line in raced)
            told = {"commit": result["commit"], "seconds": time.monotonic() - start, "attempts": attempts}
            print(json.dumps({"name": name, **told}))


if __name__ == "__main__":
    write(sys.argv[2], float(sys.argv[1]), os.environ["URL"])

"""One lab of two PoPs for all integration tests, set up by our own module, with tenant acme onboarded in both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, crds
from tests.lab.platform import ROOT, environment, set_up

Json = dict[str, Any]
POPS = ("lagos", "johannesburg")
#: Seconds that a simulated database takes.
DELAY = 3.0
NAMESPACE = "tenant-acme"
#: What is timed has a tenant of its own, and so has what comes in crowds: a sync looks at all that its tenant has.
TENANTS = ("acme", "quiet", "crowd")
CROWDING = ("test_aerospike", "test_dragonfly", "test_mongodb", "test_vitess")
RESULTS = ROOT / ".cache/test/results.json"


class Platform:
    """The lab as its users see it: modules, plain Git, kubectl's calls."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        #: all that our modules printed, to be searched for secrets
        self.printed: list[str] = []

    def module(self, name: str, arguments: Json, *options: str, env: Json | None = None) -> Json:
        """Run a module as `ansible localhost -m` does; its result, with failed and changed."""
        command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", f"dbaas.platform.{name}"]
        done = subprocess.run(
            [*command, "-a", json.dumps(arguments), *options],
            env={**environment(self.lab), "ANSIBLE_LOCALHOST_WARNING": "false", **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        self.printed += [done.stdout, done.stderr]
        head, brace, rest = done.stdout.partition("=> {")
        assert brace, done.stdout + done.stderr
        result: Json = json.JSONDecoder().raw_decode("{" + rest)[0]
        return {**result, "failed": "FAILED" in head, "shown": head}

    def claim(self, name: str, *, wait: bool = True, **fields: Any) -> Json:
        """A claim of tenant acme: a ring of three in lagos, where nothing else is said."""
        arguments = {"tenant": "acme", "name": name, "sku": "scy-ring-3", "region": "lagos", **fields}
        result = self.module("service_claim", {**arguments, "wait": wait, "wait_timeout": 60})
        assert not result["failed"], result
        return result

    def info(self, name: str) -> Json:
        result = self.module("service_claim_info", {"tenant": "acme", "names": [name]})
        assert not result["failed"], result
        service: Json = result["services"][0]
        return service

    def copy(self, pop: str, name: str, namespace: str = NAMESPACE) -> Json:
        found = self.lab.api(pop).get(f"/apis/dbaas.example.com/v1alpha1/namespaces/{namespace}/serviceclaims/{name}")
        return found or {}

    def phase(self, pop: str, name: str, namespace: str = NAMESPACE) -> str:
        return str(self.copy(pop, name, namespace).get("status", {}).get("phase", ""))

    def head(self) -> str:
        return self.git("rev-parse", "main").strip()

    def git(self, *arguments: str) -> str:
        """Git on the bare repository."""
        return git(self.lab.repository, *arguments)

    def clone(self, folder: Path) -> Path:
        git(folder, "clone", "--quiet", self.lab.git_remote("writer"), "work")
        return folder / "work"


def git(folder: Path, *arguments: str) -> str:
    identity = {
        f"GIT_{who}_{what}": "person@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **identity, "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(what: Callable[[], Any], seconds: float = 20) -> Any:
    """What `what` gives once it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)
    return found


def note_manifests(count: int) -> None:
    """Adds to the count of manifests that the genuine CRDs accepted."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**known, "manifests_accepted": known.get("manifests_accepted", 0) + count}))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Secrets are searched for last, in all that the others printed.

    What fills tenant acme with databases comes right before: examples give it a quota.
    """
    items.sort(key=lambda item: (item.name == "test_nothing_secret_is_anywhere", item.path.stem in CROWDING))


def tenants() -> list[Json]:
    """The tenants that all tests share, as they are set up: without quotas."""
    spec = {"regions": list(POPS), "owners": ["acme-admins"]}
    kind = {"apiVersion": "dbaas.example.com/v1alpha1", "kind": "Tenant"}
    return [{**kind, "metadata": {"name": name}, "spec": spec} for name in TENANTS]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    lab = Lab.up(POPS, state=tmp_path_factory.mktemp("pops"), delay=DELAY)
    try:
        set_up(lab)
        platform = Platform(lab)
        assert platform.module("tenants", {"tenants": tenants()})["changed"]
        yield platform
    finally:
        lab.down(purge=True)


@pytest.fixture(scope="session")
def genuine() -> Sequence[str]:
    """Folders of the genuine CRDs; tests that need them are skipped, and named, without."""
    source = crds.source()
    if not source.genuine:
        pytest.skip("no genuine CRDs: set DBAAS_CRDS to a folder of the operators' CRDs")
    return [str(source)]

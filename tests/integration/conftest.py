"""A lab of two PoPs for the tests that share it, set up by our own module, with tenant acme onboarded in both."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from xdist.scheduler import LoadScopeScheduling

from tests.integration.changes import APART, CASES, NEVER, OBJECTS, STILL
from tests.lab import Lab, crds
from tests.lab.platform import ROOT, environment, playbook_command, set_up

Json = dict[str, Any]
POPS = ("lagos", "johannesburg")
#: Seconds that a simulated database takes.
DELAY = 3.0
NAMESPACE = "tenant-acme"
#: What is timed has a tenant of its own, and so has what comes in crowds: a sync looks at all that its tenant has.
TENANTS = ("acme", "quiet", "crowd")
#: The tenants whose services of every engine all tests share; see fixture `many`.
MANY, FEW = "tenant-many", "tenant-few"
SHARING = ("test_engines", "test_aerospike", "test_dragonfly", "test_mongodb", "test_vitess", "test_yugabyte")
#: These need labs of their own, which the second of two workers makes one after another; then it makes one like the
#: first worker's for BESIDE, so that both take as long.
OWN = ("test_adding_a_pop", "test_second", "test_chart", "test_molecule", "test_lab")
BESIDE = ("test_faults", "test_thread", "test_deprovision", "test_tenancy", "test_direct", "test_observer")
#: It adds a PoP to the lab.
LAST = "test_three_pops"
#: Examples and the flow in Git want a repository in which nothing is to be complained of.
FIRST = ("test_examples", "test_gitflow", *SHARING, "test_delivery", "test_reading", *OWN, *BESIDE)
CHANGES = str(ROOT / "tests/integration/changes.yml")
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

    def playbook(self, name: str, answers: Json, *options: str) -> tuple[int, str]:
        """Run a playbook as people do, with the inventories of the PoPs; its exit code and output."""
        done = subprocess.run(
            playbook_command(self.lab, name, answers, *options),
            env=environment(self.lab),
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        self.printed += [done.stdout, done.stderr]
        return done.returncode, done.stdout + done.stderr

    def claim(self, name: str, *, wait: bool = True, **fields: Any) -> Json:
        """A claim, of tenant acme: a ring of three in lagos, where nothing else is said."""
        arguments = {"tenant": "acme", "name": name, "sku": "scy-ring-3", "region": "lagos", **fields}
        result = self.module("service_claim", {**arguments, "wait": wait, "wait_timeout": 60})
        assert not result["failed"], result
        return result

    def info(self, name: str, tenant: str = "acme") -> Json:
        result = self.module("service_claim_info", {"tenant": tenant, "names": [name]})
        assert not result["failed"], result
        service: Json = result["services"][0]
        return service

    def copy(self, pop: str, name: str, namespace: str = NAMESPACE) -> Json:
        found = self.lab.api(pop).get(f"/apis/dbaas.example.com/v1alpha1/namespaces/{namespace}/serviceclaims/{name}")
        return found or {}

    def phase(self, pop: str, name: str, namespace: str = NAMESPACE) -> str:
        return str(self.copy(pop, name, namespace).get("status", {}).get("phase", ""))

    def may(self, pop: str, user: str, asked: Json) -> bool:
        """Whether Kubernetes lets this user do that; asked: namespace, verb, group, resource, perhaps subresource."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = self.lab.api(pop).request("POST", path, json.dumps(review).encode())
        return bool(answer["status"]["allowed"])

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
    with RESULTS.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.truncate(0)
        file.write(json.dumps({**known, "manifests_accepted": known.get("manifests_accepted", 0) + count}))


def pytest_configure() -> None:
    """The labs of two workers must not choose the same ports."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.environ["DBAAS_LAB_PORTS"] = f"{23000 + 2000 * number}-{24999 + 2000 * number}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of FIRST, then the rest, then LAST; and what takes long has the time."""
    order = {name: number for number, name in enumerate((*FIRST, "", LAST))}
    items.sort(key=lambda item: order.get(item.path.stem, order[""]))
    for item in items:
        if item.path.stem in SHARING:
            # what one of them waits for is done for all: services of every engine, made, changed and taken back
            item.add_marker(pytest.mark.timeout(900))


class TwoWorkers(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """The second has OWN, BESIDE and LAST, the first all else."""

    def _split_scope(self, nodeid: str) -> str:
        return "second" if Path(nodeid.partition("::")[0]).stem in (*OWN, *BESIDE, LAST) else "first"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoWorkers:
    return TwoWorkers(config, log)


def tenants(names: Sequence[str] = TENANTS) -> list[Json]:
    """The tenants that all tests share, as they are set up: without quotas."""
    spec = {"regions": list(POPS), "owners": ["acme-admins"]}
    kind = {"apiVersion": "dbaas.example.com/v1alpha1", "kind": "Tenant"}
    return [{**kind, "metadata": {"name": name}, "spec": spec} for name in names]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    lab = Lab.up(POPS, state=tmp_path_factory.mktemp("pops"), delay=DELAY)
    try:
        set_up(lab)
        platform = Platform(lab)
        assert platform.module("tenants", {"tenants": tenants()})["changed"]
        yield platform
        assert not shown(platform)
    finally:
        lab.down(purge=True)


def shown(platform: Platform) -> list[tuple[str, str]]:
    """Tokens and derived passwords in Git, in logs and in all that was printed: where, and how they begin."""
    lab = platform.lab
    secrets = {lab.git_token("writer"), lab.git_token("argocd")}
    services = 0
    for pop in POPS:
        services += len((lab.api(pop).get("/apis/dbaas.example.com/v1alpha1/serviceclaims") or {"items": []})["items"])
        for item in (lab.api(pop).get("/api/v1/secrets") or {"items": []})["items"]:
            if item["metadata"].get("labels", {}).get("dbaas.example.com/managed-by") == "observer":
                # what a user or a database is called is none
                secrets |= {
                    text
                    for key, text in item["data"].items()
                    if not key.lower().endswith(("username", "_user", "database"))
                }
    secrets |= {base64.b64decode(text).decode() for text in list(secrets) if _base64(text)}
    # where tests have left services there are their passwords
    assert len(secrets) > (2 if services else 1)
    texts = {"printed": "".join(platform.printed), "git": platform.git("log", "--all", "-p", "--format=%B")}
    texts |= {path.name: path.read_text(errors="replace") for path in (lab.state / "logs").glob("*.log")}
    assert len(texts) > 10
    return [(name, secret[:6]) for name, text in texts.items() for secret in secrets if secret.strip() in text]


def _base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True).decode()
    except ValueError:
        return False
    return True


@dataclass
class Many:
    """Services of every engine, that were made and changed in one run of changes.yml; those of STILL as they were made.

    results: by task; objects and copies: region -> service -> the operator's object, the claim's copy, right after it;
    heads: before the services were there, with them, and changed.
    """

    folder: Path
    results: Json
    objects: Mapping[str, Json]
    copies: Mapping[str, Json]
    heads: Sequence[str]


@pytest.fixture(scope="session")
def many(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Many:
    assert platform.module("tenants", {"tenants": tenants(("many", "few"))})["changed"]
    folder = tmp_path_factory.mktemp("many")
    changed = {case.name: case.after for case in CASES}
    never = {name: {**STILL, **changed}[name] | spec for name, spec, _field, _why in NEVER}
    sets = {"before": {**STILL, **{case.name: case.before for case in CASES}}, "after": changed, "never": never}
    head = {"apiVersion": "dbaas.example.com/v1alpha1", "kind": "ServiceClaim"}
    for name, specs in sets.items():
        documents = [
            {
                **head,
                "metadata": {"name": service, "namespace": FEW if service in APART else MANY},
                "spec": {"region": "lagos", **spec},
            }
            for service, spec in specs.items()
        ]
        (folder / f"{name}.yml").write_text(yaml.safe_dump_all(documents))
    start = platform.head()
    code, output = platform.playbook(CHANGES, {"folder": str(folder)}, "--tags", "there")
    assert code == 0, output
    commits = platform.git("rev-list", "--reverse", f"{start}..main").split()
    kinds = [path.format(MANY) for path in OBJECTS.values()]
    claims = [f"dbaas.example.com/v1alpha1/namespaces/{MANY}/serviceclaims"]
    objects, copies = ({pop: _listed(platform, pop, paths) for pop in POPS} for paths in (kinds, claims))
    return Many(folder, json.loads((folder / "there.json").read_text()), objects, copies, [start, *commits])


def _listed(platform: Platform, pop: str, paths: Sequence[str]) -> Json:
    lists = [(platform.lab.api(pop).get(f"/apis/{path}") or {"items": []})["items"] for path in paths]
    return {item["metadata"]["name"]: item for items in lists for item in items}


@pytest.fixture(scope="session")
def genuine() -> Sequence[str]:
    """Folders of the genuine CRDs; tests that need them are skipped, and named, without."""
    source = crds.source()
    if not source.genuine:
        pytest.skip("no genuine CRDs: set DBAAS_CRDS to a folder of the operators' CRDs")
    return [str(source)]

"""How long it takes to declare 1,000 services, to look at 10,000, and for eight to write at once: for `make bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document, Request, plan_claims
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from rich.console import Console
from rich.table import Table

from tests.tools.tree import ROOT
from tests.unit.gitremote import CANARY, GitRemote, serving
from tests.unit.runner.world import POPS, SHIPPED, claim
from tests.unit.writers import crowd, prepare

Json = dict[str, Any]
CLAIMS = 1000
MANY = 10_000
#: what users are promised, in seconds
PROMISED = 10
WRITERS, MINUTE = 8, 60
#: what is slow is measured with fewer, and scaled
SAMPLE = 50


UNCHANGED = "service_claims, none changed"


@dataclass
class Bench:
    """Rows of the table: what, claims, seconds of wall clock and of CPU for all of them, and a remark."""

    rows: list[tuple[str, float, float, str, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @contextmanager
    def row(self, what: str, remark: str = "", scale: float = 1, count: int = CLAIMS) -> Iterator[None]:
        start, cpu = time.monotonic(), os.times()
        yield
        end = os.times()
        spent = sum(end[:4]) - sum(cpu[:4])
        self.rows.append((what, (time.monotonic() - start) * scale, spent * scale, remark, count))

    def wall(self, what: str) -> float:
        return next(row[1] for row in self.rows if row[0] == what)

    def promised(self, what: str, count: int) -> None:
        """Whether it was as quick as promised; where other work took the processors, by what it took of them itself."""
        wall, cpu = next(row[1:3] for row in self.rows if (row[0], row[4]) == (what, count))
        assert min(wall, cpu) < PROMISED


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    table = Table()
    table.add_column("what")
    for column in ("claims", "wall s", "CPU s", "ms a claim"):
        table.add_column(column, justify="right")
    table.add_column("remark")
    for what, wall, cpu, remark, count in bench.rows:
        table.add_row(what, f"{count:,}", f"{wall:.2f}", f"{cpu:.2f}", f"{wall / count * 1000:.2f}", remark)
    Console(width=140).print("", table, *bench.lines)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitRemote]:
    """A platform with a tenant, on a remote over HTTP."""
    with serving(tmp_path_factory.mktemp("remote")) as remote:
        ansible(remote, "gitops_repository", {"pops": POPS})
        ansible(remote, "tenant", {"tenant": "acme", "regions": ["lagos", "johannesburg"]})
        yield remote


@pytest.fixture(scope="module")
def src(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of all claims."""
    path = tmp_path_factory.mktemp("claims") / "claims.yml"
    path.write_text(documents.dump_all(claim(f"s{number:04}") for number in range(CLAIMS)))
    return path


def ansible(remote: GitRemote, module: str, arguments: Json) -> Json:
    """The module as a user runs it, Ansible's own start included."""
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", f"dbaas.platform.{module}"]
    env = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "DBAAS_REPOSITORY": remote.url,
        "DBAAS_GIT_USERNAME": "writer",
        "DBAAS_GIT_TOKEN": CANARY,
    }
    done = subprocess.run(
        [*command, "-a", json.dumps(arguments)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return dict(json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])[0])


def test_new_claims_and_the_same_again(bench: Bench, there: GitRemote, src: Path) -> None:
    with bench.row("service_claims, all new", "planned, rendered, one commit, pushed over HTTP"):
        made = ansible(there, "service_claims", {"src": str(src)})
    assert len(made["operations"]) == CLAIMS
    with bench.row("service_claims, all unchanged"):
        again = ansible(there, "service_claims", {"src": str(src)})
    assert not again["changed"]
    assert there.git("rev-list", "--count", "main").strip() == "3"
    bench.promised("service_claims, all new", CLAIMS)


@pytest.fixture(scope="module")
def rendered(bench: Bench, src: Path) -> list[tuple[str, list[Json]]]:
    """Name of each claim, and the objects that are rendered from it."""
    given = [Document("", item) for item in documents.load_all(src.read_bytes())]
    catalog, platform = base.stated(Run({"shipped": SHIPPED}))
    request = Request("", "bench", "30m", "0")

    def plan(items: list[Document]) -> dict[str, list[Json]]:
        return plan_claims(
            items, {}, catalog=catalog, platform=platform, tenants=None, request=request, yaml=base.YAML
        ).manifests

    plan(given[:1])
    with bench.row("admit, render and write, in process"):
        objects = plan(given)["lagos"]
    size = len(objects) // CLAIMS
    return [(item.data["metadata"]["name"], objects[number * size :][:size]) for number, item in enumerate(given)]


def test_writers(bench: Bench, rendered: list[tuple[str, list[Json]]]) -> None:
    def write(what: str, dump: Callable[[Json], str], count: int, remark: str) -> list[str]:
        with bench.row(what, remark, CLAIMS / count):
            return [dump(item) for _name, objects in rendered[:count] for item in objects]

    number = len(rendered[0][1])
    ours = write("YAML: our writer", documents.dump, CLAIMS, f"{number} objects a claim, {_size(rendered)} KB")
    c_dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    rival = write("YAML: PyYAML CSafeDumper", lambda item: yaml.dump(item, Dumper=c_dumper), CLAIMS, "rival")
    write("YAML: PyYAML SafeDumper", yaml.safe_dump, SAMPLE, f"rival, {SAMPLE} scaled")
    assert documents.load_all(ours[0]) == [yaml.load(rival[0], Loader=yaml.CSafeLoader)]
    assert bench.wall("YAML: our writer") < bench.wall("YAML: PyYAML CSafeDumper")


def _size(rendered: list[tuple[str, list[Json]]]) -> int:
    return len(documents.dump_all(rendered[0][1])) // 1024


def test_plain_git(bench: Bench, there: GitRemote, rendered: list[tuple[str, list[Json]]], tmp_path: Path) -> None:
    """What people do with a clone and a work tree, given the files ready made: only Git's share is counted."""
    texts = {f"plain/{name}.yaml": documents.dump_all(objects) for name, objects in rendered}
    url = there.url.replace("//", f"//writer:{CANARY.replace('/', '%2F')}@")

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=b", "-c", "user.email=b@example.com"]
        where = ["-C", str(tmp_path / "work")] if arguments[0] != "clone" else []
        subprocess.run(["git", *identity, *where, *arguments], check=True, capture_output=True)

    def commit(files: list[str]) -> None:
        for path in files:
            (tmp_path / "work" / path).write_text(texts[path])
        git("add", "plain")
        git("commit", "--quiet", "--message", "plain")
        git("push", "--quiet")

    git("clone", "--quiet", url, str(tmp_path / "work"))
    (tmp_path / "work/plain").mkdir()
    paths = list(texts)
    with bench.row("git: a commit and a push for each", f"rival, {SAMPLE} scaled; files ready made", CLAIMS / SAMPLE):
        for path in paths[:SAMPLE]:
            commit([path])
    with bench.row("git: one commit", "rival; files ready made, clone not counted"):
        commit(paths[SAMPLE:])
    assert bench.wall("service_claims, all new") < bench.wall("git: a commit and a push for each")


def test_many_claims_that_have_not_changed(bench: Bench, there: GitRemote, tmp_path: Path) -> None:
    (tmp_path / "many.yml").write_text(documents.dump_all(claim(f"m{number:05}", "many") for number in range(MANY)))
    ansible(there, "tenant", {"tenant": "many", "regions": ["lagos", "johannesburg"]})
    with bench.row("service_claims, all new", count=MANY):
        ansible(there, "service_claims", {"src": str(tmp_path / "many.yml")})
    with bench.row(UNCHANGED, "files against the repository, over HTTP", count=MANY):
        again = ansible(there, "service_claims", {"src": str(tmp_path / "many.yml")})
    assert not again["changed"]
    bench.promised(UNCHANGED, MANY)
    reconciled, validated = "gitops_reconciliation, nothing to render", "gitops_validation_info"
    with bench.row(reconciled, "the whole repository, over HTTP", count=MANY):
        assert not ansible(there, "gitops_reconciliation", {"requester": "bench"})["changed"]
    with bench.row(validated, "the same, each derived file held against its claim", count=MANY):
        assert not ansible(there, "gitops_validation_info", {"strict": True})["problems"]
    bench.promised(reconciled, MANY)


def test_eight_writers_for_a_minute(bench: Bench, tmp_path: Path) -> None:
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    with serving(tmp_path) as remote:
        prepare(remote)
        found = crowd(remote, WRITERS, MINUTE)
        commits = {commit for _name, commit, _seconds, _attempts in found.landed}
        assert commits <= {*remote.git("rev-list", "main").split()}
    bench.lines.append(f"{WRITERS} processes on one branch for {MINUTE} s, one new claim at a time: {found.line()}")
    if busy:
        bench.lines.append("(other work took the processors meanwhile)")
    assert found.failed == []
    assert len(commits) == len(found.landed)
    assert busy or found.p99 < PROMISED

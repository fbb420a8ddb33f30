from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change, Delivered, _pause, deliver
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.unit.gitremote import GitRemote, serving
from tests.unit.writers import crowd, prepare


@pytest.fixture
def there(tmp_path: Path) -> Iterator[GitRemote]:
    with serving(tmp_path / "remote") as remote:
        yield remote


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test leaves the temporary folder empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def send(
    target: GitRepository, files: Mapping[str, bytes | None], *, check: bool = False, diff: bool = False
) -> Delivered[int]:
    def plan(base: Snapshot) -> Change[int]:
        return Change(files, "m", "somebody", len(base.blobs))

    return deliver(target, plan, deadline=60, check=check, diff=diff, progress=lambda _text: None)


def test_only_what_differs_is_committed(there: GitRemote) -> None:
    with there.open() as repository:
        first = send(repository, {"a": b"1", "b": b"2", "gone": None})
        assert (first.base.commit, sorted(first.files), first.attempts, first.result) == ("", ["a", "b"], 1, 0)
        second = send(repository, {"a": b"1", "b": None, "gone": None})
        assert (second.base.commit, dict(second.files), second.result) == (first.commit, {"b": None}, 2)
        there.requests.clear()
        third = send(repository, {"a": b"1", "b": None})
        assert (third.commit, dict(third.files)) == ("", {})
        assert not any("receive-pack" in request for request in there.requests)
        assert repository.head() == second.commit


def test_check_sends_nothing(there: GitRemote) -> None:
    there.hook("pre-receive", "exit 1")
    with there.open("argocd") as repository:
        done = send(repository, {"a": b"1"}, check=True)
    assert (done.commit, dict(done.files)) == ("", {"a": b"1"})
    assert not any("receive-pack" in request for request in there.requests)


def test_diff_is_that_of_the_commit_before_it_is_sent(there: GitRemote) -> None:
    with there.open() as repository:
        begun = send(repository, {"a": b"1\n2\n3\n", "gone": b"x", "stays": b"y"}, diff=True)
        assert "+++ b/gone" in begun.diff
    changes = {"a": b"1\nzwei\n3\n", "gone": None, "stays": b"y", "\u00e9/new": b"bytes \xff\x00"}
    shown = []
    for check in (True, False):
        with there.open() as repository:
            done = send(repository, changes, check=check, diff=True)
        assert (done.commit == "") is check
        assert there.git("rev-list", "--count", "main").strip() == ("1" if check else "2")
        shown.append(done.diff)
    assert shown[0] == shown[1] == there.git("diff", "--no-renames", "main~1", "main")
    with there.open() as repository:
        assert send(repository, changes, check=True, diff=True).diff == send(repository, changes, diff=True).diff == ""


def test_a_plan_that_fails_leaves_nothing(there: GitRemote) -> None:
    def plan(_base: Snapshot) -> Change[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), there.open() as repository:
        deliver(repository, plan, deadline=1, check=False, progress=print)


def test_four_writers_all_land_none_twice(there: GitRemote) -> None:
    """Each with five commits of five claims, all at once, each commit also changing a file that all of them write."""

    def writer(number: int) -> list[Delivered[None]]:
        done = []
        with there.open() as repository:
            for turn in range(5):
                name = f"w{number}-{turn}"

                def plan(base: Snapshot, name: str = name) -> Change[None]:
                    counted = base.read(["all"]).get("all", b"") + f"{name}\n".encode()
                    files = {f"tenants/{name}/claims/{claim}.yaml": f"{name}: {claim}\n".encode() for claim in range(5)}
                    return Change(files | {"all": counted}, f"commit {name}", f"writer {number}", None)

                done.append(deliver(repository, plan, deadline=120, check=False, progress=waits.append))
        return done

    waits: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        done = [delivered for four in pool.map(writer, range(4)) for delivered in four]
    names = sorted(f"w{number}-{turn}" for number in range(4) for turn in range(5))
    assert sorted(there.git("log", "--format=%s", "main").split("\n")[:-1]) == [f"commit {name}" for name in names]
    assert sorted(there.git("show", "main:all").split()) == names
    assert len(there.git("ls-tree", "-r", "--name-only", "main").split()) == 101
    assert len({delivered.commit for delivered in done}) == 20
    assert len(waits) == sum(delivered.attempts - 1 for delivered in done)
    assert there.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert there.git("fsck", "--strict", "--no-dangling") == ""


class Raced:
    """A remote that refuses every push with this code."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.pushes = 0

    def fetch(self) -> Snapshot:
        return Snapshot(GitRepository.__new__(GitRepository), "")

    def commit(self, base: Snapshot, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        return f"{base.commit}{len(changes)}{message}{author}"

    def diff(self, base: Snapshot, commit: str) -> str:
        return f"{base.commit}{commit}"

    def snapshot(self, commit: str) -> Snapshot:
        return Snapshot(GitRepository.__new__(GitRepository), commit)

    def push(self, commit: str) -> None:
        self.pushes += 1
        raise DbaasError(self.code, commit)


@pytest.mark.parametrize("code", ["git-refused", "git-auth", "git-unreachable"])
def test_only_a_race_is_tried_again(code: str) -> None:
    target = Raced(code)
    with pytest.raises(DbaasError) as caught:
        deliver(target, lambda _base: Change({"a": b""}, "m", "a", 1), deadline=9, check=False, progress=print)
    assert (caught.value.code, target.pushes) == (code, 1)


def test_races_end_at_the_deadline() -> None:
    target, said = Raced("git-raced"), list[str]()
    begin = time.monotonic()
    with pytest.raises(DbaasError, match=r"attempts in 4 s") as caught:
        deliver(target, lambda _base: Change({"a": b""}, "m", "a", 1), deadline=4, check=False, progress=said.append)
    assert time.monotonic() - begin <= 4.5
    assert (caught.value.code, caught.value.retry) == ("git-raced", True)
    assert len(said) == target.pushes - 1 > 0
    assert said[0] == "Another writer was faster; attempt 2 follows."


def test_eight_processes_on_one_branch_all_land_and_none_twice(there: GitRemote) -> None:
    """The whole runner of service_claim, one claim each at a time, as `make bench` does for a minute."""
    prepare(there)
    before = int(there.git("rev-list", "--count", "main"))
    found = crowd(there, 8, 4)
    print(found.line())
    assert found.failed == []
    names = [name for name, _commit, _seconds, _attempts in found.landed]
    assert len(names) >= 8
    log = there.git("log", "--format=%H %s%n%(trailers:key=Dbaas-Operation,valueonly)", "main")
    for name, commit, _seconds, _attempts in found.landed:
        assert f"{commit} Create service acme/{name}\n" in log
    assert int(there.git("rev-list", "--count", "main")) - before == len(names)
    operations = re.findall(r"^(\S+) create acme/(\S+) ", log, re.MULTILINE)
    assert sorted(name for _operation, name in operations) == sorted(names)
    assert len({operation for operation, _name in operations}) == len(names)
    files = there.git("ls-tree", "-r", "--name-only", "main", "tenants/acme/").split()
    assert {f"tenants/acme/claims/{name}.yaml" for name in names} <= {*files}
    assert {f"tenants/acme/lagos/services/{name}.yaml" for name in names} <= {*files}
    assert there.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_pauses_get_shorter() -> None:
    """Whoever has lost often comes before those that have just begun."""
    means = [statistics.mean(_pause(lost) for _turn in range(200)) for lost in range(1, 7)]
    assert means[0] > 1.5 * means[1] > 2 * means[2] > 2.5 * means[3]
    assert all(0.15 <= _pause(lost) <= 3 for lost in range(1, 50))


def test_ten_thousand_files(there: GitRemote) -> None:
    claim = (
        "apiVersion: dbaas.example.com/v1alpha1\nkind: ServiceClaim\nmetadata: {{name: s{0}}}\nspec: {{number: {0}}}\n"
        * 8
    )
    files = {f"tenants/{n % 500}/claims/s{n}.yaml": claim.format(n).encode() for n in range(10_000)}
    with there.open() as repository:
        send(repository, files)
    there.requests.clear()
    begin = time.monotonic()
    with there.open() as repository:
        chosen = list(files)[:100]
        fetched = repository.fetch()
        assert (len(fetched.blobs), len(fetched.read(chosen))) == (10_000, 100)
        print(f"fetch and read of 100: {time.monotonic() - begin:.2f} s")
        begin = time.monotonic()
        send(repository, files | dict.fromkeys(chosen, b"changed"))
        print(f"fetch, plan, commit and push: {time.monotonic() - begin:.2f} s")
    assert time.monotonic() - begin < 30
    assert len(there.requests) <= 10

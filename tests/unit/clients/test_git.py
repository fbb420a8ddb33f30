from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients import git as module
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote, blob_id
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.unit.gitremote import CANARY, GitRemote, serving

NOBODY = "1" * 40


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


def write(repository: GitRepository, message: str = "m", **files: str | None) -> str:
    changes = {path.replace("__", "/"): None if text is None else text.encode() for path, text in files.items()}
    commit = repository.commit(repository.fetch(), changes, message, "somebody")
    repository.push(commit)
    return commit


def refusal(action: Callable[[], object]) -> DbaasError:
    with pytest.raises(DbaasError) as caught:
        action()
    shown = (
        f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r} {vars(caught.value)}"
    )
    assert all(secret not in shown for secret in Remote("x", token=CANARY, username="writer").secrets)
    return caught.value


def test_first_commit_of_an_empty_remote(there: GitRemote) -> None:
    with there.open() as repository:
        assert repository.head() is None
        snapshot = repository.fetch()
        assert (snapshot.commit, dict(snapshot.blobs), snapshot.read(["a"])) == ("", {}, {})
        commit = repository.commit(
            snapshot, {"tenants/1/a.yaml": b"a: 1\n"}, "First\n\nDbaas-Operation: 7\n", "Jo Doe <jo@x.org>"
        )
        assert there.git("branch") == ""
        repository.push(commit)
        assert repository.head() == commit == repository.fetch().commit
        assert repository.fetch().read(["tenants/1/a.yaml", "b"]) == {"tenants/1/a.yaml": b"a: 1\n"}
    shown = there.git("log", "--format=%an|%ae|%cn|%B")
    assert shown.strip() == "Jo Doe|jo@x.org|dbaas.platform|First\n\nDbaas-Operation: 7"
    assert there.git("fsck", "--strict") == ""


def test_commit_changes_deletes_and_keeps(there: GitRemote) -> None:
    odd = 'we"ird \\ é\nline'
    with there.open() as repository:
        write(repository, a="1", b__c="2", b__d="3")
        base = repository.fetch()
        changes = {"a": None, "b/c": b"two\r\n\x00", odd: b"", "not-there": None}
        repository.push(repository.commit(base, changes, "ünïcode", "<<evil\n> committer x"))
        after = repository.fetch()
        assert after.read([*after.blobs]) == {"b/c": b"two\r\n\x00", "b/d": b"3", odd: b""}
        assert after.blobs["b/c"] == blob_id(b"two\r\n\x00")
    assert there.git("log", "--format=%an|%ae|%s", "-1").strip() == "dbaas.platform|evil   committer x|ünïcode"


def test_blobs_come_in_one_batch_and_pushes_fetch_nothing(there: GitRemote) -> None:
    paths = [f"d{number % 7}/f{number}" for number in range(200)]
    with there.open() as repository:
        repository.push(repository.commit(repository.fetch(), {path: path.encode() for path in paths}, "m", "a"))
        write(repository, another="commit")
    there.requests.clear()
    with there.open() as repository:
        snapshot = repository.fetch()
        objects = ["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]
        assert set(repository._git(*objects).decode().split()) == {"commit", "tree"}
        assert repository._git("rev-list", "--count", snapshot.commit) == b"1\n"
        fetched = len(there.requests)
        assert len(snapshot.read(paths)) == 200
        assert len(there.requests) - fetched == 2
        assert snapshot.read(paths[:9])[paths[3]] == paths[3].encode()
        assert len(there.requests) - fetched == 2
        commit = repository.commit(snapshot, {"d1/new": b"x", paths[0]: None, paths[9]: b"y"}, "m", "a")
        there.requests.clear()
        repository.push(commit)
        assert [line for line in there.requests if "upload-pack" in line] == []
        there.requests.clear()
        assert repository.fetch().read(["d1/new"]) == {"d1/new": b"x"}


def test_a_faster_writer_is_a_race(there: GitRemote) -> None:
    with there.open() as slow, there.open() as fast:
        write(fast, a="0")
        commit = slow.commit(slow.fetch(), {"b": b"slow"}, "m", "a")
        write(fast, a="1")
        assert refusal(lambda: slow.push(commit)).code == "git-raced"
        slow.fetch()
        assert refusal(lambda: slow.push(commit)).code == "git-raced"
        write(slow, b="slow")
        assert fast.fetch().read(["a", "b"]) == {"a": b"1", "b": b"slow"}


def test_first_writers_of_an_empty_remote_race(there: GitRemote) -> None:
    with there.open() as slow, there.open() as fast:
        commit = slow.commit(slow.fetch(), {"b": b"slow"}, "m", "a")
        write(fast, a="1")
        assert refusal(lambda: slow.push(commit)).code == "git-raced"


def test_a_branch_that_appears_while_it_is_looked_for(there: GitRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    with there.open() as slow, there.open() as fast:
        heads = slow._heads

        def late(pattern: str) -> dict[str, str]:
            write(fast, a="1")
            return heads(pattern)

        monkeypatch.setattr(slow, "_heads", late)
        assert slow.fetch().read(["a"]) == {"a": b"1"}


def test_a_hook_refuses_in_its_own_words(there: GitRemote) -> None:
    there.hook("pre-receive", f"echo 'Protected: non-fast-forward {CANARY}' >&2; echo; echo second line; exit 1")
    with there.open() as repository:
        error = refusal(lambda: write(repository, a="1"))
    assert error.code == "git-refused"
    assert "pre-receive hook declined" in error.message
    assert "remote: Protected: non-fast-forward ********\nremote: second line" in error.message


def test_reader_may_read_only(there: GitRemote) -> None:
    with there.open() as repository:
        write(repository, a="1")
    with there.open("argocd") as repository:
        assert repository.fetch().read(["a"]) == {"a": b"1"}
        error = refusal(lambda: write(repository, a="2"))
    assert (error.code, error.retry) == ("git-auth", False)
    assert "403" in error.message


@pytest.mark.parametrize("token", ["wrong-" + CANARY, None])
def test_wrong_token(there: GitRemote, token: str | None) -> None:
    with GitRepository(there.remote(token=token)) as repository:
        assert refusal(repository.head).code == "git-auth"
        assert refusal(repository.fetch).code == "git-auth"


def test_unreachable(there: GitRemote, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        cases = {
            "http://nowhere.invalid/r.git": "Could not resolve",
            "http://127.0.0.1:1/r.git": "Failed to connect",
            f"http://127.0.0.1:{port}/r.git": "no answer within 1 s",
            there.url.replace("gitops", "other"): "not found",
            f"file://{tmp_path}/none.git": "does not appear to be a git repository",
            str(tmp_path / "none.git"): "does not appear to be a git repository",
        }
        for url, words in cases.items():
            with GitRepository(Remote(url, token=CANARY, username="writer"), timeout=1) as repository:
                for action in (repository.head, repository.fetch, lambda: repository.fetch_trees([NOBODY])):
                    error = refusal(action)
                    code = "git-timeout" if "no answer" in words else "git-unreachable"
                    assert (error.code, error.retry) == (code, True)
                    assert words in error.message
                    assert url in error.message


def test_push_that_hangs_is_ended_with_all_its_processes(there: GitRemote) -> None:
    with there.open() as repository:
        commit = repository.commit(repository.fetch(), {"a": b"1"}, "m", "a")
    there.hook("pre-receive", "sleep 3; exit 1")
    with GitRepository(there.remote(), timeout=1) as repository:
        commit = repository.commit(repository.fetch(), {"a": b"1"}, "m", "a")
        error = refusal(lambda: repository.push(commit))
        folder = os.fsencode(repository._folder)
    assert (error.code, "no answer within 1 s" in error.message) == ("git-timeout", True)
    assert not [environ for environ in processes("environ") if folder in environ]


def test_interrupted_call_leaves_no_process(there: GitRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with there.open() as repository:
        folder = os.fsencode(repository._folder)
        monkeypatch.setattr("subprocess.Popen.communicate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            repository.fetch()
    assert not [environ for environ in processes("environ") if folder in environ]


def test_blobs_that_do_not_come(there: GitRemote) -> None:
    with there.open() as repository:
        write(repository, a="1")
    with there.open() as repository:
        snapshot = repository.fetch()
        there.drop = "POST"
        assert refusal(lambda: snapshot.read(["a"])).code == "git-unreachable"


def processes(what: str) -> list[bytes]:
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{what}"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return found


def test_push_whose_answer_is_lost_has_landed(there: GitRemote) -> None:
    with there.open() as repository:
        commit = repository.commit(repository.fetch(), {"a": b"1"}, "m", "a")
        there.drop = "POST /dbaas-gitops.git/git-receive-pack"
        repository.push(commit)
        assert there.git("rev-parse", "main").strip() == commit
        there.hook("pre-receive", "exit 1")
        lost = repository.commit(repository.fetch(), {"a": b"2"}, "m", "a")
        assert refusal(lambda: repository.push(lost)).code == "git-unreachable"
        there.drop = ""
        assert refusal(lambda: repository.push(lost)).code == "git-unreachable"


def test_missing_branch_beside_others(there: GitRemote) -> None:
    with there.open() as repository:
        write(repository, a="1")
    with GitRepository(there.remote(branch="live")) as repository:
        assert repository.head() is None
        error = refusal(repository.fetch)
    assert (error.code, "has no branch live; it has: main" in error.message) == ("option-invalid", True)


def test_token_is_nowhere_but_in_the_environment(there: GitRemote, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    there.hook("pre-receive", f"cat /proc/[0-9]*/cmdline > {seen} 2>/dev/null; exit 0")
    with GitRepository(there.remote(), folder=tmp_path / "kept") as repository:
        write(repository, a="1")
        repository.fetch().read(["a"])
        files = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
        kept = b"".join(path.read_bytes() for path in files)
        assert len(files) > 5
    assert b"remote-http" in seen.read_bytes()
    assert CANARY not in repr(repository.remote)
    for secret in repository.remote.secrets:
        assert secret.encode() not in seen.read_bytes() + kept
    # Calls that do not speak to the remote do not have it either.
    assert CANARY not in str(repository._local)


def test_password_in_the_address_is_refused() -> None:
    error = refusal(lambda: Remote(f"https://me:{CANARY.replace('/', '%2F')}@git.example.com/r.git"))
    assert error.code == "option-invalid"
    assert Remote("git@host:path:with:colons").secrets == []
    # as which GitHub and others take a token too
    assert refusal(lambda: Remote(f"https://{CANARY.replace('/', '%2F')}@host/r.git")).code == "option-invalid"
    assert Remote("ssh://git@host/r.git").url == "ssh://git@host/r.git"


def test_redirects_do_not_take_the_token_along(there: GitRemote) -> None:
    with redirecting(there.url) as url, GitRepository(Remote(url, token=CANARY, username="writer")) as repository:
        error = refusal(repository.head)
    assert error.code == "git-unreachable"
    assert "give its final address" in error.message
    assert there.requests == []


class redirecting:  # noqa: N801
    def __init__(self, url: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(301)
                self.send_header("Location", url + self.path.removeprefix("/r.git"))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/r.git"

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_configuration_of_the_user_changes_nothing(there: GitRemote, tmp_path: Path) -> None:
    hostile = (
        '[url "http://127.0.0.1:1/"]\ninsteadOf = http://\n[core]\nhooksPath = /nowhere\n[fetch]\nprune = nonsense\n'
    )
    (tmp_path / ".gitconfig").write_text(hostile)
    mine = {
        "HOME": str(tmp_path),
        "GIT_DIR": "/nowhere",
        "GIT_CONFIG_COUNT": "x",
        "GIT_TRACE": "2",
        "GIT_ASKPASS": "/nowhere",
    }
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, text in (mine | {"GIT_SSH": "s"}).items():
                patch.setenv(name, text)
            repository = stack.enter_context(there.open())
        write(repository, a="1")
        assert "GIT_SSH_COMMAND" not in repository._online
        assert repository._online["GIT_SSH"] == "s"


@pytest.mark.parametrize("prefix", ["file://", ""])
def test_local_remotes(there: GitRemote, prefix: str) -> None:
    with GitRepository(Remote(f"{prefix}{there.repository}", token=CANARY)) as repository:
        write(repository, a="1")
        write(repository, b="2")
        assert repository.fetch().read("ab") == {"a": b"1", "b": b"2"}
        assert CANARY not in str(repository._online)


def test_relative_path(there: GitRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(there.repository.parent)
    with GitRepository(Remote(there.repository.name)) as repository:
        write(repository, a="1")


def test_no_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(lambda: GitRepository(Remote("x"), folder=tmp_path / "f").__enter__()).code == "dependency-missing"


def test_nothing_is_left_when_opening_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(lambda: GitRepository(Remote("x")).__enter__()).code == "dependency-missing"


def test_the_ear(there: GitRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    with there.open() as repository:
        first = write(repository, t__1__s__a="1", t__2__s__b="1", base="x")
        second = write(repository, t__1__s__a="2")
        third = write(repository, t__2__s__b=None, top="1")
    with there.open("argocd") as repository:
        head = repository.head()
        assert head == third
        there.requests.clear()
        assert repository.fetch_trees([first, second, third, NOBODY]) == {first, second, third}
        assert len(there.requests) <= 4
        there.requests.clear()
        assert repository.fetch_trees([first, third]) == {first, third}
        assert repository.changed(first, second) == ["t/1/s/a"]
        assert repository.changed(second, third) == ["t/2/s/b", "top"]
        assert there.requests == []
        monkeypatch.setattr(module, "_FETCHES", 0)
        assert repository.fetch_trees([third]) == {third}
        assert repository._fetches == 1
        assert there.requests != []


def test_folder_is_made_new_and_kept(there: GitRemote, tmp_path: Path) -> None:
    broken = tmp_path / "kept" / "dbaas.git"
    broken.mkdir(parents=True)
    (broken / "HEAD").write_text("rubbish")
    (broken / "shallow.lock").touch()
    (tmp_path / "kept" / "mine").write_text("stays")
    with GitRepository(there.remote(), folder=tmp_path / "kept") as repository:
        write(repository, a="1")
    assert (broken / "objects").is_dir()
    assert (tmp_path / "kept" / "mine").read_text() == "stays"


def test_failure_on_local_objects_is_told(there: GitRemote) -> None:
    with there.open() as repository, pytest.raises(Exception, match="git fast-import --quiet: fatal"):
        repository.commit(module.Snapshot(repository, NOBODY), {"a": b""}, "m", "a")


def test_blob_id_is_gits() -> None:
    command = ["git", "hash-object", "--stdin"]
    for data in (b"", b"x", b"\x00\r\n" * 99):
        assert (
            blob_id(data)
            == subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()
        )


# --- history -------------------------------------------------------------------------------------------------------


def test_history_is_read_no_further_than_it_is_asked_for(there: GitRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEPTHS", (2, 4, 0x7FFFFFFF))
    with there.open() as repository:
        made = [write(repository, f"commit {n}\n\nTrailer: {n}", **{"a": str(n), f"other{n}": "x"}) for n in range(3)]
        made += [write(repository, f"unrelated {n}", b=str(n)) for n in range(3)]
        made += [write(repository, "gone", a=None), write(repository, "back", a="new")]
    with there.open() as repository:
        snapshot = repository.fetch()
        there.requests.clear()
        history = repository.history(snapshot, ["a"])
        first = next(history)
        assert (first.commit, first.author, first.message) == (made[-1], "somebody", "back")
        assert dict(first.blobs) == {"a": blob_id(b"new")}
        assert abs(first.time - int(there.git("log", "-1", "--format=%ct", "main"))) == 0
        fetches = len([request for request in there.requests if request.startswith("POST")])
        rest = list(history)
        assert len([request for request in there.requests if request.startswith("POST")]) > fetches
        assert [item.message.split("\n")[0] for item in rest] == ["gone", "commit 2", "commit 1", "commit 0"]
        assert [item.commit for item in rest[1:]] == made[2::-1]
        assert dict(rest[0].blobs) == {"a": ""}
        assert rest[1].message == "commit 2\n\nTrailer: 2"
        # what a commit did beside it is not told, and no content has come
        assert dict(rest[1].blobs) == {"a": blob_id(b"2")}
        assert repository._git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").count(b"blob") == 0
        assert repository.file(made[1], "a") == b"1"
        assert repository.file(made[6], "a") is None
        assert list(repository.history(snapshot, ["never"])) == []
        # several files are told together
        assert dict(next(iter(repository.history(snapshot, ["b", "other2"]))).blobs) == {"b": blob_id(b"2")}
        both = list(repository.history(snapshot, ["a", "other2"]))
        assert dict(both[2].blobs) == {"a": blob_id(b"2"), "other2": blob_id(b"x")}


def test_commits_and_messages_are_found_in_the_whole_history(there: GitRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEPTHS", (1, 3, 0x7FFFFFFF))
    with there.open() as repository:
        made = [write(repository, f"commit {n} (id-{n})", a=str(n)) for n in range(5)]
    there.git("update-ref", "refs/heads/other", made[0])
    there.git("update-ref", "refs/heads/main", made[3])
    with there.open() as repository:
        snapshot = repository.fetch()
        assert repository.commits(snapshot, made[1][:12]) == [made[1]]
        assert repository.commits(snapshot, made[4]) == []
        assert set(repository.commits(snapshot, "")) == {made[3]}
        assert repository.messages(snapshot, "(id-1)") == ["commit 1 (id-1)"]
        assert repository.messages(snapshot, "id-4") == []
        # another commit on top of a deepened history
        assert write(repository, a="on top") == repository.head()


def test_a_merged_branch_is_the_one_commit_that_merged_it(there: GitRemote, tmp_path: Path) -> None:
    with there.open() as repository:
        write(repository, "first", a="1")
    work = tmp_path / "work"

    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=p", "-c", "user.email=p@x", "-C", str(work), *arguments],
            check=True,
            capture_output=True,
        )

    subprocess.run(["git", "clone", "--quiet", str(there.repository), str(work)], check=True)
    git("checkout", "-b", "proposal")
    for number in range(2):
        (work / "a").write_text(f"proposed {number}")
        git("commit", "--all", "--message", f"proposal {number}")
    git("checkout", "main")
    git("merge", "--no-ff", "--message", "Merge it", "proposal")
    git("push", "origin", "main")
    with there.open() as repository:
        found = list(repository.history(repository.fetch(), ["a"]))
        assert [item.message.strip() for item in found] == ["Merge it", "first"]
        assert dict(found[0].blobs) == {"a": blob_id(b"proposed 1")}


def test_an_empty_remote_has_no_history(there: GitRemote) -> None:
    with there.open() as repository:
        nothing = repository.fetch()
        assert (list(repository.history(nothing, ["a"])), repository.commits(nothing, "a")) == ([], [])


def test_history_that_does_not_come(there: GitRemote) -> None:
    with there.open() as repository:
        write(repository, a="1")
        snapshot = repository.fetch()
        there.repository.rename(there.repository.with_name("away"))
        assert refusal(lambda: list(repository.history(snapshot, ["a"]))).code == "git-unreachable"
        there.repository.with_name("away").rename(there.repository)


# --- what killed runs leave ------------------------------------------------------------------------------------------


def test_folders_that_nobody_holds_are_taken_away(there: GitRemote, temporary: Path) -> None:
    unborn, young, foreign = (temporary / f"dbaas-git-{name}" for name in ("unborn", "young", "foreign"))
    dead = temporary / "dbaas-git-dead"
    for folder in (unborn, young, dead, temporary / "other"):
        folder.mkdir()
    foreign.write_text("a file")
    (dead / "lock").touch()
    (dead / "dbaas.git").mkdir()
    os.utime(unborn, (1, 1))
    with there.open() as one:
        left = {path.name for path in temporary.iterdir()}
        assert left == {"dbaas-git-young", "dbaas-git-foreign", "other", one._folder.parent.name}
        with there.open():
            assert one._folder.exists()
    for folder in (young, temporary / "other"):
        folder.rmdir()
    foreign.unlink()

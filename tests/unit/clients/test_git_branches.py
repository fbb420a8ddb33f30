"""Signed commits, and branches beside the platform's own."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.lab.gitserver import make_repository

COMMITTER = "The Platform <platform@acme.org>"


def key(folder: Path, name: str, phrase: str = "") -> Path:
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-C", name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(f"file://{make_repository(tmp_path / 'git')}")


def send(remote: Remote, path: str = "a", author: str = "Ada <ada@acme.org>") -> str:
    with GitRepository(remote) as repository:
        commit = repository.commit(repository.fetch(), {path: b"text"}, "Say it\n\nTrailer: ä\n", author)
        repository.push(commit)
    return commit


def git(remote: Remote, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", remote.url.removeprefix("file://"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verify(remote: Remote, commit: str, folder: Path, public: Path) -> int:
    """What a Git host does: the signature is good, and of one of those who may sign."""
    allowed = folder / f"allowed-{public.name}"
    allowed.write_text(f"platform@acme.org {public.read_text()}")
    config = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}"]
    return git(remote, *config, "verify-commit", commit).returncode


def test_a_commit_is_signed_with_the_key_that_is_named(remote: Remote, tmp_path: Path) -> None:
    ours, others = key(tmp_path, "ours"), key(tmp_path, "others")
    signed = replace(remote, signing_key_file=str(ours), committer=COMMITTER)
    first, second = send(signed), send(signed, "b")
    for commit in (first, second):
        assert verify(remote, commit, tmp_path, ours.with_suffix(".pub")) == 0
        assert verify(remote, commit, tmp_path, others.with_suffix(".pub")) != 0
    said = git(remote, "log", "-1", "--format=%an %ae|%cn %ce|%P|%B", second).stdout.rstrip("\n")
    assert said == f"Ada ada@acme.org|The Platform platform@acme.org|{first}|Say it\n\nTrailer: ä"
    assert git(remote, "ls-tree", "--name-only", second).stdout.split() == ["a", "b"]


def test_nothing_is_signed_without_a_key(remote: Remote, tmp_path: Path) -> None:
    commit = send(remote)
    assert "gpgsig" not in git(remote, "cat-file", "commit", commit).stdout
    assert git(remote, "log", "-1", "--format=%cn %ce").stdout == "dbaas.platform noreply@dbaas.example.com\n"
    assert git(remote, "log", "-1", "--format=%cn %ce", send(replace(remote, committer=COMMITTER), "c")).stdout == (
        "The Platform platform@acme.org\n"
    )


def test_a_key_that_cannot_sign_is_refused_by_its_option(remote: Remote, tmp_path: Path) -> None:
    sealed, good = key(tmp_path, "sealed", "a phrase"), key(tmp_path, "good")
    good.chmod(0o644)
    sealed.with_suffix(".pub").chmod(0o600)
    for path, words in (
        (sealed, "passphrase"),
        (sealed.with_suffix(".pub"), "public half"),
        (good, "others may read it"),
        (tmp_path / "nowhere", "No such file"),
    ):
        with pytest.raises(DbaasError) as caught, GitRepository(replace(remote, signing_key_file=str(path))):
            pass
        assert caught.value.code == "option-invalid"
        assert caught.value.message.startswith(f"signing_key_file: {path}: ")
        assert words in caught.value.message


def test_no_copy_of_the_key_is_left(remote: Remote, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with GitRepository(replace(remote, signing_key_file=str(key(tmp_path, "ours"))), folder):
        copies = [path for path in folder.rglob("signing-key*") if path.is_file()]
        assert [path.stat().st_mode & 0o777 for path in copies] == [0o600]
    assert [*folder.rglob("signing-key*")] == []


def test_another_branch_is_written_only_as_it_was_seen(remote: Remote) -> None:
    git(remote, "config", "receive.denyNonFastForwards", "false")
    head = send(remote)
    with GitRepository(remote) as repository:
        assert repository.branch("dbaas/x") is None
        base = repository.fetch()
        one, two = (repository.commit(base, {path: b""}, f"{path}\n", "me") for path in ("one", "two"))
        repository.push_branch("dbaas/x", one, "")
        found = repository.branch("dbaas/x")
        assert found is not None
        assert (found.commit, found.parents, found.message) == (one, (head,), "one\n")
        assert found.same(repository.standing(one))
        assert not found.same(repository.standing(two))
        # somebody was there, or something else
        for stands in ("", head):
            with pytest.raises(DbaasError) as caught:
                repository.push_branch("dbaas/x", two, stands)
            assert caught.value.code == "git-raced"
        repository.push_branch("dbaas/x", two, one)
    with GitRepository(remote) as repository:
        # in a repository that has nothing yet
        again = repository.branch("dbaas/x")
        assert again is not None
        assert (again.commit, repository.head()) == (two, head)

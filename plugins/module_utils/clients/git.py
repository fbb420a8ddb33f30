# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Git by its own plumbing: shallow, blobless, without a work tree. Needs git 2.31 or later.

A repository of 50,000 services is never cloned: the trees of one commit come in one fetch, the blobs that are read in
a second one, and a commit is built in the object store by fast-import.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, cast
from urllib.parse import quote, unquote, urlsplit

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

COMMITTER = "dbaas.platform"
MAIL = "noreply@dbaas.example.com"

# What stays of the caller's GIT_*: GIT_DIR, GIT_TRACE, GIT_CONFIG_* and the like would change or reveal what we do.
_KEPT = ("GIT_SSL_", "GIT_SSH", "GIT_PROXY_", "GIT_EXEC_PATH")
# What stderr says -> the code of the failure, and what people are told beside it. The first that is found holds.
_FAILURES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(words), code, hint)
    for words, code, hint in (
        (
            r"REMOTE HOST IDENTIFICATION HAS CHANGED|has changed and you have requested strict checking",
            "git-host-key",
            "the key of the host is not the one that ssh_known_hosts holds for it",
        ),
        (
            r"Host key verification failed|host key is known for",
            "git-host-key",
            "ssh_known_hosts holds no key of this host",
        ),
        (
            r"[Cc]ertificate verif|SSL certificate problem|certificate subject name|self[- ]signed certificate",
            "git-certificate",
            "none of the authorities that are trusted here (ca_cert) has signed the remote's certificate for this name",
        ),
        (r"Load key ", "git-auth", "ssh_key_file holds no private key that ssh can read"),
        (r"marked as read only|does not have write access|not allowed to push code to this", "git-auth", ""),
        (r"Permission denied \(", "git-auth", "the remote does not accept this key"),
        (
            r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]|Permission denied",
            "git-auth",
            "",
        ),
        (r"returned error: 407|response 407|code 407", "git-proxy", "the proxy wants a user and password, or others"),
        (
            r"CONNECT tunnel failed|from proxy after CONNECT|Proxy CONNECT aborted",
            "git-proxy",
            "the proxy does not let this through",
        ),
        (r"[Rr]esolve proxy", "git-proxy", "the name of the proxy is not known"),
        (r"Operation too slow|no answer within|Timeout, server .* not responding", "git-timeout", ""),
        (r"[Cc]onnection timed out|Operation timed out", "git-timeout", ""),
    )
)
# GitHub's branch protection and rule sets, GitLab's, Gitea's and Forgejo's, Bitbucket's, Azure DevOps'.
_PROTECTED = re.compile(
    r"GH006|GH013|protected branch|[Pp]rotected branch|repository rule violations|can only be modified through pull"
    r"|TF402455"
)
_RACED = re.compile(
    r"^\[rejected\]|non-fast-forward|fetch first|stale info"
    r"|failed to (?:update|lock)|cannot lock|incorrect old|already exists"
)
_UNKNOWN = re.compile(r"not our ref ([0-9a-f]{40,64})")
# Derived files are alike, so they are packed as what differs: git would work out the same base again and again.
_ROOMY = ("-c", "core.deltaBaseCacheLimit=256m")
_NO_NEGOTIATION = ("-c", "fetch.negotiationAlgorithm=noop")
_SSH_SAYS = re.compile(
    r"ssh: |(?=Load key |Host key for |No \S+ host key is known|SHA256:|Permission denied|\S+: Permission denied"
    r"|Host key verification failed|Connection (?:closed|reset|timed out)|kex_exchange_identification"
    r"|Timeout, server)"
)
_SERVER_SAYS = re.compile(r"ERROR: ")
_GIT_SAYS = re.compile(r"fatal: |error: ")
# Keys and known hosts, in the folder of the repository.
_KEY, _HOSTS, _SIGNING = "ssh-key", "ssh-known-hosts", "signing-key"
# Each fetch leaves a pack. A repository that lives as long as the observer does starts anew before they slow it down.
_FETCHES = 256
# How many commits of history come at first, and then; the last is what git takes for all.
_DEPTHS = (50, 500, 0x7FFFFFFF)
_PREFIX = "dbaas-git-"
# Seconds after which a folder without a lock was left by a process that died before it could take it.
_UNBORN = 3600


@dataclass(frozen=True)
class Remote:
    """Where the repository is: `http(s)://`, `ssh://`, `user@host:path`, `file://` or a local path.

    token: password of `username`; ca_cert: path of a PEM file; proxy: URL. All three are for http(s) only.
    ssh_key_file, ssh_known_hosts: paths. With a key nothing of the user's own SSH is used: no agent, no other key, no
    configuration; with known hosts no others. Without, both are the user's; a host that is not known is refused always.
    signing_key_file: path of an SSH private key with which commits are signed. committer: "name <mail>" of its owner.
    Raises DbaasError option-invalid when the URL itself holds a password (it would be seen in process lists and logs).
    """

    url: str
    branch: str = "main"
    token: str | None = field(default=None, repr=False)
    username: str = "dbaas"
    ca_cert: str | None = None
    proxy: str | None = field(default=None, repr=False)
    ssh_key_file: str | None = None
    ssh_known_hosts: str | None = None
    signing_key_file: str | None = None
    committer: str = ""

    def __post_init__(self) -> None:
        if carries_secret(self.url):
            raise DbaasError(
                "option-invalid",
                "The address of the repository holds a user or a password; give them as username, and as token or"
                " token_file.",
            )

    @property
    def secrets(self) -> list[str]:
        """Every form in which a secret of this remote could show up in a text."""
        secrets = []
        if self.token:
            secrets += [_basic(self.username, self.token), self.token, quote(self.token, safe="")]
        if self.proxy and (password := urlsplit(self.proxy).password):
            plain = unquote(password)
            secrets += [_basic(unquote(urlsplit(self.proxy).username or ""), plain), password, plain]
        return secrets


def carries_secret(url: str) -> bool:
    """Whether an address may hold a secret: a password, or over http(s) a user, as which hosts take a token too."""
    if "://" not in url:
        return False
    parts = urlsplit(url)
    return parts.password is not None or (parts.scheme in ("http", "https") and bool(parts.username))


class Snapshot:
    """One commit of the remote: `commit` is its id, "" for an empty remote. Valid while its repository is open."""

    def __init__(self, repository: GitRepository, commit: str) -> None:
        self.commit = commit
        self._repository = repository

    @cached_property
    def blobs(self) -> Mapping[str, str]:
        """Path -> blob id of every file."""
        if not self.commit:
            return {}
        return {path: oid for path, kind, oid in self._repository.entries(self.commit) if kind == "blob"}

    def read(self, paths: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """Contents of these files, those that do not exist left out. Blobs that are not here yet come in one fetch.

        most: bytes that are kept of each, from its beginning.
        """
        oids = {path: self.blobs[path] for path in paths if path in self.blobs}
        contents = self._repository.contents(set(oids.values()), most)
        return {path: contents[oid] for path, oid in oids.items()}


@dataclass(frozen=True)
class Revision:
    """One commit of the branch: time in seconds since 1970; blobs: those of the paths asked for that it changed, by
    path, "" for one that it deleted."""

    commit: str
    time: int
    author: str
    message: str
    blobs: Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """A commit by what it says: two that differ in nothing but ids and times are the same to whoever reads them."""

    commit: str
    tree: str
    parents: tuple[str, ...]
    message: str

    def same(self, other: Standing) -> bool:
        """Whether they say the same on the same base."""
        return (self.tree, self.parents, self.message) == (other.tree, other.parents, other.message)


class GitRepository:
    """A bare repository without a work tree that keeps objects of `remote` as long as it is open (context manager).

    It lies in a temporary folder that is locked as long as this process lives: the next run takes away what a killed
    one has left. With `folder` in a subfolder of that, made empty at each opening: what a killed process left behind
    (lock files, half a pack) cannot break the next.
    timeout: seconds that one call of git may take; silence: after how many of them without a byte http(s) gives up.
    Errors: git-unreachable, git-timeout, git-proxy, git-certificate, git-host-key, git-auth, git-refused,
    git-protected, git-raced, dependency-missing (no git or ssh here), option-invalid (a file that cannot be used).
    Not for several threads at once.
    """

    def __init__(self, remote: Remote, folder: Path | None = None, timeout: float = 120.0, silence: int = 30) -> None:
        self.remote = remote
        self._parent = folder
        self._timeout = timeout
        self._silence = silence
        self._ref = f"refs/heads/{remote.branch}"
        self._url = str(Path(remote.url).resolve()) if Path(remote.url).is_dir() else remote.url
        self._folder = Path()
        self._lock = -1
        self._local: dict[str, str] = {}
        self._online: dict[str, str] = {}
        self._blobs: set[str] = set()
        self._trees: set[str] = set()
        self._fetches = 0

    def __enter__(self) -> GitRepository:
        _check_authority(self.remote.ca_cert)
        if self._parent is None:
            _sweep(Path(tempfile.gettempdir()))
            parent, self._lock = _own_folder()
        else:
            parent = self._parent
        self._folder = parent / "dbaas.git"
        self._local = _environment(self._folder)
        self._online = self._local | _remote_environment(self.remote, self._url, self._silence)
        try:
            self._init()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._parent is None:
            shutil.rmtree(self._folder.parent, ignore_errors=True)
            os.close(self._lock)
        else:
            for name in (_KEY, _SIGNING):
                (self._folder / name).unlink(missing_ok=True)

    def head(self) -> str | None:
        """Commit id of the branch at the remote, None when it does not exist. One round trip, nothing is fetched."""
        return self._heads(self._ref).get(self._ref)

    def fetch(self) -> Snapshot:
        """The branch as it is at the remote now: its trees, without blobs and history.

        A remote without any branch gives an empty snapshot; a missing branch beside others is option-invalid.
        """
        try:
            self._fetch("--depth=1", "origin", f"+{self._ref}:refs/keep/head")
        except _GitFailed as failure:
            if "couldn't find remote ref" not in failure.stderr:
                raise self._unreachable(failure) from None
            others = self._heads("refs/heads/*")
            if self._ref in others:
                # another writer has made it since
                return self.fetch()
            if others:
                names = ", ".join(sorted(ref.removeprefix("refs/heads/") for ref in others)[:10])
                raise DbaasError(
                    "option-invalid", f"{self._url} has no branch {self.remote.branch}; it has: {names}"
                ) from None
            return Snapshot(self, "")
        commit = (self._folder / "FETCH_HEAD").read_text(encoding="utf-8").split("\t", 1)[0]
        self._trees.add(commit)
        return Snapshot(self, commit)

    def commit(self, base: Snapshot, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        """Make a commit on top of `base`, locally, and return its id. `None` deletes a file; all others get mode 644.

        author: "name" or "name <mail>". The committer is the remote's, else the platform; both times are now.
        """
        when = f"{int(time.time())} +0000"
        text = message.encode()
        stream = [
            f"feature done\ncommit refs/keep/commit\nmark :1\nauthor {' '.join(_identity(author))} {when}\n"
            f"committer {' '.join(_identity(self.remote.committer))} {when}\ndata {len(text)}\n".encode(),
            text,
            f"\nfrom {base.commit}\n".encode() if base.commit else b"\n",
        ]
        for path, content in changes.items():
            if content is None:
                stream.append(b"D " + _quoted(path) + b"\n")
            else:
                stream += [b"M 100644 inline " + _quoted(path) + b"\ndata %d\n" % len(content), content, b"\n"]
                self._blobs.add(blob_id(content))
        stream.append(b"get-mark :1\ndone\n")
        # --force: refs/keep/commit is but a name that fast-import wants; the next attempt starts from another base.
        commit = self._git("fast-import", "--quiet", "--force", stdin=b"".join(stream)).decode().strip()
        return self._signed(commit, author) if self.remote.signing_key_file else commit

    def _signed(self, commit: str, author: str) -> str:
        """The same commit with a signature: its id."""
        found = self.standing(commit)
        who = {"AUTHOR": author, "COMMITTER": self.remote.committer}
        environment = {f"GIT_{name}_NAME": _identity(given)[0] for name, given in who.items()}
        environment |= {f"GIT_{name}_EMAIL": _identity(given)[1].strip("<>") for name, given in who.items()}
        config = {"gpg.format": "ssh", "user.signingkey": str(self._folder / _SIGNING)}
        parents = [option for parent in found.parents for option in ("-p", parent)]
        arguments = ["commit-tree", "-S", found.tree, *parents]
        text = found.message.encode(errors="surrogateescape")
        return self._git(*arguments, stdin=text, more=environment | _configuration(config)).decode().strip()

    def snapshot(self, commit: str) -> Snapshot:
        """The files of a commit that is here."""
        return Snapshot(self, commit)

    def push(self, commit: str) -> None:
        """Push `commit` to the branch, never by force. Only when another writer was faster the error is git-raced."""
        self._push(commit, self._ref)

    def _push(self, commit: str, ref: str, *lease: str) -> None:
        try:
            self._git("push", "--porcelain", "--no-verify", *lease, "origin", f"{commit}:{ref}", online=True)
        except _GitFailed as failure:
            rejected = [line.split("\t", 2)[2] for line in failure.stdout.splitlines() if line.startswith("!\t")]
            if not rejected:
                if self._landed(commit, ref):
                    return
                raise self._unreachable(failure) from None
            # with a lease the remote has seen what it is to replace, and still may want no other history
            if _RACED.search(rejected[0]) and not (lease and "non-fast-forward" in rejected[0]):
                raise DbaasError("git-raced", f"{self._url}: {rejected[0]}") from None
            words = "\n".join([f"{self._url}: {rejected[0]}", *failure.remote_words])
            raise DbaasError("git-protected" if _PROTECTED.search(words) else "git-refused", words) from None

    def branch(self, name: str) -> Standing | None:
        """What stands on another branch of the remote, None where there is none. Its trees are here then."""
        ref = f"refs/heads/{name}"
        commit = self._heads(ref).get(ref)
        if commit is None:
            return None
        try:
            self._fetch("--depth=1", "origin", f"+{commit}:refs/keep/branch")
        except _GitFailed as failure:
            raise self._unreachable(failure) from None
        return self.standing(commit)

    def standing(self, commit: str) -> Standing:
        """A commit that is here, without its ids and times."""
        head, _empty, message = self._git("cat-file", "commit", commit).decode(errors="replace").partition("\n\n")
        lines = [line.split(" ", 1) for line in head.splitlines() if not line.startswith(" ")]
        trees, parents = ([rest for name, rest in lines if name == wanted] for wanted in ("tree", "parent"))
        return Standing(commit, trees[0], tuple(parents), message)

    def push_branch(self, name: str, commit: str, stands: str) -> None:
        """Make another branch be this commit, if it still is `stands` ("": it must not be there); else git-raced."""
        ref = f"refs/heads/{name}"
        lease = f"--force-with-lease={ref}:{stands}"
        self._push(commit, ref, lease)

    def fetch_trees(self, revisions: Collection[str]) -> set[str]:
        """Have the trees of these commits here, in one fetch, and return those of them that the remote knows."""
        if self._fetches > _FETCHES:
            self._init()
        unknown: set[str] = set()
        while missing := sorted(set(revisions) - self._trees - unknown):
            # Named by refs, so that the next fetch says what is here already and gets only what differs.
            wanted = [f"+{revision}:refs/keep/{number}" for number, revision in enumerate(missing)]
            try:
                self._fetch("--depth=1", "--stdin", "origin", stdin="\n".join(wanted).encode())
            except _GitFailed as failure:
                refused = set(_UNKNOWN.findall(failure.stderr)) & set(missing)
                if not refused:
                    raise self._unreachable(failure) from None
                unknown |= refused
            else:
                self._trees.update(missing)
        return set(revisions) - unknown

    def changed(self, old: str, new: str) -> list[str]:
        """Paths of the files that differ between two commits whose trees are here."""
        listing = self._git("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
        return listing.decode(errors="surrogateescape").split("\0")[:-1]

    def history(self, snapshot: Snapshot, paths: Sequence[str]) -> Iterator[Revision]:
        """The commits of the branch that changed one of these files, newest first; more of them come as they are read.

        Only the branch's own line: a merged pull request is the one commit that merged it.
        """
        told = 0
        for depth in _DEPTHS:
            known = self._revisions(snapshot, depth, paths)
            yield from known[told:]
            told = len(known)

    def commits(self, snapshot: Snapshot, prefix: str) -> list[str]:
        """Ids of the commits of the branch that begin so; no more history is read than it takes to find one."""
        found: list[str] = []
        for depth in _DEPTHS:
            if not found and self._deepen(snapshot, depth):
                listing = self._git("rev-list", snapshot.commit).decode().split()
                found = [commit for commit in listing if commit.startswith(prefix)]
        return found

    def messages(self, snapshot: Snapshot, text: str) -> list[str]:
        """The messages of all commits of the branch that hold this text."""
        self._deepen(snapshot, _DEPTHS[-1])
        log = self._git("log", "-z", "--format=%B", "--fixed-strings", f"--grep={text}", snapshot.commit)
        return log.decode(errors="replace").split("\0")[:-1]

    def file(self, commit: str, path: str) -> bytes | None:
        """The file as it was at a commit whose trees are here, None when there was none."""
        listing = self._git("ls-tree", "-z", commit, "--", path).decode(errors="surrogateescape")
        meta, _tab, _path = listing.partition("\t")
        return self.contents({meta.split(" ")[2]}).popitem()[1] if meta else None

    def _revisions(self, snapshot: Snapshot, depth: int, paths: Sequence[str]) -> list[Revision]:
        if not self._deepen(snapshot, depth):
            return []
        shallow = self._folder / "shallow"
        cut = set(shallow.read_text(encoding="utf-8").split()) if shallow.exists() else set()
        style = ["-z", "--raw", "--no-abbrev", "--no-renames", "--format=%H%x00%ct%x00%an%x00%B"]
        log = self._git("log", "--first-parent", "-m", *style, snapshot.commit, "--", *paths).decode(
            errors="surrogateescape"
        )
        tokens = log.split("\0")[:-1]
        found: list[Revision] = []
        position = 0
        while position < len(tokens):
            commit, time_, author, message = tokens[position : position + 4]
            position += 4
            blobs: dict[str, str] = {}
            while position < len(tokens) and tokens[position].lstrip("\n").startswith(":"):
                new = tokens[position].split(" ")[3]
                blobs[tokens[position + 1]] = "" if set(new) == {"0"} else new
                position += 2
            if commit in cut:
                # its parents are not here, so it looks as if it had made all that there is
                break
            found.append(Revision(commit, int(time_), author, message, blobs))
        return found

    def _deepen(self, snapshot: Snapshot, depth: int) -> bool:
        """Have so many commits of history here, their trees included; False for an empty remote."""
        if snapshot.commit:
            try:
                self._fetch(f"--depth={depth}", "origin", f"+{snapshot.commit}:refs/keep/history")
            except _GitFailed as failure:
                raise self._unreachable(failure) from None
        return bool(snapshot.commit)

    def diff(self, base: Snapshot, commit: str) -> str:
        """What `git diff` says of a commit that was made on this base."""
        old = base.commit or self._git("hash-object", "-t", "tree", "--stdin").decode().strip()
        # Local calls do not go for what is not here.
        base.read(self.changed(old, commit))
        return self._git("diff", "--no-color", "--no-renames", "--no-ext-diff", old, commit).decode(errors="replace")

    def entries(self, commit: str) -> Iterator[tuple[str, str, str]]:
        """(path, type, id) of all that a commit's tree holds, folders left out."""
        for line in self._git("ls-tree", "-r", "-z", commit).decode(errors="surrogateescape").split("\0")[:-1]:
            meta, path = line.split("\t", 1)
            kind, oid = meta.split(" ")[1:]
            yield path, kind, oid

    def contents(self, oids: Collection[str], most: int | None = None) -> dict[str, bytes]:
        """Blob id -> content (its first `most` bytes); those that are not here come in one fetch."""
        if missing := sorted(set(oids) - self._blobs):
            try:
                # without FETCH_HEAD, for which git would read each of them to see whether it is a commit
                self._fetch(
                    "--no-write-fetch-head",
                    "--stdin",
                    "origin",
                    stdin="\n".join(missing).encode(),
                    options=_NO_NEGOTIATION,
                )
            except _GitFailed as failure:
                raise self._unreachable(failure) from None
            self._blobs.update(missing)
        ordered = sorted(oids)
        found = zip(ordered, self._objects(ordered), strict=True)
        return {oid: content[:most] for oid, content in found if content is not None}

    def _init(self) -> None:
        self._blobs.clear()
        self._trees.clear()
        self._fetches = 0
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        self._git("init", "--quiet", "--bare", "--template=", str(self._folder))
        if _is_ssh(self._url):
            _copy_ssh(self.remote, self._folder)
        if self.remote.signing_key_file:
            _copy_signing(self.remote.signing_key_file, self._folder)

    def _fetch(self, *arguments: str, stdin: bytes = b"", options: Sequence[str] = ()) -> None:
        self._fetches += 1
        self._git(*options, "fetch", "--quiet", "--no-tags", "--filter=blob:none", *arguments, stdin=stdin, online=True)

    def _heads(self, pattern: str) -> dict[str, str]:
        try:
            listing = self._git("ls-remote", "origin", pattern, online=True).decode()
        except _GitFailed as failure:
            raise self._unreachable(failure) from None
        pairs = (line.split("\t", 1) for line in listing.splitlines())
        return {ref: oid for oid, ref in pairs}

    def _landed(self, commit: str, ref: str) -> bool:
        """The connection broke during a push: was it before or after the remote had taken it?"""
        try:
            return self._heads(ref).get(ref) == commit
        except DbaasError:
            return False

    def _objects(self, specs: Sequence[str]) -> Iterator[bytes | None]:
        """Content of each object named, None for those that do not exist.

        One by one as they come from one git: all files of a large repository may be larger than the memory, and each
        git anew would have to work out again what they differ from.
        """
        command = ["git", *_ROOMY, "cat-file", "--batch", "--buffer"]
        with tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as said:
            names.write("".join(f"{spec}\n" for spec in specs).encode(errors="surrogateescape"))
            names.seek(0)
            with subprocess.Popen(
                command, stdin=names, stdout=subprocess.PIPE, stderr=said, cwd=self._folder, env=self._local
            ) as process:
                output = cast(IO[bytes], process.stdout)
                for _spec in specs:
                    header = output.readline()
                    if header.endswith(b" missing\n"):
                        yield None
                    elif header:
                        yield output.read(int(header.rsplit(b" ", 1)[1]))
                        output.read(1)
                    else:
                        said.seek(0)
                        raise _GitFailed(command[1:], "", said.read().decode(errors="replace"))

    def _unreachable(self, failure: _GitFailed) -> DbaasError:
        code, reason = "git-unreachable", failure.reason
        for words, found, hint in _FAILURES:
            if words.search(failure.stderr):
                code = found
                reason = f"{reason} ({hint})" if hint else reason
                break
        else:
            met = re.search(r"ailed to connect to (\S+) port", failure.stderr)
            if met and met[1] == urlsplit(self.remote.proxy or "").hostname != urlsplit(self._url).hostname:
                code = "git-proxy"
            elif "returned error: 30" in failure.stderr or "redirect" in reason:
                reason += " (the remote redirects; give its final address, a token is not sent after a redirect)"
        return DbaasError(code, "\n".join([f"{self._url}: {reason}", *failure.remote_words]))

    def _git(
        self, *arguments: str, stdin: bytes = b"", online: bool = False, more: Mapping[str, str] | None = None
    ) -> bytes:
        """Run git, return its output. Only calls that speak to the remote have the token in their environment."""
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env={**(self._online if online else self._local), **(more or {})},
                start_new_session=True,
            )
        except FileNotFoundError:
            raise DbaasError("dependency-missing", "git is not installed here (git 2.31 or later is needed).") from None
        with process:
            try:
                stdout, stderr = process.communicate(stdin, timeout=self._timeout)
            except BaseException as error:
                # The whole session: git's helper for http would else hold the pipes, and the connection, for ever.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise _GitFailed(arguments, "", f"fatal: no answer within {self._timeout:g} s") from None
                raise
        if process.returncode:
            raise _GitFailed(arguments, self._clean(stdout), self._clean(stderr))
        return stdout

    def _clean(self, output: bytes) -> str:
        text = output.decode(errors="replace").replace("\x1b[K", "")
        for secret in self.remote.secrets:
            text = text.replace(secret, "********")
        return text


class _GitFailed(DbaasError):
    """git ended with an error; outputs are free of secrets.

    Callers of this module see it only when git fails on local objects: a bug, or a full disk.
    """

    def __init__(self, arguments: Sequence[str], stdout: str, stderr: str) -> None:
        super().__init__("git-broken", f"git {' '.join(arguments[:2])}: {stderr.strip()}")
        self.stdout = stdout
        self.stderr = stderr

    @property
    def remote_words(self) -> list[str]:
        """What the remote itself said (`remote: …`), without empty lines."""
        return [line.rstrip() for line in self.stderr.splitlines() if line.startswith("remote:") and line[7:].strip()]

    @property
    def reason(self) -> str:
        """The line that says most: ssh's own comes before git's, which says the same whatever happened."""
        lines = [line.strip() for line in self.stderr.splitlines() if not line.startswith("remote:")]
        for telling in (_SSH_SAYS, _SERVER_SAYS, _GIT_SAYS):
            if found := [line for line in lines if telling.match(line)]:
                return " ".join(telling.sub("", line) for line in found[:3])
        return next((line for line in reversed(lines) if line), "git failed without a word")


def _own_folder() -> tuple[Path, int]:
    """A new temporary folder, and the lock that says that its process lives: the kernel lets go of it with that."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "lock").exists():
            return folder, lock
        # another run took it for one that was left
        os.close(lock)


def _sweep(temporary: Path) -> None:
    """Take away the folders of processes that were killed."""
    for folder in temporary.glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _UNBORN:
                    folder.rmdir()
            continue
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def blob_id(data: bytes) -> str:
    """The id that git gives a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _environment(folder: Path) -> dict[str, str]:
    """The caller's environment (proxies, CA, ssh stay), but nobody's git configuration, and never a question."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key.startswith(_KEPT)}
    return kept | {
        "GIT_DIR": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "LC_ALL": "C",
        "LANGUAGE": "",
    }


def _configuration(config: Mapping[str, str]) -> dict[str, str]:
    """git's configuration as variables of its environment."""
    variables = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _remote_environment(remote: Remote, url: str, silence: int) -> dict[str, str]:
    """Configuration of the calls that speak to the remote.

    The token is a header in git's environment: no file, no argument, no helper process, no first request that fails.
    git would take it along to another host after a redirect, so with a token redirects are not followed.
    """
    config = {
        "remote.origin.url": url,
        # Not in the repository's own file, so that local calls take a blob that is not here for missing.
        "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none",
        "gc.auto": "0",
        "maintenance.auto": "false",
        # Bytes per second, seconds: a remote whose hooks take their time sends some bytes every five seconds.
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": str(silence),
    }
    extra: dict[str, str] = {}
    given = bool(remote.ssh_key_file or remote.ssh_known_hosts)
    if _is_ssh(url) and (given or not os.environ.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"}):
        extra |= {"GIT_SSH_COMMAND": _ssh_command(remote), "GIT_SSH_VARIANT": "ssh"}
    if remote.token and url.startswith(("http://", "https://")):
        config["http.extraHeader"] = f"Authorization: Basic {_basic(remote.username, remote.token)}"
        config["http.followRedirects"] = "false"
    if remote.proxy:
        config["http.proxy"] = remote.proxy
    if remote.ca_cert:
        extra["GIT_SSL_CAINFO"] = str(Path(remote.ca_cert).absolute())
    return _configuration(config) | extra


def _check_authority(path: str | None) -> None:
    """Raises DbaasError option-invalid: what git says of a file that is not there names neither file nor option."""
    if not path:
        return
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DbaasError("option-invalid", f"ca_cert: {path}: {error.strerror}") from None
    if b"-----BEGIN" not in content:
        raise DbaasError("option-invalid", f"ca_cert: {path}: holds no certificate in PEM")


def _is_ssh(url: str) -> bool:
    """Whether git reaches this address by ssh: by its scheme, or as `host:path` (no slash before the colon)."""
    scheme, mark, _rest = url.partition("://")
    if mark:
        return scheme in ("ssh", "git+ssh", "ssh+git")
    return ":" in url.partition("/")[0]


def _ssh_command(remote: Remote) -> str:
    """The ssh that git calls, in the folder of the repository: names are relative, so nothing has to be quoted."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
    }
    command = "ssh"
    if remote.ssh_key_file:
        # not the user's configuration: it may name keys that would be tried as well
        command = f"ssh -F none -i {_KEY}"
        options |= {"IdentitiesOnly": "yes", "IdentityAgent": "none", "PreferredAuthentications": "publickey"}
    if remote.ssh_known_hosts:
        options |= {"UserKnownHostsFile": _HOSTS, "GlobalKnownHostsFile": "none", "UpdateHostKeys": "no"}
    return " ".join([command, *(f"-o {name}={value}" for name, value in options.items())])


def _copy_ssh(remote: Remote, folder: Path) -> None:
    """Key and known hosts as ssh wants them, in the repository's own folder.

    A key that went through a form, a Secret or AWX often ends without a newline or has Windows' ones, which ssh calls
    an invalid format. Raises DbaasError option-invalid.
    """
    if shutil.which("ssh") is None and "GIT_SSH" not in os.environ:
        raise DbaasError("dependency-missing", "ssh is not installed here (package openssh-client).")
    if remote.ssh_key_file:
        _copy("ssh_key_file", remote.ssh_key_file, folder / _KEY)
    if remote.ssh_known_hosts:
        _copy("ssh_known_hosts", remote.ssh_known_hosts, folder / _HOSTS, key=False)


def _copy_signing(given: str, folder: Path) -> None:
    """The key that commits are signed with, as ssh-keygen wants it. Raises DbaasError option-invalid."""
    if shutil.which("ssh-keygen") is None:
        raise DbaasError("dependency-missing", "ssh-keygen is not installed here (package openssh-client).")
    _copy("signing_key_file", given, folder / _SIGNING)


def _copy(option: str, given: str, target: Path, *, key: bool = True) -> None:
    try:
        with Path(given).expanduser().open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except OSError as error:
        raise DbaasError("option-invalid", f"{option}: {given}: {error.strerror}") from None
    if key:
        _check_key(option, given, content, status)
    target.touch(mode=0o600)
    target.write_bytes(content.replace(b"\r\n", b"\n").rstrip() + b"\n")


def _check_key(option: str, path: str, content: bytes, status: os.stat_result) -> None:
    # as ssh judges it: a file of another owner (a mounted Secret) is that one's business
    if status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise DbaasError("option-invalid", f"{option}: {path}: others may read it (mode {mode:04o}); chmod 600")
    found = re.search(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----(.*?)-----END", content, re.DOTALL)
    if not found:
        raise DbaasError("option-invalid", f"{option}: {path}: holds no private key (is it the public half?)")
    kind, body = found.groups()
    with suppress(ValueError):
        body += base64.b64decode(body)
    # OpenSSH's own format: magic, then a string with the name of the cipher
    sealed = kind == b"OPENSSH " and b"openssh-key-v1\0\0\0\0\4none" not in body
    if sealed or b"ENCRYPTED" in kind + body:
        message = f"{option}: {path}: the key has a passphrase, or is broken; it must have none"
        raise DbaasError("option-invalid", message)


def _basic(username: str, token: str) -> str:
    return base64.b64encode(f"{username}:{token}".encode()).decode()


def _identity(given: str) -> tuple[str, str]:
    """(name, <mail>) of "name" or "name <mail>", the platform's where one is missing."""
    name, _bracket, mail = given.partition("<")
    return _ident(name) or COMMITTER, f"<{_ident(mail) or MAIL}>"


def _ident(text: str) -> str:
    return re.sub(r"[<>\x00-\x1f]", " ", text).strip()


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode(errors="surrogateescape")

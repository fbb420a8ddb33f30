"""The part of both doubles that is the same: requests over HTTP, and merges in a real bare repository."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from .schema import Description

Json = dict[str, Any]

CANARY = "forge-canary/1+2"
WAYS = ("merge", "squash", "rebase")
_PAGE = 30


@dataclass
class Merge:
    """A merge request. state: open, merged or closed; source: the repository that its branch is in."""

    number: int
    branch: str
    target: str
    title: str
    body: str
    labels: list[str]
    source: str
    head: str = ""
    state: str = "open"
    when: str = ""
    commit: str = ""
    delete_branch: bool = False


class Problem(Exception):
    """A refusal, as the host words it."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(body)
        self.status, self.body = status, body


@dataclass
class Fault:
    """What goes wrong with the next requests: their status (0: no answer at all, after they were carried out)."""

    method: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "{}"
    times: int = 1


@dataclass(frozen=True)
class Asked:
    """A request that came in: values are those in its path."""

    values: list[str]
    query: dict[str, str]
    body: Any


class Double(ABC):
    """A Git host with one project, in front of a bare repository: `with GitHub(repository) as host:`.

    token: opens everything; reader: a token that may only read. api: its address; https with the certificate in the
    folder tls (tests/lab/pki.py).
    requests: "METHOD path?query" of all that came. problems: what they, or our answers, have against the description;
    whoever uses a double sees at the end that there are none.
    """

    kind = ""
    description = ""
    root = ""

    def __init__(
        self,
        repository: Path,
        project: str = "platform/dbaas-gitops",
        token: str = CANARY,
        tls: Path | None = None,
    ) -> None:
        self.repository = repository
        self.project = project
        self.token, self.reader = token, f"{token}-reader"
        self.merges: list[Merge] = []
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.faults: list[Fault] = []
        self.api = ""
        self._tls = tls
        self._described = Description(self.description)
        self._gate = threading.RLock()

    def __enter__(self) -> Self:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

            def do_GET(self) -> None:
                double._serve(self)

            def do_POST(self) -> None:
                double._serve(self)

            def do_PUT(self) -> None:
                double._serve(self)

            def do_PATCH(self) -> None:
                double._serve(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self._tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._tls / "server.crt", self._tls / "server.key")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.api = f"http{'s' if self._tls else ''}://127.0.0.1:{self._server.server_address[1]}{self.root}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def platform(self) -> Json:
        """The field forge of platform.yml that leads here."""
        return {"type": self.kind, "api": self.api, "project": self.project}

    def protect(self, branch: str = "main") -> None:
        """Nobody pushes to this branch any more; others may be rewritten, as on the hosts."""
        self.git("config", "receive.denyNonFastForwards", "false")
        path = self.repository / "hooks" / "pre-receive"
        path.parent.mkdir(exist_ok=True)
        words = self.refusal(branch)
        path.write_text(
            f'#!/bin/sh\nwhile read old new ref; do\n  [ "$ref" = refs/heads/{branch} ] || continue\n'
            f"  echo '{words}' >&2; exit 1\ndone\n"
        )
        path.chmod(0o755)

    def unprotect(self) -> None:
        """Takes that back."""
        (self.repository / "hooks" / "pre-receive").unlink()
        self.git("config", "receive.denyNonFastForwards", "true")

    def merge(self, number: int, way: str = "merge", *, delete_branch: bool | None = None) -> str:
        """A person merges a request in one of WAYS; the commit that main is then. Raises ValueError in a conflict."""
        with self._gate:
            item = self.merges[number - 1]
            head, base = self.head(item), self.git("rev-parse", item.target).strip()
            done = subprocess.run(
                ["git", "-C", str(self.repository), "merge-tree", "--write-tree", base, head],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise ValueError(f"a conflict: {done.stdout}")
            tree = done.stdout.strip()
            own = self.git("log", "-1", "--format=%B", head)
            if int(self.git("rev-list", "--count", f"{base}..{head}")) != 1:
                raise ValueError("a branch of more than one commit")
            commit = self.merged(item, way, tree, base, head, own)
            self.git("update-ref", f"refs/heads/{item.target}", commit, base)
            item.state, item.when, item.commit, item.head = "merged", now(), commit, head
            if item.delete_branch if delete_branch is None else delete_branch:
                self.git("update-ref", "-d", f"refs/heads/{item.branch}")
            return commit

    def close(self, number: int) -> None:
        """A person closes a request without merging it."""
        item = self.merges[number - 1]
        item.head = self.head(item)
        item.state, item.when = "closed", now()

    def head(self, item: Merge) -> str:
        """The commit that a request asks to merge."""
        if item.state != "open":
            return item.head
        return self.git("rev-parse", f"refs/heads/{item.branch}").strip()

    def exists(self, branch: str) -> bool:
        return bool(self.git("for-each-ref", f"refs/heads/{branch}"))

    def commit(self, tree: str, message: str, *parents: str) -> str:
        """A commit that the host itself makes."""
        options = [option for parent in parents for option in ("-p", parent)]
        return self.git("commit-tree", tree, *options, "-m", message).strip()

    def git(self, *arguments: str) -> str:
        who = {f"GIT_{who}_{what}": "host@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **who}).stdout

    def open(self, **fields: Any) -> Merge:
        item = Merge(number=len(self.merges) + 1, source=self.project, **fields)
        self.merges.append(item)
        return item

    def find(self, number: str) -> Merge:
        if not number.isdigit() or not 0 < int(number) <= len(self.merges):
            raise Problem(404, {"message": "Not Found"})
        return self.merges[int(number) - 1]

    # what the dialects say

    @abstractmethod
    def refusal(self, branch: str) -> str:
        """What the host says to whoever pushes to a protected branch."""

    @abstractmethod
    def given_token(self, headers: Mapping[str, str]) -> str:
        """The token that a request bears, "" without one."""

    @abstractmethod
    def routes(self) -> dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]]:
        """(method, path as described) -> what answers: status and body; a list is given out in pages."""

    @abstractmethod
    def merged(self, item: Merge, way: str, tree: str, base: str, head: str, own: str) -> str:
        """The commit that main is after a merge; own is the message of the branch's commit."""

    # HTTP

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(length) if length else b""
        self.requests.append(f"{handler.command} {handler.path.removeprefix(self.root)}")
        fault = self._fault(handler.command)
        if fault and fault.status:
            _send(handler, fault.status, fault.body.encode(), fault.headers)
            return
        headers: dict[str, str] = {}
        try:
            with self._gate:
                status, body = self._answer(handler, parts.path, dict(parse_qsl(parts.query)), raw, headers)
        except Problem as problem:
            status, body = problem.status, problem.body
        if fault:
            handler.close_connection = True
            return
        _send(handler, status, json.dumps(body).encode(), headers)

    def _fault(self, method: str) -> Fault | None:
        for fault in self.faults:
            if fault.method in ("*", method) and fault.times:
                fault.times -= 1
                return fault
        return None

    def _answer(
        self, handler: BaseHTTPRequestHandler, path: str, query: dict[str, str], raw: bytes, headers: dict[str, str]
    ) -> tuple[int, Any]:
        given = self.given_token(dict(handler.headers.items()))
        if given not in (self.token, self.reader):
            raise Problem(401, {"message": "401 Unauthorized" if self.kind == "gitlab" else "Bad credentials"})
        found = self._described.find(handler.command, path.removeprefix(self.root))
        if found is None or (handler.command.lower(), found[0]) not in self.routes():
            self.problems.append(f"{handler.command} {path}: no such operation")
            raise Problem(501, {"message": f"{handler.command} {path}: the double does not have this"})
        described, operation, values = found
        body = json.loads(raw) if raw else None
        if wrong := list(operation.problems(query, body)):
            self.problems += [f"{handler.command} {described}: {each}" for each in wrong]
            raise Problem(501, {"message": "; ".join(wrong)})
        if handler.command != "GET" and given == self.reader:
            raise Problem(403, {"message": "403 Forbidden"})
        self.known(values)
        answer = self.routes()[handler.command.lower(), described]
        status, said = answer(Asked([unquote(value) for value in values], query, body))
        if isinstance(said, list) and handler.command == "GET":
            said = self._page(path, query, said, headers)
        self.problems += [f"{handler.command} {described}: {each}" for each in operation.answer_problems(status, said)]
        return status, said

    @abstractmethod
    def known(self, values: list[str]) -> None:
        """Raises Problem 404 where the path names another project."""

    def sample(self, method: str, path: str, status: int, *, of_list: bool = False) -> Json:
        """The least answer that fits the description; of_list: one item of it."""
        schema: Json = self._described.operations[method, path].schema(status) or {}
        found: Json = self._described.sample(schema["items"] if of_list else schema)
        return found

    def _page(self, path: str, query: dict[str, str], items: list[Any], headers: dict[str, str]) -> list[Any]:
        size, number = min(int(query.get("per_page", _PAGE)), 100), int(query.get("page", 1))
        rest = items[size * number :]
        if rest:
            more = urlencode({**query, "page": number + 1})
            headers["Link"] = f'<{self.api.removesuffix(self.root)}{path}?{more}>; rel="next"'
        return items[size * (number - 1) : size * number]


def now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)

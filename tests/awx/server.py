"""The double's server: HTTP or HTTPS on the loopback interface, with what goes wrong with servers."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import secrets
import socket
import ssl
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.lab import pki

from .api import Answer, Api, Request, parse
from .jobs import Jobs, Run, Runner, succeed
from .kinds import KINDS
from .notifications import Notifications
from .problems import Problem
from .recordings import Json, content, exchanges
from .special import Special
from .store import Store

VERSION = "24.6.2.dev145+ge21dd0a093"
FAULTS = ("401", "403", "429", "500", "502", "503", "504", "truncated", "swallow", "refuse", "slow", "html")


@dataclass
class Fault:
    """how: one of FAULTS. It spares the first `after` of the matching requests and hits `times` of them.

    seconds: how slow, or what Retry-After says.
    """

    method: str
    path: str
    how: str
    times: int
    seconds: float
    after: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Counts the request; whether it goes wrong."""
        if not self.times or self.method not in (method, "*") or not re.search(self.path, path):
            return False
        self.after -= 1
        if self.after >= 0:
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Call:
    """A request that came. path: below /api/v2/, with its query; status 0: it got no answer."""

    method: str
    path: str
    status: int
    body: Any = None


class Double:
    """A stand-in of AWX 24.6 with an empty database: `with Double() as awx:`.

    runner runs the jobs (see jobs.Run). playbooks: what a project has once it was synchronized. tls: HTTPS with a
    certificate of an authority that nobody knows (ca is its file). prefix: the path before v2/, with a gateway's
    /api/controller/ nothing is found below /api/v2/. deliver: notifications by webhook are sent, if they go to the
    loopback interface.
    """

    def __init__(
        self,
        *,
        runner: Runner = succeed,
        playbooks: list[str] | None = None,
        tls: bool = False,
        prefix: str = "/api/",
        port: int = 0,
        deliver: bool = False,
    ) -> None:
        self.lock = threading.RLock()
        self.store = Store()
        self.jobs = Jobs(self.store, self.lock, runner)
        self.jobs.playbooks = list(content(65)) if playbooks is None else list(playbooks)
        self.api = Api(self.store, self.jobs)
        self.notifications = Notifications(self.store, deliver)
        self.jobs.begun.append(self.notifications.started)
        self.jobs.done.append(self.notifications.ended)
        self.special = Special(self.api, self.notifications)
        self.prefix = prefix
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.password = secrets.token_urlsafe(12)
        _seed(self.store, self.password)
        self.token = self._first_token()
        self._folder = tempfile.TemporaryDirectory() if tls else None
        self.ca: Path | None = None
        self.server = _Server(("127.0.0.1", port), partial(_Handler, self))
        if self._folder:
            folder = Path(self._folder.name)
            pki.make(folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.crt", folder / "server.key")
            self.server.context = context
            self.ca = folder / "ca.crt"
        self.notifications.url = self.url
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Double:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops the server and the jobs that still run."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)
        self.special.workflows.close()
        self.jobs.close()
        self.notifications.close()
        if self._folder:
            self._folder.cleanup()

    @property
    def url(self) -> str:
        """Where it listens: what goes into controller_host."""
        return f"{'https' if self.ca else 'http'}://127.0.0.1:{self.server.server_address[1]}"

    @property
    def writes(self) -> list[Call]:
        """The calls that were not only read."""
        return [call for call in self.calls if call.method not in ("GET", "HEAD", "OPTIONS")]

    @property
    def unknown(self) -> list[tuple[str, str]]:
        """Requests that it could not answer (501): method and path."""
        return self.api.unknown

    @property
    def ignored(self) -> list[tuple[str, str]]:
        """Fields that were sent, though they cannot be written: AWX says nothing, and leaves them out."""
        return self.api.ignored

    def fail(self, method: str, path: str, how: str, times: int = 1, seconds: float = 1.0, after: int = 0) -> None:
        """Lets requests of a method (* is any) whose path below v2/ matches go wrong: see Fault."""
        if how not in FAULTS:
            raise ValueError(f"how is one of {', '.join(FAULTS)}, not {how!r}")
        self.faults.append(Fault(method, path, how, times, seconds, after))

    def by_hand(self, method: str, path: str, body: Any = None) -> Any:
        """Somebody changes something in AWX: a request of the administrator's that is not in calls.

        path is below /api/v2/. Returns the answer's body. Raises AssertionError: it was refused.
        """
        split = urlsplit(path)
        query = parse_qsl(split.query, keep_blank_values=True)
        admin = self.store.rows["users"][1]
        with self.lock:
            ignored = len(self.api.ignored)
            answer = self.api.answer(Request(method, f"/api/v2/{unquote(split.path)}", query, body or {}, admin))
            del self.api.ignored[ignored:]
        if answer.status >= 400:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body if answer.text is None else answer.text

    def wait_for(self, number: int, seconds: float = 10.0) -> Json:
        """A job when it has ended. Raises TimeoutError."""
        return self.jobs.wait(number, seconds)

    def settle(self, seconds: float = 10.0) -> None:
        """Waits until no job runs that needs nobody's approval."""
        ends = time.monotonic() + seconds
        while self.jobs.busy() and time.monotonic() < ends:
            time.sleep(0.01)

    def _first_token(self) -> str:
        made = self.api.create(KINDS["tokens"], {"scope": "write"}, self.store.rows["users"][1])
        return str(made["_token"])


def _seed(store: Store, password: str) -> None:
    """What every AWX has after it was installed."""
    admin = content(5)["results"][0]
    _put(store, "users", admin, {"_password": password, "_capabilities": {"edit": True, "delete": False}})
    store.sequences["roles"] = 33
    for instance in content(6)["results"]:
        _put(store, "instances", instance, {})
    for name, number in (("instance_groups", 7), ("execution_environments", 8)):
        for entry in sorted(content(number)["results"], key=lambda entry: int(entry["id"])):
            _put(store, name, entry, {"_capabilities": entry["summary_fields"]["user_capabilities"]})
    _credential_types(store)
    for entry in content(324)["results"]:
        _put(store, "system_job_templates", entry, {})
    for entry in content(303)["results"]:
        _put(store, "role_definitions", entry, {})
    fields = {"name": "Default", "description": "The default organization for Ansible Automation Platform"}
    store.add(
        KINDS["organizations"], {**{n: KINDS["organizations"].default(n) for n in ("max_hosts",)}, **fields}, None
    )
    for number, name, said in ((1, "Administrator", "manage"), (2, "Auditor", "view")):
        store.rows["roles"][number] = {
            "id": number,
            "type": "role",
            "url": f"/api/v2/roles/{number}/",
            "name": f"System {name}",
            "description": f"Can {said} all aspects of the system",
            "_of": None,
            "_field": f"system_{name.lower()}",
        }


def _put(store: Store, kind: str, shown: Json, more: Json) -> None:
    """An object that was there from the beginning, with its recorded number."""
    number = shown["id"]
    store.sequences[KINDS[kind].sequence] = number - 1
    fields = {key: value for key, value in shown.items() if key not in ("related", "summary_fields")}
    store.add(KINDS[kind], {**fields, **more}, None)


def _credential_types(store: Store) -> None:
    recorded: dict[int, Json] = {}
    for exchange in exchanges().values():
        if exchange.path.startswith("/api/v2/credential_types/") and exchange.method == "GET":
            shown = exchange.content
            for entry in shown.get("results", [shown]):
                if "inputs" in entry:
                    recorded[entry["id"]] = entry
    blank = {"description": "", "inputs": {}, "injectors": {}, "_unrecorded": True}
    # recorded by their names alone; AWX's documentation says that those of a Git host ask for just a token
    token = {"fields": [{"id": "token", "type": "string", "label": "Token", "secret": True}], "required": ["token"]}
    for entry in content(94)["results"]:
        if entry["managed"]:
            known = {"_capabilities": entry.get("summary_fields", content(85)["summary_fields"])["user_capabilities"]}
            if entry["id"] in recorded:
                _put(store, "credential_types", recorded[entry["id"]], known)
            else:
                told = {"inputs": token, "_unrecorded": False} if entry["kind"] == "token" else {}
                _put(store, "credential_types", {**blank, **entry, **told}, known)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        if self.context:
            # the handshake waits for the handler's thread
            request = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        self.open.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for request in list(self.open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of the test's business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, double: Double, *args: Any) -> None:
        self.double = double
        super().__init__(*args)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        path = unquote(split.path)
        double = self.double
        below = path.removeprefix(double.prefix)
        below = below.removeprefix("v2/") + (f"?{split.query}" if split.query else "")
        with double.lock:
            fault = next((fault for fault in double.faults if fault.hits(self.command, below)), None)
        if fault and fault.how == "slow":
            time.sleep(fault.seconds)
            fault = None
        if fault and fault.how not in ("truncated", "swallow"):
            self._note(below, 0 if fault.how == "refuse" else int(fault.how) if fault.how.isdigit() else 200, raw)
            self._faulty(fault)
            return
        answer = self._answer(path, split.query, raw)
        if fault and fault.how == "swallow":
            self._note(below, 0, raw)
            self.close_connection = True
            return
        self._note(below, answer.status, raw)
        self._send(answer, cut=bool(fault))

    def __getattr__(self, name: str) -> Any:
        """do_GET and the others are one."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _answer(self, path: str, query: str, raw: bytes) -> Answer:
        double = self.double
        if not path.startswith(double.prefix):
            return Answer(404, text=content(13), sort="text/html; charset=utf-8")
        own = "/api/" + path.removeprefix(double.prefix)
        if not own.endswith("/"):
            return Answer(404, text=content(13), sort="text/html; charset=utf-8")
        sort = self.headers.get("Content-Type", "application/json").partition(";")[0]
        try:
            if raw and sort != "application/json":
                raise Problem(415, content(17))
            body = parse(raw)
        except Problem as problem:
            return Answer(problem.status, problem.body)
        pairs = parse_qsl(query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with double.lock:
            user, scope = self._user()
            request = Request(self.command, own, pairs, body, user, scope, headers, raw)
            return self._prefixed(double.api.answer(request))

    def _prefixed(self, answer: Answer) -> Answer:
        """Behind a gateway all URLs have its prefix."""
        if self.double.prefix != "/api/" and answer.body is not None:
            text = json.dumps(answer.body).replace('"/api/v2/', f'"{self.double.prefix}v2/')
            answer.body = json.loads(text)
        return answer

    def _user(self) -> tuple[Json | None, str]:
        sort, _space, value = self.headers.get("Authorization", "").partition(" ")
        store = self.double.store
        if sort == "Bearer":
            for token in store.rows["tokens"].values():
                if secrets.compare_digest(token["_token"], value):
                    return store.rows["users"].get(token["user"]), token["scope"]
        if sort == "Basic":
            try:
                name, _colon, password = base64.b64decode(value).decode().partition(":")
            except (binascii.Error, ValueError):
                return None, "write"
            for user in store.rows["users"].values():
                if user["username"] == name and user["_password"] == password:
                    return user, "write"
        return None, "write"

    def _note(self, path: str, status: int, raw: bytes) -> None:
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        with self.double.lock:
            self.double.calls.append(Call(self.command, path, status, body))

    def _faulty(self, fault: Fault) -> None:
        if fault.how == "refuse":
            self.close_connection = True
        elif fault.how == "401":
            self._send(Answer(401, content(9), {"WWW-Authenticate": exchanges()[9].headers["WWW-Authenticate"]}))
        elif fault.how == "403":
            self._send(Answer(403, content(284)))
        elif fault.how == "429":
            said = {"detail": f"Request was throttled. Expected available in {fault.seconds:g} seconds."}
            self._send(Answer(429, said, {"Retry-After": f"{fault.seconds:g}"}))
        elif fault.how == "html":
            self._send(Answer(200, text="<!doctype html><title>Sign in</title>", sort="text/html"))
        else:
            self._send(Answer(int(fault.how), text="<html><h1>Bad Gateway</h1></html>", sort="text/html"))

    def _send(self, answer: Answer, cut: bool = False) -> None:
        data = b""
        if answer.text is not None:
            data = answer.text.encode()
        elif answer.body is not None:
            data = json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        headers = {"Content-Type": answer.sort, **answer.headers, "Content-Length": str(len(data))}
        if not data:
            headers.pop("Content-Type")
        headers |= {"X-API-Product-Version": VERSION, "X-API-Product-Name": "AWX", "X-API-Node": "awx-1"}
        for name, value in headers.items():
            self.send_header(name, value)
        if cut:
            data, self.close_connection = data[: len(data) // 2], True
        self._headers_buffer += [b"\r\n", b"" if self.command == "HEAD" else data]  # type: ignore[attr-defined]
        self.flush_headers()


__all__ = ["Call", "Double", "Fault", "Run"]

"""A real remote for unit tests: the lab's Git server (git http-backend, tokens) in this process, on a free port."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote

from tests.lab import sshd
from tests.lab.gitserver import REPOSITORY, Handler, Server, make_repository

CANARY = "canary-7f3e/token+1"


@dataclass
class GitRemote:
    """requests: "METHOD path" of all that came; drop: those that are carried out, but never answered.

    stall: those whose answer stops in the middle.
    """

    url: str
    repository: Path
    requests: list[str] = field(default_factory=list)
    drop: str = "nothing is dropped"
    stall: str = "nothing stalls"
    released: threading.Event = field(default_factory=threading.Event)

    def remote(self, username: str = "writer", token: str | None = CANARY, **options: str) -> Remote:
        return Remote(self.url, token=token, username=username, **options)

    def open(self, username: str = "writer") -> GitRepository:
        return GitRepository(self.remote(username))

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def hook(self, name: str, script: str) -> None:
        path = self.repository / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@contextmanager
def serving(folder: Path, certificate: tuple[Path, Path] | None = None) -> Iterator[GitRemote]:
    users = {"writer": {"token": CANARY, "write": True}, "argocd": {"token": CANARY, "write": False}}
    repository = make_repository(folder)
    there = GitRemote("", repository)

    class Counting(Handler):
        def serve(self) -> None:
            there.requests.append(f"{self.command} {self.path}")
            super().serve()

        def answer(self, stdout: object) -> None:
            if there.drop in f"{self.command} {self.path}":
                stdout.read()  # type: ignore[attr-defined]
                self.close_connection = True
            elif there.stall in f"{self.command} {self.path}":
                head, _empty, body = stdout.read().partition(b"\r\n\r\n")  # type: ignore[attr-defined]
                length = f"Content-Length: {len(body)}".encode()
                self.wfile.write(b"\r\n".join([b"HTTP/1.1 200 OK", head, length, b"", body[: len(body) // 2]]))
                self.wfile.flush()
                there.released.wait(20)
            else:
                super().answer(stdout)  # type: ignore[arg-type]

    server = Server(("127.0.0.1", 0), type("Known", (Counting,), {"folder": folder, "users": users}))
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    there.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}/{REPOSITORY}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield there
    finally:
        there.released.set()
        server.shutdown()
        server.server_close()


@dataclass
class SshRemote:
    """A real sshd on a free port of loopback, in front of a bare repository, with the lab's deploy keys."""

    port: int
    user: str
    repository: Path
    keys: sshd.Keys

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}/{REPOSITORY}"

    def remote(self, key: str = "writer", **options: str) -> Remote:
        files = {"ssh_key_file": str(self.keys.key(key)), "ssh_known_hosts": str(self.keys.known_hosts)}
        return Remote(**{"url": self.url, **files, **options})

    def hook(self, name: str, script: str) -> None:
        path = self.repository / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


@contextmanager
def serving_ssh(folder: Path, program: sshd.Program) -> Iterator[SshRemote]:
    repository = make_repository(folder / "git")
    server = sshd.Server(0, folder / "ssh", program)
    keys = sshd.prepare(folder / "ssh", folder / "git", server.port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield SshRemote(server.port, program.user, repository, keys)
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Proxy:
    """seen: "METHOD target" of what was let through; refuse: status for all; elsewhere: host -> where it really is."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    refuse: int = 0
    elsewhere: dict[str, str] = field(default_factory=dict)


@contextmanager
def proxying(credentials: str = "") -> Iterator[Proxy]:
    """A proxy on loopback: CONNECT for https, whole addresses for http. `credentials`: user:password that it wants."""
    proxy = Proxy()
    wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}"

    class ProxyHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def end(self, status: int) -> None:
            self.close_connection = True
            self.send_response(status)
            if status == 407:
                self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Connection", "close")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def refused(self) -> bool:
            given = self.headers.get("Proxy-Authorization", "")
            status = 407 if credentials and given != wanted else proxy.refuse
            if status:
                self.end(status)
            else:
                proxy.seen.append(f"{self.command} {self.path}")
            return bool(status)

        def do_CONNECT(self) -> None:
            if not self.refused():
                self.tunnel()

        def tunnel(self) -> None:
            host, _colon, port = self.path.rpartition(":")
            try:
                upstream = socket.create_connection((proxy.elsewhere.get(host, host), int(port)), 5)
            except OSError:
                self.end(502)
                return
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pump, args=(upstream, self.connection), daemon=True)
            back.start()
            pump(self.connection, upstream)
            back.join()
            upstream.close()

        def do_GET(self) -> None:
            if not self.refused():
                self.forward()

        def do_POST(self) -> None:
            self.do_GET()

        def forward(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: text for name, text in self.headers.items() if not name.lower().startswith("proxy-")}
            upstream = HTTPConnection(address.netloc, timeout=5)
            try:
                upstream.request(self.command, f"{address.path}?{address.query}", body, headers)
                answer = upstream.getresponse()
                content = answer.read()
            except OSError:
                self.end(502)
                return
            finally:
                upstream.close()
            self.send_response(answer.status)
            for name, text in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "date", "server"):
                    self.send_header(name, text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = Server(("127.0.0.1", 0), ProxyHandler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass

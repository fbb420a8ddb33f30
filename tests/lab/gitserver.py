"""A Git server over HTTP for the lab: users with tokens in front of `git http-backend`.

Run as ``python -m tests.lab.gitserver PORT FOLDER``. FOLDER holds the bare repositories and users.json:
``{"<user>": {"token": "<token>", "write": true}}``. Hooks are those of the bare repository.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, cast

REPOSITORY = "dbaas-gitops.git"
CHUNK = 64 * 1024
# What the platform asks of a Git host; a push that is no fast-forward is refused by the host itself.
SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "receive.autogc": "false",
}


def make_repository(folder: Path, branch: str = "main") -> Path:
    """An empty bare repository with this branch, unless it is there."""
    repository = folder / REPOSITORY
    if not (repository / "HEAD").exists():
        subprocess.run(
            ["git", "init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(repository)],
            check=True,
        )
        (repository / "hooks").mkdir(exist_ok=True)
    for name, value in SETTINGS.items():
        subprocess.run(["git", "-C", str(repository), "config", name, value], check=True)
    return repository


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    users: dict[str, dict[str, str | bool]]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing: a request line may hold what a client was told to keep."""

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def refuse(self, status: int, text: str) -> None:
        # The body that the client still wants to send is not read, so the connection cannot be used again.
        self.close_connection = True
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="lab"')
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())

    def user(self) -> str | None:
        scheme, _space, encoded = self.headers.get("Authorization", "").partition(" ")
        try:
            name, _colon, token = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return None
        known = self.users.get(name)
        good = known is not None and hmac.compare_digest(str(known["token"]).encode(), token.encode())
        return name if good and scheme.lower() == "basic" else None

    def serve(self) -> None:
        user = self.user()
        if user is None:
            return self.refuse(401, "a user and a token are wanted\n")
        path, _mark, query = self.path.partition("?")
        if "git-receive-pack" in self.path and not self.users[user]["write"]:
            return self.refuse(403, "this user may only read\n")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REMOTE_USER": user,
            "REMOTE_ADDR": str(self.client_address[0]),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
        }
        for header, variable in (("Git-Protocol", "GIT_PROTOCOL"), ("Content-Encoding", "HTTP_CONTENT_ENCODING")):
            if header in self.headers:
                environment[variable] = self.headers[header]
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        if not chunked:
            environment["CONTENT_LENGTH"] = self.headers.get("Content-Length", "0")
        with subprocess.Popen(
            ["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        ) as backend:
            stdin, stdout = cast("BinaryIO", backend.stdin), cast("BinaryIO", backend.stdout)
            feeder = threading.Thread(target=self.feed, args=(stdin, chunked), daemon=True)
            feeder.start()
            try:
                self.answer(stdout)
            finally:
                feeder.join()
        return None

    def body(self, chunked: bool) -> Iterator[bytes]:
        if not chunked:
            left = int(self.headers.get("Content-Length") or 0)
            while left and (data := self.rfile.read(min(left, CHUNK))):
                left -= len(data)
                yield data
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def feed(self, stdin: BinaryIO, chunked: bool) -> None:
        try:
            stdin.writelines(self.body(chunked))
            stdin.close()
        except (OSError, ValueError):
            # The backend gave up early, or the client did: what is left of the body is nobody's.
            self.close_connection = True

    def answer(self, stdout: BinaryIO) -> None:
        status, headers = 200, []
        while line := stdout.readline().strip():
            name, _colon, value = line.decode().partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        sized = any(name.lower() == "content-length" for name, _value in headers)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not sized:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := stdout.read1(CHUNK):  # type: ignore[attr-defined]
            self.wfile.write(data if sized else b"%x\r\n%s\r\n" % (len(data), data))
        if not sized:
            self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the server's."""


def main(port: int, folder: Path) -> None:
    users = json.loads((folder / "users.json").read_text())
    handler = type("UserHandler", (Handler,), {"folder": folder, "users": users})
    Server(("127.0.0.1", port), handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

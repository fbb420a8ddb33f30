"""A real remote for unit tests: the lab's Git server (git http-backend, tokens) in this process, on a free port."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote

from tests.lab import sshd
from tests.lab.gitserver import REPOSITORY, Handler, Server, make_repository

CANARY = "canary-7f3e/token+1"


@dataclass
class GitRemote:
    """requests: "METHOD path" of all that came; drop: requests that are carried out, but never answered."""

    url: str
    repository: Path
    requests: list[str] = field(default_factory=list)
    drop: str = "nothing is dropped"

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

"""An SSH server in front of the lab's bare repository: a real sshd for each connection, with deploy keys.

Run as ``python -m tests.lab.sshd PORT FOLDER``; FOLDER is what `prepare` made. Listening is done here and not by sshd,
whose process title overwrites the environment that the lab finds its processes by.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .binaries import LabError, alone, cache_folder
from .progress import Progress

#: Debian's packages that sshd needs beside what every Debian with git has; the last gives it a user in a file of ours.
PACKAGES = ("openssh-server", "libwrap0", "libnss-wrapper")
#: Deploy keys: name -> may push.
KEYS = {"writer": True, "argocd": False}
# What a Git host does: a key is for Git alone, and only for what its repository grants it.
_GUARD = """\
#!/bin/sh
cd {repositories} || exit 1
case "$SSH_ORIGINAL_COMMAND" in
  "git-receive-pack '"*)
    if [ "$1" != write ]; then
      echo "ERROR: The key you are authenticating with has been marked as read only." >&2
      exit 1
    fi ;;
esac
exec git shell -c "$(printf %s "$SSH_ORIGINAL_COMMAND" | sed "s,^\\(git-[a-z-]* '\\)/,\\1,")"
"""


@dataclass(frozen=True)
class Program:
    """An sshd that runs here: its path, the user that one logs in as, and what it needs in its environment."""

    path: Path
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)


def resolve(folder: Path, progress: Progress | None = None) -> Program:
    """The sshd that DBAAS_LAB_SSHD names, one on PATH, or the one of Debian's package, unpacked below the user's cache.

    `folder`: where a file of users may be put. Raises LabError, with the reason, where none can be had.
    """
    if shutil.which("ssh-keygen") is None or shutil.which("ssh") is None:
        raise LabError("there is no SSH client here (Debian: openssh-client)")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=False).stdout.strip()
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = os.environ.get("DBAAS_LAB_SSHD") or shutil.which("sshd", path=places)
    if found and user:
        program = Program(Path(found).absolute(), user)
    else:
        program = _unpacked(folder, progress or Progress(quiet=True))
    if os.getuid() == 0:
        # as the service's own unit does
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    answer = _run([str(program.path), "-t", "-f", "/dev/null", "-h", str(_key(folder / "probe"))], program.environment)
    if answer.returncode:
        raise LabError(f"sshd does not run here: {_last(answer)}")
    return program


def _unpacked(folder: Path, progress: Progress) -> Program:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise LabError("there is no sshd here (install openssh-server, or name one in DBAAS_LAB_SSHD)")
    root = cache_folder() / "openssh-server"
    root.parent.mkdir(parents=True, exist_ok=True)
    with alone(root.with_suffix(".lock"), progress):
        if not root.exists():
            _fetch(root, progress)
    libraries = sorted({str(path.parent) for path in root.rglob("*.so*")})
    wrapper = next(root.rglob("libnss_wrapper.so"))
    users, groups = folder / "passwd", folder / "group"
    users.parent.mkdir(parents=True, exist_ok=True)
    users.write_text(
        f"git:x:{os.getuid()}:{os.getgid()}::{folder}:/bin/sh\nsshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    groups.write_text(f"git:x:{os.getgid()}:\nnogroup:x:65534:\n")
    environment = {
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "LD_PRELOAD": str(wrapper),
        "NSS_WRAPPER_PASSWD": str(users),
        "NSS_WRAPPER_GROUP": str(groups),
    }
    return Program(root / "usr/sbin/sshd", "git", environment)


def _fetch(root: Path, progress: Progress) -> None:
    """Debian's packages by apt, which checks their signatures, unpacked without being installed."""
    part = root.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "lists/partial").mkdir(parents=True)
    with progress.task("sshd from Debian (openssh-server)"):
        own = ["-o", f"Dir::State::Lists={part / 'lists'}", "-o", f"Dir::Cache={part}", "-o", "APT::Sandbox::User="]
        download = ["download", *PACKAGES]
        answer = _run(["apt-get", "-o", "APT::Sandbox::User=", *download], cwd=part)
        if answer.returncode:
            # images often come without lists, and these may not be written without root
            update = _run(["apt-get", *own, "update"], cwd=part)
            answer = update if update.returncode else _run(["apt-get", *own, *download], cwd=part)
        if answer.returncode:
            raise LabError(f"Debian's openssh-server cannot be had: {_last(answer)}")
        for package in part.glob("*.deb"):
            unpacked = _run(["dpkg-deb", "-x", str(package), str(part / "root")])
            if unpacked.returncode:
                raise LabError(f"{package.name} cannot be unpacked: {_last(unpacked)}")
    (part / "root").rename(root)
    shutil.rmtree(part)


@dataclass(frozen=True)
class Keys:
    """What `prepare` made: private keys by name, and the file that clients know the host by."""

    folder: Path

    def key(self, user: str) -> Path:
        """The private key of a user of KEYS."""
        return self.folder / user

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"


def prepare(folder: Path, repositories: Path, port: int) -> Keys:
    """Host key, deploy keys, and the configuration of an sshd at `port`, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    guard = folder / "guard"
    guard.write_text(_GUARD.format(repositories=shlex.quote(str(repositories))))
    guard.chmod(0o700)
    host = _key(folder / "host_key")
    lines = []
    for user, may_push in KEYS.items():
        public = _key(folder / user).with_suffix(".pub").read_text().strip()
        lines.append(f'command="{guard} {"write" if may_push else "read"}",restrict {public}\n')
    (folder / "authorized_keys").write_text("".join(lines))
    name = f"[127.0.0.1]:{port}"
    (folder / "known_hosts").write_text(f"{name} {' '.join(host.with_suffix('.pub').read_text().split()[:2])}\n")
    (folder / "sshd_config").write_text(
        f"HostKey {host}\nAuthorizedKeysFile {folder}/authorized_keys\nAuthenticationMethods publickey\n"
        "UsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n"
        f"SetEnv PATH={os.environ['PATH']}\nPrintMotd no\nPrintLastLog no\nUseDNS no\nPidFile none\nLogLevel ERROR\n"
    )
    return Keys(folder)


def _key(path: Path) -> Path:
    if not path.with_suffix(".pub").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


class Server(socketserver.ThreadingTCPServer):
    """Listens on loopback and hands each connection to an sshd of its own."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path, program: Program) -> None:
        command = [str(program.path), "-i", "-e", "-f", str(folder / "sshd_config")]
        kept = {key: os.environ[key] for key in ("PATH", "DBAAS_LAB_STATE") if key in os.environ}

        class Handler(socketserver.BaseRequestHandler):
            request: socket.socket

            def handle(self) -> None:
                with (folder / "sshd.log").open("ab") as log:
                    subprocess.run(
                        command,
                        stdin=self.request.fileno(),
                        stdout=self.request.fileno(),
                        stderr=log,
                        env={**kept, **program.environment},
                        check=False,
                    )

        super().__init__(("127.0.0.1", port), Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the server's."""


def _run(
    command: list[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **(environment or {})}, cwd=cwd, capture_output=True, text=True, check=False
    )


def _last(answer: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (answer.stderr or answer.stdout).splitlines() if line.strip()]
    # a mirror's address is of no use to whoever reads why a test was skipped
    return re.sub(r"\S+://\S+", "…", lines[-1]) if lines else f"exit {answer.returncode}"


def main(port: int, folder: Path) -> None:
    Server(port, folder, resolve(folder)).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

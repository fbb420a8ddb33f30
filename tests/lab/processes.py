"""The lab's processes under one supervisord, which restarts what dies, and a way to find them all again without it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from .binaries import LabError

# Stands in the environment of every process of a lab, with its state folder: nothing else is ever ended.
MARK = "DBAAS_LAB_STATE"


@dataclass(frozen=True)
class Program:
    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    signal: str = "TERM"


def configuration(programs: Iterable[Program], folder: Path, port: int, password: str) -> str:
    """supervisord's configuration. Nothing starts by itself: what needs another is started after it, by the lab."""
    logs = folder / "logs"
    sections: list[tuple[str, dict[str, object]]] = [
        (
            "supervisord",
            {
                "logfile": logs / "supervisord.log",
                "pidfile": folder / "supervisord.pid",
                "directory": folder,
                "umask": "077",
                "nocleanup": "true",
            },
        ),
        ("inet_http_server", {"port": f"127.0.0.1:{port}", "username": "lab", "password": password}),
        (
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
    ]
    for program in programs:
        environment = ",".join(f'{name}="{value}"' for name, value in sorted(program.environment.items()))
        section = {
            "command": shlex.join(program.command),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": 1,
            # It grows by a second each time: a process whose API server is away for minutes is not given up.
            "startretries": 100000,
            "stopsignal": program.signal,
            "stopwaitsecs": 10,
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": logs / f"{program.name}.log",
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": 1,
        }
        if environment:
            section["environment"] = environment
        sections.append((f"program:{program.name}", section))
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {str(value).replace('%', '%%')}\n" for key, value in section.items())
        for name, section in sections
    )


def marked(folder: Path) -> list[int]:
    """Pids of all living processes that belong to the lab in this folder, whoever their parent is now."""
    wanted = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end(pids: Iterable[int], patience: float = 5.0) -> None:
    """SIGTERM, and SIGKILL for those that stay."""
    left = list(pids)
    for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait
        while (left := [pid for pid in left if _alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Supervisor:
    def __init__(self, folder: Path, port: int, password: str) -> None:
        self.folder, self.port, self.password = folder, port, password
        self.config = folder / "supervisord.conf"

    @contextlib.contextmanager
    def _rpc(self) -> Iterator[Any]:
        # A transport of its own for each use: they are not made for threads.
        transport = SupervisorTransport("lab", self.password, f"http://127.0.0.1:{self.port}")
        with ServerProxy("http://127.0.0.1", transport) as proxy:
            yield proxy.supervisor

    def alive(self) -> bool:
        try:
            with self._rpc() as rpc:
                return bool(rpc.getPID() in marked(self.folder))
        except (OSError, Fault):
            return False
        except Exception as error:  # noqa: BLE001
            # xmlrpc's own errors have no common root, and name the address.
            raise LabError(f"something else answers at the supervisor's port: {type(error).__name__}") from None

    def ensure(self, programs: Iterable[Program]) -> None:
        """supervisord runs with exactly these programs; those whose command changed are stopped."""
        text = configuration(programs, self.folder, self.port, self.password)
        (self.folder / "logs").mkdir(exist_ok=True)
        self.config.touch(mode=0o600)
        if self.config.read_text() != text:
            self.config.write_text(text)
        if not self.alive():
            end(marked(self.folder))
            self._launch()
            return
        with self._rpc() as rpc:
            added, changed, removed = rpc.reloadConfig()[0]
            for name in (*changed, *removed):
                rpc.stopProcessGroup(name)
                rpc.removeProcessGroup(name)
            for name in (*changed, *added):
                rpc.addProcessGroup(name)

    def _launch(self) -> None:
        # Of the caller's environment only what a program needs to run: no proxy, no credential of anybody.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        answer = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)],
            env={**kept, MARK: str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        deadline = time.monotonic() + 10
        while not self.alive():
            if answer.returncode or time.monotonic() > deadline:
                raise LabError(f"supervisord did not start: {answer.stderr.strip() or answer.stdout.strip()}")
            time.sleep(0.05)

    def states(self) -> dict[str, dict[str, Any]]:
        """Per program what supervisord knows: statename, pid, start, spawnerr."""
        with self._rpc() as rpc:
            return {info["name"]: info for info in rpc.getAllProcessInfo()}

    def start(self, name: str) -> None:
        """Start it if it does not run; one that waits for its next try is tried at once."""
        with self._rpc() as rpc:
            if rpc.getProcessInfo(name)["statename"] == "BACKOFF":
                with contextlib.suppress(Fault):
                    rpc.stopProcess(name)
            try:
                rpc.startProcess(name, False)
            except Fault as fault:
                if fault.faultCode != Faults.ALREADY_STARTED:
                    raise LabError(f"{name} cannot be started: {fault.faultString}") from fault

    def stop(self, name: str) -> None:
        with self._rpc() as rpc:
            try:
                rpc.stopProcess(name)
            except Fault as fault:
                if fault.faultCode != Faults.NOT_RUNNING:
                    raise LabError(f"{name} cannot be stopped: {fault.faultString}") from fault

    def kill(self, name: str) -> None:
        """`kill -9`; supervisord starts it again."""
        pid = self.states()[name]["pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)

    def wait_running(self, names: Iterable[str], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            states = self.states()
            waiting = [name for name in names if states[name]["statename"] != "RUNNING"]
            if not waiting:
                return
            if time.monotonic() > deadline:
                logs = ", ".join(str(self.folder / "logs" / f"{name}.log") for name in waiting)
                raise LabError(f"not running after {seconds:g} s: {', '.join(waiting)}; see {logs}")
            time.sleep(0.1)

    def shut_down(self) -> None:
        """Ends supervisord, its children, and whatever was left behind."""
        if self.alive():
            with self._rpc() as rpc:
                rpc.shutdown()
            deadline = time.monotonic() + 15
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.1)
        end(marked(self.folder))

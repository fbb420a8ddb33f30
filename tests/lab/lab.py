"""The lab as a whole: up, down, and what tests do to it in between."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import random
import re
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import binaries, crds, gitserver, pki, sshd
from .api import Api, ApiError
from .binaries import LabError
from .crds import ROOT
from .pop import PORTS, USERS, Pop, Shared, argocd_environment, kubeconfig, private
from .processes import Program, Supervisor
from .progress import Progress

GIT_USERS = {"writer": True, "argocd": False}
SHARED_PORTS = ("supervisor", "git", "sshd", "redis", "repo-server", "repo-server-metrics")
# Seconds that the stand-in for an operator takes to make a database.
DELAY = 4.0
# Under the kernel's ephemeral ports, so that no outgoing connection takes one while the lab is down.
PORTS_OF_ALL = "23000-31999"


class Lab:
    """A lab in its state folder. `Lab.up(...)` makes or mends it; `Lab.at(...)` finds one as it is."""

    def __init__(self, state: Path, pops: Sequence[str], kept: Mapping[str, Any]) -> None:
        self.state = state
        self.pops = list(pops)
        self._kept = kept
        self._apis: dict[tuple[str, str], Api] = {}
        ports, tokens = kept["ports"], kept["tokens"]
        self.branch, self.argocd, self.ssh_user = kept["branch"], kept["argocd"], kept["ssh_user"]
        self.git_url = f"http://127.0.0.1:{ports['git']}/{gitserver.REPOSITORY}"
        if self.ssh_user:
            self.git_url = f"ssh://{self.ssh_user}@127.0.0.1:{ports['sshd']}/{gitserver.REPOSITORY}"
        self.repository = state / "git" / gitserver.REPOSITORY
        self.ssh = sshd.Keys(state / "ssh")
        credential = {"username": "argocd", "password": tokens["git/argocd"]}
        if self.ssh_user:
            credential = {"sshPrivateKey": self.ssh.key("argocd").read_text()}
        self.shared = Shared(
            folder=state,
            bin=state / "bin",
            redis=ports["redis"],
            redis_password=tokens["redis"],
            repo_server=ports["repo-server"],
            git_url=self.git_url,
            git_credential=credential,
            known_hosts=self.ssh.known_hosts.read_text() if self.ssh_user else "",
            argocd=self.argocd,
            platform_key=kept["platform_key"],
            server_key=tokens["argocd/server"],
        )
        self._pops = {
            name: Pop(
                name=name,
                index=1 + number,
                ports={port: ports[f"{name}/{port}"] for port in PORTS},
                tokens={user: tokens[f"{name}/{user}"] for user in USERS},
                shared=self.shared,
            )
            for number, name in enumerate(kept["pops"])
        }
        self.supervisor = Supervisor(state, ports["supervisor"], tokens["supervisor"])

    @classmethod
    def up(
        cls,
        pops: Sequence[str] = ("lagos", "johannesburg"),
        *,
        state: Path | None = None,
        delay: float = DELAY,
        health: Mapping[str, str] | None = None,
        branch: str = "main",
        argocd: str = "argocd",
        ssh: bool = False,
        progress: Progress | None = None,
    ) -> Lab:
        """Bring up these PoPs, or mend what is broken of them; with everything up it changes nothing.

        `delay`: seconds that a simulated database takes. `health`: Argo CD's health checks, Lua by `<group>_<Kind>`.
        `branch`: of the repository; `argocd`: the namespace of Argo CD; `ssh`: whether all reach the repository by SSH
        instead of HTTP. These three are settled when the state folder is made. Raises LabError, with what to do.
        """
        if bad := [pop for pop in pops if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", pop)] or not pops:
            raise LabError(f"no name of a PoP: {bad}")
        progress = progress or Progress(quiet=True)
        state = (state or default_state()).absolute()
        if set('%";') & set(str(state)):
            raise LabError(f"supervisord cannot work in a folder with such a name: {state}")
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        own = binaries.resolve(progress)
        source = crds.source()
        progress.say(f"lab in {state}: {', '.join(pops)}; {source}; its databases are simulated")
        with _only_one(state):
            kept = _remember(state, pops, branch=branch, argocd=argocd)
            if ssh:
                kept["ssh_user"] = sshd.resolve(state / "ssh", progress).user
                sshd.prepare(state / "ssh", state / "git", kept["ports"]["sshd"])
                private(state / "state.json", json.dumps(kept, indent=1))
            lab = cls(state, pops, kept)
            with progress.task("configuration"):
                lab._write_files(own)
                lab.supervisor.ensure(lab._programs())
            with progress.task("Git, Redis, Argo CD's repo-server"):
                for name in lab._shared:
                    lab.supervisor.start(name)
            with ThreadPoolExecutor(len(pops)) as pool:
                list(pool.map(lambda pop: lab._raise(pop, own, source, delay, health or {}, progress), lab.pops))
            lab.supervisor.wait_running(lab._shared)
            _wait_port(lab._kept["ports"]["sshd" if lab.ssh_user else "git"])
            _wait_port(lab.shared.repo_server)
        return lab

    @classmethod
    def at(cls, state: Path | None = None) -> Lab:
        """The lab that is there, up or not; LabError if there is none."""
        state = (state or default_state()).absolute()
        try:
            kept = {**_NAMES, **json.loads((state / "state.json").read_text())}
        except FileNotFoundError as error:
            raise LabError(f"there is no lab in {state}: make one with `python -m tests.lab up`") from error
        return cls(state, kept["pops"], kept)

    def down(self, *, purge: bool = False) -> None:
        """End the lab's processes and nothing else; with `purge` its state goes too."""
        with _only_one(self.state):
            self.supervisor.shut_down()
        if purge:
            shutil.rmtree(self.state)

    # --- what there is

    def kubeconfig(self, user: str = "admin") -> Path:
        """A kubeconfig of one user (admin, argocd, observer, operator, reader) with one context per PoP."""
        return self.state / "kubeconfigs" / f"{user}.yaml"

    def git_token(self, user: str = "writer") -> str:
        return str(self._kept["tokens"][f"git/{user}"])

    def git_environment(self, user: str = "writer") -> dict[str, str]:
        """How our modules, and for SSH plain Git, find the repository with this user's credential."""
        common = {"DBAAS_REPOSITORY": self.git_url, "DBAAS_GIT_BRANCH": self.branch}
        if not self.ssh_user:
            return {**common, "DBAAS_GIT_USERNAME": user, "DBAAS_GIT_TOKEN": self.git_token(user)}
        key, hosts = str(self.ssh.key(user)), str(self.ssh.known_hosts)
        plain = f"ssh -F none -i {key} -o IdentitiesOnly=yes -o UserKnownHostsFile={hosts} -o StrictHostKeyChecking=yes"
        return {
            **common,
            "DBAAS_GIT_SSH_KEY_FILE": key,
            "DBAAS_GIT_SSH_KNOWN_HOSTS": hosts,
            "GIT_SSH_COMMAND": plain,
        }

    def git_remote(self, user: str = "writer") -> str:
        """The repository's address with user and token in it, for a plain `git push`. Not for logs."""
        return self.git_url.replace("://", f"://{user}:{self.git_token(user)}@", 1)

    def api(self, pop: str, user: str = "admin") -> Api:
        # whoever asks again and again keeps its connection
        if (pop, user) not in self._apis:
            self._apis[pop, user] = self._pops[pop].api(user)
        return self._apis[pop, user]

    def observer_port(self, pop: str) -> int:
        return self._pops[pop].ports["observer"]

    def log(self, process: str, pop: str | None = None) -> Path:
        return self.state / "logs" / f"{self._name(process, pop)}.log"

    # --- what tests do to it. `process`: one of pop.PROCESSES, or git, redis, argocd-repo-server without a PoP

    def stop(self, process: str, pop: str | None = None) -> None:
        """Stop it until `start` or the next `up`."""
        self.supervisor.stop(self._name(process, pop))

    def start(self, process: str, pop: str | None = None) -> None:
        self.supervisor.start(self._name(process, pop))
        if pop and process == "kube-apiserver":
            self._pops[pop].api().wait_ready(30)
            self._hurry(pop)

    def kill(self, process: str, pop: str | None = None) -> None:
        """`kill -9`; the supervisor starts it again."""
        self.supervisor.kill(self._name(process, pop))

    def pid(self, process: str, pop: str | None = None) -> int:
        """0 when it does not run."""
        return int(self.supervisor.states()[self._name(process, pop)]["pid"])

    @contextlib.contextmanager
    def refuse_pushes(self, why: str = "pushes are refused") -> Iterator[None]:
        """The Git server refuses every push while the context lasts."""
        with self.hook("pre-receive", f"echo {why!r} >&2\nexit 1\n"):
            yield

    @contextlib.contextmanager
    def hook(self, name: str, script: str) -> Iterator[None]:
        """A shell hook of the bare repository while the context lasts."""
        path = self.repository / "hooks" / name
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        try:
            yield
        finally:
            path.unlink()

    def status(self) -> list[dict[str, Any]]:
        """Per process: name, state, pid, mib (resident), cpu (seconds so far)."""
        states = self.supervisor.states() if self.supervisor.alive() else {}
        return [
            {"name": name, "state": info["statename"], "pid": info["pid"], **_usage(info["pid"])}
            for name, info in sorted(states.items())
        ]

    # --- how it comes up

    @property
    def _shared(self) -> list[str]:
        return ["sshd" if self.ssh_user else "git", "redis", "argocd-repo-server"]

    def _name(self, process: str, pop: str | None) -> str:
        return f"{pop}.{process}" if pop else process

    def _write_files(self, own: binaries.Binaries) -> None:
        pki.make(self.state / "pki")
        links = {**own.programs, **{f"argocd-{role}": own.programs["argocd"] for role in _ROLES}}
        self.shared.bin.mkdir(exist_ok=True)
        for name, target in links.items():
            link = self.shared.bin / name
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
        for pop in self._pops.values():
            pop.write_files()
        ca = (self.state / "pki" / "ca.crt").read_bytes()
        for user in USERS:
            pops = {name: (pop.server, pop.tokens[user]) for name, pop in self._pops.items()}
            private(self.kubeconfig(user), json.dumps(kubeconfig(user, pops, ca), indent=1))
        gitserver.make_repository(self.state / "git", self.branch)
        users = {user: {"token": self.git_token(user), "write": write} for user, write in GIT_USERS.items()}
        private(self.state / "git" / "users.json", json.dumps(users))
        for part in ("redis", "argocd/ssh", "argocd/tls", "argocd/gnupg", "argocd/tmp", "argocd/plugins"):
            (self.state / part).mkdir(parents=True, exist_ok=True)
        (self.state / "argocd" / "ssh" / "ssh_known_hosts").write_text(self.shared.known_hosts)
        lines = ["bind 127.0.0.1", f"port {self.shared.redis}", f"requirepass {self.shared.redis_password}"]
        # A process title would overwrite the environment that the lab finds its processes by.
        lines += ['save ""', "appendonly no", "databases 64", "set-proc-title no", f'dir "{self.state / "redis"}"']
        private(self.state / "redis" / "redis.conf", "\n".join(lines) + "\n")

    def _programs(self) -> list[Program]:
        ports, folder = self._kept["ports"], self.state
        repo_server = [
            str(self.shared.bin / "argocd-repo-server"),
            "--disable-tls",
            "--address=127.0.0.1",
            f"--port={ports['repo-server']}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={ports['repo-server-metrics']}",
            f"--redis=127.0.0.1:{ports['redis']}",
        ]
        shared = [
            self._git_server(),
            Program("redis", [str(self.shared.bin / "redis-server"), str(folder / "redis" / "redis.conf")]),
            Program("argocd-repo-server", repo_server, argocd_environment(folder / "argocd", self.shared)),
        ]
        return shared + [program for pop in self._pops.values() for program in pop.programs()]

    def _git_server(self) -> Program:
        name, module, folder = ("sshd", "sshd", "ssh") if self.ssh_user else ("git", "gitserver", "git")
        command = [
            sys.executable,
            "-m",
            f"tests.lab.{module}",
            str(self._kept["ports"][name]),
            str(self.state / folder),
        ]
        home = str(self.state / "git")
        return Program(name, command, {"PYTHONPATH": str(ROOT), "GIT_CONFIG_NOSYSTEM": "1", "HOME": home})

    def _raise(
        self,
        name: str,
        own: binaries.Binaries,
        source: crds.Source,
        delay: float,
        health: Mapping[str, str],
        progress: Progress,
    ) -> None:
        pop, supervisor = self._pops[name], self.supervisor
        with progress.task(f"{name}: API server"):
            supervisor.start(pop.process("etcd"))
            supervisor.start(pop.process("kube-apiserver"))
            pop.api().wait_ready(90)
        with progress.task(f"{name}: CRDs, Argo CD's settings, Stages"):
            supervisor.start(pop.process("kube-controller-manager"))
            for patience in (1, 2, 0):
                try:
                    pop.bootstrap(source, own, delay, health)
                    break
                except ApiError as error:
                    # An API server whose etcd has just died is ready one moment and not the next.
                    if error.status not in {0, 404, 429, 500, 503} or not patience:
                        raise
                    time.sleep(patience)
                    pop.api().wait_ready(90)
        with progress.task(f"{name}: Argo CD, operator stand-in, observer"):
            self._hurry(name)
            supervisor.wait_running([program.name for program in pop.programs()])

    def _hurry(self, pop: str) -> None:
        for program in self._pops[pop].programs():
            self.supervisor.start(program.name)


#: The names that a lab may have otherwise; ssh_user is "" where the repository is reached by HTTP.
_NAMES = {"branch": "main", "argocd": "argocd", "ssh_user": ""}
_ROLES = ("application-controller", "repo-server")


def default_state() -> Path:
    return Path(os.environ.get("DBAAS_LAB") or ROOT / ".cache" / "lab")


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    with (state / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remember(state: Path, pops: Sequence[str], **names: str) -> dict[str, Any]:
    """Ports, tokens, the platform key and `names` (see _NAMES): chosen once, then read."""
    path = state / "state.json"
    kept: dict[str, Any] = {"pops": [], "ports": {}, "tokens": {}, "platform_key": "", **_NAMES, **names}
    if path.exists():
        kept = {**_NAMES, **json.loads(path.read_text())}
    kept["pops"] += [pop for pop in pops if pop not in kept["pops"]]
    kept["platform_key"] = kept["platform_key"] or base64.b64encode(secrets.token_bytes(32)).decode()
    tokens = ["supervisor", "redis", "argocd/server", *(f"git/{user}" for user in GIT_USERS)]
    tokens += [f"{pop}/{user}" for pop in kept["pops"] for user in USERS]
    for name in tokens:
        kept["tokens"].setdefault(name, secrets.token_urlsafe(24))
    for name in [*SHARED_PORTS, *(f"{pop}/{port}" for pop in kept["pops"] for port in PORTS)]:
        if name not in kept["ports"]:
            kept["ports"][name] = free_port(set(kept["ports"].values()))
    private(path, json.dumps(kept, indent=1))
    return kept


def free_port(taken: set[int]) -> int:
    first, last = map(int, os.environ.get("DBAAS_LAB_PORTS", PORTS_OF_ALL).split("-"))
    for _attempt in range(1000):
        port = random.randint(first, last)  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in taken:
                return port
    raise LabError(f"no free port between {first} and {last}")


def _wait_port(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline:
            raise LabError(f"nobody listens at port {port} after {seconds:g} s: see the lab's logs")
        time.sleep(0.1)


def _usage(pid: int) -> dict[str, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return {"mib": 0, "cpu": 0}
    return {
        "mib": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20),
        "cpu": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    }

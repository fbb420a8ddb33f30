"""The doubles of Git hosts refuse what the hosts' descriptions do not have: a client's slip is seen, not swallowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.forge import Double, GitHub, GitLab
from tests.forge.schema import Description
from tests.lab.gitserver import make_repository

PATHS = {"github": "/repos/platform/dbaas-gitops/pulls", "gitlab": "/projects/platform%2Fdbaas-gitops/merge_requests"}
BODIES: dict[str, dict[str, Any]] = {
    "github": {"title": "t", "head": "b", "base": "main"},
    "gitlab": {"title": "t", "source_branch": "b", "target_branch": "main"},
}


@pytest.fixture(params=[GitHub, GitLab], ids=["github", "gitlab"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Double]:
    with request.param(make_repository(tmp_path)) as double:
        tree = double.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
        first = double.commit(tree, "First")
        double.git("update-ref", "refs/heads/main", first)
        double.git("update-ref", "refs/heads/b", double.commit(tree, "Second", first))
        yield double


def send(host: Double, method: str, path: str, body: Any = None) -> int:
    headers = {"Authorization": f"Bearer {host.token}", "PRIVATE-TOKEN": host.token}
    return requests.request(method, f"{host.api}{path}", json=body, headers=headers, timeout=10).status_code


def test_what_is_described_is_served(host: Double) -> None:
    path, body = PATHS[host.kind], BODIES[host.kind]
    assert [send(host, "POST", path, body), send(host, "GET", path), send(host, "GET", f"{path}/1")] == [201, 200, 200]
    assert host.problems == []


def test_what_is_not_described_is_not_built(host: Double) -> None:
    path, body = PATHS[host.kind], BODIES[host.kind]
    assert send(host, "GET", "/user") == 501
    assert send(host, "PUT", f"{path}/1/merge", {}) == 501
    assert send(host, "GET", f"{path}?branch=b") == 501
    assert send(host, "GET", f"{path}?state=openish") == 501
    assert send(host, "POST", path, {**body, "descriptoin": "x"}) == 501
    assert send(host, "POST", path, {**body, "title": 7}) == 501
    assert len(host.problems) == 6
    assert host.merges == []


def test_an_answer_of_ours_that_lacks_a_field_is_noticed(host: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    path = PATHS[host.kind]
    assert send(host, "POST", path, BODIES[host.kind]) == 201
    least = host.sample

    def without(*arguments: Any, **options: Any) -> Any:
        return {name: value for name, value in least(*arguments, **options).items() if name not in ("author", "user")}

    monkeypatch.setattr(host, "sample", without)
    send(host, "GET", f"{path}/1")
    assert len(host.problems) == 1
    assert "required property" in host.problems[0]


@pytest.mark.parametrize("name", ["github.json", "gitlab.yml"])
def test_every_sample_fits_its_own_description(name: str) -> None:
    description = Description(name)
    for operation in description.operations.values():
        for status in (200, 201):
            if schema := operation.schema(status):
                assert list(description.problems(schema, description.sample(schema))) == []

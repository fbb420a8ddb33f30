"""The client of Git hosts, against both doubles, and against servers that go wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients import forge
from ansible_collections.dbaas.platform.plugins.module_utils.clients.forge import Forge, ForgeError, connect
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.forge import Place

from tests.forge import Double, Fault, GitHub, GitLab
from tests.lab import pki
from tests.lab.gitserver import make_repository
from tests.unit.gitremote import proxying

LABELS = ["dbaas", "restart-rolling"]


@pytest.fixture(params=[GitHub, GitLab], ids=["github", "gitlab"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Double]:
    """A host whose project has main, and a branch beside it."""
    with request.param(make_repository(tmp_path)) as double:
        tree = double.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
        first = double.commit(tree, "First")
        double.git("update-ref", "refs/heads/main", first)
        double.git("update-ref", "refs/heads/dbaas/service/acme/orders", double.commit(tree, "Second", first))
        yield double
        assert double.problems == []


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client would have waited: noted, not slept, or the tests would take minutes."""
    found: list[float] = []
    ours, sleep = threading.current_thread(), time.sleep

    def pause(seconds: float) -> None:
        # threads that other tests have left behind sleep on
        (found.append if threading.current_thread() is ours else sleep)(seconds)

    monkeypatch.setattr("time.sleep", pause)
    return found


def client(host: Double, **options: Any) -> Forge:
    return connect(Place(**host.platform), options.pop("token", host.token), **options)


def opened(host: Double) -> forge.Request:
    return client(host).create("dbaas/service/acme/orders", "main", "Create it", "what\n\nand why", LABELS)


def test_a_request_from_its_opening_to_its_merge(host: Double) -> None:
    there = client(host)
    assert there.find("dbaas/service/acme/orders", "main") is None
    made = opened(host)
    assert (made.number, made.state, made.branch, made.title) == (1, "open", "dbaas/service/acme/orders", "Create it")
    found = there.find("dbaas/service/acme/orders", "main")
    assert found == there.get(1)
    assert found is not None
    assert sorted(found.labels) == LABELS
    assert found.head == host.git("rev-parse", found.branch).strip()
    assert there.find("dbaas/service/acme/orders", "release") is None
    there.update(found, "Change it", "otherwise", ["dbaas"])
    again = there.get(1)
    assert (again.title, again.body, again.labels) == ("Change it", "otherwise", ("dbaas",))
    host.merge(1)
    assert there.get(1).state == "merged"
    assert there.find("dbaas/service/acme/orders", "main") is None


def test_a_request_that_is_closed_is_not_merged(host: Double) -> None:
    opened(host)
    host.close(1)
    assert client(host).get(1).state == "closed"
    assert client(host).find("dbaas/service/acme/orders", "main") is None


def test_the_branch_of_a_fork_is_not_ours(host: Double) -> None:
    opened(host)
    host.merges[0].source = "platform/a-fork"
    assert client(host).find("dbaas/service/acme/orders", "main") is None


def test_all_pages_are_read(host: Double) -> None:
    """A fork may have any number of requests of this branch: ours is behind them."""
    opened(host)
    host.merges += [replace(host.merges[0], number=number, source="platform/fork") for number in range(2, 251)]
    found = client(host).find("dbaas/service/acme/orders", "main")
    assert found is not None
    assert found.number == 1
    assert len([line for line in host.requests if line.startswith("GET")]) == 3


def test_a_second_request_is_refused_in_the_hosts_own_words(host: Double) -> None:
    opened(host)
    with pytest.raises(ForgeError) as caught:
        opened(host)
    assert caught.value.code == "forge-rejected"
    assert caught.value.status in (409, 422)
    assert "already exists for" in caught.value.message


def test_a_branch_that_is_not_there_is_named(host: Double) -> None:
    with pytest.raises(ForgeError) as caught:
        client(host).create("nowhere", "main", "t", "b", LABELS)
    assert caught.value.code == "forge-rejected"
    assert any(words in caught.value.message for words in ("head invalid", 'Source branch "nowhere" does not exist'))


def test_who_may_not_is_told_so(host: Double) -> None:
    with pytest.raises(ForgeError) as caught:
        client(host, token="somebody-else's").find("b", "main")
    assert (caught.value.code, caught.value.cls) == ("forge-unauthorized", "user")
    with pytest.raises(ForgeError) as caught:
        client(host, token=host.reader).create("dbaas/service/acme/orders", "main", "t", "b", LABELS)
    assert caught.value.code == "forge-forbidden"
    with pytest.raises(ForgeError) as caught:
        connect(Place(**{**host.platform, "project": "platform/another"}), host.token).get(1)
    assert caught.value.code == "forge-missing"
    assert "platform" in caught.value.message


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_read_is_tried_again(host: Double, status: int, pauses: list[float]) -> None:
    opened(host)
    host.faults.append(Fault("GET", status, times=2))
    assert client(host).get(1).number == 1
    assert pauses == [0.5, 1.0]
    host.faults.append(Fault("GET", status, times=9))
    with pytest.raises(ForgeError) as caught:
        client(host).get(1)
    assert (caught.value.code, caught.value.retry) == ("forge-busy", True)


def test_a_read_without_an_answer_is_tried_again(host: Double, pauses: list[float]) -> None:
    opened(host)
    host.faults.append(Fault("GET", 0, times=3))
    assert client(host).get(1).number == 1
    host.faults.append(Fault("GET", 0, times=4))
    with pytest.raises(ForgeError) as caught:
        client(host).get(1)
    assert (caught.value.code, caught.value.status) == ("forge-unreachable", 0)
    assert "<" not in caught.value.message
    assert pauses == [0.5, 1.0, 2.0] * 2


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_write_is_not(host: Double, status: int, pauses: list[float]) -> None:
    host.faults.append(Fault("POST", status))
    with pytest.raises(ForgeError):
        opened(host)
    assert len([line for line in host.requests if line.startswith("POST")]) == 1
    assert pauses == []


def test_who_asks_too_often_waits_as_long_as_told(
    host: Double, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    host.faults += [
        Fault("POST", 429, {"Retry-After": "7"}),
        Fault("POST", 403, {"Retry-After": "9"}),
        Fault("POST", 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1011"}),
    ]
    assert opened(host).number == 1
    assert pauses == [7.0, 9.0, 11.0]
    pauses.clear()
    host.faults.append(Fault("GET", 429, {"Retry-After": formatdate(1004, usegmt=True)}))
    client(host).get(1)
    assert pauses == [4.0]


def test_nobody_waits_for_very_long(host: Double, pauses: list[float]) -> None:
    host.faults.append(Fault("POST", 403, {"Retry-After": "3600"}, body='{"message": "secondary rate limit"}'))
    with pytest.raises(ForgeError) as caught:
        opened(host)
    assert (caught.value.code, caught.value.retry) == ("forge-busy", True)
    assert "secondary rate limit" in caught.value.message
    assert pauses == []


def test_a_token_is_never_said(host: Double, pauses: list[float]) -> None:
    for status in (400, 401, 403, 404, 409, 422, 500):
        host.faults.append(Fault("*", status, body=f'{{"message": ["the token {host.token} is odd"]}}', times=9))
        with pytest.raises(ForgeError) as caught:
            client(host).get(1)
        assert "is odd" in str(caught.value)
        assert host.token not in str(caught.value)
        host.faults.clear()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html>Sign in</html>", "is not JSON"),
        ('"a text"', "not what the API answers"),
    ],
)
def test_what_is_no_api_is_called_so(host: Double, body: str, words: str) -> None:
    host.faults.append(Fault("GET", 200, body=body))
    with pytest.raises(ForgeError) as caught:
        client(host).get(1)
    assert caught.value.code == "forge-unreachable"
    assert words in caught.value.message


def test_redirects_are_not_followed(host: Double) -> None:
    host.faults.append(Fault("GET", 301, {"Location": "https://elsewhere.example.com/"}))
    with pytest.raises(ForgeError) as caught:
        client(host).get(1)
    assert caught.value.code == "forge-unreachable"
    assert "redirects to https://elsewhere.example.com/" in caught.value.message


def test_a_page_of_another_host_is_not_read(host: Double) -> None:
    host.faults.append(Fault("GET", 200, {"Link": '<http://elsewhere.example.com/x>; rel="next"'}, body="[]"))
    with pytest.raises(ForgeError) as caught:
        client(host).find("b", "main")
    assert caught.value.code == "forge-unreachable"
    assert "elsewhere.example.com" in caught.value.message


def test_a_netrc_does_not_take_the_token_s_place(host: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert opened(host).number == 1


def test_the_proxy_that_is_named_is_used(host: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with proxying("me:secret") as proxy:
        url = proxy.url.replace("http://", "http://me:secret@")
        assert client(host, proxy=url).find("dbaas/service/acme/orders", "main") is None
        assert len(proxy.seen) == 1
        with pytest.raises(ForgeError) as caught:
            client(host, proxy=proxy.url.replace("http://", "http://me:wrong-one@")).get(1)
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize("host", [GitHub], indirect=True)
def test_the_authority_that_is_named_is_the_one_that_counts(host: Double, tmp_path: Path) -> None:
    for name in ("ours", "another"):
        pki.make(tmp_path / name)
    with type(host)(host.repository, tls=tmp_path / "ours") as secure:
        assert client(secure, ca_cert=str(tmp_path / "ours/ca.crt")).find("b", "main") is None
        with pytest.raises(ForgeError) as caught:
            client(secure, ca_cert=str(tmp_path / "another/ca.crt")).find("b", "main")
        assert caught.value.code == "forge-unreachable"
        assert "certificate" in caught.value.message


@pytest.mark.parametrize("token", ["hid\nden", " hidden", "hid\u20acden", "hid\x00den"])
def test_a_token_that_no_header_carries_is_refused_unsaid(token: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        connect(Place("gitlab", "https://git.example.com/api/v4", "a/b"), token)
    assert caught.value.code == "option-invalid"
    assert token.strip() not in str(caught.value)
    assert repr(token.strip())[1:-1] not in str(caught.value)


@pytest.mark.parametrize("body", [{}, [{}], [1], {"number": 1, "state": "open"}])
def test_an_answer_of_another_shape_is_no_crash(host: Double, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(host)
    monkeypatch.setattr(forge, "_decoded", lambda _answer, _kinds: body)
    there = client(host)
    with pytest.raises(ForgeError) as caught:
        there.find("dbaas/service/acme/orders", "main") if isinstance(body, list) else there.get(1)
    assert caught.value.code == "forge-unreachable"

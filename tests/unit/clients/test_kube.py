"""The Kubernetes client against a small HTTP server: what is asked, and what an error becomes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError, contexts
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, NAMESPACE, SECRET

CANARY = "canary-5f1c"


class Server(ThreadingHTTPServer):
    """Answers in the order given; keeps what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, dict[str, str], Any, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, url.path, query, body, dict(self.headers)))
        status, content = self.server.answers.pop(0)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


for _method in ("GET", "POST", "PATCH", "DELETE"):
    setattr(Handler, f"do_{_method}", Handler.answer)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def kubeconfig(path: Path, port: int) -> str:
    file = path / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "lagos",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": CANARY}}],
                "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("lagos", "ashburn")],
            }
        )
    )
    return str(file)


@pytest.fixture
def cluster(server: Server, tmp_path: Path) -> Cluster:
    return Cluster(kubeconfig=kubeconfig(tmp_path, server.server_port), context="lagos", timeout=2)


def status(code: int, message: str, reason: str = "") -> tuple[int, Any]:
    return code, {"kind": "Status", "code": code, "message": message, "reason": reason}


def test_list_reads_pages_and_names_the_kind(server: Server, cluster: Cluster) -> None:
    server.answers = [
        (200, {"metadata": {"resourceVersion": "7", "continue": "next"}, "items": [{"metadata": {"name": "a"}}]}),
        (200, {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]}),
    ]
    items, version = cluster.list(SECRET, "tenant-1", {"a": "1", "b": "2"})
    assert [item["metadata"]["name"] for item in items] == ["a", "b"]
    assert (items[0]["kind"], items[0]["apiVersion"], version) == ("Secret", "v1", "7")
    first, second = server.asked
    assert first[:3] == ("GET", "/api/v1/namespaces/tenant-1/secrets", {"limit": "500", "labelSelector": "a=1,b=2"})
    assert second[2]["continue"] == "next"
    assert first[4]["authorization"] == f"Bearer {CANARY}"
    assert "PartialObjectMetadataList" in first[4]["Accept"]


def test_list_whose_snapshot_expired_starts_again_in_one_answer(server: Server, cluster: Cluster) -> None:
    server.answers = [
        (200, {"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "old"}}]}),
        status(410, "expired", "Expired"),
        (200, {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "a"}}]}),
    ]
    items, version = cluster.list(CLAIM)
    assert [item["metadata"]["name"] for item in items] == ["a"]
    assert (version, server.asked[2][2]) == ("9", {})


def test_get_answers_none_where_nothing_is(server: Server, cluster: Cluster) -> None:
    server.answers = [status(404, "not found", "NotFound"), (404, b"404 page not found\n")]
    assert cluster.get(CLAIM, "tenant-1", "a") is None
    assert cluster.get(CLAIM, "tenant-1", "a") is None
    assert server.asked[0][1] == "/apis/dbaas.example.com/v1alpha1/namespaces/tenant-1/serviceclaims/a"


def test_apply_is_server_side_strict_and_dry_when_asked(server: Server, cluster: Cluster) -> None:
    claim = {"metadata": {"namespace": "tenant-1", "name": "a"}, "status": {"phase": "Active"}}
    server.answers = [(200, claim), (200, claim)]
    cluster.apply(CLAIM, claim, manager="dbaas-observer", subresource="status")
    cluster.apply(CLAIM, claim, manager="m", dry_run=True, force=False)
    method, path, query, body, headers = server.asked[0]
    assert (method, path) == ("PATCH", CLAIM.path("tenant-1", "a") + "/status")
    assert query == {"fieldManager": "dbaas-observer", "force": "true", "fieldValidation": "Strict"}
    assert (body, headers["Content-Type"]) == (claim, "application/apply-patch+yaml")
    assert server.asked[1][2] == {"fieldManager": "m", "force": "false", "fieldValidation": "Strict", "dryRun": "All"}


def test_what_is_json_already_is_sent_as_it_is(server: Server, cluster: Cluster) -> None:
    server.answers = [(200, b"nobody reads this"), status(422, "spec.plan: Invalid value", "Invalid")]
    cluster.apply_text(CLAIM, "tenant-1", "a", b'{"spec":{}}', manager="m")
    method, path, query, body, headers = server.asked[0]
    assert (method, path, body) == ("PATCH", CLAIM.path("tenant-1", "a"), {"spec": {}})
    assert query == {"fieldManager": "m", "force": "true", "fieldValidation": "Strict"}
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    with pytest.raises(KubeError, match=r"spec\.plan"):
        cluster.apply_text(CLAIM, "tenant-1", "a", b"{}", manager="m")


def test_bare_lists_ask_for_metadata(server: Server, cluster: Cluster) -> None:
    server.answers = [(200, {"metadata": {}, "items": [{"metadata": {"name": "a"}}]})]
    assert cluster.list(CLAIM, bare=True)[0][0]["kind"] == "ServiceClaim"
    assert "PartialObjectMetadataList" in server.asked[0][4]["Accept"]


def test_a_namesake_is_not_deleted(server: Server, cluster: Cluster) -> None:
    server.answers = [(200, {}), status(409, "the UID in the precondition", "Conflict")]
    assert cluster.delete(CLAIM, "tenant-1", "a", "u-1")
    assert server.asked[0][3]["preconditions"] == {"uid": "u-1"}
    with pytest.raises(KubeError, match="precondition"):
        cluster.delete(CLAIM, "tenant-1", "a", "u-1")


def test_create_answers_none_for_one_that_exists(server: Server, cluster: Cluster) -> None:
    secret = {"metadata": {"namespace": "tenant-1", "name": "a"}}
    server.answers = [(201, secret), status(409, "exists", "AlreadyExists")]
    assert cluster.create(SECRET, secret) == secret
    assert cluster.create(SECRET, secret) is None


def test_patch_and_delete(server: Server, cluster: Cluster) -> None:
    server.answers = [(200, {}), (200, {}), status(404, "gone", "NotFound")]
    cluster.patch(NAMESPACE, None, "tenant-1", {"metadata": {"labels": {"a": "b"}}})
    assert server.asked[0][4]["Content-Type"] == "application/merge-patch+json"
    assert server.asked[0][1] == "/api/v1/namespaces/tenant-1"
    assert cluster.delete(NAMESPACE, None, "tenant-1")
    assert not cluster.delete(NAMESPACE, None, "tenant-1")


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        (status(401, "Unauthorized", "Unauthorized"), "kube-auth", "Unauthorized"),
        (status(403, "serviceclaims is forbidden", "Forbidden"), "kube-refused", "is forbidden"),
        (status(422, "spec.plan: Invalid value", "Invalid"), "kube-refused", "spec.plan"),
        (status(500, "failed to create typed patch object: .specc: field not declared"), "kube-refused", ".specc"),
        (status(503, "not ready"), "kube-unreachable", "not ready"),
        (status(429, "too many requests"), "kube-unreachable", "too many"),
        ((502, b"<html>bad gateway</html>"), "kube-unreachable", "bad gateway"),
        ((200, b"<html>a login page</html>"), "kube-unreachable", "not JSON"),
    ],
)
def test_errors_have_a_code_and_the_servers_words(
    server: Server, cluster: Cluster, answer: tuple[int, Any], code: str, text: str
) -> None:
    server.answers = [answer]
    with pytest.raises(DbaasError, match=text) as caught:
        cluster.apply(CLAIM, {"metadata": {"namespace": "n", "name": "a"}}, manager="m")
    assert caught.value.code == code
    assert "lagos" in caught.value.message
    assert CANARY not in str(caught.value)


def test_an_error_about_a_secret_quotes_nothing(server: Server, cluster: Cluster) -> None:
    server.answers = [status(422, f'data.x: Invalid value: "{CANARY}"', "Invalid")]
    with pytest.raises(KubeError, match="Invalid") as caught:
        cluster.create(SECRET, {"metadata": {"namespace": "n", "name": "a"}})
    assert CANARY not in str(caught.value)


def test_watch_gives_events_and_bookmarks(server: Server, cluster: Cluster) -> None:
    events = [
        {"type": "ADDED", "object": {"metadata": {"name": "ä", "resourceVersion": "8"}}},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}},
    ]
    server.answers = [(200, "\n".join(json.dumps(event) for event in events).encode())]
    assert list(cluster.watch(CLAIM, "7", seconds=60)) == [(event["type"], event["object"]) for event in events]
    assert server.asked[0][2] == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "7",
        "timeoutSeconds": "60",
    }


@pytest.mark.parametrize(
    ("answer", "status_code", "code"),
    [
        (status(410, "too old resource version"), 410, "kube-refused"),
        ((200, {"type": "ERROR", "object": {"code": 410, "message": "too old"}}), 410, "kube-refused"),
        ((200, b'{"type": "ADDED", "obj'), 0, "kube-unreachable"),
    ],
)
def test_watch_that_cannot_go_on_raises(
    server: Server, cluster: Cluster, answer: tuple[int, Any], status_code: int, code: str
) -> None:
    server.answers = [answer]
    with pytest.raises(KubeError) as caught:
        list(cluster.watch(CLAIM, "1"))
    assert (caught.value.status, caught.value.code) == (status_code, code)


def test_nobody_listening_is_known_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = Cluster(kubeconfig=kubeconfig(tmp_path, port))
    started = time.monotonic()
    with pytest.raises(DbaasError) as caught:
        cluster.list(CLAIM)
    assert time.monotonic() - started < 1
    assert caught.value.code == "kube-unreachable"
    assert "refused" in caught.value.message
    assert CANARY not in str(caught.value)


def test_one_that_accepts_and_never_answers_costs_the_timeout_once(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        cluster = Cluster(kubeconfig=kubeconfig(tmp_path, deaf.getsockname()[1]), timeout=0.2)
        started = time.monotonic()
        with pytest.raises(DbaasError) as caught:
            cluster.get(CLAIM, "n", "a")
        assert time.monotonic() - started < 1
    assert caught.value.code == "kube-unreachable"


def test_contexts_and_what_is_missing(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, 1)
    assert contexts(file) == ["lagos", "ashburn"]
    broken = tmp_path / "broken"
    broken.write_text(f"users: [{{token: {CANARY}")
    for attempt in (
        lambda: contexts(str(tmp_path / "none")),
        lambda: Cluster(kubeconfig=str(tmp_path / "none")),
        lambda: Cluster(kubeconfig=file, context="frankfurt"),
        lambda: Cluster(kubeconfig=str(broken)),
    ):
        with pytest.raises(DbaasError) as caught:
            attempt()
        assert caught.value.code == "kube-missing"
        assert CANARY not in str(caught.value)
    with pytest.raises(DbaasError, match="frankfurt"):
        Cluster(kubeconfig=file, context="frankfurt")

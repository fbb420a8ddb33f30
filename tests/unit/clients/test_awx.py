"""The client of AWX against a server that misbehaves: what is tried again, what never is, and what errors say."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients import awx as client
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx, AwxError, connect
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.lab import pki

Json = dict[str, Any]
#: what the server does with a request: (status, headers, body), or a callable on the handler
Answer = tuple[int, dict[str, str], Any] | Callable[[BaseHTTPRequestHandler], None]

ROOT: Answer = (200, {}, {"current_version": "/api/v2/"})


class Server:
    """Answers each request with the next of `answers`, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.url = ""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        self.headers.append(dict(handler.headers))
        if handler.path == "/api/":
            answer = ROOT
        else:
            self.asked.append((handler.command, handler.path, body))
            answer = self.answers.pop(0)
        if callable(answer):
            answer(handler)
            return
        status, headers, content = answer
        data = content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else b""
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if "Content-Length" not in headers:
            handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            return

        def do_GET(self) -> None:
            server.handle(self)

    for method in ("POST", "PATCH", "DELETE", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.do_GET)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        http.socket = context.wrap_socket(http.socket, server_side=True)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"{'https' if context else 'http'}://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.01, 0.01))
    with serving() as made:
        yield made


def awx(server: Server, **more: Any) -> Awx:
    return Awx(server.url, token="t0ken", **{"timeout": 2.0, **more})


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """The work is done, the answer is not sent."""
    handler.close_connection = True
    handler.connection.close()


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "400")
    handler.end_headers()
    handler.wfile.write(b'{"id": 1')
    hang_up(handler)


def test_the_token_goes_along_and_the_answer_comes_back(server: Server) -> None:
    server.answers = [(200, {}, {"id": 5})]
    assert awx(server).get("organizations/5/") == {"id": 5}
    assert server.asked == [("GET", "/api/v2/organizations/5/", None)]
    assert server.headers[-1]["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    "fault", [(429, {"Retry-After": "0"}, {"detail": "slow"}), (502, {}, b"<html>"), cut_short, hang_up]
)
def test_a_read_is_tried_again(server: Server, fault: Answer) -> None:
    server.answers = [fault, fault, (200, {}, {"id": 5})]
    assert awx(server).get("organizations/5/") == {"id": 5}
    assert len(server.asked) == 3


@pytest.mark.parametrize("fault", [hang_up, cut_short, (500, {}, b"<html>"), (502, {}, b""), (201, {}, b"{")])
def test_a_creation_whose_answer_is_lost_is_never_sent_twice(server: Server, fault: Answer) -> None:
    server.answers = [fault]
    with pytest.raises(AwxError) as caught:
        awx(server).post("organizations/", {"name": "a"})
    assert caught.value.code == "awx-unconfirmed"
    assert len(server.asked) == 1


def test_a_creation_that_was_not_taken_is_sent_again(server: Server) -> None:
    server.answers = [(429, {"Retry-After": "0"}, {"detail": "slow"}), (201, {}, {"id": 7})]
    assert awx(server).post("organizations/", {"name": "a"}) == {"id": 7}


def test_an_association_may_be_sent_again(server: Server) -> None:
    server.answers = [hang_up, (204, {}, None)]
    assert awx(server).post("job_templates/1/labels/", {"id": 2}, repeatable=True) is None


def test_a_deletion_whose_answer_was_lost_is_done(server: Server) -> None:
    server.answers = [hang_up, (404, {}, {"detail": "Not found."})]
    awx(server).delete("organizations/5/")
    server.answers = [(404, {}, {"detail": "Not found."})]
    with pytest.raises(AwxError, match="Not found"):
        awx(server).delete("organizations/5/")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "awx-unauthorized"),
        (403, "awx-forbidden"),
        (404, "awx-missing"),
        (400, "awx-rejected"),
        (409, "awx-rejected"),
    ],
)
def test_a_refusal_has_awx_s_own_words(server: Server, status: int, code: str) -> None:
    server.answers = [(status, {}, {"name": ["Already there."], "detail": "No."})]
    with pytest.raises(AwxError) as caught:
        awx(server).post("organizations/", {"name": "a"})
    error = caught.value
    assert (error.code, error.status) == (code, status)
    assert error.message == f"POST {server.url}/api/v2/organizations/: HTTP {status} name: Already there.; No."
    assert error.detail == {"name": ["Already there."], "detail": "No."}


def test_an_awx_that_stays_busy_is_an_error(server: Server) -> None:
    server.answers = [(503, {}, b"")] * 4
    with pytest.raises(AwxError, match="HTTP 503") as caught:
        awx(server).get("organizations/")
    assert caught.value.code == "awx-busy"
    assert caught.value.retry
    server.answers = [(429, {"Retry-After": "3600"}, {"detail": "Expected available in 3600 seconds."})]
    with pytest.raises(AwxError, match="3600 seconds"):
        awx(server).get("organizations/")


def test_a_proxy_s_page_is_no_answer(server: Server) -> None:
    server.answers = [(200, {"Content-Type": "text/html"}, b"<html>login</html>")] * 4
    with pytest.raises(AwxError, match="no JSON \\(text/html, 18 bytes\\)") as caught:
        awx(server).get("organizations/")
    assert caught.value.code == "awx-answer-invalid"


def test_no_answer_in_time(server: Server) -> None:
    released = threading.Event()

    def sleep(_handler: BaseHTTPRequestHandler) -> None:
        released.wait(5)

    server.answers = [sleep]
    with pytest.raises(AwxError, match="no answer in time") as caught:
        awx(server, timeout=0.2).post("organizations/", {})
    released.set()
    assert caught.value.code == "awx-unconfirmed"


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.01,))
    with serving() as gone:
        pass
    with pytest.raises(AwxError, match="refused") as caught:
        awx(gone).post("organizations/", {})
    assert caught.value.code == "awx-unreachable"


def test_a_redirect_is_no_answer(server: Server) -> None:
    server.answers = [(302, {"Location": "https://elsewhere.test/api/v2/organizations/"}, None)]
    with pytest.raises(AwxError, match=r"redirects to https://elsewhere\.test;") as caught:
        awx(server).post("organizations/", {"name": "a"})
    assert caught.value.code == "awx-unreachable"


def test_pages_are_read_at_once_and_again_when_they_moved(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)

    def page(handler: BaseHTTPRequestHandler) -> None:
        number = int(handler.path.split("page=")[-1]) if "&page=" in handler.path else 1
        body = {"count": 5, "results": [{"id": i} for i in range(number * 2 - 1, min(number * 2, 5) + 1)]}
        data = json.dumps(body).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    server.answers = [page] * 3
    assert [item["id"] for item in awx(server).pages("hosts/", name__icontains="x")] == [1, 2, 3, 4, 5]
    assert server.asked[0][1] == "/api/v2/hosts/?order_by=id&name__icontains=x&page_size=2"
    # someone deleted one: the second page is gone, so the first is read again
    server.answers = [
        (200, {}, {"count": 3, "results": [{"id": 1}, {"id": 2}]}),
        (404, {}, {"detail": "Invalid page."}),
        (200, {}, {"count": 2, "results": [{"id": 1}, {"id": 3}]}),
    ]
    assert [item["id"] for item in awx(server).pages("hosts/")] == [1, 3]


def test_what_runs_together_is_all_run_before_an_error(server: Server) -> None:
    done: list[int] = []

    def call(number: int) -> Callable[[], int]:
        def run() -> int:
            if number == 1:
                raise AwxError("awx-busy", "one")
            done.append(number)
            return number

        return run

    with pytest.raises(AwxError, match="one"):
        awx(server).together(call(number) for number in range(20))
    assert sorted(done) == [0, *range(2, 20)]
    assert awx(server).together(call(number) for number in (3, 2)) == [3, 2]


def test_a_gateway_is_found_out(server: Server) -> None:
    gateway = {"apis": {"gateway": "/api/gateway/", "controller": "/api/controller/"}}
    found = awx(server)
    found._exchange = lambda *_a, **_k: gateway  # type: ignore[method-assign]
    assert found.root == "/api/controller/v2/"
    assert awx(server, prefix="controller").root == "/api/controller/v2/"
    other = awx(server)
    other._exchange = lambda *_a, **_k: {"hello": 1}  # type: ignore[method-assign]
    with pytest.raises(AwxError, match="neither an AWX nor a gateway"):
        assert other.root


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    pki.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    with serving(context) as server:
        with pytest.raises(AwxError, match=r"not accepted \(\[SSL: CERTIFICATE_VERIFY_FAILED") as caught:
            awx(server).get("ping/")
        assert caught.value.code == "awx-unreachable"
        server.answers = [(200, {}, {})] * 2
        assert awx(server, verify=str(tmp_path / "ca.crt")).get("ping/") == {}
        assert awx(server, verify=False).get("ping/") == {}


def test_options_are_all_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InvalidFields) as caught:
        connect({"controller_host": "ftp://x", "controller_ca_cert": str(tmp_path / "none.pem")})
    assert [error.path for error in caught.value.errors] == [
        "controller_host",
        "controller_oauthtoken",
        "controller_ca_cert",
    ]
    with pytest.raises(InvalidFields, match="controller_host: not given"):
        connect({"controller_oauthtoken": "x"})
    assert connect({"controller_host": "awx.test", "controller_oauthtoken": "x"}).host == "https://awx.test"

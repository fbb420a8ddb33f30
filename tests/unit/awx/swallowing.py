"""A proxy that hands every request on, and loses the first answer to some."""

from __future__ import annotations

import http.client
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Swallowing:
    """Stands before `upstream` (an http:// address); the first answer to a POST whose path ends so is lost."""

    def __init__(self, upstream: str, ending: str) -> None:
        self.upstream = str(urlsplit(upstream).netloc)
        self.ending = ending
        self.swallowed = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Swallowing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: Swallowing, *args: Any) -> None:
        self.proxy = proxy
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        finally:
            upstream.close()
        if self.command == "POST" and self.path.endswith(self.proxy.ending) and not self.proxy.swallowed:
            self.proxy.swallowed += 1
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def __getattr__(self, name: str) -> Any:
        """do_GET and the others are one."""
        if name.startswith("do_"):
            return self._pass
        raise AttributeError(name)

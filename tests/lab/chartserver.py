"""A Helm repository over HTTP for the lab: the charts of `charts/`, packed and indexed as `helm repo index` does it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).parent / "charts"


def packed(chart: Path) -> bytes:
    """The chart as an archive, the same bytes each time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path in sorted(path for path in chart.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(f"{chart.name}/{path.relative_to(chart)}")
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return made.getvalue()


@contextlib.contextmanager
def serve() -> Iterator[str]:
    """The repository's address while the context lasts."""
    files: dict[str, bytes] = {}
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in sorted(path.parent for path in CHARTS.glob("*/Chart.yaml")):
        about = yaml.safe_load((chart / "Chart.yaml").read_text())
        name, content = f"{about['name']}-{about['version']}.tgz", packed(chart)
        files[f"/{name}"] = content
        entries[about["name"]] = [{**about, "urls": [name], "digest": hashlib.sha256(content).hexdigest()}]
    files["/index.yaml"] = json.dumps({"apiVersion": "v1", "entries": entries}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="charts", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

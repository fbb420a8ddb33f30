# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the observer tells about itself: /metrics, /readyz, /healthz."""

from __future__ import annotations

import threading
import time
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

#: (phase, engine) of every claim
Phases = Callable[[], Iterable[tuple[str, str]]]


class Metrics:
    """The metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            "dbaas_observer_reconcile_seconds",
            "From taking a claim off the queue to its status being right",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
            registry=registry,
        )
        self.status_writes = Counter("dbaas_observer_status_writes", "Statuses applied", registry=registry)
        self.secrets_made = Counter("dbaas_observer_secrets_made", "Secrets created", registry=registry)
        self.refreshes = Counter("dbaas_observer_refreshes", "Applications asked to refresh", registry=registry)
        self.syncs = Counter("dbaas_observer_syncs_started", "Syncs started after one that failed", registry=registry)
        self.errors = Counter("dbaas_observer_errors", "Failures by the part they hit", ["part"], registry=registry)
        self.watch_restarts = Counter(
            "dbaas_observer_watch_restarts", "Lists made again after a watch broke", ["kind"], registry=registry
        )
        self.queue_depth = Gauge("dbaas_observer_queue_depth", "Claims waiting to be looked at", registry=registry)
        self.head_seen = time.time()
        head_age = Gauge(
            "dbaas_observer_head_age_seconds", "Since the heads of all remotes were last read", registry=registry
        )
        head_age.set_function(lambda: time.time() - self.head_seen)

    def count_claims(self, phases: Phases) -> None:
        """Show the claims by phase and engine, counted when asked for."""
        self.registry.register(_Claims(phases))


class _Claims(Collector):
    def __init__(self, phases: Phases) -> None:
        self._phases = phases

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("dbaas_claims", "Copies of claims in this PoP", labels=["phase", "engine"])
        for labels, count in sorted(Count(self._phases()).items()):
            family.add_metric(labels, count)
        yield family


def serve(address: str, port: int, metrics: Metrics, ready: Callable[[], bool]) -> ThreadingHTTPServer:
    """Answer on `address`:`port` (0: any free one) in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, generate_latest(metrics.registry), CONTENT_TYPE_LATEST)
            elif self.path == "/healthz":
                self._answer(200, b"ok\n")
            elif self.path == "/readyz":
                self._answer(*((200, b"ok\n") if ready() else (503, b"first lists not done\n")))
            else:
                self._answer(404, b"not here\n")

        def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Probes are no events."""

    server = ThreadingHTTPServer((address, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server

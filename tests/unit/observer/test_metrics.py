"""What the observer answers over HTTP."""

from __future__ import annotations

from http.client import HTTPConnection

from ansible_collections.dbaas.platform.extensions.observer.metrics import Metrics, serve


def test_metrics_and_probes() -> None:
    metrics = Metrics()
    metrics.count_claims(lambda: [("Active", "scylla"), ("Active", "scylla"), ("Degraded", "scylla")])
    metrics.refreshes.inc()
    ready = False
    server = serve("127.0.0.1", 0, metrics, lambda: ready)

    def get(path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    try:
        assert get("/readyz")[0] == 503
        ready = True
        assert get("/readyz") == get("/healthz") == (200, "ok\n")
        assert get("/")[0] == 404
        status, text = get("/metrics")
    finally:
        server.shutdown()
        server.server_close()
    assert status == 200
    assert 'dbaas_claims{engine="scylla",phase="Active"} 2.0' in text
    assert "dbaas_observer_refreshes_total 1.0" in text
    assert "dbaas_observer_head_age_seconds" in text

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The observer of one PoP: `python -m ansible_collections.dbaas.platform.extensions.observer --help`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster
from ansible_collections.dbaas.platform.plugins.module_utils.domain import secrets as domain_secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain import status as domain_status
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind, Obj

from .claims import Claims
from .complaints import Complaints
from .ear import Ear
from .metrics import Metrics, serve
from .watch import log


class Platform:
    """The platform's own pure functions, as the reconciler wants them."""

    def kinds(self) -> Sequence[Kind]:
        """The operators' kinds."""
        return engines.operator_kinds()

    def chart_kinds(self) -> Sequence[Kind]:
        """The kinds that charts make, where the platform has charts: its rights say so."""
        return engines.chart_kinds()

    def observe(
        self,
        live: Obj,
        record: Obj | None,
        objects: Sequence[Obj],
        *,
        secrets: Collection[str],
        now: str,
        complaints: str | None,
    ) -> Obj:
        """The whole status of a claim."""
        return domain_status.of_live(live, record, objects, secrets=secrets, now=now, complaints=complaints)

    def wanted(self, live: Obj, record: Obj | None) -> Sequence[Any]:
        """The Secrets that a claim needs."""
        return domain_secrets.of_live(live, record)

    def build(self, wanted: Any, key: bytes) -> Obj:
        """A Secret's manifest."""
        return domain_secrets.build(wanted, key)


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="dbaas-observer", description="Keeps the claims of one PoP true.")
    parser.add_argument("--kubeconfig", help="default: the pod's own account, $KUBECONFIG, ~/.kube/config")
    parser.add_argument("--context", help="context of the kubeconfig; default: its current one")
    parser.add_argument("--argocd-namespace", default="argocd")
    parser.add_argument("--address", default="127.0.0.1", help="of /metrics, /readyz and /healthz (%(default)s)")
    parser.add_argument("--port", type=int, default=9090, help="(%(default)s)")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two looks at Git (%(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="claims looked at at a time (%(default)s)")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        cluster = Cluster(kubeconfig=options.kubeconfig, context=options.context)
    except DbaasError as error:
        log("cannot start", reason=str(error))
        return 1
    metrics = Metrics()
    complaints = Complaints()
    claims = Claims(cluster, Platform(), metrics, complaints)
    with tempfile.TemporaryDirectory(prefix="dbaas-observer-", ignore_cleanup_errors=True) as folder:
        ear = Ear(cluster, metrics, Path(folder), options.argocd_namespace, options.interval, complaints)
        server = serve(
            options.address, options.port, metrics, lambda: all(store.ready.is_set() for store in claims.stores)
        )
        log("started", context=options.context, port=server.server_port)
        claims.start(options.workers)
        ear.start()
        stopped.wait()
        log("stopping")
    return 0


if __name__ == "__main__":
    sys.exit(main())

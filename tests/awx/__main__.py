"""A double of AWX to try things by hand: `python -m tests.awx --port 8052`."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from .server import Double

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.awx", description=__doc__)
    parser.add_argument("--port", type=int, default=8052)
    parser.add_argument("--tls", action="store_true", help="HTTPS with a certificate that nobody knows")
    parser.add_argument("--prefix", default="/api/", help="/api/controller/: as behind the gateway")
    asked = parser.parse_args()
    playbooks = sorted(f"playbooks/{file.name}" for file in PLAYBOOKS.glob("*.yml") if ".meta" not in file.name)
    with Double(port=asked.port, tls=asked.tls, prefix=asked.prefix, playbooks=playbooks) as awx:
        sys.stdout.write(f"export CONTROLLER_HOST={awx.url} CONTROLLER_OAUTH_TOKEN={awx.token}\n")
        if awx.ca:
            sys.stdout.write(f"export CONTROLLER_CA_CERT={awx.ca}\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write("stopped\n")


if __name__ == "__main__":
    main()

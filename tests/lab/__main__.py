"""`python -m tests.lab`: the lab's commands."""

from __future__ import annotations

import argparse
import sys
import time

from .binaries import LabError, resolve
from .lab import DELAY, Lab, default_state
from .platform import set_up
from .progress import Progress


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Whole PoPs on this machine, on loopback.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring PoPs up, or mend them")
    up.add_argument("--pops", default="lagos,johannesburg", help="comma-separated (default: %(default)s)")
    up.add_argument("--bare", action="store_true", help="without the platform: no GitOps repository, no Applications")
    up.add_argument("--delay", type=float, default=DELAY, help="seconds a simulated database takes (%(default)s)")
    up.add_argument("--ssh", action="store_true", help="a new lab's repository is reached by SSH instead of HTTP")
    down = commands.add_parser("down", help="end the lab's processes")
    down.add_argument("--purge", action="store_true", help="remove its state too")
    commands.add_parser("status", help="show the lab's processes")
    commands.add_parser("binaries", help="fetch or build what the lab runs, and nothing else")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        if arguments.command == "binaries":
            with Progress() as progress:
                resolve(progress)
            print(f"the lab's programs are there ({time.monotonic() - started:.1f} s)")
        elif arguments.command == "up":
            with Progress() as progress:
                lab = Lab.up(arguments.pops.split(","), delay=arguments.delay, ssh=arguments.ssh, progress=progress)
                if not arguments.bare:
                    with progress.task("the platform: repository, CRD, policies, Applications"):
                        set_up(lab)
            print(f"up in {time.monotonic() - started:.1f} s\nKUBECONFIG={lab.kubeconfig()}\nrepository {lab.git_url}")
        elif arguments.command == "down":
            if (default_state() / "state.json").exists():
                Lab.at().down(purge=arguments.purge)
        else:
            return status(Lab.at())
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def status(lab: Lab) -> int:
    rows = lab.status()
    for row in rows:
        print(f"{row['name']:42} {row['state']:9} {row['pid'] or '-':>8} {row['mib']:6} MiB {row['cpu']:8.1f} s CPU")
    print(f"{len(rows)} processes, {sum(row['mib'] for row in rows)} MiB, in {lab.state}")
    return 0 if rows and all(row["state"] == "RUNNING" for row in rows) else 1


sys.exit(main())

"""`make quickstart`: two points of presence on this machine, a tenant, and a database of each of the six engines.

The plan of the services is shown first, while the lab comes up: rendering needs nothing that runs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.lab import Lab, LabError
from tests.lab.platform import ROOT, environment, playbook_command, set_up
from tests.lab.progress import Progress

Json = dict[str, Any]

POPS = ("lagos", "johannesburg")
TENANT = "acme"
SERVICES = "tests/lab/services"
PLAYBOOKS: tuple[tuple[str, Json], ...] = (
    ("dbaas.platform.onboard_tenant", {"tenant": TENANT, "regions": list(POPS), "owners": [f"{TENANT}-admins"]}),
    ("tests/lab/engines.yml", {}),
)

#: a table that goes into a file or a pipe is not folded
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def main() -> int:
    started = time.monotonic()
    console.print("[bold]dbaas.platform[/bold]: a database of each of six engines, from six claims in one commit\n")
    planner = threading.Thread(target=show_plan)
    planner.start()
    try:
        with Progress() as progress:
            lab = Lab.up(POPS, progress=progress)
            with progress.task("the platform: repository, CRD, policies, Applications"):
                set_up(lab)
    except LabError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    finally:
        planner.join()
    changed = 0
    for playbook, answers in PLAYBOOKS:
        console.print(f"\n[bold]ansible-playbook {playbook}[/bold]")
        code, count = play(lab, playbook, answers)
        changed += count
        if code:
            return code
    show_state(lab)
    console.print(f"done in {time.monotonic() - started:.0f} s, changed={changed}. Look around:")
    console.print(
        f"  export KUBECONFIG={shlex.quote(str(lab.kubeconfig('admin')))}   # contexts: {', '.join(POPS)}",
        soft_wrap=True,
    )
    console.print(f"  git clone {shlex.quote(str(lab.repository))}", soft_wrap=True)
    console.print("  make lab-down   # ends it all")
    console.print(
        "API servers, CRDs, Argo CD, Git and the observer are real; the databases are played by kwok.", soft_wrap=True
    )
    return 0


def show_plan() -> None:
    """What the services will be made of, before anything runs."""
    env = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    result = module("service_claims", {"src": SERVICES, "state": "rendered"}, {**_clean(), **env})
    if result:
        console.print(plan_table(result))


def plan_table(result: Json) -> Table:
    """The plan as a table: a service a line, and what it costs."""
    table = Table(title=f"What {SERVICES} asks for", title_justify="left")
    for column in ("service", "engine", "SKU", "version", "objects", "$/month", "SLA %", "regions"):
        table.add_column(column, no_wrap=column != "regions")
    objects = [item["object"]["metadata"]["labels"] for item in result["manifests"]["rendered"]]
    names = [labels["dbaas.example.com/service"] for labels in objects]
    for claim in result["claims"]:
        what = [claim[field] for field in ("name", "engine", "sku", "version")]
        figures = (names.count(claim["name"]), claim["price_monthly_usd"], claim["sla_percent"])
        table.add_row(*what, *map(str, figures), ", ".join(claim["regions"]))
    return table


def play(lab: Lab, playbook: str, answers: Json) -> tuple[int, int]:
    """Runs a playbook, its output shown as it comes; exit code and the number of changed tasks."""
    command = playbook_command(lab, playbook, answers)
    changed = 0
    process = subprocess.Popen(command, env=environment(lab), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"changed=(\d+)", line):
            changed += int(found[1])
        if line.strip():
            console.print(f"  {line.rstrip()}", markup=False, soft_wrap=True)
    return process.wait(), changed


def show_state(lab: Lab) -> None:
    """The services as service_claim_info sees them."""
    result = module("service_claim_info", {"tenant": TENANT}, environment(lab))
    if not result:
        return
    table = Table(title=f"Services of tenant {TENANT}", title_justify="left")
    for column in ("service", "phase", "engine", "SKU", "region", "nodes", "connection"):
        table.add_column(column, no_wrap=column != "connection", overflow="fold")
    for service in result["services"]:
        urls = {endpoint["region"]: endpoint["url"] for endpoint in service["endpoints"]}
        for number, (region, data) in enumerate(service["regions"].items()):
            engine, sku = service["spec"]["engine"], service["spec"]["sku"]
            what = ("", "", "", "") if number else (service["name"], service["phase"], engine, sku)
            table.add_row(*what, region, f"{data['ready']} of {data['wanted']}", urls.get(region, ""))
    console.print(table)
    console.print(
        f"credentials: Secrets <service>-credentials in namespace tenant-{TENANT}, the same in all regions",
        soft_wrap=True,
    )


def module(name: str, arguments: Json, env: Mapping[str, str]) -> Json:
    """The result of a module; {} where it failed, which is shown then."""
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", f"dbaas.platform.{name}"]
    command += ["-a", json.dumps(arguments)]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        console.print(done.stdout + done.stderr, markup=False)
        return {}
    result: Json = json.loads(done.stdout[done.stdout.index("{") :])
    return result


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DBAAS_REPOSITORY", "DBAAS_GIT"))}


if __name__ == "__main__":
    sys.exit(main())

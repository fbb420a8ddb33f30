"""`make quickstart`: two points of presence on this machine, a tenant, and a ScyllaDB ring that spans both.

The plan of the service is shown first, while the lab comes up: rendering needs nothing that runs.
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
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.lab import Lab, LabError
from tests.lab.platform import ROOT, environment, playbook_command, set_up
from tests.lab.progress import Progress

POPS = ("lagos", "johannesburg")
TENANT = "acme"
SERVICE = "orders"
ANSWERS = {
    "tenant": TENANT,
    "service": SERVICE,
    "sku": "scy-ring-3",
    "region": "lagos",
    "regions": list(POPS),
    "allowed_cidrs": ["10.0.0.0/8"],
}

console = Console(highlight=False)


def main() -> int:
    started = time.monotonic()
    console.print("[bold]dbaas.platform[/bold]: a ScyllaDB ring over two points of presence, from one claim\n")
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
    for playbook, answers in (
        ("onboard_tenant", {"tenant": TENANT, "regions": list(POPS), "owners": [f"{TENANT}-admins"]}),
        ("provision_service", ANSWERS),
    ):
        console.print(f"\n[bold]ansible-playbook dbaas.platform.{playbook}[/bold]")
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
    """What the service will be made of, before anything runs."""
    task = {"tenant": TENANT, "name": SERVICE, "state": "rendered", "sku": ANSWERS["sku"], "region": ANSWERS["region"]}
    arguments = {
        **task,
        "replication": {"regions": list(POPS)},
        "networking": {"allowed_cidrs": ANSWERS["allowed_cidrs"]},
    }
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "dbaas.platform.service_claim"]
    command += ["-a", json.dumps(arguments)]
    env = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    done = subprocess.run(command, env={**_clean(), **env}, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        console.print(done.stdout + done.stderr)
        return
    result = json.loads(done.stdout[done.stdout.index("{") :])
    console.print(plan_table(result))


def plan_table(result: dict[str, Any]) -> Table:
    """The plan as a table: region, what goes there."""
    claim = result["claim"]
    table = Table(
        title=f"Plan of {claim['tenant']}/{claim['name']}: {claim['sku']}, {claim['plan']}, {claim['topology']}, "
        f"version {claim['version']}; ${claim['price_monthly_usd']} a month, {claim['sla_percent']} % SLA",
        title_justify="left",
    )
    table.add_column("goes to")
    table.add_column("objects")
    for region in claim["regions"]:
        kinds = [item["object"]["kind"] for item in result["manifests"]["rendered"] if item["pop"] == region]
        home = " (home)" if region == claim["region"] else ""
        table.add_row(region + home, ", ".join(kinds))
    return table


def play(lab: Lab, playbook: str, answers: dict[str, Any]) -> tuple[int, int]:
    """Runs a playbook, its output shown as it comes; exit code and the number of changed tasks."""
    command = playbook_command(lab, f"dbaas.platform.{playbook}", answers)
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
    """The service as service_claim_info sees it."""
    arguments = json.dumps({"tenant": TENANT, "names": [SERVICE]})
    command = [
        sys.executable,
        "-m",
        "ansible",
        "adhoc",
        "localhost",
        "-m",
        "dbaas.platform.service_claim_info",
        "-a",
        arguments,
    ]
    done = subprocess.run(command, env=environment(lab), capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        console.print(done.stdout + done.stderr)
        return
    service = json.loads(done.stdout[done.stdout.index("{") :])["services"][0]
    table = Table(title=f"{TENANT}/{SERVICE}: {service['phase']}", title_justify="left")
    for column in ("region", "phase", "nodes", "connect"):
        table.add_column(column, overflow="fold")
    urls = {endpoint["region"]: endpoint["url"] for endpoint in service["endpoints"]}
    for region, data in service["regions"].items():
        table.add_row(region, data["phase"], f"{data['ready']} of {data['wanted']}", urls.get(region, ""))
    console.print(table)
    secret = service["connection"]["secretRef"]["name"]
    console.print(
        f"credentials: Secret {secret} in namespace tenant-{TENANT}, the same in both regions", soft_wrap=True
    )


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DBAAS_REPOSITORY", "DBAAS_GIT"))}


if __name__ == "__main__":
    sys.exit(main())

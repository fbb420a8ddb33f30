"""Everything that the documentation shows is run as it stands, on the lab."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.plugin_docs import read_docstring

from tests.integration.conftest import Platform, tenants
from tests.lab.gitserver import make_repository
from tests.lab.platform import ROOT, environment

Json = dict[str, Any]
#: In the order in which they make sense; the rest follows.
ORDER = ("gitops_repository", "tenant", "tenants", "service_claim", "service_claims")
PLAYBOOKS = (
    "explain_service",
    "onboard_tenant",
    "plan_service",
    "provision_service",
    "rerender_services",
    "rollback_service",
    "update_service",
    "verify_service",
    "wait_for_service",
)
#: These take a service away, want a working copy, a report's place or an AWX; tests of their own run them.
ELSEWHERE = (
    "backup_control_plane",
    "bootstrap_control_plane",
    "configure_awx",
    "deprovision_service",
    "drift_report",
    "reconcile_claims",
    "validate_gitops",
)


@pytest.fixture(scope="module", autouse=True)
def tenants_as_before(platform: Platform) -> Iterator[None]:
    """Some examples give a tenant quotas, which the tests after these must not meet."""
    yield
    assert not platform.module("tenants", {"tenants": tenants()})["failed"]


def examples(folder: str) -> dict[str, list[Json]]:
    """Plugin -> the tasks of its EXAMPLES."""
    files = [path for path in sorted((ROOT / "plugins" / folder).glob("*.py")) if path.stem != "__init__"]
    found = {path.stem: yaml.safe_load(read_docstring(str(path))["plainexamples"]) for path in files}
    assert all(found.values()), found
    return found


def run(platform: Platform, folder: Path, command: list[str], user: str = "reader") -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=folder,
        env=environment(platform.lab, user),
        capture_output=True,
        text=True,
        check=False,
    )
    platform.printed += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def play(folder: Path, *plays: Json) -> list[str]:
    (folder / "examples.yml").write_text(yaml.safe_dump(list(plays), sort_keys=False))
    return ["ansible-playbook", "examples.yml"]


@pytest.fixture(scope="module")
def services(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Runs the README's play, then the examples of all modules and of the lookups that a reader may use; the output."""
    folder = tmp_path_factory.mktemp("examples")
    (readme,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    modules, lookups = examples("modules"), examples("lookup")
    # the lab's own repository stays as it was set up
    own = f"file://{make_repository(folder)}"
    for task in modules["gitops_repository"]:
        task["dbaas.platform.gitops_repository"]["repository"] = own
    claim = {
        "apiVersion": "dbaas.example.com/v1alpha1",
        "kind": "ServiceClaim",
        "metadata": {"name": "carts", "namespace": "tenant-acme"},
        "spec": {"sku": "scy-ring-3", "region": "lagos"},
    }
    (folder / "claims").mkdir()
    (folder / "claims/carts.yml").write_text(yaml.safe_dump(claim))
    # those of AWX run on its double
    ordered = [*ORDER, *(name for name in modules if name not in ORDER and not name.startswith("awx_"))]
    # a merge is waited for where there is a Git host, in test_review
    tasks = [task for name in ordered for task in modules[name] if "merge_request" not in str(task)]
    tasks += lookups["service_catalog"] + lookups["service_claim"]
    # of the engines' lookups the one whose service is here; all others' run in tests/unit
    tasks += lookups["scylla"]
    every = {"name": "Every example", "hosts": "localhost", "gather_facts": False, "tasks": tasks}
    output = run(platform, folder, play(folder, *yaml.safe_load(readme), every))
    assert output.count("TASK [") - output.count("TASK [Gathering Facts]") == len(tasks) + 1
    return output


def test_examples_of_modules_and_lookups_run(platform: Platform, services: str) -> None:
    assert "failed=0" in services
    assert '"msg": "Active"' in services
    assert "scy-ring-9" in services
    orders = platform.info("orders")
    assert (orders["phase"], set(orders["regions"])) == ("Active", {"lagos", "johannesburg"})
    assert orders["spec"]["networking"]["allowedCIDRs"] == ["10.0.0.0/8"]


def test_examples_that_read_secrets_run_for_those_who_may(platform: Platform, services: str, tmp_path: Path) -> None:
    connection: Json = {
        "name": "Connection",
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": examples("lookup")["connection"],
    }
    output = run(platform, tmp_path, play(tmp_path, connection), "admin")
    assert "orders-client.tenant-acme.svc.lagos.dbaas.internal" in output


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_command_lines_of_playbooks_run(platform: Platform, services: str, name: str) -> None:
    meta = yaml.safe_load((ROOT / f"playbooks/{name}.meta.yml").read_text())
    (command,) = [shlex.split(line) for line in _lines(meta["argument_specs"][name]["examples"])]
    output = run(platform, ROOT, command)
    assert "failed=0" in output
    if name == "explain_service":
        assert "acme/orders is Active in lagos, johannesburg." in output
    elif name in ("rollback_service", "update_service"):
        # they show what they would do
        assert re.search(r"acme/orders: (rollback|update) spec\.", output)
        assert "+++ b/tenants/acme/claims/orders.yaml" in output
    elif name == "plan_service":
        assert re.search(r"acme/orders: scy-ring-3, plan dedicated, .*SLA 99\.5 %", output)
    elif name in ("provision_service", "wait_for_service"):
        assert "acme/orders lagos: ready, 3 of 3 nodes" in output


def test_every_playbook_is_among_them() -> None:
    there = sorted(path.name.removesuffix(".meta.yml") for path in ROOT.glob("playbooks/*.meta.yml"))
    assert there == sorted([*PLAYBOOKS, *ELSEWHERE])


def _lines(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()

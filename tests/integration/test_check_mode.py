"""What check mode says is what is done: its diff is that of the commits, and what they hold is what runs then."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.integration.conftest import POPS, Platform, until
from tests.lab.api import path_of

Json = dict[str, Any]
TENANT = "checked"
CLAIM: Json = {
    "tenant": TENANT,
    "name": "orders",
    "sku": "scy-ring-3",
    "region": "lagos",
    "replication": {"regions": list(POPS)},
}


@pytest.fixture(scope="module")
def tenant(platform: Platform) -> Platform:
    assert platform.module("tenant", {"tenant": TENANT, "regions": list(POPS)})["changed"]
    return platform


def comparable(diff: str) -> str:
    """Without the abbreviated ids, which grow with the repository that they are abbreviated in."""
    return re.sub(r"(?m)^index .*$", "index", diff)


def same_in_both_modes(platform: Platform, module: str, arguments: Json) -> Json:
    """The result of the run, after check mode has said the same and written nothing."""
    head = platform.head()
    with platform.lab.refuse_pushes():
        checked = platform.module(module, arguments, "--check", "--diff", "-vvv")
    assert not checked["failed"], checked
    assert checked["changed"]
    assert platform.head() == head
    done = platform.module(module, arguments, "--diff", "-vvv")
    assert not done["failed"], done
    commits = platform.git("rev-list", "--reverse", f"{head}..main").split()
    made = "".join(
        platform.git("diff", "--no-renames", old, new) for old, new in zip([head, *commits], commits, strict=False)
    )
    assert made
    assert comparable(checked["diff"]["prepared"]) == comparable(made) == comparable(done["diff"]["prepared"])
    assert checked["operations"] == done["operations"]
    assert not platform.module(module, arguments)["changed"]
    return done


def as_committed(platform: Platform) -> bool:
    """Whether every object of the derived files is there, each field as committed."""
    for pop in POPS:
        text = platform.git("show", f"main:tenants/{TENANT}/{pop}/services/orders.yaml")
        for wanted in yaml.safe_load_all(text):
            if not holds(platform.lab.api(pop).get(path_of(wanted)), wanted):
                return False
    return True


def ended(platform: Platform, operation: str) -> bool:
    """Whether every region says that this operation is over."""
    copies = [platform.copy(pop, "orders", f"tenant-{TENANT}") for pop in POPS]
    found = [copy.get("status", {}).get("lastOperation", {}) for copy in copies]
    return all((last.get("id"), last.get("state")) == (operation, "Succeeded") for last in found)


def holds(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(holds(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(holds(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def test_create_update_rollback_and_delete_are_what_check_mode_said(tenant: Platform) -> None:
    same_in_both_modes(tenant, "service_claim", CLAIM)
    until(lambda: as_committed(tenant), 30)

    larger: Json = {**CLAIM, "resources": {"node": {"cpu": "8"}}, "networking": {"allowed_cidrs": ["10.0.0.0/8"]}}
    updated = same_in_both_modes(tenant, "service_claim", larger)
    until(lambda: as_committed(tenant), 30)

    operation = updated["operations"][0]["id"]
    # while it runs, going back is called a cancellation
    until(lambda: ended(tenant, operation), 30)
    back = {"tenant": TENANT, "name": "orders", "operation": operation}
    same_in_both_modes(tenant, "service_claim_rollback", back)
    until(lambda: as_committed(tenant), 30)
    assert tenant.copy("lagos", "orders", f"tenant-{TENANT}")["spec"]["resources"]["node"]["cpu"] == "4"

    gone = {"tenant": TENANT, "name": "orders", "state": "absent", "deletion_policy": "delete", "wait_timeout": 60}
    same_in_both_modes(tenant, "service_claim", gone)
    assert tenant.copy("lagos", "orders", f"tenant-{TENANT}") == {}

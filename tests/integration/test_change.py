"""Change, the way back, and what an operation says of itself, through every real part; in a tenant of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import POPS, Platform, git, until
from tests.integration.test_playbooks import fails, succeeds

Json = dict[str, Any]

TENANT = "changes"
NAMESPACE = f"tenant-{TENANT}"


@pytest.fixture(scope="module")
def changes(platform: Platform) -> Platform:
    tenant = {"tenant": TENANT, "regions": list(POPS), "owners": ["changes-admins"]}
    assert platform.module("tenant", tenant)["changed"]
    return platform


def claim(platform: Platform, name: str, **options: Any) -> Json:
    base = {} if options.get("merge") else {"sku": "scy-ring-3", "region": "lagos"}
    return platform.module("service_claim", {"tenant": TENANT, "name": name, "wait_timeout": 60, **base, **options})


def cpu(platform: Platform, name: str) -> str:
    """As the live operator object has it."""
    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/{name}"
    cluster = platform.lab.api("lagos").get(path) or {}
    return str(cluster["spec"]["datacenter"]["racks"][0]["resources"]["limits"]["cpu"])


def last(platform: Platform, name: str) -> Json:
    found: Json = platform.copy("lagos", name, NAMESPACE).get("status", {}).get("lastOperation", {})
    return found


def committed(platform: Platform) -> list[str]:
    """The lines that the newest commit changed."""
    text = platform.git("diff", "--no-renames", "main~1", "main")
    return [line for line in text.splitlines() if line.startswith(("+", "-"))]


def test_change_and_back_by_playbook(changes: Platform) -> None:
    made = claim(changes, "orders", wait=True)
    assert not made["failed"], made
    file = f"tenants/{TENANT}/claims/orders.yaml"
    first, head = changes.git("show", f"main:{file}"), changes.head()
    answers = {"tenant": TENANT, "service": "orders", "dbaas_wait_timeout": 60}
    more = {**answers, "cpu": "8", "memory": "", "sku": "", "allowed_cidrs": "", "backup_enabled": ""}

    changed, predicted = succeeds(changes, "update_service", more, "--check", "--diff")
    assert (changed, changes.head()) == (1, head)
    assert f"{TENANT}/orders: update spec.resources.node.cpu" in predicted
    assert "restart: rolling; about 16 min" in predicted
    assert "cost: $900 -> $900 a month (+$0)" in predicted

    changed, output = succeeds(changes, "update_service", more)
    assert (changed, cpu(changes, "orders")) == (1, "8")
    assert output.index("restart: rolling") < output.index("orders: committed") < output.index("lagos: ready, 3 of 3")
    lines = committed(changes)
    assert len(lines) > 10
    assert [line for line in lines if line not in predicted] == []
    operation = last(changes, "orders")
    assert (operation["state"], [step["name"] for step in operation["steps"]]) == (
        "Succeeded",
        ["committed", "synced", "provisioning", "ready"],
    )
    assert operation["startedAt"] <= operation["steps"][-1]["at"] <= operation["deadline"]
    changed, output = succeeds(changes, "update_service", more)
    assert (changed, "nothing changes" in output or "committed" not in output) == (0, True)

    refused = " ".join(fails(changes, "update_service", {**answers, "storage_size": "1Ti"}).split())
    assert "spec.storage.size: given '1Ti', allowed: 500Gi: ScyllaDB's operator cannot change storage" in refused

    changed, predicted = succeeds(changes, "rollback_service", {**answers, "to": ""}, "--check", "--diff")
    assert changed == 1
    changed, _output = succeeds(changes, "rollback_service", answers)
    assert (changed, cpu(changes, "orders"), changes.git("show", f"main:{file}")) == (1, "4", first)
    assert [line for line in committed(changes) if line not in predicted] == []
    assert (last(changes, "orders")["action"], last(changes, "orders")["state"]) == ("rollback", "Succeeded")
    again = {**answers, "to": made["commit"]}
    assert succeeds(changes, "rollback_service", again)[0] == 0


def test_going_back_while_it_runs_is_a_cancellation(changes: Platform) -> None:
    assert not claim(changes, "carts", wait=True)["failed"]
    # nobody says that it is done before it is cancelled, however slow this machine is
    changes.lab.stop("observer", "lagos")
    try:
        grown = claim(changes, "carts", merge=True, resources={"node": {"cpu": "8"}})
        assert grown["changed"], grown
        back = {"tenant": TENANT, "name": "carts", "operation": grown["operations"][0]["id"]}
        cancelled = changes.module("service_claim_rollback", back)
        assert cancelled["operations"][0]["action"] == "cancel", cancelled
    finally:
        changes.lab.start("observer", "lagos")
    waited = changes.module("service_claim_wait", {"tenant": TENANT, "names": ["carts"], "wait_timeout": 60})
    assert (waited["wait"][0]["phase"], cpu(changes, "carts")) == ("Active", "4")
    assert last(changes, "carts")["action"] == "cancel"


def test_an_operation_that_is_late_has_failed_and_the_database_gets_ready_all_the_same(changes: Platform) -> None:
    # nothing is ready before it is late, however slow this machine is
    changes.lab.stop("kwok", "lagos")
    try:
        late = claim(changes, "late", wait=True, deadline="1s")
    finally:
        changes.lab.start("kwok", "lagos")
    assert late["failed"]
    assert late["error"]["code"] == "operation-failed"
    assert "DeadlineExceeded" in late["msg"]
    until(lambda: changes.phase("lagos", "late", NAMESPACE) == "Active", 30)
    operation = last(changes, "late")
    assert (operation["state"], operation["reason"]) == ("Failed", "DeadlineExceeded")
    assert operation["message"] == "ready, but only after the deadline: 3 of 3 nodes are ready"
    assert operation["finishedAt"] <= operation["steps"][-1]["at"]


def window(begins: datetime, duration: str) -> Json:
    """A window of maintenance of every day; to begin at this minute."""
    return {"windows": [{"start": f"{begins:%H:%M}", "duration": duration}]}


def generation(platform: Platform, name: str) -> int:
    """How often the live operator object was changed."""
    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/{name}"
    return int((platform.lab.api("lagos").get(path) or {})["metadata"]["generation"])


def test_what_restarts_waits_for_its_window(changes: Platform, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    opens = now + timedelta(hours=6)
    assert not claim(changes, "users", wait=True, maintenance=window(opens, "30m"))["failed"]
    file, before = f"tenants/{TENANT}/claims/users.yaml", generation(changes, "users")

    def changed(cpu: str, **options: Any) -> Json:
        done = claim(changes, "users", merge=True, resources={"node": {"cpu": cpu}}, **options)
        assert not done["failed"], done
        (operation,) = done["operations"]
        assert operation["plan"]["restart"] == "rolling"
        return dict(operation)

    operation = changed("8")
    assert (operation["action"], operation["waits_until"]) == ("hold", f"{opens:%Y-%m-%dT%H:%M}:00Z")
    assert changes.git("diff", "--name-only", "main~1", "main").split() == [file]
    head = changes.head()
    told = changes.module("gitops_reconciliation", {"tenants": [TENANT]})["waiting"]
    assert told == [{"tenant": TENANT, "name": "users", "until": operation["waits_until"]}]
    # nothing came to the cluster, and the service is well
    assert (changes.head(), generation(changes, "users"), cpu(changes, "users")) == (head, before, "4")
    assert changes.phase("lagos", "users", NAMESPACE) == "Active"

    # somebody cannot wait
    assert changed("8", timing="now")["action"] == "update"
    until(lambda: cpu(changes, "users") == "8")

    # a person moves the window, so that it is open: the next run of reconcile_claims renders what waits
    assert changed("4")["action"] == "hold"
    work = changes.clone(tmp_path)
    document = yaml.safe_load((work / file).read_text())
    document["spec"]["maintenance"] = window(now - timedelta(hours=1), "4h")
    (work / file).write_text(yaml.safe_dump(document))
    git(work, "commit", "--quiet", "--all", "--message", "Tonight")
    git(work, "push", "--quiet")
    assert succeeds(changes, "reconcile_claims", {"tenants": TENANT})[0] == 1
    until(lambda: cpu(changes, "users") == "4")

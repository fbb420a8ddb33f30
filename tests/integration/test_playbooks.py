"""The playbooks as AWX and people run them: limits, check mode, and answers of every shape."""

from __future__ import annotations

import re
from typing import Any

from tests.integration.conftest import NAMESPACE, POPS, Platform, until

Json = dict[str, Any]
ONE: Json = {"tenant": "acme", "sku": "scy-ring-3", "region": "lagos"}
#: What AWX sends for the questions of a survey that were not answered.
EMPTY = dict.fromkeys(
    ("engine", "plan", "version", "storage_size", "project", "allowed_cidrs", "backup_schedule", "backup_retention"), ""
)


def play(platform: Platform, playbook: str, answers: Json, *options: str) -> tuple[int, str]:
    """Exit code and output of a playbook of the collection."""
    return platform.playbook(f"dbaas.platform.{playbook}", answers, *options)


def succeeds(platform: Platform, playbook: str, answers: Json, *options: str) -> tuple[int, str]:
    """Number of changed tasks, and output."""
    code, output = play(platform, playbook, answers, *options)
    assert code == 0, output
    return sum(int(count) for count in re.findall(r"changed=(\d+)", output)), output


def fails(platform: Platform, playbook: str, answers: Json, *options: str) -> str:
    """Output of a run that must fail and leave the repository as it is."""
    head = platform.head()
    code, output = play(platform, playbook, answers, *options)
    assert code != 0, output
    assert platform.head() == head
    return output


def test_answers_as_awx_sends_them(platform: Platform) -> None:
    answers = {**EMPTY, **ONE, "service": "asked", "regions": "", "dbaas_wait": "", "dbaas_wait_timeout": ""}
    answers |= {"storage_size": "200Gi", "allowed_cidrs": "10.0.0.0/8\n192.168.0.0/16\n", "backup_retention": "30d"}
    changed, output = succeeds(platform, "provision_service", answers)
    assert changed == 1
    # an empty dbaas_wait is one that was not given: it waits
    assert "acme/asked lagos: ready, 3 of 3 nodes" in output
    spec = platform.copy("lagos", "asked")["spec"]
    assert spec["storage"]["size"] == "200Gi"
    assert spec["networking"]["allowedCIDRs"] == ["10.0.0.0/8", "192.168.0.0/16"]
    assert spec["backup"]["retention"] == "30d"

    same = {**answers, "regions": [], "allowed_cidrs": ["10.0.0.0/8", "192.168.0.0/16"]}
    for given, no in ((same, False), ({**answers, "dbaas_wait_timeout": "60"}, "false")):
        changed, output = succeeds(platform, "provision_service", {**given, "dbaas_wait": no})
        assert (changed, "ready" in output) == (0, False)

    changed, output = succeeds(
        platform, "wait_for_service", {"tenant": "acme", "services": "asked\n", "dbaas_wait_timeout": "60"}
    )
    assert "acme/asked lagos: ready" in output
    assert "nearest: asked" in fails(platform, "wait_for_service", {"tenant": "acme", "services": ["askd"]})


def test_the_steps_of_a_workflow_after_the_delivery(platform: Platform) -> None:
    platform.claim("stepped")
    # a workflow asks for one service
    one = {"tenant": "acme", "service": "stepped", "services": ""}
    assert "acme/stepped lagos: ready" in succeeds(platform, "wait_for_service", one)[1]
    strict = {**one, "dbaas_must_be_active": "true"}
    assert succeeds(platform, "verify_service", one)[0] == 0
    assert succeeds(platform, "explain_service", strict)[0] == 0

    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/stepped"
    lagos = platform.lab.api("lagos")
    conditions = (lagos.get(path) or {})["status"]["conditions"]
    for item in conditions:
        if item["type"] == "Degraded":
            item |= {"status": "True", "reason": "DiskLost", "message": "a disk is gone"}
    lagos.patch(path, {"status": {"conditions": conditions}}, "status")
    until(lambda: platform.phase("lagos", "stepped") == "Degraded", 10)
    assert "acme/stepped is Degraded, not Active in lagos" in " ".join(fails(platform, "verify_service", one).split())
    assert "a disk is gone" in fails(platform, "explain_service", strict)
    # without being told to it says why, and that is all
    assert "a disk is gone" in succeeds(platform, "explain_service", one)[1]


def test_a_tenant_out_of_a_survey(platform: Platform) -> None:
    answers = {
        "tenant": "surveyed",
        "regions": "lagos\njohannesburg\n",
        "owners": "Platform Team\nsurveyed-admins\n",
        "projects": "web\n",
        "display_name": "",
        "billing_account": "",
        "quotas": "services: 10\ncpu: 100\nplans:\n  global: {services: 1}\n",
    }
    assert succeeds(platform, "onboard_tenant", answers)[0] == 1
    result = platform.module("tenant_info", {"tenants": ["surveyed"]})
    assert result["tenants"][0]["owners"] == ["Platform Team", "surveyed-admins"]
    assert result["tenants"][0]["regions"] == list(POPS)
    quotas = {"services": 10, "cpu": "100", "plans": {"global": {"services": 1}}}
    assert result["tenants"][0]["quotas"] == quotas
    lists = {**answers, "regions": list(POPS), "owners": ["Platform Team", "surveyed-admins"], "projects": ["web"]}
    # AWX sends an empty text for what is not answered: the quotas stay
    lists["quotas"] = ""
    assert succeeds(platform, "onboard_tenant", lists)[0] == 0


def test_what_is_missing_or_of_another_kind_is_named(platform: Platform) -> None:
    output = fails(platform, "provision_service", {"tenant": "acme", "service": "", "sku": "scy-ring-3"})
    assert "Not given: service, region." in output
    output = fails(platform, "provision_service", {**ONE, "service": "x", "dbaas_wait_timeout": "soon"})
    assert "dbaas_wait_timeout" in output


def test_a_limit_that_leaves_no_pop_is_an_error(platform: Platform) -> None:
    for playbook, answers in (
        ("provision_service", {**ONE, "service": "limited"}),
        ("onboard_tenant", {"tenant": "limited", "regions": ["lagos"]}),
        ("wait_for_service", {"tenant": "acme"}),
    ):
        output = fails(platform, playbook, answers, "--limit", "database")
        assert "No point of presence is left" in output
        assert ", ".join(POPS) in output


def test_a_limit_that_leaves_a_region_out_refuses_it_by_name(platform: Platform) -> None:
    ring = {**ONE, "service": "limited", "regions": list(POPS)}
    words = "wants johannesburg, which the inventory and the limit leave out; they leave lagos."
    assert words in " ".join(fails(platform, "provision_service", ring, "--limit", "lagos").split())
    tenant = {"tenant": "limited", "regions": list(POPS)}
    assert words in " ".join(fails(platform, "onboard_tenant", tenant, "--limit", "lagos").split())


def test_check_mode_shows_the_commit_and_makes_none(platform: Platform) -> None:
    head = platform.head()
    with platform.lab.refuse_pushes():
        for playbook, answers, file in (
            ("provision_service", {**ONE, "service": "looked-at"}, "tenants/acme/claims/looked-at.yaml"),
            ("onboard_tenant", {"tenant": "looked-at", "regions": ["lagos"]}, "tenants/looked-at/tenant.yaml"),
        ):
            changed, output = succeeds(platform, playbook, answers, "--check", "--diff", "--limit", "lagos")
            assert changed == 1
            assert f"+++ b/{file}" in output
            assert "ready" not in output
    assert platform.head() == head

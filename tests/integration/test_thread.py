"""One claim through every real part: Git, Argo CD, API servers, the observer, in two points of presence."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import ansible_runner

from tests.integration.conftest import DELAY, NAMESPACE, POPS, Platform, git, until
from tests.lab.platform import ROOT, environment

Json = dict[str, Any]
RING: Json = {"replication": {"regions": list(POPS)}}


def secret(platform: Platform, pop: str, name: str) -> dict[str, str]:
    found = platform.lab.api(pop).get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}")
    assert found, name
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def test_plain_push_becomes_active_without_ansible(platform: Platform, tmp_path: Path) -> None:
    rendered = platform.module(
        "service_claim",
        {"tenant": "quiet", "name": "pushed", "sku": "scy-ring-5", "region": "lagos", "state": "rendered"},
    )
    work = platform.clone(tmp_path)
    objects = "".join(f"---\n{json.dumps(item['object'])}\n" for item in rendered["manifests"]["rendered"])
    (work / "tenants/quiet/lagos/services/pushed.yaml").write_text(objects)
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "By hand")
    until(
        lambda: platform.lab.api("lagos").get(
            "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/services-quiet"
        )
    )
    start = time.monotonic()
    git(work, "push", "--quiet")

    until(lambda: platform.copy("lagos", "pushed", "tenant-quiet"))
    assert time.monotonic() - start < 8, "the PoP's ear is slow"
    until(lambda: platform.phase("lagos", "pushed", "tenant-quiet") == "Provisioning")
    waiting = platform.copy("lagos", "pushed", "tenant-quiet")["status"]["lastOperation"]
    assert waiting["ready"] < waiting["wanted"] == 5
    until(lambda: platform.phase("lagos", "pushed", "tenant-quiet") == "Active")
    copy = platform.copy("lagos", "pushed", "tenant-quiet")
    status = copy["status"]
    assert status["connectionString"] == "cql://pushed-client.tenant-quiet.svc.lagos.dbaas.internal:9142"
    assert [endpoint["region"] for endpoint in status["endpoints"]] == ["lagos"]
    conditions = {item["type"]: item["status"] for item in status["conditions"]}
    assert (conditions["Ready"], conditions["CredentialsReady"], conditions["BackupConfigured"]) == ("True",) * 3
    writers = {item["manager"] for item in copy["metadata"]["managedFields"] if item.get("subresource") == "status"}
    assert writers == {"dbaas-observer"}
    assert platform.copy("johannesburg", "pushed", "tenant-quiet") == {}


def test_bad_operator_object_is_degraded_within_ten_seconds(platform: Platform) -> None:
    platform.claim("bad")
    path = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/bad"
    lagos = platform.lab.api("lagos")

    def turn(status: str, message: str) -> None:
        conditions = (lagos.get(path) or {})["status"]["conditions"]
        for item in conditions:
            if item["type"] == "Degraded":
                item |= {"status": status, "reason": "DiskLost", "message": message}
        lagos.patch(path, {"status": {"conditions": conditions}}, "status")

    def why(text: str) -> bool:
        status = platform.copy("lagos", "bad")["status"]
        ready = next(item for item in status["conditions"] if item["type"] == "Ready")
        return status["phase"] == "Degraded" and text in ready["message"]

    turn("True", "a disk of bad-lagos-a-0 is gone")
    until(lambda: why("a disk of bad-lagos-a-0 is gone"), 10)
    assert platform.info("bad")["phase"] == "Degraded"
    turn("False", "")
    until(lambda: platform.phase("lagos", "bad") == "Active", 10)

    platform.lab.kill("observer", "lagos")
    turn("True", "and now while nobody looked")
    until(lambda: why("and now while nobody looked"), 10)
    turn("False", "")
    until(lambda: platform.phase("lagos", "bad") == "Active", 10)


def test_two_regions_each_have_their_own(platform: Platform) -> None:
    result = platform.claim("ring", **RING, networking={"allowed_cidrs": ["10.0.0.0/8"]})
    assert result["wait"][0]["phase"] == "Active"
    seeds = {}
    for pop in POPS:
        clusters = platform.lab.api(pop).get(f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters")
        assert clusters
        mine = {item["metadata"]["name"]: item for item in clusters["items"]}["ring"]
        assert mine["spec"]["datacenter"]["name"] == pop
        seeds[pop] = mine["spec"].get("externalSeeds")
        assert {item["metadata"]["labels"]["dbaas.example.com/region"] for item in clusters["items"]} == {pop}
    assert seeds["lagos"] is None
    assert seeds["johannesburg"] == [f"ring-lagos-{rack}-0.{NAMESPACE}.svc.lagos.dbaas.internal" for rack in "abc"]
    for name in ("ring-agent-config", "ring-credentials"):
        assert secret(platform, "lagos", name) == secret(platform, "johannesburg", name)
    assert platform.info("ring")["connection"]["region"] == "lagos"


def test_a_region_that_does_not_answer_is_named(platform: Platform) -> None:
    platform.claim("half", **RING)
    platform.lab.stop("kube-apiserver", "johannesburg")
    try:
        start = time.monotonic()
        service = platform.info("half")
        assert time.monotonic() - start < 15
        assert service["phase"] == "Degraded"
        assert service["regions"]["johannesburg"]["phase"] == "Unreachable"
        assert service["regions"]["lagos"]["phase"] == "Active"
        assert "johannesburg" in service["message"]
        assert platform.phase("lagos", "half") == "Active"
        # without the repository the copies that answer tell as much
        alone = platform.module(
            "service_claim_info", {"tenant": "acme", "names": ["half"]}, env={"DBAAS_REPOSITORY": ""}
        )
        assert alone["services"][0]["regions"]["johannesburg"]["phase"] == "Unreachable"
    finally:
        platform.lab.start("kube-apiserver", "johannesburg")
    until(lambda: platform.info("half")["phase"] == "Active", 30)


def test_an_api_server_killed_in_the_middle_of_a_sync_costs_nothing(platform: Platform) -> None:
    platform.claim("killed", wait=False, **RING)
    head = platform.head()
    until(lambda: platform.copy("lagos", "killed") or platform.copy("johannesburg", "killed"))
    for pop in POPS:
        platform.lab.kill("kube-apiserver", pop)
    result = platform.module("service_claim_wait", {"tenant": "acme", "names": ["killed"], "wait_timeout": 90})
    assert result["wait"][0]["phase"] == "Active", result
    assert platform.head() == head


def test_progress_is_told_while_it_happens(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    events: list[tuple[float, str]] = []

    def handle(event: Json) -> bool:
        events.append((time.monotonic(), event.get("stdout", "")))
        return True

    run = ansible_runner.run(
        private_data_dir=str(tmp_path),
        playbook="dbaas.platform.provision_service",
        inventory=[str(ROOT / "inventories" / pop) for pop in POPS],
        envvars=environment(platform.lab),
        extravars={
            "tenant": "acme",
            "service": "told",
            "sku": "scy-ring-3",
            "region": "lagos",
            "regions": "lagos\njohannesburg\n",
        },
        event_handler=handle,
        quiet=True,
    )
    output = "\n".join(text for _when, text in events)
    platform.printed.append(output)
    assert run.rc == 0, output

    def when(text: str) -> float:
        return next(moment for moment, line in events if text in line)

    assert when("told: committed") <= when("told lagos: synced")
    for pop in POPS:
        assert when(f"told {pop}: ready, 3 of 3") - when(f"told {pop}: synced") >= DELAY - 1.5
    assert any("of 3 nodes are ready" in line for _when, line in events)
    assert "cql://told-client.tenant-acme.svc.lagos.dbaas.internal:9142" in output

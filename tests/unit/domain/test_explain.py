"""Why a service is not Active, case by case: evidence in, findings and sentences out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.explain import (
    CAUSES,
    Committed,
    Evidence,
    deadline,
    event_time,
    explain,
    findings,
    lines,
)

from tests.unit.domain.shipped import OPERATION
from tests.unit.domain.test_status import LATER, SECRETS, cluster, seen, the_copy

Json = dict[str, Any]
MADE, NOW, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z", "2026-01-01T01:00:00Z"
CLAIM = "tenants/acme/claims/ring.yaml"
DONE = Committed(CLAIM, True, True, True, OPERATION, "create", "ann", "30m")


def said(name: str, **more: Any) -> Json:
    """What clients.argocd.words returns for an Application that is well."""
    well = {"name": name, "sync": "Synced", "health": "Healthy", "revision": "c", "phase": "Succeeded", "message": "ok"}
    return {**well, "refused": [], "trouble": "", **more}


WELL: dict[str, Json | None] = {"tenant-acme": said("tenant-acme"), "services-acme": said("services-acme")}


def bad(trouble: str, **more: Any) -> dict[str, Json | None]:
    return {**WELL, "services-acme": said("services-acme", sync="OutOfSync", trouble=trouble, **more)}


def observed(*objects: Json, secrets: Any = SECRETS, now: str = MADE, **change: Any) -> Json:
    """The copy with the status that the observer gives it."""
    item = the_copy(**change)
    return {**item, "status": seen(item, *objects, secrets=secrets, now=now)}


def evidence(
    copy: Json | None, *objects: Json, region: str = "lagos", git: Committed | None = DONE, **more: Any
) -> Evidence:
    return Evidence(region, git, copy=copy, objects=objects, applications=more.pop("applications", WELL), **more)


def only(item: Evidence, now: str = NOW) -> tuple[str, str]:
    (found,) = findings("acme", "ring", item, now)
    return found.code, found.message


def codes(item: Evidence, now: str = NOW) -> list[str]:
    return [found.code for found in findings("acme", "ring", item, now)]


def event(kind: str, name: str, message: str, at: str, **more: Any) -> Json:
    about = {"involvedObject": {"kind": kind, "name": name}, "message": message, "lastTimestamp": at}
    return {**about, "type": "Warning", "reason": "Failed", **more}


def test_an_active_service_has_no_findings() -> None:
    item = evidence(observed(cluster()), cluster())
    result = explain("acme", "ring", "lagos", [item], NOW)
    assert (result["phase"], result["code"], result["findings"]) == ("Active", "active", [])
    assert result["why"] == "acme/ring is Active in lagos."
    assert lines(result)[:2] == ["acme/ring is Active in lagos.", "lagos: Active"]


@pytest.mark.parametrize(
    ("git", "code", "words"),
    [
        (Committed(CLAIM, True), "not-rendered", "no tenants/acme/lagos/services/ring.yaml"),
        (
            Committed(CLAIM, True, True, False, OPERATION),
            "not-rendered",
            "rendered of another content of the claim's file",
        ),
        (
            Committed(CLAIM, True, True, False, OPERATION, waits="2026-01-03T22:30:00Z"),
            "waits-for-window",
            f"a change of {CLAIM} waits for its window: 2026-01-03T22:30:00Z",
        ),
        (
            Committed(CLAIM, True, True, problem="services/ring.yaml, line 3: no YAML"),
            "document-invalid",
            "line 3: no YAML",
        ),
        (
            Committed(CLAIM, True, True, False, OPERATION, "delete", "ann"),
            "being-deleted",
            "ann deprovisions the service",
        ),
        (Committed("", True, True, False, OPERATION), "orphan", "services/ring.yaml is there, and no claim"),
        (Committed("", True, True, False, OPERATION, "delete"), "being-deleted", "somebody deprovisions the service"),
        (
            Committed(CLAIM, False, True, True, OPERATION),
            "foundation-missing",
            "no tenants/acme/lagos/application.yaml",
        ),
    ],
)
def test_what_is_wrong_in_git(git: Committed, code: str, words: str) -> None:
    found_code, message = only(evidence(observed(cluster()), cluster(), git=git))
    assert found_code == code
    assert words in message


@pytest.mark.parametrize("code", ["kube-unreachable", "kube-auth", "kube-refused", "kube-missing"])
def test_a_region_that_cannot_be_asked(code: str) -> None:
    item = Evidence("johannesburg", DONE, failure=(code, "johannesburg: connection refused"))
    assert only(item) == (code, "connection refused")
    both = explain("acme", "ring", "lagos", [evidence(observed(cluster()), cluster()), item], NOW)
    assert (both["phase"], both["code"]) == ("Degraded", code)
    assert f"Kubernetes: johannesburg: connection refused [{code}]" in both["regions"]["johannesburg"]["facts"][1]


def test_nothing_but_waiting_stands_between_a_commit_and_its_copy() -> None:
    syncing = {**WELL, "services-acme": said("services-acme", sync="OutOfSync", phase="Running", message="waiting")}
    code, message = only(evidence(None, applications=syncing))
    assert code == "sync-pending"
    assert message == (
        "the region has nothing of the service yet: Application services-acme is OutOfSync and Healthy; its last sync:"
        " Running, waiting"
    )
    older = observed(cluster(operation=LATER), operation=LATER)
    code, message = only(evidence(older, cluster(operation=LATER)))
    assert (code, message.split(":")[0]) == ("sync-pending", "the region has an earlier commit")
    assert only(evidence(None, applications={}))[1].endswith("Argo CD has not synced the newest commit")
    lost = {**WELL, "services-acme": None}
    assert only(evidence(None, applications=lost))[1].endswith("Argo CD has no Application services-acme")


def test_argo_cds_own_words_are_the_cause_where_they_keep_the_commit_away() -> None:
    refuses = bad("ClusterRole evil: not permitted in project tenant-acme", refused=["ClusterRole evil: not permitted"])
    words = "Argo CD cannot sync Application services-acme: ClusterRole evil: not permitted in project tenant-acme"
    assert only(evidence(None, applications=refuses)) == ("sync-failed", words)
    older = observed(cluster(operation=LATER), operation=LATER)
    assert only(evidence(older, applications=refuses)) == ("sync-failed", words)
    facts = explain("acme", "ring", "lagos", [evidence(None, applications=refuses)], NOW)["regions"]["lagos"]["facts"]
    assert "Argo CD: services-acme refuses ClusterRole evil: not permitted" in facts
    # the copy came through and the operator's object did not
    assert only(evidence(observed(), applications=refuses)) == ("sync-failed", words)
    # where all is there it is no reason for anything
    assert codes(evidence(observed(cluster()), cluster(), applications=refuses)) == []


def test_who_may_not_read_applications_learns_it_of_the_copy() -> None:
    copy = observed(cluster(operation=LATER), operation=LATER)
    copy["status"]["conditions"].append({"type": "Synced", "status": "False", "message": "ClusterRole evil: no"})
    assert only(evidence(copy, applications={})) == ("sync-failed", "Argo CD cannot sync: ClusterRole evil: no")


def test_a_tenant_that_never_came_to_the_region() -> None:
    nothing: dict[str, Json | None] = {"tenant-acme": None, "services-acme": None}
    code, message = only(evidence(None, namespace=False, applications=nothing))
    assert code == "foundation-missing"
    assert message == "Argo CD has no Application tenant-acme, and there is no namespace tenant-acme"
    assert codes(evidence(None, namespace=True, applications=nothing)) == ["sync-pending"]


def test_an_observer_that_says_nothing() -> None:
    copy = the_copy(managedFields=[{"time": MADE}, {"time": LATE, "subresource": "status"}])
    code, message = only(evidence(copy, cluster()))
    assert (code, message) == (
        "observer-silent",
        "the observer has not looked at the newest state for 10 minutes",
    )
    stale = observed(cluster(), generation=1)
    stale["metadata"]["generation"] = 2
    assert codes(evidence(stale, cluster())) == ["observer-silent"]
    # the operation of a status that is not of this one
    assert codes(
        evidence({**the_copy(operation=LATER), "status": stale["status"]}, cluster(operation=LATER), git=None)
    ) == ["observer-silent"]


def test_what_the_operator_says_counts_although_the_observer_is_silent() -> None:
    broken = cluster(2, degraded="a disk is gone")
    stale = {**observed(cluster()), "metadata": {**the_copy()["metadata"], "generation": 2}}
    assert codes(evidence(stale, broken)) == ["operator-failed", "observer-silent"]
    result = explain("acme", "ring", "lagos", [evidence(stale, broken)], NOW)
    assert result["why"].endswith("lagos: the operator says: a disk is gone (2 of 3 nodes are ready)")
    assert (
        "Operator: ScyllaCluster ring: Degraded=True (Degraded): a disk is gone" in result["regions"]["lagos"]["facts"]
    )


def test_secrets_that_are_missing_name_the_platform_key() -> None:
    found = list(findings("acme", "ring", evidence(observed(cluster(1), secrets=()), cluster(1)), NOW))
    assert [item.code for item in found] == ["secrets-missing", "in-progress"]
    assert "is Secret dbaas-system/platform-key there?" in found[0].message


def test_the_operators_object_may_be_missing_or_of_an_earlier_operation() -> None:
    assert only(evidence(observed())) == ("object-missing", "the operator's object (ScyllaCluster) is not there")
    older = cluster(operation=LATER)
    assert only(evidence(observed(older), older))[1].endswith("is of an earlier operation")


def test_an_operator_that_does_nothing_and_what_its_pods_events_say() -> None:
    fresh = cluster()
    del fresh["status"]
    code, message = only(evidence(observed(fresh), fresh))
    assert (code, message) == ("operator-silent", "the operator has not taken up ScyllaCluster ring")
    events = [
        event("Pod", "ring-lagos-a-0", "no node fits", "2026-01-01T00:02:00Z"),
        event("Pod", "ring-lagos-a-0", "an earlier word", "2026-01-01T00:01:00Z"),
        event("Pod", "ring-lagos-a-0", "pulled", "2026-01-01T00:03:00Z", type="Normal"),
    ]
    code, message = only(evidence(observed(cluster(2)), cluster(2), events=events))
    assert (code, message) == ("in-progress", "2 of 3 nodes are ready; Pod ring-lagos-a-0: no node fits")


def test_nodes_that_went_away_are_not_progress() -> None:
    item = the_copy()
    was = {**item, "status": seen(item, cluster())}
    now = {**item, "status": seen(was, cluster(2))}
    assert only(evidence(now, cluster(2))) == ("nodes-missing", "2 of 3 nodes are ready")


def test_a_deadline_that_passed_comes_before_what_is_merely_slow() -> None:
    slow = observed(cluster(2))
    slow["metadata"]["annotations"]["dbaas.example.com/deadline"] = "30m"
    assert codes(evidence(slow, cluster(2)), "2026-01-01T00:29:59Z") == ["in-progress"]
    found = list(findings("acme", "ring", evidence(slow, cluster(2)), "2026-01-01T00:30:01Z"))
    assert [each.code for each in found] == ["deadline-passed", "in-progress"]
    assert found[0].message == "the create should have been done by 2026-01-01T00:30:00Z"
    # the observer's own says it better
    slow["status"]["lastOperation"]["deadline"] = "2026-01-01T00:05:00+00:00"
    assert codes(evidence(slow, cluster(2)), "2026-01-01T00:05:01Z")[0] == "deadline-passed"
    done = observed(cluster())
    done["status"]["lastOperation"]["deadline"] = "2026-01-01T00:05:00Z"
    assert codes(evidence(done, cluster()), LATE) == []
    assert deadline(the_copy()) is None


def test_a_copy_that_is_being_deleted_is_told_as_such() -> None:
    going = observed(cluster(), deletionTimestamp=MADE)
    assert only(evidence(going, cluster())) == ("being-deleted", "the claim's copy is being deleted")


def test_a_deletion_is_told_once() -> None:
    going = observed(cluster(), deletionTimestamp=MADE)
    deleted = Committed("", True, True, False, OPERATION, "delete", "ann")
    assert only(evidence(going, cluster(), git=deleted)) == ("being-deleted", "ann deprovisions the service")


def test_a_service_that_is_kept_for_its_data_is_as_good_as_any() -> None:
    kept = "tenants/acme/retained/ring.yaml"
    item = evidence(observed(cluster()), cluster(), git=Committed(kept, True, True, True, OPERATION, "create"))
    result = explain("acme", "ring", "lagos", [item], NOW)
    assert result["code"] == "active"
    assert result["regions"]["lagos"]["facts"][0] == f"Git: kept for its data alone: {kept}"


def test_an_engine_that_nobody_here_knows() -> None:
    strange = the_copy()
    strange["spec"] = {**strange["spec"], "engine": "oracle"}
    strange["status"] = seen(strange)
    code, message = only(evidence(strange))
    assert (code, message) == ("not-ready", "this observer knows no engine 'oracle'")


def test_what_must_be_mended_comes_before_what_takes_time_and_the_home_region_first() -> None:
    waits, broken = evidence(None, region="lagos"), cluster(2, degraded="a disk is gone")
    fails = evidence(observed(broken), broken, region="johannesburg")
    result = explain("acme", "ring", "lagos", [waits, fails], NOW)
    assert [(item["region"], item["code"]) for item in result["findings"]] == [
        ("johannesburg", "operator-failed"),
        ("lagos", "sync-pending"),
    ]
    same = explain("acme", "ring", "johannesburg", [waits, evidence(None, region="johannesburg")], NOW)
    assert [item["region"] for item in same["findings"]] == ["johannesburg", "lagos"]
    text = lines({**result, "runbook": {"text": "What the runbook says."}})
    assert text[0].startswith("acme/ring is Provisioning: johannesburg: the operator says: a disk is gone")
    assert text[1].endswith("[operator-failed, dependency]")
    assert text[2] == "Runbook: What the runbook says."
    assert text[3].startswith("Also lagos: the region has nothing of the service yet")


def test_a_change_in_the_middle_of_the_reading_is_no_verdict() -> None:
    item = evidence(observed(cluster(2)), cluster())
    result = explain("acme", "ring", "lagos", [item], NOW)
    assert (result["code"], result["findings"]) == ("not-ready", [])
    assert "2 of 3 nodes are ready" in result["why"]


def test_facts_go_from_git_to_the_database() -> None:
    copy = observed(cluster(2))
    copy["metadata"]["annotations"]["dbaas.example.com/deadline"] = "30m"
    last = copy["status"]["lastOperation"]
    last["steps"] = [{"name": "committed", "at": MADE}, {"name": "synced", "at": MADE, "message": "2 of 2"}]
    events = [event("Pod", f"ring-lagos-a-{n}", f"word {n}", f"2026-01-01T00:0{n}:00Z", count=n) for n in range(8)]
    item = evidence(copy, cluster(2), events=events, unread=["lagos: pods: 403: forbidden"])
    facts = explain("acme", "ring", "lagos", [item], NOW)["regions"]["lagos"]["facts"]
    begins = [fact.split(": ")[0] for fact in facts]
    assert list(dict.fromkeys(begins)) == ["Git", "Argo CD", "Copy", "Operation", "Operator", "Event", "Not read"]
    assert facts[0] == f"Git: committed, create {OPERATION} by ann, deadline 30m"
    assert f"Copy: bears operation {OPERATION}, the newest" in facts
    assert [fact for fact in facts if fact.startswith("Operation")] == [
        (
            f"Operation: {last['action']} by {last['requester']} Running since {MADE}, 2 of 3 nodes,"
            " deadline 2026-01-01T00:30:00Z"
        ),
        f"Operation: committed at {MADE}",
        f"Operation: synced at {MADE}: 2 of 2",
    ]
    told = [fact for fact in facts if fact.startswith("Event")]
    assert len(told) == 5
    assert told[0] == "Event: Warning Failed of Pod ring-lagos-a-7 3 minutes ago, 7 times: word 7"
    assert facts[-1] == "Not read: lagos: pods: 403: forbidden"
    without = explain("acme", "ring", "lagos", [evidence(None, namespace=False, git=None)], NOW)["regions"]["lagos"]
    assert without["facts"][0] == "Git: not asked"
    assert without["facts"][-1] == "Copy: there is none, nor its namespace tenant-acme"


def test_the_time_of_an_event_in_old_and_new_api() -> None:
    assert event_time({"lastTimestamp": "a", "eventTime": "b"}) == "a"
    assert event_time({"lastTimestamp": None, "eventTime": "b", "series": {"lastObservedTime": "c"}}) == "c"
    assert event_time({"eventTime": "b"}) == "b"
    assert event_time({"metadata": {"creationTimestamp": "d"}}) == "d"


def test_every_cause_says_who_must_act_and_what_to_do() -> None:
    assert all(cls in ("user", "dependency", "capacity") and action.endswith(".") for cls, action in CAUSES.values())

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Unreachable, combine, observe, runs
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Obj, Observation
from ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla import Scylla
from ansible_collections.dbaas.platform.plugins.module_utils.engines.shared import PAUSED
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import ID, OPERATION, SMALL, WIDE, only

Json = dict[str, Any]

T0, T1, T2, T3 = (f"2026-01-01T00:00:0{second}Z" for second in range(4))
SECRETS = ("ring-agent-config", "ring-credentials")
LATER = "44444444-4444-5444-8444-444444444444"
SCHEMA = Checker(schema.STATUS)
OBJECTS = shipped.rendered(SMALL)["lagos"]


def the_copy(before: Json | None = None, *, operation: str = OPERATION, generation: int = 1, **change: Any) -> Json:
    item: Json = copy.deepcopy(only(OBJECTS, "ServiceClaim"))
    item["metadata"] |= {"generation": generation, **change}
    item["metadata"]["annotations"]["dbaas.example.com/operation"] = operation
    return {**item, **({"status": before} if before else {})}


def cluster(
    ready: int = 3,
    *,
    operation: str = OPERATION,
    available: bool = True,
    progressing: bool = False,
    degraded: str = "",
    observed: int = 1,
) -> Json:
    item: Json = copy.deepcopy(only(OBJECTS, "ScyllaCluster"))
    item["metadata"]["generation"] = 1
    item["metadata"]["annotations"]["dbaas.example.com/operation"] = operation
    flags = {"Available": available, "Progressing": progressing, "Degraded": bool(degraded)}
    item["status"] = {
        "observedGeneration": observed,
        "readyMembers": ready,
        "conditions": [
            {"type": kind, "status": str(value), "message": degraded if kind == "Degraded" else "", "reason": kind}
            for kind, value in flags.items()
        ],
        "backups": [{"name": "scheduled", "id": "x"}],
    }
    return item


def seen(item: Json, *objects: Json, secrets: Sequence[str] = SECRETS, now: str = T1) -> Json:
    """The status, proved to hold only what the CRD lets it hold."""
    found = observe(item, objects, secrets=secrets, now=now)
    assert SCHEMA.errors(found, "status") == []
    assert set(found["lastOperation"]) >= {"id", "action", "state", "requester", "ready", "wanted", "startedAt"}
    return found


def condition(found: Json, kind: str) -> Json:
    (item,) = [item for item in found["conditions"] if item["type"] == kind]
    assert isinstance(item, dict)
    return item


def active(now: str = T0) -> Json:
    return seen(the_copy(), cluster(), now=now)


# --- phases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "secrets", "phase", "message"),
    [
        ([], SECRETS, "Pending", "waiting for the database's object"),
        ([cluster(operation="older")], SECRETS, "Pending", "waiting for the database's object"),
        ([cluster(0, available=False, progressing=True)], SECRETS, "Provisioning", "0 of 3 nodes are ready"),
        ([cluster(2)], SECRETS, "Provisioning", "2 of 3 nodes are ready"),
        ([cluster(3, observed=0)], SECRETS, "Provisioning", "3 of 3 nodes are ready"),
        ([cluster(1, degraded="no disk")], SECRETS, "Provisioning", "no disk (1 of 3 nodes are ready)"),
        ([cluster()], SECRETS, "Active", "3 of 3 nodes are ready"),
        (
            [cluster()],
            SECRETS[:1],
            "Provisioning",
            "3 of 3 nodes are ready; waiting for Secrets ring-credentials: is Secret dbaas-system/platform-key there?",
        ),
        (
            [],
            (),
            "Pending",
            "waiting for Secrets ring-agent-config, ring-credentials: is Secret dbaas-system/platform-key there?",
        ),
    ],
)
def test_before_it_was_ever_active(objects: list[Json], secrets: Sequence[str], phase: str, message: str) -> None:
    found = seen(the_copy(), *objects, secrets=secrets)
    ready = condition(found, "Ready")
    assert (found["phase"], ready["message"], ready["reason"]) == (phase, message, phase)
    assert ready["status"] == str(phase == "Active")
    assert condition(found, "Provisioned")["status"] == str(phase == "Active")
    assert condition(found, "CredentialsReady")["status"] == str(secrets == SECRETS)
    assert ("connectionString" in found) == (phase == "Active")
    assert found["observedGeneration"] == 1


@pytest.mark.parametrize(
    ("objects", "secrets", "phase", "message"),
    [
        ([cluster()], SECRETS, "Active", "3 of 3 nodes are ready"),
        ([cluster(2)], SECRETS, "Degraded", "2 of 3 nodes are ready"),
        ([cluster(2, available=False)], SECRETS, "Degraded", "2 of 3 nodes are ready"),
        ([cluster(3, degraded="no disk")], SECRETS, "Degraded", "no disk (3 of 3 nodes are ready)"),
        ([], SECRETS, "Degraded", "the database's object is gone"),
        (
            [cluster()],
            SECRETS[1:],
            "Degraded",
            "3 of 3 nodes are ready; waiting for Secrets ring-agent-config: is Secret dbaas-system/platform-key there?",
        ),
    ],
)
def test_after_it_was_active(objects: list[Json], secrets: Sequence[str], phase: str, message: str) -> None:
    found = seen(the_copy(active()), *objects, secrets=secrets)
    assert (found["phase"], condition(found, "Ready")["message"]) == (phase, message)
    assert condition(found, "Provisioned")["status"] == "True"
    # whoever is connected stays so
    assert found["connectionString"] == active()["connectionString"]


@pytest.mark.parametrize(
    ("objects", "phase", "message"),
    [
        ([cluster()], "Updating", "the change has not reached the operator yet"),
        ([cluster(2, operation=LATER, progressing=True)], "Updating", "2 of 3 nodes are ready"),
        ([cluster(3, operation=LATER, observed=0)], "Updating", "3 of 3 nodes are ready"),
        ([cluster(2, operation=LATER, degraded="stuck")], "Degraded", "stuck (2 of 3 nodes are ready)"),
        ([cluster(operation=LATER)], "Active", "3 of 3 nodes are ready"),
    ],
)
def test_a_change_of_what_was_active(objects: list[Json], phase: str, message: str) -> None:
    found = seen(the_copy(active(), operation=LATER, generation=2), *objects)
    assert (found["phase"], condition(found, "Ready")["message"]) == (phase, message)
    last = found["lastOperation"]
    assert (last["id"], last["startedAt"]) == (LATER, T1)
    assert last["state"] == ("Succeeded" if phase == "Active" else "Running")
    assert found["observedGeneration"] == 2


def test_deleting_stands_above_all() -> None:
    found = seen(the_copy(active(), deletionTimestamp=T1), cluster(1, degraded="x"))
    assert (found["phase"], condition(found, "Ready")["message"]) == ("Deleting", "the service is being deleted")


class Terminal(Scylla):
    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        return Observation(ready=0, wanted=3, current=True, error="bad image", terminal=True)


def test_failed_is_a_terminal_error_before_the_first_active(monkeypatch: pytest.MonkeyPatch) -> None:
    before = active()
    monkeypatch.setitem(ENGINES, "scylla", Terminal())
    found = seen(the_copy(), cluster())
    assert found["phase"] == "Failed"
    assert (found["lastOperation"]["state"], found["lastOperation"]["finishedAt"]) == ("Failed", T1)
    again = seen(the_copy(found), cluster(), now=T2)
    assert again == found
    monkeypatch.undo()
    mended = seen(the_copy(found), cluster(), now=T2)
    assert (mended["phase"], mended["lastOperation"]["state"]) == ("Active", "Succeeded")
    assert mended["lastOperation"]["finishedAt"] == T2
    monkeypatch.setitem(ENGINES, "scylla", Terminal())
    assert seen(the_copy(before), cluster())["phase"] == "Degraded"


class Saying(Scylla):
    """An engine whose operator says just this."""

    def __init__(self, **said: Any) -> None:
        self.said = said

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        return Observation(**{"ready": 3, "wanted": 3, "current": True, **self.said})


def test_a_change_that_fails_for_good_ends_its_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it is told at once; what runs goes on, Degraded."""
    before = active()
    fails: Json = {"current": False, "error": "no such image", "terminal": True}
    changed = the_copy(before, operation=LATER, generation=2)
    monkeypatch.setitem(ENGINES, "scylla", Saying(**fails))
    found = seen(changed, cluster(operation=LATER))
    assert found["phase"] == "Degraded"
    last = found["lastOperation"]
    assert (last["id"], last["state"], last["reason"]) == (LATER, "Failed", "TerminalError")
    assert "no such image" in last["message"]
    (state,) = combine("lagos", {"lagos": {**changed, "status": found}}, LATER)["regions"].values()
    assert state["failed"].startswith("TerminalError: no such image")
    # an error that was there before the change says nothing of it
    monkeypatch.setitem(ENGINES, "scylla", Saying(**fails, answered=False, generation=2))
    assert seen(changed, cluster(operation=LATER))["lastOperation"]["state"] == "Running"
    # and it may be mended
    monkeypatch.setitem(ENGINES, "scylla", Saying())
    mended = seen({**changed, "status": found}, cluster(operation=LATER), now=T2)
    assert (mended["phase"], mended["lastOperation"]["state"]) == ("Active", "Succeeded")


def test_an_old_status_says_nothing_of_a_new_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator without observedGeneration: what it said of the spec before does not count."""

    def saying(before: Json | None, now: str, *, operation: str = OPERATION, **said: Any) -> Json:
        monkeypatch.setitem(ENGINES, "scylla", Saying(**said))
        return seen(the_copy(before, operation=operation), cluster(operation=operation), now=now)

    first = saying(None, T0, generation=1, answered=False)
    assert (first["phase"], "operatorGeneration" in first) == ("Provisioning", False)
    made = saying(first, T1, generation=1)
    assert (made["phase"], made["operatorGeneration"]) == ("Active", 1)
    # written again without a change of its spec: there is nothing to wait for
    assert saying(made, T2, operation=LATER, generation=1, answered=False)["phase"] == "Active"
    changed = saying(made, T2, operation=LATER, generation=2, answered=False)
    assert (changed["phase"], changed["operatorGeneration"]) == ("Updating", 1)
    assert changed["lastOperation"]["state"] == "Running"
    done = saying(changed, T3, operation=LATER, generation=2)
    assert (done["phase"], done["operatorGeneration"]) == ("Active", 2)
    assert done["lastOperation"]["state"] == "Succeeded"


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ({"written": "2026-01-01T00:00:00Z", "patience": 60}, "Updating"),
        ({"written": "2026-01-01T00:00:00Z", "patience": 59}, "Active"),
        ({"written": "2026-01-01T00:00:00Z"}, "Updating"),
        ({"patience": 1}, "Updating"),
    ],
)
def test_silence_is_an_answer_after_a_while(monkeypatch: pytest.MonkeyPatch, said: Json, phase: str) -> None:
    """An operator that writes no status where a change restarts nothing."""
    monkeypatch.setitem(ENGINES, "scylla", Saying(generation=1))
    made = seen(the_copy(), cluster(), now="2026-01-01T00:00:00Z")
    monkeypatch.setitem(ENGINES, "scylla", Saying(generation=2, answered=False, **said))
    found = seen(the_copy(made, operation=LATER), cluster(operation=LATER), now="2026-01-01T00:00:59Z")
    assert found["phase"] == phase


def test_what_an_engine_says_of_replication_stays_until_it_says_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "scylla", Saying(replicating=("False", "NotSetUp", "apart")))
    found = seen(the_copy(), cluster(), now=T0)
    assert condition(found, "Replicating") == {
        "type": "Replicating",
        "status": "False",
        "reason": "NotSetUp",
        "message": "apart",
        "observedGeneration": 1,
        "lastTransitionTime": T0,
    }
    gone = seen(the_copy(found), now=T1)
    assert condition(gone, "Replicating") == condition(found, "Replicating")
    monkeypatch.setitem(ENGINES, "scylla", Saying())
    assert "Replicating" not in [item["type"] for item in seen(the_copy(gone), cluster(), now=T2)["conditions"]]
    assert "Replicating" not in [item["type"] for item in seen(the_copy(), now=T2)["conditions"]]


def test_a_service_that_is_paused_is_as_declared_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: Json = {"ready": 0, "wanted": 0, "paused": True, "backup": PAUSED}
    monkeypatch.setitem(ENGINES, "scylla", Saying(**rests))
    found = seen(the_copy(active()), cluster())
    assert found["phase"] == "Active"
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Paused")
    assert ready["message"] == "paused: no node runs, and the data is kept"
    assert condition(found, "Paused")["status"] == "True"
    assert condition(found, "BackupConfigured")["reason"] == "Paused"
    assert found["lastOperation"]["message"] == ready["message"]
    # while it stops it is not paused yet, and when it goes on the condition is gone
    for later in ({**rests, "paused": False, "current": False}, {}):
        monkeypatch.setitem(ENGINES, "scylla", Saying(**later))
        again = seen(the_copy(found), cluster())
        assert "Paused" not in {item["type"] for item in again["conditions"]}


@pytest.mark.parametrize("objects", [(), (cluster(),)])
def test_backups_that_nobody_asked_for(objects: Sequence[Json]) -> None:
    item = the_copy()
    item["spec"] = {**item["spec"], "backup": {"enabled": False}}
    found = condition(seen(item, *objects), "BackupConfigured")
    assert (found["status"], found["reason"]) == ("False", "Disabled")


@pytest.mark.parametrize("spec", [{"engine": "mysql", "region": "lagos"}, {"sku": "x", "region": "lagos"}])
def test_a_copy_that_the_observer_cannot_know(spec: Json) -> None:
    item = {"metadata": {"name": "a", "namespace": "tenant-1", "generation": 1}, "spec": spec}
    found = seen(item, now=T1)
    assert found["phase"] == "Pending"
    assert condition(found, "Ready")["message"] == f"this observer knows no engine {spec.get('engine')!r}"
    assert seen({**item, "status": found}, now=T2) == found


# --- conditions, operation, connection -----------------------------------------------------------------------------


def test_warnings_become_a_condition() -> None:
    item = the_copy()
    item["metadata"]["annotations"]["dbaas.example.com/warnings"] = '["old version", "big"]'
    assert condition(seen(item, cluster()), "Warning")["message"] == "old version; big"
    assert "Warning" not in [each["type"] for each in active()["conditions"]]


def test_backups_are_the_engines_matter() -> None:
    assert condition(active(), "BackupConfigured")["status"] == "True"
    waiting = condition(seen(the_copy()), "BackupConfigured")
    assert (waiting["status"], waiting["reason"]) == ("Unknown", "NotReported")


def test_where_to_connect() -> None:
    found = active()
    host = "ring-client.tenant-123.svc.lagos.dbaas.internal"
    assert found["connectionString"] == f"cql://{host}:9142"
    assert found["connection"] == {
        "host": host,
        "port": 9142,
        "tls": True,
        "secretRef": {"name": "ring-credentials"},
        "caSecretRef": {"name": "ring-local-serving-ca"},
        "clientCertificateSecretRef": {"name": "ring-local-user-admin"},
    }
    assert found["endpoints"] == [
        {
            "name": "cql-lagos",
            "region": "lagos",
            "scope": "internal",
            "host": host,
            "port": 9142,
            "url": f"cql://{host}:9142",
        }
    ]


def test_an_operation_keeps_its_beginning_and_its_end() -> None:
    first = seen(the_copy(), now=T0)["lastOperation"]
    assert (first["state"], first["startedAt"], first["ready"], first["wanted"]) == ("Running", T0, 0, 3)
    assert "finishedAt" not in first
    item = the_copy(seen(the_copy(), now=T0))
    second = seen(item, cluster(2), now=T1)
    assert (second["lastOperation"]["startedAt"], second["lastOperation"]["ready"]) == (T0, 2)
    third = seen(the_copy(second), cluster(), now=T2)["lastOperation"]
    assert (third["state"], third["startedAt"], third["finishedAt"]) == ("Succeeded", T0, T2)
    assert (third["id"], third["action"], third["requester"]) == (OPERATION, "create", "ada")


def test_what_comes_after_an_operation_does_not_change_its_end() -> None:
    before = active()
    worse = seen(the_copy(before), cluster(1), now=T2)
    assert worse["phase"] == "Degraded"
    assert worse["lastOperation"] == {**before["lastOperation"], "ready": 1}
    gone = seen(the_copy(worse), now=T3)
    assert gone["lastOperation"] == {**before["lastOperation"], "ready": 0}
    assert seen(the_copy(gone), cluster(), now=T3)["lastOperation"] == before["lastOperation"]


def test_times_move_only_with_the_status_of_a_condition() -> None:
    before = active(T0)
    worse = seen(the_copy(before), cluster(2), now=T1)
    times = {item["type"]: item["lastTransitionTime"] for item in worse["conditions"]}
    assert times == {"Ready": T1, "Provisioned": T0, "BackupConfigured": T0, "CredentialsReady": T0, "Synced": T0}
    worst = seen(the_copy(worse), cluster(1), now=T2)
    assert condition(worst, "Ready")["lastTransitionTime"] == T1
    assert condition(worst, "Ready")["message"] == "1 of 3 nodes are ready"


# --- properties ------------------------------------------------------------------------------------------------------

CLUSTERS = st.builds(
    cluster,
    st.integers(0, 4),
    operation=st.sampled_from([OPERATION, LATER, "older"]),
    available=st.booleans(),
    progressing=st.booleans(),
    degraded=st.sampled_from(["", "no disk"]),
    observed=st.integers(0, 1),
)
STATES = st.tuples(
    st.lists(CLUSTERS, max_size=1),
    st.sets(st.sampled_from(SECRETS)).map(sorted),
    st.sampled_from([OPERATION, LATER]),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STATES, min_size=1, max_size=4))
def test_whatever_happens_the_status_fits_and_settles(states: list[Any]) -> None:
    before: Json | None = None
    ever_active = False
    for number, (objects, secrets, operation, deleting) in enumerate(states):
        change: Json = {"deletionTimestamp": T0} if deleting else {}
        item = the_copy(before, operation=operation, **change)
        kept = copy.deepcopy(item)
        found = seen(item, *objects, secrets=secrets, now=f"2026-01-01T00:00:{10 + number}Z")
        assert item == kept
        # nothing changed, so nothing is to be written
        assert seen({**item, "status": found}, *objects, secrets=secrets, now=T3) == found
        ever_active = ever_active or found["phase"] == "Active"
        assert (condition(found, "Provisioned")["status"] == "True") == ever_active
        assert (found["phase"] in ("Pending", "Provisioning", "Failed")) <= (not ever_active)
        if found["phase"] == "Active":
            assert objects[0]["status"]["readyMembers"] == 3
            assert secrets == sorted(SECRETS)
        before = found


# --- combine -------------------------------------------------------------------------------------------------------


def answer(phase: str, *, generation: int = 1, observed: int = 1, **more: Any) -> Json:
    condition_ = {"type": "Ready", "status": "True", "message": f"says {phase}", "lastTransitionTime": T0}
    last = {"id": OPERATION, "ready": 3, "wanted": 3}
    found = {"phase": phase, "observedGeneration": observed, "conditions": [condition_], "lastOperation": last, **more}
    return {
        "metadata": {"generation": generation, "annotations": {"dbaas.example.com/operation": OPERATION}},
        "status": found,
    }


AWAY = Unreachable("connection refused")


@pytest.mark.parametrize(
    ("answers", "phase"),
    [
        ([answer("Active"), answer("Active")], "Active"),
        ([answer("Active"), AWAY], "Degraded"),
        ([AWAY, AWAY], "Unknown"),
        ([AWAY, None], "Degraded"),
        ([answer("Active"), answer("Degraded")], "Degraded"),
        ([answer("Active"), answer("Updating")], "Updating"),
        ([answer("Degraded"), answer("Updating")], "Degraded"),
        ([answer("Active"), answer("Failed")], "Failed"),
        ([AWAY, answer("Failed")], "Failed"),
        ([answer("Deleting"), answer("Failed")], "Deleting"),
        ([answer("Deleting"), AWAY], "Deleting"),
        ([None, None], "Pending"),
        ([answer("Active"), None], "Provisioning"),
        ([answer("Active"), answer("Provisioning")], "Provisioning"),
        ([answer("Pending"), answer("Provisioning")], "Provisioning"),
        ([answer("Active", generation=2), answer("Active")], "Updating"),
        ([{"metadata": {"generation": 1}}, None], "Pending"),
        ([], "Unknown"),
    ],
)
def test_the_phase_of_the_whole(answers: list[Any], phase: str) -> None:
    names = ["lagos", "johannesburg"][: len(answers)]
    for order in (list(zip(names, answers, strict=True)), list(zip(names, reversed(answers), strict=True))):
        assert combine("lagos", dict(order))["phase"] == phase


def test_the_message_names_the_regions_that_are_not_active() -> None:
    found = combine("lagos", {"lagos": answer("Active"), "johannesburg": AWAY, "frankfurt": None})
    assert found["message"] == "johannesburg: Unreachable, connection refused; frankfurt: Pending, not synced yet"
    assert found["regions"]["johannesburg"] == {
        "phase": "Unreachable",
        "message": "connection refused",
        "operation": None,
        "synced": False,
        "ready": None,
        "wanted": None,
        "failed": "",
    }
    assert combine("lagos", {"lagos": answer("Active")})["message"] == ""


def test_the_connection_is_the_home_regions() -> None:
    answers: Json = {}
    for region, objects in shipped.rendered(WIDE).items():
        item, ring = copy.deepcopy(objects[0]), copy.deepcopy(only(objects, "ScyllaCluster"))
        item["metadata"]["generation"] = 1
        ring["status"] = cluster()["status"]
        answers[region] = {**item, "status": seen(item, ring)}
    found = combine("lagos", answers)
    assert found["phase"] == "Active"
    assert found["connection"]["region"] == "lagos"
    assert found["connectionString"] == "cql://ring-client.tenant-123.svc.lagos.dbaas.internal:9142"
    assert [endpoint["name"] for endpoint in found["endpoints"]] == ["cql-lagos", "cql-johannesburg"]
    assert found["lastOperation"]["id"] == OPERATION
    assert {name: (item["ready"], item["wanted"]) for name, item in found["regions"].items()} == {
        "lagos": (3, 3),
        "johannesburg": (3, 3),
    }
    away = combine("lagos", {**answers, "lagos": AWAY})
    assert (away["connection"], away["connectionString"], away["conditions"]) == (None, None, [])
    assert [endpoint["name"] for endpoint in away["endpoints"]] == ["cql-johannesburg"]
    assert answers["lagos"]["spec"]["serviceId"] == ID


def test_a_copy_that_was_not_looked_at_since_its_change() -> None:
    found = combine("lagos", {"lagos": answer("Active", generation=2)})
    assert (found["regions"]["lagos"]["phase"], found["regions"]["lagos"]["message"]) == (
        "Updating",
        "not observed yet",
    )
    new = combine("lagos", {"lagos": {"metadata": {"generation": 1}}})
    assert (new["phase"], new["regions"]["lagos"]["ready"]) == ("Pending", 0)


def test_a_region_without_the_newest_commit_is_updating() -> None:
    found = combine("lagos", {"lagos": answer("Active"), "johannesburg": answer("Active")}, LATER)
    assert found["phase"] == "Updating"
    region = found["regions"]["lagos"]
    assert (region["synced"], region["phase"], region["message"]) == (
        False,
        "Updating",
        "the newest commit is not synced yet",
    )
    assert combine("lagos", {"lagos": answer("Active")}, OPERATION)["regions"]["lagos"]["synced"] is True
    assert combine("lagos", {"lagos": answer("Active")})["regions"]["lagos"]["synced"] is True
    assert combine("lagos", {"lagos": None}, OPERATION)["regions"]["lagos"]["synced"] is False


def test_a_status_of_an_older_operation_says_nothing_of_this_one() -> None:
    item = answer("Active", lastOperation={"id": LATER})
    assert combine("lagos", {"lagos": item})["message"] == "lagos: Updating, not observed yet"


# --- what Argo CD says -----------------------------------------------------------------------------------------------

WORDS = "Application services-123: ClusterRole evil: resource is not permitted"


def synced(complaints: str | None, before: Json | None = None, now: str = T1) -> Json:
    found = observe(the_copy(before), [cluster()], secrets=SECRETS, now=now, complaints=complaints)
    assert SCHEMA.errors(found, "status") == []
    return found


def test_what_argo_cd_complains_of_is_a_condition() -> None:
    told = condition(synced(WORDS), "Synced")
    assert (told["status"], told["reason"], told["message"]) == ("False", "SyncFailed", WORDS)
    fine = condition(synced(""), "Synced")
    assert (fine["status"], fine["reason"], fine["message"]) == ("True", "Synced", "")
    unheard = condition(synced(None), "Synced")
    assert (unheard["status"], unheard["reason"]) == ("Unknown", "NotReported")
    # the database itself is none the worse for it
    assert synced(WORDS)["phase"] == "Active"


@pytest.mark.parametrize("before", [WORDS, ""])
def test_while_nothing_is_heard_what_was_heard_stands(before: str) -> None:
    was = synced(before, now=T0)
    assert synced(None, was) == was
    # and comes back as it was, so that nothing is written
    assert synced(before, was) == was
    assert condition(synced("else" if before else WORDS, was), "Synced")["lastTransitionTime"] == (T0 if before else T1)


def test_a_region_that_waits_for_its_commit_says_what_keeps_it() -> None:
    copy_ = the_copy(synced(WORDS))
    region = combine("lagos", {"lagos": copy_}, "newer")["regions"]["lagos"]
    assert (region["phase"], region["message"]) == ("Updating", f"the newest commit is not synced yet: {WORDS}")
    fine = combine("lagos", {"lagos": the_copy(synced(""))}, "newer")["regions"]["lagos"]
    assert fine["message"] == "the newest commit is not synced yet"


# --- operations ------------------------------------------------------------------------------------------------------


def test_a_late_operation_leaves_the_phase_as_it_is() -> None:
    item = the_copy(active(), operation=LATER)
    item["metadata"]["annotations"]["dbaas.example.com/deadline"] = "1s"
    running = seen(item, cluster(2, operation=LATER, progressing=True), now=T1)
    assert (running["phase"], running["lastOperation"]["state"]) == ("Updating", "Running")
    late = seen({**item, "status": running}, cluster(2, operation=LATER, progressing=True), now=T3)
    assert (late["phase"], late["lastOperation"]["state"], late["lastOperation"]["reason"]) == (
        "Updating",
        "Failed",
        "DeadlineExceeded",
    )
    done = seen({**item, "status": late}, cluster(operation=LATER), now=T3)
    assert (done["phase"], done["lastOperation"]["state"]) == ("Active", "Failed")
    # a member that is lost afterwards is no change that goes on
    assert seen({**item, "status": done}, cluster(2, operation=LATER), now=T3)["phase"] == "Degraded"


def test_the_operation_of_the_service_is_that_of_the_region_where_it_is_worst() -> None:
    def last(state: str, **more: str) -> Json:
        return {"lastOperation": {"id": OPERATION, "state": state, **more}}

    late = last("Failed", reason="DeadlineExceeded", message="1 of 3")
    answers = {"johannesburg": answer("Provisioning", **late), "lagos": answer("Active", **last("Succeeded"))}
    found = combine("lagos", answers)
    assert found["lastOperation"] == {**late["lastOperation"], "region": "johannesburg"}
    assert found["regions"]["johannesburg"]["failed"] == "DeadlineExceeded: 1 of 3"
    assert found["regions"]["lagos"]["failed"] == ""
    # where the newest commit has not come yet, what failed was another operation
    assert combine("lagos", answers, LATER)["regions"]["johannesburg"]["failed"] == ""
    other = {**answers, "johannesburg": answer("Active", **last("Running", id=LATER))}
    assert combine("lagos", other)["lastOperation"]["region"] == "lagos"
    assert combine("lagos", {"lagos": AWAY, "johannesburg": answers["johannesburg"]})["lastOperation"] is None


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, False),
        ({"lagos": AWAY}, False),
        ({"lagos": None}, True),
        ({"lagos": answer("Active", lastOperation={"id": OPERATION, "state": "Succeeded"})}, False),
        ({"lagos": answer("Updating", lastOperation={"id": OPERATION, "state": "Failed"})}, False),
        ({"lagos": answer("Updating", lastOperation={"id": OPERATION, "state": "Running"})}, True),
        ({"lagos": answer("Active", lastOperation={"id": LATER, "state": "Succeeded"})}, True),
        ({"lagos": {"metadata": {}}}, True),
    ],
)
def test_whether_an_operation_still_runs(answers: Json, expected: bool) -> None:
    assert runs(answers, OPERATION) is expected

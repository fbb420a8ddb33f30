"""Services of all six engines change in one playbook run, through Git and Argo CD, and are taken back in another.

What changes, and what cannot, stands in changes.py: a service for each, so that all of it is one commit and one wait.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.integration.changes import CASES, HOMES, LEAVINGS, NEVER, OBJECTS, STILL, Case
from tests.integration.conftest import CHANGES, MANY, POPS, Many, Platform, until
from tests.integration.test_check_mode import comparable, holds
from tests.lab.api import path_of

Json = dict[str, Any]
TENANT = MANY.removeprefix("tenant-")
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def back(platform: Platform, many: Many) -> Json:
    """Service -> what came of going back; and of waiting for all, as `waited`."""
    answers = {"folder": str(many.folder), "tenant": TENANT, "names": [case.name for case in CASES]}
    # so many commits one after the other: Argo CD looks at the tenant's five hundred objects for the last of them alone
    for pop in POPS:
        platform.lab.stop("observer", pop)
    try:
        code, output = platform.playbook(CHANGES, answers, "--tags", "back")
        assert code == 0, output
    finally:
        for pop in POPS:
            platform.lab.start("observer", pop)
    waited = platform.module("service_claim_wait", {"tenant": TENANT, "wait_timeout": 240})
    assert not waited["failed"], waited
    found: Json = {item["item"]: item for item in json.loads((many.folder / "back.json").read_text())}
    return {"waited": waited, **found}


@pytest.fixture(scope="module")
def left(platform: Platform, many: Many, back: Json) -> Json:
    """What came of leaving a region, by task; the commit before it as `head`."""
    # those that could not go back have a region to leave
    assert all("error" in back[name] for name in LEAVINGS)
    documents = [{"metadata": {"name": name, "namespace": MANY}} for name in (*LEAVINGS, *HOMES)]
    (many.folder / "left.yml").write_text(yaml.safe_dump_all(documents))
    head = platform.head()
    answers = {"folder": str(many.folder), "tenant": TENANT, "names": list(LEAVINGS)}
    code, output = platform.playbook(CHANGES, answers, "--tags", "left")
    assert code == 0, output
    return {**json.loads((many.folder / "left.json").read_text()), "head": head}


def operation(many: Many, task: str, name: str) -> Json:
    (found,) = [item for item in many.results[task]["operations"] if item["name"] == name]
    return dict(found)


def test_all_of_them_are_one_commit_and_check_mode_said_what_it_holds(platform: Platform, many: Many) -> None:
    made, checked, done, again = (many.results[task] for task in ("made", "checked", "changed", "again"))
    _start, first, second = many.heads
    assert [made["commit"], done["commit"], again["commit"]] == [first, second, None]
    assert (made["changed"], checked["changed"], done["changed"], again["changed"]) == (True, True, True, False)
    assert {item["phase"] for result in (made, done, again) for item in result["wait"]} == {"Active"}
    assert len(made["wait"]) == len(CASES) + len(STILL)
    diff = comparable(platform.git("diff", "--no-renames", first, second))
    assert comparable(checked["diff"]["prepared"]) == diff == comparable(done["diff"]["prepared"])
    assert checked["operations"] == done["operations"]
    assert "commit" not in checked or not checked["commit"]


@each_case
def test_a_change_is_planned_made_and_done_when_the_operator_says_so(case: Case, many: Many) -> None:
    assert operation(many, "made", case.name)["action"] == "create"
    planned, done = (operation(many, task, case.name) for task in ("checked", "changed"))
    assert (planned["action"], planned["plan"]["restart"]) == ("update", case.restart)
    assert {item["field"] for item in planned["plan"]["consequences"]} <= set(planned["changed"])
    assert at(many.objects[case.region][case.name]["spec"], case.field) == case.new
    for pop in {"lagos", *(case.after.get("replication", {}).get("regions", []))}:
        copy = many.copies[pop][case.name]
        last = copy["status"]["lastOperation"]
        assert (last["id"], last["state"], copy["status"]["phase"]) == (done["id"], "Succeeded", "Active")
        # its object may have been ready for the former change when it came
        assert [step["name"] for step in last["steps"]] == ["committed", "synced", "provisioning", "ready"]
        assert copy["metadata"]["generation"] == copy["status"]["observedGeneration"]


def test_what_runs_is_what_is_committed(platform: Platform, many: Many) -> None:
    files = platform.git("diff", "--name-only", many.heads[0], many.heads[2]).split()
    derived = {path: re.fullmatch(rf"tenants/{TENANT}/([a-z]+)/services/.+", path) for path in files}
    found = [(match[1], path) for path, match in derived.items() if match]
    assert len(found) > len(CASES)
    for pop, path in found:
        text = platform.git("show", f"{many.heads[2]}:{path}")
        for wanted in yaml.load_all(text, yaml.CSafeLoader):
            name = wanted["metadata"]["name"]
            here = many.objects[pop].get(name, {})
            if (here.get("kind"), here.get("apiVersion")) != (wanted["kind"], wanted["apiVersion"]):
                here = platform.lab.api(pop).get(path_of(wanted)) or {}
            assert holds(here, wanted), (pop, wanted["kind"], name)


@pytest.mark.parametrize(("name", "field", "why"), [(name, field, why) for name, _spec, field, why in NEVER])
def test_what_an_engine_cannot_do_is_refused_with_the_reason(name: str, field: str, why: str, many: Many) -> None:
    fields = many.results["never"]["error"]["fields"]
    assert any(item["path"] == field and why in item["allowed"] for item in fields if name in item["source"])


@each_case
def test_a_change_is_taken_back_or_it_is_said_why_not(case: Case, platform: Platform, many: Many, back: Json) -> None:
    result = back[case.name]
    file = f"tenants/{TENANT}/claims/{case.name}.yaml"
    if case.back:
        assert result["error"]["code"] == "rollback-refused"
        assert any(case.back in item["allowed"] for item in result["error"]["fields"])
        assert platform.git("show", f"main:{file}") == platform.git("show", f"{many.heads[2]}:{file}")
        return
    assert (result["changed"], result["operations"][0]["action"]) == (True, "rollback")
    assert platform.git("show", f"main:{file}") == platform.git("show", f"{many.heads[1]}:{file}")
    (waited,) = [item for item in back["waited"]["wait"] if item["name"] == case.name]
    assert waited["phase"] == "Active"
    path = f"/apis/{OBJECTS[case.engine].format(MANY)}/{case.name}"
    assert at((platform.lab.api(case.region).get(path) or {})["spec"], case.field) == case.old
    until(lambda: platform.copy("lagos", case.name, MANY)["status"]["lastOperation"]["state"] == "Succeeded")


def test_leaving_a_region_is_two_commits_that_check_mode_predicts(platform: Platform, left: Json) -> None:
    commits = platform.git("rev-list", "--reverse", f"{left['head']}..main").split()
    assert [left["left"]["commit"], left["again"]["commit"]] == [commits[-1], None]
    assert (left["checked"]["changed"], left["left"]["changed"], left["again"]["changed"]) == (True, True, False)
    # what is held for longer than the rest goes in a commit of its own
    assert len(commits) >= 2
    made = "".join(platform.git("diff", "--no-renames", f"{each}^", each) for each in commits)
    checked, done = (comparable(left[task]["diff"]["prepared"]) for task in ("checked", "left"))
    assert sorted(checked.splitlines()) == sorted(done.splitlines()) == sorted(comparable(made).splitlines())
    assert left["checked"]["operations"] == left["left"]["operations"]
    assert sorted(item["name"] for item in left["left"]["operations"]) == sorted(LEAVINGS)
    assert {item.split(":")[0].removeprefix("many/") for item in left["left"]["warnings"]} == {*HOMES}
    fields = left["home"]["error"]["fields"]
    assert {item["source"] for item in fields} == {f"many/{name}" for name in (*LEAVINGS, *HOMES)}
    assert all("regions other than lagos, its home" in item["allowed"] for item in fields)


@pytest.mark.parametrize("name", LEAVINGS)
def test_a_region_is_left_and_the_home_region_is_as_ever(name: str, platform: Platform, left: Json) -> None:
    restart, lost = LEAVINGS[name]
    (done,) = [item for item in left["left"]["operations"] if item["name"] == name]
    assert (done["action"], done["changed"]) == ("leave", ["spec.replication.regions"])
    assert done["plan"]["restart"] == restart
    assert lost in " ".join(done["plan"]["irreversible"])
    (state,) = [item["regions"] for item in left["left"]["wait"] if item["name"] == name]
    assert state == {"johannesburg": "gone"}
    path = f"/apis/{OBJECTS[name.partition('-')[0]].format(MANY)}/{name}"
    assert platform.lab.api("johannesburg").get(path) is None
    assert platform.copy("johannesburg", name, MANY) == {}
    copy = platform.copy("lagos", name, MANY)
    assert (copy["status"]["phase"], copy["status"]["lastOperation"]["id"]) == ("Active", done["id"])
    assert copy["spec"]["replication"]["regions"] == ["lagos"]
    cluster = json.dumps((platform.lab.api("lagos").get(path) or {})["spec"])
    assert "johannesburg" not in cluster
    # going back is going there anew
    (back,) = [item["operations"][0] for item in left["returns"] if item["item"] == name]
    assert (back["action"], back["changed"]) == ("rollback", ["spec.replication.regions"])


def at(item: Any, path: str) -> Any:
    """What stands at a place such as `racks.0.members`, None where there is none."""
    for part in path.split("."):
        if isinstance(item, list):
            item = item[int(part)] if int(part) < len(item) else None
        else:
            item = (item or {}).get(part)
    return item

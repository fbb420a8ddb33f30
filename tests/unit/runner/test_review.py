"""Delivery by merge request, against both doubles: what is opened, found again, brought up to date, merged."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients import forge
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote
from ansible_collections.dbaas.platform.plugins.module_utils.runner import deprovision, review

from tests.forge import WAYS, Double, Fault, GitHub, GitLab
from tests.unit.runner.synced import SyncedCluster
from tests.unit.runner.world import POPS, World, copy

Json = dict[str, Any]
KINDS = (GitHub, GitLab)
ORDERS: Json = {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}


class Desk:
    """A platform whose main is protected, and the Git host in front of it."""

    def __init__(self, world: World, host: Double) -> None:
        self.world, self.host = world, host

    def run(self, module: str = "service_claim", **options: Any) -> Json:
        asked = {"delivery": "merge_request", "token": self.host.token, **options}
        return self.world.run(module, **asked)

    def orders(self, **options: Any) -> Json:
        return self.run(**{**ORDERS, **options})

    def writes(self) -> list[str]:
        """The requests that wrote, since the last look."""
        found = [line for line in self.host.requests if not line.startswith("GET")]
        self.host.requests.clear()
        return found

    def branches(self) -> list[str]:
        return self.world.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()


def looked_at(desk: Desk, number: int) -> None:
    """Until a run waits for this request."""
    while not any(line.startswith("GET") and line.endswith(f"s/{number}") for line in desk.host.requests):
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "PAUSES", (0.02,))


@contextmanager
def serving(kind: type[Double], world: World) -> Iterator[Desk]:
    with kind(world.repository) as host:
        world.run("gitops_repository", pops=POPS, forge=host.platform)
        host.protect()
        yield Desk(world, host)


@pytest.fixture(params=KINDS, ids=["github", "gitlab"])
def desk(request: pytest.FixtureRequest, world: World) -> Iterator[Desk]:
    """Each of the hosts."""
    with serving(request.param, world) as found:
        yield found
        assert found.host.problems == []


@pytest.fixture
def github(world: World) -> Iterator[Desk]:
    """One of them, where it does not matter which."""
    with serving(GitHub, world) as found:
        yield found
        assert found.host.problems == []


def test_a_claim_is_asked_for_and_nothing_is_on_main(desk: Desk) -> None:
    head = desk.world.head()
    result = desk.orders()
    asked = result["merge_request"]
    assert asked == {
        "number": 1,
        "url": asked["url"],
        "state": "open",
        "branch": "dbaas/service/acme/orders",
    }
    assert asked["url"].startswith("https://git.example.com/platform/dbaas-gitops/")
    assert desk.world.head() == head
    assert result["changed"]
    assert result["commit"] == desk.world.git("rev-parse", asked["branch"]).strip()
    assert desk.world.git("rev-parse", f"{asked['branch']}~1").strip() == head
    item = desk.host.merges[0]
    assert (item.title, item.target, item.labels) == ("Create service acme/orders", "main", ["dbaas"])
    assert "**acme/orders**: create" in item.body
    assert "- cost: nothing -> $" in item.body
    operation = result["operations"][0]["id"]
    assert f"Dbaas-Operation: {operation} create acme/orders " in item.body
    assert f"Dbaas-Operation: {operation} create" in desk.world.git("log", "-1", "--format=%B", asked["branch"])


def test_the_second_run_finds_it_and_changes_nothing(desk: Desk) -> None:
    first = desk.orders()
    desk.writes()
    again = desk.orders()
    assert not again["changed"]
    assert again["merge_request"] == first["merge_request"]
    assert again["commit"] == first["commit"]
    assert desk.writes() == []


def test_another_plan_updates_the_same_branch(desk: Desk) -> None:
    first = desk.orders()
    second = desk.orders(resources={"node": {"memory": "32Gi"}})
    assert second["changed"]
    assert second["merge_request"] == first["merge_request"]
    assert second["commit"] != first["commit"]
    assert desk.host.head(desk.host.merges[0]) == second["commit"]
    assert len(desk.host.merges) == 1
    assert not desk.orders(resources={"node": {"memory": "32Gi"}})["changed"]


def test_a_branch_is_rebuilt_when_main_has_moved_on(github: Desk, tmp_path: Path) -> None:
    first = github.orders()
    github.host.unprotect()
    github.world.write(tmp_path, README="by a person\n")
    github.host.protect()
    second = github.orders()
    assert second["changed"]
    assert second["merge_request"]["number"] == first["merge_request"]["number"]
    branch = second["merge_request"]["branch"]
    assert github.world.git("rev-parse", f"{branch}~1").strip() == github.world.head()
    # the new plan has other ids, and the request says so
    assert second["operations"][0]["id"] in github.host.merges[0].body


def test_check_mode_says_what_would_be_and_does_nothing(desk: Desk) -> None:
    planned = desk.orders(check=True, diff=True)
    assert planned["changed"]
    assert planned["commit"] is None
    assert planned["merge_request"] == {
        "number": None,
        "url": None,
        "state": "planned",
        "branch": "dbaas/service/acme/orders",
    }
    assert "+kind: ServiceClaim" in planned["diff"]["prepared"]
    assert (desk.branches(), desk.host.merges, desk.writes()) == (["main"], [], [])
    first = desk.orders()
    again = desk.orders(check=True)
    assert not again["changed"]
    assert again["merge_request"] == first["merge_request"]
    desk.writes()
    other = desk.orders(check=True, resources={"node": {"memory": "32Gi"}})
    assert other["changed"]
    assert other["merge_request"]["number"] == 1
    assert desk.writes() == []


@pytest.mark.parametrize("way", WAYS)
def test_whatever_way_it_is_merged_the_plan_is_empty_then(desk: Desk, way: str) -> None:
    created = desk.orders()
    desk.host.merge(1, way)
    again = desk.orders()
    assert not again["changed"]
    assert "merge_request" not in again
    assert desk.world.operation("orders") == created["operations"][0]["id"]
    updated = desk.orders(resources={"node": {"memory": "32Gi"}})
    assert updated["merge_request"]["number"] == 2
    desk.host.merge(2, way)
    # the history knows the operations, whatever the host has made of their messages
    for to in (created["operations"][0]["id"], "previous"):
        back = desk.run("service_claim_rollback", tenant="acme", name="orders", to=to)
        assert back["rollback"]["undoes"] == (updated["operations"][0]["id"] if to == "previous" else None)
        assert back["operations"][0]["action"] == "rollback"


@pytest.mark.parametrize("way", WAYS)
def test_wait_waits_for_the_merge_and_then_for_the_service(github: Desk, way: str) -> None:
    cluster = github.world.clusters["lagos"]

    def merge() -> None:
        while not github.host.merges:
            time.sleep(0.01)
        github.host.merge(1, way)
        cluster.answers = [{"orders": copy("orders", "Active", 3, operation=github.world.operation("orders"))}]

    person = threading.Thread(target=merge)
    person.start()
    result = github.orders(wait=True, wait_timeout=20)
    person.join()
    assert result["merge_request"]["state"] == "merged"
    assert [item["phase"] for item in result["wait"]] == ["Active"]
    assert any(
        "merge request 1 asks for it, and waits for whoever merges it: https://" in line for line in github.world.lines
    )
    assert any("is merged" in line for line in github.world.lines)


def test_a_request_that_nobody_merges_stays_open(github: Desk) -> None:
    result = github.orders(wait=True, wait_timeout=0)
    assert result["failed"]
    assert (result["error"]["code"], result["error"]["retry"]) == ("merge-timeout", True)
    assert result["changed"]
    assert result["merge_request"]["state"] == "open"
    assert result["merge_request"]["url"] in result["msg"]
    assert result["commit"]


def test_a_request_of_which_nothing_is_left_is_closed(desk: Desk) -> None:
    desk.orders()
    desk.host.merge(1)
    bigger = {"resources": {"node": {"memory": "32Gi"}}}
    asked = desk.orders(**bigger)["merge_request"]
    desk.writes()
    planned = desk.orders(check=True)
    assert (planned["changed"], planned["merge_request"]) == (True, {**asked, "state": "closed"})
    assert desk.writes() == []
    # waiting goes on to the service, not for a merge that nobody will make
    running = {"orders": copy("orders", "Active", 3, operation=desk.world.operation("orders"))}
    desk.world.clusters["lagos"].answers = [running]
    done = desk.orders(wait=True)
    assert (done["changed"], done["commit"], done["merge_request"]) == (True, None, {**asked, "state": "closed"})
    assert done["wait"][0]["phase"] == "Active"
    item = desk.host.merges[1]
    assert (item.state, item.body) == ("closed", review._WITHDRAWN)
    assert any("merge request 2 is closed, for nothing is left to merge" in line for line in desk.world.lines)
    again = desk.orders()
    assert not again["changed"]
    assert "merge_request" not in again
    # asked for once more it is another request
    assert desk.orders(**bigger)["merge_request"] == {**asked, "number": 3, "url": asked["url"][:-1] + "3"}


def test_what_is_merged_just_then_is_not_closed(github: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    github.orders()
    github.host.merge(1)
    github.orders(resources={"node": {"memory": "32Gi"}})
    find = forge.GitHub.find

    def merged(there: forge.GitHub, branch: str, target: str) -> forge.Request | None:
        found = find(there, branch, target)
        github.host.merge(2)
        github.host.faults.append(Fault("PATCH", 422))
        return found

    monkeypatch.setattr(forge.GitHub, "find", merged)
    assert not github.orders()["changed"]
    assert github.host.merges[1].state == "merged"


def test_what_is_rendered_by_somebody_else_is_not_asked_for(github: Desk, tmp_path: Path) -> None:
    github.run("tenant", tenant="beta", regions=["lagos"], owners=["dbas"])
    github.host.merge(1)
    assert github.run("tenant", tenant="beta", regions=["lagos"], owners=["sres"])["merge_request"]["number"] == 2
    assert github.run("tenant", tenant="beta", regions=["lagos"], owners=["dbas"])["merge_request"]["state"] == "closed"
    # a person takes back what reconcile_claims has asked to render
    github.host.unprotect()
    path = "tenants/beta/tenant.yaml"
    before = github.world.text(path)
    github.world.write(tmp_path, **{path: before.replace("dbas", "sres")})
    github.host.protect()
    assert github.run("gitops_reconciliation")["merge_request"]["number"] == 3
    github.host.unprotect()
    github.world.write(tmp_path, **{path: before})
    github.host.protect()
    assert github.run("gitops_reconciliation")["merge_request"]["state"] == "closed"
    assert [item.state for item in github.host.merges] == ["merged", "closed", "closed"]


def test_a_request_that_is_closed_ends_the_wait(desk: Desk) -> None:
    desk.orders()

    def close() -> None:
        looked_at(desk, 1)
        desk.host.close(1)

    person = threading.Thread(target=close)
    person.start()
    result = desk.orders(wait=True, wait_timeout=20)
    person.join()
    assert result["failed"]
    assert (result["error"]["code"], result["error"]["retry"]) == ("merge-closed", False)
    assert not result["changed"]
    # who asks again means it: a new request, the old one stays closed
    again = desk.orders()
    assert again["changed"]
    assert again["merge_request"]["number"] == 2


def test_what_was_merged_otherwise_is_said(github: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    github.host.unprotect()
    path = "tenants/acme/claims/orders.yaml"
    real = review.landed

    def landed(*arguments: Any) -> Any:
        # somebody was quicker with another change of the same claim
        text = github.world.text(path).replace("region: lagos", "region: lagos\n  deletionProtection: true")
        github.world.write(tmp_path, **{path.replace("/", "__"): text})
        return real(*arguments)

    monkeypatch.setattr(review, "landed", landed)

    def merge() -> None:
        looked_at(github, 1)
        github.host.merge(1)

    person = threading.Thread(target=merge)
    person.start()
    result = github.orders(wait=True, wait_timeout=20)
    person.join()
    assert result["failed"]
    assert result["error"]["code"] == "merge-differs"
    assert path in result["msg"]
    assert result["merge_request"]["state"] == "merged"


def test_many_claims_are_one_request(github: Desk) -> None:
    claims = [
        {
            "apiVersion": "dbaas.example.com/v1alpha1",
            "kind": "ServiceClaim",
            "metadata": {"name": f"s{number}", "namespace": "tenant-acme"},
            "spec": {"sku": "scy-ring-3", "region": "lagos"},
        }
        for number in range(14)
    ]
    result = github.run("service_claims", claims=claims)
    assert result["merge_request"]["branch"].startswith("dbaas/services/")
    item = github.host.merges[0]
    assert item.title == "Change 14 services: 14 create"
    assert "- 14 services; restart: 14 none" in item.body
    assert item.body.count("Dbaas-Operation: ") == 14
    # whatever their order
    again = github.run("service_claims", claims=claims[::-1])
    assert again["merge_request"] == result["merge_request"]


def test_labels_of_people_stay_and_ours_follow_the_plan(desk: Desk) -> None:
    desk.orders()
    desk.host.merge(1)
    desk.orders(resources={"node": {"memory": "32Gi"}})
    item = desk.host.merges[1]
    assert item.labels == ["dbaas", "restart-rolling"]
    item.labels = ["dbaas", "irreversible", "restart-rolling", "team-a"]
    assert desk.orders(resources={"node": {"memory": "32Gi"}})["changed"]
    assert item.labels == ["dbaas", "restart-rolling", "team-a"]
    item.title = "somebody's title"
    assert desk.orders(resources={"node": {"memory": "32Gi"}})["changed"]
    assert item.title == "Update service acme/orders"


def test_a_direct_push_to_a_protected_branch_names_the_way_out(github: Desk) -> None:
    failure = github.world.refused("service_claim", **ORDERS)
    assert failure.code == "git-protected"
    assert "delivery: merge_request" in failure.action


def test_tenants_and_the_platform_are_asked_for_too(github: Desk) -> None:
    tenant = github.run("tenant", tenant="beta", regions=["lagos"])
    assert tenant["merge_request"]["branch"] == "dbaas/tenant/beta"
    assert "- `tenants/beta/tenant.yaml`" in github.host.merges[0].body
    github.host.merge(1, "squash")
    assert not github.run("tenant", tenant="beta", regions=["lagos"])["changed"]
    pops = [{**POPS[0], "components": ["crds"]}, POPS[1]]
    platform = github.run("gitops_repository", pops=pops)
    assert platform["merge_request"]["branch"] == "dbaas/platform/repository"
    assert not github.run("gitops_repository", pops=pops)["changed"]
    github.host.merge(2)
    # what says where the host is has stayed
    assert github.world.document("platform.yml")["forge"] == github.host.platform


def test_what_people_changed_is_rendered_by_one_request(github: Desk, tmp_path: Path) -> None:
    github.orders()
    github.host.merge(1)
    github.host.unprotect()
    path = "tenants/acme/claims/orders.yaml"
    changed = github.world.text(path).replace("region: lagos", "region: lagos\n  deletionProtection: true")
    github.world.write(tmp_path, **{path.replace("/", "__"): changed})
    github.host.protect()
    result = github.run("gitops_reconciliation")
    assert result["merge_request"] == {**result["merge_request"], "number": 2, "branch": "dbaas/reconcile/all"}
    assert not github.run("gitops_reconciliation")["changed"]
    github.host.merge(2)
    assert "merge_request" not in github.run("gitops_reconciliation")


def test_a_person_s_branch_is_rendered_before_it_is_merged(github: Desk) -> None:
    github.orders()
    github.host.merge(1)
    path = "tenants/acme/claims/orders.yaml"
    text = github.world.text(path).replace("region: lagos", "region: lagos\n  deletionProtection: true")
    with GitRepository(Remote(github.world.url)) as repository:
        commit = repository.commit(repository.fetch(), {path: text.encode()}, "By hand\n", "person")
        repository.push_branch("person", commit, "")
    head = github.world.head()
    result = github.world.run("gitops_reconciliation", branch="person")
    assert (result["changed"], github.world.head()) == (True, head)
    derived = github.world.git("show", "person:tenants/acme/lagos/services/orders.yaml")
    assert "deletionProtection: true" in derived


def test_keeping_the_data_of_a_service_is_asked_for(github: Desk) -> None:
    github.orders()
    github.host.merge(1)
    absent = {"tenant": "acme", "name": "orders", "state": "absent"}
    assert github.run(**absent, check=True)["merge_request"]["state"] == "planned"
    result = github.run(**absent)
    assert result["merge_request"]["branch"] == "dbaas/keep/acme/orders"
    assert github.host.merges[1].title == "Keep the data of service acme/orders"
    assert not github.run(**absent)["changed"]
    assert not github.run(**absent, check=True)["changed"]
    github.host.merge(2)
    gone = github.run(**absent)
    assert not gone["changed"]
    assert "tenants/acme/retained/orders.yaml" in github.world.files()


def test_a_host_that_lets_nobody_rewrite_a_branch_says_so(github: Desk) -> None:
    github.orders()
    github.world.git("config", "receive.denyNonFastForwards", "true")
    more = {"delivery": "merge_request", "token": github.host.token, "resources": {"node": {"memory": "32Gi"}}}
    failure = github.world.refused("service_claim", **ORDERS, **more)
    assert failure.code == "git-refused"
    assert "non-fast-forward" in failure.message


def test_two_runs_at_once_open_one_request(github: Desk) -> None:
    found: list[Json] = []
    runs = [threading.Thread(target=lambda: found.append(github.orders())) for _number in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(found) == 3
    assert len(github.host.merges) == 1
    assert {item["merge_request"]["number"] for item in found} == {1}
    assert github.host.head(github.host.merges[0]) in {item["commit"] for item in found}


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_of_the_host_has_a_code(desk: Desk, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    desk.host.faults.append(Fault("*", status, body='{"message": "no such luck"}', times=9))
    failure = desk.world.refused("service_claim", **ORDERS, delivery="merge_request", token=desk.host.token)
    codes = {401: "forge-unauthorized", 403: "forge-forbidden", 404: "forge-missing", 500: "forge-busy"}
    assert failure.code == codes[status]
    assert "no such luck" in failure.message
    assert desk.host.token not in str(failure)


def test_a_branch_without_a_request_gets_one(github: Desk) -> None:
    """What a run leaves that was killed between the two."""
    github.host.faults.append(Fault("POST", 502))
    failure = github.world.refused("service_claim", **ORDERS, delivery="merge_request", token=github.host.token)
    assert (failure.code, failure.retry) == ("forge-busy", True)
    assert (len(github.branches()), github.host.merges) == (2, [])
    commit = github.world.git("rev-parse", "dbaas/service/acme/orders").strip()
    found = github.orders()
    assert (found["changed"], found["commit"], found["merge_request"]["number"]) == (True, commit, 1)


def test_an_answer_that_is_lost_leaves_a_request_that_is_found(desk: Desk) -> None:
    desk.host.faults.append(Fault("POST", 0))
    failure = desk.world.refused("service_claim", **ORDERS, delivery="merge_request", token=desk.host.token)
    assert (failure.code, failure.retry) == ("forge-unreachable", True)
    assert len(desk.host.merges) == 1
    found = desk.orders()
    assert found["merge_request"]["number"] == 1
    assert not desk.orders()["changed"]


def test_a_token_must_be_given(github: Desk) -> None:
    failure = github.world.refused("service_claim", **ORDERS, delivery="merge_request")
    assert failure.code == "option-invalid"
    assert "token: not given" in failure.message


def test_an_empty_repository_wants_its_first_commit_by_git(empty: World) -> None:
    failure = empty.refused("gitops_repository", pops=POPS, delivery="merge_request", token="some-token")
    assert failure.code == "option-invalid"
    assert "is empty" in failure.message


def test_a_platform_that_does_not_name_its_host_is_told_what_is_missing(world: World) -> None:
    failure = world.refused("service_claim", **ORDERS, delivery="merge_request", token="some-token")
    assert failure.code == "option-invalid"
    assert "platform.yml: forge.type" in failure.message


def test_deletion_is_two_requests(github: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    pop = SyncedCluster(github.world, "lagos")
    github.world.clusters |= {"lagos": pop, "johannesburg": SyncedCluster(github.world, "johannesburg")}  # type: ignore[dict-item]
    github.orders()
    github.host.merge(1)
    pop.sync()
    absent = {"tenant": "acme", "name": "orders", "state": "absent", "deletion_policy": "delete"}

    planned = github.run(**absent, check=True, diff=True)
    assert planned["merge_request"]["state"] == "planned"
    assert planned["merge_request"]["branch"] == "dbaas/delete/acme/orders"
    assert planned["diff"]["prepared"].count("deleted file") == 2
    assert len(github.host.merges) == 1

    # nobody merges: what was asked for is told of, and the service lives
    result = github.run(**absent, wait_timeout=0)
    assert (result["failed"], result["error"]["code"], result["changed"]) == (True, "merge-timeout", True)
    assert result["merge_request"] == {**result["merge_request"], "number": 2, "state": "open"}
    item = github.host.merges[1]
    assert (item.title, item.branch) == ("Mark service acme/orders for deletion", "dbaas/delete/acme/orders")
    assert item.labels == ["dbaas", "irreversible", "restart-outage"]
    assert "cannot be undone: 3 volumes of 500Gi in each of lagos" in item.body
    assert "ScyllaCluster" in pop.names("orders")
    again = github.run(**absent, wait_timeout=0)
    assert (again["error"]["code"], again["changed"]) == ("merge-timeout", False)

    merged = threading.Thread(target=lambda: _merge_all(github, 2, 3))
    merged.start()
    result = github.run(**absent, wait_timeout=30)
    merged.join()
    assert not result.get("failed"), result
    assert result["wait"] == [{"tenant": "acme", "name": "orders", "regions": {"lagos": "gone"}}]
    assert result["merge_request"] == {**result["merge_request"], "number": 3, "state": "merged"}
    assert github.host.merges[2].title == "Remove service acme/orders"
    assert pop.names("orders") == []
    assert not github.run(**absent)["changed"]


def _merge_all(desk: Desk, first: int, last: int) -> None:
    for number in range(first, last + 1):
        while len(desk.host.merges) < number:
            time.sleep(0.01)
        desk.host.merge(number)


def test_a_later_run_waits_for_a_request_by_its_number(github: Desk) -> None:
    cluster = github.world.clusters["lagos"]
    delivered = github.orders()
    named: Json = {"tenant": "acme", "names": ["orders"], "token": github.host.token}
    late = github.world.refused("service_claim_wait", **named, merge_request=1, wait_timeout=0)
    assert (late.code, delivered["merge_request"]["url"] in late.message) == ("merge-timeout", True)
    missing = github.world.refused("service_claim_wait", **named, merge_request=7)
    assert missing.code == "forge-missing"

    def merge() -> None:
        looked_at(github, 1)
        github.host.merge(1, "squash")
        operation = github.world.operation("orders")
        cluster.answers = [{"orders": copy("orders", "Active", 3, operation=operation)}]

    github.host.requests.clear()
    person = threading.Thread(target=merge)
    person.start()
    result = github.world.run("service_claim_wait", **named, merge_request=1, wait_timeout=20)
    person.join()
    assert result["merge_request"] == {**delivered["merge_request"], "state": "merged"}
    assert [item["phase"] for item in result["wait"]] == ["Active"]


def test_a_signed_request_is_found_again(github: Desk, tmp_path: Path) -> None:
    """A signature differs each time, what is signed does not."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    signed = {"signing_key_file": str(key), "committer": "Platform <platform@acme.org>"}
    first = github.orders(**signed)
    assert "gpgsig" in github.world.git("cat-file", "commit", first["commit"])
    again = github.orders(**signed)
    assert (again["changed"], again["commit"]) == (False, first["commit"])

"""service_claim_explanation_info: what is gathered, whoever does not answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.explain import CAUSES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import APPLICATION, EVENT, NAMESPACE
from ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla import CLUSTER
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, explain
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.tools.tree import ROOT
from tests.unit.runner.world import SHIPPED, UNREACHABLE, World, claim, copy

Json = dict[str, Any]
BOTH = ("lagos", "johannesburg")


def scylla(world: World, name: str, ready: int = 3, degraded: str = "") -> Json:
    """The operator's object of a service as the repository renders it, with its status."""
    documents = base.YAML.load_all(world.text(f"tenants/acme/lagos/services/{name}.yaml").encode(), "")
    item = next(each for each in documents if each["kind"] == "ScyllaCluster")
    flags = {"Available": ready == 3, "Progressing": ready != 3, "Degraded": bool(degraded)}
    conditions = [{"type": kind, "status": str(on), "message": degraded} for kind, on in flags.items()]
    item["status"] = {"observedGeneration": 1, "readyMembers": ready, "conditions": conditions}
    return {**item, "metadata": {**item["metadata"], "generation": 1}}


def application(name: str, **state: Any) -> Json:
    status = {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}, **state}
    return {"metadata": {"name": name, "namespace": "argocd"}, "status": status}


def full(world: World, name: str) -> Json:
    """The copy as the repository renders it, with the status of one that is Active."""
    rendered: Json = base.YAML.load_all(world.text(f"tenants/acme/lagos/services/{name}.yaml").encode(), "")[0]
    rendered["metadata"]["generation"] = 2
    operation = rendered["metadata"]["annotations"]["dbaas.example.com/operation"]
    return {**rendered, "status": copy(name, "Active", 3, operation=operation)["status"]}


@pytest.fixture
def orders(world: World) -> World:
    """Acme's ring `orders` in two regions: Active in both, all of it there."""
    world.run(
        "service_claim",
        tenant="acme",
        name="orders",
        sku="scy-ring-3",
        region="lagos",
        replication={"regions": list(BOTH)},
    )
    for cluster in world.clusters.values():
        cluster.answers = [{"orders": full(world, "orders")}]
        cluster.others = {
            NAMESPACE: [{"metadata": {"name": "tenant-acme", "namespace": None}}],
            CLUSTER: [scylla(world, "orders")],
            APPLICATION: [application("tenant-acme"), application("services-acme")],
            EVENT: [],
        }
    return world


def why(world: World, **options: Any) -> Json:
    result = world.run("service_claim_explanation_info", tenant="acme", **options)
    assert not result["changed"]
    (found,) = result["services"]
    assert isinstance(found, dict)
    return found


def test_an_active_service_is_said_to_be(orders: World) -> None:
    found = why(orders)
    assert (found["code"], found["phase"], found["findings"]) == ("active", "Active", [])
    assert orders.lines[-len(found["lines"]) :] == found["lines"]
    assert found["why"] == "acme/orders is Active in lagos, johannesburg."
    for region in BOTH:
        facts = found["regions"][region]["facts"]
        assert facts[0].startswith(f"Git: committed, create {orders.operation('orders')} by ")
        assert "Argo CD: services-acme is Synced and Healthy" in facts
        assert found["regions"][region]["objects"][0]["kind"] == "ScyllaCluster"


def test_what_waits_for_a_window_is_told_and_is_no_fault(orders: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "now", lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
    nights = {"windows": [{"days": ["sat"], "start": "22:30", "duration": "4h"}]}
    asked: Json = {"tenant": "acme", "name": "orders", "merge": True, "maintenance": nights}
    orders.run("service_claim", **asked, resources={"node": {"cpu": "8"}})
    found = why(orders)
    assert {(item["code"], item["region"]) for item in found["findings"]} == {
        ("waits-for-window", region) for region in BOTH
    }
    assert found["phase"] == "Active"


def test_what_the_operator_and_its_pods_say_is_the_verdict(orders: World) -> None:
    lagos = orders.clusters["lagos"]
    lagos.others[CLUSTER] = [scylla(orders, "orders", 2, "a disk is gone")]
    found = why(orders)
    assert found["code"] == "operator-failed"
    assert found["why"].endswith("lagos: the operator says: a disk is gone (2 of 3 nodes are ready)")
    assert found["action"] == CAUSES["operator-failed"][1]
    assert found["runbook"]["anchor"] == "operator-failed"
    assert found["runbook"]["text"].startswith("The engine's operator reports an error;")
    assert "\n" not in found["runbook"]["text"]
    assert f"Runbook: {found['runbook']['text']}" in found["lines"]


def test_events_are_those_of_the_service_and_of_no_neighbour(orders: World) -> None:
    orders.run("service_claim", tenant="acme", name="orders-eu", sku="scy-ring-3", region="lagos")
    lagos = orders.clusters["lagos"]
    lagos.answers[0]["orders-eu"] = full(orders, "orders-eu")  # type: ignore[index]

    def event(name: str, at: int) -> Json:
        about = {"kind": "Pod", "name": name}
        return {
            "metadata": {"namespace": "tenant-acme"},
            "involvedObject": about,
            "lastTimestamp": f"2026-01-01T00:00:0{at}Z",
        }

    names = ("orders-lagos-a-0", "orders-eu-lagos-a-0", "orders", "ordersome", "another")
    lagos.others[EVENT] = [event(name, number) for number, name in enumerate(names)]
    told = why(orders, names=["orders"])["regions"]["lagos"]["events"]
    assert [item["object"] for item in told] == ["Pod orders", "Pod orders-lagos-a-0"]
    told = why(orders, names=["orders-eu"])["regions"]["lagos"]["events"]
    assert [item["object"] for item in told] == ["Pod orders-eu-lagos-a-0"]


def test_a_claim_that_was_edited_and_not_rendered(orders: World, tmp_path: Path) -> None:
    text = orders.text("tenants/acme/claims/orders.yaml")
    edited = {"tenants__acme__claims__orders.yaml": text + "# edited\n", "tenants__acme__claims__carts.yaml": text}
    orders.write(tmp_path, **edited)
    assert why(orders, names=["orders"])["code"] == "not-rendered"
    found = why(orders, names=["carts"])
    assert found["code"] == "not-rendered"
    assert "nothing was rendered of it: no tenants/acme/lagos/services/carts.yaml" in found["why"]


def test_a_service_without_a_claim_is_told_of_all_the_same(orders: World, tmp_path: Path) -> None:
    text = orders.text("tenants/acme/claims/orders.yaml")
    orders.remove(tmp_path, "tenants/acme/claims/orders.yaml")
    found = why(orders)
    assert (found["code"], found["name"], list(found["regions"])) == ("orphan", "orders", list(BOTH))
    orders.write(tmp_path, **{"tenants__acme__retained__orders.yaml": text})
    found = why(orders, names=["orders"])
    assert found["code"] == "active"
    assert found["regions"]["lagos"]["facts"][0] == "Git: kept for its data alone: tenants/acme/retained/orders.yaml"


def test_a_service_that_is_let_go(orders: World) -> None:
    orders.clusters["johannesburg"].answers = [UNREACHABLE]
    orders.run("service_claim", tenant="acme", name="orders", state="absent", deletion_policy="retain")
    assert why(orders, names=["orders"])["code"] == "kube-unreachable"


def test_argo_cds_refusal_is_told_in_its_own_words(orders: World) -> None:
    refused = {"kind": "ClusterRole", "name": "evil", "status": "SyncFailed", "message": "is not permitted in project"}
    state = {"phase": "Failed", "message": "one or more tasks are not valid", "syncResult": {"resources": [refused]}}
    lagos = orders.clusters["lagos"]
    lagos.answers = [{}]
    lagos.others[APPLICATION] = [application("tenant-acme"), application("services-acme", operationState=state)]
    found = why(orders)
    assert found["code"] == "sync-failed"
    assert "ClusterRole evil: is not permitted in project" in found["why"]
    facts = found["regions"]["lagos"]["facts"]
    assert any("its last sync: Failed, one or more tasks are not valid" in fact for fact in facts)


def test_a_tenant_without_a_foundation(orders: World) -> None:
    orders.clusters["johannesburg"].answers = [{}]
    orders.clusters["johannesburg"].others = {}
    found = why(orders)
    assert (found["code"], found["findings"][0]["region"]) == ("foundation-missing", "johannesburg")


@pytest.mark.parametrize("failure", [UNREACHABLE, KubeError("kube-auth", "johannesburg: 401", 401)])
def test_a_region_that_does_not_answer_is_part_of_the_answer(orders: World, failure: DbaasError) -> None:
    orders.clusters["johannesburg"].answers = [failure]
    found = why(orders)
    assert (found["code"], found["phase"]) == (failure.code, "Degraded")
    assert found["why"] == f"acme/orders is Degraded: {failure.message}"
    assert found["regions"]["lagos"]["phase"] == "Active"
    assert found["runbook"]["text"]


def test_a_region_that_the_kubeconfig_lacks(orders: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*, kubeconfig: str | None, context: str) -> Any:
        if context == "johannesburg":
            raise KubeError("kube-missing", "no such context")
        return orders.clusters[context]

    monkeypatch.setattr(base, "Cluster", missing)
    assert why(orders)["code"] == "kube-missing"


def test_what_may_not_be_read_is_named_and_the_rest_is_told(orders: World) -> None:
    forbidden = {
        kind: KubeError("kube-refused", f"{kind.plural}: 403: no", 403) for kind in (APPLICATION, EVENT, NAMESPACE)
    }
    orders.clusters["lagos"].others |= forbidden
    found = why(orders)
    assert found["code"] == "active"
    unread = [fact for fact in found["regions"]["lagos"]["facts"] if fact.startswith("Not read")]
    assert unread == [
        "Not read: namespaces: 403: no",
        *(["Not read: applications: 403: no"] * 2),
        "Not read: events: 403: no",
    ]


@pytest.mark.parametrize("repository", ["", "file:///nowhere"])
def test_without_git_the_copies_tell(orders: World, repository: str) -> None:
    found = why(orders, repository=repository)
    assert found["code"] == "active"
    facts = found["regions"]["lagos"]["facts"]
    assert facts[0] == "Git: not asked"
    assert any("nowhere" in fact for fact in facts) == bool(repository)


def test_names_that_nobody_knows_are_errors(orders: World) -> None:
    error = orders.refused("service_claim_explanation_info", tenant="acme", names=["ordrs"])
    assert isinstance(error, InvalidFields)
    assert error.errors[0].nearest == "orders"


def test_every_cause_has_its_section_of_the_runbook(orders: World) -> None:
    sections = {code: explain.runbook(Run({"shipped": SHIPPED}), code)["text"] for code in CAUSES}
    assert all(len(text) > 30 for text in sections.values()), sections
    assert len(set(sections.values())) == len(CAUSES)
    assert explain.runbook(Run({}), "active") == {"anchor": "active", "text": ""}


def test_claims_of_many_services_are_read_once(orders: World) -> None:
    orders.run("service_claims", claims=[claim("carts"), claim("shops")])
    for cluster in orders.clusters.values():
        cluster.asked.clear()
    result = orders.run("service_claim_explanation_info", tenant="acme")
    assert [item["name"] for item in result["services"]] == ["carts", "orders", "shops"]
    assert [len(cluster.asked) for cluster in orders.clusters.values()] == [1, 1]


def test_whoever_reads_may_read_and_nothing_more() -> None:
    (items,) = base.YAML.load_all((ROOT / "gitops/rbac/reader.yaml").read_bytes(), "reader.yaml")
    (role,) = [item for item in items["items"] if item["kind"] == "ClusterRole"]
    kinds = {f"{group}/{kind}" for rule in role["rules"] for group in rule["apiGroups"] for kind in rule["resources"]}
    asked_for = {"dbaas.example.com/serviceclaims", "argoproj.io/applications", "/namespaces", "/events", "/nodes"}
    assert asked_for <= kinds
    assert not [kind for kind in kinds if "*" in kind or "secret" in kind or "pods" in kind]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} <= {"get", "list", "watch"}

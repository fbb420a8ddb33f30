"""The inventory plugin, as Ansible loads it: hosts, groups, variables, and who does not answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar, is_trusted_as_template
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import NODE
from ansible_collections.dbaas.platform.plugins.module_utils.runner import inventory as runner

from tests.unit.runner.world import UNREACHABLE, World, claim, copy

Json = dict[str, Any]
BOTH = ["lagos", "johannesburg"]


def node(name: str, zone: str = "a", **more: Any) -> Json:
    labels = {"topology.kubernetes.io/zone": zone, "node-role.kubernetes.io/database": "", "size": "big"}
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": "10.0.0.1"}]
    status = {
        "addresses": addresses,
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.33.0"},
    }
    return {"metadata": {"name": name, "labels": labels}, "status": status, **more}


@pytest.fixture
def platform(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Acme has the ring `orders` in both regions and `carts` in lagos; each PoP has two nodes."""
    ring = claim("orders", replication={"regions": BOTH})
    world.run("service_claims", claims=[ring, claim("carts", tenant="acme")])
    for pop, cluster in world.clusters.items():
        cluster.others = {NODE: [node(f"{pop}-2", "b"), node(f"{pop}-1", spec={"unschedulable": True})]}
    monkeypatch.setattr(runner, "contexts", lambda _kubeconfig: list(world.clusters))
    monkeypatch.setenv("DBAAS_REPOSITORY", world.url)
    return world


@pytest.fixture(autouse=True)
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _self, text, *_rest, **_more: said.append(str(text)))
    return said


def read(folder: Path, name: str = "pops.yml", **options: Any) -> InventoryManager:
    path = folder / name
    path.write_text(json.dumps({"plugin": "dbaas.platform.pops", **options}))
    return InventoryManager(loader=DataLoader(), sources=[str(path)])


def groups(manager: InventoryManager) -> dict[str, set[str]]:
    """Group -> its hosts, those of its children included."""
    return {
        name: {str(host) for host in group.get_hosts()}
        for name, group in manager.groups.items()
        if name not in ("all", "ungrouped")
    }


def variables(manager: InventoryManager, host: str) -> Json:
    found: Json = VariableManager(loader=DataLoader(), inventory=manager).get_vars(host=manager.get_host(host))
    return found


def test_pops_nodes_and_services_are_groups(platform: World, tmp_path: Path, warnings: list[str]) -> None:
    lagos, johannesburg = {"lagos-1", "lagos-2"}, {"johannesburg-1", "johannesburg-2"}
    both = {"acme.orders", "acme.carts"}
    assert groups(read(tmp_path)) == {
        "pops": set(BOTH),
        "pop_lagos": {"lagos", *lagos},
        "pop_johannesburg": {"johannesburg", *johannesburg},
        "nodes": lagos | johannesburg,
        "nodes_lagos": lagos,
        "nodes_johannesburg": johannesburg,
        "services": both,
        "services_lagos": both,
        "services_johannesburg": {"acme.orders"},
        "tenant_acme": both,
        "engine_scylla": both,
        "plan_dedicated": both,
    }
    assert warnings == []


def test_variables_say_what_they_are(platform: World, tmp_path: Path) -> None:
    manager = read(tmp_path)
    pop, service, machine = (variables(manager, name) for name in ("lagos", "acme.orders", "lagos-1"))
    assert (pop["dbaas_pop"], pop["dbaas_context"], pop["ansible_connection"]) == ("lagos", "lagos", "local")
    assert pop["ansible_python_interpreter"] == service["ansible_python_interpreter"]
    spec = platform.document("tenants/acme/lagos/services/orders.yaml")["spec"]
    known = {key.removeprefix("dbaas_"): value for key, value in service.items() if key.startswith("dbaas_")}
    assert known == {
        "pop": "lagos",
        "tenant": "acme",
        "service": "orders",
        "namespace": "tenant-acme",
        "project": "default",
        "regions": BOTH,
        "sku": "scy-ring-3",
        "engine": "scylla",
        "plan": "dedicated",
        "version": spec["version"],
        "service_id": spec["serviceId"],
    }
    assert machine["ansible_host"] == "10.0.0.1"
    assert "ansible_connection" not in machine
    assert machine["dbaas_node"] == {
        "zone": "a",
        "roles": ["database"],
        "ready": True,
        "schedulable": False,
        "version": "v1.33.0",
        "labels": node("x")["metadata"]["labels"],
    }


def test_phases_are_asked_for_where_they_are_wanted(platform: World, tmp_path: Path) -> None:
    active = copy("orders", "Active", 3, regions=BOTH, operation=platform.operation("orders"))
    for cluster in platform.clusters.values():
        cluster.answers = [{"orders": active}]
    assert "dbaas_phase" not in variables(read(tmp_path), "acme.orders")
    assert [cluster.asked for cluster in platform.clusters.values()] == [[], []]
    manager = read(tmp_path, phases=True)
    assert variables(manager, "acme.orders")["dbaas_phase"] == "Active"
    carts = variables(manager, "acme.carts")
    assert (carts["dbaas_phase"], carts["dbaas_message"]) == ("Pending", "lagos: Pending, not synced yet")
    assert [cluster.asked for cluster in platform.clusters.values()] == [["None"], ["None"]]


def test_without_a_repository_the_copies_are_the_services(
    platform: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBAAS_REPOSITORY")
    other = copy("shop", "Active", 3)
    other["metadata"]["namespace"] = "tenant-other"
    platform.clusters["lagos"].answers = [{"orders": copy("orders", "Active", 3), "shop": other}]
    manager = read(tmp_path)
    assert groups(manager)["services"] == {"acme.orders", "other.shop"}
    assert groups(manager)["pops"] == set(BOTH)
    assert variables(manager, "other.shop")["dbaas_phase"] == "Active"
    assert groups(read(tmp_path, tenants=["other"]))["services"] == {"other.shop"}
    monkeypatch.setattr(runner, "contexts", lambda _kubeconfig: ["elsewhere"])
    assert groups(read(tmp_path)) == {}


def test_only_what_is_wanted_is_shown_and_asked_for(platform: World, tmp_path: Path) -> None:
    for cluster in platform.clusters.values():
        cluster.others = {NODE: UNREACHABLE}
    found = groups(read(tmp_path, nodes=False, services=False))
    assert {name: hosts for name, hosts in found.items() if hosts} == {
        "pops": set(BOTH),
        "pop_lagos": {"lagos"},
        "pop_johannesburg": {"johannesburg"},
    }
    assert groups(read(tmp_path, nodes=False, tenants=["nobody"]))["services"] == set()


def test_a_pop_that_does_not_answer_is_warned_of(
    platform: World, tmp_path: Path, warnings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    platform.clusters["johannesburg"].others = {NODE: UNREACHABLE}
    found = groups(read(tmp_path))
    assert found["pops"] == set(BOTH)
    assert found["nodes"] == {"lagos-1", "lagos-2"}
    assert warnings == [f"{UNREACHABLE.message} [kube-unreachable]"]
    assert groups(read(tmp_path, strict=True)) == {}
    assert f"strict: {UNREACHABLE.message}" in capsys.readouterr().err


def test_a_repository_that_cannot_be_read_is_an_error_with_its_code(
    platform: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert groups(read(tmp_path, repository="file:///nowhere")) == {}
    assert "[git-unreachable, dependency]" in capsys.readouterr().err


def test_names_are_safe_and_no_two_hosts_are_one(platform: World, tmp_path: Path, warnings: list[str]) -> None:
    platform.run("tenant", tenant="my-team", regions=["lagos"])
    platform.run("service_claim", tenant="my-team", name="eu-1", sku="scy-ring-3", region="lagos")
    names = {"lagos": ["same", "acme.orders", "johannesburg"], "johannesburg": ["same", "own"]}
    for pop, cluster in platform.clusters.items():
        cluster.others = {NODE: [node(name) for name in names[pop]]}
    manager = read(tmp_path)
    found = groups(manager)
    assert found["tenant_my_team"] == {"my-team.eu-1"}
    assert found["nodes_lagos"] == {"lagos.node.same", "lagos.node.acme.orders", "lagos.node.johannesburg"}
    assert found["nodes_johannesburg"] == {"johannesburg.node.same", "own"}
    assert found["pops"] == set(BOTH)
    assert warnings == []


def test_a_claim_that_people_broke_is_shown_as_far_as_it_can_be_read(platform: World, tmp_path: Path) -> None:
    rendered = platform.text("tenants/acme/claims/carts.yaml")
    broken = {"tenants__acme__claims__bad.yaml": "[no", "tenants__acme__claims__odd.yaml": "metadata: 1\n"}
    fresh = rendered.replace("carts", "fresh")
    platform.write(tmp_path, **broken, **{"tenants__acme__claims__fresh.yaml": fresh})
    manager = read(tmp_path, phases=True)
    assert groups(manager)["tenant_acme"] == {f"acme.{name}" for name in ("orders", "carts", "bad", "odd", "fresh")}
    bad, new = variables(manager, "acme.bad"), variables(manager, "acme.fresh")
    assert (bad["dbaas_regions"], bad["dbaas_phase"]) == ([], "Unknown")
    assert (new["dbaas_pop"], new["dbaas_sku"], new["dbaas_engine"]) == ("lagos", "scy-ring-3", "")


def test_what_somebody_wrote_somewhere_is_never_evaluated(platform: World, tmp_path: Path) -> None:
    evil = node("evil")
    evil["metadata"]["labels"]["a"] = "{{ lookup('pipe', 'echo run') }}"
    platform.clusters["lagos"].others = {NODE: [evil]}
    found = variables(read(tmp_path, compose={"b": "dbaas_node.labels.a"}), "evil")
    labels = found["dbaas_node"]["labels"]
    assert Templar(DataLoader(), variables=found).template(labels["a"]) == labels["a"]
    assert is_trusted_as_template(labels["size"])
    assert not is_trusted_as_template(labels["a"])
    assert found["b"] == labels["a"] == "{{ lookup('pipe', 'echo run') }}"


def test_constructed_groups_and_variables(platform: World, tmp_path: Path) -> None:
    manager = read(
        tmp_path,
        groups={"drained": "dbaas_node is defined and not dbaas_node.schedulable"},
        keyed_groups=[{"key": "dbaas_node.zone", "prefix": "zone"}],
        compose={"label": "dbaas_tenant ~ '/' ~ dbaas_service"},
    )
    found = groups(manager)
    assert found["drained"] == {"lagos-1", "johannesburg-1"}
    assert found["zone_b"] == {"lagos-2", "johannesburg-2"}
    assert variables(manager, "acme.orders")["label"] == "acme/orders"
    assert "label" not in variables(manager, "lagos-1")


def test_what_is_cached_is_not_asked_for_again(platform: World, tmp_path: Path) -> None:
    options: Json = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    first = groups(read(tmp_path, **options))
    platform.run("service_claim", tenant="acme", name="later", sku="scy-ring-3", region="lagos")
    for cluster in platform.clusters.values():
        cluster.others = {NODE: UNREACHABLE}
    again = read(tmp_path, **options)
    assert groups(again) == first
    assert variables(again, "lagos-1")["dbaas_node"]["zone"] == "a"
    again.refresh_inventory()
    assert "acme.later" in groups(again)["services"]
    # an answer that is not whole is not kept
    for cluster in platform.clusters.values():
        cluster.others = {NODE: [node("back")]}
    (tmp_path / "other").mkdir()
    assert "johannesburg.node.back" in groups(read(tmp_path / "other", **options))["nodes"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("pops.yml", True),
        ("dbaas.yaml", True),
        ("production.dbaas.yml", True),
        ("hosts.yml", False),
        ("pops.ini", False),
        ("mypops.yml", False),
    ],
)
def test_files_are_known_by_their_names(tmp_path: Path, name: str, ours: bool) -> None:
    (tmp_path / name).write_text("plugin: dbaas.platform.pops\n")
    assert inventory_loader.get("dbaas.platform.pops").verify_file(str(tmp_path / name)) is ours

"""Services by a chart on a real repository: what the foundations hold, and how such a service goes."""

from __future__ import annotations

import copy
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import CHART_DATA, DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import APPLICATION, NAMESPACE, Kind
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, deprovision

from tests.unit.runner.applying import Applying
from tests.unit.runner.synced import Key, SyncedCluster
from tests.unit.runner.world import POPS, FakeCluster, World, claim

Json = dict[str, Any]
CATALOG = "catalog/yugabyte.yml"
VALUES = "tenants/acme/{}/values.yaml"
SERVICE: Json = {"sku": "yb-dedicated", "region": "lagos", "backup": {"enabled": False}}
BOTH: Json = {**SERVICE, "replication": {"regions": ["lagos", "johannesburg"]}}
CHART: Json = {"repoURL": "https://charts.example.com", "name": "yugabyte", "version": "1.2.3", "clusterIssuer": "ca"}


class ChartedCluster(SyncedCluster):
    """A PoP in which Argo CD renders releases too, and Kubernetes makes the volumes of StatefulSets."""

    def __init__(self, world: World, pop: str) -> None:
        super().__init__(world, pop)
        self.made: dict[Key, Json] = {}
        self._tracked: set[Key] = set()
        #: the commit that was seen last, and the foundation's values in it
        self._seen = ""
        self._values: Json = {}

    def sync(self, revision: str = "main") -> None:
        super().sync(revision)
        for key, item in self.objects.items():
            if key[0] == "PersistentVolumeClaim":
                # applied over what is there: it keeps its uid
                item["metadata"]["uid"] = self.made[key]["metadata"]["uid"]
                self.made[key]["metadata"]["annotations"] = item["metadata"]["annotations"]
                self._tracked.add(key)
        # Argo CD looks at what is too much when there is a new commit; to it a StatefulSet owns its volumes
        head = self.world.git("rev-parse", revision)
        for key in self._tracked - self.objects.keys() if head != self._seen else ():
            if not any(each[0] == "StatefulSet" and f"-{each[2]}-" in key[2] for each in self.made):
                self._tracked.discard(key)
                self._prune(key)
        if head != self._seen:
            self._values = yaml.safe_load(self.world.git("show", f"{revision}:{VALUES.format(self.pop)}"))
        self._seen = head
        for entry in self._values.get("releases", []):
            for role in ("master", "tserver"):
                key = ("StatefulSet", "tenant-acme", f"{entry['name']}-yb-{role}")
                if "gone" in entry:
                    self._prune(key)
                else:
                    self._apply(key, entry["values"], role)

    def _apply(self, key: Key, values: Json, role: str) -> None:
        labels = values["commonLabels"]
        there = self.made.setdefault(key, {"kind": key[0], "metadata": {"name": key[2], "uid": str(uuid.uuid4())}})
        there["metadata"] |= {"labels": labels, "annotations": values["statefulSetAnnotations"]}
        for node in range(values["replicas"][role]):
            name = f"{values['fullnameOverride']}-datadir0-{key[2]}-{node}"
            metadata = {"name": name, "namespace": key[1], "uid": str(uuid.uuid4()), "labels": labels}
            volume = {"kind": "PersistentVolumeClaim", "metadata": metadata}
            self.made.setdefault(("PersistentVolumeClaim", key[1], name), volume)

    def _prune(self, key: Key) -> None:
        if (item := self.made.get(key)) is None:
            return
        annotations = item["metadata"].get("annotations", {})
        if "Prune=false" in annotations.get("argocd.argoproj.io/sync-options", ""):
            return
        if item["metadata"]["uid"] in annotations.get(DELETION, "").split(","):
            del self.made[key]
        else:
            self.refused.append(key)

    def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None, *, bare: bool = False
    ) -> tuple[Any, str]:
        assert not bare
        found = super().list(kind, namespace, labels)
        if kind in CHART_DATA:
            assert labels == "dbaas.example.com/driver=chart"
            return [item for key, item in self.made.items() if key[:2] == (kind.kind, namespace)], "1"
        return found


class Charted:
    """The world whose catalog makes YugabyteDB by its chart, with two PoPs that sync."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.choose("chart", CHART)
        self.pops = {pop["name"]: ChartedCluster(world, pop["name"]) for pop in POPS}
        world.clusters |= self.pops

    def choose(self, driver: str, chart: Json | None) -> Json:
        catalog = {"engines": {"yugabyte": {"driver": driver, **({"chart": chart} if chart else {})}}}
        self.world.write(self.folder, **{CATALOG.replace("/", "__"): yaml.safe_dump(catalog)})
        return self.world.run("gitops_repository", pops=POPS)

    def provision(self, name: str = "orders", **spec: Any) -> Json:
        return self.world.run("service_claim", tenant="acme", name=name, **{**BOTH, **spec})

    def values(self, pop: str = "lagos") -> Json:
        found = self.world.document(VALUES.format(pop))
        assert isinstance(found, dict)
        return found

    def releases(self, pop: str = "lagos") -> dict[str, Json]:
        return {item["name"]: item for item in self.values(pop).get("releases", [])}

    def problems(self) -> list[tuple[str, str]]:
        found = self.world.run("gitops_validation_info")["problems"]
        return [(item["file"], item["code"]) for item in found if item["severity"] == "error"]

    def absent(self, **more: Any) -> Json:
        options = {"state": "absent", "deletion_policy": "delete", "wait_timeout": 60, **more}
        return self.world.run("service_claim", tenant="acme", name="orders", **options)


@pytest.fixture
def charted(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Charted:
    monkeypatch.setattr(deprovision, "_PAUSE", 0.01)
    (tmp_path / "people").mkdir()
    return Charted(world, tmp_path / "people")


def test_the_catalog_in_git_chooses(charted: Charted) -> None:
    (values,) = [charted.world.document("overlays/lagos/tenants/values.yaml")]
    (chart,) = values["charts"]
    assert (chart["engine"], chart["repoURL"], chart["name"]) == ("yugabyte", "https://charts.example.com", "yugabyte")
    assert {"group": "apps", "kind": "StatefulSet"} in chart["kinds"]
    # and not what the services' folder may hold
    assert {"group": "apps", "kind": "StatefulSet"} not in values["kinds"]
    assert {"group": "batch", "kind": "Job"} in values["kinds"]
    assert "statefulsets" in charted.world.text("overlays/lagos/rbac/observer.yaml")
    assert "dbaas-keep-chart-data" in charted.world.text("overlays/lagos/policies/protection.yaml")
    assert not charted.world.run("gitops_repository", pops=POPS)["changed"]


def test_one_commit_writes_the_claim_and_the_foundations_of_all_its_regions(charted: Charted) -> None:
    commits = charted.world.commits()
    first = charted.values()
    assert charted.provision()["changed"]
    assert charted.world.commits() == commits + 1
    for pop in ("lagos", "johannesburg"):
        assert list(charted.releases(pop)) == ["orders-a", "orders-b", "orders-c"]
        assert charted.releases(pop)["orders-a"]["version"] == "1.2.3"
        assert charted.releases(pop)["orders-a"]["values"]["AZ"] == f"{pop}-a"
    # the rest of the foundation is as it was
    assert {**charted.values(), "releases": None} == {**first, "releases": None}
    assert not charted.provision()["changed"]
    assert charted.problems() == []


def test_services_of_one_tenant_stand_beside_each_other(charted: Charted) -> None:
    documents = [claim(name, **SERVICE) for name in ("orders", "carts")]
    charted.world.run("service_claims", claims=documents)
    assert list(charted.releases()) == [f"{name}-{zone}" for name in ("carts", "orders") for zone in "abc"]
    before = charted.releases()
    charted.provision("carts", replication={"regions": ["lagos"]}, resources={"tserver": {"cpu": "8"}})
    after = charted.releases()
    assert {name for name in after if after[name] != before[name]} == {"carts-a", "carts-b", "carts-c"}
    assert after["carts-a"]["values"]["resource"]["tserver"]["limits"]["cpu"] == "8"


def test_what_changes_a_tenant_leaves_its_releases_alone(charted: Charted) -> None:
    charted.provision()
    before = charted.releases()
    charted.world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"], owners=["sre"])
    assert charted.values()["owners"] == ["sre"]
    assert charted.releases() == before
    assert charted.problems() == []


def test_a_tenant_and_a_claim_edited_at_once_are_rendered_at_once(charted: Charted) -> None:
    charted.provision()
    tenant = charted.world.document("tenants/acme/tenant.yaml")
    declared = charted.world.document("tenants/acme/claims/orders.yaml")
    tenant["spec"]["owners"] = ["sre"]
    declared["spec"]["resources"] = {"tserver": {"cpu": "8"}}
    files = {
        "tenants__acme__tenant.yaml": yaml.safe_dump(tenant),
        "tenants__acme__claims__orders.yaml": yaml.safe_dump(declared),
    }
    charted.world.write(charted.folder, **files)
    charted.world.run("gitops_reconciliation")
    assert charted.values()["owners"] == ["sre"]
    assert charted.releases()["orders-a"]["values"]["resource"]["tserver"]["limits"]["cpu"] == "8"
    assert charted.problems() == []


def test_a_running_service_keeps_what_made_it(charted: Charted) -> None:
    charted.provision()
    charted.choose("operator", CHART)
    charted.provision(resources={"tserver": {"cpu": "8"}})
    assert charted.releases()["orders-a"]["values"]["resource"]["tserver"]["limits"]["cpu"] == "8"
    assert "YBUniverse" not in charted.world.text("tenants/acme/lagos/services/orders.yaml")
    charted.provision("carts", backup={"enabled": True})
    assert "YBUniverse" in charted.world.text("tenants/acme/lagos/services/carts.yaml")
    assert "carts-a" not in charted.releases()


def test_releases_are_nobodys_to_edit(charted: Charted) -> None:
    charted.provision()
    path = VALUES.format("lagos")
    head, _line, text = charted.world.text(path).partition("\n")
    values = yaml.safe_load(text)
    values["releases"][0]["values"]["Image"]["tag"] = "evil"
    values["releases"].append({"name": "mine-a", "service": "mine", "engine": "yugabyte", "version": "1", "values": {}})
    charted.world.write(charted.folder, **{path.replace("/", "__"): f"{head}\n---\n{yaml.safe_dump(values)}"})
    assert {(path, "derived-edited"), (path, "orphan")} <= set(charted.problems())


def test_deleting_takes_three_commits_and_takes_volumes_along(charted: Charted) -> None:
    charted.provision()
    charted.provision("carts")
    for pop in charted.pops.values():
        pop.sync()
    other = {key: item for key, item in charted.pops["lagos"].made.items() if "carts" in key[2]}
    commits = charted.world.commits()
    plan = charted.absent(check=True)["operations"][0]["plan"]
    assert "release orders-a of a chart" in plan["gone"]["lagos"]
    result = charted.absent()
    assert not result.get("failed"), result
    assert charted.world.commits() == commits + 3
    for pop in charted.pops.values():
        assert not [key for key in pop.made if "orders" in key[2]]
        assert pop.refused == []
    assert {key: item for key, item in charted.pops["lagos"].made.items() if "carts" in key[2]} == other
    assert charted.releases()["orders-a"] == {
        "name": "orders-a",
        "service": "orders",
        "engine": "yugabyte",
        "gone": True,
    }
    assert [path for path in charted.world.files() if "/volumes/" in path] == []
    assert charted.problems() == []
    # the name can be used again
    charted.provision()
    assert "values" in charted.releases()["orders-a"]


def test_a_deletion_that_is_taken_back_keeps_every_volume(charted: Charted) -> None:
    charted.provision()
    lagos, johannesburg = charted.pops.values()
    for pop in charted.pops.values():
        pop.sync()
    before = {key: copy.deepcopy(item["metadata"]["uid"]) for key, item in lagos.made.items()}
    johannesburg.synced = False
    assert charted.absent(wait_timeout=0)["failed"]
    lagos.sync()
    assert all(DELETION in item["metadata"]["annotations"] for item in lagos.made.values())
    charted.provision()
    lagos.sync()
    lagos.sync()
    assert {key: item["metadata"]["uid"] for key, item in lagos.made.items()} == before
    for item in lagos.made.values():
        assert DELETION not in item["metadata"]["annotations"]
        assert item["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    assert charted.problems() == []
    johannesburg.synced = True
    assert not charted.absent().get("failed")
    assert lagos.made == johannesburg.made == {}


def test_retaining_keeps_the_releases(charted: Charted) -> None:
    charted.provision()
    before = charted.releases()
    charted.absent(deletion_policy="retain")
    assert charted.releases() == before
    assert charted.problems() == []


def test_what_argocd_renders_is_not_delivered_without_it(charted: Charted) -> None:
    charted.world.clusters |= {name: Applying(name, "tenant-acme") for name in charted.pops}
    error = charted.world.refused("service_claim", tenant="acme", name="orders", delivery="direct", **SERVICE)
    assert error.code == "option-invalid", error.message
    assert "charts make acme/orders" in error.message


def application(name: str, sync: str, **labels: str) -> Json:
    metadata = {"name": name, "namespace": "argocd", "labels": {f"dbaas.example.com/{k}": v for k, v in labels.items()}}
    message = {"conditions": [{"type": "ComparisonError", "message": "no such chart"}]} if sync != "Synced" else {}
    return {"metadata": metadata, "spec": {}, "status": {"sync": {"status": sync}, **message}}


def reading(charted: Charted) -> None:
    """What lagos answers: everything of `orders` as it was rendered, and its releases' Applications."""
    charted.provision("orders", replication={"regions": ["lagos"]})
    objects = documents.load_all(charted.world.text("tenants/acme/lagos/services/orders.yaml"))
    objects[0]["metadata"] |= {"generation": 1, "uid": "1"}
    last = {"id": charted.world.operation("orders")}
    objects[0]["status"] = {"phase": "Provisioning", "observedGeneration": 1, "lastOperation": last}
    cluster = FakeCluster()
    cluster.answers = [{"orders": objects[0]}]
    for kind in kinds(["yugabyte"]):
        name = (kind.api_version, kind.kind)
        cluster.others[kind] = [item for item in objects if (item["apiVersion"], item["kind"]) == name]
    cluster.others |= {
        NAMESPACE: [{"metadata": {"name": "tenant-acme", "namespace": None}}],
        APPLICATION: [
            application("tenant-acme", "Synced"),
            application("services-acme", "Synced"),
            application("chart-acme.orders-a", "Synced", tenant="acme", service="orders"),
            application("chart-acme.orders-b", "Unknown", tenant="acme", service="orders"),
            application("chart-acme.carts-a", "Unknown", tenant="acme", service="carts"),
            application("chart-other.orders-a", "Unknown", tenant="other", service="orders"),
        ],
    }
    charted.world.clusters |= {"lagos": cluster, "johannesburg": FakeCluster()}


def test_the_application_of_a_release_that_cannot_be_synced_is_told(charted: Charted) -> None:
    reading(charted)
    result = charted.world.run("service_claim_explanation_info", tenant="acme", names=["orders"])
    (found,) = result["services"]
    told = " ".join(item["message"] for item in found["findings"])
    assert "Application chart-acme.orders-b" in told, found
    assert "no such chart" in told
    (region,) = found["regions"].values()
    assert {name for name in region["applications"] if name.startswith("chart-")} == {
        "chart-acme.orders-a",
        "chart-acme.orders-b",
    }


def test_a_release_without_its_application_is_drift(charted: Charted) -> None:
    reading(charted)
    result = charted.world.run("gitops_drift_info", pops=["lagos"], tenants=["acme"], fail=False)
    told = [item for item in result["drift"] if item["object"].startswith("Application chart")]
    found = {(item["code"], item["object"]) for item in told}
    assert found == {("not-synced", "Application chart-acme.orders-b"), ("missing", "Application chart-acme.orders-c")}


def test_check_mode_predicts_all_commits_of_a_deletion(charted: Charted) -> None:
    charted.provision()
    for pop in charted.pops.values():
        pop.sync()
    before = charted.world.head()
    predicted = charted.absent(check=True, diff=True)
    assert charted.world.head() == before
    done = charted.absent(diff=True)

    def lines(result: Json) -> list[str]:
        return [line for line in result["diff"]["prepared"].splitlines() if not line.startswith("index ")]

    assert lines(predicted) == lines(done)
    assert any("/volumes/orders.yaml" in line for line in lines(done))


def test_a_window_holds_releases_back_with_the_rest(charted: Charted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "now", lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
    nights = {"windows": [{"days": ["sat"], "start": "22:30", "duration": "4h"}]}
    charted.provision(maintenance=nights)
    before = charted.releases()
    bigger: Json = {"maintenance": nights, "resources": {"tserver": {"cpu": "8"}}}
    assert charted.provision(**bigger)["operations"][0]["action"] == "hold"
    assert charted.releases() == before
    monkeypatch.setattr(base, "now", lambda: datetime(2026, 1, 3, 23, tzinfo=UTC))
    charted.world.run("gitops_reconciliation")
    assert charted.releases()["orders-a"]["values"]["resource"]["tserver"]["limits"]["cpu"] == "8"
    assert charted.problems() == []

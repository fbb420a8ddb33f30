"""What a tenant may: quotas, regions, and nothing beyond its folder; a real Argo CD and real policies see to it."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import POPS, Platform, git, until

Json = dict[str, Any]
ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: evil\nrules: []\n"
APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"


@pytest.fixture(scope="module")
def tenants(platform: Platform) -> Platform:
    """Tenant tight, with quotas and a service, and tenant calm beside it, both in lagos alone."""
    quotas = {"services": 2, "storage": "4Ti", "cpu": "40", "regions": {"lagos": {"memory": "200Gi"}}}
    for name, more in (("tight", {"quotas": quotas}), ("calm", {})):
        result = platform.module("tenant", {"tenant": name, "regions": ["lagos"], **more})
        assert result["changed"], result
    claim = {"sku": "scy-ring-3", "region": "lagos"}
    for name in ("tight", "calm"):
        result = platform.module("service_claim", {"tenant": name, "name": "orders", **claim})
        assert not result["failed"], result
    for name in ("tight", "calm"):
        until(partial(synced, platform, name), 40)
    return platform


def synced(platform: Platform, tenant: str) -> bool:
    return condition(platform, tenant).get("status") == "True"


def condition(platform: Platform, tenant: str) -> Json:
    """What the tenant's claim in lagos says of Argo CD."""
    status = platform.copy("lagos", "orders", f"tenant-{tenant}").get("status", {})
    return next((item for item in status.get("conditions", []) if item["type"] == "Synced"), {})


def complains(platform: Platform, tenant: str, *words: str) -> bool:
    found = condition(platform, tenant)
    return found.get("status") == "False" and all(word in found["message"] for word in words)


def until_complains(platform: Platform, tenant: str, *words: str) -> None:
    try:
        until(partial(complains, platform, tenant, *words), 60)
    except AssertionError:
        names = ("dbaas-tenants", f"tenant-{tenant}", f"services-{tenant}")
        found = [platform.lab.api("lagos").get(f"{APPLICATIONS}/{name}") or {} for name in names]
        parts = ("conditions", "operationState")
        states = [{part: item.get("status", {}).get(part) for part in parts} for item in found]
        pytest.fail(f"{words} is not in {condition(platform, tenant)}; Argo CD says {json.dumps(states, indent=1)}")


def config_map(name: str, namespace: str, value: str = "1") -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}})


def value(platform: Platform, name: str, tenant: str) -> str:
    path = f"/api/v1/namespaces/tenant-{tenant}/configmaps/{name}"
    return str((platform.lab.api("lagos").get(path) or {"data": {}})["data"].get("value", ""))


class Work:
    """A work tree of somebody who may push."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def push(self, files: dict[str, str | None]) -> None:
        git(self.folder, "pull", "--quiet", "--rebase")
        for path, text in files.items():
            if text is None:
                (self.folder / path).unlink()
            else:
                (self.folder / path).write_text(text)
        git(self.folder, "add", "--all", ".")
        git(self.folder, "commit", "--quiet", "--message", "By hand")
        git(self.folder, "push", "--quiet")

    def text(self, path: str) -> str:
        return (self.folder / path).read_text()


@pytest.fixture
def work(platform: Platform, tmp_path: Path) -> Work:
    return Work(platform.clone(tmp_path))


def test_a_claim_over_quota_or_out_of_its_regions_is_refused(tenants: Platform) -> None:
    claim = {"tenant": "tight", "name": "more", "sku": "scy-ring-3", "region": "lagos"}
    over = tenants.module("service_claim", {**claim, "storage": {"size": "1Ti"}})
    assert (over["error"]["code"], over["error"]["class"], over["error"]["retry"]) == ("quota-exceeded", "quota", False)
    (field,) = over["error"]["fields"]
    assert field["allowed"].endswith("storage 4Ti, 1500Gi used, 2596Gi left, 3Ti wanted")
    away = tenants.module(
        "service_claim",
        {**claim, "replication": {"regions": list(POPS)}, "backup": {"destination": "s3://dbaas-frankfurt-tight"}},
    )
    assert {item["path"] for item in away["error"]["fields"]} == {
        "spec.replication.regions[1]",
        "spec.backup.destination",
    }
    (info,) = tenants.module("tenant_info", {"tenants": ["tight"]})["tenants"]
    assert info["quota_usage"]["cpu"] == {"limit": "40", "used": "12", "left": "28"}
    tenants.module("tenant", {"tenant": "tight", "regions": ["lagos"], "quotas": {"services": 0}}, "--check")
    assert "services in all: 1 are used, the quota is 0" in " ".join(" ".join(tenants.printed[-2:]).split())


@pytest.mark.parametrize(
    ("account", "verb", "group", "resource", "may"),
    [
        ("aerospike-operator-controller-manager", "patch", "asdb.aerospike.com", "aerospikeclusters/status", True),
        ("aerospike-operator-controller-manager", "delete", "asdb.aerospike.com", "aerospikeclusters", False),
        ("vitess-backups", "create", "planetscale.com", "vitessbackups", True),
        ("vitess-backups", "delete", "planetscale.com", "vitessshards", False),
        ("aerospike-backup-service", "get", "", "secrets", False),
    ],
)
def test_pods_may_what_they_need_in_their_namespace_alone(
    tenants: Platform, account: str, verb: str, group: str, resource: str, may: bool
) -> None:
    lagos = tenants.lab.api("lagos", "admin")
    until(lambda: lagos.get(f"/api/v1/namespaces/tenant-calm/serviceaccounts/{account}"))

    def allowed(namespace: str) -> bool:
        kind, _slash, part = resource.partition("/")
        asked = {"namespace": namespace, "verb": verb, "group": group, "resource": kind, "subresource": part}
        return tenants.may("lagos", f"system:serviceaccount:tenant-calm:{account}", asked)

    # Kubernetes takes a moment to know a binding
    until(lambda: allowed("tenant-calm") == may)
    assert not allowed("tenant-tight")


def test_pods_find_the_quota_beneath(tenants: Platform) -> None:
    lagos = tenants.lab.api("lagos", "admin")
    path = "/api/v1/namespaces/tenant-tight/resourcequotas/tenant"
    quota = until(lambda: lagos.get(path))
    assert quota["spec"]["hard"] == {
        "requests.storage": "5Ti",
        "requests.cpu": "52",
        "limits.cpu": "52",
        "requests.memory": "254Gi",
        "limits.memory": "254Gi",
    }
    assert lagos.get("/api/v1/namespaces/tenant-calm/resourcequotas/tenant") is None
    until(
        lambda: "hard" in (lagos.get("/api/v1/namespaces/tenant-tight/resourcequotas/tenant") or {}).get("status", {})
    )

    def pod(name: str, **resources: Any) -> Json:
        container = {"name": "a", "image": "none", "resources": resources}
        metadata = {"name": name, "namespace": "tenant-tight"}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}

    # what says nothing of what it takes is let in, as little
    lagos.apply(pod("small"))
    made = lagos.get("/api/v1/namespaces/tenant-tight/pods/small")
    assert made
    small = {"cpu": "250m", "memory": "512Mi"}
    assert made["spec"]["containers"][0]["resources"] == {"requests": small, "limits": small}
    with pytest.raises(Exception, match="exceeded quota: tenant"):
        lagos.apply(pod("large", limits={"cpu": "60", "memory": "1Gi"}))
    lagos.delete("/api/v1/namespaces/tenant-tight/pods/small")


def test_what_does_not_belong_into_a_folder_is_refused_and_named_and_nothing_after_it_is_lost(
    tenants: Platform, work: Work
) -> None:
    folder = "tenants/tight/lagos/services"
    work.push({
        f"{folder}/evil.yaml": ROLE,
        f"{folder}/foreign.yaml": config_map("theirs", "tenant-calm"),
    })  # fmt: skip
    until_complains(tenants, "tight", "services-tight", "ClusterRole evil", "is not permitted in project")
    assert complains(tenants, "tight", "ConfigMap tenant-calm/theirs", "namespace tenant-calm is not permitted")
    # good commits that come after: another tenant's arrives, this one's waits
    work.push({
        f"{folder}/good.yaml": config_map("good", "tenant-tight"),
        "tenants/calm/lagos/services/good.yaml": config_map("good", "tenant-calm"),
    })  # fmt: skip
    until(lambda: value(tenants, "good", "calm"), 20)
    assert synced(tenants, "calm")
    assert not value(tenants, "good", "tight")
    work.push({f"{folder}/evil.yaml": None, f"{folder}/foreign.yaml": None})
    until(lambda: value(tenants, "good", "tight"), 60)
    until(partial(synced, tenants, "tight"), 20)
    lagos = tenants.lab.api("lagos", "admin")
    assert lagos.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/evil") is None
    assert not value(tenants, "theirs", "calm")


def test_also_inside_the_foundations_own_files(tenants: Platform, work: Work) -> None:
    values, application = "tenants/tight/lagos/values.yaml", "tenants/tight/lagos/application.yaml"
    good = {values: work.text(values), application: work.text(application)}
    # the last document of the file is the ClusterRole; the Application before it stays as it is
    work.push({values: f"{good[values]}{ROLE}", application: f"{good[application]}---\n{ROLE}"})
    until_complains(tenants, "tight", "Application tenant-tight", "values don't meet", "kind")
    until_complains(tenants, "tight", "Application dbaas-tenants", "ClusterRole evil", "is not permitted in project")
    work.push({"tenants/calm/lagos/services/again.yaml": config_map("again", "tenant-calm")})
    until(lambda: value(tenants, "again", "calm"), 20)
    assert synced(tenants, "calm")
    # an Application of its own making is stopped by the policy
    evil: Json = next(yaml.safe_load_all(good[application]))
    evil["spec"]["source"]["helm"]["valuesObject"] = {"kinds": []}
    work.push({values: good[values], application: json.dumps(evil)})
    until_complains(tenants, "tight", "tenant-tight", "our chart with its values")
    work.push({application: good[application]})
    until(partial(synced, tenants, "tight"), 60)
    assert tenants.lab.api("lagos", "admin").get("/apis/rbac.authorization.k8s.io/v1/clusterroles/evil") is None


def test_a_foundation_is_held_to_its_chart_in_every_field(tenants: Platform) -> None:
    lagos = tenants.lab.api("lagos", "admin")
    stands: Json = until(lambda: lagos.get(f"{APPLICATIONS}/tenant-tight"))
    source = stands["spec"]["source"]
    assert stands["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    manifest = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    changes: list[Json] = [
        {"spec": {"project": "default"}},
        {"spec": {"destination": {"namespace": "tenant-calm"}}},
        {"spec": {"source": {"repoURL": "https://evil.example.com/r.git"}}},
        {"spec": {"source": {"targetRevision": "evil"}}},
        {"spec": {"source": {"path": "base/charts/other"}}},
        {"spec": {"source": {"helm": {"namespace": "tenant-calm"}}}},
        {"spec": {"source": {"helm": {"skipSchemaValidation": True}}}},
        {"spec": {"source": {"helm": {"values": "kinds: []"}}}},
        {"spec": {"source": {"helm": {"parameters": [{"name": "region", "value": "x"}]}}}},
        {"spec": {"source": {"helm": {"valueFiles": [source["helm"]["valueFiles"][0]]}}}},
        {"spec": {"sources": [source]}},
        {"spec": {"syncPolicy": {"syncOptions": ["Replace=true"]}}},
        {"spec": {"syncPolicy": {"automated": {"prune": True}}}},
        {"metadata": {"annotations": {"argocd.argoproj.io/sync-options": "Replace=true"}}},
        {"metadata": {"annotations": {"argocd.argoproj.io/hook": "Sync"}}},
        {"operation": {"sync": {"manifests": [json.dumps(manifest)]}}},
        {"operation": {"sync": {"source": source}}},
    ]
    for change in changes:
        with pytest.raises(Exception, match="our chart with its values"):
            lagos.patch(f"{APPLICATIONS}/tenant-tight?dryRun=All", copy.deepcopy(change))
    # what Argo CD and the observer do all the time
    lagos.patch(
        f"{APPLICATIONS}/tenant-tight?dryRun=All", {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "x"}}}
    )
    lagos.patch(f"{APPLICATIONS}/tenant-tight?dryRun=All", {"operation": {"sync": {"revision": "0" * 40}}})

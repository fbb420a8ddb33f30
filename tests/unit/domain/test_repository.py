from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import repository, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import COMPONENTS
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES, operator_kinds

from tests.tools.tree import ROOT
from tests.unit.domain import shipped

Json = dict[str, Any]

ACCOUNTS = {name: rules for engine in ENGINES.values() for name, rules in getattr(engine, "accounts", {}).items()}
POP = shipped.platform().pops["lagos"]


def overlay(**change: Any) -> dict[str, list[Json]]:
    return repository.overlay(replace(POP, **change), shipped.platform(), shipped.catalog())


def applications(**change: Any) -> dict[str, Json]:
    return {item["metadata"]["name"]: item for item in overlay(**change)["overlays/lagos/applications.yaml"]}


def test_the_base_is_made_of_crd_guards_health_and_kinds() -> None:
    base = repository.base()
    assert set(base) == {
        "base/crds/serviceclaims.yaml",
        "base/policies/guards.yaml",
        "base/argocd/argocd-cm.yaml",
        "base/rbac/operator-kinds.yaml",
        "base/rbac/service-kinds.yaml",
    }
    (config,) = base["base/argocd/argocd-cm.yaml"]
    checks = {f"resource.customizations.health.{kind.group}_{kind.kind}" for kind in operator_kinds()}
    assert (
        {"resource.customizations.health.scylla.scylladb.com_ScyllaCluster"}
        <= {name for name in config["data"] if ".health." in name}
        <= checks
    )


def test_what_all_foundations_of_a_pop_are_rendered_with() -> None:
    (values,) = overlay(argocd_namespace="cd", destination="here")["overlays/lagos/tenants/values.yaml"]
    assert values == {
        "region": "lagos",
        "argocd": {"namespace": "cd", "destination": "here"},
        "repository": {"url": shipped.platform().repo_url, "branch": "main", "path": "tenants/%s/lagos/services"},
        "kinds": repository.allowed_kinds(),
        "accounts": [{"name": name, "rules": list(rules)} for name, rules in ACCOUNTS.items()],
        "charts": [],
    }
    assert set(ACCOUNTS) == {"aerospike-operator-controller-manager", "aerospike-backup-service", "vitess-backups"}


def test_operators_look_after_every_tenants_namespace() -> None:
    sources = {name: item["spec"]["source"] for name, item in applications(components=COMPONENTS).items()}
    values = {name: sources[f"dbaas-operator-{name}"]["helm"]["valuesObject"] for name in ("aerospike", "mongodb")}
    # both charts would have them look after a few, or their own
    assert values == {"aerospike": {"watchNamespaces": ""}, "mongodb": {"watchAllNamespaces": True}}


def test_health_checks_use_no_library() -> None:
    """Argo CD opens none, and a check that fails stops its whole Application."""
    for engine in ENGINES.values():
        for lua in engine.health.values():
            assert not re.findall(r"\b(string|table|math|os|io|coroutine|package)[.]|[:](sub|match|find|gsub)\(", lua)


def test_who_reads_claims_reads_the_operators_kinds_and_no_more() -> None:
    role, binding = repository.base()["base/rbac/operator-kinds.yaml"]
    assert [rule["verbs"] for rule in role["rules"]] == [["get", "list", "watch"]] * len(operator_kinds())
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {
        kind.plural for kind in operator_kinds()
    }
    assert [subject["name"] for subject in binding["subjects"]] == ["observer", "reader"]


def test_who_reports_drift_may_list_whatever_surrounds_a_service_and_no_secret() -> None:
    role, binding = repository.base()["base/rbac/service-kinds.yaml"]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list"}
    listed = {(rule["apiGroups"][0], rule["resources"][0]) for rule in role["rules"]}
    assert listed == {(kind.group, kind.plural) for kind in kinds() if kind not in operator_kinds()}
    assert ("", "secrets") not in listed
    assert [subject["name"] for subject in binding["subjects"]] == ["reader"]


def test_what_webhooks_write_is_no_drift() -> None:
    (config,) = repository.base()["base/argocd/argocd-cm.yaml"]
    kept = {name: text for name, text in config["data"].items() if "ignoreDifferences" in name}
    key = "resource.customizations.ignoreDifferences.asdb.aerospike.com_AerospikeCluster"
    expressions = json.loads(kept[key])["jqPathExpressions"]
    assert {
        ".spec.rackConfig.racks[].effectiveAerospikeConfig",
        ".spec.storage.volumes[].effectiveInitMethod",
        '.spec.aerospikeConfig.service["node-id"]',
        '.spec.aerospikeConfig.network.service["tls-access-addresses"]',
    } <= set(expressions)
    assert len(set(expressions)) == len(expressions) == 27


def test_a_tenant_may_have_what_render_makes_and_nothing_else() -> None:
    allowed = {(item["group"], item["kind"]) for item in repository.allowed_kinds()}
    assert allowed == {(kind.group, kind.kind) for kind in kinds()}
    assert all(kind.namespaced for kind in kinds())
    assert not {kind for _group, kind in allowed} & {"Secret", "Role", "RoleBinding", "Application", "Namespace"}


def test_one_application_for_each_component() -> None:
    assert set(applications()) == {
        "dbaas-crds",
        "dbaas-rbac",
        "dbaas-observer-rbac",
        "dbaas-guards",
        "dbaas-policies",
        "dbaas-argocd",
        "dbaas-tenants",
        "dbaas-observer",
        *(f"dbaas-operator-{engine}" for engine in shipped.catalog().engines),
    }
    assert len(COMPONENTS) == 7
    assert set(applications(components=("crds", "tenants"))) == {"dbaas-crds", "dbaas-tenants"}


def test_applications_protect_themselves_and_prune_nothing() -> None:
    for item in [*applications().values(), repository.root(POP, shipped.platform())]:
        assert item["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
        assert item["spec"]["syncPolicy"]["automated"]["prune"] is False
        assert item["metadata"]["namespace"] == "argocd"
        assert item["spec"]["destination"]["name"] == "in-cluster"


def test_paths_of_components() -> None:
    found = {name: item["spec"]["source"].get("path") for name, item in applications().items()}
    assert found["dbaas-guards"] == "base/policies"
    assert found["dbaas-policies"] == "overlays/lagos/policies"
    assert found["dbaas-rbac"] == "base/rbac"
    assert found["dbaas-observer-rbac"] == "overlays/lagos/rbac"
    assert found["dbaas-operator-scylla"] is None
    assert repository.root(POP, shipped.platform())["spec"]["source"]["path"] == "overlays/lagos"
    operator = applications()["dbaas-operator-scylla"]["spec"]["source"]
    assert (operator["chart"], operator["targetRevision"]) == ("scylla-operator", "v1.21.1")
    assert "helm" not in operator
    helm = applications()["dbaas-operator-yugabyte"]["spec"]["source"]["helm"]
    assert helm == {"valuesObject": {"rbac": {"create": True}, "yugaware": {"kubernetesOperatorEnabled": True}}}


def test_the_parent_takes_this_pops_foundations_only() -> None:
    parent = applications()["dbaas-tenants"]
    assert parent["spec"]["project"] == "tenants"
    assert parent["spec"]["source"]["path"] == "tenants"
    assert parent["spec"]["source"]["directory"] == {"recurse": True, "include": "*/lagos/application.yaml"}
    assert "ServerSideDiff=false" in parent["metadata"]["annotations"]["argocd.argoproj.io/compare-options"]


def test_projects_are_narrow() -> None:
    projects = {item["metadata"]["name"]: item["spec"] for item in overlay()["overlays/lagos/projects.yaml"]}
    assert projects["tenants"]["namespaceResourceWhitelist"] == [{"group": "argoproj.io", "kind": "Application"}]
    assert projects["tenants"]["clusterResourceWhitelist"] == []
    assert projects["tenants"]["destinations"] == [{"name": "in-cluster", "namespace": "argocd"}]
    assert projects["platform"]["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace"}]
    for spec in projects.values():
        assert spec["sourceRepos"] == [shipped.platform().repo_url]
        assert "*" not in [item["kind"] for item in spec["namespaceResourceWhitelist"]]
    order = [
        item["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
        for item in overlay()["overlays/lagos/projects.yaml"]
    ]
    assert order == ["-1", "-1"]


def test_the_observer_has_its_rights_where_the_pops_argo_cd_is() -> None:
    role, binding, config = overlay(argocd_namespace="gitops")["overlays/lagos/rbac/observer.yaml"]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "gitops"
    assert [rule["resources"] for rule in role["rules"]] == [["applications"], ["secrets"], ["configmaps"]]
    assert not {verb for rule in role["rules"][1:] for verb in rule["verbs"]} - {"get", "list"}
    assert role["rules"][2]["resourceNames"] == ["argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "observer", "namespace": "dbaas-system"}]
    # its Deployment is the same everywhere, and is told by this
    assert config["data"] == {"argocd-namespace": "gitops"}
    deployment = documents.load_all((ROOT / "gitops/observer/deployment.yaml").read_text())[0]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    told = container["env"][0]["valueFrom"]["configMapKeyRef"]
    assert told == {"name": config["metadata"]["name"], "key": "argocd-namespace"}
    assert container["args"][-2:] == ["--argocd-namespace", f"$({container['env'][0]['name']})"]


@pytest.mark.parametrize("prune", [True, False])
def test_the_sync_policy(prune: bool) -> None:
    policy = tenant.sync_policy(prune=prune, options=["X=y"])
    assert policy["automated"] == {"prune": prune, "selfHeal": True, "allowEmpty": True}
    assert policy["syncOptions"][-1] == "X=y"
    assert policy["retry"]["limit"] == 2


def test_what_applies_applications_does_it_on_the_client() -> None:
    """A server-side apply takes the status of a child that syncs, which is then Running for ever (argo-cd#29253)."""
    document = tenant.document("acme", {"regions": ["lagos"]})
    foundation = next(iter(tenant.foundation(document, POP, shipped.platform(), stands={}).values()))
    for item in (applications()["dbaas-tenants"], repository.root(POP, shipped.platform()), foundation):
        options = item["spec"]["syncPolicy"]["syncOptions"]
        assert not {"ServerSideApply=true", "RespectIgnoreDifferences=true"} & set(options)

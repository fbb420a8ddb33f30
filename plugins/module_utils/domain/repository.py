# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `gitops_repository` writes: platform.yml, `base/` and `overlays/<pop>/`, as documents by path."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim_policy, paths, policies, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import instance
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds
from ansible_collections.dbaas.platform.plugins.module_utils.domain.tenant import KEEP, sync_policy
from ansible_collections.dbaas.platform.plugins.module_utils.engines import CHARTS, ENGINES, chart_kinds, operator_kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind

Json = dict[str, Any]


def base() -> dict[str, list[Json]]:
    """The generated part of `base/` (path -> documents); its static part is the collection's folder `gitops/`."""
    health = {
        f"resource.customizations.health.{kind}": lua
        for engine in ENGINES.values()
        for kind, lua in engine.health.items()
    }
    # what a webhook writes into spec is no drift; few do, so not every engine has this
    ignored = {
        f"resource.customizations.ignoreDifferences.{kind}": json.dumps({"jqPathExpressions": list(expressions)})
        for engine in ENGINES.values()
        for kind, expressions in getattr(engine, "written", {}).items()
    }
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": health | ignored,
    }
    return {
        paths.base("crds", "serviceclaims.yaml"): [schema.crd()],
        paths.base("policies", "guards.yaml"): policies.guards(),
        paths.base("argocd", "argocd-cm.yaml"): [config_map],
        paths.base("rbac", "operator-kinds.yaml"): _may_read(
            "dbaas-operator-kinds", operator_kinds(), ["get", "list", "watch"], "observer", "reader"
        ),
        # what surrounds each service: drift_report holds it against Git
        paths.base("rbac", "service-kinds.yaml"): _may_read(
            "dbaas-service-kinds", [kind for kind in kinds() if kind not in operator_kinds()], ["list"], "reader"
        ),
    }


def _may_read(name: str, kinds_read: Iterable[Kind], verbs: list[str], *accounts: str) -> list[Json]:
    """The rights that follow from the engines; all others stand in the collection's folder `gitops/rbac`."""
    api = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [kind.group], "resources": [kind.plural], "verbs": verbs} for kind in kinds_read]
    return [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [
                {"kind": "ServiceAccount", "name": account, "namespace": "dbaas-system"} for account in accounts
            ],
        },
    ]


def allowed_kinds(charts: Collection[str] = ()) -> list[Json]:
    """What a tenant's Argo CD project allows: exactly what render can make, by the charts of these engines too."""
    return _named(kinds(charts))


def _named(found: Iterable[Kind]) -> list[Json]:
    return [{"group": kind.group, "kind": kind.kind} for kind in found]


def overlay(pop: Pop, platform: Platform, catalog: Catalog) -> dict[str, list[Json]]:
    """What one PoP runs: its projects, one Application per component, and the policies that name its users."""
    applications = [
        application for component in pop.components for application in _component(component, pop, platform, catalog)
    ]
    awx: dict[str, list[Json]] = {}
    if pop.awx:
        applications += _awx(pop, platform)
        awx[paths.overlay(pop.name, "awx", "awx.yaml")] = instance.objects(pop.awx, KEEP)
    return {
        **awx,
        paths.overlay(pop.name, "projects.yaml"): _projects(pop, platform),
        paths.overlay(pop.name, "applications.yaml"): applications,
        paths.overlay(pop.name, "policies", "protection.yaml"): policies.protection(
            pop, platform, by_chart=bool(catalog.charts)
        ),
        **claim_policies(pop, catalog),
        paths.overlay(pop.name, "rbac", "observer.yaml"): [*_observer(pop), *_charts_rights(catalog)],
        paths.tenant_values(pop.name): [_tenant_values(pop, platform, catalog)],
    }


def _charts_rights(catalog: Catalog) -> list[Json]:
    """Who may read what charts make: nobody where none makes a service."""
    if not catalog.charts:
        return []
    watched = chart_kinds(catalog.charts)
    also = [kind for kind in kinds(catalog.charts) if kind not in kinds()]
    return [
        *_may_read("dbaas-chart-kinds", watched, ["get", "list", "watch"], "observer", "reader"),
        *_may_read("dbaas-chart-service-kinds", also, ["list"], "reader"),
    ]


def claim_policies(pop: Pop, catalog: Catalog) -> dict[str, list[Json]]:
    """What follows from the catalog in a PoP, to be made anew with each change of it: path -> documents."""
    return {paths.claim_policies(pop.name): claim_policy.claims(pop, catalog)}


def _tenant_values(pop: Pop, platform: Platform, catalog: Catalog) -> Json:
    return {
        "region": pop.name,
        "argocd": {"namespace": pop.argocd_namespace, "destination": pop.destination},
        "repository": {
            "url": platform.repo_url,
            "branch": platform.branch,
            # %s: the tenant
            "path": paths.services("%s", pop.name),
        },
        "kinds": allowed_kinds(catalog.charts),
        "accounts": [
            {"name": name, "rules": list(rules)}
            for engine in ENGINES.values()
            for name, rules in getattr(engine, "accounts", {}).items()
        ],
        # a list, and here also where there is none: a tenant's own values cannot add to it
        "charts": [
            {"engine": engine, "repoURL": chart["repoURL"], "name": chart["name"], "kinds": _named(CHARTS[engine].made)}
            for engine, chart in catalog.charts.items()
        ],
    }


def charts_differ(values: Json, catalog: Catalog) -> bool:
    """Whether a PoP's values for foundations were made from another choice of charts than the catalog's."""
    has = values.get("charts") or []
    wanted = [(engine, chart["repoURL"], chart["name"]) for engine, chart in catalog.charts.items()]
    return [(item["engine"], item["repoURL"], item["name"]) for item in has] != wanted


def _observer(pop: Pop) -> list[Json]:
    """What the observer may do in the namespace of this PoP's Argo CD, and which one that is."""
    api, meta = "rbac.authorization.k8s.io", {"name": "dbaas-observer", "namespace": pop.argocd_namespace}
    trusted = ["argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"]
    rules = [
        {"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": trusted, "verbs": ["get"]},
    ]
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": "dbaas-observer"},
            "subjects": [{"kind": "ServiceAccount", "name": "observer", "namespace": "dbaas-system"}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "dbaas-observer", "namespace": "dbaas-system"},
            "data": {"argocd-namespace": pop.argocd_namespace},
        },
    ]


def root(pop: Pop, platform: Platform) -> Json:
    """The one Application that whoever bootstraps a PoP applies by hand."""
    top = _application("dbaas-platform", pop, platform, paths.overlay(pop.name), namespace=pop.argocd_namespace)
    top["spec"]["syncPolicy"] = sync_policy(prune=False, applications=True)
    return top


def _component(component: str, pop: Pop, platform: Platform, catalog: Catalog) -> Iterable[Json]:
    if component == "policies":
        # guards are the same everywhere; the protection names this PoP's users
        yield _application("dbaas-guards", pop, platform, paths.base("policies"))
        yield _application("dbaas-policies", pop, platform, paths.overlay(pop.name, "policies"))
    elif component == "rbac":
        # rights are the same everywhere, but for those in the namespace of this PoP's Argo CD
        yield _application("dbaas-rbac", pop, platform, paths.base("rbac"))
        yield _application("dbaas-observer-rbac", pop, platform, paths.overlay(pop.name, "rbac"))
    elif component == "tenants":
        yield _parent(pop, platform)
    elif component == "operators":
        yield from (
            _operator(name, pop, data["operator"]) for name, data in catalog.engines.items() if "operator" in data
        )
    elif component == "argocd":
        yield _application("dbaas-argocd", pop, platform, paths.base("argocd"), namespace=pop.argocd_namespace)
    else:
        yield _application(f"dbaas-{component}", pop, platform, paths.base(component))


def _awx(pop: Pop, platform: Platform) -> Iterable[Json]:
    if "operators" in pop.components:
        yield _operator("awx", pop, instance.CHART)
    yield _application("dbaas-awx", pop, platform, paths.overlay(pop.name, "awx"), namespace=instance.NAME)


def _application(name: str, pop: Pop, platform: Platform, path: str, namespace: str = "dbaas-system") -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": pop.argocd_namespace, "annotations": dict(KEEP)},
        "spec": {
            "project": "default",
            "source": {"repoURL": platform.repo_url, "targetRevision": platform.branch, "path": path},
            "destination": {"name": pop.destination, "namespace": namespace},
            "syncPolicy": sync_policy(prune=False, options=["CreateNamespace=true"]),
        },
    }


def _parent(pop: Pop, platform: Platform) -> Json:
    parent = _application(paths.TENANTS_APPLICATION, pop, platform, "tenants", namespace=pop.argocd_namespace)
    # a diff by the server costs a request a child; the children are Applications of ours, with no defaults to compare
    parent["metadata"]["annotations"]["argocd.argoproj.io/compare-options"] = "IgnoreExtraneous,ServerSideDiff=false"
    parent["spec"]["project"] = "tenants"
    parent["spec"]["source"]["directory"] = {"recurse": True, "include": f"*/{pop.name}/application.yaml"}
    parent["spec"]["syncPolicy"] = sync_policy(prune=False, options=["ApplyOutOfSyncOnly=true"], applications=True)
    return parent


def _operator(engine: str, pop: Pop, operator: Json) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"dbaas-operator-{engine}", "namespace": pop.argocd_namespace, "annotations": dict(KEEP)},
        "spec": {
            "project": "default",
            "source": {
                "repoURL": operator["repoURL"],
                "chart": operator["chart"],
                "targetRevision": operator["version"],
                **({"helm": {"valuesObject": operator["values"]}} if "values" in operator else {}),
            },
            "destination": {"name": pop.destination, "namespace": operator["namespace"]},
            "syncPolicy": sync_policy(prune=False, options=["CreateNamespace=true"]),
        },
    }


def _projects(pop: Pop, platform: Platform) -> list[Json]:
    argocd = {"name": pop.destination, "namespace": pop.argocd_namespace}
    tenants = {"name": pop.destination, "namespace": "tenant-*"}
    foundation = [
        ("argoproj.io", "AppProject"),
        ("argoproj.io", "Application"),
        ("", "ResourceQuota"),
        ("", "LimitRange"),
        ("", "ServiceAccount"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
    ]
    return [
        _project("tenants", pop, platform, [argocd], [("argoproj.io", "Application")]),
        _project("platform", pop, platform, [argocd, tenants], foundation, cluster=[("", "Namespace")]),
    ]


def _project(
    name: str,
    pop: Pop,
    platform: Platform,
    destinations: list[Json],
    kinds_allowed: list[tuple[str, str]],
    cluster: Iterable[tuple[str, str]] = (),
) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {
            "name": name,
            "namespace": pop.argocd_namespace,
            # one wave before the Applications: one that is there before its project is not looked at again for minutes
            "annotations": {**KEEP, "argocd.argoproj.io/sync-wave": "-1"},
        },
        "spec": {
            "sourceRepos": [platform.repo_url],
            "destinations": destinations,
            "clusterResourceWhitelist": [{"group": group, "kind": kind} for group, kind in cluster],
            "namespaceResourceWhitelist": [{"group": group, "kind": kind} for group, kind in kinds_allowed],
        },
    }

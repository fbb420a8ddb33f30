# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Tenant document, and the foundation that a tenant needs in each region."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import charts, paths, quota, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker, nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import GROUP, VERSION

Json = dict[str, Any]

_AMOUNTS: Json = {
    "services": {"type": "integer", "minimum": 0, "description": "Services."},
    "storage": {"type": "string", "pattern": schema.SIZE, "description": "Storage of all nodes together."},
    "cpu": {"type": "string", "pattern": schema.CPU, "description": "CPU of all nodes together."},
    "memory": {"type": "string", "pattern": schema.MEMORY, "description": "Memory of all nodes together."},
}
_BY_NAME: Json = {"type": "object", "additionalProperties": {"type": "object", "properties": _AMOUNTS}}
_NAMES: Json = {
    "type": "array",
    "items": {"type": "string", "pattern": schema.LABEL, "maxLength": 63},
    "x-kubernetes-list-type": "set",
}

SPEC: Json = {
    "type": "object",
    "required": ["regions"],
    "properties": {
        "displayName": {"type": "string", "maxLength": 255, "description": "Name for people."},
        "regions": {**_NAMES, "minItems": 1, "description": "Regions that the tenant may use; its data stays in them."},
        "projects": {**_NAMES, "description": "Projects that its services may belong to; any when empty."},
        "owners": {
            "type": "array",
            "items": {"type": "string", "maxLength": 255},
            "description": "Groups whose members may read the tenant's services and connection Secrets, and apply"
            " claims by kubectl.",
        },
        "quotas": {
            "type": "object",
            "description": "Limits: in all, by plan and by region. No claim is admitted that would go beyond one.",
            "properties": {
                **_AMOUNTS,
                "plans": {**_BY_NAME, "description": "By plan."},
                "regions": {**_BY_NAME, "description": "By region."},
            },
        },
        "backupDestinations": {
            "type": "array",
            "items": {"type": "string", "pattern": schema.ADDRESS, "maxLength": 256},
            "x-kubernetes-list-type": "set",
            "description": "Where backups may go to beside its regions' own storage; who names an address here vouches"
            " that it lies where the tenant's data may be.",
        },
        "allows": {
            "type": "object",
            "description": "What its claims may do beyond what the catalog offers; nothing of it when not given.",
            "properties": {
                "overrides": {
                    "type": "array",
                    "items": {"type": "string", "pattern": schema.KIND, "maxLength": 63},
                    "x-kubernetes-list-type": "set",
                    "description": "Kinds that spec.overrides may patch.",
                },
                "images": {"type": "boolean", "description": "Whether spec.images may name images of its own."},
            },
        },
        "billingAccount": {"type": "string", "maxLength": 255, "description": "Account that is charged."},
    },
}
SCHEMA: Json = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"enum": [f"{GROUP}/{VERSION}"]},
        "kind": {"enum": ["Tenant"]},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "pattern": schema.LABEL, "maxLength": 40}},
        },
        "spec": SPEC,
    },
}


@lru_cache(maxsize=1)
def _checker() -> Checker:
    return Checker(SCHEMA)


def document(tenant_id: str, spec: Json) -> Json:
    """A Tenant document out of its parts."""
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Tenant", "metadata": {"name": tenant_id}, "spec": spec}


def shape(item: Any, source: str, tenant_id: str) -> list[FieldError]:
    """What is wrong with the document that a file of the repository holds about this tenant."""
    wrong = _checker().errors(item, source)
    if not wrong and item["metadata"]["name"] != tenant_id:
        wrong = [
            FieldError("metadata.name", item["metadata"]["name"], f"{tenant_id}, as the folder", tenant_id, source)
        ]
    return wrong


def errors(documents: Iterable[Any], platform: Platform) -> list[FieldError]:
    """All that is wrong with these Tenant documents."""
    found: list[FieldError] = []
    seen: set[str] = set()
    for number, item in enumerate(documents):
        metadata = item.get("metadata") if isinstance(item, dict) else None
        name = metadata.get("name") if isinstance(metadata, dict) else None
        source = f"tenant {name or f'number {number + 1}'}"
        wrong, rest = _checker().check(item, source)
        found += wrong
        if isinstance(name, str):
            if name in seen:
                found.append(FieldError("metadata.name", name, "each tenant once", source=source))
            seen.add(name)
        spec = rest.get("spec", {})
        named = [(f"spec.regions[{index}]", region) for index, region in enumerate(spec.get("regions", []))]
        named += [(f"spec.quotas.regions.{region}", region) for region in spec.get("quotas", {}).get("regions", {})]
        found += [
            FieldError(path, region, "one of " + ", ".join(platform.pops), nearest(region, platform.pops), source)
            for path, region in named
            if region not in platform.pops
        ]
        found += [
            FieldError(
                f"spec.quotas.plans.{plan}",
                plan,
                "one of " + ", ".join(schema.PLANS),
                nearest(plan, schema.PLANS),
                source,
            )
            for plan in spec.get("quotas", {}).get("plans", {})
            if plan not in schema.PLANS
        ]
    return found


def foundation(item: Json, pop: Pop, platform: Platform, *, stands: Json, held: Iterable[Json] = ()) -> dict[str, Json]:
    """The derived files of one tenant in one PoP: path -> document (`.keep` apart, which holds nothing).

    stands: what values.yaml says now ({}: nothing); held: the whole specs of the services that the tenant has.
    """
    tenant_id = item["metadata"]["name"]
    namespace = paths.namespace(tenant_id)
    values_path = paths.foundation(tenant_id, pop.name, "values.yaml")
    # the PoP's come last, so that no tenant's file says where its services come from, or of what kinds they may be
    value_files = [f"/{values_path}", f"/{paths.tenant_values(pop.name)}"]
    application: Json = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": namespace,
            "namespace": pop.argocd_namespace,
            "labels": {f"{GROUP}/tenant": tenant_id},
            "annotations": dict(KEEP),
        },
        "spec": {
            "project": "platform",
            "source": {
                "repoURL": platform.repo_url,
                "targetRevision": platform.branch,
                "path": paths.base("charts", "tenant"),
                "helm": {"releaseName": "tenant", "valueFiles": value_files},
            },
            "destination": {"name": pop.destination, "namespace": namespace},
            "syncPolicy": sync_policy(prune=False, applications=True),
        },
    }
    values: Json = {"owners": item["spec"].get("owners", [])}
    quotas, before = item["spec"].get("quotas", {}), stands.get("needed")
    least = quota.floor(quotas, pop.name, held, before if isinstance(before, dict) else {})
    hard = quota.hard(quotas, pop.name, least)
    if hard or "quota" in stands:
        # emptied, not left out, once there was one: a foundation never prunes
        values["quota"] = hard
    if least:
        values["needed"] = least
    if charts.RELEASES in stands:
        # what makes services that run; claims decide it
        values[charts.RELEASES] = stands[charts.RELEASES]
    return {paths.foundation(tenant_id, pop.name, "application.yaml"): application, values_path: values}


#: What keeps an object alive whatever happens to its file or its Application.
KEEP = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
}


def sync_policy(*, prune: bool, options: Iterable[str] = (), applications: bool = False) -> Json:
    """The syncPolicy that all our Applications share; few retries, since the observer starts failed syncs again.

    applications: it applies Applications. Their status is no subresource, so that a server-side apply while a child
    syncs takes the status over, and leaves the child Running for ever (argo-cd#29253). For the same reason nothing here
    has RespectIgnoreDifferences: Argo CD would copy the status, which it ignores, into what it applies.
    """
    return {
        "automated": {"prune": prune, "selfHeal": True, "allowEmpty": True},
        "syncOptions": [*([] if applications else ["ServerSideApply=true"]), *options],
        "retry": {"limit": 2, "backoff": {"duration": "2s", "factor": 2, "maxDuration": "5s"}},
    }

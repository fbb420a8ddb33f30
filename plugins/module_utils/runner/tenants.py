# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""tenant, tenants and tenant_info."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change
from ansible_collections.dbaas.platform.plugins.module_utils.domain import quota, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import to_fields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    TenantsPlan,
    held_paths,
    held_specs,
    plan_tenants,
    tenant_paths,
    tenants_message,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import of_files
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, review
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]


def run_one(run: Run) -> Json:
    """The runner of module tenant: one tenant, its fields as options in snake_case."""
    result = _run(run, [tenant.document(run.options["tenant"], to_fields(tenant.SPEC, run.options))])
    result["tenant"] = next(iter(result.pop("tenants")), None)
    return result


def run_many(run: Run) -> Json:
    """The runner of module tenants: Tenant documents from a list or a file."""
    given: list[Json] = list(run.options.get("tenants") or [])
    if run.options.get("src"):
        src = Path(run.text("src")).expanduser()
        try:
            given = documents.load_all(src.read_bytes(), str(src))
        except OSError as error:
            raise DbaasError("document-invalid", f"{src}: {error.strerror}") from None
    return _run(run, given)


def info(run: Run) -> Json:
    """The runner of module tenant_info: the Tenant documents, with the services that each has."""
    with base.repository(run) as repository:
        snapshot = repository.fetch()
        base.kept(snapshot)
        known = [
            parts[1]
            for path in snapshot.blobs
            if (parts := path.split("/"))[0] == "tenants" and parts[-1] == "tenant.yaml"
        ]
        wanted = run.options.get("tenants") or known
        found = base.tenants_of(snapshot, wanted)
        limited = quota.of(found)
        files = snapshot.read(held_paths(snapshot.blobs, limited)) if limited else {}
        held = held_specs(files, limited, base.YAML)
        return {
            "changed": False,
            "tenants": [
                {
                    "tenant": tenant_id,
                    "namespace": f"tenant-{tenant_id}",
                    **item["spec"],
                    "services": _services(snapshot, tenant_id),
                    **(
                        {"quota_usage": quota.report(limited[tenant_id], held[tenant_id].values())}
                        if tenant_id in limited
                        else {}
                    ),
                }
                for tenant_id, item in sorted(found.items())
            ],
        }


def _services(snapshot: Snapshot, tenant_id: str) -> list[str]:
    return sorted(base.claims_of(snapshot, tenant_id))


def _run(run: Run, given: Sequence[Json]) -> Json:
    if run.options.get("state", "present") == "absent":
        raise DbaasError(
            "not-built", "state: absent is not built yet: a tenant goes only after its services are deprovisioned."
        )
    with base.repository(run) as repository:
        delivered = review.send(run, repository, lambda snapshot: _change(run, snapshot, given))
    result: Json = {
        **review.told(delivered),
        "tenants": [{"tenant": item["metadata"]["name"], **item["spec"]} for item in delivered.result.tenants],
        "operations": [
            {"tenant": item.tenant, "action": item.action, "changed": list(item.changed), "regions": list(item.regions)}
            for item in delivered.result.operations
            if item.action != "unchanged" or len(given) == 1
        ],
        "warnings": delivered.result.warnings,
    }
    if run.diff:
        result["diff"] = {"prepared": delivered.diff}
    return result


def _change(run: Run, snapshot: Snapshot, given: Sequence[Json]) -> Change[TenantsPlan]:
    _catalog, platform = base.kept(snapshot)
    request = base.request(run, snapshot.commit)
    # what is not even shaped like a tenant has no paths; the plan says what is wrong with it
    shaped = [
        item
        for item in given
        if isinstance(item, dict) and isinstance(item.get("metadata"), dict) and item["metadata"].get("name")
    ]
    files = snapshot.read(tenant_paths(shaped, platform, snapshot.blobs))
    plan = plan_tenants(given, files, platform=platform, renderer=request.renderer, yaml=base.YAML)
    message = tenants_message(plan.operations, request) if plan.files else ""
    every = [item.tenant for item in plan.operations]
    about = [item.tenant for item in plan.operations if item.action != "unchanged"] or every
    return Change(plan.files, message, base.author(run), plan, of_files("tenant", about, plan.files, message))

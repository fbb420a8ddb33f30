"""The catalog and the platform as the collection ships them, and short ways to a claim."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import blob_id
from ansible_collections.dbaas.platform.plugins.module_utils.domain import catalog as catalogs
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform as platforms
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Admission, Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import Stamp, render
from hypothesis import settings

from tests.tools.tree import ROOT

Json = dict[str, Any]

ID = "11111111-1111-5111-8111-111111111111"
OPERATION = "22222222-2222-5222-8222-222222222222"
YAML = Yaml(documents.load_all, documents.load_own, documents.dump, documents.dump_all, blob_id)
STAMP = Stamp("0" * 40, "0" * 12, "1.0.0", OPERATION, "create", "ada", "30m")
TENANTS: Json = {"123": {"metadata": {"name": "123"}, "spec": {"regions": ["lagos", "johannesburg"]}}}
#: a busy machine is slow, and that proves nothing
CALM = settings(deadline=None)
SMALL: Json = {"sku": "scy-ring-3", "region": "lagos"}
WIDE: Json = {**SMALL, "replication": {"regions": ["johannesburg", "lagos"]}}


@cache
def sections() -> list[Json]:
    files = sorted(path for path in (ROOT / "catalog").glob("*.yml") if path.name != "platform.yml")
    return [document for path in files for document in documents.load_all(path.read_bytes(), path.name)]


@cache
def catalog() -> Catalog:
    return catalogs.load(sections())


def changed_catalog(change: Mapping[str, Any]) -> Catalog:
    """The shipped catalog with some places changed: {"skus.scy-ring-3.price": …}; None takes a place away."""
    documents_ = copy.deepcopy(sections())
    for path, value in change.items():
        section, *parts = path.split("/")
        node = next(document[section] for document in documents_ if parts[0] in document.get(section, {}))
        for part in parts[:-1]:
            node = node[part]
        if value is None:
            del node[parts[-1]]
        else:
            node[parts[-1]] = value
    return catalogs.load(documents_)


@cache
def platform() -> Platform:
    return platforms.parse(documents.load_all((ROOT / "catalog/platform.yml").read_bytes(), "platform.yml")[0])


def every_topology(regions: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Every SKU, plan and number of these regions, home first, that the catalog offers."""
    for sku in catalog().skus.values():
        for plan in sku.plans:
            for size in range(1, len(regions) + 1):
                if isinstance(catalog().topology(sku.engine, plan, size), str):
                    yield sku.name, plan, list(regions[:size])


def takes_a_last_backup(sku: str) -> bool:
    """Whether the SKU's engine has a backup that can be asked for; those that have none say so in the catalog."""
    offered = catalog().skus[sku]
    return "shared" not in offered.plans and bool(catalog().engines[offered.engine]["capabilities"]["backupOnDemand"])


def document(spec: Json, name: str = "ring", tenant: str = "123", project: str | None = None) -> Json:
    return claims.document(tenant, name, copy.deepcopy(spec), project)


def admit(
    item: Any,
    *,
    before: Json | None = None,
    tenants: Json | None = None,
    offered: Catalog | None = None,
    pops: Platform | None = None,
) -> tuple[Claim | None, list[FieldError]]:
    return Admission(offered or catalog(), pops or platform(), tenants).admit(item, before=before)


def admitted(spec: Json, name: str = "ring", **more: Any) -> Claim:
    claim, errors = admit(document({"serviceId": ID, **spec}, name), **more)
    assert claim is not None, errors
    return claim


def refused(spec: Json, **more: Any) -> dict[str, FieldError]:
    """What is wrong with a claim of this spec, by path; each path once."""
    claim, errors = admit(document({"serviceId": ID, **spec}), **more)
    assert claim is None
    assert len({error.path for error in errors}) == len(errors), errors
    return {error.path: error for error in errors}


def rendered(spec: Json, name: str = "ring") -> dict[str, list[Json]]:
    return render(admitted(spec, name), catalog(), platform(), STAMP)


def only(objects: Sequence[Json], kind: str) -> Json:
    (found,) = [item for item in objects if item["kind"] == kind]
    return found

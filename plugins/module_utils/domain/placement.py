# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shared plan: a service is a database in a cluster of the platform's own, its pool. Pure.

A pooled claim renders its copy and nothing that an operator reconciles. What holds for a cluster of one's own (the
engines' files) does not hold for it, so what an engine is asked elsewhere is answered here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import SHARED, Catalog, Sku
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Consequence, SecretNeed

Json = dict[str, Any]

#: why the operation of a pooled claim ends without a database
NO_POOL = "NoPool"
NOT_BUILT = "PoolNotBuilt"
#: what a pooled claim says for itself, and of these parts what it does not: all else is as its pool has it
_OWN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("serviceId", "sku", "engine", "plan", "region", "deletionProtection", "resources", "database"), ()
    ),
    "storage": ("class",),
    "replication": ("factor",),
    "placement": ("nodeSelector", "tolerations"),
}


def pooled(spec: Json) -> bool:
    """Whether a spec (with its plan filled in) is that of a database in a pool."""
    return spec.get("plan") == SHARED


def fill(name: str, given: Json, spec: Json, sku: Sku, catalog: Catalog, before: Json | None) -> None:
    """The database's name into spec, and the pool into spec and into what the claim's file holds (given).

    A pool that the service has is never chosen anew; where the catalog has none, none is written.
    """
    spec.setdefault("database", {}).setdefault("name", _identifier(name, spec.get("serviceId", ""), sku))
    has = (before or {}).get("placement", {}).get("pool")
    if "pool" not in spec.get("placement", {}) and (pool := has or next(iter(_pools(spec, catalog)), None)):
        for each in (given, spec):
            each.setdefault("placement", {})["pool"] = pool
        # as it will be read out of the file, so that the same bytes are rendered then
        ordered = {field: spec[field] for field in dict.fromkeys([*given, *spec])}
        spec.clear()
        spec.update(ordered)


def _identifier(name: str, service_id: str, sku: Sku) -> str:
    """What the engine can call it; the id makes it one of its own among the databases of all tenants in a pool."""
    # 48 bits: thousands of services called orders in one pool still differ
    suffix = f"_{service_id.replace('-', '')[:12]}" if service_id else ""
    return name.replace("-", "_")[: sku.data["database"]["maxLength"] - len(suffix)] + suffix


def _pools(spec: Json, catalog: Catalog) -> list[str]:
    region: Json = catalog.regions.get(spec["region"], {})
    return list(region.get("pools", {}).get(spec["engine"], []))


def check(spec: Json, sku: Sku, catalog: Catalog, before: Json | None) -> Iterator[FieldError]:
    """What is wrong with a pooled claim, beside what holds for every claim."""
    name, limits = spec["database"]["name"], sku.data["database"]
    if len(name) > limits["maxLength"]:
        yield FieldError("spec.database.name", name, f"at most {limits['maxLength']} characters")
    if name in limits.get("reserved", []):
        yield FieldError("spec.database.name", name, "another name: the engine has one of that name itself")
    pool, pools = spec.get("placement", {}).get("pool"), _pools(spec, catalog)
    if pool is not None and pool not in pools and (before is None or "pool" not in before.get("placement", {})):
        words = f"one of {', '.join(pools)}" if pools else f"none: {_lacking(spec)}"
        yield FieldError("spec.placement.pool", pool, words, nearest(pool, pools))


def check_own(spec: Json) -> Iterator[FieldError]:
    """What only a pooled claim may say, of one that has a cluster of its own."""
    if "database" in spec:
        words = "of the shared plan alone: in a cluster of one's own clients make their databases themselves"
        yield FieldError("spec.database", spec["database"].get("name"), words)
    if "pool" in spec.get("placement", {}):
        words = "of the shared plan alone: this plan has a cluster of its own"
        yield FieldError("spec.placement.pool", spec["placement"]["pool"], words)


def check_change(old: Json, new: Json) -> Iterator[FieldError]:
    """What cannot change on a database in a pool, or by moving into one or out of it; given both whole specs."""
    if pooled(old) != pooled(new):
        words = f"{old['plan']}: moving between a pool and a cluster of one's own is not built yet"
        yield FieldError("spec.plan", new["plan"], words, old["plan"])
        return
    if not pooled(new):
        return
    for part, field in (("database", "name"), ("placement", "pool")):
        was, wanted = old.get(part, {}).get(field), new.get(part, {}).get(field)
        if was and was != wanted:
            what = "renaming a database" if part == "database" else "moving to another pool"
            words = f"{was}: {what} is not built yet"
            yield FieldError(f"spec.{part}.{field}", wanted, words, was)


def warnings(given: Json) -> Iterator[str]:
    """What a pooled claim asks for, as people gave it, and gets as its pool has it."""
    for part, value in given.items():
        inside = [f"{part}.{field}" for field in _OWN.get(part, ()) if field in value]
        for path in [part] if part not in _OWN else inside:
            yield f"spec.{path} is not looked at in the shared plan: it is as the pool has it"


def consequence(field: str, new: Json) -> Consequence | None:
    """What the change of one field does to a database in a pool, given the spec that it leads to.

    None for what holds for every service, with a cluster of its own or in a pool.
    """
    part = field.split(".")[1] if field.startswith("spec.") else ""
    if not part or part in ("serviceId", "sku", "engine", "plan", "region", "deletionProtection"):
        return None
    if part == "resources":
        return Consequence(field, "rolling", 0, "the database's own tablets, one after the other")
    if field in ("spec.storage", "spec.storage.size"):
        return Consequence(field, "none", 0, "how much the database may hold", "it cannot shrink")
    if field in ("spec.placement", "spec.placement.pool") and (pool := new.get("placement", {}).get("pool")):
        return Consequence(field, "none", 0, f"the database is placed in {pool}", "moving to another is not built yet")
    if part == "database":
        return Consequence(field, "none", 0, "the database gets its name", "renaming it is not built yet")
    return Consequence(field, "none", 0, "nothing: it is as the pool has it")


def secrets(name: str, spec: Json) -> tuple[SecretNeed, ...]:
    """The credentials of the database's owner, who is called like it."""
    database = spec.get("database", {}).get("name", "")
    fields = {"username": database, "password": "{password}", "database": database}
    return (SecretNeed(f"{name}-credentials", "owner", fields),)


def stopped(spec: Json) -> tuple[str, str]:
    """(reason, sentence): what keeps a pooled claim from becoming a database."""
    pool = spec.get("placement", {}).get("pool")
    if pool:
        return NOT_BUILT, f"it is placed in {pool}, but making databases in a pool is not built yet"
    return NO_POOL, f"{_lacking(spec)}; when it does, playbook reconcile_claims places the service"


def _lacking(spec: Json) -> str:
    place = f"regions.{spec['region']}.pools.{spec['engine']}"
    return f"no {spec['engine']} takes databases of others in {spec['region']}: the catalog names none ({place})"

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas: what a tenant's services take, what it may take, and which claims would take too much. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import placement, quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

Json = dict[str, Any]
#: services; storage and memory in bytes; cpu in thousandths of a core
Amounts = dict[str, int]
#: ("", "") for all, ("plans", plan) or ("regions", region)
Scope = tuple[str, str]
#: (scope, amount)
Limit = tuple[Scope, str]

ALL: Scope = ("", "")
_READ: dict[str, Callable[[str], int]] = {"storage": quantity.size, "cpu": quantity.cpu, "memory": quantity.size}
_SHOW: dict[str, Callable[[int], str]] = {
    "services": str,
    "storage": quantity.size_text,
    "cpu": quantity.cpu_text,
    "memory": quantity.size_text,
}


@dataclass(frozen=True)
class Wanted:
    """What a claim makes of a service: its admitted spec, that which stands now (None: a new one), and for errors."""

    name: str
    spec: Json
    before: Json | None
    source: str


def usage(specs: Iterable[Json]) -> Amounts:
    """What these admitted specs take in all their regions together."""
    total = dict.fromkeys(_SHOW, 0)
    for spec in specs:
        for (scope, amount), value in _takes(spec):
            if scope == ALL:
                total[amount] += value
    return total


def _takes(spec: Json) -> Iterator[tuple[Limit, int]]:
    """What a service counts for, by every limit that there can be."""
    roles = spec["resources"].values()
    volumes = ENGINES[spec["engine"]].volumes(spec)
    each = {
        "storage": sum(
            quantity.size(volumes.get(name, spec["storage"]["size"])) * role["replicas"]
            for name, role in spec["resources"].items()
        ),
        "cpu": sum(quantity.cpu(role["cpu"]) * role["replicas"] for role in roles),
        "memory": sum(quantity.size(role["memory"]) * role["replicas"] for role in roles),
    }
    if placement.pooled(spec) and not roles:
        # it has no nodes of its own, and what it may hold is what it takes
        each["storage"] = quantity.size(spec["storage"]["size"])
    regions = spec["replication"]["regions"]
    for scope in (ALL, ("plans", spec["plan"])):
        yield (scope, "services"), 1
        for amount, value in each.items():
            yield (scope, amount), value * len(regions)
    for region in regions:
        yield (("regions", region), "services"), 1
        for amount, value in each.items():
            yield (("regions", region), amount), value


def limits(quotas: Json) -> dict[Limit, int]:
    """The limits of a Tenant document's `spec.quotas`."""
    scopes: dict[Scope, Json] = {ALL: quotas}
    for kind in ("plans", "regions"):
        scopes |= {(kind, name): amounts for name, amounts in quotas.get(kind, {}).items()}
    return {
        (scope, amount): _READ[amount](amounts[amount]) if amount in _READ else amounts[amount]
        for scope, amounts in scopes.items()
        for amount in _SHOW
        if amount in amounts
    }


def used(quotas: Json, specs: Iterable[Json]) -> dict[Limit, tuple[int, int]]:
    """Of each limit of these quotas: what it is, and how much of it these admitted specs take."""
    allowed = limits(quotas)
    total = dict.fromkeys(allowed, 0)
    for spec in specs:
        for limit, value in _takes(spec):
            if limit in total:
                total[limit] += value
    return {limit: (most, total[limit]) for limit, most in allowed.items()}


def before_after(quotas: Json, held: Iterable[Json], wanted: Iterable[Wanted]) -> dict[str, list[Json]]:
    """By service, each limit that it counts for: scope, amount, limit, before and after (by this claim alone)."""
    total = used(quotas, held)
    found: dict[str, list[Json]] = {}
    for item in wanted:
        takes, took = dict(_takes(item.spec)), dict(_takes(item.before)) if item.before else {}
        found[item.name] = [
            {
                "scope": _where(limit[0]),
                "amount": limit[1],
                "limit": _SHOW[limit[1]](most),
                "before": _SHOW[limit[1]](has),
                "after": _SHOW[limit[1]](has + takes.get(limit, 0) - took.get(limit, 0)),
            }
            for limit, (most, has) in total.items()
            if limit in takes or limit in took
        ]
    return found


def errors(tenant: str, quotas: Json, held: Iterable[Json], wanted: Sequence[Wanted]) -> list[FieldError]:
    """Which of these claims no longer fit into the tenant's quotas, in the order given.

    held: the specs of all services that the tenant has, those that change among them. What is over a limit already may
    stay, and shrink; together, claims may take what others of the same run give back.
    """
    changes: dict[Limit, list[tuple[Wanted, int]]] = {}
    for item in wanted:
        takes = dict(_takes(item.spec))
        for limit, value in _takes(item.before) if item.before else ():
            takes[limit] = takes.get(limit, 0) - value
        for limit, value in takes.items():
            if value:
                changes.setdefault(limit, []).append((item, value))
    found = []
    for limit, (most, has) in used(quotas, held).items():
        total = has + sum(min(value, 0) for _item, value in changes.get(limit, ()))
        for item, value in changes.get(limit, ()):
            if value < 0:
                continue
            if total + value <= max(most, has):
                total += value
            else:
                found.append(_error(tenant, limit, most, has, total, item, value))
    return found


def _error(tenant: str, limit: Limit, most: int, has: int, total: int, item: Wanted, value: int) -> FieldError:
    scope, amount = limit
    path, given = _field(scope, amount, item)
    show = _SHOW[amount]
    others = f", {show(total - has)} by others of this run" if total > has else ""
    words = (
        f"the quota of tenant {tenant} {_where(scope)}: {amount} {show(most)}, {show(has)} used{others}, "
        f"{show(max(most - total, 0))} left, {show(value)}{' more' if item.before else ''} wanted"
    )
    return FieldError(path, given, words, source=item.source)


def _where(scope: Scope) -> str:
    kind, name = scope
    return {"": "in all", "plans": f"for plan {name}", "regions": f"in {name}"}[kind]


def _field(scope: Scope, amount: str, item: Wanted) -> tuple[str, object]:
    """The field of the claim that one would change to fit."""
    if amount == "storage":
        return "spec.storage.size", item.spec["storage"]["size"]
    if amount != "services":
        return "spec.resources", item.spec["resources"]
    return {
        "": ("metadata.name", item.name),
        "plans": ("spec.plan", item.spec["plan"]),
        "regions": ("spec.replication.regions", item.spec["replication"]["regions"]),
    }[scope[0]]


def report(quotas: Json, specs: Iterable[Json]) -> Json:
    """Each limit with what is used of it, as the document has them: {storage: {limit, used, left}, plans: {…}, …}."""
    told: Json = {}
    for ((kind, name), amount), (most, has) in used(quotas, specs).items():
        place = told.setdefault(kind, {}).setdefault(name, {}) if kind else told
        if amount == "services":
            place[amount] = {"limit": most, "used": has, "left": max(most - has, 0)}
        else:
            show = _SHOW[amount]
            place[amount] = {"limit": show(most), "used": show(has), "left": show(max(most - has, 0))}
    return told


def overruns(quotas: Json, specs: Iterable[Json]) -> list[str]:
    """What is over its limit already, in words."""
    return [
        f"{amount} {_where(scope)}: {_SHOW[amount](has)} are used, the quota is {_SHOW[amount](most)}"
        for (scope, amount), (most, has) in used(quotas, specs).items()
        if has > most
    ]


def of(tenants: Mapping[str, Json]) -> dict[str, Json]:
    """The quotas of those Tenant documents that have some: id -> quotas."""
    return {name: quotas for name, item in tenants.items() if (quotas := item["spec"].get("quotas"))}


#: what a ResourceQuota calls them. Limits too: a pod may not use what it did not ask for.
_HARD = {
    "storage": ("requests.storage",),
    "cpu": ("requests.cpu", "limits.cpu"),
    "memory": ("requests.memory", "limits.memory"),
}
#: Room for what pods take beside the database: sidecars, volumes of other roles, and jobs (backup, clean-up, upgrade).
_ROOM_PERCENT = 25
_ROOM = {"storage": 0, "cpu": 2000, "memory": 4 * 2**30}


def floor(quotas: Json, region: str, held: Iterable[Json], before: Mapping[str, str]) -> dict[str, str]:
    """What services take in a region where that is more than a quota which was lowered: amount -> quantity.

    A node of a running database must be able to come back. before: the floor that stands; it is kept until the quota is
    above it, so that no other service's files change whenever one gives something back.
    """
    allowed, taken = _narrowest(quotas, region), used_in(region, held)
    need = {amount: max(taken[amount], _amount(amount, before.get(amount))) for amount in allowed}
    return {amount: _SHOW[amount](need[amount]) for amount, most in allowed.items() if need[amount] > most}


def hard(quotas: Json, region: str, least: Mapping[str, str]) -> dict[str, str]:
    """`hard` of the ResourceQuota in this region, {} where nothing limits what is taken there.

    It is the net beneath admit, for pods, so it has room for their sidecars. least: the floor beneath it. Services are
    not counted there: a claim that goes and one that comes in one sync would refuse each other.
    """
    found: dict[str, str] = {}
    for amount, most in _narrowest(quotas, region).items():
        room = _with_room(max(most, _amount(amount, least.get(amount))), amount)
        found |= dict.fromkeys(_HARD[amount], _SHOW[amount](room))
    return found


def _narrowest(quotas: Json, region: str) -> Amounts:
    """What limits pods and volumes in a region: its own limits and those in all."""
    allowed = limits(quotas)
    given = {
        amount: [allowed[scope, amount] for scope in (ALL, ("regions", region)) if (scope, amount) in allowed]
        for amount in _HARD
    }
    return {amount: min(some) for amount, some in given.items() if some}


def used_in(region: str, specs: Iterable[Json]) -> Amounts:
    """What these admitted specs take in one region."""
    total = dict.fromkeys(_SHOW, 0)
    for spec in specs:
        for (scope, amount), value in _takes(spec):
            if scope == ("regions", region):
                total[amount] += value
    return total


def _with_room(most: int, amount: str) -> int:
    # whole units: 1.25 of some bytes is a number that nobody can read
    unit = 1000 if amount == "cpu" else 2**30
    return -(-most * (100 + _ROOM_PERCENT) // (100 * unit)) * unit + _ROOM[amount]


def _amount(amount: str, text: object) -> int:
    """0 for what is none: the files that floors are kept in can be edited by hand."""
    try:
        return _READ[amount](str(text))
    except ValueError:
        return 0

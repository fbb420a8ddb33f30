# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a change does to a running service, what it costs, how long it takes, what it cannot take back. Pure.

What only an engine knows comes from `Engine.consequences`; what surrounds every engine stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import placement, quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import OPERATOR, RESTARTS, Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.differences import differences
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Consequence

Json = dict[str, Any]

#: Until Argo CD has synced and an operator that restarts nothing is done.
_SYNC_SECONDS = 60
#: What every engine has around it: the field and all below it -> how it changes. None of these restarts a database.
_AROUND = {
    "metadata.labels": "labels alone",
    "spec.serviceId": "the service gets its identity written down",
    "spec.sku": "a name; what it brings is told field by field",
    "spec.plan": "labels, price and SLA; what it brings is told field by field",
    "spec.backup": "the schedule of the operator, from the next backup on",
    "spec.deletionProtection": "what deprovisioning may do",
    "spec.observability": "monitors and rules beside the database",
    "spec.maintenance": "when changes that restart nodes may begin, this one's own windows first",
    "spec.networking.allowedCIDRs": "the network policy; connections that are open stay, new ones follow the new list",
}


@dataclass(frozen=True)
class Effects:
    """The plan of one operation, in words and figures.

    restart: the worst of all consequences; seconds: expected duration; cost: USD a month, None where there is none (no
    service yet) or where the catalog no longer knows it; irreversible: what cannot be undone, each with its field;
    quota: each limit of the tenant that the service counts for: scope, amount, limit, before, after.
    """

    restart: str = "none"
    seconds: int = 0
    cost_before: int | None = None
    cost_after: int | None = None
    irreversible: tuple[str, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    quota: tuple[Json, ...] = ()

    def data(self) -> Json:
        """As results carry it."""
        before, after = self.cost_before, self.cost_after
        return {
            "restart": self.restart,
            "seconds": self.seconds,
            "cost_monthly_usd": {"before": before, "after": after, "delta": (after or 0) - (before or 0)},
            "quota": list(self.quota),
            "irreversible": list(self.irreversible),
            "consequences": [dict(vars(item)) for item in self.consequences],
            "text": self.text(),
        }

    def text(self) -> list[str]:
        """The same for people, a line each."""
        if self == NOTHING:
            return ["nothing changes"]
        before = "nothing" if self.cost_before is None else f"${self.cost_before}"
        delta = (self.cost_after or 0) - (self.cost_before or 0)
        return [
            f"restart: {self.restart}; about {_minutes(self.seconds)}",
            f"cost: {before} -> ${self.cost_after} a month ({'+' if delta >= 0 else '-'}${abs(delta)})",
            *(f"quota {q['scope']}: {q['amount']} {q['before']} -> {q['after']} of {q['limit']}" for q in self.quota),
            *(f"{item.field}: {item.restart}, {item.how}" for item in self.consequences),
            *(f"cannot be undone: {item}" for item in self.irreversible),
        ]


NOTHING = Effects()


def creation(after: Json, catalog: Catalog) -> Effects:
    """The effects of a new service, given its whole spec."""
    nodes = sum(role["replicas"] for role in after["resources"].values()) * len(after["replication"]["regions"])
    seconds = _SYNC_SECONDS + engines.ENGINES[after["engine"]].start_seconds * nodes
    return Effects("none", seconds, None, price(after, catalog))


def of_change(
    before: Json,
    after: Json,
    changed: Iterable[str],
    catalog: Catalog,
    more: Iterable[Consequence] = (),
    driver: str = OPERATOR,
) -> Effects:
    """The effects of a change between two admitted specs of a service that its driver makes.

    changed names the fields that differ, more what else does.
    """
    found = [*consequences(before, after, changed, catalog, driver), *more]
    restarts = [item.seconds for item in found if item.restart != "none"]
    # what restarts nodes does so once for all fields; what else there is comes one after the other
    seconds = max(restarts, default=0) + sum(item.seconds for item in found if item.restart == "none")
    return Effects(
        max((item.restart for item in found), key=RESTARTS.index, default="none"),
        _SYNC_SECONDS + seconds,
        price(before, catalog),
        price(after, catalog),
        tuple(f"{item.field}: {item.irreversible}" for item in found if item.irreversible),
        tuple(found),
    )


def consequences(
    before: Json, after: Json, changed: Iterable[str], catalog: Catalog, driver: str = OPERATOR
) -> list[Consequence]:
    """One consequence or more for each field that is named: the engine's, else what holds for every engine."""
    if placement.pooled(after):
        return [placement.consequence(field, after) or _around(field, before, after) for field in changed]
    known = [*engines.by(after["engine"], driver).consequences(before, after)]
    told = {item.field for item in known}
    rest = [field for field in changed if not any(_within(field, each) for each in told)]
    found = [*known, *(_asked(field, before, after, catalog) or _around(field, before, after) for field in rest)]
    why = "the only node restarts" if _nodes(before) == 1 else ""
    if driver == engines.BY_CHART and before["highAvailability"]["multiAZ"]:
        # a release in each zone, and none knows of the others
        why = "a node of each zone restarts at the same time"
    return [
        replace(item, restart="outage", how=f"{why}: {item.how}") if why and item.restart == "rolling" else item
        for item in found
    ]


def _nodes(spec: Json) -> int:
    """Of all roles in all regions."""
    return int(sum(role["replicas"] for role in spec["resources"].values()) * len(spec["replication"]["regions"]))


def _asked(field: str, before: Json, after: Json, catalog: Catalog) -> Consequence | None:
    """What a claim asks beyond its SKU; None for any other field."""
    engine = engines.ENGINES[after["engine"]]
    seconds = engine.restart_seconds * _nodes(before)
    if field == "spec.paused":
        if after.get("paused"):
            how = "all nodes stop and their volumes stay; nobody connects, and no backups are made"
            return Consequence(field, "outage", engine.restart_seconds, how)
        return Consequence(field, "none", engine.start_seconds, "all nodes start again")
    if _within(field, "spec.parameters"):
        known = catalog.engines[after["engine"]].get("parameters", {})
        # a setting that the catalog no longer knows is as bad as any
        restart = known.get(field.removeprefix("spec.parameters."), {"restart": "rolling"})["restart"]
        how = "nodes take it while they run" if restart == "none" else "nodes restart with it, one at a time"
        return Consequence(field, restart, 0 if restart == "none" else seconds, how)
    if field == "spec.placement":
        how = "nodes restart one at a time, on machines that fit; one whose volume cannot follow stays away"
        return Consequence(field, "rolling", seconds, how)
    if field == "spec.images":
        return Consequence(field, "rolling", seconds, "nodes restart with it, one at a time")
    if field == "spec.overrides":
        kinds = {item["kind"] for spec in (before, after) for item in spec.get("overrides", [])}
        if kinds & _restarting():
            return Consequence(field, "rolling", seconds, "what a patch does nobody says; a restart is reckoned with")
        return Consequence(field, "none", 0, f"{', '.join(sorted(kinds))} beside the database")
    return None


def _restarting() -> set[str]:
    """Kinds of objects whose change restarts nodes: the database itself comes first, a ConfigMap holds its settings."""
    return {engine.kinds[0].kind for engine in engines.ENGINES.values()} | {"ConfigMap"}


def anew(
    standing: Iterable[Json], rendered: Iterable[Json], catalog: Catalog, renderer: str, *, live: bool = False
) -> Iterator[Consequence]:
    """What changes although nobody asked for it: the same spec, as it stands and as it is rendered today.

    Another catalog or renderer makes other objects of it, and a change of something else takes them along. live: what
    stands was read from a cluster, which adds to what was written.
    """
    before = {(item["kind"], item["metadata"]["name"]): _content(item) for item in standing}
    after = {(item["kind"], item["metadata"]["name"]): _content(item) for item in rendered}
    for (kind, name), content in after.items():
        was = before.get((kind, name))
        if any(differences(content, was)) if live else was != content:
            how = f"catalog {catalog.revision} and renderer {renderer} make another one of it, see the diff"
            yield Consequence(f"{kind} {name}", "rolling" if kind in _restarting() else "none", 0, how)


def _content(item: Json) -> Json:
    return {name: value for name, value in item.items() if name != "metadata"}


def price(spec: Json, catalog: Catalog) -> int | None:
    """USD a month of an admitted spec; None when the catalog no longer knows its SKU or plan."""
    sku = catalog.skus.get(spec.get("sku", ""))
    if sku is None or spec["plan"] not in sku.data["price"]:
        return None
    return int(sku.data["price"][spec["plan"]] * len(spec["replication"]["regions"]))


def _around(field: str, before: Json, after: Json) -> Consequence:
    for place, how in _AROUND.items():
        if _within(field, place):
            return Consequence(field, "none", 0, how, _lost(field, before, after))
    # whoever adds a field says what changing it does (a test looks); until then the worst is the honest answer
    return Consequence(field, "outage", 0, "the engine does not say what this does")


def _lost(field: str, before: Json, after: Json) -> str:
    was, will = before["backup"], after["backup"]
    if field == "spec.backup.retention" and quantity.seconds(will["retention"]) < quantity.seconds(was["retention"]):
        return f"backups older than {will['retention']} are deleted"
    return ""


def _within(field: str, place: str) -> bool:
    return field == place or field.startswith(f"{place}.")


def _minutes(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"

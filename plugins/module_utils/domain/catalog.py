# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalog: SKUs, plans, engines with their versions and topologies, regions. Data in, answers out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.hatches import merge
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker
from ansible_collections.dbaas.platform.plugins.module_utils.engines import BY_CHART, CHARTS, ENGINES

Json = dict[str, Any]

CHANNELS = ("preview", "supported", "deprecated", "expired")
#: what a change does to the nodes, the mildest first
RESTARTS = ("none", "rolling", "outage")
#: the plan whose services are databases in a cluster of the platform's own, and what that makes of their regions
SHARED, POOLED = "shared", "pooled"
#: what an engine can make of a plan in one region or several; else it says why not, as {refused: why}
TOPOLOGIES = ("single", "separate", "stretched", "one-way", "active-active", POOLED)
#: what every engine says of itself; cdc is the way by which changes come out, "none" where there is none
CAPABILITIES = (
    "crossRegion",
    "pitr",
    "backupOnDemand",
    "strongConsistency",
    "onlineResharding",
    "storageGrows",
    "pause",
    "cdc",
)
#: what makes an engine's services where the catalog says nothing else
OPERATOR = "operator"


def _fields(required: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _by_name(value: Json) -> Json:
    return {"type": "object", "additionalProperties": value}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item, "minItems": 1, "x-kubernetes-list-type": "set"}


def _range(pattern: str) -> Json:
    amount = {"type": "string", "pattern": pattern}
    return _fields({"default": amount, "min": amount, "max": amount})


_TEXT: Json = {"type": "string"}
_NAME: Json = {"type": "string", "pattern": schema.LABEL, "maxLength": 63}
_DATE: Json = {"type": "string", "pattern": schema.DATE}
_NUMBER: Json = {"type": "number", "minimum": 0}
_COUNT: Json = {"type": "integer", "minimum": 1}
#: A setting of an engine: what it may be (without a type any text, number or truth value), and where it is rendered to.
_PARAMETER: Json = _fields(
    {"restart": {"enum": list(RESTARTS)}},
    {
        "default": {},
        "type": {"enum": ["integer", "number", "boolean", "text"]},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "values": _list({}),
        "place": _TEXT,
    },
)
#: What the files of the catalog hold; each file any of these sections, each section a mapping by name.
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "plans": _by_name(
            _fields(
                {
                    "title": _TEXT,
                    "sla": {"type": "number", "minimum": 0, "maximum": 100},
                    # USD a month of a service in as few regions as the plan takes
                    "price": _fields({"min": _NUMBER}, {"max": _NUMBER}),
                    "isolation": _TEXT,
                    "scaling": _list(_TEXT),
                    "highAvailability": _TEXT,
                    "allows": _list(_TEXT),
                },
            )
        ),
        "regions": _by_name(
            _fields(
                {"title": _TEXT, "zones": _list(_NAME), "storageClasses": _list(_NAME), "backups": _TEXT},
                {
                    "s3": _fields({"endpoint": _TEXT, "accessKeyId": _TEXT, "secret": _NAME}, {"region": _TEXT}),
                    "buckets": _list(_TEXT),
                    # engine -> services (tenant/service) that take databases of the shared plan, the first for new ones
                    "pools": _by_name(_list({"type": "string", "pattern": schema.SERVICE})),
                },
            )
        ),
        "engines": _by_name(
            _fields(
                {
                    "title": _TEXT,
                    "versions": _by_name(
                        _fields(
                            {"channel": {"enum": list(CHANNELS)}},
                            {
                                "default": {"type": "boolean"},
                                "upgradesTo": _list(_TEXT),
                                "build": _TEXT,
                                # when its makers released it, and when they stop mending it, where they say so
                                "released": _DATE,
                                "ends": _DATE,
                            },
                        )
                    ),
                    "topologies": _by_name(_fields({"one": {}, "many": {}})),
                    "capabilities": _fields(
                        {name: _TEXT if name == "cdc" else {"type": "boolean"} for name in CAPABILITIES}
                    ),
                },
                {
                    "licence": _by_name(_TEXT),
                    # gate: what must be there, or agreed on, before a service of this edition may run
                    "editions": _by_name(_fields({"licence": _TEXT}, {"gate": _TEXT})),
                    "operator": _fields(
                        dict.fromkeys(("name", "namespace", "repoURL", "chart", "version"), _TEXT),
                        {"values": _by_name({})},
                    ),
                    # what makes new services; those that there are keep what made them
                    "driver": {"enum": [OPERATOR, BY_CHART]},
                    "chart": _fields(dict.fromkeys(("repoURL", "name", "version"), _TEXT), {"clusterIssuer": _NAME}),
                    "agentVersion": _TEXT,
                    "images": _by_name(_TEXT),
                    "lockserver": _TEXT,
                    "parameters": _by_name(_PARAMETER),
                },
            )
        ),
        "skus": _by_name(
            _fields(
                {
                    "title": _TEXT,
                    "engine": _TEXT,
                    "plans": _list(_TEXT),
                    "price": _by_name({"type": "integer", "minimum": 0}),
                    "replicationFactor": _fields({"default": _COUNT, "allowed": _list(_COUNT)}),
                    "storage": _range(schema.SIZE),
                    "resources": _by_name(
                        _fields(
                            {"replicas": _COUNT, "cpu": _range(schema.CPU), "memory": _range(schema.MEMORY)},
                            {"perCopy": {"type": "boolean"}},
                        )
                    ),
                },
                {
                    "edition": _TEXT,
                    "defaultFor": _list(_TEXT),
                    # of the shared plan: what the engine takes as a database's name
                    "database": _fields({"maxLength": {"type": "integer", "minimum": 16}}, {"reserved": _list(_TEXT)}),
                },
            )
        ),
    },
}


@dataclass(frozen=True)
class Sku:
    """One SKU: its name and its data in the catalog (`data`, as in catalog/*.yml)."""

    name: str
    data: Json

    @property
    def engine(self) -> str:
        return str(self.data["engine"])

    def nodes(self, role: str, factor: int) -> int:
        """How many nodes of a role a region has: of one that is perCopy as many as copies of the data."""
        limits: Json = self.data["resources"][role]
        return factor if limits.get("perCopy") else int(limits["replicas"])

    @property
    def plans(self) -> list[str]:
        return list(self.data["plans"])


@dataclass(frozen=True)
class Catalog:
    """The whole catalog; each section maps a name to its data."""

    plans: Json
    regions: Json
    engines: Json
    skus: dict[str, Sku]

    @cached_property
    def revision(self) -> str:
        """Twelve hex digits that change with any change of the catalog."""
        text = json.dumps(self.data(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def data(self) -> Json:
        """The catalog as plain data."""
        skus = {name: sku.data for name, sku in self.skus.items()}
        return {"plans": self.plans, "regions": self.regions, "engines": self.engines, "skus": skus}

    def choose(self, engine: str, plan: str) -> Sku | None:
        """The SKU that a claim gets when it names only engine and plan."""
        fitting = [sku for sku in self.skus.values() if sku.engine == engine and plan in sku.plans]
        preferred = [sku for sku in fitting if plan in sku.data.get("defaultFor", [])]
        return next(iter(preferred or fitting), None)

    def default_version(self, engine: str) -> str:
        """The version that a claim gets when it names none."""
        versions: Json = self.engines[engine]["versions"]
        return next(version for version, data in versions.items() if data.get("default"))

    def nearest_sku(self, engine: str, plan: str) -> Sku | None:
        """The SKU of the engine whose plan is the nearest to one that it lacks, the larger of two that are as near."""
        order = list(self.plans)
        if plan not in order:
            return None
        near = sorted(order, key=lambda each: (abs(order.index(each) - order.index(plan)), -order.index(each)))
        return next((sku for each in near if (sku := self.choose(engine, each))), None)

    def least_regions(self, engine: str, plan: str) -> int:
        """How few regions a service of this plan can have."""
        return 1 if isinstance(self.topology(engine, plan, 1), str) else 2

    def driver(self, engine: str) -> str:
        """What makes a new service of this engine: operator or chart."""
        return str(self.engines[engine].get("driver", OPERATOR))

    @property
    def charts(self) -> dict[str, Json]:
        """Engine -> the chart by which services of it are made or may have been."""
        return {name: data["chart"] for name, data in self.engines.items() if "chart" in data}

    def buckets(self, region: str, tenant: str) -> list[str]:
        """The addresses of object storage that are known to lie in the region, for this tenant: its own first."""
        data: Json = self.regions.get(region, {})
        templates = [data["backups"], *data.get("buckets", [])] if data else []
        return [template.replace("{tenant}", tenant) for template in templates]

    def topology(self, engine: str, plan: str, regions: int) -> str | Json:
        """single, separate (not joined), stretched, one-way or active-active; or {refused: why}."""
        row: Json = self.engines[engine]["topologies"].get(plan, {})
        answer: str | Json = row.get(
            "one" if regions == 1 else "many", {"refused": f"{engine} has no {plan} plan for that"}
        )
        return answer

    def lacks(self, engine: str, plan: str) -> str:
        """Why an engine has no such plan, however many regions are asked for; "" where it has or nothing is said."""
        row: Json = self.engines.get(engine, {}).get("topologies", {}).get(plan, {})
        answers = [row.get("one"), row.get("many")]
        reasons = [str(answer["refused"]) for answer in answers if isinstance(answer, dict) and answer.get("refused")]
        return reasons[0] if len(reasons) == len(answers) else ""


@lru_cache(maxsize=1)
def _checker() -> Checker:
    return Checker(SCHEMA)


@lru_cache(maxsize=1)
def _patches() -> Checker:
    """What a document of the platform's own must be, before it is put over anything: sections, and entries in them."""
    entries = _by_name({"type": ["object", "null"], "additionalProperties": {}})
    return Checker({"type": "object", "properties": dict.fromkeys(SCHEMA["properties"], entries)})


def load(documents: Iterable[Any], own: Iterable[Any] = ()) -> Catalog:
    """A catalog out of the parsed documents of its files. Raises InvalidFields catalog-invalid naming all errors.

    own: what the platform itself puts over these, one document after the other: what a mapping names is added to what
    stands or takes its place, and null takes it away (a JSON merge patch, RFC 7386).
    """
    merged: dict[str, Json] = {section: {} for section in SCHEMA["properties"]}
    errors: list[FieldError] = []
    for document in documents:
        errors += _checker().errors(document, "")
        if errors:
            continue
        for section, entries in document.items():
            for name, data in entries.items():
                if name in merged[section]:
                    errors.append(FieldError(f"{section}.{name}", name, "each name once"))
                merged[section][name] = data
    patches = list(own)
    errors += [error for document in patches for error in _patches().errors(document, "")]
    if patches and not errors:
        for document in patches:
            merged = merge(merged, document)
        errors += _checker().errors(merged, "")
    if not errors:
        skus = {name: Sku(name, data) for name, data in merged["skus"].items()}
        catalog = Catalog(merged["plans"], merged["regions"], merged["engines"], skus)
        errors = [
            *(error for name in catalog.regions for error in _region_problems(name, catalog)),
            *(error for name in catalog.engines for error in _engine_problems(name, catalog)),
            *(error for sku in skus.values() for error in _sku_problems(sku, catalog)),
        ]
    if errors:
        raise InvalidFields("catalog-invalid", errors)
    return catalog


def _engine_problems(name: str, catalog: Catalog) -> Iterator[FieldError]:
    yield from _known(f"engines.{name}", [name], ENGINES)
    path, versions = f"engines.{name}.versions", catalog.engines[name]["versions"]
    defaults = [version for version, data in versions.items() if data.get("default")]
    if len(defaults) != 1:
        yield FieldError(path, defaults, "one default version")
    engine = catalog.engines[name]
    if "chart" in engine and name not in CHARTS:
        yield FieldError(f"engines.{name}.chart", name, "a chart for " + ", ".join(CHARTS))
    if catalog.driver(name) == BY_CHART and "chart" not in engine:
        yield FieldError(f"engines.{name}.driver", BY_CHART, f"with a chart in engines.{name}.chart")
    for version, data in versions.items():
        if not re.fullmatch(schema.VERSION_TEXT, version):
            yield FieldError(f"{path}.{version}", version, schema.PATTERNS[schema.VERSION_TEXT])
        if data.get("default") and data["channel"] == "expired":
            yield FieldError(f"{path}.{version}.channel", "expired", "for the default version another channel")
        yield from _known(f"{path}.{version}.upgradesTo", data.get("upgradesTo", []), versions)
    places = getattr(ENGINES.get(name), "places", None)
    for parameter, data in catalog.engines[name].get("parameters", {}).items():
        if "min" in data and "max" in data and data["min"] > data["max"]:
            yield FieldError(
                f"engines.{name}.parameters.{parameter}.min", data["min"], f"at most {data['max']}, its max"
            )
        if places is not None and "place" in data:
            yield from _known(f"engines.{name}.parameters.{parameter}.place", [data["place"]], places)
    rows = catalog.engines[name]["topologies"]
    for plan in catalog.plans:
        if plan not in rows:
            yield FieldError(f"engines.{name}.topologies.{plan}", None, "a row for each plan")
    yield from _known(f"engines.{name}.topologies", rows, catalog.plans)
    for plan, row in rows.items():
        allowed = [each for each in TOPOLOGIES if (each == POOLED) == (plan == SHARED)]
        for regions, answer in row.items():
            if answer not in allowed and not (_refuses(answer) and len(answer) == 1):
                words = f"one of {', '.join(allowed)}, or {{refused: why}}"
                yield FieldError(f"engines.{name}.topologies.{plan}.{regions}", answer, words)


def _refuses(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("refused"), str)


def _region_problems(name: str, catalog: Catalog) -> Iterator[FieldError]:
    path, data = f"regions.{name}", catalog.regions[name]
    if not schema.is_label(name, 20):
        yield FieldError(path, name, f"{schema.PATTERNS[schema.LABEL]}, at most 20")
    addresses = [("backups", data["backups"])]
    addresses += [(f"buckets[{number}]", each) for number, each in enumerate(data.get("buckets", []))]
    for field, address in addresses:
        if not re.fullmatch(schema.ADDRESS, address.replace("{tenant}", "acme")):
            words = f"{schema.PATTERNS[schema.ADDRESS]}, in which {{tenant}} stands for the tenant's id"
            yield FieldError(f"{path}.{field}", address, words)
    shared = [engine for engine in catalog.engines if catalog.topology(engine, SHARED, 1) == POOLED]
    yield from _known(f"{path}.pools", data.get("pools", {}), shared)


def _sku_problems(sku: Sku, catalog: Catalog) -> Iterator[FieldError]:
    path, data = f"skus.{sku.name}", sku.data
    if not schema.is_label(sku.name, 63):
        yield FieldError(path, sku.name, f"{schema.PATTERNS[schema.LABEL]}, at most 63")
    roles = getattr(ENGINES.get(sku.engine), "roles", None)
    if roles and SHARED not in sku.plans and tuple(sorted(data["resources"])) not in roles:
        words = f"the roles of {sku.engine}: " + ", or ".join(" ".join(each) for each in roles)
        yield FieldError(f"{path}.resources", list(data["resources"]), words)
    yield from _known(f"{path}.engine", [sku.engine], catalog.engines)
    yield from _known(f"{path}.plans", sku.plans, catalog.plans)
    yield from _known(f"{path}.defaultFor", data.get("defaultFor", []), sku.plans)
    for plan in sku.plans:
        if plan not in data["price"]:
            yield FieldError(f"{path}.price.{plan}", None, "a price for each plan of the SKU")
        elif plan in catalog.plans and sku.engine in catalog.engines:
            yield from _plan_problems(f"{path}.price.{plan}", sku, plan, catalog)
    if SHARED in sku.plans and "database" not in data:
        yield FieldError(f"{path}.database", None, "what the engine takes as a database's name")
    if "edition" in data and sku.engine in catalog.engines:
        yield from _known(f"{path}.edition", [data["edition"]], catalog.engines[sku.engine].get("editions", {}))
    factors = data["replicationFactor"]
    if factors["default"] not in factors["allowed"]:
        yield FieldError(f"{path}.replicationFactor.default", factors["default"], "one of those allowed")
    yield from _ordered(f"{path}.storage", data["storage"], quantity.size)
    for role, amounts in data["resources"].items():
        yield from _ordered(f"{path}.resources.{role}.cpu", amounts["cpu"], quantity.cpu)
        yield from _ordered(f"{path}.resources.{role}.memory", amounts["memory"], quantity.size)


def _plan_problems(path: str, sku: Sku, plan: str, catalog: Catalog) -> Iterator[FieldError]:
    if why := catalog.lacks(sku.engine, plan):
        yield FieldError(path, plan, f"plans that the engine has: {why}")
    limits, least = catalog.plans[plan]["price"], catalog.least_regions(sku.engine, plan)
    price = sku.data["price"][plan]
    if not limits["min"] <= price * least <= limits.get("max", price * least):
        most = f" to {limits['max']}" if "max" in limits else " or more"
        words = f"{limits['min']}{most} USD a month (of plan {plan}, in {least} region{'s' if least > 1 else ''})"
        yield FieldError(path, price, words)


def _known(path: str, names: Iterable[str], known: Iterable[str]) -> Iterator[FieldError]:
    choices = list(known)
    for name in names:
        if name not in choices:
            yield FieldError(path, name, "one of " + ", ".join(choices))


def _ordered(path: str, limits: Json, measure: Callable[[str], int]) -> Iterator[FieldError]:
    if not measure(limits["min"]) <= measure(limits["default"]) <= measure(limits["max"]):
        yield FieldError(f"{path}.default", limits["default"], f"{limits['min']} to {limits['max']}")

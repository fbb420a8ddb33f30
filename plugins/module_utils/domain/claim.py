# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Admit: a ServiceClaim as people write it becomes a whole one, or a list of everything that is wrong with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import (
    born,
    hatches,
    paths,
    placement,
    quantity,
    schedule,
    schema,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import OPERATOR, Catalog, Sku
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, network_problem
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker, fill, nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP

Json = dict[str, Any]

DOCUMENT: Json = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"enum": [CLAIM.api_version]},
        "kind": {"enum": [CLAIM.kind]},
        "metadata": {
            "type": "object",
            "required": ["name", "namespace"],
            "properties": {
                "name": {"type": "string", "pattern": schema.NAME, "maxLength": schema.NAME_LENGTH},
                "namespace": {"type": "string", "pattern": schema.LABEL, "maxLength": 47},
                "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
                # of a claim that was born in a cluster; reconcile_claims writes them
                "annotations": {
                    "type": "object",
                    "required": [born.BORN_IN],
                    "properties": {
                        born.BORN_IN: {"type": "string", "pattern": schema.LABEL, "maxLength": 20},
                        born.DECLARED: {"type": "string", "maxLength": 12},
                    },
                },
            },
        },
        "spec": schema.SPEC,
        # what was read from a cluster carries one; it is never taken over
        "status": {"type": "object", "additionalProperties": {}},
    },
}
PROJECT = f"{GROUP}/project"
#: names of what a tenant's foundation makes of the kinds that services have: a service would take its place
_TAKEN = ("default-deny",)


@dataclass(frozen=True)
class Claim:
    """An admitted claim.

    given: the document as the claims file holds it (canonical, without defaults); spec: the whole spec, with defaults;
    sla: percentage of a month; driver: what makes it, "operator" or "chart".
    """

    tenant: str
    name: str
    given: Json
    spec: Json
    sku: Sku
    topology: str
    sla: float
    warnings: tuple[str, ...]
    driver: str = OPERATOR

    @property
    def namespace(self) -> str:
        return paths.namespace(self.tenant)

    @property
    def regions(self) -> list[str]:
        """All regions, home first."""
        home = self.spec["region"]
        return [home, *(region for region in self.spec["replication"]["regions"] if region != home)]

    @property
    def joined(self) -> bool:
        """Whether the nodes of the regions speak to each other."""
        return joins(self.topology)

    @property
    def project(self) -> str:
        return str(self.given["metadata"].get("labels", {}).get(PROJECT, "default"))

    @property
    def born_in(self) -> str:
        """The PoP whose own object declares it, "" where Git does."""
        return born.born_in(self.given)

    @property
    def price(self) -> int:
        """USD a month."""
        return int(self.sku.data["price"][self.spec["plan"]] * len(self.regions))


@lru_cache(maxsize=1)
def _checker() -> Checker:
    return Checker(DOCUMENT)


def document(tenant: str, name: str, spec: Json, project: str | None = None) -> Json:
    """A claim document out of its parts."""
    labels = {"labels": {PROJECT: project}} if project else {}
    metadata = {"name": name, "namespace": paths.namespace(tenant), **labels}
    return {"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, "metadata": metadata, "spec": spec}


def misshapen(item: Json) -> bool:
    """Whether a claim with a whole spec is not what the schema says, or lacks what it fills in."""
    return bool(_checker().check(item, "")[0]) or fill(schema.SPEC, copy.deepcopy(item["spec"])) != item["spec"]


def key(item: Any) -> tuple[str, str] | None:
    """(tenant, name) of a claim document, or None when it names none."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict):
        return None
    namespace, name = metadata.get("namespace"), metadata.get("name")
    if not isinstance(namespace, str) or not isinstance(name, str) or not namespace.startswith("tenant-"):
        return None
    return namespace.removeprefix("tenant-"), name


def joins(topology: str) -> bool:
    """Whether in this topology the nodes of the regions speak to each other."""
    return topology not in ("single", "separate", "pooled")


class Admission:
    """Admits claims against one catalog, one platform and the tenants that are known.

    tenants maps an id to its Tenant document; None: no repository was given, every tenant may use every region.
    """

    def __init__(self, catalog: Catalog, platform: Platform, tenants: Mapping[str, Json] | None) -> None:
        self._catalog = catalog
        self._platform = platform
        self._tenants = tenants

    def admit(
        self,
        item: Any,
        *,
        source: str = "",
        before: Json | None = None,
        driver: str = "",
        leaves: Collection[str] = (),
    ) -> tuple[Claim | None, list[FieldError]]:
        """The admitted claim, or all that is wrong; `before` is the whole spec that runs now, if one does.

        driver: what makes that one; the catalog's choice where it is empty. leaves: regions of that one that this one
        need not have.
        """
        identity = key(item)
        label = source or ("/".join(identity) if identity else "claim")
        # what is left without the wrong fields is looked at too, so that all errors come at once
        wrong, rest = _checker().check(item, label)
        metadata, spec = rest.get("metadata", {}), rest.get("spec")
        namespace = metadata.get("namespace")
        if namespace and not namespace.startswith("tenant-"):
            wrong.append(FieldError("metadata.namespace", namespace, "tenant-<id>", f"tenant-{namespace}", label))
        tenant = namespace.removeprefix("tenant-") if namespace and namespace.startswith("tenant-") else ""
        if metadata.get("name") in _TAKEN:
            words = "another name: it is that of the tenant's own network policy"
            wrong.append(FieldError("metadata.name", metadata["name"], words, source=label))
        found = [*self._tenant(tenant, metadata)] if tenant else []
        claim = None
        if isinstance(spec, dict):
            claim, more = self._resolve(tenant, metadata.get("name", ""), rest, before, driver, leaves)
            found += more
        told = {error.path for error in wrong}
        wrong += [replace(error, source=label) for error in found if error.path not in told]
        return (None if wrong else claim), wrong

    def _tenant(self, tenant: str, metadata: Json) -> Iterator[FieldError]:
        project = metadata.get("labels", {}).get(PROJECT)
        if project is not None and not schema.is_label(project, 63):
            yield FieldError(f"metadata.labels.{PROJECT}", project, schema.PATTERNS[schema.LABEL])
        if self._tenants is None:
            return
        if tenant not in self._tenants:
            near = nearest(tenant, self._tenants)
            words = "the namespace of a tenant that is onboarded"
            yield FieldError("metadata.namespace", metadata["namespace"], words, near and paths.namespace(near))
            return
        projects = self._tenants[tenant]["spec"].get("projects", [])
        if projects and project not in projects:
            words = "one of " + ", ".join(projects)
            yield FieldError(f"metadata.labels.{PROJECT}", project, words, nearest(project, projects))

    def _resolve(
        self, tenant: str, name: str, item: Json, before: Json | None, driver: str, leaves: Collection[str]
    ) -> tuple[Claim | None, list[FieldError]]:
        given: Json = {
            part: copy.deepcopy(item[part]) for part in ("apiVersion", "kind", "metadata", "spec") if part in item
        }
        spec: Json = fill(schema.SPEC, given["spec"])
        sku, errors = self._sku(spec)
        # a claim without a home region is refused already; any region will do to look at the rest of it
        spec.setdefault("region", next(iter(spec.get("replication", {}).get("regions", self._catalog.regions)), ""))
        errors += self._regions(tenant, item, spec)
        errors += self._networks(spec)
        errors += self._backup(tenant, spec)
        if sku is None:
            return None, [*errors, *self._reach(spec), *self._wrong_anyhow(spec)]
        regions = spec["replication"]["regions"]
        topology = self._catalog.topology(sku.engine, spec["plan"], len(regions))
        if isinstance(topology, dict):
            errors.append(FieldError("spec.replication.regions", regions, topology["refused"]))
        elif topology != "separate":
            errors += self._reach(spec)
        self._fill_from_sku(spec, sku, before)
        shared = placement.pooled(spec)
        # a share of a pool is made by nobody but the pool
        driver = OPERATOR if shared else driver or self._catalog.driver(sku.engine)
        engine = engines.by(sku.engine, driver)
        warnings = [*placement.warnings(given["spec"])] if shared else []
        if shared:
            placement.fill(name, given["spec"], spec, sku, self._catalog, before)
        errors += self._version(spec, before, warnings)
        errors += self._limits(spec, sku)
        if not shared:
            errors += hatches.errors(spec, self._catalog.engines[sku.engine], (self._tenants or {}).get(tenant))
        # what an engine says rests on zones: of regions that nobody knows there are none
        if spec["region"] in self._catalog.regions and not self._catalog.regions.keys().isdisjoint(regions):
            told = {error.path for error in errors}
            found = (
                placement.check(spec, sku, self._catalog, before)
                if shared
                else [*placement.check_own(spec), *engine.check(name, spec, self._catalog.regions)]
            )
            errors += [error for error in found if error.path not in told]
            warnings += [] if shared else engine.warnings(spec)
        if before is not None:
            changes = [*placement.check_change(before, spec)]
            # of another engine's service an engine can say nothing
            if not shared and not changes and before.get("engine") == sku.engine:
                changes += engine.check_change(before, spec)
            told = {error.path for error in changes}
            errors += [*changes, *(error for error in self._changes(before, spec, leaves) if error.path not in told)]
        if errors:
            return None, errors
        sla = float(self._catalog.plans[spec["plan"]]["sla"])
        return Claim(tenant, name, given, spec, sku, str(topology), sla, tuple(warnings), driver), []

    def _sku(self, spec: Json) -> tuple[Sku | None, list[FieldError]]:
        skus = self._catalog.skus
        engine, plan, name = spec.get("engine"), spec.get("plan"), spec.get("sku")
        if name is not None and name not in skus:
            return None, [FieldError("spec.sku", name, "one of " + ", ".join(skus), nearest(name, skus))]
        if name is None:
            missing = [
                FieldError(f"spec.{field}", None, "sku, or engine and plan")
                for field in ("engine", "plan")
                if not spec.get(field)
            ]
            if missing:
                return None, missing
            sku = self._catalog.choose(str(engine), str(plan))
            if sku is None:
                plans = list(dict.fromkeys(each for sku in skus.values() if sku.engine == engine for each in sku.plans))
                if plans:
                    words = f"one of {', '.join(plans)} (what the catalog offers of {engine})" + self._why(engine, plan)
                    return None, [FieldError("spec.plan", plan, words, self._nearest_plan(engine, plan, plans))]
                offered = list(dict.fromkeys(sku.engine for sku in skus.values()))
                words = f"one of {', '.join(offered)}: the catalog offers no {engine} yet"
                return None, [FieldError("spec.engine", engine, words)]
        else:
            sku = skus[name]
        errors = []
        if engine not in (None, sku.engine):
            errors.append(FieldError("spec.engine", engine, f"{sku.engine} (of SKU {sku.name})", sku.engine))
        if plan is not None and plan not in sku.plans:
            words = f"one of {', '.join(sku.plans)} (of SKU {sku.name})" + self._why(sku.engine, plan)
            errors.append(FieldError("spec.plan", plan, words, self._nearest_plan(sku.engine, plan, sku.plans)))
        spec["sku"], spec["engine"] = sku.name, sku.engine
        spec["plan"] = plan if plan in sku.plans else sku.plans[0]
        return sku, errors

    def _why(self, engine: Any, plan: Any) -> str:
        why = self._catalog.lacks(str(engine), str(plan))
        near = self._catalog.nearest_sku(str(engine), str(plan))
        return f": {why}" + (f"; nearest: SKU {near.name}" if near else "") if why else ""

    def _nearest_plan(self, engine: Any, plan: Any, plans: Sequence[str]) -> str | None:
        near = self._catalog.nearest_sku(str(engine), str(plan))
        return next((each for each in (near.plans if near else []) if each in plans), None) or nearest(plan, plans)

    def _wrong_anyhow(self, spec: Json) -> list[FieldError]:
        """What no SKU that the claim could have meant would take."""
        meant = [sku for sku in self._catalog.skus.values() if spec.get("engine") in (None, sku.engine)]
        # the words are those of the nearest one
        near = nearest(spec.get("sku"), self._catalog.skus)
        meant.sort(key=lambda sku: sku.name != near)
        found: list[dict[str, FieldError]] = []
        for sku in meant:
            trial = {**copy.deepcopy(spec), "engine": sku.engine}
            self._fill_from_sku(trial, sku, None)
            wrong = [*self._version(trial, None, []), *self._limits(trial, sku)]
            found.append({error.path: error for error in wrong})
        return [error for path, error in (found or [{}])[0].items() if all(path in other for other in found)]

    def _regions(self, tenant: str, item: Json, spec: Json) -> Iterator[FieldError]:
        known = [region for region in self._platform.pops if region in self._catalog.regions]
        regions = spec.setdefault("replication", {}).setdefault("regions", [spec["region"]])
        named = [("spec.region", spec["region"])] if "region" in item["spec"] else []
        if "regions" in item["spec"].get("replication", {}):
            named += [(f"spec.replication.regions[{index}]", region) for index, region in enumerate(regions)]
            if spec["region"] not in regions:
                words = "regions with the home region among them"
                yield FieldError("spec.replication.regions", regions, words, [spec["region"], *regions])
        own = known
        if self._tenants is not None and tenant in self._tenants:
            own = self._tenants[tenant]["spec"]["regions"]
        for path, region in named:
            if region not in known:
                yield FieldError(path, region, "one of " + ", ".join(known), nearest(region, known))
            elif region not in own:
                words = f"one of {', '.join(own)} (the tenant's regions)"
                yield FieldError(path, region, words, nearest(region, own))

    def _reach(self, spec: Json) -> Iterator[FieldError]:
        """What regions need whose nodes join."""
        known = [region for region in self._platform.pops if region in self._catalog.regions]
        pops = [self._platform.pops[region] for region in spec["replication"]["regions"] if region in known]
        if len(pops) > 1:
            domains = [pop.cluster_domain for pop in pops]
            for pop in pops:
                if not pop.pod_cidrs:
                    words = "regions whose podCIDRs platform.yml names (the nodes of a ring must reach each other)"
                    yield FieldError("spec.replication.regions", pop.name, words)
                if domains.count(pop.cluster_domain) > 1:
                    words = "regions with a clusterDomain of their own in platform.yml (nodes find each other by DNS)"
                    yield FieldError("spec.replication.regions", pop.name, words)

    @staticmethod
    def _networks(spec: Json) -> Iterator[FieldError]:
        for index, network in enumerate(spec["networking"]["allowedCIDRs"]):
            yield from network_problem(f"spec.networking.allowedCIDRs[{index}]", network)

    def _fill_from_sku(self, spec: Json, sku: Sku, before: Json | None) -> None:
        data, classes = sku.data, self._catalog.regions.get(spec["region"], {}).get("storageClasses", [""])
        # a newer catalog must not upgrade what runs as a side effect of another change
        spec.setdefault("version", before["version"] if before else self._catalog.default_version(sku.engine))
        spec["replication"].setdefault("factor", data["replicationFactor"]["default"])
        storage = spec.setdefault("storage", {})
        storage.setdefault("size", (before or {}).get("storage", {}).get("size", data["storage"]["default"]))
        storage.setdefault("class", (before or {}).get("storage", {}).get("class", classes[0]))
        resources = spec.setdefault("resources", {})
        for role, limits in data["resources"].items():
            amounts = resources.setdefault(role, {})
            amounts.setdefault("replicas", sku.nodes(role, spec["replication"]["factor"]))
            amounts.setdefault("cpu", limits["cpu"]["default"])
            amounts.setdefault("memory", limits["memory"]["default"])

    def _version(self, spec: Json, before: Json | None, warnings: list[str]) -> Iterator[FieldError]:
        versions: Json = self._catalog.engines[spec["engine"]]["versions"]
        version = spec["version"]
        running: str = before["version"] if before else ""
        # what the catalog no longer knows has expired
        channel = versions.get(version, {"channel": "expired"})["channel"]
        if channel == "expired" and version != running:
            usable = [name for name, data in versions.items() if data["channel"] != "expired"]
            near = nearest(version, usable) or self._catalog.default_version(spec["engine"])
            yield FieldError("spec.version", version, "one of " + ", ".join(usable), near)
            return
        if channel != "supported":
            supported = ", ".join(name for name, data in versions.items() if data["channel"] == "supported")
            warnings.append(f"version {version} of {spec['engine']} is {channel}; supported: {supported}")
        onward = versions.get(running, {}).get("upgradesTo", [])
        if running and version not in (running, *onward):
            yield FieldError("spec.version", version, f"from {running}: {', '.join([running, *onward])}", running)

    def _limits(self, spec: Json, sku: Sku) -> Iterator[FieldError]:
        data = sku.data
        yield from _range("spec.storage.size", spec["storage"]["size"], data["storage"], quantity.size)
        factors = data["replicationFactor"]["allowed"]
        if spec["replication"]["factor"] not in factors:
            words = f"{', '.join(map(str, factors))} (of SKU {sku.name})"
            given = spec["replication"]["factor"]
            near = min(factors, key=lambda factor: abs(int(factor) - given))
            yield FieldError("spec.replication.factor", given, words, near)
        for region in spec["replication"]["regions"]:
            classes = self._catalog.regions.get(region, {}).get("storageClasses", [])
            kind = spec["storage"]["class"]
            # none was given, and an unknown home region has none to fill in
            if kind and classes and kind not in classes:
                words = f"in {region} one of {', '.join(classes)}"
                yield FieldError("spec.storage.class", kind, words, nearest(kind, classes))
        for role, amounts in spec["resources"].items():
            limits = data["resources"].get(role)
            if limits is None:
                roles = ", ".join(data["resources"])
                words = f"roles of this engine: {roles}" if roles else f"none: SKU {sku.name} has no nodes of its own"
                yield FieldError(f"spec.resources.{role}", amounts, words)
                continue
            nodes = sku.nodes(role, spec["replication"]["factor"])
            if amounts["replicas"] != nodes:
                others = [
                    other.name
                    for other in self._catalog.skus.values()
                    if other.engine == sku.engine
                    and other.data["resources"].get(role, {}).get("replicas") == amounts["replicas"]
                ]
                hint = f"; {others[0]} has {amounts['replicas']}" if others else ""
                words = f"{nodes} (of SKU {sku.name}){hint}"
                if limits.get("perCopy"):
                    words = f"{nodes}, as many as copies of the data"
                yield FieldError(f"spec.resources.{role}.replicas", amounts["replicas"], words, nodes)
            yield from _range(f"spec.resources.{role}.cpu", amounts["cpu"], limits["cpu"], quantity.cpu)
            yield from _range(f"spec.resources.{role}.memory", amounts["memory"], limits["memory"], quantity.size)

    def _backup(self, tenant: str, spec: Json) -> Iterator[FieldError]:
        backup = spec["backup"]
        if backup["enabled"] and (why := schedule.problem(backup["schedule"])):
            yield FieldError("spec.backup.schedule", backup["schedule"], why)
        if "destination" in backup and self._tenants is not None and tenant in self._tenants:
            yield from self._residency(tenant, backup["destination"])

    def _residency(self, tenant: str, destination: str) -> Iterator[FieldError]:
        """A tenant's backups stay in its regions too: where an address lies, the catalog or its document says."""
        spec = (self._tenants or {})[tenant]["spec"]
        allowed = [address for region in spec["regions"] for address in self._catalog.buckets(region, tenant)]
        allowed = list(dict.fromkeys([*allowed, *spec.get("backupDestinations", [])]))
        if any(_lies_in(destination, address) for address in allowed):
            return
        elsewhere = [
            region
            for region in self._catalog.regions
            if any(_lies_in(destination, address) for address in self._catalog.buckets(region, tenant))
        ]
        where = f"; this one lies in {elsewhere[0]}" if elsewhere else ""
        words = (
            f"an address in the tenant's regions ({', '.join(allowed)}), or one that its document names in "
            f"backupDestinations{where}"
        )
        yield FieldError("spec.backup.destination", destination, words, nearest(destination, allowed))

    @staticmethod
    def _changes(before: Json, spec: Json, leaves: Collection[str] = ()) -> Iterator[FieldError]:
        for field in ("engine", "region", "serviceId"):
            if before.get(field) and spec.get(field) and before[field] != spec[field]:
                yield FieldError(f"spec.{field}", spec[field], f"{before[field]}: it cannot be changed", before[field])
        wanted, has = spec["storage"]["size"], before["storage"]["size"]
        if quantity.size(wanted) < quantity.size(has):
            yield FieldError("spec.storage.size", wanted, f"at least {has}: storage cannot shrink", has)
        was, wanted = before["replication"]["regions"], spec["replication"]["regions"]
        if gone := [region for region in was if region not in wanted and region not in leaves]:
            words = (
                f"all of {', '.join(was)}: no change of a claim deletes what is in a region; let the service go from"
                f" {', '.join(gone)} (state: absent with regions, or playbook deprovision_service)"
            )
            yield FieldError("spec.replication.regions", wanted, words)


def _lies_in(destination: str, address: str) -> bool:
    """Whether an address of object storage is another one, or lies below it."""
    parts, above = (text.removeprefix("s3://").rstrip("/").split("/") for text in (destination, address))
    # not every client takes dots for what S3 does: a name
    return parts[: len(above)] == above and not {"", ".", ".."} & set(parts)


def _range(path: str, given: str, limits: Json, measure: Callable[[str], int]) -> Iterator[FieldError]:
    words = f"{limits['min']} to {limits['max']}"
    if measure(given) < measure(limits["min"]):
        yield FieldError(path, given, words, limits["min"])
    elif measure(given) > measure(limits["max"]):
        yield FieldError(path, given, words, limits["max"])

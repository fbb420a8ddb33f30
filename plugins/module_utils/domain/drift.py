# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drift: where what Git says, what a cluster has and what the catalog offers are not the same. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, tables
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.differences import differences
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import ACTION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import annotation
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import GROUP

Json = dict[str, Any]
#: (API group, kind, namespace, name)
Key: TypeAlias = "tuple[str, str, str, str]"

#: What there is to find -> whether it is drift; the rest is told, and asks for a change in its own time.
CODES: dict[str, bool] = {
    "unreachable": True,
    "missing": True,
    "differs": True,
    "orphan": True,
    "not-synced": True,
    "not-rendered": True,
    "waits-for-window": False,
    "version-expired": False,
    "version-deprecated": False,
    "older-catalog": False,
    "older-renderer": False,
}


@dataclass(frozen=True)
class Finding:
    """One difference in a PoP; what does not apply is "" or empty. object is `Kind name`, fields are its paths."""

    pop: str
    code: str
    message: str
    tenant: str = ""
    service: str = ""
    object: str = ""
    file: str = ""
    fields: tuple[str, ...] = ()

    @property
    def drift(self) -> bool:
        return CODES[self.code]

    def data(self) -> Json:
        """As a mapping of plain data."""
        return {**asdict(self), "fields": list(self.fields), "drift": self.drift}


def key(item: Json) -> Key:
    """What an object is known by in its cluster."""
    group = item["apiVersion"].rpartition("/")[0]
    metadata = item["metadata"]
    return group, item["kind"], metadata.get("namespace") or "", metadata["name"]


def of_object(pop: str, item: Json, live: Json | None, file: str) -> Iterator[Finding]:
    """What is wrong with one object of Git in its cluster."""
    if live is None:
        yield _finding(pop, "missing", "is in Git, and not in the cluster", item, file)
        return
    ours = {name: value for name, value in item.items() if name != "status"}
    if fields := tuple(differences(ours, live)):
        yield _finding(pop, "differs", f"differs from Git in {', '.join(fields)}", item, file, fields)


def of_service(pop: str, objects: Sequence[Json], live: Mapping[Key, Json], file: str) -> Iterator[Finding]:
    """What is wrong with the objects of a derived file, the claim's copy first."""
    leaving = bool(objects) and annotation(objects[0], "action") == ACTION
    for item in objects:
        there = live.get(key(item))
        if there is None and leaving:
            continue
        yield from of_object(pop, item, there, file)


def of_catalog(pop: str, copy: Json, catalog: Catalog, renderer: str, file: str) -> Iterator[Finding]:
    """What a copy was rendered from, beside what there is now."""
    made_from, made_by = annotation(copy, "catalog-revision"), annotation(copy, "renderer")
    if made_from != catalog.revision:
        words = f"rendered from catalog {made_from}; now {catalog.revision}"
        yield _finding(pop, "older-catalog", words, copy, file)
    if made_by != renderer:
        yield _finding(pop, "older-renderer", f"rendered by version {made_by}; this is {renderer}", copy, file)
    spec = copy.get("spec", {})
    engine = catalog.engines.get(spec.get("engine"), {"versions": {}})
    channel = engine["versions"].get(spec.get("version"), {"channel": "expired"})["channel"]
    if channel in ("deprecated", "expired"):
        words = f"version {spec.get('version')} of {spec.get('engine')} is {channel}"
        yield _finding(pop, f"version-{channel}", words, copy, file)


def orphans(pop: str, live: Iterable[Json], known: Collection[Key]) -> Iterator[Finding]:
    """Objects of services that Git does not have.

    What an operator made of ours bears our labels too, and an owner; what is being deleted is on its way.
    """
    for item in live:
        metadata = item["metadata"]
        labels = metadata.get("labels") or {}
        ours = any(f"{GROUP}/{name}" in labels for name in ("service", "snapshot-of"))
        moving = metadata.get("ownerReferences") or metadata.get("deletionTimestamp")
        if ours and not moving and key(item) not in known:
            yield _finding(pop, "orphan", "is in the cluster, and not in Git", item)


def of_applications(
    pop: str,
    applications: Iterable[Json],
    tenants: Collection[str],
    *,
    whole: bool,
    words: Mapping[str, Json],
    charted: Mapping[str, str],
) -> Iterator[Finding]:
    """Applications of these tenants (and those of the platform, when all is looked at) that are not Synced, or gone.

    words: what each Application says of itself (clients.argocd.words), by name; charted: those of charts -> tenant.
    """
    there = {item["metadata"]["name"] for item in applications}
    services = {f"services-{tenant}": tenant for tenant in tenants} | dict(charted)
    for name, tenant in services.items():
        if name not in there:
            yield Finding(
                pop, "missing", "its foundation does not make it", tenant=tenant, object=f"Application {name}"
            )
    ours = services | {paths.namespace(tenant): tenant for tenant in tenants}
    for name in sorted(there):
        if (name in ours or (whole and name.startswith("dbaas-"))) and words[name]["sync"] != "Synced":
            why = words[name]["trouble"] or "Argo CD has not said why"
            message = f"is {words[name]['sync'] or 'Unknown'}: {why}"
            yield Finding(pop, "not-synced", message, tenant=ours.get(name, ""), object=f"Application {name}")


def _finding(pop: str, code: str, message: str, item: Json, file: str = "", fields: tuple[str, ...] = ()) -> Finding:
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    service = labels.get(f"{GROUP}/service") or labels.get(f"{GROUP}/snapshot-of") or ""
    tenant = labels.get(f"{GROUP}/tenant") or ""
    return Finding(pop, code, message, tenant, service, f"{item['kind']} {metadata['name']}", file, fields)


def table(findings: Sequence[Finding]) -> list[str]:
    """Lines for people: PoP, what, whose, and the words."""
    rows = [("pop", "what", "whose", "object", "")]
    rows += [
        (item.pop, item.code, "/".join(filter(None, (item.tenant, item.service))), item.object, item.message)
        for item in findings
    ]
    return tables.lines(rows)

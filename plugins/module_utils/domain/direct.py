# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delivery without Git: live objects read as the files that would have made them, and whose they are. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils.domain.deprovision import SERVICE, SNAPSHOT_OF
from ansible_collections.dbaas.platform.plugins.module_utils.domain.differences import differences
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import RETAINED, Yaml, derived_file
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import DATA, DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import CLAIM_ANNOTATION, kinds
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import annotation
from ansible_collections.dbaas.platform.plugins.module_utils.domain.tenant import KEEP
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP, Kind

Json = dict[str, Any]
#: (kind, name) of an object within its namespace
Name: TypeAlias = "tuple[str, str]"

#: the field manager of what is delivered without Git
MANAGER = "dbaas-direct"
TENANT = f"{GROUP}/tenant"
TRACKING = "argocd.argoproj.io/tracking-id"
#: what a database is: never taken away because it is no longer rendered
_DATABASES = frozenset(engine.kinds[0].kind for engine in ENGINES.values())
#: what a change of restarts nodes; the rest surrounds them
_ENGINES = frozenset(kind.kind for engine in ENGINES.values() for kind in (*engine.kinds, *engine.plain))
#: lines of a failure; a set may be large
_LINES = 20
KINDS: dict[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in (*kinds(), *DATA)}


def kind_of(item: Json) -> Kind:
    """The kind of an object that we render."""
    return KINDS[item["apiVersion"], item["kind"]]


def name_of(item: Json) -> Name:
    """What an object is known by in its namespace."""
    return item["kind"], item["metadata"]["name"]


def place_of(item: Json) -> tuple[str, str]:
    """Namespace and name of an object."""
    return item["metadata"]["namespace"], item["metadata"]["name"]


def label_of(pop: str, item: Json) -> str:
    """What people call an object of a PoP."""
    return f"{pop}: {item['kind']} {'/'.join(place_of(item))}"


def shortened(lines: Sequence[str], between: str = "\n") -> str:
    """The lines of a failure, the first of them where a set is large."""
    more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return between.join([*lines[:_LINES], *more])


def is_direct(copy: Json) -> bool:
    """Whether a copy was delivered without Git."""
    return annotation(copy, "origin") == "direct" and not is_managed(copy)


def is_managed(item: Json) -> bool:
    """Whether Argo CD manages an object, or will."""
    tracked = (item["metadata"].get("annotations") or {}).get(TRACKING)
    return bool(tracked) or annotation(item, "origin") == "git"


def is_ours(item: Json, tenant: str, service: str) -> bool:
    """Whether an object that lies where one of the service's is to lie is one of the service's."""
    if item["kind"] == CLAIM.kind:
        return is_direct(item)
    labels = item["metadata"].get("labels") or {}
    return bool(labels.get(SERVICE) == service and labels.get(TENANT) == tenant and not is_managed(item))


def leftovers(live: Iterable[Json], wanted: Iterable[Json], copy: Json) -> list[Json]:
    """What a service has (of by_service) and is not rendered any more, given its copy as it is rendered now.

    Only what bears its identity, and never a database.
    """
    labels = {name: copy["metadata"]["labels"][name] for name in (SERVICE, TENANT, f"{GROUP}/service-id")}
    keep = {name_of(item) for item in wanted}
    return [
        item
        for item in live
        if name_of(item) not in keep
        and item["kind"] not in _DATABASES
        and (item["metadata"].get("labels") or {}).items() >= labels.items()
    ]


def file_of(copy: Json, objects: Iterable[Json], path: str, yaml: Yaml) -> bytes:
    """The derived file of a service in a PoP as its live objects say it, the copy first; path: its claim's."""
    return derived_file(path, yaml.dump_all(map(stripped, [copy, *objects])))


def claim_of(copy: Json, yaml: Yaml) -> bytes:
    """The file of the claim that a copy was made from. Raises DbaasError document-invalid where somebody spoiled it."""
    try:
        given = json.loads((copy["metadata"].get("annotations") or {}).get(CLAIM_ANNOTATION, ""))
    except ValueError:
        given = None
    if not isinstance(given, dict):
        where = f"{copy['metadata']['namespace']}/{copy['metadata']['name']}"
        words = f"the copy of {where} does not hold its claim in {CLAIM_ANNOTATION} any more; take the annotation"
        raise DbaasError("document-invalid", f"{words} {GROUP}/origin off it and declare the service with adopt: true")
    return yaml.dump(given).encode()


def is_retained(copy: Json) -> bool:
    """Whether a copy's service is kept although nobody declares it any more."""
    return RETAINED in (copy["metadata"].get("annotations") or {})


def stripped(item: Json) -> Json:
    """A live object without what its cluster adds; one that may be deleted without its protection, as we write it."""
    metadata = {name: item["metadata"][name] for name in ("name", "namespace", "labels") if name in item["metadata"]}
    annotations = dict(item["metadata"].get("annotations") or {})
    mark = annotations.get(DELETION)
    if mark and mark == item["metadata"].get("uid"):
        annotations = {name: value for name, value in annotations.items() if name not in (*KEEP, DELETION)} | {
            DELETION: mark
        }
    if annotations:
        metadata["annotations"] = annotations
    rest = {name: value for name, value in item.items() if name not in ("apiVersion", "kind", "metadata", "status")}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata, **rest}


def snapshots_of(live: Iterable[Json]) -> Iterator[tuple[str, str, Json]]:
    """(service, operation, object) of each final backup that was asked for."""
    for item in live:
        if service := (item["metadata"].get("labels") or {}).get(SNAPSHOT_OF):
            yield service, annotation(item, "operation"), item


def changes(live: Json, applied: Json) -> list[str]:
    """Fields in which a running object of an engine would change if what is rendered were applied to it.

    applied: what the server answers to that, dry. What surrounds a database may change: nothing restarts by it.
    """
    if live["kind"] not in _ENGINES:
        return []
    was, will = (
        {name: value for name, value in item.items() if name not in ("metadata", "status", "apiVersion", "kind")}
        for item in (live, applied)
    )
    return list(dict.fromkeys([*differences(was, will), *differences(will, was)]))


def by_service(objects: Iterable[Json]) -> Mapping[str, list[Json]]:
    """Objects of one namespace by the service that they are of; what an operator made of them is left out."""
    found: dict[str, list[Json]] = {}
    for item in objects:
        service = (item["metadata"].get("labels") or {}).get(SERVICE)
        if service and not item["metadata"].get("ownerReferences"):
            found.setdefault(service, []).append(item)
    return found

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking over what runs: whether it would stay as it is, under which id it is known, and whose its fields are then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain import direct, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.direct import (
    kind_of,
    label_of,
    place_of,
    shortened,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

Json = dict[str, Any]

#: Argo CD's field manager
ARGOCD = "argocd-controller"


def compare(clusters: Mapping[str, Cluster], items: Iterable[tuple[str, Json]], manager: str) -> None:
    """Raises DbaasError adoption-differs where a running object (PoP, as it is rendered) would not stay as it is."""

    def one(each: tuple[str, Json]) -> str:
        pop, item = each
        live = clusters[pop].get(kind_of(item), *place_of(item))
        if live is None:
            return ""
        # what direct delivery put there and is not rendered any more goes too, once its fields are another's
        managers = {entry.get("manager") for entry in live["metadata"].get("managedFields") or []}
        who = direct.MANAGER if direct.MANAGER in managers else manager
        applied = clusters[pop].apply(kind_of(item), item, manager=who, dry_run=True)
        fields = direct.changes(live, applied)
        return f"{label_of(pop, item)}: {', '.join(fields)}" if fields else ""

    with ThreadPoolExecutor(base.WORKERS) as pool:
        differing = [text for text in pool.map(one, items) if text]
    if differing:
        raise DbaasError("adoption-differs", shortened(differing))


def identified(clusters: Mapping[str, Cluster], given: Sequence[Document]) -> list[Document]:
    """The documents, each with the service id of the copy that a PoP has of it, whoever made it."""

    def one(item: Document) -> Document:
        key, spec = claims.key(item.data), item.data.get("spec")
        if key is None or not isinstance(spec, dict) or spec.get("serviceId"):
            return item
        for cluster in clusters.values():
            copy = cluster.get(CLAIM, paths.namespace(key[0]), key[1]) or {}
            if known := (copy.get("spec") or {}).get("serviceId"):
                return replace(item, data={**item.data, "spec": {"serviceId": known, **spec}})
        return item

    with ThreadPoolExecutor(base.WORKERS) as pool:
        return list(pool.map(one, given))


def hand_over(clusters: Mapping[str, Cluster], items: Iterable[tuple[str, Json]]) -> None:
    """What was applied here becomes Argo CD's own: a field that is taken out of Git goes from the object then."""

    def one(each: tuple[str, Json]) -> None:
        pop, item = each
        live = clusters[pop].get(kind_of(item), *place_of(item)) or {"metadata": {}}
        fields = live["metadata"].get("managedFields") or []
        managers = [entry.get("manager") for entry in fields]
        if direct.MANAGER in managers:
            rest = [entry for entry in fields if entry.get("manager") != direct.MANAGER]
            ours = [entry for entry in fields if entry.get("manager") == direct.MANAGER]
            # where Argo CD was quicker it owns all that there is to own
            named = rest if ARGOCD in managers else [*rest, *({**entry, "manager": ARGOCD} for entry in ours)]
            version = live["metadata"]["resourceVersion"]
            body = {"metadata": {"managedFields": named, "resourceVersion": version}}
            clusters[pop].patch(kind_of(item), *place_of(item), body)

    with ThreadPoolExecutor(base.WORKERS) as pool:
        for _done in pool.map(one, items):
            pass

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services that Helm charts make: the releases in a foundation's values.yaml, each an Application there. Pure.

An entry of `releases` there is {name, service, engine, version, values}; version is the chart's. One whose service is
gone stays as {name, service, engine, gone: true}: a foundation never prunes, so its Application is emptied instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields

Json = dict[str, Any]
RELEASES = "releases"


def wanted_paths(services: Collection[tuple[str, str]], pops: Iterable[str]) -> list[str]:
    """What says how charts make these services, (tenant, name): their foundations' values.yaml, and their volumes."""
    regions = list(pops)
    tenants = dict.fromkeys(tenant_id for tenant_id, _name in services)
    values = [paths.foundation(tenant_id, pop, "values.yaml") for tenant_id in tenants for pop in regions]
    return values + [paths.volumes(tenant_id, pop, name) for tenant_id, name in services for pop in regions]


def entries(values: Json, service: str = "") -> list[Json]:
    """The entries of a values.yaml (of one service) that are shaped like one: people can write there too."""
    found = values.get(RELEASES)
    return [
        item
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict) and isinstance(item.get("name"), str) and service in ("", item.get("service"))
    ]


def versioned(wanted: Sequence[Json], standing: Sequence[Json], catalog: Catalog) -> list[Json]:
    """The entries with the version of their chart: the one that the service began with, all its life.

    Another one would have other labels in its StatefulSets' templates of volumes, which cannot change. Raises
    InvalidFields catalog-invalid where the catalog has no chart for services that one has made.
    """
    runs = next((item["version"] for item in standing if "version" in item), None)
    found = []
    for item in wanted:
        chart = catalog.charts.get(item["engine"])
        if chart is None:
            path = f"engines.{item['engine']}.chart"
            raise InvalidFields("catalog-invalid", [FieldError(path, None, "what services that run are made of")])
        found.append({**item, "version": runs or chart["version"]})
    return found


def with_entries(values: Json, service: str, wanted: Sequence[Json]) -> Json:
    """The values with these entries of one service instead of those that it has, in the order of names."""
    others = [item for item in entries(values) if item.get("service") != service]
    return {**values, RELEASES: sorted([*others, *wanted], key=lambda item: str(item["name"]))}


def gone(standing: Sequence[Json]) -> list[Json]:
    """What is left of entries whose service is gone."""
    return [{**{part: item[part] for part in ("name", "service", "engine")}, "gone": True} for item in standing]


def application(tenant_id: str, release: str) -> str:
    """The name of a release's Application: no name of a tenant or a release has a dot."""
    return f"chart-{tenant_id}.{release}"

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engines, by the name that a claim gives: each file of this folder that holds an ENGINE is one.

One that holds a CHART is a second way to make an engine's services; the catalog says whether the platform has it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import DRIVER, Chart, Engine, Kind

if TYPE_CHECKING:
    # Ansible packs into a module's payload what it sees imported, here too. `make generate` writes these lines.
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.aerospike
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.dragonfly
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.mongodb
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.vitess
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.yugabyte
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.yugabyte_chart  # noqa: F401


def _found() -> tuple[dict[str, Engine], dict[str, Chart]]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    engines: list[Engine] = [module.ENGINE for module in modules if hasattr(module, "ENGINE")]
    charts: list[Chart] = [module.CHART for module in modules if hasattr(module, "CHART")]
    return {engine.name: engine for engine in engines}, {chart.name: chart for chart in charts}


ENGINES: dict[str, Engine]
CHARTS: dict[str, Chart]
ENGINES, CHARTS = _found()

#: the value of DRIVER where a chart makes the service
BY_CHART = "chart"


def by(name: str, driver: str) -> Engine:
    """The engine of that name, as its driver makes services of it. Raises KeyError where there is none."""
    return CHARTS[name] if driver == BY_CHART else ENGINES[name]


def of(copy: Mapping[str, Any]) -> Engine | None:
    """What makes the service that this is the claim's copy of, None where this version does not know it."""
    name = copy["spec"].get("engine", "")
    driver = (copy["metadata"].get("annotations") or {}).get(DRIVER)
    return CHARTS.get(name) if driver == BY_CHART else ENGINES.get(name)


def operator_kinds() -> tuple[Kind, ...]:
    """Every kind that an operator of ours reconciles: what the observer watches and the policies protect."""
    return tuple(kind for engine in ENGINES.values() for kind in engine.kinds)


def chart_kinds(names: Collection[str] = tuple(CHARTS)) -> tuple[Kind, ...]:
    """The kinds that tell how a service is which a chart of these engines makes."""
    return tuple(dict.fromkeys(kind for name in names for kind in CHARTS[name].kinds))

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engines, by the name that a claim gives: each file of this folder that holds an ENGINE is one."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Engine, Kind

if TYPE_CHECKING:
    # Ansible packs into a module's payload what it sees imported, here too; what is not there it passes over. So the
    # platform's engines are named before they are built, and whoever builds one changes nothing here.
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.aerospike
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.dragonfly
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.mongodb
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.vitess
    import ansible_collections.dbaas.platform.plugins.module_utils.engines.yugabyte  # noqa: F401


def _found() -> dict[str, Engine]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    engines: list[Engine] = [module.ENGINE for module in modules if hasattr(module, "ENGINE")]
    return {engine.name: engine for engine in engines}


ENGINES: dict[str, Engine] = _found()


def operator_kinds() -> tuple[Kind, ...]:
    """Every kind that an operator of ours reconciles: what the observer watches and the policies protect."""
    return tuple(kind for engine in ENGINES.values() for kind in engine.kinds)

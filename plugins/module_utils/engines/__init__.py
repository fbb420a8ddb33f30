# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engines, by the name that a claim gives."""

from __future__ import annotations

from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Engine, Kind
from ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla import Scylla

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Scylla(),)}


def operator_kinds() -> tuple[Kind, ...]:
    """Every kind that an operator of ours reconciles: what the observer watches and the policies protect."""
    return tuple(kind for engine in ENGINES.values() for kind in engine.kinds)

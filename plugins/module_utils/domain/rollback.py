# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rolling a service back: what its claim said then, planned as a change of today. Pure."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_TRAILER = re.compile(r"(?m)^Dbaas-Operation: (\S+) (\S+) ([^/\s]+)/(\S+)")
#: What a claim may leave open and a running service keeps: going back has to say it.
_KEPT = (("version",), ("storage", "size"), ("storage", "class"))


@dataclass(frozen=True)
class Trailer:
    """What a commit says of one service that it changed."""

    operation: str
    action: str
    tenant: str
    name: str


def trailers(message: str) -> list[Trailer]:
    """Every operation that a commit's message names; none for a commit that a person made."""
    return [Trailer(*found) for found in _TRAILER.findall(message)]


def document(then: Json, was: Json | None, runs: Json | None) -> Json:
    """The claim to be admitted: as it was then, and what it left open as it was then too where it runs otherwise now.

    was and runs are the whole specs that were rendered then and last, None where nothing was.
    """
    item = copy.deepcopy(then)
    if was is None or runs is None or not isinstance(item.get("spec"), dict):
        return item
    for parts in _KEPT:
        before, now = _at(was, parts), _at(runs, parts)
        if before != now and before is not None and _at(item["spec"], parts) is None:
            node = item["spec"]
            for part in parts[:-1]:
                node = node.setdefault(part, {})
            node[parts[-1]] = before
    return item


def _at(spec: Any, parts: tuple[str, ...]) -> Any:
    for part in parts:
        spec = spec.get(part) if isinstance(spec, dict) else None
    return spec

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service's objects are called in its tenant's namespace, and where two services would call one alike.

Every name begins with its claim's, so only two claims of which one's name goes on where the other's ends can meet:
`shop` and `shop-rs0`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.engines import CHARTS, ENGINES

Json = dict[str, Any]

#: what surrounds every engine; of the kinds that no operator makes no two services have one
_COMMON: Mapping[str, tuple[str, ...]] = {"PodDisruptionBudget": ("",)}


def endings(name: str, spec: Json, regions: Json) -> dict[str, tuple[str, ...]]:
    """Kind -> what follows the name of this service in the names of such objects, whoever makes them; see Engine.names.

    spec is whole; regions is that section of the catalog.
    """
    engine = ENGINES.get(spec["engine"])
    if engine is None:
        return {}
    # a share of what others run makes no database of its own
    own = {**_COMMON, **engine.names(spec, regions)} if spec["plan"] != "shared" else {}
    found = {kind: tuple(each) for kind, each in own.items()}
    if own and spec["engine"] in CHARTS:
        # whoever makes it: a name that is free of both is not worth asking which
        for kind, each in CHARTS[spec["engine"]].names(spec, regions).items():
            found[kind] = tuple(dict.fromkeys((*found.get(kind, ()), *each)))
    made = tuple(need.name.removeprefix(name) for need in engine.secrets(name, spec))
    return {**found, "Secret": (*found.get("Secret", ()), *made)}


def related(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Pairs of these names of which the second one is the first one with something behind a hyphen."""
    known = names if isinstance(names, (set, frozenset, dict)) else set(names)
    for name in names:
        parts = name.split("-")
        for size in range(1, len(parts)):
            if (beginning := "-".join(parts[:size])) in known:
                yield beginning, name


def shared(short: str, its: Mapping[str, Iterable[str]], long: str, others: Mapping[str, Iterable[str]]) -> str:
    """`kind name` of an object that both of two related services would have, "" when there is none."""
    more = long.removeprefix(short)
    for kind in its:
        for ending in others.get(kind, ()):
            # a number is as good as any other, since in endings no digit stands for itself; a hash is of the whole name
            rest = more + ending.replace("#", "0")
            if "~" not in ending and any(_pattern(each).fullmatch(rest) for each in its[kind]):
                return f"{kind} {short}{rest}"
    return ""


@cache
def _pattern(ending: str) -> re.Pattern[str]:
    return re.compile(re.escape(ending).replace(r"\#", "[0-9]+").replace(r"\~", ".+-[0-9a-f]{8}"))

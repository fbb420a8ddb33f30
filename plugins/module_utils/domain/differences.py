# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was written, held against what a cluster has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def differences(wanted: Any, live: Any, path: str = "") -> Iterator[str]:
    """Paths of what was written and is not so in the live object. What the live one has beyond that is not ours."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for name, value in wanted.items():
            yield from differences(value, live.get(name), f"{path}.{name}" if path else name)
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for number, (one, other) in enumerate(zip(wanted, live, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif wanted != live and not (_empty(wanted) and _empty(live)):
        # the API server drops what is empty
        yield path


def _empty(value: Any) -> bool:
    return value is None or value in ({}, [], "")

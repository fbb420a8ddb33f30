# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes, CPU amounts and durations as text, and as the integers one can compare."""

from __future__ import annotations

import re

_BYTES = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def size(text: str) -> int:
    """Bytes of a Kubernetes quantity with a binary suffix (`2Ti`). Raises ValueError."""
    match = re.fullmatch(r"(\d+)(Ki|Mi|Gi|Ti|Pi)?", text)
    if not match:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) * _BYTES[match[2] or ""]


def cpu(text: str) -> int:
    """Thousandths of a core of a Kubernetes CPU quantity (`500m`, `2`). Raises ValueError."""
    match = re.fullmatch(r"(\d+)(m?)", text)
    if not match:
        raise ValueError(f"not an amount of CPU: {text!r}")
    return int(match[1]) * (1 if match[2] else 1000)


def seconds(text: str) -> int:
    """Seconds of a duration of one unit, s, m, h, d or w (`14d`). Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhdw])", text)
    if not match:
        raise ValueError(f"not a duration: {text!r}")
    return int(match[1]) * _SECONDS[match[2]]


def elapsed(text: str) -> int:
    """Seconds of a duration of several units too, the largest first (`1h30m`). Raises ValueError."""
    parts = re.findall(r"([0-9]+)([wdhms])", text)
    units = [unit for _number, unit in parts]
    if (
        not parts
        or "".join(number + unit for number, unit in parts) != text
        or units != sorted(set(units), key="wdhms".index)
    ):
        raise ValueError(f"not a duration: {text!r}")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def size_text(count: int) -> str:
    """Bytes as a Kubernetes quantity, in the largest unit that tells them exactly (`1536Gi`)."""
    units = [unit for unit in ("Ti", "Gi", "Mi", "Ki") if count and not count % _BYTES[unit]]
    return f"{count // _BYTES[units[0]]}{units[0]}" if units else str(count)


def cpu_text(count: int) -> str:
    """Thousandths of a core as a Kubernetes quantity (`1500m`, `2`)."""
    return f"{count}m" if count % 1000 else str(count // 1000)

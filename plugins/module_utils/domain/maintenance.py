# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance windows: when a change that restarts nodes may begin. In UTC, so that no hour comes twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain.schema import DAYS

Json = dict[str, Any]

_DAY = timedelta(days=1)


def windows(spec: Json) -> list[Json]:
    """The windows of a claim's spec; none where it names none."""
    return list(spec.get("maintenance", {}).get("windows", []))


def opens(stretches: Sequence[Json], now: datetime) -> datetime:
    """When the next of these windows (one at least) is open: now where one is, else the moment at which it opens.

    now is in UTC; a window that begins before midnight may end after it.
    """
    found = [begin for begin, end in _around(stretches, now) if end > now]
    return max(now, min(found))


def _around(stretches: Sequence[Json], now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """(begin, end) of each opening from yesterday, whose windows may still be open, to the same day of next week."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for each in stretches:
        hours, minutes = map(int, each["start"].split(":"))
        length = timedelta(seconds=quantity.seconds(each["duration"]))
        for offset in range(-1, 8):
            day = midnight + offset * _DAY
            if DAYS[day.weekday()] in each.get("days", DAYS):
                begin = day + timedelta(hours=hours, minutes=minutes)
                yield begin, begin + length

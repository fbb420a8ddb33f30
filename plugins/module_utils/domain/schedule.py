# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cron expressions: whether one is valid, and how often it fires."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice, pairwise

#: What every operator's cron understands: no L, W, # or ?, and Sunday is 0.
_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
_DAYS = re.compile(r"([0-6*,/-]|SUN|MON|TUE|WED|THU|FRI|SAT)+", re.IGNORECASE)


@lru_cache(maxsize=256)
def problem(expression: str) -> str | None:
    """Why a five-field cron expression is wrong, or None when it is right."""
    from cronsim import CronSim, CronSimError

    fields = expression.split()
    if len(fields) != 5 or " ".join(fields) != expression:
        return "five fields: minute hour day-of-month month day-of-week"
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        return f"a cron expression ({error})" if str(error) else "a cron expression that fires"
    if not all(_FIELD.fullmatch(field) for field in fields) or "L" in fields[2].upper():
        return "numbers, names of months and days, and the signs * , - /"
    if not _DAYS.fullmatch(fields[4]):
        return "a day-of-week of 0 (Sunday) to 6"
    return None


@lru_cache(maxsize=256)
def _gaps(expression: str) -> tuple[int, ...]:
    """Seconds between the next 50 firings of a valid expression."""
    found = times(expression, datetime(2026, 1, 1, tzinfo=UTC), 50)
    return tuple(int((after - before).total_seconds()) for before, after in pairwise(found))


def shortest_gap(expression: str) -> int:
    """Seconds between the two closest of the next 50 firings of a valid expression.

    The closest pair, not the mean: a count of backups must cover its retention in the busiest stretch too.
    """
    return min(_gaps(expression))


def longest_gap(expression: str) -> int:
    """Seconds for which nothing fires at most, among the next 50 firings of a valid expression."""
    return max(_gaps(expression))


def times(expression: str, after: datetime, count: int) -> list[datetime]:
    """The next firings of a valid expression after a moment, in that moment's time zone."""
    from cronsim import CronSim

    return list(islice(CronSim(expression, after), count))

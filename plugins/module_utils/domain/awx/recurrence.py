# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cron expression as the RRULE that an AWX schedule takes; refused where AWX would run at other times than cron.

AWX steps through wall-clock times and gives each its zone. So in the hour that a change of summer time leaves out it
runs nothing, where cron runs what has a fixed hour as soon as it is over (of several such times AWX leaves out one);
in the hour that comes twice it runs once, where cron runs twice what has a `*` for its hour or minute. What runs every
hour of every day knows no such hour, and is said in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from ansible_collections.dbaas.platform.plugins.module_utils.domain import schedule
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest

#: the calendar repeats after so many years, and what a zone's rules are today is all that can be known
_YEARS = 28
_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
#: AWX reads no year of fewer digits, and the calendar ends with the year 9999
_START = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class _Cron:
    """The times of an expression; `either`: a day fits by its date or by its weekday, else by both."""

    minutes: frozenset[int]
    hours: frozenset[int]
    dates: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    wild: bool

    @property
    def daily(self) -> bool:
        """Whether it runs on every day."""
        whole = [len(self.dates) == 31, len(self.weekdays) == 7]
        return len(self.months) == 12 and (any(whole) if self.either else all(whole))

    def runs_on(self, day: date) -> bool:
        fits = [day.day in self.dates, day.isoweekday() % 7 in self.weekdays]
        return day.month in self.months and (any(fits) if self.either else all(fits))

    def runs_at(self, at: datetime) -> bool:
        return at.minute in self.minutes and at.hour in self.hours and self.runs_on(at.date())


@dataclass(frozen=True)
class _Change:
    """A change of a zone's clocks: the wall-clock times from `begin` to before `end` are left out, or come twice."""

    begin: datetime
    end: datetime
    left_out: bool


def rrule(cron: str, timezone: str = "UTC", start: str = "2026-01-01") -> str:
    """The recurrence of an AWX schedule that runs when cron would: DTSTART and one rule, or two.

    cron: five fields. timezone: a name such as Africa/Lagos. start: the day from which it holds (YYYY-MM-DD), fixed so
    that the text stays the same. Raises InvalidFields option-invalid with the reason why AWX cannot be told this.
    """
    zone = _zone(timezone)
    if not _START.fullmatch(start) or not _is_day(start):
        raise _wrong("start", start, "a day such as 2026-01-01")
    if problem := schedule.problem(cron):
        raise _wrong("cron", cron, problem)
    times = _parse(cron)
    begin = datetime.fromisoformat(start)
    if times.daily and len(times.hours) == 24 and timezone != "UTC":
        return _text("UTC", begin, _shifted(cron, times, zone, timezone, begin.year))
    for change in _changes(timezone, begin.year):
        _refuse_within(change, cron, times, timezone)
    return _text(timezone, begin, times)


def _wrong(path: str, given: str, allowed: str, near: str | None = None) -> InvalidFields:
    return InvalidFields("option-invalid", [FieldError(path, given, allowed, near)])


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    # it opens each of some six hundred files
    return frozenset(available_timezones() | {"UTC"})


def _zone(name: str) -> ZoneInfo:
    known = _zones()
    if name not in known:
        raise _wrong("timezone", name, "the name of a time zone such as Africa/Lagos", nearest(name, sorted(known)))
    return ZoneInfo(name)


@lru_cache(maxsize=256)
def _parse(expression: str) -> _Cron:
    from cronsim import CronSim

    known: Any = CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
    minute, hour = expression.split()[:2]
    return _Cron(
        minutes=frozenset(known.minutes),
        hours=frozenset(known.hours),
        dates=frozenset(known.days),
        months=frozenset(known.months),
        weekdays=frozenset(day % 7 for day in known.weekdays),
        either=not known.day_and,
        wild=minute.startswith("*") or hour.startswith("*"),
    )


def _text(timezone: str, begin: datetime, times: _Cron) -> str:
    stamp = f"{begin:%Y%m%dT%H%M%S}"
    head = f"DTSTART:{stamp}Z" if timezone == "UTC" else f"DTSTART;TZID={timezone}:{stamp}"
    return " ".join([head, *(f"RRULE:{rule}" for rule in _rules(times))])


def _rules(times: _Cron) -> Iterator[str]:
    every_hour, every_minute = len(times.hours) == 24, len(times.minutes) == 60
    if every_hour:
        clock = "FREQ=MINUTELY;INTERVAL=1" if every_minute else f"FREQ=HOURLY;INTERVAL=1{_by('MINUTE', times.minutes)}"
    else:
        clock = f"FREQ=DAILY;INTERVAL=1{_by('HOUR', times.hours)}{_by('MINUTE', times.minutes)}"
    months = _by("MONTH", times.months) if len(times.months) < 12 else ""
    dates = _by("MONTHDAY", times.dates) if len(times.dates) < 31 else ""
    weekdays = _by("DAY", times.weekdays, _DAYS.__getitem__) if len(times.weekdays) < 7 else ""
    if times.either and dates and weekdays:
        # a rule fits a day by all it says, so what is meant as either of two takes two rules
        yield f"{clock}{months}{dates}"
        yield f"{clock}{months}{weekdays}"
    else:
        yield f"{clock}{months}{'' if times.either else dates + weekdays}"


def _by(name: str, values: Iterable[int], word: Callable[[int], str] = str) -> str:
    return f";BY{name}={','.join(word(value) for value in sorted(values))}"


def _shifted(cron: str, times: _Cron, zone: ZoneInfo, timezone: str, year: int) -> _Cron:
    """The same in UTC, of what runs in every hour of every day: just the minutes may be others."""
    times_of_year = [
        datetime(year, 1, 1, tzinfo=zone),
        *(each.end.replace(tzinfo=zone) for each in _changes(timezone, year)),
    ]
    offsets = {int(_offset(zone, at).total_seconds()) // 60 % 60 for at in times_of_year}
    if len(offsets) > 1 and len(times.minutes) < 60:
        words = f"in {timezone}, where summer time is no whole hour, a fixed hour, or timezone UTC"
        raise _wrong("cron", cron, words)
    shift = offsets.pop()
    return _Cron(
        frozenset((minute - shift) % 60 for minute in times.minutes),
        times.hours,
        times.dates,
        times.months,
        times.weekdays,
        times.either,
        times.wild,
    )


def _refuse_within(change: _Change, cron: str, times: _Cron, timezone: str) -> None:
    """Refuses times that a change of clocks leaves out, or that come twice, where AWX and cron go different ways."""
    if not change.left_out and not times.wild:
        return
    minutes = range(int((change.end - change.begin).total_seconds()) // 60)
    within = sum(times.runs_at(change.begin + timedelta(minutes=minute)) for minute in minutes)
    if within > (1 if change.left_out and times.wild else 0):
        why = "is left out when clocks go forward" if change.left_out else "comes twice when clocks go back"
        words = (
            f"no time from {change.begin:%H:%M} to {change.end:%H:%M} in {timezone} on {change.begin:%Y-%m-%d}, which"
            f" {why} and where AWX would not run as cron does; another time, or timezone UTC"
        )
        raise _wrong("cron", cron, words)


@lru_cache(maxsize=64)
def _changes(timezone: str, year: int) -> tuple[_Change, ...]:
    """The changes of a zone's clocks in the years from this one on."""
    zone = ZoneInfo(timezone)
    found = []
    before = datetime(year, 1, 1, tzinfo=UTC)
    for number in range(1, _YEARS * 366):
        after = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=number)
        if _offset(zone, before) != _offset(zone, after):
            found.append(_change(zone, before, after))
        before = after
    return tuple(found)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> _Change:
    """The change that lies between these two instants of UTC, to the minute."""
    old = _offset(zone, before)
    while after - before > timedelta(minutes=1):
        middle = before + timedelta(minutes=int((after - before).total_seconds() // 120))
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    walls = sorted((after + offset).replace(tzinfo=None) for offset in (old, _offset(zone, after)))
    return _Change(walls[0], walls[1], left_out=_offset(zone, after) > old)

"""cron as RRULE: AWX runs at the same times, across changes of summer time, or the expression is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from zoneinfo import ZoneInfo

import dateutil.rrule
import dateutil.tz
import pytest
from ansible.errors import AnsibleFilterError
from ansible.plugins.loader import filter_loader
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import recurrence
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields
from cronsim import CronSim

BERLIN = "Europe/Berlin"
NEW_YEAR = datetime.fromisoformat("2026-01-01")
#: from some hours before each change of summer time, and from New Year, so that days in fifty cross one too
STARTS = ("2026-03-28T15:10", "2026-10-24T15:10", "2026-02-20T00:00", "2026-09-20T00:00")
MINUTES = ("0", "59", "5,35", "*/15")
HOURS = ("3", "23", "4,16", "8-18/5", "*")
DAYS = (
    ("*", "*", "*"),
    ("1", "*", "*"),
    ("15,31", "*", "*"),
    ("*/10", "*", "*"),
    ("*", "*", "0"),
    ("*", "*", "MON-FRI"),
    ("*", "JAN,MAR-OCT/3", "*"),
    ("*", "*/4", "6"),
    ("13", "*", "FRI"),
    ("*/2", "*", "MON"),
    ("1,15", "3,10", "TUE,THU"),
    ("1-7", "*", "*/2"),
    ("29", "2", "*"),
    ("1-31", "*", "1"),
)
Z, FOUR = "DTSTART:20260101T000000Z", "FREQ=DAILY;INTERVAL=1;BYHOUR=4;BYMINUTE=0"
GERMAN, LAGOS = (f"DTSTART;TZID={zone}:20260101T000000" for zone in (BERLIN, "Africa/Lagos"))
EXPRESSIONS = ["* 3 * * *", "* * * * *", "* * * * MON"]
EXPRESSIONS += [f"{minute} {hour} {' '.join(day)}" for minute, hour, day in product(MINUTES, HOURS, DAYS)]


def by_cron(expression: str, zone: str, start: str, count: int = 50) -> list[datetime]:
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    return [at.astimezone(UTC) for at in islice(CronSim(expression, begin), count)]


def by_awx(rule: str, zone: str, start: str, count: int = 50) -> list[datetime]:
    """As AWX's scheduler goes from one run to the next."""
    now = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    # AWX too moves the beginning of these near to today, or it would count for minutes
    near = re.sub(r"(DTSTART[^:]*):\d{8}", rf"\g<1>:{now - timedelta(days=2):%Y%m%d}", rule)
    moved = near if re.search("HOURLY|MINUTELY", rule) else rule
    rules = dateutil.rrule.rrulestr(moved, forceset=True)
    # in their order, which is that of the wall clock
    upcoming = rules.xafter(now - timedelta(hours=3))
    found: list[datetime] = []
    while len(found) < count:
        after = next(at for at in upcoming if at > now)
        if not dateutil.tz.datetime_exists(after):
            # AWX leaves out one time that does not exist, and looks no further
            after = next(upcoming)
        now = after.astimezone(UTC)
        found.append(now)
    return found


def dialect(rule: str) -> None:
    """What AWX was recorded to want of a recurrence."""
    assert re.fullmatch(r"DTSTART(;TZID=[\w/+-]+:\d{8}T\d{6}|:\d{8}T\d{6}Z)( RRULE:\S+){1,2}", rule)
    for each in rule.split(" ")[1:]:
        assert re.search(r"FREQ=(MINUTELY|HOURLY|DAILY);INTERVAL=1(;|$)", each)
        assert not re.search(r"BYDAY=[^;]*\d|COUNT|UNTIL|SECONDLY", each)


def test_there_are_enough_expressions() -> None:
    assert len(EXPRESSIONS) == len(set(EXPRESSIONS)) == 283


@pytest.mark.parametrize("minute", [*MINUTES, "*"])
def test_awx_runs_when_cron_would_across_changes_of_summer_time(minute: str) -> None:
    said = 0
    for expression in (each for each in EXPRESSIONS if each.startswith(f"{minute} ")):
        try:
            rule = recurrence.rrule(expression, BERLIN)
        except InvalidFields:
            # all hours of some days: on those of a change they cannot be said
            assert expression.split()[1] == "*"
            continue
        dialect(rule)
        said += 1
        for start in STARTS[:2] if "FREQ=DAILY" not in rule else STARTS:
            assert by_awx(rule, BERLIN, start) == by_cron(expression, BERLIN, start), (expression, start)
    assert said > 40 or minute == "*"


def test_daily_runs_cross_two_changes() -> None:
    rule = recurrence.rrule("30 4 */3 * *", BERLIN)
    found = by_awx(rule, BERLIN, "2026-03-20T00:00", 100)
    assert found == by_cron("30 4 */3 * *", BERLIN, "2026-03-20T00:00", 100)
    assert {at.astimezone(ZoneInfo(BERLIN)).utcoffset() for at in found} == {
        datetime(2026, month, 1, tzinfo=ZoneInfo(BERLIN)).utcoffset() for month in (1, 7)
    }
    assert found[0].month == 3
    assert found[-1].year == 2027


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("0 3 * * *", "Africa/Lagos", f"{LAGOS} RRULE:FREQ=DAILY;INTERVAL=1;BYHOUR=3;BYMINUTE=0"),
        ("*/20 * * * *", "UTC", f"{Z} RRULE:FREQ=HOURLY;INTERVAL=1;BYMINUTE=0,20,40"),
        ("*/20 * * * *", BERLIN, f"{Z} RRULE:FREQ=HOURLY;INTERVAL=1;BYMINUTE=0,20,40"),
        # one time of March alone that is left out is left out by both
        ("0 * * 3 *", BERLIN, f"{GERMAN} RRULE:FREQ=HOURLY;INTERVAL=1;BYMINUTE=0;BYMONTH=3"),
        ("* * * * *", "Australia/Lord_Howe", f"{Z} RRULE:FREQ=MINUTELY;INTERVAL=1"),
        ("0 * * * *", "Asia/Kolkata", f"{Z} RRULE:FREQ=HOURLY;INTERVAL=1;BYMINUTE=30"),
        ("0 * * * MON", BERLIN, f"{GERMAN} RRULE:FREQ=HOURLY;INTERVAL=1;BYMINUTE=0;BYDAY=MO"),
        (
            "0 4 13 * FRI",
            "UTC",
            f"{Z} RRULE:{FOUR};BYMONTHDAY=13 RRULE:{FOUR};BYDAY=FR",
        ),
        (
            "0 4 */2 1,7 SUN",
            "UTC",
            f"{Z} RRULE:{FOUR};BYMONTH=1,7;BYMONTHDAY=1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31;BYDAY=SU",
        ),
    ],
)  # fmt: skip
def test_what_is_said(expression: str, zone: str, expected: str) -> None:
    assert recurrence.rrule(expression, zone) == expected
    dialect(expected)
    assert by_awx(expected, zone, STARTS[0]) == by_cron(expression, zone, STARTS[0])


#: Expression, zone -> the change that it would run in.
CLASHES = [
    ("30 2 * * *", BERLIN, "02:00 to 03:00 in Europe/Berlin on 2026-03-29, which is left out when clocks go forward"),
    ("0 2 * * SUN", BERLIN, "on 2026-03-29, which is left out"),
    ("0 2 8-14 3 *", "America/New_York", "02:00 to 03:00 in America/New_York on 2026-03-08, which is left out"),
    ("15 0 * 3 *", "Asia/Beirut", "00:00 to 01:00 in Asia/Beirut on 2026-03-29, which is left out"),
    ("*/10 1 1-7 11 *", "America/New_York", "01:00 to 02:00 in America/New_York on 2026-11-01, which comes twice"),
    ("0 * * * SUN", BERLIN, "02:00 to 03:00 in Europe/Berlin on 2026-10-25, which comes twice"),
    ("*/15 2 * 3 *", BERLIN, "on 2026-03-29, which is left out"),
    ("30 */2 * 10 *", BERLIN, "02:00 to 03:00 in Europe/Berlin on 2026-10-25, which comes twice"),
]


@pytest.mark.parametrize(("expression", "zone", "reason"), CLASHES)
def test_what_awx_would_run_at_another_time_is_refused(expression: str, zone: str, reason: str) -> None:
    with pytest.raises(InvalidFields, match=re.escape(reason)) as caught:
        recurrence.rrule(expression, zone)
    assert caught.value.code == "option-invalid"
    # and rightly: said nevertheless, AWX does run at other times
    said = recurrence._text(zone, NEW_YEAR, recurrence._parse(expression))
    start = f"{re.search('on ([0-9-]+)', reason)[1]}T00:00"  # type: ignore[index]
    before = "2026-03-28T23:59" if zone == "Asia/Beirut" else start
    assert by_awx(said, zone, before) != by_cron(expression, zone, before)
    # in UTC nothing is left out and nothing comes twice
    assert by_awx(recurrence.rrule(expression), "UTC", start) == by_cron(expression, "UTC", start)


def test_what_each_does_in_the_hour_that_is_left_out_and_in_the_one_that_comes_twice() -> None:
    """The facts that refusals rest on: Berlin leaves out 02:00-03:00 on 29 March, and has it twice on 25 October."""

    def hours(expression: str, day: str) -> tuple[list[str], list[str]]:
        said = recurrence._text(BERLIN, NEW_YEAR, recurrence._parse(expression))
        start = f"2026-{day}T00:00"
        both = by_cron(expression, BERLIN, start), by_awx(said, BERLIN, start)
        cron, awx = ([f"{at:%H:%MZ}" for at in found if f"{at:%m-%d}" == day] for found in both)
        return cron, awx

    # a fixed hour: cron runs as soon as the hour is over, AWX does not run that day
    assert hours("30 2 * * *", "03-29") == (["01:00Z"], [])
    # and in the hour that comes twice both run the first time
    assert hours("30 2 * * *", "10-25") == (["00:30Z"], ["00:30Z"])
    # a star for the hour: cron runs in both hours of that name, AWX in the first
    assert hours("30 */2 * * *", "10-25")[0][:3] == ["00:30Z", "01:30Z", "03:30Z"]
    assert hours("30 */2 * * *", "10-25")[1][:2] == ["00:30Z", "03:30Z"]


def test_a_clash_in_years_to_come_is_found() -> None:
    # the last Sunday of March is the 25th in 2029 first
    with pytest.raises(InvalidFields, match="on 2029-03-25"):
        recurrence.rrule("0 2 25 3 *", BERLIN)
    # and never the 24th
    assert recurrence.rrule("0 2 24 3 *", BERLIN)


@pytest.mark.parametrize(
    ("cron", "timezone", "start", "reason"),
    [
        ("0 4 L * *", "UTC", "2026-01-01", "cron: given '0 4 L * *', allowed: numbers, names of months and days"),
        ("0 4 * * MON#1", "UTC", "2026-01-01", "cron: given '0 4 * * MON#1', allowed: numbers"),
        ("0 0 4 * * *", "UTC", "2026-01-01", "allowed: five fields"),
        ("0 4 30 2 *", "UTC", "2026-01-01", "cron: given '0 4 30 2 *'"),
        ("61 * * * *", "UTC", "2026-01-01", "a cron expression (Bad minute)"),
        ("0 4 * * *", "Africa/Lagoss", "2026-01-01", "nearest: Africa/Lagos"),
        ("0 4 * * *", "UTC", "2026-13-01", "start: given '2026-13-01', allowed: a day such as 2026-01-01"),
        ("0 4 * * *", "UTC", "0001-01-01", "start: given '0001-01-01', allowed: a day such as 2026-01-01"),
        ("0 4 * * *", "UTC", "9999-12-31", "start: given '9999-12-31', allowed: a day such as 2026-01-01"),
        ("0 4 * * *", "UTC", "20260101", "start: given '20260101'"),
        ("0 * * * *", "Australia/Lord_Howe", "2026-01-01", "where summer time is no whole hour"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(cron: str, timezone: str, start: str, reason: str) -> None:
    with pytest.raises(InvalidFields, match=re.escape(reason)):
        recurrence.rrule(cron, timezone, start)


def test_the_filter_says_the_same() -> None:
    plugin = filter_loader.get("dbaas.platform.rrule").j2_function
    assert plugin("0 3 * * *", "Africa/Lagos", "2026-02-01") == recurrence.rrule(
        "0 3 * * *", "Africa/Lagos", "2026-02-01"
    )
    with pytest.raises(AnsibleFilterError, match="which is left out"):
        plugin("30 2 * * *", BERLIN)

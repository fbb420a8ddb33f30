"""Windows of maintenance: when the next one is open, by hand and for any windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.maintenance import opens, windows
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.shipped import CALM, SMALL, refused

Json = dict[str, Any]

#: a Thursday
THURSDAY = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NIGHTS: Json = {"days": ["sat", "sun"], "start": "22:30", "duration": "4h"}


@pytest.mark.parametrize(
    ("window", "now", "opening"),
    [
        (NIGHTS, THURSDAY, datetime(2026, 1, 3, 22, 30, tzinfo=UTC)),
        # begun on Saturday, and open after midnight too
        (NIGHTS, datetime(2026, 1, 4, 2, 29, 59, tzinfo=UTC), datetime(2026, 1, 4, 2, 29, 59, tzinfo=UTC)),
        # over when it is over
        (NIGHTS, datetime(2026, 1, 4, 2, 30, tzinfo=UTC), datetime(2026, 1, 4, 22, 30, tzinfo=UTC)),
        # begun on Sunday, it goes on on Monday
        (NIGHTS, datetime(2026, 1, 5, 1, 0, tzinfo=UTC), datetime(2026, 1, 5, 1, 0, tzinfo=UTC)),
        (NIGHTS, datetime(2026, 1, 5, 3, 0, tzinfo=UTC), datetime(2026, 1, 10, 22, 30, tzinfo=UTC)),
        # of no days: each day
        ({"start": "11:59", "duration": "2m"}, THURSDAY, THURSDAY),
        ({"start": "12:00", "duration": "1m"}, THURSDAY, THURSDAY),
        ({"start": "11:59", "duration": "1m"}, THURSDAY, THURSDAY + timedelta(hours=23, minutes=59)),
        ({"start": "00:00", "duration": "24h"}, THURSDAY, THURSDAY),
        # today's is over: a week to wait
        ({"days": ["thu"], "start": "01:00", "duration": "1h"}, THURSDAY, datetime(2026, 1, 8, 1, 0, tzinfo=UTC)),
        # where clocks go forward elsewhere, no hour is missing here
        (
            {"days": ["sun"], "start": "01:30", "duration": "1h"},
            datetime(2026, 3, 29, 0, 0, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        ),
    ],
)
def test_when_a_window_opens(window: Json, now: datetime, opening: datetime) -> None:
    assert opens([window], now) == opening


def test_of_several_windows_the_first_that_opens() -> None:
    early: Json = {"days": ["fri"], "start": "03:00", "duration": "1h"}
    assert opens([NIGHTS, early], THURSDAY) == datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
    assert opens([early, NIGHTS], THURSDAY) == datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


def test_claims_without_windows_wait_for_none() -> None:
    assert windows({}) == []
    assert windows({"maintenance": {"windows": [NIGHTS]}}) == [NIGHTS]


any_window = st.fixed_dictionaries(
    {
        "start": st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
        "duration": st.builds("{}m".format, st.integers(1, 1440)),
    },
    optional={"days": st.lists(st.sampled_from(schema.DAYS), min_size=1, max_size=7, unique=True)},
)
moments = st.builds(lambda seconds: THURSDAY + timedelta(seconds=seconds), st.integers(0, 730 * 86400))


def is_open(window: Json, now: datetime) -> bool:
    """By another way than the code: minute by minute of the week, from the day on which it began."""
    hours, minutes = map(int, window["start"].split(":"))
    length = int(window["duration"][:-1])
    for back in (0, 1):
        day = (now - timedelta(days=back)).date()
        since = (now - datetime(day.year, day.month, day.day, hours, minutes, tzinfo=UTC)).total_seconds()
        if schema.DAYS[day.weekday()] in window.get("days", schema.DAYS) and 0 <= since < length * 60:
            return True
    return False


@CALM
@given(st.lists(any_window, min_size=1, max_size=3), moments)
def test_the_opening_is_open_and_nothing_was_open_before(found: list[Json], now: datetime) -> None:
    opening = opens(found, now)
    assert now <= opening <= now + timedelta(days=7)
    assert any(is_open(each, opening) for each in found)
    assert (opening == now) == any(is_open(each, now) for each in found)
    # what looks later, and still before it, finds the same
    assert opens(found, now + (opening - now) / 2) == opening or opening == now
    if opening > now:
        assert not any(is_open(each, opening - timedelta(seconds=1)) for each in found)


@CALM
@given(any_window, moments, st.builds(lambda seconds: timedelta(seconds=seconds), st.integers(0, 9 * 86400)))
def test_time_does_not_run_backwards(window: Json, now: datetime, later: timedelta) -> None:
    assert opens([window], now) <= opens([window], now + later)


@pytest.mark.parametrize(
    ("window", "path", "words"),
    [
        ({**NIGHTS, "start": "24:00"}, "start", "a time of day"),
        ({**NIGHTS, "start": 1350}, "start", "text"),
        ({**NIGHTS, "duration": "25h"}, "duration", "half an hour to a day"),
        ({**NIGHTS, "duration": "1441m"}, "duration", "half an hour to a day"),
        ({**NIGHTS, "duration": "29m"}, "duration", "half an hour to a day"),
        ({**NIGHTS, "days": ["saturday"]}, "days[0]", "one of mon, tue"),
        ({**NIGHTS, "days": []}, "days", "at least 1"),
        ({"start": "22:30"}, "duration", "required"),
    ],
)
def test_what_is_no_window_is_refused(window: Json, path: str, words: str) -> None:
    error = refused({**SMALL, "maintenance": {"windows": [window]}})[f"spec.maintenance.windows[0].{path}"]
    assert words in error.allowed
    assert "spec.maintenance.windows" in refused({**SMALL, "maintenance": {}})


def test_the_longest_that_a_window_may_be() -> None:
    for duration in ("1440m", "24h", "1h", "30m", "99m", "1399m", "999m"):
        assert Checker({"type": "string", "pattern": schema.STRETCH}).errors(duration, "") == []

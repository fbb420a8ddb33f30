"""Schedules' recurrence rules: what AWX refuses, and when they run."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from dateutil import rrule as rules
from dateutil import tz

from .problems import Problem
from .recordings import Json

_ZONE = "rrule parsing failed validation: A valid TZID must be provided (e.g., America/New_York)"


def check(text: str) -> None:
    """Raises Problem: all that AWX finds wrong with a rule, in its order."""
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", text)
    found = re.findall(r"RULE:[^\s]*", text)
    errors = []
    if not starts:
        errors.append("Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if re.search(r"DTSTART:[0-9]+T[0-9]+(?:\s|\Z)", text):
        errors.append("DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
    if len(starts) > 1:
        errors.append("Multiple DTSTART is not supported.")
    if "rrule:" not in text.lower():
        errors.append("One or more rule required in rrule.")
    for word in ("EXDATE", "RDATE"):
        if f"{word.lower()}:" in text.lower():
            raise Problem(400, {"rrule": [f"{word} not allowed in rrule."]})
    for rule in found:
        errors += _rule(rule)
    try:
        parse(text)
    except Exception as error:  # noqa: BLE001 - whatever the parser says is what AWX answers
        errors.append(f"rrule parsing failed validation: {error}")
    if errors:
        raise Problem(400, {"rrule": errors})


def _rule(rule: str) -> list[str]:
    errors = []
    if "interval" not in rule.lower():
        errors.append(f"INTERVAL required in rrule: {rule}")
    elif "secondly" in rule.lower():
        errors.append(f"SECONDLY is not supported: {rule}")
    if re.search(r"BYDAY[:=][0-9]+[a-zA-Z]{2}", rule):
        errors.append(f"BYDAY with numeric prefix not supported: {rule}")
    if "COUNT" in rule and "UNTIL" in rule:
        errors.append(f"RRULE may not contain both COUNT and UNTIL: {rule}")
    count = re.search(r"COUNT=([0-9]+)", rule)
    if count and int(count[1]) > 999:
        errors.append(f"COUNT > 999 is unsupported: {rule}")
    return errors


def with_utc_until(text: str) -> str:
    """An UNTIL without a zone is meant in that of DTSTART; AWX keeps it in UTC."""
    until, zone = re.search(r"UNTIL=(\d{8}T\d{6})(?!\d|Z)", text), zone_of(text)
    if not until or zone is None:
        return text
    moment = datetime.strptime(until[1], "%Y%m%dT%H%M%S").replace(tzinfo=zone).astimezone(UTC)
    return text.replace(until[1], moment.strftime("%Y%m%dT%H%M%SZ"))


def zone_of(text: str) -> Any:
    """The zone of DTSTART."""
    named = re.search(r"DTSTART;TZID=([^:]+):", text)
    return tz.gettz(named[1]) if named else tz.UTC


def parse(text: str) -> rules.rruleset:
    """Raises ValueError and others of the parser."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # COUNT with UNTIL is refused in AWX's own words
        parsed = rules.rrulestr(with_utc_until(text), forceset=True)
    for rule in parsed._rrule:
        if rule._dtstart is None or rule._dtstart.tzinfo is None:
            raise ValueError(_ZONE.partition(": ")[2])
    return parsed


def facts(text: str, enabled: bool) -> Json:
    """What AWX says of a schedule besides what was sent: all times in UTC, of the occurrences, not of DTSTART."""
    parsed, now = parse(text), datetime.now(UTC)
    ends = "COUNT=" in text or "UNTIL=" in text
    first = next(iter(parsed), None)
    last = None
    if ends:
        for last in islice(parsed, 10000):  # noqa: B007 - the last is what is wanted
            pass
    named = re.search(r"DTSTART;TZID=([^:]+):", text)
    until = re.search(r"UNTIL=(\d{8}T\d{6})Z", text)
    zone = zone_of(text)
    return {
        "rrule": text,
        "dtstart": _utc(first),
        "dtend": _utc(last),
        "next_run": _utc(parsed.after(now)) if enabled else None,
        "timezone": named[1] if named else "UTC",
        "until": _local(until[1], zone) if until else "",
    }


def _utc(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _local(text: str, zone: Any) -> str:
    moment = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def preview(text: str) -> Json:
    """The first ten occurrences."""
    found = list(islice(parse(text), 10))
    return {
        "local": [_offset(moment) for moment in found],
        "utc": [_utc(moment) for moment in found],
    }


def _offset(moment: datetime) -> str:
    return (
        "Z".join(moment.isoformat().rsplit("+00:00", 1))
        if moment.isoformat().endswith("+00:00")
        else moment.isoformat()
    )

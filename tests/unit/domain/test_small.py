"""Quantities, schedules, paths, errors."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, quantity, schedule
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.explain import CAUSES
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.tree import ROOT
from tests.unit.domain.shipped import CALM


@pytest.mark.parametrize(
    ("measure", "text", "expected"),
    [
        (quantity.size, "1024", 1024),
        (quantity.size, "1Ki", 1024),
        (quantity.size, "512Mi", 2**29),
        (quantity.size, "2Ti", 2**41),
        (quantity.cpu, "2", 2000),
        (quantity.cpu, "500m", 500),
        (quantity.seconds, "30s", 30),
        (quantity.seconds, "5m", 300),
        (quantity.seconds, "6h", 21600),
        (quantity.seconds, "14d", 1209600),
        (quantity.seconds, "2w", 1209600),
    ],
)
def test_quantities(measure: Callable[[str], int], text: str, expected: int) -> None:
    assert measure(text) == expected


@pytest.mark.parametrize("measure", [quantity.size, quantity.cpu, quantity.seconds])
@pytest.mark.parametrize("text", ["", "x", "1.5Gi", "-1", "1G", "1 h", "1h30m", "1e3", "Gi"])
def test_no_quantities(measure: Callable[[str], int], text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        measure(text)


@CALM
@given(st.integers(0, 10**6), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_sizes_keep_their_order(number: int, unit: str) -> None:
    assert quantity.size(f"{number}{unit}") < quantity.size(f"{number + 1}{unit}")


@pytest.mark.parametrize(
    "cron",
    [
        "0 2 * * *",
        "*/5 * * * *",
        "0 */6 * * *",
        "0 0 29 2 *",
        "0 4 * JAN-MAR mon,WED",
        "1,31 0-6/2 1-7 * 0",
        "5/15 * * * *",
    ],
)
def test_schedules(cron: str) -> None:
    assert schedule.problem(cron) is None


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("", "five fields"),
        ("@daily", "five fields"),
        ("0 0 2 * * *", "five fields"),
        ("TZ=UTC 0 2 * * *", "five fields"),
        ("0  2 * * *", "five fields"),
        ("0 2 * *\t*", "five fields"),
        ("60 2 * * *", "a cron expression (Bad minute)"),
        ("0 2 30 2 *", "a cron expression (Bad day-of-month)"),
        ("x 2 * * *", "a cron expression (Bad minute)"),
        ("0 2 L * *", "the signs"),
        ("0 2 LW * *", "the signs"),
        ("0 2 * * 1#2", "the signs"),
        ("0 2 * * 5L", "0 (Sunday) to 6"),
        ("0 2 * * 7", "0 (Sunday) to 6"),
        ("0 2 * * 5-7", "0 (Sunday) to 6"),
    ],
)
def test_no_schedules(cron: str, words: str) -> None:
    assert words in str(schedule.problem(cron))


@CALM
@given(st.text(max_size=20) | st.lists(st.text("0123456789*/,-LW#?JANMON ", max_size=4), max_size=6).map(" ".join))
def test_no_text_makes_it_fail(text: str) -> None:
    if schedule.problem(text) is None:
        assert schedule.shortest_gap(text) >= 60


@pytest.mark.parametrize(
    ("cron", "seconds"),
    [
        ("* * * * *", 60),
        ("0 2 * * *", 86400),
        ("0 */6 * * *", 21600),
        ("0 0,1 * * *", 3600),
        ("0 0 * * 0", 604800),
        ("0 0 29 2 *", 126230400),
    ],
)
def test_the_shortest_gap(cron: str, seconds: int) -> None:
    assert schedule.shortest_gap(cron) == seconds


def test_paths() -> None:
    assert paths.base("charts", "tenant") == "base/charts/tenant"
    assert paths.overlay("lagos") == "overlays/lagos"
    assert paths.tenant("123") == "tenants/123/tenant.yaml"
    assert paths.claim("123", "ring") == "tenants/123/claims/ring.yaml"
    assert paths.foundation("123", "lagos", "values.yaml") == "tenants/123/lagos/values.yaml"
    assert paths.service("123", "lagos", "ring") == "tenants/123/lagos/services/ring.yaml"
    assert paths.namespace("123") == "tenant-123"


def test_an_error_says_what_to_do() -> None:
    error = DbaasError("git-unreachable", "no route")
    assert (error.code, error.cls, error.retry, error.runbook) == (
        "git-unreachable",
        "dependency",
        True,
        "git-unreachable",
    )
    assert str(error).splitlines() == ["no route", f"{error.action} [git-unreachable, dependency]"]


def test_wrong_fields_are_counted_and_cut_short() -> None:
    fields = [FieldError("spec.a", None, "text"), FieldError("spec.b", "x" * 1000, "less", "y", "file.yaml")]
    lines = str(InvalidFields("claim-invalid", fields)).splitlines()
    assert lines[0] == "2 fields are wrong:"
    assert lines[1] == "  spec.a: not given, allowed: text"
    assert lines[2].startswith("  file.yaml: spec.b: given 'xxx")
    assert lines[2].endswith("…, allowed: less; nearest: y")
    assert len(lines[2]) < 300
    assert str(InvalidFields("claim-invalid", fields[:1])).startswith("1 field is wrong:")


def test_every_code_is_used_and_has_a_class() -> None:
    files = [path for path in (ROOT / "plugins").rglob("*.py") if path.name != "errors.py"]
    files += (ROOT / "extensions").rglob("*.py")
    files += (ROOT / "playbooks").glob("*.yml")
    source = "\n".join(path.read_text() for path in files)
    assert [code for code in CODES if f'"{code}"' not in source and f"[{code}, " not in source] == []
    classes = {"user", "quota", "capacity", "licence", "dependency", "bug"}
    assert all(cls in classes and action for cls, _retry, action in CODES.values())
    # what a user did wrong is never tried again hot
    assert not [code for code, (cls, retry, _action) in CODES.items() if cls == "user" and retry]


def test_every_code_stands_in_the_runbook() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted({*CODES, *CAUSES})

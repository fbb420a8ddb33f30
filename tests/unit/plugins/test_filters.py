"""The filters, as templates call them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.plugins.loader import filter_loader


def apply(name: str, *arguments: Any) -> Any:
    return filter_loader.get(f"dbaas.platform.{name}").j2_function(*arguments)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5Gi", 1610612736), ("500m", 0.5), ("2", 2), (2, 2), ("10k", 10000), ("1e3", 1000), ("3Ti", 3 * 2**40)],
)
def test_quantities(text: Any, number: float) -> None:
    found = apply("quantity", text)
    assert found == number
    assert isinstance(found, float if number == 0.5 else int)


@pytest.mark.parametrize(
    "text",
    # Kubernetes knows no number of 2^63 and more, no digits of other scripts, and nothing that is none
    [
        "",
        "much",
        "5 Gi",
        "1Qi",
        "inf",
        "nan",
        "1e999999",
        "8Ei",
        "-8Ei",
        "1e9999999999999999999",
        "１Gi",
        None,
        [],
    ],
)
def test_what_is_no_quantity(text: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="is no quantity of Kubernetes"):
        apply("quantity", text)


@pytest.mark.parametrize(("text", "number"), [("90s", 90), ("1h30m", 5400), ("14d", 1209600), ("2w1d", 1296000)])
def test_durations(text: str, number: int) -> None:
    assert apply("duration", text) == number


@pytest.mark.parametrize("text", ["", "30", "30m1h", "1h1h", "1.5h", " 30m", "30ms", "１h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(AnsibleError, match=r"not a duration: .*allowed: such as 90s"):
        apply("duration", text)


def test_the_next_times_of_a_cron_expression() -> None:
    asked = ("0 3 * * *", 2, "Europe/Berlin", "2026-10-24T12:00:00+00:00")
    assert apply("cron", *asked) == ["2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"]
    assert apply("cron", "30 6 * * 1", 1, "UTC", "2026-11-26T00:00:00") == ["2026-11-30T06:30:00+00:00"]
    assert len(apply("cron", "* * * * *")) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("never",), "is no cron expression; allowed: five fields"),
        (("0 3 * * *", 1, "Mars/Olympus"), "Mars/Olympus"),
        (("0 3 * * *", 1, "UTC", "soon"), "soon"),
        (("0 3 * * *", None), "None is no count of times"),
        (("0 3 * * *", "many"), "'many' is no count of times"),
        (("0 3 * * *", -1), "-1 is no count of times"),
        (("0 3 * * *", float("inf")), "inf is no count of times"),
        (("0 3 * * *", 10**30), "are not in the calendar"),
        (("0 3 * * *", 3, "UTC", "9999-12-30"), "after 9999-12-30T00:00:00\\+00:00 are not in the calendar"),
        (("0 3 * * *", 1, "Africa/Lagos", "9999-12-31T23:59:59+00:00"), "cron: "),
    ],
)
def test_what_is_no_schedule(asked: tuple[Any, ...], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        apply("cron", *asked)


def test_what_services_cost() -> None:
    claim = {
        "tenant": "acme",
        "name": "orders",
        "sku": "scy-ring-3",
        "plan": "dedicated",
        "regions": ["lagos", "johannesburg"],
        "price_monthly_usd": 1800,
        "sla_percent": 99.5,
    }
    operation = {"tenant": "acme", "name": "orders", "plan": {"restart": "rolling"}}
    assert apply("cost_table", {"claim": claim, "operations": [operation]}) == [
        "service      SKU         plan       regions              USD a month  SLA %  restart",
        "acme/orders  scy-ring-3  dedicated  lagos, johannesburg         1800   99.5  rolling",
    ]
    other = {**claim, "name": "a", "regions": ["lagos"], "price_monthly_usd": 900, "sla_percent": 99.95}
    assert apply("cost_table", {"claims": [claim, other], "operations": [operation]})[1:] == [
        "acme/orders  scy-ring-3  dedicated  lagos, johannesburg         1800   99.5  rolling",
        "acme/a       scy-ring-3  dedicated  lagos                        900  99.95",
        "2 services                                                      2700",
    ]
    assert apply("cost_table", {"claims": [], "operations": []}) == ["nothing changes"]
    odd: list[Any] = [{"msg": "x"}, {"claim": claim, "operations": [{**operation, "plan": "x"}]}]
    for result in odd:
        with pytest.raises(AnsibleFilterError, match="no result of service_claim or service_claims"):
            apply("cost_table", result)


def test_the_same_once_for_each_name() -> None:
    data = {"{pop}-a": ["in {pop}", 1]}
    assert apply("for_each", data, ["lagos"]) == [{"lagos-a": ["in lagos", 1]}]
    assert apply("for_each", "{pop}", (name for name in ("a", "b"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("lagos",), "'lagos' is no list of names"),
        ((None,), "None is no list of names"),
        (([1],), r"\[1\] is no list of names"),
        ((["a"], ""), "'' is no placeholder"),
        ((["a"], None), "None is no placeholder"),
    ],
)
def test_what_has_no_names(asked: tuple[Any, ...], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        apply("for_each", {"{pop}": 1}, *asked)

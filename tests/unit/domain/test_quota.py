"""Quotas: what is counted, what fits, and what is said of it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity, quota
from ansible_collections.dbaas.platform.plugins.module_utils.domain.quota import Wanted
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.shipped import CALM

Json = dict[str, Any]
GI = 2**30


def spec(size: str = "100Gi", nodes: int = 3, *regions: str, plan: str = "dedicated", **node: str) -> Json:
    return {
        "engine": "scylla",
        "plan": plan,
        "storage": {"size": size},
        "replication": {"regions": list(regions) or ["lagos"]},
        "resources": {"node": {"replicas": nodes, "cpu": "4", "memory": "16Gi", **node}},
    }


def wanted(name: str, now: Json, before: Json | None = None) -> Wanted:
    return Wanted(name, now, before, f"claim {name}")


def wrong(quotas: Json, held: list[Json], *items: Wanted) -> list[tuple[str, str]]:
    return [(error.source, error.path) for error in quota.errors("acme", quotas, held, items)]


def test_a_service_takes_its_sizes_times_nodes_times_regions() -> None:
    two = {**spec("2Ti", 3, "lagos", "johannesburg"), "engine": "yugabyte"}
    two["resources"] = {
        "master": {"replicas": 3, "cpu": "500m", "memory": "512Mi"},
        "tserver": {"replicas": 6, "cpu": "16", "memory": "64Gi"},
    }
    assert quota.usage([two]) == {
        "services": 1,
        # a master's volume is no database: it is small, whatever the claim's size
        "storage": 2 * (3 * 50 * GI + 6 * 2 * 2**40),
        "cpu": 2 * (3 * 500 + 6 * 16_000),
        "memory": 2 * (3 * 512 * 2**20 + 6 * 64 * GI),
    }
    assert quota.usage([]) == {"services": 0, "storage": 0, "cpu": 0, "memory": 0}


def test_every_limit_counts_what_it_is_for() -> None:
    quotas = {
        "services": 10,
        "storage": "10Ti",
        "cpu": "100",
        "memory": "1Ti",
        "plans": {"dedicated": {"services": 2, "storage": "1Ti"}},
        "regions": {"lagos": {"services": 3, "cpu": "20500m"}, "frankfurt": {"memory": "1Gi"}},
    }
    held = [spec("100Gi", 3, "lagos", "johannesburg"), spec("100Gi", 1, plan="clustered", cpu="500m")]
    assert quota.report(quotas, held) == {
        "services": {"limit": 10, "used": 2, "left": 8},
        "storage": {"limit": "10Ti", "used": "700Gi", "left": "9540Gi"},
        "cpu": {"limit": "100", "used": "24500m", "left": "75500m"},
        "memory": {"limit": "1Ti", "used": "112Gi", "left": "912Gi"},
        "plans": {
            "dedicated": {
                "services": {"limit": 2, "used": 1, "left": 1},
                "storage": {"limit": "1Ti", "used": "600Gi", "left": "424Gi"},
            }
        },
        "regions": {
            "lagos": {
                "services": {"limit": 3, "used": 2, "left": 1},
                "cpu": {"limit": "20500m", "used": "12500m", "left": "8"},
            },
            "frankfurt": {"memory": {"limit": "1Gi", "used": "0", "left": "1Gi"}},
        },
    }
    assert quota.report({}, held) == {}


@pytest.mark.parametrize(
    ("quotas", "path"),
    [
        ({"services": 0}, "metadata.name"),
        ({"storage": "299Gi"}, "spec.storage.size"),
        ({"cpu": "11999m"}, "spec.resources"),
        ({"memory": "47Gi"}, "spec.resources"),
        ({"plans": {"dedicated": {"services": 0}}}, "spec.plan"),
        ({"regions": {"lagos": {"services": 0}}}, "spec.replication.regions"),
        ({"regions": {"lagos": {"storage": "299Gi"}}}, "spec.storage.size"),
    ],
)
def test_each_limit_refuses_by_the_field_that_one_would_change(quotas: Json, path: str) -> None:
    assert wrong(quotas, [], wanted("a", spec())) == [("claim a", path)]


@pytest.mark.parametrize(
    "quotas",
    [
        {},
        {"services": 1, "storage": "300Gi", "cpu": "12", "memory": "48Gi"},
        {"plans": {"clustered": {"services": 0}, "dedicated": {"services": 1}}},
        {"regions": {"johannesburg": {"services": 0}, "lagos": {"cpu": "12"}}},
    ],
)
def test_what_fits_exactly_and_limits_for_others(quotas: Json) -> None:
    assert wrong(quotas, [], wanted("a", spec())) == []


def test_the_words_say_what_is_left() -> None:
    held = [spec("100Gi")]
    (error,) = quota.errors("acme", {"storage": "1Ti"}, held, [wanted("a", spec("100Gi")), wanted("b", spec("200Gi"))])
    assert str(error) == (
        "claim b: spec.storage.size: given '200Gi', allowed: the quota of tenant acme in all: storage 1Ti, 300Gi used, "
        "300Gi by others of this run, 424Gi left, 600Gi wanted"
    )
    (error,) = quota.errors(
        "acme", {"plans": {"dedicated": {"cpu": "13"}}}, held, [wanted("a", spec(cpu="5"), held[0])]
    )
    assert error.allowed == ("the quota of tenant acme for plan dedicated: cpu 13, 12 used, 1 left, 3 more wanted")
    (error,) = quota.errors("acme", {"regions": {"lagos": {"services": 0}}}, held, [wanted("a", spec())])
    assert error.allowed == "the quota of tenant acme in lagos: services 0, 1 used, 0 left, 1 wanted"


def test_claims_that_fit_are_not_blamed_for_those_that_do_not() -> None:
    items = [wanted("a", spec("100Gi")), wanted("b", spec("500Gi")), wanted("c", spec("100Gi"))]
    assert wrong({"storage": "600Gi"}, [], *items) == [("claim b", "spec.storage.size")]
    assert wrong({"services": 2}, [], *items) == [("claim c", "metadata.name")]


def test_a_change_counts_as_a_replacement() -> None:
    held = [spec("100Gi"), spec("100Gi")]
    assert wrong({"storage": "700Gi"}, held, wanted("a", spec("130Gi"), held[0])) == []
    assert wrong({"storage": "700Gi"}, held, wanted("a", spec("200Gi"), held[0])) == [("claim a", "spec.storage.size")]
    # what one gives back in the same run the other may have, whichever comes first
    items = [wanted("a", spec("200Gi"), held[0]), wanted("b", spec("100Gi", 1), held[1])]
    assert wrong({"storage": "700Gi"}, held, *items) == []
    # another plan is one more there, and one less here
    moved = wanted("a", spec("100Gi", plan="clustered"), held[0])
    quotas = {"services": 2, "plans": {"dedicated": {"services": 2}, "clustered": {"services": 0}}}
    assert wrong(quotas, held, moved) == [("claim a", "spec.plan")]


def test_what_is_over_its_limit_may_stay_and_shrink_but_not_grow() -> None:
    held = [spec("200Gi"), spec("200Gi")]
    quotas = {"storage": "1Gi"}
    assert wrong(quotas, held, wanted("a", spec("200Gi", cpu="8"), held[0])) == []
    assert wrong(quotas, held, wanted("a", spec("200Gi", 1), held[0])) == []
    assert wrong(quotas, held, wanted("a", spec("201Gi"), held[0])) == [("claim a", "spec.storage.size")]
    assert quota.overruns(quotas, held) == ["storage in all: 1200Gi are used, the quota is 1Gi"]
    assert quota.overruns({"storage": "1200Gi"}, held) == []


specs = st.builds(
    spec,
    st.sampled_from(["100Gi", "1Ti", "150Gi"]),
    st.integers(1, 9),
    st.sampled_from(["lagos", "johannesburg"]),
    plan=st.sampled_from(["dedicated", "clustered"]),
    cpu=st.sampled_from(["500m", "4"]),
)
amounts = st.fixed_dictionaries(
    {},
    optional={
        "services": st.integers(0, 8),
        "storage": st.sampled_from(["500Gi", "3Ti", "20Ti"]),
        "cpu": st.sampled_from(["1500m", "30"]),
        "memory": st.sampled_from(["64Gi", "1Ti"]),
    },
)
all_quotas = st.builds(
    lambda top, plan, region: {**top, "plans": {"dedicated": plan}, "regions": {"lagos": region}},
    amounts,
    amounts,
    amounts,
)


@CALM
@given(all_quotas, st.lists(specs, max_size=5), st.lists(st.tuples(specs, st.booleans()), max_size=6), st.randoms())
def test_a_run_is_admitted_exactly_when_all_of_it_fits(quotas: Json, held: list[Json], new: Any, random: Any) -> None:
    free = list(held)
    items = [
        wanted(str(number), now, free.pop() if change and free else None) for number, (now, change) in enumerate(new)
    ]
    after = [*free, *(item.spec for item in items)]
    was, then = quota.used(quotas, held), quota.used(quotas, after)
    fits = all(has <= max(most, was[limit][1]) for limit, (most, has) in then.items())
    assert (wrong(quotas, held, *items) == []) == fits
    # the order says who is refused, never whether
    random.shuffle(items)
    assert (wrong(quotas, held, *items) == []) == fits


@CALM
@given(st.lists(specs), st.lists(specs))
def test_usage_adds_up(some: list[Json], others: list[Json]) -> None:
    one, two, both = quota.usage(some), quota.usage(others), quota.usage([*some, *others])
    assert both == {amount: one[amount] + two[amount] for amount in both}


@given(st.integers(0, 2**60), st.integers(0, 10**9))
def test_amounts_are_told_exactly(size: int, cpu: int) -> None:
    assert quantity.size(quantity.size_text(size)) == size
    assert quantity.cpu(quantity.cpu_text(cpu)) == cpu


def test_many_claims_cost_no_more_each() -> None:
    quotas = {"services": 100, "regions": {"lagos": {"storage": "1Ti"}}}
    items = [wanted(str(number), spec()) for number in range(20_000)]

    def seconds(count: int) -> float:
        """Of the processor for each claim."""
        start = time.process_time()
        found = quota.errors("acme", quotas, [item.spec for item in items[:count]], items[:count])
        assert len(found) == 2 * count
        return (time.process_time() - start) / count

    # many and few are measured beside each other: a machine that is busy with other things is slow for both
    assert any(seconds(20_000) < 3 * seconds(2_000) for _again in range(3))

"""What Percona's operator says of the clusters that are rendered, before any cluster is there: its own code, run."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.domain import shipped

Json = dict[str, Any]
REGIONS = ("lagos", "johannesburg", "frankfurt", "ashburn")


def rendered(spec: Json, name: str = "shop") -> list[Json]:
    made = [item for items in shipped.rendered(spec, name).values() for item in items]
    return [item for item in made if item["kind"] == "PerconaServerMongoDB"]


def plain() -> Json:
    (made,) = rendered({"sku": "mongo-flex-rs", "region": "lagos"})
    return copy.deepcopy(made)


@pytest.fixture
def said(percona: Path, tmp_path: Path) -> Callable[[Mapping[str, Json]], dict[str, str]]:
    """What the operator says of objects, by the names that the test gives them."""

    def ask(items: Mapping[str, Json]) -> dict[str, str]:
        paths = [tmp_path / f"{index}.json" for index in range(len(items))]
        for path, item in zip(paths, items.values(), strict=True):
            path.write_text(json.dumps(item))
        done = subprocess.run([percona, *paths], capture_output=True, text=True, check=True)
        return dict(zip(items, done.stdout.splitlines(), strict=True))

    return ask


def test_every_sku_plan_and_number_of_regions_is_right(said: Callable[[Mapping[str, Json]], dict[str, str]]) -> None:
    items = {
        f"{sku} {plan} {'+'.join(regions)} in {item['metadata']['labels']['dbaas.example.com/region']}": item
        for sku, plan, regions in shipped.every_topology(REGIONS)
        if shipped.catalog().skus[sku].engine == "mongodb"
        for item in rendered({"sku": sku, "plan": plan, "region": "lagos", "replication": {"regions": regions}})
    }
    assert len(items) == 38
    assert set(said(items).values()) == {"ok"}, said(items)


@pytest.mark.parametrize(
    "change",
    [
        {"backup": {"enabled": False}},
        {"replication": {"factor": 5}},
        {"replication": {"factor": 5, "regions": [*REGIONS]}},
        {"observability": {"metrics": {"enabled": False}}},
        {"highAvailability": {"multiAZ": False}},
        *({"version": version} for version in shipped.catalog().engines["mongodb"]["versions"]),
    ],
)
def test_every_option_is_right(change: Json, said: Callable[[Mapping[str, Json]], dict[str, str]]) -> None:
    items = {
        str(index): item for index, item in enumerate(rendered({"sku": "mongo-flex-rs", "region": "lagos", **change}))
    }
    assert set(said(items).values()) == {"ok"}


def test_the_longest_name_is_right(said: Callable[[Mapping[str, Json]], dict[str, str]]) -> None:
    (made,) = rendered({"sku": "mongo-flex-sharded", "region": "lagos"}, "n" * 40)
    assert said({"long": made}) == {"long": "ok"}


def test_it_can_say_no(said: Callable[[Mapping[str, Json]], dict[str, str]]) -> None:
    """That it says yes proves nothing unless what is wrong is found."""
    two, clear, unknown, away = (plain() for _each in range(4))
    two["spec"]["replsets"][0]["size"] = 2
    clear["spec"]["tls"]["mode"] = "disabled"
    unknown["spec"]["replsets"][0]["sise"] = 3
    away["spec"]["unmanaged"] = True
    answers = said({"two": two, "clear": clear, "unknown": unknown, "away": away})
    for name, words in (
        ("two", "replset size must be odd"),
        ("clear", "TLS must be enabled"),
        ("unknown", 'unknown field "sise"'),
        ("away", "SmartUpdate is not allowed on unmanaged clusters"),
    ):
        assert words in answers[name]

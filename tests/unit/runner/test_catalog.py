"""docs/catalog.md, file by file: what a platform puts over the catalog holds, and an upgrade leaves it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.tools.tree import ROOT
from tests.unit.runner.world import POPS, World

Json = dict[str, Any]
GUIDE = (ROOT / "docs/catalog.md").read_text()
FILES: dict[str, str] = dict(re.findall(r"```yaml\n# (catalog/\S+)\n(.*?)```", GUIDE, re.DOTALL))
RING: Json = {"tenant": "acme", "name": "orders", "sku": "scy-ring-3", "region": "lagos"}


def put(world: World, folder: Path, *names: str) -> None:
    """A person commits these files of the guide, and nothing else."""
    before = set(world.files())
    world.write(folder, **{name: FILES[name] for name in names})
    assert set(world.files()) - before == set(names)
    # what is refused at once in the clusters follows with the next reconciliation
    assert {item["code"] for item in world.run("gitops_validation_info")["problems"]} <= {"policies-stale"}
    world.run("gitops_reconciliation")
    assert world.run("gitops_validation_info")["problems"] == []


def touched(world: World) -> set[str]:
    return set(world.git("show", "--format=", "--name-only", "main").split())


def test_all_files_of_the_guide_are_looked_at() -> None:
    assert set(FILES) == {f"catalog/{name}.yml" for name in ("scylla", "rings", "prices", "nairobi", "pools")}


def test_a_version(world: World, tmp_path: Path) -> None:
    world.run("service_claim", **RING)
    put(world, tmp_path, "catalog/scylla.yml")
    # what runs is left alone, and can go there
    assert not world.run("service_claim", **RING)["changed"]
    assert world.run("service_claim", **RING, version="2026.1.7")["operations"][0]["changed"] == ["spec.version"]
    new = world.run("service_claim", **{**RING, "name": "carts"})
    assert (new["claim"]["version"], new["warnings"]) == ("2026.1.7", [])
    assert {path.split("/")[0] for path in touched(world)} == {"tenants"}


def test_a_sku_and_an_upgrade(world: World, tmp_path: Path) -> None:
    put(world, tmp_path, "catalog/rings.yml")
    made = world.run("service_claim", **{**RING, "sku": "scy-ring-15"})["claim"]
    assert (made["plan"], made["price_monthly_usd"], made["spec"]["resources"]["node"]["replicas"]) == (
        "clustered",
        9800,
        15,
    )
    # a newer collection brings its own catalog, and leaves that of the platform
    shipped = world.text("base/catalog/scylla.yml")
    world.write(tmp_path, **{"base/catalog/scylla.yml": shipped.replace("dedicated: 900", "dedicated: 950")})
    assert "base/catalog/scylla.yml" in world.run("gitops_repository", pops=POPS, upgrade=True)["files"]
    assert world.text("base/catalog/scylla.yml") == shipped
    assert world.text("catalog/rings.yml") == FILES["catalog/rings.yml"]
    assert not world.run("service_claim", **{**RING, "sku": "scy-ring-15"})["changed"]


def test_another_price_and_a_sku_less(world: World, tmp_path: Path) -> None:
    put(world, tmp_path, "catalog/prices.yml")
    ring = world.run("service_claim", **RING)["claim"]
    assert ring["price_monthly_usd"] == 990
    with pytest.raises(InvalidFields) as caught:
        world.run("service_claim", **{**RING, "name": "cache", "sku": "dfly-mem-64g"})
    (error,) = caught.value.errors
    assert (error.path, error.nearest) == ("spec.sku", "dfly-mem-16g")
    assert "dfly-mem-64g" not in str(error.allowed)


def test_a_fifth_region(world: World, tmp_path: Path) -> None:
    put(world, tmp_path, "catalog/nairobi.yml")
    task: Json = yaml.safe_load(GUIDE.partition("```yaml\n# task\n")[2].partition("```")[0])
    world.run("gitops_repository", **task["dbaas.platform.gitops_repository"])
    assert {path for path in touched(world) if not path.startswith("overlays/nairobi/")} == {"platform.yml"}
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg", "nairobi"])
    made = world.run("service_claim", **{**RING, "region": "nairobi", "replication": {"regions": ["nairobi", "lagos"]}})
    assert made["claim"]["regions"] == ["nairobi", "lagos"]
    derived = world.document("tenants/acme/nairobi/services/orders.yaml")
    assert derived["spec"]["storage"]["class"] == "fast-nvme"
    assert world.run("gitops_validation_info")["problems"] == []


def test_a_pool(world: World, tmp_path: Path) -> None:
    put(world, tmp_path, "catalog/pools.yml")
    made = world.run("service_claim", **{**RING, "sku": "yb-shared"})["claim"]
    assert made["spec"]["placement"] == {"pool": "platform/pool-a"}


def test_what_is_wrong_with_it_is_told_where_it_stands(world: World, tmp_path: Path) -> None:
    text = "skus:\n  scy-ring-3:\n    price:\n      dedicated: 5\n  other: 3\n"
    world.write(tmp_path, **{"catalog/mine.yml": text, "catalog/README.md": "# not a catalog\n"})
    found = world.run("gitops_validation_info", check=True)
    assert found["failed"]
    assert [(item["file"], item["line"], item["code"]) for item in found["problems"]] == [
        ("catalog/mine.yml", 5, "catalog-invalid")
    ]
    world.write(tmp_path, **{"catalog/mine.yml": text.replace("  other: 3\n", "")})
    (problem,) = world.run("gitops_validation_info", check=True)["problems"]
    assert (problem["file"], problem["line"]) == ("catalog/mine.yml", 4)
    assert "500 to 2000 USD a month (of plan dedicated, in 1 region)" in problem["message"]
    world.write(tmp_path, **{"catalog/mine.yml": "colours: {}\n"})
    (problem,) = world.run("gitops_validation_info", check=True)["problems"]
    assert (problem["file"], problem["line"]) == ("catalog/mine.yml", 1)
    world.write(tmp_path, **{"catalog/mine.yml": "skus: [\n"})
    problems = world.run("gitops_validation_info", check=True)["problems"]
    assert [(item["file"], item["code"]) for item in problems] == [("catalog/mine.yml", "document-invalid")]

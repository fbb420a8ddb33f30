"""The examples of docs/changing.md, each declared as it stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

from tests.tools.tree import ROOT
from tests.unit.domain.changes import CHANGES, REFUSALS
from tests.unit.domain.shipped import only
from tests.unit.runner.world import World

Json = dict[str, Any]

PAGE = (ROOT / "docs/changing.md").read_text()
EXAMPLES = [documents.load_all(text.encode(), "")[0] for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_every_example_is_declared_and_does_what_the_page_says(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "now", lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
    claims = [item for item in EXAMPLES if item["kind"] == "ServiceClaim"]
    (tenant,) = [item for item in EXAMPLES if item["kind"] == "Tenant"]
    src = tmp_path / "claim.yml"

    def declare(item: Json) -> Json:
        src.write_text(documents.dump(item))
        found = world.run("service_claims", src=str(src))
        assert isinstance(found, dict)
        return found

    by = {field: item for item in claims for field in item["spec"] if field not in ("sku", "region")}
    assert set(by) == {"parameters", "placement", "maintenance", "paused", "images", "overrides"}
    for field in ("images", "overrides"):
        src.write_text(documents.dump(by[field]))
        assert f"spec.{field}" in str(world.refused("service_claims", src=str(src)))
    src.write_text(documents.dump(tenant))
    world.run("tenants", src=str(src))
    for item in claims:
        (operation,) = declare(item)["operations"]
        # what it leaves out of the example before restarts nodes, and its own windows are shut
        held = "maintenance" in item["spec"]
        assert operation["action"] in (("hold",) if held else ("create", "update"))
        assert declare(item)["changed"] is False
    # the last one of each service stands; a change of what restarts waits for the window that the page shows
    changed = {
        **by["maintenance"],
        "spec": {**by["maintenance"]["spec"], "parameters": by["parameters"]["spec"]["parameters"]},
    }
    assert declare(changed)["operations"][0]["waits_until"] == "2026-01-03T22:30:00Z"
    objects = documents.load_all(world.text("tenants/acme/lagos/services/sessions.yaml").encode(), "")
    assert only(objects, "Dragonfly")["spec"]["priorityClassName"] == "databases"


def test_the_table_says_what_the_changes_do() -> None:
    """Rows of storage and pause, engine by engine."""
    lines = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("|")]
    rows = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}
    engines = dict(zip(("yugabyte", "vitess", "scylla", "dragonfly", "aerospike", "mongodb"), range(6), strict=True))
    made = {(item.engine, item.name) for item in CHANGES}
    refused = {(item.engine, item.name) for item in REFUSALS}
    for engine, column in engines.items():
        assert rows["pause"][column] == ("yes" if (engine, "pause") in made else "no")
        grows = rows["storage"][column] == "grows in place"
        assert grows == ((engine, "storage") in made and (engine, "storage") not in refused)
        never = rows["a region more"][column] in ("never", "where there is a lockserver")
        assert never == ((engine, "region") in refused)
        assert rows["CPU and memory"][column] == "rolling"

"""What the policy of the catalog is made of; on the lab an API server's answers are held against admit."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim_policy
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog

from tests.unit.domain import shipped
from tests.unit.domain.test_policies import matched, pairs

Json = dict[str, Any]

POP = shipped.platform().pops["lagos"]


def made(catalog: Catalog) -> tuple[Json, Json]:
    """The policy's spec, and its variables by name; each is known where it is used, and used somewhere."""
    documents = claim_policy.claims(POP, catalog)
    assert documents[0]["metadata"]["annotations"] == {"dbaas.example.com/catalog-revision": catalog.revision}
    spec = pairs(documents)["dbaas-claims"]
    known: list[str] = []
    used: set[str] = set()
    for item in spec["variables"]:
        names = set(re.findall(r"variables\.(\w+)", item["expression"]))
        assert names <= set(known), item["name"]
        used |= names
        known.append(item["name"])
    assert set(known) - used == {"wrong"}
    return spec, {item["name"]: item["expression"] for item in spec["variables"]}


def test_it_is_for_what_tenants_apply_and_change() -> None:
    spec, _variables = made(shipped.catalog())
    assert matched(spec) == {"serviceclaims": ["CREATE", "UPDATE"]}
    (condition,) = spec["matchConditions"]
    # what the platform delivers was admitted, and may be of a catalog before
    assert "annotations['dbaas.example.com/origin'].orValue('') == ''" in condition["expression"]
    assert "object.spec != oldObject.spec" in condition["expression"]
    (rule,) = spec["validations"]
    assert rule["messageExpression"] == "variables.wrong.join('; ')"


def test_its_tables_are_the_catalog_each_of_one_type() -> None:
    catalog = shipped.catalog()
    _spec, variables = made(catalog)
    tables = {name: json.loads(text) for name, text in variables.items() if text.startswith("{")}
    assert tables["engines"] == {name: sku.engine for name, sku in catalog.skus.items()}
    assert tables["plans"] == {name: sku.plans for name, sku in catalog.skus.items()}
    assert tables["least"]["scy-ring-3"] == "100Gi"
    assert (tables["minCpu"]["vt-dedicated/mysqld"], tables["perCopy"]["vt-dedicated/mysqld"]) == ("1", True)
    assert tables["refused"]["scylla/global/one"] == "the global plan is for two regions or more"
    assert set(tables["classes"]) == set(catalog.regions)
    for name, table in tables.items():
        # CEL refuses a map of several types
        assert len({type(value) for value in table.values()}) == 1, name
        assert all(table.values()) or name == "perCopy"


def test_a_version_that_expired_is_not_in_it() -> None:
    changed = shipped.changed_catalog({"engines/scylla/versions/2025.3.0": {"channel": "expired"}})
    _spec, variables = made(changed)
    assert "2025.3.0" not in json.loads(variables["versions"])["scylla"]
    assert "2026.1.0" in json.loads(variables["versions"])["scylla"]

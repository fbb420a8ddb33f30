"""Every change of every engine, held against the hand-made table in changes.py."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ClaimsPlan,
    Document,
    Request,
    plan_claims,
    wanted_paths,
)
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

from tests.unit.domain import shipped
from tests.unit.domain.changes import BASES, CHANGES, LEAVINGS, REFUSALS, Change, Refusal, specs
from tests.unit.domain.shipped import only

Json = dict[str, Any]
Files = dict[str, bytes]


def planned(files: Files, spec: Json, parent: str = "c0ffee", leaves: tuple[str, ...] = ()) -> ClaimsPlan:
    documents = [Document("", shipped.document(spec), leaves=leaves)]
    return plan_claims(
        documents,
        {path: files[path] for path in wanted_paths(documents, shipped.platform()) if path in files},
        catalog=shipped.catalog(),
        platform=shipped.platform(),
        tenants=shipped.TENANTS,
        request=Request(parent, "ada", "30m", "1.0.0"),
        yaml=shipped.YAML,
    )


def applied(files: Files, plan: ClaimsPlan) -> Files:
    return {**files, **{path: content for path, content in plan.files.items() if content is not None}}


def at(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = node[int(part)] if isinstance(node, list) else node.get(part)
    return node


@pytest.mark.parametrize("item", [*CHANGES, *LEAVINGS], ids=lambda item: f"{item.engine}-{item.name}")
def test_a_change_does_what_the_table_says(item: Change) -> None:
    before, after = specs(item)
    files = applied({}, planned({}, before))
    plan = planned(files, after, "beef", ("johannesburg",) if item in LEAVINGS else ())
    (operation,) = plan.operations
    assert (operation.action, operation.effects.restart) == ("update", item.restart), operation.effects.text()
    assert {each.field for each in operation.effects.consequences} == set(operation.changed)
    assert bool(item.undone) == bool(operation.effects.irreversible), operation.effects.irreversible
    assert item.undone in " ".join(operation.effects.irreversible)
    if item.told[0]:
        main = only(plan.manifests["lagos"], ENGINES[item.engine].kinds[0].kind)
        path, wanted = item.told
        assert at(main["spec"], path) == wanted
    # once it is applied nothing is left to do
    files = applied(files, plan)
    assert [each.action for each in planned(files, after, "f00d").operations] == ["unchanged"]


@pytest.mark.parametrize("item", REFUSALS, ids=lambda item: f"{item.engine}-{item.name}")
def test_a_change_that_cannot_be_made_is_refused_with_its_reason(item: Refusal) -> None:
    before, after = specs(item)
    files = applied({}, planned({}, before))
    with pytest.raises(InvalidFields) as caught:
        planned(files, after, "beef")
    errors = {error.path: error.allowed for error in caught.value.errors}
    assert item.words in errors[item.field], errors


def test_of_every_engine_each_kind_of_change_is_told() -> None:
    """Scale, resources, storage, version, parameters, regions, plan, pause: made or refused."""
    wanted = {"scale", "resources", "storage", "version", "parameters", "region", "pause"}
    every: list[Change | Refusal] = [*CHANGES, *REFUSALS]
    for engine in BASES:
        told = {item.name for item in every if item.engine == engine}
        assert wanted <= told, (engine, wanted - told)
    # an engine beside those of the platform has its changes in a file of its own
    assert set(BASES) == {"aerospike", "dragonfly", "mongodb", "scylla", "vitess", "yugabyte"} <= set(ENGINES)

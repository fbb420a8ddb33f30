"""What is made from the schemas is as the schemas are."""

from __future__ import annotations

from tests.tools import fragments


def test_doc_fragment_is_not_stale() -> None:
    assert fragments.PATH.read_text() == fragments.text(), f"{fragments.PATH.name} is stale: run `make generate`"


def test_the_engines_named_are_not_stale() -> None:
    assert fragments.ENGINES.read_text() == fragments.engines(), "engines/__init__.py is stale: run `make generate`"

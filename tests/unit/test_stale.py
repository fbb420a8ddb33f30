"""Whoever changes the schema or the catalog, and generates nothing, hears from the tests what is stale, by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import tree

#: what is generated is held against what it is made from in these
WATCHERS = ("tests/unit/test_docs.py", "tests/unit/test_fragments.py", "tests/unit/domain/test_options.py")


def watched(copy: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{copy}:{copy / '.cache/collections'}"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "stale or fragment", *WATCHERS],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    found = tree.copy(tmp_path)
    link = found / ".cache/collections/ansible_collections/dbaas/platform"
    link.parent.mkdir(parents=True)
    link.symlink_to(found)
    return found


def change(copy: Path, path: str, before: str, after: str) -> None:
    text = (copy / path).read_text()
    assert text.count(before) == 1
    (copy / path).write_text(text.replace(before, after))


def test_what_is_generated_is_named_when_the_schema_or_the_catalog_changes(copy: Path) -> None:
    change(copy, "catalog/scylla.yml", "title: ScyllaDB ring of 3", "title: A ring of 3")
    # a page that lacks is named as well
    (copy / "docs/reference/rrule_filter.md").unlink()
    told = watched(copy)
    assert "FAILED tests/unit/test_docs.py::test_the_reference_is_not_stale" in told
    assert "awx_templates.md, catalog.md, rrule_filter.md: run `make generate`" in told
    assert "1 failed" in told

    change(copy, "catalog/scylla.yml", "title: A ring of 3", "title: ScyllaDB ring of 3")
    field = '        "deletionProtection": _flag('
    change(
        copy,
        "plugins/module_utils/domain/schema.py",
        field,
        f'        "colour": _flag("Whether it is red.", False),\n{field}',
    )
    told = watched(copy)
    assert "fields.py is stale: run `make generate`" in told
    assert "FAILED tests/unit/domain/test_options.py::test_fragments_are_the_documentation[CLAIM]" in told
    # and once that is written, what is made of it
    subprocess.run(
        [sys.executable, "-m", "tests.tools.fragments"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": f"{copy}:{copy / '.cache/collections'}"},
        check=True,
    )
    told = watched(copy)
    assert "rrule_filter.md, service_claim.md: run `make generate`" in told
    assert "1 failed" in told

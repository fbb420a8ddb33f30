# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The job templates of the collection's playbooks, with what a platform's own catalog has to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey, templates
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]


def run(run: Run) -> list[Json]:
    """The runner of lookup awx_job_templates: entries of `controller_templates`, in the order of the playbooks' names.

    Options: books (as `books` reads them), playbooks (which; all when empty), common, differing, without, catalog, and
    those of a repository.
    """
    books: Json = run.options["books"]
    names: list[str] = run.options["playbooks"] or list(books)
    if unknown := [name for name in names if name not in books]:
        wrong = [FieldError("_terms", name, f"one of {', '.join(books)}", nearest(name, books)) for name in unknown]
        raise InvalidFields("option-invalid", wrong)
    return templates.job_templates(
        {name: books[name] for name in names},
        survey.offer(*info.known(run)),
        run.options["common"],
        run.options["differing"],
        run.options["without"],
    )


def books(root: Path) -> Json:
    """What templates need to know of the playbooks of the collection at `root`: name -> templates.book."""
    found = {}
    for path in sorted((root / "playbooks").glob("*.meta.yml")):
        name = path.name.removesuffix(".meta.yml")
        playbook = path.with_name(f"{name}.yml")
        meta, plays = (documents.load_all(each.read_text(), each.name)[0] for each in (path, playbook))
        found[name] = templates.book(name, meta, plays)
    return found

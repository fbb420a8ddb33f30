# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWX's job templates out of the playbooks: one for each, as an entry of `controller_templates`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.survey import Offer
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields

Json = dict[str, Any]


def name(playbook: str) -> str:
    """The name of a playbook's job template."""
    return f"dbaas-{playbook.replace('_', '-')}"


def job_templates(
    books: Mapping[str, Json],
    offered: Offer,
    common: Json,
    differing: Mapping[str, Json],
    without: Collection[str] = (),
) -> list[Json]:
    """The job templates of these playbooks, as `controller_templates` has them.

    books: playbook -> its part of its argument specs, and `whole`: whether it works on all points of presence as one,
    so that a limit is an error. common: fields that all get (organization, project, inventory, credentials, …).
    differing: playbook -> fields that it has in place of those. without: options that the surveys leave out.
    Raises InvalidFields naming all that is wrong with all of them.
    """
    if unknown := [playbook for playbook in differing if playbook not in books]:
        words = f"a playbook: {', '.join(books)}"
        raise InvalidFields("option-invalid", [FieldError(f"differing.{each}", each, words) for each in unknown])
    found, wrong = [], []
    for playbook, book in books.items():
        try:
            asked = survey.survey(playbook, book, offered, without)
        except InvalidFields as error:
            wrong += error.errors
            continue
        found.append(
            {
                "name": name(playbook),
                "description": book["short_description"],
                "job_type": "run",
                "playbook": f"playbooks/{playbook}.yml",
                # answers come by the survey alone, so whoever may launch may give just what it asks for
                "survey_enabled": True,
                "survey_spec": asked,
                "ask_variables_on_launch": False,
                "ask_job_type_on_launch": True,
                "ask_diff_mode_on_launch": True,
                "ask_limit_on_launch": not book["whole"],
                # AWX knows no lock over several templates, so nothing of ours rests on one over a single one
                "allow_simultaneous": True,
                **common,
                **differing.get(playbook, {}),
            }
        )
    if wrong:
        raise InvalidFields("survey-impossible", wrong)
    return found


def book(playbook: str, meta: Json, plays: list[Json]) -> Json:
    """What a template needs to know of a playbook: its argument spec, and whether it is `whole`.

    meta, plays: what its .meta.yml and the playbook itself hold. Raises DbaasError document-invalid.
    """
    entry = meta.get("argument_specs", {}).get(playbook)
    if not isinstance(entry, dict) or "options" not in entry:
        raise DbaasError("document-invalid", f"{playbook}.meta.yml: has no argument_specs.{playbook} with options")
    return {**entry, "whole": plays[-1]["hosts"] == "localhost"}

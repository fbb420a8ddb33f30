# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim_rerender: what a newer collection or catalog makes of services that nobody changed, in waves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import RESTARTS, Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import ACTION, Document, Operation, copy_in
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.problems import Problem
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import stamped
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, claims, declared, reconcile
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]


@dataclass
class _Found:
    """The services that would be made otherwise: those that are taken, and those that would restart worse than allowed.

    waiting: those that wait for a window of their claim; left: how many the limit leaves for another run.
    """

    taken: list[Operation] = field(default_factory=list)
    held_back: list[Operation] = field(default_factory=list)
    waiting: list[Operation] = field(default_factory=list)
    left: int = 0
    problems: list[Problem] = field(default_factory=list)


def run(run: Run) -> Json:
    """The runner of module service_claim_rerender."""
    least = {"limit": (0, "0 (all of them) or more"), "wave": (1, "1 or more")}
    given: dict[str, int] = {name: run.options[name] for name in least}
    if wrong := [FieldError(name, given[name], words) for name, (low, words) in least.items() if given[name] < low]:
        raise InvalidFields("option-invalid", wrong)
    with base.repository(run) as repository:
        found = _look(run, repository.fetch())
        result: Json = {
            "changed": False,
            "operations": [],
            "commits": [],
            "held_back": [_told(item) for item in found.held_back],
            "waiting": [{"tenant": item.tenant, "name": item.name, "until": item.waits} for item in found.waiting],
            "left": found.left,
            "problems": [item.data() for item in found.problems],
            "warnings": [],
            "wait": [],
        }
        for item in found.held_back:
            how = item.effects.restart
            run.progress(f"{item.tenant}/{item.name}: held back, its restart would be {how}: restart={how} takes it")
        for item in found.taken if run.check else ():
            run.progress(f"{item.tenant}/{item.name}: {item.action} {', '.join(item.changed)}".rstrip())
            for line in item.effects.text():
                run.progress(f"  {line}")
        # check mode has told each service, whatever their number; one commit shows all of the diff
        wave_run = replace(run, progress=lambda _line: None) if run.check else run
        size = max(1, len(found.taken) if run.check else run.options["wave"])
        for start in range(0, len(found.taken), size):
            wave = [paths.claim(item.tenant, item.name) for item in found.taken[start : start + size]]
            wave_run.progress(f"wave {start // size + 1}: {len(wave)} of {len(found.taken)} services")
            done = claims.send(
                wave_run,
                repository,
                lambda snapshot, wave=wave: claims.change(run, snapshot, _documents(snapshot, wave)[0], windows=True),  # type: ignore[misc]
            )
            result = _added(result, done, run)
            if result.get("failed"):
                # whoever is unwell after this is looked at before more follow
                return result
    return reconcile.failed(result, found.problems) if found.problems else result


def _documents(tree: Tree, files: Sequence[str]) -> tuple[list[Document], list[Problem]]:
    given, problems = declared.claim_files(tree.read(files))
    return [replace(item, anew=True, action="rerender") for item in given], problems


def _look(run: Run, tree: Tree) -> _Found:
    """What would be made otherwise today."""
    catalog, platform = base.kept(tree)
    found = _Found()
    given, found.problems = _documents(tree, _candidates(run, tree, catalog, platform))
    sieve = declared.Sieve(
        lambda some: claims.change(run, tree, some, windows=True), lambda path: tree.read([path])[path], found.problems
    )
    worst = RESTARTS.index(run.text("restart") or RESTARTS[-1])
    most: int = run.options["limit"]
    for item in sieve.sift(given).result[0].operations:
        if item.waits:
            found.waiting.append(item)
        if item.action == "unchanged":
            continue
        if RESTARTS.index(item.effects.restart) > worst:
            found.held_back.append(item)
        elif most and len(found.taken) >= most:
            found.left += 1
        else:
            found.taken.append(item)
    return found


def _candidates(run: Run, tree: Tree, catalog: Catalog, platform: Platform) -> list[str]:
    """The claims in the scope whose derived files are of another catalog or renderer, and of the claim as it is.

    What is not rendered yet is reconcile_claims' matter, and what is being deleted nobody's.
    """
    places = reconcile.places_of(run, tree)
    engines: list[str] = run.options.get("engines") or []
    if unknown := [name for name in engines if name not in ENGINES]:
        words = "one of " + ", ".join(ENGINES)
        errors = [FieldError("engines", name, words, nearest(name, ENGINES)) for name in unknown]
        raise InvalidFields("option-invalid", errors)
    services = _services(run, {(place.tenant, place.name) for place in places.values() if place.kind == "claim"})
    waiting = set(reconcile.unrendered(tree, places, platform))
    derived = {
        paths.service(place.tenant, pop, place.name): path
        for path, place in places.items()
        if place.kind == "claim" and path not in waiting and (not services or (place.tenant, place.name) in services)
        for pop in platform.pops
    }
    old: dict[str, None] = {}
    for there, content in tree.read(derived, None if engines else reconcile.BEGINNING).items():
        made = stamped(content[: reconcile.BEGINNING])
        fresh = (made.get("catalog-revision"), made.get("renderer")) == (catalog.revision, VERSION)
        if fresh or made.get("action") == ACTION:
            continue
        if not engines or copy_in(content, there, base.YAML).get("spec", {}).get("engine") in engines:
            old[derived[there]] = None
    return list(old)


def _services(run: Run, there: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """(tenant, name) of each `tenant/service` that the option names. Raises InvalidFields for unknown ones."""
    names: list[str] = run.options.get("services") or []
    known = {"/".join(key): key for key in there}
    if unknown := [name for name in names if name not in known]:
        words = "tenant/service, as the repository has it"
        errors = [FieldError("services", name, words, nearest(name, known)) for name in unknown]
        raise InvalidFields("option-invalid", errors)
    return {known[name] for name in names}


def _told(item: Operation) -> Json:
    return {"tenant": item.tenant, "name": item.name, "plan": item.effects.data()}


def _added(result: Json, done: Mapping[str, Any], run: Run) -> Json:
    """The result with that of one more wave."""
    merged: Json = {
        **result,
        **{name: done[name] for name in ("failed", "msg", "error", "merge_request") if name in done},
        "changed": result["changed"] or done["changed"],
        "operations": [*result["operations"], *(item for item in done["operations"] if item["action"] != "unchanged")],
        "commits": [*result["commits"], *filter(None, [done.get("commit")])],
        "warnings": [*result["warnings"], *done["warnings"]],
        "wait": [*result["wait"], *done.get("wait", [])],
    }
    if run.diff:
        before = result.get("diff", {}).get("prepared", "")
        merged["diff"] = {"prepared": before + done["diff"]["prepared"]}
    return merged

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""gitops_repository: platform.yml, base/ and overlays/ of the GitOps repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot, carries_secret
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change, differs
from ansible_collections.dbaas.platform.plugins.module_utils.domain import forge, paths, platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain import repository as content
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import to_fields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import plan_tenants, tenant_paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import of_files
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, review
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]


def run(run: Run) -> Json:
    """The runner of module gitops_repository."""
    with base.repository(run) as repository:
        delivered = review.send(run, repository, lambda snapshot: _change(run, snapshot))
    result: Json = {
        **review.told(delivered),
        "files": sorted(delivered.files),
        "roots": delivered.result,
    }
    if run.diff:
        result["diff"] = {"prepared": delivered.diff}
    return result


def _change(run: Run, snapshot: Snapshot) -> Change[Json]:
    stands = snapshot.read([paths.PLATFORM]).get(paths.PLATFORM)
    before: Json = {}
    if stands is not None:
        before = next(iter(documents.load_all(stands, paths.PLATFORM)), {})
        # what another layout means is not known here, so it is not written over
        platform.parse(before)
    wanted = _document(run, before)
    parsed = platform.parse(wanted)
    if gone := [name for name in before.get("pops", {}) if name not in parsed.pops]:
        words = f"all that the platform has, {', '.join(gone)} too: giving up a point of presence is not built yet"
        raise InvalidFields("option-invalid", [FieldError("pops", list(parsed.pops), words)])
    files: dict[str, bytes | None] = {
        paths.PLATFORM: documents.dump_all([wanted]).encode(),
        paths.NO_TENANTS: b"",
    }
    # a newer collection changes what runs only when it is told to, also when something else is changed
    renew = not before or run.options.get("upgrade")
    if renew:
        files |= _base(run)
        # what the platform puts over the catalog is its own, and stays
        own = snapshot.read(path for path in base.catalog_files(snapshot) if not path.startswith("base/"))
        catalog = base.catalog_of({**run.options["shipped"]["catalog"], **own})
    else:
        catalog = base.kept(snapshot)[0]
    moved = [before.get(part) != wanted[part] for part in ("repoURL", "branch")]
    values = snapshot.read(paths.tenant_values(name) for name in parsed.pops)
    for pop in parsed.pops.values():
        moved_itself = (before.get("pops", {}).get(pop.name) or {}) != wanted["pops"][pop.name]
        # whoever edits the catalog chooses the charts
        there = _first(values, paths.tenant_values(pop.name))
        if renew or any(moved) or moved_itself or (there and content.charts_differ(there, catalog)):
            for path, items in content.overlay(pop, parsed, catalog).items():
                files[path] = documents.dump_all(items).encode()
    for path, text in ({} if renew else base.stale_policies(snapshot, catalog, parsed)).items():
        # who changed the catalog meant what it lets tenants apply
        files.setdefault(path, text)
    if before and (renew or any(moved)):
        files |= _foundations(snapshot, parsed)
    roots = {pop.name: content.root(pop, parsed) for pop in parsed.pops.values()}
    message = "Set up the platform\n"
    changed = [path for path, content in files.items() if differs(snapshot, path, content)]
    return Change(files, message, base.author(run), roots, of_files("platform", ["repository"], changed, message))


def _first(files: Mapping[str, bytes], path: str) -> Json:
    return next(iter(documents.load_all(files[path], path)), {}) if path in files else {}


def _foundations(snapshot: Snapshot, parsed: Platform) -> Mapping[str, bytes | None]:
    """The foundations of all tenants: they move with the address and the chart, which policies hold them to."""
    ids = [
        parts[1] for path in snapshot.blobs if (parts := path.split("/"))[0] == "tenants" and parts[-1] == "tenant.yaml"
    ]
    found = list(base.tenants_of(snapshot, ids).values())
    files = snapshot.read(tenant_paths(found, parsed, snapshot.blobs))
    return plan_tenants(found, files, platform=parsed, renderer=VERSION, yaml=base.YAML).files


def _document(run: Run, before: Json) -> Json:
    names = [item["name"] for item in run.options["pops"]]
    if twice := [(number, name) for number, name in enumerate(names) if name in names[:number]]:
        errors = [FieldError(f"pops[{number}].name", name, "each point of presence once") for number, name in twice]
        raise InvalidFields("option-invalid", errors)
    known = before.get("pops") or {}
    pops = {item["name"]: to_fields(platform.POP, item) for item in run.options["pops"]}
    if run.options.get("merge"):
        pops = {name: {**(known.get(name) or {}), **pops.get(name, {})} for name in [*known, *pops]}
    for name, data in pops.items():
        # AWX comes by bootstrap_control_plane; who says nothing of it does not give it up
        if awx := (known.get(name) or {}).get("awx"):
            data.setdefault("awx", awx)
    # the address that one writer happens to use does not move the platform
    address = run.text("repo_url") or before.get("repoURL") or run.text("repository")
    if carries_secret(address):
        words = "an address without user and password: they would stand in Git; Argo CD has a Secret for them"
        raise InvalidFields("option-invalid", [FieldError("repo_url", "********", words)])
    host = {**(before.get("forge") or {}), **to_fields(forge.SCHEMA, run.options.get("forge") or {})}
    return platform.document(address, run.text("branch") or "main", pops, host)


def _base(run: Run) -> dict[str, bytes]:
    shipped: Json = run.options["shipped"]
    files = {paths.base(path): text.encode() for path, text in shipped["base"].items()}
    files |= {f"{paths.CATALOG}/{name}": text.encode() for name, text in shipped["catalog"].items()}
    return files | {path: documents.dump_all(items).encode() for path, items in content.base().items()}

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""gitops_reconciliation: what people changed in files of the repository is rendered, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import Snapshot
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change, Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.paths import Place
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ACTION,
    ClaimsPlan,
    Document,
    Operation,
    TenantsPlan,
    claims_message,
    plan_tenants,
    tenant_paths,
    tenants_message,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.problems import ERROR, WARNING, Problem
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import of_services
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import stamped
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, born, claims, declared, review
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]

#: bytes of a derived file within which it says what it was made from
BEGINNING = 4096
#: how a derived file begins whose service is a database in a pool, and how a claim's file names the pool
_SHARED, _POOL = re.compile(rb"(?m)^ +dbaas\.example\.com/plan: shared$"), re.compile(rb"\bpool: *\S")


@dataclass(frozen=True)
class Outcome:
    """What one round has planned: services and tenants that are rendered, policies of the catalog's that are renewed
    (their paths), and what is wrong with others.
    """

    claims: ClaimsPlan | None = None
    tenants: TenantsPlan | None = None
    policies: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def run(run: Run) -> Json:
    """The runner of module gitops_reconciliation."""
    with base.repository(run) as repository:
        seen = born.Clusters(run)
        delivered = review.send(run, repository, lambda snapshot: _change(run, snapshot, seen))
    outcome = delivered.result
    services = [item for item in (outcome.claims.operations if outcome.claims else []) if item.action != "unchanged"]
    tenants = [item for item in (outcome.tenants.operations if outcome.tenants else []) if item.action != "unchanged"]
    result: Json = {
        **review.told(delivered),
        "operations": [_operation(item) for item in services],
        "waiting": [
            {"tenant": item.tenant, "name": item.name, "until": item.waits}
            for item in (outcome.claims.operations if outcome.claims else [])
            if item.waits
        ],
        "tenants": [{key: _operation(item)[key] for key in ("tenant", "action", "regions")} for item in tenants],
        "policies": outcome.policies,
        "problems": [item.data() for item in outcome.problems],
        "warnings": [
            *(str(item) for item in outcome.problems if item.severity == WARNING),
            *(
                f"{item.tenant}/{item.name}: {warning}"
                for item in (outcome.claims.claims if outcome.claims else [])
                # of what is unchanged it was told when that was committed
                if (item.tenant, item.name) in {(each.tenant, each.name) for each in services}
                for warning in item.warnings
            ),
        ],
    }
    if run.diff:
        result["diff"] = {"prepared": delivered.diff}
    if delivered.commit and delivered.changed:
        for item in services:
            run.progress(f"{item.tenant}/{item.name}: committed {delivered.commit[:12]} ({item.action})")
    errors = [item for item in outcome.problems if item.severity == ERROR]
    return failed(result, errors) if errors else result


def _change(run: Run, snapshot: Snapshot, seen: born.Clusters) -> Change[Outcome]:
    catalog, platform = base.kept(snapshot)
    policies = base.stale_policies(snapshot, catalog, platform)
    places = places_of(run, snapshot)
    request = base.request(run, snapshot.commit)
    tenants_plan, problems = _tenants(snapshot, places, platform, request.renderer)
    broken = {paths.place(problem.file).tenant for problem in problems}
    live, silent = seen.look(platform)
    problems += silent
    mine, wrong = born.documents(live, snapshot, places)
    problems += wrong
    keys = {item.source: claim.key(item.data) or ("", "") for item in mine}
    mine = [item for item in mine if keys[item.source][0] not in broken]
    wanted = [
        path
        for path in dict.fromkeys([*unrendered(snapshot, places, platform), *unplaced(snapshot, places, catalog)])
        if (tenant := places[path].tenant) not in broken and (tenant, places[path].name) not in keys.values()
    ]
    files = snapshot.read(wanted)
    given, wrong = declared.claim_files(files)
    problems += wrong
    over = tenants_plan.files
    # an object of a cluster has no lines
    sieve = declared.Sieve(
        lambda some: claims.change(run, snapshot, some, over=over, windows=True),
        lambda path: files.get(path, b""),
        problems,
    )
    plan = sieve.sift([*mine, *given]).result[0]
    message = _message(
        claims_message(plan.operations, request) if plan.files else "",
        tenants_message(tenants_plan.operations, request) if tenants_plan.files else "",
        f"Renew the policies of the catalog\n\nDbaas-Catalog: {catalog.revision}\n" if policies else "",
    )
    changes = {**tenants_plan.files, **plan.files, **policies}
    # one request for all that is not rendered, and the next run brings it up to date
    proposal = of_services("reconcile", plan.operations, message, run.options.get("tenants") or ["all"])
    return Change(
        changes, message, base.author(run), Outcome(plan, tenants_plan, sorted(policies), sorted(problems)), proposal
    )


def places_of(run: Run, snapshot: Tree) -> dict[str, Place]:
    """Everything below `tenants/` that the scope leaves: path -> what it is."""
    places = {path: paths.place(path) for path in snapshot.blobs if path.startswith("tenants/")}
    scope: list[str] = run.options.get("tenants") or []
    known = {place.tenant for place in places.values() if place.tenant}
    if unknown := [tenant for tenant in scope if tenant not in known]:
        raise InvalidFields(
            "option-invalid",
            [FieldError("tenants", name, "tenants of the repository", nearest(name, known)) for name in unknown],
        )
    return {path: place for path, place in places.items() if not scope or place.tenant in scope}


def unrendered(snapshot: Tree, places: Mapping[str, Place], platform: Platform) -> list[str]:
    """Paths of the claims whose derived files are missing in a region, or were made from another content.

    A service that is being deleted is none of them; one that is deleted in regions that it leaves may be.
    """
    claims_there = [path for path, place in places.items() if place.kind == "claim"]
    derived = {
        (place.tenant, place.name, place.pop): path
        for path, place in places.items()
        if place.kind == "service" and place.pop in platform.pops
    }
    files = snapshot.read(claims_there)
    stamps = {
        path: stamped(content[:BEGINNING]) for path, content in snapshot.read(derived.values(), BEGINNING).items()
    }
    found = []
    for path in claims_there:
        place = places[path]
        made = {
            pop: stamps[there]
            for pop in platform.pops
            if (there := derived.get((place.tenant, place.name, pop))) is not None
        }
        if made and all(stamp.get("action") == ACTION for stamp in made.values()):
            continue
        regions = regions_of(path, files[path])
        blob = snapshot.blobs[path]
        if not regions or any(region not in made or made[region].get("claim-blob") != blob for region in regions):
            found.append(path)
    return found


def unplaced(snapshot: Tree, places: Mapping[str, Place], catalog: Catalog) -> list[str]:
    """Paths of the claims of the shared plan that have no pool yet, where the catalog names any."""
    if not any(region.get("pools") for region in catalog.regions.values()):
        return []
    files = {(place.tenant, place.name): path for path, place in places.items() if place.kind == "claim"}
    derived = [path for path, place in places.items() if place.kind == "service"]
    shared = [
        files[key]
        for path, content in snapshot.read(derived, BEGINNING).items()
        if (key := (places[path].tenant, places[path].name)) in files
        and _SHARED.search(content)
        and stamped(content).get("action") != ACTION
    ]
    return [path for path, content in snapshot.read(shared).items() if not _POOL.search(content)]


def waiting(run: Run, snapshot: Tree, paths_: Iterable[str]) -> dict[str, str]:
    """Of claims that are not rendered, those that wait for a window: path -> when it opens (RFC 3339)."""
    files = {path: content for path, content in snapshot.read(paths_).items() if b"windows" in content}
    given, _wrong = declared.claim_files(files)
    sieve = declared.Sieve(lambda some: claims.change(run, snapshot, some, windows=True), files.__getitem__, [])
    plan = sieve.sift(given).result[0] if given else None
    return {paths.claim(item.tenant, item.name): item.waits for item in (plan.operations if plan else []) if item.waits}


def regions_of(path: str, content: bytes) -> list[str]:
    """The regions that a claim names; none when it cannot be told."""
    data, _problems = declared.document(path, content, "ServiceClaim")
    spec = (data or {}).get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("region"), str):
        return []
    replication = spec.get("replication")
    more = replication.get("regions") if isinstance(replication, dict) else None
    return [spec["region"], *(item for item in more or [] if isinstance(item, str) and item != spec["region"])]


def _tenants(
    snapshot: Snapshot, places: Mapping[str, Place], platform: Platform, renderer: str
) -> tuple[TenantsPlan, list[Problem]]:
    files = snapshot.read(path for path, place in places.items() if place.kind == "tenant")
    found, problems = declared.tenant_files(files, platform)

    def plan(some: Sequence[Document]) -> TenantsPlan:
        items = [item.data for item in some]
        there = snapshot.read(tenant_paths(items, platform, snapshot.blobs))
        try:
            return plan_tenants(items, there, platform=platform, renderer=renderer, yaml=base.YAML)
        except InvalidFields as error:
            named = [replace(item, source=paths.tenant(item.source.removeprefix("tenant "))) for item in error.errors]
            raise InvalidFields(error.code, named) from None

    given = [Document(paths.tenant(tenant_id), item) for tenant_id, item in found.items()]
    return declared.Sieve(plan, files.__getitem__, problems).sift(given), problems


def _message(*messages: str) -> str:
    """One message out of those of services, of tenants and of the catalog."""
    told = [message for message in messages if message]
    if len(told) < 2:
        return "".join(told)
    subjects, trailers = zip(*(message.split("\n\n", 1) for message in told), strict=True)
    return f"{'; '.join(subjects)}\n\n{''.join(trailers)}"


def _operation(item: Operation) -> Json:
    return {
        "id": item.id or None,
        "tenant": item.tenant,
        "name": item.name,
        "action": item.action,
        "changed": list(item.changed),
        "regions": list(item.regions),
    }


def failed(result: Json, problems: Iterable[Problem]) -> Json:
    """The result of a run that had to leave something as it was: all that it did, and what is wrong."""
    code = "not-reconciled"
    cls, retry, action = CODES[code]
    lines = [str(problem) for problem in problems]
    head = f"{len(lines)} {'problem keeps' if len(lines) == 1 else 'problems keep'} files from being rendered:"
    error = {"code": code, "class": cls, "retry": retry, "action": action, "runbook": code, "fields": []}
    return {**result, "failed": True, "msg": "\n".join([head, *lines, f"{action} [{code}, {cls}]"]), "error": error}

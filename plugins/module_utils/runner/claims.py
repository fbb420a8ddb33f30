# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim and service_claims: any number of claims, one commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change, S, Target, Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, paths, quota, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import RESTARTS
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import to_fields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ClaimsPlan,
    Document,
    Operation,
    Yaml,
    claims_message,
    held_paths,
    neighbour_paths,
    plan_claims,
    wanted_paths,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import of_services
from ansible_collections.dbaas.platform.plugins.module_utils.engines import BY_CHART
from ansible_collections.dbaas.platform.plugins.module_utils.runner import (
    adopting,
    base,
    deprovision,
    direct,
    review,
    wait,
)
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]
#: the plan, the platform, and the files that it was made on
Planned: TypeAlias = tuple[ClaimsPlan, Platform, dict[str, bytes]]


def run_one(run: Run) -> Json:
    """The runner of module service_claim: one claim, its fields as options in snake_case."""
    options = run.options
    spec = to_fields(schema.SPEC, options)
    document = claims.document(options["tenant"], options["name"], spec, options.get("project"))
    result = _run(run, [Document("", document, merge=bool(options.get("merge")))])
    result["claim"] = next(iter(result.pop("claims")), None)
    return result


def run_many(run: Run) -> Json:
    """The runner of module service_claims: claims as documents, from a list, a file or a folder."""
    if run.options.get("src") is not None:
        src = run.text("src")
        given = read_source(Path(src).expanduser()) if src else []
        if not given:
            # an empty answer, a wrong file: a run that does nothing must not look like one that did
            raise DbaasError("document-invalid", f"src: {src or 'is empty'}: holds no ServiceClaim")
    else:
        given = [Document(f"claims[{number}]", item) for number, item in enumerate(run.options.get("claims") or [])]
    return _run(run, given)


def read_source(src: Path) -> list[Document]:
    """The claims of a YAML file of one or many documents, or of every .yml and .yaml file below a folder."""
    if src.is_dir():
        # what is hidden belongs to an editor or to Git
        files = sorted(
            path
            for path in src.rglob("[!.]*")
            if path.suffix in (".yml", ".yaml")
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(src).parts)
        )
    else:
        files = [src]
    if not files:
        raise DbaasError("document-invalid", f"{src}: holds no .yml or .yaml file")
    found: list[Document] = []
    for path in files:
        try:
            loaded = documents.load_all(path.read_bytes(), str(path))
        except OSError as error:
            raise DbaasError("document-invalid", f"{path}: {error.strerror}") from None
        name = str(path.relative_to(src)) if path != src else path.name
        found += [
            Document(name if len(loaded) == 1 else f"{name}, document {number}", item)
            for number, item in enumerate(loaded, start=1)
        ]
    return found


def _run(run: Run, given: Sequence[Document]) -> Json:
    state = run.options.get("state", "present")
    odd = [
        FieldError(item.source, type(item.data).__name__, "a ServiceClaim")
        for item in given
        if not isinstance(item.data, dict)
    ]
    if odd:
        raise InvalidFields("claim-invalid", odd)
    if run.options.get("regions") and state != "absent":
        words = "nothing, or state: absent (a claim names its regions in replication.regions)"
        raise InvalidFields("option-invalid", [FieldError("regions", run.options["regions"], words)])
    if state == "absent":
        return deprovision.run_keys(run, _keys(given), partial(_planning, run))
    if run.options.get("purge"):
        _check_scope(run, given)
    if state == "rendered":
        return _rendered(run, given)
    with direct.target(run, {key for item in given if (key := claims.key(item.data))}) as target:
        if isinstance(target, direct.Clusters):
            plan = partial(_direct, run, target)
        elif run.options.get("adopt"):
            plan = partial(_adopted, run)
        else:
            plan = partial(change, run, windows=_windows(run))
        result = send(run, target, lambda tree: plan(tree, given))
    return _with_purged(run, given, result) if run.options.get("purge") and not result.get("failed") else result


def _planning(run: Run, target: Target[Any]) -> Callable[[Any, Sequence[Document]], Change[Planned]]:
    """How claims are planned where they are delivered to, whatever windows they have."""
    return partial(_direct, run, target) if isinstance(target, direct.Clusters) else partial(change, run)


def _keys(given: Sequence[Document]) -> list[tuple[str, str]]:
    """(tenant, name) of each document. Raises InvalidFields claim-invalid where one names no service."""
    found = [(item, claims.key(item.data)) for item in given]
    errors = [
        FieldError("metadata", item.data.get("metadata"), "name, and namespace tenant-<id>", source=item.source)
        for item, key in found
        if key is None
    ]
    if errors:
        raise InvalidFields("claim-invalid", errors)
    return [key for _item, key in found if key is not None]


def _check_scope(run: Run, given: Sequence[Document]) -> None:
    scope: Json = run.options.get("scope") or {}
    if not (scope.get("tenant") or scope.get("labels")):
        words = "a tenant, labels or both: what lies outside is somebody else's"
        raise InvalidFields("option-invalid", [FieldError("scope", scope or None, words)])
    if not given:
        # an empty answer, a wrong folder: nobody means all
        words = "at least one claim beside purge (state: absent lets services go by name)"
        raise InvalidFields("option-invalid", [FieldError("claims", [], words)])


def _with_purged(run: Run, given: Sequence[Document], result: Json) -> Json:
    """Lets the services of the scope go that are not among those given."""
    with direct.target(run, None) as target:
        keys = _in_scope(target.fetch(), run.options["scope"], set(_keys(given)))
    if not keys:
        return result
    purged = deprovision.run_keys(run, keys)
    merged: Json = {
        **result,
        **purged,
        "changed": result["changed"] or purged["changed"],
        "claims": result["claims"],
        "operations": [*result["operations"], *purged["operations"]],
        "commit": purged["commit"] or result["commit"],
        "warnings": [*result["warnings"], *purged["warnings"]],
        "wait": [*result.get("wait", []), *purged["wait"]],
    }
    if run.diff:
        merged["diff"] = {"prepared": result["diff"]["prepared"] + purged["diff"]["prepared"]}
    return merged


def _in_scope(snapshot: Tree, scope: Json, given: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """The services that the repository declares within the scope, without those given.

    What was born in a cluster its own object declares: no set that somebody gives can lack it.
    """
    tenant = scope.get("tenant") or ""
    places = {
        (parts[1], parts[3].removesuffix(".yaml")): path
        for path in snapshot.blobs
        if (parts := path.split("/"))[0] == "tenants" and len(parts) == 4 and parts[2] == "claims"
    }
    chosen = {key: path for key, path in places.items() if tenant in ("", key[0]) and key not in given}
    files, wanted = snapshot.read(chosen.values()), scope.get("labels") or {}
    return sorted(key for key, path in chosen.items() if _is_in(files[path], path, wanted))


def _is_in(content: bytes, path: str, labels: Json) -> bool:
    """Whether a claim's file bears these labels, and Git declares it."""
    if not labels and born.BORN_IN.encode() not in content:
        # of a large tenant nearly all files; the others alone are read whole
        return True
    document = next(iter(documents.load_all(content, path)), None)
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return not labels
    has = metadata.get("labels")
    return not born.born_in({"metadata": metadata}) and (has if isinstance(has, dict) else {}).items() >= labels.items()


def send(run: Run, target: Target[S], change: Callable[[S], Change[Planned]]) -> Json:
    """Delivers what `change` plans on each head and waits, as the options say: the result of all that commit claims."""
    end = time.monotonic() + (run.options.get("wait_timeout") or 0)
    delivered = review.send(run, target, change)
    plan, platform, files = delivered.result
    applied = isinstance(target, direct.Clusters)
    result = {**_result(plan, changed=False), **review.told(delivered)}
    if applied:
        result["commit"] = None
    if run.diff:
        result["diff"] = {"prepared": delivered.diff}
    if run.check:
        _tell(run, plan.operations)
    if delivered.commit and delivered.changed:
        for item in plan.operations:
            if item.action != "unchanged":
                how = "applied" if applied else f"committed {delivered.commit[:12]}"
                run.progress(f"{item.tenant}/{item.name}: {how} ({item.action})")
    waiting = [item for item in plan.operations if item.waits]
    for item in waiting if len(waiting) <= wait.EACH else ():
        run.progress(f"{item.tenant}/{item.name}: waits for its window, which opens {item.waits}")
    if len(waiting) > wait.EACH:
        first = min(item.waits for item in waiting)
        run.progress(f"{len(waiting)} services wait for their windows, the first of which opens {first}")
    if isinstance(target, direct.Clusters) and target.left:
        return target.incomplete(result)
    if delivered.proposed and run.options.get("wait") and not run.check:
        try:
            result["merge_request"] = review.merged(run, delivered.base, delivered.proposed, end)
            plan, platform, files = review.landed(target, change, delivered.proposed)
        except DbaasError as error:
            # what was delivered is told of all the same
            return {**result, **base.failure(error)}
    if run.options.get("wait") and not run.check:
        wanted = [
            # what is unchanged may have been committed just now by somebody else
            wait.Wanted.of(
                claim,
                # what waits for a window runs as it did
                ""
                if operation.waits
                else operation.id
                or base.operation_in(files[paths.service(claim.tenant, claim.spec["region"], claim.name)]),
            )
            for claim, operation in zip(plan.claims, plan.operations, strict=True)
        ]
        left = max(end - time.monotonic(), 0) if delivered.proposed else run.options["wait_timeout"]
        result["wait"] = wait.until_ready(wanted, base.clusters(run, platform), left, run.progress)
        if failed := [item for item in result["wait"] if item["phase"] != "Active"]:
            return wait.failed(result, failed)
    return result


def _tell(run: Run, operations: Sequence[Operation]) -> None:
    """What would be done, and what that means; of many services in sums."""
    changing = [item for item in operations if item.action != "unchanged"]
    for item in changing if len(changing) <= wait.EACH else ():
        run.progress(f"{item.tenant}/{item.name}: {item.action} {', '.join(item.changed)}".rstrip())
        for line in item.effects.text():
            run.progress(f"  {line}")
    if len(changing) > wait.EACH:
        restarts = [item.effects.restart for item in changing]
        words = ", ".join(f"{restarts.count(each)} {each}" for each in RESTARTS if each in restarts)
        cost = sum(item.effects.cost_after or 0 for item in changing)
        delta = cost - sum(item.effects.cost_before or 0 for item in changing)
        run.progress(f"{len(changing)} services: restart: {words}; cost: ${cost} a month ({delta:+} USD)")


def _direct(run: Run, clusters: direct.Clusters, live: direct.Live, given: Sequence[Document]) -> Change[Planned]:
    """What these claims change in the clusters themselves."""
    found = change(run, live, clusters.identified(live, given), yaml=direct.YAML, windows=_windows(run))
    if charted := [claim for claim in found.result[0].claims if claim.driver == BY_CHART]:
        named = ", ".join(f"{claim.tenant}/{claim.name}" for claim in charted)
        words = f"delivery: direct: charts make {named}, and it is Argo CD that renders them: deliver by git"
        raise DbaasError("option-invalid", words)
    clusters.examine(found.result[0])
    # a claim lies nowhere but on its copies
    files = {path: content for path, content in found.files.items() if paths.place(path).kind != "claim"}
    return replace(found, files=files)


def _adopted(run: Run, snapshot: Tree, given: Sequence[Document]) -> Change[Planned]:
    """What these claims change in the repository, where services run that were made without it.

    Raises DbaasError adoption-differs where one would not go on running as it does.
    """
    _catalog, platform = base.kept(snapshot)
    clusters = base.clusters(run, platform)
    found = change(run, snapshot, adopting.identified(clusters, given))
    taken = [(pop, item) for pop, objects in found.result[0].manifests.items() for item in objects]
    adopting.compare(clusters, taken, adopting.ARGOCD)
    if not run.check:
        adopting.hand_over(clusters, taken)
    return found


def _windows(run: Run) -> bool:
    """Whether changes that restart nodes wait for a window of their claim."""
    return run.text("timing") == "window"


def change(
    run: Run,
    snapshot: Tree,
    given: Sequence[Document],
    *,
    yaml: Yaml = base.YAML,
    over: Mapping[str, bytes | None] | None = None,
    windows: bool = False,
) -> Change[Planned]:
    """What these claims change in the repository; the plan, the platform and the files that were read come with it.

    over: files that the same commit changes already; windows: whether changes that restart nodes wait for a window of
    their claim.
    """
    ids = {identity[0] for item in given if (identity := claims.key(item.data))}
    catalog, platform = base.kept(snapshot, map(paths.tenant, ids))
    request = base.request(run, snapshot.commit, windows=windows)
    tenants = base.tenants_of(snapshot, ids)
    held = held_paths(snapshot.blobs, limited) if (limited := quota.of(tenants)) else []
    wanted = {
        *wanted_paths(given, platform, by_chart=bool(catalog.charts)),
        *neighbour_paths(given, snapshot.blobs),
        *held,
    }
    files = snapshot.read(wanted)
    files |= {path: content for path, content in (over or {}).items() if content is not None and path in wanted}
    plan = plan_claims(
        given,
        files,
        catalog=catalog,
        platform=platform,
        tenants=tenants,
        request=request,
        yaml=yaml,
    )
    message = claims_message(plan.operations, request) if plan.files else ""
    proposal = of_services("service", plan.operations, message) if plan.operations else None
    return Change(plan.files, message, base.author(run), (plan, platform, files), proposal)


def _rendered(run: Run, given: Sequence[Document]) -> Json:
    if run.text("repository"):
        with base.repository(run) as repository:
            plan, _platform, files = change(run, repository.fetch(), given).result
        manifests = {pop: [*objects] for pop, objects in plan.manifests.items()}
        for item in plan.operations:
            if item.action == "unchanged":
                # what stands is what would be committed
                for pop in item.regions:
                    path = paths.service(item.tenant, pop, item.name)
                    manifests.setdefault(pop, []).extend(documents.load_all(files[path], path))
    else:
        catalog, platform = base.stated(run)
        plan = plan_claims(
            given, {}, catalog=catalog, platform=platform, tenants=None, request=base.request(run, ""), yaml=base.YAML
        )
        manifests = plan.manifests
    rendered = [{"pop": pop, "object": item} for pop, objects in manifests.items() for item in objects]
    return {**_result(plan, changed=False), "manifests": {"count": len(rendered), "rendered": rendered}, "commit": None}


def _result(plan: ClaimsPlan, *, changed: bool) -> Json:
    # sets travel as summaries: what changed, not all that was read
    touched = {(item.tenant, item.name) for item in plan.operations if item.action != "unchanged"}
    return {
        "changed": changed,
        "claims": [
            _summary(item) for item in plan.claims if (item.tenant, item.name) in touched or len(plan.claims) == 1
        ],
        "manifests": {"count": sum(len(objects) for objects in plan.manifests.values())},
        "operations": [
            {
                # no copy will ever bear that of a change which waits
                "id": None if item.waits else item.id or None,
                "tenant": item.tenant,
                "name": item.name,
                "action": item.action,
                "changed": list(item.changed),
                "regions": list(item.regions),
                "plan": item.effects.data(),
                "waits_until": item.waits or None,
            }
            for item in plan.operations
            if item.action != "unchanged" or item.waits or len(plan.operations) == 1
        ],
        "warnings": [f"{item.tenant}/{item.name}: {warning}" for item in plan.claims for warning in item.warnings],
    }


def _summary(claim: Claim) -> Json:
    return {
        "tenant": claim.tenant,
        "name": claim.name,
        "namespace": claim.namespace,
        "service_id": claim.spec["serviceId"],
        "sku": claim.sku.name,
        "engine": claim.spec["engine"],
        "plan": claim.spec["plan"],
        "version": claim.spec["version"],
        "region": claim.spec["region"],
        "regions": claim.regions,
        "topology": claim.topology,
        "price_monthly_usd": claim.price,
        "sla_percent": claim.sla,
        "spec": claim.spec,
    }

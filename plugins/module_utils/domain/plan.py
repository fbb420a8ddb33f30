# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan: what a set of documents changes in the repository. Pure and complete: once applied, the same plan is empty."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import (
    born,
    charts,
    maintenance,
    names,
    paths,
    quota,
    tenant,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import OPERATOR, Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Admission, Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.consequences import (
    NOTHING,
    Effects,
    anew,
    creation,
    of_change,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import STAMPED, Stamp, releases, render
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, DRIVER, GROUP, Consequence

Json = dict[str, Any]

#: The namespace of the service ids that we make (uuid5 of tenant, name and parent commit).
SERVICE_IDS = uuid.UUID("6d1d2f0e-6f2b-5c6e-9c57-0d6f6f3f2a51")
#: what every copy's spec holds
_WHOLE = {"serviceId", "engine", "plan", "version", "region", "storage", "replication", "highAvailability", "resources"}
#: on the copies of a service that was delivered without Git, and is kept although nobody declares it any more
RETAINED = f"{GROUP}/retained"
#: the action of a copy that is being deleted
ACTION = "delete"
_DELETING = re.compile(rb"dbaas\.example\.com/action: \"?delete")
#: the action of a change that is declared, and rendered when a window of the claim's is open
HOLD = "hold"
#: the action of the change by which a service leaves regions; what is there goes afterwards
LEAVE = "leave"
_SUBJECTS = {
    "rerender": "Render again",
    "rollback": "Roll back",
    "cancel": "Cancel the last operation of",
    HOLD: "Hold a change of",
    LEAVE: "Leave regions with",
}
_BLOB = re.compile(rb"dbaas\.example\.com/claim-blob: \"?([0-9a-f]{40})")


@dataclass(frozen=True)
class Yaml:
    """How documents are read and written, handed in so that this module stays pure; both loads take (bytes, source).

    load_own is for what was written by us: quick, since it does not look for what only people write.
    """

    load_all: Callable[[bytes, str], list[Any]]
    load_own: Callable[[bytes, str], list[Any]]
    dump: Callable[[Any], str]
    dump_all: Callable[[Iterable[Any]], str]
    blob_id: Callable[[bytes], str]


@dataclass(frozen=True)
class Document:
    """One document given, and where it comes from (for errors).

    merge: the service exists, and what is not given stays as its claim's file has it; action: what the operation is
    called when it changes something; text: the bytes that the file gets when data is all that they say; born_in: the
    PoP whose own object this is; anew: it is rendered although its file is as it was; leaves: regions that it may
    leave.
    """

    source: str
    data: Json
    merge: bool = False
    action: str = ""
    text: bytes = b""
    born_in: str = ""
    anew: bool = False
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What happens to one object: changed names fields (`spec.storage.size`), effects what that means.

    action is create, update, hold, rollback, cancel, rerender or unchanged; requester: where it is
    not the request's; waits: when (RFC 3339) a window opens for what the claim's file says and nothing is rendered from
    yet, "" where nothing waits.
    """

    id: str
    tenant: str
    name: str
    action: str
    changed: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    effects: Effects = NOTHING
    requester: str = ""
    waits: str = ""


@dataclass(frozen=True)
class ClaimsPlan:
    """claims: all given, admitted; manifests: region -> objects of what changes; files: path -> new content."""

    claims: list[Claim]
    operations: list[Operation]
    manifests: dict[str, list[Json]]
    files: dict[str, bytes | None]


@dataclass(frozen=True)
class Request:
    """Who asks: requester and deadline stand in the commit and in the copies; parent is the commit planned on.

    origin: how it is delivered (git or direct), as the copies have it; now: the moment (UTC) at which changes that
    restart nodes look for an open window of their claim; None: they do not.
    """

    parent: str
    requester: str
    deadline: str
    renderer: str
    origin: str = "git"
    now: datetime | None = None


def wanted_paths(documents: Iterable[Document], platform: Platform, *, by_chart: bool = False) -> list[str]:
    """All files that plan_claims needs to see, whether they exist or not; by_chart: charts may make services."""
    keys = {identity for item in documents if (identity := claims.key(item.data))}
    ids = {tenant_id for tenant_id, _name in keys}
    found = [paths.tenant(tenant_id) for tenant_id in ids]
    if by_chart:
        found += charts.wanted_paths(keys, platform.pops)
    for tenant_id, name in keys:
        found += [paths.claim(tenant_id, name), paths.retained(tenant_id, name)]
        found += [paths.service(tenant_id, pop, name) for pop in platform.pops]
    return found


def held_paths(blobs: Iterable[str], limited: Collection[str]) -> list[str]:
    """The files that say what these tenants hold: all of each service, since those that it leaves say so inside."""
    return [path for path in blobs if (place := paths.service_of(path)) and place[0] in limited]


def neighbour_paths(documents: Iterable[Document], blobs: Iterable[str]) -> list[str]:
    """The files of services whose objects could be called as those of the services given."""
    given: dict[str, set[str]] = {}
    for item in documents:
        if identity := claims.key(item.data):
            given.setdefault(identity[0], set()).add(identity[1])
    found: dict[str, dict[str, list[str]]] = {}
    for path in blobs:
        if (place := paths.service_of(path)) and place[0] in given:
            found.setdefault(place[0], {}).setdefault(place[2], []).append(path)
    wanted: dict[str, None] = {}
    for tenant_id, standing in found.items():
        for pair in names.related({*given[tenant_id], *standing}):
            if given[tenant_id].intersection(pair):
                wanted.update(dict.fromkeys(path for name in pair for path in standing.get(name, ())))
    return list(wanted)


def held_specs(files: Mapping[str, bytes], limited: Collection[str], yaml: Yaml) -> dict[str, dict[str, Json]]:
    """The whole specs that were rendered last, by tenant and service, out of the files of held_paths.

    What begins with no copy of a claim is no service, whoever put it there. Raises DbaasError document-invalid for a
    copy that was spoiled: nobody could tell then what is used.
    """
    found: dict[str, dict[str, Json]] = {tenant_id: {} for tenant_id in limited}
    # what a service leaves says what it was when it left, any other file what it is
    for path in sorted(held_paths(files, limited), key=lambda path: deleting(files[path])):
        tenant_id, _pop, name = paths.service_of(path) or ("", "", "")
        if name in found[tenant_id]:
            continue
        if (copy := copy_in(files[path], path, yaml)).get("kind") == CLAIM.kind:
            found[tenant_id][name] = whole_spec(copy, path)
    return found


def plan_claims(
    documents: Sequence[Document],
    files: Mapping[str, bytes],
    *,
    catalog: Catalog,
    platform: Platform,
    tenants: Mapping[str, Json] | None,
    request: Request,
    yaml: Yaml,
) -> ClaimsPlan:
    """The plan for these claims, given the files of wanted_paths and neighbour_paths that exist.

    Those of held_paths too, of tenants with quotas.

    Raises InvalidFields naming all that is wrong: claim-invalid, or quota-exceeded when nothing but quotas is.
    """
    admission = Admission(catalog, platform, tenants)
    errors: list[FieldError] = []
    plan = ClaimsPlan([], [], {}, {})
    seen: dict[tuple[str, str], str] = {}
    labels: dict[tuple[str, str], str] = {}
    for item in documents:
        identity = claims.key(item.data)
        label = item.source if identity is None else f"{item.source} {'/'.join(identity)}".strip()
        if identity and identity in seen:
            errors.append(
                FieldError(
                    "metadata.name", identity[1], f"each service once; {seen[identity]} names it too", source=label
                )
            )
            continue
        if identity:
            seen[identity] = item.source or "the same input"
            labels[identity] = label
        try:
            errors += _plan_one(plan, item, label, identity, files, admission, catalog, platform, request, yaml)
        except (LookupError, TypeError, AttributeError, ValueError):
            # looked for only now: of a large platform nearly all files are as we wrote them
            if identity:
                _refuse_spoiled(*identity, files, platform, yaml)
            raise
    errors += _namesakes(plan, labels, files, catalog, yaml)
    beyond = _beyond_quotas(plan, labels, files, tenants or {}, yaml)
    if errors or beyond:
        raise InvalidFields("claim-invalid" if errors else "quota-exceeded", [*errors, *beyond])
    return plan


def _beyond_quotas(
    plan: ClaimsPlan,
    labels: Mapping[tuple[str, str], str],
    files: Mapping[str, bytes],
    tenants: Mapping[str, Json],
    yaml: Yaml,
) -> list[FieldError]:
    quotas = quota.of(tenants)
    wanted: dict[str, list[quota.Wanted]] = {}
    held = held_specs(files, quotas, yaml)
    places: dict[tuple[str, str], int] = {}
    for place, (claim, operation) in enumerate(zip(plan.claims, plan.operations, strict=True)):
        # what is not rendered again takes what it takes
        if claim.tenant in quotas and operation.action != "unchanged":
            before = held[claim.tenant].get(claim.name)
            item = quota.Wanted(claim.name, claim.spec, before, labels[claim.tenant, claim.name])
            wanted.setdefault(claim.tenant, []).append(item)
            places[claim.tenant, claim.name] = place
    for tenant_id, items in wanted.items():
        for name, limits in quota.before_after(quotas[tenant_id], held[tenant_id].values(), items).items():
            place = places[tenant_id, name]
            operation = plan.operations[place]
            effects = replace(operation.effects, quota=tuple(limits))
            plan.operations[place] = replace(operation, effects=effects)
    return [
        error
        for tenant_id, items in wanted.items()
        for error in quota.errors(tenant_id, quotas[tenant_id], held[tenant_id].values(), items)
    ]


def _namesakes(
    plan: ClaimsPlan,
    labels: Mapping[tuple[str, str], str],
    files: Mapping[str, bytes],
    catalog: Catalog,
    yaml: Yaml,
) -> Iterable[FieldError]:
    """New services, and those that come to a region, whose objects would be called as another service's."""
    tenants: dict[str, dict[str, Json]] = {}
    entering: set[tuple[str, str]] = set()
    for claim, operation in zip(plan.claims, plan.operations, strict=True):
        tenants.setdefault(claim.tenant, {})[claim.name] = claim.spec
        if not _stands(claim, files) or "spec.replication.regions" in operation.changed:
            entering.add((claim.tenant, claim.name))
    standing: dict[str, dict[str, dict[str, str]]] = {}
    # what a service leaves says what it was when it left, any other file what it is
    for path in sorted(files, key=lambda path: deleting(files[path])) if entering else ():
        if (place := paths.service_of(path)) and place[0] in tenants:
            standing.setdefault(place[0], {}).setdefault(place[2], {})[place[1]] = path
    for tenant_id, specs in tenants.items():
        there = standing.get(tenant_id, {})
        for short, long in names.related({*specs, *there}):
            one = long if (tenant_id, long) in entering else short
            if (tenant_id, one) not in entering:
                continue
            pair = [specs.get(name) or _rendered_last(there[name], files, yaml) for name in (short, long)]
            # a file that was spoiled must not hold up other services
            if not all(spec.keys() >= _WHOLE and _sound(spec) for spec in pair):
                continue
            # until all of it is gone, a service is in a region that it leaves as well
            its_regions = {*pair[0]["replication"]["regions"], *there.get(short, ())}
            if its_regions.isdisjoint({*pair[1]["replication"]["regions"], *there.get(long, ())}):
                continue
            its, others = (names.endings(*item, catalog.regions) for item in zip((short, long), pair, strict=True))
            if what := names.shared(short, its, long, others):
                words = f"another name: {what} would be one of service {short if one == long else long} too"
                yield FieldError("metadata.name", one, words, source=labels[tenant_id, one])


def _rendered_last(there: Mapping[str, str], files: Mapping[str, bytes], yaml: Yaml) -> Json:
    """The spec of a service that stands, given its files by region."""
    path = next(iter(there.values()))
    return _spec(copy_in(files[path], path, yaml))


def _stands(claim: Claim, files: Mapping[str, bytes]) -> bool:
    return any(paths.service(claim.tenant, region, claim.name) in files for region in claim.regions)


def _plan_one(
    plan: ClaimsPlan,
    item: Document,
    label: str,
    identity: tuple[str, str] | None,
    files: Mapping[str, bytes],
    admission: Admission,
    catalog: Catalog,
    platform: Platform,
    request: Request,
    yaml: Yaml,
) -> list[FieldError]:
    if identity is None:
        return admission.admit(item.data, source=label)[1]
    data = item.data
    tenant_id, name = identity
    path = paths.claim(tenant_id, name)
    stands = files.get(path)
    derived = {pop: files[there] for pop in platform.pops if (there := paths.service(tenant_id, pop, name)) in files}
    # what goes in regions that were left says nothing of the service any more
    left = [pop for pop, content in derived.items() if has_left(content, pop, yaml)]
    stays = {pop: content for pop, content in derived.items() if pop not in left}
    going = [pop for pop, content in stays.items() if deleting(content)]
    why = _taken(tenant_id, name, files, stays, going, platform, request.origin, yaml)
    if left and not stays and not why:
        # all of it goes, and where it is gone nothing may come back unnoticed
        words = f"another name: only what it leaves in {', '.join(left)} is there; deprovision it to the end first, or"
        why = f"{words} restore its other derived files from history where they were lost"
    if why:
        return [FieldError("metadata.name", name, why, source=label)]
    copy = _running(stays, tenant_id, name, yaml)
    before = copy["spec"] if copy else None
    # a file that stands as we would write it is not read: a run that changes nothing would spend its time on that
    now = {} if before and not item.merge else _first(stands, path, yaml)
    if item.merge:
        if not _spec(now):
            return [FieldError("metadata.name", name, "the name of a service that exists, to be changed", source=label)]
        data = merged(now, data)
    declared = born.born_in(copy or now)
    if declared or item.born_in or born.born_in(data):
        now = now or _first(stands, path, yaml)
        if why := _declared_elsewhere(item, data, declared, now, exists=stands is not None or bool(derived)):
            return [FieldError("metadata.name", name, why, source=label)]
    known_id = (before or _spec(now)).get("serviceId")
    made_id = str(uuid.uuid5(SERVICE_IDS, f"{tenant_id}/{name}/{request.parent}"))
    with_id = data
    if isinstance(data.get("spec"), dict):
        with_id = {**data, "spec": {"serviceId": known_id or made_id, **data["spec"]}}
    driver = _metadata(copy, "annotations").get(DRIVER, OPERATOR) if copy else ""
    claim, errors = admission.admit(with_id, source=label, before=before, driver=driver, leaves=item.leaves)
    if item.born_in and (home := _spec(data).get("region")) not in (None, item.born_in):
        words = f"{item.born_in}: a claim is applied in the point of presence of its home region"
        errors.append(FieldError("spec.region", home, words, item.born_in, label))
    given_id = _spec(with_id).get("serviceId")
    if known_id and given_id != known_id and not any(error.path == "spec.serviceId" for error in errors):
        errors.append(FieldError("spec.serviceId", given_id, f"{known_id}: it cannot be changed", known_id, label))
    if claim is None or errors:
        return errors
    service_id = claim.spec["serviceId"]
    content = yaml.dump(claim.given).encode()
    if stands != content:
        if stands and _same(now or _first(stands, path, yaml), claim.given):
            content = stands
        elif item.text and _same(_first(item.text, label, yaml), claim.given):
            content = item.text
    blob = yaml.blob_id(content)
    plan.claims.append(claim)
    # declared again while it goes there
    going += [pop for pop in left if pop in claim.regions]
    rendered = all(region in derived and claim_blob(derived[region]) == blob for region in claim.regions)
    rendered = rendered and not _lacks_releases(claim, files, yaml)
    if rendered and content == stands and not going and not item.anew:
        plan.operations.append(Operation("", tenant_id, name, "unchanged", (), tuple(claim.regions)))
        return []
    action = (item.action or "update") if derived else "create"
    operation = str(uuid.uuid5(uuid.UUID(service_id), f"{request.parent}/{action}"))
    # who applied it, the cluster does not tell
    requester = f"kubectl@{item.born_in}" if item.born_in else ""
    who = (requester or request.requester, request.deadline, request.origin)
    leaving = [pop for pop in derived if pop not in claim.regions and (pop in left or pop in item.leaves)]
    stamp = Stamp(blob, catalog.revision, request.renderer, operation, action, *who, leaving=",".join(leaving))
    try:
        manifests = render(claim, catalog, platform, stamp)
    except InvalidFields as error:
        if error.code != "claim-invalid":
            raise
        plan.claims.pop()
        return [replace(item, source=label) for item in error.errors]
    same = item.anew and rendered and content == stands and claim.driver == OPERATOR
    if same and _nothing_new(derived, manifests, path, yaml):
        plan.operations.append(Operation("", tenant_id, name, "unchanged", (), tuple(claim.regions)))
        return []
    changed: tuple[str, ...] = ()
    effects = creation(claim.spec, catalog)
    if copy and before:
        labels = {claims.PROJECT: _metadata(copy, "labels").get(claims.PROJECT, claim.project)}
        changed = (
            *_differences(before, claim.spec, "spec"),
            *_differences(labels, {claims.PROJECT: claim.project}, "metadata.labels"),
        )
        more: list[Consequence] = []
        stood = tuple(
            _metadata(copy, "annotations").get(f"{GROUP}/{each}") for each in ("catalog-revision", "renderer")
        )
        home = claim.spec["region"]
        if stood != (catalog.revision, request.renderer) and home in derived:
            again = render(replace(claim, spec=before), catalog, platform, stamp)[home]
            stands_there, live = yaml.load_all(derived[home], path), request.origin == "direct"
            more = [*anew(stands_there, again, catalog, request.renderer, live=live)]
        effects = of_change(before, claim.spec, changed, catalog, more, claim.driver)
    regions = tuple(claim.regions)
    # what is going must not go on because of a window
    if before and not going and (waits := _waits(claim, effects, request)):
        if request.origin != "git":
            plan.claims.pop()
            words = f"now, or a run after {waits}, when a window opens: without Git nothing keeps a change until then"
            return [FieldError("timing", "window", words, "now", label)]
        action, operation = "unchanged", ""
        if content != stands:
            action, operation = HOLD, str(uuid.uuid5(uuid.UUID(service_id), f"{request.parent}/{HOLD}"))
            plan.files[path] = content
        held = Operation(operation, tenant_id, name, action, changed, regions, effects, requester, waits)
        plan.operations.append(held)
        return []
    plan.files[path] = content
    for region, objects in manifests.items():
        plan.files[paths.service(tenant_id, region, name)] = derived_file(path, yaml.dump_all(objects))
        plan.manifests.setdefault(region, []).extend(objects)
    for region, wanted in releases(claim, catalog, platform, stamp).items():
        where = paths.foundation(tenant_id, region, "values.yaml")
        now_there = plan.files.get(where) or files.get(where)
        values = _first(now_there, where, yaml)
        versioned = charts.versioned(wanted, charts.entries(values, name), catalog)
        plan.files[where] = with_values(now_there or b"", charts.with_entries(values, name, versioned), yaml)
    for region in going:
        where = paths.volumes(tenant_id, region, name)
        if where in files:
            # they stay in that file: what leaves it before Argo CD has seen this would be pruned
            kept = [
                {**item, "metadata": {**item["metadata"], "annotations": dict(tenant.KEEP)}}
                for item in yaml.load_all(files[where], where)
            ]
            plan.files[where] = derived_file(path, yaml.dump_all(kept))
    plan.operations.append(Operation(operation, tenant_id, name, action, changed, regions, effects, requester))
    return []


def _waits(claim: Claim, effects: Effects, request: Request) -> str:
    """When the next window opens for what restarts nodes, "" when it need not wait."""
    stretches = maintenance.windows(claim.spec)
    if effects.restart == "none" or not stretches or request.now is None:
        return ""
    opens = maintenance.opens(stretches, request.now)
    return opens.strftime("%Y-%m-%dT%H:%M:%SZ") if opens > request.now else ""


def _lacks_releases(claim: Claim, files: Mapping[str, bytes], yaml: Yaml) -> bool:
    """Whether a region's foundation does not make what makes the service."""
    if claim.driver == OPERATOR:
        return False
    for region in claim.regions:
        where = paths.foundation(claim.tenant, region, "values.yaml")
        found = charts.entries(_first(files.get(where), where, yaml), claim.name)
        if not found or any("gone" in item for item in found):
            return True
    return False


def with_values(stands: bytes, values: Json, yaml: Yaml) -> bytes:
    """A foundation's values.yaml with other values; its first line, which says who made the rest, stays."""
    return stands.partition(b"\n")[0] + b"\n---\n" + yaml.dump(values).encode()


def _nothing_new(derived: Mapping[str, bytes], manifests: Mapping[str, list[Json]], path: str, yaml: Yaml) -> bool:
    """Whether what was rendered differs from what stands in nothing but where it says that it comes from."""
    return all(
        list(map(_unstamped, yaml.load_own(derived[region], path))) == list(map(_unstamped, objects))
        for region, objects in manifests.items()
    )


def _unstamped(item: Json) -> Json:
    annotations = {name: text for name, text in _metadata(item, "annotations").items() if name not in STAMPED}
    return {**item, "metadata": {**item["metadata"], "annotations": annotations}}


def _taken(
    tenant_id: str,
    name: str,
    files: Mapping[str, bytes],
    derived: Mapping[str, bytes],
    going: Sequence[str],
    platform: Platform,
    origin: str,
    yaml: Yaml,
) -> str:
    """Why no service of this name can be declared now, "" when one can."""
    kept = paths.retained(tenant_id, name)
    if kept in files:
        how = f"move {kept} back to claims/" if origin == "git" else f"take {RETAINED} off its claim's copies"
        return f"another name: a service of this name is kept; to take it up again {how}"
    if going:
        copy = copy_in(next(iter(derived.values())), "", yaml)
        wanted = copy.get("spec", {}).get("replication", {}).get("regions", [])
        if lost := [region for region in wanted if region in platform.pops and region not in derived]:
            return f"another name: it is being deleted, and gone in {', '.join(lost)}; deprovision it to the end first"
    return ""


def _declared_elsewhere(item: Document, data: Json, declared: str, now: Json, *, exists: bool) -> str:
    """Why this document may not declare the service, "" when it may, where one of them was born in a cluster.

    declared: the PoP whose object declares what exists, "" where Git does; now: what the claim's file says.
    """
    if item.born_in:
        if exists and declared != item.born_in:
            where = f"by an object in {declared}" if declared else "in Git"
            return f"another name: a service of this name is declared {where} already"
        if now and born.edited(now) and born.digest(now) != born.digest(data):
            return f"what its object in {declared} says, but its file was edited: restore that from history"
        return ""
    if not exists or born.born_in(data) != declared:
        where = f"in {declared}: change it there by kubectl" if declared else "of a point of presence, by kubectl alone"
        return f"a service that Git declares; this one is declared by an object {where}"
    if born.edited(data) or born.digest(data) != born.digest(now):
        return f"what its object in {declared} says: change that by kubectl, and leave its file as it is in history"
    return ""


def deleting(content: bytes) -> bool:
    """Whether the copy that a derived file begins with is being deleted."""
    # our own names and ids stand before it, so it comes early
    return _DELETING.search(content[:4096]) is not None


def has_left(content: bytes, pop: str, yaml: Yaml) -> bool:
    """Whether a derived file is of a PoP that the service has left, where it is being deleted alone."""
    if not deleting(content):
        return False
    regions = (_spec(copy_in(content, pop, yaml)).get("replication") or {}).get("regions", [pop])
    return pop not in regions


def merged(stands: Json, given: Json) -> Json:
    """A claim's document with only these fields changed: mappings field by field, lists as they are given.

    Regions are added to those that there are, since a change leaves none.
    """
    whole: Json = _merged(stands, given)
    if added := given["spec"].get("replication", {}).get("regions"):
        spec = _spec(stands)
        replication = spec.get("replication")
        has = replication.get("regions") if isinstance(replication, dict) else None
        whole["spec"]["replication"]["regions"] = list(dict.fromkeys([*(has or [spec.get("region")]), *added]))
    return whole


def _merged(stands: Any, given: Any) -> Any:
    if not isinstance(stands, dict) or not isinstance(given, dict):
        return given
    return {**stands, **{key: _merged(stands.get(key), value) for key, value in given.items()}}


def derived_file(path: str, text: str) -> bytes:
    """A derived file out of its documents as text, with a head that names the file to edit instead."""
    return f"# Derived from {path}: edit that file instead.\n{text}".encode()


def _metadata(copy: Json, part: str) -> Json:
    found = (copy.get("metadata") or {}).get(part)
    return found if isinstance(found, dict) else {}


def _same(stands: Json, given: Json) -> bool:
    return {part: stands.get(part) for part in given} == given


def claim_blob(derived: bytes) -> str:
    """The blob id of the claim's file that a derived file was rendered from, "" when it names none."""
    found = _BLOB.search(derived)
    return found[1].decode() if found else ""


def _first(content: bytes | None, path: str, yaml: Yaml, *, own: bool = False) -> Json:
    """The first document of a file, {} when there is none: people edit these files."""
    documents = (yaml.load_own if own else yaml.load_all)(content, path) if content else []
    return documents[0] if documents and isinstance(documents[0], dict) else {}


def _spec(document: Json) -> Json:
    spec = document.get("spec")
    return spec if isinstance(spec, dict) else {}


def _running(derived: Mapping[str, bytes], tenant_id: str, name: str, yaml: Yaml) -> Json | None:
    """The copy that was rendered last, its spec whole: it stands first in each derived file.

    Raises DbaasError document-invalid when it does not, since nobody could tell then what must not change.
    """
    for pop, content in derived.items():
        path = paths.service(tenant_id, pop, name)
        copy = copy_in(content, path, yaml)
        whole_spec(copy, path)
        return copy
    return None


def copy_in(derived: bytes, path: str, yaml: Yaml) -> Json:
    """The copy of the claim that a derived file begins with, {} when it begins with something else.

    Where the claim was born in that PoP the file begins with its record, which says the same.
    """
    # the rest of the file is long
    first = _first(b"\n---\n".join(derived.split(b"\n---\n", 2)[:2]), path, yaml, own=True)
    return born.copy_of(first) or first


def whole_spec(copy: Json, path: str) -> Json:
    """The whole spec of a copy in a derived file. Raises DbaasError document-invalid where a person has spoiled it."""
    spec = _spec(copy)
    if not spec.keys() >= _WHOLE or not _sound(spec):
        raise DbaasError("document-invalid", f"{path}: does not begin with the claim's copy; restore it from history")
    return spec


def _refuse_spoiled(tenant_id: str, name: str, files: Mapping[str, bytes], platform: Platform, yaml: Yaml) -> None:
    """Raises DbaasError document-invalid for a derived file of this service that a person has spoiled."""
    for path in (paths.service(tenant_id, pop, name) for pop in platform.pops):
        if path not in files:
            continue
        spec = _spec(copy_in(files[path], path, yaml))
        objects = yaml.load_all(files[path], path)
        if claims.misshapen(claims.document(tenant_id, name, spec)) or not all(map(_is_object, objects)):
            raise DbaasError("document-invalid", f"{path}: is not as it was rendered; restore it from history")


def _is_object(item: Any) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(metadata, dict) and all(
        isinstance(part, str) for part in (item.get("kind"), metadata.get("name"))
    )


def _sound(spec: Json) -> bool:
    """Whether what others reckon with is there: a spoiled file must not hold up those of other services."""
    try:
        quota.usage([spec])
        texts = [spec["serviceId"], spec["version"], spec["region"], *spec["replication"]["regions"]]
        texts += map(str, (spec["storage"]["class"], spec["replication"]["factor"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return all(isinstance(text, str) for text in texts)


#: fields that are told of as a whole: what is in them means something only together
_TOGETHER = {f"spec.{name}" for name in ("images", "maintenance", "overrides", "placement")}


def _differences(before: Any, after: Any, path: str) -> Iterable[str]:
    if path == "spec.parameters":
        # each is told of by itself, the first and the last too
        before, after = before or {}, after or {}
    if isinstance(before, dict) and isinstance(after, dict) and path not in _TOGETHER:
        for key in dict.fromkeys([*before, *after]):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}")
    elif before != after:
        yield path


def claims_message(operations: Iterable[Operation], request: Request) -> str:
    """Subject, a line per claim, and a machine-readable trailer per claim."""
    changed = [item for item in operations if item.action != "unchanged"]
    first = changed[0]
    subject = (
        f"{_SUBJECTS.get(first.action, first.action.capitalize())} service {first.tenant}/{first.name}"
        if len(changed) == 1
        else f"Change {len(changed)} services: {_counts(changed)}"
    )
    trailers = [
        f"Dbaas-Operation: {item.id} {item.action} {item.tenant}/{item.name}"
        f" requester={item.requester or request.requester} deadline={request.deadline}"
        for item in changed
    ]
    return "\n".join([subject, "", *trailers, ""])


def _counts(operations: Iterable[Operation]) -> str:
    actions = [item.action for item in operations]
    return ", ".join(f"{actions.count(action)} {action}" for action in dict.fromkeys(actions))


@dataclass(frozen=True)
class TenantsPlan:
    """tenants: the documents given; files: path -> content to be written; warnings: new quotas below what is used."""

    tenants: list[Json]
    operations: list[Operation]
    files: dict[str, bytes | None]
    warnings: list[str]


def tenant_paths(documents: Sequence[Json], platform: Platform, blobs: Iterable[str]) -> list[str]:
    """The files that plan_tenants needs to see; blobs: all that there are."""
    # what a tenant holds matters to those with quotas alone
    specs = {str(item["metadata"]["name"]): item.get("spec") for item in documents}
    limited = {tenant_id for tenant_id, spec in specs.items() if isinstance(spec, dict) and spec.get("quotas")}
    found = held_paths(blobs, limited) if limited else []
    for item in documents:
        tenant_id = item["metadata"]["name"]
        found.append(paths.tenant(tenant_id))
        for pop in platform.pops:
            found += [paths.foundation(tenant_id, pop, name) for name in ("application.yaml", "values.yaml")]
            found.append(f"{paths.services(tenant_id, pop)}/.keep")
    return found


def foundation_file(path: str, text: str, blob: str, renderer: str) -> bytes:
    """A derived file of a tenant's foundation: its first line says from which tenant.yaml (blob) who made it."""
    return f"# Derived from {path} ({blob}, {renderer}): edit that file instead.\n---\n{text}".encode()


def body(derived: bytes | None) -> bytes | None:
    """What a derived file says, without its first line."""
    return None if derived is None else derived.partition(b"\n")[2]


def plan_tenants(
    documents: Sequence[Json], files: Mapping[str, bytes], *, platform: Platform, renderer: str, yaml: Yaml
) -> TenantsPlan:
    """The plan for these Tenant documents, given the files of tenant_paths that exist.

    Raises InvalidFields tenant-invalid naming all that is wrong.
    """
    errors = tenant.errors(documents, platform)
    if not errors:
        errors = [error for item in documents for error in _left_regions(item, files, platform)]
    if errors:
        raise InvalidFields("tenant-invalid", errors)
    plan = TenantsPlan(list(documents), [], {}, [])
    held = held_specs(files, {item["metadata"]["name"] for item in documents}, yaml)
    for item in documents:
        tenant_id = item["metadata"]["name"]
        path = paths.tenant(tenant_id)
        stands = files.get(path)
        before = _first(stands, path, yaml)
        wanted: dict[str, bytes] = {path: stands if stands and before == item else yaml.dump(item).encode()}
        specs = held[tenant_id].values()
        for region in item["spec"]["regions"]:
            values = paths.foundation(tenant_id, region, "values.yaml")
            now = _first(files.get(values), values, yaml)
            derived = tenant.foundation(item, platform.pops[region], platform, stands=now, held=specs)
            for where, document in derived.items():
                made = foundation_file(path, yaml.dump(document), yaml.blob_id(wanted[path]), renderer)
                wanted[where] = files[where] if body(files.get(where)) == body(made) else made
            wanted[f"{paths.services(tenant_id, region)}/.keep"] = b""
        differing = {where: content for where, content in wanted.items() if files.get(where) != content}
        action = "unchanged" if not differing else "update" if stands else "create"
        changed = tuple(_differences(before.get("spec"), item["spec"], "spec")) if stands else ()
        plan.operations.append(Operation("", tenant_id, tenant_id, action, changed, tuple(item["spec"]["regions"])))
        plan.files.update(differing)
        if any(field.startswith("spec.quotas") for field in changed):
            plan.warnings.extend(
                f"tenant {tenant_id}: {words}; what is there stays, and nothing more of it is admitted"
                for words in quota.overruns(item["spec"].get("quotas", {}), specs)
            )
    return plan


def _left_regions(item: Json, files: Mapping[str, bytes], platform: Platform) -> list[FieldError]:
    tenant_id = item["metadata"]["name"]
    left = [
        pop
        for pop in platform.pops
        if pop not in item["spec"]["regions"] and paths.foundation(tenant_id, pop, "application.yaml") in files
    ]
    words = f"all that the tenant has, {', '.join(left)} too: leaving a region is not built yet"
    return [FieldError("spec.regions", item["spec"]["regions"], words, source=f"tenant {tenant_id}")] if left else []


def tenants_message(operations: Iterable[Operation], request: Request) -> str:
    """Subject and a machine-readable trailer per tenant."""
    changed = [item for item in operations if item.action != "unchanged"]
    first = changed[0]
    subject = (
        f"{first.action.capitalize()} tenant {first.tenant}"
        if len(changed) == 1
        else f"Change {len(changed)} tenants: {_counts(changed)}"
    )
    trailers = [f"Dbaas-Tenant: {item.action} {item.tenant} requester={request.requester}" for item in changed]
    return "\n".join([subject, "", *trailers, ""])

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""gitops_validation_info: everything that is wrong with the repository, by file and line; nothing is written to it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.checkout import Checkout
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Tree
from ansible_collections.dbaas.platform.plugins.module_utils.documents import InvalidDocument
from ansible_collections.dbaas.platform.plugins.module_utils.domain import charts, paths, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform as platforms
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Admission, Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.paths import Place
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ClaimsPlan,
    body,
    deleting,
    derived_file,
    foundation_file,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.problems import (
    ERROR,
    WARNING,
    Problem,
    github,
    gitlab,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import (
    LEAVING,
    Stamp,
    kinds,
    releases,
    render,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines import BY_CHART
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import GROUP
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, claims, declared
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.runner.reconcile import BEGINNING
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]
T = TypeVar("T")

_MADE_FROM = re.compile(rb"# Derived from \S+ \(([0-9a-f]{40}), ([^)\n]*)\)")
_SERVICE_ID = re.compile(rb"dbaas\.example\.com/service-id: \"?([0-9a-f-]{36})")
_RENDER = "playbook reconcile_claims renders it"


def run(run: Run) -> Json:
    """The runner of module gitops_validation_info."""
    if run.text("path"):
        checkout = Checkout(Path(run.text("path")).expanduser())
        problems = check(run, checkout)
        if run.text("since"):
            problems = sorted({*problems, *_by_people(checkout.changed(run.text("since")), problems)})
    else:
        with base.repository(run) as repository:
            problems = check(run, repository.fetch())
    result: Json = {"changed": False, "problems": [item.data() for item in problems], "report": _report(run, problems)}
    if run.text("dest") and not run.check:
        dest = Path(run.text("dest")).expanduser()
        try:
            dest.write_text(result["report"], encoding="utf-8")
        except OSError as error:
            raise DbaasError("option-invalid", f"dest: {dest}: {error.strerror}") from None
    if run.text("format") == "github" and not run.text("dest"):
        for line in result["report"].splitlines():
            run.progress(line)
    bad = [item for item in problems if item.severity == ERROR or run.options.get("strict")]
    return _failed(result, bad) if bad else result


def _by_people(changed: Iterable[str], problems: Iterable[Problem]) -> Iterator[Problem]:
    """Derived files that a request changes: they are nobody's to change, whatever they say of where they come from."""
    known = {item.file for item in problems if item.code == "derived-edited"}
    for path in changed:
        if paths.place(path).kind in ("foundation", "service", "snapshot", "volumes") and path not in known:
            words = "is changed here, and only the platform writes it: change the claim, or tenant.yaml"
            yield Problem(path, 1, "derived-edited", words)


def _report(run: Run, problems: Sequence[Problem]) -> str:
    if run.text("format") == "gitlab":
        return json.dumps(gitlab(problems), indent=2) + "\n"
    lines = github(problems) if run.text("format") == "github" else map(str, problems)
    return "".join(f"{line}\n" for line in lines)


def _failed(result: Json, problems: Sequence[Problem]) -> Json:
    code = "gitops-invalid"
    cls, retry, action = CODES[code]
    head = f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}:"
    error = {"code": code, "class": cls, "retry": retry, "action": action, "runbook": code, "fields": []}
    lines = [head, *(str(item) for item in problems), f"{action} [{code}, {cls}]"]
    return {**result, "failed": True, "msg": "\n".join(lines), "error": error}


def check(run: Run, tree: Tree) -> list[Problem]:
    """All that is wrong with this state of the repository, in the order of files and lines."""
    return sorted(set(_Check(run, tree).problems()))


@dataclass
class _Check:
    """One look at a tree; each method yields what is wrong with one kind of file."""

    run: Run
    tree: Tree
    #: derived files that are, byte for byte, what their claim gives
    exact: set[str] = field(default_factory=set)
    #: how each derived file of a service begins; they come all at once, since one by one is what would take the time
    beginnings: dict[str, bytes] = field(default_factory=dict)
    #: engines whose services charts make
    charts: Collection[str] = ()

    def problems(self) -> Iterator[Problem]:
        platform, wrong = self._platform()
        catalog, more = self._catalog()
        yield from [*wrong, *more]
        self.charts = tuple(catalog.charts) if catalog else ()
        yield from self._syntax()
        places = {path: paths.place(path) for path in self.tree.blobs if path.startswith("tenants/")}
        derived = [path for path, place in places.items() if place.kind in ("service", "snapshot", "volumes")]
        self.beginnings = self.tree.read(derived, BEGINNING)
        yield from _unknown(places, platform)
        tenants, wrong = self._tenants(places, platform)
        yield from wrong
        plan, wrong = self._claims(places, catalog, platform, tenants)
        yield from wrong
        if plan is not None and catalog is not None and platform is not None:
            yield from self._rendered(plan, catalog, platform)
        if catalog is not None and platform is not None:
            for path in base.stale_policies(self.tree, catalog, platform):
                words = f"is of an earlier catalog than {paths.CATALOG}, which is {catalog.revision}: {_RENDER}"
                yield Problem(path, 1, "policies-stale", words, WARNING)
        if platform is not None:
            foundations = self.tree.read(path for path, place in places.items() if place.kind == "foundation")
            for item in tenants.values():
                yield from self._foundation(item, platform, foundations)
        yield from self._orphans(places, plan, tenants)
        yield from self._shared_ids(places, plan)
        for portion in _portions([path for path in derived if path not in self.exact]):
            for path, content in self.tree.read(portion).items():
                yield from self._objects(path, places[path], content)

    def _read(self, path: str) -> bytes:
        return self.tree.read([path])[path]

    def _platform(self) -> tuple[Platform | None, list[Problem]]:
        path = paths.PLATFORM
        if path not in self.tree.blobs:
            return None, [Problem(path, 1, "platform-missing", "The repository has no platform.yml.")]
        content = self._read(path)
        data, wrong = declared.document(path, content, "platform")
        if data is None:
            return None, wrong
        try:
            return platforms.parse(data), []
        except InvalidFields as error:
            return None, declared.fields(error.errors, error.code, path, content)

    def _catalog(self) -> tuple[Catalog | None, list[Problem]]:
        files = self.tree.read(base.catalog_files(self.tree))
        found: list[tuple[str, Any]] = []
        problems: list[Problem] = []
        for path, content in files.items():
            try:
                found += [(path, data) for data in documents.load_all(content, path)]
            except InvalidDocument as error:
                problems.append(_syntax_problem(path, error))
        try:
            return base.catalog_of(files) if not problems else None, problems
        except InvalidFields as error:
            # what was put over something else is the likelier to be wrong
            found.sort(key=lambda each: not each[0].startswith(f"{paths.OWN_CATALOG}/"))
            for item in error.errors:
                path = _holder(item.path, found)
                problems += declared.fields([item], error.code, path, files[path])
            return None, problems

    def _syntax(self) -> Iterator[Problem]:
        """What all points of presence run is written by module gitops_repository; it must at least be YAML."""
        wanted = [
            path
            for path in self.tree.blobs
            if path.startswith(("base/", "overlays/"))
            and not path.startswith(f"{paths.CATALOG}/")
            and path.endswith((".yaml", ".yml"))
        ]
        for path, content in self.tree.read(wanted).items():
            try:
                documents.load_all(content, path)
            except InvalidDocument as error:
                yield _syntax_problem(path, error)

    def _tenants(self, places: Mapping[str, Place], platform: Platform | None) -> tuple[dict[str, Json], list[Problem]]:
        files = self.tree.read(path for path, place in places.items() if place.kind == "tenant")
        found, problems = declared.tenant_files(files, platform)
        for tenant_id in dict.fromkeys(place.tenant for place in places.values() if place.tenant):
            path = paths.tenant(tenant_id)
            if path not in files:
                problems.append(Problem(path, 1, "tenant-invalid", "is missing, and its folder holds files"))
        return found, problems

    def _claims(
        self,
        places: Mapping[str, Place],
        catalog: Catalog | None,
        platform: Platform | None,
        tenants: Mapping[str, Json],
    ) -> tuple[ClaimsPlan | None, list[Problem]]:
        there = {path: place for path, place in places.items() if place.kind in ("claim", "retained")}
        files = self.tree.read(there)
        given, problems = declared.claim_files(files)
        if catalog is None or platform is None:
            return None, problems
        known = []
        for item in given:
            place = there[item.source]
            if place.kind == "retained" or self._deleting(place, platform):
                continue
            if place.tenant in tenants:
                known.append(item)
            else:
                # without its tenant it can still be held against the schema and the catalog
                errors = Admission(catalog, platform, None).admit(item.data, source=item.source)[1]
                problems += declared.fields(errors, "claim-invalid", item.source, files[item.source])
        sieve = declared.Sieve(
            lambda some: claims.change(self.run, self.tree, some, windows=True).result[0], files.__getitem__, problems
        )
        return sieve.sift(known), problems

    def _deleting(self, place: Place, platform: Platform) -> bool:
        """Whether the service is on its way out: its derived files are those of the deletion, not of the claim.

        Where it is gone in regions that it leaves alone, the others are as ever.
        """
        derived = [paths.service(place.tenant, pop, place.name) for pop in platform.pops]
        there = [self.beginnings[path] for path in derived if path in self.beginnings]
        return bool(there) and all(map(deleting, there))

    def _rendered(self, plan: ClaimsPlan, catalog: Catalog, platform: Platform) -> Iterator[Problem]:
        for portion in _portions(list(zip(plan.claims, plan.operations, strict=True))):
            same = [claim for claim, operation in portion if operation.action == "unchanged" and not operation.waits]
            derived = [paths.service(claim.tenant, pop, claim.name) for claim in same for pop in claim.regions]
            files = self.tree.read(derived)
            for claim, operation in portion:
                path = paths.claim(claim.tenant, claim.name)
                for warning in claim.warnings:
                    yield Problem(path, 1, "claim-warning", warning, WARNING)
                if operation.waits:
                    words = f"{claim.tenant}/{claim.name} waits for its window, which opens {operation.waits}"
                    yield Problem(path, 1, "waits-for-window", words, WARNING)
                elif operation.action == "unchanged":
                    yield from self._exact(claim, path, catalog, platform, files)
                else:
                    yield self._not_rendered(claim, path)

    def _not_rendered(self, claim: Claim, path: str) -> Problem:
        derived = {region: paths.service(claim.tenant, region, claim.name) for region in claim.regions}
        missing = [region for region, there in derived.items() if there not in self.tree.blobs]
        what = f"is not rendered in {', '.join(missing)}" if missing else "was edited, and is not rendered yet"
        return Problem(path, 1, "not-rendered", f"{claim.tenant}/{claim.name} {what}: {_RENDER}", WARNING)

    def _exact(
        self, claim: Claim, path: str, catalog: Catalog, platform: Platform, files: Mapping[str, bytes]
    ) -> Iterator[Problem]:
        """Holds derived files against what the claim gives, where they were made by this version from this catalog."""
        made: dict[Stamp, dict[str, list[Json]]] = {}
        for region in claim.regions:
            there = paths.service(claim.tenant, region, claim.name)
            content = files[there]
            stamp = _stamp(content)
            if stamp is None:
                yield Problem(there, 1, "derived-edited", "does not begin with the claim's copy")
                continue
            if (stamp.catalog_revision, stamp.renderer) != (catalog.revision, VERSION):
                continue
            if stamp not in made:
                made[stamp] = render(claim, catalog, platform, stamp)
            wanted = derived_file(path, documents.dump_all(made[stamp][region]))
            if wanted == content:
                self.exact.add(there)
            else:
                words = f"is not what {path} gives: edited by hand?"
                yield Problem(there, _first_difference(wanted, content), "derived-edited", words)
            if claim.driver == BY_CHART:
                yield from self._releases(claim, path, region, releases(claim, catalog, platform, stamp), catalog)

    def _releases(
        self, claim: Claim, path: str, region: str, made: Mapping[str, list[Json]], catalog: Catalog
    ) -> Iterator[Problem]:
        """Holds what the foundation says of a service that a chart makes against what its claim gives."""
        where = paths.foundation(claim.tenant, region, "values.yaml")
        standing = charts.entries(self._values(where), claim.name)
        if standing != charts.versioned(made[region], standing, catalog):
            words = f"the releases of {claim.name} are not what {path} gives: edited by hand?"
            yield Problem(where, 1, "derived-edited", words)

    def _foundation(self, item: Json, platform: Platform, files: Mapping[str, bytes]) -> Iterator[Problem]:
        tenant_id = item["metadata"]["name"]
        path = paths.tenant(tenant_id)
        blob = self.tree.blobs[path]
        for region in item["spec"]["regions"]:
            now = self._values(paths.foundation(tenant_id, region, "values.yaml"))
            wanted = {
                where: (data, foundation_file(path, documents.dump(data), blob, VERSION))
                for where, data in tenant.foundation(item, platform.pops[region], platform, stands=now).items()
            }
            stands = {where: files[where] for where in wanted if where in files}
            keep = f"{paths.services(tenant_id, region)}/.keep"
            missing = [where for where in (*wanted, keep) if where not in self.tree.blobs]
            if missing:
                words = f"its foundation in {region} lacks {', '.join(missing)}: {_RENDER}"
                yield Problem(path, 1, "not-rendered", words, WARNING)
            for where, content in stands.items():
                data, made = wanted[where]
                if body(content) != body(made):
                    yield from _foundation_problems(where, content, data, made, path, blob)

    def _values(self, path: str) -> Json:
        """What a foundation's values.yaml says; its syntax is looked at elsewhere."""
        try:
            found = documents.load_all(self._read(path), path) if path in self.tree.blobs else []
        except InvalidDocument:
            found = []
        return found[0] if found and isinstance(found[0], dict) else {}

    def _orphans(
        self, places: Mapping[str, Place], plan: ClaimsPlan | None, tenants: Mapping[str, Json]
    ) -> Iterator[Problem]:
        owned = {(place.tenant, place.name) for place in places.values() if place.kind in ("claim", "retained")}
        regions = {(claim.tenant, claim.name): claim.regions for claim in (plan.claims if plan else [])}
        derived = [path for path, place in places.items() if place.kind == "service" and path not in self.exact]
        for path in derived:
            place = places[path]
            identity = (place.tenant, place.name)
            if deleting(self.beginnings[path]):
                continue
            if identity not in owned:
                words = f"{place.tenant}/{place.name} has no claim any more, in claims/ or in retained/"
                yield Problem(path, 1, "orphan", words)
            elif identity in regions and place.pop not in regions[identity]:
                words = f"the claim of {place.tenant}/{place.name} does not name {place.pop}"
                yield Problem(path, 1, "orphan", words, ERROR, ", ".join(regions[identity]))
        there = {(places[path].tenant, places[path].name) for path in self.beginnings}
        for path, place in places.items():
            if place.kind == "foundation" and place.name == "values" and self.charts:
                for entry in charts.entries(self._values(path)):
                    identity = (place.tenant, str(entry.get("service")))
                    if "gone" not in entry and identity not in owned | there:
                        words = f"release {entry['name']}: {place.tenant}/{identity[1]} has no claim"
                        yield Problem(path, 1, "orphan", words)
            if place.kind == "foundation" and place.tenant in tenants:
                own = tenants[place.tenant]["spec"]["regions"]
                if place.pop not in own:
                    words = f"tenant.yaml of {place.tenant} does not name {place.pop}"
                    yield Problem(path, 1, "orphan", words, ERROR, ", ".join(own))

    def _shared_ids(self, places: Mapping[str, Place], plan: ClaimsPlan | None) -> Iterator[Problem]:
        """A service id that two services bear: what is kept under it would be the other's too."""
        bearers: dict[str, set[tuple[str, str]]] = {}
        for claim in plan.claims if plan else []:
            bearers.setdefault(claim.spec["serviceId"], set()).add((claim.tenant, claim.name))
        for path, place in places.items():
            if place.kind == "service" and (found := _SERVICE_ID.search(self.beginnings[path])):
                bearers.setdefault(found[1].decode(), set()).add((place.tenant, place.name))
        for service_id, services in bearers.items():
            for tenant_id, name in sorted(services) if len(services) > 1 else []:
                path = paths.claim(tenant_id, name)
                if path in self.tree.blobs:
                    others = ", ".join("/".join(other) for other in sorted(services - {(tenant_id, name)}))
                    line = documents.line_of(self._read(path), "spec.serviceId")
                    yield Problem(path, line, "claim-invalid", f"spec.serviceId: {service_id} is also that of {others}")

    def _objects(self, path: str, place: Place, content: bytes) -> Iterator[Problem]:
        """Objects in a derived file that are not the tenant's to have."""
        try:
            found = documents.load_all(content, path)
        except InvalidDocument as error:
            yield _syntax_problem(path, error)
            return
        allowed = {(kind.group, kind.kind) for kind in kinds(self.charts)}
        names = ", ".join(sorted(kind for _group, kind in allowed))
        namespace = paths.namespace(place.tenant)
        for number, item in enumerate(found):
            data: Json = item if isinstance(item, dict) else {}
            metadata = data.get("metadata")
            has: Json = metadata if isinstance(metadata, dict) else {}
            name = f"{data.get('kind')} {has.get('name')}"
            group = str(data.get("apiVersion", "")).rpartition("/")[0]
            if (group, data.get("kind")) not in allowed:
                words = f"{name}: no service has objects of this kind"
                line = documents.line_of(content, "kind", number)
                yield Problem(
                    path,
                    line,
                    "foreign-object",
                    words,
                    ERROR,
                    names,
                )
            if has.get("namespace") != namespace:
                words = f"{name}: namespace {has.get('namespace')} is not that of tenant {place.tenant}"
                line = documents.line_of(content, "metadata.namespace", number)
                yield Problem(path, line, "foreign-object", words, ERROR, namespace, namespace)


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as may be in memory with all that was read of them."""
    return (items[start : start + 500] for start in range(0, len(items), 500))


def _unknown(places: Mapping[str, Place], platform: Platform | None) -> Iterator[Problem]:
    allowed = "tenant.yaml, claims/<service>.yaml, retained/<service>.yaml, and <pop>/ with what is derived from them"
    for path, place in places.items():
        if place.kind == "unknown":
            yield Problem(path, 1, "unknown-file", "is none of the platform's files", ERROR, allowed)
        elif place.pop and platform is not None and place.pop not in platform.pops:
            words = f"{place.pop} is no point of presence of platform.yml"
            near = nearest(place.pop, platform.pops)
            yield Problem(path, 1, "unknown-file", words, ERROR, ", ".join(platform.pops), near)


def _syntax_problem(path: str, error: InvalidDocument) -> Problem:
    return Problem(path, error.line or 1, error.code, error.problem)


def _holder(field_path: str, found: Sequence[tuple[str, Any]]) -> str:
    """The file of the catalog that holds most of a path, the first of several."""
    return max(found, key=lambda each: _depth(field_path, each[1]))[0]


def _depth(field_path: str, data: Any) -> int:
    for name, value in data.items() if isinstance(data, dict) else ():
        if field_path == name or field_path.startswith(f"{name}."):
            return 1 + _depth(field_path[len(str(name)) + 1 :], value)
    return 0


def _first_difference(wanted: bytes, stands: bytes) -> int:
    """The first line (from 1) in which two texts differ."""
    pairs = zip_longest(wanted.split(b"\n"), stands.split(b"\n"))
    return next((number for number, (one, other) in enumerate(pairs, start=1) if one != other), 1)


def _foundation_problems(
    where: str, content: bytes, data: Json, made: bytes, path: str, blob: str
) -> Iterator[Problem]:
    """What is wrong with a file of a foundation that is not what tenant.yaml gives."""
    found = _MADE_FROM.match(content)
    made_from, renderer = (found[1].decode(), found[2].decode()) if found else ("", "")
    if made_from == blob and renderer == VERSION:
        words = f"is not what {path} gives: edited by hand?"
        # the first line is about the rest
        yield Problem(where, _first_difference(body(made) or b"", body(content) or b"") + 1, "derived-edited", words)
    elif made_from != blob:
        words = f"{path} was edited, and {where} is not rendered yet: {_RENDER}"
        yield Problem(where, 1, "not-rendered", words, WARNING)
    try:
        items = documents.load_all(content, where)
    except InvalidDocument as error:
        yield _syntax_problem(where, error)
        return
    for number in range(1, len(items)):
        yield Problem(where, documents.line_of(content, "", number), "foreign-object", "only one document belongs here")
    stands = items[0] if items else None
    # what may change with tenant.yaml or with the collection, and what ties the tenant to its own namespace and folder
    tied = ("apiVersion", "kind", "metadata.name", "metadata.namespace", "spec.project", "spec.source", "spec.sources")
    for field_path in (*tied, "spec.destination", "region", "argocd", "repository"):
        right, given = _at(data, field_path), _at(stands, field_path)
        if given != right:
            words = f"{field_path}: given {given!r}, allowed: {right!r}"
            line = documents.line_of(content, field_path)
            yield Problem(where, line, "foreign-object", words, ERROR, str(right))


def _at(item: Any, field_path: str) -> Any:
    for part in field_path.split("."):
        item = item.get(part) if isinstance(item, dict) else None
    return item


def _stamp(derived: bytes) -> Stamp | None:
    """What a derived file of a service was made from; None when it does not begin with the claim's copy.

    Parsed, since a requester's name may hold anything.
    """
    begin = b"\n---\n".join(derived.split(b"\n---\n", 2)[:2])
    try:
        # most leave no region, and name none
        annotations = {LEAVING: "", **documents.load_all(begin)[0]["metadata"]["annotations"]}
        found = {name: annotations[f"{GROUP}/{name.replace('_', '-')}"] for name in Stamp.__dataclass_fields__}
        return Stamp(**found) if all(isinstance(value, str) for value in found.values()) else None
    except (InvalidDocument, LookupError, TypeError):
        return None

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delivery without Git: the clusters themselves are what is delivered to, by server-side apply.

What they have is read as the files that would have made it, so that what plans and deletes for Git does so here.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Target
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, direct, paths, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain.deprovision import SERVICE, data_kinds
from ansible_collections.dbaas.platform.plugins.module_utils.domain.direct import (
    kind_of,
    label_of,
    name_of,
    place_of,
    shortened,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    RETAINED,
    SERVICE_IDS,
    ClaimsPlan,
    Document,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Unreachable, annotation
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP, NAMESPACE
from ansible_collections.dbaas.platform.plugins.module_utils.runner import adopting, base, info
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]
#: (tenant, name)
Key: TypeAlias = "tuple[str, str]"
#: an object, as it is and as it is sent
Encoded: TypeAlias = "tuple[Json, bytes]"

#: Git's id of no file
NO_BLOB = "0" * 40


def _json_all(items: Iterable[object]) -> str:
    return "".join(f"---\n{json.dumps(item, separators=(',', ':'))}\n" for item in items)


#: derived files that are sent as they are: an object is written as JSON once, and YAML never
YAML = replace(base.YAML, dump_all=_json_all)


class Live:
    """What the clusters have of some services, as a Tree: path -> how its file is made."""

    def __init__(self, commit: str, files: Mapping[str, Callable[[], bytes]], revisions: Mapping[str, str]) -> None:
        self.commit = commit
        self.files = dict(files)
        #: tenant -> what changes whenever something is written in its PoPs
        self.revisions = revisions

    @property
    def blobs(self) -> Mapping[str, str]:
        # nothing is compared by these ids: what a plan writes differs from what there is
        return dict.fromkeys(self.files, "live")

    def read(self, paths: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        return {path: self.files[path]()[:most] for path in paths if path in self.files}


@dataclass
class _Seen:
    """What a PoP has of a tenant: its copies, with `whole` all its objects, and the version of that list."""

    namespace: bool
    copies: list[Json] = field(default_factory=list)
    objects: list[Json] = field(default_factory=list)
    version: str = ""


@dataclass(frozen=True)
class _Space:
    """What lies in a tenant's namespace of a PoP: by kind and name, and by the service that it is of."""

    names: Mapping[direct.Name, Json]
    services: Mapping[str, Sequence[Json]]


@contextmanager
def target(run: Run, keys: Collection[Key] | None, *, whole: bool = False) -> Iterator[Target[Any]]:
    """Where the options want these services (None: any) delivered to: the GitOps repository, or the clusters."""
    if run.text("delivery") == "direct":
        with Clusters(run, keys, whole=whole) as clusters:
            yield clusters
    else:
        with base.repository(run) as repository:
            yield repository


class Clusters:
    """The PoPs as a Target. whole: not only copies are read, but all objects of the services.

    Errors: those of clients.kube, argocd-managed, adoption-needed, adoption-differs. What could not be applied is in
    `left` after a push; with `whole` a refusal is raised.
    """

    def __init__(self, run: Run, keys: Collection[Key] | None, *, whole: bool = False) -> None:
        self._run = run
        self._keys = None if keys is None else set(keys)
        self._whole = whole
        self.clusters: dict[str, Cluster] = {}
        self._declared: dict[str, bytes] = {}
        #: revision of the catalog and version of the collection, as copies have them
        self._made_by = ("", "")
        self._silent: dict[str, str] = {}
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._spaces: dict[tuple[str, str], _Space] = {}
        self._leftovers: dict[str, list[Json]] = {}
        self._prepared: dict[str, tuple[Live, Mapping[str, bytes | None]]] = {}
        self._lock = threading.Lock()
        #: (PoP, tenant, service) -> why its objects are not all applied
        self.left: dict[tuple[str, str, str], str] = {}
        self.done: list[tuple[str, str, str]] = []

    def __enter__(self) -> Clusters:
        if self._run.text("repository"):
            with base.repository(self._run) as repository:
                snapshot = repository.fetch()
                tenants = [paths.tenant(each) for each in {each for each, _name in self._keys or ()}]
                catalog, platform = base.kept(snapshot, tenants)
                self._declared = snapshot.read([paths.PLATFORM, *base.catalog_files(snapshot), *tenants])
        else:
            catalog, _all = base.stated(self._run)
            platform = info.reachable(self._run)
            shipped: Json = self._run.options["shipped"]
            document = documents.load_all(shipped["platform"], paths.PLATFORM)[0]
            document["pops"] = {name: document["pops"][name] for name in platform.pops}
            self._declared = {f"{paths.CATALOG}/{name}": text.encode() for name, text in shipped["catalog"].items()}
            self._declared[paths.PLATFORM] = documents.dump(document).encode()
        self._made_by = (catalog.revision, VERSION)
        self.clusters = base.clusters(self._run, platform)
        return self

    def __exit__(self, *_error: object) -> None:
        return

    # --- what there is

    def fetch(self) -> Live:
        """What the PoPs have now. Raises DbaasError argocd-managed where one of the services is Argo CD's."""
        tenants = sorted(self._tenants())
        asked = [(pop, each) for pop in self.clusters for each in tenants]
        with ThreadPoolExecutor(base.WORKERS) as pool:
            answers = dict(zip(asked, pool.map(lambda where: self._ask(*where), asked), strict=True))
        self._silent = {pop: str(each) for (pop, _tenant), each in answers.items() if isinstance(each, Unreachable)}
        self._seen = {where: each for where, each in answers.items() if not isinstance(each, Unreachable)}
        self._spaces = {}
        self._refuse_managed()
        self._refuse_split()
        if self._whole:
            self._refuse_partial()
        files: dict[str, Callable[[], bytes]] = {path: _ready(text) for path, text in self._declared.items()}
        digest = hashlib.sha256()
        for (pop, each), seen in self._seen.items():
            if seen.namespace and not self._run.text("repository"):
                files[paths.tenant(each)] = self._tenant(each)
            services = direct.by_service(seen.objects)
            for copy in seen.copies:
                name = copy["metadata"]["name"]
                if self._keys is None or (each, name) in self._keys:
                    digest.update(f"{pop} {each}/{name} {annotation(copy, 'operation')}\n".encode())
                self._add(files, pop, each, copy, services.get(name, []))
            for service, operation, item in direct.snapshots_of(seen.objects):
                path = paths.snapshot(each, pop, service, operation)
                made = files.get(path, _ready(f"# Derived from {paths.claim(each, service)}.\n".encode()))
                files[path] = _ready(made() + documents.dump_all([direct.stripped(item)]).encode())
        if self._whole and self._silent:
            # nobody else could tell what there is
            raise DbaasError("kube-unreachable", "; ".join(f"{pop}: {why}" for pop, why in self._silent.items()))
        revisions = {
            each: " ".join(seen.version for (_pop, other), seen in self._seen.items() if other == each)
            for each in tenants
        }
        return Live(digest.hexdigest(), files, revisions)

    def _add(
        self, files: dict[str, Callable[[], bytes]], pop: str, tenant_id: str, copy: Json, objects: Sequence[Json]
    ) -> None:
        name = copy["metadata"]["name"]
        if born.by_tenant(copy):
            # a person's own, under an Argo CD of theirs perhaps; its spec need not be whole
            return

        def file() -> bytes:
            # a plan reads the copy alone, unless today's catalog or collection makes other objects of the same claim
            stamp = tuple(annotation(copy, each) for each in ("catalog-revision", "renderer"))
            read = [] if self._whole or stamp == self._made_by else self._read(pop, tenant_id, name)
            rest = [item for item in (*objects, *read) if item["kind"] != CLAIM.kind]
            # what deletes it writes this name: as in Git where no copy is declared any more
            kept = paths.retained(tenant_id, name) in files and paths.claim(tenant_id, name) not in files
            path = (paths.retained if kept else paths.claim)(tenant_id, name)
            return direct.file_of(copy, rest, path, base.YAML)

        files[paths.service(tenant_id, pop, name)] = file
        if direct.is_direct(copy):
            place = paths.retained if direct.is_retained(copy) else paths.claim
            if place(tenant_id, name) not in files or copy["spec"].get("region") == pop:
                files[place(tenant_id, name)] = lambda: direct.claim_of(copy, base.YAML)

    def _read(self, pop: str, tenant_id: str, name: str) -> list[Json]:
        """All objects of one service in a PoP."""
        cluster, space, label = self.clusters[pop], paths.namespace(tenant_id), f"{SERVICE}={name}"
        return [item for kind in kinds() for item in base.listed(cluster, kind, space, label)]

    def _tenants(self) -> set[str]:
        if self._keys is not None:
            return {each for each, _name in self._keys}
        with ThreadPoolExecutor(base.WORKERS) as pool:
            found = pool.map(lambda cluster: cluster.list(CLAIM, bare=True)[0], self.clusters.values())
        spaces = {item["metadata"]["namespace"] for copies in found for item in copies}
        return {space.removeprefix("tenant-") for space in spaces if space.startswith("tenant-")}

    def _ask(self, pop: str, tenant_id: str) -> _Seen | Unreachable:
        cluster, space = self.clusters[pop], paths.namespace(tenant_id)
        try:
            if cluster.get(NAMESPACE, None, space) is None:
                return _Seen(False)
            copies, version = cluster.list(CLAIM, space)
            seen = _Seen(True, copies, version=version)
            for kind in kinds() if self._whole else ():
                seen.objects += base.listed(cluster, kind, space, direct.TENANT)
        except KubeError as error:
            if error.code != "kube-unreachable":
                raise
            return Unreachable(error.message)
        return seen

    def _tenant(self, tenant_id: str) -> Callable[[], bytes]:
        """Without a repository a tenant is its namespaces."""
        regions = [
            pop
            for pop in self.clusters
            if pop in self._silent or ((seen := self._seen.get((pop, tenant_id))) and seen.namespace)
        ]
        return _ready(documents.dump(tenant.document(tenant_id, {"regions": regions})).encode())

    def _refuse_managed(self) -> None:
        found = [
            f"{each}/{copy['metadata']['name']} in {pop} is kept in Git: edit "
            + annotation(copy, "path", "its file in the repository")
            for (pop, each), seen in self._seen.items()
            for copy in seen.copies
            if self._keys is not None and (each, copy["metadata"]["name"]) in self._keys and direct.is_managed(copy)
        ]
        if found:
            raise DbaasError("argocd-managed", shortened(found))

    def _copies(self) -> dict[Key, dict[str, Json]]:
        """The copies of the services asked for, by PoP; not those of tenants' own."""
        found: dict[Key, dict[str, Json]] = {}
        for (pop, each), seen in self._seen.items():
            for copy in seen.copies:
                key = (each, copy["metadata"]["name"])
                if self._keys is not None and key in self._keys and not born.by_tenant(copy):
                    found.setdefault(key, {})[pop] = copy
        return found

    def _refuse_split(self) -> None:
        """Of two services of one name, made while a PoP was silent, no run may take one for a part of the other."""
        errors = []
        for (tenant_id, name), copies in self._copies().items():
            ids = {pop: str((copy.get("spec") or {}).get("serviceId", "")) for pop, copy in copies.items()}
            if len(set(ids.values())) > 1:
                which = ", ".join(f"{each} in {pop}" for pop, each in ids.items())
                words = f"the name of one service, and there are {which}; let one go, by a kubeconfig of its PoPs alone"
                errors.append(FieldError("metadata.name", name, words, source=f"{tenant_id}/{name}"))
        if errors:
            raise InvalidFields("claim-invalid", errors)

    def _refuse_partial(self) -> None:
        """Nothing goes as a whole where the kubeconfig leaves out a PoP that has a part of it."""
        found = []
        for key, copies in self._copies().items():
            named = {each for copy in copies.values() for each in _regions(copy)}
            if lacking := sorted(named - self.clusters.keys()):
                found.append(f"{'/'.join(key)} is in {', '.join(lacking)} too, and the kubeconfig has no such context")
        if found:
            raise DbaasError("kube-missing", shortened(found))

    def _look_at(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Has _space ready for these namespaces, as far as they are there."""
        places = [where for where in wanted if where in self._seen and self._seen[where].namespace]
        with ThreadPoolExecutor(base.WORKERS) as pool:
            for _done in pool.map(lambda where: self._space(*where), places):
                pass

    def _space(self, pop: str, tenant_id: str) -> _Space:
        """Metadata of all that lies in a tenant's namespace of the kinds that we render."""
        where = (pop, tenant_id)
        if where not in self._spaces:
            cluster, space = self.clusters[pop], paths.namespace(tenant_id)
            found = [*self._seen[where].copies]
            for kind in kinds():
                found += base.listed(cluster, kind, space, "", bare=True) if kind != CLAIM else []
            names = {name_of(item): item for item in found}
            self._spaces[where] = _Space(names, direct.by_service(found))
        return self._spaces[where]

    # --- planning

    def identified(self, live: Live, given: Sequence[Document]) -> list[Document]:
        """The documents, each new one with a service id: no commit makes it one that was never there before.

        One that has objects without a copy, from a run that was cut off, keeps theirs; so has one that is adopted.
        """
        self._refuse_nowhere(given)
        new = {
            key
            for item in given
            if (key := claims.key(item.data)) is not None
            and not any(paths.service(key[0], pop, key[1]) in live.files for pop in self.clusters)
        }
        self._look_at((pop, each) for each in {each for each, _name in new} for pop in self.clusters)
        return [self._with_id(live, item, new) for item in given]

    def _with_id(self, live: Live, item: Document, new: Collection[Key]) -> Document:
        key, spec = claims.key(item.data), item.data.get("spec")
        if key is None or key not in new or not isinstance(spec, dict) or item.merge or spec.get("serviceId"):
            return item
        made = str(uuid.uuid5(SERVICE_IDS, f"{'/'.join(key)}/{live.revisions.get(key[0], '')}"))
        return replace(item, data={**item.data, "spec": {"serviceId": self._id_there(*key) or made, **spec}})

    def _id_there(self, tenant_id: str, name: str) -> str:
        for (pop, each), seen in self._seen.items():
            if each != tenant_id or not seen.namespace:
                continue
            space = self._space(pop, each)
            known = (space.names.get((CLAIM.kind, name), {}).get("spec") or {}).get("serviceId")
            mine = [item for item in space.services.get(name, ()) if direct.is_ours(item, tenant_id, name)]
            labels = [item["metadata"]["labels"].get(f"{GROUP}/service-id") for item in mine]
            if found := known or next(filter(None, labels), None):
                return str(found)
        return ""

    def _refuse_without_namespace(self, plan: ClaimsPlan) -> None:
        errors = []
        for claim in plan.claims:
            for pop in claim.regions:
                if not self._seen[pop, claim.tenant].namespace:
                    words = f"a namespace that is there in {pop}: without Git nobody makes it"
                    label = f"{claim.tenant}/{claim.name}"
                    errors.append(FieldError("metadata.namespace", claim.namespace, words, source=label))
        if errors:
            raise InvalidFields("claim-invalid", errors)

    def _refuse_nowhere(self, given: Sequence[Document]) -> None:
        there = {each for (_pop, each), seen in self._seen.items() if seen.namespace}
        errors = []
        for item in given:
            key = claims.key(item.data)
            if key and key[0] not in there and not self._silent:
                space = paths.namespace(key[0])
                words = f"a namespace that is there: without Git nobody makes it (kubectl create namespace {space})"
                label = f"{item.source} {'/'.join(key)}".strip()
                errors.append(FieldError("metadata.namespace", space, words, source=label))
        if errors:
            raise InvalidFields("claim-invalid", errors)

    def examine(self, plan: ClaimsPlan) -> None:
        """Looks at what lies where the plan would write, and in check mode has the servers try it.

        Raises DbaasError: kube-unreachable, argocd-managed, adoption-needed, adoption-differs; nothing is written.
        """
        if lost := {region for claim in plan.claims for region in claim.regions if region in self._silent}:
            raise DbaasError("kube-unreachable", "; ".join(f"{pop}: {self._silent[pop]}" for pop in sorted(lost)))
        self._look_at({(pop, each) for pop, objects in _services(plan) for each in [_tenant_of(objects[0])]})
        managed: list[tuple[str, Json]] = []
        foreign: list[tuple[str, Json]] = []
        self._leftovers = {}
        self._refuse_without_namespace(plan)
        for pop, objects in _services(plan):
            copy = objects[0]
            tenant_id, name = _tenant_of(copy), copy["metadata"]["name"]
            there = self._space(pop, tenant_id)
            for item in objects:
                live = there.names.get(name_of(item))
                if live is None or direct.is_ours(live, tenant_id, name):
                    continue
                (managed if direct.is_managed(live) else foreign).append((pop, item))
            gone = direct.leftovers(there.services.get(name, ()), objects, copy)
            self._leftovers[paths.service(tenant_id, pop, name)] = gone
        if managed:
            raise DbaasError("argocd-managed", shortened([f"{label_of(*each)} is Argo CD's" for each in managed]))
        if foreign and not self._run.options.get("adopt"):
            raise DbaasError("adoption-needed", shortened([f"{label_of(*each)} is there already" for each in foreign]))
        adopting.compare(self.clusters, foreign, direct.MANAGER)
        if self._run.check:
            self._try([(pop, item) for pop, objects in plan.manifests.items() for item in objects])

    def _try(self, items: Sequence[tuple[str, Json]]) -> list[tuple[str, Json, Json]]:
        """(PoP, object as it is, as it would be) of each, by the servers' dry run. Raises what they refuse, at once."""

        def one(each: tuple[str, Json]) -> tuple[str, Json, Json] | DbaasError:
            pop, item = each
            cluster, kind = self.clusters[pop], kind_of(item)
            try:
                now = cluster.get(kind, item["metadata"]["namespace"], item["metadata"]["name"]) or {}
                return pop, now, cluster.apply(kind, item, manager=direct.MANAGER, dry_run=True)
            except DbaasError as error:
                return error

        with ThreadPoolExecutor(base.WORKERS) as pool:
            found = list(pool.map(one, items))
        if refused := [each for each in found if isinstance(each, DbaasError)]:
            raise DbaasError(refused[0].code, shortened([each.message for each in refused]))
        return [each for each in found if not isinstance(each, DbaasError)]

    # --- delivering

    def commit(self, base: Live, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        """Prepares the changes; there is neither message nor author, an operation stands on the objects."""
        del message, author
        made = f"{base.commit}+"
        self._prepared[made] = (base, changes)
        return made

    def snapshot(self, commit: str) -> Live:
        """The files as the prepared changes make them."""
        live, changed = self._prepared[commit]
        files = {path: make for path, make in live.files.items() if changed.get(path, b"") is not None}
        files |= {path: _ready(content) for path, content in changed.items() if content is not None}
        return Live(commit, files, live.revisions)

    def diff(self, base: Live, commit: str) -> str:
        """What the servers say that the prepared changes do, object by object."""
        found = []
        for path, content in self._prepared[commit][1].items():
            place = paths.place(path)
            if place.kind not in ("service", "snapshot"):
                continue
            if content is None or self._whole:
                before = [*_objects(base.read([path]).get(path, b""))]
                after = {name_of(item): item for item, _text in _objects(content or b"")}
                found += [_unified(place.pop, item, after.get(name_of(item))) for item, _text in before]
                continue
            tried = self._try([(place.pop, item) for item, _text in _objects(content)])
            found += [_unified(pop, now, applied) for pop, now, applied in tried]
            found += [_unified(place.pop, item, None) for item in self._leftovers.get(path, [])]
        return "".join(found)

    def push(self, commit: str) -> None:
        """Applies what is prepared, the services at once; what a PoP lacks is in `left`, and the rest goes on."""
        live, changed = self._prepared[commit]
        self.left, self.done = {}, []
        work = [(paths.place(path), path, content) for path, content in changed.items()]
        work = [each for each in work if each[0].kind in ("service", "snapshot", "retained")]
        with ThreadPoolExecutor(base.WORKERS) as pool:
            for _done in pool.map(lambda each: self._send(live, *each), work):
                pass

    def _send(self, live: Live, place: paths.Place, path: str, content: bytes | None) -> None:
        if place.kind == "retained":
            # a service that goes takes its mark along
            if content is not None:
                self._retain(place)
            return
        where = (place.pop, place.tenant, place.name)
        try:
            if place.pop in self._silent:
                # the others need not wait for the same answer
                raise KubeError("kube-unreachable", self._silent[place.pop])
            if content is None:
                # the copy last: while it is there another run finds what is left
                for item, _text in reversed([*_objects(live.read([path])[path])]):
                    self.clusters[place.pop].delete(kind_of(item), *place_of(item))
            elif self._whole:
                # the copy first where the service goes, so that whoever declares it again knows what to take back
                self._apply(place.pop, _objects(content))
            else:
                (copy, _text), *rest = _objects(content)
                self._deliver(place.pop, path, copy, rest)
        except KubeError as error:
            if self._whole and error.code != "kube-unreachable":
                raise
            with self._lock:
                self.left[where] = error.message
                if error.code == "kube-unreachable":
                    self._silent[place.pop] = error.message
        else:
            with self._lock:
                self.done.append(where)

    def _apply(self, pop: str, objects: Iterable[Encoded]) -> None:
        for item, text in objects:
            self.clusters[pop].apply_text(kind_of(item), *place_of(item), text, manager=direct.MANAGER)

    def _deliver(self, pop: str, path: str, copy: Json, objects: Iterable[Encoded]) -> None:
        """Applies one service, its copy last: it says that all else is there.

        The copy that stands is marked before anything else is written, so that whatever becomes of this run the next
        one that names the service looks at all its objects. Raises KubeError where another run is at it too.
        """
        cluster = self.clusters[pop]
        seen = next((each for each in self._seen[pop, _tenant_of(copy)].copies if name_of(each) == name_of(copy)), None)
        mark = f"unfinished {uuid.uuid4()}"
        if seen:
            now = cluster.patch(CLAIM, *place_of(copy), _marked(mark))
            # what is planned is planned on what another run has changed since
            if annotation(now, "operation") != annotation(seen, "operation"):
                raise self._another(pop, copy)
        self._apply(pop, objects)
        self._drop(pop, path)
        if seen:
            now = cluster.get(CLAIM, *place_of(copy)) or {"metadata": {}}
            if annotation(now, "renderer") != mark:
                raise self._another(pop, copy)
        made = cluster.apply(CLAIM, copy, manager=direct.MANAGER)
        # a new one that nobody else made has had one spec
        if not seen and made["metadata"]["generation"] != 1:
            raise self._another(pop, copy)

    def _another(self, pop: str, copy: Json) -> KubeError:
        """What to say of another run at the same service. Objects may be of both: the copy is marked for the next."""
        self.clusters[pop].patch(CLAIM, *place_of(copy), _marked("unfinished"))
        words = "another run applied it at the same time; look at its claim, and run again what is wanted"
        return KubeError("kube-refused", f"{pop}: {words}", 409)

    def _drop(self, pop: str, path: str) -> None:
        """Deletes what is not rendered any more."""
        cluster = self.clusters[pop]
        for item in self._leftovers.get(path, ()):
            kind, uid = kind_of(item), item["metadata"]["uid"]
            if kind.kind in data_kinds():
                cluster.patch(kind, *place_of(item), {"metadata": {"annotations": {DELETION: uid}}})
            cluster.delete(kind, *place_of(item), uid)

    def _retain(self, place: paths.Place) -> None:
        body = {"metadata": {"annotations": {RETAINED: "true"}}}
        for (pop, tenant_id), seen in self._seen.items():
            for copy in seen.copies:
                if (tenant_id, copy["metadata"]["name"]) == (place.tenant, place.name):
                    self.clusters[pop].patch(CLAIM, *place_of(copy), body)

    def incomplete(self, result: Json) -> Json:
        """The result of a run that could not apply everything: what is done, what is not, and why."""
        code = "direct-incomplete"
        cls, retry, action = CODES[code]
        lines = [f"  {tenant_id}/{name} in {pop}: {why}" for (pop, tenant_id, name), why in sorted(self.left.items())]
        done = [f"{tenant_id}/{name} in {pop}" for pop, tenant_id, name in sorted(self.done)]
        text = "\n".join(
            [
                "Not applied:",
                shortened(lines),
                f"Applied: {shortened(done, ', ') or 'nothing'}",
                f"{action} [{code}, {cls}]",
            ]
        )
        error = {"code": code, "class": cls, "retry": retry, "action": action, "runbook": code, "fields": []}
        return {**result, "failed": True, "msg": text, "error": error}


def _ready(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _objects(content: bytes) -> Iterator[Encoded]:
    """The objects of a derived file; what was written as JSON is taken as it is."""
    texts = content.split(b"\n---\n")[1:]
    if all(text.startswith(b"{") for text in texts):
        yield from ((json.loads(text), text) for text in texts)
    else:
        yield from ((item, json.dumps(item).encode()) for item in documents.load_own(content))


def _marked(mark: str) -> Json:
    """A patch of a copy after which a plan takes it for another claim's and renderer's, and reads the objects."""
    return {"metadata": {"annotations": {f"{GROUP}/claim-blob": NO_BLOB, f"{GROUP}/renderer": mark}}}


def _regions(copy: Json) -> Sequence[str]:
    return (copy.get("spec") or {}).get("replication", {}).get("regions") or []


def _tenant_of(item: Json) -> str:
    return str(item["metadata"]["namespace"]).removeprefix("tenant-")


def _services(plan: ClaimsPlan) -> Iterator[tuple[str, list[Json]]]:
    """(PoP, objects there of one service, its copy first) of all that changes."""
    for pop, objects in plan.manifests.items():
        found: dict[Key, list[Json]] = {}
        for item in objects:
            labels = item["metadata"]["labels"]
            found.setdefault((labels[direct.TENANT], labels[SERVICE]), []).append(item)
        yield from ((pop, each) for each in found.values())


def _unified(pop: str, before: Json | None, after: Json | None) -> str:
    item: Json = before or after or {}
    name = "/".join([pop, item["metadata"]["namespace"], item["kind"], item["metadata"]["name"]])
    old, new = (documents.dump(direct.stripped(each)).splitlines(True) if each else [] for each in (before, after))
    return "".join(
        difflib.unified_diff(old, new, f"a/{name}" if before else "/dev/null", f"b/{name}" if after else "/dev/null")
    )

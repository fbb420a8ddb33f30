# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deprovision: the one way in which a service goes, in steps that Git and the live objects alone remember.

Deleting takes two commits. The first takes the protection off the derived objects and puts each one's own uid into the
annotation that the admission policy asks for; once that is seen on the live objects, the second removes the files, and
Argo CD prunes. Where a chart made the service, one between them lets go what it made but for the volumes. Whatever is
killed in between, the next run finds the same state and goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, charts, paths, placement
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ACTION,
    LEAVE,
    Operation,
    Request,
    Yaml,
    copy_in,
    deleting,
    derived_file,
    has_left,
    whole_spec,
    with_values,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import CHART_DATA, DATA, DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Unreachable, annotation
from ansible_collections.dbaas.platform.plugins.module_utils.domain.tenant import KEEP
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    CLAIM,
    GROUP,
    STATEFUL_SET,
    VOLUME_CLAIM,
    Kind,
)

Json = dict[str, Any]

POLICIES = ("retain", "snapshot", "delete")
SERVICE = f"{GROUP}/service"
SNAPSHOT_OF = f"{GROUP}/snapshot-of"
_BY_CHART = tuple(kind.kind for kind in CHART_DATA)
#: the operation that a service had when its last backup was asked for, and before it was to be deleted
_AFTER = "after"

#: (kind, name) -> the live object, of the kinds that hold data, in one namespace
Live: TypeAlias = "dict[tuple[str, str], Json]"


@dataclass(frozen=True)
class Standing:
    """What Git has of one service: its claim, in claims/ or retained/, its derived files by PoP, its final backups."""

    tenant: str
    name: str
    claim: bytes | None
    retained: bytes | None
    derived: Mapping[str, bytes]
    snapshots: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    #: of services that charts made, by PoP: the foundation's values, and the volumes that go (see paths.volumes)
    values: Mapping[str, bytes] = field(default_factory=dict)
    volumes: Mapping[str, bytes] = field(default_factory=dict)
    #: whether this is the part that goes of a service that leaves regions
    leaves: bool = False

    @property
    def path(self) -> str:
        """Where its claim lies."""
        where = paths.retained if self.claim is None and self.retained is not None else paths.claim
        return where(self.tenant, self.name)

    @property
    def exists(self) -> bool:
        return self.claim is not None or self.retained is not None or bool(self.derived)


@dataclass(frozen=True)
class Step:
    """The next commit of one service, and how far each PoP is.

    That is snapshot, marked, waiting, emptied (what a chart made goes, but for its volumes), removed or unreachable.

    files: path -> content (None: no such file), empty when there is something to be waited for.
    """

    files: dict[str, bytes | None]
    states: dict[str, str]
    operation: str


def wanted_paths(tenant: str, name: str, platform: Platform, existing: Iterable[str]) -> list[str]:
    """All files that make the Standing of a service; `existing` are the paths that the repository has."""
    folders = tuple(paths.snapshots(tenant, pop) for pop in platform.pops)
    kept = [path for path in existing if path.startswith(folders) and _of_service(path, name)]
    derived = [paths.service(tenant, pop, name) for pop in platform.pops]
    by_chart = charts.wanted_paths([(tenant, name)], platform.pops)
    return [paths.claim(tenant, name), paths.retained(tenant, name), *derived, *kept, *by_chart]


def standing(tenant: str, name: str, files: Mapping[str, bytes], platform: Platform) -> Standing:
    """The Standing out of the files of wanted_paths that exist."""
    return Standing(
        tenant,
        name,
        files.get(paths.claim(tenant, name)),
        files.get(paths.retained(tenant, name)),
        _of_pops(files, {pop: paths.service(tenant, pop, name) for pop in platform.pops}),
        {
            pop: {
                path: content
                for path, content in files.items()
                if path.startswith(paths.snapshots(tenant, pop)) and _of_service(path, name)
            }
            for pop in platform.pops
        },
        _of_pops(files, {pop: paths.foundation(tenant, pop, "values.yaml") for pop in platform.pops}),
        _of_pops(files, {pop: paths.volumes(tenant, pop, name) for pop in platform.pops}),
    )


def _of_pops(files: Mapping[str, bytes], places: Mapping[str, str]) -> dict[str, bytes]:
    return {pop: files[path] for pop, path in places.items() if path in files}


def _of_service(path: str, name: str) -> bool:
    # <service>-<8 hex digits>.yaml
    return path.rsplit("/", 1)[-1][:-14] == name


def staying(service: Standing, regions: Collection[str], yaml: Yaml) -> dict[str, bytes]:
    """The derived files of the PoPs where a service stays that leaves these regions; some it may have left before."""
    return {
        pop: content
        for pop, content in service.derived.items()
        if pop not in regions and not has_left(content, pop, yaml)
    }


def leaving(service: Standing, regions: Collection[str], yaml: Yaml) -> Standing:
    """The part of a service that goes when it leaves these regions: nothing declares it, and all else stays.

    Its copies say what those of the other regions say from now on, so that it is known what was left; its objects are
    as the engine wants them before they go.
    """
    stays = next(iter(staying(service, regions, yaml)), None)
    derived = {}
    for pop in regions:
        if pop not in service.derived:
            continue
        content = service.derived[pop]
        copy = _copy(service, pop, yaml)
        if stays and pop in copy["spec"]["replication"]["regions"]:
            wanted = _copy(service, stays, yaml)["spec"]
            first, *rest = _documents(service, pop, content, yaml)
            parting = getattr(engines.by(wanted["engine"], annotation(copy, "driver")), "parting", list)
            content = derived_file(service.path, yaml.dump_all([{**first, "spec": wanted}, *parting(rest)]))
        derived[pop] = content
    return replace(service, claim=None, retained=None, derived=derived, leaves=True)


def remains(service: Standing, pop: str, live: Live, yaml: Yaml) -> str:
    """Why what a region that is left has must not go yet by the engine's own account, "" when it may."""
    copy = _copy(service, pop, yaml)
    remaining = getattr(engines.by(copy["spec"]["engine"], annotation(copy, "driver")), "remains", None)
    objects = [item for (kind, _name), item in of_service(live, service.name).items() if kind != CLAIM.kind]
    return str(remaining(objects)) if remaining and objects else ""


def retain(service: Standing, request: Request, yaml: Yaml) -> Step:
    """The commit that keeps a service's data and gives up its declaration.

    Raises DbaasError deprovision-blocked when it is being deleted: what is marked is not protected any more.
    """
    if going := [pop for pop, content in service.derived.items() if deleting(content)]:
        words = f"it is being deleted in {', '.join(going)}, where nothing protects it any more"
        how = "declare it again to take that back, or let it go on with deletion_policy: delete"
        raise DbaasError("deprovision-blocked", f"{service.tenant}/{service.name}: {words}; {how}")
    files: dict[str, bytes | None] = {}
    if service.claim is not None:
        files[paths.claim(service.tenant, service.name)] = None
        files[paths.retained(service.tenant, service.name)] = service.claim
    return Step(files, {}, _operation_of(service, request, "retain", yaml))


def snapshot(service: Standing, request: Request, yaml: Yaml) -> Step:
    """The commit that asks for a final backup in each PoP that has none yet."""
    operation = _operation_of(service, request, "snapshot", yaml)
    files: dict[str, bytes | None] = {}
    states = {}
    for pop, content in service.derived.items():
        states[pop] = "snapshot"
        if final_backup(service, pop, yaml):
            continue
        objects = _documents(service, pop, content, yaml)
        spec = _copy(service, pop, yaml)["spec"]
        if placement.pooled(spec):
            words = "deletion_policy: snapshot, but it is a database in a pool, whose backups are not built yet"
            raise DbaasError("option-invalid", f"{service.tenant}/{service.name}: {words}")
        engine = engines.by(spec["engine"], annotation(_copy(service, pop, yaml), "driver"))
        made = engine.snapshot(objects, f"{service.name}-{operation[:8]}")
        if not made:
            # another region's backup is of this one's data too
            continue
        labels = {key: value for key, value in objects[0]["metadata"]["labels"].items() if key != SERVICE}
        for item in made:
            # protected like what it is a backup of, but none of the service's objects: it stays when they go
            item["metadata"] |= {
                "namespace": objects[0]["metadata"]["namespace"],
                "labels": {**labels, SNAPSHOT_OF: service.name},
                "annotations": {
                    **KEEP,
                    f"{GROUP}/operation": operation,
                    f"{GROUP}/{_AFTER}": _operation_before(objects[0]),
                },
            }
        path = paths.snapshot(service.tenant, pop, service.name, operation)
        files[path] = derived_file(service.path, yaml.dump_all(made))
    return Step(files, states, operation)


def final_backup(service: Standing, pop: str, yaml: Yaml) -> list[Json]:
    """The objects of the last backup that was asked for in a PoP.

    One of a service that had the name before, or from before the service was changed or taken back, is none: what was
    written since then is not in it.
    """
    copy = _copy(service, pop, yaml)
    found = [
        item
        for content in service.snapshots.get(pop, {}).values()
        for item in yaml.load_all(content, paths.snapshots(service.tenant, pop))
    ]
    return [
        item
        for item in found
        if item["metadata"]["labels"].get(f"{GROUP}/service-id") == copy["spec"]["serviceId"]
        and annotation(item, _AFTER) == _operation_before(copy)
    ]


def _operation_before(copy: Json) -> str:
    """The operation that a service has, or had before it was to be deleted."""
    return annotation(copy, _AFTER if annotation(copy, "action") == ACTION else "operation")


def delete(
    service: Standing, live: Mapping[str, Live | Unreachable], absent: Collection[str], request: Request, yaml: Yaml
) -> Step:
    """The next commit on the way to no service at all: marks what is not marked, removes what is seen marked.

    live: the PoP's objects of the tenant, per PoP that has a derived file. absent: PoPs where an object that is not
    there is not waited for any more (a policy or a CRD refused it).
    """
    operation = _operation_of(service, request, LEAVE if service.leaves else ACTION, yaml)
    files: dict[str, bytes | None] = {}
    states: dict[str, str] = {}
    left = set(service.derived)
    for pop, content in service.derived.items():
        there, path = live[pop], paths.service(service.tenant, pop, service.name)
        objects = _documents(service, pop, content, yaml)
        if isinstance(there, Unreachable):
            # nobody may take it for a living service, and render again what is gone elsewhere
            begun = derived_file(service.path, yaml.dump_all(_begun(objects, operation, request)))
            states[pop] = "unreachable"
            if begun != content:
                files[path] = begun
            continue
        held = [key for item in objects if (key := _key(item)) is not None]
        uids = {key: there[key]["metadata"]["uid"] for key in held if key in there}
        marked = _marked(_begun(objects, operation, request), uids)
        wanted = {path: derived_file(service.path, yaml.dump_all(marked))}
        made = [key for key in of_service(there, service.name) if key[0] in _BY_CHART]
        wanted |= _marked_releases(service, pop, {key: there[key] for key in made}, yaml)
        stands = {path: content, **_releases_files(service, pop)}
        if differing := {where: text for where, text in wanted.items() if stands.get(where) != text}:
            states[pop] = "marked"
            files |= differing
        elif not all(is_marked(there[key]) if key in there else pop in absent for key in [*held, *made]):
            states[pop] = "waiting"
        elif emptied := _emptied_releases(service, pop, yaml):
            states[pop] = "emptied"
            files |= emptied
        elif any(key[0] == STATEFUL_SET.kind for key in made):
            # to Argo CD volumes are part of a StatefulSet as long as that is there, so it would not prune them
            states[pop] = "waiting"
        else:
            states[pop], files[path] = "removed", None
            if pop in service.volumes:
                files[paths.volumes(service.tenant, pop, service.name)] = None
            left.discard(pop)
    if not left and service.claim is not None:
        files[paths.claim(service.tenant, service.name)] = None
    if not left and service.retained is not None:
        files[paths.retained(service.tenant, service.name)] = None
    return Step(files, states, operation)


def _releases_files(service: Standing, pop: str) -> dict[str, bytes]:
    """What stands of the files that say how charts make a service in a PoP."""
    places = {
        paths.foundation(service.tenant, pop, "values.yaml"): service.values.get(pop),
        paths.volumes(service.tenant, pop, service.name): service.volumes.get(pop),
    }
    return {path: content for path, content in places.items() if content is not None}


def _releases(service: Standing, pop: str, yaml: Yaml) -> tuple[Json, list[Json]]:
    """The values of the foundation, and the entries of the service in them that are not gone."""
    path = paths.foundation(service.tenant, pop, "values.yaml")
    found = yaml.load_all(service.values[pop], path) if pop in service.values else []
    values: Json = found[0] if found and isinstance(found[0], dict) else {}
    return values, [item for item in charts.entries(values, service.name) if "values" in item]


def _marked_releases(service: Standing, pop: str, made: Live, yaml: Yaml) -> dict[str, bytes]:
    """The files by which what charts made of a service is marked, given the live objects: {} where they made none."""
    values, standing = _releases(service, pop, yaml)
    if not standing:
        return {}
    uids = ",".join(sorted(item["metadata"]["uid"] for key, item in made.items() if key[0] == STATEFUL_SET.kind))
    entries = []
    for item in standing:
        annotations = {
            name: value for name, value in item["values"]["statefulSetAnnotations"].items() if name not in KEEP
        }
        # one for all StatefulSets of a release: each looks for its own
        entries.append(
            {**item, "values": {**item["values"], "statefulSetAnnotations": {**annotations, DELETION: uids}}}
        )
    path = paths.foundation(service.tenant, pop, "values.yaml")
    files = {path: with_values(service.values[pop], charts.with_entries(values, service.name, entries), yaml)}
    if volumes := [_volume(item) for key, item in sorted(made.items()) if key[0] == VOLUME_CLAIM.kind]:
        text = yaml.dump_all(volumes)
        files[paths.volumes(service.tenant, pop, service.name)] = derived_file(service.path, text)
    return files


def _volume(live: Json) -> Json:
    """A volume's claim that Kubernetes made of a StatefulSet, in a file: by that it can go."""
    metadata = live["metadata"]
    labels = {name: value for name, value in metadata["labels"].items() if name.startswith(f"{GROUP}/")}
    known = {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels}
    known["annotations"] = {DELETION: metadata["uid"]}
    return {"apiVersion": VOLUME_CLAIM.api_version, "kind": VOLUME_CLAIM.kind, "metadata": known}


def _emptied_releases(service: Standing, pop: str, yaml: Yaml) -> dict[str, bytes]:
    """The file by which what charts made of a service goes, but for its volumes; {} where it goes already."""
    values, standing = _releases(service, pop, yaml)
    if not standing:
        return {}
    emptied = charts.with_entries(values, service.name, charts.gone(standing))
    path = paths.foundation(service.tenant, pop, "values.yaml")
    return {path: with_values(service.values[pop], emptied, yaml)}


def is_marked(item: Json) -> bool:
    """Whether this live object may be deleted: its own uid stands in its annotation."""
    metadata: Json = item["metadata"]
    return metadata.get("uid") in (metadata.get("annotations") or {}).get(DELETION, "").split(",")


def of_service(live: Live, name: str) -> Live:
    """What a PoP has of one service; the final backups that it left do not count, nor do tenants' own claims.

    Those bear whatever labels their owners like, and are theirs alone to delete.
    """
    return {
        key: item
        for key, item in live.items()
        if (item["metadata"].get("labels") or {}).get(SERVICE) == name
        and not (key[0] == CLAIM.kind and born.by_tenant(item))
    }


def data_kinds() -> dict[str, Kind]:
    """The kinds that hold a service, by name."""
    return {kind.kind: kind for kind in DATA}


def spec(service: Standing, yaml: Yaml) -> Json:
    """The whole spec that was rendered last, {} when nothing is rendered."""
    for pop in service.derived:
        found: Json = _copy(service, pop, yaml)["spec"]
        return found
    return {}


def born_in(service: Standing, yaml: Yaml) -> str:
    """The PoP where a tenant's own object declares the service, "" where Git does."""
    return next((born.born_in(_copy(service, pop, yaml)) for pop in service.derived), "")


def gone(service: Standing, yaml: Yaml) -> dict[str, list[str]]:
    """PoP -> what will be gone there (`ScyllaCluster orders`), for people."""
    return {
        pop: [
            *(f"{item['kind']} {item['metadata']['name']}" for item in _documents(service, pop, content, yaml)),
            *(f"release {item['name']} of a chart" for item in _releases(service, pop, yaml)[1]),
        ]
        for pop, content in service.derived.items()
    }


def message(operations: Sequence[Operation], verb: str, request: Request, regions: Sequence[str] = ()) -> str:
    """Subject and a machine-readable trailer per service; the verb is Keep, Back up, Mark, Leave or Remove.

    regions: those that the services leave, where they do not go as a whole.
    """
    first = operations[0]
    what = f"service {first.tenant}/{first.name}" if len(operations) == 1 else f"{len(operations)} services"
    where = ", ".join(regions)
    subject = {
        "Keep": f"Keep the data of {what}",
        "Mark": f"Mark {what} for deletion" + (f" in {where}" if where else ""),
        "Leave": f"Leave {where} with {what}",
        "Remove": f"Remove {what}" + (f" from {where}" if where else ""),
    }.get(verb, f"{verb} {what}")
    who = f"requester={request.requester} deadline={request.deadline}"
    trailers = [f"Dbaas-Operation: {item.id} {item.action} {item.tenant}/{item.name} {who}" for item in operations]
    return "\n".join([subject, "", *trailers, ""])


def _operation_of(service: Standing, request: Request, action: str, yaml: Yaml) -> str:
    """The id of the operation that is under way already, else a new one."""
    service_id = ""
    # a region that is still on its way out does not give those that follow it its operation
    whole = all(map(deleting, service.derived.values()))
    for pop in service.derived:
        copy = _copy(service, pop, yaml)
        service_id = copy["spec"]["serviceId"]
        if annotation(copy, "action") == ACTION and (action == ACTION or (action == LEAVE and whole)):
            return annotation(copy, "operation")
    if action == "snapshot":
        for pop in service.derived:
            for item in final_backup(service, pop, yaml):
                return annotation(item, "operation")
    base = uuid.UUID(service_id) if service_id else uuid.uuid5(uuid.NAMESPACE_URL, f"{service.tenant}/{service.name}")
    return str(uuid.uuid5(base, f"{request.parent}/{action}"))


def _copy(service: Standing, pop: str, yaml: Yaml) -> Json:
    """The claim's copy in a PoP, or what its record says. Raises as _documents."""
    content = service.derived[pop]
    _documents(service, pop, content, yaml)
    return copy_in(content, paths.service(service.tenant, pop, service.name), yaml)


def _documents(service: Standing, pop: str, content: bytes, yaml: Yaml) -> list[Json]:
    """The objects of a derived file, the claim's copy or its record first.

    Raises DbaasError deprovision-blocked where a person has changed whose they are: what is marked would go with them.
    """
    path = paths.service(service.tenant, pop, service.name)
    found = yaml.load_all(content, path)
    whole_spec(copy_in(content, path, yaml), path)
    for number, item in enumerate(found, start=1):
        metadata = item.get("metadata") if isinstance(item, dict) else None
        has: Json = metadata if isinstance(metadata, dict) else {}
        labels = has.get("labels")
        if (
            not isinstance(labels, dict)
            or labels.get(SERVICE) != service.name
            or has.get("namespace") != paths.namespace(service.tenant)
            or not isinstance(has.get("annotations", {}), dict)
        ):
            words = f"{path}: document {number} is no object of {service.tenant}/{service.name}"
            raise DbaasError("deprovision-blocked", f"{words}; restore the file from history")
    return found


def _key(item: Json) -> tuple[str, str] | None:
    kind = data_kinds().get(item["kind"])
    return (item["kind"], item["metadata"]["name"]) if kind and item["apiVersion"] == kind.api_version else None


def _begun(objects: Sequence[Json], operation: str, request: Request) -> list[Json]:
    """The objects under the operation that deletes them; who asked first stays named."""
    if annotation(objects[0], "action") == ACTION:
        return list(objects)
    stamp = {
        "action": ACTION,
        "requester": request.requester,
        "deadline": request.deadline,
        _AFTER: _operation_before(objects[0]),
    }
    found = []
    for number, item in enumerate(objects):
        annotations = dict(item["metadata"].get("annotations", {}))
        if f"{GROUP}/operation" in annotations:
            annotations[f"{GROUP}/operation"] = operation
        if number == 0:
            annotations |= {f"{GROUP}/{name}": value for name, value in stamp.items()}
        found.append(_annotated(item, annotations))
    return found


def _marked(objects: Sequence[Json], uids: Mapping[tuple[str, str], str]) -> list[Json]:
    """The objects without their protection, and with their own uid where the policy asks for it."""
    found = []
    for item in objects:
        annotations = {
            name: value
            for name, value in item["metadata"].get("annotations", {}).items()
            if name not in KEEP and name != DELETION
        }
        key = _key(item)
        if key is not None and key in uids:
            annotations[DELETION] = uids[key]
        found.append(_annotated(item, annotations))
    return found


def _annotated(item: Json, annotations: Json) -> Json:
    metadata = {name: value for name, value in item["metadata"].items() if name != "annotations"}
    return {**item, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}

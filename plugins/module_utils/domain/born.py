# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims born in a cluster: a tenant's own object is the declaration, and Git follows it. Pure.

The claim's file says in which point of presence the object is, and by a digest what it said, so that a file that people
edited is told from an object that did. In that point of presence nothing of ours takes the object's place: what the
copy of a claim carries elsewhere (the whole spec, the operation) stands there in a ConfigMap beside it, the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import without_defaults
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, CONFIG_MAP, GROUP

Json = dict[str, Any]

#: annotations of a claim's file and of what is rendered from it; BORN_IN is a label of the record too
BORN_IN = f"{GROUP}/born-in"
DECLARED = f"{GROUP}/declared"
_ORIGIN = f"{GROUP}/origin"
_PROJECT = f"{GROUP}/project"
_SERVICE = f"{GROUP}/service"


def _annotations(item: Mapping[str, Any]) -> Json:
    metadata = item.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def by_tenant(item: Json) -> bool:
    """Whether a live ServiceClaim is a tenant's own object: one that the platform delivers says where it comes from."""
    return not _annotations(item).get(_ORIGIN)


def born_in(item: Json) -> str:
    """The point of presence whose object declares a service, by its claim's file, copy or record; "": Git does."""
    return str(_annotations(item).get(BORN_IN) or "")


def file_of(live: Json, pop: str) -> Json:
    """What the claim's file says of a tenant's object: its project and what was given, marked as born here.

    The API server fills the schema's defaults in. They are left out, or a newer schema would change every file.
    """
    metadata = live["metadata"]
    project = (metadata.get("labels") or {}).get(_PROJECT)
    spec = without_defaults(schema.SPEC, live.get("spec") or {})
    document: Json = {
        "apiVersion": CLAIM.api_version,
        "kind": CLAIM.kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            **({"labels": {_PROJECT: project}} if project else {}),
        },
        "spec": spec,
    }
    document["metadata"]["annotations"] = {BORN_IN: pop, DECLARED: digest(document)}
    return document


def digest(document: Json) -> str:
    """Twelve hex digits of what a claim declares; its identity and its pool, which are ours to write, do not count."""
    labels = document["metadata"].get("labels") or {}
    spec = document.get("spec")
    if isinstance(spec, dict):
        placed = spec.get("placement")
        placed = {key: value for key, value in placed.items() if key != "pool"} if isinstance(placed, dict) else placed
        spec = {key: value for key, value in spec.items() if key not in ("serviceId", "placement")}
        spec |= {"placement": placed} if placed else {}
    text = json.dumps([labels.get(_PROJECT), spec], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def edited(document: Json) -> bool:
    """Whether the file of a claim that was born in a cluster says something else than the object did."""
    return _annotations(document).get(DECLARED) != digest(document)


def committed(live: Json, record: Json) -> bool:
    """Whether what a tenant's object says is what was rendered."""
    return _annotations(record).get(DECLARED) == digest(file_of(live, born_in(record)))


def record(copy: Json) -> Json:
    """The ConfigMap that stands where a copy would take the place of the tenant's own object."""
    metadata = copy["metadata"]
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        # no object of an engine is called like this: names of claims have no dots
        "metadata": {
            **metadata,
            "name": f"{metadata['name']}.claim",
            "labels": {**metadata["labels"], BORN_IN: born_in(copy)},
        },
        "data": {"spec": json.dumps(copy["spec"])},
    }


def copy_of(item: Json) -> Json | None:
    """The copy that a record stands for; None for any other object."""
    labels = (item.get("metadata") or {}).get("labels") if isinstance(item.get("metadata"), dict) else None
    if item.get("kind") != CONFIG_MAP.kind or not isinstance(labels, dict) or BORN_IN not in labels:
        return None
    try:
        spec = json.loads(item["data"]["spec"])
        metadata = {**item["metadata"], "name": labels[_SERVICE]}
    except (LookupError, TypeError, ValueError):
        # people can edit it; whoever reads copies says that this is none
        return None
    return {"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, "metadata": metadata, "spec": spec}


def whole(live: Json, record: Json) -> Json | None:
    """A tenant's object as the copy that its record makes of it: its own identity and status, our spec and marks."""
    copy = copy_of(record)
    if copy is None:
        return None
    own = {key: live["metadata"][key] for key in ("uid", "generation", "deletionTimestamp") if key in live["metadata"]}
    return {**live, "spec": copy["spec"], "metadata": {**copy["metadata"], **own}}

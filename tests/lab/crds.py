"""The operators' CRDs that a PoP of the lab knows: genuine ones where they can be found, else stubs of our own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .binaries import LabError

if TYPE_CHECKING:
    from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def wanted() -> list[Kind]:
    """What render can make and Kubernetes does not know by itself; the claim's own comes through Git."""
    # the collection where Ansible finds it, for whoever starts the lab by itself
    collections = str(HERE.parents[1] / ".cache/collections")
    if collections not in sys.path:
        sys.path.append(collections)
    from ansible_collections.dbaas.platform.plugins.module_utils.domain import render
    from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM

    return [
        kind
        for kind in render.kinds()
        if "." in kind.group and not kind.group.endswith(".k8s.io") and kind.group != CLAIM.group
    ]


def played_kinds() -> list[Kind]:
    """What somebody has to play: what operators reconcile, and what charts make."""
    operators = wanted()
    from ansible_collections.dbaas.platform.plugins.module_utils.engines import chart_kinds

    return [*operators, *chart_kinds()]


@dataclass(frozen=True)
class Source:
    """Where the CRDs come from; `genuine` says whether they are the operators' own. documents: name -> YAML."""

    genuine: bool
    folder: Path | None
    documents: dict[str, bytes]

    def __str__(self) -> str:
        return (
            f"genuine CRDs from {self.folder}" if self.genuine else "stub CRDs of our own (set DBAAS_CRDS for genuine)"
        )


def source() -> Source:
    """Raises LabError when DBAAS_CRDS names a folder that lacks one: stubs would then prove nothing."""
    given = os.environ.get("DBAAS_CRDS")
    folder = Path(given) if given else ROOT.parent / "shared" / "crds"
    if not given and not folder.is_dir():
        return Source(False, None, {_name(kind): stub(kind) for kind in wanted()})
    # every YAML file is looked at: some hold many
    names = {_name(kind) for kind in wanted()}
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*.yaml")):
        text = path.read_bytes()
        if b"kind: CustomResourceDefinition" in text:
            found |= {name: document for name, document in _documents(text) if name in names}
    if missing := sorted(names - set(found)):
        raise LabError(f"{folder} holds no CRD {', '.join(missing)}" + (" (DBAAS_CRDS)" if given else ""))
    return Source(True, folder, found)


def _name(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}"


def _documents(text: bytes) -> Sequence[tuple[str, bytes]]:
    """(metadata.name, document) of each document of a file, without parsing it: it may be large."""
    found = []
    for document in re.split(rb"(?m)^---\s*$", text):
        metadata = re.search(rb"(?m)^metadata:\n(?:[ ].*\n)*?  name: [\"']?([a-z0-9.-]+)", document)
        if metadata:
            found.append((metadata[1].decode(), document))
    return found


def stub(kind: Kind) -> bytes:
    """A CRD that knows the names and accepts anything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    version = {"name": kind.version, "served": True, "storage": True, "subresources": {"status": {}}}
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": _name(kind)},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    return json.dumps(document).encode()

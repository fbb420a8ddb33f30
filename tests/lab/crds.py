"""The operators' CRDs that a PoP of the lab knows: the genuine ones where they can be found, else stubs of our own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .binaries import LabError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Every other kind that render makes belongs to Kubernetes itself or comes through Git.
WANTED = {
    "scyllaclusters.scylla.scylladb.com": "scylla.scylladb.com_scyllaclusters.yaml",
    "scylladbmanagertasks.scylla.scylladb.com": "scylla.scylladb.com_scylladbmanagertasks.yaml",
    "servicemonitors.monitoring.coreos.com": "monitoring.coreos.com_servicemonitors.yaml",
    "podmonitors.monitoring.coreos.com": "monitoring.coreos.com_podmonitors.yaml",
    "prometheusrules.monitoring.coreos.com": "monitoring.coreos.com_prometheusrules.yaml",
}


@dataclass(frozen=True)
class Source:
    """Where the CRDs come from; `genuine` says whether they are the operators' own."""

    genuine: bool
    folder: Path
    files: dict[str, Path]

    def __str__(self) -> str:
        return (
            f"genuine CRDs from {self.folder}" if self.genuine else "stub CRDs of our own (set DBAAS_CRDS for genuine)"
        )


def source() -> Source:
    """Raises LabError when DBAAS_CRDS names a folder that lacks one: stubs would then prove nothing."""
    given = os.environ.get("DBAAS_CRDS")
    folder = Path(given) if given else ROOT.parent / "shared" / "crds"
    if not given and not folder.is_dir():
        stubs = HERE / "stubs"
        return Source(False, stubs, {name: stubs / file for name, file in WANTED.items()})
    files = {}
    for name, file in WANTED.items():
        found = sorted(folder.rglob(file))
        if not found:
            raise LabError(f"{folder} holds no {file}" + (" (DBAAS_CRDS)" if given else ""))
        files[name] = found[0]
    return Source(True, folder, files)

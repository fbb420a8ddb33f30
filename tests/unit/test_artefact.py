"""What the tarball holds that users install: nothing of the lab, of caches or of tests."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from tests.tools import tree

SHIPPED = {
    "catalog", "changelogs", "docs", "extensions", "gitops", "inventories", "meta", "playbooks", "plugins", "roles",
    "CHANGELOG.md", "COPYING", "FILES.json", "MANIFEST.json", "README.md", "bindep.txt", "execution-environment.yml",
    "requirements.txt", "tests",
}  # fmt: skip


def test_the_artefact_holds_what_is_shipped_and_nothing_else(tmp_path: Path) -> None:
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(tmp_path)]
    subprocess.run(command, cwd=tree.ROOT, check=True, capture_output=True)
    (tarball,) = tmp_path.glob("dbaas-platform-*.tar.gz")
    with tarfile.open(tarball) as archive:
        names = {member.name for member in archive.getmembers() if member.isfile()}

    assert {name.split("/", maxsplit=1)[0] for name in names} <= SHIPPED
    assert {name for name in names if name.startswith("tests/")} == {"tests/config.yml"}
    assert not [name for name in names if "/." in name or "__pycache__" in name or "node_modules" in name]
    # The checkout itself is built, caches and all: what it holds beside Git's files must not be packed.
    assert names - {"FILES.json", "MANIFEST.json"} <= set(tree.files())

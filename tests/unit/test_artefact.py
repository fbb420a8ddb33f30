"""What the tarball holds that users install: nothing of the lab, of caches or of tests."""

from __future__ import annotations

import os
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


def test_the_projects_checkout_alone_brings_the_collection_as_awx_installs_it(tmp_path: Path) -> None:
    project, there = tree.copy(tmp_path / "cut"), tmp_path / "requirements_collections"
    # AWX clones the project, runs this from its root, and gives jobs the place that it installed to
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    clone = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(project), str(clone)], check=True)
    install = ["ansible-galaxy", "collection", "install", "-r", "collections/requirements.yml", "-p", str(there)]
    subprocess.run(install, cwd=clone, check=True, capture_output=True, env={**os.environ, "HOME": str(tmp_path)})
    installed = there / "ansible_collections/dbaas/platform"
    assert (installed / "plugins/modules/service_claim.py").is_file()
    assert not (installed / "tests/unit").exists()

    env = {**os.environ, "HOME": str(tmp_path), "ANSIBLE_COLLECTIONS_PATH": str(there), "DBAAS_REPOSITORY": "/nowhere"}
    run = ["ansible-playbook", "-i", "inventories/lagos", "playbooks/reconcile_claims.yml"]
    done = subprocess.run(run, cwd=clone, env=env, check=False, capture_output=True, text=True)
    # the module of the collection ran, and found no repository there
    assert "[git-unreachable, dependency]" in done.stdout + done.stderr

"""The sample pipelines, as a Git host would run them: each script line as it stands, in a working copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils import documents

from tests.tools.tree import ROOT
from tests.unit.runner.world import World, by_hand, claim

Json = dict[str, Any]
PIPELINES = ROOT / "docs/pipelines"
CLAIM = "tenants/acme/claims/orders.yaml"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(tmp_path_factory.mktemp("git"), monkeypatch)
        world.set_up()
        yield world


@pytest.fixture
def copy(world: World, tmp_path: Path) -> Iterator[Path]:
    """A working copy with one claim that is not rendered, detached as pipelines have it."""
    by_hand(tmp_path, world.url, {CLAIM: documents.dump(claim("orders", backup={"retention": "20d"}))})
    subprocess.run(["git", "checkout", "--quiet", "--detach"], cwd=tmp_path / "work", check=True)
    yield tmp_path / "work"
    world.git("update-ref", "refs/heads/main", world.git("rev-list", "--max-parents=0", "main").strip())
    world.run("tenant", tenant="acme", regions=["lagos", "johannesburg"])


def scripts(host: str, job: str) -> list[str]:
    """The lines that a job runs, in their order."""
    pipeline: Json = yaml.safe_load((PIPELINES / f"{host}.yml").read_text())
    if host == "gitlab":
        return list(pipeline[job]["script"])
    return [step["run"] for step in pipeline["jobs"][job]["steps"] if "run" in step]


def run(script: str, folder: Path, url: str) -> tuple[int, str]:
    """Exit code and output of a line in a shell, in the environment that the samples set."""
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder.parent),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "DBAAS_REPOSITORY": url,
        "GITHUB_ACTOR": "merger",
        "GITLAB_USER_LOGIN": "merger",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "HEAD~1",
    }
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_samples_hold_nothing_else() -> None:
    names = {path.name for path in PIPELINES.iterdir()}
    assert names == {"github.yml", "gitlab.yml"}
    github = yaml.safe_load((PIPELINES / "github.yml").read_text())
    # YAML 1.1 takes the key for a boolean
    assert github[True] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert github["jobs"]["validate"]["permissions"] == {"contents": "read"}
    gitlab = yaml.safe_load((PIPELINES / "gitlab.yml").read_text())
    report = gitlab["validate"]["artifacts"]["reports"]["codequality"]
    assert f"report_file={report}" in scripts("gitlab", "validate")[0]


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_a_request_is_checked_and_what_is_merged_is_rendered(world: World, copy: Path, host: str) -> None:
    (check,) = scripts(host, "validate")
    # what is not rendered yet is no error on a request
    code, output = run(check, copy, "file:///nowhere")
    assert code == 0, output
    told = output if host == "github" else (copy / "gl-code-quality-report.json").read_text()
    assert "not-rendered" in told

    (copy / CLAIM).write_text((copy / CLAIM).read_text().replace("region: lagos", "region: lagoss"))
    code, output = run(check, copy, "file:///nowhere")
    assert code != 0
    if host == "github":
        words = "spec.region: given 'lagoss', allowed: one of lagos, johannesburg; nearest: lagos"
        assert f"::error file={CLAIM},line=8,title=claim-invalid::{words}" in output.splitlines()
    else:
        (entry,) = json.loads((copy / "gl-code-quality-report.json").read_text())
        assert entry["location"] == {"path": CLAIM, "lines": {"begin": 8}}

    # what a request makes of a derived file is nobody's to make, whatever the file says of itself
    values = copy / "tenants/acme/lagos/values.yaml"
    head, _newline, rest = values.read_text().partition("\n")
    values.write_text(f"{head.replace('(', '(0')}\n{rest.replace('owners: []', 'owners: [mine]')}")
    code, output = run(check, copy, "file:///nowhere")
    assert code != 0
    if host == "gitlab":
        output = (copy / "gl-code-quality-report.json").read_text()
    assert "is changed here, and only the platform writes it" in output

    before = world.commits()
    for script in scripts(host, "reconcile"):
        code, output = run(script, copy, world.url)
        assert code == 0, output
    assert world.commits() == before + 1
    assert world.git("log", "-1", "--format=%an", "main").strip() == "merger"
    assert world.document("tenants/acme/lagos/services/orders.yaml")["spec"]["backup"]["retention"] == "20d"


def test_a_limit_is_an_error(copy: Path) -> None:
    inventories = " ".join(f"-i {ROOT / 'inventories' / pop}" for pop in ("lagos", "johannesburg"))
    for playbook in ("validate_gitops -e path=.", "reconcile_claims"):
        code, output = run(f"ansible-playbook {inventories} --limit lagos dbaas.platform.{playbook}", copy, "")
        assert code != 0
        assert "Run it without a limit; the limit leaves lagos" in " ".join(output.split())

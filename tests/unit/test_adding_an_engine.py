"""An engine is added by the guide alone: docs/adding-an-engine.md, file by file, in a copy of the collection."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.executor.module_common import ModuleDepFinder
from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

from tests.tools import tree

Json = dict[str, Any]

#: what a person would do next: a claim of the new engine, admitted, rendered and observed
TRIAL = """
import copy, json
from ansible_collections.dbaas.platform.plugins.module_utils.domain import names, secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import observe
from tests.unit.domain.shipped import admitted, catalog, only, refused, rendered
from tests.lab import crds, pop

WIDE = {"replication": {"regions": ["lagos", "frankfurt"]}}
spec = {"engine": "toy", "plan": "dedicated", "region": "lagos"}
claim = admitted(spec)
objects = rendered(spec)["lagos"]
claimed, toy = only(objects, "ServiceClaim"), only(objects, "Toy")
needed = [secret.name for secret in secrets.wanted(claimed)]
toy["metadata"]["generation"] = 1
phases = []
for status in ({}, {"observedGeneration": 1, "ready": 2}, {"observedGeneration": 1, "ready": 3}):
    toy["status"] = status
    claimed["status"] = observe(claimed, [copy.deepcopy(toy)], secrets=needed, now="2026-01-01T00:00:00Z")
    phases.append(claimed["status"]["phase"])
other = admitted({"sku": "dfly-mem-16g", "region": "lagos"}, "ring-pieces")
both = [names.endings(each.name, each.spec, catalog().regions) for each in (claim, other)]
print(json.dumps({
    "alike": names.shared("ring", both[0], "ring-pieces", both[1]),
    "sku": claim.sku.name,
    "topology": claim.topology,
    "spec": toy["spec"],
    "kinds": [item["kind"] for item in objects],
    "phases": phases,
    "connection": claimed["status"]["connectionString"],
    "refused": refused({**spec, **WIDE})["spec.replication.regions"].allowed,
    "definitions": [kind.kind for kind in crds.wanted()],
    "played": sorted({stage["spec"]["resourceRef"]["kind"] for stage in pop.stages(1)}),
}))
"""
#: what concerns every engine
COMMON = (
    "tests/unit/domain/test_catalog.py",
    "tests/unit/domain/test_policies.py",
    "tests/unit/domain/test_repository.py",
    "tests/unit/lab/test_configuration.py",
)


@pytest.fixture(scope="module")
def with_a_toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the collection with the files of the guide, and nothing else changed."""
    copy = tree.copy(tmp_path_factory.mktemp("guide"))
    guide = (tree.ROOT / "docs/adding-an-engine.md").read_text()
    files = re.findall(r"^## \d\. `([^`]+)`\n.*?```(?:python|yaml)\n(.*?)```", guide, re.DOTALL | re.MULTILINE)
    assert [path for path, _text in files] == [
        "plugins/module_utils/engines/toy.py",
        "catalog/toy.yml",
        "tests/lab/stages/toy.yaml",
        "plugins/lookup/toy.py",
    ]
    for path, text in files:
        (copy / path).write_text(text)
    link = copy / ".cache/collections/ansible_collections/dbaas/platform"
    link.parent.mkdir(parents=True)
    link.symlink_to(copy)
    return copy


def run(copy: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{copy}:{copy / '.cache/collections'}"}
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_claim_of_it_is_admitted_rendered_and_observed(with_a_toy: Path) -> None:
    found = json.loads(run(with_a_toy, "-c", TRIAL))
    amounts = {"cpu": "1", "memory": "1Gi"}
    assert found.pop("spec") == {
        "pieces": 3,
        "resources": {"requests": amounts, "limits": amounts},
        "version": "1.0.0",
    }
    assert "Toy" in found.pop("definitions")
    assert "Toy" in found.pop("played")
    assert found == {
        "sku": "toy-3",
        "alike": "StatefulSet ring-pieces",
        "topology": "single",
        "kinds": ["ServiceClaim", "Toy", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor", "PrometheusRule"],
        "phases": ["Provisioning", "Provisioning", "Active"],
        "connection": "toy://ring.tenant-123.svc.lagos.dbaas.internal:7777",
        "refused": "toys stay in one region",
    }


def test_what_concerns_all_engines_holds_of_it(with_a_toy: Path) -> None:
    output = run(with_a_toy, "-m", "pytest", "-v", *COMMON)
    assert re.search(r"\d\d+ passed", output)
    assert "test_every_sku_can_be_had_everywhere[toy-3-dedicated-frankfurt] PASSED" in output


def test_playbooks_ask_for_it_by_its_lookup(with_a_toy: Path) -> None:
    wanted = "toy or test_every_engine_has_one"
    output = run(with_a_toy, "-m", "pytest", "-v", "tests/unit/plugins/test_lookups.py", "-k", wanted)
    for name in ("test_every_engine_has_one", "test_what_the_platform_offers_of_an_engine[toy]"):
        assert f"{name} PASSED" in output
    assert "test_its_example_of_a_connection[toy] PASSED" in output


def test_modules_that_run_apart_get_every_engine() -> None:
    """Ansible packs what it sees imported: a file that nobody names would be missing in `async` runs alone."""
    init = Path(str(engines.__file__))
    finder = ModuleDepFinder(engines.__name__, ast.parse(init.read_text()), is_pkg_init=True)
    packed = {parts[-1] for parts in finder.submodules}
    files = {path.stem for path in init.parent.glob("*.py") if "\nENGINE = " in path.read_text()}
    assert files == {type(engine).__module__.rsplit(".", 1)[-1] for engine in ENGINES.values()}
    assert files <= packed


def test_what_is_generated_names_it(with_a_toy: Path) -> None:
    run(with_a_toy, "-m", "tests.tools.fragments")
    assert ".engines.toy\n" in (with_a_toy / "plugins/module_utils/engines/__init__.py").read_text()
    run(with_a_toy, "-m", "pytest", "-q", "tests/unit/test_fragments.py")

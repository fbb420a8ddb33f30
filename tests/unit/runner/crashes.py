"""Runs that are killed at a named point of the code, in a process of their own, against the world's repository.

crashes.killed(world, "service_claim", "pushed", **options)    dies there, or the test fails
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import crash

from tests.tools.tree import ROOT
from tests.unit.runner.world import DEFAULTS, MODULES, World

Json = dict[str, Any]


def killed(world: World, module: str, point: str, **options: Any) -> None:
    """Run the module with the clusters' last answers, and see that it was killed at this point."""
    known = MODULES[module][0]()["argument_spec"]
    given = {"repository": world.url, **{name: value for name, value in DEFAULTS.items() if name in known}, **options}
    answers = {pop: cluster.answers[-1] for pop, cluster in world.clusters.items()}
    here = {"PYTHONPATH": str(ROOT / ".cache/collections"), "TMPDIR": tempfile.gettempdir(), crash.VARIABLE: point}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps({"module": module, "options": given, "answers": answers}),
        env={**os.environ, **here},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == -signal.SIGKILL, f"{module} never came to {point}: {done.stdout}{done.stderr}"


def left() -> list[Path]:
    """What killed runs have left in the temporary folder."""
    return sorted(Path(tempfile.gettempdir()).iterdir())


def main() -> None:
    """The process that is killed: one module by its runner, clusters that answer what they are told to."""
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
    from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

    from tests.unit.runner.world import FakeCluster

    asked = json.load(sys.stdin)
    spec, runner = MODULES[asked["module"]]
    clusters = {pop: FakeCluster([answer]) for pop, answer in asked["answers"].items()}
    vars(base)["Cluster"] = lambda *, kubeconfig, context: clusters[context]
    validated = ArgumentSpecValidator(**spec()).validate(asked["options"])
    assert not validated.error_messages, validated.error_messages
    runner(Run(validated.validated_parameters))


if __name__ == "__main__":
    main()

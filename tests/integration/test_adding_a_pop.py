"""docs/adding-a-pop.md, command by command, on a lab of its own that has one point of presence and gets another."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import DELAY
from tests.lab import Lab
from tests.lab.platform import environment, pops, set_up
from tests.tools import tree

Json = dict[str, Any]


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(
        rf"```{language}\n(.*?)```", (tree.ROOT / "docs/adding-a-pop.md").read_text(), re.DOTALL
    )
    return found


def in_the_lab(text: str, lab: Lab) -> str:
    """The document's play with what differs in a lab: its Argo CD's name of the cluster, and the parts that it runs."""
    (play,) = yaml.safe_load(text)
    module = play["tasks"][0]["dbaas.platform.gitops_repository"]
    own = {item["name"]: item for item in pops(lab)}
    module["pops"] = [{**own[item["name"]], **item} for item in module["pops"]]
    return yaml.safe_dump([play], sort_keys=False)


def test_a_platform_of_one_pop_gets_another(tmp_path: Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not there: the commands of docs/adding-a-pop.md cannot be run as they stand")
    # the checkout that the reader edits
    home = tree.copy(tmp_path)
    state = tmp_path / "lab"
    lab = Lab.up(["lagos"], state=state, delay=DELAY)
    try:
        set_up(lab)
        # step 1: the cluster comes
        lab = Lab.up(["lagos", "nairobi"], state=state, delay=DELAY)
        nairobi = lab.api("nairobi")
        # the lab gives each of its PoPs the key, and a namespace for it
        nairobi.delete("/api/v1/namespaces/dbaas-system/secrets/platform-key")
        region, play = blocks("yaml")
        (home / "catalog/regions.yml").write_text((home / "catalog/regions.yml").read_text() + region)
        (home / "platform.yml").write_text(in_the_lab(play, lab))
        variables = environment(lab, "admin")
        variables |= {"KUBECONFIG": variables["K8S_AUTH_KUBECONFIG"], "ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
        del variables["ANSIBLE_CONFIG"]
        output = ""
        for commands in blocks("sh"):
            given = commands.replace("create namespace dbaas-system", "get namespace dbaas-system")
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", given],
                cwd=home,
                env=variables,
                capture_output=True,
                text=True,
                check=False,
            )
            output += done.stdout + done.stderr
            assert done.returncode == 0, output
        assert "acme/first nairobi: ready, 3 of 3 nodes" in output
        assert "acme/first is Active in nairobi." in output
        keys = [
            (lab.api(pop).get("/api/v1/namespaces/dbaas-system/secrets/platform-key") or {})["data"]
            for pop in ("lagos", "nairobi")
        ]
        assert keys[0] == keys[1]
    finally:
        lab.down(purge=True)

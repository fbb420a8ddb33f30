"""The platform in the lab: the GitOps repository set up by our own module, and each PoP bootstrapped from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .api import Api
from .binaries import LabError
from .lab import Lab

ROOT = Path(__file__).resolve().parents[2]
#: What the lab leaves out: operators (kwok plays them) and the observer's Deployment (it is a host process).
COMPONENTS = ("crds", "rbac", "policies", "argocd", "tenants")


def environment(lab: Lab, user: str = "reader") -> dict[str, str]:
    """The environment in which our modules and playbooks find the lab."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_NOCOWS": "1",
        # a user of a container may have a home that is not there
        "ANSIBLE_REMOTE_TMP": str(lab.state / "ansible"),
        "ANSIBLE_ASYNC_DIR": str(lab.state / "async"),
        **lab.git_environment("writer"),
        "K8S_AUTH_KUBECONFIG": str(lab.kubeconfig(user)),
    }


def pops(lab: Lab) -> list[dict[str, Any]]:
    """The option `pops` of gitops_repository for this lab."""
    return [
        {
            "name": name,
            "cluster_domain": f"{name}.dbaas.internal",
            "pod_cidrs": [f"10.{40 + number}.0.0/16"],
            "argocd": {"destination": "pop", "namespace": lab.argocd},
            "components": list(COMPONENTS),
        }
        for number, name in enumerate(lab.pops, start=1)
    ]


def playbook_command(lab: Lab, playbook: str, answers: Mapping[str, Any], *options: str) -> list[str]:
    """ansible-playbook with the inventories of the lab's PoPs."""
    inventories = [option for pop in lab.pops for option in ("-i", str(ROOT / "inventories" / pop))]
    return [
        str(Path(sys.executable).with_name("ansible-playbook")),
        *inventories,
        playbook,
        "--extra-vars",
        json.dumps(answers),
        *options,
    ]


def set_up(lab: Lab) -> None:
    """Writes the repository and applies the root Application of each PoP; changes nothing where that is done.

    Raises LabError with Ansible's output, or naming what is not Synced after two minutes.
    """
    roots = lab.state / "roots.json"
    answers = {"lab_pops": pops(lab), "lab_roots": str(roots)}
    command = playbook_command(lab, str(ROOT / "tests/lab/platform.yml"), answers)
    done = subprocess.run(command, env=environment(lab), capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise LabError(f"the platform's repository cannot be set up:\n{done.stdout}{done.stderr}")
    for pop, application in json.loads(roots.read_text()).items():
        # the one thing that whoever bootstraps a PoP applies by hand
        lab.api(pop).apply(application)
    wait_synced(lab)


def _tell_argocd(api: Api) -> None:
    """Let Argo CD read what kinds there are once more, now that the API server has published the platform's own.

    It reads them when a definition comes or changes; on a busy machine that is too soon after the definition was made,
    and then it cannot compare a claim until another one does. Raises LabError where nothing is published in a minute.
    """
    end = time.monotonic() + 60
    while "com.example.dbaas.v1alpha1.ServiceClaim" not in api.request("GET", "/openapi/v2")["definitions"]:
        if time.monotonic() > end:
            raise LabError("the API server does not publish the definition of ServiceClaim")
        # the API server publishes in its own time, and has no word for it
        time.sleep(0.5)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/serviceclaims.dbaas.example.com"
    api.patch(path, {"metadata": {"annotations": {"dbaas.lab/published": "true"}}})


def wait_synced(lab: Lab) -> None:
    """Until every component of the platform is Synced in every PoP; LabError naming what is not after two minutes."""
    end = time.monotonic() + 120
    while missing := list(_missing(lab)):
        if time.monotonic() > end:
            raise LabError(f"not there after two minutes: {', '.join(missing)}")
        time.sleep(0.3)
    for pop in lab.pops:
        _tell_argocd(lab.api(pop))


def _missing(lab: Lab) -> Iterator[str]:
    wanted: Sequence[str] = (
        "dbaas-crds",
        "dbaas-rbac",
        "dbaas-observer-rbac",
        "dbaas-guards",
        "dbaas-policies",
        "dbaas-argocd",
        "dbaas-tenants",
    )
    for pop in lab.pops:
        found = lab.api(pop).get(f"/apis/argoproj.io/v1alpha1/namespaces/{lab.argocd}/applications") or {"items": []}
        synced = {
            item["metadata"]["name"]
            for item in found["items"]
            if item.get("status", {}).get("sync", {}).get("status") == "Synced"
        }
        yield from (f"{pop}/{name}" for name in wanted if name not in synced)

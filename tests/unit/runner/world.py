"""What runners meet: a GitOps repository on file://, and clusters that answer what a test tells them to."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.dbaas.platform.plugins.module_utils import documents, specs
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, SECRET, Kind
from ansible_collections.dbaas.platform.plugins.module_utils.runner import (
    awx_configuration,
    awx_instance,
    awx_job,
    base,
    bundle,
    claims,
    drift,
    explain,
    gitops,
    info,
    reconcile,
    rerender,
    rollback,
    tenants,
    validate,
)
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

from tests.lab.gitserver import make_repository
from tests.tools.tree import ROOT

Json = dict[str, Any]

#: Module -> its spec and its runner, as modules and actions have them.
MODULES: dict[str, tuple[Callable[[], Json], Callable[[Run], Json]]] = {
    "argocd_application_info": (specs.argocd_application_info, drift.applications),
    "awx_backup": (specs.awx_backup, awx_instance.backup),
    "awx_configuration": (specs.awx_configuration, awx_configuration.run),
    "awx_configuration_info": (specs.awx_configuration_info, awx_configuration.info),
    "awx_job": (specs.awx_job, awx_job.run),
    "awx_token": (specs.awx_token, awx_instance.token),
    "gitops_drift_info": (specs.gitops_drift_info, drift.run),
    "gitops_reconciliation": (specs.gitops_reconciliation, reconcile.run),
    "gitops_repository": (specs.gitops_repository, gitops.run),
    "gitops_validation_info": (specs.gitops_validation_info, validate.run),
    "service_claim": (specs.service_claim, claims.run_one),
    "service_claim_bundle": (specs.service_claim_bundle, bundle.run),
    "service_claim_explanation_info": (specs.service_claim_explanation_info, explain.run),
    "service_claim_info": (specs.service_claim_info, info.run),
    "service_claim_rerender": (specs.service_claim_rerender, rerender.run),
    "service_claim_rollback": (specs.service_claim_rollback, rollback.run),
    "service_claim_wait": (specs.service_claim_wait, info.run_wait),
    "service_claims": (specs.service_claims, claims.run_many),
    "tenant": (specs.one_tenant, tenants.run_one),
    "tenant_info": (specs.tenant_info, tenants.info),
    "tenants": (specs.tenants, tenants.run_many),
}
POPS: list[Json] = [
    {"name": "lagos", "cluster_domain": "lagos.dbaas.internal", "pod_cidrs": ["10.41.0.0/16"]},
    {"name": "johannesburg", "cluster_domain": "johannesburg.dbaas.internal", "pod_cidrs": ["10.42.0.0/16"]},
]
SHIPPED = base.shipped(ROOT)
#: what the action gives, and a wait that a wrong test does not take half an hour for
DEFAULTS = {"shipped": SHIPPED, "wait_timeout": 20}
UNREACHABLE = KubeError("kube-unreachable", "johannesburg: GET /apis: connection refused")

Answer = dict[str, Json] | DbaasError


@dataclass
class FakeCluster:
    """Answers each list with the next of `answers` (the last one again and again): copies by name, or a failure.

    What else is in the cluster stands in `others`: kind -> its objects, or the failure of whoever asks for them.
    """

    answers: list[Answer] = field(default_factory=lambda: [{}])
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    others: dict[Kind, list[Json] | DbaasError] = field(default_factory=dict)
    name: str = "cluster"

    def list(
        self, kind: Kind, namespace: str | None = None, labels: str = "", *, bare: bool = False
    ) -> tuple[Sequence[Json], str]:
        assert not bare
        if kind != CLAIM or CLAIM in self.others:
            return [
                item
                for item in self._others(kind)
                if (not namespace or item["metadata"].get("namespace") == namespace)
                and (not labels or labels in item["metadata"].get("labels", {}))
            ], "1"
        self.asked.append(str(namespace))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, DbaasError):
            raise answer
        return [copy for copy in answer.values() if namespace in (None, copy["metadata"]["namespace"])], "1"

    def create(self, kind: Kind, obj: Json) -> Json | None:
        if self.get(kind, obj["metadata"]["namespace"], obj["metadata"]["name"]):
            return None
        self.others[kind] = [*self._others(kind), obj]
        return obj

    def delete(self, kind: Kind, namespace: str | None, name: str) -> bool:
        place = {"namespace": namespace, "name": name}
        left = [item for item in self._others(kind) if not place.items() <= item["metadata"].items()]
        gone = len(left) < len(self._others(kind))
        self.others[kind] = left
        return gone

    def _others(self, kind: Kind) -> Sequence[Json]:
        found = self.others.get(kind, [])
        if isinstance(found, DbaasError):
            raise found
        return found

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json | None:
        if kind != SECRET:
            place = {"namespace": namespace, "name": name}
            return next((item for item in self._others(kind) if place.items() <= item["metadata"].items()), None)
        values = self.secrets.get(f"{namespace}/{name}")
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in (values or {}).items()}
        return None if values is None else {"metadata": {"name": name}, "data": encoded}


class World:
    """One repository, and a cluster for each context."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository = make_repository(folder)
        self.clusters = {pop["name"]: FakeCluster() for pop in POPS}
        self.lines: list[str] = []
        monkeypatch.setattr(base, "Cluster", lambda *, kubeconfig, context: self.clusters[context])
        monkeypatch.setattr(awx_instance, "Cluster", lambda *, kubeconfig, context: self.clusters[context or "lagos"])
        monkeypatch.setattr(info, "contexts", lambda _kubeconfig: list(self.clusters))

    @property
    def url(self) -> str:
        return f"file://{self.repository}"

    def run(self, module: str, *, check: bool = False, diff: bool = False, **options: Any) -> Json:
        """The module's runner with options as its argument spec lets them through."""
        spec, runner = MODULES[module]
        known = spec()["argument_spec"]
        given = {**({"repository": self.url} if "repository" in known else {}), **options}
        given |= {name: value for name, value in DEFAULTS.items() if name in known and name not in options}
        validated = ArgumentSpecValidator(**spec()).validate(given)
        assert not validated.error_messages, validated.error_messages
        return runner(Run(validated.validated_parameters, check, diff, self.lines.append))

    def refused(self, module: str, **options: Any) -> DbaasError:
        """The failure of a run that must change nothing."""
        head = self.head()
        with pytest.raises(DbaasError) as caught:
            self.run(module, **options)
        assert self.head() == head
        return caught.value

    def set_up(self, *regions: str) -> None:
        """The platform, and tenant acme in these regions (all when none is named)."""
        self.run("gitops_repository", pops=POPS)
        self.run("tenant", tenant="acme", regions=list(regions) or [pop["name"] for pop in POPS])

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def head(self) -> str:
        return self.git("for-each-ref", "--format=%(objectname)", "refs/heads/main").strip()

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", "main"))

    def files(self) -> list[str]:
        return self.git("ls-tree", "-r", "--name-only", "main").splitlines()

    def text(self, path: str) -> str:
        return self.git("show", f"main:{path}")

    def operation(self, name: str, pop: str = "lagos") -> str:
        """The operation that acme's service was committed with."""
        text = self.text(f"tenants/acme/{pop}/services/{name}.yaml")
        return str(documents.load_all(text)[0]["metadata"]["annotations"]["dbaas.example.com/operation"])

    def document(self, path: str) -> Any:
        return documents.load_all(self.text(path))[0]

    def write(self, folder: Path, **files: str) -> None:
        """Commit and push files (path with / written as __) as a person does, with a work tree."""
        by_hand(folder, self.url, {path.replace("__", "/"): text for path, text in files.items()})

    def remove(self, folder: Path, *paths: str) -> None:
        """Commit and push that these files are gone, as a person does."""
        by_hand(folder, self.url, dict.fromkeys(paths))


def by_hand(folder: Path, url: str, files: Mapping[str, str | None]) -> None:
    def git(*arguments: str, cwd: Path = folder) -> None:
        identity = ["-c", "user.name=p", "-c", "user.email=p@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)

    work = folder / "work"
    if not work.exists():
        git("clone", "--quiet", url, "work")
    git("pull", "--quiet", cwd=work)
    for path, text in files.items():
        if text is None:
            git("rm", "--quiet", "-r", path, cwd=work)
            continue
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    git("add", ".", cwd=work)
    git("commit", "--quiet", "--message", "By hand", cwd=work)
    git("push", "--quiet", cwd=work)


def claim(name: str, tenant: str = "acme", **spec: Any) -> Json:
    return {
        "apiVersion": "dbaas.example.com/v1alpha1",
        "kind": "ServiceClaim",
        "metadata": {"name": name, "namespace": f"tenant-{tenant}"},
        "spec": {"sku": "scy-ring-3", "region": "lagos", **spec},
    }


def copy(
    name: str,
    phase: str,
    ready: int = 0,
    *,
    regions: Sequence[str] = ("lagos",),
    operation: str = "op",
    observed: bool = True,
    **status: Any,
) -> Json:
    """A PoP's copy of a claim whose home is lagos, with the status of `phase`."""
    item = claim(name, replication={"regions": list(regions)})
    marks = {"dbaas.example.com/operation": operation, "dbaas.example.com/origin": "git"}
    item["metadata"] |= {"generation": 2, "annotations": marks}
    if not phase:
        return item
    message = f"{ready} of 3 nodes are ready"
    item["status"] = {
        "phase": phase,
        "observedGeneration": 2 if observed else 1,
        "conditions": [{"type": "Ready", "status": "True" if phase == "Active" else "False", "message": message}],
        "lastOperation": {"id": operation, "ready": ready, "wanted": 3},
        **(CONNECTION if phase == "Active" else {}),
        **status,
    }
    return item


CONNECTION: Json = {
    "connectionString": "cql://orders-client:9142",
    "connection": {
        "host": "orders-client",
        "port": 9142,
        "tls": True,
        "secretRef": {"name": "orders-credentials"},
        "caSecretRef": {"name": "orders-ca"},
        "clientCertificateSecretRef": {"name": "orders-cert"},
    },
    "endpoints": [{"name": "cql-lagos", "region": "lagos", "url": "cql://orders-client:9142"}],
}


def as_file(folder: Path, *items: Any) -> str:
    """A YAML file of these documents."""
    path = folder / "documents.yml"
    path.write_text("".join(f"---\n{json.dumps(item)}\n" for item in items))
    return str(path)

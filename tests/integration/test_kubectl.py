"""Claims by kubectl, as docs/claims-by-kubectl.md has them, on the lab: its commands, and what the policies refuse."""

from __future__ import annotations

import copy
import json
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform as platforms
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Admission, document
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

from tests.integration.conftest import POPS, Platform, git, until
from tests.integration.test_playbooks import succeeds
from tests.lab.api import ApiError
from tests.tools.tree import ROOT

Json = dict[str, Any]
TENANT = "applied"
NAMESPACE = f"tenant-{TENANT}"
FILE = f"tenants/{TENANT}/claims/orders.yaml"
CLAIMS = f"/apis/dbaas.example.com/v1alpha1/namespaces/{NAMESPACE}/serviceclaims"
CLUSTERS = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters"
DOCUMENT = (ROOT / "docs/claims-by-kubectl.md").read_text().replace("tenant-acme", NAMESPACE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture(scope="module")
def tenant(platform: Platform) -> Platform:
    made = platform.module("tenant", {"tenant": TENANT, "regions": list(POPS), "owners": ["applied-owners"]})
    assert made["changed"], made
    binding = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings/owner"
    until(lambda: platform.lab.api("lagos").get(binding), 60)
    return platform


def kubectl(platform: Platform, folder: Path, command: str, *, code: int = 0) -> str:
    """One command line of the document, as a member of the tenant's owners; what it printed."""
    assert command.startswith("kubectl ")
    owner = ["--as", "ada", "--as-group", "applied-owners", "--as-group", "system:authenticated"]
    done = subprocess.run(
        ["kubectl", *owner, *command.split()[1:]],
        cwd=folder,
        env={**os.environ, "KUBECONFIG": str(platform.lab.kubeconfig("admin"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def reconciled(platform: Platform) -> Json:
    return platform.module("gitops_reconciliation", {"tenants": [TENANT]})


def test_a_claim_by_kubectl_from_its_first_day_to_its_last(tenant: Platform, tmp_path: Path) -> None:
    api = tenant.lab.api("lagos")
    apply, wait_committed, wait_active, delete = (
        line for block in blocks("sh") for line in block.splitlines() if line.startswith("kubectl")
    )
    wait_active = wait_active.replace("'", "")
    (claim,) = blocks("yaml")
    (tmp_path / "orders.yaml").write_text(claim)
    kubectl(tenant, tmp_path, apply)
    waiting = until(lambda: tenant.copy("lagos", "orders", NAMESPACE).get("status"))
    assert (waiting["phase"], waiting["conditions"][0]["reason"]) == ("Pending", "Pending")

    # AWX's user, which may write to Git and only read in the clusters
    succeeds(tenant, "reconcile_claims", {"tenants": TENANT})
    kubectl(tenant, tmp_path, wait_committed)
    kubectl(tenant, tmp_path, wait_active)
    live = tenant.copy("lagos", "orders", NAMESPACE)
    assert "dbaas.example.com/origin" not in live["metadata"]["annotations"]
    assert live["status"]["lastOperation"]["requester"] == "kubectl@lagos"
    assert live["status"]["connection"]["secretRef"]["name"]
    file = documents.load_all(tenant.git("show", f"main:{FILE}"))[0]
    assert {key: value for key, value in file["spec"].items() if key != "serviceId"} == yaml.safe_load(claim)["spec"]
    before = _retention(tenant)
    again = reconciled(tenant)
    assert (again["changed"], again["problems"]) == (False, [])

    # what kubectl changes is followed
    (tmp_path / "orders.yaml").write_text(f"{claim}  backup:\n    retention: 30d\n")
    kubectl(tenant, tmp_path, apply)
    until(lambda: _committed(tenant) == ("False", "Edited"))
    result = reconciled(tenant)
    assert [(item["name"], item["changed"]) for item in result["operations"]] == [("orders", ["spec.backup.retention"])]
    kubectl(tenant, tmp_path, wait_committed)
    until(lambda: _retention(tenant) != before, 60)

    # its file is not anybody's to edit
    head = tenant.head()
    work = tenant.clone(tmp_path)
    (work / FILE).write_text((work / FILE).read_text().replace("30d", "60d"))
    git(work, "commit", "--quiet", "--all", "--message", "By hand")
    git(work, "push", "--quiet")
    for refused in (reconciled(tenant), tenant.module("gitops_validation_info", {"strict": False})):
        assert refused["failed"]
        assert "what its object in lagos says" in refused["msg"]
    git(work, "revert", "--no-edit", "HEAD")
    git(work, "push", "--quiet")
    assert reconciled(tenant)["problems"] == []
    assert tenant.git("diff", head, "main") == ""

    # what its owner deletes takes nothing along, and comes back with the claim
    uid = (api.get(f"{CLUSTERS}/orders") or {})["metadata"]["uid"]
    secret = live["status"]["connection"]["secretRef"]["name"]
    kubectl(tenant, tmp_path, delete)
    assert api.get(f"{CLAIMS}/orders") is None
    told = reconciled(tenant)
    assert [item["code"] for item in told["problems"]] == ["declaration-gone"]
    assert not told["failed"]
    with pytest.raises(ApiError, match="holds a service"):
        api.delete(f"{CLUSTERS}/orders")
    assert (api.get(f"{CLUSTERS}/orders") or {})["metadata"]["uid"] == uid
    assert api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{secret}")
    kubectl(tenant, tmp_path, apply)
    kubectl(tenant, tmp_path, wait_active)
    assert reconciled(tenant)["changed"] is False
    kubectl(tenant, tmp_path, delete)
    deleted = {"state": "absent", "deletion_policy": "delete", "wait_timeout": 60}
    gone = tenant.module("service_claim", {"tenant": TENANT, "name": "orders", **deleted})
    assert not gone["failed"], gone
    assert api.get(f"{CLUSTERS}/orders") is None


def _retention(platform: Platform) -> Any:
    found = platform.lab.api("lagos").get(f"{CLUSTERS}/orders") or {}
    return found.get("spec", {}).get("backups", [{}])[0].get("retention")


def _committed(platform: Platform) -> tuple[str, str]:
    conditions = platform.copy("lagos", "orders", NAMESPACE).get("status", {}).get("conditions", [])
    return next(((item["status"], item["reason"]) for item in conditions if item["type"] == "Committed"), ("", ""))


#: what the policy looks at; the rest only admit knows
KNOWN = re.compile(
    r"metadata\.namespace|spec\.(region|sku|engine|plan|version|storage\.(size|class))"
    r"|spec\.replication\.(factor|regions(\[\d+\])?)|spec\.resources\.[^.]+(\.(replicas|cpu|memory))?"
)


def refusal(platform: Platform, item: Json) -> set[str]:
    """The fields that the API server names when it refuses to make this, none when it would make it."""
    try:
        platform.lab.api("lagos").request("POST", f"{CLAIMS}?dryRun=All", json.dumps(item).encode())
    except ApiError as error:
        return set(re.findall(r"((?:spec|metadata)\.[\w.]+): (?:given|Invalid value)", str(error))) or {str(error)}
    return set()


def samples(generator: random.Random, skus: Json) -> Json:
    """A spec that may be right in all, wrong in one thing, or in several."""
    sku = generator.choice(list(skus.values()))
    spec: Json = {"region": "lagos"}
    if generator.random() < 0.6:
        spec["sku"] = sku.name
    else:
        spec |= {"engine": sku.engine, "plan": generator.choice(sku.plans)}
    changes: list[Json] = [
        {"sku": generator.choice([*skus, "no-such"])},
        {"sku": sku.name, "engine": generator.choice(schema.ENGINES)},
        {"engine": generator.choice(schema.ENGINES), "plan": generator.choice(schema.PLANS)},
        {"sku": sku.name, "plan": generator.choice(schema.PLANS)},
        {"region": "johannesburg"},
        {"replication": {"regions": generator.choice([["lagos", "johannesburg"], ["lagos", "mars"], ["lagos"]])}},
        {"replication": {"factor": generator.randint(1, 6)}},
        {"version": generator.choice(["1.2.3", "2026.1.0", "1.39.0"])},
        {"storage": {"size": generator.choice(["1Gi", "60Gi", "500Gi", "90Ti"])}},
        {"storage": {"class": generator.choice(["fast-nvme", "slow"])}},
    ]
    roles = list(sku.data["resources"])
    if roles:
        role = generator.choice([*roles, "nobody"])
        amounts: Json = {"cpu": ["100m", "4", "400"], "memory": ["1Gi", "16Gi", "900Gi"], "replicas": [1, 3, 6]}
        for field, values in amounts.items():
            changes.append({"resources": {role: {field: generator.choice(values)}}})
    for change in generator.sample(changes, generator.choice([0, 1, 1, 1, 2, 3])):
        spec |= copy.deepcopy(change)
    return spec


def test_the_policy_of_the_catalog_refuses_what_admit_would(tenant: Platform) -> None:
    api = tenant.lab.api("lagos")
    tree = {
        path: tenant.git("show", f"main:{path}").encode()
        for path in tenant.git("ls-tree", "-r", "--name-only", "main", paths.PLATFORM, paths.CATALOG).split()
    }
    catalog = base.catalog_of({path: text for path, text in tree.items() if path.startswith(paths.CATALOG)})
    platform = platforms.parse(documents.load_all(tree[paths.PLATFORM])[0])
    admission = Admission(catalog, platform, None)
    status = api.get("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/dbaas-claims") or {}
    assert not status["status"].get("typeChecking", {}).get("expressionWarnings"), status["status"]
    generator = random.Random(15)
    counts = {"accepted": 0, "refused": 0}
    for number in range(250):
        spec = samples(generator, catalog.skus)
        item = document(TENANT, f"sample-{number}", spec)
        _claim, errors = admission.admit(item)
        named = refusal(tenant, item)
        wrong = {error.path for error in errors}
        whole = {re.sub(r"\[\d+\]", "", path) for path in wrong}
        # nothing is refused that admit would take, but what is another PoP's
        own = named - ({"spec.region"} if spec["region"] != "lagos" else set())
        assert own <= whole, (spec, named, errors)
        if wrong and all(KNOWN.fullmatch(path) for path in wrong):
            assert named, (spec, errors)
        counts["refused" if named else "accepted"] += 1
    assert min(counts.values()) > 30, counts


def test_the_refusal_names_all_that_is_wrong_and_what_is_allowed(tenant: Platform) -> None:
    api = tenant.lab.api("lagos")
    wrong = {"sku": "scy-ring-3", "region": "lagos", "version": "1.2.3", "storage": {"size": "5Gi"}}
    with pytest.raises(ApiError) as caught:
        api.request("POST", f"{CLAIMS}?dryRun=All", json.dumps(document(TENANT, "wrong", wrong)).encode())
    assert "spec.version: given 1.2.3, allowed: 2026.1.0" in str(caught.value)
    assert "spec.storage.size: given 5Gi, allowed: 100Gi to 10Ti" in str(caught.value)
    unknown = document(TENANT, "wrong", {"sku": "scy-ring-4", "region": "lagos"})
    with pytest.raises(ApiError, match=r"spec\.sku: given scy-ring-4, allowed: .*scy-ring-3"):
        api.request("POST", f"{CLAIMS}?dryRun=All", json.dumps(unknown).encode())

"""Delivery without Git in the lab: all engines in one set, a change, deletion; and a service that moves to Git."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import kinds

from tests.integration.conftest import POPS, Platform, until
from tests.lab.api import Api, ApiError, path_of
from tests.lab.platform import ROOT, environment, playbook_command

Json = dict[str, Any]
TENANT = "crowd"
SPACE = f"tenant-{TENANT}"
SKUS = {
    "d-aero": "aero-strong-3",
    "d-cache": "dfly-mem-16g",
    "d-docs": "mongo-flex-rs",
    "d-ring": "scy-ring-3",
    "d-shards": "vt-dedicated",
    "d-sql": "yb-dedicated",
}


def claims(**more: Json) -> list[Json]:
    """One claim of each engine, the ring and the universe in both PoPs; more: fields of some, by name."""
    wide = {"replication": {"regions": list(POPS)}}
    return [
        {
            "apiVersion": "dbaas.example.com/v1alpha1",
            "kind": "ServiceClaim",
            "metadata": {"name": name, "namespace": SPACE},
            "spec": {
                "sku": sku,
                "region": "lagos",
                **(wide if name in ("d-ring", "d-sql") else {}),
                **more.get(name.replace("-", "_"), {}),
            },
        }
        for name, sku in SKUS.items()
    ]


class Direct:
    """service_claims without a repository, as a user who may delete what holds data."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder

    def run(self, given: list[Json], *options: str, user: str = "argocd", **more: Any) -> Json:
        path = self.folder / "claims.yml"
        path.write_text("\n---\n".join(map(json.dumps, given)))
        arguments = {"src": str(path), "delivery": "direct", "wait_timeout": 90, **more}
        return self.platform.module("service_claims", arguments, *options, env=self.environment(user))

    def environment(self, user: str = "argocd") -> dict[str, str]:
        return {"DBAAS_REPOSITORY": "", "K8S_AUTH_KUBECONFIG": str(self.platform.lab.kubeconfig(user))}

    def versions(self) -> dict[str, str]:
        """resourceVersion of all that we render, status left out: generation stands for what holds one."""
        found = {}
        for pop in POPS:
            for kind in kinds():
                items = (self.platform.lab.api(pop).get(kind.path(SPACE)) or {"items": []})["items"]
                for item in items:
                    ours = [
                        entry["time"]
                        for entry in item["metadata"].get("managedFields", [])
                        if entry["manager"] == "dbaas-direct"
                    ]
                    found[f"{pop} {kind.kind} {item['metadata']['name']}"] = f"{ours}"
        return found

    def objects(self, pop: str, service: str) -> set[str]:
        found = set()
        for kind in kinds():
            query = f"?labelSelector=dbaas.example.com/service={service}"
            found |= {
                kind.kind
                for _item in (self.platform.lab.api(pop).get(kind.path(SPACE) + query) or {"items": []})["items"]
            }
        return found


@pytest.fixture(scope="module")
def direct(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Direct:
    # nobody but Argo CD makes it
    until(lambda: all(platform.lab.api(pop).get(f"/api/v1/namespaces/{SPACE}") for pop in POPS), 60)
    return Direct(platform, tmp_path_factory.mktemp("direct"))


def test_all_engines_are_made_at_once_without_a_commit(platform: Platform, direct: Direct) -> None:
    head = platform.head()
    result = direct.run(claims(), wait=True)
    assert not result["failed"], result["msg"]
    assert {item["phase"] for item in result["wait"]} == {"Active"}
    assert [item["action"] for item in result["operations"]] == ["create"] * len(SKUS)
    assert platform.head() == head
    assert (
        platform.copy("johannesburg", "d-ring", SPACE)["metadata"]["annotations"]["dbaas.example.com/origin"]
        == "direct"
    )


def test_again_nothing_is_written(direct: Direct) -> None:
    before = direct.versions()
    again = direct.run(claims())
    assert not again["changed"], again
    assert direct.versions() == before


def test_a_change_is_predicted_by_the_servers_and_applied(direct: Direct) -> None:
    changed = claims(
        d_docs={"resources": {"mongod": {"memory": "12Gi"}}},
        d_sql={"networking": {"allowedCIDRs": ["10.0.0.0/8"]}},
        d_ring={"observability": {"metrics": {"enabled": False}}},
    )
    before = direct.versions()
    predicted = direct.run(changed, "--check", "--diff")
    assert not predicted["failed"], predicted
    assert direct.versions() == before
    done = direct.run(changed, wait=True)
    assert not done["failed"], done
    assert done["operations"] == predicted["operations"]
    assert sorted(item["name"] for item in done["operations"]) == ["d-docs", "d-ring", "d-sql"]
    for pop in POPS:
        assert "ServiceMonitor" not in direct.objects(pop, "d-ring")
        assert "PrometheusRule" not in direct.objects(pop, "d-ring")
    assert not direct.run(changed)["changed"]


@contextmanager
def refusing(api: Api, kind: str, name: str) -> Iterator[None]:
    """An API server that refuses every change of one object of the tenant."""
    group, plural = "monitoring.coreos.com", f"{kind.lower()}s"
    version = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": [plural]}
    policy = {
        "apiVersion": version,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "not-today"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": f"object.metadata.name != '{name}'", "message": "not today"}],
        },
    }
    binding = {
        "apiVersion": version,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "not-today"},
        "spec": {"policyName": "not-today", "validationActions": ["Deny"]},
    }
    tried = f"/apis/{group}/v1/namespaces/{SPACE}/{plural}/{name}?dryRun=All"

    def refused() -> bool:
        try:
            api.patch(tried, {"metadata": {"labels": {"tried": "yes"}}})
        except ApiError as error:
            return "not today" in str(error)
        return False

    made = [api.apply(policy), api.apply(binding)]
    try:
        until(refused, 20)
        yield
    finally:
        for item in reversed(made):
            api.delete(path_of(item))
    until(lambda: not refused(), 20)


def docs(memory: str) -> Json:
    """The claim of the MongoDB service, with so much memory."""
    given = claims(d_docs={"resources": {"mongod": {"memory": memory}}})
    return next(item for item in given if item["metadata"]["name"] == "d-docs")


def memory_of_docs(api: Api) -> str:
    live = api.get(f"/apis/psmdb.percona.com/v1/namespaces/{SPACE}/perconaservermongodbs/d-docs") or {}
    return str(live["spec"]["replsets"][0]["resources"]["limits"]["memory"])


def test_a_change_that_a_pop_refused_a_part_of_is_taken_back(platform: Platform, direct: Direct) -> None:
    lagos = platform.lab.api("lagos")
    with refusing(lagos, "PrometheusRule", "d-docs"):
        half = direct.run([docs("14Gi")])
    assert half["error"]["code"] == "direct-incomplete", half
    assert "not today" in half["msg"]
    assert memory_of_docs(lagos) == "14Gi"
    back = direct.run([docs("12Gi")])
    assert back["operations"][0]["plan"]["restart"] == "rolling", back
    assert memory_of_docs(lagos) == "12Gi"
    assert not direct.run([docs("12Gi")])["changed"]


def test_what_runs_at_once_left_the_next_run_makes_whole(platform: Platform, direct: Direct, tmp_path: Path) -> None:
    def one(memory: str) -> Json:
        folder = tmp_path / memory
        folder.mkdir()
        return Direct(platform, folder).run([docs(memory)])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one, ["13Gi", "14Gi", "15Gi", "16Gi"]))
    for told in (result for result in results if result["failed"]):
        assert told["error"]["code"] == "direct-incomplete", told
        assert "another run applied it at the same time" in told["msg"]
    assert not direct.run([docs("12Gi")])["failed"]
    assert memory_of_docs(platform.lab.api("lagos")) == "12Gi"
    assert not direct.run([docs("12Gi")])["changed"]


def test_a_service_moves_to_git_and_nothing_of_it_restarts(platform: Platform, direct: Direct) -> None:
    path = f"/apis/dragonflydb.io/v1alpha1/namespaces/{SPACE}/dragonflies/d-cache"
    before = platform.lab.api("lagos").get(path) or {}
    identity = platform.copy("lagos", "d-cache", SPACE)["spec"]["serviceId"]
    # whoever is to take it over may not be another database
    arguments = {"tenant": TENANT, "name": "d-cache", "sku": "dfly-mem-16g", "region": "lagos", "adopt": True}
    deliverer = {"K8S_AUTH_KUBECONFIG": str(platform.lab.kubeconfig("argocd"))}
    refused = platform.module("service_claim", {**arguments, "replication": {"factor": 3}}, env=deliverer)
    assert refused["error"]["code"] == "adoption-differs"
    assert "lagos: Dragonfly tenant-crowd/d-cache: " in refused["msg"]
    assert "spec.replicas" in refused["msg"]

    adopted = platform.module("service_claim", {**arguments, "wait": True, "wait_timeout": 60}, env=deliverer)
    assert not adopted["failed"], adopted
    assert adopted["commit"] == platform.head()
    assert adopted["claim"]["service_id"] == identity
    after = platform.lab.api("lagos").get(path) or {}
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    managers = {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert "argocd-controller" in managers
    assert "dbaas-direct" not in managers
    copy = platform.copy("lagos", "d-cache", SPACE)
    assert copy["metadata"]["annotations"]["dbaas.example.com/origin"] == "git"
    # what only direct delivery wrote went with its ownership
    assert "dbaas.example.com/claim" not in copy["metadata"]["annotations"]

    # and from now on it is Argo CD's
    taken = direct.run(claims(d_cache={"replication": {"factor": 3}}))
    assert taken["error"]["code"] == "argocd-managed"
    assert f"tenants/{TENANT}/claims/d-cache.yaml" in taken["msg"]


def test_playbooks_go_the_same_way(platform: Platform, direct: Direct) -> None:
    """A service's change, waited for, and its end; the repository of the environment has no such service."""

    def play(playbook: str, **answers: Any) -> str:
        given = {"tenant": TENANT, "service": "d-shards", "dbaas_delivery": "direct", **answers}
        env = {**environment(platform.lab), "K8S_AUTH_KUBECONFIG": str(platform.lab.kubeconfig("argocd"))}
        command = playbook_command(platform.lab, f"dbaas.platform.{playbook}", given)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)
        platform.printed += [done.stdout, done.stderr]
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    before = platform.head()
    said = play("update_service", allowed_cidrs="10.1.0.0/16", dbaas_wait_timeout=60)
    assert "changed=1" in said
    assert platform.copy("lagos", "d-shards", SPACE)["spec"]["networking"]["allowedCIDRs"] == ["10.1.0.0/16"]
    play("deprovision_service", deletion_policy="delete", confirm="d-shards", dbaas_wait_timeout=60)
    assert direct.objects("lagos", "d-shards") == set()
    assert platform.head() == before


def test_only_a_deliverer_lets_services_go(platform: Platform, direct: Direct) -> None:
    gone = [item for item in claims() if item["metadata"]["name"] != "d-cache"]
    stranger = direct.run(gone, user="admin", state="absent", deletion_policy="delete")
    assert stranger["error"]["code"] == "kube-refused"
    assert "is forbidden: ValidatingAdmissionPolicy" in stranger["msg"]
    # two policies refuse this, and the API server answers with either
    assert "(user admin)" in stranger["msg"] or "only the deliverers of this PoP may set" in stranger["msg"]
    copy = f"/apis/dbaas.example.com/v1alpha1/namespaces/{SPACE}/serviceclaims/{gone[0]['metadata']['name']}"
    with pytest.raises(ApiError, match="was delivered directly: declare it again instead"):
        platform.lab.api("lagos").patch(copy, {"metadata": {"labels": {"a": "b"}}})
    result = direct.run(gone, state="absent", deletion_policy="delete")
    assert not result["failed"], result["msg"]
    assert {state for item in result["wait"] for state in item["regions"].values()} == {"gone"}
    for name in SKUS:
        if name != "d-cache":
            assert direct.objects("lagos", name) == set()
    until(lambda: platform.phase("lagos", "d-cache", SPACE) == "Active")

"""What reaches the repository, and what must not: check mode, racing writers, bad input, policies, secrets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES

from tests.integration.changes import CASES
from tests.integration.conftest import NAMESPACE, POPS, Platform, git, note_manifests, shown, until
from tests.lab.api import ApiError, path_of
from tests.lab.platform import ROOT, environment
from tests.unit.domain import shipped
from tests.unit.domain.changes import CHANGES, TAINTED, specs

Json = dict[str, Any]


def document(name: str, namespace: str = NAMESPACE, **spec: Any) -> Json:
    return {
        "apiVersion": "dbaas.example.com/v1alpha1",
        "kind": "ServiceClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"sku": "scy-ring-3", "region": "lagos", **spec},
    }


def test_check_mode_writes_nothing_and_predicts_the_commit(platform: Platform) -> None:
    arguments = {"tenant": "acme", "name": "checked", "sku": "scy-ring-5", "region": "lagos"}
    head = platform.head()
    # the reader's account may only read, and the Git server takes no push: whatever is written fails
    with platform.lab.refuse_pushes():
        checked = platform.module("service_claim", arguments, "--check", "--diff", "-vvv")
    assert checked["changed"]
    assert not checked["failed"]
    assert platform.head() == head
    predicted = checked["diff"]["prepared"]

    applied = platform.module("service_claim", arguments, "--diff", "-vvv")
    assert applied["diff"]["prepared"] == predicted
    made = platform.git("diff", "--no-renames", f"{head}..{applied['commit']}")
    # abbreviated ids grow with the repository they are abbreviated in
    assert _unabbreviated(made) == _unabbreviated(predicted)
    assert checked["operations"] == applied["operations"]


def _unabbreviated(diff: str) -> str:
    return re.sub(r"(?m)^index .*$", "index", diff)


def test_refused_push_is_an_error_in_the_remotes_words(platform: Platform) -> None:
    with platform.lab.refuse_pushes("the branch is frozen"):
        result = platform.module("service_claims", {"claims": [document("frozen")]})
    assert result["failed"]
    assert result["error"]["code"] == "git-refused"
    assert "the branch is frozen" in result["msg"]


def test_four_writers_all_land(platform: Platform) -> None:
    def write(writer: int) -> Json:
        claims = [document(f"w{writer}-{number}", "tenant-crowd") for number in range(5)]
        return platform.module("service_claims", {"claims": claims})

    before = platform.git("rev-list", "--count", "main")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(4)))
    assert not [result for result in results if result["failed"]], results
    assert len({result["commit"] for result in results}) == 4
    assert int(platform.git("rev-list", "--count", "main")) - int(before) == 4
    files = platform.git("ls-tree", "-r", "--name-only", "main", "tenants/crowd/").splitlines()
    for writer in range(4):
        for number in range(5):
            assert f"tenants/crowd/claims/w{writer}-{number}.yaml" in files
            assert f"tenants/crowd/lagos/services/w{writer}-{number}.yaml" in files
    trailers = re.findall(r"Dbaas-Operation: (\S+) create crowd/(w\d-\d)", platform.git("log", "--format=%B", "main"))
    assert len(trailers) == len({operation for operation, _name in trailers}) == 20
    assert platform.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_ten_bad_claims_are_one_error(platform: Platform, tmp_path: Path) -> None:
    bad = [
        document("sku", sku="scy-ring-4"),
        document("region", region="lagoss"),
        document("size", storage={"size": "5TB"}),
        document("small", storage={"size": "10Gi"}),
        document("unknown", colour="red"),
        document("Version", version="5.2.0"),
        document("plan", plan="shared"),
        document("home", replication={"regions": ["johannesburg"]}),
        document("cron", backup={"schedule": "every day"}, networking={"allowedCIDRs": ["10.0.0.0"]}),
        document("elsewhere", region="frankfurt"),
    ]
    src = tmp_path / "bad.yml"
    src.write_text("".join(f"---\n{json.dumps(item)}\n" for item in bad))
    head = platform.head()
    result = platform.module("service_claims", {"src": str(src)})
    assert result["failed"]
    assert platform.head() == head
    wrong = {(field["source"].split("/")[-1], field["path"]) for field in result["error"]["fields"]}
    assert wrong == {
        ("sku", "spec.sku"),
        ("region", "spec.region"),
        ("size", "spec.storage.size"),
        ("small", "spec.storage.size"),
        ("unknown", "spec.colour"),
        ("Version", "metadata.name"),
        ("Version", "spec.version"),
        ("plan", "spec.plan"),
        ("home", "spec.replication.regions"),
        ("cron", "spec.backup.schedule"),
        ("cron", "spec.networking.allowedCIDRs[0]"),
        ("elsewhere", "spec.region"),
    }
    by = {(field["source"].split("/")[-1], field["path"]): field for field in result["error"]["fields"]}
    assert by["region", "spec.region"]["nearest"] == "lagos"
    assert by["small", "spec.storage.size"]["nearest"] == "100Gi"
    for name, path in wrong:
        assert name in result["msg"]
        assert path in result["msg"]


def test_every_manifest_is_accepted_by_the_genuine_crds(platform: Platform, genuine: Any) -> None:
    """Strict server-side dry run by the user that Argo CD applies with, so that the policies have their say too."""
    assert genuine
    claims = [
        document(f"dry-{sku}-{plan}-{len(regions)}", sku=sku, plan=plan, replication={"regions": regions})
        for sku, plan, regions in shipped.every_topology(POPS)
    ]
    claims += [
        document("dry-az", highAvailability={"multiAZ": False}),
        document("dry-quiet", backup={"enabled": False}, observability={"metrics": {"enabled": False}}),
        document("dry-open", networking={"allowedCIDRs": ["10.0.0.0/8", "fd00::/8"]}, version="2025.1.2"),
        document("dry-yb-az", sku="yb-dedicated", highAvailability={"multiAZ": False}, version="2.18.0"),
        document("dry-mongo", sku="mongo-flex-rs", backup={"enabled": False}, replication={"factor": 5}),
        document("dry-df-local", sku="dfly-mem-16g", backup={"enabled": False}, networking={"tls": {"enabled": False}}),
        document("dry-yb-five", sku="yb-clustered", replication={"factor": 5}, storage={"size": "2Ti"}),
    ]
    # what each change leaves behind it
    claims += [document(f"dry-{case.name}", **case.after) for case in CASES]
    # and each once more with all that a claim may ask beyond its SKU
    claims += [
        document(f"ask-{sku}-{plan}-{len(regions)}", sku=sku, plan=plan, replication={"regions": regions}, **asked(sku))
        for sku, plan, regions in shipped.every_topology(POPS)
    ]
    result = platform.module("service_claims", {"claims": claims, "state": "rendered"})
    rendered = result["manifests"]["rendered"]
    assert len(rendered) > 240
    assert {item["object"]["kind"] for item in rendered} >= {engine.kinds[0].kind for engine in ENGINES.values()}
    for sku, plan, regions in shipped.every_topology(POPS):
        # what deprovisioning asks for
        name = f"dry-{sku}-{plan}-{len(regions)}"
        own = [item["object"] for item in rendered if item["pop"] == "lagos" and _service(item["object"]) == name]
        if shipped.takes_a_last_backup(sku):
            for made in ENGINES[shipped.catalog().skus[sku].engine].snapshot(own, f"{name}-12345678"):
                made["metadata"]["namespace"] = NAMESPACE
                rendered.append({"pop": "lagos", "object": made})

    query = "?fieldManager=test&force=true&dryRun=All&fieldValidation=Strict"

    def try_out(item: Json) -> None:
        body = json.dumps(item["object"]).encode()
        api = platform.lab.api(item["pop"], "argocd")
        api.request("PATCH", path_of(item["object"]) + query, body, "application/apply-patch+yaml")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(try_out, rendered))
    note_manifests(len(rendered))


def asked(sku: str) -> Json:
    """Every parameter of the SKU's engine, a placement, windows, and a pause where the engine can."""
    engine = shipped.catalog().skus[sku].engine
    known = shipped.catalog().engines[engine].get("parameters", {})
    values = {name: data["default"] for name, data in known.items() if isinstance(data["default"], (bool, int, float))}
    can_pause = getattr(ENGINES[engine], "optional", {}).get("paused") == ""
    return {
        **TAINTED,
        "parameters": values | {name: data["values"][-1] for name, data in known.items() if "values" in data},
        "maintenance": {"windows": [{"days": ["sat", "sun"], "start": "22:30", "duration": "4h"}]},
        **({"paused": True} if can_pause else {}),
    }


def test_every_change_is_accepted_by_definitions_and_guards(platform: Platform, genuine: Any) -> None:
    """What no dry run of a new object shows: the rules that look at what was there before."""
    assert genuine
    befores: dict[str, Json] = {}
    afters: dict[str, tuple[str, Json]] = {}
    for item in CHANGES:
        before, after = specs(item)
        # changes of one and the same service share it: a dry run leaves it as it is
        name = next((name for name, spec in befores.items() if spec == before), f"was-{item.engine}-{item.name}")
        befores[name] = before
        afters[f"{item.engine}-{item.name}"] = name, after
    was = {name: _made_of(name, spec) for name, spec in befores.items()}
    made = [(key[0], each) for objects in was.values() for key, each in objects.items() if key[1] in DATA_KINDS]
    sent = 0
    try:
        for pop, each in made:
            _apply(platform, pop, each)
        for name, spec in afters.values():
            for key, each in _made_of(name, spec).items():
                if each != was[name].get(key):
                    _apply(platform, key[0], each, "&dryRun=All&fieldValidation=Strict")
                    sent += 1
    finally:
        for pop, each in made:
            api, path = platform.lab.api(pop, "argocd"), path_of(each)
            if live := api.get(path):
                mark = {"metadata": {"annotations": {"dbaas.example.com/deletion": live["metadata"]["uid"]}}}
                api.request("PATCH", path, json.dumps(mark).encode(), "application/merge-patch+json")
                api.request("DELETE", path)
    assert sent >= len(CHANGES)
    note_manifests(sent)


#: kinds that are made for this, and taken away; the copy of a claim is none of them
DATA_KINDS = {kind.kind for engine in ENGINES.values() for kind in engine.kinds}


def _made_of(name: str, spec: Json) -> dict[tuple[str, str, str], Json]:
    """What is rendered of a spec: (PoP, kind, name) -> object."""
    claim, errors = shipped.admit(shipped.document({"serviceId": shipped.ID, **spec}, name, "acme"))
    assert claim is not None, errors
    rendered = render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP)
    return {
        (pop, item["kind"], item["metadata"]["name"]): item for pop, objects in rendered.items() for item in objects
    }


def _apply(platform: Platform, pop: str, item: Json, more: str = "") -> None:
    api, query = platform.lab.api(pop, "argocd"), f"?fieldManager=test&force=true{more}"
    api.request("PATCH", path_of(item) + query, json.dumps(item).encode(), "application/apply-patch+yaml")


def _service(item: Json) -> str:
    return str(item["metadata"].get("labels", {}).get("dbaas.example.com/service", ""))


def refused(platform: Platform, method: str, path: str, body: Json | None = None, user: str = "admin") -> str:
    content = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with pytest.raises(ApiError) as caught:
        platform.lab.api("lagos", user).request(method, path, json.dumps(body).encode() if body else None, content)
    assert caught.value.status in (403, 422)
    return str(caught.value)


def test_policies_keep_what_git_holds(platform: Platform) -> None:
    platform.claim("kept")
    copy = f"/apis/dbaas.example.com/v1alpha1/namespaces/{NAMESPACE}/serviceclaims/kept"
    cluster = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/kept"
    uid = platform.copy("lagos", "kept")["metadata"]["uid"]

    message = refused(platform, "PATCH", copy, {"spec": {"storage": {"size": "900Gi"}}})
    assert "tenants/acme/claims/kept.yaml" in message
    for path in (copy, cluster, f"/api/v1/namespaces/{NAMESPACE}"):
        assert "deprovisioning" in refused(platform, "DELETE", path)
        assert "deprovisioning" in refused(platform, "DELETE", path, user="argocd")
    annotation = {"metadata": {"annotations": {"dbaas.example.com/deletion": uid}}}
    assert "deliverers" in refused(platform, "PATCH", cluster, annotation)
    # the Scylla operator's webhook would refuse these too
    assert "datacenter.name is immutable" in refused(
        platform, "PATCH", cluster, {"spec": {"datacenter": {"name": "elsewhere"}}}, user="argocd"
    )
    assert platform.copy("lagos", "kept")["metadata"]["uid"] == uid


def test_a_lost_file_deletes_nothing(platform: Platform, tmp_path: Path) -> None:
    """With prune on: the objects' own annotations keep them."""
    platform.claim("lost")
    cluster = f"/apis/scylla.scylladb.com/v1/namespaces/{NAMESPACE}/scyllaclusters/lost"
    services = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/services-acme"
    lagos = platform.lab.api("lagos")
    uids = [platform.copy("lagos", "lost")["metadata"]["uid"], (lagos.get(cluster) or {})["metadata"]["uid"]]
    work = platform.clone(tmp_path)
    git(work, "rm", "--quiet", "tenants/acme/lagos/services/lost.yaml")
    git(work, "commit", "--quiet", "--message", "Lose a file")
    git(work, "push", "--quiet")
    head = platform.head()

    def settled() -> bool:
        status = (lagos.get(services) or {})["status"]
        return bool(status["sync"]["revision"] == head and status["sync"]["status"] == "Synced")

    until(settled, 30)
    kept = [platform.copy("lagos", "lost")["metadata"]["uid"], (lagos.get(cluster) or {})["metadata"]["uid"]]
    assert kept == uids
    # the monitors are not data: they go with their file
    rule = f"/apis/monitoring.coreos.com/v1/namespaces/{NAMESPACE}/prometheusrules/lost"
    until(lambda: lagos.get(rule) is None)


def test_below_tenants_stands_the_foundation_alone(platform: Platform) -> None:
    """Whoever may write to Git must not become the cluster's master by an Application of a wider project."""
    applications = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
    own = platform.lab.api("lagos").get(f"{applications}/tenant-acme")
    assert own
    for name, project, path in (
        ("mallory", "default", "tenants/acme/lagos"),
        ("tenant-mallory", "default", "base/charts/tenant"),
        ("tenant-mallory", "platform", "tenants/acme/lagos"),
    ):
        source = {"repoURL": own["spec"]["source"]["repoURL"], "path": path, "targetRevision": "main"}
        tracked = {"argocd.argoproj.io/tracking-id": f"dbaas-tenants:argoproj.io/Application:argocd/{name}"}
        evil = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd", "annotations": tracked},
            "spec": {**own["spec"], "project": project, "source": source},
        }
        assert "foundation alone" in refused(platform, "POST", applications, evil, user="argocd")


def test_the_crd_guards_what_a_schema_cannot_say(platform: Platform) -> None:
    api = platform.lab.api("lagos")
    base = f"/apis/dbaas.example.com/v1alpha1/namespaces/{NAMESPACE}/serviceclaims"
    born = {**document("kubectl"), "spec": {"engine": "scylla", "plan": "dedicated", "region": "lagos"}}
    created = api.request("POST", base, json.dumps(born).encode())
    assert created["spec"]["backup"]["retention"] == "14d"
    path = f"{base}/kubectl"
    for patch, words in (
        ({"engine": "mongodb"}, "engine cannot be changed"),
        ({"region": "johannesburg"}, "region cannot be changed"),
        ({"replication": {"regions": ["johannesburg"]}}, "regions must contain the home region"),
    ):
        assert words in refused(platform, "PATCH", path, {"spec": patch})
    api.patch(path, {"spec": {"storage": {"size": "200Gi"}}})
    assert "storage cannot shrink" in refused(platform, "PATCH", path, {"spec": {"storage": {"size": "100Gi"}}})
    lonely = {**document("lonely"), "spec": {"region": "lagos"}}
    assert "sku, or engine and plan" in refused(platform, "POST", base, lonely)
    # a tenant's own: whoever reconciles after this would commit it
    api.delete(path)


def test_modules_run_in_their_own_process_too(platform: Platform, tmp_path: Path) -> None:
    """`async` is what an action cannot do: the module of the same name does it, and leaves the action nothing to do."""
    claim = {"tenant": "acme", "name": "apart", "sku": "scy-ring-3", "region": "lagos"}
    calls: list[tuple[str, Json]] = [
        ("tenant", {"tenant": "acme", "regions": list(POPS), "owners": ["acme-admins"]}),
        ("tenants", {"tenants": []}),
        ("tenant_info", {"tenants": ["acme"]}),
        ("service_claim", claim),
        ("service_claim", {**claim, "name": "apart-too", "sku": "yb-dedicated", "state": "rendered"}),
        ("service_claims", {"claims": []}),
        ("argocd_application_info", {"pops": ["lagos"], "tenants": ["quiet"]}),
        ("gitops_drift_info", {"tenants": ["quiet"], "fail": False}),
        ("gitops_reconciliation", {"tenants": ["quiet"]}),
        ("service_claim_wait", {"tenant": "acme", "names": ["apart"]}),
        ("service_claim_explanation_info", {"tenant": "acme", "names": ["apart"]}),
        # to what it is: there was nothing before
        ("service_claim_rollback", {"tenant": "acme", "name": "apart", "to": "{{ apart3.commit }}"}),
        ("service_claim_info", {"tenant": "acme", "names": ["apart"]}),
    ]
    tasks: list[Json] = []
    for number, (name, arguments) in enumerate(calls):
        task = {f"dbaas.platform.{name}": arguments}
        tasks += [
            {**task, "register": f"apart{number}", "async": 60, "poll": 1},
            {**task, "register": f"here{number}"},
            {"ansible.builtin.assert": {"that": f"here{number} is not changed"}},
        ]
    last = f"apart{len(calls) - 1}.services[0].phase == 'Active'"
    tasks.append({"ansible.builtin.assert": {"that": last}})
    file = tmp_path / "apart.yml"
    file.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}], sort_keys=False))
    code, output = platform.playbook(str(file), {})
    assert code == 0, output
    assert output.count("ASYNC OK") == len(calls)


def test_a_service_more_applies_nothing_of_the_others(platform: Platform) -> None:
    platform.claim("before")
    platform.claim("after")
    path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/services-acme"
    state = (platform.lab.api("lagos").get(path) or {})["status"]["operationState"]
    applied = {item["name"].partition("-")[0] for item in state["syncResult"]["resources"]}
    # those whose files were lost are among them, since nothing prunes them
    assert "after" in applied
    assert "before" not in applied


def test_lookups_read_the_platform(platform: Platform) -> None:
    platform.claim("looked")
    texts = [
        "{{ lookup('dbaas.platform.service_catalog').skus.keys() | list }}",
        "{{ lookup('dbaas.platform.service_claim', 'acme/looked').phase }}",
        "{{ lookup('dbaas.platform.connection', 'acme/looked').host }}",
    ]
    result = _debug(platform, texts, "admin")
    assert result == [
        list(shipped.catalog().skus),
        "Active",
        "looked-client.tenant-acme.svc.lagos.dbaas.internal",
    ]
    with pytest.raises(AssertionError, match="cannot get resource"):
        _debug(platform, texts[2:], "reader")


def _debug(platform: Platform, texts: list[str], user: str) -> list[Any]:
    command = [
        sys.executable,
        "-m",
        "ansible",
        "adhoc",
        "localhost",
        "-m",
        "ansible.builtin.debug",
        "-a",
        json.dumps({"msg": texts}),
    ]
    done = subprocess.run(
        command, env=environment(platform.lab, user), capture_output=True, text=True, check=False, cwd=ROOT
    )
    platform.printed += [done.stdout, done.stderr]
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[Any] = json.loads(done.stdout[done.stdout.index("{") :])["msg"]
    return found


def test_nothing_secret_is_anywhere(platform: Platform) -> None:
    """It is searched for once more when all tests are over."""
    platform.claim("canary")
    assert not shown(platform)
    # and would be found
    platform.printed.append(platform.lab.git_token("writer"))
    assert shown(platform) == [("printed", platform.printed.pop()[:6])]

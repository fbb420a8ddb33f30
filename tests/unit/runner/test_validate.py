"""Everything that can be wrong in a repository is named, with file, line and code; what is right is not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.problems import Problem, github, gitlab

from tests.unit.runner.test_reconcile import CLAIMS, LAGOS, rendered
from tests.unit.runner.world import World, claim

Json = dict[str, Any]


def problems(world: World, **options: Any) -> list[tuple[str, int, str]]:
    return [
        (item["file"], item["line"], item["code"])
        for item in world.run("gitops_validation_info", **options)["problems"]
    ]


def line(text: str, part: str, nth: int = 1) -> int:
    """The number of the nth line that holds this."""
    return [number for number, each in enumerate(text.splitlines(), start=1) if part in each][nth - 1]


def test_nothing_is_wrong_with_what_we_write(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", replication={"regions": ["lagos", "johannesburg"]})
    rendered(world, tmp_path, "carts")
    result = world.run("gitops_validation_info", strict=True)
    assert (result["problems"], result["report"], result.get("failed")) == ([], "", None)


def test_a_claim_that_is_gone_leaves_orphans(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", replication={"regions": ["lagos", "johannesburg"]})
    rendered(world, tmp_path, "carts")
    world.remove(tmp_path, f"{CLAIMS}/orders.yaml")
    result = world.run("gitops_validation_info")
    derived = ["tenants/acme/johannesburg/services/orders.yaml", f"{LAGOS}/orders.yaml"]
    assert [(item["file"], item["code"], item["severity"]) for item in result["problems"]] == [
        (path, "orphan", "error") for path in derived
    ]
    assert (result["failed"], result["error"]["code"]) == (True, "gitops-invalid")
    assert all(f"{path}:1: acme/orders has no claim" in result["msg"] for path in derived)
    # rendering does not touch them
    assert not world.run("gitops_reconciliation")["changed"]

    world.write(tmp_path, **{f"{LAGOS}/ghost.yaml": world.text(f"{LAGOS}/carts.yaml")})
    assert (f"{LAGOS}/ghost.yaml", 1, "orphan") in problems(world)


def test_a_region_that_the_claim_does_not_name_is_an_orphan(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders")
    there = "tenants/acme/johannesburg/services/orders.yaml"
    world.write(tmp_path, **{there: world.text(f"{LAGOS}/orders.yaml")})
    found = world.run("gitops_validation_info")["problems"]
    assert [(item["file"], item["code"], item["allowed"]) for item in found] == [(there, "orphan", "lagos")]


def test_a_service_id_is_that_of_one_service(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", replication={"regions": ["lagos", "johannesburg"]})
    world.run("tenant", tenant="beta", regions=["lagos"])
    path = f"{CLAIMS}/orders.yaml"
    service_id = world.document(path)["spec"]["serviceId"]
    theirs = "tenants/beta/claims/orders.yaml"
    world.write(tmp_path, **{theirs: documents.dump(claim("orders", "beta", serviceId=service_id))})
    named = [
        (item["file"], item["message"])
        for item in world.run("gitops_validation_info")["problems"]
        if item["code"] == "claim-invalid"
    ]
    expected = [(path, "beta/orders"), (theirs, "acme/orders")]
    assert named == [(file, f"spec.serviceId: {service_id} is also that of {other}") for file, other in expected]


def test_a_derived_file_edited_by_hand_is_named_with_its_first_line(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders")
    path = f"{LAGOS}/orders.yaml"
    text = world.text(path)
    number = line(text, "policyTypes")
    world.write(tmp_path, **{path: text.replace("policyTypes", "policies")})
    assert problems(world) == [(path, number, "derived-edited")]
    # what the file says of itself, as no text
    found = text.replace("dbaas.example.com/requester: ", "dbaas.example.com/requester: [me] # ")
    world.write(tmp_path, **{path: found})
    assert problems(world) == [(path, 1, "derived-edited")]
    # a line that is lost at the end
    world.write(tmp_path, **{path: text.rsplit("\n", 2)[0] + "\n"})
    assert problems(world) == [(path, len(text.splitlines()), "derived-edited")]
    # and all of them
    world.write(tmp_path, **{path: ""})
    assert problems(world) == [(path, 1, "document-invalid")]


FOREIGN = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: everything
rules: []
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: mine
  namespace: tenant-globex
"""


@pytest.mark.parametrize("made_by", ["this version", "another"])
def test_foreign_objects_in_a_derived_file(world: World, tmp_path: Path, made_by: str) -> None:
    rendered(world, tmp_path, "orders")
    path = f"{LAGOS}/orders.yaml"
    text = world.text(path)
    if made_by == "another":
        text = text.replace("dbaas.example.com/renderer: ", "dbaas.example.com/renderer: 0")
    world.write(tmp_path, **{path: text + FOREIGN})
    end = len(text.splitlines())
    role, space = end + line(FOREIGN, "ClusterRole"), end + line(FOREIGN, "tenant-globex")
    edited = [(path, end + 1, "derived-edited")] if made_by == "this version" else []
    lost = end + line(FOREIGN, "metadata:")
    assert problems(world) == [
        *edited,
        (path, role, "foreign-object"),
        (path, lost, "foreign-object"),
        (path, space, "foreign-object"),
    ]
    found = {item["line"]: item for item in world.run("gitops_validation_info")["problems"]}
    assert "ClusterRole everything" in found[role]["message"]
    assert "ScyllaCluster" in found[role]["allowed"]
    assert found[space]["nearest"] == "tenant-acme"


def test_a_foreign_file_of_its_own(world: World, tmp_path: Path) -> None:
    path = f"{LAGOS}/role.yaml"
    world.write(tmp_path, **{path: FOREIGN, f"{LAGOS}/deep/role.json": "{}", "tenants/acme/notes.txt": "x"})
    codes = {(file, code) for file, _line, code in problems(world)}
    assert codes == {
        (path, "foreign-object"),
        (path, "orphan"),
        (f"{LAGOS}/deep/role.json", "unknown-file"),
        ("tenants/acme/notes.txt", "unknown-file"),
    }


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("project: platform", "project: default", "project"),
        ("path: base/charts/tenant", "path: base/charts/mine", "source"),
        ("namespace: tenant-acme", "namespace: tenant-globex", "destination"),
        ("- /tenants/acme/lagos/values.yaml", "- /tenants/globex/lagos/values.yaml", "source"),
    ],
)
@pytest.mark.parametrize("stamp", ["as it was", "of another"])
def test_an_application_that_points_elsewhere(
    world: World, tmp_path: Path, old: str, new: str, part: str, stamp: str
) -> None:
    path = "tenants/acme/lagos/application.yaml"
    text = world.text(path)
    assert text.count(old) == 1
    spoiled = text.replace(old, new)
    code = "derived-edited"
    if stamp == "of another":
        spoiled, code = spoiled.replace(", 0.1.0)", ", 9.9.9)"), ""
    world.write(tmp_path, **{path: spoiled})
    number = line(text, old)
    expected = [(path, number, code)] if code else []
    assert problems(world) == sorted([*expected, (path, line(text, f"  {part}:"), "foreign-object")])


def test_foundations_edited_by_hand(world: World, tmp_path: Path) -> None:
    values, application = (f"tenants/acme/lagos/{name}.yaml" for name in ("values", "application"))
    text = world.text(values)
    edited = text.replace("owners: []", "owners: [mine]")
    assert edited != text
    world.write(tmp_path, **{values: edited, application: world.text(application) + FOREIGN})
    end = len(world.text(application).splitlines()) - len(FOREIGN.splitlines())
    assert problems(world) == [
        (application, end + 1, "derived-edited"),
        (application, end + 2, "foreign-object"),
        (application, end + 8, "foreign-object"),
        (values, line(text, "owners"), "derived-edited"),
    ]
    # rendering puts them right
    assert world.run("gitops_reconciliation")["changed"]
    assert problems(world) == []
    assert world.text(values) == text


def test_a_foundation_that_is_gone_and_one_too_many(world: World, tmp_path: Path) -> None:
    world.run("tenant", tenant="globex", regions=["lagos"])
    world.remove(tmp_path, "tenants/globex/lagos/application.yaml", "tenants/globex/lagos/services/.keep")
    there = "tenants/globex/johannesburg/values.yaml"
    world.write(tmp_path, **{there: world.text("tenants/acme/johannesburg/values.yaml")})
    found = world.run("gitops_validation_info")["problems"]
    assert [(item["file"], item["code"]) for item in found] == [
        (there, "orphan"),
        ("tenants/globex/tenant.yaml", "not-rendered"),
    ]
    assert "application.yaml, tenants/globex/lagos/services/.keep" in found[1]["message"]


def test_a_renamed_folder(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders")
    work = tmp_path / "work"
    world.write(tmp_path, **{"note.txt": "not below tenants"})
    subprocess.run(["git", "mv", "tenants/acme", "tenants/acme2"], cwd=work, check=True)
    found = {(file.removeprefix("tenants/acme2/"), code) for file, _line, code in problems(world, path=str(work))}
    assert ("tenant.yaml", "tenant-invalid") in found
    assert ("claims/orders.yaml", "claim-invalid") in found
    assert ("lagos/services/orders.yaml", "foreign-object") in found


def test_one_syntax_error_does_not_hide_the_others(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders", "carts")
    bad = documents.dump(claim("cart", region="lagoss"))
    world.write(
        tmp_path,
        **{
            "base/catalog/plans.yml": "plans: [\n",
            "base/policies/guards.yaml": "a: 1\na: 2\n",
            "tenants/globex/claims/shop.yaml": "kind: [\n",
            "tenants/acme/tenant.yaml": "kind: Tenant\n",
            f"{CLAIMS}/cart.yaml": bad,
            f"{LAGOS}/orders.yaml": "x: {\n",
        },
    )
    found = [(file, code) for file, _line, code in problems(world)]
    assert found == [
        ("base/catalog/plans.yml", "document-invalid"),
        ("base/policies/guards.yaml", "document-invalid"),
        (f"{LAGOS}/orders.yaml", "document-invalid"),
        *[("tenants/acme/tenant.yaml", "tenant-invalid")] * 3,
        ("tenants/globex/claims/shop.yaml", "document-invalid"),
        ("tenants/globex/tenant.yaml", "tenant-invalid"),
    ]
    # with the catalog whole again, claims of a broken tenant are held against it all the same
    world.write(tmp_path, **{"base/catalog/plans.yml": world.git("show", "main~1:base/catalog/plans.yml")})
    assert (f"{CLAIMS}/cart.yaml", line(bad, "lagoss"), "claim-invalid") in problems(world)


def test_platform_and_catalog(world: World, tmp_path: Path) -> None:
    text = world.text("platform.yml")
    skus = world.text("base/catalog/scylla.yml")
    world.write(
        tmp_path,
        **{
            "platform.yml": text.replace("10.41.0.0/16", "10.41.0.1/16"),
            "base/catalog/scylla.yml": skus.replace("default: true", "default: false", 1),
        },
    )
    found = world.run("gitops_validation_info")["problems"]
    assert [(item["file"], item["line"], item["code"]) for item in found] == [
        ("base/catalog/scylla.yml", line(skus, "versions:"), "catalog-invalid"),
        ("platform.yml", line(text, "10.41.0.0/16"), "option-invalid"),
    ]
    assert found[1]["nearest"] == "10.41.0.0/16"
    world.write(tmp_path, **{"platform.yml": text.replace("layout: 1", "layout: 9")})
    assert problems(world)[-1] == ("platform.yml", 2, "platform-outdated")
    world.remove(tmp_path, "platform.yml")
    assert problems(world)[-1] == ("platform.yml", 1, "platform-missing")


def test_a_deprecated_version_warns(world: World, tmp_path: Path) -> None:
    skus = documents.load_all(world.text("base/catalog/scylla.yml"))[0]
    versions = skus["engines"]["scylla"]["versions"]
    name = next(version for version, data in versions.items() if data["channel"] == "deprecated")
    rendered(world, tmp_path, "orders", version=name)
    result = world.run("gitops_validation_info")
    assert [(item["code"], item["severity"]) for item in result["problems"]] == [("claim-warning", "warning")]
    assert "failed" not in result
    assert world.run("gitops_validation_info", strict=True)["failed"]


def test_a_working_copy_is_looked_at_as_it_lies(world: World, tmp_path: Path) -> None:
    """Detached, with files that are not committed, and with links, which are never followed."""
    rendered(world, tmp_path, "orders")
    subprocess.run(["git", "clone", "--quiet", world.url, "copy"], cwd=tmp_path, check=True)
    work = tmp_path / "copy"
    subprocess.run(["git", "checkout", "--quiet", "--detach"], cwd=work, check=True)
    assert problems(world, path=str(work), repository="file:///nowhere") == []
    (work / CLAIMS / "cart.yaml").write_text("kind: [\n")
    (work / LAGOS / "link.yaml").symlink_to("../../../../../../../../etc/passwd")
    (work / "tenants/acme/claims/more").symlink_to("/etc")
    assert problems(world, path=str(work)) == [
        (f"{CLAIMS}/cart.yaml", 2, "document-invalid"),
        ("tenants/acme/claims/more", 1, "unknown-file"),
        *[(f"{LAGOS}/link.yaml", 1, "foreign-object")] * 2,
        (f"{LAGOS}/link.yaml", 1, "orphan"),
    ]
    with pytest.raises(DbaasError, match="is no folder"):
        world.run("gitops_validation_info", path=str(work / "nowhere"))


def test_what_a_request_changes_of_derived_files(world: World, tmp_path: Path) -> None:
    """Also where a file that was edited says of itself that it was made from something else."""
    rendered(world, tmp_path, "orders", "carts")
    subprocess.run(["git", "clone", "--quiet", world.url, "copy"], cwd=tmp_path, check=True)
    work = tmp_path / "copy"
    look: Json = {"path": str(work), "since": "HEAD"}
    assert problems(world, **look) == []
    spoiled = world.text(f"{LAGOS}/orders.yaml").replace("claim-blob: ", "claim-blob: f")
    (work / LAGOS / "orders.yaml").write_text(spoiled)
    (work / LAGOS / "carts.yaml").unlink()
    (work / LAGOS / "more.yaml").write_text(world.text(f"{LAGOS}/carts.yaml"))
    (work / CLAIMS / "carts.yaml").write_text("# a person's own\n" + world.text(f"{CLAIMS}/carts.yaml"))
    told = problems(world, **look)
    edited = {file for file, number, code in told if (number, code) == (1, "derived-edited")}
    assert edited == {f"{LAGOS}/{name}.yaml" for name in ("orders", "carts", "more")}
    # it is the same when it is committed
    identity = ["-c", "user.name=p", "-c", "user.email=p@example.com"]
    for command in (["add", "--all"], [*identity, "commit", "--quiet", "--message", "A request"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    assert problems(world, path=str(work), since="HEAD^1") == told
    with pytest.raises(DbaasError, match="since: nowhere: "):
        world.run("gitops_validation_info", path=str(work), since="nowhere")
    (tmp_path / "plain").mkdir()
    with pytest.raises(DbaasError, match="not a git repository"):
        world.run("gitops_validation_info", path=str(tmp_path / "plain"), since="HEAD")


def test_reports_for_pipelines(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders")
    world.write(tmp_path, **{f"{CLAIMS}/cart.yaml": documents.dump(claim("cart", region="lagoss"))})
    world.lines.clear()
    result = world.run("gitops_validation_info", format="github")
    assert world.lines == result["report"].splitlines()
    words = "spec.region: given 'lagoss', allowed: one of lagos, johannesburg; nearest: lagos"
    assert world.lines == [f"::error file={CLAIMS}/cart.yaml,line=8,title=claim-invalid::{words}"]
    world.lines.clear()
    dest = tmp_path / "report.json"
    world.run("gitops_validation_info", format="gitlab", dest=str(dest), check=True)
    assert not dest.exists()
    result = world.run("gitops_validation_info", format="gitlab", dest=str(dest))
    assert dest.read_text() == result["report"]
    assert world.lines == []
    entry = json.loads(dest.read_text())[0]
    assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
    assert entry["location"] == {"path": f"{CLAIMS}/cart.yaml", "lines": {"begin": 8}}
    assert (entry["severity"], entry["check_name"]) == ("major", "claim-invalid")
    with pytest.raises(DbaasError, match="dest: "):
        world.run("gitops_validation_info", dest=str(tmp_path / "no/such/folder"))


def test_escapes_of_workflow_commands() -> None:
    """As actions/toolkit escapes them: data %, CR and LF; properties colon and comma too."""
    item = Problem("a,b:c%.yaml", 3, "x", "50 %: a, b\r\nnext", "warning")
    assert github([item]) == [
        "::warning file=a%2Cb%3Ac%25.yaml,line=3,title=x::50 %25: a, b%0D%0Anext",
    ]


def test_fingerprints_of_code_quality() -> None:
    one, moved, other = Problem("f", 1, "x", "m"), Problem("f", 9, "x", "m"), Problem("f", 1, "x", "n", "warning")
    prints = [gitlab([item])[0]["fingerprint"] for item in (one, moved, other)]
    assert prints[0] == prints[1] != prints[2]
    twice = gitlab([one, moved])
    assert twice[0]["fingerprint"] != twice[1]["fingerprint"]
    assert gitlab([other])[0]["severity"] == "minor"


def test_every_kind_of_file_that_we_write_has_its_place(world: World, tmp_path: Path) -> None:
    rendered(world, tmp_path, "orders")
    places = {path: paths.place(path) for path in world.files() if path.startswith("tenants/")}
    assert {place.kind for place in places.values()} == {"tenant", "claim", "foundation", "service", "keep"}
    assert paths.place(paths.service("a", "lagos", "s")) == paths.Place("service", "a", "lagos", "s")
    assert paths.place("tenants/a/lagos/services/snapshots/s-01234567.yaml").kind == "snapshot"
    assert paths.place("tenants/a/retained/s.yaml") == paths.Place("retained", "a", "", "s")
    for odd in ("claims/x/y.yaml", "claims/application.yaml/x", "x.yaml", "claims/services/x.yaml", "x/y/values.yaml"):
        assert paths.place(f"tenants/a/{odd}").kind == "unknown"
    assert paths.place("tenants/x.yaml").kind == "unknown"

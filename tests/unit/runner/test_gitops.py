"""gitops_repository: what it writes at first, and what it leaves alone ever after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.tools.tree import ROOT
from tests.unit.runner.world import POPS, SHIPPED, World

FRANKFURT = {"name": "frankfurt", "cluster_domain": "frankfurt.dbaas.internal", "context": "fra"}


def shipped(**changes: str) -> dict[str, Any]:
    """What a later version of the collection would ship: files of base/ and catalog with other content."""
    newer = {part: dict(files) if isinstance(files, dict) else files for part, files in SHIPPED.items()}
    newer["base"] |= {path: text for path, text in changes.items() if "/" in path}
    newer["catalog"] |= {path: text for path, text in changes.items() if "/" not in path}
    return newer


def test_an_empty_repository_gets_everything_in_one_commit(empty: World) -> None:
    result = empty.run("gitops_repository", pops=POPS, requester="ada")
    assert result["changed"]
    assert result["commit"] == empty.head()
    assert empty.commits() == 1
    assert result["files"] == sorted(empty.files())
    assert empty.git("log", "-1", "--format=%an").strip() == "ada"

    for path in (ROOT / "gitops").rglob("*"):
        if path.is_file() and path.suffix != ".md":
            assert empty.text(f"base/{path.relative_to(ROOT / 'gitops')}") == path.read_text()
    for name in ("plans.yml", "regions.yml", "scylla.yml"):
        assert empty.text(f"base/catalog/{name}") == (ROOT / "catalog" / name).read_text()
    assert "base/catalog/platform.yml" not in empty.files()
    assert empty.document("platform.yml") == {
        "layout": 1,
        "repoURL": empty.url,
        "branch": "main",
        "pops": {
            "lagos": {"clusterDomain": "lagos.dbaas.internal", "podCIDRs": ["10.41.0.0/16"]},
            "johannesburg": {"clusterDomain": "johannesburg.dbaas.internal", "podCIDRs": ["10.42.0.0/16"]},
        },
    }


def test_the_roots_are_what_a_bootstrap_applies(empty: World) -> None:
    argocd = {"namespace": "gitops", "destination": "here"}
    result = empty.run("gitops_repository", pops=[{**POPS[0], "argocd": argocd}], repo_url="https://git.example.com/x")
    root = result["roots"]["lagos"]
    assert root["metadata"]["namespace"] == "gitops"
    assert root["spec"]["source"] == {
        "repoURL": "https://git.example.com/x",
        "targetRevision": "main",
        "path": "overlays/lagos",
    }
    assert root["spec"]["destination"]["name"] == "here"


def test_a_second_run_changes_nothing(empty: World) -> None:
    empty.run("gitops_repository", pops=POPS)
    head = empty.head()
    again = empty.run("gitops_repository", pops=POPS, diff=True)
    assert (again["changed"], again["files"], again["commit"], again["diff"]) == (False, [], None, {"prepared": ""})
    assert set(again["roots"]) == {"lagos", "johannesburg"}
    assert empty.head() == head


def test_check_mode_writes_nothing_and_shows_the_commit(empty: World) -> None:
    checked = empty.run("gitops_repository", pops=POPS, check=True, diff=True)
    assert (checked["changed"], checked["commit"], empty.head()) == (True, None, "")
    applied = empty.run("gitops_repository", pops=POPS, diff=True)
    assert checked["files"] == applied["files"]
    assert checked["diff"] == applied["diff"]
    assert "+++ b/platform.yml" in applied["diff"]["prepared"]


def test_a_newer_collection_leaves_the_base_alone_until_it_is_told(empty: World) -> None:
    empty.run("gitops_repository", pops=POPS)
    newer = shipped(**{"rbac/reader.yaml": "# newer\n"})
    assert not empty.run("gitops_repository", pops=POPS, shipped=newer)["changed"]

    upgraded = empty.run("gitops_repository", pops=POPS, shipped=newer, upgrade=True)
    assert upgraded["files"] == ["base/rbac/reader.yaml"]
    assert empty.text("base/rbac/reader.yaml") == "# newer\n"
    assert not empty.run("gitops_repository", pops=POPS, shipped=newer, upgrade=True)["changed"]


def test_a_pop_more_touches_nothing_of_the_others(empty: World) -> None:
    empty.run("gitops_repository", pops=POPS)
    scylla = SHIPPED["catalog"]["scylla.yml"].replace("version: v1.21.1", "version: v9.9.9")
    newer = shipped(**{"rbac/reader.yaml": "# newer\n", "scylla.yml": scylla})
    result = empty.run("gitops_repository", pops=[*POPS, FRANKFURT], shipped=newer)
    names = (
        "applications.yaml",
        "policies/claims.yaml",
        "policies/protection.yaml",
        "projects.yaml",
        "rbac/observer.yaml",
    )
    overlay = [f"overlays/frankfurt/{name}" for name in (*names, "tenants/values.yaml")]
    assert result["files"] == [*overlay, "platform.yml"]
    assert list(empty.document("platform.yml")["pops"]) == ["lagos", "johannesburg", "frankfurt"]
    # the operator that the new PoP runs is that of the repository's catalog, as in the other PoPs
    applications = documents.load_all(empty.text("overlays/frankfurt/applications.yaml"))
    revisions = {item["metadata"]["name"]: item["spec"]["source"]["targetRevision"] for item in applications}
    assert revisions["dbaas-operator-scylla"] == "v1.21.1"


def test_a_changed_pop_has_its_overlay_written_anew(empty: World) -> None:
    empty.run("gitops_repository", pops=POPS)
    users = ["system:serviceaccount:argocd:other"]
    result = empty.run("gitops_repository", pops=[{**POPS[0], "deliverers": users}, POPS[1]])
    assert "overlays/lagos/policies/protection.yaml" in result["files"]
    assert not [path for path in result["files"] if "johannesburg" in path]
    assert users[0] in empty.text("overlays/lagos/policies/protection.yaml")


def test_the_repositorys_new_address_reaches_every_overlay(empty: World) -> None:
    empty.run("gitops_repository", pops=POPS)
    moved = empty.run("gitops_repository", pops=POPS, repo_url="https://git.example.com/moved.git")
    for pop in POPS:
        assert f"overlays/{pop['name']}/applications.yaml" in moved["files"]
        assert "moved.git" in empty.text(f"overlays/{pop['name']}/applications.yaml")


def test_a_pop_is_never_dropped(empty: World) -> None:
    empty.run("gitops_repository", pops=POPS)
    error = empty.refused("gitops_repository", pops=POPS[:1])
    assert isinstance(error, InvalidFields)
    assert "johannesburg" in error.errors[0].allowed


def test_all_that_is_wrong_with_the_pops_is_named(empty: World) -> None:
    pops = [{"name": "Lagos"}, {"name": "claims", "pod_cidrs": ["10.41.0.1/16"], "components": ["crd"]}]
    error = empty.refused("gitops_repository", pops=pops)
    assert isinstance(error, InvalidFields)
    assert [item.path for item in error.errors] == [
        "pops.Lagos",
        "pops.claims",
        "pops.claims.components[0]",
        "pops.claims.podCIDRs[0]",
    ]
    assert empty.refused("gitops_repository", pops=[]).code == "option-invalid"


def test_a_layout_that_is_not_ours_is_left_alone(empty: World, tmp_path: Path) -> None:
    empty.run("gitops_repository", pops=POPS)
    empty.write(tmp_path, **{"platform.yml": "layout: 2\n"})
    assert empty.refused("gitops_repository", pops=POPS, upgrade=True).code == "platform-outdated"
    empty.write(tmp_path, **{"platform.yml": "# nothing\n"})
    assert empty.refused("gitops_repository", pops=POPS).code == "platform-outdated"


def test_a_pop_given_twice_is_refused(empty: World) -> None:
    error = empty.refused("gitops_repository", pops=[POPS[0], POPS[0]])
    assert isinstance(error, InvalidFields)
    assert error.errors[0].path == "pops[1].name"


def test_the_address_of_one_writer_does_not_move_the_platform(empty: World) -> None:
    empty.set_up()
    assert not empty.run("gitops_repository", pops=POPS, repository=str(empty.repository))["changed"]


def test_another_address_moves_the_foundations_of_all_tenants_too(empty: World) -> None:
    empty.set_up()
    moved = empty.run("gitops_repository", pops=POPS, repo_url="https://git.example.com/x")
    assert "tenants/acme/lagos/application.yaml" in moved["files"]
    for path in empty.files():
        if not path.startswith("base/"):
            assert empty.url not in empty.text(path)
    assert not empty.run("gitops_repository", pops=POPS)["changed"]
    assert not empty.run("tenant", tenant="acme", regions=["lagos", "johannesburg"])["changed"]


def test_a_password_in_the_address_never_reaches_git(empty: World) -> None:
    for address in ("https://ada:canary@git.example.com/x", "https://canary@git.example.com/x"):
        error = empty.refused("gitops_repository", pops=POPS, repo_url=address)
        assert "repo_url" in str(error)
        assert "canary" not in str(error)


def test_awx_comes_into_the_pop_it_runs_in(world: World) -> None:
    awx = {"hostname": "awx.example.com"}
    result = world.run("gitops_repository", pops=[{"name": "lagos", "awx": awx}], merge=True)
    assert result["files"] == ["overlays/lagos/applications.yaml", "overlays/lagos/awx/awx.yaml", "platform.yml"]
    assert sorted(world.document("platform.yml")["pops"]) == ["johannesburg", "lagos"]
    assert world.document("platform.yml")["pops"]["lagos"] == {
        "clusterDomain": "lagos.dbaas.internal",
        "podCIDRs": ["10.41.0.0/16"],
        "awx": awx,
    }
    folder = "overlays/lagos"
    listed = documents.load_all(world.text(f"{folder}/applications.yaml"))
    applications = {item["metadata"]["name"]: item["spec"] for item in listed}
    assert applications["dbaas-awx"]["source"]["path"] == "overlays/lagos/awx"
    assert applications["dbaas-awx"]["destination"]["namespace"] == "awx"
    assert applications["dbaas-operator-awx"]["source"]["chart"] == "awx-operator"
    objects = documents.load_all(world.text(f"{folder}/awx/awx.yaml"))
    kept = {item["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] for item in objects}
    assert kept == {"Prune=false,Delete=false"}
    # it stays for whoever sets the platform up again without a word of it
    assert not world.run("gitops_repository", pops=POPS)["changed"]
    error = world.refused("gitops_repository", pops=[{"name": "johannesburg", "awx": awx}], merge=True)
    assert "one AWX per platform; it runs in" in str(error)

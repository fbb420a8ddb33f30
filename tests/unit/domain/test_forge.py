"""Where the Git host is, and what a merge request says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform, proposal
from ansible_collections.dbaas.platform.plugins.module_utils.domain.consequences import Effects
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.forge import Place, place
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Operation

GITHUB, GITHUB_API = "github", "https://api.github.com"


@pytest.mark.parametrize(
    ("repository", "given", "found"),
    [
        ("https://github.com/acme/gitops.git", None, (GITHUB, GITHUB_API, "acme/gitops")),
        ("https://github.com/acme/gitops", {}, (GITHUB, GITHUB_API, "acme/gitops")),
        ("git@github.com:acme/gitops.git", None, (GITHUB, GITHUB_API, "acme/gitops")),
        ("ssh://git@github.com:22/acme/gitops.git", None, (GITHUB, GITHUB_API, "acme/gitops")),
        ("https://gitlab.com/a/b/c.git", None, ("gitlab", "https://gitlab.com/api/v4", "a/b/c")),
        ("git@gitlab.acme.org:a/b.git", None, ("gitlab", "https://gitlab.acme.org/api/v4", "a/b")),
        ("https://git@gitlab.acme.org:8443/a/b", None, ("gitlab", "https://gitlab.acme.org:8443/api/v4", "a/b")),
        ("ssh://git@gitlab.acme.org:2222/a/b", None, ("gitlab", "https://gitlab.acme.org/api/v4", "a/b")),
        ("http://code.acme.org/a/b", {"type": GITHUB}, (GITHUB, "http://code.acme.org/api/v3", "a/b")),
        (
            "http://git.svc.cluster.local/x.git",
            {"type": "gitlab", "api": "https://code.acme.org/gitlab/api/v4/", "project": "a/b"},
            ("gitlab", "https://code.acme.org/gitlab/api/v4", "a/b"),
        ),
        (
            "/srv/git/x.git",
            {"type": GITHUB, "api": "https://h/api/v3", "project": "a/b"},
            (GITHUB, "https://h/api/v3", "a/b"),
        ),
    ],
)
def test_the_address_tells_where_the_host_is(
    repository: str, given: dict[str, str] | None, found: tuple[str, str, str]
) -> None:
    assert place(given, repository) == Place(*found)


@pytest.mark.parametrize(
    ("repository", "given", "wrong"),
    [
        ("https://code.acme.org/a/b.git", None, ["forge.type"]),
        ("/srv/git/x.git", None, ["forge.type", "forge.project"]),
        ("/srv/x.git", {"type": GITHUB}, ["forge.api", "forge.project"]),
        ("file:///x.git", {"type": "gitlab", "api": "code.acme.org"}, ["forge.api", "forge.project"]),
        ("https://github.com/a/b/c.git", None, ["forge.project"]),
        ("https://notgithub.com/a/b.git", None, ["forge.type"]),
    ],
)
def test_what_neither_says_is_named(repository: str, given: dict[str, str] | None, wrong: list[str]) -> None:
    with pytest.raises(InvalidFields) as caught:
        place(given, repository)
    assert caught.value.code == "option-invalid"
    assert [(error.path, error.source) for error in caught.value.errors] == [(path, "platform.yml") for path in wrong]


def test_platform_yml_holds_it() -> None:
    host = {"type": "gitlab", "project": "a/b"}
    document = platform.document("https://code.acme.org/a/b.git", "main", {"lagos": {}}, host)
    assert platform.parse(document).forge == host
    assert platform.parse(platform.document("u", "main", {"lagos": {}})).forge is None
    assert "forge" not in platform.document("u", "main", {"lagos": {}}, {})
    with pytest.raises(InvalidFields) as caught:
        platform.parse({**document, "forge": {"type": "gitea", "host": "x"}})
    assert {error.path for error in caught.value.errors} == {"forge.type", "forge.host"}


def operation(name: str, **effects: Any) -> Operation:
    found = {"restart": "none", "seconds": 60, "cost_before": 100, "cost_after": 150, **effects}
    return Operation(f"id-{name}", "acme", name, "update", ("spec.storage.size",), ("lagos",), Effects(**found))


MESSAGE = "Update service acme/orders\n\nDbaas-Operation: id-orders update acme/orders requester=me deadline=30m\n"


def test_a_request_about_one_service_tells_its_plan() -> None:
    item = operation("orders", restart="rolling", irreversible=("spec.storage.size: volumes never shrink",))
    unchanged = Operation("", "acme", "other", "unchanged")
    found = proposal.of_services("service", [item, unchanged], MESSAGE)
    assert found == proposal.Proposal(
        "dbaas/service/acme/orders",
        "Update service acme/orders",
        "**acme/orders**: update spec.storage.size\n\n"
        "- restart: rolling; about 60 s\n"
        "- cost: $100 -> $150 a month (+$50)\n"
        "- cannot be undone: spec.storage.size: volumes never shrink\n\n"
        "Dbaas-Operation: id-orders update acme/orders requester=me deadline=30m",
        ("dbaas", "restart-rolling", "irreversible"),
    )


def test_many_services_are_told_of_in_sums() -> None:
    items = [operation(f"s{number}", restart="outage" if number == 5 else "none") for number in range(20)]
    items[3] = operation("s3", irreversible=("x",))
    found = proposal.of_services("service", items, MESSAGE)
    assert found.body.startswith(
        "- 20 services; restart: 19 none, 1 outage\n- cost: $2000 -> $3000 a month (+1000 USD)\n"
        "- 1 of them lose what cannot be brought back\n"
    )
    assert found.labels == ("dbaas", "restart-outage", "irreversible")


def test_a_branch_is_named_after_what_changes() -> None:
    items = [operation("a"), operation("b")]
    found = proposal.of_services("service", items, MESSAGE)
    assert found.branch == proposal.of_services("service", items[::-1], MESSAGE).branch
    others = [proposal.of_services("service", [*items, operation("c")], MESSAGE)]
    others += [proposal.of_services("delete", items, MESSAGE), proposal.of_services("service", items[:1], MESSAGE)]
    assert len({found.branch, *(other.branch for other in others)}) == 4
    # another plan for the same services is another text on the same branch
    changed = proposal.of_services("service", [operation("a", restart="rolling"), items[1]], MESSAGE)
    assert (changed.branch, changed.body == found.body) == (found.branch, False)
    assert proposal.of_services("reconcile", items, MESSAGE, ["all"]).branch == "dbaas/reconcile/all"
    # what has asked for changes of theirs is found when there are none any more
    still = [replace(item, action="unchanged") for item in items]
    assert proposal.of_services("service", still, "").branch == found.branch


def test_files_are_listed_as_far_as_people_read() -> None:
    found = proposal.of_files("tenant", ["acme"], [f"tenants/acme/{number:03}" for number in range(250)], "Change it\n")
    assert found.branch == "dbaas/tenant/acme"
    assert found.title == "Change it"
    lines = found.body.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("- `tenants/acme/000`", "- and 150 more files", 101)


def test_no_text_is_longer_than_a_host_takes() -> None:
    trailers = "".join(f"Dbaas-Operation: {number:036} update acme/s{number}\n" for number in range(5000))
    found = proposal.of_services("service", [operation(f"s{number}") for number in range(5000)], f"Many\n\n{trailers}")
    assert 59_000 < len(found.body) < 65_536

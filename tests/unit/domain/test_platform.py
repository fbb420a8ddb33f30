from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform as platforms
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields

Json = dict[str, Any]

ARGOCD = "system:serviceaccount:argocd:argocd-application-controller"


def written(pops: Any) -> Json:
    return {"layout": 1, "repoURL": "https://git.example.com/x.git", "branch": "main", "pops": pops}


def test_defaults() -> None:
    platform = platforms.parse(written({"lagos": None}))
    assert (platform.repo_url, platform.branch) == ("https://git.example.com/x.git", "main")
    pop = platform.pops["lagos"]
    assert (pop.name, pop.context, pop.cluster_domain, pop.pod_cidrs) == ("lagos", "lagos", "cluster.local", ())
    assert (pop.argocd_namespace, pop.destination, pop.argocd_user) == ("argocd", "in-cluster", ARGOCD)
    assert pop.deliverers == (ARGOCD,)
    assert pop.components == platforms.COMPONENTS


def test_all_that_can_be_said() -> None:
    data = {
        "context": "lagos-admin",
        "clusterDomain": "lagos.internal",
        "podCIDRs": ["10.0.0.0/16", "fd00::/64"],
        "argocd": {"namespace": "cd", "destination": "pop", "user": "robot"},
        "components": ["crds", "tenants"],
    }
    pop = platforms.parse(written({"lagos": data})).pops["lagos"]
    assert (pop.context, pop.cluster_domain, pop.pod_cidrs) == (
        "lagos-admin",
        "lagos.internal",
        ("10.0.0.0/16", "fd00::/64"),
    )
    assert (pop.argocd_namespace, pop.destination, pop.argocd_user) == ("cd", "pop", "robot")
    assert pop.deliverers == ("robot",)
    assert pop.components == ("crds", "tenants")
    more = platforms.parse(written({"lagos": {**data, "deliverers": ["a", "b"]}}))
    assert more.pops["lagos"].deliverers == ("a", "b")


@pytest.mark.parametrize(
    ("pops", "path"),
    [
        ({}, "pops"),
        ([], "pops"),
        (None, "pops"),
        ({"lagos": []}, "pops.lagos"),
        ({"lagos": {"contexts": "x"}}, "pops.lagos.contexts"),
        ({"lagos": {"components": ["crd"]}}, "pops.lagos.components[0]"),
        ({"lagos": {"podCIDRs": "10.0.0.0/8"}}, "pops.lagos.podCIDRs"),
        ({"lagos": {"podCIDRs": ["10.0.0.0/8", "10.0.0.1/8"]}}, "pops.lagos.podCIDRs[1]"),
        ({"lagos": {"podCIDRs": ["300.0.0.0/8"]}}, "pops.lagos.podCIDRs[0]"),
        ({"Lagos": {}}, "pops.Lagos"),
        ({"claims": {}}, "pops.claims"),
        ({"retained": {}}, "pops.retained"),
        ({"a" * 21: {}}, f"pops.{'a' * 21}"),
        ({"../lagos": {}}, "pops.../lagos"),
    ],
)
def test_refusals(pops: Any, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        platforms.parse(written(pops))
    assert caught.value.code == "option-invalid"
    assert [error.path for error in caught.value.errors] == [path]


def test_all_refusals_at_once() -> None:
    with pytest.raises(InvalidFields) as caught:
        platforms.parse(
            {"layout": 1, "branch": "", "pops": {"lagos": {"components": ["x"], "podCIDRs": ["y"]}}, "z": 1}
        )
    assert {error.path for error in caught.value.errors} == {
        "repoURL",
        "branch",
        "pops.lagos.components[0]",
        "pops.lagos.podCIDRs[0]",
        "z",
    }


@pytest.mark.parametrize("document", [None, [], {}, {"layout": 2}, {"layout": "1"}])
def test_a_layout_that_is_not_ours(document: Any) -> None:
    with pytest.raises(InvalidFields) as caught:
        platforms.parse(document)
    assert caught.value.code == "platform-outdated"


def test_what_is_written_is_read_again() -> None:
    document = platforms.document("https://git.example.com/x.git", "main", {"lagos": {}})
    assert document == written({"lagos": {}})
    assert list(platforms.parse(document).pops) == ["lagos"]
    with pytest.raises(DbaasError, match="at least one point of presence"):
        platforms.document("https://git.example.com/x.git", "main", {})

"""What the policies are made of; tests/integration shows what an API server does with them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import policies
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES, operator_kinds

from tests.unit.domain import shipped

Json = dict[str, Any]

POP = shipped.platform().pops["lagos"]


def pairs(documents: list[Json]) -> dict[str, Json]:
    """The policies by name, each proved to be bound, to fail closed and to deny."""
    found = {
        item["metadata"]["name"]: item["spec"] for item in documents if item["kind"] == "ValidatingAdmissionPolicy"
    }
    bound = [item["spec"] for item in documents if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {item["policyName"] for item in bound} == set(found)
    assert all(item["validationActions"] == ["Deny"] for item in bound)
    assert all(spec["failurePolicy"] == "Fail" for spec in found.values())
    assert len(documents) == 2 * len(found)
    return found


def matched(spec: Json) -> dict[str, list[str]]:
    rules = spec["matchConstraints"]["resourceRules"]
    return {resource: rule["operations"] for rule in rules for resource in rule["resources"]}


def test_what_nobody_may_do_to_a_service() -> None:
    found = pairs(policies.protection(POP, shipped.platform()))
    data = {"serviceclaims", *(kind.plural for kind in operator_kinds())}
    assert {name: matched(spec) for name, spec in found.items()} == {
        "dbaas-foundations": {"applications": ["CREATE", "UPDATE"]},
        "dbaas-git-born-claims": {"serviceclaims": ["CREATE", "UPDATE"]},
        "dbaas-keep-data": {name: ["DELETE"] for name in (*data, "namespaces", "customresourcedefinitions")},
        "dbaas-ask-for-deletion": {
            name: ["CREATE", "UPDATE"] for name in (*data, "namespaces", "customresourcedefinitions")
        },
    }


def test_what_charts_make_is_kept_where_there_are_charts() -> None:
    plain, charted = (
        pairs(policies.protection(POP, shipped.platform(), by_chart=by_chart)) for by_chart in (False, True)
    )
    assert {name: matched(charted[name]) for name in charted.keys() - plain.keys()} == {
        "dbaas-keep-chart-data": {"statefulsets": ["DELETE"], "persistentvolumeclaims": ["DELETE"]},
        "dbaas-ask-for-chart-deletion": {
            "statefulsets": ["CREATE", "UPDATE"],
            "persistentvolumeclaims": ["CREATE", "UPDATE"],
        },
    }
    # operators have such objects too, and let them go
    (condition,) = charted["dbaas-keep-chart-data"]["matchConditions"]
    assert condition["expression"] == "oldObject.metadata.?labels['dbaas.example.com/driver'].orValue('') == 'chart'"


def test_the_deliverers_of_the_pop_are_named() -> None:
    pop = replace(POP, deliverers=("robot", 'it\'s "me"'))
    for name, spec in pairs(policies.protection(pop, shipped.platform())).items():
        if name == "dbaas-foundations":
            continue
        (rule,) = spec["validations"]
        assert 'request.userInfo.username in ["robot", "it\'s \\"me\\""]' in rule["expression"]


def test_deletion_asks_for_the_uid_of_the_object_itself() -> None:
    spec = pairs(policies.protection(POP, shipped.platform()))["dbaas-keep-data"]
    (rule,) = spec["validations"]
    assert "annotations['dbaas.example.com/deletion'].orValue('') == oldObject.metadata.uid" in rule["expression"]
    # by name: a label could be taken away first
    (condition,) = spec["matchConditions"]
    assert "name.startsWith('tenant-')" in condition["expression"]
    # a definition takes all its objects along, and no admission is asked about them
    assert '"scyllaclusters.scylla.scylladb.com"' in condition["expression"]


def test_an_application_of_a_tenant_is_its_foundation_and_nothing_more() -> None:
    (rule,) = pairs(policies.protection(POP, shipped.platform()))["dbaas-foundations"]["validations"]
    terms = rule["expression"].split(" && ")
    platform = shipped.platform()
    for term in (
        "object.spec.project == 'platform'",
        f"object.spec.?source.repoURL.orValue('') == \"{platform.repo_url}\"",
        f"object.spec.?source.targetRevision.orValue('') == \"{platform.branch}\"",
        "object.spec.?source.path.orValue('') == 'base/charts/tenant'",
        "!object.spec.?source.helm.valuesObject.hasValue()",
        "!object.spec.?source.helm.namespace.hasValue()",
        "!object.spec.?sourceHydrator.hasValue()",
        "!object.?operation.sync.manifests.hasValue()",
        "object.metadata.?annotations['argocd.argoproj.io/sync-options'].orValue('') == 'Prune=false,Delete=false'",
    ):
        assert term in terms


def test_guards_are_the_same_everywhere() -> None:
    found = pairs(policies.guards())
    guarded = [kind.plural for engine in ENGINES.values() for kind in engine.guards()]
    assert {"scyllaclusters", "ybuniverses"} <= set(guarded)
    assert {name: matched(spec) for name, spec in found.items()} == {
        f"dbaas-guard-{plural}": {plural: ["CREATE", "UPDATE"]} for plural in guarded
    }
    assert all("userInfo" not in json.dumps(spec) for spec in found.values())


def test_every_rule_has_one_message() -> None:
    for spec in pairs([*policies.protection(POP, shipped.platform()), *policies.guards()]).values():
        for rule in spec["validations"]:
            assert ("message" in rule) != ("messageExpression" in rule)
            assert rule["reason"] == "Forbidden"

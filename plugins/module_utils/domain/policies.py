# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Admission policies: what nobody may do to a service but by its file, and what the operators would refuse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.tenant import KEEP
from ansible_collections.dbaas.platform.plugins.module_utils.engines import BY_CHART, ENGINES, operator_kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import (
    APPLICATION,
    CLAIM,
    DEFINITION,
    DRIVER,
    GROUP,
    NAMESPACE,
    STATEFUL_SET,
    VOLUME_CLAIM,
    Kind,
)

Json = dict[str, Any]

#: What holds a service: it goes only when its own uid stands in the annotation DELETION, set by a deliverer.
DATA = (CLAIM, *operator_kinds())
DELETION = f"{GROUP}/deletion"
#: what takes data along when it goes: the API server asks nobody about the objects of a definition or a namespace
_KEPT = (*DATA, NAMESPACE, DEFINITION)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def protection(pop: Pop, platform: Platform, *, by_chart: bool = False) -> list[Json]:
    """The policies that name users, so they differ between PoPs; by_chart: charts make services there too."""
    # a JSON text is a CEL text too, whatever quotes a user's name holds
    deliverers = "request.userInfo.username in " + json.dumps(list(pop.deliverers))
    delivered = f"{{0}}.metadata.?annotations['{GROUP}/origin'].orValue('') != ''"
    asked = f"object.metadata.?annotations['{DELETION}'].orValue('')"
    asked_before = f"oldObject.metadata.?annotations['{DELETION}'].orValue('')"
    # by its name: a label can be taken away first
    definitions = json.dumps([f"{kind.plural}.{kind.group}" for kind in DATA])
    ours = (
        "request.resource.resource == 'namespaces' ? oldObject.metadata.name.startsWith('tenant-')"
        f" : request.resource.resource == '{DEFINITION.plural}' ? oldObject.metadata.name in {definitions}"
        # one that a tenant applied is its own to delete; what runs of it stays
        f" : request.resource.resource == '{CLAIM.plural}' ? {delivered.format('oldObject')} : true"
    )
    where = f"oldObject.metadata.?annotations['{GROUP}/path'].orValue('its file in the repository')"
    was_delivered = f"(request.operation == 'UPDATE' && {delivered.format('oldObject')})"
    only_by_file = (
        f"{deliverers} || (request.operation == 'UPDATE' && object.spec == oldObject.spec"
        " && object.metadata.?labels == oldObject.metadata.?labels"
        " && object.metadata.?annotations == oldObject.metadata.?annotations)"
    )
    # what was delivered without Git has no file
    directly = (
        f"(oldObject == null ? object : oldObject).metadata.?annotations['{GROUP}/origin'].orValue('') == 'direct'"
    )
    edit_the_file = (
        f"'claim ' + object.metadata.name + ({directly} ? ' was delivered directly: declare it again'"
        f" : ' is kept in Git: edit ' + (oldObject == null ? 'its file' : {where}))"
        " + ' instead (user ' + request.userInfo.username + ')'"
    )
    holds = (
        "request.resource.resource + ' ' + oldObject.metadata.name + ' holds a service: it goes only by deprovisioning'"
    )
    return [
        *_foundations(pop, platform),
        *bound(
            "git-born-claims",
            {CLAIM: ("CREATE", "UPDATE")},
            [{"expression": only_by_file, "messageExpression": edit_the_file}],
            condition=("delivered", f"{delivered.format('object')} || {was_delivered}"),
        ),
        *bound(
            "keep-data",
            dict.fromkeys(_KEPT, ("DELETE",)),
            [{"expression": f"{deliverers} && {asked_before} == oldObject.metadata.uid", "messageExpression": holds}],
            condition=("ours", ours),
        ),
        *bound(
            "ask-for-deletion",
            dict.fromkeys(_KEPT, ("CREATE", "UPDATE")),
            [
                {
                    "expression": f"{deliverers} || {asked} == (oldObject == null ? '' : {asked_before})",
                    "message": f"only the deliverers of this PoP may set {DELETION}",
                }
            ],
        ),
        *(_of_charts(deliverers, holds) if by_chart else []),
    ]


#: what a chart makes and holds a service; one annotation of a release's values is that of all its StatefulSets
CHART_DATA = (STATEFUL_SET, VOLUME_CLAIM)


def _of_charts(deliverers: str, holds: str) -> list[Json]:
    """The same for what charts make, which is known by its label: operators have such objects too."""
    now, before = "object.metadata", "oldObject.metadata"
    made, was_made = (f"{item}.?labels['{DRIVER}'].orValue('') == '{BY_CHART}'" for item in (now, before))
    asked, asked_before = (f"{item}.?annotations['{DELETION}'].orValue('')" for item in (now, before))
    same = f"{asked} == (oldObject == null ? '' : {asked_before})"
    return [
        *bound(
            "keep-chart-data",
            dict.fromkeys(CHART_DATA, ("DELETE",)),
            [
                {
                    "expression": f"{deliverers} && oldObject.metadata.uid in {asked_before}.split(',')",
                    "messageExpression": holds,
                }
            ],
            condition=("of-a-chart", was_made),
        ),
        *bound(
            "ask-for-chart-deletion",
            dict.fromkeys(CHART_DATA, ("CREATE", "UPDATE")),
            [
                {
                    "expression": f"{deliverers} || {same}",
                    "message": f"only the deliverers of this PoP may set {DELETION}",
                },
                {"expression": f"oldObject == null || ({made})", "message": f"the label {DRIVER} stays"},
            ],
            condition=("of-a-chart", f"{made} || (oldObject != null && {was_made})"),
        ),
    ]


def _foundations(pop: Pop, platform: Platform) -> list[Json]:
    """Whoever may write to Git must not become the cluster's master by an Application of a wider project."""
    source, helm, own = "object.spec.?source", "object.spec.?source.helm", "object.metadata.name.substring(7)"
    annotations, policy = "object.metadata.?annotations", "object.spec.?syncPolicy"
    values = f"['/tenants/' + {own} + '/{pop.name}/values.yaml', '/{paths.tenant_values(pop.name)}']"
    # all that could have it rendered of something else, or for another namespace, or applied in another way
    never = [
        *(f"object.spec.?{field}" for field in ("sources", "sourceHydrator", "ignoreDifferences")),
        *(f"{source}.{field}" for field in ("chart", "directory", "kustomize", "plugin", "ref")),
        *(f"{helm}.{field}" for field in ("values", "valuesObject", "parameters", "fileParameters", "namespace")),
        *(f"{helm}.{field}" for field in ("skipSchemaValidation", "ignoreMissingValueFiles")),
        f"{policy}.managedNamespaceMetadata",
        *(f"object.?operation.sync.{field}" for field in ("source", "sources", "manifests")),
    ]
    foundation = " && ".join(
        [
            "object.metadata.name.startsWith('tenant-')",
            "object.spec.project == 'platform'",
            "object.spec.?destination.namespace.orValue('') == object.metadata.name",
            f"{source}.repoURL.orValue('') == {json.dumps(platform.repo_url)}",
            f"{source}.targetRevision.orValue('') == {json.dumps(platform.branch)}",
            f"{source}.path.orValue('') == '{paths.base('charts', 'tenant')}'",
            f"{helm}.valueFiles.orValue([]) == {values}",
            *(f"!{field}.hasValue()" for field in never),
            f"{policy}.syncOptions.orValue([]).size() == 0",
            f"!{policy}.automated.prune.orValue(false)",
            *(f"{annotations}['{name}'].orValue('') == '{value}'" for name, value in KEEP.items()),
            f"{annotations}.orValue({{}}).all(name, !name.contains('hook'))",
            # an Application's file can ask for a sync of any commit; Argo CD and the observer ask by themselves
            f"!{annotations}['{_LAST_APPLIED}'].orValue('').contains('\"operation\":')",
        ]
    )
    from_tenants = (
        "object.metadata.name.startsWith('tenant-') || object.spec.project == 'platform' ||"
        " object.metadata.?annotations['argocd.argoproj.io/tracking-id'].orValue('')"
        f".startsWith('{paths.TENANTS_APPLICATION}:')"
    )
    message = "below tenants/ stands the tenant's foundation alone: our chart with its values"
    rule = {"expression": foundation, "message": message}
    applications = {APPLICATION: ("CREATE", "UPDATE")}
    return bound("foundations", applications, [rule], condition=("foundation", from_tenants))


def guards() -> list[Json]:
    """What the operators' webhooks refuse although their CRDs accept it: the same in every PoP."""
    return [
        document
        for engine in ENGINES.values()
        for kind, rules in engine.guards().items()
        for document in bound(
            f"guard-{kind.plural}",
            {kind: ("CREATE", "UPDATE")},
            [{"expression": rule.expression, "message": rule.message} for rule in rules],
        )
    ]


def bound(
    name: str,
    matches: Mapping[Kind, Sequence[str]],
    validations: Sequence[Json],
    *,
    condition: tuple[str, str] | None = None,
) -> list[Json]:
    """A policy that denies, and its binding; matches: kind -> operations; condition: name and CEL of what it is for."""
    full = f"dbaas-{name}"
    rules = [
        {"apiGroups": [kind.group], "apiVersions": ["*"], "operations": list(operations), "resources": [kind.plural]}
        for kind, operations in matches.items()
    ]
    spec: Json = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "validations": [{**each, "reason": "Forbidden"} for each in validations],
    }
    if condition:
        spec["matchConditions"] = [{"name": condition[0], "expression": condition[1]}]
    api = "admissionregistration.k8s.io/v1"
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": full}, "spec": spec},
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": full},
            "spec": {"policyName": full, "validationActions": ["Deny"]},
        },
    ]

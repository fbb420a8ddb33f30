# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalog as an admission policy: what a tenant may apply in a point of presence. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import bound
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP

Json = dict[str, Any]

#: annotation of what is made from the catalog: its revision
REVISION = f"{GROUP}/catalog-revision"


def claims(pop: Pop, catalog: Catalog) -> list[Json]:
    """What the catalog offers, for claims that tenants apply in this PoP: refused at once, with all that is wrong.

    What the platform delivers was admitted, and what stands is looked at only when its spec changes: a newer catalog
    does not hold it up. The policy knows no quotas and no other claims: what it lets through reconcile_claims may still
    refuse, and what it refuses reconcile_claims would too.
    """
    found = _tables(catalog)
    tables = {name: json.dumps(table) for name, table in found.items()}
    of_every_claim = "[" + ", ".join(_wrong(*rule) for rule in _rules(pop, catalog, found["offers"])) + "]"
    of_its_sku = "[" + ", ".join(_wrong(*rule) for rule in _RULES_OF_SKU) + "]"
    of_roles = " + ".join(_WRONG_ROLES)
    words = f"{of_every_claim}.filter(words, words != '') + (variables.known ? {of_its_sku}.filter(words, words != '')"
    variables = {**tables, **_VARIABLES, "wrong": f"{words} + {of_roles} : [])"}
    documents = bound(
        "claims",
        {CLAIM: ("CREATE", "UPDATE")},
        [{"expression": "variables.wrong.size() == 0", "messageExpression": "variables.wrong.join('; ')"}],
        condition=(
            "applied-by-a-tenant",
            (
                f"object.metadata.?annotations['{GROUP}/origin'].orValue('') == ''"
                " && (oldObject == null || object.spec != oldObject.spec)"
            ),
        ),
    )
    documents[0]["spec"]["variables"] = [
        {"name": name, "expression": expression} for name, expression in variables.items()
    ]
    # so that whoever changes the catalog is told that this is of an earlier one
    documents[0]["metadata"]["annotations"] = {REVISION: catalog.revision}
    return documents


def _tables(catalog: Catalog) -> Json:
    """The catalog as CEL can hold it: every table of one type, what concerns a role under `<SKU>/<role>`."""
    skus = catalog.skus
    offers: dict[str, list[str]] = {}
    for sku in skus.values():
        offers[sku.engine] = list(dict.fromkeys([*offers.get(sku.engine, []), *sku.plans]))
    pairs = [(engine, plan) for engine in offers for plan in schema.PLANS]
    roles = {f"{name}/{role}": data for name, sku in skus.items() for role, data in sku.data["resources"].items()}
    answers = {
        f"{engine}/{plan}/{number}": catalog.topology(engine, plan, size)
        for engine, plan in pairs
        for number, size in (("one", 1), ("many", 2))
        if plan in offers[engine]
    }
    return {
        "engines": {name: sku.engine for name, sku in skus.items()},
        "plans": {name: sku.plans for name, sku in skus.items()},
        "offers": offers,
        "chosen": {
            f"{engine}/{plan}": chosen.name for engine, plan in pairs if (chosen := catalog.choose(engine, plan))
        },
        "lacking": {f"{engine}/{plan}": why for engine, plan in pairs if (why := catalog.lacks(engine, plan))},
        "refused": {key: answer["refused"] for key, answer in answers.items() if isinstance(answer, dict)},
        "versions": {
            engine: [name for name, data in catalog.engines[engine]["versions"].items() if data["channel"] != "expired"]
            for engine in offers
        },
        "classes": {name: data["storageClasses"] for name, data in catalog.regions.items()},
        "least": {name: sku.data["storage"]["min"] for name, sku in skus.items()},
        "most": {name: sku.data["storage"]["max"] for name, sku in skus.items()},
        "copies": {name: sku.data["replicationFactor"]["default"] for name, sku in skus.items()},
        "factors": {name: sku.data["replicationFactor"]["allowed"] for name, sku in skus.items()},
        "named": {name: ", ".join(sku.data["resources"]) or "none" for name, sku in skus.items()},
        "nodes": {key: data["replicas"] for key, data in roles.items()},
        "perCopy": {key: bool(data.get("perCopy")) for key, data in roles.items()},
        **{
            f"{bound}{amount.capitalize()}": {key: data[amount][bound] for key, data in roles.items()}
            for amount in ("cpu", "memory")
            for bound in ("min", "max")
        },
    }


_HAS_FACTOR = "has(object.spec.replication) && has(object.spec.replication.factor)"
_HAS_REGIONS = "has(object.spec.replication) && has(object.spec.replication.regions)"
_HAS_SIZE = "has(object.spec.storage) && has(object.spec.storage.size)"
_HAS_CLASS = "has(object.spec.storage) && has(object.spec.storage.class)"
_HAS_PAIR = "has(object.spec.engine) && has(object.spec.plan)"
#: those after `known` may only be asked for where it holds; CEL looks at a variable when it is needed
_VARIABLES = {
    "pair": f"{_HAS_PAIR} ? object.spec.engine + '/' + object.spec.plan : ''",
    "sku": "has(object.spec.sku) ? object.spec.sku : variables.chosen[?variables.pair].orValue('')",
    "known": "variables.sku in variables.engines",
    "engine": "variables.engines[variables.sku]",
    "plan": "has(object.spec.plan) && object.spec.plan in variables.plans[variables.sku] ? object.spec.plan"
    " : variables.plans[variables.sku][0]",
    "regions": f"{_HAS_REGIONS} ? object.spec.replication.regions : [object.spec.region]",
    "topology": "variables.engine + '/' + variables.plan + (variables.regions.size() == 1 ? '/one' : '/many')",
    "factor": f"{_HAS_FACTOR} ? object.spec.replication.factor : variables.copies[variables.sku]",
    "roles": "has(object.spec.resources) ? object.spec.resources.map(role, role) : []",
}


def _wrong(field: str, given: str, right: str, allowed: str) -> str:
    """The words for a field as an expression of CEL, '' where it is right; the parts are expressions too."""
    return f"({right}) ? '' : '{field}: given ' + {given} + ', allowed: ' + {allowed}"


def _listed(names: Iterable[str]) -> str:
    # a map of CEL has no order
    return json.dumps(", ".join(names))


def _rules(pop: Pop, catalog: Catalog, offers: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """(field, what was given, where it is right, what is allowed) of every claim."""
    return [
        (
            "metadata.namespace",
            "object.metadata.namespace",
            "object.metadata.namespace.startsWith('tenant-')",
            "'tenant-<id>'",
        ),
        (
            "spec.region",
            "object.spec.region",
            f"object.spec.region == '{pop.name}'",
            f"'{pop.name} (a claim is applied in the point of presence of its home region)'",
        ),
        (
            "spec.replication.regions",
            "variables.regions.join(', ')",
            "variables.regions.all(name, name in variables.classes)",
            _listed(catalog.regions),
        ),
        ("spec.sku", "object.spec.sku", "!has(object.spec.sku) || variables.known", _listed(catalog.skus)),
        (
            "spec.engine",
            "object.spec.engine",
            "has(object.spec.sku) || !has(object.spec.engine) || object.spec.engine in variables.offers",
            _listed(offers),
        ),
        (
            "spec.plan",
            "object.spec.plan",
            (
                "has(object.spec.sku) || variables.known || !has(object.spec.plan) || !has(object.spec.engine)"
                " || !(object.spec.engine in variables.offers)"
            ),
            (
                "variables.offers[object.spec.engine].join(', ') + ' (what the catalog offers of ' + object.spec.engine"
                " + ')' + variables.lacking[?variables.pair].optMap(why, ': ' + why).orValue('')"
            ),
        ),
    ]


#: the same of a claim whose SKU the catalog has
_RULES_OF_SKU = [
    (
        "spec.engine",
        "object.spec.engine",
        "!has(object.spec.engine) || object.spec.engine == variables.engine",
        "variables.engine + ' (of SKU ' + variables.sku + ')'",
    ),
    (
        "spec.plan",
        "object.spec.plan",
        "!has(object.spec.plan) || object.spec.plan == variables.plan",
        "variables.plans[variables.sku].join(', ') + ' (of SKU ' + variables.sku + ')'",
    ),
    (
        "spec.replication.regions",
        "variables.regions.join(', ')",
        "!(variables.topology in variables.refused)",
        "variables.refused[variables.topology]",
    ),
    (
        "spec.version",
        "object.spec.version",
        (
            "!has(object.spec.version) || object.spec.version in variables.versions[variables.engine]"
            # what runs may go on
            " || (oldObject != null && has(oldObject.spec.version) && oldObject.spec.version == object.spec.version)"
        ),
        "variables.versions[variables.engine].join(', ')",
    ),
    (
        "spec.storage.size",
        "object.spec.storage.size",
        (
            f"!({_HAS_SIZE})"
            " || !quantity(object.spec.storage.size).isLessThan(quantity(variables.least[variables.sku]))"
            " && !quantity(object.spec.storage.size).isGreaterThan(quantity(variables.most[variables.sku]))"
        ),
        "variables.least[variables.sku] + ' to ' + variables.most[variables.sku]",
    ),
    (
        "spec.storage.class",
        "object.spec.storage.class",
        (
            f"!({_HAS_CLASS}) || variables.regions.all(name, !(name in variables.classes)"
            " || object.spec.storage.class in variables.classes[name])"
        ),
        (
            "variables.regions.filter(name, name in variables.classes)"
            ".map(name, 'in ' + name + ' ' + variables.classes[name].join(', ')).join('; ')"
        ),
    ),
    (
        "spec.replication.factor",
        "string(variables.factor)",
        "variables.factor in variables.factors[variables.sku]",
        "variables.factors[variables.sku].map(each, string(each)).join(', ')",
    ),
]


def _wrong_roles(amount: str, right: str, allowed: str) -> str:
    """The words for each role whose amount is not right, as a list; right and allowed speak of `KEY`, and GIVEN."""
    key, given = "variables.sku + '/' + role", f"object.spec.resources[role].{amount}"
    known, told = f"({key}) in variables.nodes", f"'spec.resources.' + role + '.{amount}: given ' + string({given})"
    right, allowed = (text.replace("KEY", key).replace("GIVEN", given) for text in (right, allowed))
    return (
        f"variables.roles.filter(role, {known} && has({given}) && !({right}))"
        f".map(role, {told} + ', allowed: ' + {allowed})"
    )


def _between(amount: str) -> tuple[str, str, str]:
    least, most = (f"variables.{bound}{amount.capitalize()}[KEY]" for bound in ("min", "max"))
    right = f"!quantity(GIVEN).isLessThan(quantity({least})) && !quantity(GIVEN).isGreaterThan(quantity({most}))"
    return amount, right, f"{least} + ' to ' + {most}"


_NODES = "(variables.perCopy[KEY] ? variables.factor : variables.nodes[KEY])"
_WRONG_ROLES = (
    (
        "variables.roles.filter(role, !((variables.sku + '/' + role) in variables.nodes))"
        ".map(role, 'spec.resources.' + role + ': given, allowed: ' + variables.named[variables.sku])"
    ),
    _wrong_roles("replicas", f"GIVEN == {_NODES}", f"string({_NODES})"),
    _wrong_roles(*_between("cpu")),
    _wrong_roles(*_between("memory")),
)

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.doc_fragments.fields import ModuleDocFragment
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform, schema, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import (
    argument_spec,
    documentation,
    to_fields,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.shipped import CALM

Json = dict[str, Any]

SCHEMAS = {"CLAIM": schema.SPEC, "TENANT": tenant.SPEC, "POP": platform.POP}


def documented_spec(options: Json) -> Json:
    """The argument spec that this documentation tells of."""
    spec: Json = {}
    for name, option in options.items():
        spec[name] = {
            key: value for key, value in option.items() if key not in ("description", "suboptions", "required")
        }
        if "suboptions" in option:
            spec[name]["options"] = documented_spec(option["suboptions"])
    return spec


@pytest.mark.parametrize("name", SCHEMAS)
def test_documentation_tells_of_the_argument_spec(name: str) -> None:
    assert documented_spec(documentation(SCHEMAS[name])) == argument_spec(SCHEMAS[name])


@pytest.mark.parametrize("name", [name for name in SCHEMAS if hasattr(ModuleDocFragment, name)])
def test_fragments_are_the_documentation(name: str) -> None:
    (fragment,) = documents.load_all(getattr(ModuleDocFragment, name))
    assert fragment["options"] == documentation({**SCHEMAS[name], "required": []})


def test_documentation_is_data() -> None:
    assert json.loads(json.dumps(documentation(schema.SPEC))) == documentation(schema.SPEC)


def test_words_for_patterns_and_defaults() -> None:
    options = documentation(schema.SPEC)
    assert options["region"]["required"] is True
    assert "Allowed is a version such as 2025.1.5." in options["version"]["description"]
    backup = options["backup"]["suboptions"]
    assert "The platform's default is V(14d)." in backup["retention"]["description"]
    assert "The platform's default is V(true)." in backup["enabled"]["description"]


def values(node: Json) -> st.SearchStrategy[Any]:
    kind = node.get("type", "string")
    if "properties" in node:
        return st.fixed_dictionaries({}, optional={name: values(child) for name, child in node["properties"].items()})
    if kind == "object":
        return st.dictionaries(
            st.sampled_from(["node", "camelCase", "with-hyphen"]), st.just({"memoryGB": "1"}), max_size=2
        )
    if kind == "array":
        return st.lists(values(node["items"]), max_size=2)
    return {"string": st.text(max_size=3), "integer": st.integers(), "boolean": st.booleans()}[kind]


def as_options(node: Json, fields: Json) -> Json:
    """What Ansible hands over: every option, None where not given."""
    options: Json = {}
    for name, child in node["properties"].items():
        value = fields.get(name)
        nested = "properties" in child and isinstance(value, dict)
        options[schema.snake(name)] = as_options(child, value or {}) if nested else value
    return options


@pytest.mark.parametrize("name", SCHEMAS)
def test_fields_survive_the_way_through_options(name: str) -> None:
    node = SCHEMAS[name]

    @CALM
    @given(values(node))
    def there_and_back(fields: Json) -> None:
        assert to_fields(node, as_options(node, fields)) == fields

    there_and_back()


def test_keys_that_are_data_pass_untouched() -> None:
    given_ = {"resources": {"tServer": {"someKey": 1}}, "region": "lagos"}
    assert to_fields(schema.SPEC, given_) == given_

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module options out of a schema: snake_case names, argument specs, documentation, and the way back to field names."""

from __future__ import annotations

from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.schema import PATTERNS, snake

Json = dict[str, Any]

_TYPES = {"string": "str", "integer": "int", "boolean": "bool", "array": "list", "object": "dict"}


def argument_spec(schema: Json) -> Json:
    """Ansible's argument spec of an object schema; without defaults, so that a claim holds only what was given."""
    return {snake(name): _argument(child) for name, child in schema["properties"].items()}


def documentation(schema: Json) -> Json:
    """The same as `options` of a module's DOCUMENTATION."""
    required = schema.get("required", [])
    return {snake(name): _documented(child, name in required) for name, child in schema["properties"].items()}


def to_fields(schema: Json, options: Json) -> Json:
    """The document part that these options give: field names for option names, what was not given left out."""
    fields: Json = {}
    for name, child in schema["properties"].items():
        value = options.get(snake(name))
        if value is None:
            continue
        fields[name] = to_fields(child, value) if "properties" in child else value
    return fields


def _argument(schema: Json) -> Json:
    argument: Json = {"type": _TYPES[schema["type"]]}
    if "enum" in schema:
        argument["choices"] = list(schema["enum"])
    if schema["type"] == "array":
        argument["elements"] = _TYPES[schema["items"]["type"]]
    if "properties" in schema:
        argument["options"] = argument_spec(schema)
    return argument


def _documented(schema: Json, required: bool) -> Json:
    text = [schema["description"]]
    pattern = schema.get("pattern") or schema.get("items", {}).get("pattern")
    if pattern:
        text.append(f"Allowed is {PATTERNS[pattern]}.")
    if "default" in schema and schema["type"] != "object":
        text.append(f"The platform's default is V({_written(schema['default'])}).")
    documented: Json = {"description": text, **_argument(schema), **({"required": True} if required else {})}
    if "properties" in schema:
        documented["suboptions"] = documentation({**schema, "required": []})
        documented.pop("options", None)
    return documented


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

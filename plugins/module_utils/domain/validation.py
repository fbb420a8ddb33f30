# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents against their schema: all errors at once, each in words; and the schema's defaults filled in."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.schema import PATTERNS

Json = dict[str, Any]
Path = Sequence[str | int]


def nearest(given: object, choices: Iterable[str]) -> str | None:
    """The choice most like what was given, when one is like it; of several alike, the first."""
    text = str(given)[:256]  # likeness costs the square of the length
    likeness = {choice: difflib.SequenceMatcher(None, text, choice).ratio() for choice in choices}
    best = max(likeness, key=lambda choice: likeness[choice], default=None)
    return best if best is not None and likeness[best] >= 0.6 else None


class Checker:
    """Holds documents against one OpenAPI schema; a field that the schema lacks is an error too."""

    def __init__(self, schema: Json) -> None:
        # draft 4, as the API server: 3.0 is no whole number
        from jsonschema_rs import Draft4Validator

        self._schema = _closed(schema)
        self._validator = Draft4Validator(self._schema)

    def errors(self, document: Any, source: str) -> list[FieldError]:
        """All that is wrong with the document."""
        return self.check(document, source)[0]

    def check(self, document: Any, source: str) -> tuple[list[FieldError], Any]:
        """All that is wrong with the document, and what is left of it without that ({} when nothing can be)."""
        try:
            found = list(self._validator.iter_errors(document))
        except ValueError:
            # what is no JSON: a key that is no text, bytes, endless depth
            return [FieldError("(document)", type(document).__name__, "JSON data", source=source)], {}
        errors: list[FieldError] = []
        # where anything may stand the schema lets through what no JSON is, and what is not equal to itself
        odd = [] if _is_json(document) else list(_no_json(document, []))
        if not found and not odd:
            return [], document
        rest = copy.deepcopy(document)
        for path, value in odd:
            errors.append(FieldError(_dotted(path), str(value), "text, a number, true, false or null", source=source))
            rest = _without(rest, path)
        for error in found:
            for path, wrong in self._explain(error, _path(document, error.instance_path), source):
                errors.append(wrong)
                rest = _without(rest, path)
        return errors, rest

    def _explain(self, error: Any, path: Path, source: str) -> Iterator[tuple[Path, FieldError]]:
        name, value, given = error.kind.name, error.kind.value, error.instance
        if name == "required":
            yield [*path, value], FieldError(_dotted([*path, value]), None, "this field is required", source=source)
        elif name == "additionalProperties":
            schema: Any = self._schema
            for part in list(error.schema_path)[:-1]:
                schema = schema[part]
            fields = list(schema["properties"])
            for field in value:
                # the name, not the value: what stands in an unknown field may be a secret that has no place here
                wrong = FieldError(
                    _dotted([*path, field]), field, "the fields " + ", ".join(fields), nearest(field, fields), source
                )
                yield [*path, field], wrong
        else:
            yield path, FieldError(_dotted(path), given, *_words(name, value, given), source=source)


def fill(schema: Json, value: Any) -> Any:
    """A copy of `value` with the schema's defaults filled in, as the API server does it."""
    if isinstance(value, dict):
        properties: Json = schema.get("properties", {})
        other: Json = schema.get("additionalProperties", {})
        filled = {key: fill(properties.get(key, other), item) for key, item in value.items()}
        for key, child in properties.items():
            if key not in filled and "default" in child:
                filled[key] = fill(child, child["default"])
        return filled
    if isinstance(value, list):
        return [fill(schema.get("items", {}), item) for item in value]
    return value


def without_defaults(schema: Json, value: Any) -> Any:
    """The inverse of `fill`: a copy of `value` without what the schema would fill in anyway."""
    if isinstance(value, dict):
        properties: Json = schema.get("properties", {})
        other: Json = schema.get("additionalProperties", {})
        found: Json = {}
        for key, item in value.items():
            child = properties.get(key, other)
            left = without_defaults(child, item)
            if "default" not in child or fill(child, left) != fill(child, child["default"]):
                found[key] = left
        return found
    if isinstance(value, list):
        return [without_defaults(schema.get("items", {}), item) for item in value]
    return value


def _closed(schema: Json) -> Json:
    # a CRD prunes unknown fields silently; people who mistype a field want to hear of it
    closed = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "default"}
    if schema.get("x-kubernetes-list-type") == "set":
        closed["uniqueItems"] = True
    if "properties" in schema:
        closed["properties"] = {key: _closed(value) for key, value in schema["properties"].items()}
        closed["additionalProperties"] = False
    elif "additionalProperties" in schema:
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed


def _is_json(document: Any) -> bool:
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _no_json(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """(path, value) of all that JSON cannot say: dates, infinity, what is no number."""
    if isinstance(node, (dict, list)):
        for part, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _no_json(value, [*path, part])
    elif not _is_json(node):
        yield path, node


def _path(document: Any, found: Iterable[str | int]) -> Path:
    """The path as the document has it: the validator tells a key of digits as a number."""
    path: list[str | int] = []
    for part in found:
        if isinstance(document, dict) and str(part) in document:
            path.append(str(part))
        elif isinstance(document, list) and isinstance(part, int):
            path.append(part)
        else:
            break  # it leaves an empty key out
        document = document[path[-1]]
    return path


def _without(document: Any, path: Path) -> Any:
    parent, last, node = None, None, document
    for part in path:
        if not isinstance(node, dict):
            # an entry of a list cannot go alone: what is wrong with one spoils the list
            break
        parent, last, node = node, part, node.get(part)
    if parent is None:
        return {}
    parent.pop(last, None)
    return document


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(document)"


def _words(name: str, value: Any, given: Any) -> tuple[str, object]:
    """(what is allowed, the nearest valid value) of a keyword of JSON schema."""
    if name == "enum":
        choices = [str(choice) for choice in value]
        return "one of " + ", ".join(choices), nearest(given, choices)
    if name == "pattern":
        return PATTERNS.get(value, f"text that matches {value}"), None
    if name in ("minimum", "maximum"):
        return f"{'at least' if name == 'minimum' else 'at most'} {value}", value
    if name == "type":
        kind = next(kind for kind in value if kind != "null")
        # YAML reads 12, 8.0 and yes as what they look like
        quoted = kind == "string" and isinstance(given, (int, float))
        return "text in quotes" if quoted else _TYPES[kind], None
    return {
        "minLength": f"at least {value} characters",
        "maxLength": f"at most {value} characters",
        "minItems": f"at least {value} entries",
        "maxItems": f"at most {value} entries",
        "minProperties": f"at least {value} entries",
        "maxProperties": f"at most {value} entries",
        "uniqueItems": "each entry once",
    }[name], None


_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}

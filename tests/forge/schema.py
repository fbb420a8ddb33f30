"""An OpenAPI description as the doubles use it: which operation a request is, and whether what is said fits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema_rs import Draft4Validator

Json = dict[str, Any]

FOLDER = Path(__file__).with_name("descriptions")
_FORMATS = {"date-time": "2026-01-02T03:04:05Z", "uri": "https://git.example.com/", "email": "p@example.com"}


@dataclass(frozen=True)
class Operation:
    """One operation of a description. names: the parts of the path that stand for values, in their order."""

    description: Description
    data: Json
    path: re.Pattern[str]

    def parameters(self, place: str) -> dict[str, Json]:
        found = (self.description.resolved(item) for item in self.data.get("parameters", []))
        return {item["name"]: item for item in found if item["in"] == place}

    def problems(self, query: Mapping[str, str], body: Any) -> Iterator[str]:
        """What a request says that the description does not know."""
        known = self.parameters("query")
        for name, text in query.items():
            if name not in known:
                yield f"query {name}: no such parameter"
                continue
            schema = known[name].get("schema", {})
            value = int(text) if schema.get("type") == "integer" and text.isdigit() else text
            yield from (f"query {name}: {problem}" for problem in self.description.problems(schema, value))
        wanted = self.description.resolved(self.data.get("requestBody") or {})
        if not wanted:
            if body is not None:
                yield "body: none is wanted"
            return
        schema = wanted["content"]["application/json"]["schema"]
        yield from (f"body {problem}" for problem in self.description.problems(_closed(schema), body))

    def answer_problems(self, status: int, body: Any) -> Iterator[str]:
        """What an answer of ours lacks."""
        schema = self.schema(status)
        if schema is not None:
            yield from (f"answer {status} {problem}" for problem in self.description.problems(schema, body))

    def schema(self, status: int) -> Json | None:
        answer = self.description.resolved(self.data["responses"].get(str(status)) or {})
        found = next(iter((answer.get("content") or {}).values()), None)
        return found["schema"] if found else None


class Description:
    """A description by its file's name."""

    def __init__(self, name: str) -> None:
        text = (FOLDER / name).read_text()
        self.data: Json = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
        self._components = _nullable(self.data["components"])
        self.operations = {
            (method, path): Operation(self, data, re.compile(re.sub(r"\{\w+\}", "([^/]+)", path)))
            for path, methods in self.data["paths"].items()
            for method, data in methods.items()
        }

    def find(self, method: str, path: str) -> tuple[str, Operation, list[str]] | None:
        """(path as described, operation, the values in it) of a request."""
        for (verb, described), operation in self.operations.items():
            if verb == method.lower() and (found := operation.path.fullmatch(path)):
                return described, operation, list(found.groups())
        return None

    def resolved(self, item: Json) -> Json:
        while "$ref" in item:
            kind, name = item["$ref"].split("/")[-2:]
            item = self._components[kind][name]
        return item

    def problems(self, schema: Json, value: Any) -> Iterator[str]:
        whole = {**_nullable(schema), "components": self._components}
        for error in Draft4Validator(whole).iter_errors(value):
            where = ".".join(str(part) for part in error.instance_path)
            yield f"{where}: {error.message[:300]}"

    def sample(self, schema: Json) -> Any:
        """The least that fits a schema: what must be there, with nothing in it."""
        schema = self.resolved(_nullable(schema))
        if "enum" in schema:
            return schema["enum"][0]
        for several in ("oneOf", "anyOf", "allOf"):
            if several in schema:
                found = [self.sample(item) for item in schema[several][: None if several == "allOf" else 1]]
                return found[0] if several != "allOf" else {key: each for item in found for key, each in item.items()}
        kind = schema.get("type", "object")
        if isinstance(kind, list):
            return None
        if kind == "object":
            properties = schema.get("properties", {})
            return {name: self.sample(properties[name]) for name in schema.get("required", [])}
        text = _FORMATS.get(schema.get("format", ""), "text")
        return {"string": text, "integer": 1, "number": 1, "boolean": False, "array": []}[kind]


def _nullable(item: Any) -> Any:
    """OpenAPI 3.0's `nullable` as JSON Schema says it."""
    if isinstance(item, list):
        return [_nullable(each) for each in item]
    if not isinstance(item, dict):
        return item
    done = {key: _nullable(value) for key, value in item.items() if key != "nullable"}
    if item.get("nullable") is not True:
        return done
    if "enum" in done:
        done["enum"] = [*done["enum"], None]
    if isinstance(done.get("type"), str):
        return {**done, "type": [done["type"], "null"]}
    return {"anyOf": [{"type": "null"}, done]}


def _closed(schema: Any) -> Any:
    """The same, refusing what it does not name: a host would silently leave it out."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    done = {key: _closed(value) for key, value in schema.items()}
    return {**done, "additionalProperties": False} if isinstance(done.get("properties"), dict) else done

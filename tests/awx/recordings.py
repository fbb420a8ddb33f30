"""What AWX answered, as recorded, and its schema: the double takes its values from here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_FOLDER = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Exchange:
    """number, path and so on as in recordings/README.md; body None: none was sent."""

    number: int
    name: str
    method: str
    path: str
    auth: str
    status: int
    headers: dict[str, str]
    content: Any
    body: Any = None


@cache
def exchanges() -> dict[int, Exchange]:
    """By number, in the order in which they happened."""
    lines = (_FOLDER / "exchanges.jsonl").read_text().splitlines()
    return {entry.number: entry for entry in (Exchange(**json.loads(line)) for line in lines)}


def content(number: int) -> Any:
    """A copy of the recorded answer."""
    return json.loads(json.dumps(exchanges()[number].content))


@cache
def schema() -> Json:
    loaded: Json = json.loads((_FOLDER / "schema.json").read_text())
    return loaded


@cache
def _routes() -> list[tuple[re.Pattern[str], str, list[str]]]:
    return [
        (re.compile(re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(path)) + r"\Z"), path, methods)
        # a literal stands before a placeholder: schedules/preview/ is no schedule
        for path, methods in sorted(schema()["paths"].items(), key=lambda item: item[0].count("{"))
    ]


@cache
def route(path: str) -> tuple[str, list[str]] | None:
    """The schema's template of a path, and the methods that AWX has there. None: AWX knows no such path."""
    return next(((template, methods) for pattern, template, methods in _routes() if pattern.match(path)), None)

"""Cuts GitHub's published description to what the double serves: ``python -m tests.forge.cut DESCRIPTION``.

DESCRIPTION is generated/api.github.com.json of npm's @octokit/openapi. What is not data (texts, examples) stays behind.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FILE = Path(__file__).with_name("descriptions") / "github.json"
OPERATIONS = (
    ("/repos/{owner}/{repo}/pulls", "get"),
    ("/repos/{owner}/{repo}/pulls", "post"),
    ("/repos/{owner}/{repo}/pulls/{pull_number}", "get"),
    ("/repos/{owner}/{repo}/pulls/{pull_number}", "patch"),
    ("/repos/{owner}/{repo}/issues/{issue_number}/labels", "put"),
)
_TEXTS = ("description", "summary", "example", "examples", "externalDocs", "title")


def cut(whole: Json) -> Json:
    """The operations, and all that they refer to."""
    found: Json = {
        "openapi": whole["openapi"],
        "info": {name: whole["info"][name] for name in ("title", "version", "license")},
        "paths": {},
        "components": {},
    }
    for path, method in OPERATIONS:
        found["paths"].setdefault(path, {})[method] = _bare(whole["paths"][path][method])
    todo = list(_references(found["paths"]))
    while todo:
        kind, name = todo.pop().split("/")[-2:]
        known: Json = found["components"].setdefault(kind, {})
        if name not in known:
            known[name] = _bare(whole["components"][kind][name])
            todo += _references(known[name])
    return found


def _bare(item: Any, *, names: bool = False) -> Any:
    if isinstance(item, dict):
        return {
            key: _bare(value, names=key == "properties")
            for key, value in item.items()
            if names or not (key in _TEXTS or key.startswith("x-"))
        }
    return [_bare(each) for each in item] if isinstance(item, list) else item


def _references(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        if isinstance(item.get("$ref"), str):
            yield item["$ref"]
        for value in item.values():
            yield from _references(value)
    elif isinstance(item, list):
        for value in item:
            yield from _references(value)


if __name__ == "__main__":
    FILE.write_text(json.dumps(cut(json.loads(Path(sys.argv[1]).read_text())), indent=1, sort_keys=True) + "\n")

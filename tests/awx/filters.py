"""The query of a list: filters, order, search and pages, as AWX understands them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from .kinds import BY_TYPE, KINDS, Kind
from .problems import Problem, detail
from .recordings import Json, content
from .store import Store

PAGE, LARGEST = 25, 200
_PLAIN = ("page", "page_size", "order_by", "format", "search", "count_disabled", "role_level")
# AWX does not let these be searched, for what they may hold; and what is no column cannot be.
_PREVENTED = ("extra_vars", "survey_spec", "notification_configuration", "job_args", "job_env")
_COMPUTED = ("related", "summary_fields", "url", "cloud", "kubernetes", "timezone", "until")
_LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda have, want: have == want,
    "iexact": lambda have, want: str(have).lower() == str(want).lower(),
    "contains": lambda have, want: str(want) in str(have),
    "icontains": lambda have, want: str(want).lower() in str(have).lower(),
    "startswith": lambda have, want: str(have).startswith(str(want)),
    "istartswith": lambda have, want: str(have).lower().startswith(str(want).lower()),
    "endswith": lambda have, want: str(have).endswith(str(want)),
    "iendswith": lambda have, want: str(have).lower().endswith(str(want).lower()),
    "regex": lambda have, want: re.search(want, str(have)) is not None,
    "iregex": lambda have, want: re.search(want, str(have), re.IGNORECASE) is not None,
    "gt": lambda have, want: have is not None and have > want,
    "gte": lambda have, want: have is not None and have >= want,
    "lt": lambda have, want: have is not None and have < want,
    "lte": lambda have, want: have is not None and have <= want,
}


def page(
    store: Store, kind: Kind, path: str, query: list[tuple[str, str]], rows: Iterable[Json], tied: bool = False
) -> Json:
    """A page of a list. Raises Problem: a filter that AWX refuses, a page that is not there.

    tied: the rows are in an order that holds where the query asks for none.
    """
    given = dict(query)
    chosen = select(store, kind, query, list(rows))
    if not tied or given.get("order_by"):
        chosen = _ordered(kind, query, chosen)
    size = min(_number(given, "page_size", PAGE) or PAGE, LARGEST)
    number = _number(given, "page", 1)
    pages = max(1, -(-len(chosen) // size))
    if not 1 <= number <= pages:
        raise Problem(404, content(34))
    return {
        "count": len(chosen),
        "next": _link(path, query, number + 1) if number < pages else None,
        "previous": _link(path, query, number - 1) if number > 1 else None,
        "results": [store.show(row, alone=False) for row in chosen[(number - 1) * size : number * size]],
    }


def _number(given: dict[str, str], name: str, otherwise: int) -> int:
    return int(given[name]) if given.get(name, "").isdigit() else otherwise


def _link(path: str, query: list[tuple[str, str]], number: int) -> str:
    kept = [(name, value) for name, value in query if name != "page"]
    return f"{path}?{urlencode(sorted([*kept, ('page', str(number))]))}"


def _ordered(kind: Kind, query: list[tuple[str, str]], rows: list[Json]) -> list[Json]:
    given = dict(query).get("order_by")
    for name in reversed(given.split(",") if given else kind.order):
        plain = name.lstrip("-")
        if plain not in kind.shown and plain != "pk":
            raise detail(400, f"{kind.model} has no field named '{plain}'")
        plain = "id" if plain == "pk" else plain
        there = [row for row in rows if row.get(plain) is not None]
        there.sort(key=lambda row: (row[plain], row["id"]), reverse=name.startswith("-"))
        absent = [row for row in rows if row.get(plain) is None]
        rows = [*absent, *there] if name.startswith("-") else [*there, *absent]
    return rows


def select(store: Store, kind: Kind, query: list[tuple[str, str]], rows: list[Json]) -> list[Json]:
    """The rows that pass all filters (and one of those that begin with or__)."""
    either: list[list[Json]] = []
    for name, value in query:
        if name == "search":
            words = value.lower()
            rows = [row for row in rows if words in f"{row.get('name', '')}\n{row.get('description', '')}".lower()]
        if name in _PLAIN:
            continue
        plain = name.removeprefix("chain__")
        alternative, plain = plain.startswith("or__"), plain.removeprefix("or__")
        refused, plain = plain.startswith("not__"), plain.removeprefix("not__")
        passes = _test(store, kind, plain.split("__"), value)
        kept = [row for row in rows if passes(row) is not refused]
        if alternative:
            either.append(kept)
        else:
            rows = kept
    if either:
        wanted = {row["id"] for kept in either for row in kept}
        rows = [row for row in rows if row["id"] in wanted]
    return rows


def _test(store: Store, kind: Kind, parts: list[str], value: str) -> Callable[[Json], bool]:
    name, rest = parts[0], parts[1:]
    name = "id" if name == "pk" else name
    if rest and rest[0] not in (*_LOOKUPS, "in", "isnull"):
        return _through(store, kind, name, rest, value)
    if name in kind.links:
        return _through(store, kind, name, ["id", *rest], value)
    if name in _PREVENTED or (kind.name, name) == ("users", "password"):
        raise detail(403, f"Filtering on {name} is not allowed.")
    shown = name in kind.shown or name in kind.references or name in kind.fields
    computed = kind.fields.get(name, {}).get("filterable") is False or name in _COMPUTED
    if not shown or computed:
        raise detail(400, f"{kind.model} has no field named '{name}'")
    lookup = rest[0] if rest else "exact"
    sample = kind.shown.get(name)
    if name in kind.references:
        sample = 0
    if lookup == "isnull":
        wanted = value.lower() in ("true", "1")
        return lambda row: (row.get(name) is None) is wanted
    if lookup == "in":
        options = [_value(entry, sample) for entry in value.split(",")]
        return lambda row: row.get(name) in options
    matches, want = _LOOKUPS[lookup], value if "contains" in lookup else _value(value, sample)
    if lookup in ("exact", "gt", "gte", "lt", "lte"):
        return lambda row: matches(row.get(name), want)
    return lambda row: row.get(name) is not None and matches(row[name], want)


def _value(value: str, sample: Any) -> Any:
    if value.lower() in ("none", "null"):
        return None
    if isinstance(sample, bool):
        return value.lower() in ("true", "1")
    if isinstance(sample, int):
        try:
            return int(value)
        except ValueError as error:
            raise Problem(400, {"detail": content(29)["detail"].replace("abc", value)}) from error
    return value


def _through(store: Store, kind: Kind, name: str, rest: list[str], value: str) -> Callable[[Json], bool]:
    """A filter on what the object names, or has tied to it."""
    if name in kind.links:
        target = KINDS[kind.links[name]]
        passes = _test(store, target, rest, value)
        return lambda row: any(passes(other) for other in store.tied(row, name))
    if name in ("created_by", "modified_by"):
        passes = _test(store, KINDS["users"], rest, value)
        return lambda row: bool((user := store.get("users", row.get(f"_{name}"))) and passes(user))
    if name not in kind.references:
        raise detail(400, f"{kind.model} has no field named '{name}'")
    target_name = kind.references[name]

    def follows(row: Json) -> bool:
        other = store.get(target_name, row.get(name))
        return other is not None and _test(store, BY_TYPE[other["type"]], rest, value)(other)

    return follows

"""Writes docs/reference from what modules, plugins, playbooks and roles say of themselves (`make generate`).

Markdown, so that it can be read on any Git host; a unit test fails when it is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.plugin_docs import read_docstring
from ansible.plugins.loader import fragment_loader, init_plugin_loader
from ansible.utils.plugin_docs import add_fragments

from tests.tools.tree import ROOT

Json = dict[str, Any]

FOLDER = ROOT / "docs/reference"
COLLECTION = "dbaas.platform"
#: folder of plugins/ -> what its plugins are called
KINDS = {"modules": "Modules", "lookup": "Lookups", "filter": "Filters", "inventory": "Inventory plugins"}
#: C(…), V(…), O(…), …; a closing parenthesis inside is written as \\)
_MARKUP = re.compile(r"\b(RV|[BCEILMOUV])\(((?:\\.|[^)\\])*)\)")
_MADE = "<!-- Made by `make generate`: change what it is made from instead. -->"


def pages() -> dict[str, str]:
    """Every page: name of the file -> text."""
    found: dict[str, str] = {}
    index = ["# Reference", _MADE]
    for folder, title in KINDS.items():
        docs = {name: _plugin(folder, name) for name in _names(folder)}
        found |= {f"{_file(folder, name)}": _page(name, *doc) for name, doc in docs.items()}
        rows = [
            (f"[`{COLLECTION}.{name}`]({_file(folder, name)})", doc["short_description"])
            for name, (doc, *_rest) in docs.items()
        ]
        index += [f"## {title}", *_table(("plugin" if folder != "modules" else "module", "what it does"), rows)]
    books = {path.name.removesuffix(".meta.yml"): _yaml(path) for path in sorted(ROOT.glob("playbooks/*.meta.yml"))}
    found["playbooks.md"] = _playbooks(books)
    rows = [
        (f"[`{COLLECTION}.{name}`](playbooks.md#{COLLECTION.replace('.', '')}{name})", data["short_description"])
        for name, data in books.items()
    ]
    index += ["## Playbooks", *_table(("playbook", "what it does"), rows)]
    if books:
        found["awx_templates.md"] = _templates()
        index += ["What AWX's job templates of the playbooks ask for: [awx_templates.md](awx_templates.md)."]
    roles = {path.parents[1].name: _yaml(path) for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))}
    if roles:
        found["roles.md"] = _roles(roles)
        rows = [
            (f"[`{COLLECTION}.{name}`](roles.md)", _main(data)["short_description"]) for name, data in roles.items()
        ]
        index += ["## Roles", *_table(("role", "what it does"), rows)]
    if (ROOT / "catalog").exists():
        found["catalog.md"] = _catalog()
        index += ["## Catalog", "What the collection ships: [catalog.md](catalog.md)."]
    return {"README.md": _joined(index), **found}


def _catalog() -> str:
    """The shipped catalog as tables."""
    from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import CAPABILITIES
    from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

    catalog, _platform = base.stated(base.Run({"shipped": base.shipped(ROOT)}))
    engines = catalog.engines.items()
    lines = [
        "# The catalog as it is shipped",
        _MADE,
        "Prices are USD a month and region. A platform puts its own over this: [how](../catalog.md).",
        "## Plans",
        *_table(
            ("plan", "what it is", "SLA", "USD a month", "isolation", "scaling", "high availability", "allows"),
            [
                (
                    f"`{name}`",
                    plan["title"],
                    f"{plan['sla']} %",
                    f"{plan['price']['min']} to {plan['price']['max']}"
                    if "max" in plan["price"]
                    else f"from {plan['price']['min']}",
                    plan["isolation"],
                    ", ".join(plan["scaling"]),
                    plan["highAvailability"],
                    ", ".join(plan["allows"]),
                )
                for name, plan in catalog.plans.items()
            ],
        ),
        "## SKUs",
        *_table(
            (
                "SKU",
                "what it is",
                "engine",
                "edition",
                "plans, USD",
                "copies",
                "storage of a node",
                "nodes in a region",
            ),
            [
                (
                    f"`{sku.name}`",
                    sku.data["title"],
                    f"`{sku.engine}`",
                    sku.data.get("edition", ""),
                    ", ".join(f"`{plan}` {sku.data['price'][plan]}" for plan in sku.plans),
                    ", ".join(map(str, sku.data["replicationFactor"]["allowed"])),
                    _between(sku.data["storage"]),
                    "; ".join(_role(name, role) for name, role in sku.data["resources"].items()) or "none of its own",
                )
                for sku in catalog.skus.values()
            ],
        ),
        "## What a plan makes of regions",
        "One region, then several. Where an engine lacks a plan, the nearest SKU of that engine is named.",
        *_table(
            ("engine", *(f"`{plan}`" for plan in catalog.plans)),
            [
                (
                    f"`{name}`",
                    *(
                        f"no: {why}" + (f" (`{near.name}`)" if (near := catalog.nearest_sku(name, plan)) else "")
                        if (why := catalog.lacks(name, plan))
                        else "; ".join(_answer(catalog.topology(name, plan, regions)) for regions in (1, 2))
                        for plan in catalog.plans
                    ),
                )
                for name, _engine in engines
            ],
        ),
        "## Capabilities",
        *_table(
            ("engine", *CAPABILITIES),
            [
                (f"`{name}`", *(_plain(engine["capabilities"][each]) for each in CAPABILITIES))
                for name, engine in engines
            ],
        ),
        "## Versions",
        *_table(
            ("engine", "version", "channel", "released", "mended until", "goes on to"),
            [
                (
                    f"`{name}`",
                    f"{version}{' (default)' if data.get('default') else ''}",
                    data["channel"],
                    data.get("released", ""),
                    data.get("ends", ""),
                    ", ".join(data.get("upgradesTo", [])),
                )
                for name, engine in engines
                for version, data in engine["versions"].items()
            ],
        ),
        "## Licences",
        *_table(
            ("engine", "edition", "licence", "what it needs first"),
            [
                (f"`{name}`", edition, data["licence"], data.get("gate", ""))
                for name, engine in engines
                for edition, data in engine.get("editions", {}).items()
            ],
        ),
        "## Parameters",
        "What `spec.parameters` of a claim may name, and what the nodes do when it changes.",
        *_table(
            ("engine", "parameter", "type", "allowed", "default", "restart"),
            [
                (
                    f"`{name}`",
                    f"`{parameter}`",
                    data.get("type", ""),
                    _allowed(data),
                    _plain(data.get("default", "")),
                    data["restart"],
                )
                for name, engine in engines
                for parameter, data in engine.get("parameters", {}).items()
            ],
        ),
        "## Regions",
        *_table(
            ("region", "where", "zones", "storage classes", "backups"),
            [
                (
                    f"`{name}`",
                    region["title"],
                    ", ".join(region["zones"]),
                    ", ".join(region["storageClasses"]),
                    f"`{region['backups']}`",
                )
                for name, region in catalog.regions.items()
            ],
        ),
    ]
    return _joined(lines)


def _between(limits: Json) -> str:
    least, most = str(limits["min"]), str(limits["max"])
    return least if least == most else f"{least} to {most}"


def _role(name: str, role: Json) -> str:
    nodes = "a copy each" if role.get("perCopy") else str(role["replicas"])
    return f"`{name}` {nodes}: {_between(role['cpu'])} CPU, {_between(role['memory'])}"


def _answer(answer: str | Json) -> str:
    return answer if isinstance(answer, str) else f"no: {answer['refused']}"


def _allowed(parameter: Json) -> str:
    if "values" in parameter:
        return ", ".join(_plain(value) for value in parameter["values"])
    ends = [f"{word} {parameter[key]}" for key, word in (("min", "from"), ("max", "to")) if key in parameter]
    return " ".join(ends)


def _names(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / folder).glob("*.py") if path.stem != "__init__")


def _file(folder: str, name: str) -> str:
    return f"{name}.md" if folder == "modules" else f"{name}_{folder}.md"


def _yaml(path: Path) -> Json:
    found: Json = yaml.safe_load(path.read_text())
    return found


def _plugin(folder: str, name: str) -> tuple[Json, str, Json]:
    """Documentation with its fragments, examples, and what is returned."""
    path = str(ROOT / "plugins" / folder / f"{name}.py")
    read = read_docstring(path)
    doc: Json = read["doc"]
    add_fragments(doc, path, fragment_loader=fragment_loader, is_module=folder == "modules")
    return doc, read["plainexamples"] or "", read["returndocs"] or {}


def _page(name: str, doc: Json, examples: str, returned: Json) -> str:
    # not before Ansible's loader is there, which has to import it
    from ansible_collections.dbaas.platform.plugins.module_utils import specs

    options: Json = doc.get("options") or {}
    shared = {*specs.connections(), "shipped"}
    lines = [
        f"# {COLLECTION}.{name}",
        _MADE,
        markdown(doc["short_description"]) + ".",
        *_paragraphs(doc["description"]),
    ]
    lines += ["## Options", *_options({key: item for key, item in options.items() if key not in shared})]
    if common := {key: item for key, item in options.items() if key in shared}:
        lines += ["### Connections", *_options(common)]
    if attributes := doc.get("attributes"):
        rows = [
            (f"`{key}`", str(item["support"]), markdown(item["description"]))
            for key, item in sorted(attributes.items())
        ]
        lines += ["## Attributes", *_table(("attribute", "support", "what it means here"), rows)]
    lines += ["## Examples", f"```yaml\n{examples.strip()}\n```"]
    if returned:
        lines += ["## Returned", *_options(returned, "contains")]
    if requirements := doc.get("requirements"):
        lines += [f"Needs {', '.join(f'`{item}`' for item in requirements)}."]
    return _joined(lines)


def _playbooks(books: dict[str, Json]) -> str:
    lines = [
        "# Playbooks",
        _MADE,
        "What is asked for are variables: extra variables of `ansible-playbook`, or answers of a survey.",
    ]
    for name, data in books.items():
        entry: Json = data["argument_specs"][name]
        lines += [f"## {COLLECTION}.{name}", *_paragraphs(entry["description"]), *_options(entry["options"])]
        lines.append(f"```\n{entry['examples'].strip()}\n```")
    return _joined(lines)


def _templates() -> str:
    """Job templates with their surveys, as the shipped catalog makes them: whoever reviews a change sees it here."""
    from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey
    from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_templates, base

    run = base.Run({"shipped": base.shipped(ROOT)})
    books = awx_templates.books(ROOT)
    lines = [
        "# AWX's job templates",
        _MADE,
        f"One for each playbook, with the choices of the shipped catalog. Each survey ends with `{survey.KEY}`.",
    ]
    settings: Json = {"playbooks": [], "books": books, "common": {}, "differing": {}, "without": []}
    for template in awx_templates.run(base.Run({**run.options, **settings})):
        questions = [question for question in template["survey_spec"]["spec"] if question["variable"] != survey.KEY]
        lines += [f"## {template['name']}", f"{template['description']}: `{template['playbook']}`."]
        lines += _table(("variable", "question", "type", "answer", "default", "help"), map(_question, questions))
        left = survey.left_out(books[template["playbook"][len("playbooks/") : -len(".yml")]]["options"])
        lines += [f"Not asked for: `{option}` {why}." for option, why in left.items()]
    return _joined(lines)


def _question(question: Json) -> tuple[str, ...]:
    unit = "" if question["type"] in ("integer", "float") else " characters"
    least, most = question["min"], question["max"]
    limits = f"at least {least}" if most is None else f"{least or 0} to {most}"
    answers = [
        "required" if question["required"] else "",
        ", ".join(f"`{choice}`" for choice in question.get("choices", [])),
        f"{limits}{unit}" if (least, most) != (None, None) else "",
    ]
    return (
        f"`{question['variable']}`",
        question["question_name"],
        question["type"],
        "; ".join(each for each in answers if each),
        f"`{question['default']}`" if question["default"] != "" else "",
        question["question_description"],
    )


def _roles(roles: dict[str, Json]) -> str:
    lines = ["# Roles", _MADE]
    for name, data in roles.items():
        lines += [
            f"## {COLLECTION}.{name}",
            *_paragraphs(_main(data)["description"]),
            *_options(_main(data)["options"]),
        ]
    return _joined(lines)


def _main(data: Json) -> Json:
    found: Json = data["argument_specs"]["main"]
    return found


def _options(options: Json, children: str = "suboptions") -> list[str]:
    return ["\n".join(_items(options, children, ""))]


def _items(options: Json, children: str, indent: str) -> Iterator[str]:
    for name, item in options.items():
        kind = item.get("type", "str") + (f" of {item['elements']}" if item.get("elements") else "")
        facts = [kind]
        if item.get("required"):
            facts.append("**required**")
        if item.get("default") not in (None, ""):
            facts.append(f"default `{_plain(item['default'])}`")
        if item.get("choices"):
            facts.append("one of " + ", ".join(f"`{_plain(each)}`" for each in item["choices"]))
        if children == "contains" and item.get("returned"):
            facts.append(str(item["returned"]))
        variables = [f"`{each['name']}`" for each in item.get("env") or []]
        also = [f"Environment: {', '.join(variables)}."] if variables else []
        words = " ".join([*_paragraphs(item.get("description") or ""), *also])
        yield f"{indent}- **{name}** ({', '.join(facts)}): {words}"
        nested = item.get(children) or item.get("options") or {}
        yield from _items(nested, children, indent + "  ")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _paragraphs(text: str | Sequence[str]) -> list[str]:
    return [markdown(each) for each in ([text] if isinstance(text, str) else text)]


def markdown(text: str) -> str:
    """Ansible's markup as Markdown."""
    return _MARKUP.sub(_marked, " ".join(text.split()))


def _marked(found: re.Match[str]) -> str:
    kind, inside = found[1], re.sub(r"\\(.)", r"\1", found[2])
    if kind in ("B", "I"):
        return f"**{inside}**" if kind == "B" else f"*{inside}*"
    if kind == "L":
        words, _comma, address = inside.partition(",")
        return f"[{words.strip()}]({address.strip()})"
    if kind == "M" and inside.startswith(f"{COLLECTION}."):
        return f"[`{inside}`]({inside.rpartition('.')[2]}.md)"
    return inside if kind == "U" else f"`{inside}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)]


def _joined(lines: Iterable[str]) -> str:
    return "\n\n".join(line for line in lines if line) + "\n"


def main() -> None:
    """Write all pages, and take away those that are no more."""
    init_plugin_loader([str(ROOT / ".cache/collections")])
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""YAML in and out: the one place that knows how documents are read and written (fast_yaml, YAML 1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

# Go's readers (kubectl, Argo CD) take a bare y or n for a boolean, and fast_yaml does not know. As it writes every
# scalar on one line, a bare one can only begin a line (after indentation and dashes), or end it after ": ".
_BARE = re.compile(r"(?m)[yYnN](?<!\S.)(?=$|:$|: )")
# And it writes text of several lines as one with \n in it, so that nobody could read the diff of a settings file.
_TEXT = re.compile(
    r"""(?x)(?P<indent>\ *(?:-\ )*)
    (?P<key>(?:"(?:[^"\\]|\\.)*"|[^"\s](?:(?!:\ ).)*?):\ )?
    "(?P<text>(?:[^"\\]|\\["\\n])*+)" """
)
_LINE = re.compile(
    r"^(?:YAML parse error: )?(?:YAML syntax error: )?(.*?) at line (\d+), column \d+(?: \(document \d+\))?$", re.DOTALL
)


class InvalidDocument(DbaasError):
    """A text that holds no YAML documents of ours: source, line (0 where it is not known) and problem."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__("document-invalid", f"{source}{f', line {line}' if line else ''}: {problem}")
        self.source, self.line, self.problem = source, line, problem


def load_all(content: str | bytes, source: str = "document") -> list[Any]:
    """The documents of a YAML (or JSON) text, empty ones left out: dicts, lists, str, int, float, bool, None.

    Dates, yes/no and octal numbers are text or numbers as YAML 1.2 has it. `source` names the file in errors.
    Raises InvalidDocument, with file and line: no YAML, a key given twice, a key that is no text.
    """
    with _named(source):
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content.removeprefix("\ufeff")
        documents = load_own(text, source)
        twice = [problem for problem in _fast_yaml().lint.lint(text) if problem.code == "duplicate-key"]
    if twice:
        raise InvalidDocument(source, twice[0].span.start.line, twice[0].message)
    for document in documents:
        if (key := _odd_key(document)) is not None:
            raise InvalidDocument(source, 0, f"the key {key[0]!r} must be text; put it in quotes")
    return documents


def load_own(content: str | bytes, source: str = "document") -> list[Any]:
    """The documents of a text that `dump` wrote: as load_all, without looking for keys that are given twice or no text.

    That is the longer part of load_all. Raises InvalidDocument for what is no YAML.
    """
    with _named(source):
        text = content.decode() if isinstance(content, bytes) else content
        return [document for document in _fast_yaml().safe_load_all(text) if document is not None]


@contextmanager
def _named(source: str) -> Iterator[None]:
    """What the reader says of a text, with the name of the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidDocument(source, line, "is not UTF-8") from None
    except ValueError as error:
        found = _LINE.search(str(error))
        raise InvalidDocument(source, int(found[2]) if found else 0, found[1] if found else str(error)) from None


def dump(document: object) -> str:
    """One document, in the order given, as text that every reader of YAML 1.1 and 1.2 understands alike."""
    text: str = _BARE.sub(_quote, _fast_yaml().safe_dump(document, sort_keys=False, allow_unicode=True))
    return "\n".join(map(_block, text.split("\n"))) if "\\n" in text else text


def dump_all(documents: Iterable[object]) -> str:
    """Several documents, each begun by `---`."""
    return "".join(f"---\n{dump(document)}" for document in documents)


def line_of(content: bytes, path: str, number: int = 0) -> int:
    """The line (from 1) at which a field (`spec.regions[1]`) stands in one document of a text.

    That of the nearest field above where it is not there, 1 where nothing can be found: a slow reader that knows
    positions is asked, so this is for what is wrong, not for every file.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        nodes = [node for node in yaml.compose_all(content.decode(errors="replace"), Loader=loader) if node is not None]
    except yaml.YAMLError:
        return 1
    nodes = [node for node in nodes if not (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"))]
    if number >= len(nodes):
        return 1
    node = nodes[number]
    line = node.start_mark.line
    while path:
        if isinstance(node, yaml.MappingNode):
            # keys hold dots themselves, so the longest that fits is meant
            fitting = [
                (key, value)
                for key, value in node.value
                if path == key.value or path.startswith((f"{key.value}.", f"{key.value}["))
            ]
            if not fitting:
                break
            key, node = max(fitting, key=lambda pair: len(pair[0].value))
            line, path = key.start_mark.line, path.removeprefix(key.value).removeprefix(".")
        elif isinstance(node, yaml.SequenceNode) and (found := re.match(r"\[(\d+)\]\.?", path)):
            if int(found[1]) >= len(node.value):
                break
            node = node.value[int(found[1])]
            line, path = node.start_mark.line, path[found.end() :]
        else:
            break
    return int(line) + 1


def _quote(found: re.Match[str]) -> str:
    before = found.string[found.string.rfind("\n", 0, found.start()) + 1 : found.start()]
    ends = before.endswith(": ") and found.string[found.end()] == "\n"
    return f'"{found[0]}"' if ends or not before.strip(" -?:") else found[0]


def _block(line: str) -> str:
    """The line, with a literal block for its text where a block can hold that text and show all of it."""
    if "\\n" not in line or not (found := _TEXT.fullmatch(line)):
        return line
    text = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], found["text"])
    indent, key = found["indent"], found["key"] or ""
    if (
        "\n" not in text
        or text[0] in " \n"
        or text.endswith("\n\n")
        or re.search(r"(?m) $", text)
        or not (indent or key)
    ):
        return line
    inner = " " * (len(indent) + (2 if key else 0))
    mark = "|" if text.endswith("\n") else "|-"
    return f"{indent}{key}{mark}\n" + re.sub(r"(?m)^(?=.)", inner, text.removesuffix("\n"))


def _odd_key(node: object) -> tuple[object] | None:
    if isinstance(node, dict):
        for key, value in node.items():
            if not isinstance(key, str):
                return (key,)
            if (odd := _odd_key(value)) is not None:
                return odd
    elif isinstance(node, list):
        for value in node:
            if (odd := _odd_key(value)) is not None:
                return odd
    return None


def _fast_yaml() -> Any:
    try:
        import fast_yaml
        import fast_yaml.lint
    except ImportError:
        raise DbaasError("dependency-missing", "The Python package fastyaml-rs is not installed here.") from None
    return fast_yaml

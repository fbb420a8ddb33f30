"""What no test would miss: every line of the renderers is deleted once, and the tests that should notice are run.

A mutant is one line, or one statement, dict entry, list item or argument over several lines, without which the file
still compiles. Those that survive are listed, for people to judge: each is a test that is missing. `make mutation` runs
all; with paths (`plugins/module_utils/domain/render.py`), those.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tools.tree import ROOT

#: those of the mutants that may survive
SHARE = 0.03
PACKAGE = "ansible_collections.dbaas.platform"
ENGINES = "plugins/module_utils/engines"
TESTS = (
    "tests/unit/engines",
    "tests/unit/domain/test_render.py",
    "tests/unit/domain/test_status.py",
    "tests/unit/domain/test_admit.py",
    "tests/unit/domain/test_consequences.py",
    "tests/unit/domain/test_names.py",
    "tests/unit/domain/test_hatches.py",
    "tests/unit/domain/test_placement.py",
    "tests/unit/domain/test_repository.py",
    "tests/unit/domain/test_changes.py",
)
#: values that functions make while a module is loaded
DATA = (str, int, tuple, list, dict, frozenset)
#: what makes no manifest; functions that give Rules are left out too: an API server has to say what these refuse
LEFT_OUT = ("__init__.py", "base.py")


@dataclass(frozen=True)
class Mutant:
    """Lines first to last (from 1) of a file are gone."""

    path: str
    first: int
    last: int
    text: str

    def __str__(self) -> str:
        lines = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.path}:{lines}: {self.text}"


def renderers() -> list[str]:
    """The files that make manifests."""
    engines = sorted(path.name for path in (ROOT / ENGINES).glob("*.py") if path.name not in LEFT_OUT)
    return ["plugins/module_utils/domain/render.py", *(f"{ENGINES}/{name}" for name in engines)]


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Every deletion inside the functions of a file that makes another program, docstrings left out."""
    lines = source.splitlines()
    module = ast.parse(source)
    whole = ast.dump(module)
    seen: set[tuple[int, int]] = set()
    for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
        if "Rule" in ast.unparse(function.returns or ast.Constant(None)):
            continue
        body = function.body[1:] if ast.get_docstring(function) else function.body
        for first, last in (span for statement in body for span in _spans(statement)):
            rest = "\n".join([*lines[: first - 1], *lines[last:]]) + "\n"
            if (first, last) not in seen and _differs(rest, whole):
                seen.add((first, last))
                yield Mutant(path, first, last, lines[first - 1].strip())


def _spans(statement: ast.stmt) -> Iterator[tuple[int, int]]:
    end = statement.end_lineno or statement.lineno
    yield statement.lineno, end
    yield from ((line, line) for line in range(statement.lineno, end + 1))
    for node in ast.walk(statement):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield (key or value).lineno, value.end_lineno or value.lineno
        elif isinstance(node, ast.stmt | ast.expr | ast.keyword):
            yield node.lineno, node.end_lineno or node.lineno


def _differs(source: str, whole: str) -> bool:
    """Whether it compiles to something else: a comment is no line of a program."""
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return ast.dump(ast.parse(source)) != whole


def apply(mutant: Mutant) -> None:
    """Give the functions of the module that is loaded the code that they have without these lines."""
    lines = (ROOT / mutant.path).read_text().splitlines(keepends=True)
    source = "".join([*lines[: mutant.first - 1], *lines[mutant.last :]])
    name = f"{PACKAGE}.{mutant.path.removesuffix('.py').replace('/', '.')}"
    module = importlib.import_module(name)
    changed: dict[str, Any] = {"__name__": name}
    exec(compile(source, mutant.path, "exec"), changed)  # noqa: S102
    # others hold the functions and classes by name, so these stay and their code goes
    _take_over(module, changed, name)


def _take_over(old: object, new: Mapping[str, Any], module: str) -> None:
    for name, thing in list(vars(old).items()):
        other = new.get(name)
        function = inspect.unwrap(thing) if callable(thing) and not inspect.isclass(thing) else None
        if inspect.isfunction(function) and function.__module__ == module and other is not None:
            function.__code__ = inspect.unwrap(other).__code__
        elif inspect.isclass(thing) and thing.__module__ == module and other is not None:
            _take_over(thing, vars(other), module)
        elif not name.startswith("__") and isinstance(thing, DATA) and isinstance(other, DATA) and thing != other:
            setattr(old, name, other)


class Deletions:
    """A plugin of pytest that runs what was collected once per mutant, each in a fork of its own."""

    def __init__(self, found: Sequence[Mutant]) -> None:
        self._found = found
        self._running: dict[int, Mutant] = {}
        self._started = self._said = time.monotonic()
        self.survivors: list[Mutant] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not passes(session, None):
            raise pytest.UsageError("the tests fail without any deletion")
        for number, mutant in enumerate(self._found):
            while len(self._running) >= (os.cpu_count() or 2):
                self._reap()
            child = os.fork()
            if child == 0:
                os._exit(int(not _quietly(session, mutant)))
            self._running[child] = mutant
            if time.monotonic() - self._said > 30:
                self._said = time.monotonic()
                say(f"{number} of {len(self._found)} in {self._said - self._started:.0f} s")
        while self._running:
            self._reap()
        return True

    def _reap(self) -> None:
        child, status = os.wait()
        mutant = self._running.pop(child)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            self.survivors.append(mutant)
            say(f"survives: {mutant}")


def passes(session: pytest.Session, mutant: Mutant | None) -> bool:
    """Whether every test passes in a fork, with this deletion or with none."""
    child = os.fork()
    if child == 0:
        os._exit(int(not _quietly(session, mutant)))
    return os.waitpid(child, 0)[1] == 0


def _quietly(session: pytest.Session, mutant: Mutant | None) -> bool:
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        try:
            if mutant:
                apply(mutant)
            # what is about the file notices soonest, and what is about other engines hardly ever
            own = f"test_{Path(mutant.path).stem}" if mutant else ""
            items = sorted(session.items, key=lambda item: (item.path.stem != own, item.path.parent.name == "engines"))
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return False
        except BaseException:  # noqa: BLE001 - a module that does not even load is noticed
            return False
    return True


def say(text: str) -> None:
    print(text, file=sys.__stdout__, flush=True)


def main(paths: Sequence[str]) -> int:
    found = [mutant for path in paths or renderers() for mutant in mutants(path, (ROOT / path).read_text())]
    deletions = Deletions(found)
    code = pytest.main(["-q", "-s", *TESTS], plugins=[deletions])
    share = len(deletions.survivors) / max(1, len(found))
    say(f"{len(deletions.survivors)} of {len(found)} deletions survive ({share:.1%}); at most {SHARE:.0%} may")
    for mutant in sorted(deletions.survivors, key=str):
        say(f"  {mutant}")
    return int(code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED) or share > SHARE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with files of the repository, by file and line, and how CI systems want to be told. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError

Json = dict[str, Any]

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong: file from the repository's root, line from 1, code (an anchor of the runbook), severity.

    allowed and nearest say what would be right, None where there is nothing to choose.
    """

    file: str
    line: int
    code: str
    message: str
    severity: str = ERROR
    allowed: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message} [{self.code}]"

    def data(self) -> Json:
        """As a mapping of plain data."""
        return asdict(self)


def of_field(error: FieldError, code: str, file: str, line: int) -> Problem:
    """The problem that a wrong field is."""
    near = None if error.nearest is None else str(error.nearest)
    return Problem(file, line, code, str(replace(error, source="")), ERROR, error.allowed, near)


def github(problems: Iterable[Problem]) -> list[str]:
    """Workflow commands of GitHub Actions, one line each: a log that shows them makes annotations of the lines."""
    return [
        f"::{item.severity} file={_property(item.file)},line={item.line},title={_property(item.code)}::"
        f"{_message(item.message)}"
        for item in problems
    ]


def gitlab(problems: Iterable[Problem]) -> list[Json]:
    """A code quality report of GitLab. The fingerprint lacks the line, so that a problem that moves stays the same."""
    seen: dict[str, int] = {}
    report = []
    for item in problems:
        identity = f"{item.file}\0{item.code}\0{item.message}"
        seen[identity] = seen.get(identity, 0) + 1
        # what is wrong twice in one file is two problems
        digest = hashlib.sha256(f"{identity}\0{seen[identity]}".encode()).hexdigest()
        report.append(
            {
                "description": item.message,
                "check_name": item.code,
                "fingerprint": digest,
                "severity": "major" if item.severity == ERROR else "minor",
                "location": {"path": item.file, "lines": {"begin": item.line}},
            }
        )
    return report


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")

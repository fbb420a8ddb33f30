# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the events of a job say: its progress, what it leaves behind, why it failed, and what of that a tenant may see.

Events are ansible-runner's, which AWX keeps as they are: counter, event, stdout, event_data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import CODES

Json = dict[str, Any]

#: States in which a job stays; `lost` is one whose launcher died and that nobody runs any more.
ENDED = ("successful", "failed", "error", "canceled", "lost")

#: The variable that our playbooks leave with set_stats.
RESULT = "dbaas_result"

#: Codes whose own words a tenant may see: they speak of what it asked for, and of nothing that lies behind.
OWN = frozenset(
    {
        "answers-invalid",
        "approval-denied",
        "approval-needed",
        "claim-invalid",
        "deprovision-cancelled",
        "job-canceled",
        "launch-key-reused",
        "not-built",
        "quota-exceeded",
        "rollback-refused",
        "snapshot-unconfirmed",
        "tenant-invalid",
    }
)

_LATER = "Something that the platform depends on did not answer or was too slow; asking again later can help."
_OPERATORS = "The platform's operators have to look at it; asking again does not help before."
_SENTENCES = {
    "not-active": "The database is not Active; nothing is undone, and the platform goes on with it.",
    "wait-timeout": "The database was not ready in time; nothing is undone, and the platform goes on with it.",
    "wait-failed": "The database could not be brought up. " + _OPERATORS,
    "operation-failed": "The change did not come to its end; nothing is undone. " + _OPERATORS,
    "job-lost": "It cannot be told how far this came. Asking again is safe: nothing is done twice.",
}

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CODE = re.compile(r"\[([a-z]+(?:-[a-z]+)+)(?:, [a-z]+)?\]\W*\Z")


@dataclass(frozen=True)
class Reason:
    """Why a job failed, in words that a tenant may see: no host, no address, no output.

    code: of CODES, or `job-failed`. retry: whether asking again can help. reference: finds the job for the operators.
    """

    code: str
    cls: str
    retry: bool
    message: str
    reference: str


@dataclass(frozen=True)
class Failure:
    """The task that a job failed in: name, host, its own words, their code ("" where they have none), its output."""

    task: str
    host: str
    message: str
    code: str
    stdout: str

    def __str__(self) -> str:
        return f"task {self.task!r} on {self.host}: {self.message}"


def plain(text: str) -> str:
    """Output without colours."""
    return _COLOUR.sub("", text).replace("\r", "")


def progress(event: Mapping[str, Any]) -> list[str]:
    """The lines that an event has for people who watch; for operators, since a module's own words are among them."""
    kind, data = event.get("event"), event.get("event_data") or {}
    if kind == "verbose":
        return [line for line in plain(str(event.get("stdout", ""))).splitlines() if line.strip()]
    if kind == "playbook_on_task_start":
        return [f"TASK {data.get('task') or data.get('name') or ''}"]
    if _failed(event):
        return [f"FAILED {_failure(event).message.splitlines()[0]}"]
    return []


def failure(events: Iterable[Mapping[str, Any]]) -> Failure | None:
    """The failure that ended the job: of its last failed task the one that has a code, else the first."""
    found = [_failure(event) for event in events if _failed(event)]
    last = [item for item in found if item.task == found[-1].task]
    return next((item for item in last if item.code), last[0] if last else None)


def artifacts(events: Iterable[Mapping[str, Any]]) -> Json:
    """What the job left with set_stats."""
    found: Json = {}
    for event in events:
        if event.get("event") == "playbook_on_stats":
            found |= (event.get("event_data") or {}).get("artifact_data") or {}
    return found


def reason(code: str, message: str, reference: str) -> Reason:
    """What a tenant may see of a failure: its own words where it is the tenant's to mend, else a general sentence."""
    code = code if code in CODES else "job-failed"
    cls, retry, _action = CODES[code]
    if code not in OWN:
        message = _SENTENCES.get(code) or (_LATER if retry else _OPERATORS)
        message = f"{message} [{code}] Reference: {reference}."
    return Reason(code, cls, retry, message, reference)


def _failed(event: Mapping[str, Any]) -> bool:
    data = event.get("event_data") or {}
    return event.get("event") in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors")


def _failure(event: Mapping[str, Any]) -> Failure:
    data = event.get("event_data") or {}
    result: Json = data.get("res") or {}
    # of a loop the item that failed says more than the loop
    items = [item for item in result.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    told = items[0] if items else result
    message = str(told.get("msg") or told.get("censored") or "no words")
    error = told.get("error")
    if isinstance(error, dict) and error.get("code"):
        code = str(error["code"])
    elif told.get("argument_errors"):
        # ansible.builtin.validate_argument_spec, with which our playbooks check their answers
        code = "answers-invalid"
    else:
        found = _CODE.search(message)
        code = found[1] if found else ""
    return Failure(
        str(data.get("task", "")), str(data.get("host", "")), message, code, plain(str(event.get("stdout", "")))
    )

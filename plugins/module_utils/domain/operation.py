# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One operation as a PoP sees it: how far it is, until when it must be done, and whether it was. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity

Json = dict[str, Any]

DEADLINE_EXCEEDED = "DeadlineExceeded"
TERMINAL = "TerminalError"


def advanced(
    last: Json,
    asked: Json,
    *,
    phase: str,
    reached: bool,
    ready: int,
    wanted: int,
    words: str,
    now: str,
    stopped: str = "",
) -> Json:
    """`lastOperation` after one more look.

    last: what it was; asked: id, action, requester and deadline (a duration) of the operation that the copy bears;
    reached: whether the operator's object bears it too; words: how far it is, for people; now: RFC 3339; stopped: why
    it cannot go on for now, which fails it until that is no longer so.

    Time runs from the moment at which this PoP first saw the operation: what is rendered holds no clock, or check mode
    could not say what will be committed. An operation that is late stays failed, also when the database gets ready
    after all, which its last step and its message then say.
    """
    same = last.get("id") == asked["id"]
    last = last if same else {}
    if _ended(last):
        # what happens after an operation has ended is the phase's matter
        return {**last, "ready": ready, **({"wanted": wanted} if reached else {})}
    started = last.get("startedAt", now)
    limit = last.get("deadline") or _deadline(started, asked["deadline"])
    late = not stopped and (last.get("reason") == DEADLINE_EXCEEDED or bool(limit and _moment(now) > _moment(limit)))
    state, reason = {"Active": ("Succeeded", ""), "Failed": ("Failed", TERMINAL)}.get(phase, ("Running", ""))
    if stopped:
        state, reason = "Failed", stopped
    if late:
        state, reason = "Failed", DEADLINE_EXCEEDED
        words = f"{'ready, but only' if phase == 'Active' else 'not ready'} after the deadline: {words}"
    entry: Json = {
        "id": asked["id"],
        "action": asked["action"],
        "requester": asked["requester"],
        "state": state,
        "ready": ready,
        "wanted": wanted,
        "message": words,
        "startedAt": started,
        "steps": _steps(last.get("steps", []), asked, reached, phase == "Active", words, started, now),
        **({"reason": reason} if reason else {}),
        **({"deadline": limit} if limit else {}),
    }
    if state != "Running":
        entry["finishedAt"] = last["finishedAt"] if last.get("state") == state else now
    return entry


def under_way(last: Json, operation: str) -> bool:
    """Whether the operation that a copy bears is not done yet; one that is late is not."""
    return last.get("id") != operation or not _ended(last)


def _ended(last: Json) -> bool:
    return last.get("state") == "Succeeded" or any(step["name"] == "ready" for step in last.get("steps", []))


def _steps(
    before: list[Json], asked: Json, reached: bool, ready: bool, words: str, started: str, now: str
) -> list[Json]:
    """committed (when, only Git knows), synced, provisioning, ready: those that were reached, each with its time."""
    known = {step["name"]: step for step in before}
    steps = [
        {"name": "committed", "message": f"{asked['action']} by {asked['requester']}"},
        known.get("synced", {"name": "synced", "at": started, "message": ""}),
    ]
    if reached or "provisioning" in known:
        steps.append({**known.get("provisioning", {"name": "provisioning", "at": now}), "message": words})
    if ready:
        steps.append({"name": "ready", "at": now, "message": words})
    return steps


def _deadline(started: str, duration: str) -> str:
    try:
        end = _moment(started) + timedelta(seconds=quantity.seconds(duration))
    except (ValueError, OverflowError):
        # a copy that somebody wrote by hand: then there is none
        return ""
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delivery: any number of changes become one commit on a branch that others write too, or a request to merge it there.

No lock: the remote refuses what is not a fast-forward, and whoever was slower fetches, plans and tries again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ansible_collections.dbaas.platform.plugins.module_utils import crash
from ansible_collections.dbaas.platform.plugins.module_utils.clients.forge import Request
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import blob_id
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import Proposal


class Tree(Protocol):
    """The files of one state of the platform: a Snapshot of the remote is one, a Checkout of a folder another."""

    @property
    def commit(self) -> str:
        """Id of the commit, "" where there is none."""

    @property
    def blobs(self) -> Mapping[str, str]:
        """Path -> blob id of every file."""

    def read(self, paths: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """Contents of these files (their first `most` bytes), those that do not exist left out."""


T = TypeVar("T")
S = TypeVar("S", bound=Tree)


class Target(Protocol[S]):
    """Where changes are delivered to. GitRepository is one, direct.Clusters another; errors as there."""

    def fetch(self) -> S:
        """What is there now."""

    def commit(self, base: S, changes: Mapping[str, bytes | None], message: str, author: str) -> str:
        """Prepare the changes, here only, and return their id."""

    def diff(self, base: S, commit: str) -> str:
        """What these changes do to the base, as text for people."""

    def snapshot(self, commit: str) -> S:
        """The state that a prepared commit makes."""

    def push(self, commit: str) -> None:
        """Make them exist, all at once; git-raced when what is there is not the base any more."""


@dataclass(frozen=True)
class Change(Generic[T]):
    """What a plan wants: path -> content (None: no such file), message and author, and what the caller gets.

    proposal: what a merge request for it says. Of a plan that changes nothing its branch alone counts: a request of
    that branch asks for nothing any more. None where nobody can have asked.
    """

    files: Mapping[str, bytes | None]
    message: str
    author: str
    result: T
    proposal: Proposal | None = None


@dataclass(frozen=True)
class Proposed:
    """What became of a proposal: its branch, commit and request (None in check mode, where none is open yet).

    changed: whether anything was, or would be, pushed, opened, rewritten or closed.
    """

    branch: str
    commit: str
    request: Request | None
    changed: bool


class Desk(Protocol):
    """Where proposals are handed in, to be merged by somebody else (runner/review.py)."""

    def propose(self, base: Tree, commit: str, proposal: Proposal, *, check: bool) -> Proposed:
        """Has a request open that asks to merge just this; git-raced when another writer did so at the same time."""

    def withdraw(self, base: Tree, branch: str, *, check: bool) -> Proposed | None:
        """Closes the request of this branch, for nothing is left to merge; None where none is open."""


@dataclass(frozen=True)
class Delivered(Generic[T]):
    """What was done: `files` are those that differed from `base`; `commit` is "" when none did, and in check mode.

    diff: what `git diff` says of the commit, when it was asked for. proposed: how far it is where it is merged by
    somebody else; what is asked for already is no change.
    """

    base: Tree
    commit: str
    files: Mapping[str, bytes | None]
    result: T
    attempts: int
    diff: str = ""
    proposed: Proposed | None = None

    @property
    def changed(self) -> bool:
        return self.proposed.changed if self.proposed else bool(self.files)


def deliver(
    target: Target[S],
    plan: Callable[[S], Change[T]],
    *,
    deadline: float,
    check: bool,
    progress: Callable[[str], None],
    diff: bool = False,
    desk: Desk | None = None,
) -> Delivered[T]:
    """Fetch, plan, commit and push; again from the start when another writer was faster, for `deadline` seconds.

    With a desk the commit is proposed there instead of pushed to the branch.

    The plan is called once a round with the remote as it is then. `progress` is given a sentence for people when
    something is waited for. In check mode nothing leaves this machine. Errors: the target's and the plan's; git-raced
    only after the deadline.
    """
    end = time.monotonic() + deadline
    attempts = 0
    while True:
        attempts += 1
        base = target.fetch()
        change = plan(base)
        files = {path: content for path, content in change.files.items() if differs(base, path, content)}
        if not files and desk and change.proposal:
            # what was asked for before, and is not any more
            withdrawn = desk.withdraw(base, change.proposal.branch, check=check)
            return Delivered(base, "", files, change.result, attempts, proposed=withdrawn)
        if not files or (check and not diff and desk is None):
            return Delivered(base, "", files, change.result, attempts)
        crash.point("planned")
        commit = target.commit(base, files, change.message, change.author)
        text = target.diff(base, commit) if diff else ""
        proposed = None
        if check:
            if desk:
                proposed = desk.propose(base, commit, _proposal(change), check=True)
            return Delivered(base, "", files, change.result, attempts, text, proposed)
        crash.point("committed")
        try:
            if desk:
                proposed = desk.propose(base, commit, _proposal(change), check=False)
                commit = proposed.commit
            else:
                target.push(commit)
        except DbaasError as error:
            pause = _pause(attempts)
            if error.code != "git-raced":
                raise
            if time.monotonic() + pause >= end:
                raise DbaasError("git-raced", f"{error.message}; {attempts} attempts in {deadline:g} s") from error
            progress(f"Another writer was faster; attempt {attempts + 1} follows.")
            time.sleep(pause)
        else:
            crash.point("pushed")
            return Delivered(base, commit, files, change.result, attempts, text, proposed)


def _proposal(change: Change[T]) -> Proposal:
    if change.proposal is None:
        # a plan that forgot it must not end as a push past those who were to be asked
        raise ValueError(f"no proposal for: {change.message}")
    return change.proposal


def _pause(lost: int) -> float:
    """Seconds until the next attempt after so many were lost: some 2 s, then half of that each time.

    Shorter each time, not longer: whoever has lost often comes before those that have just begun, so that nobody waits
    for very long. One of those that push at the same time always lands.
    """
    return random.uniform(0.5, 1) * max(3 / (1 << min(lost - 1, 9)), 0.3)  # noqa: S311 (nothing secret)


def differs(base: Tree, path: str, content: bytes | None) -> bool:
    """Whether a file is not there as it should be (None: not at all)."""
    return base.blobs.get(path) != (None if content is None else blob_id(content))

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delivery by merge request: a branch of ours, a request that carries the plan, and the wait until it is merged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients import forge
from ansible_collections.dbaas.platform.plugins.module_utils.clients.forge import Forge, ForgeError, Request
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import (
    Change,
    Delivered,
    Proposed,
    S,
    Target,
    Tree,
    deliver,
    differs,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform as platforms
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.forge import place
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import LABELS, Proposal
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]
T = TypeVar("T")

#: seconds between two looks at a request: short at first, then as long as a host that counts them likes
PAUSES = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0)
#: the text of a request that was closed for want of a change
_WITHDRAWN = "Closed, for nothing is left to merge: what is asked for now is what stands on the branch."


def send(run: Run, target: Target[S], plan: Callable[[S], Change[T]]) -> Delivered[T]:
    """Delivers a plan as the options say: pushed to its target, or proposed for it."""
    asks = run.text("delivery") == "merge_request"
    delivered = deliver(
        target,
        plan,
        deadline=run.options.get("delivery_timeout") or 120,
        check=run.check,
        diff=run.diff,
        progress=run.progress,
        desk=Review(run, target) if isinstance(target, GitRepository) and asks else None,
    )
    if delivered.proposed and (request := delivered.proposed.request) and not run.check:
        words = "asks for it, and waits for whoever merges it"
        if request.state == "closed":
            words = "is closed, for nothing is left to merge"
        run.progress(f"merge request {request.number} {words}: {request.url}")
    return delivered


def told(delivered: Delivered[Any]) -> Json:
    """What results say of a delivery: whether anything changed, the commit, and the request where there is one."""
    found: Json = {"changed": delivered.changed, "commit": delivered.commit or None}
    if proposed := delivered.proposed:
        found["merge_request"] = _seen(proposed.branch, proposed.request)
    return found


def _seen(branch: str, request: Request | None) -> Json:
    if request is None:
        return {"number": None, "url": None, "state": "planned", "branch": branch}
    return {"number": request.number, "url": request.url, "state": request.state, "branch": branch}


def host(run: Run, snapshot: Tree) -> Forge:
    """The Git host's API, as platform.yml and the options name it. Raises DbaasError option-invalid without a token."""
    remote = base.remote(run)
    if not remote.token:
        words = "a token (or token_file, DBAAS_GIT_TOKEN) that may open merge requests, also where Git goes by SSH"
        raise InvalidFields("option-invalid", [FieldError("token", None, words)])
    text = snapshot.read([paths.PLATFORM]).get(paths.PLATFORM)
    if text is None:
        raise DbaasError("platform-missing", "The repository has no platform.yml.")
    platform = platforms.parse(next(iter(documents.load_all(text, paths.PLATFORM)), None))
    where = place(run.options.get("forge") or platform.forge, platform.repo_url)
    return forge.connect(where, remote.token, ca_cert=remote.ca_cert, proxy=remote.proxy)


def merged(run: Run, snapshot: Tree, proposed: Proposed, end: float) -> Json:
    """Waits until what was proposed is merged, until `end` (monotonic): what results say of it then.

    What this run has closed itself is not waited for.

    Raises DbaasError merge-closed (somebody has closed it without merging), merge-timeout, forge-*.
    """
    if proposed.request is None or run.check or proposed.request.state == "closed":
        return _seen(proposed.branch, proposed.request)
    return _followed(run, host(run, snapshot), proposed.request.number, end)


def followed(run: Run, number: int, end: float) -> Json:
    """The same for a request by its number, that another run has opened."""
    with base.repository(run) as repository:
        return _followed(run, host(run, repository.fetch()), number, end)


def _followed(run: Run, there: Forge, number: int, end: float) -> Json:
    name = f"merge request {number}"
    url = ""
    pauses = iter(PAUSES)
    while True:
        trouble: ForgeError | None = None
        try:
            request = there.get(number)
        except ForgeError as error:
            if not error.retry:
                raise
            trouble = error
        else:
            if request.state == "merged":
                run.progress(f"{name} is merged")
                return _seen(request.branch, request)
            if request.state == "closed":
                raise DbaasError("merge-closed", f"{name} was closed without being merged: {request.url}")
            url = request.url
        pause = next(pauses, PAUSES[-1])
        if time.monotonic() + pause > end:
            raise trouble or DbaasError("merge-timeout", f"{name} is not merged yet: {url}")
        time.sleep(pause)


def landed(target: Target[S], plan: Callable[[S], Change[T]], proposed: Proposed) -> T:
    """What a plan finds on the branch after its request was merged, however that was done.

    Raises DbaasError merge-differs when the branch does not say what was asked for: somebody has changed the request,
    or the same services after it.
    """
    snapshot = target.fetch()
    change = plan(snapshot)
    if left := sorted(path for path, content in change.files.items() if differs(snapshot, path, content)):
        words = f"what stands on the branch now is not what {proposed.branch} asked for"
        raise DbaasError("merge-differs", f"{words}: {', '.join(left[:5])}{' …' if len(left) > 5 else ''}")
    return change.result


def _plain(text: str) -> str:
    """A text as hosts give it back: some take the ends of lines for Windows', or blanks at the end away."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def _labels(request: Request | None, proposal: Proposal) -> list[str]:
    """The labels that the request gets: ours as they are now, and those that people have added."""
    there = request.labels if request else ()
    return sorted({*proposal.labels, *(label for label in there if label not in LABELS)})


class Review:
    """The desk of one run: its branch in the repository, and the host's API."""

    def __init__(self, run: Run, repository: GitRepository) -> None:
        self.run = run
        self.repository = repository
        self._forge: Forge | None = None

    def propose(self, base: Tree, commit: str, proposal: Proposal, *, check: bool) -> Proposed:
        """Has a request open that asks to merge this commit, or one that says the same on the same base.

        Errors: git-raced (another run was at the same branch), forge-*, git-*, option-invalid (no token, no place).
        """
        target = self.repository.remote.branch
        if not base.commit:
            words = f"{target} is empty: deliver the first commit with delivery: git, then protect the branch"
            raise DbaasError("option-invalid", f"delivery: merge_request: {words}")
        host = self._host(base)
        stands = self.repository.branch(proposal.branch)
        same = stands is not None and stands.same(self.repository.standing(commit))
        request = host.find(proposal.branch, target)
        if stands and same:
            commit = stands.commit
        labels = _labels(request, proposal)
        said = request and (request.title, _plain(request.body), sorted(request.labels))
        right = said == (proposal.title, _plain(proposal.body), sorted(labels))
        if check or (same and right):
            return Proposed(proposal.branch, commit, request, changed=not (same and right))
        if not same:
            self.repository.push_branch(proposal.branch, commit, stands.commit if stands else "")
        if request is None:
            request = self._open(host, proposal, target, labels)
        elif not right:
            request = host.update(request, proposal.title, proposal.body, labels)
        return Proposed(proposal.branch, commit, replace(request, head=commit), changed=True)

    def withdraw(self, base: Tree, branch: str, *, check: bool) -> Proposed | None:
        """Closes the open request of a branch, and says in it why; None where none is open. Errors: as propose."""
        if not base.commit:
            return None
        host = self._host(base)
        request = host.find(branch, self.repository.remote.branch)
        if request is None:
            return None
        if not check:
            try:
                host.close(request, _WITHDRAWN)
            except ForgeError:
                # somebody has merged or closed it between our look and this
                if host.get(request.number).state == "open":
                    raise
                return None
        return Proposed(branch, request.head, replace(request, state="closed"), changed=True)

    def _open(self, host: Forge, proposal: Proposal, target: str, labels: list[str]) -> Request:
        try:
            return host.create(proposal.branch, target, proposal.title, proposal.body, labels)
        except ForgeError as error:
            # another run has opened it between our look and this
            if error.status in (409, 422) and (request := host.find(proposal.branch, target)):
                return host.update(request, proposal.title, proposal.body, labels)
            raise

    def _host(self, snapshot: Tree) -> Forge:
        if self._forge is None:
            self._forge = host(self.run, snapshot)
        return self._forge

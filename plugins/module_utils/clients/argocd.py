# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an Argo CD Application says, which commits touch it, and what must be asked of it. Pure; Argo CD 3.1."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Obj

REFRESH = "argocd.argoproj.io/refresh"
#: conditions of an Application that keep it from being synced at all
BLOCKING = ("ComparisonError", "InvalidSpecError", "UnknownError")
#: complaints that are told of one Application, and characters of each
MOST, LONGEST = 3, 600
FIRST_SECONDS, MOST_SECONDS = 10.0, 300.0


@dataclass(frozen=True)
class Application:
    """An Application of one Git source, as far as its synchronisation goes.

    `revision` is the commit that it was last compared with ("" when that never succeeded), `attempted` the one that its
    last operation wanted.
    """

    name: str
    repository: str
    branch: str
    path: str
    files: tuple[str, ...]
    #: only some files of the folder count
    picky: bool
    recurse: bool
    include: str
    exclude: str
    revision: str
    differs: bool
    attempted: str
    phase: str
    busy: bool
    refreshing: bool
    automated: bool
    prune: bool
    options: tuple[str, ...]

    @property
    def stuck(self) -> bool:
        """Whether it stands still: Argo CD does not try a commit again whose sync has failed."""
        failed = self.phase in ("Failed", "Error") and self.attempted == self.revision
        return self.automated and not self.busy and bool(self.revision) and (self.differs or failed)


@dataclass(frozen=True)
class Complaint:
    """What stands in the way of a sync in Argo CD's own words, and the object that they are about, if they name one."""

    message: str
    kind: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}: {self.message}" if self.kind else self.message


class Changes:
    """The files that differ between two commits, and all folders above them."""

    def __init__(self, files: Iterable[str]) -> None:
        self.files = tuple(files)
        self.nodes = set(self.files)
        for file in self.files:
            folder = posixpath.dirname(file)
            while folder not in self.nodes:
                self.nodes.add(folder)
                folder = posixpath.dirname(folder)


def address(url: str) -> str:
    """A repository's URL in the form in which two spellings of one compare equal."""
    return url.rstrip("/").removesuffix(".git")


def parse(obj: Obj) -> Application | None:
    """None for an Application of a chart repository or of several sources: the platform makes none."""
    spec, status = obj["spec"], obj.get("status") or {}
    source = spec.get("source") or {}
    if not source.get("repoURL") or source.get("chart") or spec.get("sources"):
        return None
    sync, state = status.get("sync") or {}, status.get("operationState") or {}
    path = posixpath.normpath(source.get("path") or ".").strip("/")
    path = "" if path == "." else path
    directory = source.get("directory")
    policy = spec.get("syncPolicy") or {}
    return Application(
        name=obj["metadata"]["name"],
        repository=address(source["repoURL"]),
        branch=source.get("targetRevision") or "HEAD",
        path=path,
        files=tuple(_value_files(path, (source.get("helm") or {}).get("valueFiles") or [])),
        picky=directory is not None and not (directory.get("recurse") and not _globs(directory)),
        recurse=bool((directory or {}).get("recurse")),
        include=(directory or {}).get("include") or "",
        exclude=(directory or {}).get("exclude") or "",
        revision=sync.get("revision") or "" if sync.get("status") in ("Synced", "OutOfSync") else "",
        differs=sync.get("status") == "OutOfSync",
        attempted=attempted(obj),
        phase=state.get("phase") or "",
        busy="operation" in obj or state.get("phase") in ("Running", "Terminating"),
        refreshing=REFRESH in (obj["metadata"].get("annotations") or {}),
        automated=policy.get("automated") is not None and (policy["automated"] or {}).get("enabled") is not False,
        prune=bool((policy.get("automated") or {}).get("prune")),
        options=tuple(policy.get("syncOptions") or ()),
    )


def attempted(obj: Obj) -> str:
    """The commit that an Application's last operation wanted."""
    state = (obj.get("status") or {}).get("operationState") or {}
    wanted = (state.get("operation") or {}).get("sync") or {}
    return (state.get("syncResult") or {}).get("revision") or wanted.get("revision") or ""


def complaints(obj: Obj) -> tuple[Complaint, ...] | None:
    """Why an Application cannot be synced, () when nothing is in the way, None while a sync runs and nobody knows."""
    status = obj.get("status") or {}
    state, sync = status.get("operationState") or {}, status.get("sync") or {}
    if "operation" in obj or state.get("phase") in ("Running", "Terminating"):
        return None
    found = [
        Complaint(_steady(item.get("message") or item["type"]))
        for item in status.get("conditions") or []
        if item.get("type") in BLOCKING
    ]
    result = state.get("syncResult") or {}
    over = sync.get("status") == "Synced" and attempted(obj) != sync.get("revision")
    if state.get("phase") in ("Failed", "Error") and not over:
        # Argo CD tells the Application's own namespace of kinds that have none, too
        home = {None, (obj["spec"].get("destination") or {}).get("namespace")}
        failed = [
            Complaint(
                _steady(item.get("message") or ""),
                item["kind"],
                "" if item.get("namespace") in home else item["namespace"],
                item["name"],
            )
            for item in result.get("resources") or []
            if item.get("status") == "SyncFailed"
        ]
        found += failed or [Complaint(_steady(state.get("message") or "the sync failed"))]
    return tuple(dict.fromkeys(found))


def told(found: Iterable[Complaint]) -> str:
    """Complaints as one text for a condition; the first few, since a folder of errors helps nobody."""
    words = [str(item) for item in found]
    more = f"; and {len(words) - MOST} more" if len(words) > MOST else ""
    return "; ".join(words[:MOST]) + more


def _steady(message: str) -> str:
    # what counts up or differs at each try would make each try news
    message = re.sub(r"\s*\(retried \d+ times\)\.?|\s*Retrying attempt #\d+ at [^.]*\.?", "", message)
    message = " ".join(re.sub(r"/\S*/[0-9a-f]{8}-[0-9a-f-]{27}(?=/|\b)", "…", message).split())
    # Helm tells what does not belong there in another order each time
    message = re.sub(r"'[^']*'(?:, '[^']*')+", lambda found: ", ".join(sorted(found[0].split(", "))), message)
    # what went wrong stands at the end of a long one, behind the command that was run
    begin = LONGEST // 3
    return message if len(message) <= LONGEST else f"{message[:begin]}…{message[begin - LONGEST :]}"


def touched(application: Application, changes: Changes) -> bool:
    """Whether these changes can alter what the Application renders (rather once too often than once too seldom)."""
    if any(file in changes.nodes for file in application.files):
        return True
    if application.path not in changes.nodes:
        return False
    return not application.picky or any(holds(application, file) for file in changes.files)


def holds(application: Application, file: str) -> bool:
    """Whether a file is one of those that an Application of a folder applies."""
    prefix = f"{application.path}/" if application.path else ""
    return file.startswith(prefix) and _counts(application, file.removeprefix(prefix))


_WRONG = ("ComparisonError", "InvalidSpecError", "SyncError", "UnknownError", "DeletionError")


def words(obj: Obj) -> Obj:
    """What an Application says of itself: sync, health, revision, phase and message of its last sync, and its trouble.

    refused names each object that Argo CD would not take, with the reason; trouble is the one line that says why it
    cannot sync, "" when it can.
    """
    status = obj.get("status") or {}
    state = status.get("operationState") or {}
    results = (state.get("syncResult") or {}).get("resources") or []
    failed = state.get("phase") in ("Failed", "Error")
    refused = [
        f"{item.get('kind')} {'/'.join(filter(None, (item.get('namespace'), item.get('name'))))}: {item.get('message')}"
        for item in results
        # a sync that is tried again is Running while it has failed
        if item.get("status") == "SyncFailed" or item.get("hookPhase") in ("Failed", "Error")
    ]
    conditions = [item for item in status.get("conditions") or [] if item.get("type") in _WRONG]
    complaints = [f"{item['type']}: {item.get('message', '')}" for item in conditions]
    message = str(state.get("message") or "")
    return {
        "name": obj["metadata"]["name"],
        "sync": (status.get("sync") or {}).get("status") or "",
        "health": (status.get("health") or {}).get("status") or "",
        "revision": (status.get("sync") or {}).get("revision") or "",
        "phase": state.get("phase") or "",
        "message": message,
        "refused": refused,
        "trouble": next(iter([*refused, *complaints, *([message or "no reason given"] if failed else [])]), ""),
    }


def details(obj: Obj) -> Obj:
    """Where an Application belongs, and what more it says of its health, its conditions and its last sync."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    state = status.get("operationState") or {}
    source = spec.get("source") or {}
    return {
        "namespace": obj["metadata"].get("namespace") or "",
        "project": spec.get("project") or "",
        "path": source.get("path") or "",
        "branch": source.get("targetRevision") or "",
        "health_message": (status.get("health") or {}).get("message") or "",
        "attempted": (state.get("syncResult") or {}).get("revision") or "",
        "finished_at": state.get("finishedAt") or "",
        "conditions": [
            {"type": item.get("type") or "", "message": item.get("message") or ""}
            for item in status.get("conditions") or []
        ],
    }


def delay(tries: int) -> float:
    """Seconds until the next try after `tries` without effect: 10, 20, 40 … 300."""
    return float(min(FIRST_SECONDS * 2 ** min(tries, 10), MOST_SECONDS))


def refresh_patch() -> Obj:
    """Merge patch that has Argo CD compare an Application with its repository now."""
    return {"metadata": {"annotations": {REFRESH: "normal"}}}


def sync_patch(application: Application, revision: str) -> Obj:
    """Merge patch that starts a sync at `revision` under the Application's own policy."""
    sync: Obj = {"revision": revision, "prune": application.prune}
    if application.options:
        sync["syncOptions"] = list(application.options)
    return {"operation": {"initiatedBy": {"username": "dbaas-observer"}, "sync": sync}}


def _globs(directory: Obj) -> bool:
    return bool(directory.get("include") or directory.get("exclude"))


def _value_files(path: str, files: Iterable[str]) -> Iterator[str]:
    for file in files:
        if "://" not in file and not file.startswith("$"):
            yield posixpath.normpath(file.lstrip("/") if file.startswith("/") else posixpath.join(path, file))


def _counts(application: Application, file: str) -> bool:
    if not application.recurse and "/" in file:
        return False
    if application.exclude and _matches(application.exclude, file):
        return False
    return not application.include or _matches(application.include, file)


def _matches(pattern: str, file: str) -> bool:
    # As Argo CD's: a star crosses slashes, {a,b} are alternatives (not nested here).
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces:
        before, after = pattern[: braces.start()], pattern[braces.end() :]
        return any(_matches(before + choice + after, file) for choice in braces.group(1).split(","))
    return fnmatchcase(file, pattern)

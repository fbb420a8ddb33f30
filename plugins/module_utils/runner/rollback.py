# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim_rollback: a service's claim as it was, planned on today's head with today's catalog."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import (
    GitRepository,
    Revision,
    Snapshot,
    blob_id,
)
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, rollback, status
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    Document,
    claim_blob,
    copy_in,
    deleting,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, wait
from ansible_collections.dbaas.platform.plugins.module_utils.runner import claims as runner
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_OPERATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def run(run: Run) -> Json:
    """The runner of module service_claim_rollback."""
    back = _Back(run)
    with base.repository(run) as repository:
        result = runner.send(run, repository, partial(back.change, repository))
    result["claim"] = next(iter(result.pop("claims")), None)
    result["warnings"] = [*result.get("warnings", []), *back.warnings]
    return {**result, "rollback": back.found}


@dataclass(frozen=True)
class _Then:
    """What the service was: commit, its claim's file, and what was rendered in its home region (b"": nothing).

    undoes: the operation that came after it, where going back is undoing just that one.
    """

    commit: str
    claim: bytes
    rendered: bytes
    undoes: str = ""


@dataclass
class _Back:
    """Finds what to go back to, anew on each head that is planned on; the last answer stays."""

    run: Run
    warnings: list[str] = field(default_factory=list)
    found: Json = field(default_factory=dict)

    def change(self, repository: GitRepository, snapshot: Snapshot) -> Change[runner.Planned]:
        tenant, name, to = self.run.text("tenant"), self.run.text("name"), self.run.text("to") or "previous"
        _catalog, platform = base.kept(snapshot)
        service = _Service(repository, snapshot, platform, tenant, name)
        if to == "previous":
            then = service.before(self.run.text("operation"))
        elif _OPERATION.fullmatch(to):
            then = service.by(to)
        else:
            then = service.at(to)
        self.warnings = []
        action = "cancel" if to == "previous" and self._runs(service, platform) else "rollback"
        was, runs = _spec(then.rendered), _spec(service.rendered)
        if claim_blob(then.rendered) != blob_id(then.claim):
            # a person's commit, that nobody had rendered then
            was = None
        path = paths.claim(tenant, name)
        item = rollback.document(_document(then.claim, path), was, runs)
        if claims.key(item) != (tenant, name):
            raise DbaasError("document-invalid", f"{then.commit[:12]}:{path}: is not the claim of {tenant}/{name}")
        given = Document(f"as of {then.commit[:12]}", item, action=action, text=then.claim)
        try:
            change = runner.change(self.run, snapshot, [given])
        except InvalidFields as error:
            if error.code != "claim-invalid":
                raise
            raise InvalidFields("rollback-refused", error.errors) from None
        self.found = {"to": to, "commit": then.commit, "undoes": then.undoes or None}
        return change

    def _runs(self, service: _Service, platform: Platform) -> bool:
        """Whether the service's last operation still runs, as far as its regions can be asked."""
        spec = _spec(service.rendered)
        if spec is None or not (self.run.text("kubeconfig") or os.environ.get("K8S_AUTH_KUBECONFIG")):
            return False
        operation = base.operation_in(service.rendered)
        wanted = wait.Wanted(service.tenant, service.name, spec["region"], tuple(spec["replication"]["regions"]))
        try:
            found = wait.answers([wanted], base.clusters(self.run, platform))
        except DbaasError as error:
            self.warnings = [f"nobody could be asked whether the last operation still runs: {error.message}"]
            return False
        return status.runs(found[service.tenant, service.name], operation)


class _Service:
    """One service of the repository: what stands, and what it was."""

    def __init__(
        self, repository: GitRepository, snapshot: Snapshot, platform: Platform, tenant: str, name: str
    ) -> None:
        self.tenant, self.name = self._key = tenant, name
        self._repository, self._snapshot = repository, snapshot
        self._path = paths.claim(tenant, name)
        there = base.claims_of(snapshot, tenant)
        if name not in there:
            words = f"a service of tenant {tenant}: {', '.join(sorted(there)) or 'it has none'}"
            raise InvalidFields("option-invalid", [FieldError("name", name, words, nearest(name, there))])
        derived = [paths.service(tenant, pop, name) for pop in platform.pops]
        files = snapshot.read([self._path, *derived])
        self._claim = files[self._path]
        self._derived = [path for path in derived if path in files]
        # every region has the same spec; the home region is never left
        first = files[self._derived[0]] if self._derived else b""
        home = (_spec(first) or {}).get("region", "")
        self._home = paths.service(tenant, home, name)
        self.rendered = files.get(self._home, first)

    def before(self, operation: str) -> _Then:
        """What it was before its last operation; where one is named, before that one, which must be the last."""
        now = claim_blob(self.rendered)
        if now and now != blob_id(self._claim) and not operation:
            # what was changed last is the file, and nobody has rendered that
            return _Then(self._snapshot.commit, self._content(now), self.rendered)
        if deleting(self.rendered) and not operation:
            return _Then(self._snapshot.commit, self._content(now), self.rendered)
        undone, sought, last = "", operation, ""
        for revision, rendered in self._renderings():
            blob = claim_blob(rendered)
            last = last or self._operation_of(revision)
            if sought:
                if self._operation_of(revision) != sought:
                    continue
                undone, sought = blob, ""
            elif not undone:
                undone = now
            if blob != undone:
                if operation and now not in (undone, blob):
                    self._wrong("operation", operation, f"{base.operation_in(self.rendered)}: the last one")
                return _Then(revision.commit, self._content(blob), rendered, operation or last)
        if sought:
            self._wrong("operation", operation, f"an operation of {self.tenant}/{self.name}")
        words = "a commit or an operation id: nothing came before what is, ever since the service was created"
        raise InvalidFields("option-invalid", [FieldError("to", "previous", words)])

    def by(self, operation: str) -> _Then:
        """What that operation made of it."""
        for revision in self._repository.history(self._snapshot, [self._path, *self._derived]):
            if self._operation_of(revision) == operation:
                return self._as_of(revision.commit, operation)
        owners = {
            f"{item.tenant}/{item.name}"
            for message in self._repository.messages(self._snapshot, operation)
            for item in rollback.trailers(message)
            if item.operation == operation
        }
        whose = f"; this one is of {', '.join(sorted(owners))}" if owners else "; the history knows none such"
        return self._wrong("to", operation, f"an operation of {self.tenant}/{self.name}{whose}")

    def at(self, commit: str) -> _Then:
        """What it was at that commit."""
        if not _COMMIT.fullmatch(commit):
            self._wrong("to", commit, "previous, the id of a commit (7 hex digits or more), or of an operation")
        found = self._repository.commits(self._snapshot, commit)
        if len(found) != 1:
            several = f": {', '.join(each[:12] for each in found[:5])} begin so" if found else ""
            self._wrong("to", commit, f"the id of one commit of the branch{several}")
        return self._as_of(found[0], commit)

    def _as_of(self, commit: str, given: str) -> _Then:
        claim = self._repository.file(commit, self._path)
        if claim is None:
            self._wrong("to", given, f"a commit at which {self._path} was there")
        return _Then(commit, claim, self._repository.file(commit, self._home) or b"")

    def _renderings(self) -> Iterator[tuple[Revision, bytes]]:
        """(revision, home region's file) newest first, as long as it was this very service."""
        identity = (_spec(self.rendered) or {}).get("serviceId")
        for revision in self._repository.history(self._snapshot, [self._home]):
            oid = revision.blobs.get(self._home)
            rendered = self._content(oid) if oid else b""
            if (_spec(rendered) or {}).get("serviceId") != identity:
                return
            yield revision, rendered

    def _operation_of(self, revision: Revision) -> str:
        """The operation of this service that a commit was made for, "" for a person's."""
        for item in rollback.trailers(revision.message):
            if (item.tenant, item.name) == self._key:
                return item.operation
        # the message of what a Git host has merged is the host's own, and the copy says it too
        rendered = [oid for path in self._derived if (oid := revision.blobs.get(path))]
        return base.operation_in(self._content(rendered[0])) if rendered else ""

    def _content(self, oid: str) -> bytes:
        return self._repository.contents({oid})[oid]

    def _wrong(self, option: str, given: str, allowed: str) -> NoReturn:
        raise InvalidFields("option-invalid", [FieldError(option, given, allowed)])


def _spec(rendered: bytes) -> Json | None:
    spec = copy_in(rendered, "the file rendered last", base.YAML).get("spec")
    return spec if isinstance(spec, dict) else None


def _document(content: bytes, path: str) -> Json:
    found: Any = next(iter(documents.load_all(content, path)), None)
    return found if isinstance(found, dict) else {}

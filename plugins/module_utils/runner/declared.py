# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people declare in files of the repository, read so that one broken file does not hide or hold up the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.documents import InvalidDocument
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain import tenant as tenants
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.problems import Problem, of_field

Json = dict[str, Any]
T = TypeVar("T")

#: failures that a file of the repository is to blame for
_OF_FILES = ("claim-invalid", "tenant-invalid", "document-invalid", "quota-exceeded")


def document(path: str, content: bytes, what: str) -> tuple[Json | None, list[Problem]]:
    """The one document of a file, or why there is none; `what` names its kind for people."""
    try:
        found = documents.load_all(content, path)
    except InvalidDocument as error:
        return None, [Problem(path, error.line or 1, error.code, error.problem)]
    if len(found) != 1 or not isinstance(found[0], dict):
        words = f"holds {len(found)} documents" if len(found) != 1 else "holds no mapping"
        return None, [Problem(path, 1, "document-invalid", f"{words}, not one {what}")]
    return found[0], []


def fields(errors: Iterable[FieldError], code: str, path: str, content: bytes) -> list[Problem]:
    """Wrong fields of a file, each with its line."""
    return [of_field(error, code, path, documents.line_of(content, error.path)) for error in errors]


def claim_files(files: Mapping[str, bytes]) -> tuple[list[Document], list[Problem]]:
    """The claims of these files of `claims/`, each under its path as source, and what is wrong with the others."""
    given: list[Document] = []
    problems: list[Problem] = []
    for path, content in files.items():
        data, wrong = document(path, content, "ServiceClaim")
        if data is not None:
            place = paths.place(path)
            metadata = data.get("metadata")
            has: Json = metadata if isinstance(metadata, dict) else {}
            # a file may only declare what its place says: else one claim would be rendered as another's
            expected = {
                "name": (place.name, "as the file"),
                "namespace": (paths.namespace(place.tenant), "as the folder"),
            }
            errors = [
                FieldError(f"metadata.{field}", has.get(field), f"{value}, {why}", value)
                for field, (value, why) in expected.items()
                if has.get(field) != value
            ]
            wrong = fields(errors, "claim-invalid", path, content)
            if not wrong:
                given.append(Document(path, data))
        problems += wrong
    return given, problems


def tenant_files(files: Mapping[str, bytes], platform: Platform | None) -> tuple[dict[str, Json], list[Problem]]:
    """The tenants of these files, by id, and what is wrong with the others; regions count where a platform is given."""
    found: dict[str, Json] = {}
    problems: list[Problem] = []
    for path, content in files.items():
        data, wrong = document(path, content, "Tenant")
        tenant_id = paths.place(path).tenant
        if data is not None:
            errors = tenants.shape(data, path, tenant_id) or (tenants.errors([data], platform) if platform else [])
            wrong = fields(errors, "tenant-invalid", path, content)
            if not wrong:
                found[tenant_id] = data
        problems += wrong
    return found, problems


@dataclass(frozen=True)
class Sieve(Generic[T]):
    """Finds those of many documents that can be planned, although some cannot.

    plan raises what files are to blame for, for all documents together; read gives a file's content, for its lines;
    problems collects what is wrong with the others.
    """

    plan: Callable[[Sequence[Document]], T]
    read: Callable[[str], bytes]
    problems: list[Problem]

    def sift(self, given: Sequence[Document]) -> T:
        """The plan for all that can be planned."""
        try:
            return self.plan(given)
        except DbaasError:
            return self.plan(self._keep([], given))

    def _keep(self, before: Sequence[Document], given: Sequence[Document]) -> list[Document]:
        """Those of the given documents that can be planned, beside others that can."""
        if not given:
            return []
        try:
            self.plan([*before, *given])
        except DbaasError as error:
            if error.code not in _OF_FILES:
                raise
            wrong = _by_source(error)
            if any(item.source in wrong for item in given):
                for item in given:
                    found = wrong.get(item.source, [])
                    self.problems.extend(
                        fields(found, error.code, item.source, self.read(item.source)) if found else []
                    )
                return self._keep(before, [item for item in given if item.source not in wrong])
            if len(given) == 1:
                self.problems.append(_of(error, given[0].source))
                return []
            # it names none of them: halve, until the one is left alone
            middle = len(given) // 2
            first = self._keep(before, given[:middle])
            return [*first, *self._keep([*before, *first], given[middle:])]
        return list(given)


def _of(error: DbaasError, source: str) -> Problem:
    """A failure that is about the whole of a file: the one that it begins with, else the claim's own."""
    found = re.fullmatch(r"(?s)(tenants/\S+?)(?:, line (\d+))?: (.*)", error.message)
    if found is None:
        return Problem(source, 1, error.code, error.message)
    return Problem(found[1], int(found[2] or 1), error.code, found[3])


def _by_source(error: DbaasError) -> dict[str, list[FieldError]]:
    found: dict[str, list[FieldError]] = {}
    for item in error.errors if isinstance(error, InvalidFields) else []:
        # a plan puts the service's name behind its source
        found.setdefault(item.source.split(" ")[0], []).append(item)
    return found

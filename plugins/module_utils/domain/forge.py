# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Git host behind the repository, as platform.yml and the repository's address name it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields

Json = dict[str, Any]

TYPES = ("github", "gitlab")

_NAME: Json = {"type": "string", "minLength": 1}
#: The field `forge` of platform.yml, and the option that gitops_repository takes for it.
SCHEMA: Json = {
    "type": "object",
    "description": "The Git host, for delivery by merge request; the rest is taken from the repository's address.",
    "properties": {
        "type": {"type": "string", "enum": list(TYPES), "description": "What speaks there."},
        "api": {
            **_NAME,
            "description": "Address of its API, such as V(https://git.example.com/api/v4).",
        },
        "project": {
            **_NAME,
            "description": "The repository there, as V(owner/name); on GitLab with all its groups.",
        },
    },
}

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[^:/\s]+):(?P<path>[^/].*)")


@dataclass(frozen=True)
class Place:
    """A repository on a Git host: type is one of TYPES, api an address without a slash at its end."""

    type: str
    api: str
    project: str


def place(given: Mapping[str, str] | None, repository: str) -> Place:
    """Where merge requests are opened: what platform.yml says of it, and the rest out of the repository's address.

    Raises InvalidFields option-invalid naming all that neither says.
    """
    said = given or {}
    scheme, host, path = _parts(repository)
    bare = host.partition(":")[0]
    kind = said.get("type") or next((name for name in TYPES if name in bare.split(".")), "")
    api = said.get("api", "").rstrip("/")
    if not api and host and kind:
        # an address for ssh says nothing of the port that the API has
        where = f"{scheme}://{host}" if scheme in ("http", "https") else f"https://{bare}"
        api = "https://api.github.com" if bare == "github.com" else f"{where}/api/{'v3' if kind == 'github' else 'v4'}"
    project = said.get("project") or path.strip("/").removesuffix(".git")
    wrong: list[tuple[str, str | None, str]] = []
    if not kind:
        wrong.append(("type", None, f"one of {', '.join(TYPES)}; {repository} does not tell"))
    elif urlsplit(api).scheme not in ("http", "https"):
        wrong.append(("api", api or None, "an address that begins with https:// or http://"))
    if "/" not in project or (kind == "github" and project.count("/") != 1):
        wrong.append(("project", project or None, "owner/name, as the Git host shows it"))
    if wrong:
        errors = [FieldError(f"forge.{name}", value, words, None, "platform.yml") for name, value, words in wrong]
        raise InvalidFields("option-invalid", errors)
    return Place(kind, api, project)


def _parts(address: str) -> tuple[str, str, str]:
    """(scheme, host with its port, path) of a Git address; empty for a folder of this machine."""
    if "://" in address:
        parts = urlsplit(address)
        return parts.scheme, parts.netloc.rpartition("@")[2], parts.path
    found = _SCP.fullmatch(address)
    return ("ssh", found["host"], found["path"]) if found else ("", "", "")

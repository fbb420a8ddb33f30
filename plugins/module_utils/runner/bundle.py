# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""service_claim_bundle: all that is known of services in one file that may be given away, secrets taken out."""

from __future__ import annotations

import io
import json
import os
import platform as machine
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.ansible_release import __version__ as core
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import redact
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, explain
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.runner.explain import Gathered
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]

_ENDING = ".tar.gz"


def run(run: Run) -> Json:
    """The runner of module service_claim_bundle."""
    now = time.gmtime()
    found = explain.gather(run)
    services = explain.explanations(run, found)
    path = _path(run, now)
    if not run.check:
        secrets = _secrets(run)
        name = path.name.removesuffix(_ENDING)
        _write(path, {f"{name}/{place}": text for place, text in contents(found, services, secrets).items()}, now)
        run.progress(f"support bundle: {path}")
    kept = ("tenant", "name", "phase", "why", "code")
    return {
        "changed": True,
        "path": str(path),
        "services": [{key: item[key] for key in kept} for item in services],
    }


def contents(found: Gathered, services: list[Json], secrets: list[str]) -> dict[str, str]:
    """The bundle's files: path -> text, without secrets; `secrets` are those that are known and must not be in it."""

    def plain(value: Any) -> Any:
        return redact.data(value, secrets)

    def listed(items: Any) -> str:
        return documents.dump_all(plain(list(items)))

    files = {
        "explanation.txt": "\n\n".join("\n".join(item["lines"]) for item in services) + "\n",
        "explanation.json": json.dumps(plain(services), indent=1) + "\n",
        "versions.json": json.dumps({**_versions(), "commit": found.commit}, indent=1) + "\n",
        **{f"git/{path}": _file(content, path, secrets) for path, content in found.files.items()},
    }
    for region, answer in found.regions.items():
        if answer.failure:
            code, message = answer.failure
            files[f"{region}/unreachable.txt"] = f"{message} [{code}]\n"
            continue
        evidence = {item.name: found.of(item, region) for item in found.services if region in item.regions}
        parts = {
            "copies": [item.copy for item in evidence.values() if item.copy],
            "objects": [each for item in evidence.values() for each in item.objects],
            "events": [each for item in evidence.values() for each in item.events],
            "applications": [each for each in answer.applications.values() if each],
        }
        files |= {f"{region}/{part}.yaml": listed(items) for part, items in parts.items()}
        if answer.unread:
            files[f"{region}/unread.txt"] = "\n".join(answer.unread) + "\n"
    # once more as text: what stands in a key, or was put together of parts
    return {path: redact.text(text, secrets) for path, text in files.items()}


def _file(content: bytes, path: str, secrets: list[str]) -> str:
    """A file of the repository, without its comments; of one that is no YAML nobody could tell what is secret."""
    try:
        return documents.dump_all(redact.data(documents.load_all(content, path), secrets))
    except DbaasError as error:
        return f"# left out: {error.message}\n"


def _versions() -> Json:
    def said(*command: str) -> str:
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return "not found"

    return {
        "dbaas.platform": VERSION,
        "ansible-core": core,
        "python": machine.python_version(),
        "system": machine.platform(),
        "git": said("git", "--version").removeprefix("git version "),
    }


def _secrets(run: Run) -> list[str]:
    """What this run was given to prove itself with."""
    known = base.remote(run).secrets if run.text("repository") else []
    return [secret for secret in (*known, run.text("token"), run.text("proxy")) if secret]


def _path(run: Run, now: time.struct_time) -> Path:
    """The bundle's file: the one that is named, or a new one in the folder that is."""
    path = Path(run.text("path")).expanduser()
    if path.name.endswith(_ENDING) and not path.is_dir():
        return path
    names = list(run.options.get("names") or [])
    what = "-".join([run.text("tenant"), *names[:1], *(["and-others"] if len(names) > 1 else [])])
    return path / f"dbaas-{what}-{time.strftime('%Y%m%dT%H%M%SZ', now)}{_ENDING}"


def _write(path: Path, files: Mapping[str, str], now: time.struct_time) -> None:
    """Writes the archive whole or not at all, for its owner alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(time.mktime(now))
            archive.addfile(member, io.BytesIO(content))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(packed.getvalue())
        Path(beside).replace(path)
    except OSError as error:
        raise DbaasError("option-invalid", f"path: given {path}, cannot be written: {error.strerror}") from None

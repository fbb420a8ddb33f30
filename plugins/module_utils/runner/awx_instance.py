# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform's AWX itself: waiting for what its operator makes, its first token, its backups."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx, AwxError, connect
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import instance
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import SECRET, Kind, Obj
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]

_PAUSE = 2.0
_DESCRIPTION = "dbaas.platform: bootstrap_control_plane"


def token(run: Run) -> Json:
    """The runner of module awx_token."""
    dest = Path(run.text("dest")).expanduser()
    if dest.is_dir():
        raise InvalidFields("option-invalid", [FieldError("dest", str(dest), "a file, not a folder")])
    cluster = _cluster(run)
    awx: Obj | None
    if run.check:
        awx = cluster.get(instance.AWX, instance.NAME, instance.NAME)
        if awx is None or not instance.progress(awx)[0]:
            return {"changed": True, "host": _host(run, awx) if awx else None, "version": None, "dest": str(dest)}
    else:
        awx = _until(run, cluster, instance.AWX, instance.NAME)
    host = _host(run, awx)
    result = {"host": host, "version": (awx.get("status") or {}).get("version"), "dest": str(dest)}
    if _works(run, host, dest):
        return {"changed": False, **result}
    if not run.check:
        admin = _admin(run, cluster, awx, host)
        _answering(run, admin)
        made = admin.post("tokens/", {"description": _DESCRIPTION, "scope": "write"}) or {}
        _keep(dest, str(made["token"]))
    return {"changed": True, **result}


def backup(run: Run) -> Json:
    """The runner of module awx_backup."""
    cluster = _cluster(run)
    wanted = instance.backup(datetime.now(UTC).strftime("%Y%m%d-%H%M"))
    name = wanted["metadata"]["name"]
    keep = int(run.options["keep"])
    if keep < 1:
        raise InvalidFields("option-invalid", [FieldError("keep", keep, "1 or more")])
    if cluster.get(instance.AWX, instance.NAME, instance.NAME) is None:
        raise DbaasError("awx-not-ready", f"{cluster.name}: there is no AWX {instance.NAME}/{instance.NAME} to back up")
    if run.check:
        return {"changed": True, "backup": {"name": name}, "removed": []}
    # one that was begun in the same minute is waited for, not made twice
    cluster.create(instance.BACKUP, wanted)
    status: Json = _until(run, cluster, instance.BACKUP, name).get("status") or {}
    removed = instance.expendable(cluster.list(instance.BACKUP, instance.NAME)[0], keep)
    for old in removed:
        cluster.delete(instance.BACKUP, instance.NAME, old)
    made = {"name": name, "directory": status.get("backupDirectory"), "claim": status.get("backupClaim")}
    return {"changed": True, "backup": made, "removed": removed}


def _cluster(run: Run) -> Cluster:
    return Cluster(kubeconfig=run.text("kubeconfig") or None, context=run.text("context") or None)


def _host(run: Run, awx: Obj) -> str:
    spec, status = awx.get("spec") or {}, awx.get("status") or {}
    return run.text("controller_host") or str(status.get("URL") or f"https://{spec.get('hostname', '')}")


def _client(run: Run, host: str, **credentials: str) -> Awx:
    kept = {name: run.options.get(name) for name in ("validate_certs", "controller_ca_cert", "request_timeout")}
    return connect({**kept, "controller_host": host, **credentials})


def _works(run: Run, host: str, dest: Path) -> bool:
    """Whether the token that is kept in `dest` is one of this AWX: a reinstalled one does not know those of the old."""
    try:
        known = dest.read_text().strip()
    except FileNotFoundError:
        return False
    except OSError as error:
        words = f"a file that can be read ({error.strerror})"
        raise InvalidFields("option-invalid", [FieldError("dest", str(dest), words)]) from None
    if not known:
        return False
    try:
        _client(run, host, controller_oauthtoken=known).get("me/")
    except AwxError as error:
        if error.code == "awx-unauthorized":
            return False
        raise
    return True


def _admin(run: Run, cluster: Cluster, awx: Obj, host: str) -> Awx:
    spec, status = awx.get("spec") or {}, awx.get("status") or {}
    name = str(status.get("adminPasswordSecret") or spec.get("admin_password_secret") or "awx-admin-password")
    secret = cluster.get(SECRET, instance.NAME, name) or {}
    encoded = (secret.get("data") or {}).get("password")
    if not encoded:
        raise DbaasError("awx-not-ready", f"{cluster.name}: Secret {instance.NAME}/{name} holds no key `password`")
    user = str(status.get("adminUser") or spec.get("admin_user") or "admin")
    return _client(run, host, controller_username=user, controller_password=base64.b64decode(encoded).decode())


def _answering(run: Run, awx: Awx) -> None:
    """The operator is done when the pods are up; the way to them may take longer."""
    end = time.monotonic() + run.options["wait_timeout"]
    while True:
        try:
            awx.get("ping/")
            return
        except AwxError as error:
            if not error.retry or time.monotonic() > end:
                raise
            run.progress(f"{awx.host} does not answer yet")
        time.sleep(_PAUSE)


def _until(run: Run, cluster: Cluster, kind: Kind, name: str) -> Obj:
    """The object once the operator says that it is done. Raises awx-not-ready with the operator's words."""
    end = time.monotonic() + run.options["wait_timeout"]
    told = ""
    tell: Callable[[str], None] = run.progress
    while True:
        obj = cluster.get(kind, instance.NAME, name)
        ready, failed, words = instance.progress(obj) if obj else (False, "", "Argo CD has not brought it yet")
        if obj and ready:
            return obj
        line = f"{kind.kind} {instance.NAME}/{name}: {failed or words}"
        if time.monotonic() > end:
            raise DbaasError("awx-not-ready", f"{cluster.name}: {line} (after {run.options['wait_timeout']} s)")
        if failed and kind == instance.BACKUP:
            # the operator does not try a backup again
            raise DbaasError("awx-not-ready", f"{cluster.name}: {line}")
        if line != told:
            tell(line)
            told = line
        time.sleep(_PAUSE)


def _keep(dest: Path, text: str) -> None:
    """Writes a secret for its owner alone; what stood there stays whole until the new one does."""
    dest.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    temporary.replace(dest)

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWX itself as the AWX operator is given it, its backups, and what the operator's status means. Pure.

Fields of AWX, AWXBackup: awx.ansible.com/v1beta1 of awx-operator 2.19.1, which installs AWX 24.6.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind, Obj
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]

GROUP = "awx.ansible.com"
AWX = Kind(GROUP, "v1beta1", "AWX", "awxs")
BACKUP = Kind(GROUP, "v1beta1", "AWXBackup", "awxbackups")
#: one AWX per platform: its name, its namespace, and what is called after it
NAME = "awx"
BACKUPS = "awx-backups"
CHART: Json = {
    "repoURL": "https://ansible-community.github.io/awx-operator-helm/",
    "chart": "awx-operator",
    "version": "2.19.1",
    "namespace": NAME,
}
#: the execution environment's image, as the observer's Deployment has it
IMAGE = f"dbaas-platform-ee:{VERSION}"

_TEXT: Json = {"type": "string", "minLength": 1}
_SIZE: Json = {"type": "string", "pattern": "^[1-9][0-9]*(Mi|Gi|Ti)$"}
#: The field `awx` of the PoP that AWX runs in (platform.yml).
SCHEMA: Json = {
    "type": "object",
    "description": "The platform's AWX, in the one point of presence that it runs in.",
    "properties": {
        "hostname": {**_TEXT, "description": "Name under which people and webhooks reach it, over HTTPS."},
        "tlsSecret": {
            **_TEXT,
            "description": "Secret of namespace awx with its certificate; the ingress's own one when not given.",
        },
        "storageClass": {**_TEXT, "description": "Storage class of its database and backups; the cluster's default."},
        "storageSize": {**_SIZE, "description": "Size of its database's volume; 20Gi when not given."},
        "backupSize": {**_SIZE, "description": "Size of the volume that backups are kept on; 50Gi when not given."},
        "backupSchedule": {
            **_TEXT,
            "description": "When a backup is made, as a cron expression in UTC; 15 2 * * * when not given.",
        },
        "backupsKept": {"type": "integer", "minimum": 1, "description": "How many backups stay; 7 when not given."},
    },
    "required": ["hostname"],
}


def objects(given: Json, annotations: Mapping[str, str]) -> list[Json]:
    """What runs in namespace awx: AWX, the volume of its backups, and the job that makes them.

    given: a value of SCHEMA; annotations go on every object, so that a lost file takes nothing along. The operator
    makes the Secrets (password, database, key of the stored credentials), a backup holds them, and none is in Git.
    """
    storage_class = given.get("storageClass")
    size = given.get("storageSize", "20Gi")
    spec: Json = {
        "admin_user": "admin",
        "service_type": "ClusterIP",
        "ingress_type": "ingress",
        "hostname": given["hostname"],
        "postgres_storage_requirements": {"requests": {"storage": size}},
        "web_replicas": 2,
        "task_replicas": 2,
        "no_log": True,
    }
    if "tlsSecret" in given:
        spec["ingress_tls_secret"] = given["tlsSecret"]
    if storage_class:
        spec["postgres_storage_class"] = storage_class
    found = [
        _object("awx.ansible.com/v1beta1", "AWX", NAME, spec=spec),
        _object(
            "v1",
            "PersistentVolumeClaim",
            BACKUPS,
            spec={
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": given.get("backupSize", "50Gi")}},
                **({"storageClassName": storage_class} if storage_class else {}),
            },
        ),
        *_backing_up(given),
    ]
    for item in found:
        item["metadata"]["annotations"] = dict(annotations)
    return found


def _backing_up(given: Json) -> Iterable[Json]:
    """A CronJob beside AWX, not a job of it: an AWX that is broken still has its backups made."""
    rules = [
        {"apiGroups": [GROUP], "resources": [BACKUP.plural], "verbs": ["get", "list", "create", "delete"]},
        {"apiGroups": [GROUP], "resources": [AWX.plural], "verbs": ["get"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": BACKUPS, "namespace": NAME}
    yield _object("v1", "ServiceAccount", BACKUPS)
    yield _object(f"{rbac}/v1", "Role", BACKUPS, rules=rules)
    role = {"apiGroup": rbac, "kind": "Role", "name": BACKUPS}
    yield _object(f"{rbac}/v1", "RoleBinding", BACKUPS, roleRef=role, subjects=[subject])
    container = {
        "name": "backup",
        "image": IMAGE,
        "command": ["ansible-playbook", "dbaas.platform.backup_control_plane"],
        "args": ["-e", f"backups_kept={given.get('backupsKept', 7)}"],
        "env": [{"name": "HOME", "value": "/scratch"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    pod = {
        "serviceAccountName": BACKUPS,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}}],
    }
    yield _object(
        "batch/v1",
        "CronJob",
        BACKUPS,
        spec={
            "schedule": given.get("backupSchedule", "15 2 * * *"),
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": {"backoffLimit": 2, "template": {"spec": pod}}},
        },
    )


def _object(api_version: str, kind: str, name: str, **rest: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAME}, **rest}


def backup(stamp: str) -> Json:
    """One backup onto the volume BACKUPS; its data goes when the object is deleted. stamp: UTC, as 20261126-0215."""
    spec = {"deployment_name": NAME, "backup_pvc": BACKUPS, "clean_backup_on_delete": True, "no_log": True}
    meta = {"name": f"{NAME}-{stamp}", "namespace": NAME, "labels": {"app.kubernetes.io/managed-by": "dbaas-platform"}}
    return {"apiVersion": BACKUP.api_version, "kind": BACKUP.kind, "metadata": meta, "spec": spec}


def progress(obj: Obj) -> tuple[bool, str, str]:
    """(ready, why it failed, what the operator says now) of an AWX or an AWXBackup, by the operator's conditions.

    The operator runs again every few minutes: a failure counts while it is the last word, and `Running` alone says
    nothing of the outcome.
    """
    conditions = {item.get("type"): item for item in (obj.get("status") or {}).get("conditions") or []}
    failure, running = conditions.get("Failure") or {}, conditions.get("Running") or {}
    if failure.get("status") == "True":
        return False, str(failure.get("message") or failure.get("reason") or "Failure"), ""
    done = (conditions.get("Successful") or {}).get("status") == "True"
    words = str(running.get("message") or running.get("reason") or "the operator has not looked at it yet")
    return done, "", words


def expendable(backups: Iterable[Obj], keep: int) -> list[str]:
    """Names of our backups that may go: all but the newest `keep` that succeeded; failed ones older than those too."""
    ours = [item for item in backups if item["spec"].get("backup_pvc") == BACKUPS]
    names = sorted((item["metadata"]["name"], progress(item)) for item in ours)
    good = [name for name, (ready, _failed, _words) in names if ready]
    if len(good) < keep:
        return []
    oldest = good[-keep]
    return [name for name, (ready, failed, _words) in names if name < oldest and (ready or failed)]

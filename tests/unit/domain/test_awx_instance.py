"""AWX as its operator is given it, and what the operator's status means."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import instance
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.tools.tree import ROOT

Json = dict[str, Any]


def test_what_runs_in_its_namespace() -> None:
    found = {item["kind"]: item for item in instance.objects({"hostname": "awx.example.com"}, {"keep": "yes"})}
    assert list(found) == ["AWX", "PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding", "CronJob"]
    assert all(item["metadata"]["annotations"] == {"keep": "yes"} for item in found.values())
    assert all(item["metadata"]["namespace"] == "awx" for item in found.values())
    spec = found["AWX"]["spec"]
    assert spec["hostname"] == "awx.example.com"
    assert spec["postgres_storage_requirements"] == {"requests": {"storage": "20Gi"}}
    assert not {"ingress_tls_secret", "postgres_storage_class"} & set(spec)
    assert "storageClassName" not in found["PersistentVolumeClaim"]["spec"]
    assert found["CronJob"]["spec"]["schedule"] == "15 2 * * *"
    # the account of the job may do what the module does, and no more
    assert found["Role"]["rules"] == [
        {"apiGroups": ["awx.ansible.com"], "resources": ["awxbackups"], "verbs": ["get", "list", "create", "delete"]},
        {"apiGroups": ["awx.ansible.com"], "resources": ["awxs"], "verbs": ["get"]},
    ]


def test_the_image_is_the_observer_s() -> None:
    deployment = yaml.safe_load((ROOT / "gitops/observer/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == instance.IMAGE


def test_what_can_be_chosen() -> None:
    given = {
        "hostname": "awx.example.com",
        "tlsSecret": "awx-tls",
        "storageClass": "ssd",
        "storageSize": "40Gi",
        "backupSize": "90Gi",
        "backupSchedule": "0 4 * * *",
        "backupsKept": 3,
    }
    found = {item["kind"]: item for item in instance.objects(given, {})}
    assert found["AWX"]["spec"]["ingress_tls_secret"] == "awx-tls"
    assert found["AWX"]["spec"]["postgres_storage_class"] == "ssd"
    claim = found["PersistentVolumeClaim"]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("ssd", "90Gi")
    job = found["CronJob"]["spec"]
    assert job["schedule"] == "0 4 * * *"
    container = job["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["-e", "backups_kept=3"]


def status(**conditions: str) -> Json:
    return {"status": {"conditions": [{"type": name, **_condition(text)} for name, text in conditions.items()]}}


def _condition(text: str) -> Json:
    state, _space, message = text.partition(" ")
    return {"status": state, "message": message}


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({}, (False, "", "the operator has not looked at it yet")),
        (status(Running="True Running reconciliation"), (False, "", "Running reconciliation")),
        (status(Running="True Awaiting", Successful="True Last one"), (True, "", "Awaiting")),
        (status(Running="True again", Failure="True no disk", Successful="False"), (False, "no disk", "")),
        (status(Running="True again", Failure="False", Successful="True"), (True, "", "again")),
    ],
)
def test_what_the_operator_says(obj: Json, said: tuple[bool, str, str]) -> None:
    assert instance.progress(obj) == said


def backup(name: str, state: str, pvc: str = instance.BACKUPS) -> Json:
    return {"metadata": {"name": name}, "spec": {"backup_pvc": pvc}, **status(**{state: "True"})}


def test_old_backups_go_once_there_are_newer_good_ones() -> None:
    found = [
        backup("awx-20260101-0000", "Successful"),
        backup("awx-20260102-0000", "Failure"),
        backup("awx-20260103-0000", "Successful"),
        backup("awx-20260104-0000", "Running"),
        backup("awx-20260105-0000", "Successful"),
        backup("awx-20260106-0000", "Failure"),
        backup("by-hand", "Successful", "another"),
    ]
    assert instance.expendable(found, 2) == ["awx-20260101-0000", "awx-20260102-0000"]
    assert instance.expendable(found, 3) == []
    assert instance.expendable(found, 4) == []
    # what is not ended is left alone however old it is
    assert instance.expendable(found, 1) == ["awx-20260101-0000", "awx-20260102-0000", "awx-20260103-0000"]


def test_the_field_of_the_platform() -> None:
    awx = {"hostname": "awx.example.com"}
    parsed = platform.parse(platform.document("u", "main", {"lagos": {}, "frankfurt": {"awx": awx}}))
    assert (parsed.pops["frankfurt"].awx, parsed.pops["lagos"].awx) == (awx, None)
    wrong = {"lagos": {"awx": {"backupSchedule": "never"}}, "frankfurt": {"awx": {"hostname": "x", "backupsKept": 0}}}
    with pytest.raises(InvalidFields) as caught:
        platform.parse(platform.document("u", "main", wrong))
    assert sorted(error.path for error in caught.value.errors) == [
        "pops.frankfurt.awx",
        "pops.frankfurt.awx.backupsKept",
        "pops.lagos.awx.backupSchedule",
        "pops.lagos.awx.hostname",
    ]

"""DragonflyDB through every real part but the database and its operator, whose status kwok plays."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509

from tests.integration.conftest import MANY, Many, Platform
from tests.integration.test_delivery import refused
from tests.integration.test_yugabyte import conditions

Json = dict[str, Any]


def path(name: str) -> str:
    return f"/apis/dragonflydb.io/v1alpha1/namespaces/{MANY}/dragonflies/{name}"


def dragonfly(platform: Platform, name: str) -> Json:
    return platform.lab.api("lagos").get(path(name)) or {}


def secret(platform: Platform, name: str) -> dict[str, bytes]:
    found = platform.lab.api("lagos").get(f"/api/v1/namespaces/{MANY}/secrets/{name}") or {}
    return {field: base64.b64decode(text) for field, text in found["data"].items()}


def test_a_cache_gets_nodes_a_password_and_a_certificate(platform: Platform, many: Many) -> None:
    (waited,) = [item for item in many.results["made"]["wait"] if item["name"] == "cache"]
    host = "cache.tenant-many.svc.lagos.dbaas.internal"
    assert waited["connection_string"] == f"rediss://{host}:6379"
    made = dragonfly(platform, "cache")
    assert (made["spec"]["replicas"], made["status"]["phase"]) == (2, "Ready")
    said = conditions(platform, "lagos", "cache", MANY)
    assert said["CredentialsReady"] == ("True", "SecretsExist")
    assert said["BackupConfigured"] == ("Unknown", "NotReported")
    assert said["Warning"] == ("True", "Admitted")
    tls = secret(platform, made["spec"]["tlsSecretRef"]["name"])
    server, authority = (x509.load_pem_x509_certificate(tls[name]) for name in ("tls.crt", "ca.crt"))
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert host in names.get_values_for_type(x509.DNSName)
    needed = made["spec"]["authentication"]["passwordFromSecret"]
    assert len(secret(platform, needed["name"])[needed["key"]]) == 43


@pytest.mark.usefixtures("many")
def test_what_the_operator_ignores_is_refused_whoever_writes_it(platform: Platform) -> None:
    volume = {"persistentVolumeClaimSpec": {"resources": {"requests": {"storage": "60Gi"}}}}
    for patch, words in (
        ({"snapshot": volume}, "gets no other volume"),
        ({"snapshot": {"dir": "s3://elsewhere/x"}}, "cannot be mounted"),
        ({"replicas": 0}, "there is no node"),
        ({"authentication": None, "tlsSecretRef": {"name": "x"}}, "needs a password"),
        ({"podMetadata": {"labels": {"app": "mine"}}}, "the operator's own labels"),
    ):
        assert words in refused(platform, "PATCH", path("stored"), {"spec": patch}, user="argocd")
    assert "deprovisioning" in refused(platform, "DELETE", path("stored"), user="argocd")

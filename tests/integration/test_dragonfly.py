"""DragonflyDB through every real part but the database and its operator, whose status kwok plays."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

from cryptography import x509

from tests.integration.conftest import NAMESPACE, Platform, until
from tests.integration.test_delivery import refused
from tests.integration.test_yugabyte import conditions

Json = dict[str, Any]
CACHE: Json = {"sku": "dfly-mem-16g"}


def path(name: str) -> str:
    return f"/apis/dragonflydb.io/v1alpha1/namespaces/{NAMESPACE}/dragonflies/{name}"


def dragonfly(platform: Platform, name: str) -> Json:
    return platform.lab.api("lagos").get(path(name)) or {}


def secret(platform: Platform, name: str) -> dict[str, bytes]:
    found = platform.lab.api("lagos").get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}") or {}
    return {field: base64.b64decode(text) for field, text in found["data"].items()}


def test_a_cache_gets_nodes_a_password_and_a_certificate(platform: Platform) -> None:
    result = platform.claim("cache", **CACHE)
    assert result["wait"][0]["phase"] == "Active", result
    host = "cache.tenant-acme.svc.lagos.dbaas.internal"
    assert result["wait"][0]["connection_string"] == f"rediss://{host}:6379"
    made = dragonfly(platform, "cache")
    assert (made["spec"]["replicas"], made["status"]["phase"]) == (2, "Ready")
    said = conditions(platform, "lagos", "cache")
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


def test_a_copy_more_is_done_when_the_operator_says_so_after_it(platform: Platform) -> None:
    """Its object has no observedGeneration, and is Ready before it has seen the change."""
    platform.claim("wider", **CACHE)
    wide: Json = {**CACHE, "replication": {"factor": 3}}
    changed = platform.claim("wider", wait=False, **wide)
    (operation,) = changed["operations"]
    assert {item["field"] for item in operation["plan"]["consequences"]} == {
        "spec.replication.factor",
        "spec.resources.node.replicas",
    }
    phases: list[str] = []

    def done() -> bool:
        last = platform.copy("lagos", "wider")["status"]["lastOperation"]
        phase = platform.phase("lagos", "wider")
        if last["id"] == operation["id"] and phase not in phases:
            phases.append(phase)
        return bool(last["id"] == operation["id"] and last["state"] == "Succeeded")

    until(done, 30)
    assert phases == ["Updating", "Active"]
    assert dragonfly(platform, "wider")["spec"]["replicas"] == 3
    again = platform.claim("wider", **wide)
    assert not again["changed"]


def test_what_the_operator_ignores_is_refused_before_it_is_written(platform: Platform) -> None:
    stored: Json = {**CACHE, "backup": {"enabled": False}}
    platform.claim("stored", **stored)
    head = platform.head()
    for change in ({"storage": {"size": "60Gi"}}, {"replication": {"regions": ["lagos", "johannesburg"]}}):
        arguments = {"tenant": "acme", "name": "stored", "region": "lagos", **stored, **change}
        result = platform.module("service_claim", arguments)
        assert result["failed"], result
        assert result["error"]["fields"][0]["path"] in ("spec.storage.size", "spec.replication.regions")
    assert platform.head() == head
    # and by whom else could write
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
    until(partial(platform.phase, "lagos", "stored"))

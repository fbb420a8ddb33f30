from __future__ import annotations

import base64
import datetime
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.secrets import build, wanted
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.unit.domain import shipped
from tests.unit.domain.shipped import ID, OPERATION, WIDE

Json = dict[str, Any]

KEY = bytes(range(32))


def copies() -> dict[str, Json]:
    return {region: objects[0] for region, objects in shipped.rendered(WIDE).items()}


def values(copy: Json, key: bytes = KEY) -> dict[str, Json]:
    return {secret.name: build(secret, key)["data"] for secret in wanted(copy)}


def test_two_regions_have_the_same_values_and_nobody_carried_them() -> None:
    lagos, johannesburg = copies().values()
    assert values(lagos) == values(johannesburg)
    assert values(lagos) == values(lagos)


def test_values_differ_by_service_purpose_and_key() -> None:
    copy = copies()["lagos"]
    other = {**copy, "spec": {**copy["spec"], "serviceId": OPERATION}}
    assert not {text for data in values(copy).values() for text in data.values()} & {
        values(other)["ring-agent-config"]["scylla-manager-agent.yaml"],
        values(other)["ring-credentials"]["password"],
    }
    agent = base64.b64decode(values(copy)["ring-agent-config"]["scylla-manager-agent.yaml"])
    password = base64.b64decode(values(copy)["ring-credentials"]["password"])
    assert password not in agent
    assert values(copy, bytes(32)) != values(copy)


def test_a_password_is_long_and_needs_no_quoting() -> None:
    password = base64.b64decode(values(copies()["lagos"])["ring-credentials"]["password"]).decode()
    assert len(password) == 43
    assert password.replace("-", "").replace("_", "").isalnum()


def test_the_derivation_never_changes() -> None:
    # services would lose their credentials: a new way of deriving needs a new generation
    assert (
        base64.b64decode(values(copies()["lagos"])["ring-credentials"]["password"])
        == b"sTgyK349F0qNGlZ-JKhv3hBSPRkSxqgizjCndHBhU2o"
    )
    assert secrets._GENERATION == 1


def test_the_manifest() -> None:
    (agent, credentials) = [build(secret, KEY) for secret in wanted(copies()["johannesburg"])]
    assert credentials["metadata"]["name"] == "ring-credentials"
    assert credentials["metadata"]["namespace"] == "tenant-123"
    assert credentials["metadata"]["labels"]["dbaas.example.com/managed-by"] == "observer"
    assert credentials["metadata"]["labels"]["dbaas.example.com/service-id"] == ID
    assert credentials["metadata"]["annotations"] == {"dbaas.example.com/generation": "1"}
    assert credentials["type"] == "Opaque"
    assert set(credentials["data"]) == {"username", "password"}
    text = base64.b64decode(agent["data"]["scylla-manager-agent.yaml"]).decode()
    assert text.startswith("auth_token: ")
    assert text.endswith("\n")


@pytest.mark.parametrize("spec", [{}, {"engine": "mysql", "serviceId": ID}, {"engine": "scylla"}])
def test_copies_that_need_none(spec: Json) -> None:
    assert wanted({"metadata": {"name": "a", "namespace": "tenant-1"}, "spec": spec}) == []


def test_a_secret_shows_no_value_when_printed() -> None:
    (secret, *_more) = wanted(copies()["lagos"])
    assert "{password}" in repr(secret)


def test_the_service_id_of_another_tenant_opens_nothing() -> None:
    copy = copies()["lagos"]
    thief = {**copy, "metadata": {**copy["metadata"], "namespace": "tenant-mallory"}}
    mine = {text for data in values(copy).values() for field, text in data.items() if field != "username"}
    assert not mine & {text for data in values(thief).values() for text in data.values()}


# --- certificates ---------------------------------------------------------------------------------------------------

PARTS = {"tls.crt": "{certificate}", "tls.key": "{key}", "ca.crt": "{authority}"}
HOSTS = ("orders.tenant-123.svc.lagos.dbaas.internal", "*.orders.tenant-123.svc.lagos.dbaas.internal")


def issued(hosts: tuple[str, ...] = HOSTS, **change: Any) -> dict[str, bytes]:
    """The parts of a Secret with a certificate, as its reader has them."""
    (secret, *_more) = wanted(copies()["lagos"])
    secret = replace(secret, name="orders-tls", purpose="tls", fields=PARTS, hosts=hosts)
    data = build(replace(secret, **change), KEY)["data"]
    return {name: base64.b64decode(text) for name, text in data.items()}


def test_a_certificate_is_signed_by_an_authority_of_its_own() -> None:
    parts = issued()
    authority, server = (x509.load_pem_x509_certificate(parts[name]) for name in ("ca.crt", "tls.crt"))
    server.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    key = load_pem_private_key(parts["tls.key"], None)
    as_text = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*as_text) == server.public_key().public_bytes(*as_text)
    assert authority.public_key().public_bytes(*as_text) != server.public_key().public_bytes(*as_text)
    # what a strict verifier asks for: names, the chain of key ids, what each may be used for
    store = x509.verification.Store([authority])
    now = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    verifier = x509.verification.PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(HOSTS[0]))
    assert verifier.verify(server, []) == [server, authority]
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == HOSTS
    usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [item._name for item in usage] == ["serverAuth", "clientAuth"]
    assert (server.not_valid_before_utc.year, server.not_valid_after_utc.year) == (2026, 2046)


def test_every_region_trusts_what_another_ones_authority_signed() -> None:
    here = x509.load_pem_x509_certificate(issued()["ca.crt"])
    there = issued(("orders.tenant-123.svc.ashburn.dbaas.internal",))
    x509.load_pem_x509_certificate(there["tls.crt"]).verify_directly_issued_by(here)
    assert there["tls.key"] == issued()["tls.key"]


def test_nobody_elses_certificate_is_trusted() -> None:
    mine = x509.load_pem_x509_certificate(issued()["ca.crt"])
    changes: list[Any] = [
        {"service_id": OPERATION},
        {"namespace": "tenant-mallory"},
        {"name": "x-tls"},
        {"purpose": "x"},
    ]
    for change in changes:
        other = issued(**change)
        assert other["tls.key"] != issued()["tls.key"]
        with pytest.raises(InvalidSignature):
            x509.load_pem_x509_certificate(other["tls.crt"]).verify_directly_issued_by(mine)


def test_a_long_name_is_an_alternative_name_all_the_same() -> None:
    long = f"{'a' * 40}.tenant-{'b' * 40}.svc.lagos.dbaas.internal"
    server = x509.load_pem_x509_certificate(issued((long,))["tls.crt"])
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [long]

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.secrets import build, wanted

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


@pytest.mark.parametrize("spec", [{}, {"engine": "mongodb", "serviceId": ID}, {"engine": "scylla"}])
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

"""What must not leave the platform is taken out of data and text, and what explains something stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.redact import HIDDEN, data, looks_secret, text
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.shipped import CALM

CANARY = "c4n4ry-Zx9"
KEYS = (
    "password",
    "DB_PASSWORD",
    "adminPassword",
    "token",
    "bearerToken",
    "clientSecret",
    "AWS_SECRET_ACCESS_KEY",
    "aws-access-key-id",
    "private_key",
    "client-key-data",
    "apiKey",
    "credentials",
    "Authorization",
    "kubeconfig",
    "passphrase",
)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [CANARY, 12345678, [CANARY], {"a": {"b": CANARY}}])
def test_values_under_keys_that_look_secret(key: str, value: Any) -> None:
    assert data({"spec": [{key: value, "size": 3}]}) == {"spec": [{key: HIDDEN, "size": 3}]}


@pytest.mark.parametrize(
    "value",
    [
        {"secretRef": {"name": "orders-credentials"}},
        {"secretName": "orders-agent-config", "tokenNames": ["a"]},
        {"automountServiceAccountToken": False, "password": None},
        {
            "type": "CredentialsReady",
            "message": "waiting for Secrets a, b-credentials: is Secret x/platform-key there?",
        },
        {"url": "cql://orders-client.tenant-acme.svc:9142", "repoURL": "git@github.com:acme/gitops.git"},
        {"env": [{"name": "LOG_LEVEL", "value": "info"}]},
        {"message": "secretName: orders-agent, --token-file is not there"},
    ],
)
def test_what_only_names_a_secret_stays(value: Any) -> None:
    assert data(value) == value


def test_all_values_of_a_secret_and_a_whole_kubeconfig() -> None:
    secret = {"kind": "Secret", "data": {"a": CANARY}, "stringData": {"b": CANARY}, "metadata": {"name": "s"}}
    assert data([secret])[0] == {
        "kind": "Secret",
        "data": {"a": HIDDEN},
        "stringData": {"b": HIDDEN},
        "metadata": {"name": "s"},
    }
    assert data({"x": {"users": [{"user": {"a": CANARY}}], "clusters": [], "contexts": []}}) == {"x": HIDDEN}


def test_arguments_of_commands() -> None:
    given = ["--name", "orders", "--admin-password", CANARY, "--verbose", "--token", "--last"]
    expected = ["--name", "orders", "--admin-password", HIDDEN, "--verbose", "--token", HIDDEN]
    assert data({"args": given}) == {"args": expected}


def test_variables_of_containers() -> None:
    assert data([{"name": "DB_PASSWORD", "value": CANARY}]) == [{"name": "DB_PASSWORD", "value": HIDDEN}]


def test_noise_that_repeats_everything_is_left_out() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": CANARY, "a": "b"}
    assert data({"metadata": {"annotations": applied, "managedFields": [CANARY]}}) == {
        "metadata": {"annotations": {"a": "b"}}
    }


@pytest.mark.parametrize(
    "before",
    [
        f"https://ann:{CANARY}@git.example.com/x.git",
        f"https://{CANARY}@git.example.com/x.git",
        f"https://ann:p@{CANARY}@git.example.com/x.git",
        f"https://x/?access_token={CANARY}&a=b",
        f"Authorization: Bearer {CANARY}",
        f"authorization basic {CANARY}==",
        f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
        f"ghp_{CANARY.replace('-', 'a')}0123456789",
        f"glpat-{CANARY.replace('-', 'a')}0123456789",
        f"AKIA{CANARY.replace('-', 'A')}0123456789",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
        f"password: {CANARY}",
        f"Authorization: token {CANARY}",
        f'{{"authorization": "{CANARY}"}}',
        f"run --password {CANARY} -v",
        f"secretKey: {CANARY}",
        f"aws_secret_key={CANARY}",
        f"password => {CANARY}",
        f"token := {CANARY}",
        f"password: '{CANARY[:8]}{CANARY} and what was cut",
        f"password: '{CANARY}'",
        f'DB_PASSWORD="it is {CANARY}"',
        f'{{"clientSecret": "a\\"b{CANARY}"}}',
        json.dumps(json.dumps({"token": f"a b {CANARY}"})),
        json.dumps({"args": f"--api-key={CANARY}"}),
    ],
)
def test_secrets_in_text(before: str) -> None:
    after = text(before)
    assert CANARY not in after
    assert CANARY.replace("-", "a") not in after
    assert CANARY.replace("-", "A") not in after
    assert HIDDEN in after


@pytest.mark.parametrize("value", [{"token": CANARY}, {"a": json.dumps({"password": CANARY})}, {"a": f"pwd={CANARY}"}])
def test_json_stays_json(value: Any) -> None:
    plain = json.loads(text(json.dumps(value)))
    assert plain.keys() == value.keys()
    assert CANARY not in json.dumps(plain)


def test_what_is_known_is_hidden_wherever_it_stands() -> None:
    assert text(f"x{CANARY}y", [CANARY]) == f"x{HIDDEN}y"
    assert data({CANARY: [f"{CANARY}!"]}, [CANARY, ""]) == {HIDDEN: [f"{HIDDEN}!"]}
    # the longer first: a part of it must not be left
    assert text("abcdef", ["abc", "abcdef"]) == HIDDEN


@CALM
@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_twice_is_as_once(value: Any) -> None:
    once = data(value)
    assert data(once) == once


def test_a_word_of_any_length_is_read_once() -> None:
    """A blob of base64 in a log is one: were each of its letters a beginning, this would not end today."""
    long = "tokenA1" * 30_000
    assert text(long) == long
    assert text(f"{long}token=x") == f"{long}token={HIDDEN}"


def test_words_that_look_secret() -> None:
    assert all(looks_secret(key) for key in KEYS)
    assert not [
        key for key in ("name", "secretRef", "secret-name", "serviceId", "key", "keyspace") if looks_secret(key)
    ]

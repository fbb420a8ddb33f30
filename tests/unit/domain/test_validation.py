from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import Checker, nearest

Json = dict[str, Any]

CHECKER = Checker(
    {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
            "count": {"type": "integer", "minimum": 1, "maximum": 3},
            "share": {"type": "number"},
            "flag": {"type": "boolean"},
            "engine": {"enum": ["scylla", "vitess"]},
            "few": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "roles": {
                "type": "object",
                "maxProperties": 2,
                "minProperties": 1,
                "additionalProperties": {"type": "object", "properties": {"cpu": {"type": "string"}}},
            },
        },
    }
)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "name: not given, allowed: this field is required"),
        ({"name": "A"}, "name: given 'A', allowed: text that matches ^[a-z]+$"),
        ({"name": "abcdef"}, "name: given 'abcdef', allowed: at most 5 characters"),
        ({"name": 1}, "name: given 1, allowed: text in quotes"),
        ({"name": "a", "count": 0}, "count: given 0, allowed: at least 1; nearest: 1"),
        ({"name": "a", "count": 4}, "count: given 4, allowed: at most 3; nearest: 3"),
        ({"name": "a", "count": 2.0}, "count: given 2.0, allowed: a whole number"),
        ({"name": "a", "share": "1"}, "share: given '1', allowed: a number"),
        ({"name": "a", "flag": "yes"}, "flag: given 'yes', allowed: true or false"),
        ({"name": "a", "engine": "scyla"}, "engine: given 'scyla', allowed: one of scylla, vitess; nearest: scylla"),
        ({"name": "a", "engine": 5}, "engine: given 5, allowed: one of scylla, vitess"),
        ({"name": "a", "few": []}, "few: given [], allowed: at least 1 entries"),
        ({"name": "a", "few": ["1", "2", "3"]}, "few: given ['1', '2', '3'], allowed: at most 2 entries"),
        ({"name": "a", "few": ["a", 2]}, "few[1]: given 2, allowed: text in quotes"),
        ({"name": "a", "few": {}}, "few: given {}, allowed: a list"),
        ({"name": "a", "set": ["x", "x"]}, "set: given ['x', 'x'], allowed: each entry once"),
        ({"name": "a", "roles": []}, "roles: given [], allowed: a mapping"),
        ({"name": "a", "roles": {}}, "roles: given {}, allowed: at least 1 entries"),
        ({"name": "a", "roles": {"7": {"cpu": 1}}}, "roles.7.cpu: given 1, allowed: text in quotes"),
        (
            {"name": "a", "roles": {"7": {"cpus": 1}}},
            "roles.7.cpus: given 'cpus', allowed: the fields cpu; nearest: cpu",
        ),
        ([], "(document): given [], allowed: a mapping"),
        ({"name": "a", 1: 2}, "(document): given 'dict', allowed: JSON data"),
    ],
)
def test_words(document: Any, words: str) -> None:
    assert [str(error) for error in CHECKER.errors(document, "")] == [words]


def test_what_is_wrong_is_taken_out_of_the_rest() -> None:
    document = {"name": 1, "flag": True, "few": ["a", 2], "roles": {"a": {"cpu": "1", "x": 1}, "b": {"cpu": 2}}, "y": 0}
    errors, rest = CHECKER.check(document, "file.yaml")
    assert {error.path for error in errors} == {"name", "few[1]", "roles.a.x", "roles.b.cpu", "y"}
    assert {error.source for error in errors} == {"file.yaml"}
    assert rest == {"flag": True, "roles": {"a": {"cpu": "1"}, "b": {}}}
    assert document["name"] == 1


def test_a_right_document_is_its_own_rest() -> None:
    document: Json = {"name": "a", "roles": {"": {"cpu": "1"}}}
    assert CHECKER.check(document, "") == ([], document)


def test_an_empty_key_does_no_harm() -> None:
    document = {"name": "a", "roles": {"": {"cpu": 5}, "b": {"": {"": [1]}}}}
    errors, rest = CHECKER.check(document, "")
    assert len(errors) == 2
    assert rest["name"] == "a"


def test_what_stands_in_an_unknown_field_is_not_repeated() -> None:
    assert "canary" not in " ".join(map(str, CHECKER.errors({"name": "a", "password": "canary"}, "")))


@pytest.mark.parametrize("value", [float("nan"), 10**400, "\ud800", b"x", {1, 2}, object()])
def test_what_is_no_json_is_refused(value: Any) -> None:
    assert CHECKER.errors({"name": "a", "count": value}, "")


def test_endless_depth_is_refused() -> None:
    deep: list[Any] = []
    for _level in range(1000):
        deep = [deep]
    (error,) = CHECKER.errors({"name": "a", "few": deep}, "")
    assert error.allowed == "JSON data"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("lagoss", "lagos"), ("LAGOS", None), ("frankfort", "frankfurt"), ("tokyo", None), (7, None), ("x" * 10**6, None)],
)
def test_nearest(given: object, expected: str | None) -> None:
    assert nearest(given, ["lagos", "frankfurt"]) == expected


def test_nearest_of_none() -> None:
    assert nearest("lagos", []) is None

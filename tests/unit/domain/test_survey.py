"""Surveys: what is asked for, what cannot be, and which answers AWX takes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import survey, templates
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.unit.domain.shipped import catalog, changed_catalog, platform

Json = dict[str, Any]
CATALOG, PLATFORM = catalog(), platform()
OFFER = survey.offer(CATALOG, PLATFORM)
#: the survey of the recorded exchange, and what AWX said of answers to it
RECORDED: Json = {
    "name": "Database request",
    "description": "What to provision",
    "spec": [
        {
            "variable": "engine",
            "required": True,
            "type": "multiplechoice",
            "min": None,
            "max": None,
            "default": "postgresql",
            "choices": ["postgresql", "mysql", "mongodb"],
        },
        {"variable": "db_name", "required": True, "type": "text", "min": 3, "max": 20, "default": ""},
        {
            "variable": "size",
            "required": True,
            "type": "multiplechoice",
            "min": None,
            "max": None,
            "default": "small",
            "choices": "small\nmedium\nlarge",
        },
        {"variable": "replicas", "required": False, "type": "integer", "min": 1, "max": 5, "default": 1},
        {
            "variable": "extensions",
            "required": False,
            "type": "multiselect",
            "min": None,
            "max": None,
            "default": "",
            "choices": ["pgvector", "postgis"],
        },
        {"variable": "ratio", "required": False, "type": "float", "min": 0, "max": 1, "default": 0.5},
        {"variable": "notes", "required": False, "type": "textarea", "min": 0, "max": 200, "default": ""},
    ],
}
GIVEN = {"engine": "postgresql", "db_name": "orders", "size": "small"}


def entry(**options: Json) -> Json:
    named = {name: {"description": f"{name}.", **data} for name, data in options.items()}
    return {"short_description": "A toy", "description": ["Plays.", "Ends."], "options": named}


def questions(**options: Json) -> dict[str, Json]:
    found = survey.survey("toy", entry(**options), OFFER)
    return {question["variable"]: question for question in found["spec"]}


def test_a_survey_has_a_question_for_each_option_and_ends_with_the_key() -> None:
    found = survey.survey("toy", entry(tenant={"type": "str", "required": True}), OFFER)
    assert (found["name"], found["description"]) == ("A toy", "Plays. Ends.")
    tenant, key = found["spec"]
    assert tenant == {
        "variable": "tenant",
        "question_name": "Tenant",
        "question_description": "tenant.",
        "type": "text",
        "required": True,
        "default": "",
        "min": 1,
        "max": 40,
    }
    assert (key["variable"], key["type"], key["required"], key["max"]) == (survey.KEY, "text", False, 128)


def test_choices_come_from_catalog_and_platform() -> None:
    found = questions(
        **{name: {"type": "str"} for name in ("sku", "engine", "plan", "version", "region", "role")},
        regions={"type": "raw", "required": True},
    )
    assert found["sku"]["choices"] == list(CATALOG.skus)
    assert found["sku"]["question_name"] == "SKU"
    assert "scy-ring-3: ScyllaDB ring of 3 (dedicated, clustered, global)" in found["sku"]["question_description"]
    assert found["engine"]["choices"] == list(CATALOG.engines)
    assert found["plan"]["choices"] == list(CATALOG.plans)
    assert {"2026.1.0", "2025.2.5"} < set(found["version"]["choices"])
    roles = {role: None for sku in CATALOG.skus.values() for role in sku.data["resources"]}
    assert found["role"]["choices"] == list(roles)
    assert {"node", "master", "tserver"} <= set(roles)
    assert found["region"]["choices"] == found["regions"]["choices"] == list(PLATFORM.pops)
    assert (found["region"]["type"], found["regions"]["type"]) == ("multiplechoice", "multiselect")
    assert all(
        (question["min"], question["max"]) == (None, None) for question in found.values() if "choices" in question
    )


def test_an_expired_version_is_not_offered() -> None:
    changed = changed_catalog({"engines/scylla/versions/2025.1.2/channel": "expired"})
    assert "2025.1.2" in OFFER.choices["version"]
    assert "2025.1.2" not in survey.offer(changed, PLATFORM).choices["version"]


@pytest.mark.parametrize(
    ("option", "data", "expected"),
    [
        ("x", {"type": "int", "default": 3}, ("integer", 3, None, None)),
        ("dbaas_wait_timeout", {"type": "int", "default": 1800}, ("integer", 1800, 1, 86400)),
        ("replicas", {"type": "str"}, ("integer", "", 1, 1000)),
        ("x", {"type": "float", "default": 0.5}, ("float", 0.5, None, None)),
        ("x", {"type": "str", "no_log": True}, ("password", "", 0, 1024)),
        ("x", {"type": "raw"}, ("textarea", "", 0, 8192)),
        ("x", {}, ("text", "", 0, 1024)),
        ("cpu", {"type": "str"}, ("text", "", 0, 16)),
        ("backup_destination", {"type": "str"}, ("text", "", 0, 256)),
        ("database", {"type": "str"}, ("text", "", 0, 63)),
        ("limit", {"type": "int", "default": 0}, ("integer", 0, 0, None)),
        ("wave", {"type": "int", "default": 50}, ("integer", 50, 1, None)),
    ],
)
def test_types_and_limits(option: str, data: Json, expected: tuple[Any, ...]) -> None:
    question = questions(**{option: data})[option]
    assert tuple(question[name] for name in ("type", "default", "min", "max")) == expected
    assert "choices" not in question


def test_flags_are_choices() -> None:
    found = questions(
        on={"type": "bool", "default": True}, off={"type": "bool", "default": False}, backup_enabled={"type": "bool"}
    )
    assert {name: found[name]["default"] for name in ("on", "off")} == {"on": "true", "off": "false"}
    assert found["on"]["choices"] == found["backup_enabled"]["choices"] == ["true", "false"]
    assert found["backup_enabled"]["default"] == ""


def test_an_empty_choice_is_no_choice() -> None:
    assert questions(x={"type": "str", "choices": ["", "text"]})["x"]["choices"] == ["text"]


def test_help_tells_the_one_way_that_a_survey_has() -> None:
    words = "All regions; a list, or text with one on each line (or between commas); the home region when not given."
    found = questions(regions={"type": "raw", "description": words}, names={"type": "raw", "description": words})
    assert found["regions"]["question_description"].startswith("All regions; the home region when not given. lagos: ")
    assert found["names"]["question_description"] == "All regions; one on each line; the home region when not given."


def test_what_a_survey_cannot_ask_for_is_refused_all_at_once() -> None:
    options: Json = {
        "a": {"type": "dict"},
        "b": {"type": "list", "elements": "str"},
        "c": {"type": "path", "required": True},
        "d": {"type": "raw", "default": ["x"]},
        "e": {"type": "str", "required": True, "default": "x"},
        "f": {"type": "str", "choices": ["one\ntwo"]},
        "g": {"type": "str"},
    }
    with pytest.raises(InvalidFields) as caught:
        survey.survey("toy", entry(**options), OFFER)
    assert caught.value.code == "survey-impossible"
    assert [error.path for error in caught.value.errors] == [
        "c",
        "a.type",
        "b.type",
        "d.default",
        "e.default",
        "f.choices",
    ]
    text = str(caught.value)
    assert "toy: a.type: given 'dict', allowed: str, int, float, bool, or raw where the playbook takes text" in text
    assert "toy: c: given 'path', allowed: a survey cannot ask for it, as it is a place on the machine" in text


def test_what_comes_from_elsewhere_is_not_asked_for() -> None:
    options = entry(tenant={"type": "str"}, dbaas_repository={"type": "str"}, report_file={"type": "path"})
    assert list(survey.left_out(options["options"])) == ["dbaas_repository", "report_file"]
    asked = [question["variable"] for question in survey.survey("toy", options, OFFER)["spec"]]
    assert asked == ["tenant", survey.KEY]


def test_options_can_be_left_out_by_name() -> None:
    options = entry(tenant={"type": "str", "required": True}, dbaas_wait={"type": "bool", "default": True})
    asked = [question["variable"] for question in survey.survey("toy", options, OFFER, ["dbaas_wait"])["spec"]]
    assert asked == ["tenant", survey.KEY]
    with pytest.raises(InvalidFields, match="dbaas_wiat: given 'dbaas_wiat', allowed: one of tenant, dbaas_wait"):
        survey.survey("toy", options, OFFER, ["dbaas_wiat"])


@pytest.mark.parametrize(
    ("answers", "sentences"),
    [
        ({"engine": "postgresql", "size": "small"}, ["'db_name' value missing"]),
        ({}, ["'engine' value missing", "'db_name' value missing", "'size' value missing"]),
        ({**GIVEN, "replicas": "two"}, ["Value two for 'replicas' expected to be an integer."]),
        ({**GIVEN, "replicas": "2"}, ["Value 2 for 'replicas' expected to be an integer."]),
        ({**GIVEN, "replicas": 9}, ["'replicas' value 9 is too large (must be no more than 5)."]),
        ({**GIVEN, "db_name": "o"}, ["'db_name' value o is too small (length is 1 must be at least 3)."]),
        ({**GIVEN, "db_name": "o" * 30}, [f"'db_name' value {'o' * 30} is too large (must be no more than 20)."]),
        (
            {**GIVEN, "engine": "oracle"},
            ["Value oracle for 'engine' expected to be one of ['postgresql', 'mysql', 'mongodb']."],
        ),
        ({**GIVEN, "extensions": "pgvector"}, ["'extensions' value is expected to be a list."]),
        (
            {**GIVEN, "extensions": ["nope"]},
            ["Value nope for 'extensions' expected to be one of ['pgvector', 'postgis']."],
        ),
        (
            {"engine": "oracle", "size": "huge", "replicas": 0},
            [
                "Value oracle for 'engine' expected to be one of ['postgresql', 'mysql', 'mongodb'].",
                "'db_name' value missing",
                "Value huge for 'size' expected to be one of ['small', 'medium', 'large'].",
                "'replicas' value 0 is too small (must be at least 1).",
            ],
        ),
        ({**GIVEN, "db_name": 5}, ["Value 5 for 'db_name' expected to be a string."]),
        ({**GIVEN, "ratio": "0.5"}, ["Value 0.5 for 'ratio' expected to be a numeric type."]),
        ({**GIVEN, "replicas": True}, ["Value True for 'replicas' expected to be an integer."]),
        ({**GIVEN, "ratio": 1}, []),
        ({**GIVEN, "unasked": "kept", "extensions": []}, []),
    ],
)
def test_refusals_read_as_those_that_were_recorded(answers: Json, sentences: list[str]) -> None:
    assert survey.refusals(RECORDED, answers) == sentences


def test_defaults_are_filled_in_as_was_recorded() -> None:
    given = {"engine": "postgresql", "db_name": "orders", "size": "medium", "replicas": 2, "extensions": ["pgvector"]}
    assert survey.filled(RECORDED, given) == {**given, "ratio": 0.5, "notes": ""}
    # db_name wants three characters, so its empty default is none
    assert survey.filled(RECORDED, {}) == {
        "engine": "postgresql",
        "size": "small",
        "replicas": 1,
        "ratio": 0.5,
        "notes": "",
    }


def test_a_template_has_the_common_fields_and_its_own() -> None:
    books: Json = {
        "toy_one": {**entry(tenant={"type": "str", "required": True}), "whole": False},
        "toy_two": {**entry(), "whole": True},
    }
    common = {"organization": "DBaaS", "credentials": ["dbaas-gitops"]}
    one, two = templates.job_templates(
        books, OFFER, common, {"toy_two": {"credentials": [], "webhook_service": "github"}}
    )
    assert (one["name"], one["playbook"], one["description"]) == ("dbaas-toy-one", "playbooks/toy_one.yml", "A toy")
    assert (one["credentials"], two["credentials"]) == (["dbaas-gitops"], [])
    assert two["webhook_service"] == "github"
    assert "webhook_service" not in one
    assert (one["ask_limit_on_launch"], two["ask_limit_on_launch"]) == (True, False)
    assert not one["ask_variables_on_launch"]
    assert one["survey_spec"]["spec"][0]["variable"] == "tenant"


def test_wrong_playbooks_are_named_together() -> None:
    books: Json = {
        "one": {**entry(a={"type": "dict"}), "whole": False},
        "two": {**entry(b={"type": "list"}), "whole": False},
    }
    with pytest.raises(InvalidFields, match=r"(?s)one: a\.type.*two: b\.type"):
        templates.job_templates(books, OFFER, {}, {})
    with pytest.raises(InvalidFields, match=r"differing\.three: given 'three', allowed: a playbook: one, two"):
        templates.job_templates(books, OFFER, {}, {"three": {}})

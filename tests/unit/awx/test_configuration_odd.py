"""Data as people write them where AWX itself is strict: made what AWX takes, or refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import ROLES_OF, TEAMS, TEMPLATES
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import InvalidFields

from tests.awx import Double
from tests.unit.awx.configuring import apply, drift, one, written_by

Json = dict[str, Any]


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as running:
        yield running


def asking(*spec: Json) -> Json:
    """A configuration with a job template that asks these questions."""
    questions = [{"question_name": f"Q{n}", "variable": f"q{n}", "required": False, **q} for n, q in enumerate(spec)]
    return {
        "controller_organizations": [{"name": "A"}],
        "controller_inventories": [{"name": "i", "organization": "A"}],
        "controller_projects": [
            {"name": "p", "organization": "A", "scm_type": "git", "scm_url": "https://git.example.test/p.git"}
        ],
        "controller_templates": [
            {
                "name": "t",
                "project": "p",
                "inventory": "i",
                "playbook": "provision.yml",
                "survey_enabled": True,
                "survey_spec": {"spec": questions},
            }
        ],
    }


def telling(kind: str, **configuration: Any) -> Json:
    """A configuration with a notification of this type."""
    entry = {"notification_type": kind, "notification_configuration": configuration}
    return {
        "controller_organizations": [{"name": "A"}],
        "controller_notifications": [{"name": "n", "organization": "A", **entry}],
    }


def test_questions_are_sent_as_awx_takes_them(double: Double) -> None:
    given = asking(
        {"type": "multiselect", "choices": ["a", "b"], "default": ["a", "b"]},
        {"type": "float", "default": 5, "min": "1", "max": ""},
        {"type": "text", "default": None},
        {"type": "multiplechoice", "choices": "x\ny\n", "default": "y"},
    )
    written_by(double, given)
    number = one(double, "job_templates", "t")["id"]
    several, number_asked, text, _choice = double.by_hand("GET", f"job_templates/{number}/survey_spec/")["spec"]
    assert several["default"] == "a\nb"
    assert (number_asked["default"], number_asked["min"], number_asked["max"]) == (5.0, 1, None)
    assert isinstance(number_asked["default"], float)
    assert "default" not in text


def test_questions_that_awx_refuses_are_all_named_before_any_write(double: Double) -> None:
    given = asking(
        {"type": "multiplechoice", "choices": ["scylla", "redis"], "default": "redish"},
        {"type": "multiplechoice", "choices": ["a", "b"], "default": "a\nb"},
        {"type": "multiselect", "choices": ["a", "b"], "default": "a\nc"},
        {"type": "integer", "default": "5", "max": "many"},
        {"type": "text", "default": 5},
        {"type": "text", "default": "$encrypted$"},
        {"type": "text", "required": None},
    )
    with pytest.raises(InvalidFields) as caught:
        apply(double, given)
    found = {
        (error.path.removeprefix("controller_templates[t].survey_spec."), error.allowed)
        for error in caught.value.errors
    }
    assert found == {
        ("spec[0].default", "one of scylla, redis"),
        ("spec[1].default", "one choice"),
        ("spec[2].default", "one of a, b"),
        ("spec[3].default", "a whole number"),
        ("spec[3].max", "a whole number"),
        ("spec[4].default", "text"),
        ("spec[5].default", "another text: AWX hides passwords alone"),
        ("spec[6].required", "true or false"),
    }
    assert double.writes == []


def test_a_password_that_an_export_hides_is_left_out_where_awx_does_not_have_it(double: Double) -> None:
    hidden = asking({"type": "password", "default": "$encrypted$"}, {"type": "text"})
    done = apply(double, hidden)
    assert not done.get("failed"), done["msg"]
    assert done["warnings"] == ["job template t (A) is made without q0: the configuration does not hold it."]
    assert apply(double, hidden)["writes"] == []
    # where AWX has one it is kept
    written_by(double, asking({"type": "password", "default": "canary"}, {"type": "text"}))
    number = one(double, "job_templates", "t")["id"]
    kept = double.store.rows["job_templates"][number]["_survey"]["spec"][0]["default"]
    written_by(double, asking({"type": "password", "default": "$encrypted$"}, {"type": "text", "required": True}))
    assert double.store.rows["job_templates"][number]["_survey"]["spec"][0]["default"] == kept


def test_a_field_of_no_type_is_text_as_in_awx(double: Double) -> None:
    kinds = [
        {"name": "T", "kind": "cloud", "inputs": {"fields": [{"id": "u", "label": "U"}]}, "injectors": {}},
        {
            "name": "S",
            "kind": "cloud",
            "inputs": "fields: [{id: u, label: U}]",
            "injectors": '{"env": {"X": "{{ u }}"}}',
        },
    ]
    written_by(double, {"controller_credential_types": kinds})
    assert one(double, "credential_types", "T")["inputs"]["fields"] == [{"id": "u", "label": "U", "type": "string"}]
    assert one(double, "credential_types", "S")["injectors"] == {"env": {"X": "{{ u }}"}}


def test_a_group_of_containers_gets_its_credential_later(double: Double) -> None:
    double.by_hand("POST", "instance_groups/", {"name": "lagos", "is_container_group": True})
    kind = "OpenShift or Kubernetes API Bearer Token"
    inputs = {"host": "https://lagos.example.test", "verify_ssl": True}
    given = {
        "controller_organizations": [{"name": "A"}],
        "controller_credentials": [{"name": "k", "organization": "A", "credential_type": kind, "inputs": inputs}],
        "controller_instance_groups": [{"name": "lagos", "credential": "k"}],
    }
    written_by(double, given)
    assert one(double, "instance_groups", "lagos")["credential"] == one(double, "credentials", "k")["id"]


def test_a_notification_is_held_against_its_type(double: Double) -> None:
    mail = {"host": "mail.example.test", "recipients": ["a@example.test"], "sender": "awx@example.test"}
    given = telling("email", **mail, username="", password="", port="25", use_tls="no", use_ssl=False, timeout=None)
    written_by(double, given)
    kept = one(double, "notification_templates", "n")["notification_configuration"]
    assert (kept["port"], kept["use_tls"], kept["timeout"]) == (25, False, 30)
    before = len(double.writes)
    with pytest.raises(InvalidFields) as caught:
        apply(double, telling("email", **{**mail, "recipients": "a@example.test"}, port="smtp", use_tls="maybe"))
    wrong = {error.path.rpartition(".")[2] for error in caught.value.errors}
    assert wrong == {"recipients", "port", "use_tls"}
    assert len(double.writes) == before


def test_what_awx_takes_for_a_notification_and_does_not_tell_is_taken(double: Double) -> None:
    given = telling("slack", token="canary", channels=["#a"], hex_color="#ff0000")
    written_by(double, given)
    assert one(double, "notification_templates", "n")["notification_configuration"]["hex_color"] == "#ff0000"
    assert drift(double, given)["drift"] == []


def test_a_role_that_a_new_object_will_not_have_is_refused_before_any_write(double: Double) -> None:
    given = asking({"type": "text"}) | {
        "controller_teams": [{"name": "x", "organization": "A"}],
        "controller_roles": [{"team": "x", "job_templates": ["t"], "inventory": "i", "roles": ["exec", "admin"]}],
    }
    with pytest.raises(InvalidFields) as caught:
        apply(double, given)
    assert {error.nearest for error in caught.value.errors} >= {"execute"}
    assert double.writes == []
    # what is said of new objects is what AWX has
    written_by(double, {**given, "controller_roles": [{"team": "x", "job_template": "t", "role": "Execute"}]})
    for kind, plural in ((TEAMS, "teams"), (TEMPLATES, "job_templates"), ("instance_groups", "instance_groups")):
        roles = double.by_hand("GET", f"{plural}/?page_size=1")["results"][0]["summary_fields"]["object_roles"]
        assert sorted(name.removesuffix("_role") for name in roles) == sorted(ROLES_OF[kind])

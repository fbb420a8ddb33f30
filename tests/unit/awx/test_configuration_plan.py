# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pure plan, held against what a real AWX answered (tests/awx/recordings)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import order, plan, values, wanted
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import KINDS, Key
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.operations import Operation, Plan
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.plan import How
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import World
from ansible_collections.dbaas.platform.plugins.module_utils.runner.awx_configuration import parse

from tests.awx.recordings import content

Json = dict[str, Any]
OPTIONS: dict[str, Json] = {
    name: content(number)["actions"]["POST"]
    for name, number in (
        ("organizations", 31),
        ("job_templates", 326),
        ("schedules", 327),
        ("notification_templates", 328),
        ("credentials", 329),
    )
}


def world() -> World:
    """The recorded AWX, as far as single objects of it were shown."""
    return World(
        {
            "organizations": [content(22)],
            "credential_types": [content(84)],
            "credentials": [content(97)],
            "projects": [content(64)],
            "inventories": [content(42)],
            "labels": content(323)["results"],
            "notification_templates": [content(223)],
            "job_templates": [content(134)],
            "workflow_job_templates": [content(246)],
            "workflow_job_template_nodes": content(245)["results"],
            "schedules": [content(189)],
            "teams": [content(277)],
        }
    )


def planned(given: Json, live: World | None = None, **how: Any) -> Plan:
    live = live or world()
    found = wanted.read(given, live, OPTIONS, parse, how.get("label", ""))
    assert found.errors == []
    for key, name in plan.reads(found, live, How(**how)):
        if name == "survey_spec":
            live.objects[key].survey = content(123)
        elif name == "roles":
            live.grant(key, content(292)["results"])
        elif name != "playbooks":
            live.objects[key].links.setdefault(name, ())
    return plan.plan(found, live, OPTIONS, How(**how), parse, {})


def provision(**more: Any) -> Json:
    item = content(134)
    return {
        "controller_templates": [
            {"name": "dbaas-provision", "project": "dbaas-content", "limit": item["limit"], **more}
        ]
    }


def lines(made: Plan) -> list[str]:
    return sorted(f"{item.code} {item.what}" for item in made.differences)


def test_what_was_recorded_is_as_it_was_recorded() -> None:
    item = content(134)
    same = {
        "description": item["description"],
        "inventory": "dbaas-clusters",
        "extra_vars": {"team": "payments"},
        "credentials": ["dbaas-api"],
        "labels": ["dbaas"],
        "survey_spec": content(123),
        "ask_variables_on_launch": "yes",
        "verbosity": "0",
        "execution_environment": None,
        "playbook": " provision.yml ",
    }
    assert planned(provision(**same)).requests == []
    given = {
        "controller_organizations": [{"name": "DBaaS", "description": "Self-service databases", "max_hosts": "0"}],
        "controller_notifications": [
            {
                "name": "dbaas-webhook",
                "organization": "DBaaS",
                "notification_type": "webhook",
                "notification_configuration": {"url": "http://127.0.0.1:18099/hook", "headers": {"X-Source": "awx"}},
            }
        ],
        "controller_credentials": [
            {
                "name": "dbaas-api",
                "organization": "DBaaS",
                "credential_type": "DBaaS API",
                "inputs": {"api_url": "https://api2.example.test", "api_token": "anything"},
            }
        ],
        "controller_schedules": [
            {
                "name": "nightly",
                "unified_job_template": "dbaas-provision",
                "rrule": content(189)["rrule"],
                "extra_data": content(189)["extra_data"],
            }
        ],
        "controller_workflows": [
            {
                "name": "dbaas-order",
                "organization": "DBaaS",
                "extra_vars": "requested_by: portal",
                "workflow_nodes": [
                    {
                        "identifier": "provision",
                        "unified_job_template": "dbaas-provision",
                        "extra_data": content(245)["results"][0]["extra_data"],
                        "always_nodes": ["sync"],
                    },
                    {
                        "identifier": "approve",
                        "approval_node": {
                            "name": "Approve the order",
                            "description": "Somebody must say yes",
                            "timeout": 600,
                        },
                        "success_nodes": ["provision"],
                    },
                    {
                        "identifier": "sync",
                        "unified_job_template": {"name": "dbaas-content", "type": "project"},
                        "all_parents_must_converge": True,
                    },
                ],
            }
        ],
    }
    made = planned(given)
    assert [str(item) for item in made.differences] == []
    assert made.requests == []


@pytest.mark.parametrize(
    ("more", "expected", "writes"),
    [
        ({"description": "other"}, ["differs description"], ["PATCH"]),
        ({"extra_vars": {"team": "orders"}}, ["differs extra_vars"], ["PATCH"]),
        ({"credentials": []}, ["differs credentials.dbaas-api"], ["POST"]),
        ({"labels": []}, ["differs labels.dbaas"], ["POST"]),
        ({"survey_spec": {}}, ["differs survey_spec.spec"], ["DELETE"]),
        ({"timeout": 5, "forks": 3}, ["differs forks", "differs timeout"], ["PATCH"]),
    ],
)
def test_what_differs_is_named_and_written(more: Json, expected: list[str], writes: list[str]) -> None:
    made = planned(provision(**more))
    assert lines(made) == expected
    assert [request.method for request in made.requests] == writes


def test_a_question_is_named_by_its_variable() -> None:
    survey = content(123)
    survey["spec"][0]["choices"] = ["postgresql"]
    survey["spec"][3]["max"] = 9
    del survey["spec"][5]
    survey["spec"].append({**survey["spec"][1], "variable": "extra", "question_name": "Extra"})
    survey["spec"][1], survey["spec"][2] = survey["spec"][2], survey["spec"][1]
    survey["name"] = "Other"
    assert lines(planned(provision(survey_spec=survey))) == [
        "differs survey_spec.engine.choices",
        "differs survey_spec.extra",
        "differs survey_spec.name",
        "differs survey_spec.order",
        "differs survey_spec.ratio",
        "differs survey_spec.replicas.max",
    ]


def test_choices_are_the_same_as_text_and_as_a_list() -> None:
    survey = content(123)
    for item in survey["spec"]:
        if isinstance(item.get("choices"), list):
            item["choices"] = "\n".join(item["choices"])
        item.pop("new_question", None)
    survey["spec"][7]["default"] = "a new password"
    assert planned(provision(survey_spec=survey)).requests == []


def test_grants_are_told_apart_by_role_and_object() -> None:
    role = {"team": "payments", "job_template": "dbaas-provision", "role": "Execute"}
    assert planned({"controller_roles": [role]}).requests == []
    made = planned({"controller_roles": [{**role, "role": "read"}, {**role, "state": "absent"}]})
    assert [operation.verb for operation in made.operations] == ["grant", "revoke"]
    assert [(item.code, item.about) for item in made.differences] == [
        ("missing", "read on job template dbaas-provision (DBaaS) for team payments (DBaaS)"),
        ("extra", "execute on job template dbaas-provision (DBaaS) for team payments (DBaaS)"),
    ]


@pytest.mark.parametrize(
    ("rule", "same"),
    [
        ("DTSTART;TZID=Europe/Berlin:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20310101T030000", True),
        ("DTSTART;TZID=Europe/Berlin:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20310101T020000Z", True),
        ("DTSTART;TZID=Europe/Berlin:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20310101T040000", False),
        ("DTSTART;TZID=Nowhere/No:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1;UNTIL=20310101T030000", False),
    ],
)
def test_recurrences_are_compared_as_awx_keeps_them(rule: str, same: bool) -> None:
    """Recording 201 was sent with the first rule and answered with the second."""
    kept = content(213)["results"][0]["rrule"]
    assert (values.recurrence(rule) == values.recurrence(kept)) is same


def test_a_mark_is_put_on_and_taken_off() -> None:
    mark = values.Mark("dbaas")
    assert mark.on("") == "[dbaas]"
    assert mark.on("text", "0123456789ab") == "text [dbaas 0123456789ab]"
    assert mark.on("text [dbaas 0123456789ab]") == "text [dbaas]"
    assert mark.off("text [dbaas 0123456789ab]") == "text"
    assert mark.of("text [dbaas 0123456789ab]") == "0123456789ab"
    assert mark.of("text [dbaas]") == ""
    for other in ("text", "[dbaas-2]", "[dbaas] text", "dbaas", "[other]"):
        assert mark.of(other) is None


def test_a_fingerprint_tells_objects_and_secrets_apart() -> None:
    key = Key("credentials", ("git", None, Key("organizations", ("DBaaS",))))
    first = values.fingerprint(key, {"inputs": {"token": "a"}})
    assert first == values.fingerprint(key, {"inputs": {"token": "a"}})
    other = key._replace(parts=("hub", *key.parts[1:]))
    assert values.fingerprint(key, {"inputs": {"token": "b"}}) != first
    assert values.fingerprint(other, {"inputs": {"token": "a"}}) != first


@pytest.mark.parametrize("seed", range(20))
def test_waves_keep_every_order(seed: int) -> None:
    chance = random.Random(seed)
    operations = [Operation("create", Key("labels", (str(number),))) for number in range(60)]
    for number, operation in enumerate(operations[1:], 1):
        operation.needs = {chance.randrange(number) for _need in range(3)}
    chance.shuffle(operations)
    place = {operation.key.name: number for number, operation in enumerate(operations)}
    for operation in operations:
        operation.needs = {place[str(other)] for other in operation.needs}
    waves = order.waves(operations)
    assert sorted(number for wave in waves for number in wave) == list(range(60))
    done: set[int] = set()
    for wave in waves:
        for number in wave:
            assert operations[number].needs <= done
        done |= set(wave)


def test_every_kind_comes_after_what_it_is_known_by() -> None:
    order = list(KINDS)
    for kind in KINDS.values():
        for name in kind.identity[1:]:
            for other in kind.references[name]:
                assert order.index(other) < order.index(kind.name), (kind.name, name)

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever the configuration: what was applied leaves nothing to do, and check mode has said what it would be."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.awx import Double
from tests.unit.awx.configuring import drift, written_by

Json = dict[str, Any]
ORGANIZATIONS = ("DBaaS", "Other")
TYPES = ("multiplechoice", "multiselect", "text", "textarea", "integer", "float", "password")
KINDS = ("started", "success", "error")


def some(chance: random.Random, things: list[Any], most: int = 3) -> list[Any]:
    return chance.sample(things, chance.randint(0, min(most, len(things))))


def question(chance: random.Random, number: int) -> Json:
    kind = chance.choice(TYPES)
    item: Json = {
        "variable": f"v{number}",
        "question_name": f"Question {number}",
        "question_description": chance.choice(["", "why"]),
        "type": kind,
        "required": False,
        "default": "",
    }
    if kind in ("multiplechoice", "multiselect"):
        choices = chance.sample(["a", "b", "c", "d"], 2)
        item |= {"choices": chance.choice([choices, "\n".join(choices)]), "default": choices[0]}
    elif kind in ("integer", "float"):
        item |= {"min": 0, "max": chance.randint(5, 9), "default": chance.choice(["", 3])}
    elif kind == "password":
        item |= {"min": 0, "max": 32, "default": chance.choice(["", "a-secret"])}
    else:
        item |= {"min": 0, "max": chance.choice([64, 128])}
    return item


def survey(chance: random.Random) -> Json:
    number = chance.randint(0, 4)
    if not number:
        return {}
    spec = [question(chance, one) for one in chance.sample(range(6), number)]
    return {"name": chance.choice(["", "Survey"]), "description": "", "spec": spec}


def workflow(chance: random.Random, name: str, organization: str, runs: list[str]) -> Json:
    names = chance.sample([f"n{number}" for number in range(6)], chance.randint(1, 5))
    nodes: list[Json] = []
    for number, identifier in enumerate(names):
        node: Json = {"identifier": identifier, "all_parents_must_converge": chance.random() < 0.5}
        if chance.random() < 0.3:
            node["approval_node"] = {"name": f"{name}-{identifier}", "timeout": chance.choice([0, 60])}
        else:
            node["unified_job_template"] = chance.choice(runs)
        # edges lead to later nodes only, and one of a sort to each
        for later in names[number + 1 :]:
            if chance.random() < 0.4:
                node.setdefault(chance.choice(["success_nodes", "failure_nodes", "always_nodes"]), []).append(later)
        nodes.append(node)
    chance.shuffle(nodes)
    return {
        "name": name,
        "organization": organization,
        "survey_enabled": chance.random() < 0.5,
        "survey": survey(chance),
        "simplified_workflow_nodes": nodes,
        "notification_templates_approvals": some(chance, [f"{organization}-hook", f"{organization}-chat"]),
    }


def anything(chance: random.Random) -> Json:
    """A configuration that is right, of any size, in any order."""
    found: dict[str, list[Json]] = {}

    def add(variable: str, **fields: Any) -> None:
        found.setdefault(variable, []).append(fields)

    groups = [f"group-{number}" for number in range(3)]
    for group in groups:
        add("controller_instance_groups", name=group, is_container_group=True, max_forks=chance.randint(0, 5))
    add(
        "controller_credential_types",
        name="Kube",
        kind="cloud",
        inputs={"fields": [{"id": "config", "type": "string", "label": "Config", "secret": True}]},
        injectors={"env": {"KUBE": "{  { config }}"}} if chance.random() < 0.7 else {},
    )
    for organization in ORGANIZATIONS:
        add(
            "controller_organizations",
            name=organization,
            instance_groups=some(chance, groups),
            max_hosts=chance.randint(0, 3),
        )
        where = {"organization": organization}
        hooks = [f"{organization}-hook", f"{organization}-chat"]
        for hook in hooks:
            add(
                "controller_notifications",
                **where,
                name=hook,
                notification_type="webhook",
                notification_configuration={
                    "url": f"https://{chance.choice('ab')}.test",
                    "headers": {},
                    "password": "p",
                },
            )
        for name in some(chance, ["red", "green"]):
            add("controller_labels", **where, name=name)
        labels = [item["name"] for item in found.get("controller_labels", []) if item["organization"] == organization]
        credentials = [f"{organization}-kube", f"{organization}-ssh"]
        for name, kind, secret in zip(credentials, ("Kube", "Machine"), ("config", "password"), strict=True):
            inputs = {secret: chance.choice(["one", "two"])}
            add("controller_credentials", **where, name=name, credential_type=kind, inputs=inputs)
        add(
            "controller_projects",
            **where,
            name=f"{organization}-content",
            scm_type="git",
            scm_url="https://git.example.test/a.git",
            scm_branch=chance.choice(["main", "next"]),
            scm_clean=chance.choice(["yes", "no"]),
            notification_templates_error=some(chance, hooks),
        )
        inventories = [f"{organization}-{name}" for name in ("a", "b")]
        for inventory in inventories:
            variables = chance.choice([{}, {"a": 1}, "---\na: 1\n", '{"a": [1, 2]}', ""])
            add(
                "controller_inventories",
                **where,
                name=inventory,
                variables=variables,
                instance_groups=some(chance, groups),
            )
            hosts = some(chance, ["h1", "h2", "h3"])
            for host in hosts:
                add("controller_hosts", name=host, inventory=inventory, enabled=chance.random() < 0.8)
            for group in some(chance, ["g1", "g2"]):
                add("controller_groups", name=group, inventory=inventory, hosts=some(chance, hosts))
        templates = [f"{organization}-t{number}" for number in chance.sample(range(4), chance.randint(1, 3))]
        for name in templates:
            more = {f"notification_templates_{when}": some(chance, hooks) for when in KINDS if chance.random() < 0.5}
            if chance.random() < 0.6:
                more["survey_spec"] = survey(chance)  # type: ignore[assignment]
            add(
                "controller_templates",
                name=name,
                project=f"{organization}-content",
                inventory=chance.choice(inventories),
                playbook=chance.choice(["provision.yml", "wait.yml"]),
                verbosity=chance.choice([0, "1", 3]),
                extra_vars=chance.choice(["", {}, {"x": {"y": [1, None, "z"]}}]),
                credentials=some(chance, credentials),
                labels=some(chance, labels),
                instance_groups=some(chance, groups),
                become_enabled=chance.choice([True, "no", False]),
                **more,
            )
        for number in chance.sample(range(3), chance.randint(0, 2)):
            runs = [*templates, f"{organization}-content"]
            found.setdefault("controller_workflows", []).append(
                workflow(chance, f"{organization}-w{number}", organization, runs)
            )
        for number in range(chance.randint(0, 2)):
            frequency = chance.choice(["DAILY", "WEEKLY"])
            rule = f"DTSTART;TZID=Africa/Lagos:20300101T030000 RRULE:FREQ={frequency};INTERVAL={chance.randint(1, 3)}"
            add(
                "controller_schedules",
                name=f"s{number}",
                unified_job_template=chance.choice(templates),
                rrule=rule,
                enabled=chance.random() < 0.5,
            )
        teams = some(chance, [f"{organization}-team-{number}" for number in range(3)])
        for team in teams:
            add("controller_teams", **where, name=team)
            for role in some(chance, ["execute", "read", "admin"]):
                add("controller_roles", team=team, job_templates=some(chance, templates) or templates[:1], role=role)
    for entries in found.values():
        chance.shuffle(entries)
    variables = list(found)
    chance.shuffle(variables)
    return {variable: found[variable] for variable in variables}


@pytest.mark.parametrize("seed", range(5))
def test_what_was_applied_leaves_nothing_to_do(seed: int) -> None:
    chance = random.Random(seed)
    with Double() as double:
        # from nothing to something, and from that to something else; what the first had and the second lacks is purged
        for _step in range(2):
            given = anything(chance)
            assert written_by(double, given, purge=True)
            assert drift(double, given)["drift"] == []
        assert not double.unknown

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long 500 objects of AWX take, at once by awx_configuration and one module call at a time by awx.awx.

Both run by ansible-playbook against a double of AWX each. awx.awx does a sample of each kind, which is scaled: all of
it would take a quarter of an hour.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from rich.table import Table

from tests.awx import Double
from tests.benchmarks import rivals
from tests.tools.tree import ROOT

Json = dict[str, Any]

#: the version of awx.awx that comes with the rivals' packages
COLLECTION = "24.6.1"
OBJECTS, SAMPLE, FASTER = 500, 3, 20
OWNER = {"organization": "bench"}
RULE = "DTSTART;TZID=Europe/Berlin:20300101T030000 RRULE:FREQ=DAILY;INTERVAL=1"
FIELDS = [{"id": "token", "type": "string", "label": "Token", "secret": True}]


@dataclass(frozen=True)
class Kind:
    """variable: infra.aap_configuration's list; module: awx.awx's; entries: what both get."""

    variable: str
    module: str
    path: str
    entries: list[Json]


def survey(number: int) -> Json:
    question = {"question_description": "", "required": False, "min": None, "max": None}
    choices = {"type": "multiplechoice", "choices": ["small", "large"], "default": "small"}
    spec = [
        {**question, "question_name": "Name", "variable": "name", "type": "text", "default": f"n{number}"},
        {**question, "question_name": "Size", "variable": "size", **choices},
    ]
    return {"name": "Order", "description": "", "spec": spec}


def kinds() -> list[Kind]:
    """500 objects, in the order in which they need each other; the n-th names others of the first three."""

    def some(count: int, name: str, **fields: Any) -> list[Json]:
        return [
            {"name": f"{name}-{n}", **{k: v(n) if callable(v) else v for k, v in fields.items()}} for n in range(count)
        ]

    def one(name: str) -> Any:
        return lambda number: f"{name}-{number % SAMPLE}"

    def many(name: str) -> Any:
        return lambda number: [f"{name}-{number % SAMPLE}"]

    slack = {"channels": ["#bench"], "token": "example-secret"}
    job: Json = {"survey_enabled": True, "survey_spec": survey, "ask_variables_on_launch": True}
    tied: Json = {
        "labels": many("label"),
        "credentials": many("credential"),
        "notification_templates_error": many("told"),
    }

    def nodes(number: int) -> list[Json]:
        runs = {"name": f"job-{number % SAMPLE}", "type": "job_template", "organization": {"name": "bench"}}
        first = {
            "identifier": "first",
            "unified_job_template": runs,
            "related": {"success_nodes": [{"identifier": "then"}]},
        }
        return [first, {"identifier": "then", "unified_job_template": runs, "related": {}}]

    return [
        Kind("controller_organizations", "organization", "organizations", [{"name": "bench", "description": "x"}]),
        Kind("controller_labels", "label", "labels", some(9, "label", **OWNER)),
        Kind("controller_teams", "team", "teams", some(20, "team", **OWNER)),
        Kind(
            "controller_credential_types",
            "credential_type",
            "credential_types",
            some(10, "type", kind="cloud", inputs={"fields": FIELDS}),
        ),
        Kind(
            "controller_credentials",
            "credential",
            "credentials",
            some(30, "credential", credential_type=one("type"), inputs={"token": "example-secret"}, **OWNER),
        ),
        Kind(
            "controller_notifications",
            "notification_template",
            "notification_templates",
            some(10, "told", notification_type="slack", notification_configuration=slack, **OWNER),
        ),
        Kind(
            "controller_projects",
            "project",
            "projects",
            some(10, "project", scm_type="git", scm_url="https://git.example.test/x.git", **OWNER),
        ),
        Kind("controller_inventories", "inventory", "inventories", some(30, "inventory", **OWNER)),
        Kind(
            "controller_hosts",
            "host",
            "hosts",
            some(120, "host", inventory=one("inventory"), variables=lambda number: {"pop": number}),
        ),
        Kind(
            "controller_groups",
            "group",
            "groups",
            some(40, "group", inventory=one("inventory"), hosts=many("host")),
        ),
        Kind(
            "controller_templates",
            "job_template",
            "job_templates",
            some(
                160,
                "job",
                project=one("project"),
                inventory=one("inventory"),
                playbook="site.yml",
                **job,
                **tied,
                **OWNER,
            ),
        ),
        Kind(
            "controller_workflows",
            "workflow_job_template",
            "workflow_job_templates",
            some(20, "workflow", workflow_nodes=nodes, **OWNER),
        ),
        Kind(
            "controller_schedules",
            "schedule",
            "schedules",
            some(40, "nightly", unified_job_template=one("job"), rrule=RULE, **OWNER),
        ),
    ]


@dataclass
class Measured:
    """Seconds and HTTP requests, for all objects."""

    seconds: float = 0
    requests: float = 0
    remark: str = ""


@dataclass
class Bench:
    rows: list[tuple[str, Measured]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def row(self, what: str, measured: Measured) -> Measured:
        self.rows.append((what, measured))
        return measured


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    table = Table("what", title=f"{OBJECTS} objects of AWX")
    for column in ("wall s", "ms an object", "requests"):
        table.add_column(column, justify="right")
    table.add_column("remark")
    for what, row in bench.rows:
        each = f"{row.seconds / OBJECTS * 1000:.1f}"
        table.add_row(what, f"{row.seconds:.1f}", each, f"{row.requests:,.0f}", row.remark)
    Console(width=120).print("", table, *bench.lines)


@pytest.fixture(scope="module")
def awx_awx() -> Path:
    """The folder of programs of an environment that has awx.awx."""
    programs = rivals.programs()
    assert rivals.version(programs, "awx/awx") == COLLECTION
    return programs


def environment(double: Double, programs: Path, folder: Path) -> dict[str, str]:
    return rivals.environment(programs, folder, CONTROLLER_HOST=double.url, CONTROLLER_OAUTH_TOKEN=double.token)


@contextmanager
def measuring(double: Double) -> Iterator[Measured]:
    measured, start, before = Measured(), time.monotonic(), len(double.calls)
    yield measured
    measured.seconds, measured.requests = time.monotonic() - start, len(double.calls) - before


def ours(double: Double, folder: Path, data: Path) -> tuple[Measured, str]:
    """One task that makes all."""
    env = environment(double, Path(sys.executable).parent, folder)
    env["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".cache/collections")
    # Jinja in injectors and messages is AWX's own, hence a file
    with measuring(double) as measured:
        said = rivals.play(folder, [{"dbaas.platform.awx_configuration": {"src": str(data)}}], env)
    return measured, said


def theirs(double: Double, folder: Path, programs: Path) -> Measured:
    """One task for each object: the first of each kind, scaled to all of the kind."""
    env = environment(double, programs, folder)
    with measuring(double) as started:
        rivals.play(folder, [{"ansible.builtin.meta": "noop"}], env)
    total = Measured(started.seconds, 0, f"scaled from {SAMPLE} of each kind")
    for kind in kinds():
        tasks = [{f"awx.awx.{kind.module}": entry} for entry in kind.entries[:SAMPLE]]
        with measuring(double) as measured:
            rivals.play(folder, tasks, env)
        scale = len(kind.entries) / len(tasks)
        total.seconds += max(0.0, measured.seconds - started.seconds) * scale
        total.requests += measured.requests * scale
    return total


def shown(double: Double, kind: Kind, name: str) -> Json:
    """An object without what tells two AWX apart."""
    row = double.store.find(kind.path, name=name)
    found = {key: value for key, value in row.items() if key in kind.entries[0] and not isinstance(value, int)}
    for route in ("labels", "credentials", "notification_templates_error"):
        if route in kind.entries[0]:
            found[route] = [entry["name"] for entry in double.store.tied(row, route)]
    return {**found, "survey": row.get("_survey"), "inputs": row.get("_inputs")}


def test_500_objects_take_a_twentieth_of_the_time_of_one_call_each(bench: Bench, awx_awx: Path, tmp_path: Path) -> None:
    every = kinds()
    assert sum(len(kind.entries) for kind in every) == OBJECTS
    data = tmp_path / "awx.yml"
    data.write_text(yaml.safe_dump({kind.variable: kind.entries for kind in every}, sort_keys=False))
    with Double(playbooks=["site.yml"]) as mine, Double(playbooks=["site.yml"]) as other:
        made, _result = ours(mine, tmp_path, data)
        bench.row("awx_configuration, all new", made)
        writes = len(mine.writes)
        same, said = ours(mine, tmp_path, data)
        same.remark = f"{len(mine.writes) - writes} writes"
        bench.row("awx_configuration, nothing to do", same)
        slow = bench.row("awx.awx, all new", theirs(other, tmp_path, awx_awx))
        again = bench.row("awx.awx, nothing to do", theirs(other, tmp_path, awx_awx))
        for kind in every:
            assert len(mine.store.rows[kind.path]) >= len(kind.entries)
            for entry in kind.entries[:SAMPLE]:
                assert shown(mine, kind, entry["name"]) == shown(other, kind, entry["name"])
        assert mine.unknown == other.unknown == []
    assert len(mine.writes) == writes
    assert "changed=0" in said
    faster, idle = slow.seconds / made.seconds, again.seconds / same.seconds
    bench.lines.append(f"{faster:.0f} times faster when all is new, {idle:.0f} when nothing is to do")
    assert min(faster, idle) >= FASTER

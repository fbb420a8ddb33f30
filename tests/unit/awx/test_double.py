"""The double answers as AWX did: each recorded exchange that it covers is asked again, in the order of the story."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.awx import Double, Run
from tests.awx.kinds import KINDS
from tests.awx.recordings import Exchange, exchanges, route

Json = dict[str, Any]

# Values that no two runs have in common.
VOLATILE = {
    *(
        "created",
        "modified",
        "started",
        "finished",
        "canceled_on",
        "elapsed",
        "timestamp",
        "last_job_run",
        "last_updated",
    ),
    *("uuid", "parent_uuid", "guid", "work_unit_id", "ansible_id", "last_login", "expires", "approval_expiration"),
    *("active_node", "install_uuid", "heartbeat", "last_seen"),
}
# What else may differ, by exchange, and why: the recording hid it, or the recording server had more in it.
_KEY, _COUNTED = r"related\.webhook_key", r"summary_fields\.inventory\.total_(hosts|groups)"
_ONE_TYPE_MORE, _URL = r"\.count|results len", r"body\.body"
MAY_DIFFER: dict[int, str] = {
    **dict.fromkeys((109, 134, 135, 174, 231, 246), _KEY),
    **dict.fromkeys((302, 318), f"{_KEY}|total_hosts|recent_jobs|last_|capabilities"),
    **dict.fromkeys((32, 33, 35), _ONE_TYPE_MORE),  # a credential type that the story does not tell of
    **dict.fromkeys((44, 46, 50), _COUNTED),  # AWX counts a moment later
    **dict.fromkeys((227, 228), _URL),  # the server's own address
    **dict.fromkeys(
        (68, 273), r"event_processing_finished|source_project_update|total_hosts"
    ),  # AWX processed them a moment later
    94: r".*",  # entries cut to five keys: see test_credential_types_that_come_with_awx
    **dict.fromkeys((309, 317), r"\.token"),
    319: r"\.webhook_key",
    151: r"job_cwd",
    **dict.fromkeys((154, 155, 156, 166), r"^text|content|end"),  # what the playbook printed
    157: r"results\[|results len",  # in other words
    167: r"_line|\.id|\.url|children|stdout|event_data|counter|\.play|task",
    **dict.fromkeys((158, 168), r"\.id|\.url"),
    171: r"\.count|status|failed",  # still running there
    186: r"task_count",
    229: r"\.url",  # the server's own address
    256: r"source_workflow_job\.status",  # goes on at once
    299: r"total_hosts|capabilities",  # an inventory source had brought a host
    305: r"\.id|\.url",
    314: r".*",  # the double has a token of its own
    322: r"\.count|\.id|\.url|changes|results\[[12]\]",
    324: r"\.count|next_schedule",  # AWX comes with schedules for its own upkeep
}


class Story:
    """Asks the double the recorded requests in order; before some, what the recording server did unrecorded."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.double = Double(runner=self.run)
        self.session = requests.Session()
        self.token = ""

    def run(self, run: Run) -> None:
        """What the recorded playbooks did."""
        if run.job["playbook"] == "wait.yml":
            run.canceled.wait(20)
            return
        if run.variables["db_name"] in ("orders", "nightly"):
            self.gate.wait(10)
        said = f"engine={run.variables['engine']} name={run.variables['db_name']}"
        run.task("Describe the request", {"msg": said}, host="cluster-a")
        if run.variables.get("refuse"):
            run.task("Fail on demand", {"msg": "The request was refused"}, host="cluster-a", outcome="failed")
            return
        run.task("Fail on demand", host="cluster-a", outcome="skipped")
        run.task("Publish the result", host="cluster-a")
        name, engine = run.variables["db_name"], run.variables["engine"]
        run.artifacts["dbaas_result"] = {"name": name, "engine": engine, "endpoint": f"{name}.example.test:5432"}

    def ask(self, exchange: Exchange) -> requests.Response:
        if exchange.number not in AT_ONCE:
            self.double.settle()
        self._number(exchange)
        auth: tuple[str, str] | None = ("admin", self.double.password)
        headers = {}
        if exchange.auth == "none":
            auth = None
        elif "alice" in exchange.auth:
            auth = ("alice", "example-password")
        elif exchange.auth == "basic (admin)":
            auth = ("admin", "wrong")
        elif exchange.auth.startswith("Bearer"):
            auth, headers["Authorization"] = None, f"Bearer {self.token or 'wrong'}"
        url = self.double.url + exchange.path
        if exchange.number in RAW:
            data, headers["Content-Type"] = RAW[exchange.number]
            return self.session.request(exchange.method, url, data=data, auth=auth, headers=headers, timeout=10)
        return self.session.request(exchange.method, url, json=exchange.body, auth=auth, headers=headers, timeout=10)

    def _number(self, exchange: Exchange) -> None:
        """What is made gets the recorded number."""
        numbers = self.double.store.sequences
        if exchange.method != "POST" or exchange.status not in (201, 202):
            return
        url = exchange.content.get("url", "") if isinstance(exchange.content, dict) else ""
        if url and "/bulk/host" not in exchange.path:
            kind, number = url.split("/")[3:5]
            numbers[KINDS[kind].sequence] = int(number) - 1
        current = _summary(exchange.content).get("current_job", {}).get("id")
        if current:
            numbers["unified_jobs"] = current - 1
        roles = [role["id"] for role in _summary(exchange.content).get("object_roles", {}).values()]
        if roles:
            numbers["roles"] = min(roles) - 1

    def do(self, method: str, path: str, body: Json | None = None, **numbers: int) -> Any:
        """What was done unrecorded; numbers: the ids that it was given."""
        for name, number in numbers.items():
            self.double.store.sequences[name] = number - 1
        return self.double.by_hand(method, path, body)


def _summary(content: Any) -> Json:
    found = content.get("summary_fields", {}) if isinstance(content, dict) else {}
    return found if isinstance(found, dict) else {}


AT_ONCE = {151, 152, *range(177, 186), *range(300, 303)}
RAW = {
    15: (b'{"name": }', "application/json"),
    16: (b'["DBaaS"]', "application/json"),
    17: (b"name=DBaaS", "application/x-www-form-urlencoded"),
}
_ORDER = {"engine": "postgresql", "size": "small"}
_WAIT = {"name": "dbaas-wait", "inventory": 6, "project": 20, "playbook": "wait.yml", "limit": "cluster-a"}
_INPUTS = {"api_url": "https://api.example.test", "api_token": "$encrypted$", "verify": True}
_LAUNCH = "job_templates/23/launch/"
_ORDERED = "workflow_job_templates/26/launch/"


def _portal(story: Story) -> None:
    story.do("POST", "tokens/", {"description": "portal"}, tokens=31)
    story.token = story.double.store.rows["tokens"][31]["_token"]


def _reader(story: Story) -> None:
    story.token = story.double.store.rows["tokens"][32]["_token"]


def _revoked(story: Story) -> None:
    story.token = "revoked"


def _notified(story: Story) -> None:
    story.do("POST", "job_templates/23/notification_templates_success/", {"id": 4})
    story.do("POST", _LAUNCH, {"extra_vars": {**_ORDER, "db_name": "notify"}}, unified_jobs=32)


def _ordered(name: str, number: int) -> Callable[[Story], Any]:
    answers = {"engine": "mysql", "db_name": name, "size": "small"}
    return lambda story: story.do("POST", _ORDERED, {"extra_vars": answers}, unified_jobs=number, workflow_job_nodes=6)


def _running(number: int) -> Callable[[Story], Any]:
    """On a busy machine a job's thread may come late."""

    def wait(story: Story) -> None:
        job = story.double.store.rows["jobs"][number]
        with story.double.jobs.changed:
            assert story.double.jobs.changed.wait_for(lambda: job["status"] == "running", 10)

    return wait


BEFORE: dict[int, Callable[[Story], Any]] = {
    52: lambda story: story.do("PATCH", "hosts/8/", {"enabled": True}),
    56: lambda story: story.do("POST", "groups/3/hosts/", {"id": 8}),
    62: lambda story: story.do("POST", "inventories/", {"name": "spare", "organization": 5}, inventories=8),
    116: lambda story: story.do("PATCH", "credentials/8/", {"inputs": _INPUTS}),
    134: lambda story: story.do("POST", "job_templates/23/survey_spec/", exchanges()[122].body),
    151: _running(26),
    153: lambda story: story.gate.set(),
    176: lambda story: story.do("POST", "job_templates/", _WAIT, unified_job_templates=25, roles=215),
    177: _running(30),
    215: lambda story: [story.do("DELETE", f"schedules/{number}/") for number in (10, 12)],
    229: _notified,
    245: lambda story: story.do("DELETE", "workflow_job_template_nodes/6/"),
    250: lambda story: story.double.store.sequences.update({"workflow_job_nodes": 2}),
    260: _ordered("denied", 37),
    263: _ordered("canceled", 39),
    299: lambda story: story.gate.clear(),
    300: _running(49),
    303: lambda story: story.gate.set(),
    309: _portal,
    313: _reader,
    316: _revoked,
    330: lambda story: story.do("POST", "organizations/", {"name": "spare"}, organizations=6),
}


def differences(recorded: Any, got: Any, path: str = "") -> list[str]:
    """Where an answer is not the recorded one: keys, types and values."""
    if isinstance(recorded, dict) and isinstance(got, dict):
        found = [f"-{path}.{key}" for key in recorded.keys() - got.keys()]
        found += [f"+{path}.{key}" for key in got.keys() - recorded.keys()]
        for key in sorted(recorded.keys() & got.keys() - VOLATILE):
            found += differences(recorded[key], got[key], f"{path}.{key}")
        return found
    if isinstance(recorded, list) and isinstance(got, list):
        found = [f"{path} len {len(recorded)} != {len(got)}"] if len(recorded) != len(got) else []
        for index, (first, second) in enumerate(zip(recorded, got, strict=False)):
            found += differences(first, second, f"{path}[{index}]")
        return found
    same = recorded == got and type(recorded) is type(got)
    return [] if same else [f"{path}: {recorded!r} != {got!r}"]


def answered(exchange: Exchange, response: requests.Response) -> list[str]:
    """What differs from the recorded answer."""
    if response.status_code != exchange.status:
        return [f"status {exchange.status} != {response.status_code}: {response.text[:200]}"]
    if isinstance(exchange.content, str):
        found = [] if exchange.content == response.text else [f"text {response.text!r}"]
    else:
        content = response.json()
        if exchange.method == "OPTIONS":
            content["actions"] = {"POST": content["actions"]["POST"]}
        found = differences(exchange.content, content)
    allowed = MAY_DIFFER.get(exchange.number)
    return [entry for entry in found if not (allowed and re.search(allowed, entry))]


@pytest.fixture(scope="module")
def story() -> Iterator[dict[int, list[str]]]:
    """What differs, by exchange."""
    story = Story()
    with story.double:
        told = {}
        for exchange in exchanges().values():
            if exchange.number in BEFORE:
                BEFORE[exchange.number](story)
            told[exchange.number] = answered(exchange, story.ask(exchange))
        assert story.double.unknown == []
        yield told


@pytest.mark.parametrize("number", exchanges(), ids=lambda number: exchanges()[number].name)
def test_a_recorded_request_gets_the_recorded_answer(story: dict[int, list[str]], number: int) -> None:
    assert story[number] == []


def test_the_double_has_no_route_that_awx_has_not() -> None:
    double = Double()
    try:
        known = {(kind, name, method) for kind, name, method in double.api.handlers if kind != "*"}
        for kind in KINDS.values():
            known |= {(kind.name, name, "GET") for name in (*kind.links, *kind.children)}
            known |= {(kind.name, name, "POST") for name in kind.links if kind.fields}
        for kind_name, name, method in sorted(known):
            found = route(f"/api/v2/{kind_name}/1/{name}/")
            assert found is not None, (kind_name, name)
            assert method in found[1], (kind_name, name, method)
    finally:
        double.server.server_close()


def test_credential_types_that_come_with_awx() -> None:
    recorded = exchanges()[94].content["results"]
    with Double() as double:
        types = double.store.rows["credential_types"]
        keys = ("id", "name", "kind", "namespace", "managed")
        shown = [{key: row[key] for key in keys} for row in types.values()]
    assert shown == [entry for entry in recorded if entry["managed"]]

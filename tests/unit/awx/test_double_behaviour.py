"""What the double does between the recorded requests: jobs, workflows, rights, webhooks, and what goes wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from tests.awx import Double, Run

Json = dict[str, Any]
QUESTION = {"question_name": "Name", "variable": "name", "type": "text", "required": True, "min": 2, "max": 9}


class Client:
    """A user of the API. refused: the answer has a status of 400 or more."""

    def __init__(self, double: Double, token: str | None = None, auth: tuple[str, str] | None = None) -> None:
        self.double, self.session = double, requests.Session()
        self.session.auth = auth
        if auth is None:
            self.session.headers["Authorization"] = f"Bearer {token or double.token}"

    def __call__(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        response = self.session.request(method, f"{self.double.url}/api/v2/{path}", json=body, timeout=10)
        assert response.status_code == status if status else response.status_code < 400, response.text
        sort = response.headers.get("Content-Type", "")
        return response.json() if sort == "application/json" else response.text or None


@pytest.fixture
def double() -> Iterator[Double]:
    with Double(playbooks=["site.yml"], runner=play, deliver=True) as awx:
        yield awx


@pytest.fixture
def client(double: Double) -> Client:
    return Client(double)


def play(run: Run) -> None:
    """Does what the variables say."""
    if run.variables.get("hang"):
        run.canceled.wait(10)
    if run.variables.get("break"):
        raise RuntimeError("no such thing")
    bad = run.variables.get("fail")
    run.task("Do it", {"msg": "done", "changed": True} if not bad else {"msg": "no"}, outcome="failed" if bad else "ok")
    run.artifacts["seen"] = sorted(run.variables)


def make(client: Client, kind: str, /, **fields: Any) -> int:
    return int(client("POST", f"{kind}/", fields)["id"])


@pytest.fixture
def base(client: Client) -> Json:
    """An organization, an inventory and a project that has its playbooks."""
    organization = make(client, "organizations", name="dbaas")
    project = make(client, "projects", name="p", organization=organization, scm_type="git", scm_url="https://git/x")
    inventory = make(client, "inventories", name="i", organization=organization)
    client.double.settle()
    return {"organization": organization, "project": project, "inventory": inventory}


def template(client: Client, base: Json, name: str, **fields: Any) -> int:
    known = {"project": base["project"], "inventory": base["inventory"], "playbook": "site.yml"}
    return make(client, "job_templates", name=name, **known, ask_variables_on_launch=True, **fields)


def launched(client: Client, number: int, **variables: Any) -> Json:
    job = client("POST", f"job_templates/{number}/launch/", {"extra_vars": variables})
    return client.double.wait_for(job["id"])


# objects


def test_what_it_does_not_know_is_501_and_remembered(client: Client) -> None:
    client("GET", "mesh_visualizer/", status=501)
    assert client.double.unknown == [("GET", "/api/v2/mesh_visualizer/")]
    client("GET", "no_such_thing/", status=404)
    assert len(client.double.unknown) == 1


def test_fields_that_awx_does_not_know_and_read_only_ones_are_ignored(client: Client) -> None:
    made = client("POST", "organizations/", {"name": "x", "nope": 1, "id": 77, "created": "never", "max_hosts": "3"})
    assert "nope" not in made
    assert made["id"] != 77
    assert made["created"] != "never"
    assert made["max_hosts"] == 3


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name__in=a1,b2", ["a1", "b2"]),
        ("name__startswith=a&not__name=a1", ["a2"]),
        ("or__name=a1&or__name=b2&order_by=-name", ["b2", "a1"]),
        ("inventory__name=i&name__endswith=1", ["a1"]),
        ("inventory__organization__name__icontains=DBA&name=b2", ["b2"]),
        ("enabled=false", ["a2"]),
        ("description__contains=second", ["a2"]),
        ("description__isnull=true", []),
    ],
)
def test_filters(client: Client, base: Json, query: str, names: list[str]) -> None:
    for name, more in (("a1", {}), ("a2", {"enabled": False, "description": "the second"}), ("b2", {})):
        make(client, "hosts", name=name, inventory=base["inventory"], **more)
    assert [row["name"] for row in client("GET", f"hosts/?{query}")["results"]] == names


def test_filters_by_number_and_by_what_is_tied(client: Client, base: Json) -> None:
    first, second = (template(client, base, name) for name in ("one", "two"))
    client("POST", f"job_templates/{second}/labels/", {"name": "ours", "organization": base["organization"]})
    assert [row["id"] for row in client("GET", f"job_templates/?id__gt={first}")["results"]] == [second]
    assert [row["id"] for row in client("GET", "job_templates/?labels__name=ours")["results"]] == [second]
    refused = client("GET", "job_templates/?labels__nope=1", status=400)
    assert refused["detail"] == "Label has no field named 'nope'"


def test_pages_have_every_object_once(client: Client, base: Json) -> None:
    for number in range(230):
        client.double.by_hand("POST", "hosts/", {"name": f"h{number:03}", "inventory": base["inventory"]})
    found, url = [], "hosts/?page_size=500&order_by=name"
    while url:
        page = client("GET", url)
        found += [row["name"] for row in page["results"]]
        url = (page["next"] or "").removeprefix("/api/v2/")
    assert found == [f"h{number:03}" for number in range(230)]


def test_a_project_has_its_playbooks_once_it_was_synchronized(client: Client) -> None:
    organization = make(client, "organizations", name="dbaas")
    fields = {"name": "p", "organization": organization, "scm_type": "git"}
    broken = make(client, "projects", **fields, scm_url="file:///srv/git/does-not-exist.git")
    client.double.settle()
    assert client("GET", f"projects/{broken}/")["status"] == "failed"
    assert client("GET", f"projects/{broken}/playbooks/") == []
    client("PATCH", f"projects/{broken}/", {"scm_url": "https://git/x"})
    client.double.settle()
    assert client("GET", f"projects/{broken}/")["status"] == "successful"
    assert client("GET", f"projects/{broken}/playbooks/") == ["site.yml"]


def test_a_label_is_shared_and_gone_with_the_last_that_carries_it(client: Client, base: Json) -> None:
    label = {"name": "ours", "organization": base["organization"]}
    first, second = (template(client, base, name) for name in ("one", "two"))
    number = client("POST", f"job_templates/{first}/labels/", label, status=201)["id"]
    assert client("POST", f"job_templates/{second}/labels/", label, status=204) is None
    client("POST", f"job_templates/{first}/labels/", {"id": number, "disassociate": True})
    assert client("GET", "labels/")["count"] == 1
    client("POST", f"job_templates/{second}/labels/", {"id": number, "disassociate": True})
    assert client("GET", "labels/")["count"] == 0
    client("DELETE", f"labels/{number}/", status=405)


def test_no_answer_shows_a_secret(client: Client, base: Json) -> None:
    secret = "canary-5f2c"
    inputs = {"fields": [{"id": "token", "type": "string", "label": "Token", "secret": True}]}
    kind = int(client("POST", "credential_types/", {"name": "API", "kind": "cloud", "inputs": inputs})["id"])
    owner = {"organization": base["organization"]}
    credential = make(client, "credentials", name="c", credential_type=kind, inputs={"token": secret}, **owner)
    configuration = {"channels": ["#x"], "token": secret}
    sort = {"notification_type": "slack", "notification_configuration": configuration}
    notification = make(client, "notification_templates", name="n", **sort, **owner)
    client("PATCH", f"credentials/{credential}/", {"inputs": {"token": "$encrypted$"}})
    client(
        "PATCH",
        f"notification_templates/{notification}/",
        {"notification_configuration": {**configuration, "token": "$encrypted$"}},
    )
    asked = {**QUESTION, "type": "password", "required": False, "default": secret, "max": 64}
    number = template(client, base, "one", survey_enabled=True)
    client("POST", f"job_templates/{number}/survey_spec/", {"name": "", "description": "", "spec": [asked]})
    job = launched(client, number)
    for path in (
        "credentials/",
        "notification_templates/",
        "jobs/",
        "activity_stream/?page_size=200",
        f"jobs/{job['id']}/",
    ):
        assert secret not in json.dumps(client("GET", path))
    assert secret not in json.dumps(client("GET", f"job_templates/{number}/survey_spec/"))
    # and yet AWX has it
    store = client.double.store
    assert store.rows["credentials"][credential]["_inputs"] == {"token": secret}
    assert store.rows["notification_templates"][notification]["_configuration"]["token"] == secret
    assert job["_variables"]["name"] == secret
    # a survey that is sent again as it was read keeps it
    client("POST", f"job_templates/{number}/survey_spec/", client("GET", f"job_templates/{number}/survey_spec/"))
    assert launched(client, number)["_variables"]["name"] == secret


def test_what_is_removed_takes_along_what_hangs_on_it(client: Client, base: Json) -> None:
    number = template(client, base, "one")
    rule = "DTSTART:20300101T000000Z RRULE:FREQ=DAILY;INTERVAL=1"
    client("POST", f"job_templates/{number}/schedules/", {"name": "s", "rrule": rule})
    workflow = make(client, "workflow_job_templates", name="w", organization=base["organization"])
    nodes = [
        client("POST", f"workflow_job_templates/{workflow}/workflow_nodes/", {"identifier": name})["id"]
        for name in ("a", "b")
    ]
    client("POST", f"workflow_job_template_nodes/{nodes[0]}/success_nodes/", {"id": nodes[1]})
    client("DELETE", f"workflow_job_template_nodes/{nodes[1]}/")
    assert client("GET", f"workflow_job_template_nodes/{nodes[0]}/")["success_nodes"] == []
    client("DELETE", f"job_templates/{number}/")
    assert client("GET", "schedules/")["count"] == 0
    client("DELETE", f"organizations/{base['organization']}/")
    assert client("GET", "inventories/")["count"] == 0


# jobs


def test_a_job_runs_in_the_test_and_tells_what_happened(client: Client, base: Json) -> None:
    job = launched(client, template(client, base, "one"), greeting="hello")
    assert job["status"] == "successful"
    assert client("GET", f"jobs/{job['id']}/")["artifacts"] == {"seen": ["greeting"]}
    events = client("GET", f"jobs/{job['id']}/job_events/?order_by=counter")["results"]
    assert [event["event"] for event in events] == [
        "playbook_on_start",
        "playbook_on_play_start",
        "playbook_on_task_start",
        "runner_on_start",
        "runner_on_ok",
        "playbook_on_stats",
    ]
    assert events[4]["event_data"]["res"]["msg"] == "done"
    assert events[4]["changed"] is True
    later = client("GET", f"jobs/{job['id']}/job_events/?counter__gt=4&order_by=counter")["results"]
    assert [event["counter"] for event in later] == [5, 6]


def test_a_failed_task_fails_the_job(client: Client, base: Json) -> None:
    job = launched(client, template(client, base, "one"), fail=True)
    assert job["status"] == "failed"
    failed = client("GET", f"jobs/{job['id']}/job_events/?event=runner_on_failed")["results"]
    assert [(event["task"], event["event_data"]["res"]["msg"]) for event in failed] == [("Do it", "no")]
    assert "FAILED!" in client("GET", f"jobs/{job['id']}/stdout/?format=json")["content"]


def test_a_runner_that_breaks_is_a_job_in_error(client: Client, base: Json) -> None:
    assert launched(client, template(client, base, "one"), **{"break": True})["status"] == "error"


def test_cancel(client: Client, base: Json) -> None:
    number = template(client, base, "one")
    first = client("POST", f"job_templates/{number}/launch/", {"extra_vars": {"hang": True}})
    second = client("POST", f"job_templates/{number}/launch/", {})
    client("DELETE", f"job_templates/{number}/", status=409)
    for job in (second, first):
        client("POST", f"jobs/{job['id']}/cancel/", {}, status=202)
        assert client.double.wait_for(job["id"])["status"] == "canceled"
    client("POST", f"jobs/{first['id']}/cancel/", {}, status=405)
    client("DELETE", f"job_templates/{number}/")


def test_jobs_are_not_found_by_their_variables(client: Client, base: Json) -> None:
    number = template(client, base, "one")
    job = launched(client, number, key="k-1")
    refused = client("GET", "jobs/?extra_vars__contains=k-1", status=403)
    assert refused["detail"] == "Filtering on extra_vars is not allowed."
    (found,) = client("GET", f"job_templates/{number}/jobs/?order_by=-id")["results"]
    assert (found["id"], json.loads(found["extra_vars"])) == (job["id"], {"key": "k-1"})


def test_variables_that_are_not_asked_are_ignored_but_the_survey_is_taken(client: Client, base: Json) -> None:
    number = template(client, base, "one", survey_enabled=True)
    client("PATCH", f"job_templates/{number}/", {"ask_variables_on_launch": False})
    client("POST", f"job_templates/{number}/survey_spec/", {"name": "", "description": "", "spec": [QUESTION]})
    answer = client("POST", f"job_templates/{number}/launch/", {"extra_vars": {"name": "abc", "other": 1}})
    assert answer["ignored_fields"] == {"extra_vars": {"other": 1}}
    assert json.loads(answer["extra_vars"]) == {"name": "abc"}


@pytest.mark.parametrize(
    ("sort", "default", "status"),
    [
        ("multiplechoice", "b", 200),
        ("multiplechoice", "c", 400),
        ("multiselect", "a\nb", 200),
        ("multiselect", "a\nc", 400),
    ],
)
def test_the_default_of_a_choice_is_a_choice(client: Client, base: Json, sort: str, default: Any, status: int) -> None:
    number = template(client, base, "one")
    asked = {**QUESTION, "type": sort, "choices": "a\nb", "default": default}
    answer = client(
        "POST", f"job_templates/{number}/survey_spec/", {"name": "", "description": "", "spec": [asked]}, status
    )
    assert status == 200 or answer["error"] == "Default choice must be answered from the choices listed."


# workflows


@pytest.fixture
def flow(client: Client, base: Json) -> Json:
    """check → (success) deliver, (failure) approve → (success) deliver."""
    job = template(client, base, "work")
    workflow = make(
        client,
        "workflow_job_templates",
        name="w",
        ask_variables_on_launch=True,
        organization=base["organization"],
    )
    nodes: Json = {}
    for name, variables in (("check", {"first": 1}), ("approve", None), ("deliver", {"fail": False})):
        body: Json = (
            {"identifier": name, "unified_job_template": job, "extra_data": variables}
            if variables
            else {"identifier": name}
        )
        nodes[name] = client("POST", f"workflow_job_templates/{workflow}/workflow_nodes/", body)["id"]
    path = "workflow_job_template_nodes"
    client("POST", f"{path}/{nodes['approve']}/create_approval_template/", {"name": "Say yes", "timeout": 0})
    client("POST", f"{path}/{nodes['check']}/success_nodes/", {"id": nodes["deliver"]})
    client("POST", f"{path}/{nodes['check']}/failure_nodes/", {"id": nodes["approve"]})
    client("POST", f"{path}/{nodes['approve']}/success_nodes/", {"id": nodes["deliver"]})
    return {"workflow": workflow, "job": job, **nodes}


def order(client: Client, flow: Json, **variables: Any) -> Json:
    return dict(client("POST", f"workflow_job_templates/{flow['workflow']}/launch/", {"extra_vars": variables}))


def ran(client: Client, job: Json) -> dict[str, str]:
    nodes = client("GET", f"workflow_jobs/{job['id']}/workflow_nodes/")["results"]
    return {node["identifier"]: node["summary_fields"].get("job", {}).get("status", "") for node in nodes}


def test_a_workflow_goes_on_after_success_with_what_was_set(client: Client, flow: Json) -> None:
    job = order(client, flow)
    assert client.double.wait_for(job["id"])["status"] == "successful"
    assert ran(client, job) == {"check": "successful", "approve": "", "deliver": "successful"}
    last = client("GET", "jobs/?order_by=-id")["results"][0]
    assert json.loads(last["extra_vars"]) == {"fail": False, "seen": ["first"]}


def test_a_workflow_waits_for_an_approval(client: Client, flow: Json) -> None:
    job = order(client, flow, fail=True)
    client.double.settle()
    assert client("GET", f"workflow_jobs/{job['id']}/")["status"] == "running"
    (approval,) = client("GET", "workflow_approvals/?status=pending")["results"]
    client("POST", f"workflow_approvals/{approval['id']}/approve/", {})
    ended = client.double.wait_for(job["id"])
    # the workflow's variables win over the node's: the delivery failed too
    assert ran(client, job) == {"check": "failed", "approve": "successful", "deliver": "failed"}
    assert ended["status"] == "failed"


def test_a_denied_approval_ends_a_workflow(client: Client, flow: Json) -> None:
    job = order(client, flow, fail=True)
    client.double.settle()
    (approval,) = client("GET", "workflow_approvals/?status=pending")["results"]
    client("POST", f"workflow_approvals/{approval['id']}/deny/", {})
    assert client.double.wait_for(job["id"])["status"] == "failed"
    assert ran(client, job) == {"check": "failed", "approve": "failed", "deliver": ""}


def test_an_approval_that_nobody_gives_in_time_is_denied(client: Client, flow: Json) -> None:
    approval = client("GET", f"workflow_job_template_nodes/{flow['approve']}/")["unified_job_template"]
    client("PATCH", f"workflow_approval_templates/{approval}/", {"timeout": 1})
    job = order(client, flow, fail=True)
    assert client.double.wait_for(job["id"])["status"] == "failed"
    (row,) = client("GET", "workflow_approvals/")["results"]
    assert (row["timed_out"], row["job_explanation"]) == (
        True,
        f"The approval node Say yes ({row['id']}) has expired after 1 seconds.",
    )


def test_a_canceled_workflow_cancels_what_it_runs(client: Client, flow: Json) -> None:
    job = order(client, flow, hang=True)
    with client.double.jobs.changed:
        client.double.jobs.changed.wait_for(
            lambda: any(row["status"] == "running" for row in client.double.store.rows["jobs"].values()), 5
        )
    client("POST", f"workflow_jobs/{job['id']}/cancel/", {}, status=202)
    assert client.double.wait_for(job["id"])["status"] == "canceled"
    assert ran(client, job)["check"] == "canceled"


# webhooks, notifications


def test_a_push_launches_a_template_once_and_only_when_it_is_signed(client: Client, base: Json) -> None:
    number = template(client, base, "one", webhook_service="github")
    key = client("GET", f"job_templates/{number}/webhook_key/")["webhook_key"]
    data = json.dumps({"after": "abc123", "ref": "refs/heads/main"}).encode()
    url = f"{client.double.url}/api/v2/job_templates/{number}/github/"
    headers = {"Content-Type": "application/json", "X-GitHub-Delivery": "d-1", "X-GitHub-Event": "push"}

    def push(key: str) -> requests.Response:
        signed = "sha1=" + hmac.new(key.encode(), data, hashlib.sha1).hexdigest()
        return requests.post(url, data=data, headers={**headers, "X-Hub-Signature": signed}, timeout=10)

    assert push("wrong").status_code == 403
    assert push(key).json() == {"message": "Job queued."}
    assert push(key).json() == {"message": "Webhook previously received, aborting."}
    client.double.settle()
    (job,) = client("GET", "jobs/?launch_type=webhook")["results"]
    assert json.loads(job["extra_vars"])["awx_webhook_event_ref"] == "abc123"


def test_a_notification_is_rendered_and_sent(client: Client, base: Json) -> None:
    received: list[Json] = []
    came = threading.Event()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        configuration = {"url": url, "http_method": "POST", "headers": {}}
        body = '{"name": "{{ job.name }}", "set": {{ job.artifacts | tojson }}}'
        sort = {"notification_type": "webhook", "notification_configuration": configuration}
        messages = {"success": {"body": body}}
        notification = make(
            client, "notification_templates", name="n", organization=base["organization"], messages=messages, **sort
        )
        number = template(client, base, "one")
        client("POST", f"job_templates/{number}/notification_templates_success/", {"id": notification})
        job = launched(client, number, a=1)
        assert came.wait(5)
        server.shutdown()
    assert received == [{"name": "one", "set": {"seen": ["a"]}}]
    (sent,) = client("GET", f"jobs/{job['id']}/notifications/")["results"]
    assert sent["body"] == received[0]


def test_a_message_may_not_name_what_awx_does_not_give(client: Client, base: Json) -> None:
    configuration = {"url": "http://127.0.0.1/", "http_method": "POST", "headers": {}}
    fields = {"name": "n", "notification_type": "webhook", "notification_configuration": configuration}
    fields |= {"organization": base["organization"], "messages": {"error": {"body": "{{ job.nope }}"}}}
    assert "Field 'nope' unavailable" in client("POST", "notification_templates/", fields, status=400)["messages"]


# rights


def test_who_may_only_launch_may_not_change(client: Client, base: Json) -> None:
    number = template(client, base, "one")
    user = make(client, "users", username="ann", password="example-password")
    team = make(client, "teams", name="t", organization=base["organization"])
    execute = client("GET", f"job_templates/{number}/")["summary_fields"]["object_roles"]["execute_role"]["id"]
    ann = Client(client.double, auth=("ann", "example-password"))
    ann("GET", f"job_templates/{number}/", status=403)
    client("POST", f"teams/{team}/users/", {"id": user})
    client("POST", f"teams/{team}/roles/", {"id": execute})
    assert [row["id"] for row in ann("GET", "job_templates/")["results"]] == [number]
    ann("POST", f"job_templates/{number}/launch/", {}, status=201)
    ann("PATCH", f"job_templates/{number}/", {"name": "x"}, status=403)
    ann("POST", f"job_templates/{number}/survey_spec/", {}, status=403)
    ann("DELETE", f"job_templates/{number}/", status=403)
    assert [row["id"] for row in client("GET", f"teams/{team}/users/")["results"]] == [user]
    client("POST", f"teams/{team}/users/", {"id": user, "disassociate": True})
    ann("POST", f"job_templates/{number}/launch/", {}, status=403)


def test_an_organizations_administrator_may_do_all_in_it(client: Client, base: Json) -> None:
    user = make(client, "users", username="olga", password="example-password")
    client("POST", f"organizations/{base['organization']}/admins/", {"id": user})
    olga = Client(client.double, auth=("olga", "example-password"))
    assert make(olga, "labels", name="mine", organization=base["organization"])
    olga("POST", "organizations/", {"name": "mine"}, status=403)
    other = make(client, "organizations", name="other")
    olga("POST", "teams/", {"name": "t", "organization": other}, status=403)


# what goes wrong


@pytest.mark.parametrize(
    ("how", "status"), [("401", 401), ("403", 403), ("429", 429), ("500", 500), ("502", 502), ("503", 503)]
)
def test_a_fault_answers_and_does_nothing(client: Client, how: str, status: int) -> None:
    client.double.fail("POST", r"^organizations/$", how, times=2, seconds=3)
    for _attempt in range(2):
        response = client.session.post(f"{client.double.url}/api/v2/organizations/", json={"name": "x"}, timeout=10)
        assert response.status_code == status
        assert response.headers.get("Retry-After") == ("3" if how == "429" else None)
    make(client, "organizations", name="x")
    assert [call.status for call in client.double.writes] == [status, status, 201]


def test_an_answer_can_be_lost_though_the_work_was_done(client: Client) -> None:
    client.double.fail("POST", "organizations", "swallow")
    with pytest.raises(requests.ConnectionError):
        client("POST", "organizations/", {"name": "x"})
    assert client("GET", "organizations/?name=x")["count"] == 1
    assert [call.status for call in client.double.writes] == [0]


def test_a_request_can_be_refused_before_the_work_is_done(client: Client) -> None:
    client.double.fail("*", "organizations", "refuse", after=1)
    make(client, "organizations", name="x")
    with pytest.raises(requests.ConnectionError):
        client("POST", "organizations/", {"name": "y"})
    assert client("GET", "organizations/?name=y")["count"] == 0


def test_an_answer_can_end_in_the_middle(client: Client) -> None:
    client.double.fail("GET", "organizations", "truncated")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client("GET", "organizations/")


def test_an_answer_can_be_slow(client: Client) -> None:
    client.double.fail("GET", "ping", "slow", seconds=0.4)
    with pytest.raises(requests.Timeout):
        client.session.get(f"{client.double.url}/api/v2/ping/", timeout=0.1)
    with pytest.raises(ValueError, match="how is one of"):
        client.double.fail("GET", "ping", "sideways")


def test_a_certificate_that_nobody_knows() -> None:
    with Double(tls=True) as awx:
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{awx.url}/api/v2/ping/", timeout=10)
        assert requests.get(f"{awx.url}/api/v2/ping/", timeout=10, verify=str(awx.ca)).json()["ha"] is False


def test_behind_a_gateway_everything_has_its_prefix() -> None:
    with Double(prefix="/api/controller/") as awx:
        headers = {"Authorization": f"Bearer {awx.token}"}
        assert requests.get(f"{awx.url}/api/v2/organizations/", headers=headers, timeout=10).status_code == 404
        found = requests.get(f"{awx.url}/api/controller/v2/organizations/", headers=headers, timeout=10).json()
        assert found["results"][0]["url"] == "/api/controller/v2/organizations/1/"
        assert [call.path for call in awx.calls][-1] == "organizations/"


def test_by_hand_is_nobodys_call_and_says_when_it_is_refused(client: Client) -> None:
    client.double.by_hand("POST", "organizations/", {"name": "x"})
    assert client.double.calls == []
    with pytest.raises(AssertionError, match="already exists"):
        client.double.by_hand("POST", "organizations/", {"name": "x"})


def test_when_it_is_closed_nobody_answers() -> None:
    with Double() as awx:
        client = Client(awx)
        client("GET", "me/")
    with pytest.raises(requests.ConnectionError):
        client("GET", "me/")


def test_a_grant_is_the_same_in_both_of_its_forms(client: Client, base: Json) -> None:
    number = template(client, base, "one")
    user = make(client, "users", username="ann", password="example-password")
    ann = Client(client.double, auth=("ann", "example-password"))
    assignment = make(client, "role_user_assignments", role_definition=16, user=user, object_id=str(number))
    ann("POST", f"job_templates/{number}/launch/", {}, status=201)
    client("DELETE", f"role_user_assignments/{assignment}/")
    ann("GET", f"job_templates/{number}/", status=403)
    execute = client("GET", f"job_templates/{number}/object_roles/")["results"][1]["id"]
    client("POST", f"users/{user}/roles/", {"id": execute})
    assert client("GET", f"role_user_assignments/?user={user}")["count"] == 1
    client("POST", f"users/{user}/roles/", {"id": execute, "disassociate": True})
    assert client("GET", f"role_user_assignments/?user={user}")["count"] == 0


def test_a_prompt_of_a_node_needs_a_template_that_asks_for_it(client: Client, flow: Json, base: Json) -> None:
    credential = make(client, "credentials", name="m", credential_type=1, organization=base["organization"], inputs={})
    path = f"workflow_job_template_nodes/{flow['check']}/credentials/"
    said = client("POST", path, {"id": credential}, status=400)
    assert said == {"msg": "Related template is not configured to accept credentials on launch."}
    client("PATCH", f"job_templates/{flow['job']}/", {"ask_credential_on_launch": True})
    client("POST", path, {"id": credential}, status=204)
    assert client("GET", path)["count"] == 1

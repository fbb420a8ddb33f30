"""Percona's operator, running: it brings up what is rendered, and we read the status that it writes.

The operator, its definitions and rights, Kubernetes' API server and controllers, and our policies and Secrets are real;
pods are kwok's, and what answers in them as MongoDB and as Percona's backup is our stand-in: see cluster.py. So nothing
here says anything of data, elections, or what is in a backup.
"""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.names import endings
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Backup
from ansible_collections.dbaas.platform.plugins.module_utils.engines.mongodb import METRICS_PORT

from tests.lab.api import ApiError
from tests.operators.cluster import Cluster
from tests.operators.conftest import PLAIN
from tests.unit.domain import shipped

Json = dict[str, Any]


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> list[tuple[str, str]]:
    """A replica set that has become ready: what was seen on the way."""
    cluster.make_secrets("shop")
    cluster.apply("shop")
    return cluster.watch("shop", "ready", "Active")


@pytest.fixture(scope="module")
def wide(cluster: Cluster) -> list[tuple[str, str]]:
    """A sharded cluster that has become ready: what was seen on the way."""
    cluster.make_secrets("wide")
    cluster.apply("wide")
    return cluster.watch("wide", "ready", "Active", 240)


def found(cluster: Cluster, name: str, collection: str) -> list[Json]:
    """The objects that the operator has made for this service, or that were made of those."""
    path = collection.format(cluster.services[name].namespace)
    items = cluster.api.request("GET", path)["items"]
    return [item for item in items if re.match(f"(internal-|mongod-data-)?{name}-", item["metadata"]["name"])]


def true_of(status: Json) -> set[str]:
    return {each["type"] for each in status["conditions"] if each["status"] == "True"}


def message(status: Json) -> str:
    (ready,) = [each["message"] for each in status["conditions"] if each["type"] == "Ready"]
    return str(ready)


def never_too_soon(seen: list[tuple[str, str]]) -> bool:
    """Whether nothing was called Active before the operator said ready."""
    return all(state == "ready" for state, phase in seen if phase == "Active")


def test_a_replica_set_is_provisioning_until_it_is_active(cluster: Cluster, shop: list[tuple[str, str]]) -> None:
    assert ("initializing", "Provisioning") in shop
    assert never_too_soon(shop)
    _state, status = cluster.look("shop")
    assert {"Ready", "Provisioned", "CredentialsReady"} <= true_of(status)
    # where clients are told to connect is where the operator says that the cluster is
    live = cluster.live("shop")
    assert status["connection"]["host"] == live["status"]["host"]
    assert live["status"]["mongoVersion"] == "8.0.19-7"


@pytest.mark.usefixtures("shop")
def test_its_members_are_those_of_the_claim_and_its_users_have_the_passwords_of_our_secrets(cluster: Cluster) -> None:
    members = cluster.ask("shop-rs0-0", "rs.conf()")["members"]
    assert [(each["host"], each["votes"], each["priority"]) for each in members] == [
        (f"shop-rs0-{number}.shop-rs0.tenant-123.svc.lagos.dbaas.internal:27017", 1, 2) for number in range(3)
    ]
    users = {each["user"]: each["roles"] for each in cluster.ask("shop-rs0-0", "db.getUsers()")["users"]}
    assert set(users) == {*("dbaas", "backup", "cluster-admin", "cluster-monitor", "database-admin", "user-admin")}
    assert {each["role"] for each in users["dbaas"]} == {
        *("readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase", "clusterMonitor")
    }
    data = {
        field: base64.b64decode(value).decode()
        for item in cluster.services["shop"].secrets()
        if item["metadata"]["name"] in ("shop-credentials", "shop-accounts")
        for field, value in item["data"].items()
    }
    pairs = [(data["username"], data["password"])]
    pairs += [
        (data[field], data[f"{field.removesuffix('_USER')}_PASSWORD"])
        for field in data
        if field.startswith("MONGODB_") and field.endswith("_USER")
    ]
    assert len(pairs) == len(users)
    for user, password in pairs:
        assert cluster.ask("shop-rs0-0", f'db.auth("{user}", "{password}")'), user
    assert not cluster.ask("shop-rs0-0", 'db.auth("dbaas", "wrong")')


@pytest.mark.parametrize("name", ["shop", "wide"])
def test_what_it_makes_is_called_as_we_say(cluster: Cluster, name: str, request: pytest.FixtureRequest) -> None:
    """By these names two services are kept apart, volumes are counted and pods are found."""
    request.getfixturevalue(name)
    service = cluster.services[name]
    spec = service.claim["spec"]
    known, strange = endings(name, spec, shipped.catalog().regions), list[str]()
    for kind, collection in {
        "Service": "/api/v1/namespaces/{}/services",
        "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
        "Pod": "/api/v1/namespaces/{}/pods",
        "ConfigMap": "/api/v1/namespaces/{}/configmaps",
        "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
        "Secret": "/api/v1/namespaces/{}/secrets",
    }.items():
        patterns = [re.escape(f"{name}{each}").replace(r"\#", "[0-9]+") for each in known.get(kind, ())]
        if kind == "Secret":
            # begins with no claim's name: no service is called so that it could have it
            patterns.append(f"internal-{name}-users")
        items = [item["metadata"]["name"] for item in found(cluster, name, collection)]
        # only parameters make one
        assert items or (kind, name) == ("ConfigMap", "shop")
        strange += [f"{kind} {item}" for item in items if not any(re.fullmatch(each, item) for each in patterns)]
    assert not strange


@pytest.mark.parametrize("name", ["shop", "wide"])
def test_what_surrounds_it_fits_what_it_makes(cluster: Cluster, name: str, request: pytest.FixtureRequest) -> None:
    """The network's policy, the scraping and the alerts go by labels, ports and names that the operator sets."""
    request.getfixturevalue(name)
    service = cluster.services[name]
    policy, monitor, rules = (
        shipped.only(service.rendered, kind)["spec"] for kind in ("NetworkPolicy", "PodMonitor", "PrometheusRule")
    )
    pods = found(cluster, name, "/api/v1/namespaces/{}/pods")
    assert {pod["metadata"]["name"] for pod in pods} == set(service.pods)
    (scraped,) = [endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]]
    exporters = 0
    for pod in pods:
        for selector in (policy["podSelector"], monitor["selector"]):
            assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
        ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
        # mongos has no exporter
        named = [port["containerPort"] for port in ports if port.get("name") == scraped]
        assert named == ([] if "-mongos-" in pod["metadata"]["name"] else [METRICS_PORT])
        exporters += len(named)
        opened = {port["port"] for rule in policy["ingress"] for port in rule.get("ports", [])}
        assert {port["containerPort"] for port in ports} <= opened
    alerts = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    assert f"< {exporters} or" in alerts["DatabaseUnhealthy"]
    (pattern,) = set(re.findall(r'persistentvolumeclaim=~"([^"]+)"', alerts["DatabaseDiskFull"]))
    volumes = [
        item["metadata"]["name"] for item in found(cluster, name, "/api/v1/namespaces/{}/persistentvolumeclaims")
    ]
    assert len(volumes) == exporters
    assert all(re.fullmatch(pattern, item) for item in volumes)


@pytest.mark.usefixtures("shop")
def test_paused_and_unpaused(cluster: Cluster) -> None:
    cluster.apply("shop", {**PLAIN, "paused": True})
    seen = cluster.watch("shop", "paused", "Active")
    assert "Updating" in {phase for _state, phase in seen}
    assert not {phase for _state, phase in seen} - {"Updating", "Active"}
    _state, status = cluster.look("shop")
    assert "Paused" in true_of(status)
    assert "Ready" not in true_of(status)
    assert not found(cluster, "shop", "/api/v1/namespaces/{}/pods")
    cluster.apply("shop", PLAIN)
    seen = cluster.watch("shop", "ready", "Active")
    assert "Updating" in {phase for _state, phase in seen}
    assert not {phase for _state, phase in seen} - {"Updating", "Active"}


@pytest.mark.usefixtures("shop")
def test_what_it_refuses_is_degraded_with_its_words(cluster: Cluster) -> None:
    path = cluster.services["shop"].path
    # what our policy knows does not come so far
    with pytest.raises(ApiError, match="allowTLS, preferTLS or requireTLS"):
        cluster.api.patch(path, {"spec": {"tls": {"mode": "disabled"}}})
    cluster.api.patch(path, {"spec": {"multiCluster": {"enabled": True}}})
    seen = cluster.watch("shop", "error", "Degraded")
    assert seen[-1] == ("error", "Degraded")
    _state, status = cluster.look("shop")
    assert "MCS is not available on this cluster" in message(status)
    cluster.api.patch(path, {"spec": {"multiCluster": None}})
    cluster.watch("shop", "ready", "Active")


def test_what_it_refuses_from_the_start_has_failed(cluster: Cluster) -> None:
    cluster.make_secrets("wrong")
    cluster.services["wrong"].object["spec"]["multiCluster"] = {"enabled": True}
    cluster.apply("wrong")
    seen = cluster.watch("wrong", "error", "Failed")
    assert "Degraded" not in {phase for _state, phase in seen}
    assert "MCS is not available on this cluster" in message(cluster.look("wrong")[1])


@pytest.fixture(scope="module")
def early(cluster: Cluster) -> list[tuple[str, str]]:
    """A replica set that was there before its Secrets, and has become ready: what was seen on the way."""
    cluster.apply("early")
    seen = cluster.watch("early", "error", "Provisioning")
    assert "the observer makes this Secret" in cluster.live("early")["status"]["message"]
    assert not found(cluster, "early", "/api/v1/namespaces/{}/secrets")
    cluster.make_secrets("early")
    return seen + cluster.watch("early", "ready", "Active", 240)


def test_it_makes_no_secret_of_ours_and_waits_for_it(early: list[tuple[str, str]]) -> None:
    # it says error, and all is well
    assert ("error", "Provisioning") in early
    assert {phase for _state, phase in early} == {"Provisioning", "Active"}
    assert never_too_soon(early)


def test_a_sharded_cluster_is_active_when_all_its_parts_are(cluster: Cluster, wide: list[tuple[str, str]]) -> None:
    # mongos is there before the users are; the operator says error, and tries again
    assert {phase for _state, phase in wide} <= {"Pending", "Provisioning", "Active"}
    assert never_too_soon(wide)
    _state, status = cluster.look("wide")
    assert status["connection"]["host"] == cluster.live("wide")["status"]["host"].rpartition(":")[0]
    assert {each["_id"] for each in cluster.ask("wide-mongos-0", "sh.status()")["shards"]} == {"rs0", "rs1"}
    assert "dbaas" in {each["user"] for each in cluster.ask("wide-mongos-0", "db.getUsers()")["users"]}


def test_members_of_another_region_join_with_the_votes_that_we_give_them(cluster: Cluster) -> None:
    """MongoDB takes one voter at a time; that nobody is there to answer for them the operator does not mind."""
    cluster.make_secrets("far")
    cluster.apply("far")
    cluster.watch("far", "ready", "Active", 240)
    home, away = ("lagos", 2), ("johannesburg", 1)
    wanted = [
        (f"far-rs0-{number}.far-rs0.tenant-123.svc.{region}.dbaas.internal:27017", priority if votes else 0, votes)
        for region, priority, voting in ((*home, 3), (*away, 2))
        for number in range(3)
        for votes in [1 if number < voting else 0]
    ]
    end = time.monotonic() + 120
    members: list[Json] = []
    while [(each["host"], each["priority"], each["votes"]) for each in members] != wanted:
        assert time.monotonic() < end, members
        # the operator adds one member each time that it looks, every five seconds
        time.sleep(0.5)
        members = cluster.ask("far-rs0-0", "rs.conf()")["members"]
    assert {each["tags"].get("region") for each in members[3:]} == {"johannesburg"}
    assert cluster.look("far")[1]["phase"] == "Active"


@pytest.mark.usefixtures("early")
def test_a_new_version_is_active_when_every_member_runs_it(cluster: Cluster) -> None:
    cluster.apply("early", {**PLAIN, "version": "8.0.19"})
    seen = cluster.watch("early", "ready", "Active", 300)
    images = {
        container["image"]
        for pod in found(cluster, "early", "/api/v1/namespaces/{}/pods")
        for container in pod["spec"]["containers"]
        if container["name"] == "mongod"
    }
    assert images == {"percona/percona-server-mongodb:8.0.19-7"}
    assert {phase for _state, phase in seen} == {"Updating", "Active"}


@pytest.fixture(scope="module")
def kept(cluster: Cluster) -> None:
    """A replica set of which backups are taken."""
    cluster.make_secrets("kept")
    cluster.apply("kept")
    cluster.watch("kept", "ready", "Active", 240)


def backup(cluster: Cluster, name: str, backup_name: str) -> tuple[Json, Backup]:
    """A last backup as a deprovisioning asks for it, once it is done or has failed, and what we say of it."""
    engine, service = ENGINES["mongodb"], cluster.services[name]
    (live,) = engine.snapshot([cluster.live(name)], backup_name)
    said, running = engine.snapshot_state([live]), 0
    path = f"/apis/psmdb.percona.com/v1/namespaces/{service.namespace}/perconaservermongodbbackups/{backup_name}"
    cluster.api.apply_text(path, json.dumps(live).encode())
    end = time.monotonic() + 120
    while said.state == "running":
        running += 1
        assert time.monotonic() < end, live
        # until the operator has gone on with it
        time.sleep(0.2)
        live = cluster.api.get(path) or {}
        said = engine.snapshot_state([live])
    # at first nobody has taken it up
    assert running
    return live, said


@pytest.mark.parametrize("name", ["kept", "wide"])
def test_a_last_backup_is_done_where_the_claim_says(
    cluster: Cluster, name: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(name)
    assert "BackupConfigured" in true_of(cluster.look(name)[1])
    asked = cluster.services[name].object["spec"]["backup"]["storages"]["s3"]["s3"]
    # of shards the config servers have it
    member = f"{name}-cfg-0" if name == "wide" else f"{name}-rs0-0"
    (config,) = cluster.ask(member, "db.pbmConfig.find()")
    assert {field: config["storage"]["s3"][field] for field in ("bucket", "prefix", "region")} == asked
    live, said = backup(cluster, name, f"{name}-last")
    assert said.state == "done"
    assert live["status"]["destination"].startswith(f"s3://{asked['bucket']}/{asked['prefix']}/")
    assert live["status"]["destination"] in said.message


@pytest.mark.usefixtures("kept")
def test_a_backup_that_fails_is_told_in_its_words(cluster: Cluster) -> None:
    cluster.ask("kept-rs0-0", "backups fail: no space on storage")
    _live, said = backup(cluster, "kept", "kept-broken")
    assert said.state == "failed"
    assert "no space on storage" in said.message

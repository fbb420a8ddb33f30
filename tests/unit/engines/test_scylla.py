from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import policies
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES, operator_kinds
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, NAMESPACE, SECRET, Rule
from ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla import CLUSTER, TASK, Scylla, racks
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, SMALL, WIDE, admitted, only, rendered

Json = dict[str, Any]

ENGINE = Scylla()


def cluster(spec: Json, region: str = "lagos") -> Json:
    found = only(rendered(spec)[region], "ScyllaCluster")["spec"]
    assert isinstance(found, dict)
    return found


def test_the_paths_of_kinds() -> None:
    assert CLUSTER.path("tenant-1", "ring") == "/apis/scylla.scylladb.com/v1/namespaces/tenant-1/scyllaclusters/ring"
    assert CLAIM.path() == "/apis/dbaas.example.com/v1alpha1/serviceclaims"
    assert SECRET.path("a") == "/api/v1/namespaces/a/secrets"
    assert NAMESPACE.path("ignored", "a") == "/api/v1/namespaces/a"
    assert (SECRET.api_version, CLUSTER.api_version) == ("v1", "scylla.scylladb.com/v1")
    assert set(operator_kinds()) >= {CLUSTER, TASK}
    assert ENGINES["scylla"].name == "scylla"


def of_nodes(nodes: int, multi_az: bool) -> Json:
    return {"resources": {"node": {"replicas": nodes}}, "highAvailability": {"multiAZ": multi_az}}


@CALM
@given(
    st.integers(1, 100),
    st.lists(st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True), min_size=1, max_size=6, unique=True),
    st.booleans(),
)
def test_racks_are_as_even_as_can_be(nodes: int, letters: list[str], multi_az: bool) -> None:
    zones = [f"lagos-{letter}" for letter in letters]
    ring = racks("lagos", zones, of_nodes(nodes, multi_az))
    members = [count for _rack, _zone, count in ring]
    assert sum(members) == nodes
    assert max(members) - min(members) <= 1
    assert min(members) >= 1
    assert len(ring) == (min(nodes, len(zones)) if multi_az else 1)
    assert [zone for _rack, zone, _count in ring] == zones[: len(ring)]
    assert len({rack for rack, *_rest in ring}) == len(ring)


def test_racks_of_zones_that_do_not_bear_the_regions_name() -> None:
    assert racks("lagos", ["x-1-a", "x-2-a"], of_nodes(3, True)) == [("x-1-a", "x-1-a", 2), ("x-2-a", "x-2-a", 1)]


@pytest.mark.parametrize(
    ("sku", "members"), [("scy-ring-3", [1, 1, 1]), ("scy-ring-5", [2, 2, 1]), ("scy-ring-9", [3, 3, 3])]
)
def test_ring_n_has_n_nodes_in_each_datacenter(sku: str, members: list[int]) -> None:
    regions = rendered({**WIDE, "sku": sku})
    for region, items in regions.items():
        ring = only(items, "ScyllaCluster")["spec"]["datacenter"]["racks"]
        assert [rack["members"] for rack in ring] == members
        assert [rack["name"] for rack in ring] == ["a", "b", "c"]
        zones = [
            expression["values"]
            for rack in ring
            for term in rack["placement"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
                "nodeSelectorTerms"
            ]
            for expression in term["matchExpressions"]
            if expression["key"] == "topology.kubernetes.io/zone"
        ]
        assert zones == [[f"{region}-{letter}"] for letter in "abc"]


def test_one_zone_where_multi_az_is_off() -> None:
    (rack,) = cluster({**SMALL, "highAvailability": {"multiAZ": False}})["datacenter"]["racks"]
    assert (rack["name"], rack["members"]) == ("a", 3)


def test_only_other_datacenters_name_seeds() -> None:
    assert "externalSeeds" not in cluster(WIDE)
    assert cluster(WIDE, "johannesburg")["externalSeeds"] == [
        f"ring-lagos-{rack}-0.tenant-123.svc.lagos.dbaas.internal" for rack in "abc"
    ]


def test_seeds_are_named_by_the_zones_of_the_home_region() -> None:
    offered = shipped.changed_catalog({"regions/lagos/zones": ["lagos-1", "lagos-2", "lagos-3"]})
    objects = render(admitted(WIDE, offered=offered), offered, shipped.platform(), shipped.STAMP)["johannesburg"]
    seeds = only(objects, "ScyllaCluster")["spec"]["externalSeeds"]
    assert [seed.split(".")[0] for seed in seeds] == ["ring-lagos-1-0", "ring-lagos-2-0", "ring-lagos-3-0"]


def test_nodes_have_cpus_of_their_own() -> None:
    for rack in cluster(SMALL)["datacenter"]["racks"]:
        assert rack["resources"]["requests"] == rack["resources"]["limits"] == {"cpu": "4", "memory": "16Gi"}
        assert rack["agentResources"]["requests"] == rack["agentResources"]["limits"]


def test_addresses_let_a_region_be_added_later() -> None:
    expose = {
        "nodeService": {"type": "Headless"},
        "broadcastOptions": {"nodes": {"type": "PodIP"}, "clients": {"type": "PodIP"}},
    }
    assert cluster(SMALL)["exposeOptions"] == cluster(WIDE, "johannesburg")["exposeOptions"] == expose


def test_one_datacenter_repairs_the_whole_ring() -> None:
    assert cluster(WIDE)["repairs"] == [{"name": "weekly", "cron": "0 4 * * 6"}]
    assert "repairs" not in cluster(WIDE, "johannesburg")


def test_backups_can_be_off() -> None:
    assert "backups" not in cluster({**SMALL, "backup": {"enabled": False}})


def test_the_secrets_that_the_cluster_names_are_made() -> None:
    named = {rack["scyllaAgentConfig"] for rack in cluster(SMALL)["datacenter"]["racks"]}
    needs = {need.name: need for need in ENGINE.secrets("ring", {})}
    # the operator waits for ever for an agent's configuration that is named and not there
    assert named == {"ring-agent-config"}
    assert needs["ring-agent-config"].fields == {"scylla-manager-agent.yaml": "auth_token: {password}\n"}
    assert set(needs) == {"ring-agent-config", "ring-credentials"}


def test_the_config_map_that_the_cluster_names_is_rendered() -> None:
    config = only(rendered(SMALL)["lagos"], "ConfigMap")
    assert {rack["scyllaConfig"] for rack in cluster(SMALL)["datacenter"]["racks"]} == {config["metadata"]["name"]}
    assert "PasswordAuthenticator" in config["data"]["scylla.yaml"]


def test_where_clients_connect() -> None:
    to = ENGINE.connection("ring", "tenant-123", "lagos.internal", {})
    assert (to.scheme, to.host, to.port, to.tls) == ("cql", "ring-client.tenant-123.svc.lagos.internal", 9142, True)
    assert (to.secret, to.ca_secret) == ("ring-credentials", "ring-local-serving-ca")
    assert to.client_certificate_secret == "ring-local-user-admin"


# --- observe -------------------------------------------------------------------------------------------------------

SPEC = admitted(SMALL).spec


def observed(status: Json) -> Any:
    item = only(rendered(SMALL)["lagos"], "ScyllaCluster")
    item["metadata"]["generation"] = 2
    return ENGINE.observe(SPEC, [{**item, "status": status}])


def conditions(available: str, progressing: str, degraded: str, **messages: str) -> list[Json]:
    values = {"Available": available, "Progressing": progressing, "Degraded": degraded}
    return [{"type": kind, "status": value, "message": messages.get(kind, "")} for kind, value in values.items()]


READY = {
    "observedGeneration": 2,
    "readyMembers": 3,
    "conditions": conditions("True", "False", "False"),
    "backups": [{"name": "scheduled", "id": "x"}],
}


def test_an_operator_that_has_said_nothing() -> None:
    seen = observed({})
    assert (seen.ready, seen.wanted, seen.current, seen.error) == (0, 3, False, "")
    assert seen.backup == ("Unknown", "NotRegistered", "ScyllaDB Manager has not taken the task yet.")


def test_a_ring_that_is_ready() -> None:
    seen = observed(READY)
    assert (seen.ready, seen.wanted, seen.current, seen.error, seen.terminal) == (3, 3, True, "", False)
    assert seen.backup == ("True", "Scheduled", "")


@pytest.mark.parametrize(
    "change",
    [
        {"observedGeneration": 1},
        {"conditions": conditions("True", "True", "False")},
        {"conditions": conditions("False", "False", "False")},
        {"conditions": []},
    ],
)
def test_a_ring_that_is_not_done(change: Json) -> None:
    assert not observed({**READY, **change}).current


def test_errors_and_messages_are_the_operators() -> None:
    seen = observed(
        {**READY, "conditions": conditions("True", "True", "True", Degraded="no disk", Progressing="rack b")}
    )
    assert (seen.error, seen.message) == ("no disk", "rack b")
    silent = [{"type": "Degraded", "status": "True", "reason": "Broken"}]
    assert observed({**READY, "conditions": silent}).error == "Broken"
    assert observed({**READY, "conditions": [{"type": "Degraded", "status": "True"}]}).error == "Degraded"


def test_an_error_that_lasts_is_the_end_of_a_wait() -> None:
    at = "2026-11-01T00:00:00Z"
    lasts = {**READY, "conditions": [{"type": "Degraded", "status": "True", "lastTransitionTime": at}]}
    seen = observed(lasts)
    assert (seen.terminal, seen.since, seen.patience) == (True, at, 60)
    # what was said of an earlier spec
    before = observed({**lasts, "observedGeneration": 1})
    assert (before.terminal, before.since) == (False, "")


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], ("Unknown", "NotRegistered")),
        ([{"name": "other", "id": "x"}], ("Unknown", "NotRegistered")),
        ([{"name": "scheduled"}], ("Unknown", "NotRegistered")),
        ([{"name": "scheduled", "id": "x", "error": "no bucket"}], ("False", "TaskFailed")),
    ],
)
def test_backups_as_scylla_manager_says(tasks: list[Json], expected: tuple[str, str]) -> None:
    assert observed({**READY, "backups": tasks}).backup[:2] == expected


# --- guards --------------------------------------------------------------------------------------------------------


def test_guards_are_balanced_and_say_what_is_wrong() -> None:
    rules = ENGINE.guards()[CLUSTER]
    assert len({rule.message for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.message.startswith("spec.")
        assert all(rule.expression.count(a) == rule.expression.count(b) for a, b in ("()", "[]", "{}"))


@pytest.mark.parametrize(
    "field",
    [
        "spec.version",
        "spec.datacenter.name",
        "spec.datacenter.racks",
        "spec.repairs",
        "spec.backups",
        "spec.genericUpgrade.failureStrategy",
        "spec.dnsDomains",
        "spec.exposeOptions.nodeService.type",
        "spec.exposeOptions.broadcastOptions.clients.type",
        "spec.exposeOptions.broadcastOptions.nodes.type",
        "spec.alternator",
        "spec.minReadySeconds",
        "spec.minTerminationGracePeriodSeconds",
    ],
)
def test_guards_name_every_field_that_the_webhook_looks_at(field: str) -> None:
    assert any(rule.message.startswith(field) for rule in ENGINE.guards()[CLUSTER])


def test_update_rules_let_a_creation_through() -> None:
    immutable = [rule for rule in ENGINE.guards()[CLUSTER] if "oldObject." in rule.expression]
    assert len(immutable) == 6
    assert all(rule.expression.startswith("oldObject == null || ") for rule in immutable)
    field = "spec.?datacenter.name"
    frozen = Rule(f"oldObject == null || object.{field} == oldObject.{field}", "spec.datacenter.name is immutable")
    assert frozen in immutable


def test_health_is_keyed_as_argo_cd_wants_it() -> None:
    assert set(ENGINE.health) == {"scylla.scylladb.com_ScyllaCluster"}
    assert {policy["kind"] for policy in policies.guards()} == {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }


def test_nodes_run_where_they_may_and_never_two_on_a_host() -> None:
    for rack in cluster(SMALL)["datacenter"]["racks"]:
        zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [f"lagos-{rack['name']}"]}
        kind = {"key": "scylla.scylladb.com/node-type", "operator": "In", "values": ["scylla"]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [zone, kind]}]}
        hosts = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"scylla/cluster": "ring"}}}
        assert rack["placement"] == {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [hosts]},
            "tolerations": [
                {
                    "key": "scylla-operator.scylladb.com/dedicated",
                    "operator": "Equal",
                    "value": "scyllaclusters",
                    "effect": "NoSchedule",
                }
            ],
        }


def test_the_final_backup_is_one_run_of_the_scheduled_one() -> None:
    (task,) = ENGINES["scylla"].snapshot(rendered(SMALL)["lagos"], "ring-12345678")
    assert task == {
        "apiVersion": "scylla.scylladb.com/v1alpha1",
        "kind": "ScyllaDBManagerTask",
        "metadata": {"name": "ring-12345678"},
        "spec": {
            "type": "Backup",
            "scyllaDBClusterRef": {"kind": "ScyllaDBDatacenter", "name": "ring"},
            "backup": {"dc": ["lagos"], "location": ["lagos:s3:dbaas-lagos-123"], "retention": 1},
        },
    }
    without = rendered({**SMALL, "backup": {"enabled": False}})["lagos"]
    with pytest.raises(DbaasError, match="asks for no backups"):
        ENGINES["scylla"].snapshot(without, "ring-12345678")


def test_nobody_tells_that_a_backup_has_ended() -> None:
    state = ENGINES["scylla"].snapshot_state
    assert state([{}]).state == "running"
    degraded = {"conditions": [{"type": "Degraded", "status": "True", "message": "no such bucket"}], "taskID": "7c1a"}
    failed = state([{"status": degraded}])
    assert (failed.state, failed.message) == ("failed", "no such bucket")
    taken = state([{"status": {"taskID": "7c1a", "conditions": [{"type": "Degraded", "status": "False"}]}}])
    assert taken.state == "unknown"
    assert "backup/7c1a" in taken.message


def test_a_catalog_that_names_no_images_leaves_them_to_the_operator() -> None:
    """One from before they were in it: what runs must go on."""
    offered = shipped.changed_catalog({"engines/scylla/images": None})
    claim = admitted(SMALL, offered=offered)
    made = only(render(claim, offered, shipped.platform(), shipped.STAMP)["lagos"], "ScyllaCluster")["spec"]
    assert {"repository", "agentRepository"}.isdisjoint(made)
    assert made["version"] == "2026.1.0"


def test_a_ring_as_the_operator_wants_it() -> None:
    """By hand, from the operator's own documentation of ScyllaCluster v1."""
    found = cluster(SMALL)
    racks_ = [
        {key: value for key, value in rack.items() if key != "placement"} for rack in found["datacenter"]["racks"]
    ]
    prefix = "dbaas.example.com"
    assert {**found, "datacenter": {**found["datacenter"], "racks": racks_}} == {
        "version": "2026.1.0",
        "repository": "docker.io/scylladb/scylla",
        "agentRepository": "docker.io/scylladb/scylla-manager-agent",
        "agentVersion": "3.10.1",
        "automaticOrphanedNodeCleanup": True,
        "podMetadata": {
            "labels": {
                f"{prefix}/tenant": "123",
                f"{prefix}/service": "ring",
                f"{prefix}/engine": "scylla",
                f"{prefix}/service-id": shipped.ID,
                f"{prefix}/region": "lagos",
            },
            "annotations": {f"{prefix}/path": "tenants/123/claims/ring.yaml"},
        },
        "exposeOptions": {
            "nodeService": {"type": "Headless"},
            "broadcastOptions": {"nodes": {"type": "PodIP"}, "clients": {"type": "PodIP"}},
        },
        "datacenter": {
            "name": "lagos",
            "racks": [
                {
                    "name": rack,
                    "members": 1,
                    "storage": {"capacity": "500Gi", "storageClassName": "fast-nvme"},
                    "resources": {
                        "requests": {"cpu": "4", "memory": "16Gi"},
                        "limits": {"cpu": "4", "memory": "16Gi"},
                    },
                    "agentResources": {
                        "requests": {"cpu": "100m", "memory": "256Mi"},
                        "limits": {"cpu": "100m", "memory": "256Mi"},
                    },
                    "scyllaConfig": "ring-config",
                    "scyllaAgentConfig": "ring-agent-config",
                }
                for rack in "abc"
            ],
        },
        "backups": [
            {
                "name": "scheduled",
                "cron": "0 2 * * *",
                "retention": 14,
                "dc": ["lagos"],
                "location": ["lagos:s3:dbaas-lagos-123"],
            }
        ],
        "repairs": [{"name": "weekly", "cron": "0 4 * * 6"}],
    }
    settings = only(rendered(SMALL)["lagos"], "ConfigMap")
    assert settings["metadata"]["name"] == "ring-config"
    assert settings["data"] == {
        "scylla.yaml": "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n"
    }


def test_where_a_ring_is_reached_and_by_which_secrets() -> None:
    to = ENGINE.connection("ring", "tenant-123", "lagos.dbaas.internal", {})
    assert (to.scheme, to.host, to.port, to.tls) == (
        "cql",
        "ring-client.tenant-123.svc.lagos.dbaas.internal",
        9142,
        True,
    )
    assert (to.secret, to.ca_secret) == ("ring-credentials", "ring-local-serving-ca")
    assert to.client_certificate_secret == "ring-local-user-admin"
    agent, superuser = ENGINE.secrets("ring", {})
    assert (agent.name, agent.purpose) == ("ring-agent-config", "agent")
    assert agent.fields == {"scylla-manager-agent.yaml": "auth_token: {password}\n"}
    assert (superuser.name, superuser.purpose) == ("ring-credentials", "superuser")
    assert superuser.fields == {"username": "dbaas", "password": "{password}"}


def test_what_more_regions_and_copies_ask_of_people() -> None:
    old, new = admitted(SMALL).spec, admitted(WIDE).spec
    (joins,) = [item for item in ENGINE.consequences(old, new) if item.field == "spec.replication.regions"]
    assert "a datacenter of 3 nodes joins the ring in johannesburg" in joins.how
    assert "nodetool rebuild" in joins.how
    more = {**old, "replication": {**old["replication"], "factor": 2}}
    (copies,) = ENGINE.consequences(old, more)
    assert (copies.field, copies.restart, copies.seconds) == ("spec.replication.factor", "none", 0)
    assert "from now on" in copies.how


def test_nodes_of_a_region_that_is_left_are_decommissioned_first() -> None:
    objects = ENGINE.parting(rendered(WIDE)["johannesburg"])
    cluster = only(objects, "ScyllaCluster")
    assert [rack["members"] for rack in cluster["spec"]["datacenter"]["racks"]] == [0, 0, 0]
    assert [item["kind"] for item in objects] == [item["kind"] for item in rendered(WIDE)["johannesburg"]]

    def live(ready: int, progressing: str = "False") -> Json:
        conditions = {"Available": "True", "Progressing": progressing, "Degraded": "False"}
        status = {
            "readyMembers": ready,
            "observedGeneration": 2,
            "conditions": [{"type": kind, "status": status} for kind, status in conditions.items()],
        }
        return {**cluster, "metadata": {**cluster["metadata"], "generation": 2}, "status": status}

    assert "1 of its nodes are not decommissioned yet" in ENGINE.remains([live(1)])
    assert "(no keyspace may replicate there any more: ALTER KEYSPACE)" in ENGINE.remains([live(0, "True")])
    assert ENGINE.remains([live(0)]) == ENGINE.remains([]) == ""

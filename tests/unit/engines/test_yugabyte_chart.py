from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import charts, secrets, status
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.consequences import consequences
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import releases, render
from ansible_collections.dbaas.platform.plugins.module_utils.engines import CHARTS, ENGINES, by, of
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, ID, OPERATION, only

Json = dict[str, Any]
CHART = CHARTS["yugabyte"]
CHOSEN: Json = {
    "repoURL": "https://charts.example.com",
    "name": "yugabyte",
    "version": "2025.2.5",
    "clusterIssuer": "platform",
}
OFFER: Json = {"engines/yugabyte/driver": "chart", "engines/yugabyte/chart": CHOSEN}
SMALL: Json = {"sku": "yb-dedicated", "region": "lagos", "backup": {"enabled": False}}
BIG: Json = {**SMALL, "sku": "yb-clustered", "plan": "clustered"}


def offered() -> Catalog:
    return shipped.changed_catalog(OFFER)


def admitted(spec: Json, name: str = "orders") -> Claim:
    return shipped.admitted(spec, name, offered=offered())


def values(spec: Json, name: str = "orders") -> list[Json]:
    made = releases(admitted(spec, name), offered(), shipped.platform(), shipped.STAMP)["lagos"]
    return charts.versioned(made, [], offered())


def objects(spec: Json) -> list[Json]:
    return render(admitted(spec), offered(), shipped.platform(), shipped.STAMP)["lagos"]


def test_a_release_in_each_zone_with_the_values_that_its_makers_name() -> None:
    """The keys of engines' chart, worked out by hand for a claim of three nodes over three zones."""
    found = values(SMALL)
    assert [(item["name"], item["service"], item["version"]) for item in found] == [
        (f"orders-{letter}", "orders", "2025.2.5") for letter in "abc"
    ]
    masters = ",".join(
        f"orders-{each}-yb-master-0.orders-{each}-yb-masters.tenant-123.svc.lagos.dbaas.internal:7100" for each in "abc"
    )
    labels = {
        "tenant": "123",
        "service": "orders",
        "engine": "yugabyte",
        "service-id": ID,
        "region": "lagos",
        "driver": "chart",
    }
    given_ = found[1]["values"]
    place = {"placement_cloud": "dbaas", "placement_region": "lagos", "placement_zone": "lagos-b"}
    roles = {role: given_.pop(role) for role in ("master", "tserver")}
    assert given_ == {
        "fullnameOverride": "orders-b",
        "oldNamingStyle": False,
        "domainName": "lagos.dbaas.internal",
        "commonLabels": {f"dbaas.example.com/{name}": value for name, value in labels.items()},
        "statefulSetAnnotations": {
            "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
            "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
            "dbaas.example.com/operation": OPERATION,
        },
        "Image": {"tag": "2025.2.5.0-b122"},
        "isMultiAz": True,
        "AZ": "lagos-b",
        "masterAddresses": masters,
        "replicas": {"master": 1, "tserver": 1, "totalMasters": 3},
        "resource": {
            "master": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
            "tserver": {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": {"cpu": "4", "memory": "16Gi"}},
        },
        "storage": {
            "master": {"count": 1, "size": "50Gi", "storageClass": "fast-nvme"},
            "tserver": {"count": 1, "size": "500Gi", "storageClass": "fast-nvme"},
        },
        "gflags": {
            "master": place,
            "tserver": {**place, "ysql_enable_auth": "true", "ysql_hba_conf_csv": '"local all yugabyte trust"'},
        },
        "tls": {
            "enabled": True,
            "rootCA": {"cert": "", "key": ""},
            "certManager": {
                "enabled": True,
                "bootstrapSelfsigned": False,
                "useClusterIssuer": True,
                "clusterIssuer": "platform",
            },
        },
        "enableLoadBalancer": False,
        "serviceEndpoints": [],
        "yugabytedUi": {"enabled": False},
    }
    for role, its in roles.items():
        assert its["podLabels"] == {"dbaas.example.com/role": role}
        assert its["readinessProbe"] == {"enabled": True}
        (term,) = its["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchLabels"] == {
            "dbaas.example.com/service": "orders",
            "dbaas.example.com/role": role,
        }


def test_more_nodes_stand_in_the_same_zones() -> None:
    assert [item["values"]["replicas"] for item in values(BIG)] == [{"master": 1, "tserver": 2, "totalMasters": 3}] * 3
    five = values({**BIG, "replication": {"factor": 5}})
    assert [item["values"]["replicas"]["master"] for item in five] == [2, 2, 1]
    (one,) = values({**BIG, "highAvailability": {"multiAZ": False}})
    assert (one["name"], one["values"]["replicas"]) == ("orders-a", {"master": 3, "tserver": 6, "totalMasters": 3})
    assert one["values"]["masterAddresses"].count(":7100") == 3


def test_units_are_those_that_the_chart_can_read() -> None:
    made = values({**SMALL, "resources": {"tserver": {"cpu": "4000m", "memory": "16384Mi"}}})
    assert made[0]["values"]["resource"]["tserver"]["limits"] == {"cpu": "4", "memory": "16Gi"}
    made = values({**SMALL, "storage": {"size": "2Ti"}})
    assert made[0]["values"]["storage"]["tserver"]["size"] == "2048Gi"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"backup": {"enabled": True}}, "spec.backup.enabled"),
        ({"resources": {"tserver": {"memory": "16500Mi"}}}, "spec.resources.tserver.memory"),
        ({"resources": {"tserver": {"cpu": "2500m"}}}, "spec.resources.tserver.cpu"),
        ({"networking": {"tls": {"enabled": False}}}, "spec.networking.tls.enabled"),
    ],
)
def test_what_the_chart_cannot_do_is_refused(change: Json, path: str) -> None:
    assert list(shipped.refused({**SMALL, **change}, offered=offered())) == [path]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"storage": {"size": "600Gi"}}, "spec.storage.size"),
        ({"storage": {"class": "standard"}}, "spec.storage.class"),
        ({"highAvailability": {"multiAZ": False}}, "spec.highAvailability.multiAZ"),
    ],
)
def test_what_cannot_change_on_a_running_universe(change: Json, path: str) -> None:
    errors = shipped.admit(
        shipped.document({"serviceId": ID, **SMALL, **change}), before=admitted(SMALL).spec, offered=offered()
    )[1]
    assert path in [error.path for error in errors]


def test_a_restart_over_several_zones_is_an_outage() -> None:
    """Each release restarts a node at a time, and none knows of the others."""

    def restarts(spec: Json, change: Json, field: str) -> set[str]:
        old, new = admitted(spec).spec, admitted({**spec, **change}).spec
        return {item.restart for item in consequences(old, new, [field], offered(), "chart")}

    more, place = {"resources": {"tserver": {"cpu": "8"}}}, {"placement": {"nodeSelector": {"disk": "fast"}}}
    assert restarts(SMALL, more, "spec.resources.tserver.cpu") == {"outage"}
    assert restarts(SMALL, place, "spec.placement") == {"outage"}
    alone = {**SMALL, "highAvailability": {"multiAZ": False}}
    assert restarts(alone, more, "spec.resources.tserver.cpu") == {"rolling"}
    assert restarts(alone, place, "spec.placement") == {"rolling"}


def test_placement_and_parameters_reach_the_releases() -> None:
    tolerated = [{"key": "dedicated", "operator": "Exists"}]
    spec = {
        **SMALL,
        "placement": {"nodeSelector": {"disk": "fast"}, "tolerations": tolerated},
        "parameters": {"ysql_max_connections": 500},
    }
    for item in values(spec):
        assert item["values"]["nodeSelector"] == {"disk": "fast"}
        for role in ("master", "tserver"):
            assert item["values"][role]["tolerations"] == tolerated
        assert item["values"]["gflags"]["tserver"]["ysql_max_connections"] == "500"


def test_a_universe_of_the_chart_is_not_paused() -> None:
    assert list(shipped.refused({**SMALL, "paused": True}, offered=offered())) == ["spec.paused"]


def test_what_stands_in_the_services_folder() -> None:
    found = objects(SMALL)
    assert {item["kind"] for item in found} == {
        "ServiceClaim", "Service", "Job", "NetworkPolicy", "ServiceMonitor", "PrometheusRule",
    }  # fmt: skip
    copy = found[0]
    assert copy["metadata"]["annotations"]["dbaas.example.com/driver"] == "chart"
    assert of(copy) is by("yugabyte", "chart") is CHART
    job = only(found, "Job")
    # it may go with its line, since a Job cannot be changed
    assert "annotations" not in job["metadata"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    env = {item["name"]: item.get("value") for item in container["env"]}
    assert env["ZONES"] == "dbaas.lagos.lagos-a,dbaas.lagos.lagos-b,dbaas.lagos.lagos-c"
    assert env["HOST"] == "orders-tserver.tenant-123.svc.lagos.dbaas.internal"
    assert env["PASSWORD"] is None
    (other,) = [item["metadata"]["name"] for item in objects({**SMALL, "version": "2025.2.1"}) if item["kind"] == "Job"]
    assert other != job["metadata"]["name"]
    assert len(only(objects(SMALL), "Job")["metadata"]["name"]) <= len("orders") + 15


def test_the_operators_copy_says_nothing_of_a_driver() -> None:
    made = shipped.rendered({"sku": "yb-dedicated", "region": "lagos"})["lagos"]
    assert "dbaas.example.com/driver" not in made[0]["metadata"]["annotations"]
    assert of(made[0]) is ENGINES["yugabyte"]


def test_what_clients_are_told() -> None:
    copy = objects(SMALL)[0]
    to = CHART.connection("orders", "tenant-123", "lagos.dbaas.internal", copy["spec"])
    assert (to.host, to.port) == ("orders-tserver.tenant-123.svc.lagos.dbaas.internal", 5433)
    assert (to.secret, to.ca_secret) == ("orders-credentials", "orders-a-client-tls")
    assert [item.name for item in secrets.wanted(copy)] == ["orders-credentials"]


NAMES = st.from_regex(r"[a-z]([a-z-]{0,6}[a-z])?", fullmatch=True)


@CALM
@given(NAMES, NAMES)
def test_no_release_is_called_like_another_services(one: str, other: str) -> None:
    names = [{item["name"] for item in values(SMALL, name)} for name in (one, other)]
    assert one == other or not names[0] & names[1]


def test_the_longest_name_is_not_cut() -> None:
    assert max(len(item["name"]) for item in values(SMALL, "n" * 40)) == 42 <= 43


def sets(spec: Json, **change: Any) -> list[Json]:
    """The StatefulSets that the chart makes, all ready."""
    return [
        {
            "kind": "StatefulSet",
            "metadata": {
                "name": f"{item['name']}-yb-{role}",
                "generation": 2,
                "annotations": item["values"]["statefulSetAnnotations"],
            },
            "spec": {"replicas": nodes},
            "status": {
                "observedGeneration": 2,
                "replicas": nodes,
                "readyReplicas": nodes,
                "updatedReplicas": nodes,
                **change,
            },
        }
        for item in values(spec)
        for role, nodes in item["values"]["replicas"].items()
        if role != "totalMasters"
    ]


def test_active_is_every_node_of_every_zone() -> None:
    seen = CHART.observe(admitted(BIG).spec, sets(BIG))
    assert (seen.ready, seen.wanted, seen.current, seen.message) == (9, 9, True, "")


@pytest.mark.parametrize("change", [{"observedGeneration": 1}, {"updatedReplicas": 0}, {"readyReplicas": 0}])
def test_what_is_not_done_yet_is_not_current(change: Json) -> None:
    seen = CHART.observe(admitted(SMALL).spec, sets(SMALL, **change))
    assert not seen.current
    assert "orders-a-yb-master" in seen.message


def test_a_zone_that_is_not_there_is_missed() -> None:
    seen = CHART.observe(admitted(SMALL).spec, sets(SMALL)[:4])
    assert (seen.ready, seen.wanted, seen.current) == (4, 6, False)
    assert seen.message == "the StatefulSets that are there have 4 nodes"


def test_the_copy_is_active_by_its_chart() -> None:
    copy = {**objects(SMALL)[0]}
    copy["metadata"] |= {"generation": 1, "uid": "1"}
    found = status.observe(copy, sets(SMALL), secrets=["orders-credentials"], now="2026-01-01T00:00:00Z")
    assert found["phase"] == "Active"
    # those of an earlier operation say nothing of this one
    old = [{**item, "metadata": {**item["metadata"], "annotations": {}}} for item in sets(SMALL)]
    assert status.observe(copy, old, secrets=[], now="2026-01-01T00:00:00Z")["phase"] == "Pending"


def test_no_last_backup() -> None:
    with pytest.raises(DbaasError, match="no bucket"):
        CHART.snapshot(objects(SMALL), "x")
    assert CHART.snapshot_state([{}]).state == "failed"


def test_a_catalog_that_took_its_chart_away_cannot_change_what_it_made() -> None:
    made = releases(admitted(SMALL), offered(), shipped.platform(), shipped.STAMP)["lagos"]
    with pytest.raises(InvalidFields, match=r"engines.yugabyte.chart"):
        charts.versioned(made, [], shipped.catalog())


def test_a_service_keeps_the_version_of_its_chart() -> None:
    newer = shipped.changed_catalog(
        {**OFFER, "engines/yugabyte/chart": {**OFFER["engines/yugabyte/chart"], "version": "2"}}
    )
    assert {item["version"] for item in charts.versioned(values(SMALL), values(SMALL), newer)} == {"2025.2.5"}
    assert {item["version"] for item in charts.versioned(values(SMALL), [], newer)} == {"2"}


def test_the_job_sets_the_password_and_says_where_copies_go() -> None:
    job = only(objects({**BIG, "replication": {"factor": 5}}), "Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "yugabytedb/yugabyte:2025.2.5.0-b122"
    assert container["command"][:2] == ["/bin/bash", "-c"]
    script = container["command"][2]
    # in no argument of a program: whoever lists processes would see it
    assert 'printf "alter role yugabyte with password \'%s\'" "$PASSWORD" |' in script
    assert "modify_placement_info" in script
    env = {item["name"]: item for item in container["env"]}
    assert env["COPIES"]["value"] == "5"
    assert env["MASTERS"]["value"].count(":7100") == 5
    assert env["PASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": "orders-credentials", "key": "password"}
    assert pod["restartPolicy"] == "OnFailure"
    (volume,) = pod["volumes"]
    (mount,) = container["volumeMounts"]
    assert volume == {"name": mount["name"], "secret": {"secretName": "orders-a-client-tls"}}
    assert (mount["mountPath"], mount["readOnly"]) == ("/root/.yugabytedb", True)
    assert job["spec"]["template"]["metadata"]["labels"]["dbaas.example.com/service"] == "orders"
    assert job["spec"]["backoffLimit"] == 100


def test_what_surrounds_it_finds_its_pods_and_volumes() -> None:
    policy = only(objects(SMALL), "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"dbaas.example.com/service": "orders"}
    # no operator has to come in, and a rule from nowhere would be one from everywhere
    assert len(policy["ingress"]) == 3
    assert all(rule["from"] and rule["ports"] for rule in policy["ingress"])
    (disk,) = [
        rule["expr"]
        for rule in only(objects(SMALL), "PrometheusRule")["spec"]["groups"][0]["rules"]
        if rule["alert"] == "DatabaseDiskFull"
    ]
    pattern = disk.split('persistentvolumeclaim=~"')[1].split('"')[0]
    assert re.fullmatch(pattern, "orders-b-datadir0-orders-b-yb-tserver-1")
    assert not re.fullmatch(pattern, "orders-b-a-datadir0-orders-b-a-yb-tserver-1")


def test_a_certificate_of_the_tenants_own_is_not_used() -> None:
    brought = {"networking": {"tls": {"certificate": "mine"}}}
    assert any("mine is not used" in warning for warning in admitted({**SMALL, **brought}).warnings)
    assert admitted(SMALL).warnings == ()


def test_its_copies_are_counted_once_and_for_all() -> None:
    before = admitted(BIG).spec
    item = shipped.document({"serviceId": ID, **BIG, "replication": {"factor": 5}})
    assert "spec.replication.factor" in [
        error.path for error in shipped.admit(item, before=before, offered=offered())[1]
    ]


def test_what_its_objects_are_called() -> None:
    found = CHART.names(admitted(SMALL).spec, offered().regions)
    assert found["StatefulSet"] == [f"-{zone}-yb-{role}" for zone in "abc" for role in ("master", "tserver")]
    assert {"-master", "-tserver", "-a-yb-masters", "-c-yb-tservers"} <= set(found["Service"])
    assert {"-a-client-tls", "-b-master-gflags", "-c-yb-tserver-tls-cert"} <= set(found["Secret"])
    assert "-b-yb-tserver-pdb" in found["PodDisruptionBudget"]
    assert "-b-yb-tserver-#" in found["Pod"]


def test_an_operators_service_has_no_releases() -> None:
    claim = shipped.admitted({"sku": "yb-dedicated", "region": "lagos"})
    assert releases(claim, shipped.catalog(), shipped.platform(), shipped.STAMP) == {}


def test_a_share_of_a_pool_is_made_by_nobody_but_the_pool() -> None:
    claim = admitted({"sku": "yb-shared", "region": "lagos"})
    assert claim.driver == "operator"


def test_regions_are_universes_of_their_own() -> None:
    wide = admitted({**SMALL, "replication": {"regions": ["lagos", "johannesburg"]}})
    made = releases(wide, offered(), shipped.platform(), shipped.STAMP)
    assert list(made) == ["lagos", "johannesburg"]
    assert made["johannesburg"][0]["values"]["AZ"] == "johannesburg-a"
    assert "lagos" not in made["johannesburg"][0]["values"]["masterAddresses"]
    seen = CHART.observe(wide.spec, sets(SMALL))
    assert seen.replicating
    assert seen.replicating[:2] == ("False", "XClusterNotSetUp")

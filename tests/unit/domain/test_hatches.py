"""What a claim may ask beyond its SKU: what is accepted, what is refused and in what words, and where it goes."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import hatches
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import CALM, SMALL, admitted, only, refused

Json = dict[str, Any]

CACHE: Json = {"sku": "dfly-mem-16g", "region": "lagos"}
#: one SKU of each engine, and its main kind
PLAIN: dict[str, tuple[str, str]] = {
    "scylla": ("scy-ring-3", "ScyllaCluster"),
    "yugabyte": ("yb-dedicated", "YBUniverse"),
    "vitess": ("vt-dedicated", "VitessCluster"),
    "dragonfly": ("dfly-mem-16g", "Dragonfly"),
    "aerospike": ("aero-strong-3", "AerospikeCluster"),
    "mongodb": ("mongo-flex-rs", "PerconaServerMongoDB"),
}
FREE: Json = copy.deepcopy(shipped.TENANTS)
FREE["123"]["spec"]["allows"] = {"overrides": ["Dragonfly", "NetworkPolicy", "ServiceClaim"], "images": True}


def rendered(engine: str, more: Json, **given_: Any) -> list[Json]:
    claim = admitted({"sku": PLAIN[engine][0], "region": "lagos", **more}, **given_)
    return render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP)["lagos"]


def main(engine: str, more: Json, **given_: Any) -> Json:
    found = only(rendered(engine, more, **given_), PLAIN[engine][1])["spec"]
    assert isinstance(found, dict)
    return found


# --- parameters -------------------------------------------------------------------------------------------------------


def test_a_parameter_goes_where_the_engine_reads_it() -> None:
    """By hand, from each operator's definition."""
    assert main("dragonfly", {"parameters": {"maxclients": 1000, "cache_mode": True}})["args"][2:4] == [
        "--cache_mode=true",
        "--maxclients=1000",
    ]
    assert main("yugabyte", {"parameters": {"ysql_max_connections": 500, "cdc_wal_retention_time_secs": 900}})[
        "gFlags"
    ] == {
        "masterGFlags": {"cdc_wal_retention_time_secs": "900"},
        "tserverGFlags": {"cdc_wal_retention_time_secs": "900", "ysql_max_connections": "500"},
    }
    parameters: Json = {"net.maxIncomingConnections": 1000, "operationProfiling.mode": "off"}
    parameters["operationProfiling.slowOpThresholdMs"] = 50
    (replica_set,) = main("mongodb", {"parameters": parameters})["replsets"]
    assert replica_set["configuration"] == (
        'net:\n  maxIncomingConnections: 1000\noperationProfiling:\n  mode: "off"\n  slowOpThresholdMs: 50\n'
    )
    settings = {"default-ttl": 60, "nsup-period": 30, "stop-writes-used-pct": 80, "proto-fd-max": 20000}
    config = main("aerospike", {"parameters": settings})["aerospikeConfig"]
    assert config["service"]["proto-fd-max"] == 20000
    (namespace,) = config["namespaces"]
    assert (namespace["default-ttl"], namespace["nsup-period"]) == (60, 30)
    assert namespace["storage-engine"]["stop-writes-used-pct"] == 80


def test_a_ring_reads_its_parameters_when_it_starts_and_so_it_is_started() -> None:
    parameters = {"hinted_handoff_enabled": False, "blocked-reactor-notify-ms": 50}
    objects = rendered("scylla", {"parameters": parameters})
    assert only(objects, "ConfigMap")["data"]["scylla.yaml"] == (
        "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\nhinted_handoff_enabled: false\n"
    )
    ring = only(objects, "ScyllaCluster")["spec"]
    assert ring["scyllaArgs"] == "--blocked-reactor-notify-ms=50"
    other = main("scylla", {"parameters": {**parameters, "hinted_handoff_enabled": True}})
    assert ring["forceRedeploymentReason"] != other["forceRedeploymentReason"]
    # arguments restart the ring by themselves
    assert "forceRedeploymentReason" not in main("scylla", {"parameters": {"blocked-reactor-notify-ms": 50}})


def test_vitess_has_three_places_for_parameters() -> None:
    parameters = {"max_connections": 1000, "innodb_buffer_pool_size": 2**30, "max_memory_rows": 5}
    found = main("vitess", {"parameters": {**parameters, "queryserver-config-pool-size": 32}})
    (keyspace,) = found["keyspaces"]
    for pool in keyspace["partitionings"][0]["equal"]["shardTemplate"]["tabletPools"]:
        lines = pool["mysqld"]["configOverrides"].splitlines()
        # instead of what the platform would take
        assert sorted(lines) == [
            "binlog_expire_logs_seconds=259200",
            f"innodb_buffer_pool_size={2**30}",
            "max_connections=1000",
        ]
        assert pool["vttablet"]["extraFlags"]["queryserver-config-pool-size"] == "32"
    assert [cell["gateway"]["extraFlags"] for cell in found["cells"]] == 3 * [{"max_memory_rows": "5"}]


@pytest.mark.parametrize(
    ("parameters", "path", "allowed", "nearest"),
    [
        ({"maxclient": 1}, "maxclient", "one of maxclients, dbnum, cache_mode", "maxclients"),
        ({"maxclients": 0}, "maxclients", "1 to 100000", 1),
        ({"maxclients": 100001}, "maxclients", "1 to 100000", 100000),
        ({"maxclients": "1000"}, "maxclients", "a whole number", 64000),
        ({"maxclients": True}, "maxclients", "a whole number", 64000),
        ({"maxclients": 1.5}, "maxclients", "a whole number", 64000),
        ({"cache_mode": "yes"}, "cache_mode", "true or false", False),
    ],
)
def test_a_parameter_is_what_the_catalog_says(parameters: Json, path: str, allowed: str, nearest: object) -> None:
    (error,) = refused({**CACHE, "parameters": parameters}).values()
    assert error.path == f"spec.parameters.{path}"
    assert error.allowed.startswith(allowed)
    assert error.nearest == nearest


def test_a_choice_is_one_of_those_and_of_their_type() -> None:
    ring = {"sku": "aero-strong-3", "region": "lagos"}
    error = refused({**ring, "parameters": {"partition-tree-sprigs": 300}})["spec.parameters.partition-tree-sprigs"]
    assert error.allowed == "one of 256, 512, 1024, 2048, 4096"
    assert refused({**ring, "parameters": {"partition-tree-sprigs": "256"}})
    error = refused({**ring, "parameters": {"default-ttl": 60}})["spec.parameters.default-ttl"]
    assert (error.nearest, "nsup-period" in error.allowed) == (0, True)


def test_a_text_stays_on_its_line() -> None:
    offered = shipped.changed_catalog({"engines/dragonfly/parameters/note": {"restart": "rolling", "type": "text"}})
    assert admitted({**CACHE, "parameters": {"note": "a-b_c.d,e:f/g"}}, offered=offered)
    for text in ("a b", "a\nb", "", "a;b", "x" * 257):
        assert refused({**CACHE, "parameters": {"note": text}}, offered=offered)["spec.parameters.note"]
    # of no type that the catalog tells: whatever is no list and no mapping
    bare = shipped.changed_catalog({"engines/dragonfly/parameters/note": {"restart": "rolling"}})
    for value in ("a", 1, 1.5, True):
        assert admitted({**CACHE, "parameters": {"note": value}}, offered=bare)
    for wrong in ([1], {"a": 1}, None, "a b"):
        assert refused({**CACHE, "parameters": {"note": wrong}}, offered=bare)["spec.parameters.note"]


def test_a_parameter_of_which_the_catalog_says_no_place_is_not_offered() -> None:
    lost = {"restart": "rolling", "type": "integer"}
    offered = shipped.changed_catalog({"engines/vitess/parameters/max_connections": lost})
    error = refused({"sku": "vt-dedicated", "region": "lagos", "parameters": {"max_connections": 1}}, offered=offered)
    assert "max_connections" not in error["spec.parameters.max_connections"].allowed.split(", ")
    with pytest.raises(InvalidFields, match="one of mysqld, vttablet, vtgate"):
        shipped.changed_catalog({"engines/vitess/parameters/max_connections": {**lost, "place": "mysql"}})


def test_every_default_is_what_its_parameter_may_be() -> None:
    for name, engine in shipped.catalog().engines.items():
        known = hatches.offered_parameters(name, engine)
        assert known == engine.get("parameters", {}), name
        for parameter, data in known.items():
            default = data["default"]
            if parameter != "innodb_buffer_pool_size":  # a part of the memory
                spec = {"engine": name, "parameters": {parameter: default}}
                assert list(hatches.errors(spec, engine, None)) == [], parameter


# --- placement and pause ----------------------------------------------------------------------------------------------

PLACEMENT: Json = {
    "nodeSelector": {"example.com/disk": "nvme"},
    "tolerations": [{"key": "example.com/databases", "operator": "Exists", "effect": "NoSchedule"}],
}


def places(node: Any, key: str) -> list[Any]:
    """Everything that stands below this key, wherever."""
    if isinstance(node, dict):
        own = [node[key]] if key in node else []
        return own + [found for child in node.values() for found in places(child, key)]
    return [found for child in node for found in places(child, key)] if isinstance(node, list) else []


#: SKU -> how many places its objects have for tolerations, and for node selectors (or terms in their stead), by hand
STANDING: dict[str, tuple[int, int]] = {
    # a rack in each zone
    "scy-ring-3": (3, 3),
    # of masters and of tservers; one selector is for both
    "yb-dedicated": (2, 1),
    # gates and tablets in each of three cells, the lockserver, the dashboard, the orchestrator
    "vt-dedicated": (9, 9),
    "dfly-mem-16g": (1, 1),
    # nodes, and the pod that takes backups
    "aero-strong-3": (2, 2),
    "mongo-flex-rs": (1, 1),
    # two shards, config servers, mongos
    "mongo-flex-sharded": (4, 4),
}


@pytest.mark.parametrize("sku", STANDING)
def test_nodes_stand_where_the_claim_wants_them(sku: str) -> None:
    (taint,) = PLACEMENT["tolerations"]
    wanted = {"key": "example.com/disk", "operator": "In", "values": ["nvme"]}

    def specs(more: Json) -> list[Json]:
        claim = admitted({"sku": sku, "region": "lagos", **more})
        objects = render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP)["lagos"]
        return [item["spec"] for item in objects if "spec" in item and item["kind"] != "ServiceClaim"]

    placed = specs({"placement": PLACEMENT})
    tolerations = places(placed, "tolerations")
    selectors = [item for item in places(placed, "nodeSelector") if item == PLACEMENT["nodeSelector"]]
    terms = [item for item in places(placed, "matchExpressions") if wanted in item]
    assert all(taint in item for item in tolerations)
    assert (len(tolerations), len(selectors) + len(terms)) == STANDING[sku]
    plain = str(specs({}))
    assert "example.com/disk" not in plain
    assert "example.com/databases" not in plain


def test_pods_of_vitess_keep_their_zone_although_they_are_placed() -> None:
    """An affinity takes the place of the operator's own."""
    found = main("vitess", {"placement": PLACEMENT})
    (keyspace,) = found["keyspaces"]
    pools = keyspace["partitionings"][0]["equal"]["shardTemplate"]["tabletPools"]
    for cell, pool in zip(found["cells"], pools, strict=True):
        for affinity, component in ((cell["gateway"]["affinity"], "vtgate"), (pool["affinity"], "vttablet")):
            required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ((terms,),) = [[term["matchExpressions"] for term in required["nodeSelectorTerms"]]]
            assert {term["key"]: term["values"] for term in terms} == {
                "topology.kubernetes.io/zone": [cell["zone"]],
                "example.com/disk": ["nvme"],
            }
            (apart,) = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
            labels = apart["podAffinityTerm"]["labelSelector"]["matchLabels"]
            assert labels["planetscale.com/component"] == component


@pytest.mark.parametrize(
    ("placement", "path"),
    [
        ({"nodeSelector": {"a b": "c"}}, "nodeSelector.a b"),
        ({"nodeSelector": {"disk": "a b"}}, "nodeSelector.disk"),
        ({"tolerations": [{"effect": "NoSchedule"}]}, "tolerations[0].key"),
        ({"tolerations": [{"key": "a b"}]}, "tolerations[0].key"),
        ({"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}, "tolerations[0].value"),
        ({"tolerations": [{"key": "a", "value": "b c"}]}, "tolerations[0].value"),
        (
            {"tolerations": [{"key": "a", "value": "b", "effect": "NoSchedule", "tolerationSeconds": 5}]},
            "tolerations[0].tolerationSeconds",
        ),
    ],
)
def test_what_no_pod_could_have_is_refused(placement: Json, path: str) -> None:
    assert set(refused({**SMALL, "placement": placement})) == {f"spec.placement.{path}"}


def test_only_what_can_be_stopped_is_paused() -> None:
    assert main("mongodb", {"paused": True})["pause"] is True
    assert main("yugabyte", {"paused": True})["paused"] is True
    for engine in ("scylla", "vitess", "dragonfly", "aerospike"):
        claim = {"sku": PLAIN[engine][0], "region": "lagos"}
        error = refused({**claim, "paused": True})["spec.paused"]
        assert error.allowed == f"nothing: {getattr(ENGINES[engine], 'optional', {})['paused']}"
        assert admitted({**claim, "paused": False})
    for engine in ("mongodb", "yugabyte"):
        assert main(engine, {"paused": False}) == main(engine, {})
        # nobody is called for nodes that are stopped
        assert "PrometheusRule" not in {item["kind"] for item in rendered(engine, {"paused": True})}
        with pytest.raises(DbaasError, match="let it go on first"):
            ENGINES[engine].snapshot(rendered(engine, {"paused": True}), "ring-12345678")


# --- images -----------------------------------------------------------------------------------------------------------


def test_images_of_the_tenants_own() -> None:
    own = "registry.example.com:5000/team"
    images = {"server": f"{own}/dragonfly"}
    assert main("dragonfly", {"images": images}, tenants=FREE)["image"] == f"{own}/dragonfly:v1.39.0"
    found = main("aerospike", {"images": {"exporter": f"{own}/exporter:1"}}, tenants=FREE)
    assert [item["image"] for item in found["podSpec"]["sidecars"]] == [f"{own}/exporter:1"]
    found = main("scylla", {"images": {"agent": f"{own}/agent"}}, tenants=FREE)
    assert (found["agentRepository"], found["agentVersion"]) == (f"{own}/agent", "3.10.1")


def test_images_are_for_those_who_may() -> None:
    claim = {**CACHE, "images": {"server": "registry.example.com/dragonfly"}}
    for tenants in (None, shipped.TENANTS):
        assert "spec.allows.images" in refused(claim, tenants=tenants)["spec.images"].allowed
    error = refused({**CACHE, "images": {"server": "example.com/a:1@sha256:" + 64 * "0"}}, tenants=FREE)
    assert error["spec.images.server"].nearest == "example.com/a"
    assert (
        refused({**CACHE, "images": {"sever": "example.com/a"}}, tenants=FREE)["spec.images.sever"].nearest == "server"
    )
    mongo = {"sku": "mongo-flex-rs", "region": "lagos", "images": {"exporter": "example.com/a"}}
    assert refused(mongo, tenants=FREE)["spec.images.exporter"].allowed == "a tag or a digest too"
    universe = {"sku": "yb-dedicated", "region": "lagos", "images": {"server": "example.com/a"}}
    assert "its images itself" in refused(universe, tenants=FREE)["spec.images.server"].allowed


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("a/b", "a/b"),
        ("a/b:1", "a/b"),
        ("host:5000/a/b", "host:5000/a/b"),
        ("host:5000/a/b:1.2@sha256:00", "host:5000/a/b"),
        ("a/b@sha256:00", "a/b"),
    ],
)
def test_an_image_without_its_tag(image: str, repository: str) -> None:
    assert hatches.untagged(image) == repository
    assert hatches.tagged(image) == (image != repository)


# --- overrides --------------------------------------------------------------------------------------------------------


def with_patch(patch: Json, **more: Any) -> Json:
    return {"overrides": [{"kind": "Dragonfly", "patch": patch, **more}]}


def test_a_patch_is_put_over_what_is_rendered() -> None:
    patch = {"spec": {"priorityClassName": "high", "snapshot": {"enableOnMasterOnly": None}}}
    found, plain = main("dragonfly", with_patch(patch), tenants=FREE), main("dragonfly", {})
    assert found["priorityClassName"] == "high"
    assert {**plain["snapshot"], "enableOnMasterOnly": None} == {**found["snapshot"], "enableOnMasterOnly": None}
    assert "enableOnMasterOnly" not in found["snapshot"]
    named = with_patch({"metadata": {"labels": {"team": "shop"}}}, name="ring")
    assert only(rendered("dragonfly", named, tenants=FREE), "Dragonfly")["metadata"]["labels"]["team"] == "shop"


def test_patches_are_for_those_who_may() -> None:
    claim = {**CACHE, **with_patch({"spec": {}})}
    for tenants in (None, shipped.TENANTS):
        assert "spec.allows.overrides" in refused(claim, tenants=tenants)["spec.overrides[0].kind"].allowed
    other = {**CACHE, "overrides": [{"kind": "Dragonfl", "patch": {}}]}
    assert refused(other, tenants=FREE)["spec.overrides[0].kind"].nearest == "Dragonfly"


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"metadata": {"name": "other"}}, "metadata.name"),
        ({"metadata": {"namespace": "tenant-456"}}, "metadata.namespace"),
        ({"kind": "Secret"}, "kind"),
        ({"status": {"phase": "Ready"}}, "status"),
        ({"metadata": {"finalizers": ["a"]}}, "metadata.finalizers"),
        ({"metadata": {"labels": {"dbaas.example.com/tenant": "456"}}}, "dbaas.example.com/tenant"),
        ({"metadata": {"labels": None}}, "dbaas.example.com/tenant"),
        ({"metadata": {"annotations": {"argocd.argoproj.io/sync-options": "Prune=true"}}}, "argocd.argoproj.io"),
        ({"metadata": {"annotations": {"dbaas.example.com/deletion": "0"}}}, "dbaas.example.com/deletion"),
        ({"spec": {"authentication": None}}, "spec.authentication"),
        ({"spec": {"tlsSecretRef": {"name": "another"}}}, "spec.tlsSecretRef.name"),
        ({"spec": {"aclFromSecret": {"name": "another", "key": "acl"}}}, "spec.aclFromSecret"),
        ({"spec": None}, "leaves spec of"),
        ({"metadata": None}, "leaves metadata of"),
        ({"spec": {"podMetadata": None}}, "dbaas.example.com/service"),
        # spec.images, which a tenant may lack, is the one way to other images
        ({"spec": {"image": "registry.example.com/other:1"}}, "spec.image"),
        ({"spec": {"initContainers": [{"name": "a", "image": "b"}]}}, "spec.initContainers[0].image"),
        ({"spec": {"additionalVolumes": [{"name": "a", "hostPath": {"path": "/"}}]}}, "[0].hostPath.path"),
        ({"spec": {"containerSecurityContext": {"privileged": True}}}, "spec.containerSecurityContext.privileged"),
        ({"spec": {"podSecurityContext": {"runAsUser": 0}}}, "spec.podSecurityContext.runAsUser"),
        ({"spec": {"podSecurityContext": {"runAsNonRoot": False}}}, "spec.podSecurityContext.runAsNonRoot"),
        ({"spec": {"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}}, "seccompProfile.type"),
        # as MongoDB's and Aerospike's operators call them
        ({"spec": {"initImage": "registry.example.com/other:1"}}, "spec.initImage"),
        ({"spec": {"init": {"imageRegistry": "registry.example.com"}}}, "spec.init.imageRegistry"),
        ({"spec": {"init": {"imageRegistryNamespace": "other"}}}, "spec.init.imageRegistryNamespace"),
        ({"spec": {"init": {"imageNameAndTag": "other:1"}}}, "spec.init.imageNameAndTag"),
        ({"spec": {"serviceAccountName": "other"}}, "spec.serviceAccountName"),
        ({"spec": {"topologySpreadConstraints": [{"namespaceSelector": {}}]}}, "[0].namespaceSelector"),
        # what the API server refuses stops all that is synced with it
        ({"metadata": {"labels": {"team": 1}}}, "metadata.labels.team"),
        ({"metadata": {"labels": {"team": "the shop"}}}, "metadata.labels.team"),
        ({"metadata": {"annotations": {"a b": "c"}}}, "metadata.annotations.a b"),
        ({"metadata": {"labels": []}}, "metadata.labels"),
        ({"data": {"a": "b"}}, "leaves data of"),
        # a key of YAML need not be text
        ({1: "a"}, "leaves 1 of"),
        ({"metadata": {1: "a", "b": "c"}}, "leaves metadata.1, metadata.b of"),
        ({"metadata": {"labels": {1: "a"}}}, "metadata.labels.1"),
    ],
)
def test_a_patch_leaves_who_an_object_is_and_what_guards_it(patch: Json, path: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        rendered("dragonfly", with_patch(patch), tenants=FREE)
    assert caught.value.code == "claim-invalid"
    (error,) = caught.value.errors
    assert (error.path, path in error.allowed) == ("spec.overrides[0].patch", True), error


@pytest.mark.parametrize("value", [float("nan"), float("inf"), date(2026, 1, 2)])
def test_what_json_cannot_say_is_named(value: Any) -> None:
    claim = {**CACHE, **with_patch({"spec": {"a": [0, {"b": value}]}})}
    assert refused(claim, tenants=FREE)["spec.overrides[0].patch.spec.a[1].b"].given == str(value)
    pooled = {"sku": "yb-shared", "region": "lagos", "parameters": {"a": value}}
    assert set(refused(pooled)) == {"spec.parameters.a"}


def test_a_patch_that_meets_nothing_is_a_mistake() -> None:
    for override, path in (
        ({"kind": "Dragonfly", "name": "rin"}, "spec.overrides[0].name"),
        # the copy is the claim itself, whoever allows what
        ({"kind": "ServiceClaim"}, "spec.overrides[0].kind"),
    ):
        with pytest.raises(InvalidFields) as caught:
            rendered("dragonfly", {"overrides": [{"patch": {"spec": {}}, **override}]}, tenants=FREE)
        assert [error.path for error in caught.value.errors] == [path]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda child: st.lists(child, max_size=2) | st.dictionaries(st.text(max_size=2), child, max_size=3),
    max_leaves=8,
)


@CALM
@given(json_values, json_values)
def test_a_merge_patch_merges_as_its_standard_says(value: Any, patch: Any) -> None:
    merged = hatches.merge(value, patch)
    # put on twice it changes nothing more, and nothing of it stays null
    assert hatches.merge(merged, patch) == merged
    if isinstance(patch, dict):
        for key, item in patch.items():
            assert (key in merged) == (item is not None)
        kept = value if isinstance(value, dict) else {}
        assert {key: kept[key] for key in kept if key not in patch} == {
            key: merged[key] for key in merged if key not in patch
        }
    else:
        assert merged == patch

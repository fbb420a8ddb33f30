"""The shared plan: a database in a pool, from the claim to its status."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import consequences, placement, quota, secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.explain import Evidence, explain
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import observe

from tests.unit.domain import shipped
from tests.unit.domain.shipped import ID, OPERATION, admitted, refused
from tests.unit.domain.test_status import SCHEMA, condition

Json = dict[str, Any]

YB: Json = {"sku": "yb-shared", "region": "lagos"}
VT: Json = {"engine": "vitess", "plan": "shared", "region": "lagos"}
POOL = {"placement": {"pool": "platform/pool-a"}}
T0, T1 = "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z"
NONE = (
    "no yugabyte takes databases of others in lagos: the catalog names none (regions.lagos.pools.yugabyte); "
    "when it does, playbook reconcile_claims places the service"
)


NARROW = "a shared database lives in one region"
TAKEN = "another name: the engine has one of that name itself"
NODELESS = "none: SKU yb-shared has no nodes of its own"


def pools(*names: str) -> Catalog:
    return shipped.changed_catalog({"regions/lagos/pools": {"yugabyte": list(names)}})


# --- admit -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spec", "price", "most"), [(YB, 60, 63), (VT, 180, 60)])
def test_a_shared_claim_is_whole(spec: Json, price: int, most: int) -> None:
    claim = admitted(spec, "web-shop")
    assert (claim.topology, claim.price, claim.sla, claim.joined) == ("pooled", price, 99.0, False)
    # the id makes it one of its own in a cluster of many tenants
    assert claim.spec["database"] == {"name": "web_shop_111111111111"}
    assert "placement" not in claim.spec
    assert "database" not in claim.given["spec"]
    longest = admitted(spec, "a" * 40).spec["database"]["name"]
    assert longest == "a" * 40 + "_111111111111"
    assert len(longest) <= most


def test_a_name_is_cut_to_what_the_engine_takes() -> None:
    short = shipped.changed_catalog({"skus/yb-shared/database/maxLength": 19})
    assert admitted(YB, "a-long-name-it-has", offered=short).spec["database"]["name"] == "a_long_111111111111"


def test_the_pool_is_chosen_once_and_stands_in_the_file() -> None:
    first = admitted(YB, offered=pools("platform/pool-a", "platform/pool-b"))
    assert first.spec["placement"] == first.given["spec"]["placement"] == POOL["placement"]
    # whatever the catalog says later, also when it no longer has that pool
    again = admitted(YB, offered=pools("platform/pool-b"), before=first.spec)
    assert again.given["spec"]["placement"] == POOL["placement"]
    assert admitted({**YB, **POOL}, offered=pools("platform/pool-b"), before=first.spec).spec == again.spec
    # one that has none gets one as soon as there is one
    placed = admitted(YB, offered=pools("platform/pool-a"), before=admitted(YB).spec)
    assert placed.given["spec"]["placement"] == POOL["placement"]
    assert admitted({**YB, **POOL}, offered=pools("platform/pool-b", "platform/pool-a")).spec["placement"] == {
        "pool": "platform/pool-a"
    }


@pytest.mark.parametrize(
    ("spec", "path", "allowed", "nearest"),
    [
        ({"replication": {"regions": ["lagos", "frankfurt"]}}, "spec.replication.regions", NARROW, None),
        ({"database": {"name": "postgres"}}, "spec.database.name", TAKEN, None),
        (
            {"database": {"name": "Shop-1"}},
            "spec.database.name",
            "a name of lower-case letters, digits and underscores that begins with a letter",
            None,
        ),
        (POOL, "spec.placement.pool", f"none: {NONE.partition(';')[0]}", None),
        ({"placement": {"pool": "pool-a"}}, "spec.placement.pool", "a service as tenant/service", None),
        ({"resources": {"tserver": {"cpu": "2"}}}, "spec.resources.tserver", NODELESS, None),
        ({"storage": {"size": "500Gi"}}, "spec.storage.size", "1Gi to 100Gi", "100Gi"),
    ],
)
def test_what_a_shared_claim_cannot_say(spec: Json, path: str, allowed: str, nearest: Any) -> None:
    error = refused({**YB, **spec})[path]
    assert (error.allowed, error.nearest) == (allowed, nearest)


def test_a_pool_that_the_catalog_does_not_have_is_refused_with_the_nearest() -> None:
    error = refused({**YB, "placement": {"pool": "platform/pool-c"}}, offered=pools("platform/pool-a"))
    assert error["spec.placement.pool"].allowed == "one of platform/pool-a"
    assert error["spec.placement.pool"].nearest == "platform/pool-a"
    too_long = refused({**VT, "database": {"name": "a" * 61}})["spec.database.name"]
    assert too_long.allowed == "at most 60 characters"


def test_a_cluster_of_ones_own_has_neither_pool_nor_database() -> None:
    found = refused({"sku": "yb-dedicated", "region": "lagos", **POOL, "database": {"name": "shop"}})
    assert set(found) == {"spec.placement.pool", "spec.database"}
    assert "of the shared plan alone" in found["spec.database"].allowed


def test_what_the_pool_decides_is_told_and_no_reason_to_refuse() -> None:
    asked = {
        "version": "2024.2.4",
        "storage": {"size": "20Gi", "class": "ceph-block"},
        "replication": {"factor": 3},
        "networking": {"allowedCIDRs": ["10.0.0.0/8"]},
        "backup": {"retention": "7d"},
    }
    told = [warning.split(" is not looked at")[0] for warning in admitted({**YB, **asked}).warnings]
    assert told == ["spec.version", "spec.storage.class", "spec.replication.factor", "spec.networking", "spec.backup"]
    assert admitted({**YB, "storage": {"size": "20Gi"}, "deletionProtection": True}).warnings == ()


def test_nobody_moves_into_a_pool_or_out_of_one_yet() -> None:
    own, shared = admitted({"sku": "yb-dedicated", "region": "lagos"}).spec, admitted(YB).spec
    out = refused({"sku": "yb-dedicated", "region": "lagos"}, before=shared)
    assert out["spec.plan"].allowed == "shared: moving between a pool and a cluster of one's own is not built yet"
    into = refused({**YB, "storage": {"size": "100Gi"}}, before=own)
    assert into["spec.plan"].nearest == "dedicated"
    placed = admitted(YB, offered=pools("platform/pool-a")).spec
    both = pools("platform/pool-a", "platform/pool-b")
    other = {"placement": {"pool": "platform/pool-b"}, "database": {"name": "other"}, "storage": {"size": "5Gi"}}
    found = refused({**YB, **other}, before=placed, offered=both)
    assert found["spec.placement.pool"].allowed == "platform/pool-a: moving to another pool is not built yet"
    assert found["spec.database.name"].allowed == "ring_111111111111: renaming a database is not built yet"
    assert found["spec.storage.size"].allowed == "at least 10Gi: storage cannot shrink"


NEAR = {"scylla": "scy-ring-3", "dragonfly": "dfly-mem-16g", "aerospike": "aero-strong-3", "mongodb": "mongo-flex-rs"}


@pytest.mark.parametrize("engine", NEAR)
def test_engines_without_a_shared_plan_say_why_and_what_is_near(engine: str) -> None:
    error = refused({"engine": engine, "plan": "shared", "region": "lagos"})["spec.plan"]
    near = shipped.catalog().nearest_sku(engine, "shared")
    assert near is not None
    assert error.allowed.endswith(f": {shipped.catalog().lacks(engine, 'shared')}; nearest: SKU {near.name}")
    assert (near.name, error.nearest) == (NEAR[engine], "dedicated")


# --- render, quota, price ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [YB, VT])
def test_only_its_copy_is_rendered(spec: Json) -> None:
    (item,) = shipped.rendered(spec)["lagos"]
    assert (item["kind"], item["metadata"]["labels"]["dbaas.example.com/plan"]) == ("ServiceClaim", "shared")
    assert list(shipped.rendered(spec)) == ["lagos"]


def test_what_it_takes() -> None:
    assert quota.usage([admitted(YB).spec]) == {"services": 1, "storage": 10 * 2**30, "cpu": 0, "memory": 0}
    # two tablets of its own, each with a vttablet and a mysqld on one volume
    assert quota.usage([admitted(VT).spec]) == {"services": 1, "storage": 20 * 2**30, "cpu": 1500, "memory": 3 * 2**30}
    effects = consequences.creation(admitted(YB).spec, shipped.catalog())
    assert (effects.seconds, effects.cost_after) == (60, 60)


# --- observe ---------------------------------------------------------------------------------------------------------


def the_copy(before: Json | None = None, *, placed: bool = False, **spec: Any) -> Json:
    offered = pools("platform/pool-a") if placed else shipped.catalog()
    claim = admitted({**YB, **spec}, offered=offered)
    item = copy.deepcopy(render(claim, offered, shipped.platform(), shipped.STAMP)["lagos"][0])
    item["metadata"] |= {"generation": 1, "uid": "u"}
    return {**item, **({"status": before} if before else {})}


def seen(item: Json, *, secrets: tuple[str, ...] = ("ring-credentials",), now: str = T0) -> Json:
    found = observe(item, [], secrets=secrets, now=now)
    assert SCHEMA.errors(found, "status") == []
    return found


def test_without_a_pool_it_is_pending_and_says_what_is_missing() -> None:
    found = seen(the_copy())
    assert (found["phase"], condition(found, "Ready")["message"]) == ("Pending", NONE)
    placed = condition(found, "Placed")
    assert (placed["status"], placed["reason"], placed["message"]) == ("False", "NoPool", NONE)
    last = found["lastOperation"]
    assert (last["state"], last["reason"], last["message"]) == ("Failed", "NoPool", NONE)
    assert "connection" not in found
    # nothing changes as long as nothing is done, past the deadline too
    assert seen(the_copy(found), now=T1) == found
    missing = seen(the_copy(), secrets=())
    assert condition(missing, "Ready")["message"].startswith(f"{NONE}; waiting for Secrets ring-credentials")
    assert condition(missing, "CredentialsReady")["status"] == "False"


def test_with_one_it_is_placed_and_says_what_is_not_built() -> None:
    before = seen(the_copy())
    found = seen(the_copy(before, placed=True))
    words = "it is placed in platform/pool-a, but making databases in a pool is not built yet"
    placed = condition(found, "Placed")
    assert (placed["status"], placed["reason"], placed["message"]) == ("True", "Placed", words)
    assert (found["phase"], found["lastOperation"]["reason"]) == ("Pending", "PoolNotBuilt")


def test_it_can_be_deleted() -> None:
    item = the_copy(seen(the_copy()))
    item["metadata"]["deletionTimestamp"] = T1
    found = seen(item)
    assert (found["phase"], condition(found, "Ready")["message"]) == ("Deleting", "the service is being deleted")


def test_other_services_have_no_such_condition() -> None:
    ring = copy.deepcopy(shipped.rendered(shipped.SMALL)["lagos"][0])
    assert "Placed" not in [item["type"] for item in observe(ring, [], secrets=(), now=T0)["conditions"]]


def test_its_credentials_are_derived_like_any_others() -> None:
    item = the_copy()
    (wanted,) = secrets.wanted(item)
    made = secrets.build(wanted, b"k" * 32)
    assert (made["metadata"]["name"], made["metadata"]["ownerReferences"][0]["uid"]) == ("ring-credentials", "u")
    assert set(made["data"]) == {"username", "password", "database"}
    assert wanted.fields["username"] == wanted.fields["database"] == "ring_111111111111"
    assert wanted.service_id == ID


# --- explain ---------------------------------------------------------------------------------------------------------


def test_why_it_is_not_active() -> None:
    item = the_copy()
    item["status"] = seen(item)
    found = explain("123", "ring", "lagos", [Evidence("lagos", copy=item)], T0)
    assert (found["code"], found["class"]) == ("no-pool", "capacity")
    assert found["why"] == f"123/ring is Pending: lagos: {NONE}"
    assert [each["code"] for each in found["findings"]] == ["no-pool"]
    item["metadata"]["annotations"]["dbaas.example.com/operation"] = OPERATION[::-1]
    unseen = explain("123", "ring", "lagos", [Evidence("lagos", copy=item)], T0)
    assert [each["code"] for each in unseen["findings"]] == ["no-pool", "observer-silent"]


def test_a_change_says_what_it_does() -> None:
    told = placement.consequence("spec.storage.size", YB)
    assert told is not None
    assert (told.restart, told.irreversible) == ("none", "it cannot shrink")
    assert placement.consequence("spec.plan", YB) is placement.consequence("metadata.labels.x", YB) is None
    nothing = placement.consequence("spec.networking.allowedCIDRs", YB)
    assert nothing is not None
    assert nothing.how == "nothing: it is as the pool has it"

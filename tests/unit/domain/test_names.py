"""What services' objects are called: never two alike in a tenant, and none longer than those bear who read it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain import names, paths, schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain import plan as plans
from ansible_collections.dbaas.platform.plugins.module_utils.domain.claim import Claim
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document, Request
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render
from ansible_collections.dbaas.platform.plugins.module_utils.engines import CHARTS, ENGINES
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain import shipped

Json = dict[str, Any]
Named = tuple[str, str]

REQUEST = Request("0" * 40, "ada", "30m", "1.0.0")
REGIONS = ("lagos", "johannesburg")
#: every SKU, plan and number of regions that makes a database
SPECS: list[Json] = [
    {"sku": sku, "plan": plan, "region": regions[0], "replication": {"regions": regions}}
    for sku, plan, regions in shipped.every_topology(REGIONS)
    if plan != "shared"
]
NAMES = st.from_regex(schema.NAME, fullmatch=True).filter(lambda name: len(name) <= schema.NAME_LENGTH)


# --- what operators make of an object, read from their sources ------------------------------------------------------


def a_set(name: str, members: int, *volumes: str) -> Iterator[Named]:
    """A StatefulSet with its pods and what these store."""
    yield "StatefulSet", name
    for number in range(members):
        yield "Pod", f"{name}-{number}"
        yield from (("PersistentVolumeClaim", f"{volume}-{name}-{number}") for volume in volumes)


def scylla(name: str, cluster: Json) -> Iterator[Named]:
    datacenter = cluster["spec"]["datacenter"]
    for rack in datacenter["racks"]:
        own = f"{name}-{datacenter['name']}-{rack['name']}"
        yield from a_set(own, rack["members"], "data")
        yield from (("Service", f"{own}-{number}") for number in range(rack["members"]))
        yield from (("Job", f"cleanup-{own}-{number}") for number in range(rack["members"]))
        yield "ConfigMap", f"{name}-{rack['name']}-snitch-config"
    for kind, more in (
        ("Service", ("client",)),
        ("ServiceAccount", ("member",)),
        ("RoleBinding", ("member",)),
        ("ConfigMap", ("managed-config", "upgrade-context", "local-client-ca", "local-serving-ca")),
        ("Secret", ("auth-token", "local-client-ca", "local-serving-ca", "local-serving-certs", "local-user-admin")),
        ("Secret", ("local-cql-connection-configs-admin",)),
    ):
        yield from ((kind, f"{name}-{each}") for each in more)
    yield "PodDisruptionBudget", name


def mongodb(name: str, cluster: Json) -> Iterator[Named]:
    spec = cluster["spec"]
    sharding = spec.get("sharding", {})
    sets = {members["name"]: members["size"] for members in spec["replsets"]}
    if sharding:
        sets["cfg"] = sharding["configsvrReplSet"]["size"]
        yield from a_set(f"{name}-mongos", sharding["mongos"]["size"])
        yield from (("Service", f"{name}-mongos"), ("PodDisruptionBudget", f"{name}-mongos-"))
        yield from (("ConfigMap", f"{name}-mongos{more}") for more in ("", "-hookscript"))
    for each, size in sets.items():
        yield from a_set(f"{name}-{each}", size, "mongod-data")
        component = "cfg" if each == "cfg" else "mongod"
        yield from (("Service", f"{name}-{each}"), ("PodDisruptionBudget", f"{name}-{component}-{each}"))
        yield from (("Service", f"{name}-{each}-{number}") for number in range(size))
        yield from (("ConfigMap", f"{name}-{each}-mongod{more}") for more in ("", "-hookscript"))
    yield "ConfigMap", f"{name}-pbm-hookscript"
    yield from (("Secret", f"internal-{name}-users"), ("Secret", f"{name}-custom-user-secret"))
    yield "Secret", f"{name}-databaseadmin-conn-str"


def dragonfly(name: str, cache: Json) -> Iterator[Named]:
    yield from a_set(name, cache["spec"]["replicas"], "df")
    yield from (("Service", name), ("PodDisruptionBudget", name))


def aerospike(name: str, cluster: Json) -> Iterator[Named]:
    racks = cluster["spec"]["rackConfig"]["racks"]
    volumes = [each["name"] for each in cluster["spec"]["storage"]["volumes"]]
    for rack in racks:
        own = f"{name}-{rack['id']}"
        members = -(-cluster["spec"]["size"] // len(racks))
        yield from a_set(own, members, *volumes)
        yield "ConfigMap", own
        yield from (("Service", f"{own}-{number}") for number in range(members))
    yield from (("Service", name), ("PodDisruptionBudget", name))
    yield from ((kind, f"{name}-backups") for kind in ("Service", "Deployment", "ConfigMap"))


def vitess(name: str, cluster: Json) -> Iterator[Named]:
    def joined(limit: int, *parts: str) -> str:
        digest = hashlib.md5(b"".join(part.encode() + b"\0" for part in parts), usedforsecurity=False).hexdigest()[:8]
        text = "-".join(parts).replace("_", "-")
        return f"{text}-{digest}" if len(text) < limit - 8 else f"{text[: limit - 11]}---{digest}"

    yield "Service", joined(63, name, "vtctld")
    for number in (1, 2, 3):
        yield from ((kind, f"{joined(253, name, 'etcd')}-{number}") for kind in ("Pod", "PersistentVolumeClaim"))
    for cell in cluster["spec"]["cells"]:
        yield "Service", joined(63, name, cell["name"], "vtgate")
        yield "Deployment", joined(253, name, cell["name"], "vtgate")
        tablet = joined(253, name, "vttablet", cell["name"], "1234567890")
        yield from (("Pod", tablet), ("PersistentVolumeClaim", tablet))


def yugabyte(name: str, universe: Json) -> Iterator[Named]:
    # of a name it takes the beginning, of a zone the end, and adds an id that nobody knows before
    for zone in universe["spec"]["zoneFilter"]:
        release = f"{f'yb{name}'[:14]}-{zone[-10:]}-id{zone[-1]}{len(name):x}"
        for role in ("master", "tserver"):
            yield from a_set(f"{release}-yb-{role}", 2, "datadir0")
            yield "Service", f"{release}-yb-{role}s"


OPERATORS: dict[str, Callable[[str, Json], Iterator[Named]]] = {
    "scylla": scylla,
    "mongodb": mongodb,
    "dragonfly": dragonfly,
    "aerospike": aerospike,
    "vitess": vitess,
    "yugabyte": yugabyte,
}


def everything(claim: Claim) -> dict[str, set[Named]]:
    """Region -> (kind, name) of all that a service has there."""
    found = {}
    engine = ENGINES[claim.spec["engine"]]
    for region, objects in render(claim, shipped.catalog(), shipped.platform(), shipped.STAMP).items():
        made = {(item["kind"], item["metadata"]["name"]) for item in objects}
        assert len(made) == len(objects)
        database = shipped.only(objects, engine.kinds[0].kind)
        secrets = {("Secret", need.name) for need in engine.secrets(claim.name, claim.spec)}
        beside = OPERATORS[engine.name](claim.name, database) if engine.name in OPERATORS else ()
        found[region] = made | secrets | set(beside)
    return found


# --- one of two is refused, or nothing is called alike --------------------------------------------------------------


def planned(*pairs: tuple[str, Json], before: Sequence[tuple[str, Json]] = ()) -> plans.ClaimsPlan:
    """The plan of claims (name, spec), once those of before are there."""
    files: dict[str, bytes] = {}
    for some in (before, pairs):
        documents = [Document("", shipped.document(spec, name)) for name, spec in some]
        wanted = [*plans.wanted_paths(documents, shipped.platform()), *plans.neighbour_paths(documents, files)]
        plan = plans.plan_claims(
            documents,
            {path: files[path] for path in wanted if path in files},
            catalog=shipped.catalog(),
            platform=shipped.platform(),
            tenants=None,
            request=REQUEST,
            yaml=shipped.YAML,
        )
        files |= {path: content for path, content in plan.files.items() if content is not None}
    return plan


def refused(*pairs: tuple[str, Json], before: Sequence[tuple[str, Json]] = ()) -> FieldError:
    with pytest.raises(InvalidFields) as caught:
        planned(*pairs, before=before)
    (error,) = caught.value.errors
    return error


@st.composite
def meeting(draw: st.DrawFn) -> list[tuple[str, Json]]:
    """Two services, in either order, of which one is called as the beginning of what the other has."""
    spec = draw(st.sampled_from(SPECS))
    name = draw(NAMES.filter(lambda name: len(name) < 24))
    region = draw(st.sampled_from(spec["replication"]["regions"]))
    known = {
        item for item in everything(shipped.admitted(spec, name))[region] if not item[1].startswith(f"yb{name}"[:14])
    }
    _kind, child = draw(st.sampled_from(sorted(known)))
    parts = child.replace(".", "-").split("-")
    other = "-".join(parts[: draw(st.integers(1, len(parts)))])[: schema.NAME_LENGTH - 2].rstrip("-")
    other = f"{other}-x" if other == name else other
    return draw(st.permutations([(name, spec), (other, draw(st.sampled_from(SPECS)))]))


@settings(shipped.CALM, max_examples=150)
@given(meeting(), st.booleans())
def test_two_services_of_a_tenant_have_nothing_of_one_name(pair: list[tuple[str, Json]], together: bool) -> None:
    wrong = refusals(*pair) if together else refusals(pair[1], before=pair[:1])
    assert wrong <= {"metadata.name"}
    if not wrong:
        one, other = (everything(shipped.admitted(spec, name)) for name, spec in pair)
        for region in one.keys() & other.keys():
            assert not one[region] & other[region]


def refusals(*pairs: tuple[str, Json], before: Sequence[tuple[str, Json]] = ()) -> set[str]:
    try:
        planned(*pairs, before=before)
    except InvalidFields as error:
        return {item.path for item in error.errors}
    return set()


PLAIN: dict[str, Json] = {
    engine: next(spec for spec in SPECS if shipped.catalog().skus[spec["sku"]].engine == engine) for engine in ENGINES
}


@pytest.mark.parametrize(
    ("engine", "other", "more", "what"),
    [
        ("mongodb", "dragonfly", "rs0", "Service shop-rs0"),
        ("mongodb", "aerospike", "rs0", "Service shop-rs0"),
        ("mongodb", "aerospike", "rs0-1", "Service shop-rs0-1"),
        ("scylla", "dragonfly", "client", "Service shop-client"),
        ("scylla", "dragonfly", "lagos-a", "StatefulSet shop-lagos-a"),
        ("scylla", "aerospike", "local-user", "Secret shop-local-user-admin"),
        ("vitess", "dragonfly", "vtgate", "Service shop-vtgate"),
        ("yugabyte", "dragonfly", "tserver", "Service shop-tserver"),
        # whether its operator makes it, or its chart
        ("yugabyte", "dragonfly", "c-yb-master", "StatefulSet shop-c-yb-master"),
        ("yugabyte", "dragonfly", "a-yb-tservers", "Service shop-a-yb-tservers"),
        ("aerospike", "dragonfly", "backups", "Service shop-backups"),
        ("aerospike", "aerospike", "backups", "Service shop-backups"),
        ("aerospike", "aerospike", "1-0", "Service shop-1-0"),
        ("aerospike", "dragonfly", "2", "StatefulSet shop-2"),
    ],
)
def test_who_would_have_anothers_name_is_refused(engine: str, other: str, more: str, what: str) -> None:
    """Whichever of the two comes second, and the longer name of two that come together."""
    short, long = ("shop", PLAIN[engine]), (f"shop-{more}", PLAIN[other])
    for given_, before in (([long], [short]), ([short], [long]), ([short, long], []), ([long, short], [])):
        error = refused(*given_, before=before)
        name = given_[0][0] if before else long[0]
        whose = short[0] if name == long[0] else long[0]
        assert (error.path, error.given, error.source) == ("metadata.name", name, f"123/{name}")
        assert error.allowed == f"another name: {what} would be one of service {whose} too"


@pytest.mark.parametrize(
    ("engine", "other", "more"),
    [
        ("dragonfly", "dragonfly", "2"),
        ("dragonfly", "dragonfly", "0"),
        ("aerospike", "aerospike", "2"),
        ("mongodb", "mongodb", "rs0"),
        ("mongodb", "scylla", "rs0"),
        ("scylla", "scylla", "client"),
        ("scylla", "dragonfly", "eu-cache"),
        ("vitess", "vitess", "vtgate"),
        ("yugabyte", "yugabyte", "backups"),
        ("mongodb", "dragonfly", "tls"),
    ],
)
def test_names_that_only_look_alike_are_free(engine: str, other: str, more: str) -> None:
    both = [("shop", PLAIN[engine]), (f"shop-{more}", PLAIN[other])]
    assert len(planned(*both).claims) == 2
    assert len(planned(both[1], before=both[:1]).claims) == 1


def test_where_the_other_is_not_the_name_is_free_until_it_comes() -> None:
    shop = ("shop", {"sku": "mongo-flex-rs", "region": "lagos"})
    away = ("shop-rs0", {"sku": "dfly-mem-16g", "region": "johannesburg"})
    assert planned(away, before=[shop]).claims
    wider = ("shop", {**shop[1], "replication": {"regions": list(REGIONS)}})
    error = refused(wider, before=[shop, away])
    assert (error.path, error.given) == ("metadata.name", "shop")
    # what stands and stays where it is is left alone
    larger = ("shop", {**shop[1], "resources": {"mongod": {"cpu": "8"}}})
    assert planned(larger, before=[shop, away]).operations[0].action == "update"


def test_only_what_could_meet_is_read() -> None:
    given_ = [Document("", shipped.document(shipped.SMALL, "shop-a"))]
    there = [paths.service(tenant, pop, name) for tenant in ("123", "124") for pop in REGIONS for name in (
        "shop", "shop-b", "shop-a", "shop-a-1", "sho", "shop-a1")]  # fmt: skip
    found = plans.neighbour_paths(given_, there)
    assert sorted(paths.service_of(path) or () for path in found) == [
        ("123", pop, name) for pop in sorted(REGIONS) for name in ("shop", "shop-a", "shop-a-1")
    ]


def test_who_was_spoiled_or_is_of_no_known_engine_holds_up_nobody() -> None:
    shop = ("shop", PLAIN["mongodb"])
    files = {path: content for path, content in planned(shop).files.items() if content}
    given_ = [Document("", shipped.document(PLAIN["dragonfly"], "shop-rs0"))]
    for old, new in ((b"engine: mongodb", b"engine: other"), (b"  replication:", b"  replicatio:")):
        plan = plans.plan_claims(
            given_,
            {path: content.replace(old, new) for path, content in files.items()},
            catalog=shipped.catalog(),
            platform=shipped.platform(),
            tenants=None,
            request=REQUEST,
            yaml=shipped.YAML,
        )
        assert [operation.action for operation in plan.operations] == ["create"]


def test_a_share_of_what_others_run_has_but_secrets() -> None:
    spec = {**shipped.admitted(PLAIN["mongodb"]).spec, "plan": "shared"}
    found = names.endings("ring", spec, shipped.catalog().regions)
    assert found.keys() == {"Secret"}


# --- what is told of names is what there is --------------------------------------------------------------------------


#: kinds that services of more than one engine have
SEVERAL = ("Service", "StatefulSet", "Pod", "Deployment", "ConfigMap", "Secret", "PodDisruptionBudget")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec['sku']}-{spec['plan']}")
def test_engines_tell_every_name_that_others_could_have(spec: Json) -> None:
    claim = shipped.admitted(spec, "shop")
    told = names.endings("shop", claim.spec, shipped.catalog().regions)
    for made in everything(claim).values():
        for kind, name in made:
            if name.startswith("shop") and kind in SEVERAL:
                shown = names.shared("shop", {kind: told.get(kind, ())}, name, {kind: ("",)})
                assert name == "shop" or shown == f"{kind} {name}", (kind, name)


def test_a_chart_tells_what_it_makes_beside() -> None:
    told = CHARTS["yugabyte"].names(shipped.admitted(PLAIN["yugabyte"]).spec, shipped.catalog().regions)
    in_a = {kind: {each for each in endings if each.startswith("-a-")} for kind, endings in told.items()}
    sets = {"-a-yb-master", "-a-yb-tserver"}
    certificates = {f"{each}-tls-cert" for each in sets}
    assert in_a == {
        "Service": {f"{each}s" for each in sets},
        "StatefulSet": sets,
        "Pod": {f"{each}-#" for each in sets},
        "PodDisruptionBudget": {f"{each}-pdb" for each in sets},
        "Certificate": certificates | {"-a-client-tls"},
        "Secret": certificates | {"-a-client-tls", "-a-root-ca", "-a-master-gflags", "-a-tserver-gflags"},
    }


def test_what_the_catalog_knows_no_more_has_no_names() -> None:
    spec = shipped.admitted(PLAIN["scylla"]).spec
    assert names.endings("ring", {**spec, "engine": "other"}, shipped.catalog().regions) == {}
    found = names.endings("ring", spec, {})
    assert (found["Service"], found["StatefulSet"]) == (("-client",), ())
    assert names.shared("ring", found, "ring-two", found) == ""


# --- how long they may be -------------------------------------------------------------------------------------------

#: characters: a DNS label, a label's value; the label that tells a StatefulSet's revision has eleven more than its name
LIMITS = {"Service": 63, "StatefulSet": 52, "Job": 63}


@settings(shipped.CALM, max_examples=80)
@given(NAMES, st.sampled_from(SPECS))
def test_no_name_is_longer_than_those_bear_who_read_it(name: str, spec: Json) -> None:
    # as long as the schema has it
    longest = f"{name}{'x' * schema.NAME_LENGTH}"[: schema.NAME_LENGTH]
    claim, errors = shipped.admit(shipped.document({"serviceId": shipped.ID, **spec}, longest))
    if claim is None:
        (error,) = errors
        assert error.path == "metadata.name"
        assert isinstance(error.nearest, str)
        claim = shipped.admitted(spec, error.nearest)
    for region, made in everything(claim).items():
        for kind, child in made:
            assert len(child) <= LIMITS.get(kind, 253), (kind, child)
        for members in range(16):
            # Percona's operator: cluster and replica set; an address in a certificate; a volume's label
            assert len(f"{claim.name}rs{members}") <= 50
            host = f"{claim.name}-rs{members}-8.{claim.name}-rs{members}.{claim.namespace}.svc.{region}.dbaas.internal"
            assert len(host) <= 253
            assert all(len(part) <= 63 for part in host.split("."))

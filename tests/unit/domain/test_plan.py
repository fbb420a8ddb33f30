from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import blob_id
from ansible_collections.dbaas.platform.plugins.module_utils.domain import plan as plans
from ansible_collections.dbaas.platform.plugins.module_utils.domain import tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    ClaimsPlan,
    Document,
    Request,
    TenantsPlan,
    claims_message,
    plan_claims,
    plan_tenants,
    tenant_paths,
    tenants_message,
    wanted_paths,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain import shipped
from tests.unit.domain.shipped import ID, OPERATION, SMALL, TENANTS, WIDE

Json = dict[str, Any]
Files = dict[str, bytes]

CLAIM = "tenants/123/claims/ring.yaml"
LAGOS = "tenants/123/lagos/services/ring.yaml"
JOHANNESBURG = "tenants/123/johannesburg/services/ring.yaml"


def request(parent: str = "c0ffee", requester: str = "ada") -> Request:
    return Request(parent, requester, "30m", "1.0.0")


def planned(files: Files, *items: Any, asked: Request | None = None, offered: Any = None) -> ClaimsPlan:
    given_ = [Document(f"file {number}", item) for number, item in enumerate(items, start=1)]
    seen = {path: files[path] for path in wanted_paths(given_, shipped.platform()) if path in files}
    return plan_claims(
        given_,
        seen,
        catalog=offered or shipped.catalog(),
        platform=shipped.platform(),
        tenants=TENANTS,
        request=asked or request(),
        yaml=shipped.YAML,
    )


def applied(files: Files, plan: ClaimsPlan | TenantsPlan) -> Files:
    assert None not in plan.files.values()
    return {**files, **{path: content for path, content in plan.files.items() if content is not None}}


def actions(plan: ClaimsPlan | TenantsPlan) -> list[str]:
    return [operation.action for operation in plan.operations]


def spec_of(files: Files, path: str) -> Json:
    (document, *_rest) = documents.load_all(files[path])
    assert isinstance(document["spec"], dict)
    return document["spec"]


def problems(files: Files, *items: Any) -> list[str]:
    with pytest.raises(InvalidFields) as caught:
        planned(files, *items)
    assert caught.value.code == "claim-invalid"
    return [f"{error.source}: {error.path}" for error in caught.value.errors]


def test_creating_writes_the_claim_and_its_derived_files() -> None:
    plan = planned({}, shipped.document(WIDE))
    assert list(plan.files) == [CLAIM, LAGOS, JOHANNESBURG]
    assert {region: len(objects) for region, objects in plan.manifests.items()} == {"lagos": 6, "johannesburg": 6}
    (operation,) = plan.operations
    assert (operation.tenant, operation.name, operation.action) == ("123", "ring", "create")
    assert (operation.changed, operation.regions) == ((), ("lagos", "johannesburg"))
    files = applied({}, plan)
    (claim,) = documents.load_all(files[CLAIM])
    assert claim == {**shipped.document(WIDE), "spec": {"serviceId": claim["spec"]["serviceId"], **WIDE}}
    copy, *_objects = documents.load_all(files[LAGOS])
    annotations = copy["metadata"]["annotations"]
    assert annotations["dbaas.example.com/claim-blob"] == blob_id(files[CLAIM])
    assert annotations["dbaas.example.com/operation"] == operation.id
    assert annotations["dbaas.example.com/catalog-revision"] == shipped.catalog().revision
    assert files[LAGOS].startswith(b"# Derived from tenants/123/claims/ring.yaml: edit that file instead.\n---\n")


def test_a_plan_that_is_applied_is_empty() -> None:
    files = applied({}, planned({}, shipped.document(WIDE)))
    again = planned(files, shipped.document(WIDE), asked=request("another", "grace"))
    assert (again.files, again.manifests, actions(again)) == ({}, {}, ["unchanged"])
    assert [claim.name for claim in again.claims] == ["ring"]
    assert again.operations[0].id == ""


def test_check_mode_predicts_the_ids() -> None:
    first, second = planned({}, shipped.document(SMALL)), planned({}, shipped.document(SMALL))
    assert first == second
    other = planned({}, shipped.document(SMALL), asked=request("another"))
    assert first.claims[0].spec["serviceId"] != other.claims[0].spec["serviceId"]
    assert uuid.UUID(first.operations[0].id).version == 5
    namesake = planned({}, shipped.document(SMALL, "rung")).claims[0]
    assert namesake.spec["serviceId"] != first.claims[0].spec["serviceId"]


def test_updating_changes_the_claim_and_what_is_derived_from_it() -> None:
    files = applied({}, planned({}, shipped.document(WIDE), shipped.document(SMALL, "other")))
    wanted = {**WIDE, "networking": {"allowedCIDRs": ["10.0.0.0/8"]}}
    plan = planned(files, shipped.document(wanted), shipped.document(SMALL, "other"), asked=request("next"))
    assert set(plan.files) == {CLAIM, LAGOS, JOHANNESBURG}
    assert actions(plan) == ["update", "unchanged"]
    assert plan.operations[0].changed == ("spec.networking.allowedCIDRs",)
    after = applied(files, plan)
    assert spec_of(after, CLAIM)["serviceId"] == spec_of(files, CLAIM)["serviceId"]
    assert b"action: update" in after[LAGOS]
    assert actions(planned(after, shipped.document(wanted))) == ["unchanged"]


def test_a_new_region_gets_its_file_and_the_others_a_new_operation() -> None:
    files = applied({}, planned({}, shipped.document(SMALL)))
    plan = planned(files, shipped.document(WIDE))
    assert set(plan.files) == {CLAIM, LAGOS, JOHANNESBURG}
    assert plan.operations[0].changed == ("spec.replication.regions",)


HAND = """\
# by hand
kind: ServiceClaim
apiVersion: dbaas.example.com/v1alpha1
metadata: {namespace: tenant-123, name: ring}
spec:
    region: lagos   # home
    sku: scy-ring-3
"""


def test_a_claim_pushed_by_hand_is_rendered_and_gets_its_id() -> None:
    files = {CLAIM: HAND.encode()}
    (item,) = documents.load_all(HAND)
    plan = planned(files, item)
    assert (actions(plan), set(plan.files)) == (["create"], {CLAIM, LAGOS})
    assert actions(planned(applied(files, plan), item)) == ["unchanged"]


def test_a_file_that_says_the_same_is_left_byte_for_byte() -> None:
    text = HAND + f"    serviceId: {ID}\n"
    files = {CLAIM: text.encode()}
    plan = planned(files, shipped.document(SMALL))
    assert plan.files[CLAIM] == text.encode()
    after = applied(files, plan)
    assert blob_id(text.encode()).encode() in after[LAGOS]
    assert actions(planned(after, shipped.document(SMALL))) == ["unchanged"]
    assert spec_of(after, LAGOS)["serviceId"] == ID


def test_a_claim_edited_by_hand_is_rendered_again() -> None:
    files = applied({}, planned({}, shipped.document(SMALL)))
    edited = files[CLAIM].replace(b"region: lagos", b"region: lagos\n  backup: {enabled: false}")
    (item,) = documents.load_all(edited)
    plan = planned({**files, CLAIM: edited}, item)
    assert plan.files[CLAIM] == edited
    assert (actions(plan), plan.operations[0].changed) == (["update"], ("spec.backup.enabled",))


def test_a_lost_derived_file_comes_back() -> None:
    files = applied({}, planned({}, shipped.document(WIDE)))
    kept = {path: content for path, content in files.items() if path != JOHANNESBURG}
    plan = planned(kept, shipped.document(WIDE))
    assert (actions(plan), JOHANNESBURG in plan.files) == (["update"], True)


def test_a_newer_catalog_leaves_alone_what_nobody_asked_to_change() -> None:
    files = applied({}, planned({}, shipped.document(SMALL)))
    offered = shipped.changed_catalog(
        {"skus/scy-ring-3/resources/node/cpu/default": "8", "skus/scy-ring-3/price/dedicated": 950}
    )
    assert actions(planned(files, shipped.document(SMALL), offered=offered)) == ["unchanged"]


# --- the id of a service ---------------------------------------------------------------------------------------------


def with_id(service_id: Any, spec: Json = SMALL) -> Json:
    return shipped.document({"serviceId": service_id, **spec})


def test_an_id_that_is_given_is_kept() -> None:
    files = applied({}, planned({}, with_id(ID)))
    assert spec_of(files, CLAIM)["serviceId"] == spec_of(files, LAGOS)["serviceId"] == ID
    assert actions(planned(files, shipped.document(SMALL))) == ["unchanged"]
    assert actions(planned(files, with_id(ID))) == ["unchanged"]


def test_another_id_is_refused_with_all_else_that_is_wrong() -> None:
    files = applied({}, planned({}, with_id(ID)))
    assert problems(files, with_id(OPERATION)) == ["file 1 123/ring: spec.serviceId"]
    assert problems({CLAIM: files[CLAIM]}, with_id(OPERATION)) == ["file 1 123/ring: spec.serviceId"]
    wrong = with_id(OPERATION, {**SMALL, "storage": {"class": "tape"}})
    assert set(problems({CLAIM: files[CLAIM]}, wrong)) == {
        "file 1 123/ring: spec.serviceId",
        "file 1 123/ring: spec.storage.class",
    }
    assert problems(files, with_id("nonsense")) == ["file 1 123/ring: spec.serviceId"]
    assert problems(files, with_id(None)) == ["file 1 123/ring: spec.serviceId"]


def test_the_id_outlives_a_lost_or_emptied_file() -> None:
    files = applied({}, planned({}, with_id(ID)))
    for emptied in (b"", b"# nothing\n", b"[]\n", b"spec: []\n"):
        plan = planned({**files, CLAIM: emptied}, shipped.document(SMALL))
        assert spec_of(applied(files, plan), CLAIM)["serviceId"] == ID
    del files[CLAIM]
    assert planned(files, shipped.document(SMALL)).claims[0].spec["serviceId"] == ID


def test_a_derived_file_that_someone_broke_is_named() -> None:
    files = applied({}, planned({}, with_id(ID)))
    for broken in (b"", b"[]\n", b"kind: ConfigMap\n"):
        with pytest.raises(DbaasError, match=re.escape(LAGOS)) as caught:
            planned({**files, LAGOS: broken}, shipped.document(SMALL))
        assert caught.value.code == "document-invalid"


# --- refusals ------------------------------------------------------------------------------------------------------


def test_each_service_once() -> None:
    with pytest.raises(InvalidFields) as caught:
        planned({}, shipped.document(SMALL), shipped.document(SMALL, "other"), shipped.document(WIDE))
    (error,) = caught.value.errors
    assert (error.path, error.source) == ("metadata.name", "file 3 123/ring")
    assert error.allowed == "each service once; file 1 names it too"


def test_one_error_names_every_wrong_field_of_all_documents() -> None:
    bad = [shipped.document({"sku": "scy-ring-3", "region": f"nowhere-{number}"}, f"s{number}") for number in range(10)]
    found = problems({}, *bad, {}, "text", shipped.document(SMALL))
    assert found[:10] == [f"file {number + 1} 123/s{number}: spec.region" for number in range(10)]
    assert {text for text in found[10:] if text.startswith("file 11")} == {
        "file 11: apiVersion",
        "file 11: kind",
        "file 11: metadata",
        "file 11: spec",
    }
    assert found[-1] == "file 12: (document)"
    assert problems({}, {**shipped.document(SMALL), "spec": []}) == ["file 1 123/ring: spec"]


def test_a_running_service_does_not_shrink_or_move() -> None:
    files = applied({}, planned({}, shipped.document(WIDE)))
    changed = {
        **WIDE,
        "region": "johannesburg",
        "storage": {"size": "200Gi"},
        "replication": {"regions": ["johannesburg"]},
    }
    assert set(problems(files, shipped.document(changed))) == {
        "file 1 123/ring: spec.region",
        "file 1 123/ring: spec.storage.size",
        "file 1 123/ring: spec.replication.regions",
    }


# --- paths, messages ------------------------------------------------------------------------------------------------


def test_wanted_paths_are_all_that_a_plan_looks_at() -> None:
    found = wanted_paths([Document("", shipped.document(SMALL)), Document("", None)], shipped.platform())  # type: ignore[arg-type]
    assert set(found) == {
        "tenants/123/tenant.yaml",
        CLAIM,
        "tenants/123/retained/ring.yaml",
        *(f"tenants/123/{pop}/services/ring.yaml" for pop in shipped.platform().pops),
    }


def test_the_message_has_a_trailer_for_each_claim() -> None:
    plan = planned({}, shipped.document(SMALL))
    (operation,) = plan.operations
    assert claims_message(plan.operations, request()).splitlines() == [
        "Create service 123/ring",
        "",
        f"Dbaas-Operation: {operation.id} create 123/ring requester=ada deadline=30m",
    ]
    files = applied({}, plan)
    plan = planned(files, shipped.document(WIDE), shipped.document(SMALL, "b"), shipped.document(SMALL, "c"))
    lines = claims_message(plan.operations, request()).splitlines()
    assert lines[0] == "Change 3 services: 1 update, 2 create"
    assert [line.split()[2:4] for line in lines[2:]] == [
        ["update", "123/ring"],
        ["create", "123/b"],
        ["create", "123/c"],
    ]
    plan = planned(applied(files, plan), shipped.document(WIDE), shipped.document(SMALL, "d"))
    assert claims_message(plan.operations, request()).count("Dbaas-Operation: ") == 1


# --- properties ------------------------------------------------------------------------------------------------------

SPECS = st.fixed_dictionaries(
    {
        "sku": st.sampled_from(["scy-ring-3", "scy-ring-5", "scy-ring-9"]),
        "region": st.sampled_from(["lagos", "johannesburg"]),
    },
    optional={
        "replication": st.just({"regions": ["lagos", "johannesburg"]}),
        "version": st.sampled_from(["2026.1.0", "2025.1.2"]),
        "backup": st.fixed_dictionaries({}, optional={"enabled": st.booleans(), "retention": st.just("7d")}),
        "networking": st.just({"allowedCIDRs": ["10.0.0.0/8"]}),
    },
)
SETS = st.dictionaries(st.sampled_from(["a", "b", "c-d"]), SPECS, min_size=1, max_size=3)


def given_documents(specs: dict[str, Json]) -> Sequence[Json]:
    return [shipped.document(spec, name) for name, spec in specs.items()]


@settings(max_examples=40, deadline=None)
@given(SETS, st.sampled_from(["", "c0ffee"]))
def test_any_set_is_unchanged_once_it_is_applied(specs: dict[str, Json], parent: str) -> None:
    first = planned({}, *given_documents(specs), asked=request(parent))
    files = applied({}, first)
    assert set(actions(first)) == {"create"}
    again = planned(files, *given_documents(specs), asked=request("later"))
    assert (again.files, set(actions(again))) == ({}, {"unchanged"})
    # what was written is what a plan of the written claims asks for
    written = [documents.load_all(content)[0] for path, content in files.items() if "/claims/" in path]
    assert planned(files, *written).files == {}


@settings(max_examples=25, deadline=None)
@given(SETS, st.data())
def test_only_what_is_asked_for_changes(specs: dict[str, Json], data: st.DataObject) -> None:
    files = applied({}, planned({}, *given_documents(specs)))
    chosen = data.draw(st.sampled_from(sorted(specs)))
    changed = {**specs, chosen: {**specs[chosen], "observability": {"logs": {"retention": "7d"}}}}
    plan = planned(files, *given_documents(changed))
    assert all(f"/{chosen}.yaml" in path for path in plan.files)
    assert dict(zip(changed, actions(plan), strict=True)) == {
        name: "update" if name == chosen else "unchanged" for name in changed
    }


def test_two_hundred_claims_are_one_plan() -> None:
    items = [shipped.document(SMALL, f"s{number}") for number in range(200)]
    plan = planned({}, *items)
    assert len(plan.files) == 400
    assert actions(planned(applied({}, plan), *items)) == ["unchanged"] * 200


# --- tenants ---------------------------------------------------------------------------------------------------------


def tenants_planned(files: Files, *items: Any) -> TenantsPlan:
    seen = {path: files[path] for path in tenant_paths(items, shipped.platform(), files) if path in files}
    return plan_tenants(items, seen, platform=shipped.platform(), renderer="0.1.0", yaml=shipped.YAML)


def acme(*regions: str, **more: Any) -> Json:
    return tenant.document("acme", {"regions": list(regions), **more})


def test_onboarding_writes_a_foundation_for_each_region() -> None:
    plan = tenants_planned({}, acme("lagos", "frankfurt"))
    assert set(plan.files) == {
        "tenants/acme/tenant.yaml",
        *(
            f"tenants/acme/{region}/{name}"
            for region in ("lagos", "frankfurt")
            for name in ("application.yaml", "values.yaml", "services/.keep")
        ),
    }
    files = applied({}, plan)
    assert files["tenants/acme/lagos/services/.keep"] == b""
    assert actions(plan) == ["create"]
    again = tenants_planned(files, acme("lagos", "frankfurt"))
    assert (again.files, actions(again)) == ({}, ["unchanged"])
    assert tenants_message(plan.operations, request()).splitlines() == [
        "Create tenant acme",
        "",
        "Dbaas-Tenant: create acme requester=ada",
    ]


def test_a_tenant_gets_one_region_more() -> None:
    files = applied({}, tenants_planned({}, acme("lagos")))
    plan = tenants_planned(files, acme("lagos", "ashburn", owners=["sre"]))
    assert actions(plan) == ["update"]
    assert plan.operations[0].changed == ("spec.regions", "spec.owners")
    assert "tenants/acme/tenant.yaml" in plan.files
    assert "tenants/acme/ashburn/services/.keep" in plan.files
    assert "tenants/acme/lagos/services/.keep" not in plan.files
    # owners stand in the values of every region
    assert "tenants/acme/lagos/values.yaml" in plan.files
    assert "tenants/acme/lagos/application.yaml" not in plan.files


def test_a_tenant_does_not_leave_a_region_yet() -> None:
    files = applied({}, tenants_planned({}, acme("lagos", "ashburn")))
    with pytest.raises(InvalidFields, match="leaving a region is not built yet") as caught:
        tenants_planned(files, acme("lagos"))
    assert caught.value.code == "tenant-invalid"


def test_wrong_tenants_write_nothing() -> None:
    with pytest.raises(InvalidFields) as caught:
        tenants_planned({}, acme("lagos"), acme("mars"))
    assert [error.path for error in caught.value.errors] == ["metadata.name", "spec.regions[0]"]


def test_several_tenants_are_one_message() -> None:
    plan = tenants_planned({}, acme("lagos"), tenant.document("b", {"regions": ["lagos"]}))
    assert tenants_message(plan.operations, request()).splitlines()[0] == "Change 2 tenants: 2 create"


def test_a_tenant_file_that_someone_emptied_is_written_anew() -> None:
    files = applied({}, tenants_planned({}, acme("lagos")))
    plan = tenants_planned({**files, "tenants/acme/tenant.yaml": b"# nothing\n"}, acme("lagos"))
    assert list(plan.files) == ["tenants/acme/tenant.yaml"]
    assert plans.Operation("", "acme", "acme", "update", ("spec",), ("lagos",)) == plan.operations[0]


# --- windows of maintenance -------------------------------------------------------------------------------------------

#: a Thursday, and the Saturday night after it
THURSDAY, SATURDAY = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 3, 23, tzinfo=UTC)
NIGHTS: Json = {"maintenance": {"windows": [{"days": ["sat"], "start": "22:30", "duration": "4h"}]}}
STRONGER: Json = {**SMALL, **NIGHTS, "resources": {"node": {"cpu": "8"}}}


def at(moment: datetime | None, parent: str = "beef", origin: str = "git") -> Request:
    return replace(request(parent), now=moment, origin=origin)


def running() -> Files:
    return applied({}, planned({}, shipped.document({**SMALL, **NIGHTS}), asked=at(THURSDAY)))


def test_what_restarts_nodes_waits_for_its_window() -> None:
    files = running()
    plan = planned(files, shipped.document(STRONGER), asked=at(THURSDAY))
    (operation,) = plan.operations
    assert (operation.action, operation.waits) == ("hold", "2026-01-03T22:30:00Z")
    assert (operation.effects.restart, operation.changed) == ("rolling", ("spec.resources.node.cpu",))
    # the declaration alone: what runs stays as it is
    assert list(plan.files) == [CLAIM]
    assert plan.manifests == {}
    message = claims_message(plan.operations, at(THURSDAY))
    assert message.startswith("Hold a change of service 123/ring\n")
    assert f"Dbaas-Operation: {operation.id} hold 123/ring requester=ada" in message
    files = applied(files, plan)
    # again: nothing more to be done, and it waits
    (again,) = planned(files, shipped.document(STRONGER), asked=at(THURSDAY, "f00d")).operations
    assert (again.action, again.id, again.waits) == ("unchanged", "", "2026-01-03T22:30:00Z")
    # the window opens
    opened = planned(files, shipped.document(STRONGER), asked=at(SATURDAY, "f00d"))
    assert [(item.action, item.waits, item.changed) for item in opened.operations] == [
        ("update", "", ("spec.resources.node.cpu",))
    ]
    files = applied(files, opened)
    assert spec_of(files, LAGOS)["resources"]["node"]["cpu"] == "8"
    assert actions(planned(files, shipped.document(STRONGER), asked=at(THURSDAY, "dead"))) == ["unchanged"]


@pytest.mark.parametrize(
    ("change", "moment"),
    [
        # restarts nothing
        ({**SMALL, **NIGHTS, "networking": {"allowedCIDRs": ["10.0.0.0/8"]}}, THURSDAY),
        # whoever asks for now gets it
        (STRONGER, None),
        # without windows nothing waits: those that the claim will have count
        ({**SMALL, "resources": {"node": {"cpu": "8"}}}, THURSDAY),
    ],
)
def test_what_does_not_wait(change: Json, moment: datetime | None) -> None:
    plan = planned(running(), shipped.document(change), asked=at(moment))
    assert [(item.action, item.waits) for item in plan.operations] == [("update", "")]
    assert set(plan.files) == {CLAIM, LAGOS}


def test_what_is_new_or_going_does_not_wait() -> None:
    assert actions(planned({}, shipped.document(STRONGER), asked=at(THURSDAY))) == ["create"]
    files = running()
    files[LAGOS] = files[LAGOS].replace(b"dbaas.example.com/action: create", b"dbaas.example.com/action: delete")
    plan = planned(files, shipped.document(STRONGER), asked=at(THURSDAY))
    assert [(item.action, item.waits) for item in plan.operations] == [("update", "")]


def test_what_waits_is_taken_back_by_declaring_what_runs() -> None:
    files = running()
    before = files[CLAIM]
    held = applied(files, planned(files, shipped.document(STRONGER), asked=at(THURSDAY)))
    back = planned(held, shipped.document({**SMALL, **NIGHTS}), asked=at(THURSDAY, "f00d"))
    assert back.files[CLAIM] == before
    assert [(item.changed, item.waits) for item in back.operations] == [((), "")]


def test_without_git_nothing_keeps_a_change() -> None:
    with pytest.raises(InvalidFields) as caught:
        planned(running(), shipped.document(STRONGER), asked=at(THURSDAY, origin="direct"))
    (error,) = caught.value.errors
    assert (error.path, error.nearest) == ("timing", "now")
    assert "2026-01-03T22:30:00Z" in error.allowed

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leaving regions: what the others become by it, and when they can do without what is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change, Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain import deprovision as domain
from ansible_collections.dbaas.platform.plugins.module_utils.domain.deprovision import Standing
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import (
    LEAVE,
    Document,
    Operation,
    deleting,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Unreachable, combine
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base

Json = dict[str, Any]
Key: TypeAlias = "tuple[str, str]"
#: plans these documents on what there is, as any change of claims does: its result begins with the ClaimsPlan
Plan: TypeAlias = Callable[[Any, Sequence[Document]], Change[Any]]

_HOW = "delete or snapshot: a region that is left keeps nothing that nobody declares"


@dataclass
class Leaving:
    """Which regions services leave, and how that is planned. clusters: of the regions that may stay."""

    regions: tuple[str, ...]
    plan: Plan
    clusters: Mapping[str, Cluster]
    #: what the plan said of each, when the run began
    operations: dict[Key, Operation] = field(default_factory=dict)

    def change(self, tree: Tree, standings: Mapping[Key, Standing], begun: Collection[tuple[Key, str]]) -> Change[Any]:
        """What the other regions become, of services that have not left yet; begun: what this run has marked there.

        Raises DbaasError deprovision-blocked, deprovision-cancelled, and what plans of claims raise.
        """
        given: list[Document] = []
        errors: list[FieldError] = []
        for key, item in standings.items():
            try:
                document = self._document(item)
            except InvalidFields as error:
                errors += error.errors
                continue
            if document is None:
                continue
            if taken := [pop for each, pop in begun if each == key]:
                words = f"somebody declared it again in {', '.join(taken)}; it stays as it is"
                raise DbaasError("deprovision-cancelled", f"{item.tenant}/{item.name}: {words}")
            given.append(document)
        if errors:
            raise InvalidFields("claim-invalid", errors)
        if not given:
            return Change({}, "", "", None)
        found = self.plan(tree, given)
        for operation in found.result[0].operations:
            self.operations.setdefault((operation.tenant, operation.name), operation)
        return found

    def _document(self, item: Standing) -> Document | None:
        """The claim without these regions, None where it names none of them. Raises DbaasError deprovision-blocked."""
        label = f"{item.tenant}/{item.name}"
        stays = domain.staying(item, self.regions, base.YAML)
        running = domain.spec(replace(item, derived=stays), base.YAML).get("replication", {}).get("regions", [])
        if item.claim is None:
            if item.exists:
                words = "nobody declares it, so it can only go as a whole; to take it up again declare it"
                raise DbaasError("deprovision-blocked", f"{label}: {words}")
            return None
        found: Any = next(iter(documents.load_all(item.claim, item.path)), None)
        spec: Any = found.get("spec") if isinstance(found, dict) else None
        if not isinstance(spec, dict):
            raise DbaasError("document-invalid", f"{item.path}: is not a ServiceClaim")
        replication = spec.get("replication")
        replication = replication if isinstance(replication, dict) else {}
        named = replication.get("regions") or [spec.get("region")]
        leaves = [pop for pop in self.regions if pop in named or pop in running]
        if not leaves:
            return None
        if going := [pop for pop, text in stays.items() if deleting(text)]:
            words = f"it is being deleted in {', '.join(going)}: let that go on, or declare it again to take it back"
            raise DbaasError("deprovision-blocked", f"{label}: {words}")
        if spec.get("region") in leaves:
            words = (
                f"regions other than {spec['region']}, its home, which stays for its life; state: absent without"
                " regions lets the whole service go"
            )
            raise InvalidFields("claim-invalid", [FieldError("regions", spec["region"], words, source=label)])
        if lost := [pop for pop in leaves if pop in running and pop not in item.derived]:
            path = paths.service(item.tenant, lost[0], item.name)
            words = f"{path}, by which alone its share there can go, is lost: restore it from history"
            raise DbaasError("deprovision-blocked", f"{label}: {words}")
        if home := born.born_in(found):
            return Document(item.path, self._applied(item, home, leaves), action=LEAVE, born_in=home, leaves=(*leaves,))
        rest = [region for region in named if region not in leaves]
        data = {**found, "spec": {**spec, "replication": {**replication, "regions": rest}}}
        return Document(item.path, data, action=LEAVE, leaves=(*leaves,))

    def _applied(self, item: Standing, home: str, leaves: Sequence[str]) -> Json:
        """What a tenant's own object declares, which must name these regions no more: nobody else changes it."""
        label = f"{item.tenant}/{item.name}"
        live = self.clusters[home].get(CLAIM, paths.namespace(item.tenant), item.name)
        if live is None or not born.by_tenant(live):
            words = f"its owner's object in {home}, which declares it, is gone: apply it again, or let all of it go"
            raise DbaasError("deprovision-blocked", f"{label}: {words}")
        named = live["spec"].get("replication", {}).get("regions", [])
        if still := [region for region in leaves if region in named]:
            words = f"not {', '.join(still)}: its owner takes that out of the object in {home} first, by kubectl"
            raise InvalidFields("claim-invalid", [FieldError("spec.replication.regions", named, words, source=label)])
        return born.file_of(live, home)

    def unsettled(self, standings: Mapping[Key, Standing]) -> dict[Key, str]:
        """Services -> why what they leave must stay as yet: another region is not Active without it."""
        asked = [
            (key, item, pop) for key, item in standings.items() for pop in domain.staying(item, self.regions, base.YAML)
        ]
        # one question for all services of a tenant in a PoP
        places = list(dict.fromkeys((pop, item.tenant) for _key, item, pop in asked))
        with ThreadPoolExecutor(max_workers=max(1, len(self.clusters))) as pool:
            copies = dict(zip(places, pool.map(lambda place: self._copies(*place), places), strict=True))
        found = [self._behind(item, pop, copies[pop, item.tenant]) for _key, item, pop in asked]
        # what nobody can ask after is not known to do without it
        lost = "none of its derived files elsewhere is there; restore them from history, or let all of it go"
        words = {key: lost for key, item in standings.items() if not domain.staying(item, self.regions, base.YAML)}
        for (key, _item, pop), why in zip(asked, found, strict=True):
            if why and key not in words:
                words[key] = f"{pop} has to do without it first: {why}"
        return words

    def _copies(self, pop: str, tenant: str) -> Mapping[str, Json] | Unreachable:
        """The claims of a tenant that a PoP has, by name."""
        try:
            found, _version = self.clusters[pop].list(CLAIM, paths.namespace(tenant))
        except KubeError as error:
            if error.code != "kube-unreachable":
                raise
            return Unreachable(error.message)
        return {item["metadata"]["name"]: item for item in found}

    def _behind(self, item: Standing, pop: str, copies: Mapping[str, Json] | Unreachable) -> str:
        answer = copies if isinstance(copies, Unreachable) else copies.get(item.name)
        if isinstance(answer, dict) and born.by_tenant(answer):
            named = answer["spec"].get("replication", {}).get("regions", [])
            if again := [region for region in self.regions if region in named]:
                # Git does not know of it yet; by the time it does nothing may be left there
                return f"its owner's object there names {', '.join(again)} again"
        state = combine(pop, {pop: answer}, base.operation_in(item.derived[pop]))["regions"][pop]
        return "" if state["phase"] == "Active" else f"{state['phase']}, {state['message']}"


def made(change: Change[Any]) -> dict[Key, str]:
    """The operation by which each service is declared without what it leaves, out of what Leaving.change gave."""
    operations = change.result[0].operations if change.result else []
    return {(item.tenant, item.name): item.id for item in operations if item.action != "unchanged"}


def refuse(regions: Sequence[str], policy: str, platform: Platform) -> None:
    """Raises InvalidFields option-invalid for options that no service can leave regions by."""
    errors = [] if regions else [FieldError("regions", [], "one region at least; without this option all of it goes")]
    errors += [
        FieldError("regions", name, "one of " + ", ".join(platform.pops), nearest(name, platform.pops))
        for name in regions
        if name not in platform.pops
    ]
    if policy == "retain":
        errors.append(FieldError("deletion_policy", policy, _HOW))
    if errors:
        raise InvalidFields("option-invalid", errors)

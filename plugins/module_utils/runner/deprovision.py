# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""`state: absent` and `purge`: any number of services go, kept, backed up or deleted; no PoP waits for another."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeAlias

from ansible_collections.dbaas.platform.plugins.module_utils import crash, documents, engines
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Change, Delivered, Target, Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import (
    born,
    consequences,
    paths,
    placement,
    quantity,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain import deprovision as domain
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.consequences import Effects
from ansible_collections.dbaas.platform.plugins.module_utils.domain.deprovision import Live, Standing, Step
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import LEAVE, Operation, Request, deleting
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import CHART_DATA, DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.proposal import of_services
from ansible_collections.dbaas.platform.plugins.module_utils.domain.status import Unreachable
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, DRIVER, STATEFUL_SET, Kind
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base, direct, leaving, review
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from ansible_collections.dbaas.platform.plugins.module_utils.runner.leaving import Leaving

Json = dict[str, Any]
#: (tenant, name)
Key: TypeAlias = "tuple[str, str]"
#: PoP -> tenant -> the objects there that hold data
Look: TypeAlias = "dict[str, dict[str, Live | Unreachable]]"

_PAUSE = 0.5
#: seconds after which an object that a synced PoP does not have is not waited for any more
_ABSENT = 10.0
#: seconds for which PoPs that are quicker wait for the others, so that two commits do
_TOGETHER = 30.0
#: what deleting takes in the plan: two commits, each carried over by Argo CD
_SECONDS = 120
_WORDS = {
    "marked": "marked for deletion",
    "waiting": "waiting for Argo CD to carry the mark over",
    "held": "it stays until the other regions can do without it",
    "emptied": "what its chart made goes, but for the volumes",
    "removed": "its files are removed",
    "going": "Argo CD removes it",
    "gone": "gone",
}


def run_keys(run: Run, keys: Sequence[Key], plan: Callable[[Target[Any]], leaving.Plan] | None = None) -> Json:
    """Lets these services go by the option deletion_policy; those that are gone already are unchanged.

    With option regions they go from these alone, and plan gives how the others are planned then.

    Errors: claim-invalid (deletion protection), deprovision-incomplete when a PoP does not answer or the time is over
    (what was done stays done, and the next run goes on), deprovision-cancelled, deprovision-blocked, snapshot-failed,
    snapshot-unconfirmed, kube-*, git-*.
    """
    with direct.target(run, keys, whole=True) as target:
        snapshot = target.fetch()
        catalog, platform = base.kept(snapshot)
        policy = run.text("deletion_policy") or "retain"
        regions = tuple(dict.fromkeys(run.options.get("regions") or []))
        leaves: Leaving | None = None
        # a list that came out empty is not the same as none
        if run.options.get("regions") is not None and plan:
            leaving.refuse(regions, policy, platform)
            clusters = base.clusters(run, platform)
            stay = {pop: cluster for pop, cluster in clusters.items() if pop not in regions}
            clusters = {pop: clusters[pop] for pop in regions}
            leaves = Leaving(regions, plan(target), stay)
        else:
            clusters = {} if policy == "retain" else base.clusters(run, platform)
        course = _Course(
            run, target, list(dict.fromkeys(keys)), policy, platform, clusters, bool(catalog.charts), leaves
        )
        standings = course.standings(snapshot)
        course.refuse(standings)
        course.warn(snapshot, standings)
        if leaves:
            change = leaves.change(snapshot, standings, ())
            standings = course.parts(course.standings(snapshot, change.files))
        course.effects = {key: course.of(key, _effects(item, policy, catalog)) for key, item in standings.items()}
        plans = {key: _plan(item, policy, course.effects[key]) for key, item in standings.items()}
        try:
            if policy == "retain":
                course.commit("Keep", lambda item, request: domain.retain(item, request, base.YAML))
            elif policy == "snapshot":
                course.back_up()
            if policy != "retain":
                course.predict() if run.check else course.delete()
        except DbaasError as error:
            if course.request is None:
                raise
            # what is asked for already is told of all the same
            return {**course.result(plans), **base.failure(error)}
        return course.result(plans)


class _Course:
    """One run: what is to go, what it has committed, and how far each service is in each PoP."""

    def __init__(
        self,
        run: Run,
        target: Target[Any],
        keys: Sequence[Key],
        policy: str,
        platform: Platform,
        clusters: Mapping[str, Cluster],
        by_chart: bool,
        leaves: Leaving | None = None,
    ) -> None:
        self.run = run
        self._by_chart = by_chart
        self.target = target
        self.applied = isinstance(target, direct.Clusters)
        self.keys = keys
        self.policy = policy
        self.platform = platform
        #: of the PoPs where the services go
        self.clusters = clusters
        self.leaves = leaves
        self.warnings: list[str] = []
        self.effects: dict[Key, Effects] = {}
        self.operations: dict[Key, Operation] = {}
        self.states: dict[Key, dict[str, str]] = {key: {} for key in keys}
        self.diffs: list[str] = []
        self.head = ""
        self.changed = False
        #: what results say of the last request to merge, where there is one
        self.request: Json | None = None
        self._hurry()
        self.silent: dict[str, str] = {}
        #: what this run has marked, or seen marked: whoever takes that back wins
        self._begun: set[tuple[Key, str]] = set()
        self._lacking: dict[tuple[Key, str], float] = {}
        #: why what could go is held
        self._held: dict[tuple[Key, str], str] = {}
        self._told: set[str] = set()

    def _hurry(self) -> None:
        """Sets when what begins now has no time left, and until when the quicker PoPs wait for the others."""
        self.end = time.monotonic() + self.run.options.get("wait_timeout", 1800)
        self._together = time.monotonic() + _TOGETHER

    def standings(self, snapshot: Tree, over: Mapping[str, bytes | None] | None = None) -> dict[Key, Standing]:
        """What Git has of each service; `over` are files that a commit to come would change."""
        wanted = {key: domain.wanted_paths(*key, self.platform, snapshot.blobs) for key in self.keys}
        there: dict[str, bytes | None] = {**snapshot.read(path for each in wanted.values() for path in each)}
        now = {path: content for path, content in {**there, **(over or {})}.items() if content is not None}
        return {key: domain.standing(*key, now, self.platform) for key in self.keys}

    def parts(self, standings: Mapping[Key, Standing]) -> dict[Key, Standing]:
        """Of each service what goes."""
        regions = self.leaves.regions if self.leaves else None
        return {
            key: item if regions is None else domain.leaving(item, regions, base.YAML)
            for key, item in standings.items()
        }

    def of(self, key: Key, gone: Effects) -> Effects:
        """The effects of what is gone, and where the service leaves regions of what that does to the others."""
        if self.leaves is None:
            return gone
        found = self.leaves.operations.get(key)
        if found is None:
            # declared by an earlier run: it costs no more what it did before that
            return replace(gone, restart="none", cost_after=gone.cost_before)
        effects = found.effects
        seconds, lost = effects.seconds + gone.seconds, (*effects.irreversible, *gone.irreversible)
        return replace(effects, seconds=seconds, irreversible=lost)

    def refuse(self, standings: Mapping[Key, Standing]) -> None:
        """Raises InvalidFields for all that must not go."""
        errors = []
        for (tenant, name), item in standings.items():
            if self.policy != "retain" and _protected(item):
                words = "false, committed before the service is deleted (deletion_policy: retain keeps its data)"
                errors.append(FieldError("spec.deletionProtection", True, words, False, f"{tenant}/{name}"))
        if errors:
            raise InvalidFields("claim-invalid", errors)

    def warn(self, snapshot: Tree, standings: Mapping[Key, Standing]) -> None:
        """Says of each service that does not exist which one is near."""
        self.warnings += [
            f"{tenant}/{name}: there is no such service; did you mean {near}?"
            for (tenant, name), item in standings.items()
            if not item.exists and (near := nearest(name, base.claims_of(snapshot, tenant)))
        ]
        for (tenant, name), item in standings.items():
            if (
                self.leaves
                and item.exists
                and (others := [pop for pop in self.leaves.regions if pop not in item.derived])
            ):
                self.warnings.append(f"{tenant}/{name}: is not in {', '.join(others)}")

    def commit(
        self, verb: str, step: Callable[[Standing, Request], Step], *, together: bool = False
    ) -> dict[Key, Step]:
        """One commit of the next step of every service, none when there is nothing to commit. What each step found.

        together: nothing is removed before everything can be.
        """

        def plan(snapshot: Tree) -> Change[dict[Key, Step]]:
            request = base.request(self.run, snapshot.commit)
            standings = self.standings(snapshot)
            # on each head: whoever protects a service while it is waited for is heard
            self.refuse(standings)
            over: Mapping[str, bytes | None] = {}
            made: Mapping[Key, str] = {}
            if self.leaves and verb == "Mark":
                found = self.leaves.change(snapshot, standings, self._begun)
                over, made = found.files, leaving.made(found)
                standings = self.standings(snapshot, over)
            steps = {key: step(item, request) for key, item in self.parts(standings).items()}
            if self.leaves:
                steps = self._hold(standings, steps)
            if together and {"marked", "waiting", "held"} & {
                state for each in steps.values() for state in each.states.values()
            }:
                steps = {key: _held_back(found) for key, found in steps.items()}
            changed = self._note(standings, steps, made)
            marks = any("marked" in found.states.values() for found in steps.values())
            what = "Leave" if over else "Remove" if verb == "Mark" and not marks else verb
            text = domain.message(changed, what, request, self.leaves.regions if self.leaves else ()) if changed else ""
            topic = {"Keep": "keep", "Back up": "snapshot"}.get(verb, LEAVE if self.leaves else "delete")
            proposal = of_services(topic, changed, text) if changed else None
            return Change({**over, **_files(steps)}, text, base.author(self.run), steps, proposal)

        done = review.send(self.run, self.target, plan)
        self.changed |= done.changed
        self.head = done.commit or self.head
        self.diffs += [done.diff] if done.diff else []
        if done.proposed:
            self.request = review.told(done)["merge_request"]
            self._merge(done)
        return done.result

    def _hold(self, standings: Mapping[Key, Standing], steps: Mapping[Key, Step]) -> dict[Key, Step]:
        """The steps without the removal of what another region, or the engine, does not let go yet."""
        going = {key for key, found in steps.items() if {"removed", "emptied"} & set(found.states.values())}
        waits = self.leaves.unsettled({key: standings[key] for key in going}) if self.leaves and going else {}
        for key in going:
            self._held |= {(key, pop): waits[key] for pop in steps[key].states if key in waits}
        return {key: _held_back(found, "held") if key in waits else found for key, found in steps.items()}

    def _merge(self, done: Delivered[Any]) -> None:
        """Waits until what was proposed is merged, where this run goes on then. Nothing is undone when it is not."""
        if done.proposed and not self.run.check and (self.policy != "retain" or self.run.options.get("wait")):
            self.request = review.merged(self.run, done.base, done.proposed, self.end)
            self._together = time.monotonic() + _TOGETHER

    def delete(self) -> None:
        """Mark, see the mark, remove, see that it is gone; in each PoP as it answers, until the time is over."""
        self._hurry()
        while True:
            look = self._look()
            steps = self.commit("Mark", self._step(look), together=time.monotonic() < self._together)
            for key, found in steps.items():
                self.states[key] |= found.states
                # what an earlier run has marked as well
                self._begun |= {(key, pop) for pop in found.states}
            states = {state for found in steps.values() for state in found.states.values()}
            if "marked" in states:
                crash.point("marked")
            if "removed" in states:
                crash.point("removed")
            self._see_what_is_gone(look, steps)
            self._tell_states()
            left = {state for found in self.states.values() for state in found.values()}
            if left <= {"gone", "unreachable"} or time.monotonic() >= self.end:
                return
            time.sleep(_PAUSE)

    def predict(self) -> None:
        """Check mode: the commits that would be made, the second on top of the first, as far as the PoPs answer."""
        look = self._look()
        if self.run.text("delivery") == "merge_request":
            # what would be asked for first; its diff is among those of both commits
            self.commit("Mark", self._step(look))
            self.diffs.clear()
        snapshot = self.target.fetch()
        request = base.request(self.run, snapshot.commit)
        over: dict[str, bytes | None] = {}
        below = snapshot
        marked = _carried_over(look)
        for seen in (look, marked, _emptied(marked)):
            standings = self.standings(snapshot, over)
            declared: Mapping[str, bytes | None] = {}
            made: Mapping[Key, str] = {}
            if self.leaves and seen is look:
                change = self.leaves.change(snapshot, standings, ())
                declared, made = change.files, leaving.made(change)
                over |= declared
                standings = self.standings(snapshot, over)
            step = self._step(seen, absent_counts=seen is not look)
            steps = {key: step(item, request) for key, item in self.parts(standings).items()}
            self._note(standings, steps, made)
            for key, found in steps.items():
                self.states[key] |= found.states
            files = {**declared, **_files(steps)}
            if files and self.run.diff:
                commit = self.target.commit(below, files, "", base.author(self.run))
                self.diffs.append(self.target.diff(below, commit))
                below = self.target.snapshot(commit)
            over |= files

    def back_up(self) -> None:
        """A final backup in each PoP, awaited. Raises DbaasError when one fails, or none can tell that it has ended."""
        self._hurry()
        # of regions that are left too, before anything is changed
        self.commit("Back up", lambda item, request: domain.snapshot(item, request, base.YAML))
        if self.run.check:
            return
        crash.point("snapshot")
        while waiting := [
            line for item in self.parts(self.standings(self.target.fetch())).values() for line in self._unfinished(item)
        ]:
            for line in waiting:
                self._tell(line)
            if time.monotonic() >= self.end:
                words = "the final backups are not done, so nothing was deleted: " + "; ".join(waiting)
                raise DbaasError("deprovision-incomplete", words)
            time.sleep(_PAUSE)

    def result(self, plans: Mapping[Key, Json]) -> Json:
        """The task's result; a failed one when something is left in a PoP."""
        result: Json = {
            "changed": bool(self.operations) if self.run.check and self.policy != "retain" else self.changed,
            "claims": [],
            "operations": [
                {
                    "id": found.id if found else None,
                    "tenant": tenant,
                    "name": name,
                    "action": found.action if found else "unchanged",
                    "changed": list(found.changed) if found else [],
                    "regions": list(found.regions) if found else [],
                    "plan": plans[tenant, name],
                }
                for tenant, name in self.keys
                if (found := self.operations.get((tenant, name))) or len(self.keys) == 1
            ],
            "commit": None if self.applied else self.head or None,
            **({"merge_request": self.request} if self.request else {}),
            "wait": [
                {"tenant": tenant, "name": name, "regions": self.states[tenant, name]} for tenant, name in self.keys
            ],
            "warnings": self.warnings,
        }
        if self.run.diff:
            result["diff"] = {"prepared": "".join(self.diffs)}
        left = [
            f"  {tenant}/{name} in {pop}: {self.silent.get(pop) or self._why((tenant, name), pop, state)}"
            for (tenant, name), states in self.states.items()
            for pop, state in states.items()
            if state != "gone"
        ]
        if self.run.check or not left:
            return result
        code = "deprovision-incomplete"
        cls, retry, action = CODES[code]
        error = {"code": code, "class": cls, "retry": retry, "action": action, "runbook": code, "fields": []}
        text = "\n".join(["Not gone yet:", *left, f"{action} [{code}, {cls}]"])
        return {**result, "failed": True, "msg": text, "error": error}

    def _why(self, key: Key, pop: str, state: str) -> str:
        return self._held.get((key, pop), _WORDS[state]) if state == "held" else _WORDS[state]

    def _note(
        self, standings: Mapping[Key, Standing], steps: Mapping[Key, Step], made: Mapping[Key, str]
    ) -> list[Operation]:
        """What changes; made: the operations by which services that leave regions are declared without them."""
        changed = [
            Operation(
                made.get(key, step.operation),
                *key,
                *self._what(key),
                tuple(standings[key].derived),
                self.effects[key],
            )
            for key, step in steps.items()
            if step.files or key in made
        ]
        for item in changed:
            self.operations.setdefault((item.tenant, item.name), item)
        return changed

    def _what(self, key: Key) -> tuple[str, tuple[str, ...]]:
        """The action, and the fields that it changes."""
        if self.leaves is None:
            return self.policy, ()
        found = self.leaves.operations.get(key)
        return LEAVE, found.changed if found else ()

    def _look(self) -> Look:
        """What the PoPs have; all at once, and those that do not answer are noted as silent."""
        tenants = sorted({tenant for tenant, _name in self.keys})
        with ThreadPoolExecutor(max_workers=max(1, len(self.clusters))) as pool:
            found = list(pool.map(lambda cluster: _ask(cluster, tenants, self._by_chart), self.clusters.values()))
        look = dict(zip(self.clusters, found, strict=True))
        self.silent = {
            pop: str(each) for pop, answer in look.items() for each in answer.values() if isinstance(each, Unreachable)
        }
        return look

    def _step(self, look: Look, *, absent_counts: bool = False) -> Callable[[Standing, Request], Step]:
        absent = set(self._given_up(look))

        def step(item: Standing, request: Request) -> Step:
            key = (item.tenant, item.name)
            live = {pop: answer[item.tenant] for pop, answer in look.items()}
            self._held = {where: why for where, why in self._held.items() if where[0] != key}
            for pop, found in live.items():
                if isinstance(found, Unreachable):
                    _none_is_lost(item, pop)
                else:
                    _no_orphans(item, pop, domain.of_service(found, item.name), direct=self.applied)
                    _not_declared(item, pop, found)
                if (key, pop) in self._begun and pop in item.derived and not deleting(item.derived[pop]):
                    words = f"{item.tenant}/{item.name}: somebody took the deletion back in {pop}; it stays as it is"
                    raise DbaasError("deprovision-cancelled", words)
            without = live if absent_counts else {pop for each, pop in absent if each == key}
            made = domain.delete(item, live, without, request, base.YAML)
            return self._parted(item, live, made) if self.leaves and not absent_counts else made

        return step

    def _parted(self, item: Standing, live: Mapping[str, Live | Unreachable], made: Step) -> Step:
        """The step without the removal of what the engine does not let go yet."""
        key = (item.tenant, item.name)
        for pop, state in made.states.items():
            found = live[pop]
            if state not in ("removed", "emptied") or isinstance(found, Unreachable):
                continue
            if why := domain.remains(item, pop, found, base.YAML):
                self._held[key, pop] = why
        return _held_back(made, "held") if any(each == key for each, _pop in self._held) else made

    def _given_up(self, look: Look) -> Iterator[tuple[Key, str]]:
        """(service, PoP) where all is marked for so long that what is not there beside it will not come."""
        for tenant, name in self.keys:
            for pop, answer in look.items():
                found, where = answer[tenant], ((tenant, name), pop)
                mine = [] if isinstance(found, Unreachable) else domain.of_service(found, name).values()
                if not mine or not all(map(domain.is_marked, mine)):
                    self._lacking.pop(where, None)
                elif time.monotonic() - self._lacking.setdefault(where, time.monotonic()) >= _ABSENT:
                    yield where

    def _see_what_is_gone(self, look: Look, steps: Mapping[Key, Step]) -> None:
        for (tenant, name), states in self.states.items():
            for pop, answer in look.items():
                found = answer[tenant]
                if pop in steps[tenant, name].states or isinstance(found, Unreachable):
                    continue
                if domain.of_service(found, name):
                    states[pop] = "going"
                elif pop in states:
                    states[pop] = "gone"

    def _unfinished(self, item: Standing) -> Iterator[str]:
        """What is still to be waited for of a service's final backups."""
        kinds = domain.data_kinds()
        for pop, content in item.derived.items():
            label = f"{item.tenant}/{item.name} {pop}"
            objects = documents.load_all(content, pop)
            engine = engines.ENGINES[domain.spec(item, base.YAML)["engine"]]
            if not engine.snapshot(objects, item.name):
                continue
            wanted = domain.final_backup(item, pop, base.YAML)
            try:
                found = [
                    self.clusters[pop].get(kinds[each["kind"]], paths.namespace(item.tenant), each["metadata"]["name"])
                    for each in wanted
                ]
            except KubeError as error:
                if error.code != "kube-unreachable":
                    raise
                yield f"{label}: {error.message}"
                continue
            present = [each for each in found if each]
            if not wanted or len(present) < len(wanted):
                yield f"{label}: waiting for Argo CD to ask for the final backup"
                continue
            backup = engine.snapshot_state(present)
            if backup.state in ("failed", "unknown"):
                code = "snapshot-failed" if backup.state == "failed" else "snapshot-unconfirmed"
                raise DbaasError(code, f"{label}: {backup.message}; nothing was deleted")
            if backup.state != "done":
                yield f"{label}: {backup.message}"

    def _tell_states(self) -> None:
        for (tenant, name), states in self.states.items():
            for pop, state in states.items():
                silent = f"unreachable: {self.silent.get(pop, '')}"
                words = silent if state == "unreachable" else self._why((tenant, name), pop, state)
                self._tell(f"{tenant}/{name} {pop}: {words}")

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.run.progress(text)


def _protected(item: Standing) -> bool:
    """Whether what declares the service protects it; where no file says so, what was rendered last."""
    said = []
    for content in (item.claim, item.retained):
        found: Any = next(iter(documents.load_all(content, item.path)), None) if content else None
        spec = found.get("spec") if isinstance(found, dict) else None
        said += [bool(spec.get("deletionProtection"))] if isinstance(spec, dict) else []
    return any(said) if said else bool(domain.spec(item, base.YAML).get("deletionProtection"))


def _files(steps: Mapping[Key, Step]) -> dict[str, bytes | None]:
    return {path: content for step in steps.values() for path, content in step.files.items()}


def _held_back(found: Step, state: str = "waiting") -> Step:
    """The step without what takes anything away; the PoPs where it would are in this state instead."""
    going = {pop for pop, was in found.states.items() if was == "emptied"}

    def goes(path: str) -> bool:
        place = paths.place(path)
        return place.kind == "foundation" and place.pop in going

    files: dict[str, bytes | None] = {
        path: text for path, text in found.files.items() if text is not None and not goes(path)
    }
    states = {pop: state if was in ("removed", "emptied") else was for pop, was in found.states.items()}
    return Step(files, states, found.operation)


def _ask(cluster: Cluster, tenants: Collection[str], by_chart: bool) -> dict[str, Live | Unreachable]:
    asked: list[tuple[Kind, str | None]] = [(kind, None) for kind in domain.data_kinds().values()]
    if by_chart:
        # operators have such objects too
        asked += [(kind, f"{DRIVER}={engines.BY_CHART}") for kind in CHART_DATA]
    found: dict[str, Live | Unreachable] = {}
    for tenant in tenants:
        try:
            found[tenant] = {
                (kind.kind, item["metadata"]["name"]): item
                for kind, labels in asked
                for item in base.listed(cluster, kind, paths.namespace(tenant), labels)
            }
        except DbaasError as error:
            if error.code != "kube-unreachable":
                raise
            return dict.fromkeys(tenants, Unreachable(error.message))
    return found


def _no_orphans(item: Standing, pop: str, mine: Live, *, direct: bool) -> None:
    """Raises DbaasError deprovision-blocked for what a PoP has and no file speaks of, or without Git no copy."""
    if pop in item.derived:
        return
    if left := [f"{kind} {name}" for (kind, name), each in mine.items() if not domain.is_marked(each)]:
        file = f"{paths.service(item.tenant, pop, item.name)}, by which they go"
        lost = "the copy of its claim: declare it again, then deprovision it" if direct else file
        words = f"{pop} has {', '.join(left)}, but lacks {lost}"
        raise DbaasError("deprovision-blocked", f"{item.tenant}/{item.name}: {words}")


def _not_declared(item: Standing, pop: str, live: Live) -> None:
    """Raises DbaasError deprovision-blocked while a tenant's own object declares the service: it would come again."""
    own = live.get((CLAIM.kind, item.name))
    if own is not None and born.by_tenant(own) and pop == domain.born_in(item, base.YAML):
        how = f"kubectl --context {pop} --namespace {paths.namespace(item.tenant)} delete serviceclaim {item.name}"
        words = f"its owner's object in {pop} still declares it; that goes first: {how}"
        raise DbaasError("deprovision-blocked", f"{item.tenant}/{item.name}: {words}")


def _none_is_lost(item: Standing, pop: str) -> None:
    """Raises DbaasError deprovision-blocked when nobody can tell what a silent PoP has whose file is lost.

    Once the deletion has begun, a file that is not there is one that went with it.
    """
    regions = domain.spec(item, base.YAML).get("replication", {}).get("regions", [])
    if pop in regions and pop not in item.derived and not any(map(deleting, item.derived.values())):
        path = paths.service(item.tenant, pop, item.name)
        words = f"{pop} does not answer, and {path}, by which alone its share can go, is lost"
        raise DbaasError("deprovision-blocked", f"{item.tenant}/{item.name}: {words}")


def _carried_over(look: Look) -> Look:
    """The same after Argo CD has carried every mark over."""
    return {
        pop: {
            tenant: found if isinstance(found, Unreachable) else {key: _as_marked(item) for key, item in found.items()}
            for tenant, found in answer.items()
        }
        for pop, answer in look.items()
    }


def _emptied(look: Look) -> Look:
    """The same after Argo CD has taken away what charts made, but for its volumes."""
    return {
        pop: {
            tenant: found
            if isinstance(found, Unreachable)
            else {key: item for key, item in found.items() if key[0] != STATEFUL_SET.kind}
            for tenant, found in answer.items()
        }
        for pop, answer in look.items()
    }


def _as_marked(item: Json) -> Json:
    metadata: Json = item["metadata"]
    marks = {**(metadata.get("annotations") or {}), DELETION: metadata["uid"]}
    return {**item, "metadata": {**metadata, "annotations": marks}}


def _effects(item: Standing, policy: str, catalog: Catalog) -> Effects:
    """What letting a service go does, for those who must agree to it."""
    if not item.derived:
        return consequences.NOTHING
    spec = domain.spec(item, base.YAML)
    cost = consequences.price(spec, catalog)
    if policy == "retain":
        return Effects(cost_before=cost, cost_after=cost)
    sizes = engines.ENGINES[spec["engine"]].volumes(spec)
    counted: dict[str, int] = {}
    for role, amounts in spec["resources"].items():
        size = sizes.get(role, spec["storage"]["size"])
        counted[size] = counted.get(size, 0) + amounts["replicas"]
    volumes = " and ".join(f"{nodes} volumes of {size}" for size, nodes in counted.items() if quantity.size(size))
    volumes = volumes or ("the database" if placement.pooled(spec) else "all nodes")
    volumes = f"{volumes} in each of {', '.join(item.derived)}"
    last = "a final backup is taken first" if policy == "snapshot" else "no final backup is taken"
    return Effects(
        restart="outage",
        seconds=_SECONDS,
        cost_before=cost,
        cost_after=0,
        irreversible=(f"{volumes}, with all data; {last}",),
    )


def _plan(item: Standing, policy: str, effects: Effects) -> Json:
    """The same as data, and what will be gone."""
    gone = domain.gone(item, base.YAML) if item.derived and policy != "retain" else {}
    return {**effects.data(), "gone": gone}

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be written to make an AWX as a configuration wants it: every request, in dependency order. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import values
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import (
    CREDENTIAL_TYPES,
    CREDENTIALS,
    EDGES,
    KINDS,
    LABELS,
    NODES,
    NOTIFICATIONS,
    ORGANIZATIONS,
    PROJECTS,
    ROLES,
    SETTINGS,
    TEAMS,
    TEMPLATES,
    USERS,
    Key,
    by_itself,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.operations import (
    Asked,
    Difference,
    Operation,
    Plan,
    Request,
    Role,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.order import order
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.values import Mark, Parse
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.wanted import (
    Configuration,
    Links,
    Wanted,
    secret_names,
    secrets_of,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import (
    HIDDEN,
    Grant,
    Live,
    World,
    approval,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest

Json = dict[str, Any]

#: changes of these make AWX fetch a project anew by itself
_FETCHES = frozenset({"scm_type", "scm_url", "scm_branch", "scm_refspec"})
#: a project's status while it is being fetched
FETCHING = ("new", "pending", "waiting", "running")
_SECRET, _OTHER = "a secret", "another"
#: fields and settings whose values nobody is to see
_SECRETIVE = re.compile(r"(?i)(password|passwd|secret|token|private|_key)s?$")
#: what is deleted without what is in it, or not at all before that
_APART = (ORGANIZATIONS, CREDENTIAL_TYPES)
#: the one Key of what has no name
ALL_SETTINGS = Key(SETTINGS, ("all",))


@dataclass(frozen=True)
class How:
    """How to work: our label ("" for none), and what the options of the same names say."""

    #: purge wants a label
    label: str = ""
    adopt: bool = False
    purge: bool = False
    update_secrets: bool = False


def reads(found: Configuration, world: World, how: How) -> list[tuple[Key, str]]:
    """The sub-lists that AWX gives only for one object, and that must be known to plan: (object, name of the list).

    "roles" of teams and users and "playbooks" of projects are among them.
    """
    wanted: list[tuple[Key, str]] = []
    for key, want in found.objects.items():
        live = world.objects.get(key)
        if live is None or want.state == "absent":
            continue
        wanted += [(key, name) for name in want.links if name not in live.links]
        if want.survey is not None and live.survey is None:
            wanted.append((key, "survey_spec"))
    if how.label:
        for live in world.objects.values():
            if KINDS[live.key.kind].labelled and LABELS not in live.links and (live.key, LABELS) not in wanted:
                wanted.append((live.key, LABELS))
    wanted += [(key, "roles") for key in principals(found, world, how)]
    for key in {project for want in found.objects.values() if (project := _new_playbook(want, world)) is not None}:
        if key in world.objects:
            wanted.append((key, "playbooks"))
    return wanted


def principals(found: Configuration, world: World, how: How) -> list[Key]:
    """Teams and users whose roles must be known."""
    named = {grant.principal for grant in found.grants}
    if how.purge:
        named |= {live.key for live in world.of(TEAMS) if Mark(how.label).of(live.item.get("description")) is not None}
    return sorted((key for key in named if key in world.objects), key=str)


def _new_playbook(want: Wanted, world: World) -> Key | None:
    """The project whose playbooks a template asks for that it does not run yet."""
    project = want.fields.get("project")
    if (
        want.key.kind != TEMPLATES
        or want.state == "absent"
        or not isinstance(project, Key)
        or not want.fields.get("playbook")
    ):
        return None
    live = world.objects.get(want.key)
    if (
        live is not None
        and live.item.get("playbook") == want.fields["playbook"]
        and world.value(live, "project") == project
    ):
        return None
    return project


def plan(
    found: Configuration,
    world: World,
    options: Mapping[str, Json],
    how: How,
    parse: Parse,
    playbooks: Mapping[Key, Collection[str]] | None = None,
) -> Plan:
    """The plan for what `found` wants of the AWX in `world`, of which all that `reads` names is known.

    options: kind -> what OPTIONS say can be set. playbooks: project -> the playbooks that it has.
    """
    planner = _Planner(found, world, options, how, parse, playbooks or {})
    planner.run()
    return planner.plan


class _Planner:
    def __init__(
        self,
        found: Configuration,
        world: World,
        options: Mapping[str, Json],
        how: How,
        parse: Parse,
        playbooks: Mapping[Key, Collection[str]],
    ) -> None:
        self.found = found
        self.world = world
        self.options = options
        self.how = how
        self.parse = parse
        self.playbooks = playbooks
        self.mark = Mark(how.label)
        self.plan = Plan()
        self.created: set[Key] = {
            key for key, want in found.objects.items() if want.state != "absent" and key not in world.objects
        }
        #: labels that something wanted bears
        self.borne = {
            label
            for want in found.objects.values()
            for label in (want.links[LABELS].keys if LABELS in want.links else ())
        }
        #: what is deleted, with or without an operation of its own
        self.going: set[Key] = set()
        #: project -> number of the operation that fetches it
        self.fetched: dict[Key, int] = {}

    def run(self) -> None:
        for key, want in self.found.objects.items():
            live = self.world.objects.get(key)
            if want.state == "absent":
                continue
            if live is None and key.kind == LABELS and key not in self.borne:
                self.plan.notes.append(f"{key} is not made: AWX keeps a label only as long as something bears it.")
            elif live is None:
                self.create(want)
            elif want.state == "present":
                self.change(want, live)
        self.fetch()
        self.delete()
        self.grant()
        self.settings()
        order(self.plan.operations, self.found, self.world, self.fetched)

    def add(self, verb: str, key: Key, *requests: Request, fields: Iterable[str] = (), about: str = "") -> int:
        self.plan.operations.append(Operation(verb, key, list(requests), tuple(fields), about=about))
        return len(self.plan.operations) - 1

    def differs(self, key: Key, what: str, wanted: Any, live: Any) -> None:
        if _SECRETIVE.search(what.partition(".")[0]):
            wanted, live = _SECRET, _OTHER
        self.plan.differences.append(Difference(key, "differs", what, wanted, live))

    # creating

    def create(self, want: Wanted) -> None:
        key, kind = want.key, KINDS[want.key.kind]
        self.plan.differences.append(Difference(key, "missing", wanted=self.visible(want)))
        if by_itself(key):
            fields = {
                name: self.sent(key, name, value) for name, value in want.fields.items() if name not in kind.identity
            }
            self.add("update", key, Request("PATCH", (kind.name, key), fields), fields=sorted(fields))
            return
        body: Json = {}
        later: Json = {}
        for name, value in want.fields.items():
            if name in kind.late and isinstance(value, Key) and value in self.created:
                later[name] = value
            elif value is not None:
                body[name] = self.sent(key, name, value)
        if want.new_name:
            body[kind.identity[0]] = want.new_name
        for name in ("inputs", "notification_configuration", "extra_data"):
            self.unhidden(key, name, body)
        if self.marked(key):
            secrets = {} if want.keep else self.secrets(want)
            digits = values.fingerprint(key, secrets) if secrets else ""
            body["description"] = self.mark.on(body.get("description"), digits)
        requests = [Request("POST", (kind.name,), body)]
        ours = [
            one
            for one in (want.links[LABELS].keys if kind.labelled and LABELS in want.links else ())
            if self.is_ours(one)
        ]
        # at once, so that a run that is killed here leaves nothing that the next one takes for somebody else's
        requests += [Request("POST", (kind.name, key, LABELS), {"id": one}) for one in ours]
        self.add("create", key, *requests, fields=sorted(body))
        if later:
            self.add("update", key, Request("PATCH", (kind.name, key), later), fields=sorted(later))
        for name, links in want.links.items():
            self.link(key, name, [], [one for one in links.keys if one not in ours])
        if want.survey:
            self.survey(key, want.survey)
        if want.approval:
            self.approve(key, want.approval)

    def visible(self, want: Wanted) -> Json:
        """What is set of a new object, for people: without its secrets and what it is known by."""
        secret = secret_names(want, self.found, self.world, self.options)
        found: Json = {}
        for name, value in want.fields.items():
            if value in (None, "", [], {}) or name in KINDS[want.key.kind].identity:
                continue
            if isinstance(value, Mapping) and name in secret:
                value = {one: _SECRET if one in secret[name] else content for one, content in value.items()}
            found[name] = _SECRET if _SECRETIVE.search(name) else value
        for name, links in want.links.items():
            if links.keys:
                found[name] = [one.name for one in links.keys]
        if want.survey:
            found["survey_spec"] = [item.get("variable") for item in want.survey["spec"]]
        if want.approval:
            found["approval_node"] = want.approval
        return found

    def unhidden(self, key: Key, name: str, body: Json) -> None:
        """Takes what an export hides out of a new object: AWX would take it for the secret itself."""
        content = body.get(name)
        if isinstance(content, Mapping) and (hidden := [one for one, value in content.items() if value == HIDDEN]):
            body[name] = {one: value for one, value in content.items() if one not in hidden}
            self.without(key, hidden)

    def without(self, key: Key, hidden: Iterable[str]) -> None:
        self.plan.notes.append(f"{key} is made without {', '.join(hidden)}: the configuration does not hold it.")

    def sent(self, key: Key, name: str, value: Any) -> Any:
        """A value as AWX takes it."""
        if name in KINDS[key.kind].texts and isinstance(value, Mapping):
            return json.dumps(value) if value else ""
        return value

    def secrets(self, want: Wanted) -> Json:
        return secrets_of(want, self.found, self.world, self.options)

    # changing

    def change(self, want: Wanted, live: Live) -> None:
        before = len(self.plan.differences)
        body = self.fields(want, live)
        survey = values.survey_differences(want.survey, live.survey or {}) if want.survey is not None else []
        if live.managed and body:
            del self.plan.differences[before:]
            path = ", ".join(f"{want.where}.{name}" for name in body)
            self.plan.errors.append(FieldError(path, live.key.name, "another name: this one is AWX's own"))
            return
        if not self.ours(live) and not (not body and self.begun(want, live)):
            del self.plan.differences[before:]
            self.plan.foreign.append(want.key)
            return
        if want.new_name:
            first = KINDS[want.key.kind].identity[0]
            body[first] = want.new_name
            self.differs(want.key, first, want.new_name, want.key.name)
        if body:
            request = Request("PATCH", (want.key.kind, want.key), body)
            self.add("update", want.key, request, fields=sorted(body))
        for name, links in want.links.items():
            self.links(want.key, name, links, live.links.get(name, ()))
        for what, wanted, there in survey:
            self.differs(want.key, f"survey_spec.{what}", wanted, there)
        if survey and want.survey is not None:
            self.survey(want.key, want.survey, live.survey)
        if want.approval is not None:
            self.approval(want, live)

    def ours(self, live: Live) -> bool:
        """Whether we may change an object: it bears our label, or its kind bears none."""
        return not self.how.label or self.how.adopt or self.owned(live) is not False

    def begun(self, want: Wanted, live: Live) -> bool:
        """Whether an object without our label is what a killed run of ours left: nothing on it is another's."""
        if not KINDS[want.key.kind].labelled or (live.survey or {}).get("spec"):
            return False
        return all(set(live.links.get(name, ())) <= set(links.keys) for name, links in want.links.items())

    def is_ours(self, label: Key) -> bool:
        """Whether a label is the one that marks what is ours."""
        return label.kind == LABELS and label.name == self.how.label

    def owned(self, live: Live) -> bool | None:
        """Whether an object bears our label; None for kinds that can bear none."""
        kind = KINDS[live.key.kind]
        if live.key.kind == NODES:
            return None
        if by_itself(live.key):
            # it bears no mark, and is whoever's the inventory is
            inventory = live.key.parts[1]
            return isinstance(inventory, Key) and self.owned(self.world.objects[inventory]) is not False
        if kind.labelled:
            return any(label.name == self.how.label for label in live.links.get(LABELS, ()))
        if not kind.described:
            return None
        return self.mark.of(live.item.get("description")) is not None

    def marked(self, key: Key) -> bool:
        """Whether an object of this kind bears our label in its description."""
        kind = KINDS[key.kind]
        return bool(self.how.label) and kind.described and not kind.labelled and not by_itself(key)

    def fields(self, want: Wanted, live: Live) -> Json:
        """The fields to change, as they are sent; each difference is told."""
        kind = KINDS[want.key.kind]
        secret = secret_names(want, self.found, self.world, self.options)
        body: Json = {}
        for name, value in want.fields.items():
            if name in kind.identity or name == "password" or (kind.name == CREDENTIALS and name in ("user", "team")):
                continue
            there = self.world.value(live, name)
            if name == "description" and self.marked(want.key):
                there = self.mark.off(there)
            if self.equal(kind.name, name, value, there, secret.get(name, set())):
                continue
            if isinstance(value, Mapping) and isinstance(there, Mapping) and name in secret:
                for one in value:
                    if one not in secret[name] and not values.within(value[one], there.get(one)):
                        self.differs(want.key, f"{name}.{one}", value[one], there.get(one))
            else:
                self.differs(want.key, name, value, there)
            body[name] = self.whole(want.key, name, value, there)
        if kind.name == "instance_groups" and body.get("credential") is not None:
            # AWX looks for it in the same request, not at what the group is
            body.setdefault("is_container_group", bool(live.item.get("is_container_group")))
        digits = self.changed_secrets(want, live, body)
        if self.marked(want.key):
            text = live.item.get("description")
            wanted = self.mark.on(body.get("description", text), digits)
            if not values.same(wanted, text):
                if self.mark.of(text) is None:
                    self.differs(want.key, "label", self.how.label, None)
                body["description"] = wanted
        return body

    def equal(self, kind: str, name: str, value: Any, there: Any, secret: Collection[str]) -> bool:
        if name in KINDS[kind].texts:
            return bool(values.mapping(value, self.parse) == values.mapping(there, self.parse))
        if name in ("inputs", "notification_configuration", "messages") and kind in (CREDENTIALS, NOTIFICATIONS):
            if isinstance(value, Mapping):
                value = {one: content for one, content in value.items() if one not in secret}
            return values.within(value or {}, there or {})
        if name == "rrule":
            return values.recurrence(value) == values.recurrence(there)
        if name == "extra_data" and isinstance(value, Mapping) and isinstance(there, Mapping):
            return value.keys() == there.keys() and values.within(value, there)
        return values.same(value, there)

    def whole(self, key: Key, name: str, value: Any, there: Any) -> Any:
        """A changed value as it is sent: AWX replaces mappings as a whole."""
        merges = name in ("inputs", "notification_configuration") and key.kind in (CREDENTIALS, NOTIFICATIONS)
        if merges and isinstance(value, Mapping):
            hidden = {one: there[one] for one in value if isinstance(there, Mapping) and there.get(one) == HIDDEN}
            return {**values.merged(there, dict(value)), **hidden}
        return self.sent(key, name, value)

    def changed_secrets(self, want: Wanted, live: Live, body: Json) -> str:
        """Puts secrets that are to be written into the body; returns the fingerprint that the mark is to hold."""
        text = live.item.get("description")
        before = self.mark.of(text) or "" if self.marked(want.key) else ""
        secrets = {} if want.keep else self.secrets(want)
        if not secrets:
            return before
        digits = values.fingerprint(want.key, secrets) if self.marked(want.key) else ""
        if not (self.how.update_secrets or (self.marked(want.key) and digits != before)):
            return digits
        for name, content in secrets.items():
            if name == "password":
                body[name] = content[""]
            else:
                there = live.item.get(name)
                body[name] = {**values.merged(there, dict(want.fields[name])), **content}
            for one in content:
                self.differs(want.key, f"{name}.{one}".rstrip("."), _SECRET, _OTHER)
        return digits

    # links, surveys, approvals

    def links(self, key: Key, name: str, links: Links, there: tuple[Key, ...]) -> None:
        wanted = list(links.keys)
        if name in EDGES:
            # edges go with the nodes that they lead to
            there = tuple(one for one in there if one in self.found.objects)
        if name in KINDS[key.kind].ordered and links.exact:
            kept = 0
            while kept < min(len(wanted), len(there)) and wanted[kept] == there[kept]:
                kept += 1
            remove, add = list(there[kept:]), wanted[kept:]
        else:
            remove = [one for one in there if one not in wanted] if links.exact else []
            add = [one for one in wanted if one not in there]
        if not remove and not add:
            return
        for one in remove:
            if one not in add:
                self.differs(key, f"{name}.{one.name}", "no link", "a link")
        for one in add:
            if one not in remove:
                self.differs(key, f"{name}.{one.name}", "a link", "no link")
        if set(remove) & set(add):
            self.differs(key, f"{name}.order", [one.name for one in wanted], [one.name for one in there])
        self.link(key, name, remove, add)

    def link(self, key: Key, name: str, remove: list[Key], add: list[Key]) -> None:
        path = (key.kind, key, name)
        drops = [Request("POST", path, {"id": one, "disassociate": True}) for one in remove]
        takes = [Request("POST", path, {"id": one}) for one in add]
        # a node's new edges may close a circle with its old ones, so all of a workflow's go first; a label is
        # gone when nothing bears it, so it is put on what else bears it first
        split = (key.kind == NODES and name in EDGES) or name == LABELS
        for requests in [drops, takes] if split else [drops + takes]:
            if requests:
                self.add("link", key, *requests, fields=[name])

    def survey(self, key: Key, survey: Json, there: Json | None = None) -> None:
        path = (key.kind, key, "survey_spec")
        # AWX keeps a password's default only where the same question has one
        kept = {item["variable"] for item in (there or {}).get("spec") or () if item.get("default") == HIDDEN}
        lost = [
            item["variable"]
            for item in survey.get("spec") or ()
            if item.get("default") == HIDDEN and item["variable"] not in kept
        ]
        if lost:
            spec = [{**item, "default": ""} if item["variable"] in lost else item for item in survey["spec"]]
            survey = {**survey, "spec": spec}
            self.without(key, lost)
        request = Request("POST", path, survey) if survey else Request("DELETE", path)
        self.add("survey", key, request, fields=["survey_spec"])

    def approval(self, want: Wanted, live: Live) -> None:
        asked = approval(live)
        wanted: Json = want.approval or {}
        if asked is None:
            self.differs(want.key, "approval_node", wanted, None)
            self.approve(want.key, wanted, runs=live.item.get("unified_job_template") is not None)
            return
        body = {name: value for name, value in wanted.items() if not values.same(value, asked.get(name))}
        for name, value in body.items():
            self.differs(want.key, f"approval_node.{name}", value, asked.get(name))
        if body:
            request = Request("PATCH", ("workflow_approval_templates", Asked(want.key)), body)
            self.add("approval", want.key, request, fields=["approval_node"])

    def approve(self, key: Key, wanted: Json, *, runs: bool = False) -> None:
        # a node that runs something asks for no approval before it does not
        empty = [Request("PATCH", (NODES, key), {"unified_job_template": None})] if runs else []
        request = Request("POST", (NODES, key, "create_approval_template"), wanted)
        self.add("approval", key, *empty, request, fields=["approval_node"])

    # projects

    def fetch(self) -> None:
        """Lets AWX fetch the projects whose new playbooks templates ask for, and waits for those that it fetches."""
        asked: dict[Key, dict[str, list[Key]]] = {}
        for want in self.found.objects.values():
            project = _new_playbook(want, self.world)
            if project is not None and want.key not in self.plan.foreign:
                asked.setdefault(project, {}).setdefault(want.fields["playbook"], []).append(want.key)
        changed = {op.key: op for op in self.plan.operations if op.verb == "update" and op.key.kind == PROJECTS}
        for project, playbooks in asked.items():
            live = self.world.objects.get(project)
            wanted = self.found.objects.get(project)
            scm = (wanted.fields.get("scm_type") if wanted else None) or (live.item.get("scm_type") if live else None)
            known = self.playbooks.get(project, ())
            missing = {name: keys for name, keys in playbooks.items() if name not in known}
            if not scm:
                self.unfetched(project, missing, live, known)
                continue
            requests: list[Request] = []
            if live is not None and not (project in changed and set(changed[project].fields) & _FETCHES):
                if not missing:
                    continue
                if live.item.get("status") not in FETCHING:
                    requests = [Request("POST", (PROJECTS, project, "update"), {})]
            number = self.add("fetch", project, *requests, fields=["playbooks"] if requests else ())
            self.plan.operations[number].playbooks = playbooks
            self.fetched[project] = number

    def unfetched(
        self, project: Key, missing: Mapping[str, list[Key]], live: Live | None, known: Collection[str]
    ) -> None:
        """A project that AWX does not fetch: its files are put there by hand."""
        if live is None:
            self.plan.notes.append(f"{project} is not fetched by AWX: its playbooks have to be there by another way.")
            return
        for name, keys in missing.items():
            for key in keys:
                where = f"{self.found.objects[key].where}.playbook"
                self.plan.errors.append(FieldError(where, name, f"a playbook of {project}", nearest(name, known)))

    # roles, settings

    def grant(self) -> None:
        for grant, present in self.found.grants.items():
            there = grant in self.world.grants
            if present and not there:
                self.plan.differences.append(Difference(grant.principal, "missing", about=str(grant)))
            elif not present and there:
                self.plan.differences.append(Difference(grant.principal, "extra", about=str(grant)))
            else:
                continue
            self.granting(grant, present)
        if not self.how.purge:
            return
        for grant in sorted(self.world.grants, key=str):
            live = self.world.objects[grant.principal]
            if grant.principal in self.going or grant.on in self.going:
                continue
            if grant.principal.kind == TEAMS and self.owned(live) and grant not in self.found.grants:
                self.plan.differences.append(Difference(grant.principal, "extra", about=str(grant)))
                self.granting(grant, False)

    def granting(self, grant: Grant, present: bool) -> None:
        role = Role(grant.on, grant.role)
        more: Json = {} if present else {"disassociate": True}
        if grant.principal.kind == TEAMS:
            request = Request("POST", (ROLES, role, "teams"), {"id": grant.principal, **more})
        else:
            request = Request("POST", (USERS, grant.principal, "roles"), {"id": role, **more})
        self.add("grant" if present else "revoke", grant.principal, request, fields=["roles"], about=str(grant))

    def settings(self) -> None:
        body: Json = {}
        for name, value in self.found.settings.items():
            there = self.world.settings.get(name)
            if there == HIDDEN:
                if self.how.update_secrets and value not in (None, "", HIDDEN):
                    body[name] = value
                    self.differs(ALL_SETTINGS, name, _SECRET, _OTHER)
            elif value != HIDDEN and not values.same(value, there):
                body[name] = value
                self.differs(ALL_SETTINGS, name, value, there)
        if body:
            request = Request("PATCH", (SETTINGS, "all"), body)
            self.add("set", ALL_SETTINGS, request, fields=sorted(body), about="settings")

    # deleting

    def delete(self) -> None:
        going: dict[Key, Live] = {}
        for key, want in self.found.objects.items():
            live = self.world.objects.get(key)
            if want.state != "absent" or live is None:
                continue
            if key.kind == LABELS:
                self.plan.notes.append(f"{key}: AWX deletes a label itself when nothing bears it.")
            elif live.managed or not self.ours(live):
                self.plan.foreign.append(key)
            else:
                going[key] = live
        for live in self.world.of(NODES):
            if live.key.parts[1] in self.found.graphs and live.key not in self.found.objects:
                going[live.key] = live
        for key in going:
            self.plan.differences.append(Difference(key, "extra"))
        if self.how.purge:
            going |= self.purged(set(going))
        self.going = set(going)
        for key in going:
            if not any(part in going for part in key.parts if isinstance(part, Key) and part.kind not in _APART):
                self.add("delete", key, Request("DELETE", (key.kind, key)))

    def purged(self, going: set[Key]) -> dict[Key, Live]:
        """What bears our label and is not wanted, less what something that stays still uses."""
        extra = {
            live.key: live
            for live in self.world.objects.values()
            if live.key not in self.found.objects and self.owned(live) and not live.managed and not by_itself(live.key)
        }
        for key in extra:
            self.plan.differences.append(Difference(key, "extra"))
        while True:
            gone = going | set(extra)
            gone |= {
                key
                for key in self.world.objects
                if (key.kind in (NODES, LABELS) or by_itself(key)) and any(part in gone for part in key.parts)
            }
            used = {
                target: live.key
                for live in self.world.objects.values()
                if live.key not in gone and live.key.kind != LABELS
                for target in self.targets(live)
                if target in extra
            }
            if not used:
                return extra
            for key, user in used.items():
                self.plan.notes.append(f"{key} is not purged: {user} uses it.")
                del extra[key]

    def targets(self, live: Live) -> set[Key]:
        """What an object will point at when all is done."""
        want = self.found.objects.get(live.key)
        found: set[Key] = set()
        for name in KINDS[live.key.kind].references:
            if want is not None and want.approval is not None and name == "unified_job_template":
                continue
            value = want.fields[name] if want is not None and name in want.fields else self.world.value(live, name)
            if isinstance(value, Key):
                found.add(value)
        for name, keys in live.links.items():
            told = want.links.get(name) if want is not None else None
            found |= set(told.keys if told is not None and told.exact else keys)
        return found

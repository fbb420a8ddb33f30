# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""awx_configuration and awx_configuration_info: an AWX made as a configuration says, and held against one."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients import awx as clients
from ansible_collections.dbaas.platform.plugins.module_utils.clients.awx import Awx, AwxError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import export, plan, wanted
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import (
    KINDS,
    NODES,
    PROJECTS,
    ROLES,
    SETTINGS,
    Key,
    needed,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.operations import (
    Asked,
    Difference,
    Operation,
    Plan,
    Request,
    Role,
    shown,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.order import waves
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.plan import FETCHING, How
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.wanted import Configuration
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import Live, World, approval
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    CODES,
    DbaasError,
    FieldError,
    InvalidFields,
)
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, failure

Json = dict[str, Any]

#: kinds whose lists are read when all of AWX has to be known
_ALL = frozenset(kind.name for kind in KINDS.values() if kind.variables) | {NODES}
#: errors after which no other request can go better
_HOPELESS = ("awx-unreachable", "awx-unauthorized")
#: seconds between looks at what AWX does by itself, and between lines that tell of it
_LOOK, _TELL = 1.0, 10.0
#: for how long AWX is given to delete what it deletes after it has answered
_LEAVING = 120.0


@dataclass
class Session:
    """One AWX and all that was read of it."""

    awx: Awx
    world: World
    options: dict[str, Json]
    found: Configuration
    how: How
    playbooks: dict[Key, list[str]] = field(default_factory=dict)

    def plan(self) -> Plan:
        """The plan. Raises InvalidFields awx-configuration-invalid, DbaasError awx-foreign."""
        made = plan.plan(self.found, self.world, self.options, self.how, parse, self.playbooks)
        if made.errors:
            raise InvalidFields("awx-configuration-invalid", made.errors)
        return made


def parse(text: str) -> Any:
    """The first document of a text."""
    return next(iter(documents.load_all(text, "text")), None)


def run(run: Run) -> Json:
    """The runner of module awx_configuration."""
    session = gather(clients.connect(run.options), configuration(run), how(run))
    made = session.plan()
    if made.foreign:
        names = ", ".join(sorted(str(key) for key in made.foreign))
        label = session.how.label
        raise DbaasError("awx-foreign", f"Not marked with {label!r}, so made by someone else: {names}.")
    result: Json = {
        "changed": bool(made.requests),
        "operations": [operation.data() for operation in made.operations if operation.requests],
        "writes": [_shown(request, session.world) for request in made.requests],
        "warnings": [*session.found.notes, *made.notes],
    }
    if run.diff:
        result["diff"] = diff(made.differences)
    if run.check or not made.operations:
        return result
    outcome = Apply(session, made, run).run()
    result["writes"] = outcome.writes
    result["changed"] = bool(outcome.writes)
    result["operations"] = [operation.data() for operation in outcome.done if operation.requests]
    return result if not outcome.failed else _broken(result, outcome)


def info(run: Run) -> Json:
    """The runner of module awx_configuration_info."""
    given = configuration(run)
    awx = clients.connect(run.options)
    options = how(run)
    result: Json = {"changed": False}
    if run.options.get("export"):
        result["configuration"] = exported(awx, options.label)
    if not given:
        return result
    session = gather(awx, given, How(options.label, adopt=True, purge=bool(options.label)))
    made = session.plan()
    unique = {(str(item), item.code): item for item in made.differences}
    ordered = sorted(unique.values(), key=lambda item: (item.key.kind, str(item.key), item.what))
    result |= {
        "drift": [item.data() for item in ordered],
        "table": [f"{item.code:<8} {item}" for item in ordered],
        "summary": _summary(ordered),
    }
    if run.options.get("fail", True) and ordered:
        cls, retry, action = CODES["drift-found"]
        lines = "\n".join([_count(len(ordered), "difference") + ":", *result["table"]])
        error = {
            "code": "drift-found",
            "class": cls,
            "retry": retry,
            "action": action,
            "runbook": "drift-found",
            "fields": [],
        }
        return {**result, "failed": True, "msg": f"{lines}\n{action} [drift-found, {cls}]", "error": error}
    return result


def _summary(found: Iterable[Difference]) -> dict[str, int]:
    codes = [item.code for item in found]
    return {code: codes.count(code) for code in ("missing", "differs", "extra") if code in codes}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def how(run: Run) -> How:
    """The options that say how to work. Raises InvalidFields option-invalid for a label that none can bear."""
    label = run.text("label")
    if label and not re.fullmatch(r"[\w.-][\w .-]*", label):
        raise InvalidFields("option-invalid", [FieldError("label", label, "letters, digits, blanks, dots and dashes")])
    if run.options.get("purge") and not label:
        raise InvalidFields("option-invalid", [FieldError("label", None, "what purge is scoped to")])
    flags = {name: bool(run.options.get(name)) for name in ("adopt", "purge", "update_secrets")}
    return How(label, **flags)


def configuration(run: Run) -> Json:
    """The configuration that is given, or that the files hold. Raises DbaasError option-invalid, document-invalid."""
    given: Json = run.options.get("configuration") or {}
    if not run.text("src"):
        return given
    source = Path(run.text("src")).expanduser()
    files = sorted(source.rglob("*.y*ml")) if source.is_dir() else [source]
    if not files:
        raise DbaasError("option-invalid", f"src: {source} holds no file of YAML")
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DbaasError("option-invalid", f"src: {file}: {error.strerror}") from None
        for document in documents.load_all(content, str(file)):
            if not isinstance(document, Mapping):
                raise DbaasError("option-invalid", f"src: {file} holds no variables")
            for name, value in document.items():
                before = given.get(name)
                if isinstance(before, list) and isinstance(value, list):
                    given[name] = before + value
                elif isinstance(before, dict) and isinstance(value, dict):
                    given[name] = {**before, **value}
                elif before is not None and value is not None:
                    raise DbaasError("option-invalid", f"src: {file}: {name} is given before, as something else")
                else:
                    given[name] = value if value is not None else before
    return given


def gather(awx: Awx, given: Mapping[str, Any], options: How) -> Session:
    """Reads what the configuration speaks of: each list once, then what AWX gives only for single objects.

    Raises InvalidFields awx-configuration-invalid naming all that is wrong.
    """
    kinds = wanted.kinds_of(given)
    entries, _errors = wanted.lists(given)
    read = _ALL | kinds if options.purge else needed(kinds)
    made = {kind for kind in kinds if KINDS[kind].variables or kind == NODES}
    world, described = fetch(awx, read, made, settings=SETTINGS in entries)
    found = wanted.read(given, world, described, parse, options.label)
    session = Session(awx, world, described, found, options)
    deepen(session, plan.reads(found, world, options))
    if found.errors:
        raise InvalidFields("awx-configuration-invalid", found.errors)
    return session


def fetch(
    awx: Awx, kinds: Iterable[str], described: Iterable[str], *, settings: bool = False
) -> tuple[World, dict[str, Json]]:
    """The lists of these kinds, and what OPTIONS say of those that are described; all at once."""
    names, told = sorted(kinds), sorted(described)
    calls: list[Callable[[], Any]] = [partial(awx.pages, f"{name}/") for name in names]
    calls += [partial(awx.options, f"{name}/") for name in told]
    if settings:
        calls.append(partial(awx.get, "settings/all/"))
    answers = awx.together(calls)
    world = World(dict(zip(names, answers, strict=False)))
    if settings:
        world.settings = answers[-1]
    options = {
        name: (answer.get("actions") or {}).get("POST") or {}
        for name, answer in zip(told, answers[len(names) :], strict=False)
    }
    return world, options


def deepen(session: Session, places: Iterable[tuple[Key, str]]) -> None:
    """Reads what AWX gives only for single objects, all at once."""
    awx, world = session.awx, session.world
    todo = [(world.objects[key], name) for key, name in places]

    def one(live: Live, name: str) -> Any:
        path = f"{live.key.kind}/{live.id}/{name}/"
        if name == "survey_spec":
            return awx.get(path)
        if name == "playbooks":
            return awx.names(path)
        # the order of what is linked, where it counts, is none that could be asked for
        return awx.pages(path, order_by=None) if name in KINDS[live.key.kind].ordered else awx.pages(path)

    for (live, name), answer in zip(todo, awx.together([partial(one, *each) for each in todo]), strict=True):
        if name == "survey_spec":
            live.survey = answer
        elif name == "playbooks":
            session.playbooks[live.key] = answer
        elif name == "roles":
            world.grant(live.key, answer)
        elif name == "inventory_sources":
            live.sourced = bool(answer)
        else:
            world.link(live, name, answer)


def exported(awx: Awx, label: str = "") -> Json:
    """What an AWX holds as the variables of infra.aap_configuration; with a label just what bears it."""
    world, options = fetch(awx, _ALL, _ALL - {ROLES})
    session = Session(awx, world, options, Configuration(), How(label))
    deepen(session, export.reads(world))
    return export.export(world, options, parse, label)


def diff(differences: Iterable[Difference]) -> list[Json]:
    """What changes, object by object, as Ansible shows it."""
    found: dict[str, list[Difference]] = {}
    for item in differences:
        found.setdefault(item.about or str(item.key), []).append(item)
    return [
        {
            "before_header": header,
            "after_header": header,
            "before": "".join(_line(item, item.live, there=item.code == "extra") for item in items),
            "after": "".join(_line(item, item.wanted, there=item.code == "missing") for item in items),
        }
        for header, items in found.items()
    ]


def _line(item: Difference, value: Any, *, there: bool) -> str:
    """One side of a difference; there: whether an object that the other side lacks is on this one."""
    if item.what:
        return documents.dump({item.what: shown(value)})
    if not there:
        return ""
    return documents.dump(shown(value)) if value else "there\n"


def _shown(request: Request, world: World) -> str:
    """A write for people: ids where they are known, names in brackets where they are not yet."""

    def part(piece: Any) -> str:
        if isinstance(piece, Key):
            live = world.objects.get(piece)
            return str(live.id) if live else f"<{piece}>"
        if isinstance(piece, Role):
            number = world.role_id(piece.on, piece.role)
            return str(number) if number is not None else f"<{piece.role} on {piece.on}>"
        if isinstance(piece, Asked):
            asked = approval(world.objects[piece.node])
            return str(asked["id"]) if asked else f"<{piece.node}>"
        return str(piece)

    return f"{request.method} {'/'.join(map(part, request.path))}/"


@dataclass
class Outcome:
    """What became of a plan. failed: what was tried; skipped: what was not, with the reason; writes: what was sent."""

    done: list[Operation] = field(default_factory=list)
    failed: list[tuple[Operation, DbaasError]] = field(default_factory=list)
    skipped: list[tuple[Operation, str]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)


def _broken(result: Json, outcome: Outcome) -> Json:
    """The result of a run of which something failed: it says what was applied and what was not."""
    total = len(outcome.done) + len(outcome.failed) + len(outcome.skipped)
    lines = [f"{len(outcome.failed)} of {_count(total, 'operation')} failed; {len(outcome.done)} were applied:"]
    lines += [f"  failed: {operation}: {error.message}" for operation, error in outcome.failed]
    lines += [f"  not tried: {operation}: {why}" for operation, why in outcome.skipped]
    first = outcome.failed[0][1]
    told = failure(first)
    return {
        **result,
        "failed": True,
        "msg": "\n".join([*lines, f"{first.action} [{first.code}, {first.cls}]"]),
        "error": told["error"],
        "applied": [operation.data() for operation in outcome.done],
        "not_applied": [
            *({**operation.data(), "reason": error.message} for operation, error in outcome.failed),
            *({**operation.data(), "reason": why} for operation, why in outcome.skipped),
        ],
    }


class Apply:
    """Carries a plan out: wave by wave, in each wave as much at once as the client lets."""

    def __init__(self, session: Session, made: Plan, run: Run) -> None:
        self.awx = session.awx
        self.world = session.world
        self.operations = made.operations
        self.tell = run.progress
        self.deadline = time.monotonic() + float(run.options.get("wait_timeout") or 600)
        self.ids = {**self.world.seen, **{key: live.id for key, live in self.world.objects.items()}}
        self.roles: dict[tuple[Key, str], int] = {}
        self.asked: dict[Key, int] = {}
        self.leaving = self.world.leaving
        #: template -> why its playbook cannot be run
        self.lacking: dict[Key, DbaasError] = {}
        self.outcome = Outcome()
        self._lock = threading.Lock()
        self._hopeless: DbaasError | None = None

    def run(self) -> Outcome:
        """Carries out all that can be: what depends on what failed is left, all else goes on."""
        bad: dict[int, str] = {}
        total = sum(len(operation.requests) for operation in self.operations)
        told = time.monotonic()
        for wave in waves(self.operations):
            ready: list[int] = []
            for number in wave:
                operation = self.operations[number]
                cause = next((bad[other] for other in sorted(operation.needs) if other in bad), None)
                if cause is None and self._hopeless is not None:
                    cause = self._hopeless.message
                if cause is None:
                    ready.append(number)
                else:
                    bad[number] = cause
                    self.outcome.skipped.append((operation, cause))
            for number, error in self.awx.together([partial(self.attempt, number) for number in ready]):
                operation = self.operations[number]
                if error is None:
                    self.outcome.done.append(operation)
                else:
                    bad[number] = f"{operation} failed"
                    self.outcome.failed.append((operation, error))
            if total and time.monotonic() - told >= _TELL:
                told = time.monotonic()
                self.tell(f"AWX: {len(self.outcome.writes)} of {total} writes are done")
        return self.outcome

    def attempt(self, number: int) -> tuple[int, DbaasError | None]:
        operation = self.operations[number]
        if self._hopeless is not None:
            return number, self._hopeless
        try:
            self.carry_out(operation)
        except DbaasError as error:
            if error.code in _HOPELESS:
                self._hopeless = error
            return number, error
        return number, None

    def carry_out(self, operation: Operation) -> None:
        """Does one operation. Raises DbaasError."""
        if operation.verb in ("create", "update") and operation.key in self.lacking:
            raise self.lacking[operation.key]
        for request in operation.requests:
            self.send(operation, request)
        if operation.verb == "fetch":
            self.fetched(operation)

    def send(self, operation: Operation, request: Request) -> None:
        path = "/".join(str(self.id(part)) for part in request.path) + "/"
        body = None if request.body is None else {name: self.id(value) for name, value in request.body.items()}
        with self._lock:
            self.outcome.writes.append(f"{request.method} {path}")
        if operation.verb == "create" and len(request.path) == 1:
            self.create(operation.key, path, body or {})
        elif request.method == "DELETE" and operation.verb == "delete":
            self.delete(operation.key, path)
        elif request.method == "DELETE":
            self.awx.delete(path)
        elif request.method == "PATCH":
            self.awx.patch(path, body or {})
        elif operation.verb == "approval":
            self.approve(operation.key, path, body or {})
        elif operation.verb == "fetch":
            self.update(path)
        else:
            # links, surveys and grants are the same when they are sent twice
            self.awx.post(path, body, repeatable=True)

    def id(self, value: Any) -> Any:
        """The id that stands behind a placeholder."""
        if isinstance(value, Key):
            if value not in self.ids:
                # AWX made it of something else
                found = self.look(value, f"{value.kind}/")
                if found is None:
                    raise DbaasError("awx-missing", f"{value} is not there")
                self.ids[value] = found["id"]
            return self.ids[value]
        if isinstance(value, Role):
            return self.role(value)
        if isinstance(value, Asked):
            known = self.asked.get(value.node)
            asked = approval(self.world.objects[value.node]) if known is None else None
            return asked["id"] if asked else known
        return value

    def role(self, role: Role) -> int:
        known = self.world.role_id(role.on, role.role) or self.roles.get((role.on, role.role))
        if known is not None:
            return known
        for item in self.awx.pages(f"{role.on.kind}/{self.ids[role.on]}/object_roles/"):
            self.roles[role.on, str(item["name"]).lower().replace(" ", "_")] = item["id"]
        if (role.on, role.role) not in self.roles:
            names = [name for key, name in self.roles if key == role.on]
            near = nearest(role.role, names)
            error = FieldError("role", role.role, f"a role of {role.on}: {', '.join(names)}", near)
            raise InvalidFields("awx-configuration-invalid", [error])
        return self.roles[role.on, role.role]

    def create(self, key: Key, path: str, body: Json) -> None:
        if key in self.leaving:
            self.gone(f"{path}{self.leaving[key]}/", key)
        made = None
        for attempt in range(3):
            try:
                made = self.awx.post(path, body)
            except AwxError as error:
                if error.code != "awx-unconfirmed" or attempt == 2:
                    raise
                made = self.look(key, path)
            if made is not None:
                break
        if not isinstance(made, dict) or "id" not in made:
            raise DbaasError("awx-answer-invalid", f"{key}: AWX made it and did not say its id")
        with self._lock:
            self.ids[key] = made["id"]
            for name, role in ((made.get("summary_fields") or {}).get("object_roles") or {}).items():
                self.roles[key, name.removesuffix("_role")] = role["id"]

    def look(self, key: Key, path: str) -> Json | None:
        """Looks for an object by what it is known by: the answer to its creation was lost."""
        query: Json = {}
        for name, part in zip(KINDS[key.kind].identity, key.parts, strict=True):
            query[name if part is not None else f"{name}__isnull"] = "true" if part is None else self.id(part)
        for pause in (0.0, 0.5, 1.0, 2.0):
            time.sleep(pause)
            if results := self.awx.get(path, **query).get("results"):
                return dict(results[0])
        return None

    def approve(self, node: Key, path: str, body: Json) -> None:
        try:
            made = self.awx.post(path, body)
        except AwxError as error:
            if error.code != "awx-unconfirmed":
                raise
            summary = self.awx.get(f"{NODES}/{self.ids[node]}/").get("summary_fields") or {}
            made = summary.get("unified_job_template") or self.awx.post(path, body)
        with self._lock:
            self.asked[node] = int((made or {}).get("id") or 0)

    def delete(self, key: Key, path: str) -> None:
        try:
            self.awx.delete(path)
        except AwxError as error:
            if error.status == 409:
                jobs = error.detail.get("active_jobs") if isinstance(error.detail, dict) else None
                names = ", ".join(f"{job.get('type')} {job.get('id')}" for job in jobs or ())
                raise DbaasError(
                    "awx-in-use", f"{key} is used by running jobs: {names or 'AWX does not say which'}"
                ) from None
            if error.status != 404:
                raise
        if key.kind == "inventories":
            self.gone(path, key)

    def gone(self, path: str, key: Key) -> None:
        """Waits until AWX has deleted what it deletes after it has answered."""
        end = time.monotonic() + _LEAVING
        while True:
            try:
                self.awx.get(path)
            except AwxError as error:
                if error.status == 404:
                    return
                raise
            if time.monotonic() > end:
                raise DbaasError("awx-busy", f"{key} is being deleted by AWX for {_LEAVING:.0f} s")
            time.sleep(_LOOK / 2)

    def update(self, path: str) -> None:
        try:
            started = self.awx.post(path, {})
        except AwxError as error:
            if error.code != "awx-unconfirmed":
                raise
            return
        number = (started or {}).get("project_update") or (started or {}).get("id")
        if number is not None:
            self.wait(f"project_updates/{number}/", f"update {number}")

    def fetched(self, operation: Operation) -> None:
        """Waits until AWX has fetched a project, and looks for the playbooks that templates ask for."""
        path = f"{PROJECTS}/{self.ids[operation.key]}/"
        project = self.wait(path, str(operation.key))
        if project.get("status") not in ("successful", "ok"):
            words = self.last_words(project)
            raise DbaasError(
                "awx-fetch-failed", f"{operation.key}: its update is {project.get('status')}. {words}".strip()
            )
        known = self.awx.names(f"{path}playbooks/")
        for name, keys in operation.playbooks.items():
            if name not in known:
                near = nearest(name, known)
                hint = f"; nearest: {near}" if near else ""
                words = f"{operation.key} has no playbook {name} at {str(project.get('scm_revision'))[:12]}{hint}"
                self.lacking |= dict.fromkeys(keys, DbaasError("awx-fetch-failed", words))

    def wait(self, path: str, name: str) -> Json:
        """What stands at `path` once AWX is not at work on it."""
        told = time.monotonic()
        pause = _LOOK / 4
        while True:
            found = self.awx.get(path)
            if found.get("status") not in FETCHING:
                return found
            now = time.monotonic()
            if now > self.deadline:
                raise DbaasError("awx-fetch-timeout", f"{name} is still {found.get('status')}")
            if now - told >= _TELL:
                told = now
                self.tell(f"{name}: AWX is fetching it ({found.get('status')})")
            time.sleep(pause)
            pause = min(pause * 1.5, _LOOK)

    def last_words(self, project: Json) -> str:
        """What a project's failed update said last."""
        update = (project.get("summary_fields") or {}).get("last_update") or {}
        if not update.get("id"):
            return ""
        try:
            content = self.awx.get(f"project_updates/{update['id']}/stdout/", format="json").get("content")
        except DbaasError:
            return f"See project update {update['id']}."
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in str(content).splitlines()]
        said = [line for line in lines if re.match(r"(fatal|ERROR|failed)\b", line)]
        return (said or [line for line in lines if line.strip()] or [""])[-1][:500]

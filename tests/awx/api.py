"""AWX's API: finds out what a request wants, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from . import filters
from .fields import clean
from .jobs import Jobs
from .kinds import JOBS, KINDS, TEMPLATES, Kind
from .problems import Problem, detail, forbidden, not_there
from .recordings import Json, content, exchanges, route
from .rules import Rules, equal
from .store import ACTIVE, ROOT, Store, now

# What is tied in an order of its own, the first being tried first.
ORDERED = ("instance_groups", "galaxy_credentials", "input_inventories")
# Members are those who have a role: the route, and the role's field.
MEMBERS = {
    ("organizations", "users"): "member_role",
    ("organizations", "admins"): "admin_role",
    ("teams", "users"): "member_role",
}
_IMPLIES = {"admin_role": ("execute_role", "use_role", "update_role", "read_role"), "execute_role": ("read_role",)}


@dataclass
class Request:
    """path is the whole path, unquoted, with a slash at the end; query as sent; user None: nobody."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any
    user: Json | None
    scope: str = "write"
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def asked(self) -> dict[str, str]:
        return dict(self.query)


@dataclass
class Answer:
    """body None: nothing is sent; text: not JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    sort: str = "application/json"


Handler = Callable[[Request, Json, Kind], Answer]


class Api:
    """The answers. Special routes stand in special.py, which fills handlers."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self.store, self.jobs = store, jobs
        self.rules = Rules(store, jobs)
        # by (kind, route below an object, method)
        self.handlers: dict[tuple[str, str, str], Handler] = {}
        self.plain: dict[tuple[str, str], Callable[[Request], Answer]] = {}
        self.unknown: list[tuple[str, str]] = []
        self.ignored: list[tuple[str, str]] = []

    def answer(self, request: Request) -> Answer:
        """Whatever AWX would answer; 501: the double does not know."""
        try:
            return self._route(request)
        except Problem as problem:
            if isinstance(problem.body, str):
                return Answer(problem.status, text=problem.body, sort="text/html; charset=utf-8")
            return Answer(problem.status, problem.body)

    def _route(self, request: Request) -> Answer:
        known = route(request.path)
        if known is None:
            raise Problem(404, content(13))
        template, methods = known
        method = "GET" if request.method == "HEAD" else request.method
        allow = ", ".join([*methods, "HEAD", "OPTIONS"])
        open_ = template in ("/api/", "/api/v2/ping/") or template.endswith(("/github/", "/gitlab/", "/bitbucket_dc/"))
        if request.user is None and not open_:
            headers = {"WWW-Authenticate": exchanges()[9].headers["WWW-Authenticate"], "Allow": allow}
            return Answer(401, content(9), headers)
        if method not in (*methods, "OPTIONS"):
            raise detail(405, f'Method "{method}" not allowed.')
        if request.scope == "read" and method not in ("GET", "OPTIONS"):
            raise forbidden()
        answer = self._answer(request, method, template)
        answer.headers.setdefault("Allow", allow)
        return answer

    def _answer(self, request: Request, method: str, template: str) -> Answer:
        parts = request.path.removeprefix(ROOT).strip("/").split("/")
        if handler := self.plain.get((template, method)):
            return handler(request)
        kind = KINDS.get(parts[0])
        if kind is None:
            return self._not_known(request)
        if method == "OPTIONS" and len(parts) < 3:
            return Answer(200, self._options(kind))
        if len(parts) == 1 and method in ("GET", "POST"):
            return self.listed(request, kind) if method == "GET" else self.created(request, kind)
        if len(parts) == 1:
            return self._not_known(request)
        row = self.named(kind, unquote(parts[1]))
        if len(parts) == 2:
            return self._alone(request, method, kind, row)
        return self._below(request, method, kind, row, "/".join(parts[2:]))

    def _not_known(self, request: Request) -> Answer:
        self.unknown.append((request.method, request.path))
        return Answer(501, {"detail": f"The double has no answer to {request.method} {request.path}"})

    def _options(self, kind: Kind) -> Json:
        if kind.options is not None:
            recorded: Json = content(kind.options)
            return recorded
        title = " ".join(word.capitalize() for word in kind.type.split("_"))
        shown: Json = {
            "name": f"{title} List",
            "renders": ["application/json", "text/html"],
            "parses": ["application/json"],
            "actions": {"POST": kind.fields} if kind.fields else {},
            "types": [kind.type],
            "search_fields": ["description", "name"],
            "max_page_size": filters.LARGEST,
        }
        return shown

    # objects

    def named(self, kind: Kind, name: str) -> Json:
        """An object by its id or named URL. Raises Problem."""
        if name.isdigit():
            row = self.store.rows[kind.name].get(int(name))
        elif kind.named:
            rows = self.store.rows[kind.name].values()
            row = next((row for row in rows if self.store.named(kind, row) == name), None)
        else:
            row = None
        if row is None:
            raise not_there(kind.model)
        return row

    def listed(self, request: Request, kind: Kind, rows: list[Json] | None = None, tied: bool = False) -> Answer:
        """A page of a list. tied: AWX keeps an order of its own, which holds where the query asks for none."""
        every = list(self.store.rows[kind.name].values()) if rows is None else rows
        seen = [row for row in every if self.may(request.user, row, "read_role")]
        return Answer(200, filters.page(self.store, kind, request.path, request.query, seen, tied))

    def created(self, request: Request, kind: Kind, fixed: Json | None = None) -> Answer:
        """POST to a list. fixed: fields that the path says."""
        row = self.create(kind, {**object_of(request.body), **(fixed or {})}, _user(request))
        shown = self.store.show(row, fresh=True)
        if kind.name == "tokens":
            shown["token"] = row["_token"]
        return Answer(201, shown, {"Location": row["url"]})

    def create(self, kind: Kind, body: Json, user: Json) -> Json:
        """A new object of a body. Raises Problem."""
        if not kind.fields:
            raise detail(405, 'Method "POST" not allowed.')
        if not self._may_create(user, kind, body):
            raise forbidden()
        self._ignore(kind, body)
        values = clean(self.store, kind, body, None, whole=True)
        values = self.rules.apply(kind, values, None, body, user)
        fresh: Json = {}
        for name in ("status", "last_job_run", "next_job_run", "last_job_failed", "scm_revision"):
            if name in kind.shown and kind.ids == "unified_job_templates":
                fresh[name] = {"status": "never updated", "last_job_failed": False, "scm_revision": ""}.get(name)
        row = self.store.add(kind, {**fresh, **values}, user["id"])
        self._after(kind, row, user)
        self.remember("create", kind, row, user, {name: values[name] for name in values if name[0] != "_"})
        return row

    def _ignore(self, kind: Kind, body: Json) -> None:
        self.ignored += [(kind.name, name) for name in body if name not in kind.fields]

    def _after(self, kind: Kind, row: Json, user: Json) -> None:
        if kind.name == "projects":
            row["local_path"] = f"_{row['id']}__{_slug(row['name'])}" if row["scm_type"] else row["local_path"]
            row["_revision"] = content(64)["scm_revision"]
            if row["scm_type"]:
                self.jobs.start(self.jobs.update(row, user))
            else:
                row["_playbooks"] = self.jobs.playbooks
                row["status"] = "ok"
        if kind.name == "teams":
            row["_members"] = []
        if kind.name == "job_templates":
            row["_creator_admin"] = user["id"]

    def _alone(self, request: Request, method: str, kind: Kind, row: Json) -> Answer:
        user = _user(request)
        if not self.may(user, row, "read_role"):
            raise forbidden()
        if method == "GET":
            return Answer(200, self.store.show(row))
        if not self.may(user, row, "admin_role"):
            raise forbidden()
        if method == "DELETE":
            return self._deleted(kind, row, user)
        self.change(kind, row, object_of(request.body), user, whole=method == "PUT")
        return Answer(200, self.store.show(row))

    def change(self, kind: Kind, row: Json, body: Json, user: Json, whole: bool = False) -> None:
        """PATCH, or PUT when whole. Raises Problem."""
        if not kind.fields:
            raise detail(405, 'Method "PATCH" not allowed.')
        self._ignore(kind, body)
        values = clean(self.store, kind, body, row, whole)
        values = self.rules.apply(kind, values, row, body, user)
        changed = {name: [row.get(name), value] for name, value in values.items() if not equal(row.get(name), value)}
        self.store.forget()
        row.update(values)
        if "modified" in row:
            row["modified"] = now()
            row["_modified_by"] = user["id"]
        shown = {name: both for name, both in changed.items() if name[0] != "_"}
        if shown:
            self.remember("update", kind, row, user, shown)
        sources = {"scm_url", "scm_branch", "scm_type", "scm_refspec", "credential"}
        if kind.name == "projects" and sources & set(shown) and row["scm_type"]:
            self.jobs.start(self.jobs.update(row, user))

    def _deleted(self, kind: Kind, row: Json, user: Json) -> Answer:
        if kind.name in JOBS and row["status"] in ACTIVE:
            raise Problem(403, content(178))
        active = [
            {"id": job["id"], "type": job["type"]}
            for name in JOBS
            for job in self.store.rows[name].values()
            if job["status"] in ACTIVE and _uses(job, kind, row)
        ]
        if active:
            raise Problem(409, {**content(177), "active_jobs": active})
        if row.get("managed"):
            raise detail(403, f"Deletion not allowed for managed {kind.name.replace('_', ' ')}")
        if kind.name == "credential_types" and self.store.count("credentials", "credential_type", row["id"]):
            raise detail(403, "Credential types that are in use cannot be deleted")
        self.remember("delete", kind, row, user, {"name": row.get("name", "")})
        if kind.name == "workflow_job_template_nodes":
            self._without_approval(row)
        if kind.name in ("role_user_assignments", "role_team_assignments"):
            to = "users" if "user" in row else "teams"
            role = self.role_of(self.store.rows["role_definitions"][row["role_definition"]], row["_of"])
            held = self.granted(to, row["user"] if to == "users" else row["team"])
            if role in held:
                held.remove(role)
        self.store.remove(kind, row["id"])
        return Answer(202 if kind.name == "inventories" else 204)

    def _without_approval(self, row: Json) -> None:
        template = self.store.get("workflow_approval_templates", row["unified_job_template"])
        if template:
            row["unified_job_template"] = None
            self.store.remove(KINDS["workflow_approval_templates"], template["id"])

    # below an object

    def _below(self, request: Request, method: str, kind: Kind, row: Json, name: str) -> Answer:
        user = request.user
        if user is not None and not self.may(user, row, "read_role"):
            raise forbidden()
        handler = self.handlers.get((kind.name, name, method)) or self.handlers.get(("*", name, method))
        if handler:
            return handler(request, row, kind)
        if (kind.name, name) in MEMBERS and method in ("GET", "POST"):
            return self._members(request, method, row, MEMBERS[kind.name, name])
        if name in kind.links and method in ("GET", "POST"):
            target = KINDS[kind.links[name]]
            if method == "GET":
                return self.listed(request, target, self.store.tied(row, name), name in ORDERED)
            return self.tie(request, kind, row, name, target)
        if name in kind.children and method in ("GET", "POST"):
            child, column = kind.children[name]
            if method == "GET":
                rows = [entry for entry in self.store.rows[child].values() if entry.get(column) == row["id"]]
                return self.listed(request, KINDS[child], rows)
            return self.created(request, KINDS[child], {column: row["id"]})
        if method == "OPTIONS" and (name in kind.links or name in kind.children):
            return Answer(200, self._options(KINDS[kind.links.get(name) or kind.children[name][0]]))
        return self._not_known(request)

    def tie(self, request: Request, kind: Kind, row: Json, name: str, target: Kind) -> Answer:
        """Ties another object to this one, or unties it; makes it when the body says what it is."""
        user, body = _user(request), object_of(request.body)
        if not self.may(user, row, "admin_role"):
            raise forbidden()
        numbers = self.store.links.setdefault((kind.name, row["id"], name), [])
        answer = Answer(204)
        if "id" not in body and not body.get("disassociate") and target.name == "labels":
            existing = [
                label
                for label in self.store.rows["labels"].values()
                if (label["name"], label["organization"]) == (body.get("name"), body.get("organization"))
            ]
            body = {"id": existing[0]["id"]} if existing else body
        if "id" not in body:
            if body.get("disassociate"):
                raise Problem(400, {"msg": '"id" is required to disassociate'})
            if target.name in ("instance_groups", "workflow_job_template_nodes"):
                raise Problem(400, {"msg": f"{target.model} 'id' field is missing."})
            made = self.create(target, body, user)
            answer = Answer(201, self.store.show(made, fresh=True), {"Location": made["url"]})
            body = {"id": made["id"]}
        other = self.store.rows[target.name].get(body["id"]) if isinstance(body["id"], int) else None
        if other is None:
            raise detail(400, f"{target.model} matching query does not exist.")
        self.store.forget()
        if body.get("disassociate"):
            if other["id"] in numbers:
                numbers.remove(other["id"])
                self.remember("disassociate", kind, row, user, {}, target)
                if target.name == "labels" and not self._labelled(other["id"]):
                    self.store.remove(target, other["id"])
            return answer
        self._may_tie(kind, row, name, other)
        if other["id"] not in numbers:
            numbers.append(other["id"])
            self.remember("associate", kind, row, user, {}, target)
        return answer

    def _labelled(self, number: int) -> bool:
        """A label that nothing carries any more is gone, as in AWX."""
        return any(
            number in numbers for (_kind, _number, name), numbers in self.store.links.items() if name == "labels"
        )

    def _may_tie(self, kind: Kind, row: Json, name: str, other: Json) -> None:
        if name == "credentials":
            for has in self.store.tied(row, name):
                same = has["credential_type"] == other["credential_type"] and has["id"] != other["id"]
                vault = has["kind"] == "vault" and has["inputs"].get("vault_id") != other["inputs"].get("vault_id")
                if same and not vault:
                    sort = self.store.rows["credential_types"][other["credential_type"]]["name"]
                    raise Problem(400, {"error": content(117)["error"].replace("DBaaS API", sort)})
        if kind.name in ("schedules", "workflow_job_template_nodes") and name == "credentials":
            template = self.store.template(row["unified_job_template"]) if row["unified_job_template"] else None
            if template is None:
                raise Problem(400, {"msg": "Cannot assign credential when related template is null."})
            if not template.get("ask_credential_on_launch"):
                raise Problem(400, {"msg": "Related template is not configured to accept credentials on launch."})
        if name == "galaxy_credentials" and other["kind"] != "galaxy_api_token":
            sort = self.store.rows["credential_types"][other["credential_type"]]["name"]
            raise Problem(400, {"msg": f"Credential must be a Galaxy credential, not {sort}."})
        if kind.name == "workflow_job_template_nodes" and name.endswith("_nodes"):
            self._may_link(row["id"], name, other["id"])

    def _may_link(self, parent: int, name: str, child: int) -> None:
        if parent == child:
            raise Problem(400, content(239))
        node = "workflow_job_template_nodes"
        for route_ in ("success_nodes", "failure_nodes", "always_nodes"):
            if route_ != name and child in self.store.links.get((node, parent, route_), []):
                raise Problem(400, content(240))
        reached, todo = set(), [child]
        while todo:
            number = todo.pop()
            reached.add(number)
            for route_ in ("success_nodes", "failure_nodes", "always_nodes"):
                todo += [n for n in self.store.links.get((node, number, route_), []) if n not in reached]
        if parent in reached:
            raise Problem(400, content(239))

    # rights

    def _members(self, request: Request, method: str, row: Json, name: str) -> Answer:
        role = row["_roles"][name]
        if method == "GET":
            rows = [user for user in self.store.rows["users"].values() if role in self.granted("users", user["id"])]
            return self.listed(request, KINDS["users"], rows)
        return self.grant(request, KINDS["users"], object_of(request.body).get("id"), role)

    def granted(self, kind: str, number: int) -> list[int]:
        """The roles that a user or a team has itself."""
        return self.store.grants.setdefault((kind, number), [])

    def grant(self, request: Request, to: Kind, number: Any, role: int) -> Answer:
        """Gives a role, or takes it away. Raises Problem."""
        user, body = _user(request), object_of(request.body)
        known = self.store.rows["roles"].get(role)
        if number is None:
            raise Problem(400, {"msg": f"{to.model} 'id' field is missing."})
        if known is None:
            raise detail(400, "Role matching query does not exist.")
        of = known.get("_of")
        if not user["is_superuser"] and not (of and self.may(user, self.store.rows[of[0]][of[1]], "admin_role")):
            raise forbidden()
        if self.store.rows[to.name].get(number) is None:
            raise detail(400, f"{to.model} matching query does not exist.")
        if to.name == "teams" and of and of[0] == "organizations" and known["_field"] in ("admin_role", "member_role"):
            said = "You cannot assign an Organization participation role as a child role for a Team."
            raise Problem(400, {"msg": said})
        held = self.granted(to.name, number)
        if body.get("disassociate"):
            if role in held:
                held.remove(role)
                self._assigned(to, number, known, None)
        elif role not in held:
            held.append(role)
            self._assigned(to, number, known, user)
        return Answer(204)

    def role_of(self, definition: Json, of: tuple[str, int]) -> int:
        """The role of an object that a role definition stands for; 0: none."""
        words = definition["name"].lower().split()
        roles: dict[str, int] = self.store.rows[of[0]][of[1]]["_roles"]
        return next((role for name, role in roles.items() if name.removesuffix("_role") in words), 0)

    def _assigned(self, to: Kind, number: int, role: Json, by: Json | None) -> None:
        """AWX keeps a grant in its newer form too, as an assignment of a role definition. by: None takes it away."""
        if role["_of"] is None:
            return
        target, column = KINDS[role["_of"][0]], to.type
        sort = f"awx.{target.type.replace('_', '')}"
        entries = [entry for entry in self.store.rows["role_definitions"].values() if entry["content_type"] == sort]
        definition = next((entry for entry in entries if self.role_of(entry, role["_of"]) == role["id"]), None)
        if definition is None:
            return
        kind = KINDS[f"role_{column}_assignments"]
        same = {"role_definition": definition["id"], column: number, "object_id": str(role["_of"][1])}
        if by is None:
            rows = self.store.rows[kind.name].values()
            for row in [row for row in rows if all(row[name] == same[name] for name in same)]:
                self.store.remove(kind, row["id"])
            return
        fields = {**same, "content_type": sort, "object_ansible_id": None, "created_by": by["id"], "_of": role["_of"]}
        url = self.store.path(target.name, role["_of"][1])
        self.store.add(kind, {**fields, "_related": {"content_object": url}}, by["id"])["_modified_by"] = None

    def may(self, user: Json | None, row: Json, name: str) -> bool:
        """Whether a user has a role on an object."""
        if user is None:
            return False
        if user["is_superuser"]:
            return True
        if row.get("type") in ("user", "organization", "label", "credential_type", "role", "execution_environment"):
            return name == "read_role" or (row is user)
        if row.get("type") == "o_auth2_access_token":
            return bool(row["user"] == user["id"])
        held = set(self.granted("users", user["id"]))
        for team in self.store.rows["teams"].values():
            if team["_roles"]["member_role"] in held or team["_roles"]["admin_role"] in held:
                held |= set(self.granted("teams", team["id"]))
        owner = row
        if row.get("type") == "job":
            owner = self.store.template(row["unified_job_template"]) or row
        wanted = {
            role
            for field_, role in owner.get("_roles", {}).items()
            if field_ == name or name in _IMPLIES.get(field_, ())
        }
        organization = self.store.get("organizations", owner.get("organization"))
        if organization:
            wanted.add(organization["_roles"]["admin_role"])
        return bool(wanted & held)

    def _may_create(self, user: Json, kind: Kind, body: Json) -> bool:
        if user["is_superuser"] or kind.name == "tokens":
            return True
        organization = self.store.get("organizations", body.get("organization"))
        return bool(organization and self.may(user, {"organization": organization["id"]}, "admin_role"))

    # activity

    def remember(
        self, operation: str, kind: Kind, row: Json, user: Json, changes: Json, target: Kind | None = None
    ) -> None:
        """A line of the activity stream."""
        secret = ("password", "inputs", "token", "notification_configuration", "extra_data")
        said = {name: "hidden" if name in secret else value for name, value in changes.items()}
        fields = {
            "operation": operation,
            "changes": said,
            "object1": kind.type,
            "object2": target.type if target else "",
            "object_association": "",
            "_related": {"actor": user["url"], kind.type: [row["url"]]},
        }
        self.store.add(KINDS["activity_stream"], fields, None)

    def mixed(self, names: tuple[str, ...]) -> list[Json]:
        """The objects of several kinds."""
        return [row for name in names for row in self.store.rows[name].values()]

    def all_templates(self) -> list[Json]:
        return self.mixed(TEMPLATES)


def object_of(body: Any) -> Json:
    """Raises Problem: not an object."""
    if not isinstance(body, dict):
        raise Problem(400, content(16))
    return body


def _user(request: Request) -> Json:
    if request.user is None:
        raise forbidden()
    return request.user


def _uses(job: Json, kind: Kind, row: Json) -> bool:
    if kind.name in TEMPLATES and job["unified_job_template"] == row["id"]:
        return True
    column = {"projects": "project", "inventories": "inventory", "organizations": "organization"}.get(kind.name)
    return bool(column and job.get(column) == row["id"])


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def parse(raw: bytes) -> Any:
    """A request's body. Raises Problem: not JSON, in AWX's words."""
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise detail(400, f"JSON parse error - {error}\nPossible cause: trailing comma.") from error

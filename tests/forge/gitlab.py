"""A stand-in of GitLab's merge requests (API v4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from .server import Asked, Double, Merge, Problem, now

Json = dict[str, Any]
_ALL = "/projects/{id}/merge_requests"
_ONE = f"{_ALL}/{{merge_request_iid}}"
#: the project's id, and that of a fork of it
PROJECT, FORK = 7, 8


class GitLab(Double):
    """GitLab: labels in one text, forks among the answers, a squash whose message is the title alone."""

    kind = "gitlab"
    description = "gitlab.yml"
    root = "/api/v4"

    def refusal(self, branch: str) -> str:  # noqa: ARG002 (GitHub names it)
        return "GitLab: You are not allowed to push code to protected branches on this project."

    def given_token(self, headers: Mapping[str, str]) -> str:
        return headers.get("PRIVATE-TOKEN") or ""

    def known(self, values: list[str]) -> None:
        if unquote(values[0]) not in (self.project, str(PROJECT)):
            raise Problem(404, {"message": "404 Project Not Found"})

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]]:
        return {
            ("get", _ALL): self._list,
            ("post", _ALL): self._create,
            ("get", _ONE): lambda asked: (200, self._said(self.find(asked.values[1]))),
            ("put", _ONE): self._update,
        }

    def merged(self, item: Merge, way: str, tree: str, base: str, head: str, own: str) -> str:
        if way == "rebase":
            return self.commit(tree, own, base)
        if way == "squash":
            head = self.commit(tree, item.title, base)
        path = f"See merge request {self.project}!{item.number}"
        return self.commit(
            tree, f"Merge branch '{item.branch}' into '{item.target}'\n\n{item.title}\n\n{path}", base, head
        )

    def _list(self, asked: Asked) -> tuple[int, list[Json]]:
        found = [*reversed(self.merges)]
        state = asked.query.get("state", "all")
        if state != "all":
            found = [item for item in found if _state(item) == state]
        for name, field in (("source_branch", "branch"), ("target_branch", "target")):
            if name in asked.query:
                found = [item for item in found if getattr(item, field) == asked.query[name]]
        return 200, [self._said(item) for item in found]

    def _create(self, asked: Asked) -> tuple[int, Json]:
        body: Json = asked.body
        branch, target = body["source_branch"], body["target_branch"]
        for name, given in (("Source", branch), ("Target", target)):
            if not self.exists(given):
                raise Problem(422, {"message": [f'{name} branch "{given}" does not exist']})
        for item in self.merges:
            if item.state == "open" and (item.branch, item.target, item.source) == (branch, target, self.project):
                words = f"Another open merge request already exists for this source branch: !{item.number}"
                raise Problem(409, {"message": [words]})
        made = self.open(
            branch=branch,
            target=target,
            title=body["title"],
            body=body.get("description", ""),
            labels=_labels(body.get("labels", "")),
            delete_branch=bool(body.get("remove_source_branch")),
        )
        return 201, self._said(made)

    def _update(self, asked: Asked) -> tuple[int, Json]:
        item, body = self.find(asked.values[1]), asked.body
        item.title, item.body = body.get("title", item.title), body.get("description", item.body)
        if "labels" in body:
            item.labels = _labels(body["labels"])
        if body.get("state_event") == "close":
            self.close(item.number)
        return 200, self._said(item)

    def _said(self, item: Merge) -> Json:
        merged = item.state == "merged"
        return {
            **self.sample("get", _ONE, 200),
            "id": 100 + item.number,
            "iid": item.number,
            "project_id": PROJECT,
            "title": item.title,
            "description": item.body or None,
            "state": _state(item),
            "created_at": now(),
            "merged_at": item.when if merged else None,
            "closed_at": item.when if item.state == "closed" else None,
            "source_branch": item.branch,
            "target_branch": item.target,
            "source_project_id": PROJECT if item.source == self.project else FORK,
            "target_project_id": PROJECT,
            "labels": item.labels,
            "sha": self.head(item),
            "merge_commit_sha": item.commit or None,
            "web_url": f"https://git.example.com/{self.project}/-/merge_requests/{item.number}",
        }


def _state(item: Merge) -> str:
    return "opened" if item.state == "open" else item.state


def _labels(given: str | list[str]) -> list[str]:
    return sorted({name for name in (given.split(",") if isinstance(given, str) else given) if name})

"""A stand-in of GitHub's pull requests (REST v3, as GitHub Enterprise Server has it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .server import Asked, Double, Merge, Problem, now

Json = dict[str, Any]
_PULLS = "/repos/{owner}/{repo}/pulls"
_PULL = f"{_PULLS}/{{pull_number}}"
_LABELS = "/repos/{owner}/{repo}/issues/{issue_number}/labels"


class GitHub(Double):
    """GitHub: labels come after the request, rate limits as 403, a search that knows only whole branches."""

    kind = "github"
    description = "github.json"
    root = "/api/v3"

    def refusal(self, branch: str) -> str:
        return (
            f"error: GH006: Protected branch update failed for refs/heads/{branch}.\n"
            "error: Changes must be made through a pull request."
        )

    def given_token(self, headers: Mapping[str, str]) -> str:
        scheme, _space, token = (headers.get("Authorization") or "").partition(" ")
        return token if scheme == "Bearer" else ""

    def known(self, values: list[str]) -> None:
        if "/".join(values[:2]).lower() != self.project.lower():
            raise Problem(404, {"message": "Not Found", "status": "404"})

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]]:
        return {
            ("get", _PULLS): self._list,
            ("post", _PULLS): self._create,
            ("get", _PULL): lambda asked: (200, self._whole(self.find(asked.values[2]))),
            ("patch", _PULL): self._update,
            ("put", _LABELS): self._label,
        }

    def merged(self, item: Merge, way: str, tree: str, base: str, head: str, own: str) -> str:
        owner = self.project.partition("/")[0]
        if way == "merge":
            message = f"Merge pull request #{item.number} from {owner}/{item.branch}\n\n{item.title}"
            return self.commit(tree, message, base, head)
        if way == "rebase":
            return self.commit(tree, own, base)
        # of one commit, a squash takes the message over
        subject, _newline, rest = own.partition("\n")
        return self.commit(tree, f"{subject} (#{item.number})\n{rest}", base)

    def _list(self, asked: Asked) -> tuple[int, list[Json]]:
        found = [*reversed(self.merges)]
        if (state := asked.query.get("state", "open")) != "all":
            found = [item for item in found if (item.state == "open") == (state == "open")]
        owner, colon, branch = asked.query.get("head", "").partition(":")
        # what is no owner:branch is not looked at
        if colon:
            found = [item for item in found if (item.source.partition("/")[0], item.branch) == (owner, branch)]
        if base := asked.query.get("base"):
            found = [item for item in found if item.target == base]
        return 200, [self._simple(item) for item in found]

    def _create(self, asked: Asked) -> tuple[int, Json]:
        body: Json = asked.body
        owner, branch = self.project.partition("/")[0], body["head"].rpartition(":")[2]
        if not self.exists(branch):
            raise self._invalid({"resource": "PullRequest", "field": "head", "code": "invalid"})
        if any(item.state == "open" and (item.branch, item.target) == (branch, body["base"]) for item in self.merges):
            words = f"A pull request already exists for {owner}:{branch}."
            raise self._invalid({"resource": "PullRequest", "code": "custom", "message": words})
        if not self.git("rev-list", f"{body['base']}..{branch}"):
            words = f"No commits between {body['base']} and {branch}"
            raise self._invalid({"resource": "PullRequest", "code": "custom", "message": words})
        made = self.open(branch=branch, target=body["base"], title=body["title"], body=body.get("body", ""), labels=[])
        return 201, self._whole(made)

    def _invalid(self, error: Json) -> Problem:
        return Problem(
            422,
            {"message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.github.com/rest"},
        )

    def _update(self, asked: Asked) -> tuple[int, Json]:
        item = self.find(asked.values[2])
        item.title, item.body = asked.body.get("title", item.title), asked.body.get("body", item.body)
        if asked.body.get("state") == "closed":
            self.close(item.number)
        return 200, self._whole(item)

    def _label(self, asked: Asked) -> tuple[int, list[Json]]:
        item = self.find(asked.values[2])
        item.labels = sorted(set(asked.body["labels"]))
        return 200, self._labels(item)

    def _labels(self, item: Merge) -> list[Json]:
        least: Json = {"id": 1, "node_id": "L", "url": f"{self.api}/labels", "color": "ededed", "default": False}
        return [{**least, "name": name, "description": ""} for name in item.labels]

    def _simple(self, item: Merge) -> Json:
        return {**self.sample("get", _PULLS, 200, of_list=True), **self._said(item)}

    def _whole(self, item: Merge) -> Json:
        merged = item.state == "merged"
        more = {"merged": merged, "mergeable": None, "merge_commit_sha": item.commit or None, "changed_files": 1}
        return {**self.sample("get", _PULL, 200), **self._said(item), **more}

    def _said(self, item: Merge) -> Json:
        sample: Json = self.sample("get", _PULL, 200)
        owner = self.project.partition("/")[0]
        repository: Json = {**sample["base"]["repo"], "full_name": self.project, "name": self.project.split("/")[1]}
        head = {"label": f"{owner}:{item.branch}", "ref": item.branch, "sha": self.head(item)}
        base = {
            "label": f"{owner}:{item.target}",
            "ref": item.target,
            "sha": self.git("rev-parse", item.target).strip(),
        }
        return {
            "number": item.number,
            "html_url": f"https://git.example.com/{self.project}/pull/{item.number}",
            "state": "open" if item.state == "open" else "closed",
            "title": item.title,
            "body": item.body or None,
            "labels": self._labels(item),
            "head": {**sample["head"], **head, "repo": {**repository, "full_name": item.source}},
            "base": {**sample["base"], **base, "repo": repository},
            "created_at": now(),
            "merged_at": item.when if item.state == "merged" else None,
            "closed_at": item.when or None,
        }

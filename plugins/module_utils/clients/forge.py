# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that speaks to a Git host's API: merge requests on GitHub (REST v3) and GitLab (v4)."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.forge import Place

Json = dict[str, Any]

#: seconds between the attempts of a read
PAUSES = (0.5, 1.0, 2.0)
#: an answer that asks for more patience than this is an error
LONGEST_PAUSE = 60.0
_PAGE = 100
_TOKEN = re.compile(r"[!-~]+")
_CODES = {401: "forge-unauthorized", 403: "forge-forbidden", 404: "forge-missing", 429: "forge-busy"}


class ForgeError(DbaasError):
    """A request that failed; `status` is the HTTP status, 0 without an answer."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(code, message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """A merge request as the host has it. state: open, merged or closed; head: the commit that it asks to merge."""

    number: int
    url: str
    state: str
    branch: str
    head: str
    title: str
    body: str
    labels: tuple[str, ...]


class Forge(ABC):
    """One repository on a Git host; `connect` makes the one that speaks its host's language.

    Reads are tried again where the host is busy or the answer is lost. A write is tried again only where the host says
    that it did not take it (too many requests), for up to LONGEST_PAUSE seconds.

    Raises ForgeError: forge-unreachable (no connection, certificate, no JSON), forge-unauthorized (401),
    forge-forbidden (403), forge-missing (404), forge-busy (429, 5xx, after all attempts), forge-rejected (any other).
    """

    def __init__(
        self,
        place: Place,
        token: str,
        *,
        ca_cert: str | None = None,
        proxy: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.place = place
        self._timeout = timeout
        self._token = token
        self._session = _session()
        # with each request: what the environment says of either would come before the session's own
        self._network: Json = {"verify": ca_cert or True, "proxies": {"http": proxy, "https": proxy} if proxy else None}

    @abstractmethod
    def find(self, branch: str, target: str) -> Request | None:
        """The open request of this branch of ours into target, if there is one."""

    @abstractmethod
    def get(self, number: int) -> Request:
        """A request by its number."""

    @abstractmethod
    def create(self, branch: str, target: str, title: str, body: str, labels: Sequence[str]) -> Request:
        """Opens a request."""

    @abstractmethod
    def update(self, request: Request, title: str, body: str, labels: Sequence[str]) -> Request:
        """Gives a request this title and text, and exactly these labels."""

    @abstractmethod
    def close(self, request: Request, body: str) -> None:
        """Closes a request without merging it, with this as its text."""

    @abstractmethod
    def _headers(self) -> dict[str, str]:
        """What each request bears: what is accepted, and the token."""

    def _pages(self, path: str, query: Mapping[str, str]) -> list[Json]:
        """All items of a list; each page says where the next one is."""
        found: list[Json] = []
        following: str | None = f"{self.place.api}{path}"
        asked: Mapping[str, str] | None = {**query, "per_page": str(_PAGE)}
        while following:
            answer = self._send("GET", following, asked, None)
            body = _decoded(answer, list)
            found += body
            following, asked = answer.links.get("next", {}).get("url"), None
            if following and urlsplit(following)[:2] != urlsplit(self.place.api)[:2]:
                # the token goes to the host that it is for, and nowhere else
                raise ForgeError("forge-unreachable", f"{self.place.api}: its next page is elsewhere, at {following}")
        return found

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        answer = self._send(method, f"{self.place.api}{path}", None, body)
        return _decoded(answer, (dict, list))

    def _send(self, method: str, url: str, query: Mapping[str, str] | None, body: Json | None) -> Any:
        """The answer to one request with its further attempts, where it is one of success."""
        where = f"{method} {url}"
        for pause in (*PAUSES, None):
            try:
                answer = self._session.request(
                    method,
                    url,
                    params=query,
                    json=body,
                    headers={"User-Agent": "dbaas-platform", **self._headers()},
                    auth=_unchanged,
                    timeout=(10.0, self._timeout),
                    allow_redirects=False,
                    **self._network,
                )
            except OSError as error:
                # all that requests raises is one of these
                if pause is None or method != "GET" or _hopeless(error):
                    raise ForgeError("forge-unreachable", f"{where}: {self._clean(_reason(error))}") from None
                time.sleep(pause)
                continue
            if 200 <= answer.status_code < 300:
                return answer
            refusal = self._refused(where, answer)
            again = _patience(answer, pause, reads=method == "GET") if refusal.code == "forge-busy" else None
            if again is None or pause is None:
                raise refusal
            time.sleep(again)
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def _refused(self, where: str, answer: Any) -> ForgeError:
        status = answer.status_code
        if 300 <= status < 400:
            words = f"it redirects to {answer.headers.get('Location', 'nowhere')}; name the final one in platform.yml"
            return ForgeError("forge-unreachable", f"{where}: {words}", status)
        code = "forge-busy" if status >= 500 or _limited(answer) else _CODES.get(status, "forge-rejected")
        return ForgeError(code, f"{where}: {status}: {self._clean(_words(answer))}", status)

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "********")


class GitHub(Forge):
    """GitHub and GitHub Enterprise Server."""

    def find(self, branch: str, target: str) -> Request | None:
        owner = self.place.project.partition("/")[0]
        query = {"state": "open", "head": f"{owner}:{branch}", "base": target}
        listed = self._pages(f"/repos/{self.place.project}/pulls", query)
        with _published(self.place):
            for item in listed:
                # asked for a branch that it does not know, it may answer with all there are
                if (item["head"]["ref"], item["base"]["ref"]) == (branch, target) and self._ours(item):
                    return _of_github(item, self.place)
        return None

    def get(self, number: int) -> Request:
        return _of_github(self._call("GET", f"/repos/{self.place.project}/pulls/{number}"), self.place)

    def create(self, branch: str, target: str, title: str, body: str, labels: Sequence[str]) -> Request:
        wanted = {"title": title, "head": branch, "base": target, "body": body}
        made = _of_github(self._call("POST", f"/repos/{self.place.project}/pulls", wanted), self.place)
        # a pull request is opened without labels
        return self._label(made, labels)

    def update(self, request: Request, title: str, body: str, labels: Sequence[str]) -> Request:
        if (request.title, request.body) != (title, body):
            path = f"/repos/{self.place.project}/pulls/{request.number}"
            request = _of_github(self._call("PATCH", path, {"title": title, "body": body}), self.place)
        return self._label(request, labels)

    def close(self, request: Request, body: str) -> None:
        self._call("PATCH", f"/repos/{self.place.project}/pulls/{request.number}", {"state": "closed", "body": body})

    def _label(self, request: Request, labels: Sequence[str]) -> Request:
        if set(labels) != set(request.labels):
            path = f"/repos/{self.place.project}/issues/{request.number}/labels"
            self._call("PUT", path, {"labels": sorted(labels)})
        return request

    def _ours(self, item: Json) -> bool:
        repository: Json = item["head"]["repo"] or {}
        return str(repository.get("full_name", "")).lower() == self.place.project.lower()

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "Authorization": f"Bearer {self._token}",
        }


class GitLab(Forge):
    """GitLab, in the cloud or one's own."""

    def find(self, branch: str, target: str) -> Request | None:
        query = {"state": "opened", "source_branch": branch, "target_branch": target}
        listed = self._pages(self._path(), query)
        with _published(self.place):
            for item in listed:
                if item["source_project_id"] == item["target_project_id"]:
                    return _of_gitlab(item, self.place)
        return None

    def get(self, number: int) -> Request:
        return _of_gitlab(self._call("GET", f"{self._path()}/{number}"), self.place)

    def create(self, branch: str, target: str, title: str, body: str, labels: Sequence[str]) -> Request:
        wanted = {
            "source_branch": branch,
            "target_branch": target,
            "title": title,
            "description": body,
            "labels": ",".join(sorted(labels)),
            "remove_source_branch": True,
        }
        return _of_gitlab(self._call("POST", self._path(), wanted), self.place)

    def update(self, request: Request, title: str, body: str, labels: Sequence[str]) -> Request:
        wanted = {"title": title, "description": body, "labels": ",".join(sorted(labels))}
        return _of_gitlab(self._call("PUT", f"{self._path()}/{request.number}", wanted), self.place)

    def close(self, request: Request, body: str) -> None:
        self._call("PUT", f"{self._path()}/{request.number}", {"state_event": "close", "description": body})

    def _path(self) -> str:
        return f"/projects/{quote(self.place.project, safe='')}/merge_requests"

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "PRIVATE-TOKEN": self._token}


def connect(place: Place, token: str, **options: Any) -> Forge:
    """The client of this place; options as Forge takes them.

    Raises DbaasError dependency-missing without requests, option-invalid for a token that no header can carry.
    """
    if not _TOKEN.fullmatch(token):
        # what refuses it later would say it aloud
        words = "one line of ASCII without blanks, as the Git host gave it"
        raise InvalidFields("option-invalid", [FieldError("token", "********", words)])
    return {"github": GitHub, "gitlab": GitLab}[place.type](place, token, **options)


@contextmanager
def _published(place: Place) -> Iterator[None]:
    """Whatever lacks what the host's published schema has was answered by something else."""
    try:
        yield
    except (LookupError, TypeError, AttributeError):
        words = f"{place.api}: the answer is not what the API of {place.type} answers"
        raise ForgeError("forge-unreachable", words) from None


def _of_github(item: Json, place: Place) -> Request:
    with _published(place):
        return _github(item)


def _of_gitlab(item: Json, place: Place) -> Request:
    with _published(place):
        return _gitlab(item)


def _github(item: Json) -> Request:
    # the list says when it was merged, and only the request itself says so outright
    state = "merged" if item.get("merged_at") else "closed" if item["state"] == "closed" else "open"
    return Request(
        item["number"],
        item["html_url"],
        state,
        item["head"]["ref"],
        item["head"]["sha"],
        item["title"],
        item["body"] or "",
        tuple(label["name"] for label in item["labels"]),
    )


def _gitlab(item: Json) -> Request:
    # locked is what it is while it is being merged
    state = "open" if item["state"] in ("opened", "locked") else str(item["state"])
    return Request(
        item["iid"],
        item["web_url"],
        state,
        item["source_branch"],
        item["sha"] or "",
        item["title"],
        item["description"] or "",
        tuple(item["labels"]),
    )


def _session() -> Any:
    try:
        import requests
    except ImportError:
        raise DbaasError("dependency-missing", "The Python package requests is not installed.") from None
    return requests.Session()


def _unchanged(request: Any) -> Any:
    """requests would else put what a .netrc says of this host in the place of our token."""
    return request


def _decoded(answer: Any, kinds: type | tuple[type, ...]) -> Any:
    where = f"{answer.request.method} {answer.url}"
    try:
        body = answer.json()
    except ValueError:
        raise ForgeError("forge-unreachable", f"{where}: the answer is not JSON: is this the API?") from None
    if not isinstance(body, kinds):
        raise ForgeError("forge-unreachable", f"{where}: the answer is not what the API answers")
    return body


def _limited(answer: Any) -> bool:
    """GitHub refuses with 403 too where it means that it was asked too often."""
    left = answer.headers.get("X-RateLimit-Remaining")
    return bool(
        answer.status_code == 429 or (answer.status_code == 403 and (left == "0" or "Retry-After" in answer.headers))
    )


def _patience(answer: Any, pause: float | None, *, reads: bool) -> float | None:
    """Seconds until the next attempt, None where there must be none."""
    if not (reads or _limited(answer)):
        # nobody knows whether a failing host has taken it
        return None
    wanted = pause
    if said := answer.headers.get("Retry-After"):
        wanted = float(said) if said.isdigit() else _until(said)
    elif answer.headers.get("X-RateLimit-Remaining") == "0" and (reset := answer.headers.get("X-RateLimit-Reset", "")):
        wanted = max(float(reset) - time.time(), 0.0) if reset.isdigit() else pause
    return wanted if wanted is not None and wanted <= LONGEST_PAUSE else None


def _until(date: str) -> float | None:
    try:
        return max(parsedate_to_datetime(date).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _words(answer: Any) -> str:
    """What the host itself says of its refusal: GitHub and GitLab both in several ways."""
    try:
        body = answer.json()
    except ValueError:
        return str(answer.text[:200].strip() or "no reason given")
    if not isinstance(body, dict):
        return str(body)[:200]
    said = body.get("message") or body.get("error_description") or body.get("error") or "no reason given"
    told = [_one(item) for item in _listed(said)]
    told += [_one(item) for item in _listed(body.get("errors") or [])]
    return "; ".join(told)


def _listed(said: Any) -> list[Any]:
    if isinstance(said, dict):
        return [f"{name} {' '.join(map(str, _listed(each)))}" for name, each in said.items()]
    return said if isinstance(said, list) else [said]


def _one(item: Any) -> str:
    if isinstance(item, dict):
        return str(item.get("message") or " ".join(str(item[name]) for name in ("field", "code") if name in item))
    return str(item)


def _hopeless(error: OSError) -> bool:
    from requests.exceptions import InvalidURL, SSLError

    return isinstance(error, (SSLError, InvalidURL))


def _reason(error: OSError) -> str:
    text = str(error)
    # the texts of urllib3 begin with the repr of the connection, those of requests hold one
    return re.sub(r"<[^>]*>:? ?", "", text)[:300] or type(error).__name__

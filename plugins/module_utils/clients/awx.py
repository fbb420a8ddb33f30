# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that speaks to AWX (24.6.1, or an automation controller behind a gateway), over awxkit's connection.

Paths are relative to the API's second version, without a leading slash: "job_templates/23/survey_spec/".
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import (
    DbaasError,
    FieldError,
    InvalidFields,
)

Json = dict[str, Any]
T = TypeVar("T")

#: requests that are under way at once; AWX's own page limit
MOST, PAGE = 8, 200
#: seconds between the attempts of a request that may be made again
PAUSES = (0.5, 1.0, 2.0, 4.0)
#: an answer that asks for more patience than this is an error
LONGEST_PAUSE = 60.0
_BUSY = (429, 500, 502, 503, 504)
_AWX, _GATEWAYS = "current_version", "apis"


class AwxError(DbaasError):
    """A request that failed; `status` is the HTTP status (0: no answer), `detail` AWX's own body (None without one)."""

    def __init__(self, code: str, message: str, status: int = 0, detail: Any = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.detail = detail


class Awx:
    """One AWX. Thread-safe; at most MOST requests are under way at once.

    Reads, PATCH and DELETE are tried again where AWX is busy or the answer is lost; a POST only where AWX surely did
    not take it (it never was sent, or 429), unless the caller says that it may be repeated.

    Raises AwxError: awx-unreachable (no connection, certificate), awx-unauthorized (401), awx-forbidden (403),
    awx-missing (404), awx-rejected (any other 4xx, with AWX's own words), awx-busy (429 and 5xx after all attempts),
    awx-answer-invalid (not JSON, cut short), awx-unconfirmed (a POST whose answer was lost: it may have been taken).
    """

    def __init__(
        self,
        host: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        verify: bool | str = True,
        timeout: float = 30.0,
        prefix: str | None = None,
    ) -> None:
        self.host = host.rstrip("/") if "://" in host else f"https://{host.rstrip('/')}"
        self._connection = _connection(self.host, verify, timeout)
        self._connection.login(username=username, password=password, token=token)
        self._gate = threading.BoundedSemaphore(MOST)
        self._prefix = prefix
        self._found: str | None = None
        self._finding = threading.Lock()

    def get(self, path: str, **query: Any) -> Json:
        """The object or page at `path`."""
        return self._mapping("GET", path, query)

    def names(self, path: str) -> list[str]:
        """What is no page but a bare list of texts, such as a project's playbooks."""
        body = self._call("GET", path, None, None, repeatable=True)
        if not isinstance(body, list):
            raise AwxError("awx-answer-invalid", f"GET {self.host}{self.root}{path}: the answer is no list")
        return [str(item) for item in body]

    def options(self, path: str) -> Json:
        """What AWX says of its own fields at `path` (`actions` holds what the user may set)."""
        return self._mapping("OPTIONS", path, None)

    def pages(self, path: str, **query: Any) -> list[Json]:
        """All objects of a list: the first page, then the others at once.

        What is deleted meanwhile by someone else moves the pages; the list is read again then.
        """
        asked = {"order_by": "id", **query, "page_size": PAGE}
        for _attempt in range(3):
            first = self.get(path, **asked)
            count = int(first.get("count", 0))
            numbers = range(2, -(-count // PAGE) + 1)
            try:
                rest = self.together([partial(self.get, path, **asked, page=number) for number in numbers])
            except AwxError as error:
                if error.status == 404 and numbers:
                    continue
                raise
            found = {item["id"]: item for page in [first, *rest] for item in page.get("results") or []}
            if len(found) >= int((rest or [first])[-1].get("count", count)):
                return list(found.values())
        raise AwxError("awx-busy", f"{self.host}: the list {path} changed each time that it was read")

    def post(self, path: str, body: Any, *, repeatable: bool = False) -> Json | None:
        """Creates or associates; the new object, or None where AWX answers without a body."""
        made: Json | None = self._call("POST", path, None, body, repeatable=repeatable)
        return made

    def patch(self, path: str, body: Json) -> Json | None:
        """Changes the fields given."""
        changed: Json | None = self._call("PATCH", path, None, body, repeatable=True)
        return changed

    def delete(self, path: str) -> None:
        """Deletes; what is gone already is no error. AWX deletes inventories after it has answered."""
        self._call("DELETE", path, None, None, repeatable=True)

    def together(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """The results of all calls, in their order. All are made, then the first error is raised."""
        todo = list(calls)
        if len(todo) < 2:
            return [call() for call in todo]
        pool = ThreadPoolExecutor(min(MOST, len(todo)), thread_name_prefix="awx")
        try:
            futures = [pool.submit(call) for call in todo]
            failed = [error for future in futures if (error := future.exception()) is not None]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        if failed:
            raise failed[0]
        return [future.result() for future in futures]

    @property
    def root(self) -> str:
        """Path of the API's second version, found out once: /api/v2/, or /api/<prefix>/v2/ behind a gateway."""
        with self._finding:
            if self._found is None:
                self._found = f"/api/{self._prefix.strip('/')}/v2/" if self._prefix else self._discover()
            return self._found

    def _discover(self) -> str:
        body = self._exchange("GET", "/api/", None, None, repeatable=True)
        if isinstance(body, dict) and isinstance(body.get(_AWX), str):
            return str(body[_AWX])
        gateways = body.get(_GATEWAYS) if isinstance(body, dict) else None
        if isinstance(gateways, dict) and isinstance(gateways.get("controller"), str):
            return f"{str(gateways['controller']).rstrip('/')}/v2/"
        raise AwxError("awx-answer-invalid", f"{self.host}/api/ is neither an AWX nor a gateway before one")

    def _mapping(self, method: str, path: str, query: Json | None) -> Json:
        body = self._call(method, path, query, None, repeatable=True)
        if not isinstance(body, dict):
            raise AwxError("awx-answer-invalid", f"{method} {self.host}{self.root}{path}: the answer is no object")
        return body

    def _call(self, method: str, path: str, query: Json | None, body: Any, *, repeatable: bool) -> Any:
        return self._exchange(method, self.root + path, query, body, repeatable=repeatable)

    def _exchange(self, method: str, path: str, query: Json | None, body: Any, *, repeatable: bool) -> Any:
        """One request with its further attempts; returns the decoded body, None where there is none."""
        where = f"{method} {self.host}{path}"
        for attempt, pause in enumerate((*PAUSES, None)):
            try:
                with self._gate:
                    answer = self._send(method, path, query, body)
                if 200 <= answer.status_code < 300:
                    return _decoded(where, answer)
            except Lost as lost:
                if pause is None or not lost.again or (lost.sent and not repeatable):
                    raise _lost(where, lost, sure=repeatable or not lost.sent) from None
                again = pause
            except AwxError:
                if not repeatable:
                    raise _unconfirmed(where, "its answer cannot be read") from None
                if pause is None:
                    raise
                again = pause
            else:
                if method == "DELETE" and answer.status_code == 404 and attempt:
                    # the attempt before this one was taken, only its answer was lost
                    return None
                again = _patience(where, answer, pause, repeatable=repeatable)
            # who is busy, or was cut off, is given time before it is asked again
            time.sleep(again)
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def _send(self, method: str, path: str, query: Json | None, body: Any) -> Any:
        import requests

        try:
            answer = self._connection.request(path, method=method.lower(), json=body, query_parameters=query or None)
        except requests.exceptions.TooManyRedirects as error:
            to = error.response.headers.get("Location", "") if error.response is not None else ""
            host = f"{urlsplit(to).scheme}://{urlsplit(to).netloc}" if "://" in to else to
            raise Lost(f"it redirects to {host or 'nowhere'}; give the address that answers", again=False) from None
        except requests.exceptions.SSLError as error:
            raise Lost(f"its certificate is not accepted ({_reason(error)})", again=False) from None
        except requests.exceptions.ConnectTimeout:
            raise Lost("no connection in time") from None
        except requests.exceptions.Timeout:
            raise Lost("no answer in time", sent=True) from None
        except requests.exceptions.ConnectionError as error:
            raise Lost(_reason(error), sent=not _never_sent(error)) from None
        except requests.exceptions.ChunkedEncodingError:
            raise Lost("the answer was cut short", sent=True) from None
        except (requests.exceptions.RequestException, ValueError) as error:
            raise Lost(_reason(error), again=False) from None
        return answer


class Lost(Exception):
    """A request without an answer: `sent` where AWX may have taken it, `again` where another attempt can help."""

    def __init__(self, why: str, *, sent: bool = False, again: bool = True) -> None:
        super().__init__(why)
        self.sent = sent
        self.again = again


def connect(options: Mapping[str, Any]) -> Awx:
    """The AWX that a module's options name (see specs.controller).

    Raises InvalidFields option-invalid naming all that is wrong, DbaasError dependency-missing without awxkit.
    """
    wrong: list[FieldError] = []
    host = str(options.get("controller_host") or "")
    token = options.get("controller_oauthtoken")
    user, password = options.get("controller_username"), options.get("controller_password")
    if not host:
        wrong.append(FieldError("controller_host", None, "the address of AWX (or CONTROLLER_HOST)"))
    elif urlsplit(host if "://" in host else f"https://{host}").scheme not in ("http", "https"):
        wrong.append(FieldError("controller_host", host, "an address that begins with https:// or http://"))
    if not token and not (user and password):
        allowed = "a token (or CONTROLLER_OAUTH_TOKEN), or controller_username with controller_password"
        wrong.append(FieldError("controller_oauthtoken", None, allowed))
    ca_cert = options.get("controller_ca_cert")
    if ca_cert and not os.access(ca_cert, os.R_OK):
        wrong.append(FieldError("controller_ca_cert", ca_cert, "a PEM file that can be read"))
    if wrong:
        raise InvalidFields("option-invalid", wrong)
    return Awx(
        host,
        token=token,
        username=user,
        password=password,
        verify=(str(Path(ca_cert)) if ca_cert else True) if options.get("validate_certs", True) else False,
        timeout=float(options.get("request_timeout") or 30.0),
        prefix=options.get("controller_prefix"),
    )


def _connection(host: str, verify: bool | str, timeout: float) -> Any:
    """awxkit's connection, made fit for this: by itself it sends every request up to five times and waits for ever."""
    try:
        from awxkit.api.client import Connection
        from awxkit.config import config
        from requests.adapters import HTTPAdapter
    except ImportError as error:
        raise DbaasError("dependency-missing", f"The Python package {error.name} is missing.") from None

    class Adapter(HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> Any:
            kwargs["timeout"] = (min(timeout, 10.0), timeout)
            return super().send(*args, **kwargs)

    config.client_connection_attempts = 1
    connection = Connection(host, verify)
    # a redirected POST would become a GET
    connection.session.max_redirects = 0
    connection.session.headers["Accept"] = "application/json"
    for scheme in ("https://", "http://"):
        connection.session.mount(scheme, Adapter(pool_connections=1, pool_maxsize=MOST, pool_block=False))
    return connection


def _decoded(where: str, answer: Any) -> Any:
    if not answer.content:
        return None
    try:
        return json.loads(answer.content)
    except ValueError:
        kind = answer.headers.get("Content-Type", "no Content-Type")
        raise AwxError(
            "awx-answer-invalid", f"{where}: the answer is no JSON ({kind}, {len(answer.content)} bytes)"
        ) from None


def _body(answer: Any) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError:
        return None


def _words(answer: Any) -> str:
    """AWX's own words in an error's body, on one line."""
    body = _body(answer)
    if isinstance(body, dict):
        return "; ".join(
            f"{name}: {_flat(value)}" if name != "detail" else _flat(value) for name, value in body.items()
        )
    return _flat(body) if body else ""


def _flat(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_flat(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


def _refused(where: str, answer: Any) -> AwxError:
    codes = {401: "awx-unauthorized", 403: "awx-forbidden", 404: "awx-missing"}
    status = answer.status_code
    code = codes.get(status, "awx-rejected")
    return AwxError(code, f"{where}: HTTP {status} {_words(answer)}".rstrip(), status, _body(answer))


def _unconfirmed(where: str, why: str) -> AwxError:
    return AwxError("awx-unconfirmed", f"{where}: {why}; AWX may have taken it")


def _lost(where: str, lost: Lost, *, sure: bool) -> AwxError:
    return AwxError("awx-unreachable", f"{where}: {lost}") if sure else _unconfirmed(where, str(lost))


def _patience(where: str, answer: Any, pause: float | None, *, repeatable: bool) -> float:
    """Seconds until the next attempt after an answer that is an error: what Retry-After asks for, else `pause`.

    Raises AwxError where another attempt is none of ours to make, or cannot help.
    """
    status = answer.status_code
    if status not in _BUSY:
        raise _refused(where, answer)
    if not repeatable and status != 429:
        raise _unconfirmed(where, f"HTTP {status}")
    seconds = None if pause is None else _asked(answer, pause)
    if seconds is None or seconds > LONGEST_PAUSE:
        raise AwxError("awx-busy", f"{where}: HTTP {status} {_words(answer)}".rstrip(), status, _body(answer))
    return max(seconds, 0.0)


def _asked(answer: Any, pause: float) -> float:
    asked = answer.headers.get("Retry-After")
    if not asked:
        return pause
    try:
        return float(asked)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(asked).timestamp() - time.time()
    except ValueError:
        return pause


def _never_sent(error: BaseException) -> bool:
    """Whether the connection failed before anything was sent."""
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError)


def _reason(error: BaseException) -> str:
    """The innermost words of an error of requests, which wraps those of urllib3."""
    inner: Any = error
    while True:
        deeper = getattr(inner, "reason", None) or (inner.args[0] if getattr(inner, "args", None) else None)
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    # urllib3 begins with the representation of its own connection
    return str(inner).rsplit("): ", 1)[-1]

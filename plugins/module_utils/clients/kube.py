# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that speaks to Kubernetes: plain objects in, plain objects out, errors with a class."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind, Obj

PAGE = 500
#: A PoP that is down must be known as such within 3 seconds, however long a slow answer may take.
CONNECT_SECONDS = 2.0
#: The API server sends a bookmark every minute; silence beyond that is a dead peer.
WATCH_SILENCE_SECONDS = 90.0

_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_loading = threading.Lock()


class KubeError(DbaasError):
    """A request that failed; `status` is the HTTP status, 0 where there was no answer (410: list again)."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(code, message)
        self.status = status


class Cluster:
    """One cluster, by a kubeconfig's context or the pod's own account. Thread-safe; no request is tried twice.

    Raises DbaasError: kube-missing (no such file or context), kube-auth (401), kube-unreachable (no answer in time,
    429, 5xx), kube-refused (any other 4xx, with the server's message), dependency-missing. `timeout` is in seconds, for
    each answer. Lists and watches of Secrets hold metadata only: nobody needs many values.
    """

    def __init__(self, *, kubeconfig: str | None = None, context: str | None = None, timeout: float = 5.0) -> None:
        self.name = context or "cluster"
        self._timeout = timeout
        self._auth = threading.Lock()
        self._client = _client(kubeconfig, context)
        self._pool: Any = self._client.rest_client.pool_manager

    def get(self, kind: Kind, namespace: str | None, name: str) -> Obj | None:
        """The object, or None where it (or its kind) is not there."""
        try:
            return self._call("GET", kind, kind.path(namespace, name))
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        labels: Mapping[str, str] | str | None = None,
        *,
        bare: bool = False,
    ) -> tuple[list[Obj], str]:
        """All objects (read in pages) and the resourceVersion to watch from; bare: their metadata only."""
        accept = _many(kind, "List", bare=bare)
        query = _selector(labels) | {"limit": str(PAGE)}
        items: list[Obj] = []
        while True:
            try:
                with self._answer("GET", kind, kind.path(namespace), query, accept=accept) as answer:
                    page = _json(self.name, answer.data)
            except KubeError as error:
                if error.status != 410 or "limit" not in query:
                    raise
                # The snapshot behind the pages was compacted away: one long answer is consistent.
                query, items = _selector(labels), []
                continue
            items.extend(page.get("items") or [])
            query["continue"] = page["metadata"].get("continue") or ""
            if not query["continue"]:
                break
        for item in items:
            item |= {"apiVersion": kind.api_version, "kind": kind.kind}
        return items, str(page["metadata"].get("resourceVersion") or "")

    def watch(
        self,
        kind: Kind,
        resource_version: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | str | None = None,
        seconds: int = 300,
    ) -> Iterator[tuple[str, Obj]]:
        """(ADDED|MODIFIED|DELETED|BOOKMARK, object) until the server ends it after `seconds`.

        A BOOKMARK's object holds only a resourceVersion. Raises KubeError with status 410 when the version is too old:
        list again.
        """
        query = _selector(labels) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        asked = self._answer(
            "GET", kind, kind.path(namespace), query, accept=_many(kind), read=WATCH_SILENCE_SECONDS, stream=True
        )
        with asked as answer:
            try:
                for line in _lines(answer):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise _refused(self.name, kind, int(status.get("code") or 500), status)
                    yield event["type"], event["object"]
            except ValueError:
                raise KubeError("kube-unreachable", f"{self.name}: watch of {kind.plural} was cut") from None
            finally:
                # A watch that is left early must not go back to the pool half read.
                answer.close()

    def apply(
        self,
        kind: Kind,
        obj: Obj,
        *,
        manager: str,
        subresource: str | None = None,
        dry_run: bool = False,
        force: bool = True,
    ) -> Obj:
        """Server-side apply with strict field validation; `subresource` is "status" or None."""
        meta = obj["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"]) + (f"/{subresource}" if subresource else "")
        return self._call("PATCH", kind, path, _applied(manager, dry_run=dry_run, force=force), obj, _APPLY)

    def apply_text(self, kind: Kind, namespace: str, name: str, text: bytes, *, manager: str) -> None:
        """As apply, of an object that is JSON already and whose answer nobody reads: for many."""
        query = _applied(manager)
        with self._answer("PATCH", kind, kind.path(namespace, name), query, body=text, content_type=_APPLY):
            pass

    def create(self, kind: Kind, obj: Obj) -> Obj | None:
        """The object as created; None where one of that name exists already."""
        query = {"fieldValidation": "Strict"}
        try:
            return self._call("POST", kind, kind.path(obj["metadata"].get("namespace")), query, obj, "application/json")
        except KubeError as error:
            if error.status == 409:
                return None
            raise

    def patch(self, kind: Kind, namespace: str | None, name: str, body: Obj, subresource: str | None = None) -> Obj:
        """JSON merge patch."""
        path = kind.path(namespace, name) + (f"/{subresource}" if subresource else "")
        return self._call("PATCH", kind, path, {}, body, _MERGE)

    def delete(self, kind: Kind, namespace: str | None, name: str, uid: str = "") -> bool:
        """Whether there was something to delete; with an uid it is refused (409) for a namesake."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}} if uid else None
        try:
            self._call("DELETE", kind, kind.path(namespace, name), {}, body, "application/json" if uid else "")
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Obj | None = None,
        content_type: str = "",
    ) -> Obj:
        with self._answer(method, kind, path, query or {}, body=body, content_type=content_type) as answer:
            return _json(self.name, answer.data)

    @contextmanager
    def _answer(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str],
        *,
        body: Obj | bytes | None = None,
        content_type: str = "",
        accept: str = "application/json",
        read: float | None = None,
        stream: bool = False,
    ) -> Iterator[Any]:
        from urllib.parse import urlencode

        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        headers = {"Accept": accept, "User-Agent": "dbaas-platform"}
        if content_type:
            headers["Content-Type"] = content_type
        with self._auth:
            self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        connect = min(CONNECT_SECONDS, self._timeout)
        try:
            answer = self._pool.request(
                method,
                url,
                body=json.dumps(body).encode() if isinstance(body, dict) else body,
                headers=headers,
                timeout=Timeout(connect=connect, read=read or self._timeout),
                retries=False,
                preload_content=not stream,
            )
            if answer.status >= 400:
                raise _refused(self.name, kind, answer.status, answer.data)
            yield answer
        except (HTTPError, OSError) as error:
            # urllib3 names the host and the path, never a header.
            raise KubeError("kube-unreachable", f"{self.name}: {method} {path}: {_reason(error)}") from None


def contexts(kubeconfig: str | None) -> list[str]:
    """Names of the contexts of a kubeconfig (default: $KUBECONFIG, ~/.kube/config). Raises kube-missing."""
    config = _package().config
    with _readable(kubeconfig, None):
        found, _current = config.list_kube_config_contexts(config_file=kubeconfig)
    return [str(context["name"]) for context in found]


def _json(name: str, data: bytes) -> Obj:
    try:
        result: Obj = json.loads(data)
    except ValueError:
        raise KubeError("kube-unreachable", f"{name}: the answer is not JSON: is this a Kubernetes API?") from None
    return result


def _applied(manager: str, *, dry_run: bool = False, force: bool = True) -> dict[str, str]:
    query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
    return {**query, "dryRun": "All"} if dry_run else query


def _many(kind: Kind, suffix: str = "", *, bare: bool = False) -> str:
    metadata = bare or kind.kind == "Secret"
    what = f";as=PartialObjectMetadata{suffix};g=meta.k8s.io;v=v1" if metadata else ""
    return f"application/json{what}"


def _lines(answer: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in answer.stream(None, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest.strip():
        yield rest


def _selector(labels: Mapping[str, str] | str | None) -> dict[str, str]:
    if not labels:
        return {}
    text = labels if isinstance(labels, str) else ",".join(f"{key}={value}" for key, value in labels.items())
    return {"labelSelector": text}


def _refused(name: str, kind: Kind, status: int, body: bytes | Obj) -> KubeError:
    answer: Any = body
    if isinstance(body, bytes):
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {"message": body.decode(errors="replace")[:200].strip()}
    if not isinstance(answer, dict):
        answer = {}
    message = answer.get("message") or "no reason given"
    if kind.kind == "Secret" and status != 403:
        # A message about a field of a Secret may quote its value.
        message = answer.get("reason") or "refused"
    if status == 500 and "typed patch object" in message:
        # Server-side apply answers 500 for a field that the schema does not know.
        status = 422
    code = "kube-auth" if status == 401 else "kube-unreachable" if status == 429 or status >= 500 else "kube-refused"
    return KubeError(code, f"{name}: {kind.plural}: {status}: {message}", status)


def _reason(error: BaseException) -> str:
    text = str(error)
    # urllib3's texts begin with the repr of the connection.
    return f"{type(error).__name__}: {text.rpartition('>: ')[2] or text}"


def _package() -> Any:
    try:
        import kubernetes
        import kubernetes.client.api_client
        import kubernetes.config
    except ImportError:
        raise DbaasError("dependency-missing", "The Python package kubernetes is not installed.") from None
    return kubernetes


@contextmanager
def _readable(kubeconfig: str | None, context: str | None) -> Iterator[None]:
    """Turns what the package raises for a kubeconfig into kube-missing, without quoting the file."""
    from kubernetes.config import ConfigException

    where = kubeconfig or "the default kubeconfig"
    where = f"context {context} of {where}" if context else where
    try:
        yield
    except ConfigException as error:
        raise KubeError("kube-missing", f"{where}: {error}") from None
    except Exception as error:  # noqa: BLE001 - whatever the parser, the decoder or the TLS library raises
        # A parser's message would quote the file, tokens included.
        raise KubeError("kube-missing", f"{where} cannot be read ({type(error).__name__})") from None


def _client(kubeconfig: str | None, context: str | None) -> Any:
    import ssl

    package = _package()
    configuration = package.client.Configuration()
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ
    # The package keeps its temporary certificate files in a global.
    with _loading, _readable(kubeconfig, context):
        if kubeconfig is None and context is None and in_pod:
            package.config.load_incluster_config(client_configuration=configuration)
        else:
            package.config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
            )
        configuration.connection_pool_maxsize = 64
        client = package.client.ApiClient(configuration)
        tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        # CAs of clusters often lack the extensions that Python 3.13 has begun to ask for.
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not configuration.verify_ssl:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        if configuration.cert_file:
            tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        # Read once and drop the files: Ansible's workers end without running atexit, and would leave keys behind.
        package.config.kube_config._cleanup_temp_files()
    options = client.rest_client.pool_manager.connection_pool_kw
    for key in ("ca_certs", "cert_file", "key_file", "ca_cert_data"):
        options.pop(key, None)
    options["ssl_context"] = tls
    return client

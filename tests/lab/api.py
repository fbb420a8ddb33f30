"""The few calls that the lab itself makes to a PoP's API server: apply, read, wait."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import urllib3

from .binaries import LabError

Obj = dict[str, Any]
MANAGER = "lab"


class ApiError(LabError):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


def path_of(obj: Mapping[str, Any]) -> str:
    """The URL path of an object whose kind's plural is regular, as all the lab's are."""
    version, meta = obj["apiVersion"], obj["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    space = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    kind = obj["kind"].lower()
    many = kind[:-1] + "ies" if kind.endswith(("cy", "ly")) else kind + "s"
    return f"{root}{space}/{many}/{meta['name']}"


class Api:
    """One user's view of one API server."""

    def __init__(self, server: str, ca: str, token: str) -> None:
        """`ca`: the authority's certificate in PEM."""
        self.server = server
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        # No retries of its own: whoever waits, asks again.
        self._pool = urllib3.PoolManager(
            ca_cert_data=ca, maxsize=8, timeout=urllib3.Timeout(connect=2, read=30), retries=False
        )

    def request(self, method: str, path: str, body: bytes | None = None, content: str = "application/json") -> Obj:
        """The answer as parsed JSON; ApiError for everything that is no success, status 0 if nobody answers."""
        headers = {**self._headers, "Content-Type": content}
        try:
            answer = self._pool.request(method, self.server + path, body=body, headers=headers)
            # a server that was just started says so of kinds whose storage is not there yet; clients ask again
            for _again in range(10):
                if answer.status != 429:
                    break
                time.sleep(0.5)
                answer = self._pool.request(method, self.server + path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, type(error).__name__) from error
        try:
            parsed = json.loads(answer.data)
        except ValueError:
            parsed = {"message": answer.data.decode(errors="replace")[:500]}
        if answer.status >= 300:
            raise ApiError(answer.status, f"{method} {path}: {parsed.get('message', '')}")
        return dict(parsed)

    def get(self, path: str) -> Obj | None:
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(self, obj: Obj) -> Obj:
        return self.apply_text(path_of(obj), json.dumps(obj).encode())

    def apply_text(self, path: str, document: bytes) -> Obj:
        """Server-side apply of a YAML or JSON document as it stands."""
        query = f"?fieldManager={MANAGER}&force=true"
        return self.request("PATCH", path + query, document, "application/apply-patch+yaml")

    def patch(self, path: str, body: Obj, subresource: str = "") -> Obj:
        """A merge patch."""
        where = f"{path}/{subresource}" if subresource else path
        return self.request("PATCH", where, json.dumps(body).encode(), "application/merge-patch+json")

    def delete(self, path: str) -> None:
        try:
            self.request("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    def wait_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._pool.clear()
                answer = self._pool.request("GET", self.server + "/readyz", headers=self._headers, timeout=2)
            except urllib3.exceptions.HTTPError:
                pass
            else:
                if answer.status == 200:
                    return
            if time.monotonic() > deadline:
                raise LabError(f"the API server at {self.server} is not ready after {seconds:g} s: see its log")
            time.sleep(0.1)

    def wait_served(self, name: str, seconds: float = 60) -> None:
        """Until a CRD is Established and its collection answers: only then the next apply finds it."""
        deadline = time.monotonic() + seconds
        while True:
            crd = self.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}") or {}
            conditions = {c["type"]: c["status"] for c in crd.get("status", {}).get("conditions") or []}
            if conditions.get("Established") == "True":
                spec = crd["spec"]
                version = next(v["name"] for v in spec["versions"] if v["storage"])
                if self.get(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}?limit=1") is not None:
                    return
            if time.monotonic() > deadline:
                raise LabError(f"CRD {name} is not served after {seconds:g} s: {conditions}")
            time.sleep(0.1)

"""A PoP as deprovisioning meets it: what Argo CD applies from the repository, and the policies that keep data."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema
from ansible_collections.dbaas.platform.plugins.module_utils.domain.policies import DATA, DELETION
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import fill
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind

from tests.unit.runner.world import World, claim

Json = dict[str, Any]
Key = tuple[str, str, str]
Names = list[str]
GUARDED = {kind.kind for kind in DATA}


class SyncedCluster:
    """Syncs the services of one PoP from the branch main at each look, as Argo CD does, unless `synced` is off."""

    def __init__(self, world: World, pop: str) -> None:
        self.world = world
        self.pop = pop
        self.synced = True
        self.down = False
        self.objects: dict[Key, Json] = {}
        self.refused: list[Key] = []
        #: objects that the API server refuses, by kind
        self.refuses: set[str] = set()
        self.status: dict[str, Json] = {}
        #: what each commit delivers here: those who wait look often
        self._delivered: dict[str, dict[Key, Json]] = {}

    def _read(self, commit: str) -> Iterator[tuple[Key, Json]]:
        for path in self.world.git("ls-tree", "-r", "--name-only", commit).splitlines():
            parts = path.split("/")
            if parts[0] == "tenants" and parts[2:4] == [self.pop, "services"] and path.endswith(".yaml"):
                for item in documents.load_all(self.world.git("show", f"{commit}:{path}")):
                    yield (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]), item

    def sync(self, revision: str = "main") -> None:
        commit = self.world.git("rev-parse", revision).strip()
        if commit not in self._delivered:
            self._delivered[commit] = dict(self._read(commit))
        wanted = self._delivered[commit]
        for key, item in wanted.items():
            if key[0] in self.refuses:
                continue
            there = self.objects.get(key)
            made = copy.deepcopy(item)
            made["metadata"]["uid"] = there["metadata"]["uid"] if there else str(uuid.uuid4())
            if key[0] in self.status:
                made["status"] = self.status[key[0]]
            self.objects[key] = made
        for key, item in list(self.objects.items()):
            annotations = item["metadata"].get("annotations", {})
            if "dbaas.example.com/service" not in item["metadata"].get("labels", {}):
                # a tenant's own
                continue
            if key in wanted or "Prune=false" in annotations.get("argocd.argoproj.io/sync-options", ""):
                continue
            if key[0] in GUARDED and annotations.get(DELETION) != item["metadata"]["uid"]:
                self.refused.append(key)
                continue
            del self.objects[key]

    def apply_claim(self, name: str, **spec: Any) -> Json:
        """What `kubectl apply` of a claim leaves: an object with the schema's defaults, and no mark of ours."""
        item = claim(name, **spec)
        item["spec"] = fill(schema.SPEC, item["spec"])
        there = self.objects.get(("ServiceClaim", "tenant-acme", name))
        generation = there["metadata"]["generation"] + 1 if there else 1
        uid = there["metadata"]["uid"] if there else str(uuid.uuid4())
        applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
        item["metadata"] |= {"uid": uid, "generation": generation, "annotations": applied}
        self.objects["ServiceClaim", "tenant-acme", name] = item
        return item

    def delete_claim(self, name: str) -> None:
        """`kubectl delete` by its owner."""
        del self.objects["ServiceClaim", "tenant-acme", name]

    def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None, *, bare: bool = False
    ) -> tuple[Sequence[Json], str]:
        assert not bare
        if self.down:
            raise KubeError("kube-unreachable", f"{self.pop}: no answer")
        if self.synced:
            self.sync()
        name, _is, value = (labels or "").partition("=")
        return [
            item
            for key, item in self.objects.items()
            if key[0] == kind.kind
            and namespace in (None, key[1])
            and (not name or name in item["metadata"].get("labels", {}))
            and value in ("", item["metadata"].get("labels", {}).get(name))
        ], "1"

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json | None:
        self.list(kind, namespace)
        return self.objects.get((kind.kind, str(namespace), name))

    def names(self, service: str) -> Names:
        """Kinds of what there is of a service, the protected ones first."""
        label = "dbaas.example.com/service"
        return sorted(
            key[0] for key, item in self.objects.items() if item["metadata"].get("labels", {}).get(label) == service
        )

    def uids(self, *services: str) -> dict[Key, str]:
        label = "dbaas.example.com/service"
        return {
            key: item["metadata"]["uid"]
            for key, item in self.objects.items()
            if item["metadata"].get("labels", {}).get(label) in services
        }

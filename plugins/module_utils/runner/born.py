# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The claims that tenants applied to their points of presence, as documents to be planned, and those that are gone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain import claim as claims
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.paths import Place
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform, Pop
from ansible_collections.dbaas.platform.plugins.module_utils.domain.problems import WARNING, Problem
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]

_BORN_IN = re.compile(rb"(?m)^ +dbaas\.example\.com/born-in: \"?([a-z0-9-]+)")


class Clusters:
    """What tenants applied, by PoP and (tenant, name); read once, however often it is planned on."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._given = bool(run.text("kubeconfig") or os.environ.get("K8S_AUTH_KUBECONFIG"))
        self._found: dict[str, dict[tuple[str, str], Json]] = {}
        self._silent: dict[str, Problem] = {}

    def look(self, platform: Platform) -> tuple[dict[str, dict[tuple[str, str], Json]], list[Problem]]:
        """PoP -> (tenant, name) -> the tenant's own object, and the PoPs that could not be asked; none without a
        kubeconfig.

        Raises DbaasError kube-auth or kube-refused: whoever asks must mend that.
        """
        asked = [pop for pop in platform.pops.values() if pop.name not in self._found and pop.name not in self._silent]
        if self._given and asked:
            with ThreadPoolExecutor(max_workers=min(base.WORKERS, len(asked))) as pool:
                for pop, answer in zip(asked, pool.map(self._ask, asked), strict=True):
                    if isinstance(answer, Problem):
                        self._silent[pop.name] = answer
                    else:
                        self._found[pop.name] = answer
        return self._found, list(self._silent.values())

    def _ask(self, pop: Pop) -> dict[tuple[str, str], Json] | Problem:
        tenants: list[str] = self._run.options.get("tenants") or []
        try:
            cluster = base.clusters(self._run, Platform("", "", {pop.name: pop}))[pop.name]
            listed = [
                item
                for namespace in (map(paths.namespace, tenants) if tenants else [None])
                for item in cluster.list(CLAIM, namespace)[0]
            ]
        except DbaasError as error:
            if isinstance(error, KubeError) and error.status == 404:
                return {}
            if error.code not in ("kube-unreachable", "kube-missing"):
                raise
            words = f"what tenants applied there waits: {error.message}"
            return Problem(paths.PLATFORM, 1, error.code, words, WARNING)
        return {key: item for item in listed if born.by_tenant(item) and (key := claims.key(item))}


def documents(
    found: Mapping[str, Mapping[tuple[str, str], Json]], tree: Tree, places: Mapping[str, Place]
) -> tuple[list[Document], list[Problem]]:
    """The tenants' objects as documents, and what is wrong: the same name in two PoPs, a declaration that is gone."""
    declared = dict(_declared(tree, places)) if found else {}
    homes: dict[tuple[str, str], list[str]] = {}
    for pop, items in found.items():
        for key in items:
            homes.setdefault(key, []).append(pop)
    given: list[Document] = []
    problems: list[Problem] = []
    for key, pops in homes.items():
        for pop in pops:
            live = found[pop][key]
            source = f"{pop}:{paths.namespace(key[0])}/{key[1]}"
            if live["metadata"].get("deletionTimestamp"):
                continue
            # of two the one that Git knows goes on
            if len(pops) > 1 and declared.get(key) != pop:
                others = ", ".join(each for each in pops if each != pop)
                words = f"metadata.name: {key[1]} is also the name of a claim that was applied in {others}"
                problems.append(Problem(source, 1, "claim-invalid", words))
                continue
            given.append(Document(source, born.file_of(live, pop), born_in=pop))
    for key, pop in declared.items():
        if pop in found and key not in found[pop]:
            words = f"the object in {pop} that declared {key[0]}/{key[1]} was deleted by its owner"
            problems.append(Problem(paths.claim(*key), 1, "declaration-gone", words, WARNING))
    return given, problems


def _declared(tree: Tree, places: Mapping[str, Place]) -> Iterator[tuple[tuple[str, str], str]]:
    """(tenant, name) and PoP of each service whose claim's file says that it was born there."""
    files: Iterable[str] = [path for path, place in places.items() if place.kind == "claim"]
    for path, content in tree.read(files).items():
        if marked := _BORN_IN.search(content):
            yield (places[path].tenant, places[path].name), marked[1].decode()

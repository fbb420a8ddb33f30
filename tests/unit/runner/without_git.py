"""A platform without Argo CD and without a repository, for tests of what is delivered to it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.unit.runner.applying import Applying
from tests.unit.runner.world import World

Json = dict[str, Any]
BOTH = {"regions": ["lagos", "johannesburg"]}
#: what a ScyllaDB service is made of, the backup task included
RING = ["ConfigMap", "NetworkPolicy", "PrometheusRule", "ScyllaCluster", "ServiceClaim", "ServiceMonitor"]
ORIGIN = "dbaas.example.com/origin"


class Direct:
    """Two PoPs without Argo CD and without a repository, tenant acme in both."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lagos, self.johannesburg = (Applying(name, "tenant-acme") for name in ("lagos", "johannesburg"))
        world.clusters.clear()
        world.clusters |= {"lagos": self.lagos, "johannesburg": self.johannesburg}  # type: ignore[dict-item]

    def run(self, name: str = "orders", **more: Any) -> Json:
        given = {"tenant": "acme", "name": name, "sku": "scy-ring-3", "region": "lagos", **more}
        return self.world.run("service_claim", **{"delivery": "direct", "repository": "", **given})

    def many(self, *claims: Json, **more: Any) -> Json:
        options = {"delivery": "direct", "repository": "", **more}
        return self.world.run("service_claims", claims=list(claims), **options)

    def refused(self, **more: Any) -> DbaasError:
        before = self.written()
        with pytest.raises(DbaasError) as caught:
            self.run(**more)
        assert self.written() == before
        return caught.value

    def written(self) -> list[str]:
        return [*self.lagos.writes, *self.johannesburg.writes]

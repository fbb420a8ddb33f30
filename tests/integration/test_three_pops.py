"""The example of the requirements as it stands, in the three PoPs that it names."""

from __future__ import annotations

from functools import partial

import pytest

from tests.integration.conftest import DELAY, POPS, Platform, until
from tests.integration.test_yugabyte import backed_up
from tests.lab import Lab
from tests.lab.platform import set_up
from tests.unit.domain.test_schema import EXAMPLE


@pytest.fixture(scope="module")
def three(platform: Platform) -> Platform:
    """The lab of the tests before these, which a third PoP joins."""
    pops = (*POPS, "frankfurt")
    lab = Lab.up(pops, state=platform.lab.state, delay=DELAY)
    set_up(lab)
    three = Platform(lab)
    tenant = three.module("tenant", {"tenant": "123", "regions": list(pops)})
    assert tenant["changed"], tenant
    return three


def test_the_example_of_the_requirements_ends_active_as_it_stands(
    three: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    src = tmp_path_factory.mktemp("example") / "claim.yaml"
    src.write_text(EXAMPLE)
    result = three.module("service_claims", {"src": str(src), "wait": True, "wait_timeout": 120})
    assert not result["failed"], result
    (waited,) = result["wait"]
    assert waited["phase"] == "Active"
    for pop in three.lab.pops:
        until(partial(backed_up, three, pop, "tenant123-yugabyte", "tenant-123"))
        copy = three.copy(pop, "tenant123-yugabyte", "tenant-123")
        assert copy["status"]["phase"] == "Active"
        said = {item["type"]: item for item in copy["status"]["conditions"]}
        assert said["Ready"]["status"] == "True"
        assert "version 2.18.0 of yugabyte is deprecated" in said["Warning"]["message"]
        assert (said["Replicating"]["status"], said["Replicating"]["reason"]) == ("False", "XClusterNotSetUp")
        assert copy["status"]["connectionString"] == (
            f"postgresql://tenant123-yugabyte-tserver.tenant-123.svc.{pop}.dbaas.internal:5433"
        )
    again = three.module("service_claims", {"src": str(src)})
    assert not again["changed"]

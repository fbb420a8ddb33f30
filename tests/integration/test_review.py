"""Delivery by merge request, on the lab: a protected main, a Git host in front of it, and Argo CD behind it."""

from __future__ import annotations

import threading
import time

from tests.forge import GitLab
from tests.integration.conftest import Platform
from tests.integration.test_playbooks import play, succeeds
from tests.lab.platform import pops

CLAIM = {"tenant": "crowd", "service": "asked-for", "sku": "scy-ring-3", "region": "lagos", "dbaas_wait_timeout": "60"}


def test_a_claim_that_is_asked_for_merged_and_active(platform: Platform) -> None:
    lab = platform.lab
    with GitLab(lab.repository, token=lab.git_environment("writer")["DBAAS_GIT_TOKEN"]) as host:
        arguments = {"pops": pops(lab), "forge": host.platform}
        assert platform.module("gitops_repository", arguments)["changed"]
        host.protect()
        try:
            code, output = play(platform, "provision_service", CLAIM)
            assert code != 0
            assert "git-protected" in output
            assert "delivery: merge_request" in output

            def person() -> None:
                while not host.merges:
                    time.sleep(0.1)
                host.merge(1, "squash")

            merging = threading.Thread(target=person)
            merging.start()
            answers = {**CLAIM, "dbaas_delivery": "merge_request"}
            changed, output = succeeds(platform, "provision_service", answers)
            merging.join()
            assert changed == 1
            assert "merge request 1 is merged" in output
            assert platform.phase("lagos", "asked-for", "tenant-crowd") == "Active"
            assert succeeds(platform, "provision_service", answers)[0] == 0
            assert host.problems == []
        finally:
            host.unprotect()

"""Lets Ansible's plugin loader find the collection, once for the whole run."""

from __future__ import annotations

import pytest
from ansible.plugins.loader import init_plugin_loader

from tests.lab.binaries import LabError
from tests.lab.sshd import Program, resolve
from tests.tools.tree import ROOT

init_plugin_loader([str(ROOT / ".cache/collections")])


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A real sshd; tests that need it are skipped, and say why, where none can be had."""
    try:
        return resolve(tmp_path_factory.mktemp("sshd"))
    except LabError as error:
        pytest.skip(f"no sshd: {error}")

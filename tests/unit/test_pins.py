"""The execution environment and .venv hold the same versions, and the collection says its own version once."""

from __future__ import annotations

import re

import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

from tests.tools.tree import ROOT


def pins(path: str) -> dict[str, str]:
    """Name -> pinned version and marker, of a lock."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    found = [line.partition("==") for line in lines if not line.startswith("#")]
    return {name: pin for name, _equals, pin in found}


def version(pin: str) -> str:
    return pin.partition(" ;")[0]


def test_the_execution_environment_and_the_venv_hold_the_same_versions() -> None:
    runtime, everything = pins("requirements.txt"), pins("tests/requirements.txt")

    assert {name: version(pin) for name, pin in runtime.items()} == {
        name: version(everything[name]) for name in runtime
    }


def test_ansible_itself_is_pinned_as_in_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "execution-environment.yml").read_text(encoding="utf-8"))
    runtime = pins("requirements.txt")

    for key, name in (("ansible_core", "ansible-core"), ("ansible_runner", "ansible-runner")):
        assert environment["dependencies"][key]["package_pip"] == f"{name}=={version(runtime[name])}"


def test_the_version_is_the_same_wherever_it_stands() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    environment = (ROOT / "execution-environment.yml").read_text(encoding="utf-8")

    assert galaxy["version"] == VERSION
    assert set(re.findall(r"dbaas-platform-([\w.]+)\.tar\.gz", environment)) == {VERSION}


def test_no_lock_names_a_registry() -> None:
    for path in ("requirements.txt", "tests/requirements.txt", "tests/requirements-importer.txt"):
        assert "://" not in (ROOT / path).read_text(encoding="utf-8")

"""The four PoPs' inventories: their machines, and that any number of them given together is right."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.tools.tree import ROOT

POPS = ("ashburn", "frankfurt", "johannesburg", "lagos")
NODES = {"control": 3, "database": 32, "kafka": 5, "storage": 6, "observability": 4}


@cache
def inventory(*pops: str, limit: str | None = None) -> dict[str, Any]:
    """What ansible-inventory lists for these PoPs' inventories given together."""
    command = ["ansible-inventory", "--list", *(option for pop in pops for option in ("-i", f"inventories/{pop}"))]
    command += ["--limit", limit] if limit else []
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert not listed.stderr
    found: dict[str, Any] = json.loads(listed.stdout)
    return found


def hosts(listed: dict[str, Any], group: str) -> set[str]:
    """All hosts of a group, those of its children included."""
    entry = listed.get(group, {})
    return set(entry.get("hosts", [])).union(*(hosts(listed, child) for child in entry.get("children", [])))


@pytest.mark.parametrize("pop", POPS)
def test_a_pop_has_its_machines(pop: str) -> None:
    listed = inventory(pop)

    assert {group: len(hosts(listed, group)) for group in NODES} == NODES
    assert hosts(listed, "pops") == {pop}
    assert hosts(listed, f"pop_{pop}") == {pop}.union(*(hosts(listed, group) for group in NODES))


def test_all_given_together_keep_apart_what_is_each_ones_own() -> None:
    listed = inventory(*POPS)
    variables = listed["_meta"]["hostvars"]

    assert hosts(listed, "pops") == set(POPS)
    assert {group: len(hosts(listed, group)) for group in NODES} == {group: 4 * n for group, n in NODES.items()}
    for pop in POPS:
        assert len(hosts(listed, f"pop_{pop}")) == 1 + sum(NODES.values())
        assert {variables[host]["dbaas_pop"] for host in hosts(listed, f"pop_{pop}")} == {pop}
        assert variables[pop]["ansible_connection"] == "local"


def test_a_pop_given_alone_and_among_others_has_the_same_variables() -> None:
    together = inventory(*POPS)["_meta"]["hostvars"]

    for pop in POPS:
        alone = inventory(pop)["_meta"]["hostvars"]
        assert {host: together[host] for host in alone} == alone


def test_awx_gives_jobs_the_same_inventory(tmp_path: Path) -> None:
    """AWX keeps what ansible-inventory lists of the file, and gives it to jobs as a script that prints it."""
    command = ["ansible-inventory", "-i", str(ROOT / "inventories/lagos/hosts.yml"), "--list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    script = tmp_path / "hosts"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{listed}\nEND\n")
    script.chmod(0o755)
    ping = ["ansible", "-i", str(script), "pops", "-m", "ansible.builtin.ping", "-e", "ansible_become=false"]
    done = subprocess.run(ping, cwd=tmp_path, check=False, capture_output=True, text=True)
    # the variable that names the interpreter is a template, and is still one
    assert "lagos | SUCCESS" in done.stdout, done.stdout + done.stderr
    again = subprocess.run(
        ["ansible-inventory", "-i", str(script), "--list"], check=True, capture_output=True, text=True
    )
    assert json.loads(again.stdout)["_meta"]["hostvars"] == json.loads(listed)["_meta"]["hostvars"]


def test_a_limit_keeps_to_one_pop() -> None:
    assert set(inventory(*POPS, limit="lagos")["_meta"]["hostvars"]) == {"lagos"}

    listed = inventory(*POPS, limit="pop_lagos")
    assert hosts(listed, "pops") == {"lagos"}
    assert len(hosts(listed, "database")) == NODES["database"]
    assert {variables["dbaas_pop"] for variables in listed["_meta"]["hostvars"].values()} == {"lagos"}


def test_no_variable_stands_in_all() -> None:
    for folder in ROOT.glob("inventories/*"):
        assert [path.name for path in folder.glob("group_vars/*")] == [f"pop_{folder.name}.yml"]
    assert not list(ROOT.glob("inventories/*/group_vars/all*"))

"""A small project with one playbook, its template, and what the tests of both launchers ask of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.survey import KEY
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import Request

Json = dict[str, Any]

#: Notes each run in the file RUNS, waits for the file `gate`, then fails with `words` or leaves a result.
PLAYBOOK = """
- name: Toy
  hosts: all
  gather_facts: false
  tasks:
    - name: Note the run
      ansible.builtin.lineinfile:
        path: "{{ lookup('ansible.builtin.env', 'RUNS') }}"
        line: "{{ service }} {{ ansible_limit | default('no limit') }} {{ now().timestamp() }}"
        create: true
        mode: "0600"
      run_once: true
      check_mode: false
    - name: Wait for the gate
      ansible.builtin.wait_for:
        path: "{{ gate }}"
        timeout: 60
      when: gate | default('', true) | length > 0
      run_once: true
    - name: Do what was asked
      ansible.builtin.debug:
        msg: "{{ service }} takes {{ size }} in {{ region }}, checked: {{ ansible_check_mode }}"
      run_once: true
    - name: Refuse
      ansible.builtin.fail:
        msg: "{{ words }}"
      run_once: true
      when: words | default('', true) | length > 0
    - name: Leave the result
      ansible.builtin.set_stats:
        data:
          dbaas_result: {service: "{{ service }}", size: "{{ size }}", region: "{{ region }}"}
      run_once: true
"""


def _question(variable: str, form: str, **more: Any) -> Json:
    blank = {"question_name": variable, "question_description": "", "required": False, "default": ""}
    limits = {"min": 0, "max": 1024} if form in ("text", "password") else {"min": None, "max": None}
    return {**blank, "variable": variable, "type": form, **limits, **more}


SURVEY: Json = {
    "name": "Toy",
    "description": "",
    "spec": [
        _question("service", "text", required=True, min=1, max=20),
        _question("size", "integer", min=1, max=100, default=5),
        _question("region", "multiplechoice", choices=["lagos", "frankfurt"], default="lagos"),
        _question("gate", "text"),
        _question("words", "text"),
        _question("secret", "password", min=0, max=8),
        _question(KEY, "text", max=128),
    ],
}
TEMPLATE: Json = {
    "name": "dbaas-toy",
    "job_type": "run",
    "playbook": "toy.yml",
    "inventory": "platform",
    "survey_enabled": True,
    "survey_spec": SURVEY,
    "ask_variables_on_launch": False,
    "ask_limit_on_launch": True,
    "ask_job_type_on_launch": True,
    "ask_inventory_on_launch": True,
    "allow_simultaneous": True,
}


def project(folder: Path) -> Path:
    """The project, with an inventory of two hosts."""
    folder.mkdir(exist_ok=True)
    (folder / "toy.yml").write_text(PLAYBOOK)
    (folder / "broken.yml").write_text("- hosts: [\n")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"all": {"children": {"pops": {"hosts": {"lagos": local, "frankfurt": local}}}}}
    (folder / "hosts.yml").write_text(json.dumps(inventory))
    return folder


def request(service: str = "orders", key: str = "", /, **answers: Any) -> Request:
    """A launch of the toy."""
    prompts = answers.pop("prompts", {})
    return Request("dbaas-toy", {"service": service, **answers}, key, prompts)


def until(what: Callable[[], Any], seconds: float = 180) -> Any:
    """What `what` gives once it is true; fails after `seconds`, which are many as the lab leaves unit tests little."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return found

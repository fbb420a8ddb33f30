# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pops
short_description: Points of presence, their nodes, and services
version_added: 0.1.0
description:
  - Shows a platform as an inventory, with the groups C(pops), C(nodes) and C(services).
  - C(pops) holds one local host per point of presence, named after it, as every inventory of the platform does, so all playbooks
    run with it. C(pop_<name>) holds that host and the Kubernetes nodes of the point of presence.
  - C(nodes) and C(nodes_<pop>) hold the Kubernetes nodes. A node that is named as another host is gets the name
    C(<pop>.node.<name>).
  - C(services) holds one local host per service, C(<tenant>.<service>), also found in C(services_<region>), C(tenant_<id>),
    C(engine_<name>) and C(plan_<name>). Characters that group names cannot have become C(_).
  - Variables of nodes are C(ansible_host), C(dbaas_pop) and C(dbaas_node) (zone, roles, ready, schedulable, version, labels).
    Variables of services are C(dbaas_pop), the home region, and C(dbaas_) with tenant, service, namespace, project, regions, sku,
    engine, plan, version, service_id, phase and message.
  - With O(repository) the claims in it say which services there are; without it the copies do that the regions of the kubeconfig
    have, and the points of presence are those that the collection ships and the kubeconfig has a context for.
  - Its file is named C(pops.yml), C(dbaas.yml) or C(*.dbaas.yml).
options:
  plugin:
    description: Name of the plugin.
    type: str
    required: true
    choices: [dbaas.platform.pops]
  nodes:
    description: Whether the Kubernetes nodes are shown; the clusters are asked for them.
    type: bool
    default: true
  services:
    description: Whether the services are shown.
    type: bool
    default: true
  phases:
    description: Whether the phase of each service is shown; the clusters are asked for it.
    type: bool
    default: false
  tenants:
    description: Tenants whose services are shown; those of all when not given.
    type: list
    elements: str
    default: []
  strict:
    description:
      - Whether a point of presence that does not answer, and an expression that cannot be evaluated, are errors; else they are
        warned of and left out.
    type: bool
    default: false
extends_documentation_fragment:
  - dbaas.platform.connection.lookup_git
  - dbaas.platform.connection.lookup_kubernetes
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - git
  - fastyaml-rs
  - kubernetes
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
# pops.yml: addresses and credentials come from DBAAS_REPOSITORY, DBAAS_GIT_TOKEN and K8S_AUTH_KUBECONFIG
plugin: dbaas.platform.pops

---
# production.dbaas.yml: services that need care, and nodes by zone
plugin: dbaas.platform.pops
repository: https://git.example.com/platform/gitops.git
kubeconfig: ~/.kube/pops.yaml
phases: true
strict: false
groups:
  needs_care: dbaas_phase is defined and dbaas_phase != 'Active'
keyed_groups:
  - key: dbaas_node.zone
    prefix: zone
compose:
  dbaas_label: dbaas_tenant ~ '/' ~ dbaas_service
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /tmp/dbaas-inventory
"""

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.template import trust_as_template
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import inventory as runner
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, shipped
from ansible_collections.dbaas.platform.plugins.plugin_utils.action import ROOT, untagged

Json = dict[str, Any]

_NAMES = tuple(f"{name}.{ending}" for name in ("pops", "dbaas") for ending in ("yml", "yaml"))


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "dbaas.platform.pops"

    def verify_file(self, path: str) -> bool:
        name = Path(path).name
        ours = name in _NAMES or name.endswith((".dbaas.yml", ".dbaas.yaml"))
        return bool(super().verify_file(path)) and ours

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self._populate(self._data(path, cache))

    def _data(self, path: str, cache: bool) -> Json:
        """What the platform says, or said when it was last cached."""
        self.load_cache_plugin()
        key, wanted = self.get_cache_key(path), self.get_option("cache")
        if cache and wanted:
            try:
                kept: Json = self._cache[key]
                return kept
            except KeyError:
                pass
        try:
            data = runner.run(Run({**untagged(self.get_options()), "shipped": shipped(ROOT)}))
        except DbaasError as error:
            raise AnsibleParserError(str(error)) from None
        for warning in data["warnings"]:
            if self.get_option("strict"):
                raise AnsibleParserError(f"strict: {warning}")
            self.display.warning(warning)
        if wanted and not data["warnings"]:
            # what is not whole is asked for again next time
            self._cache[key] = data
        return data

    def _populate(self, data: Json) -> None:
        for group in ("pops", "nodes", "services"):
            self.inventory.add_group(group)
        for pop, about in data["pops"].items():
            self._add(pop, {"dbaas_pop": pop, "dbaas_context": about["context"]}, ["pops", f"pop_{pop}"], local=True)
            self._nested(f"pop_{pop}", f"nodes_{pop}")
        for item in data["services"]:
            variables = {f"dbaas_{key}": value for key, value in item.items() if key not in ("name", "region")}
            variables |= {"dbaas_service": item["name"], "dbaas_pop": item["region"]}
            groups = ["services", f"tenant_{item['tenant']}", *(f"services_{region}" for region in item["regions"])]
            groups += [f"{part}_{item[part]}" for part in ("engine", "plan") if item[part]]
            self._add(f"{item['tenant']}.{item['name']}", variables, groups, local=True)
        names = [node["name"] for nodes in data["nodes"].values() for node in nodes]
        taken = {name for name in names if names.count(name) > 1} | set(self.inventory.hosts)
        for pop, nodes in data["nodes"].items():
            for node in nodes:
                name = f"{pop}.node.{node['name']}" if node["name"] in taken else node["name"]
                about = {key: value for key, value in node.items() if key not in ("name", "address")}
                variables = {"ansible_host": node["address"], "dbaas_pop": pop, "dbaas_node": about}
                self._add(name, variables, ["nodes", f"nodes_{pop}"])

    def _add(self, host: str, variables: Json, groups: list[str], *, local: bool = False) -> None:
        self.inventory.add_host(host)
        if local:
            variables |= {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        for name, value in variables.items():
            self.inventory.set_variable(host, name, _shown(value))
        for group in groups:
            self.inventory.add_host(host, self.inventory.add_group(_safe(group)))
        strict = self.get_option("strict")
        known = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(self.get_option("compose"), known, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, host, strict=strict)

    def _nested(self, parent: str, child: str) -> None:
        self.inventory.add_group(_safe(child))
        self.inventory.add_child(_safe(parent), _safe(child))


def _safe(name: str) -> str:
    # whatever the setting: `-` in a group's name warns on every run, or is changed behind the back of who wrote it
    safe: str = to_safe_group_name(name, replacer="_", force=True, silent=True)
    return safe


def _shown(value: Any) -> Any:
    """The value with its texts trusted where there is nothing to evaluate; else `ansible-inventory` marks each as unsafe."""
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, str) and not any(mark in value for mark in ("{{", "{%", "{#", "#jinja2:")):
        return trust_as_template(value)
    return value

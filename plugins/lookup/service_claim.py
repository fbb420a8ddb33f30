# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: service_claim
short_description: What a service is, over all its regions
version_added: 0.1.0
description:
  - The same as module M(dbaas.platform.service_claim_info) returns for one service.
options:
  _terms:
    description: Services, each as C(tenant/name).
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - dbaas.platform.connection.lookup_git
  - dbaas.platform.connection.lookup_kubernetes
requirements:
  - fastyaml-rs
  - git
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Phase of a service
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.service_claim', 'acme/orders').phase }}"
"""

RETURN = r"""
_raw:
  description: "Each service: phase, message, regions, connection, endpoints, conditions, last_operation, spec."
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import RunnerLookup


class LookupModule(RunnerLookup):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self.answer(info.run, **self.service(term))["services"][0] for term in terms]

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: connection
short_description: How to connect to a service
version_added: 0.1.0
description:
  - Reads the connection of a service in its home region, the values of its Secret included. Only those may who may read the Secret.
  - Use C(no_log) in tasks that use it.
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
- name: Where a service is
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.connection', 'acme/orders').host }}"
"""

RETURN = r"""
_raw:
  description:
    - "Each service's connection: host, port, tls, region, connection_string, the Secret's values by key (username, password),
      and the names of the Secrets with the authority and the client's certificate."
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import RunnerLookup


class LookupModule(RunnerLookup):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self.answer(info.connection, **self.service(term)) for term in terms]

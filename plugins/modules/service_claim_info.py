#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim_info
short_description: Say what services are, over all their regions
version_added: 0.1.0
description:
  - Reads the copies of the claims in every point of presence and combines them; one that does not answer is Unreachable, and the
    service Degraded.
  - With O(repository) the claims in it say which services there are; without it the copies do that are found.
options:
  tenant:
    description: Id of the tenant.
    type: str
    required: true
  names:
    description: Names of services; all of the tenant when not given.
    type: list
    elements: str
extends_documentation_fragment:
  - dbaas.platform.attributes.info
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.shipped
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: All services of a tenant
  dbaas.platform.service_claim_info:
    tenant: acme
  register: found

- name: Those that need care
  ansible.builtin.debug:
    msg: "{{ found.services | rejectattr('phase', 'eq', 'Active') | map(attribute='message') }}"
"""

RETURN = r"""
services:
  description: The services.
  returned: always
  type: list
  elements: dict
  contains:
    tenant: {description: Tenant., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    namespace: {description: Namespace in every region., type: str, returned: always}
    region: {description: Home region., type: str, returned: always}
    phase:
      description: Pending, Provisioning, Active, Updating, Degraded, Failed, Deleting; Unknown when no region answers.
      type: str
      returned: always
    message: {description: What is not as it should be., type: str, returned: always}
    regions: {description: "By region: phase (also Unreachable), message, operation, ready, wanted.", type: dict, returned: always}
    connection: {description: How to connect in the home region; Secrets are named., type: dict, returned: always}
    connection_string: {description: Address for clients., type: str, returned: always}
    endpoints: {description: The endpoints of all regions., type: list, elements: dict, returned: always}
    conditions: {description: Conditions of the home region., type: list, elements: dict, returned: always}
    last_operation:
      description:
        - "The last operation, as of the C(region) where it is the furthest behind: id, action, requester, state, reason, ready, wanted,
          startedAt, deadline, finishedAt, and its steps (committed, synced, provisioning, ready) each with its time."
      type: dict
      returned: always
    spec: {description: "The whole spec, defaults filled in.", type: dict, returned: always}
error:
  description: The failure for machines.
  returned: failure
  type: dict
  contains:
    code: {description: Code of the failure; also the anchor in the runbook., type: str, returned: always}
    class: {description: "Who must act: user, quota, capacity, licence, dependency or bug.", type: str, returned: always}
    retry: {description: Whether running again can help., type: bool, returned: always}
    action: {description: What to do., type: str, returned: always}
    runbook: {description: Anchor in the runbook., type: str, returned: always}
    fields: {description: "Each wrong field: path, given, allowed, nearest, source.", type: list, elements: dict, returned: always}
"""

from ansible_collections.dbaas.platform.plugins.module_utils import specs
from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.service_claim_info(), info.run)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim_wait
short_description: Wait for services that are delivered
version_added: 0.1.0
description:
  - Waits until services are Active in all their regions, and tells the progress while it happens.
options:
  tenant:
    description: Id of the tenant.
    type: str
    required: true
  names:
    description: Names of services; all of the tenant when not given.
    type: list
    elements: str
  operations:
    description: Operation that each service's copies must bear, by the service's name; any when not given.
    type: dict
  merge_request:
    description:
      - Number of the request with which they were delivered (RV(dbaas.platform.service_claim#module:merge_request)); its merge is waited for first.
      - O(token) must be one that may read it.
    type: int
  wait_timeout:
    description: Seconds to wait, in all.
    type: int
    default: 1800
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
- name: Wait for a service
  dbaas.platform.service_claim_wait:
    tenant: acme
    names: [orders]
    wait_timeout: 900

- name: Wait until somebody has merged a request, and then for the service
  dbaas.platform.service_claim_wait:
    tenant: acme
    names: [orders]
    merge_request: 12
    wait_timeout: 86400
"""

RETURN = r"""
merge_request:
  description: The request that was waited for; its C(number), C(url), C(state) and C(branch).
  returned: when O(merge_request) is given
  type: dict
wait:
  description: State of each service when waiting ended.
  returned: always
  type: list
  elements: dict
  sample:
    - tenant: acme
      name: orders
      phase: Active
      message: ""
      connection_string: cql://orders-client.tenant-acme.svc.lagos.dbaas.internal:9142
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
    run_module(specs.service_claim_wait(), info.run_wait)


if __name__ == "__main__":
    main()

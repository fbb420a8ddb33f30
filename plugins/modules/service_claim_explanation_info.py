#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim_explanation_info
short_description: Say why services are not Active
version_added: 0.1.0
description:
  - Asks Git and every region of a service what they know of it, and says in plain sentences what keeps it from being Active, the
    cause first, then the evidence of each region from Git to the database.
  - Reads the claims' copies, the operators' objects, Kubernetes events and Argo CD's Applications; Secrets are never read.
  - Regions that do not answer are part of the answer, and so is what the account may not read. Where Git does not answer, the
    copies that the regions have say what there is.
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
seealso:
  - module: dbaas.platform.service_claim_info
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Why is it not Active?
  dbaas.platform.service_claim_explanation_info:
    tenant: acme
    names: [orders]
  register: found

- name: Say it in one sentence
  ansible.builtin.debug:
    msg: "{{ found.services | map(attribute='why') }}"
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
    phase: {description: The phase over all regions., type: str, returned: always}
    why: {description: The verdict in one sentence., type: str, returned: always}
    code: {description: Code of the verdict; V(active) when nothing is wrong., type: str, returned: always}
    class: {description: "Who must act: user or dependency.", type: str, returned: always}
    action: {description: What to do., type: str, returned: always}
    runbook: {description: "What the runbook says about the code: anchor, text.", type: dict, returned: always}
    findings:
      description: "All that was found, ordered by cause: code, region, message."
      type: list
      elements: dict
      returned: always
    regions:
      description: "By region: phase, synced, facts (sentences), conditions, last_operation, objects, applications, events."
      type: dict
      returned: always
    lines: {description: All of it as text for people., type: list, elements: str, returned: always}
  sample:
    - tenant: acme
      name: orders
      phase: Degraded
      why: "acme/orders is Degraded: lagos: the operator says: a disk of orders-lagos-a-0 is gone (2 of 3 nodes are ready)"
      code: operator-failed
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import explain
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.service_claim_explanation_info(), explain.run)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_info
short_description: Say which tenants there are
version_added: 0.1.0
description:
  - Reads the Tenant documents of the repository, the names of the services of each, and what is used of its quotas.
options:
  tenants:
    description: Ids of tenants; all when not given.
    type: list
    elements: str
extends_documentation_fragment:
  - dbaas.platform.attributes.info
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: All tenants
  dbaas.platform.tenant_info:
  register: found
"""

RETURN = r"""
tenants:
  description:
    - The tenants, with their documents' fields, namespace and services.
    - Those with quotas have C(quota_usage) too, which says C(limit), C(used) and C(left) of each limit; in all, below
      C(plans) by plan and below C(regions) by region.
  returned: always
  type: list
  elements: dict
  sample:
    - tenant: acme
      namespace: tenant-acme
      regions: [lagos]
      quotas: {storage: 20Ti, plans: {clustered: {services: 2}}}
      quota_usage:
        storage: {limit: 20Ti, used: 1500Gi, left: 18980Gi}
        plans: {clustered: {services: {limit: 2, used: 1, left: 1}}}
      services: [orders]
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import tenants
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.tenant_info(), tenants.info)


if __name__ == "__main__":
    main()

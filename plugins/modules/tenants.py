#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tenants
short_description: Onboard any number of tenants
version_added: 0.1.0
description:
  - Commits any number of Tenant documents, with the foundations of their regions, as one commit.
options:
  tenants:
    description: Tenant documents.
    type: list
    elements: dict
  src:
    description: A YAML file of Tenant documents; a relative path starts from the working directory.
    type: path
extends_documentation_fragment:
  - dbaas.platform.attributes
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.review
  - dbaas.platform.connection.delivery
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Two tenants
  dbaas.platform.tenants:
    tenants:
      - apiVersion: dbaas.example.com/v1alpha1
        kind: Tenant
        metadata: {name: globex}
        spec: {regions: [lagos]}
      - apiVersion: dbaas.example.com/v1alpha1
        kind: Tenant
        metadata: {name: "123"}
        spec: {regions: [lagos, johannesburg]}
"""

RETURN = r"""
tenants:
  description: The tenants as they are kept.
  returned: always
  type: list
  elements: dict
operations:
  description: What happened to each object that changed (or to the only one given).
  returned: always
  type: list
  elements: dict
  sample: [{action: create, changed: [], regions: [lagos], tenant: globex}]
warnings:
  description: Quotas that were changed to less than what is used; what is there stays, and nothing more is admitted.
  returned: always
  type: list
  elements: str
commit:
  description: The commit that was pushed; empty when nothing changed, and in check mode.
  returned: always
  type: str
merge_request:
  description: The request to merge C(commit) into the branch.
  returned: with O(delivery=merge_request), when something is to be merged, or is not any more
  type: dict
  contains:
    number: {description: "Its number on the Git host; none as long as it is not open.", type: int, returned: always}
    url: {description: Where people see it., type: str, returned: always}
    state: {description: "open, merged, in check mode planned where none is open yet, or closed where nothing is left to merge.", type: str, returned: always}
    branch: {description: The branch that it asks to merge., type: str, returned: always}
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
    run_module(specs.tenants(), tenants.run_many)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_drift_info
short_description: Hold Git, the clusters and the catalog against each other
version_added: 0.1.0
description:
  - Says where a point of presence does not have what Git says. An object of Git that is missing or differs, an object of a
    service that Git lacks, an Application that is not Synced, a claim that is not rendered, a point of presence that does not
    answer. What an operator or the API server added to an object does not count.
  - Says too which services were rendered from an older catalog or by an older collection, and which run a version that is
    deprecated or has expired. That is no drift.
  - Only reads, and never Secrets. All points of presence are asked at once.
options:
  pops:
    description: Points of presence; all when not given.
    type: list
    elements: str
  tenants:
    description: Ids of tenants; all, and the Applications of the platform too, when not given.
    type: list
    elements: str
  fail:
    description: Whether drift is a failure.
    type: bool
    default: true
extends_documentation_fragment:
  - dbaas.platform.attributes.info
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
seealso:
  - module: dbaas.platform.gitops_validation_info
  - module: dbaas.platform.argocd_application_info
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - kubernetes
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: See whether everything is as Git says
  dbaas.platform.gitops_drift_info:
    fail: false
  register: report
"""

RETURN = r"""
drift:
  description: All differences, by point of presence and by weight.
  returned: always
  type: list
  elements: dict
  contains:
    pop: {description: Point of presence., type: str, returned: always}
    code:
      description:
        - What it is. V(unreachable), V(missing), V(differs), V(orphan), V(not-synced) and V(not-rendered) are drift;
          V(version-expired), V(version-deprecated), V(older-catalog) and V(older-renderer) are only told.
      type: str
      returned: always
    drift: {description: Whether that is drift., type: bool, returned: always}
    message: {description: The same in words., type: str, returned: always}
    tenant: {description: Tenant., type: str, returned: always}
    service: {description: Service., type: str, returned: always}
    object: {description: Kind and name of the object., type: str, returned: always}
    file: {description: File of the repository., type: str, returned: always}
    fields: {description: Fields that differ., type: list, elements: str, returned: always}
table:
  description: The same as a table for people, line by line; empty when there is nothing.
  returned: always
  type: list
  elements: str
summary:
  description: How many there are of each code, by point of presence.
  returned: always
  type: dict
  sample: {lagos: {missing: 1}, johannesburg: {}}
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import drift
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.gitops_drift_info(), drift.run)


if __name__ == "__main__":
    main()

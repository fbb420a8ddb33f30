#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: argocd_application_info
short_description: Say what Argo CD says of the platform's Applications
version_added: 0.1.0
description:
  - Health, sync status, revision and Argo CD's own message of the Applications in each point of presence, those of tenants and
    those of the platform itself.
  - A point of presence that does not answer is named, and is no failure.
options:
  pops:
    description: Points of presence; all when not given.
    type: list
    elements: str
  tenants:
    description: Ids of tenants, for the Applications of their foundations and services; all Applications when not given.
    type: list
    elements: str
  names:
    description: Names of Applications; all when not given.
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
  - kubernetes
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Say why nothing of a tenant arrives in Lagos
  dbaas.platform.argocd_application_info:
    pops: [lagos]
    tenants: [acme]
  register: found
"""

RETURN = r"""
applications:
  description: The Applications.
  returned: always
  type: list
  elements: dict
  contains:
    pop: {description: Point of presence., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    namespace: {description: Namespace., type: str, returned: always}
    tenant: {description: "Tenant, empty for one of the platform.", type: str, returned: always}
    project: {description: Argo CD's project., type: str, returned: always}
    path: {description: Folder of the repository., type: str, returned: always}
    branch: {description: Branch that it follows., type: str, returned: always}
    sync: {description: "Synced, OutOfSync or Unknown.", type: str, returned: always}
    health: {description: "Healthy, Progressing, Degraded, Suspended, Missing or Unknown.", type: str, returned: always}
    health_message: {description: Why it is not healthy., type: str, returned: always}
    revision: {description: Commit that it was last compared with., type: str, returned: always}
    attempted: {description: Commit that its last sync was of., type: str, returned: always}
    phase: {description: "Phase of its last sync, such as Succeeded, Running or Failed.", type: str, returned: always}
    finished_at: {description: When that ended., type: str, returned: always}
    message: {description: Argo CD's own message of its last sync., type: str, returned: always}
    refused: {description: "Each object that Argo CD would not take, with the reason.", type: list, elements: str, returned: always}
    conditions: {description: "Its conditions: type and message.", type: list, elements: dict, returned: always}
    trouble: {description: The one line that says why it cannot sync; empty when it can., type: str, returned: always}
silent:
  description: Each point of presence that did not answer, with the reason.
  returned: always
  type: dict
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
    run_module(specs.argocd_application_info(), drift.applications)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim_rerender
short_description: Render services again with this collection and the repository's catalog
version_added: 0.1.0
description:
  - A newer collection or catalog leaves what runs alone. This module takes it there, in waves; it renders services again that nobody
    changed, where that makes other objects of them.
  - In check mode it says of each service what changes and whether that restarts it.
  - A service of which nothing else would be made is left alone, and so is one that is being deleted. One whose claim was edited and is
    not rendered yet is the matter of M(dbaas.platform.gitops_reconciliation).
  - What cannot be rendered any more, since the catalog lacks what it asks for, is named at the end and holds up nobody.
options:
  tenants:
    description: Ids of the tenants whose services are looked at; all when not given.
    type: list
    elements: str
  engines:
    description: Engines whose services are looked at; all when not given.
    type: list
    elements: str
  services:
    description: Services that are looked at, each as C(tenant/service); all when not given.
    type: list
    elements: str
  restart:
    description:
      - The worst that may happen to a service; others are told, and left as they are.
      - V(none) takes those whose nodes are not restarted, V(rolling) those too whose nodes restart one after the other.
    type: str
    choices: [none, rolling]
    default: rolling
  limit:
    description: How many services are taken at most; V(0) is all.
    type: int
    default: 0
  wave:
    description: How many services make one commit. With O(wait=true), the next wave follows when all of this one are Active.
    type: int
    default: 50
extends_documentation_fragment:
  - dbaas.platform.attributes
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.review
  - dbaas.platform.connection.delivery
  - dbaas.platform.connection.waiting
seealso:
  - module: dbaas.platform.gitops_reconciliation
  - module: dbaas.platform.gitops_repository
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Say what a newer collection would make of the services
  dbaas.platform.service_claim_rerender:
  check_mode: true
  diff: true

- name: Render again what restarts nothing, ten services at a time
  dbaas.platform.service_claim_rerender:
    tenants: [acme]
    restart: none
    wave: 10
    wait: true
"""

RETURN = r"""
operations:
  description: The services that were rendered again, each with its plan.
  returned: always
  type: list
  elements: dict
  sample:
    - action: rerender
      changed: []
      id: 5f0c5a0e-8f0e-5a53-9d0f-3d7d6f0f7b0a
      name: orders
      plan: {restart: rolling, seconds: 60, text: ["restart: rolling; about 60 s"]}
      regions: [lagos]
      tenant: acme
held_back:
  description: The services that would restart worse than O(restart) allows, each with its plan.
  returned: always
  type: list
  elements: dict
  sample: [{name: carts, plan: {restart: rolling}, tenant: acme}]
waiting:
  description: The services that wait for a window of their claim, since their nodes would restart, and until when.
  returned: always
  type: list
  elements: dict
  sample: [{name: users, tenant: acme, until: "2026-01-03T02:00:00Z"}]
left:
  description: How many services O(limit) leaves for another run.
  returned: always
  type: int
commits:
  description: The commits that were pushed, one for each wave; none in check mode.
  returned: always
  type: list
  elements: str
problems:
  description: What cannot be rendered any more.
  returned: always
  type: list
  elements: dict
  sample:
    - allowed: one of scy-ring-3, scy-ring-5
      code: claim-invalid
      file: tenants/acme/claims/orders.yaml
      line: 7
      message: "spec.sku: given 'scy-ring-4', allowed: one of scy-ring-3, scy-ring-5"
      nearest: scy-ring-3
      severity: error
warnings:
  description: What is accepted, and should be known.
  returned: always
  type: list
  elements: str
wait:
  description: State of each service when waiting ended.
  returned: always
  type: list
  elements: dict
  sample: [{message: "", name: orders, phase: Active, tenant: acme}]
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import rerender
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.service_claim_rerender(), rerender.run)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim_rollback
short_description: Take a database service back to what its claim said before
version_added: 0.1.0
description:
  - Takes a service's claim as it was, plans it on what the repository holds today, with today's catalog, and commits it. History
    is added to, never rewritten, and the service keeps its identity and its data.
  - What cannot go back is named and refused; storage that would shrink, a version that the catalog has no path to, regions that
    would be left.
  - What a change did to data stays done.
options:
  tenant:
    description: Id of the tenant.
    type: str
    required: true
  name:
    description: Name of the service.
    type: str
    required: true
  to:
    description:
      - What to go back to.
      - V(previous) is what the service was before its last operation; once more, and it goes forth again. Where the last change of
        the claim's file is one that nobody has rendered, it is what is rendered. While that operation still runs (which the points
        of presence tell where a kubeconfig is given), going back is its cancellation, and the action is C(cancel).
      - The id of a commit of the branch, of seven digits or more, is what the claim said then.
      - The id of an operation of the service is what that operation made of it.
    type: str
    default: previous
  operation:
    description:
      - With O(to=previous), the id of the operation that is to be undone. It must be the last one, so that nothing else is undone;
        where it is undone already, nothing changes. A job that may be started again gives it.
    type: str
attributes:
  idempotent:
    support: partial
    description: Going back to V(previous) twice is going forth again, unless O(operation) is given.
extends_documentation_fragment:
  - dbaas.platform.attributes
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.review
  - dbaas.platform.connection.delivery
  - dbaas.platform.connection.waiting
seealso:
  - module: dbaas.platform.service_claim
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
- name: Undo the last change of a service
  dbaas.platform.service_claim_rollback:
    tenant: acme
    name: orders
    wait: true
  register: undone

- name: See what going to what that operation had made would change
  dbaas.platform.service_claim_rollback:
    tenant: acme
    name: orders
    to: "{{ undone.rollback.undoes }}"
  check_mode: true
  diff: true
  register: plan
"""

RETURN = r"""
claim:
  description: The admitted claim.
  returned: always
  type: dict
  contains:
    tenant: {description: Tenant., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    namespace: {description: Namespace in every region., type: str, returned: always}
    service_id: {description: Identity of the service., type: str, returned: always}
    sku: {description: SKU., type: str, returned: always}
    engine: {description: Engine., type: str, returned: always}
    plan: {description: Plan., type: str, returned: always}
    version: {description: Version., type: str, returned: always}
    region: {description: Home region., type: str, returned: always}
    regions: {description: "All regions, home first.", type: list, elements: str, returned: always}
    topology: {description: "single, stretched, one-way or active-active.", type: str, returned: always}
    price_monthly_usd: {description: Price in USD a month., type: int, returned: always}
    sla_percent: {description: Availability that is promised., type: float, returned: always}
    spec: {description: "The whole spec, defaults filled in.", type: dict, returned: always}
operations:
  description: What happened to the service; action is rollback, cancel, or unchanged.
  returned: always
  type: list
  elements: dict
  contains:
    id: {description: Id of the operation., type: str, returned: always}
    tenant: {description: Tenant., type: str, returned: always}
    name: {description: Name of the service., type: str, returned: always}
    action: {description: "rollback, cancel or unchanged.", type: str, returned: always}
    changed: {description: "Fields of the whole spec that differ.", type: list, elements: str, returned: always}
    regions: {description: Regions of the service., type: list, elements: str, returned: always}
    plan:
      description: What the operation means; in check mode what it would mean.
      type: dict
      returned: always
      contains:
        restart: {description: "none, rolling or outage: the worst of all consequences.", type: str, returned: always}
        seconds: {description: "Expected duration, an estimate without the time that moving data takes.", type: int, returned: always}
        cost_monthly_usd: {description: "before, after and delta.", type: dict, returned: always}
        quota:
          description: "Each limit of the tenant that the service counts for: scope, amount, limit, before, after."
          type: list
          elements: dict
          returned: always
        irreversible: {description: What cannot be undone., type: list, elements: str, returned: always}
        consequences:
          description: "Each field that changes: field, restart, seconds, how, irreversible."
          type: list
          elements: dict
          returned: always
        text: {description: The same for people., type: list, elements: str, returned: always}
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
rollback:
  description: What the service went back to.
  returned: success
  type: dict
  contains:
    to: {description: What was asked for., type: str, returned: always}
    commit: {description: The commit at which the service was so., type: str, returned: always}
    undoes:
      description: The operation that is undone, where O(to=previous) and just that one is.
      type: str
      returned: always
manifests:
  description: The objects that were rendered.
  returned: always
  type: dict
  contains:
    count: {description: Number of objects that change., type: int, returned: always}
wait:
  description: State of each service when waiting ended.
  returned: when O(wait) is true
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import rollback
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.service_claim_rollback(), rollback.run)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim
short_description: Declare one database service
version_added: 0.1.0
description:
  - Commits one ServiceClaim and everything that is rendered from it to the GitOps repository; the points of presence do the rest.
  - Runs in the controller's process; nothing is needed on a managed host.
options:
  tenant:
    description: Id of the tenant.
    type: str
    required: true
  name:
    description: Name of the service, unique in the tenant.
    type: str
    required: true
  project:
    description: Project of the tenant that the service belongs to.
    type: str
  merge:
    description:
      - Whether what is not given stays as the service's claim has it; the service must exist then. Else a claim is what is given, and
        defaults for the rest.
      - Mappings are merged field by field. Lists are taken as they are given, but for the regions, which are added to those that the
        service has, since no change leaves one; O(regions) does.
    type: bool
    default: false
  state:
    description:
      - V(present) commits the claim and what is rendered from it.
      - V(rendered) returns what would be committed; it needs nothing running and writes nothing. Plans and catalog come from
        O(repository) where it is given, else from the collection.
      - V(absent) lets the service go, by O(deletion_policy). Deleting takes two commits, which wait for Argo CD in between, for
        O(wait_timeout) at most; a point of presence that does not answer is named, and the next run goes on there.
    type: str
    choices: [present, absent, rendered]
    default: present
  deletion_policy:
    description:
      - What becomes of the data of a service that goes.
      - V(retain) keeps everything that runs, and the name; only the declaration goes.
      - V(snapshot) takes a final backup by the engine's operator, waits for it, and deletes then. Where the operator does not
        tell that a backup has ended (ScyllaDB), nothing is deleted, and the failure says what to look at.
      - V(delete) deletes the service, its volumes and its Secrets in every region; backups in object storage stay.
    type: str
    choices: [retain, snapshot, delete]
    default: retain
  regions:
    description:
      - With O(state=absent) the regions that the service leaves; without them it goes as a whole. What is there goes by
        O(deletion_policy), which must be V(snapshot) or V(delete); the other regions are rendered without it in the same commit as it is
        marked, and it goes once they are Active like that. The home region is never left.
      - No change of O(replication.regions) leaves a region.
    type: list
    elements: str
  timing:
    description:
      - When a change that restarts nodes is rendered, of a service whose claim has O(maintenance).
      - V(window) commits the claim at once, and leaves what runs as it is while no window is open (action C(hold)); playbook
        reconcile_claims renders it when one is. Until then whatever else is changed of the service waits too.
      - V(now) waits for nothing.
    type: str
    choices: [window, now]
    default: window
extends_documentation_fragment:
  - dbaas.platform.attributes
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.way
  - dbaas.platform.connection.delivery
  - dbaas.platform.connection.waiting
  - dbaas.platform.fields.claim
seealso:
  - module: dbaas.platform.service_claims
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
- name: A ScyllaDB ring of three nodes in each of two regions
  dbaas.platform.service_claim:
    tenant: acme
    name: orders
    sku: scy-ring-3
    region: lagos
    replication:
      regions: [lagos, johannesburg]
    networking:
      allowed_cidrs: [10.0.0.0/8]
    wait: true

- name: Give the nodes of a service more memory, and leave all else as it is
  dbaas.platform.service_claim:
    tenant: acme
    name: orders
    merge: true
    resources:
      node: {memory: 32Gi}

- name: See what a service would be made of, with nothing running
  dbaas.platform.service_claim:
    tenant: acme
    name: sessions
    engine: scylla
    plan: clustered
    region: johannesburg
    state: rendered
  register: plan

- name: The service goes, after a look at what that takes along
  dbaas.platform.service_claim:
    tenant: acme
    name: orders
    state: absent
    deletion_policy: delete
  check_mode: true
  register: plan

- name: The service leaves a region and stays in the others, after a look at what that takes along
  dbaas.platform.service_claim:
    tenant: acme
    name: orders
    state: absent
    regions: [johannesburg]
    deletion_policy: delete
  check_mode: true
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
  description: What happened to each object that changed (or to the only one given).
  returned: always
  type: list
  elements: dict
  contains:
    id: {description: Id of the operation., type: str, returned: always}
    tenant: {description: Tenant., type: str, returned: always}
    name: {description: Name of the service., type: str, returned: always}
    action: {description: "create, update, hold, leave or unchanged.", type: str, returned: always}
    changed: {description: "Fields of the whole spec that differ.", type: list, elements: str, returned: always}
    regions: {description: Regions of the service., type: list, elements: str, returned: always}
    waits_until: {description: When the window opens that the change waits for; empty when it waits for none., type: str, returned: always}
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
manifests:
  description: The objects that were rendered.
  returned: always
  type: dict
  contains:
    count: {description: Number of objects that change., type: int, returned: always}
    rendered:
      description: "Every object (C(object)) with the point of presence that it goes to (C(pop))."
      type: list
      elements: dict
      returned: when O(state=rendered)
wait:
  description: State of each service when waiting ended; with O(state=absent) how far it is in each region (gone, unreachable …).
  returned: when O(wait) is true, and with O(state=absent)
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import claims
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.service_claim(), claims.run_one)


if __name__ == "__main__":
    main()

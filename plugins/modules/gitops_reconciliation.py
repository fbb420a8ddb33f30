#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_reconciliation
short_description: Render what people changed in the repository
version_added: 0.1.0
description:
  - Renders claims whose files were written or edited with Git (a pull request that was merged), and the foundations of tenants
    that are not as C(tenant.yaml) says, as one commit. Nothing else is rendered again.
  - Where a kubeconfig is given, claims that tenants applied by kubectl in the platform's points of presence are committed and
    rendered too. There the tenant's own object stays the declaration, and its file in Git follows it; a file that people edited
    instead is refused until it is restored. An object that its owner deleted is told, and what runs of it stays.
  - The policies that say what tenants may apply are made anew where they are of another catalog than the repository's.
  - A claim that has no C(serviceId) yet gets one in the same commit.
  - What cannot be rendered does not hold up the rest. The rest is committed, and the task fails with all that is wrong.
  - Safe to run from a webhook, a schedule and by hand, and several times at once.
  - A service that is being deleted, and one that is retained, is left alone.
options:
  tenants:
    description: Ids of the tenants that are looked at; all when not given.
    type: list
    elements: str
  deadline:
    description: How long each operation may take, as a duration; stands in the commit and in the claims' copies.
    type: str
    default: 30m
extends_documentation_fragment:
  - dbaas.platform.attributes
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.review
  - dbaas.platform.connection.delivery
seealso:
  - module: dbaas.platform.gitops_validation_info
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Render what was merged
  dbaas.platform.gitops_reconciliation:

- name: Say what would be rendered of one tenant
  dbaas.platform.gitops_reconciliation:
    tenants: [acme]
  check_mode: true
  diff: true
"""

RETURN = r"""
operations:
  description: The services that were rendered.
  returned: always
  type: list
  elements: dict
  sample:
    - action: update
      changed: [spec.storage.size]
      id: 5f0c5a0e-8f0e-5a53-9d0f-3d7d6f0f7b0a
      name: orders
      regions: [lagos]
      tenant: acme
waiting:
  description: Services whose claims were edited, and wait for a window of maintenance.
  returned: always
  type: list
  elements: dict
  sample: [{name: orders, tenant: acme, until: "2026-01-03T22:30:00Z"}]
tenants:
  description: The tenants whose foundations were rendered.
  returned: always
  type: list
  elements: dict
  sample: [{action: update, regions: [lagos], tenant: acme}]
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
policies:
  description: The files of policies that were made anew from the catalog.
  returned: always
  type: list
  elements: str
  sample: [overlays/lagos/policies/claims.yaml]
problems:
  description:
    - What keeps files from being rendered, and what else must be known of them; with the latter alone the task does not fail.
    - A claim that a tenant applied is named by its point of presence, namespace and name.
  returned: always
  type: list
  elements: dict
  contains:
    file: {description: File from the root of the repository., type: str, returned: always}
    line: {description: Line of it; the first is 1., type: int, returned: always}
    code: {description: Code of the problem; also the anchor in the runbook., type: str, returned: always}
    message: {description: "What is wrong, with the field.", type: str, returned: always}
    severity: {description: error or warning., type: str, returned: always}
    allowed: {description: What would be right., type: str, returned: always}
    nearest: {description: The valid value that is most like what was given., type: str, returned: always}
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import reconcile
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.gitops_reconciliation(), reconcile.run)


if __name__ == "__main__":
    main()

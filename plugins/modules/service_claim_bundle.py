#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_claim_bundle
short_description: Write a support bundle of services
version_added: 0.1.0
description:
  - Writes one archive with all that tells how services are and why, for whoever is asked for help.
  - It holds the explanation as text and JSON, the claims, what was rendered of them, C(platform.yml), and of every region the
    copies, the operators' objects, their events and Argo CD's Applications; versions of the collection, ansible-core, Python and
    Git.
  - Secrets are never read. Values under names that look secret, credentials in URLs, tokens and private keys are replaced by
    V(REDACTED) wherever they stand; look at it yourself before you give it away.
options:
  tenant:
    description: Id of the tenant.
    type: str
    required: true
  names:
    description: Names of services; all of the tenant when not given.
    type: list
    elements: str
  path:
    description:
      - File to be written, ending in V(.tar.gz); it is replaced. Or a folder, made where it is missing, in which a file gets a
        name of tenant, service and time.
      - It is on the host that runs the task.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Reads everything and writes nothing.
  diff_mode:
    support: N/A
    description: Nothing that could be compared is changed.
  idempotent:
    support: none
    description: A bundle tells of the moment in which it was made, so each run makes one.
extends_documentation_fragment:
  - dbaas.platform.attributes.info
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.shipped
seealso:
  - module: dbaas.platform.service_claim_explanation_info
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Write a support bundle
  dbaas.platform.service_claim_bundle:
    tenant: acme
    names: [orders]
    path: bundles/
  register: written

- name: Say where it is
  ansible.builtin.debug:
    msg: "{{ written.path }}"
"""

RETURN = r"""
path:
  description: The archive.
  returned: always
  type: str
  sample: bundles/dbaas-acme-orders-20260102T030405Z.tar.gz
services:
  description: "Verdict on each service: tenant, name, phase, why, code."
  returned: always
  type: list
  elements: dict
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import bundle
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.service_claim_bundle(), bundle.run)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_token
short_description: Give a token of the AWX that its operator has brought up
version_added: 0.1.0
description:
  - Waits until the AWX operator says that the platform's AWX (C(awx/awx)) is up and until it answers.
  - Makes a token of its administrator, with the password that the operator keeps in a Secret, and writes it to a file that its owner
    alone may read. A token that stands there and is valid stays.
  - The token is in no result, log or diff.
options:
  dest:
    description: File for the token; its folder is made where it is missing.
    type: path
    required: true
  controller_host:
    description:
      - Address of AWX, where it is reached by another one than the operator names.
      - If not given, the environment variable E(CONTROLLER_HOST) is used.
    type: str
  validate_certs:
    description:
      - Whether the certificate of AWX must be valid.
      - If not given, the environment variable E(CONTROLLER_VERIFY_SSL) is used.
    type: bool
    default: true
  controller_ca_cert:
    description:
      - PEM file of the authority that signed AWX's certificate.
      - If not given, the environment variable E(CONTROLLER_CA_CERT) is used.
    type: path
  request_timeout:
    description:
      - Seconds to wait for each answer.
      - If not given, the environment variable E(CONTROLLER_REQUEST_TIMEOUT) is used.
    type: float
    default: 30.0
  wait_timeout:
    description: Seconds to wait for the operator.
    type: int
    default: 1800
  context:
    description:
      - Context of O(kubeconfig) for the cluster that AWX runs in; its current one when not given, and in a pod without a
        kubeconfig the pod's own account.
    type: str
extends_documentation_fragment:
  - dbaas.platform.attributes.instance
  - dbaas.platform.connection.kubernetes
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - awxkit
  - kubernetes
"""

EXAMPLES = r"""
- name: Have a token of the platform's AWX in a file
  dbaas.platform.awx_token:
    context: frankfurt
    dest: ~/.config/dbaas/awx-token
"""

RETURN = r"""
host:
  description: Address of AWX.
  returned: success
  type: str
version:
  description: Version of AWX, as its operator says.
  returned: success
  type: str
dest:
  description: The file with the token.
  returned: success
  type: str
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_instance
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.awx_token(), awx_instance.token)


if __name__ == "__main__":
    main()

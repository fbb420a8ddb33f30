# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: service_claim
short_description: What a service is, over all its regions
version_added: 0.1.0
description:
  - The same as module M(dbaas.platform.service_claim_info) returns for one service.
options:
  _terms:
    description: Services, each as C(tenant/name).
    type: list
    elements: str
    required: true
  repository:
    description: Address of the GitOps repository.
    type: str
    env:
      - name: DBAAS_REPOSITORY
  branch:
    description: Branch that the platform lives on.
    type: str
    default: main
    env:
      - name: DBAAS_GIT_BRANCH
  username:
    description: User name that goes with the token.
    type: str
    default: dbaas
    env:
      - name: DBAAS_GIT_USERNAME
  token:
    description: Token that may read the repository.
    type: str
    env:
      - name: DBAAS_GIT_TOKEN
  token_file:
    description: File that holds the token.
    type: path
    env:
      - name: DBAAS_GIT_TOKEN_FILE
  ca_cert:
    description: PEM file of the authority that signed the remote's certificate.
    type: path
    env:
      - name: DBAAS_GIT_CA_CERT
  proxy:
    description: Proxy for HTTP and HTTPS.
    type: str
    env:
      - name: DBAAS_GIT_PROXY
  kubeconfig:
    description: Kubeconfig with one context per point of presence.
    type: path
    env:
      - name: K8S_AUTH_KUBECONFIG
      - name: KUBECONFIG
requirements:
  - fastyaml-rs
  - git
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Phase of a service
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.service_claim', 'acme/orders').phase }}"
"""

RETURN = r"""
_raw:
  description: "Each service: phase, message, regions, connection, endpoints, conditions, last_operation, spec."
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import RunnerLookup


class LookupModule(RunnerLookup):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        return [self.answer(info.run, **self.service(term))["services"][0] for term in terms]

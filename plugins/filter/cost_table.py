# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cost_table
short_description: What services cost and promise, as a table
version_added: 0.1.0
description:
  - A line for each service that a result of M(dbaas.platform.service_claim) or M(dbaas.platform.service_claims) tells of, with its SKU,
    plan, regions, price, SLA and what the change restarts, and a line with the sum.
  - In check mode, or with O(dbaas.platform.service_claims#module:state=rendered), the services need not exist yet. Where services are
    unchanged, a result of several leaves them out.
options:
  _input:
    description: The result.
    type: dict
    required: true
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Plan some services
  dbaas.platform.service_claims:
    state: rendered
    claims:
      - apiVersion: dbaas.example.com/v1alpha1
        kind: ServiceClaim
        metadata: {name: orders, namespace: tenant-acme}
        spec: {sku: scy-ring-3, region: lagos, replication: {regions: [lagos, johannesburg]}}
      - apiVersion: dbaas.example.com/v1alpha1
        kind: ServiceClaim
        metadata: {name: shop, namespace: tenant-acme}
        spec: {sku: yb-shared, region: lagos}
  register: planned

- name: Say what they cost
  ansible.builtin.debug:
    msg: "{{ planned | dbaas.platform.cost_table }}"
# => [service      SKU         plan       regions              USD a month  SLA %  restart,
#     acme/orders  scy-ring-3  dedicated  lagos, johannesburg         1800   99.5  none,
#     acme/shop    yb-shared   shared     lagos                         60   99.0  none,
#     2 services                                                      1860]
"""

RETURN = r"""
_value:
  description: The lines, the head first.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import tables


def cost_table(result: dict[str, Any]) -> list[str]:
    try:
        return tables.costs(result)
    except (AttributeError, KeyError, TypeError):
        raise AnsibleFilterError("no result of service_claim or service_claims") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[[dict[str, Any]], list[str]]]:
        return {"cost_table": cost_table}

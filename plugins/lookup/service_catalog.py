# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: service_catalog
short_description: What the platform offers
version_added: 0.1.0
description:
  - The catalog of the GitOps repository where one is given, else the one that the collection ships.
options:
  _terms:
    description: Names of SKUs; the whole catalog when none is given.
    type: list
    elements: str
extends_documentation_fragment:
  - dbaas.platform.connection.lookup_git
requirements:
  - fastyaml-rs
  - git
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Names of all SKUs
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.service_catalog').skus.keys() | list }}"

- name: The plans of one SKU
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.service_catalog', 'scy-ring-3').plans }}"
"""

RETURN = r"""
_raw:
  description:
    - "Without terms one mapping with the keys plans, regions, engines and skus; with terms the data of each SKU."
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import RunnerLookup


class LookupModule(RunnerLookup):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        catalog = self.answer(info.catalog)
        if not terms:
            return [catalog]
        skus = catalog["skus"]
        if unknown := [term for term in terms if term not in skus]:
            near = nearest(unknown[0], skus)
            raise AnsibleError(
                f"no SKU {unknown[0]!r}; there are {', '.join(skus)}" + (f"; nearest: {near}" if near else "")
            )
        return [{"name": term, **skus[term]} for term in terms]

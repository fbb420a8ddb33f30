# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: platform
short_description: Which points of presence there are
version_added: 0.1.0
description:
  - The platform as its C(platform.yml) has it, with the defaults filled in; of the folder O(catalog) or of the GitOps repository
    where one is given, else as the collection ships it.
options:
  _terms:
    description: Names of points of presence; the whole platform when none is given.
    type: list
    elements: str
  catalog:
    description: Folder with the files of a catalog and a C(platform.yml), in place of any other.
    type: path
extends_documentation_fragment:
  - dbaas.platform.connection.lookup_git
requirements:
  - fastyaml-rs
  - git
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Names of all points of presence
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.platform').pops.keys() | list }}"

- name: The context that one has in the kubeconfig
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.platform', 'lagos').context }}"
"""

RETURN = r"""
_raw:
  description:
    - Without terms one mapping with C(repo_url), C(branch) and C(pops), by name; with terms the data of each point of presence
      (C(name), C(context), C(cluster_domain), C(pod_cidrs), C(argocd_namespace) and others).
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import RunnerLookup


class LookupModule(RunnerLookup):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        platform = self.answer(info.platform)
        if unknown := [term for term in terms if term not in platform["pops"]]:
            raise AnsibleError(f"no point of presence {unknown[0]!r}; there are {', '.join(platform['pops'])}")
        return [platform["pops"][term] for term in terms] or [platform]

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_job_templates
short_description: AWX's job templates of the collection's playbooks
version_added: 0.1.0
description:
  - A job template for each playbook of the collection, with a survey made from its argument spec and from the catalog, as the
    variable C(controller_templates) has them.
  - What there is to choose from (SKUs, engines, plans, versions, regions) is that of the folder O(catalog) or of the GitOps
    repository where one is given, else what the collection ships.
  - An option that a survey cannot ask for is an error that names it.
options:
  _terms:
    description: Names of playbooks; all when none is given.
    type: list
    elements: str
  common:
    description: Fields that every template gets, such as C(organization), C(project), C(inventory), C(credentials).
    type: dict
    default: {}
  differing:
    description: By the playbook's name, fields that its template has in place of those.
    type: dict
    default: {}
  without:
    description: Options of the playbooks that the surveys do not ask for.
    type: list
    elements: str
    default: []
  catalog:
    description: Folder with the files of a catalog, and perhaps a C(platform.yml), in place of any other.
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
- name: All job templates
  ansible.builtin.set_fact:
    controller_templates: "{{ lookup('dbaas.platform.awx_job_templates', common={'organization': 'DBaaS', 'project': 'DBaaS',
      'inventory': 'platform'}, wantlist=True) }}"

- name: The survey of one
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.awx_job_templates', 'provision_service').survey_spec }}"
"""

RETURN = r"""
_raw:
  description:
    - Job templates with C(name), C(description), C(playbook), C(survey_spec), C(survey_enabled), what may be given at launch
      (C(ask_*_on_launch)), and the fields of O(common) and O(differing).
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_templates
from ansible_collections.dbaas.platform.plugins.plugin_utils.action import ROOT
from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import RunnerLookup


class LookupModule(RunnerLookup):
    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        books = awx_templates.books(ROOT)
        found: list[Any] = self.answer(awx_templates.run, playbooks=[str(term) for term in terms], books=books)
        return found

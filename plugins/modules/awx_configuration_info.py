#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_configuration_info
short_description: Say where an AWX is not as data say, and export what it holds
version_added: 0.1.0
description:
  - Holds an AWX against a configuration and names every difference. An edited question of a survey, a link of a workflow's
    node, a notification, a role, a field, an object that is missing, and with O(label) what bears it and is not wanted.
  - Exports what AWX holds as the variables of C(infra.aap_configuration). Applied to the same AWX they change nothing. Secrets
    stand as V($encrypted$), which keeps what is there; settings and what inventory sources bring are left out.
  - Only reads.
options:
  configuration:
    description:
      - What AWX should hold, as variables of C(infra.aap_configuration). C(controller_organizations) (or C(aap_organizations)),
        C(controller_user_accounts), C(controller_teams), C(controller_credential_types), C(controller_credentials),
        C(controller_credential_input_sources), C(controller_instance_groups), C(controller_execution_environments),
        C(controller_labels), C(controller_notifications), C(controller_projects), C(controller_inventories),
        C(controller_inventory_sources), C(controller_hosts), C(controller_groups), C(controller_templates),
        C(controller_workflows), C(controller_schedules), C(controller_roles), C(controller_settings). The lists of C(awxkit)'s
        exports (C(job_templates) and the like) are taken too.
      - Other objects are named by their names, or by a mapping with C(name), C(organization) and C(type) where a name is not
        enough, as C(awx.awx.export) writes them. A field that is not said is left as it is.
      - Every field is held against what AWX's own OPTIONS say of it.
    type: dict
  src:
    description: File of YAML with these variables, or folder of such files; lists of the same name are put together.
    type: path
  label:
    description:
      - Marks what is ours. Job templates, workflows and inventories bear it as a label of AWX, all others but users, instance
        groups and labels in brackets at the end of their description.
      - With it, objects that somebody else made are never changed, and secrets are written again when they have changed. A
        fingerprint of them (scrypt, 12 hex digits) stands in the brackets.
    type: str
  export:
    description: Whether to return what AWX holds; with O(label) just what bears it.
    type: bool
    default: false
  fail:
    description: Whether a difference is a failure.
    type: bool
    default: true
extends_documentation_fragment:
  - dbaas.platform.attributes.awx_info
  - dbaas.platform.connection.awx
seealso:
  - module: dbaas.platform.awx_configuration
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - awxkit
  - fastyaml-rs
"""

EXAMPLES = r"""
- name: See what somebody has changed by hand
  dbaas.platform.awx_configuration_info:
    src: awx/
    label: dbaas
    fail: false
  register: report

- name: Export an AWX
  dbaas.platform.awx_configuration_info:
    export: true
  register: held
"""

RETURN = r"""
drift:
  description: All differences, by kind and name.
  returned: when a configuration is given
  type: list
  elements: dict
  contains:
    code: {description: "V(missing), V(differs) or V(extra).", type: str, returned: always}
    kind: {description: Kind of the object; the name of its list in AWX's API., type: str, returned: always}
    name: {description: Name of the object., type: str, returned: always}
    organization: {description: Its organization; empty where it is in none., type: str, returned: always}
    object: {description: Kind and name for people., type: str, returned: always}
    what:
      description: What differs, such as C(limit), C(survey_spec.engine.choices) or C(success_nodes.verify). Empty for the object itself.
      type: str
      returned: always
    wanted: {description: What the configuration says., type: raw, returned: always}
    live: {description: What AWX holds., type: raw, returned: always}
    message: {description: The same in words., type: str, returned: always}
table:
  description: The same for people, line by line.
  returned: when a configuration is given
  type: list
  elements: str
summary:
  description: How many there are of each code.
  returned: when a configuration is given
  type: dict
  sample: {differs: 2}
configuration:
  description: What AWX holds, variable by variable.
  returned: when O(export=true)
  type: dict
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_configuration
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.awx_configuration_info(), awx_configuration.info)


if __name__ == "__main__":
    main()

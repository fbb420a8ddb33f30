#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_configuration
short_description: Make an AWX as data say
version_added: 0.1.0
description:
  - Takes the whole configuration of an AWX at once, reads what AWX holds (each list once, in pages), plans every write, and
    makes only those that are needed, in dependency order and several at once.
  - Surveys, the nodes of workflows and their links, notifications, credentials, labels and roles are part of the plan. A
    second run writes nothing. All that is wrong in the data is named before anything is written.
  - What fails holds up only what depends on it. The error says what was applied and what was not; the next run does the rest.
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
  adopt:
    description: Whether objects that do not bear O(label) are taken over when the configuration names them.
    type: bool
    default: false
  purge:
    description:
      - Whether what bears O(label) and is not in the configuration is deleted, and roles that teams with the label have beside
        it are taken away. What something that stays still uses is kept, and named in a warning.
    type: bool
    default: false
  update_secrets:
    description:
      - Whether secrets are written although nothing tells that they have changed. AWX never shows them, so without O(label)
        they are else written only to new objects.
      - C(update_secrets) of an entry that is V(false) keeps its secrets as they are.
    type: bool
    default: false
  wait_timeout:
    description: Seconds in which AWX must have fetched the projects whose playbooks new job templates need.
    type: int
    default: 600
extends_documentation_fragment:
  - dbaas.platform.attributes.awx
  - dbaas.platform.connection.awx
attributes:
  diff_mode:
    description: Returns what changes of each object; secrets are never shown.
  idempotent:
    description: The same task again writes nothing to AWX.
notes:
  - Users, instance groups and labels can bear no mark. They are changed when the configuration names them, and never purged.
  - C(copy_from) is refused. C(wait), C(interval) and C(update_project) say nothing here, since AWX fetches a project that is
    new or has changed, and that is waited for where a job template needs it.
seealso:
  - module: dbaas.platform.awx_configuration_info
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - awxkit
  - fastyaml-rs
"""

EXAMPLES = r"""
- name: Apply the files of a folder, and delete what they do not hold any more
  dbaas.platform.awx_configuration:
    controller_host: https://awx.example.com
    controller_oauthtoken: "{{ awx_token }}"
    src: awx/
    label: dbaas
    purge: true

- name: Make a project and a job template of it
  dbaas.platform.awx_configuration:
    configuration:
      controller_projects:
        - name: automation
          organization: Default
          scm_type: git
          scm_url: https://git.example.com/automation.git
      controller_templates:
        - name: hello
          project: automation
          inventory: Demo Inventory
          playbook: hello.yml
          survey_enabled: true
          survey_spec:
            name: ""
            description: ""
            spec:
              - question_name: Who is greeted?
                variable: who
                type: text
                required: true
"""

RETURN = r"""
operations:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(link), V(survey), V(approval), V(grant), V(revoke), V(fetch), V(delete) or V(set).
      type: str
      returned: always
    kind: {description: Kind of the object; the name of its list in AWX's API., type: str, returned: always}
    name: {description: Name of the object., type: str, returned: always}
    organization: {description: Its organization; empty where it is in none., type: str, returned: always}
    fields: {description: What is set., type: list, elements: str, returned: always}
writes:
  description: Each write, method and path. In check mode names in angle brackets stand for ids that are not known yet.
  returned: always
  type: list
  elements: str
  sample: [PATCH job_templates/23/]
applied:
  description: What was done, as in RV(operations).
  returned: when something failed on the way
  type: list
  elements: dict
not_applied:
  description: What was not done, as in RV(operations), with the C(reason).
  returned: when something failed on the way
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_configuration
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.awx_configuration(), awx_configuration.run)


if __name__ == "__main__":
    main()

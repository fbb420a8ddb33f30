#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_job
short_description: Launch a template of AWX and follow the job
version_added: 0.1.0
description:
  - Launches a job template or a workflow template by its name, and waits by the job's events, which it shows as they come; of a
    workflow the events of all its jobs, and the approvals that it waits for.
  - What the template does not ask for is refused before anything is launched; AWX itself would leave it out in silence.
  - The output of the task that failed is in the error. An interrupted task (Ctrl-C, SIGTERM) cancels its job.
  - A launch is never repeated; with O(idempotency_key) the job is found whose launch AWX did not answer.
options:
  template:
    description: Name of the job template or workflow template.
    type: str
    required: true
  organization:
    description: Organization of the template, where its name is in several.
    type: str
  extra_vars:
    description: Answers to the template's survey, and other variables where the template asks for variables at launch.
    type: dict
    default: {}
  inventory:
    description: Name of the inventory, where the template asks for one.
    type: str
  limit:
    description: Hosts that the job is limited to, where the template asks for a limit.
    type: str
  job_type:
    description: Whether the job runs or only checks, where the template asks for that.
    type: str
    choices: [run, check]
  diff_mode:
    description: Whether the job shows differences, where the template asks for that.
    type: bool
  job_tags:
    description: Tags to run, with commas, where the template asks for tags.
    type: str
  skip_tags:
    description: Tags to skip, with commas, where the template asks for them.
    type: str
  verbosity:
    description: Verbosity of the job, V(0) to V(5), where the template asks for one.
    type: int
  scm_branch:
    description: Branch of the project, where the template asks for one.
    type: str
  idempotency_key:
    description:
      - Identity of this launch, at most 128 characters. The same key finds the job that is there, running or ended, for seven days,
        also where AWX's answer to the launch was lost.
      - The template's survey must have the question C(dbaas_idempotency_key), as all of this collection have, or the template must ask
        for variables at launch.
    type: str
  wait:
    description: Whether to wait until the job has ended.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait; the job goes on after. As long as it takes when not given.
    type: float
extends_documentation_fragment:
  - dbaas.platform.attributes.awx
  - dbaas.platform.connection.awx
attributes:
  diff_mode:
    support: none
    description: A job's differences are in its own output.
  idempotent:
    support: partial
    description: The same task again finds its job.
    details:
      - With O(idempotency_key); without one each task launches a job.
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - awxkit
"""

EXAMPLES = r"""
- name: Order a database, once
  dbaas.platform.awx_job:
    template: dbaas-provision-service
    extra_vars:
      tenant: acme
      service: orders
      sku: scy-ring-3
      region: lagos
    idempotency_key: order-4711
  register: ordered

- name: Say how to connect
  ansible.builtin.debug:
    msg: "{{ ordered.result.connection_string }}"

- name: See what a limited run would change
  dbaas.platform.awx_job:
    template: dbaas-drift-report
    limit: lagos
    job_type: check
"""

RETURN = r"""
job:
  description: The job.
  returned: success and failure, once it is launched; in check mode the one that the key finds
  type: dict
  contains:
    id: {description: "Its id; empty in check mode, where none is there.", type: str, returned: always}
    template: {description: Name of the template., type: str, returned: always}
    found: {description: Whether it was launched earlier with the same key., type: bool, returned: always}
    url: {description: Its page in AWX., type: str, returned: always}
    status: {description: "State in which it ended: successful, failed, error or canceled; empty without waiting.", type: str, returned: always}
  sample: {id: "26", template: dbaas-provision-service, found: false, url: "https://awx.example.com/#/jobs/playbook/26/output", status: successful}
result:
  description: What a playbook of this collection left (C(dbaas_result)).
  returned: when O(wait=true) and the job has ended
  type: dict
  sample: {tenant: acme, service: orders, action: create, phase: Active}
artifacts:
  description: All that the job left with C(ansible.builtin.set_stats); of a workflow what all its jobs left, put together.
  returned: when O(wait=true) and the job has ended
  type: dict
reason:
  description: Why the job failed, in words that a tenant may see.
  returned: when the job failed
  type: dict
  contains:
    code: {description: Code of the failure; also the anchor in the runbook., type: str, returned: always}
    class: {description: Who must act., type: str, returned: always}
    retry: {description: Whether launching again can help., type: bool, returned: always}
    message: {description: "The words: no host, no address, no output.", type: str, returned: always}
    reference: {description: What the operators find the job by., type: str, returned: always}
launch:
  description: What would be launched.
  returned: in check mode
  type: dict
  contains:
    template: {description: Name of the template., type: str, returned: always}
    kind: {description: "job_template or workflow_job_template.", type: str, returned: always}
    answers: {description: "The variables, defaults of the survey filled in and secrets hidden.", type: dict, returned: always}
    prompts: {description: "What else would be given, such as limit.", type: dict, returned: always}
    job: {description: Id of the job that the key finds; empty without one., type: str, returned: always}
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import awx_job
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.awx_job(), awx_job.run)


if __name__ == "__main__":
    main()

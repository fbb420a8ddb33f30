#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_validation_info
short_description: Say what is wrong with the GitOps repository
version_added: 0.1.0
description:
  - Checks everything in the repository and changes nothing. Each problem has its file and line, so that a pipeline of a pull
    request can show it where it is.
  - Claims against schema, catalog, tenant and regions; C(tenant.yaml), C(platform.yml) and the catalog; claims that are not
    rendered; derived files that were edited by hand, that hold objects the tenant may not have, or whose claim is gone; files
    that are none of the platform's.
  - Fails when there is an error. A warning does not fail, such as a claim that is not rendered yet, as it is in every pull
    request.
options:
  path:
    description:
      - Folder of a working copy, whatever is checked out in it, committed or not.
      - The remote O(repository) is looked at when this is not given.
    type: path
  since:
    description:
      - The commit that a pull request is to be merged into, in the history of O(path). Derived files that are not as it has them
        are errors, since only the platform writes those.
      - Without it a file that was edited together with what it says of its origin passes for one that is not rendered yet.
    type: str
  strict:
    description: Whether warnings fail too, as is right for a branch that everything is merged and rendered on.
    type: bool
    default: false
  format:
    description:
      - How RV(report) is written.
      - V(text) is a line for each problem.
      - V(github) is a workflow command of GitHub Actions for each problem, which makes annotations of files and lines. They are
        shown while the task runs where O(dest) is not given.
      - V(gitlab) is a code quality report of GitLab, in JSON.
    type: str
    choices: [text, github, gitlab]
    default: text
  dest:
    description: File that RV(report) is written to; not in check mode.
    type: path
extends_documentation_fragment:
  - dbaas.platform.attributes.info
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
seealso:
  - module: dbaas.platform.gitops_reconciliation
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Check the working copy of a pull request
  dbaas.platform.gitops_validation_info:
    path: "{{ lookup('env', 'GITHUB_WORKSPACE') }}"
    since: HEAD^1
    format: github

- name: Check what everybody works with
  dbaas.platform.gitops_validation_info:
    strict: true
"""

RETURN = r"""
problems:
  description: All that is wrong, in the order of files and lines.
  returned: always
  type: list
  elements: dict
  contains:
    file: {description: File from the root of the repository., type: str, returned: always}
    line: {description: Line of it; the first is 1., type: int, returned: always}
    code: {description: Code of the problem; also the anchor in the runbook., type: str, returned: always}
    message: {description: "What is wrong, with the field.", type: str, returned: always}
    severity: {description: error or warning., type: str, returned: always}
    allowed: {description: What would be right., type: str, returned: always}
    nearest: {description: The valid value that is most like what was given., type: str, returned: always}
report:
  description: The problems as O(format) has them.
  returned: always
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
from ansible_collections.dbaas.platform.plugins.module_utils.runner import validate
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.gitops_validation_info(), validate.run)


if __name__ == "__main__":
    main()

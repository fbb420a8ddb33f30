#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: awx_backup
short_description: Back up the platform's AWX
version_added: 0.1.0
description:
  - Asks the AWX operator for a backup of the platform's AWX (C(awx/awx)), its database and its Secrets, onto the volume
    C(awx-backups), and waits for it.
  - Backups that are older than the newest O(keep) good ones are deleted, with their data.
options:
  keep:
    description: How many good backups stay.
    type: int
    default: 7
  wait_timeout:
    description: Seconds to wait for the backup.
    type: int
    default: 3600
  context:
    description:
      - Context of O(kubeconfig) for the cluster that AWX runs in; its current one when not given, and in a pod without a
        kubeconfig the pod's own account.
    type: str
extends_documentation_fragment:
  - dbaas.platform.attributes.instance
  - dbaas.platform.connection.kubernetes
attributes:
  idempotent:
    support: none
    description: Each run makes a backup.
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - kubernetes
"""

EXAMPLES = r"""
- name: Back up AWX before it is upgraded
  dbaas.platform.awx_backup:
    context: frankfurt
    keep: 14
"""

RETURN = r"""
backup:
  description: The backup that was made.
  returned: success
  type: dict
  contains:
    name: {description: Name of the AWXBackup., type: str, returned: always}
    directory: {description: Folder on the volume., type: str, returned: not in check mode}
    claim: {description: The volume's claim., type: str, returned: not in check mode}
removed:
  description: Names of the backups that were deleted.
  returned: success
  type: list
  elements: str
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
    run_module(specs.awx_backup(), awx_instance.backup)


if __name__ == "__main__":
    main()

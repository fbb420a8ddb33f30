# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: duration
short_description: The seconds of a duration
version_added: 0.1.0
description:
  - Durations as claims have them (V(14d), V(30m)) and as Kubernetes and Go write them (V(1h30m)), so that they can be compared.
options:
  _input:
    description: The duration, of whole numbers with the units w, d, h, m and s, from the largest to the smallest.
    type: str
    required: true
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: See that backups are kept for two weeks
  ansible.builtin.assert:
    that: backup_retention | dbaas.platform.duration >= '14d' | dbaas.platform.duration
"""

RETURN = r"""
_value:
  description: Seconds.
  type: int
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import quantity


def duration(value: str) -> int:
    try:
        return quantity.elapsed(str(value))
    except ValueError as error:
        raise AnsibleFilterError(f"{error}; allowed: such as 90s, 1h30m or 14d") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[[str], int]]:
        return {"duration": duration}

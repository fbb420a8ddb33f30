# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: rrule
short_description: A cron expression as the RRULE of an AWX schedule
version_added: 0.1.0
description:
  - The recurrence that makes AWX run when cron would, for C(rrule) of C(controller_schedules).
  - What AWX cannot be told is an error with the reason, such as a time that a change of summer time leaves out, where cron runs
    right after it and AWX not at all.
  - What runs every hour of every day is said in UTC, since an hour that comes twice is two hours to cron.
positional: _input, timezone, start
options:
  _input:
    description: Cron expression of five fields (minute, hour, day of month, month, day of week).
    type: str
    required: true
  timezone:
    description: Time zone that the expression is meant in.
    type: str
    default: UTC
  start:
    description: Day from which it holds, as V(YYYY-MM-DD). It is fixed, so that the text stays the same from run to run.
    type: str
    default: "2026-01-01"
requirements:
  - cronsim
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Every night at three in Lagos
  ansible.builtin.debug:
    msg: "{{ '0 3 * * *' | dbaas.platform.rrule('Africa/Lagos') }}"
# => DTSTART;TZID=Africa/Lagos:20260101T000000 RRULE:FREQ=DAILY;INTERVAL=1;BYHOUR=3;BYMINUTE=0
"""

RETURN = r"""
_value:
  description: DTSTART and one rule, or two where the expression names both days of the month and days of the week.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx import recurrence
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError


def rrule(cron: str, timezone: str = "UTC", start: str = "2026-01-01") -> str:
    try:
        return recurrence.rrule(str(cron), str(timezone), str(start))
    except DbaasError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"rrule": rrule}

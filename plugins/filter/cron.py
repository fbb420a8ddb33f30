# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cron
short_description: When a cron expression fires
version_added: 0.1.0
description:
  - The next times of a cron expression of five fields, as operators read it, to show people what a schedule means.
positional: _input, count, timezone, start
options:
  _input:
    description: Cron expression (minute, hour, day of month, month, day of week).
    type: str
    required: true
  count:
    description: How many times are wanted.
    type: int
    default: 1
  timezone:
    description: Time zone that the expression is meant in.
    type: str
    default: UTC
  start:
    description: Moment after which the times lie, in ISO 8601; now when not given.
    type: str
requirements:
  - cronsim
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Show when the next three backups are made
  ansible.builtin.debug:
    msg: "{{ '0 */6 * * *' | dbaas.platform.cron(3) }}"
# => ["2026-11-26T12:00:00+00:00", "2026-11-26T18:00:00+00:00", "2026-11-27T00:00:00+00:00"]
"""

RETURN = r"""
_value:
  description: The times, in ISO 8601.
  type: list
  elements: str
"""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ansible.errors import AnsibleFilterError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schedule


def cron(expression: str, count: int = 1, timezone: str = "UTC", start: str | None = None) -> list[str]:
    try:
        zone = ZoneInfo(str(timezone))
        moment = datetime.fromisoformat(str(start)) if start else datetime.now(UTC)
        after = moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    except (ValueError, KeyError, OSError, OverflowError) as error:
        raise AnsibleFilterError(f"cron: {error}") from None
    if wrong := schedule.problem(str(expression)):
        raise AnsibleFilterError(f"{str(expression)!r} is no cron expression; allowed: {wrong}")
    try:
        wanted = int(count)
    except (OverflowError, TypeError, ValueError):
        wanted = -1
    if wanted < 0:
        raise AnsibleFilterError(f"cron: {count!r} is no count of times; allowed: a whole number")
    try:
        return [time.isoformat() for time in schedule.times(str(expression), after, wanted)]
    except (OverflowError, ValueError):
        raise AnsibleFilterError(f"cron: so many times after {after.isoformat()} are not in the calendar") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"cron": cron}

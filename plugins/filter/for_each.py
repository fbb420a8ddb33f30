# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: for_each
short_description: The same data once for each name
version_added: 0.1.0
description:
  - Data with a placeholder in its texts, once for each name, with the name in its place.
positional: _input, names, placeholder
options:
  _input:
    description: The data, a mapping or any other.
    type: raw
    required: true
  names:
    description: The names.
    type: list
    elements: str
    required: true
  placeholder:
    description: What stands for the name, in keys too.
    type: str
    default: "{pop}"
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: An inventory for each point of presence
  ansible.builtin.set_fact:
    controller_inventories: "{{ {'name': '{pop}', 'description': 'Machines of {pop}'} | dbaas.platform.for_each(['lagos', 'accra']) }}"
# => [{name: lagos, description: Machines of lagos}, {name: accra, description: Machines of accra}]
"""

RETURN = r"""
_value:
  description: The data once for each name, in the order of the names.
  type: list
  elements: raw
"""

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError


def for_each(data: Any, names: Iterable[str], placeholder: str = "{pop}") -> list[Any]:
    # a text would be taken letter by letter
    each = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else None
    if each is None or not all(isinstance(name, str) for name in each):
        raise AnsibleFilterError(f"for_each: {names!r} is no list of names")
    if not isinstance(placeholder, str) or not placeholder:
        raise AnsibleFilterError(f"for_each: {placeholder!r} is no placeholder; allowed: a text such as {{pop}}")
    return [_named(data, placeholder, name) for name in each]


def _named(data: Any, placeholder: str, name: str) -> Any:
    if isinstance(data, str):
        return data.replace(placeholder, name)
    if isinstance(data, dict):
        return {_named(key, placeholder, name): _named(value, placeholder, name) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_named(each, placeholder, name) for each in data]
    return data


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[Any]]]:
        return {"for_each": for_each}

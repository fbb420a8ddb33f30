# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: quantity
short_description: The number that a Kubernetes quantity stands for
version_added: 0.1.0
description:
  - Any quantity as Kubernetes writes it, such as V(1.5Gi), V(500m), V(2), V(10k) or V(1e3), so that sizes and amounts of CPU can be
    compared and added.
options:
  _input:
    description: The quantity.
    type: raw
    required: true
requirements:
  - kubernetes
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: See that the volumes fit
  ansible.builtin.assert:
    that: 3 * ('500Gi' | dbaas.platform.quantity) <= '2Ti' | dbaas.platform.quantity
"""

RETURN = r"""
_value:
  description: A whole number where it is one, else one with a fraction.
  type: float
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError


def quantity(value: object) -> int | float:
    try:
        from kubernetes.utils.quantity import parse_quantity
    except ImportError:
        raise AnsibleFilterError("dbaas.platform.quantity needs the Python package kubernetes.") from None
    try:
        # the library lets pass what Kubernetes does not: blanks inside, digits of other scripts, numbers without end
        number = parse_quantity(str(value).replace(" ", "?"))
        if not (str(value).isascii() and number.is_finite() and abs(number) < 2**63):
            raise ValueError(value)
        return int(number) if number == int(number) else float(number)
    except (ArithmeticError, ValueError):
        words = f"{str(value)!r} is no quantity of Kubernetes, such as 1.5Gi, 500m or 2"
        raise AnsibleFilterError(words) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[[object], int | float]]:
        return {"quantity": quantity}

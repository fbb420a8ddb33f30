# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """What the lookups of the engines share."""

    DOCUMENTATION = r"""
options:
  _terms:
    description: What is asked for.
    type: list
    elements: str
    choices: [versions, parameters, capabilities, connection]
    required: true
  service:
    description: The service whose C(connection) is asked for, as C(tenant/name).
    type: str
"""

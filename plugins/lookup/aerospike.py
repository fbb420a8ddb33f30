# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: aerospike
short_description: What the platform offers of Aerospike, and how to connect to a service of it
version_added: 0.1.0
description:
  - Versions, parameters and capabilities of Aerospike as the catalog has them, or the connection of a service, without any secret.
extends_documentation_fragment:
  - dbaas.platform.engine
  - dbaas.platform.connection.lookup_git
  - dbaas.platform.connection.lookup_kubernetes
requirements:
  - fastyaml-rs
  - git
author:
  - dbaas.platform contributors (@dbaas-platform)
"""

EXAMPLES = r"""
- name: Versions that a new service may run
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.aerospike', 'versions') | rejectattr('channel', 'eq', 'expired') | map(attribute='version') }}"

- name: Settings that restart no node
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.aerospike', 'parameters') | dict2items | selectattr('value.restart', 'eq', 'none') | map(attribute='key') }}"

- name: Where a service is
  ansible.builtin.debug:
    msg: "{{ lookup('dbaas.platform.aerospike', 'connection', service='acme/profiles').connection_string }}"
"""

RETURN = r"""
_raw:
  description:
    - One answer for each term.
    - C(versions) is a list of mappings with C(version), C(channel), C(default) and, where they are known, C(released), C(ends),
      C(build) and C(upgradesTo); the newest first.
    - C(parameters) maps each name that a claim may give to its C(restart) and more; C(capabilities) maps names to what is so.
    - "C(connection) is a mapping: host, port, tls, region, connection_string, endpoints, phase, and the names of the Secrets."
  type: list
  elements: raw
"""

from ansible_collections.dbaas.platform.plugins.plugin_utils.lookup import EngineLookup


class LookupModule(EngineLookup):
    engine = "aerospike"

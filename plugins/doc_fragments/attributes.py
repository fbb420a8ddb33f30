# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules: those that change something (DOCUMENTATION) and those that only read (INFO)."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and say what would change without changing anything.
  diff_mode:
    support: full
    description: Returns the difference of the repository that the commit makes.
  idempotent:
    support: full
    description: The same task again changes nothing and makes no commit.
  action_group:
    support: full
    description: Use C(group/dbaas.platform.platform) in C(module_defaults) to set connections once.
    membership:
      - dbaas.platform.platform
  platform:
    support: full
    platforms: posix
    description: Where the module runs.
"""

    INFO = r"""
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: N/A
    description: Changes nothing.
  idempotent:
    support: full
    description: Changes nothing.
  action_group:
    support: full
    description: Use C(group/dbaas.platform.platform) in C(module_defaults) to set connections once.
    membership:
      - dbaas.platform.platform
  platform:
    support: full
    platforms: posix
    description: Where the module runs.
"""

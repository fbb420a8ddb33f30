# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules: that change something (DOCUMENTATION), only read (INFO), work on AWX itself (INSTANCE)."""

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

    AWX = r"""
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and say what would change without changing anything.
  diff_mode:
    support: full
    description: Returns the difference that the change makes.
  idempotent:
    support: full
    description: The same task again changes nothing and makes no request that writes.
  action_group:
    support: full
    description: Use C(group/dbaas.platform.awx) in C(module_defaults) to set the connection once.
    membership:
      - dbaas.platform.awx
  platform:
    support: full
    platforms: posix
    description: Where the module runs.
"""

    AWX_INFO = r"""
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
    description: Use C(group/dbaas.platform.awx) in C(module_defaults) to set the connection once.
    membership:
      - dbaas.platform.awx
  platform:
    support: full
    platforms: posix
    description: Where the module runs.
"""

    INSTANCE = r"""
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and say what would change without changing anything.
  diff_mode:
    support: none
    description: Returns no difference.
  idempotent:
    support: full
    description: The same task again changes nothing.
  action_group:
    support: none
    description: Speaks to one cluster alone.
    membership: []
  platform:
    support: full
    platforms: posix
    description: Where the module runs.
"""

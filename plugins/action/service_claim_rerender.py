# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from ansible_collections.dbaas.platform.plugins.module_utils import specs
from ansible_collections.dbaas.platform.plugins.module_utils.runner import rerender
from ansible_collections.dbaas.platform.plugins.plugin_utils.action import RunnerAction


class ActionModule(RunnerAction):
    runner = staticmethod(rerender.run)
    spec = staticmethod(specs.service_claim_rerender)

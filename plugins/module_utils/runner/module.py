# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The main() that all modules share: they run so only where the action cannot (async, another host)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, failure

Json = dict[str, Any]


#: options that hold secrets among much else: neither the log nor the result repeats them
_UNSHOWN = ("configuration",)


def run_module(spec: Json, runner: Callable[[Run], Json]) -> None:
    """Checks the options against `spec`, calls the runner, and ends the process with its result."""
    unshown = {name: "not shown" for name in _UNSHOWN if name in spec["argument_spec"]}
    module = AnsibleModule(**spec, supports_check_mode=True, no_log=bool(unshown))
    told = {"invocation": {"module_args": {**module.params, **unshown}}} if unshown else {}
    try:
        result = runner(Run(module.params, check=module.check_mode, diff=module._diff))
    except DbaasError as error:
        module.exit_json(**failure(error), **told)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result, **told)

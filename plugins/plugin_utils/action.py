# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one base of all actions: the module's runner, called in the worker process, where it is quick and can show progress."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, failure, shipped

Json = dict[str, Any]

#: The root of the collection, where its catalog lies.
ROOT = Path(__file__).resolve().parents[2]


def untagged(value: Any) -> Any:
    """Plain data out of Ansible's tagged values: libraries refuse their types. Dates, which YAML 1.2 lacks, become text."""
    return json.loads(json.dumps(value, default=str))


class RunnerAction(ActionBase):
    """Runs `runner` with the options that `spec` allows; by the module of the same name where async or another host is asked for."""

    runner: ClassVar[Callable[[Run], Json]]
    spec: ClassVar[Callable[[], Json]]

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Json | None = None) -> Json:
        result: Json = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        spec = type(self).spec()
        if "shipped" in spec["argument_spec"]:
            arguments.setdefault("shipped", shipped(ROOT))
        if "requester" in spec["argument_spec"] and not arguments.get("requester") and task_vars.get("awx_user_name"):
            arguments["requester"] = str(self._templar.template(task_vars["awx_user_name"]))
        if "deletion_policy" in spec["argument_spec"] and arguments.get("regions", ()) is None:
            # a variable that came out as null: left out, the whole service would go
            arguments["regions"] = []
        if self._task.async_val or self._connection.transport != "local":
            return {
                **result,
                **self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val),
            }
        self._task.args = arguments
        _validation, options = self.validate_argument_spec(**spec)
        host = task_vars.get("inventory_hostname", "localhost")
        # a task that runs once speaks for all hosts
        head = "" if host == "localhost" or self._task.run_once else f"{host}: "

        def progress(line: str) -> None:
            Display().display(head + line)

        run = Run(untagged(options), check=self._task.check_mode, diff=bool(self._task.diff), progress=progress)
        try:
            return {**result, **type(self).runner(run)}
        except DbaasError as error:
            return {**result, **failure(error)}

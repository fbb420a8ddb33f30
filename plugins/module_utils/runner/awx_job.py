# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""awx_job: a template of AWX launched by its name, followed by its events, cancelled when the task is interrupted."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.clients import awx
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import CODES, DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.awx import AwxLauncher
from ansible_collections.dbaas.platform.plugins.module_utils.launcher.base import PROMPTS, Launched, Outcome, Request
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run

Json = dict[str, Any]


def run(run: Run) -> Json:
    """The runner of module awx_job."""
    launcher = AwxLauncher(awx.connect(run.options))
    request = Request(
        template=run.text("template"),
        answers=run.options.get("extra_vars") or {},
        key=run.text("idempotency_key"),
        prompts={name: run.options[name] for name in PROMPTS if run.options.get(name) is not None},
        organization=run.text("organization"),
    )
    if run.check:
        plan = launcher.plan(request)
        job = {"id": plan["job"], "template": request.template, "found": bool(plan["job"]), "url": "", "status": ""}
        return {"changed": not plan["job"], "job": job, "launch": plan}
    with _interrupts() as interrupts:
        launched = launcher.launch(request)
        run.progress(f"job {launched.id} of {request.template} {'was there' if launched.found else 'is launched'}")
        result: Json = {"changed": not launched.found, "job": {**asdict(launched), "status": ""}}
        if not run.options["wait"]:
            return result
        try:
            interrupts.arm()
            outcome = launcher.follow(launched.id, run.progress, run.options["wait_timeout"])
        except KeyboardInterrupt:
            interrupts.disarm()
            run.progress(f"interrupted: job {launched.id} is asked to end")
            launcher.cancel(launched.id)
            error = DbaasError("job-canceled", f"The task was interrupted, and job {launched.id} asked to end.")
            return {**result, **base.failure(error)}
        except DbaasError as error:
            return {**result, **base.failure(error)}
    return _told(result, launched, outcome)


def _told(result: Json, launched: Launched, outcome: Outcome) -> Json:
    result["job"] |= {"id": outcome.id, "status": outcome.status}
    result |= {"artifacts": outcome.artifacts, "result": outcome.result}
    if outcome.reason is None:
        return result
    reason = asdict(outcome.reason)
    code = outcome.reason.code if outcome.reason.code in CODES else "job-failed"
    words = f"job {outcome.id} of {launched.template} is {outcome.status}: {outcome.detail or outcome.reason.message}"
    told = {"class" if name == "cls" else name: value for name, value in reason.items()}
    return {**result, "reason": told, **base.failure(DbaasError(code, words))}


class _Interrupts:
    """Ctrl-C and SIGTERM, which Ansible passes on to its workers: kept until armed, since a launch must not be lost."""

    def __init__(self) -> None:
        self._caught = self._armed = False

    def arm(self) -> None:
        self._armed = True
        if self._caught:
            raise KeyboardInterrupt

    def disarm(self) -> None:
        self._armed = False

    def catch(self, *_arguments: object) -> None:
        self._caught = True
        if self._armed:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.signal(number, interrupts.catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Launching a job template, whoever runs it: AWX, or ansible-runner on this machine.

Both take a template by its name and the answers of its survey, hold the answers against the same rules, and know a
launch by its idempotency key: the same key finds the job that is there, running or ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.dbaas.platform.plugins.module_utils.domain import jobs
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.survey import KEY
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.jobs import Reason
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest

Json = dict[str, Any]
Progress = Callable[[str], None]

#: What AWX writes in place of a secret.
HIDDEN = "$encrypted$"

#: What else a launch may say -> the field of the template that allows it.
PROMPTS = {
    "inventory": "ask_inventory_on_launch",
    "limit": "ask_limit_on_launch",
    "job_type": "ask_job_type_on_launch",
    "diff_mode": "ask_diff_mode_on_launch",
    "job_tags": "ask_tags_on_launch",
    "skip_tags": "ask_skip_tags_on_launch",
    "verbosity": "ask_verbosity_on_launch",
    "scm_branch": "ask_scm_branch_on_launch",
}


@dataclass(frozen=True)
class Request:
    """What is to be launched.

    answers: variable -> value, as the survey asks for them. key: the launch's identity; with "" each launch is a new
    job. prompts: of PROMPTS, the inventory by its name. organization: where AWX has the name in several.
    """

    template: str
    answers: Mapping[str, Any]
    key: str = ""
    prompts: Mapping[str, Any] = field(default_factory=dict)
    organization: str = ""


@dataclass(frozen=True)
class Launched:
    """A job. found: it was there already, launched earlier with the same key. url: where people look at it."""

    id: str
    template: str
    found: bool = False
    url: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    id: of the job that ran; another than was followed where that one made way for an earlier one with the same key.
    status: of jobs.ENDED. artifacts: what it left with set_stats, `dbaas_result` among them. reason: None when it
    went well. detail: for operators: the failed task, with its output.
    """

    id: str
    status: str
    artifacts: Json
    reason: Reason | None = None
    detail: str = ""

    @property
    def result(self) -> Json:
        """What our playbooks leave."""
        found: Json = self.artifacts.get(jobs.RESULT) or {}
        return found


class Launcher(Protocol):
    """Launches templates and follows what comes of them. Every failure is a DbaasError."""

    def plan(self, request: Request) -> Json:
        """What would be launched: template, kind, answers (defaults filled in, secrets hidden), prompts, and `job`: the
        id of the job that the key finds, "" where there is none. Nothing is started.

        Raises template-missing, and answers-invalid naming all that is wrong with the answers.
        """

    def launch(self, request: Request) -> Launched:
        """Starts the job, or finds the one that bears the key. Raises what plan raises, and launch-key-reused."""

    def follow(self, job: str, progress: Progress, timeout: float | None = None) -> Outcome:
        """Waits until the job has ended, told line by line. Raises job-timeout after `timeout` seconds: it goes on."""

    def cancel(self, job: str) -> None:
        """Asks the job to end; one that has ended stays as it is."""


def variables(request: Request) -> Json:
    """What the job is given: the answers, and the key."""
    return {**request.answers, **({KEY: request.key} if request.key else {})}


def unasked(template: str, asks: Mapping[str, Any], survey: Json, request: Request) -> list[FieldError]:
    """What the request says and the template does not ask for: it would be left out of the job in silence."""
    found = [
        FieldError(name, value, f"nothing: template {template} does not ask for it ({PROMPTS[name]} is false)")
        for name, value in request.prompts.items()
        if not asks.get(PROMPTS[name])
    ]
    if asks.get("ask_variables_on_launch"):
        return found
    questions = [str(question["variable"]) for question in survey.get("spec") or []]
    known = [name for name in questions if name != KEY]
    found += [
        FieldError(name, value, f"an answer of template {template}: {', '.join(known) or 'none'}", nearest(name, known))
        for name, value in request.answers.items()
        if name not in known
    ]
    if request.key and KEY not in questions:
        allowed = f"nothing: the survey of template {template} has no question {KEY}"
        found.append(FieldError("idempotency_key", request.key, allowed))
    return found


def refused(found: Sequence[FieldError], sentences: Sequence[str], survey: Json, answers: Mapping[str, Any]) -> None:
    """Raises answers-invalid with all that is wrong, if anything is. sentences: the survey's own, as AWX words them."""
    if lines := [*sentences, *map(str, found)]:
        # AWX repeats what was given, a password too
        for secret in {str(value) for name, value in answers.items() if name in passwords(survey) and value}:
            lines = [line.replace(secret, HIDDEN) for line in lines]
        noun = "answer is" if len(lines) == 1 else "answers are"
        raise DbaasError(
            "answers-invalid", "\n".join([f"{len(lines)} {noun} wrong:", *(f"  {line}" for line in lines)])
        )


def passwords(survey: Json) -> set[str]:
    """The questions whose answers nobody is told."""
    return {str(question["variable"]) for question in survey.get("spec") or [] if question.get("type") == "password"}


def shown(answers: Mapping[str, Any], survey: Json) -> Json:
    """Answers without secrets."""
    secret = passwords(survey)
    return {name: HIDDEN if name in secret and value else value for name, value in answers.items()}


def missing(kind: str, name: str, known: Sequence[str]) -> DbaasError:
    """The error for a name that is not there; the names that are, the most alike first."""
    like = nearest(name, known)
    hint = f"; nearest: {like}" if like else ""
    return DbaasError(
        "template-missing", f"{kind} {name!r} is not there{hint}; there are: {', '.join(known) or 'none'}"
    )


def same(request: Request, answers: Mapping[str, Any], prompts: Mapping[str, Any], job: str) -> None:
    """Raises launch-key-reused where the job that bears the key was launched for something else.

    answers, prompts: the job's. AWX tells no secret, and an inventory by its id.
    """
    differ = [name for name, value in request.answers.items() if answers.get(name) not in (value, HIDDEN)]
    differ += [name for name, value in request.prompts.items() if name != "inventory" and prompts.get(name) != value]
    if differ:
        names = ", ".join(sorted(differ))
        raise DbaasError("launch-key-reused", f"job {job} was launched with this key, and with another {names}")


def reason(status: str, failure: jobs.Failure | None, reference: str) -> Reason | None:
    """Why a job that ended so failed, as a tenant may see it; None where it did not."""
    if status == "successful":
        return None
    if status in ("canceled", "lost"):
        code = f"job-{status}"
        return jobs.reason(code, f"The job was {status}; job {reference}.", reference)
    if failure is None:
        return jobs.reason("job-failed", "", reference)
    return jobs.reason(failure.code, failure.message, reference)

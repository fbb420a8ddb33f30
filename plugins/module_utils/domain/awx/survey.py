# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A playbook's survey out of its argument spec, the catalog and the schemas; and how AWX takes the answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform

Json = dict[str, Any]

#: What a launch carries so that it is not done twice; every survey ends with it.
KEY = "dbaas_idempotency_key"
#: Options that no survey asks for -> why.
ELSEWHERE: dict[str, str] = {
    "dbaas_repository": "comes from the credential of the GitOps repository",
    "dbaas_kubeconfig": "comes from the credential with the kubeconfig",
    "since": "is about a working copy, which a job does not have",
    "report_format": "is about a pipeline's log",
}
_FILE = "is a place on the machine that runs the playbook, and a job's container is gone when it ends"

#: longest answers where no schema says it
_TEXT, _LINES = 1024, 8192
_FLAG = ["true", "false"]
#: how descriptions of playbooks tell in which ways a list is taken; a survey has just one of them
_WAYS = (
    "a list, or text with one on each line (or between commas)",
    "a list, or text with one on each line",
)


def _field(root: Json, *path: str) -> Json:
    for name in path:
        root = root["properties"][name] if name != "*" else root["additionalProperties"]
    return root


_NAME: Json = {"type": "string", "maxLength": schema.NAME_LENGTH}
_LABEL: Json = {"type": "string", "maxLength": 63}
#: Option of a playbook -> what the schemas say of such an answer.
FIELDS: dict[str, Json] = {
    "tenant": _field(tenant.SCHEMA, "metadata", "name"),
    "service": _NAME,
    "confirm": _NAME,
    "project": _LABEL,
    "storage_size": _field(schema.SPEC, "storage", "size"),
    "role": _LABEL,
    "database": _field(schema.SPEC, "database", "name"),
    **{name: _field(schema.SPEC, name) for name in ("sku", "engine", "plan", "version", "region")},
    **{name: _field(schema.SPEC, "resources", "*", name) for name in ("cpu", "memory", "replicas")},
    **{
        f"backup_{name}": _field(schema.SPEC, "backup", name)
        for name in ("enabled", "schedule", "retention", "destination")
    },
    "display_name": _field(tenant.SPEC, "displayName"),
    "billing_account": _field(tenant.SPEC, "billingAccount"),
    "dbaas_wait_timeout": {"type": "integer", "minimum": 1, "maximum": 86400},
    "approval_limit_usd": {"type": "integer", "minimum": 0},
    "limit": {"type": "integer", "minimum": 0},
    "wave": {"type": "integer", "minimum": 1},
    KEY: {"type": "string", "maxLength": 128},
}
_WORDS = {"awx": "AWX", "cidrs": "CIDRs", "cpu": "CPU", "sku": "SKU", "tls": "TLS", "usd": "USD"}


@dataclass(frozen=True)
class Offer:
    """What can be chosen: option -> its choices, and option -> a sentence on what they are."""

    choices: Mapping[str, list[str]]
    words: Mapping[str, str]


def offer(catalog: Catalog, platform: Platform) -> Offer:
    """What a platform with this catalog and these points of presence has to choose from."""
    engines = {sku.engine: catalog.engines[sku.engine] for sku in catalog.skus.values()}
    versions = {
        name: [version for version, known in data["versions"].items() if known["channel"] != "expired"]
        for name, data in engines.items()
    }
    plans = [name for name in catalog.plans if any(name in sku.plans for sku in catalog.skus.values())]
    roles = dict.fromkeys(role for sku in catalog.skus.values() for role in sku.data["resources"])
    regions = list(platform.pops)
    titles = {name: data["title"] for name, data in catalog.regions.items() if name in platform.pops}
    skus = {sku.name: f"{sku.data['title']} ({', '.join(sku.plans)})" for sku in catalog.skus.values()}
    return Offer(
        choices={
            "sku": list(catalog.skus),
            "engine": list(engines),
            "plan": plans,
            "version": list(dict.fromkeys(version for known in versions.values() for version in known)),
            "region": regions,
            "regions": regions,
            "role": list(roles),
        },
        words={
            "sku": _listed(skus),
            "engine": _listed({name: data["title"] for name, data in engines.items()}),
            "plan": _listed({name: catalog.plans[name]["title"] for name in plans}),
            "version": _listed({name: ", ".join(known) for name, known in versions.items()}),
            "region": _listed(titles),
            "regions": _listed(titles),
        },
    )


def _listed(titles: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {title}" for name, title in titles.items())


def left_out(options: Json) -> dict[str, str]:
    """Options that the survey does not ask for -> why."""
    return {
        name: ELSEWHERE.get(name, _FILE)
        for name, data in options.items()
        if name in ELSEWHERE or data.get("type") == "path"
    }


def survey(name: str, entry: Json, offered: Offer, without: Collection[str] = ()) -> Json:
    """AWX's survey spec of a playbook: name, description, spec (a list of questions).

    entry: the playbook's part of its argument specs (short_description, options, …). without: options that are not
    asked for here. Raises InvalidFields survey-impossible naming each option that a survey cannot ask for, and why.
    """
    options: Json = entry["options"]
    elsewhere = {**left_out(options), **dict.fromkeys(without, "")}
    asked = {option: data for option, data in options.items() if option not in elsewhere}
    if unknown := [option for option in without if option not in options]:
        wrong = [FieldError(option, option, f"one of {', '.join(options)}", source=name) for option in unknown]
        raise InvalidFields("survey-impossible", wrong)
    needed = [
        FieldError(option, data.get("type"), f"a survey cannot ask for it, as it {elsewhere[option]}", source=name)
        for option, data in options.items()
        if data.get("required") and elsewhere.get(option)
    ]
    wrong = [*needed, *(error for option, data in asked.items() for error in _problems(name, option, data))]
    if wrong:
        raise InvalidFields("survey-impossible", wrong)
    key = {
        "type": "str",
        "description": "The same text once more finds the job that was launched with it; nothing is done twice.",
    }
    questions = [_question(option, data, offered) for option, data in {**asked, KEY: key}.items()]
    return {
        "name": entry["short_description"],
        "description": " ".join(_sentences(entry["description"])),
        "spec": questions,
    }


def _problems(playbook: str, option: str, data: Json) -> Iterator[FieldError]:
    """Why a survey cannot ask for this option."""
    kind = data.get("type", "str")
    if kind not in ("str", "int", "float", "bool", "raw"):
        words = "str, int, float, bool, or raw where the playbook takes text with one on each line"
        yield FieldError(f"{option}.type", kind, words, source=playbook)
    elif kind == "raw" and data.get("default"):
        # AWX takes the default of a multiselect as text and would give the job none
        yield FieldError(f"{option}.default", data["default"], "none for what is a list", source=playbook)
    elif data.get("required") and data.get("default") is not None:
        yield FieldError(f"{option}.default", data["default"], "none where it is required", source=playbook)
    if kind in ("str", "bool", "raw") and any("\n" in str(choice) for choice in data.get("choices", [])):
        yield FieldError(f"{option}.choices", data["choices"], "choices of one line each", source=playbook)


def _question(option: str, data: Json, offered: Offer) -> Json:
    field, kind = FIELDS.get(option, {}), data.get("type", "str")
    choices = offered.choices.get(option) or [str(choice) for choice in data.get("choices", []) if choice != ""]
    if kind == "bool" or field.get("type") == "boolean":
        choices = _FLAG
    required, least, most = bool(data.get("required")), None, None
    if kind == "raw":
        form = "multiselect" if choices else "textarea"
    elif choices:
        form = "multiplechoice"
    elif kind in ("int", "float"):
        form = "integer" if kind == "int" else "float"
    elif field.get("type") == "integer":
        form = "integer"
    else:
        form = "password" if data.get("no_log") else "text"
    if form in ("integer", "float"):
        least, most = field.get("minimum"), field.get("maximum")
    elif not choices:
        least, most = int(required), field.get("maxLength", _LINES if form == "textarea" else _TEXT)
    default = data.get("default", "")
    return {
        "variable": option,
        "question_name": _title(option),
        "question_description": _description(option, form, data, offered),
        "type": form,
        "required": required,
        "default": _FLAG[not default] if isinstance(default, bool) else default,
        "min": least,
        "max": most,
        **({"choices": choices} if choices else {}),
    }


def _title(option: str) -> str:
    words = [_WORDS.get(word, word) for word in option.removeprefix("dbaas_").split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def _description(option: str, form: str, data: Json, offered: Offer) -> str:
    text = " ".join(_sentences(data["description"]))
    for words in _WAYS:
        text = text.replace(f"; {words}", "" if form == "multiselect" else "; one on each line")
    return f"{text} {offered.words[option]}." if option in offered.words else text


def _sentences(text: str | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else text


def refusals(spec: Json, answers: Json) -> list[str]:
    """Why AWX would refuse to launch with these answers: a sentence for each, in the survey's order."""
    return [sentence for question in spec["spec"] for sentence in _refusals(question, answers)]


def _refusals(question: Json, answers: Json) -> Iterator[str]:
    name, form = question["variable"], question["type"]
    if name not in answers:
        if question["required"]:
            yield f"'{name}' value missing"
        return
    value, choices = answers[name], question.get("choices") or []
    choices = choices.splitlines() if isinstance(choices, str) else choices
    if form in ("text", "textarea", "password"):
        if not isinstance(value, str):
            yield f"Value {value} for '{name}' expected to be a string."
        else:
            yield from _beyond(question, value, len(value))
    elif form in ("integer", "float"):
        # a boolean is no number to AWX
        numbers = int if form == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, numbers):
            wanted = "an integer" if form == "integer" else "a numeric type"
            yield f"Value {value} for '{name}' expected to be {wanted}."
        else:
            yield from _beyond(question, value, value)
    elif form == "multiselect":
        if not isinstance(value, list):
            yield f"'{name}' value is expected to be a list."
            return
        for each in value:
            if each not in choices:
                yield f"Value {each} for '{name}' expected to be one of {choices}."
    elif value not in choices:
        yield f"Value {value} for '{name}' expected to be one of {choices}."


def _beyond(question: Json, value: Any, size: float) -> Iterator[str]:
    name, least, most = question["variable"], question.get("min"), question.get("max")
    length = f"length is {size} " if isinstance(value, str) else ""
    if least not in ("", None) and size < int(least):
        yield f"'{name}' value {value} is too small ({length}must be at least {least})."
    if most not in ("", None) and size > int(most):
        yield f"'{name}' value {value} is too large (must be no more than {most})."


def filled(spec: Json, answers: Json) -> Json:
    """The variables that a job gets: the answers, and the default of each question that was not answered.

    As in AWX a default that is no valid answer is left out; so the empty text of an optional question reaches the job.
    """
    defaults = {
        question["variable"]: question["default"]
        for question in spec["spec"]
        if question.get("default") is not None
        and not list(_refusals(question, {question["variable"]: question["default"]}))
    }
    return {**defaults, **answers}

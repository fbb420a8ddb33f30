"""Surveys: what AWX takes as one, and which answers it takes."""

from __future__ import annotations

from typing import Any

from .problems import Problem
from .recordings import Json
from .store import ENCRYPTED

TYPES = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")
_EXPECTED: dict[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, "string"),
    "textarea": (str, "string"),
    "password": (str, "string"),
    "integer": (int, "integer"),
    "float": (float, "float"),
    "multiplechoice": (str, "string"),
    "multiselect": (str, "string"),
}


def check(spec: Any, before: Json) -> Json:
    """A survey as AWX would keep it. before: the one that it replaces, whose secret defaults may be kept.

    Raises Problem: the first thing that is wrong with it, as AWX does.
    """
    for name in ("name", "description", "spec"):
        if name not in spec and name == "spec":
            raise _refused("Field 'spec' is missing from survey spec.")
    for name, sort, said in (("name", str, "string"), ("description", str, "string"), ("spec", list, "list")):
        if name not in spec:
            raise _refused(f"Field '{name}' is missing from survey spec.")
        if not isinstance(spec[name], sort):
            got = type(spec[name]).__name__
            raise _refused(f"Expected {said} for field '{name}', received {got} type.")
    if not spec["spec"]:
        raise _refused("'spec' doesn't contain any items.")
    seen: set[str] = set()
    questions = [_question(index, question, seen, before) for index, question in enumerate(spec["spec"])]
    return {"name": spec["name"], "description": spec["description"], "spec": questions}


def _refused(text: str) -> Problem:
    return Problem(400, {"error": text})


def _question(index: int, question: Any, seen: set[str], before: Json) -> Json:
    if not isinstance(question, dict):
        raise _refused(f"Survey question {index} is not a json object.")
    for name in ("type", "question_name", "variable", "required"):
        if name not in question:
            raise _refused(f"'{name}' missing from survey question {index}")
    if question["type"] not in TYPES:
        allowed = f"is not one of '{', '.join(TYPES)}' allowed question types."
        raise _refused(f"'{question['type']}' in survey question {index} {allowed}")
    if not isinstance(question["required"], bool):
        raise _refused(f"'required' in survey question {index} expected to be boolean.")
    if question["variable"] in seen:
        raise _refused(f"'variable' '{question['variable']}' duplicated in survey question {index}.")
    seen.add(question["variable"])
    if question["type"] in ("multiplechoice", "multiselect") and "choices" not in question:
        raise _refused(f"Survey question {index} of type {question['type']} must specify choices.")
    kept = dict(question)
    default = question.get("default")
    sort, said = _EXPECTED[question["type"]]
    if "default" in question and default != "" and not isinstance(default, sort):
        raise _refused(f"Default value {default} in survey question {index} expected to be {said}.")
    for name in ("min", "max"):
        if not isinstance(question.get(name), int | None):
            raise _refused(f"The {name} limit in survey question {index} expected to be integer.")
    if question["type"] in ("multiplechoice", "multiselect") and default not in (None, ""):
        offered = _listed(question["choices"])
        chosen = [default] if question["type"] == "multiplechoice" else _listed(default)
        if any(entry not in offered for entry in chosen):
            raise _refused("Default choice must be answered from the choices listed.")
    if question["type"] == "password" and default == ENCRYPTED:
        kept["default"] = _kept(index, question, before)
    elif default == ENCRYPTED:
        said = f"survey question {index} is type {question['type']}."
        raise _refused(f"{ENCRYPTED} is a reserved keyword for password question defaults, {said}")
    return kept


def _listed(value: Any) -> list[Any]:
    """Choices come as a list or as lines."""
    return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else list(value)


def _kept(index: int, question: Json, before: Json) -> Any:
    old = next((q for q in before.get("spec", []) if q["variable"] == question["variable"]), None)
    if not old or old["type"] != "password" or not old.get("default"):
        raise _refused(f"{ENCRYPTED} is a reserved keyword, may not be used for new default in position {index}.")
    return old["default"]


def shown(survey: Json) -> Json:
    """A survey with its secrets hidden."""
    return {
        **survey,
        "spec": [
            {**question, "default": ENCRYPTED}
            if question["type"] == "password" and question.get("default")
            else question
            for question in survey["spec"]
        ],
    }


def faults(survey: Json, answers: Json, needed: bool = True) -> list[str]:
    """All that is wrong with the answers. needed: those that are missing count."""
    return [fault for question in survey.get("spec", []) for fault in _faults(question, answers, needed)]


def _faults(question: Json, answers: Json, needed: bool) -> list[str]:
    name, sort = question["variable"], question["type"]
    if name not in answers:
        return [f"'{name}' value missing"] if question["required"] and needed else []
    value = answers[name]
    if sort == "password" and value == ENCRYPTED:
        missing = question.get("default") is None and question["required"] and needed
        return [f"'{name}' value missing"] if missing else []
    if sort in ("text", "textarea", "password"):
        if not isinstance(value, str):
            return [f"Value {value} for '{name}' expected to be a string."]
        return _range(question, value, len(value), f"length is {len(value)} must be")
    if sort == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            return [f"Value {value} for '{name}' expected to be an integer."]
        return _range(question, value, value, "must be")
    if sort == "float":
        if type(value) not in (float, int):
            return [f"Value {value} for '{name}' expected to be a numeric type."]
        return _range(question, value, value, "must be")
    choices = question["choices"].split("\n") if isinstance(question["choices"], str) else question["choices"]
    if sort == "multiselect" and not isinstance(value, list):
        return [f"'{name}' value is expected to be a list."]
    chosen = value if sort == "multiselect" else [value]
    return [f"Value {entry} for '{name}' expected to be one of {choices}." for entry in chosen if entry not in choices]


def _range(question: Json, value: Any, size: float, said: str) -> list[str]:
    name, least, most = question["variable"], question.get("min"), question.get("max")
    found = []
    if least not in ("", None) and size < least:
        found.append(f"'{name}' value {value} is too small ({said} at least {least}).")
    if most not in ("", None) and size > most:
        found.append(f"'{name}' value {value} is too large (must be no more than {most}).")
    return found


def defaults(survey: Json) -> Json:
    """The answers that AWX puts in itself: defaults that are good answers."""
    return {
        question["variable"]: question["default"]
        for question in survey.get("spec", [])
        if question.get("default") is not None
        and not _faults(question, {question["variable"]: question["default"]}, needed=True)
    }


def secrets(survey: Json) -> set[str]:
    """The variables whose answers are hidden."""
    return {question["variable"] for question in survey.get("spec", []) if question["type"] == "password"}

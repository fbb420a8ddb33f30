"""The fields of a request, checked as AWX checks them."""

from __future__ import annotations

import json
from typing import Any

import yaml

from .kinds import Kind
from .problems import Problem
from .recordings import Json, content
from .store import Store

MISSING = content(20)["name"][0]
VARIABLES = ("variables", "extra_vars", "source_vars")


def clean(store: Store, kind: Kind, body: Json, before: Json | None, whole: bool) -> Json:
    """The writable fields of a body, converted; others are ignored, as AWX does.

    whole: what is missing is refused or gets its default (POST, PUT). Raises Problem: all bad fields.
    """
    cleaned, errors = {}, {}
    for name, described in kind.fields.items():
        if name not in body:
            if not whole:
                continue
            if described["required"]:
                errors[name] = [MISSING]
            elif before is None:
                cleaned[name] = kind.default(name)
            continue
        try:
            cleaned[name] = _value(store, kind, name, described, body[name])
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise Problem(400, errors)
    return cleaned


def _value(store: Store, kind: Kind, name: str, described: Json, value: Any) -> Any:
    sort = described["type"]
    if value is None:
        if name in kind.nullable or described.get("default", "") is None:
            return None
        if name not in kind.blanked or sort == "integer":
            raise ValueError("This field may not be null.")
        value = False if sort == "boolean" else ""
    if sort == "id":
        return _reference(store, kind.references.get(name, name + "s"), value)
    if sort == "choice":
        choices = [choice[0] for choice in described["choices"]]
        # a blank is no choice of its own, but allowed where it is the default
        if value in choices or (value == "" and kind.default(name) in ("", None)):
            return value
        if str(value) in [str(choice) for choice in choices]:
            return next(choice for choice in choices if str(choice) == str(value))
        raise ValueError(content(74)["scm_type"][0].replace("cvs", str(value)))
    if sort == "boolean":
        if str(value).lower() in ("true", "1", "yes", "on", "t", "y"):
            return True
        if str(value).lower() in ("false", "0", "no", "off", "f", "n"):
            return False
        raise ValueError("Must be a valid boolean.")
    if sort == "integer":
        return _integer(described, value)
    if sort == "list":
        if not isinstance(value, list):
            raise ValueError(f'Expected a list of items but got type "{type(value).__name__}".')
        return value
    return _text(name, described, value) if sort == "string" or name in VARIABLES else _json(name, value)


def _reference(store: Store, kind: str, value: Any) -> int:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, str) and value.isdigit())):
        raise ValueError(f"Incorrect type. Expected pk value, received {type(value).__name__}.")
    if store.get(kind, int(value)) is None:
        raise ValueError(content(115)["inventory"][0].replace("999999", str(value)))
    return int(value)


def _integer(described: Json, value: Any) -> int:
    try:
        number = int(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError):
        number = None
    if number is None:
        raise ValueError("A valid integer is required.")
    if number < described.get("min_value", number):
        raise ValueError(f"Ensure this value is greater than or equal to {described['min_value']}.")
    if number > described.get("max_value", number):
        raise ValueError(f"Ensure this value is less than or equal to {described['max_value']}.")
    return number


def _text(name: str, described: Json, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("Not a valid string.")
    text = str(value).strip()
    if not text and described["required"]:
        raise ValueError("This field may not be blank.")
    if len(text) > described.get("max_length", len(text)):
        raise ValueError(f"Ensure this field has no more than {described['max_length']} characters.")
    if name in VARIABLES:
        parsed(text)
    return text


def _json(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return parsed(value)
    if not isinstance(value, dict | list):
        raise ValueError("Value must be valid JSON.")
    return value


def parsed(text: str) -> Any:
    """Variables in JSON or YAML. Raises ValueError: AWX's sentence."""
    if not text:
        return {}
    try:
        return json.loads(text)
    except ValueError as json_error:
        try:
            loaded = yaml.safe_load(text)
        except yaml.YAMLError as yaml_error:
            raise ValueError(f"Cannot parse as JSON (error: {json_error}) or YAML (error: {yaml_error}).") from None
        if loaded is not None and not isinstance(loaded, dict):
            raise ValueError(
                f"Cannot parse as JSON (error: {json_error}) or YAML (error: Input type `{type(loaded).__name__}` "
                "is not a dictionary)."
            ) from None
        return loaded or {}

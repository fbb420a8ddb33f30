# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of fields: held against what AWX's OPTIONS say of them, and against each other. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.kinds import Key
from ansible_collections.dbaas.platform.plugins.module_utils.domain.awx.world import HIDDEN
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest

Json = dict[str, Any]
#: Reads a text of YAML or JSON; raises ValueError or DbaasError.
Parse = Callable[[str], Any]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
#: what users of infra.aap_configuration write so that Ansible does not take it for a template
_BRACES = (("{  {", "{{"), ("}  }", "}}"), ("{  %", "{%"), ("%  }", "%}"))
QUESTION_TYPES = ("text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect")


def unspaced(value: Any) -> Any:
    """The same with `{  {` made `{{`, in every text."""
    if isinstance(value, str):
        for spaced, plain in _BRACES:
            value = value.replace(spaced, plain)
        return value
    if isinstance(value, Mapping):
        return {name: unspaced(item) for name, item in value.items()}
    return [unspaced(item) for item in value] if isinstance(value, list) else value


def checked(path: str, value: Any, spec: Json) -> tuple[Any, list[FieldError]]:
    """The value as AWX takes it, and what is wrong with it. `spec`: what OPTIONS say of the field."""
    kind = spec.get("type")
    wrong = _wrong_type(value, kind, spec)
    if kind == "boolean" and isinstance(value, str | int) and not wrong:
        value = str(value).lower() in _TRUE
    elif kind == "integer" and isinstance(value, str) and not wrong:
        value = int(value)
    elif kind == "choice" and not wrong:
        value = next(choice for choice in _choices(spec) if choice == value or str(choice) == str(value))
    elif kind in ("string", "email", "url") and isinstance(value, str | int) and not wrong:
        value = str(value).strip()
    return value, [FieldError(path, value, *wrong)] if wrong else []


def _wrong_type(value: Any, kind: Any, spec: Json) -> tuple[str, str | None] | None:
    """What would be right and what is nearest to it; None where the value is right."""
    if value is None:
        return None
    if kind == "boolean":
        good = isinstance(value, bool) or str(value).lower() in (*_TRUE, *_FALSE)
        return None if good else ("true or false", None)
    if kind == "integer":
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
            return "a whole number", None
        least, most = spec.get("min_value"), spec.get("max_value")
        if (least is not None and int(value) < least) or (most is not None and int(value) > most):
            return f"a whole number from {least} to {most}", None
        return None
    if kind == "float":
        return None if isinstance(value, int | float) and not isinstance(value, bool) else ("a number", None)
    if kind == "choice":
        choices = _choices(spec)
        if isinstance(value, bool) or not any(value == choice or str(value) == str(choice) for choice in choices):
            names = [str(choice) for choice in choices if choice not in (None, "")]
            return "one of " + ", ".join(names), nearest(value, names)
        return None
    if kind in ("string", "email", "url"):
        if isinstance(value, bool) or not isinstance(value, str | int):
            return "text", None
        most = spec.get("max_length")
        return (f"text of at most {most} characters", None) if most and len(str(value)) > most else None
    if kind == "list":
        return None if isinstance(value, list) else ("a list", None)
    if kind == "json":
        return None if isinstance(value, dict | list | str) else ("a mapping", None)
    return None


def _choices(spec: Json) -> list[Any]:
    return [choice[0] if isinstance(choice, list | tuple) else choice for choice in spec.get("choices") or ()]


def mapping(value: Any, parse: Parse) -> Any:
    """What a text of variables holds: the mapping itself, or the text where it holds none."""
    if isinstance(value, str):
        text = value.strip()
        if text in ("", "---"):
            return {}
        try:
            return plain(parse(text)) or {}
        except (ValueError, DbaasError):
            return text
    return plain(value) if value else {}


def plain(value: Any) -> Any:
    """The same as JSON would give it back: keys are text."""
    return json.loads(json.dumps(value, default=str))


def same(wanted: Any, live: Any) -> bool:
    """Whether AWX holds what is wanted: nothing is as good as empty, blanks around a text do not count."""
    if isinstance(wanted, Key) or isinstance(live, Key):
        return bool(wanted == live)
    if isinstance(wanted, bool) or isinstance(live, bool):
        return wanted is live or (wanted is None and live is False)
    if wanted in (None, "", [], {}) and live in (None, "", [], {}):
        return True
    if isinstance(wanted, str) and isinstance(live, str):
        return wanted.strip() == live.strip()
    return bool(wanted == live)


def within(wanted: Any, live: Any) -> bool:
    """Whether what is given of a mapping is so in AWX, which may hold more: its own defaults, and secrets."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return all(within(value, live.get(name)) for name, value in wanted.items())
    return wanted == HIDDEN or same(wanted, live)


def recurrence(rule: Any) -> str:
    """A recurrence as AWX keeps it: an UNTIL of local time is put into UTC."""
    text = " ".join(str(rule or "").split())
    until = re.search(r"UNTIL=(\d{8}T\d{6})(?=[; ]|$)", text)
    zone = re.search(r"TZID=([\w/+-]+):", text)
    if until is None or zone is None:
        return text
    try:
        moment = datetime.strptime(until[1], "%Y%m%dT%H%M%S").replace(tzinfo=ZoneInfo(zone[1]))
    except (ValueError, KeyError):
        return text
    return text.replace(until[0], f"UNTIL={moment.astimezone(UTC):%Y%m%dT%H%M%S}Z")


def merged(live: Any, wanted: Json) -> Json:
    """A mapping as AWX holds it with what is given in it; AWX keeps the secrets that it shows as $encrypted$."""
    return {**(live if isinstance(live, Mapping) else {}), **wanted}


def fingerprint(key: Key, secrets: Json) -> str:
    """12 hex digits that tell whether secrets have changed, and are of no use to guess them.

    scrypt over them, salted with what the object is known by, so that equal secrets do not look alike.
    """
    salt = "\0".join([key.kind, key.name, key.organization]).encode()
    content = json.dumps(secrets, sort_keys=True, default=str).encode()
    return hashlib.scrypt(content, salt=salt, n=2**14, r=8, p=1, dklen=6).hex()


class Mark:
    """Our mark at the end of a description: ` [label]`, or ` [label 0123456789ab]` with a fingerprint of secrets."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._pattern = re.compile(rf"\s?\[{re.escape(label)}(?: ([0-9a-f]{{12}}))?\]\s*$")

    def of(self, description: Any) -> str | None:
        """The fingerprint in a description's mark, "" for a mark without; None where there is no mark."""
        found = self._pattern.search(str(description or ""))
        return None if found is None else found[1] or ""

    def off(self, description: Any) -> str:
        """A description without its mark."""
        return self._pattern.sub("", str(description or ""))

    def on(self, description: Any, digits: str = "") -> str:
        """A description with the mark."""
        return f"{self.off(description)} [{self.label}{' ' if digits else ''}{digits}]".strip()


def question(item: Json) -> Json:
    """A survey's question in the one form in which two can be compared."""
    choices = item.get("choices")
    if not isinstance(choices, str):
        choices = "\n".join(map(str, choices or ()))
    default = item.get("default")
    if isinstance(default, list):
        default = "\n".join(map(str, default))
    kind = item.get("type")
    bounds = kind in ("text", "textarea", "password", "integer", "float")
    return {
        "variable": item.get("variable"),
        "type": kind,
        "question_name": str(item.get("question_name") or "").strip(),
        "question_description": str(item.get("question_description") or "").strip(),
        "required": bool(item.get("required")),
        "default": "" if default is None else default,
        "choices": choices.strip() if kind in ("multiplechoice", "multiselect") else "",
        "min": item.get("min") if bounds else None,
        "max": item.get("max") if bounds else None,
    }


def fields_typed(inputs: Any) -> Any:
    """The inputs of a credential type as AWX keeps them: a field of no type is text."""
    fields = inputs.get("fields") if isinstance(inputs, Mapping) else None
    if not isinstance(fields, list):
        return inputs
    typed = [{**item, "type": item.get("type", "string")} if isinstance(item, Mapping) else item for item in fields]
    return {**inputs, "fields": typed}


def asked(item: Mapping[str, Any]) -> Json:
    """A survey's question as AWX takes it: several defaults as lines, limits as numbers, no default that is null."""
    found = dict(item)
    if isinstance(default := found.get("default"), list):
        found["default"] = "\n".join(map(str, default))
    elif default is None:
        found.pop("default", None)
    elif found.get("type") == "float" and isinstance(default, int) and not isinstance(default, bool):
        found["default"] = float(default)
    for name in ("min", "max"):
        if isinstance(found.get(name), str):
            found[name] = int(found[name]) if found[name].strip() else None
    return found


def survey_differences(wanted: Json, live: Json) -> list[tuple[str, Any, Any]]:
    """Where two surveys differ: what it is of (`engine.choices`, `name`, `order`), what is wanted, what there is.

    A password's default that AWX keeps is as wanted, since nobody can see it. {} is no survey.
    """
    if not wanted.get("spec"):
        return [("spec", "no survey", "a survey")] if live.get("spec") else []
    if not live.get("spec"):
        return [("spec", "a survey", "no survey")]
    found: list[tuple[str, Any, Any]] = [
        (name, wanted.get(name) or "", live.get(name) or "")
        for name in ("name", "description")
        if not same(wanted.get(name), live.get(name))
    ]
    ours, theirs = ({item["variable"]: item for item in map(question, spec["spec"])} for spec in (wanted, live))
    for variable, item in ours.items():
        if variable not in theirs:
            found.append((str(variable), "a question", "no question"))
            continue
        for name, value in item.items():
            other = theirs[variable][name]
            if name == "default" and item["type"] == "password" and value and HIDDEN in (value, other):
                continue
            if not same(value, other):
                secret = name == "default" and item["type"] == "password"
                found.append((f"{variable}.{name}", *(("a secret", "another") if secret else (value, other))))
    found += [(str(variable), "no question", "a question") for variable in theirs if variable not in ours]
    both = [variable for variable in ours if variable in theirs]
    if both != [variable for variable in theirs if variable in ours]:
        found.append(("order", list(ours), list(theirs)))
    return found


def survey_errors(path: str, survey: Any) -> list[FieldError]:
    """What AWX would refuse of a survey: each with its path."""
    if not isinstance(survey, Mapping):
        return [FieldError(path, "…", "a mapping with name, description and spec")]
    spec = survey.get("spec") or []
    if not isinstance(spec, Sequence) or isinstance(spec, str):
        return [FieldError(f"{path}.spec", "…", "a list of questions")]
    found: list[FieldError] = []
    seen: set[Any] = set()
    for number, item in enumerate(spec):
        where = f"{path}.spec[{number}]"
        if not isinstance(item, Mapping):
            found.append(FieldError(where, "…", "a question: question_name, variable, type …"))
            continue
        found += [
            FieldError(f"{where}.{name}", item.get(name), "text")
            for name in ("variable", "question_name")
            if not isinstance(item.get(name), str) or not item.get(name)
        ]
        if item.get("type") not in QUESTION_TYPES:
            near = nearest(item.get("type"), QUESTION_TYPES)
            found.append(FieldError(f"{where}.type", item.get("type"), "one of " + ", ".join(QUESTION_TYPES), near))
        elif item["type"] in ("multiplechoice", "multiselect") and not item.get("choices"):
            found.append(FieldError(f"{where}.choices", item.get("choices"), "the choices"))
        if item.get("variable") in seen:
            found.append(
                FieldError(f"{where}.variable", item.get("variable"), "a variable that no question before has")
            )
        seen.add(item.get("variable"))
        if not isinstance(item.get("required"), bool):
            found.append(FieldError(f"{where}.required", item.get("required"), "true or false"))
        found += _question_errors(where, item)
    return found


def _question_errors(where: str, item: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with a question's limits and default."""
    found: list[FieldError] = []
    for name in ("min", "max"):
        limit = item.get(name)
        if limit is not None and (isinstance(limit, bool) or not re.fullmatch(r"\s*|\s*-?\d+\s*", str(limit))):
            found.append(FieldError(f"{where}.{name}", limit, "a whole number"))
    kind, default = item.get("type"), item.get("default")
    if default in (None, "", []):
        return found
    path = f"{where}.default"
    if kind in ("multiplechoice", "multiselect"):
        choices = item.get("choices") or ()
        offered = choices.splitlines() if isinstance(choices, str) else list(map(str, choices))
        several = default.splitlines() if isinstance(default, str) else default if isinstance(default, list) else None
        if several is None:
            found.append(FieldError(path, default, "text"))
        elif kind == "multiplechoice" and len(several) > 1:
            found.append(FieldError(path, default, "one choice"))
        else:
            found += [
                FieldError(path, one, "one of " + ", ".join(offered), nearest(one, offered))
                for one in map(str, several)
                if one.strip() and one not in offered
            ]
    elif kind in ("integer", "float"):
        right = isinstance(default, int if kind == "integer" else int | float) and not isinstance(default, bool)
        if not right:
            found.append(FieldError(path, default, "a whole number" if kind == "integer" else "a number"))
    elif not isinstance(default, str):
        found.append(FieldError(path, "…" if kind == "password" else default, "text"))
    elif default == HIDDEN and kind != "password":
        found.append(FieldError(path, default, "another text: AWX hides passwords alone"))
    return found

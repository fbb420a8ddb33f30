# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes out of data and text what must not leave the platform. Pure; rather too much than too little."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

HIDDEN = "REDACTED"

#: what the name of a secret has in it, without -, _ and capitals
_WORDS = (
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "token",
    "secret",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "keydata",
    "clientkey",
    "platformkey",
    "authorization",
    "kubeconfig",
)
#: what names a secret, or says something of it, and is none
_NAMES = re.compile(r"(name|names|ref|refs|generation|ready|missing|expiry|type)$")
#: never shown: who wrote which field, and a second copy of the whole object as text
_NOISE = ("managedFields", "kubectl.kubernetes.io/last-applied-configuration")

_WORD = (
    r"[\w.-]*(?:passw(?:or)?d|passphrase|pwd|token|secret|api[_-]?key|access[_-]?key|private[_-]?key|key-data)"
    r"(?:[_-]?(?:key|value|data|hash))?"
)
#: looked for where a word begins only, or the time would grow with the square of its length
_KEY = rf"(?<![\w.-]){_WORD}\\*[\"']?\s*(?::=|=>|[:=])\s*"
_OPTION = re.compile(rf"(?i)--?{_WORD}")
_TEXTS = (
    # user and password, or a token, in a URL
    (re.compile(r"(?<=://)[^\s/'\"]+(?=@)"), HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    # whatever its scheme
    (re.compile(r"(?i)(\bauthorization\\*[\"']?\s*[:=]\s*\\*[\"']?)(?:[\w-]+ +)?[^\s,;\"'}\]\\]+"), rf"\1{HIDDEN}"),
    # JSON web tokens, and tokens whose makers mark them
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|AKIA|ASIA)\w{12,}"), HIDDEN),
    # "token": "x", password: 'x', also as text within text; and password: x, secret_key=x
    (re.compile(rf"(?i)({_KEY})(\\*[\"'])((?:\\.|(?!\2).)*?)\2"), rf"\1\2{HIDDEN}\2"),
    # a text that was cut off has no second quote
    (re.compile(rf"(?i)({_KEY}\\*[\"']?)[^\s,;&\"'}}\]\\]+"), rf"\1{HIDDEN}"),
    # an option of a command
    (re.compile(rf"(?i)((?<!\S)--?{_WORD}\s+)[^\s-]\S*"), rf"\1{HIDDEN}"),
)


def text(value: str, known: Collection[str] = ()) -> str:
    """The text without the secrets that are `known` and those that look like some."""
    for secret in sorted(known, key=len, reverse=True):
        if secret:
            value = value.replace(secret, HIDDEN)
    for pattern, instead in _TEXTS:
        value = pattern.sub(instead, value)
    return value


def data(value: Any, known: Collection[str] = ()) -> Any:
    """A copy of plain data without secrets: values under keys that look secret, all values of a Secret, texts."""
    if isinstance(value, dict):
        if "users" in value and "clusters" in value and "contexts" in value:
            # a kubeconfig
            return HIDDEN
        return {
            # a key may be made of anything too
            text(str(key), known): _member(value, str(key), item, known)
            for key, item in value.items()
            if key not in _NOISE
        }
    if isinstance(value, list):
        return [
            # a command's arguments: [--password, …]
            HIDDEN if number and isinstance(item, str) and _names_next(value[number - 1]) else data(item, known)
            for number, item in enumerate(value)
        ]
    return text(value, known) if isinstance(value, str) else value


def _member(owner: dict[str, Any], key: str, value: Any, known: Collection[str]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if owner.get("kind") == "Secret" and key in ("data", "stringData"):
        return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN
    if looks_secret(key) and key != "kind":
        return HIDDEN
    # a container's variable: {name: DB_PASSWORD, value: …}
    if key == "value" and isinstance(owner.get("name"), str) and looks_secret(owner["name"]):
        return HIDDEN
    return data(value, known)


def _names_next(item: Any) -> bool:
    return isinstance(item, str) and _OPTION.fullmatch(item) is not None


def looks_secret(key: str) -> bool:
    """Whether the value under a key of this name is to be hidden."""
    plain = re.sub(r"[^a-z]", "", key.lower())
    return any(word in plain for word in _WORDS) and not _NAMES.search(plain)

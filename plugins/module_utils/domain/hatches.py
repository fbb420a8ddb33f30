# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a claim may ask beyond its SKU: parameters, placement, pause, images and patches of what is rendered. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.validation import nearest
from ansible_collections.dbaas.platform.plugins.module_utils.engines import ENGINES
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP

Json = dict[str, Any]

#: fields of a claim that not every engine can render
_OPTIONAL = ("placement", "paused")
#: what a setting of type text may hold: it stands in files of lines and in arguments
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/+@-]{1,256}")
_LABEL = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
#: parts of a path below which an object keeps what it has: who it is, and what guards and credentials hang on
_KEPT = re.compile(rf"(?i)secret|password|authentication|{re.escape(GROUP)}/|argocd\.argoproj\.io/")
#: likewise: which images run (spec.images says so), what a pod may do on its machine and as whom, and other namespaces
_GUARDED = re.compile(
    r"(?i)(init)?images?|image(registry\w*|nameandtag)|\w*repository|privileged"
    r"|host(path|network|networking|pid|ipc|ports?|users|process)"
    r"|allowPrivilegeEscalation|capabilities|procMount|sysctls|serviceAccount(Name)?|bearerTokenFile"
    r"|runAs(User|Group|NonRoot|UserName)|seLinuxOptions|(seccomp|appArmor)Profile"
    r"|namespace|namespaceSelector"
)


def errors(spec: Json, engine: Json, tenant: Json | None) -> Iterator[FieldError]:
    """What is wrong with these fields of a claim.

    engine: its section of the catalog; tenant: the Tenant document, None where none is known.
    """
    yield from _parameters(spec.get("parameters", {}), spec["engine"], offered_parameters(spec["engine"], engine))
    yield from _offered(spec)
    yield from _placement(spec.get("placement", {}))
    allows: Json = tenant["spec"].get("allows", {}) if tenant else {}
    yield from _images(spec.get("images", {}), spec["engine"], engine.get("images", {}), bool(allows.get("images")))
    yield from _allowed(spec.get("overrides", []), allows.get("overrides", []))


def offered_parameters(name: str, engine: Json) -> Json:
    """The parameters that a claim of an engine may name, of its section of the catalog.

    Where an engine has several places for them, one that the catalog gives none is not offered.
    """
    places = getattr(ENGINES[name], "places", (None,))
    return {key: data for key, data in engine.get("parameters", {}).items() if data.get("place") in places}


def _parameters(given: Json, engine: str, known: Json) -> Iterator[FieldError]:
    for name, value in given.items():
        path = f"spec.parameters.{name}"
        if name not in known:
            # the name, not the value: nobody knows what that is
            words = "one of " + ", ".join(known) if known else f"nothing: the catalog has no parameters of {engine}"
            yield FieldError(path, name, words, nearest(name, known))
        elif why := _misfit(value, known[name]):
            yield FieldError(path, value, *why)


def _misfit(value: Any, parameter: Json) -> tuple[str, object] | None:
    """(what a setting may be, the nearest such value) when it is something else."""
    if choices := parameter.get("values"):
        known = [str(choice) for choice in choices]
        # by how they are written: 1 equals True to Python
        fits = repr(value) in map(repr, choices)
        return None if fits else ("one of " + ", ".join(known), nearest(value, known))
    kind = parameter.get("type")
    kinds = {
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "text": isinstance(value, str),
        None: isinstance(value, (str, int, float)),
    }
    if not kinds[kind]:
        words = {
            "integer": "a whole number",
            "number": "a number",
            "boolean": "true or false",
            "text": "text",
            None: "text, a number, or true or false",
        }
        return words[kind], parameter.get("default")
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return "letters, digits and the signs _ . , : / + @ -, at most 256", None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        least, most = parameter.get("min"), parameter.get("max")
        if least is not None and value < least:
            return _range(least, most), least
        if most is not None and value > most:
            return _range(least, most), most
    return None


def _range(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return f"at most {most}" if least is None else f"at least {least}"
    return f"{least} to {most}"


def _offered(spec: Json) -> Iterator[FieldError]:
    offered: Mapping[str, str] = getattr(ENGINES[spec["engine"]], "optional", {})
    for field in _OPTIONAL:
        why = offered.get(field, f"{spec['engine']} is not rendered with it")
        if spec.get(field) and why:
            yield FieldError(f"spec.{field}", spec[field], f"nothing: {why}")


def _placement(placement: Json) -> Iterator[FieldError]:
    for key, value in placement.get("nodeSelector", {}).items():
        path = f"spec.placement.nodeSelector.{key}"
        if not _LABEL.fullmatch(key):
            yield FieldError(path, key, "the key of a label, such as example.com/disk")
        elif not _VALUE.fullmatch(value):
            yield FieldError(path, value, "the value of a label: letters, digits and the signs . _ - between them")
    for number, item in enumerate(placement.get("tolerations", [])):
        path, exists = f"spec.placement.tolerations[{number}]", item.get("operator", "Equal") == "Exists"
        if not exists and not item.get("key"):
            yield FieldError(f"{path}.key", item.get("key"), "a key, or operator Exists for any taint")
        elif item.get("key") and not _LABEL.fullmatch(item["key"]):
            yield FieldError(f"{path}.key", item["key"], "the key of a taint, such as example.com/dedicated")
        if exists and item.get("value"):
            yield FieldError(f"{path}.value", item["value"], "nothing beside operator Exists")
        elif not _VALUE.fullmatch(item.get("value", "")):
            yield FieldError(f"{path}.value", item["value"], "the value of a taint")
        if "tolerationSeconds" in item and item.get("effect") != "NoExecute":
            seconds = item["tolerationSeconds"]
            yield FieldError(f"{path}.tolerationSeconds", seconds, "nothing beside another effect than NoExecute")


def _images(given: Json, engine: str, known: Json, allowed: bool) -> Iterator[FieldError]:
    if given and not allowed:
        words = "nothing: only a tenant whose document says spec.allows.images brings images of its own"
        yield FieldError("spec.images", list(given), words)
        return
    for role, image in given.items():
        path = f"spec.images.{role}"
        if role not in known:
            none = f"nothing: the operator of {engine} chooses its images itself"
            words = "images for " + ", ".join(known) if known else none
            yield FieldError(path, role, words, nearest(role, known))
        elif tagged(known[role]) != tagged(image):
            words = "a tag or a digest too" if tagged(known[role]) else "no tag and no digest: version says which"
            yield FieldError(path, image, words, None if tagged(known[role]) else untagged(image))


def tagged(image: str) -> bool:
    """Whether an image says which one of its repository it is."""
    return image != untagged(image)


def untagged(image: str) -> str:
    """An image without tag and digest. A colon before a slash is a port's."""
    return re.sub(r"(:[^/:@]*)?(@.*)?$", "", image)


def _allowed(overrides: Sequence[Json], kinds: Sequence[str]) -> Iterator[FieldError]:
    for number, item in enumerate(overrides):
        if item["kind"] not in kinds:
            names = ", ".join(kinds)
            words = "nothing: only a tenant whose document names kinds in spec.allows.overrides patches them"
            words = f"one of {names} (of the tenant's spec.allows.overrides)" if names else words
            yield FieldError(f"spec.overrides[{number}].kind", item["kind"], words, nearest(item["kind"], kinds))


def patched(objects: Iterable[Json], overrides: Sequence[Json]) -> list[Json]:
    """The objects of a service in one region, with the claim's patches put over them.

    Raises InvalidFields claim-invalid for a patch that meets nothing, or that changes what an object must keep.
    """
    found = list(objects)
    wrong: list[FieldError] = []
    for number, item in enumerate(overrides):
        path = f"spec.overrides[{number}]"
        # the copy is the claim itself
        of_kind = [index for index, each in enumerate(found) if each["kind"] == item["kind"] != CLAIM.kind]
        met = [index for index in of_kind if item.get("name") in (None, found[index]["metadata"]["name"])]
        if not met:
            names = [found[index]["metadata"]["name"] for index in of_kind]
            rendered = dict.fromkeys(each["kind"] for each in found if each["kind"] != CLAIM.kind)
            if names:
                near = nearest(item["name"], names)
                wrong.append(FieldError(f"{path}.name", item["name"], "one of " + ", ".join(names), near))
            else:
                words = "a kind that is rendered of the claim: " + ", ".join(rendered)
                wrong.append(FieldError(f"{path}.kind", item["kind"], words, nearest(item["kind"], rendered)))
        for index in met:
            after = merge(found[index], item["patch"])
            if lost := _lost(found[index], after):
                words = f"a patch that leaves {', '.join(lost)} of {item['kind']} as they are"
                wrong.append(FieldError(f"{path}.patch", item["patch"], words))
            else:
                found[index] = after
    if wrong:
        raise InvalidFields("claim-invalid", list({str(error): error for error in wrong}.values()))
    return found


def merge(value: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386) put over a value: mappings field by field, null takes a field away."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), item)
    return merged


def _lost(before: Json, after: Json) -> list[str]:
    """What a patch has changed that an object must keep, by paths."""
    lacking: list[str] = [
        each for each in ("metadata", "spec") if each in before and not isinstance(after.get(each), dict)
    ]
    if lacking:
        return lacking
    whole = [
        name
        for name in ("apiVersion", "kind", "metadata.name", "metadata.namespace", "status")
        if _at(before, name) != _at(after, name)
    ]
    others = [
        f"metadata.{name}"
        for name in sorted(map(str, {*after["metadata"]} - {"name", "namespace", "labels", "annotations"}))
    ]
    # keys of YAML need not be text
    others += sorted(map(str, {*after} - {*before, "status"}))
    odd = [path for part in ("labels", "annotations") for path in _odd_marks(part, after["metadata"].get(part, {}))]
    was, now = dict(_kept(before, "", kept=False)), dict(_kept(after, "", kept=False))
    changed = [path for path in {**was, **now} if was.get(path) != now.get(path)]
    return [*dict.fromkeys([*whole, *others, *changed, *odd])]


def _odd_marks(part: str, marks: Any) -> Iterator[str]:
    """Labels or annotations that the API server would refuse, and with them all that is synced with the object."""
    if not isinstance(marks, Mapping):
        yield f"metadata.{part}"
        return
    for key, value in marks.items():
        fits = isinstance(value, str) and (part == "annotations" or _VALUE.fullmatch(value))
        if not fits or not isinstance(key, str) or not _LABEL.fullmatch(key):
            yield f"metadata.{part}.{key}"


def _kept(node: Any, path: str, *, kept: bool) -> Iterator[tuple[str, Any]]:
    """(path, value) of all that stands below a key that must stay."""
    if kept and node in ({}, []):
        # nothing in it may mean everything: a selector of any namespace
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            stays = kept or bool(_KEPT.search(str(key)) or _GUARDED.fullmatch(str(key)))
            yield from _kept(value, f"{path}.{key}".lstrip("."), kept=stays)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _kept(value, f"{path}[{number}]", kept=kept)
    elif kept:
        yield path, node


def _at(item: Json, path: str) -> Any:
    node: Any = item
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node

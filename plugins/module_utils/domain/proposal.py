# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a merge request says: the plan of the commit that it asks to merge, for those who decide. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import RESTARTS
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Operation

#: what all our branches begin with
PREFIX = "dbaas"
#: the labels that are ours to set and to take away; what people add stays
LABEL, IRREVERSIBLE = "dbaas", "irreversible"
LABELS = (LABEL, *(f"restart-{name}" for name in RESTARTS if name != "none"), IRREVERSIBLE)
#: services that a request tells of one by one, and files; more are told of in sums
EACH, FILES = 12, 100
#: GitHub takes 65,536 characters
_MOST = 60_000


@dataclass(frozen=True)
class Proposal:
    """A merge request as it should be. branch: named after what is changed, so that the next run finds it again."""

    branch: str
    title: str
    body: str
    labels: tuple[str, ...] = (LABEL,)


def of_services(topic: str, operations: Iterable[Operation], message: str, about: Sequence[str] = ()) -> Proposal:
    """The proposal of a commit (its message) that changes services; about: what it is named after, if not them.

    Where none of them changes it is named after all.
    """
    every = list(operations)
    changed = [item for item in every if item.action != "unchanged"]
    keys = [f"{item.tenant}/{item.name}" for item in changed]
    restarts = [item.effects.restart for item in changed]
    worst = max(restarts, key=RESTARTS.index, default="none")
    labels = [LABEL, *([f"restart-{worst}"] if worst != "none" else [])]
    if lossy := sum(bool(item.effects.irreversible) for item in changed):
        labels.append(IRREVERSIBLE)
    lines: list[str] = []
    if len(changed) <= EACH:
        for key, item in zip(keys, changed, strict=True):
            fields = f" {', '.join(item.changed)}" if item.changed else ""
            lines += [f"**{key}**: {item.action}{fields}", "", *(f"- {line}" for line in item.effects.text()), ""]
    else:
        before = sum(item.effects.cost_before or 0 for item in changed)
        after = sum(item.effects.cost_after or 0 for item in changed)
        told = ", ".join(f"{restarts.count(each)} {each}" for each in RESTARTS if each in restarts)
        lines += [
            f"- {len(changed)} services; restart: {told}",
            f"- cost: ${before} -> ${after} a month ({after - before:+} USD)",
            *([f"- {lossy} of them lose what cannot be brought back"] if lossy else []),
            "",
        ]
    about = about or keys or [f"{item.tenant}/{item.name}" for item in every]
    return _proposal(topic, about, lines, message, labels)


def of_files(topic: str, about: Sequence[str], files: Iterable[str], message: str) -> Proposal:
    """The proposal of a commit (its message) about tenants or the platform, told of by the files that it changes."""
    listed = sorted(files)
    lines = [f"- `{path}`" for path in listed[:FILES]]
    if len(listed) > FILES:
        lines.append(f"- and {len(listed) - FILES} more files")
    return _proposal(topic, about, [*lines, ""], message, [LABEL])


def _proposal(topic: str, about: Sequence[str], lines: Sequence[str], message: str, labels: Sequence[str]) -> Proposal:
    title, _empty, trailers = message.partition("\n\n")
    if len(about) == 1:
        branch = f"{PREFIX}/{topic}/{about[0]}"
    else:
        # of many, what is as short, and the same whatever their order
        branch = f"{PREFIX}/{topic}s/{hashlib.sha256(' '.join(sorted(about)).encode()).hexdigest()[:12]}"
    # with the trailers, so that a squash that takes its message from here keeps what machines read
    body = "\n".join([*lines, trailers]).strip()
    return Proposal(branch, title.strip(), body if len(body) <= _MOST else f"{body[:_MOST]}\n…", tuple(labels))

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Argo CD says stands in the way of each tenant's sync: heard by the ear, told by the claims."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping


class Complaints:
    """By namespace; `changed` is told a namespace when what is said of it is another."""

    def __init__(self) -> None:
        self.changed: Callable[[str], None] = lambda _namespace: None
        self._lock = threading.Lock()
        #: Application -> namespace -> words, "" where all is well
        self._said: dict[str, Mapping[str, str]] = {}
        #: the same by namespace
        self._about: dict[str, dict[str, str]] = {}

    def of(self, namespace: str) -> str | None:
        """The complaints, "" when nothing is in the way, None when nothing is known."""
        with self._lock:
            about = self._about.get(namespace)
            if about is None:
                return None
            return "; ".join(f"Application {name}: {words}" for name, words in sorted(about.items()) if words)

    def note(self, application: str, said: Mapping[str, str]) -> None:
        """All that an Application says now, by the namespaces that it speaks of; empty: it is gone."""
        with self._lock:
            before, self._said[application] = self._said.get(application, {}), said
            different = [name for name in before.keys() | said.keys() if before.get(name) != said.get(name)]
            for namespace in different:
                about = self._about.setdefault(namespace, {})
                if namespace in said:
                    about[application] = said[namespace]
                else:
                    del about[application]
                if not about:
                    del self._about[namespace]
        for namespace in different:
            self.changed(namespace)

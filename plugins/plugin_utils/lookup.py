# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lookups share: a runner called with the lookup's options."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.runner import info
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run, shipped
from ansible_collections.dbaas.platform.plugins.plugin_utils.action import ROOT, untagged

Json = dict[str, Any]
Result = TypeVar("Result")


class RunnerLookup(LookupBase):
    """A lookup that calls runners; each term is its own answer."""

    def answer(self, runner: Callable[[Run], Result], **more: Any) -> Result:
        """The runner's result; its failure as AnsibleError."""
        options = {**untagged(self.get_options()), **self._unset(), **more, "shipped": shipped(ROOT)}
        try:
            return runner(Run(options))
        except DbaasError as error:
            raise AnsibleError(str(error)) from None

    def _unset(self) -> dict[str, None]:
        """Options whose environment variable holds nothing: AWX sets those to what was not given of a credential.

        Ansible would make the current folder of an empty path.
        """
        places = {name: self.get_option_and_origin(name)[1] for name in self.get_options()}
        return {
            name: None
            for name, place in places.items()
            if str(place).startswith("env: ") and not os.environ.get(str(place).removeprefix("env: "))
        }

    @staticmethod
    def service(term: Any) -> Json:
        """Options that name the service of a term `tenant/name`."""
        tenant, slash, name = str(term).partition("/")
        if not (tenant and slash and name):
            raise AnsibleError(f"{term!r}: allowed is <tenant>/<service>")
        return {"tenant": tenant, "names": [name]}


class EngineLookup(RunnerLookup):
    """A lookup of one engine, whose name a subclass says; each term is a part of what the platform has of it."""

    engine = ""
    _PARTS = ("versions", "parameters", "capabilities", "connection")

    def run(self, terms: list[str], variables: Json | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        for term in terms:
            if term not in self._PARTS:
                raise AnsibleError(f"{term!r}: allowed is one of {', '.join(self._PARTS)}")
        offered: Json = {}
        if any(term != "connection" for term in terms):
            offered = self.answer(info.catalog)["engines"].get(self.engine, {})
        versions = [{"default": False, **data, "version": name} for name, data in offered.get("versions", {}).items()]
        # what a platform puts over the catalog comes behind what is shipped
        versions.sort(key=lambda each: [int(part) for part in re.findall(r"[0-9]+", each["version"])], reverse=True)
        parts = {**offered, "versions": versions, "parameters": offered.get("parameters", {})}
        return [self._connection() if term == "connection" else parts.get(term, {}) for term in terms]

    def _connection(self) -> Json:
        term = self.get_option("service") or ""
        (found,) = self.answer(info.run, **self.service(term))["services"]
        if (engine := found["spec"].get("engine", self.engine)) != self.engine:
            raise AnsibleError(f"{term} is a service of {engine}: ask lookup dbaas.platform.{engine}")
        if not found["connection"]:
            raise AnsibleError(f"{term} is {found['phase']}: it has no connection yet ({found['message']})")
        known = ("connection_string", "endpoints", "phase")
        return {**found["connection"], **{name: found[name] for name in known}}

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lookups share: a runner called with the lookup's options."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
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
    def service(term: str) -> Json:
        """Options that name the service of a term `tenant/name`."""
        tenant, slash, name = term.partition("/")
        if not (tenant and slash and name):
            raise AnsibleError(f"{term!r}: allowed is <tenant>/<service>")
        return {"tenant": tenant, "names": [name]}

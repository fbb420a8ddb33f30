"""Writes plugins/doc_fragments/fields.py from the schemas (`make generate`); a unit test fails when it is stale."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import documentation

PATH = Path(__file__).resolve().parents[2] / "plugins/doc_fragments/fields.py"
HEAD = '''\
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

# Made by `make generate` from the schemas: change those instead.

from __future__ import annotations


class ModuleDocFragment:
    """The fields of claims (CLAIM) and tenants (TENANT) as options."""
'''


def text() -> str:
    """The file as it should be."""
    parts = [HEAD]
    for name, spec in (("CLAIM", schema.SPEC), ("TENANT", tenant.SPEC)):
        options = {"options": documentation({**spec, "required": []})}
        parts.append(f'\n    {name} = r"""\n---\n{documents.dump(options)}"""\n')
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(text())

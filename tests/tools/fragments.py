"""Writes plugins/doc_fragments/fields.py from the schemas, and which engines there are into their folder's module.

`make generate` runs it; a unit test fails when either is stale.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain import schema, tenant
from ansible_collections.dbaas.platform.plugins.module_utils.domain.options import documentation

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "plugins/doc_fragments/fields.py"
ENGINES = ROOT / "plugins/module_utils/engines/__init__.py"
_IMPORT = "    import ansible_collections.dbaas.platform.plugins.module_utils.engines."
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


def engines() -> str:
    """The module of the engines' folder as it should be: Ansible packs what it sees imported there."""
    files = sorted(path for path in ENGINES.parent.glob("*.py") if re.search(r"\n(ENGINE|CHART) = ", path.read_text()))
    lines = "\n".join(f"{_IMPORT}{path.stem}" for path in files) + "  # noqa: F401\n"
    return re.sub(rf"(^{re.escape(_IMPORT)}.*\n)+", lines, ENGINES.read_text(), flags=re.MULTILINE)


if __name__ == "__main__":
    PATH.write_text(text())
    ENGINES.write_text(engines())

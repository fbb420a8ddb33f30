"""Copies of the checkout, uncommitted work included, for tools that want …/ansible_collections/dbaas/platform."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files() -> list[str]:
    """Paths, relative to the checkout, of what Git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({path for path in listed.split("\0") if path and (ROOT / path).is_file()})


def copy(base: Path) -> Path:
    """Copy the checkout to its proper place under `base` and give that place."""
    target = base / "ansible_collections" / "dbaas" / "platform"
    for path in files():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path, follow_symlinks=False)
    return target

# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A working copy of the repository as it lies on this machine: what the pipeline of a pull request looks at."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import blob_id
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError


class Checkout:
    """The files below a folder as a Snapshot has them: committed or not, on any branch or on none.

    Git's own folder is left out. A link is what it points to, in text, as Git keeps it, and is never followed.
    Raises DbaasError option-invalid when there is no such folder, or a file of it cannot be read.
    """

    commit = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.is_dir():
            raise DbaasError("option-invalid", f"path: {folder}: is no folder")

    @cached_property
    def blobs(self) -> Mapping[str, str]:
        """Path -> the blob id that Git gives the file."""
        return {path: blob_id(self._content(path)) for path in sorted(self._paths())}

    def read(self, paths: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        """Contents of these files (their first `most` bytes), those that do not exist left out."""
        return {path: self._content(path)[:most] for path in paths if path in self.blobs}

    def changed(self, since: str) -> list[str]:
        """Paths of the files that are not as a commit of the folder's own history has them: other, new, gone.

        Raises DbaasError option-invalid when it is not, dependency-missing without git.
        """
        # outside a repository diff would only tell how it is called
        self._git(since, "rev-parse", "--git-dir")
        options = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative")
        found = self._git(since, "diff", *options, f"{since}^{{commit}}", "--")
        found += self._git(since, "ls-files", "--others", "-z")
        return sorted(set(found.decode(errors="surrogateescape").split("\0")[:-1]))

    def _git(self, since: str, *arguments: str) -> bytes:
        # a job in a container does not own what was checked out for it
        git = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", str(self._folder)]
        try:
            done = subprocess.run([*git, *arguments], capture_output=True, check=False)
        except FileNotFoundError:
            raise DbaasError("dependency-missing", "git is not installed here.") from None
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise DbaasError("option-invalid", f"since: {since}: {words}")
        return done.stdout

    def _paths(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._folder):
            here = Path(folder)
            links = [name for name in folders if (here / name).is_symlink()]
            folders[:] = [name for name in folders if name != ".git" and name not in links]
            for name in [*files, *links]:
                if name != ".git":
                    yield str((here / name).relative_to(self._folder))

    def _content(self, path: str) -> bytes:
        file = self._folder / path
        try:
            return str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()
        except OSError as error:
            raise DbaasError("option-invalid", f"path: {file}: {error.strerror}") from None

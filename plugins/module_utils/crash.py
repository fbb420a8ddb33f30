# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The points at which a test may kill a run, by name: whatever is killed there must come right when it is run again."""

from __future__ import annotations

import os
import signal

#: the name of a point; the process that reaches it dies as under `kill -9`
VARIABLE = "DBAAS_CRASH_AT"


def point(name: str) -> None:
    """A moment at which a run may be killed; does nothing unless the environment names it."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)

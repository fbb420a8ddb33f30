"""The lab's one display: what is going on, how far it is, how long it takes. Lines where nobody watches a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

# Between two lines about one task that is going on, in seconds.
PAUSE = 15.0


@dataclass
class Task:
    display: Progress
    title: str
    started: float = field(default_factory=time.monotonic)
    failure: str = ""
    line: TaskID | None = None
    told: float = field(default_factory=time.monotonic)

    def update(self, done: int, total: int) -> None:
        """How much of it is done, in whatever unit; a total of 0 is not known."""
        if self.display.bars is not None and self.line is not None:
            self.display.bars.update(self.line, completed=done, total=total or None)
        elif time.monotonic() - self.told > PAUSE and total:
            self.told = time.monotonic()
            self.display.say(f"  {self.title}: {min(100, 100 * done // total)} %, {self.seconds():.0f} s")

    def failed(self, why: str) -> None:
        self.failure = why

    def seconds(self) -> float:
        return time.monotonic() - self.started


class Progress:
    """Used as a context manager it owns the terminal until it is left; without that it prints lines to stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.bars: Bars | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not self.console.quiet:
            columns = (TextColumn("  {task.description}"), BarColumn(), TimeElapsedColumn())
            self.bars = Bars(*columns, console=self.console, transient=True)
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bars is not None:
            self.bars.stop()
            self.bars = None

    def say(self, text: str) -> None:
        with self._lock:
            self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, title: str) -> Iterator[Task]:
        task = Task(self, title)
        if self.bars is not None:
            task.line = self.bars.add_task(title, total=None)
        try:
            yield task
        except BaseException:
            task.failure = task.failure or "failed"
            raise
        finally:
            if self.bars is not None and task.line is not None:
                self.bars.remove_task(task.line)
            mark = f"- {task.failure}" if task.failure else f"({task.seconds():.1f} s)"
            self.say(f"  {title} {mark}")

from __future__ import annotations

from tests.unit.runner.conftest import alone, empty, template, world

__all__ = ["alone", "empty", "template", "world"]

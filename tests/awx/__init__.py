"""A double of AWX's API for tests, made of recorded exchanges: see README.md."""

from __future__ import annotations

from .jobs import Run
from .server import Call, Double

__all__ = ["Call", "Double", "Run"]

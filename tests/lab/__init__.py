"""Whole points of presence on one machine, without containers: see `python -m tests.lab --help`.

The databases are played by kwok; API servers, CRDs, Argo CD, Git and the flow of status are real.
"""

from __future__ import annotations

from .binaries import LabError
from .lab import Lab

__all__ = ["Lab", "LabError"]

"""Doubles of Git hosts: GitHub's and GitLab's merge requests in front of a real repository."""

from __future__ import annotations

from .github import GitHub
from .gitlab import GitLab
from .server import WAYS, Double, Fault

__all__ = ["WAYS", "Double", "Fault", "GitHub", "GitLab"]

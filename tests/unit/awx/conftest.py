"""Tests run the same configuration again and again, each in place of a process of its own."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def equal_secrets_are_hashed_once() -> Iterator[None]:
    """scrypt takes a twentieth of a second by design, which was half of what these tests did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "scrypt", functools.cache(hashlib.scrypt))
        yield

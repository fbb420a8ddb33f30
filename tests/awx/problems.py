"""An answer that is an error."""

from __future__ import annotations

from typing import Any

from .recordings import content


class Problem(Exception):
    """status and body as AWX would send them; text means HTML."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def detail(status: int, text: str) -> Problem:
    """An error in AWX's commonest form."""
    return Problem(status, {"detail": text})


def forbidden() -> Problem:
    """As recorded."""
    return Problem(403, content(284))


def not_there(model: str) -> Problem:
    """No object has this id."""
    return detail(404, content(12)["detail"].replace("Organization", model))

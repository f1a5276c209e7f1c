"""`Refused`: a request that is not served, because of what it asks for, how it is written, or what came of it.

Each API has an error object of its own; a `Refused` says what all of them tell.
"""

from __future__ import annotations

import re

from ..failures import StreamMisused

__all__ = ["Refused", "misused"]

_PLACE = re.compile(r"([a-z_]+(?:\[\d+\]|\.[A-Za-z_]+)*)(?::| must )")
"""How a StreamMisused begins that is about a value: `messages[2].content: …`, `top_k must be …`."""


class Refused(Exception):
    """A request cannot be served as it is. param: the field that is wrong. status, code: as the API's errors have them,
    where the default is not right."""

    def __init__(self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status
        self.code = code


def misused(error: StreamMisused) -> Refused:
    """Return what a client is told of a value that `Client.stream` refused; the place in front of it is the field."""
    said = str(error)
    place = _PLACE.match(said)
    return Refused(said, place[1] if place else None)

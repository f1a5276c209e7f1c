"""Makes the first attempt of a call, before there is a chain.

Most answers arrive without trouble, and no link has anything to do for them. So the chain is built only when something
happens that a link has to see; its source then takes the attempt over, with what became of it.
"""

from __future__ import annotations

from ..contract import Batch, Request
from ..fleet.ledger import has_budget
from .attempt import Attempt
from .call import Call
from .middleware.buffered import asks_for_a_stream
from .slots import is_limited

__all__ = ["Lone", "may_begin_alone"]


def may_begin_alone(request: Request, call: Call) -> bool:
    """Return whether no link has to do anything before the first request or at the end: no limit or budget to keep, no
    whole answer to ask for, no object to read, no target's health to ask and to tell, no race."""
    settings = call.settings
    if settings.own_links or settings.form is not None or settings.health is not None or settings.hedge is not None:
        return False
    if is_limited(settings.limits_for(request.target)) or has_budget(request.target, settings.limits):
        return False
    return asks_for_a_stream(request, call)


class Lone:
    """Makes an attempt without a chain. error: what it ended with before content. delivered: content was given out."""

    __slots__ = ("attempt", "delivered", "error")

    def __init__(self, call: Call) -> None:
        self.attempt = Attempt(call, call.request)
        self.error: Exception | None = None
        self.delivered = False

    async def first(self) -> Batch:
        """Send the request, and return the first content; nothing where the chain has to be asked."""
        try:
            await self.attempt.open()
            batch = await self.attempt.read_batch()
        except Exception as error:
            self.error = error
            return []
        self.delivered = bool(batch)
        return batch

    @property
    def is_whole(self) -> bool:
        """Return whether the answer has come to its end, and all of it was given out."""
        return self.delivered and self.attempt.is_whole

"""Makes a chain of the links.

    Stream.__anext__        hands out single chunks, keeps the record        (stream.py; with call.py the cancel-guard)
      checked               reads the object that was asked for; only where one was (`output=`)
      routed                the order of the targets, where they are balanced
      recover               goes on after content: continued, or an error    |
        patient             where all targets are sick, the first to recover |
        hedge, fallback     the next target, beside a slow one or after it   |
        retry               the same target again                            |  an error travels this way, inside out
          money             keeps to a budget of the day                     |
          concurrency       waits for its turn, where streams are limited    |
            breaker         keeps requests from a target that is sick        |
            buffered        in one piece, where a stream will not do         |
              yours         see every attempt                                |
                source      one request, and a name for what ended it        v    (source.py)

A link sees batches, one list of chunks for each network wake-up, so a layer costs nothing for each token. Most answers
need no link at all: the first attempt is made without a chain (lone.py), and text that follows the first content
without trouble is read past the links (`Attempt.read_ahead`). The chain is built, or woken, when something else
happens.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import cast

from ..contract import Batch, CallContext, Handler, Middleware, Request
from .middleware.breaker import breaker, patient
from .middleware.buffered import buffered
from .middleware.concurrency import concurrency
from .middleware.hedge import hedge
from .middleware.money import money
from .middleware.recover import recover
from .middleware.retry import retry
from .middleware.routed import routed
from .source import source

__all__ = ["compose", "reading_objects", "standard_chain"]


def compose(middlewares: Iterable[Middleware], innermost: Handler) -> Handler:
    """Return one handler made of many links, the first outermost."""
    handler = innermost
    for middleware in reversed(list(middlewares)):
        handler = _link(middleware, handler)
    return handler


def standard_chain(own: Iterable[Middleware] = ()) -> Handler:
    """Return the chain of a client, with the user's own links around each attempt."""
    ours = cast(tuple[Middleware, ...], (routed, recover, patient, hedge, retry, money, concurrency, breaker, buffered))
    return compose((*ours, *own), cast(Handler, source))  # they use more of a call than a user's link may


def reading_objects(chain: Handler) -> Handler:
    """Return the chain of a call that asks for an object, with the link around it that reads one, imported only for
    such."""
    from .middleware.checked import checked

    return compose((cast(Middleware, checked),), chain)


def _link(middleware: Middleware, call_next: Handler) -> Handler:
    def handler(request: Request, call: CallContext) -> AsyncGenerator[Batch, None]:
        return middleware(request, call, call_next)

    return handler

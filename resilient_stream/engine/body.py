"""Reads what comes back for one request: a stream, an answer in one piece, or something that is neither.

Its label and its first bytes tell which; then it is read, and its decoder makes chunks of it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast

import anyio

from ..contract import Adapter, Batch, Capabilities, Decoder, Request, Response, WholeAdapter
from ..failures import ErrorKind, Failure, is_no_answer
from ..fitting.answer_form import as_text
from ..fitting.tool_names import given_back
from ..wire.forms import BLANK, Taken, form_of, taken_as
from .spool import IN_MEMORY, SpoolFailed
from .whole_body import WholeBody

__all__ = ["Body", "of_disk"]

logger = logging.getLogger("resilient_stream")

ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 5.0
"""An error's body is worth a moment, not a stall: what has come by then is classified."""


class Body:
    """Reads the body of one answer.

    decoder: makes chunks of it. whole: holds it where it comes in one piece. unasked: its beginning, where JSON came in
    place of the stream that was asked for. receive: reads once more. guarded: runs what waits not only for the network.
    answer: the tool whose call is the answer's text, if there is one. kept: a read that waits can be woken without
    closing the connection, since the answer may be read on afterwards.
    """

    __slots__ = (
        "_able", "_adapter", "_answer", "_first", "_guarded", "_kept", "_names", "_request", "_says_stream", "decoder",
        "receive", "response", "unasked", "whole",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        adapter: Adapter,
        able: Capabilities,
        names: Mapping[str, str],
        guarded: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
        answer: str = "",
        *,
        kept: bool = False,
    ) -> None:
        self._request = request
        self._adapter = adapter
        self._able = able
        self._names = names
        self._guarded = guarded
        self._answer = answer
        self._kept = kept
        self._first = b""
        self._says_stream = False
        self.decoder: Decoder = as_text(given_back(adapter.decoder(request), names), answer)
        self.whole: WholeBody | None = None
        self.unasked: bytes | None = None
        self.response: Response | None = None
        self.receive: Callable[[], Awaitable[bytes]]

    async def begin(self, response: Response) -> bool:
        """Look at an answer with a good status, and return whether it is something that this dialect reads."""
        read = self.receive = partial(self._guarded, response.read) if self._kept else response.read
        self._says_stream = self._is_stream(response.headers.get("content-type", ""))
        if self._says_stream:
            if self._whole_able:
                self.receive = lambda: self._begin_stream(response, read)
            return True
        taken: Taken = await self._guarded(lambda: self._tell_form(response, response.read))
        return taken != "refused"

    async def read(self) -> bytes:
        """Return the next bytes: those that were looked at, else one network read; b"" at the end."""
        first, self._first = self._first, b""
        return first or await self.receive()

    def unread(self) -> bytes:
        """Return what has arrived of a stream and was not decoded; it is given once."""
        first, self._first = self._first, b""
        return first + (self.response.drain() if self.response is not None else b"")

    async def drain(self) -> bytes:
        """Return what had arrived before the body failed. Raises what the disk says that a whole answer is kept on."""
        data = self.response.drain() if self.response is not None else b""
        return data if self.whole is None or not data else await self.whole.keep(data)

    async def error(self, response: Response) -> bytes:
        """Return the body of an error, bounded in bytes and seconds; what has come by then is enough."""
        body = self._first
        with anyio.move_on_after(ERROR_BODY_SECONDS):
            try:
                while len(body) < ERROR_BODY_BYTES and (data := await response.read()):
                    body += data
            except Exception as error:
                logger.debug("an error's body broke off: %s", type(error).__name__)
        return body[:ERROR_BODY_BYTES]

    def decode(self, data: bytes, *, ended: bool) -> Batch:
        """Return the chunks of one read. ended: it is the last one, whatever the reason."""
        if self.unasked is not None and len(self.unasked) < ERROR_BODY_BYTES:
            self.unasked += data[: ERROR_BODY_BYTES - len(self.unasked)]
        batch = self.decoder.feed(data) if data else []
        if not data or ended:
            batch += self.decoder.finish()
        return batch

    def real_failure(self, failure: Failure, patience: float) -> Failure:
        """Return the failure, or what it really is where JSON came in place of a stream and is no answer: an error, or
        nothing of this dialect's."""
        if self.unasked is None or not getattr(self.decoder, "closed", True):
            return failure
        found = self.classified(patience)
        return found if is_no_answer(failure, found) else failure

    def classified(self, patience: float) -> Failure:
        """Return what the JSON means that came in place of a stream."""
        response = self.response
        status, headers = (200, {}) if response is None else (response.status, response.headers)
        return self._adapter.classify(status, headers, self.unasked or b"", patience)

    def close(self) -> None:
        """Forget the response, and whoever reads it."""
        if self.whole is not None:
            self.whole.close()
        self.response, self._guarded, self.receive = None, _closed, _closed

    @property
    def _whole_able(self) -> bool:
        """Return whether an answer in one piece can be read, also where a stream was asked for."""
        return self._request.resume is None and self._able.whole

    def _is_stream(self, content_type: str) -> bool:
        """Return whether the body is a stream by its label, also where a whole answer was asked for: some servers
        stream all the same."""
        if not self._request.stream and content_type.startswith("application/json"):
            return False
        return content_type.startswith(self._adapter.media_types)

    async def _begin_stream(self, response: Response, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """Make the first read of what says that it is a stream. One JSON object is none, whatever its label says."""
        self.receive = read
        await self._tell_form(response, read)
        return await self.read()

    async def _tell_form(self, response: Response, read: Callable[[], Awaitable[bytes]]) -> Taken:
        """Return what the body is, by its first bytes: proxies relabel, servers do not stream, networks have login
        pages."""
        types = self._adapter.media_types
        lines, arrays = types[0].endswith("ndjson"), "application/json" in types
        while (form := form_of(self._first, lines=lines)) == "unknown" and (data := await read()):
            self._first = (self._first + data).lstrip(BLANK)
        asked, says = self._request.stream, self._says_stream
        taken = taken_as(form, asked=asked, says=says, arrays=arrays, whole=self._whole_able)
        if taken == "whole":
            self._expect_whole(response)
        return taken

    def _expect_whole(self, response: Response) -> None:
        self.unasked = b"" if self._request.stream else None
        whole_decoder = cast(WholeAdapter, self._adapter).whole_decoder(self._request)
        decoder = as_text(given_back(whole_decoder, self._names), self._answer)
        whole = self.whole = WholeBody(self._first, response.read, decoder)
        self.decoder, self._first = decoder, b""
        self.receive = lambda: self._guarded(whole.receive)  # it waits for a disk, too, which `interrupt` cannot wake


async def _closed(*_: Any) -> Any:
    """Return nothing: a body that was closed is not read."""
    return b""


def of_disk(error: Exception) -> Exception | Failure:
    """Return what a failed read means, where it is our own disk; any other error unchanged."""
    if not isinstance(error, SpoolFailed):
        return error
    facts = {"size": f"{IN_MEMORY // 1024} KiB", "reason": str(error)}
    return Failure(kind=ErrorKind.OS_LIMIT, code="spool", retry=False, facts=facts)

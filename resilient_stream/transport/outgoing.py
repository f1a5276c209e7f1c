"""Chooses the way out of a client by the request's class: HTTP, a program, or a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..contract import Outgoing, ProcessRequest, ReplayRequest, Response, Sending

if TYPE_CHECKING:
    import aiohttp

    from ..recording.playback import Recordings
    from .process import Programs

__all__ = ["Outgoings"]


class Outgoings:
    """Passes each request of a client to the right transport; see `contract.Transport`."""

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        from . import http  # imported late: with aiohttp it is most of what is loaded, and only a client needs it

        self.http = http.HttpTransport(session)
        self._http_response = http.Response
        self._programs: Programs | None = None
        self._recordings: Recordings | None = None

    async def open(self, request: Outgoing, connect_timeout: float | None, sending: Sending) -> Response:
        """Send the request, and wait for the answer's head."""
        if isinstance(request, ProcessRequest):
            from .process import Programs  # loaded only by a client that asks a program

            self._programs = self._programs or Programs()
            return await self._programs.run(request, sending)
        if isinstance(request, ReplayRequest):
            from ..recording.playback import Recordings

            self._recordings = self._recordings or Recordings()
            return await self._recordings.play(request, sending)
        return await self.http.open(request, connect_timeout, sending)

    def release(self, response: Any) -> None:
        """Release an answer that is whole: a connection goes back to the pool, a program ends."""
        if isinstance(response, self._http_response):
            self.http.release(response)
        else:
            response.close()

    def close_idle(self, host: str = "") -> int:
        """Close this loop's connections that nobody uses; programs are never idle."""
        return self.http.close_idle(host)

    async def aclose(self) -> None:
        """Close this loop's connections, and wait for its programs that were ended. It may be called again."""
        await self.http.aclose()
        if self._programs is not None:
            await self._programs.aclose()

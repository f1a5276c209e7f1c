"""Serves one accepted connection: it takes requests, plays scripts, and records which side ended it.

A client that leaves is noticed at once, whatever the script is waiting for. A request is answered before the next one
is read.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import cast

from .http import ReceivedRequest, take_request

__all__ = ["Connection"]

_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Plays `serve(connection)` as a task of its own, cancelled when the client leaves.

    left: the client ended the connection. sent: bytes the operating system has taken, at least.
    """

    def __init__(self, number: int, serve: Callable[[Connection], Awaitable[None]]) -> None:
        self.number = number
        self.left = False
        self.sent = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._serve = serve
        self._closing = False
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._written = 0

    # -- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        self._transport = cast(asyncio.Transport, transport)
        # asyncio does this itself only for sockets that name their protocol; without it pieces wait 40 ms for an ACK.
        found: socket.socket = self._transport.get_extra_info("socket")
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(high=0)  # drained means: the operating system has it all
        self.task = asyncio.ensure_future(self._serve(self))

    def data_received(self, data: bytes) -> None:
        """Keep the data for `next_request`."""
        self._received += data
        self._arrived.set()

    def eof_received(self) -> None:
        """Note that the client has closed. What is still in the buffer does not matter."""
        self.left = not self._closing
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, whichever side ended it."""
        self.left = self.left or not self._closing
        self.task.cancel()
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Wait, because the client does not read as fast as we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on, because everything written was taken."""
        self._writable.set()

    # -- for scripts ----------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Return whether either side has ended the connection."""
        return self._transport.is_closing()

    @property
    def drained(self) -> bool:
        """Wait until the operating system has taken everything that was written."""
        return self.sent == self._written

    async def next_request(self) -> ReceivedRequest:
        """Return the next request, once it is whole."""
        while (request := take_request(self._received)) is None:
            self._arrived.clear()
            await self._arrived.wait()
        request.connection = self.number
        return request

    async def write(self, data: bytes) -> None:
        """Write bytes in one piece; return when the operating system has them and the client's loop had a turn.

        It takes two turns: in the first one, a client in this loop is woken after us. So the pieces stay apart.
        """
        if self.closing:
            await asyncio.sleep(0)  # a script without an end would never let the loop say that the client has left
            return
        self._written += len(data)
        self._transport.write(data)
        self.sent = self._written - self._transport.get_write_buffer_size()
        await self._writable.wait()
        self.sent = self._written
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def close(self) -> None:
        """End the connection properly (FIN)."""
        self._closing = True
        self._transport.close()

    def reset(self) -> None:
        """End the connection with a reset (RST), by closing with SO_LINGER at 0 seconds, see socket(7)."""
        self._closing = True
        found: socket.socket = self._transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()

    async def shut(self) -> None:
        """End the connection now, and wait until its task has ended."""
        self._closing = True
        self._transport.abort()
        self.task.cancel()
        await asyncio.wait([self.lost, self.task])

"""Runs a program as a provider: its standard input is the request, its standard output the answer.

    the program prints something                 status 200; what it prints is the body
    it ends without output, or cannot start      status 500; its complaint on standard error is the body

Before `close` returns, it has ended the program and everything that the program started, its whole process group. The
kernel tells the loop a little later, and `Programs.aclose` waits for that. `close` itself does not wait, and there is
no polite signal first, since whoever closes has left. What a program prints is not interpreted here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..contract import ProcessRequest, Sending
from ..masking.private_files import write_private

__all__ = ["ProcessResponse", "Programs"]

READ_BUFFER = 128 * 1024
"""Bytes waiting to be read at which the program is made to wait, as with a socket."""

_CANNOT_RUN = (errno.EACCES, errno.ENOENT, errno.ENOEXEC, errno.E2BIG)

COMPLAINT_BYTES = 8 * 1024
"""Bytes that are kept of standard error; its last part says why a program ended."""


LAST_WAIT = 1.0
"""Seconds to wait for a killed program; one that has not ended by then hangs in the kernel."""


class Programs:
    """Runs the programs of one client."""

    def __init__(self) -> None:
        self._running: set[ProcessResponse] = set()

    async def run(self, request: ProcessRequest, sending: Sending) -> ProcessResponse:
        """Start the program, give it its input, and wait until it prints something or ends.

        Raises OSError when this host has no room for another program; a program that cannot be run gives an answer with
        an error.
        """
        try:
            output = await self._start(request)
        except OSError as error:
            if error.errno not in _CANNOT_RUN:
                raise
            return ProcessResponse.failed(error.strerror or "it cannot be run")
        sending.written = True
        try:
            output.say(request.stdin)
            await output.first_word()
        except BaseException:
            output.close()
            raise
        return output

    async def aclose(self) -> None:
        """Wait until this loop knows that its programs have ended; otherwise they would warn at the loop's end that
        they still run."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LAST_WAIT):
                for output in [each for each in self._running if each.loop is loop]:
                    await output.exited.wait()
        except TimeoutError:
            pass

    async def _start(self, request: ProcessRequest) -> ProcessResponse:
        loop = asyncio.get_running_loop()
        files = _Files(request.files)
        try:
            _, output = await loop.subprocess_exec(
                lambda: ProcessResponse(loop, self._running.discard, files.remove),
                *request.command, *files.options, env=dict(request.environment), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            files.remove()
            raise
        if not output.exited.is_set():
            self._running.add(output)
        return output


class _Files:
    """Holds files for one run of a program, in a folder that only this user can enter."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="resilient-stream-")) if files else None
        self.options: list[str] = []
        for number, (option, content) in enumerate(files.items()):
            assert self._folder is not None
            file = self._folder / f"{number}.txt"
            self.options += [option, str(file)]
            try:
                write_private(file, content)
            except OSError:
                self.remove()
                raise

    def remove(self) -> None:
        """Remove the files. It may be called again."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


class ProcessResponse(asyncio.SubprocessProtocol):
    """Reads one run of a program; see `contract.Response`.

    on_exit: called when the program has ended, in whatever way. clear: removes the files of this run.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        on_exit: Callable[[ProcessResponse], object] | None = None,
        clear: Callable[[], object] | None = None,
    ) -> None:
        self.loop = loop
        self.exited = asyncio.Event()
        self._on_exit = on_exit
        self._clear = clear or (lambda: None)
        self.status = 200
        self.headers: Mapping[str, str] = {"content-type": "application/x-ndjson"}
        self._output = bytearray()
        self._complaint = bytearray()
        self._ended = False
        self._paused = False
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._transport: Any = None

    def say(self, stdin: bytes) -> None:
        """Write the program's input, which the loop sends as the program takes it."""
        pipe = self._transport.get_pipe_transport(0)
        pipe.write(stdin)
        pipe.write_eof()

    async def first_word(self) -> None:
        """Wait for output or the end; a program that ends without output gives an answer with an error."""
        await self._wait_for_something()
        if not self._output and self._ended:
            self.status = 500
            self.headers = {"content-type": "text/plain"}
            self._output += self._complaint or b"the program ended without any output"

    @classmethod
    def failed(cls, complaint: str) -> ProcessResponse:
        """Set the answer of a program that could not be started."""
        output = cls()
        output.status, output.headers, output._ended = 500, {"content-type": "text/plain"}, True
        output._output += complaint.encode()
        return output

    # -- the answer ---------------------------------------------------------------------------

    async def read(self) -> bytes:
        """Return what was printed since the last read; b"" once the program has ended and everything was read."""
        await self._wait_for_something()
        return self.drain()

    def drain(self) -> bytes:
        """Return what was printed but not read."""
        data = bytes(self._output)
        self._output.clear()
        if self._paused:
            self._paused = False
            self._stdout().resume_reading()
        return data

    async def _wait_for_something(self) -> None:
        while not self._output and not self._ended and self._error is None:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # -- told by the loop ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note that the program runs."""
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what the program printed."""
        if fd == 2:
            self._complaint += data
            del self._complaint[:-COMPLAINT_BYTES]
            return
        self._output += data
        self._wake()
        if len(self._output) > READ_BUFFER and not self._paused:
            self._paused = True
            self._stdout().pause_reading()

    def process_exited(self) -> None:
        """Take note that the program ended. If it ended by itself, whatever it started and left behind is ended,
        too."""
        self._kill_group()
        self._clear()
        self.exited.set()
        if self._on_exit is not None:
            self._on_exit(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Take note that the program has ended and all its output has arrived."""
        self._ended = True
        self._wake()

    # -- the end ------------------------------------------------------------------------------

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now, and end the program."""
        self._error = self._error or error
        self._wake()
        self.close()

    def close(self) -> None:
        """End the program and its group, close its pipes, and remove its files. It may be called again."""
        self._clear()
        if self._transport is not None and not self._transport.is_closing():
            self._kill_group()
            self._transport.close()

    def _kill_group(self) -> None:
        try:
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # all processes of the group had ended

    def _stdout(self) -> Any:
        return self._transport.get_pipe_transport(1)

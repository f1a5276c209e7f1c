"""Keeps running answers and what was written of them, so that a reader can come back, and others can join.

An answer in a hub has an id that nobody can guess, and an owner. Whoever asks for it with another owner gets the same
answer as for an id that never was. After its end an answer is kept for `ttl` seconds. All answers together are bounded:
where they become too many bytes, those that have ended are forgotten first, and then the oldest frames of the longest.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..delivery import Answering, new_id
from ..failures import StreamMisused
from ..formats.writer import Writer
from ..given.checks import number
from ..stores.memory import MemoryStore
from .formats import FORMATS, Format, writer_for
from .log import Log, NoSuchStream
from .owners import checked_alias, digest_of
from .run import AHEAD, OnDisconnect, Run
from .source import Source

if TYPE_CHECKING:
    from ..stores.redis import RedisStore
    from .shared import Shared

__all__ = ["Hub"]

MAX_BYTES = 64 * 1024 * 1024


@dataclass(eq=False, slots=True)
class _Kept:
    """Holds an answer in the hub. forgetting: the timer that ends its time, once it has ended."""

    run: Run
    owner: bytes
    alias: bytes = b""
    forgetting: asyncio.TimerHandle | None = None


class Hub:
    """Keeps running answers by their ids.

    store: with a RedisStore of a single server, any process serves and stops what another one runs. ttl: seconds for
    which an answer is kept after its end. max_bytes: of all answers of this process together, and half of it more at
    most for what slow readers of running answers have not read. drain: seconds that running answers get at shutdown
    before they are closed. writers: by name, what makes a writer of a format of your own; every process needs
    the same.
    """

    def __init__(
        self,
        store: MemoryStore | RedisStore | None = None,
        ttl: float = 300.0,
        max_bytes: int = MAX_BYTES,
        *,
        drain: float = 10.0,
        writers: Mapping[str, Callable[[], Writer]] | None = None,
    ) -> None:
        for name, value in (("ttl", ttl), ("max_bytes", max_bytes), ("drain", drain)):
            number(name, value, 0)
        self.ttl = ttl
        self.max_bytes = max_bytes
        self._drain = drain
        self._size = 0
        self._running: dict[str, _Kept] = {}
        self._ended: OrderedDict[str, _Kept] = OrderedDict()  # ordered, since the first one is often taken out
        self._aliases: dict[bytes, str] = {}
        self._closed = False
        self._writers = writers or {}
        self._shared: Shared | None = None
        if store is not None and not isinstance(store, MemoryStore):
            from .shared import Shared  # imported late: it needs Redis, and most hubs do not

            self._shared = Shared(store, ttl, max_bytes, self._writer, self._stop_here)

    def begin(
        self,
        stream: Answering,
        writer: Writer,
        *,
        owner: str | None = None,
        alias: str | None = None,
        on_disconnect: OnDisconnect = "cancel",
        format: Format | str = "events",
    ) -> Source:
        """Start an answer, and return the source of its first reader; `stream_id` names it from now on.

        owner: who may come back to it, such as a user's id. alias: what this owner calls it, such as a chat's id, see
        `running`. format: what the writer was made from. Raises StreamMisused for a format that other processes are to
        write and do not know by name.
        """
        if self._closed:
            raise StreamMisused("this hub is closed")
        name = self._name(format)
        if name is None and self._shared is not None:
            raise StreamMisused("other processes cannot write this format: name what makes it in Hub(writers=…)")
        named = b"" if alias is None else checked_alias(alias, owner)
        if self._shared is not None:
            self._shared.start()
        id, whose = new_id(), digest_of(owner)
        log = Log(numbered=writer.numbered, changed=partial(self._changed, id))
        fresh = self._writer(name or "") or partial(deepcopy, deepcopy(writer))
        run = Run(
            stream, fresh, on_disconnect, id=id, writer=writer, log=log, ahead=self._ahead,
            elsewhere=self._shared is not None, ended=self._run_ended,
        )  # fmt: skip
        self._running[id] = _Kept(run, whose, named)
        if named:
            self._aliases[named] = id
        if self._shared is not None:
            self._shared.add(id, log, name or "", whose, named)
        return run.attach()

    async def running(self, alias: str, *, owner: str | None) -> str | None:
        """Return the id of the answer that runs under this name, or None where none does.

        A name is looked up among the owner's own answers, so it need not be hard to guess. It stands for the answer
        that got it last. One whose process was lost counts as running, since its readers were not told of an end.
        Raises OutOfReach where other processes have to be asked and cannot be.
        """
        named = checked_alias(alias, owner)
        id = self._aliases.get(named)
        if id is None and self._shared is not None:
            id = await self._shared.running(named)
        return None if id in self._ended else id

    async def resume(self, id: str, after: int = 0, *, owner: str | None = None) -> Source:
        """Return a source of the frames behind the one of number `after`: what was missed, then the live rest.

        Raises NoSuchStream, in the same words for an id that never was and for another owner's; NoLongerKept where
        frames behind that number were forgotten; OutOfReach where other processes have to be asked and cannot be. The
        `status` of each is what a server answers.
        """
        kept = self._find(id, owner)
        if kept is not None:
            return kept.run.attach(after)
        if self._shared is None:
            raise NoSuchStream
        return await self._shared.follow(id, max(0, after), digest_of(owner))

    async def stop(self, id: str, owner: str | None = None) -> bool:
        """End an answer on purpose: its readers get the format's end. Returns whether it was running, and is yours."""
        kept = self._find(id, owner)
        if kept is not None:
            return kept.run.stop()
        return self._shared is not None and await self._shared.stop(id, digest_of(owner))

    # -- at shutdown --------------------------------------------------------------------------

    async def aclose(self, drain: float | None = None) -> None:
        """Wait for running answers, `drain` seconds at most (the hub's own by default), and close what still runs."""
        self._closed = True
        await self._settle(self._drain if drain is None else drain)
        for kept in list(self._running.values()):
            kept.run.close("client_closed")
        await self._settle(1.0)
        if self._shared is not None:
            await self._shared.aclose()
            self._shared = None  # stored answers stay in Redis until they expire
        for id in list(self._ended):
            self._forget(id)

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Close the hub when the application ends: `Starlette(lifespan=hub.lifespan)`, or inside your own."""
        try:
            yield
        finally:
            await self.aclose()

    async def cleanup_ctx(self, app: object = None) -> AsyncIterator[None]:
        """Close the hub when the application ends: `app.cleanup_ctx.append(hub.cleanup_ctx)`."""
        yield
        await self.aclose()

    async def _settle(self, seconds: float) -> None:
        tasks = [kept.run.task for kept in self._running.values() if kept.run.task is not None]
        if tasks and seconds > 0:
            await asyncio.wait(tasks, timeout=seconds)

    # -- what is kept -------------------------------------------------------------------------

    def _find(self, id: str, owner: str | None) -> _Kept | None:
        kept = self._running.get(id) or self._ended.get(id)
        asked = digest_of(owner)
        known = asked[::-1] if kept is None else kept.owner  # compared in any case, so that the time taken says nothing
        return kept if hmac.compare_digest(known, asked) else None

    def _run_ended(self, run: Run) -> None:
        kept = self._running.pop(run.id or "")
        self._ended[run.id or ""] = kept
        if self._aliases.get(kept.alias) == run.id:
            del self._aliases[kept.alias]
        if self._shared is not None:
            self._shared.touch(run.id or "")
        self._forget_later(run.id or "", kept)

    def _forget_later(self, id: str, kept: _Kept) -> None:
        kept.forgetting = asyncio.get_running_loop().call_later(self.ttl, self._forget_unread, id, kept)

    def _forget_unread(self, id: str, kept: _Kept) -> None:
        """Forget an answer that nobody has read, since its time is over. A reader that is still reading is let finish;
        the size of all is bounded in any case."""
        if kept.run.readers:
            self._forget_later(id, kept)
        else:
            self._forget(id)

    def _forget(self, id: str) -> None:
        kept = self._ended.pop(id, None)
        if kept is not None:
            if kept.forgetting is not None:
                kept.forgetting.cancel()
            if not kept.run.readers:  # at shutdown some may still read
                kept.run.log.drop()
            if self._shared is not None:
                self._shared.forget(id)

    def _stop_here(self, id: str) -> None:
        """Stop an answer for another process, which has asked whose it is."""
        if id in self._running:
            self._running[id].run.stop()

    def _name(self, format: Format | str) -> str | None:
        """Return the name by which other processes know this format."""
        if isinstance(format, str):
            return format if format in self._writers or format in FORMATS else None
        return next((name for name, made in self._writers.items() if made is format), None)

    def _writer(self, name: str) -> Callable[[], Writer] | None:
        """Return what makes a writer of the format of this name."""
        return self._writers.get(name) or (partial(writer_for, name) if name in FORMATS else None)  # type: ignore[arg-type]

    def _changed(self, id: str, size: int) -> None:
        self._size += size
        if size > 0:
            if self._shared is not None:
                self._shared.touch(id)
            if self._size > self.max_bytes:
                self._shrink()

    def _shrink(self) -> None:
        """Forget until it fits: whole answers that have ended and that nobody reads, then parts of the longest.

        The reader of a running answer that is furthest keeps what it has not read: the answer waits for it.
        """
        while self._size > self.max_bytes and (id := self._oldest_unread()) is not None:
            self._forget(id)
        while self._size > self.max_bytes:
            runs = [kept.run for kept in (*self._running.values(), *self._ended.values())]
            spare = [run for run in runs if run.log.first <= run.needed_after]
            if not spare:
                return
            longest = max(spare, key=lambda run: run.log.size)
            longest.log.forget(longest.log.size // 4, longest.needed_after)

    def _oldest_unread(self) -> str | None:
        """Return the answer that ended first of those that nobody reads. Looking at one is enough in most cases: there
        may be ten thousands, and this is asked for each frame while the hub is full."""
        return next((id for id, kept in self._ended.items() if not kept.run.readers), None)

    def _ahead(self) -> int:
        """Return by how much each running answer may be ahead of its readers, so that all of them fit."""
        return min(AHEAD, self.max_bytes // (2 * max(1, len(self._running))))

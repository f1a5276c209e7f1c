"""Stores the answers of a hub in Redis: the names of keys, the commands, and the form of what is stored.

For each answer there is a stream of entries, and a key that says whose it is and who runs it. Another key finds it by
the name that its owner gave it. The id of an entry is the number of its last frame, so writing it twice is refused, and
reading goes on from a reader's number. Each running process has a lease, a key that expires soon unless it is renewed.
What is read is not trusted: it is checked for its form and its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from ..failures import StreamMisused
from ..outcome.archive import plain, read
from ..outcome.errors import StreamError
from ..stores.redis import RedisStore

__all__ = ["Entry", "Read", "Stored", "StoredAbout", "Unreadable", "Write"]

ENTRIES = 4
"""Entries that are read at once."""

_FRAMES = msgspec.msgpack.Decoder(list[bytes])
_encode = msgspec.msgpack.Encoder().encode


class Unreadable(Exception):
    """Reports stored values that were not written by a hub of this version."""


class StoredAbout(msgspec.Struct, frozen=True):
    """Says whose answer it is, as a digest, the name of its format, the process that runs it, and a digest of the name
    that its owner gave it, which is empty for none."""

    owner: bytes
    format: str
    worker: str
    alias: bytes = b""


_ABOUT = msgspec.msgpack.Decoder(StoredAbout)


class Entry(NamedTuple):
    """Holds some frames in a row; `last` is the number of the last one. An entry with `ended` has none, and is the
    last.

    refused: of the first entry, where the answer failed before its first frame. error: of the end, where it failed.
    """

    last: int
    frames: Sequence[bytes] = ()
    refused: StreamError | None = None
    ended: bool = False
    error: StreamError | None = None

    @property
    def id(self) -> str:
        """Return the id in the Redis stream: the end has the number of the last frame, too, and comes behind it."""
        return f"{self.last}-{int(self.ended)}"


class Write(NamedTuple):
    """Says what is to be stored of one answer. first: the number of its oldest frame; what is older may go. anew:
    whatever is there is replaced. seconds: how long it is kept without another write."""

    id: str
    about: StoredAbout | None
    entries: Sequence[Entry]
    first: int
    seconds: float
    anew: bool = False


class Read(NamedTuple):
    """Says what was stored behind a number, and whether somebody still writes."""

    entries: list[Entry]
    alive: bool


class Stored:
    """Sends the commands to Redis. Each may raise StoreLost, and each that reads Unreadable."""

    def __init__(self, store: RedisStore, max_bytes: int) -> None:
        self.store = store
        self._max_bytes = max_bytes

    def news(self, id: str) -> str:
        """Return the channel that says that an answer has new entries."""
        return self.store.key("news", id)

    def orders(self, worker: str) -> str:
        """Return the channel of a process that says which answer is to be stopped."""
        return self.store.key("orders", worker)

    # -- reading ------------------------------------------------------------------------------

    async def about(self, id: str) -> StoredAbout | None:
        """Return whose answer it is, or None where there is none."""
        raw = await self.store.ask(lambda client: client.get(self._about(id)))
        if raw is None:
            return None
        try:
            return _ABOUT.decode(raw)
        except (msgspec.MsgspecError, TypeError) as error:
            raise Unreadable from error

    async def named(self, alias: bytes) -> str | None:
        """Return the id of the answer that got this name last, or None where there is none."""
        raw = await self.store.ask(lambda client: client.get(self._alias(alias)))
        try:
            return None if raw is None else raw.decode("ascii")
        except (UnicodeDecodeError, AttributeError) as error:
            raise Unreadable from error

    async def read(self, id: str, after: int, worker: str) -> Read:
        """Return the next entries behind the frame of number `after`."""

        async def ask(client: Any) -> Any:
            pipe = client.pipeline(transaction=False)
            pipe.xrange(self._frames(id), min=f"{after}-1", count=ENTRIES)
            pipe.exists(self._lease(worker))
            pipe.exists(self._about(id))
            return await pipe.execute()

        found, lease, about = await self.store.ask(ask)
        return Read([self._entry(*each) for each in found], bool(lease and about))

    async def last(self, ids: Sequence[str]) -> list[tuple[int, bool]]:
        """Return for each answer the number of the last stored frame, and whether its end is stored."""

        async def ask(client: Any) -> Any:
            pipe = client.pipeline(transaction=False)
            for id in ids:
                pipe.xrevrange(self._frames(id), count=1)
            return await pipe.execute()

        return [_number(found[0][0]) if found else (0, False) for found in await self.store.ask(ask)]

    # -- writing ------------------------------------------------------------------------------

    async def write(self, writes: Iterable[Write]) -> None:
        """Store several writes in one exchange with the server."""

        async def ask(client: Any) -> None:
            pipe = client.pipeline(transaction=False)
            for write in writes:
                self._write(pipe, write)
            await pipe.execute()

        await self.store.ask(ask)

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete answers."""
        keys = [key for id in ids for key in (self._frames(id), self._about(id))]
        await self.store.ask(lambda client: client.delete(*keys))

    async def renew(self, worker: str, running: Iterable[tuple[str, bytes]], seconds: float) -> bool:
        """Say that this process runs, and keep its running answers. Returns False if the lease was gone.

        running: their ids, each with what its owner calls it.
        """

        async def ask(client: Any) -> Any:
            lease = int(self.store.lease * 1000)
            pipe = client.pipeline(transaction=False)
            pipe.set(self._lease(worker), b"", px=lease, xx=True)
            pipe.set(self._lease(worker), b"", px=lease, nx=True)
            for id, alias in running:
                pipe.pexpire(self._frames(id), int(seconds * 1000))
                pipe.pexpire(self._about(id), int(seconds * 1000))
                if alias:
                    pipe.pexpire(self._alias(alias), int(seconds * 1000))
            return await pipe.execute()

        kept, *_ = await self.store.ask(ask)
        return bool(kept)

    async def release(self, worker: str) -> None:
        """Say that this process runs no more."""
        await self.store.ask(lambda client: client.delete(self._lease(worker)))

    async def order_stop(self, worker: str, id: str) -> bool | None:
        """Tell a process to stop an answer. Returns whether it was heard, and None if that process is gone."""

        async def ask(client: Any) -> Any:
            pipe = client.pipeline(transaction=False)
            pipe.publish(self.orders(worker), id.encode())
            pipe.exists(self._lease(worker))
            return await pipe.execute()

        heard, lease = await self.store.ask(ask)
        return True if heard else False if lease else None

    # -- forms --------------------------------------------------------------------------------

    def _write(self, pipe: Any, write: Write) -> None:
        frames, about, seconds = self._frames(write.id), self._about(write.id), int(write.seconds * 1000)
        if write.anew:
            pipe.delete(frames)
        if write.about is not None:
            pipe.set(about, _encode(write.about), px=seconds)
            if write.about.alias:
                pipe.set(self._alias(write.about.alias), write.id.encode(), px=seconds)
        for entry in write.entries:
            pipe.xadd(frames, _fields(entry), id=entry.id, minid=write.first)
        if write.about is not None or any(entry.ended for entry in write.entries):
            pipe.pexpire(frames, seconds)
            pipe.pexpire(about, seconds)
        pipe.publish(self.news(write.id), b"")

    def _entry(self, id: Any, fields: Any) -> Entry:
        try:
            last, ended = _number(id)
            if ended:
                return Entry(last, ended=True, error=_error(fields.get(b"error")))
            raw = fields[b"frames"]
            if len(raw) > self._max_bytes:
                raise Unreadable
            return Entry(last, _FRAMES.decode(raw), _error(fields.get(b"refused")))
        except (msgspec.MsgspecError, StreamMisused, LookupError, TypeError, ValueError, AttributeError) as error:
            raise Unreadable from error

    def _frames(self, id: str) -> str:
        return self.store.key("frames", id)

    def _about(self, id: str) -> str:
        return self.store.key("about", id)

    def _alias(self, alias: bytes) -> str:
        return self.store.key("alias", alias.hex())

    def _lease(self, worker: str) -> str:
        return self.store.key("worker", worker)


def _number(id: bytes) -> tuple[int, bool]:
    last, _, ended = id.decode().partition("-")
    return int(last), ended == "1"


def _fields(entry: Entry) -> dict[bytes, bytes]:
    failed, name = (entry.error, b"error") if entry.ended else (entry.refused, b"refused")
    said = {} if failed is None else {name: msgspec.json.encode(plain(failed))}
    return {b"end": b"", **said} if entry.ended else {b"frames": _encode(list(entry.frames)), **said}


def _error(raw: bytes | None) -> StreamError | None:
    return None if raw is None else read(StreamError, msgspec.json.decode(raw), "error")

"""Decodes server-sent events by the WHATWG standard (HTML 9.2.6, "Interpreting an event stream").

Each network read is scanned once. It may end anywhere in an event: everything up to the last blank line is cut off with
the buffer's own searches, and the rest waits. Most streams need no loop over lines. At most `max_event_bytes` are kept.
An event without its blank line is not dispatched, as the standard says; whether the stream was whole, the provider's
end marker tells.

`feed` returns whole events. `payloads` returns only their data, which is all that most dialects need, and is the fast
way: 64 KiB of `data: …` lines become a list with a few calls into C.
"""

from __future__ import annotations

import re
from io import BytesIO
from operator import itemgetter

import msgspec

from .limits import EventTooLarge, TooManyPieces

__all__ = ["NO_PINGS", "SseDecoder", "SseEvent", "lone_event"]

MAX_STRAY = 64 * 1024
"""Bytes of bare JSON that are kept: an error body, and no stream."""

_BOM = b"\xef\xbb\xbf"
_DATA_LAST = re.compile(rb"^data: ?(.*)\n\n", re.MULTILINE)
_LONE_CR = re.compile(rb"\r[^\n]")
_PING = re.compile(rb"^event: ?(?:ping|keep|heartbeat)", re.MULTILINE | re.IGNORECASE)
_ERROR = re.compile(rb"event: ?error", re.IGNORECASE)
_PINGS = frozenset({"ping", "keepalive", "keep-alive", "keep_alive", "heartbeat"})
_SIGNS_OF_LIFE = (b"event: ping\n", b"event: keep", b"event: heartbeat\n")
_ERRORS = (b"event: error", b"event:error")
_SPECIAL = (*_SIGNS_OF_LIFE, *_ERRORS)
_NAMES = (b"event:", b"id:")
_VALUE = itemgetter(slice(len(b"data: "), -1))
_READ = rb"(?:data|event|id|retry)[:\n]|[{\[ \]}\n]"
_NO_FIELD = re.compile(
    rb"(?:[^deir{\[ \]}\n][^\n]*+\n|(?!%b)[^\n]++\n)*+((?:(?=%b)[^\n]*+\n|[^\n]++\Z)*+)" % (_READ, _READ)
)
"""Matches whole lines that say nothing, comments and unknown fields, and behind them (the group) those that are
read."""

MANY = 64
"""The number of lines of one read or event from which on lines that say nothing are dropped before the others are
read."""
MOST_ALIKE = 256 * 1024
"""Bytes that are cut into lines at once. A network read has far fewer."""
MOST_LINES = 65_536
"""Lines of one event that are read. A pretty-printed answer of megabytes has fewer; each costs a loop in Python."""


NO_PINGS: frozenset[bytes] = frozenset()
"""The empty set that all decoders share, since each one takes 216 bytes of an idle stream."""


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """Holds one dispatched event. `data` is the content of its data fields, joined by newlines."""

    event: str
    data: bytes
    id: str


class SseDecoder:
    """Decodes one event stream incrementally.

    retry: the reconnection time last sent, in milliseconds. last_event_id: kept across events, as the standard says.
    pings: the data of events that are named as signs of life; for whoever reads `payloads` to drop, and to forget.
    error: the data of an event that is named an error; nothing after it is returned.
    stray: lines that are no field but look like JSON; some servers append a bare error body to an event stream
        (Vertex does), which the standard would silently ignore.
    Raises EventTooLarge when an event without an end exceeds `max_event_bytes`, and TooManyPieces for one of more than
    `MOST_LINES` lines.
    """

    __slots__ = (
        "_after_cr", "_block", "_held", "_lines", "_look_at", "_rest", "_started", "_stray", "error",
        "last_event_id", "max_event_bytes", "pings", "retry",
    )  # fmt: skip

    def __init__(self, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.max_event_bytes = max_event_bytes
        self.last_event_id = ""
        self.retry: int | None = None
        self._stray = bytearray()
        self._look_at = max_event_bytes
        self._rest: list[bytes] = []
        self._held = 0
        self._lines = 0
        self._started = False
        self._after_cr = False
        self._block = b""
        self.pings = NO_PINGS
        self.error: bytes | None = None

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that `data` completes."""
        return self._events(self._whole(data))

    @property
    def between(self) -> bool:
        """Return whether the next byte begins an event, and nothing waits before it."""
        return self._started and not self._rest and not self._after_cr

    def payloads(self, data: bytes) -> list[bytes]:
        """Return the data of the events that `data` completes; events without data are left out.

        It does not follow `id` and `retry`. Use only one of the two methods for a stream.
        """
        block = self._whole(data)
        if not block:
            return []
        if not block.startswith(b"data: "):
            self._block = block
        elif block.find(b"\n") == len(block) - 2:
            return [block[6:-2]]
        if len(block) < MOST_ALIKE and (alike := _data_of_like_events(block)) is not None:
            return alike
        self._block = block
        if any(name in block for name in _SIGNS_OF_LIFE):
            self.pings = self.named_pings()
        if any(name in block for name in _ERRORS):
            return self._up_to_error(self._events(block))
        # Each event has one data line, its last: "event: …\ndata: …" (Anthropic), comments before it.
        found: list[bytes] = _DATA_LAST.findall(block)
        if len(found) == block.count(b"\n\n") == block.count(b"\ndata") + block.startswith(b"data"):
            return found
        return [event.data for event in self._events(block)]

    def _up_to_error(self, events: list[SseEvent]) -> list[bytes]:
        """Return the data of these events up to one that is named an error, whose data is kept in `error`."""
        for place, event in enumerate(events):
            if event.event.lower() == "error":
                self.error = event.data
                del events[place + 1 :]
                break
        return [event.data for event in events]

    def _events(self, block: bytes) -> list[SseEvent]:
        """Return the events of some whole blocks, read line by line."""
        parts = _parts(block)
        if any(map(_is_long, parts)):
            raise TooManyPieces(MOST_LINES)
        return [event for part in parts if (event := self._parse(part)) is not None]

    @property
    def stray(self) -> bytes:
        """Return the lines so far that are no field but look like JSON."""
        return bytes(self._stray)

    def named_pings(self) -> frozenset[bytes]:
        """Return the data of those last events that are named as keep-alives; asked for when some data is no JSON."""
        block, self._block = self._block, b""
        events = [self._parse(part) for part in _parts(block) if _PING.search(part) and not _is_long(part)]
        return frozenset(event.data for event in events if event is not None and event.event.lower() in _PINGS)

    def leftover(self) -> list[bytes]:
        """Return the data of an event whose blank line never came, at the end of the body.

        The standard drops such an event. Real servers end their last one without the blank line, so a caller may use it
        if it is whole in its own format. Bare JSON there goes to `stray`.
        """
        rest = _with_fields(self._with_kept(b""))
        event = None if _is_long(rest) else self._parse(rest)
        return self._up_to_error([event] if event else [])

    def _whole(self, data: bytes) -> bytes:
        """Return everything up to the last blank line, with line ends as LF; the rest is kept."""
        if not self._started:
            data = self._without_bom(data)
        if self._after_cr and data:
            data = data.removeprefix(b"\n") if data[0] == 10 else data
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = self._with_line_feeds(data)
        # Without a blank line nothing is joined, since joining each time would cost the square of an event's length.
        if b"\n\n" not in data and not (data.startswith(b"\n") and self._ends_line()):
            return self._keep(data)
        if self._rest:
            data = self._with_kept(data)
        end = data.rfind(b"\n\n") + 2
        if end < len(data):
            self._keep(data[end:])
        return data[:end]

    def _ends_line(self) -> bool:
        """Return whether the kept bytes end with a line end, so that another one makes a blank line."""
        return bool(self._rest) and self._rest[-1].endswith(b"\n")

    def _with_line_feeds(self, data: bytes) -> bytes:
        """Return the data with every line end as LF. If all are CRLF, dropping the CRs is twice as fast as replacing
        pairs."""
        if _LONE_CR.search(data):
            return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data.replace(b"\r", b"") + (b"\n" if self._after_cr else b"")

    def _without_bom(self, data: bytes) -> bytes:
        """Drop one leading BOM, even when it arrives in pieces."""
        data = self._with_kept(data)
        if len(data) < 3 and _BOM.startswith(data):
            return self._keep(data)
        self._started = True
        return data.removeprefix(_BOM)

    def _with_kept(self, data: bytes) -> bytes:
        """Return the kept bytes with `data` after them."""
        data = b"".join((*self._rest, data))
        self._rest, self._held, self._lines = [], 0, 0
        self._look_at = self.max_event_bytes
        return data

    def _keep(self, data: bytes) -> bytes:
        lines = data.count(b"\n")
        if lines > MANY:
            # Its first line may be the rest of one that was kept.
            start = data.find(b"\n") + 1 if self._rest and not self._ends_line() else 0
            data = data[:start] + _with_fields(data[start:])
            lines = data.count(b"\n")
        if data:
            self._rest.append(data)
            self._held += len(data)
            self._lines += lines
            if self._held > self._look_at or self._lines > 2 * MOST_LINES:
                self._shrink()
        return b""

    def _shrink(self) -> None:
        """Drop comments from the kept bytes, since a server may send keep-alive comments for hours without a blank
        line.

        This is tried again only when a quarter more has come: trying at each comment would scan everything each time.
        """
        rest = _with_fields(self._with_kept(b""))
        self._lines = rest.count(b"\n")
        if len(rest) > self.max_event_bytes:
            raise EventTooLarge(self.max_event_bytes)
        if self._lines > MOST_LINES:
            raise TooManyPieces(MOST_LINES)
        self._rest, self._held = [rest], len(rest)
        self._look_at = max(self.max_event_bytes, len(rest) + self.max_event_bytes // 4)

    def _parse(self, part: bytes) -> SseEvent | None:
        """Return one event, read field by field as the standard says; None when it has no data field."""
        event, lines, seen = "", [], False
        for line in part.split(b"\n"):
            name, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if name == b"data":
                lines.append(value)
                seen = True
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"id" and b"\0" not in value:
                self.last_event_id = value.decode("utf-8", "replace")
            # Bounded, since int() refuses more than 4,300 digits.
            elif name == b"retry" and value.isdigit() and len(value) < 19:
                self.retry = int(value)
            elif line[:1] in b"{[ ]}" and line:
                self._stray += line[: MAX_STRAY - len(self._stray)]
        return SseEvent(event or "message", b"\n".join(lines), self.last_event_id) if seen else None


def lone_event(data: bytes) -> bytes | None:
    """Return the JSON object of a read that is one plain event, as in a slow answer; None for any other read.

    It may be asked where a decoder is `between` events, and changes nothing there.
    """
    last = len(data) - 2
    if data.startswith(b"data: {"):
        line = data.find(b"\n")
        if line == last and data.endswith(b"\n") and b"\r" not in data:
            return data[6:-2]
        if line == last - 1 and data.find(b"\r") == last - 2 and data.endswith(b"\r\n"):  # as Gemini writes events
            return data[6:-4]
    elif data.startswith(b"event: ") and not data.startswith(_SPECIAL):  # as Anthropic writes events
        line = data.find(b"\n") + 1
        whole = data.find(b"\n", line) == last and data.endswith(b"\n") and b"\r" not in data
        return data[line + 6 : -2] if whole and data.startswith(b"data: {", line) else None
    return None


def _with_fields(lines: bytes) -> bytes:
    """Return lines without those that say nothing. The last line may be incomplete."""
    return b"".join(_NO_FIELD.findall(lines))


def _data_of_like_events(block: bytes) -> list[bytes] | None:
    """Return the data of events that are written alike; None where they are not, or one may be a ping or an error.

    Alike are `data: …` and a blank line (OpenAI, Gemini and most others), or the same with a name above (Anthropic).
    A file cuts lines four times as fast as `bytes.split`.
    """
    each = block.count(b"\n", 0, block.find(b"\n\n")) + 2
    if each > 3:
        return None
    lines = BytesIO(block).readlines()
    data, blank = lines[each - 2 :: each], lines[each - 1 :: each]
    if blank.count(b"\n") * each != len(lines):
        return None
    # What the least and the greatest text begin with, all texts between them begin with as well.
    if not (min(data).startswith(b"data: ") and max(data).startswith(b"data: ")):
        return None
    names = set(lines[::each]) if each == 3 else ()
    if not all(name.startswith(_NAMES) and not _PING.match(name) and not _ERROR.match(name) for name in names):
        return None
    return list(map(_VALUE, data))


def _parts(block: bytes) -> list[bytes]:
    """Return the events of some whole blocks; blocks with many lines lose the lines that say nothing."""
    block = _with_fields(block) if block.count(b"\n") > MANY else block
    return [part for part in block.split(b"\n\n") if part]


def _is_long(part: bytes) -> bool:
    return len(part) > MOST_LINES and part.count(b"\n") > MOST_LINES

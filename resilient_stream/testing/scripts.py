"""Offers ready-made scripts: a plain answer, and a recording that is played with splits and cuts.

A script is a tuple of steps, so it can be taken apart, extended (`answer(...)[:-1] + (Cut(),)`) and played any number
of times. It does nothing that steps cannot do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from ..chunks import Usage
from .reply import Framing
from .steps import CleanEnd, Cut, End, Head, Send, Sleep, Speak, Step, Text

__all__ = ["answer", "serve_bytes"]


def answer(
    dialect: str, text_pieces: Iterable[str], *, usage: Usage | None = None, reason: str | None = None
) -> tuple[Step, ...]:
    """Return the script of a good, whole answer: the text in these pieces, the end marker, the usage.

    dialect: a name of `DIALECTS`. For an answer in whatever dialect is asked for, write the steps yourself:
    `(Text("Hel", "lo"), End())`.
    """
    return (Speak(dialect), Text(*text_pieces), End(reason, usage))


def serve_bytes(
    body: bytes,
    content_type: str = "text/event-stream",
    *,
    splits: int | Iterable[int] | None = None,
    cut_at: int | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    framing: Framing = "chunked",
    pause: float = 0.0,
    ending: Step | None = None,
) -> tuple[Step, ...]:
    """Return a script that plays a body as it was recorded.

    splits: offsets where a new write begins, or a number of bytes for each write; None writes all at once.
    cut_at: only so many bytes are sent, then the connection is closed.
    ending: another step for the end, such as `Reset()` or `Stall()`; the default is `Cut()` with `cut_at`, otherwise
    `CleanEnd()`.
    pause: seconds between writes.
    """
    sent = body if cut_at is None else body[:cut_at]
    fields = {"content-type": content_type, **(headers or {})}
    if framing == "length":
        fields.setdefault("content-length", str(len(body)))
    steps: list[Step] = [Head(status, fields, framing)]
    for piece in _pieces(sent, splits):
        steps += [Send(piece), Sleep(pause)] if pause else [Send(piece)]
    return (*steps, ending or (CleanEnd() if cut_at is None else Cut()))


def _pieces(body: bytes, splits: int | Iterable[int] | None) -> Sequence[bytes]:
    if splits is None:
        return [body] if body else []
    offsets = range(splits, len(body), splits) if isinstance(splits, int) else sorted(splits)
    inside = [offset for offset in offsets if 0 < offset < len(body)]
    return [body[start:end] for start, end in pairwise((0, *inside, len(body)))]

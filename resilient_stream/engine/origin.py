"""Knows where an attempt's answer comes from, names the attempt's errors, and hides what was sent as a secret.

An `Origin` refers to no call and no connection, so a call may keep the latest one for the errors of its own clock.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import structs

from ..chunks import Chunk
from ..contract import Adapter, Batch, Outgoing, Request, ResumePoint, Sending
from ..failures import NO_END_MARKER, Failure, Phase
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..outcome.traits import SERVER_NAMES
from ..outcome.transcript import Attempt
from ..outcome.understood import MAX_NAMES
from ..target import Target
from ..text.readable import one_line

if TYPE_CHECKING:
    from ..masking.values import Secrets

__all__ = ["Answering", "Names", "Origin"]

MAX_NAME = 256
"""Characters of an id or of a model's name, which servers make as long as they like."""
SHORTEST = 8
"""Characters of a name at least in which a part of a key could be recognised."""
_UNCHANGED: Mapping[str, str] = {}
"""One for all: most servers' names are shown as they are, and an empty dict takes 64 bytes of each open stream."""


class Names(Protocol):
    """Names the errors of a call: an attempt's origin does, or the line in which the call waits."""

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding."""

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception behind an error as it may be shown."""


@dataclass(slots=True)
class Answering:
    """Tells which target has given content, in which of its attempts, with that attempt's record.

    whole: the answer came in one piece. resume_point: where its provider can take the answer up again, once the attempt
    is over.
    """

    target: Target
    number: int
    record: Attempt
    whole: bool = False
    resume_point: ResumePoint | None = None


class Origin:
    """Holds the target, the host and the secrets of one attempt. host, sent: known once its request was encoded."""

    __slots__ = (
        "_changed", "_hidden", "_hints", "_looked_at", "adapter", "committed", "host", "request", "sending", "sent",
    )  # fmt: skip

    def __init__(self, request: Request, adapter: Adapter, sending: Sending) -> None:
        self.request = request
        self.adapter = adapter
        self.sending = sending
        self.host = ""
        self.sent: Outgoing | None = None
        self.committed = False
        self._hidden: tuple[Outgoing | None, Secrets] | None = None
        self._looked_at: Outgoing | None = None
        self._hints: frozenset[str] | None = None
        self._changed: Mapping[str, str] = _UNCHANGED

    @property
    def phase(self) -> Phase:
        """Return how far the attempt came: connect until the request was written, request until content, then
        stream."""
        if self.committed:
            return "stream"
        return "request" if self.sending.written else "connect"

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding, with everything known about this attempt but its secrets."""
        from ..providers.shared.own_hosts import is_own  # imported only when something fails

        ended = self.committed and failure.code == NO_END_MARKER.code
        return error_for(
            self._secrets().hide_failure(failure),
            phase="finish" if ended else self.phase,
            provider=self.request.target.provider,
            model=self.request.model,
            attempt=self.request.attempt,
            host=self.host or None,
            env_var=" or ".join(self.adapter.key_variables) or None,
            provider_title=self.adapter.title,
            foreign=not is_own(self.adapter, self.host),
            billed_maybe=self.sending.written,
        )

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception behind an error; one of the same name in its place where it quotes a secret."""
        return self._secrets().hide_cause(cause)

    def shown(self, said: str | None) -> str | None:
        """Return an id or another name that a server gave as it may be shown.

        It is asked about good answers, too, so a quick look has to do for one that is short and plain.
        """
        if said is None or (len(said) <= MAX_NAME and said.isprintable() and not self._may_quote(said)):
            return said
        if (shown := self._changed.get(said)) is None:
            shown = one_line(self._secrets().hide(said))[:MAX_NAME]
            if len(self._changed) < MAX_NAMES:
                self._changed = {**self._changed, said: shown}
        return shown

    def with_shown_names(self, batch: Batch) -> Batch:
        """Return the chunks, with such names as a server gives to fields and ends as they may be kept and counted."""
        return [self._renamed(chunk) if type(chunk) in SERVER_NAMES else chunk for chunk in batch]

    def _renamed(self, chunk: Chunk) -> Chunk:
        field = SERVER_NAMES[type(chunk)]
        said: str = getattr(chunk, field)
        shown = self.shown(said) or ""
        return chunk if shown == said else structs.replace(chunk, **{field: shown})

    def _secrets(self) -> Secrets:
        """Return what this attempt was sent with and nobody else may see."""
        from ..masking.values import Secrets, secrets_of

        if self._hidden is None or self._hidden[0] is not self.sent:
            values = secrets_of(self.sent, self.sending.endpoint, self.request.target)
            self._hidden = (self.sent, Secrets(values))
        return self._hidden[1]

    def _may_quote(self, said: str) -> bool:
        if len(said) < SHORTEST or said == self.request.model:
            return False
        hints_to, quotes = _quick_checks()
        if self._hints is None or self._looked_at is not self.sent:
            endpoint = self.sending.endpoint
            self._looked_at = self.sent
            self._hints = hints_to(self.sent, endpoint.base_url if endpoint is not None else "")
        return quotes(self._hints, said)


@functools.cache
def _quick_checks() -> tuple[Callable[[Outgoing | None, str], frozenset[str]], Callable[[frozenset[str], str], bool]]:
    from ..masking.values import hints_to, quotes  # `import resilient_stream` does not pay for it

    return hints_to, quotes

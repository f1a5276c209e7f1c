"""Defines `SyncConversation`: a conversation of the background loop, as a plain iterator over the chunks of all
turns."""

from __future__ import annotations

from ..conversation.conversation import Conversation, ConversationChunk
from ..conversation.turns import ConversationRecord
from ..conversation.views import RecordViews
from .streams import SyncAnswer

__all__ = ["SyncConversation"]


class SyncConversation(SyncAnswer[ConversationChunk], RecordViews):
    """Runs a conversation: an iterator over the chunks of all turns, and a context manager; see `Conversation`.

    Plain functions among its tools run in worker threads, asynchronous ones on the background loop.
    """

    __slots__ = ()

    @property
    def record(self) -> ConversationRecord:  # type: ignore[override]
        """Return everything that is known about the conversation."""
        return self._stream.record  # type: ignore[no-any-return]

    def collect(self) -> ConversationRecord:
        """Read to the end and return the record. Raises StreamError when it fails; `record` has what there is."""
        conversation: Conversation = self._stream
        return self._background.run(conversation.collect, self._interrupted)

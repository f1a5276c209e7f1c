"""Makes Claude Code a provider: the `claude` program in print mode, with streamed JSON.

    system/init, then Anthropic's events inside `stream_event`, then the whole `assistant` message, then `result`

`result` ends an answer, and says whether it is one. The pieces come from `stream_event`; a whole message is read only
where no pieces of it came (older programs). Nothing is started here: `encode` says what is to be run, and
`transport/process.py` runs it.

It is asked without its tools, so it reads and changes no file; `Target("claude-code", tools="default")` gives them
back, `arguments=[...]` adds to its command line. What it does with tools comes as `Raw`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ...chunks import Finished, FinishReason, ReasoningDelta, TextDelta
from ...classify import classify_error, classify_response
from ...classify.rules import Rules
from ...contract import Batch, Capabilities, Endpoint, ProcessRequest, ProviderFacts, Request
from ...failures import NO_END_MARKER, ErrorKind, Failure
from ...messages import Message
from ...outcome.errors import StreamError
from ...outcome.making import error_for
from ...wire.broken import UNREADABLE, failure_of
from ...wire.json_events import BatchDecoder
from ...wire.limits import EventTooLarge
from ...wire.ndjson import NdjsonDecoder
from ..shared.mending import Mender
from ..shared.system import some_turns, system_text
from ..shared.unmodelled import Unmodelled
from ..shared.values import list_of, object_of, text_of
from .errors import CLAUDE_CODE
from .stream import FINISH_REASONS as STOP_REASONS
from .usage import read_usage

__all__ = ["ADAPTER", "FINISHES", "ClaudeCode", "ClaudeCodeDecoder"]

NAME = "claude-code"
_READ = frozenset({"text", "thinking", "redacted_thinking"})

FINISHES: Mapping[str, tuple[FinishReason, str | None]] = {
    "success": ("stop", None),
    "error_max_turns": ("length", "output_truncated"),
}
"""Results that are an answer. All other results (error_during_execution, …) and every `is_error` are failures."""


# -- what arrives -----------------------------------------------------------------------------


_EVENTS = BatchDecoder(dict[str, Any])


class ClaudeCodeDecoder:
    """Decodes the output of one run of the program; see `contract.Decoder`."""

    def __init__(self, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False) -> None:
        self._lines = NdjsonDecoder(max_event_bytes)
        self._unmodelled = Unmodelled(NAME, raw=raw)
        self._mender: Mender | None = None
        self._pieces = False
        self._stop_reason = ""
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def feed(self, data: bytes) -> Batch:
        """Decode what the program printed."""
        if self.done or self.failure is not None:
            return []
        try:
            return self._read(self._lines.feed(data))
        except EventTooLarge as error:
            self.failure = failure_of(error)
            return []

    def finish(self) -> Batch:
        """Take note that the program ended. The answer is whole only after `result`."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._lines.finish())
        if not self.done and self.failure is None:
            self.failure = NO_END_MARKER
        return batch

    def _read(self, lines: list[bytes]) -> Batch:
        batch: Batch = []
        for line in lines:
            try:
                found, _, halves = _EVENTS.leniently(line)
            except EventTooLarge as error:
                self.failure = failure_of(error)
                break
            except UNREADABLE:
                continue  # half a line at the end is a cut; any other line without JSON is for people
            self._mender = self._mender or (Mender() if halves else None)
            for event in found:
                self._event(event, batch)
            if self.done or self.failure is not None:
                break
        return batch if self._mender is None else self._mended(self._mender, batch)

    def _mended(self, mender: Mender, batch: Batch) -> Batch:
        """Return the batch with halves of characters joined, for an answer in which such halves came."""
        batch = mender.mend(batch)
        self.failure = mender.failure(self.failure)
        return batch

    def _event(self, event: dict[str, Any], batch: Batch) -> None:
        kind = text_of(event.get("type"))
        if kind == "system":
            self.model = text_of(event.get("model")) or self.model
            self.response_id = text_of(event.get("session_id")) or self.response_id
        elif kind == "stream_event":
            self._piece(object_of(event.get("event")), batch)
        elif kind == "assistant":
            self._message(object_of(event.get("message")), batch)
        elif kind == "result":
            self._result(event, batch)
        elif kind == "user":
            self.progress += 1
            batch += self._tools(object_of(event.get("message")))
        else:
            self.progress += 1
        if kind in ("user", "system"):
            batch += self._unmodelled.aside(kind, event)

    def _piece(self, event: dict[str, Any], batch: Batch) -> None:
        delta = object_of(event.get("delta"))
        self._stop_reason = text_of(delta.get("stop_reason")) or self._stop_reason
        if piece := self._chunks(delta):
            self._pieces = True
            batch += piece
        else:
            self.progress += text_of(event.get("type")).startswith("content_block")

    def _message(self, message: dict[str, Any], batch: Batch) -> None:
        """Read a whole message, which comes after its pieces or in their place. The next message may come either way
        again."""
        self._stop_reason = text_of(message.get("stop_reason")) or self._stop_reason
        self.model = self.model or text_of(message.get("model")) or None
        blocks = message.get("content")
        if not self._pieces and isinstance(blocks, list):
            for block in blocks:
                batch += self._chunks(object_of(block))
        batch += self._tools(message)
        self._pieces = False
        self.progress += 1

    def _tools(self, message: dict[str, Any]) -> Batch:
        """Pass on the program's own tools, their results and unknown blocks, which come in whole messages only."""
        blocks = [object_of(block) for block in list_of(message.get("content"))]
        found = [(text_of(block.get("type")), block) for block in blocks]
        return [self._unmodelled.content(kind, block) for kind, block in found if kind and kind not in _READ]

    def _chunks(self, block: dict[str, Any]) -> Batch:
        """Return the chunks of a block or of a delta: text, thinking, or its signature."""
        text, thought = text_of(block.get("text")), text_of(block.get("thinking"))
        signature = text_of(block.get("signature")) or None
        batch: Batch = [TextDelta(text)] if text else []
        return [*batch, ReasoningDelta(thought, signature)] if thought or signature else batch

    def _result(self, event: dict[str, Any], batch: Batch) -> None:
        usage = object_of(event.get("usage"))
        if usage:
            batch.append(read_usage(usage))
        subtype = text_of(event.get("subtype"))
        whole = subtype == "success" and not event.get("is_error")
        if not whole and subtype != "error_max_turns":
            self.failure = _failure(event, subtype)
            return
        self.done = True
        reason, kind = FINISHES[subtype]
        if whole:
            reason, kind = STOP_REASONS.get(self._stop_reason, (reason, kind))
        batch.append(Finished(reason, self._stop_reason or subtype, kind))


def _failure(event: Mapping[str, Any], subtype: str) -> Failure:
    """Return the failure that a failed result means. Its text contains the API's error: `API Error: 529 {"type":
    "error", …}`."""
    errors = event.get("errors")
    text = text_of(event.get("result")) or "; ".join(map(text_of, errors if isinstance(errors, list) else ()))
    quoted = re.search(r"API Error:? \(?(\d{3})\)?:? ?(\{.*\})?", text, re.DOTALL)
    if quoted is not None:
        body = (quoted[2] or text).encode()
        return classify_response(int(quoted[1]), {}, body, CLAUDE_CODE)
    return classify_error({"message": text, "code": subtype}, CLAUDE_CODE)


# -- what is run ------------------------------------------------------------------------------


class ClaudeCode(msgspec.Struct, frozen=True):
    """Adapts the `claude` program; see `contract.Adapter`. It maps a request's fields as follows:

    messages: the program takes one prompt; an earlier conversation is written out in front of the last turn. The prompt
    goes to its standard input and the system prompt into a private file: a command line can be seen by all users.
    max_tokens, temperature, top_p, seed, reasoning, extra: it has no options for them, and they are ignored.
    """

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "Claude Code"
    base_url: ClassVar[str] = ""
    key_variables: ClassVar[tuple[str, ...]] = ()
    url_variable: ClassVar[str] = ""
    default_model: ClassVar[str | None] = "default"
    options: ClassVar[tuple[str, ...]] = ("command", "tools", "arguments", "environment")
    media_types: ClassVar[tuple[str, ...]] = ("application/x-ndjson",)
    facts: ClassVar[ProviderFacts] = ProviderFacts(
        telemetry_name="anthropic", credentials="resilient_stream.credentials.claude_code", program="claude"
    )
    error_rules: ClassVar[Rules] = CLAUDE_CODE

    def capabilities(self, model: str) -> Capabilities:
        """Return what the program can do: it answers in text and takes no tools, pictures or stop sequences of ours. A
        schema is told to it in words."""
        return Capabilities(
            tools=False, forced_tools=False, images=False, image_links=False, reasoning=False, stop=False,
            output_by="words", streaming_tools=False, cached_in_input=False, headers=False,
        )  # fmt: skip

    def encode(self, request: Request, endpoint: Endpoint) -> ProcessRequest:
        """Build the command line, with the prompt on standard input, since it may be longer than a command line."""
        program = endpoint.credentials
        system = system_text(request.messages)
        model = program.model if request.model == self.default_model else request.model
        options = {
            "--model": model,
            "--tools": str(request.option("tools", "")),
        }
        named = [word for name, value in options.items() if value is not None for word in (name, value)]
        fixed = ("--print", "--output-format", "stream-json", "--verbose", "--include-partial-messages")
        key = {"ANTHROPIC_API_KEY": endpoint.api_key} if endpoint.api_key else {}
        return ProcessRequest(
            command=_checked_command(program.path, *fixed, *named, *map(str, request.option("arguments", ()))),
            stdin=_prompt(some_turns(request.messages, request.target.name)).encode("utf-8", "replace"),
            environment={**program.environment, **key},
            files={"--system-prompt-file": system.encode("utf-8", "replace")} if system else {},
        )

    def decoder(self, request: Request) -> ClaudeCodeDecoder:
        """Return a decoder for one run."""
        return ClaudeCodeDecoder(**request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify a run that printed nothing by its standard error; without a known cause, its setup is at fault."""
        said = body.decode("utf-8", "replace").strip()
        failure = classify_error({"message": said}, CLAUDE_CODE, max_retry_after=max_retry_after)
        if failure.kind not in (
            ErrorKind.SERVER_ERROR,
            ErrorKind.INVALID_REQUEST,
        ):  # the program itself says "unknown option"
            return failure
        reason = f"The claude program ended with: {' '.join(said.split())[:200].rstrip('.')}"
        return Failure(kind=ErrorKind.CLIENT_CONFIG, code="program_failed", fallback=True, facts={"reason": reason})


ADAPTER = ClaudeCode()

MAX_COMMAND = 100_000
"""Bytes of a command line; Linux takes 128 KiB in one argument."""


def _checked_command(*command: str) -> tuple[str, ...]:
    """Return the command if a system can run it. Raises StreamError, which does not show the command."""
    said = "".join(command)
    if "\0" in said or said.encode("utf-8", "replace").decode() != said:
        raise _no_command("The model's name or an argument has a NUL or half a character in it")
    if len(said.encode()) > MAX_COMMAND:
        raise _no_command(f"The model's name and the arguments are longer than {MAX_COMMAND:,} bytes")
    return command


def _no_command(reason: str) -> StreamError:
    return error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="bad_name", facts={"reason": reason}))


_SPEAKERS: Mapping[str, str] = {"user": "User", "assistant": "Assistant", "tool": "Tool result"}


def _prompt(turns: Sequence[Message]) -> str:
    """Return the last turn alone, or the conversation written out with the name of each speaker."""
    if len(turns) == 1:
        return turns[0].text
    said = "\n\n".join(f"{_SPEAKERS[turn.role]}: {turn.text}" for turn in turns)
    return f"{said}\n\nAnswer as the assistant, with the next turn only."

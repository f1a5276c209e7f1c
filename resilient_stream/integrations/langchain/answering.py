"""Turns the chunks of an answer into langchain's message chunks and messages, and our errors into langchain's.

Text is a string, and everything else a content block in langchain's standard form.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from langchain_core import exceptions
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk

from ... import chunks
from ...failures import ErrorKind, Failure
from ...given.files import as_base64
from ...outcome import errors as ours
from ...outcome.making import error_for
from ...outcome.transcript import Transcript
from ...telemetry.attributes import tokens
from ..frameworks import details, valid_chunks
from .asking import BLOCK, SIGNATURES

__all__ = ["Pieces", "as_theirs", "message_of"]

_FIRST_CALL = 1000
"""The number of the first call: langchain numbers texts from 0 on, and joins whatever has the same number."""

_ERRORS: Mapping[type[ours.StreamError], str] = {
    ours.AuthenticationFailed: "ModelAuthenticationError", ours.PermissionDenied: "ModelPermissionDeniedError",
    ours.ModelNotFound: "ModelNotFoundError", ours.ContextLengthExceeded: "ContextOverflowError",
    ours.InvalidRequest: "ModelInvalidRequestError", ours.ContentBlocked: "ModelInvalidRequestError",
    ours.RateLimited: "ModelRateLimitError", ours.ConnectionFailed: "ModelConnectionError",
    ours.ResponseTimeout: "ModelTimeoutError", ours.DeadlineExceeded: "ModelTimeoutError",
    ours.RetryableError: "ModelAPIError", ours.StreamError: "ModelError",
}  # fmt: skip
"""What langchain calls our errors; the first class that fits. Early versions of langchain-core have fewer names."""


@contextmanager
def as_theirs() -> Iterator[None]:
    """Raise our errors as errors of langchain, too: of both classes, so that either can be caught."""
    try:
        yield
    except ours.StreamError as error:
        last = error.errors[-1] if isinstance(error, ours.AllTargetsFailed) and error.errors else error
        name = next(name for cls, name in _ERRORS.items() if isinstance(last, cls))
        theirs = getattr(exceptions, name, exceptions.LangChainException)
        if not isinstance(error, theirs):
            own: Any = type(error)
            error.__class__ = _class_of_both(own, theirs)
        raise


@functools.cache
def _class_of_both(own: Any, theirs: Any) -> Any:
    """Return a class that is both. An error of it is pickled as ours."""

    def reduced(self: Any) -> tuple[Any, ...]:
        made, *rest = own.__reduce__(self)
        return (own if made is type(self) else made, *rest)

    return type(
        own.__name__, (own, theirs), {"__doc__": own.__doc__, "__module__": own.__module__, "__reduce__": reduced}
    )


class Pieces:
    """Makes message chunks of the chunks of one answer, in order; `last` is what is known at its end."""

    def __init__(self) -> None:
        self._thoughts = 0
        self._thinking = False
        self._called: set[int] = set()

    def of(self, chunk: chunks.Chunk) -> AIMessageChunk | None:
        """Return what a chunk adds to the message; None for what is told at the end, or was told already."""
        self._thinking = self._thinking and (type(chunk) is chunks.ReasoningDelta or not chunk.content)
        match chunk:
            case chunks.TextDelta():
                return AIMessageChunk(content=chunk.text)
            case chunks.ReasoningDelta():
                return AIMessageChunk(content=[self._thought(chunk)])
            case chunks.ToolCallDelta() | chunks.ToolCall():
                return self._call(chunk)
            case _ if (block := _block(chunk)) is not None:
                return AIMessageChunk(content=[block])
        return None

    def _thought(self, chunk: chunks.ReasoningDelta) -> dict[str, Any]:
        """Return a piece of reasoning. Its proof ends a thought, and an encrypted one is a block of its own."""
        proof = {"signature": chunk.signature, "redacted": chunk.redacted}
        extras = {name: value for name, value in proof.items() if value is not None}
        self._thoughts += bool(chunk.redacted or not self._thinking)
        self._thinking = not extras
        block = {"type": "reasoning", "reasoning": chunk.reasoning, "index": f"lc_rs_{self._thoughts}"}
        return {**block, "extras": extras} if extras else block

    def _call(self, chunk: chunks.ToolCallDelta | chunks.ToolCall) -> AIMessageChunk | None:
        """Return a piece of a call, or the whole call if no pieces of it came.

        langchain completes broken arguments and would run such a call, so one that must not be run ends the answer.
        """
        told = chunk.index in self._called
        self._called.add(chunk.index)
        if isinstance(chunk, chunks.ToolCall) and (wrong := _why_not(chunk)) is not None:
            raise error_for(Failure(kind=ErrorKind.MODEL_OUTPUT_INVALID, detail=wrong), phase="stream")
        signature = getattr(chunk, "signature", None)
        proof = {SIGNATURES: {chunk.id: signature}} if signature else {}
        if isinstance(chunk, chunks.ToolCall) and told:
            return AIMessageChunk(content="", additional_kwargs=proof) if proof else None
        name, call_id = (None, None) if told else (chunk.name, chunk.id)
        piece = tool_call_chunk(name=name, args=chunk.arguments, id=call_id, index=_FIRST_CALL + chunk.index)
        return AIMessageChunk(content="", tool_call_chunks=[piece], additional_kwargs=proof)

    def last(self, transcript: Transcript) -> AIMessageChunk:
        """Return the last chunk of the message, with the counts and what is known about the whole answer."""
        said = details(transcript)
        sources = [_citation(source) for source in transcript.sources]
        refused = [each for each in transcript.chunks if type(each) is chunks.Finished and each.kind == "refusal"]
        content = [
            *({"type": "text", "text": "", "annotations": sources} for _ in sources[:1]),
            *({"type": "refusal", "refusal": each.explanation or transcript.text} for each in refused[-1:]),
        ]
        said |= {"model_name": transcript.model or (transcript.target or "").partition(":")[2]}
        said |= {"finish_reason": transcript.finish_reason, "raw_finish_reason": transcript.raw_finish_reason}
        said.pop("sources", None)
        usage = _usage(transcript.target or "", transcript.usage)
        return AIMessageChunk(
            content=content or "", response_metadata=said, usage_metadata=usage, chunk_position="last"
        )


def message_of(transcript: Transcript) -> AIMessage:
    """Return the message of a whole answer. A call that must not be run is among its invalid ones."""
    pieces, answer = Pieces(), valid_chunks(transcript)
    calls = [chunk for chunk in answer if isinstance(chunk, chunks.ToolCall)]
    others = (pieces.of(chunk) for chunk in answer if not isinstance(chunk, chunks.ToolCall | chunks.ToolCallDelta))
    whole = add_ai_message_chunks(AIMessageChunk(content=""), *filter(None, others), pieces.last(transcript))
    content: Any = whole.content
    if isinstance(content, list):
        content = [{"type": "text", "text": each} if isinstance(each, str) else each for each in content if each]
    good, bad = ([call for call in calls if (_why_not(call) is None) == right] for right in (True, False))
    proofs = {call.id: call.signature for call in good if call.signature}
    return AIMessage(
        content,
        tool_calls=[tool_call(name=call.name, args=call.parsed or {}, id=call.id) for call in good],
        invalid_tool_calls=[
            invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=_why_not(call)) for call in bad
        ],
        additional_kwargs={SIGNATURES: proofs} if proofs else {},
        response_metadata=whole.response_metadata,
        usage_metadata=whole.usage_metadata,
    )


def _why_not(call: chunks.ToolCall) -> str | None:
    """Return why a call must not be run; None for one that may be."""
    return call.error or ("the arguments are no object" if call.parsed is None else None)


def _block(chunk: chunks.Chunk) -> dict[str, Any] | None:
    """Return the content block that a chunk is by itself; None where it is none."""
    native = chunk.data if isinstance(chunk, chunks.Raw) else getattr(chunk, "native", None)
    own = {} if native is None else {"extras": {BLOCK: native}}
    match chunk:
        case chunks.ServerToolCall():
            return {"type": "server_tool_call", "id": chunk.id, "name": chunk.name, "args": chunk.parsed or {}, **own}
        case chunks.ServerToolResult():
            status = "error" if chunk.is_error else "success"
            block = {"type": "server_tool_result", "tool_call_id": chunk.id, "status": status, "output": chunk.result}
            return {**block, **own}
        case chunks.File():
            return {**_file(chunk), **own}
        case chunks.Raw(standing="block"):
            return {"type": "non_standard", "value": {"type": chunk.event, BLOCK: native}}
    return None


def _file(file: chunks.File) -> dict[str, Any]:
    kind = file.media_type.partition("/")[0]
    place = {"url": file.url} if file.url else {"file_id": file.id}
    where = place if file.data is None else {"base64": as_base64(file.data)}
    return {"type": kind if kind in ("image", "audio", "video") else "file", "mime_type": file.media_type, **where}


def _citation(source: chunks.Source) -> dict[str, Any]:
    said = {"url": source.url, "title": source.title, "cited_text": source.quote, "id": source.id}
    passage = {"start_index": source.start, "end_index": source.end}
    return {"type": "citation", **{key: value for key, value in {**said, **passage}.items() if value not in ("", None)}}


def _usage(target: str, usage: chunks.Usage) -> Any:
    """Return the tokens as langchain counts them: cached ones are part of the input, reasoning of the output."""
    given, made = tokens(target, usage)
    if given is None and made is None:
        return None
    cached = {"cache_read": usage.cached_input_tokens, "cache_creation": usage.cache_write_tokens}
    counts: Any = {"input_tokens": given or 0, "output_tokens": made or 0, "total_tokens": (given or 0) + (made or 0)}
    for name, parts in (("input", cached), ("output", {"reasoning": usage.reasoning_tokens})):
        if known := {part: count for part, count in parts.items() if count is not None}:
            counts[f"{name}_token_details"] = known
    return counts

"""Defines `ResilientModel`, and makes pydantic-ai's parts, events and errors of an answer's chunks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Unpack

from pydantic_ai import exceptions, models, profiles
from pydantic_ai import messages as theirs
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from ... import chunks
from ...client import Client
from ...failures import StreamMisused
from ...options import StreamOptions
from ...outcome import errors as ours
from ...stream import Stream
from ...telemetry.attributes import tokens
from ..frameworks import details, for_framework, valid_chunks
from .asking import BLOCK, SIGNATURE, to_messages, to_options
from .hosted import SUPPORTED, supported_at

__all__ = ["ResilientModel"]

_REASONS: Mapping[str, Any] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_call", "content_filter": "content_filter",
    "refusal": "content_filter",
}  # fmt: skip
"""What pydantic-ai calls the reasons of an end. A pause is a state of its own there; others have no name."""

_NAMES: Mapping[str, str] = {"gemini": "google", "gemini-interactions": "google", "vertex": "google-cloud"}
"""What pydantic-ai calls providers. It names no APIs of a provider apart."""

_PROFILE: Any = dict.fromkeys(
    ("supports_json_schema_output", "supports_json_object_output", "supports_image_output", "supports_thinking"), True
)
"""What some target can do. A target that cannot is refused, and the next one is asked."""


def _their_name(provider: str) -> str:
    return _NAMES.get(provider, provider.removesuffix("-responses"))


class ResilientModel(models.Model[Any]):
    """Answers as a model for pydantic-ai's agents through a `Client`, with its targets, retries and continuations.

    settings, profile: as of any model of pydantic-ai. options: of `client.stream()`, for each request, such as
    `reasoning="low"`; what the agent asks takes precedence. The client is yours to close.
    """

    def __init__(
        self,
        client: Client,
        *,
        settings: ModelSettings | None = None,
        profile: profiles.ModelProfileSpec | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        at_targets = {"supported_native_tools": supported_at(client.targets)}
        made: Any = profile if callable(profile) else {**_PROFILE, **at_targets, **(profile or {})}
        super().__init__(settings=settings, profile=made)
        self.client = client
        self._options = options

    @property
    def model_name(self) -> str:
        """Return the model that is asked first."""
        return self.client.targets[0].model if self.client.targets else "unknown"

    @property
    def system(self) -> str:
        """Return the provider that is asked first, as pydantic-ai calls it."""
        return _their_name(self.client.targets[0].provider) if self.client.targets else "unknown"

    @classmethod
    def supported_native_tools(cls) -> frozenset[type[Any]]:
        """Return the tools that run at the provider and can be asked for."""
        return frozenset(SUPPORTED)

    async def request(
        self,
        messages: list[Any],
        model_settings: ModelSettings | None,
        model_request_parameters: models.ModelRequestParameters,
    ) -> theirs.ModelResponse:
        """Ask, and return the whole answer."""
        answer = self._ask(messages, model_settings, model_request_parameters, live=False)
        with _raising_their_errors(self.model_name):
            async with answer.stream as stream:
                await stream.collect()
        return answer.whole()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[Any],
        model_settings: ModelSettings | None,
        model_request_parameters: models.ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncIterator[models.StreamedResponse]:
        """Ask, and give the answer from its first content on, as it comes. Leaving the block closes the connection.

        What fails before the first content is raised on entering, where pydantic-ai can still ask another model.
        """
        answer = self._ask(messages, model_settings, model_request_parameters, live=True)
        async with answer.stream:
            answer.first = await answer.pull()
            yield answer

    def _ask(
        self,
        messages: list[Any],
        settings: ModelSettings | None,
        parameters: models.ModelRequestParameters,
        *,
        live: bool,
    ) -> _Answer:
        models.check_allow_model_requests()
        settings, parameters = self.prepare_request(settings, parameters)
        told = [part.content for part in self._get_instruction_parts(messages, parameters) or ()]
        first = self.client.targets[0].provider if self.client.targets else ""
        options: Any = {**self._options, **to_options(settings or {}, parameters, first)}
        try:
            stream = self.client.stream(to_messages(messages, told), **options)
        except StreamMisused as misused:
            raise exceptions.UserError(str(misused)) from misused
        return _Answer(parameters, for_framework(stream, self.client, live=live), self.model_name, datetime.now(UTC))


@contextmanager
def _raising_their_errors(asked: str) -> Iterator[None]:
    """Raise our errors as pydantic-ai's. asked: the model's name where the error has none."""
    try:
        yield
    except ours.StreamError as error:
        raise _their_error(error, error.model or asked) from error


def _their_error(error: ours.StreamError, model: str) -> Any:
    last = error.errors[-1] if isinstance(error, ours.AllTargetsFailed) and error.errors else error
    if isinstance(last, ours.ContentBlocked):
        return exceptions.ContentFilterError(str(error), json.dumps(error.to_dict()))
    if isinstance(last, ours.MalformedStream):
        return exceptions.UnexpectedModelBehavior(str(error), json.dumps(error.to_dict()))
    if error.status is None or error.status < 400:
        return exceptions.ModelAPIError(model, str(error))
    headers = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
    return exceptions.ModelHTTPError(error.status, model, error.to_dict(), headers=headers)


@dataclass
class _Answer(models.StreamedResponse):
    """Hands on one answer. Its chunks become parts by pydantic-ai's own manager of parts, while they come or
    afterwards."""

    stream: Stream
    asked: str
    timestamp: datetime = datetime.min
    provider_url: str | None = None
    first: chunks.Chunk | None = None
    _called: dict[int, str] = field(default_factory=dict, init=False)
    _thoughts: int = field(default=0, init=False)
    _thinking: bool = field(default=False, init=False)

    @property
    def model_name(self) -> str:
        """Return the model that answered."""
        return self.stream.transcript.model or self.asked

    @property
    def provider_name(self) -> str | None:
        """Return the provider that answered, as pydantic-ai calls it."""
        return _their_name((self.stream.transcript.target or "").partition(":")[0]) or None

    async def close_stream(self) -> None:
        """Close the connection, at once."""
        self.stream.close()

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        """Return what a waiting pull raises when the stream is closed."""
        return (exceptions.ModelAPIError,)

    def whole(self) -> theirs.ModelResponse:
        """Return the answer of a stream that was read to its end."""
        for chunk in valid_chunks(self.stream.transcript):
            for _ in self._events(chunk):
                pass
        self.provider_details, self._finished = self._details(), True
        return self.get()

    async def pull(self) -> chunks.Chunk | None:
        """Wait for the next chunk; None at the end."""
        with _raising_their_errors(self.asked):
            return await anext(self.stream, None)

    async def _get_event_iterator(self) -> AsyncIterator[Any]:
        chunk = self.first
        while chunk is not None:
            for event in self._events(chunk):
                yield event
            chunk = await self.pull()
        self.provider_details = self._details()

    def _details(self) -> dict[str, Any]:
        transcript = self.stream.transcript
        return {"finish_reason": transcript.raw_finish_reason, **details(transcript)}

    def _events(self, chunk: chunks.Chunk) -> Iterator[Any]:
        """Take a chunk, and give the events that it means. What has none is in the details of the answer."""
        manager = self._parts_manager
        self._thinking = self._thinking and (type(chunk) is chunks.ReasoningDelta or not chunk.content)
        match chunk:
            case chunks.TextDelta():
                yield from manager.handle_text_delta(vendor_part_id=None, content=chunk.text)
            case chunks.ReasoningDelta():
                yield from self._thought(chunk)
            case chunks.ToolCallDelta() | chunks.ToolCall():
                yield from self._call(chunk)
            case chunks.Usage():
                self._usage = _usage(self.stream.transcript.target or "", chunk)
            case chunks.Finished():
                self.finish_reason = _REASONS.get(chunk.reason)
                self.state = "suspended" if chunk.reason == "pause" else "complete"
            case _ if (part := self._part(chunk)) is not None:
                yield manager.handle_part(vendor_part_id=None, part=part)

    def _part(self, chunk: chunks.Chunk) -> Any:
        """Return the part that a chunk is by itself; None where it is none."""
        native = chunk.data if isinstance(chunk, chunks.Raw) else getattr(chunk, "native", None)
        kept = None if native is None else {BLOCK: native}
        own: dict[str, Any] = {"provider_name": self.provider_name, "provider_details": kept}
        match chunk:
            case chunks.ServerToolCall():
                args = chunk.parsed if chunk.parsed is not None else chunk.arguments or None
                return theirs.NativeToolCallPart(chunk.name, args, chunk.id, **own)
            case chunks.ServerToolResult():
                own["outcome"] = "failed" if chunk.is_error else "success"
                return theirs.NativeToolReturnPart(chunk.name, chunk.result, chunk.id, **own)
            case chunks.File(data=bytes() as data):
                made = theirs.BinaryContent(data, media_type=chunk.media_type)
                return theirs.FilePart(theirs.BinaryContent.narrow_type(made), **own)
            case chunks.Raw(standing="block"):
                return theirs.ThinkingPart("", **own)
        return None

    def _thought(self, chunk: chunks.ReasoningDelta) -> Iterator[Any]:
        """Take a piece of reasoning. Its proof ends a thought, and an encrypted one is a part of its own."""
        proof = chunk.redacted or chunk.signature
        self._thoughts += bool(chunk.redacted or not self._thinking)
        self._thinking = proof is None
        if chunk.reasoning or proof:
            yield from self._parts_manager.handle_thinking_delta(
                vendor_part_id=("thought", self._thoughts),
                content=chunk.reasoning or None,
                id="redacted_thinking" if chunk.redacted else None,
                signature=proof,
                provider_name=self.provider_name if proof else None,
            )

    def _call(self, chunk: chunks.ToolCallDelta | chunks.ToolCall) -> Iterator[Any]:
        """Take a piece of a call, or the whole call, of which pieces came before or not.

        A name is told once, since pydantic-ai appends names. It checks the arguments itself, and has broken ones
        corrected; but a call that contradicts itself must not be run, whatever its arguments are.
        """
        error, proof = getattr(chunk, "error", None), getattr(chunk, "signature", None)
        if error is not None:
            raise exceptions.UnexpectedModelBehavior(f"a call of the tool {chunk.name!r} must not be run: {error}")
        name = self._called.get(chunk.index)
        told = name is not None and chunk.type == "tool_call"
        self._called[chunk.index] = name or chunk.name
        if told and not proof:
            return
        event = self._parts_manager.handle_tool_call_delta(
            vendor_part_id=("call", chunk.index),
            tool_name=None if name else chunk.name or None,
            args=None if told else chunk.arguments,
            tool_call_id=chunk.id or None,
            provider_name=self.provider_name if proof else None,
            provider_details={SIGNATURE: proof} if proof else None,
        )
        if event is not None:
            yield event


def _usage(target: str, usage: chunks.Usage) -> RequestUsage:
    """Return the tokens as pydantic-ai counts them: cached ones are part of the input, reasoning of the output."""
    given, made = tokens(target, usage)
    return RequestUsage(
        input_tokens=given or 0,
        output_tokens=made or 0,
        cache_read_tokens=usage.cached_input_tokens or 0,
        cache_write_tokens=usage.cache_write_tokens or 0,
        details={} if usage.reasoning_tokens is None else {"reasoning_tokens": usage.reasoning_tokens},
    )

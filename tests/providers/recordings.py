"""Recorded answers as tests want them: bodies, what to expect of each, and our decoders' reading.

They are the project's own corpus (tests/corpus), which is always there, and the shared recordings where they are on
this machine. What to expect of an answer of the corpus is written beside it by who wrote it down.

A dialect is one row of `DIALECTS`: its folders, its adapter, how to read its oracle, and what its end looks like in
the bytes. A new dialect is a new row and no new test.

The expected answer never comes from our own decoders. For the shared recordings it is the official SDK's reading of the
same bytes, and where that is too simple, a line in `CORRECTIONS` with the reason.
"""

from __future__ import annotations

import base64
import functools
import json
import random
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    Source,
    ToolCall,
    Usage,
)
from resilient_stream.contract import Adapter, Decoder, Request
from resilient_stream.errors import Failure
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.chat import OpenAIChat
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.target import Target
from tests.corpus import make
from tests.corpus.aws import aws_message
from tests.shared_files import shared_or_none

__all__ = [
    "CORRECTIONS",
    "DIALECTS",
    "Answer",
    "Dialect",
    "Reading",
    "Recording",
    "aws_message",
    "converse_text",
    "differences",
    "expected",
    "odd_ones",
    "read",
    "recordings",
    "splits",
]

Called: TypeAlias = tuple[str, str, Any]
Counts: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says, whoever read it.

    calls: (id, name, arguments as an object, or as text where they are none). finish: the provider's own word.
    usage: the fields of `Usage` in their order, without certainty. beside: a line for each other chunk of content, and
    for each source; None where it was not written down.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[Called, ...] = ()
    finish: str | None = None
    usage: Counts | None = None
    failure: str | None = None
    beside: tuple[str, ...] | None = None


class Recording(NamedTuple):
    """One recorded HTTP response."""

    dialect: str
    provider: str
    folder: str
    case: str
    body: bytes
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder and the case, joined by a slash."""
        return f"{self.folder}/{self.case}"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.about["http_status"])

    @property
    def headers(self) -> dict[str, str]:
        """The response headers, where they were recorded."""
        return dict(self.about.get("response_headers") or {})

    @property
    def oracle(self) -> Mapping[str, Any]:
        """The first oracle's reading: the provider's own SDK where there are two."""
        found: Mapping[str, Any] = self.about["oracle"][0]
        return found

    @property
    def model(self) -> str:
        """The model that was asked."""
        return DIALECTS[self.dialect].model or self.about.get("model") or "model"

    @property
    def adapter(self) -> Adapter:
        """The adapter that reads it."""
        return DIALECTS[self.dialect].adapter(self.provider)

    def decoder(self, **options: Any) -> Decoder:
        """A fresh decoder for it."""
        target = Target(f"{self.provider}:{self.model}", **DIALECTS[self.dialect].options, **options)
        asked = {"search": True} if self.about.get("cites") else {}
        return self.adapter.decoder(Request(messages=to_messages("hello"), target=target, extra=asked))


@dataclass(slots=True)
class Reading:
    """What a decoder made of a body. done: it says that it saw the end marker."""

    chunks: list[Chunk] = field(default_factory=list)
    failure: Failure | None = None
    done: bool = False

    @property
    def complete(self) -> bool:
        """Whether a stream of this body would end as complete."""
        return self.done and self.failure is None

    @property
    def answer(self) -> Answer:
        """The chunks put together."""
        finished = self._last(Finished)
        usage = self._last(Usage)
        refused = finished is not None and finished.reason == "refusal"
        return Answer(
            text="".join(chunk.text for chunk in self.chunks),
            reasoning="".join(chunk.reasoning for chunk in self.chunks if isinstance(chunk, ReasoningDelta)),
            refusal=finished.explanation if finished is not None and refused else "",
            calls=tuple(_called(chunk) for chunk in self.chunks if isinstance(chunk, ToolCall)),
            finish=finished.raw_reason if finished else None,
            usage=_counts(usage) if usage else None,
            failure=self.failure.kind.value if self.failure else None,
            beside=tuple(line for chunk in self.chunks if (line := _line(chunk))),
        )

    def _last(self, kind: type[Any]) -> Any:
        return next((chunk for chunk in reversed(self.chunks) if isinstance(chunk, kind)), None)


def _called(call: ToolCall) -> Called:
    return call.id, call.name, call.arguments if call.parsed is None else call.parsed


def _line(chunk: Chunk) -> str:
    """Return what is written down of a chunk that is neither text nor a call."""
    if isinstance(chunk, Source):
        return f"source {chunk.url or chunk.id} {chunk.start} {chunk.end}"
    if isinstance(chunk, File):
        return f"file {chunk.media_type} {chunk.id or chunk.url if chunk.data is None else len(chunk.data)}"
    if isinstance(chunk, Raw):
        return f"raw {chunk.event} {chunk.standing}" if chunk.content else ""
    return f"{chunk.type} {chunk.id} {chunk.name}" if isinstance(chunk, ServerToolCall | ServerToolResult) else ""


def _counts(usage: Usage) -> Counts:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
    )


def read(recording: Recording, pieces: Iterable[bytes], **options: Any) -> Reading:
    """Decode a body that arrives in these pieces, as the source does: nothing is fed after a failure."""
    decoder = recording.decoder(**options)
    reading = Reading()
    for piece in pieces:
        reading.chunks += decoder.feed(piece)
        if decoder.failure is not None:
            break
    if decoder.failure is None:
        reading.chunks += decoder.finish()
    reading.failure, reading.done = decoder.failure, decoder.done
    return reading


def splits(body: bytes, seed: int, mean: int) -> list[bytes]:
    """The body in random pieces, the same for the same seed; `mean` bytes each, more or less."""
    chance = random.Random(seed)
    pieces, place = [], 0
    while place < len(body):
        size = chance.randint(1, 2 * mean)
        pieces.append(body[place : place + size])
        place += size
    return pieces


ODD: tuple[Any, ...] = (None, True, -1, 1.5, 10**30, "odd", [], [1], ["odd"], [[]], {}, {"odd": 1})


def odd_ones(value: Any) -> Iterator[Any]:
    """A decoded event with each thing in it, and itself, replaced by each odd one."""
    yield from ODD
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        for odd in odd_ones(value[key]):
            copy = value.copy()
            copy[key] = odd
            yield copy


# -- the oracles ------------------------------------------------------------------------------


def _openai_answer(recording: Recording) -> Answer:
    oracle = recording.oracle
    choice: Mapping[str, Any] = oracle["choices"].get("0") or {}
    calls = ((call["id"], call["name"], _object(call["arguments"])) for call in choice.get("tool_calls", ()))
    return Answer(
        text=choice.get("text") or "",
        reasoning=choice.get("reasoning") or choice.get("thinking") or "",
        refusal=choice.get("refusal") or "",
        calls=tuple(calls),
        finish=choice.get("finish_reason"),
        usage=_openai_counts(oracle["usage"]),
    )


def _object(arguments: str) -> Any:
    """Arguments as an object; the text itself when it is none. Nothing at all means an empty one."""
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        return arguments
    return value if isinstance(value, dict) else arguments


def _openai_counts(usage: Mapping[str, Any] | None) -> Counts | None:
    if not usage:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    cached = prompt.get("cached_tokens")
    return (
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        completion.get("reasoning_tokens"),
        usage.get("prompt_cache_hit_tokens") if cached is None else cached,
        prompt.get("cache_write_tokens"),
    )


def _anthropic_answer(recording: Recording) -> Answer:
    final = recording.oracle.get("final") or {}
    usage = final.get("usage")
    return Answer(
        text=final.get("text", ""),
        reasoning=final.get("thinking", ""),
        refusal=(final.get("stop_details") or {}).get("explanation") or "",
        # Calls that the provider runs itself are not for the caller.
        calls=tuple(
            (call["id"], call["name"], call["input"])
            for call in final.get("tool_calls", ())
            if call["type"] == "tool_use"
        ),
        finish=final.get("stop_reason"),
        usage=usage
        and (
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
            usage.get("cache_read_input_tokens"),
            usage.get("cache_creation_input_tokens"),
        ),
    )


def _responses_answer(recording: Recording) -> Answer:
    oracle = recording.oracle
    final: Mapping[str, Any] = oracle.get("final") or {}
    why = final.get("incomplete_details") or {}
    calls = (item for item in final.get("output", ()) if item["type"] == "function_call")
    usage = final.get("usage")
    return Answer(
        text=oracle["text"],
        reasoning=oracle["reasoning"],
        refusal=oracle["refusal"],
        calls=tuple((call["call_id"], call["name"], _object(call["arguments"])) for call in calls),
        finish=why.get("reason") or final.get("status"),
        usage=usage
        and (
            usage["input_tokens"],
            usage["output_tokens"],
            usage["output_tokens_details"].get("reasoning_tokens"),
            usage["input_tokens_details"].get("cached_tokens"),
            usage["input_tokens_details"].get("cache_write_tokens"),
        ),
    )


def _ollama_answer(recording: Recording) -> Answer:
    oracle = recording.oracle
    counts = oracle["prompt_eval_count"], oracle["eval_count"]
    return Answer(
        text=oracle["text"],
        reasoning=oracle["thinking"],
        calls=tuple(("", call["name"], call["arguments"]) for call in oracle["tool_calls"]),
        finish=oracle["done_reason"],
        usage=None if counts == (None, None) else (*counts, None, None, None),
    )


def _gemini_answer(recording: Recording) -> Answer:
    oracle = recording.oracle
    usage = oracle.get("usage")
    finish = oracle.get("finish_reason")
    return Answer(
        text=oracle.get("text") or "",
        reasoning=oracle.get("thought") or "",
        calls=tuple(_gemini_calls(oracle["function_calls"])),
        finish="STOP" if finish == 1 else finish,
        usage=usage and (*(_gemini_count(usage, name) for name in _GEMINI_COUNTS), None),
    )


def _interaction_answer(recording: Recording) -> Answer:
    """The oracle folds texts only; calls are corrections."""
    oracle = recording.oracle
    final = oracle["last_event"]["interaction"]
    usage = final["usage"]
    names = ("total_input_tokens", "total_output_tokens", "total_thought_tokens", "total_cached_tokens")
    return Answer(
        text=oracle["text"],
        reasoning=oracle["thought_summary"],
        finish=final["status"],
        usage=(*(usage[name] for name in names), None),
    )


_GEMINI_COUNTS = ("prompt", "candidates", "thoughts", "cached_content")


def _gemini_count(usage: Mapping[str, Any], name: str) -> int | None:
    """A count as the SDK names it, or as the wire does where no SDK reads the framing (an array)."""
    first, *rest = name.split("_")
    on_the_wire = "".join((first, *(word.capitalize() for word in rest))) + "TokenCount"
    count: int | None = usage.get(f"{name}_token_count", usage.get(on_the_wire))
    return count


def _gemini_calls(pieces: Iterable[Mapping[str, Any]]) -> list[Called]:
    """Whole calls: a name begins one, and pieces without one go on with it. Most have no id."""
    calls: list[Called] = []
    for piece in pieces:
        if piece.get("name"):
            calls.append((piece.get("id") or "", piece["name"], dict(piece.get("args") or {})))
        for part in piece.get("partial_args") or ():
            _put(calls[-1][2], _steps(part["json_path"]), part)
    return calls


def _steps(path: str) -> list[str | int]:
    """`$.items[0].name` as ["items", 0, "name"]."""
    return [int(number) if number else name for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", path)]


def _put(holder: Any, steps: list[str | int], part: Mapping[str, Any]) -> None:
    """A piece of a string is added to what is there; other values are whole."""
    step, *rest = steps
    if isinstance(step, int) and step == len(holder):
        holder.append(None)
    known = holder[step] if isinstance(step, int) else holder.get(step)
    if rest:
        holder[step] = known = ([] if isinstance(rest[0], int) else {}) if known is None else known
        _put(known, rest, part)
    elif "string_value" in part:
        holder[step] = (known or "") + part["string_value"]
    else:
        holder[step] = part.get("number_value", part.get("bool_value"))


def _converse_answer(recording: Recording) -> Answer:
    oracle = recording.oracle
    usage = oracle["usage"]
    return Answer(
        text=oracle["text"],
        reasoning=oracle["reasoning"],
        calls=tuple((call["id"], call["name"], _object(call["arguments"])) for call in oracle["tool_calls"]),
        finish=oracle["stop_reason"],
        usage=usage and (usage["inputTokens"], usage["outputTokens"], None, None, None),
    )


def _invoke_answer(recording: Recording) -> Answer:
    """Text and reason as the oracle folded them; counts as Bedrock gives them, or as Claude does in its events."""
    oracle = recording.oracle
    metrics, usage = oracle["metrics"], oracle["usage"] or {}
    text = _invoke_text(recording.body)
    cached, written = (re.findall(rb'"cache_%b_input_tokens": ?(\d+)' % name, text) for name in (b"read", b"creation"))
    return Answer(
        text=oracle["text"],
        finish=oracle["stop_reason"],
        usage=metrics
        and (
            metrics["inputTokenCount"],
            usage.get("output_tokens", metrics["outputTokenCount"]),
            None,
            metrics.get("cacheReadInputTokenCount", int(cached[-1]) if cached else None),
            metrics.get("cacheWriteInputTokenCount", int(written[-1]) if written else None),
        ),
    )


def _cohere_answer(recording: Recording) -> Answer:
    oracle = recording.oracle
    usage: Mapping[str, Any] = oracle["usage"] or {}
    tokens = usage.get("tokens")
    return Answer(
        text=oracle["text"],
        reasoning=oracle["tool_plan"] + oracle["thinking"],
        calls=tuple((call["id"], call["name"], _object(call["arguments"])) for call in oracle["tool_calls"]),
        finish=oracle["finish_reason"],
        usage=tokens and (tokens["input_tokens"], tokens["output_tokens"], None, usage.get("cached_tokens"), None),
    )


# -- the dialects -----------------------------------------------------------------------------


def _sse_event(event: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(event).encode()


def _messages(body: bytes) -> Iterator[tuple[str, bytes]]:
    """AWS's event stream as far as it is whole: event type (or exception type) and payload."""
    place = 0
    while len(body) >= place + 12:
        total, headers = struct.unpack(">II", body[place : place + 8])
        if len(body) < place + total:
            return
        fields = body[place + 12 : place + 12 + headers]
        found = re.search(rb":(?:event|exception)-type\x07(..)", fields, re.DOTALL)
        length = int.from_bytes(found.group(1), "big") if found else 0
        name = fields[found.end() : found.end() + length].decode() if found else ""
        yield name, body[place + 12 + headers : place + total - 4]
        place += total


def converse_text(body: bytes) -> bytes:
    """A line for each event: its type and its payload."""
    return b"".join(b'data: {"%b": %b}\n' % (name.encode(), payload) for name, payload in _messages(body))


def _converse_event(event: Any) -> bytes:
    [(name, payload)] = event.items() if isinstance(event, dict) and len(event) == 1 else [("contentBlockDelta", event)]
    return aws_message(name, json.dumps(payload).encode())


def _invoke_text(body: bytes) -> bytes:
    """A line for each event: what stands in its base64."""
    parts = (json.loads(payload) for _, payload in _messages(body))
    return b"".join(b"data: %b\n" % base64.b64decode(part.get("bytes", "")) for part in parts)


def _invoke_event(event: Any) -> bytes:
    text = base64.b64encode(json.dumps(event).encode()).decode()
    return aws_message("chunk", json.dumps({"bytes": text}).encode())


class Dialect(NamedTuple):
    """One row. folders: which recordings, and whose they are. oracle: the official SDK's reading as an `Answer`.

    ended: found in the body's text once an end marker was sent; written here by hand, as the promise has it.
    text: a body as text in lines of "data: …", for those that are binary. frame: one event as it goes over the wire.
    payload: finds the JSON texts in that. options: the target's. model: to ask for where the recorded name will not do.
    """

    folders: Mapping[str, str]
    adapter: Callable[[str], Adapter]
    oracle: Callable[[Recording], Answer]
    ended: re.Pattern[bytes]
    text: Callable[[bytes], bytes] = bytes
    frame: Callable[[Any], bytes] = _sse_event
    options: Mapping[str, Any] = {}
    model: str = ""
    payload: re.Pattern[bytes] = re.compile(rb"(?m)^data: ?(\{.*\})\s*$")


def _chat_adapter(provider: str) -> Adapter:
    """Any host's: those without a row of their own are read as OpenAI's are."""
    if provider == "azure":
        return adapter_for(provider)
    return OpenAIChat(provider, HOSTS.get(provider, HOSTS["openai"]))  # type: ignore[return-value]


_RESPONSES_HOSTS = ("openai", "xai", "openrouter", "deepseek", "lmstudio")

_CHAT_HOSTS = (
    "openai", "groq", "deepseek", "openrouter", "xai", "mistral", "perplexity", "cerebras", "huggingface", "zai",
    "alibaba", "databricks", "snowflake", "avian", "writer", "gpustack", "ollama-openai",
    "local-openai-compat", "cloudflare",
)  # fmt: skip

DIALECTS: Mapping[str, Dialect] = {
    "openai-chat": Dialect(
        {f"{host}-chat": host for host in _CHAT_HOSTS}
        | {"vercel-gateway-chat": "vercel", "azure-openai-chat": "azure", "azure-ai-inference": "azure"}
        | {"quoted-errors": "openai"},
        _chat_adapter, _openai_answer, re.compile(rb'data: ?\[DONE\]|"finish_reason": ?"')),
    "anthropic-messages": Dialect(
        {"anthropic-messages": "anthropic", "vertex-anthropic": "vertex", "quoted-errors": "anthropic"},
        adapter_for, _anthropic_answer, re.compile(rb'"type": ?"message_stop"')),
    "cohere": Dialect(
        {"cohere-v2-chat": "cohere"},
        adapter_for, _cohere_answer, re.compile(rb'"type": ?"message-end"')),
    "openai-responses": Dialect(
        {f"{host}-responses": f"{host}-responses" for host in _RESPONSES_HOSTS}
        | {"azure-openai-responses": "azure-responses"}
        | {"bedrock-mantle-openai-responses": "bedrock-mantle-responses"},
        adapter_for, _responses_answer,
        re.compile(rb'"type": ?"response\.(completed|incomplete|failed)"')),
    "ollama-chat": Dialect(
        {"ollama-chat": "ollama"},
        adapter_for, _ollama_answer, re.compile(rb'"done": ?true'),
        payload=re.compile(rb"(?m)^(\{.*\})$"), frame=lambda event: json.dumps(event).encode() + b"\n"),
    "gemini": Dialect(
        {"gemini": "gemini", "gemini-jsonarray": "gemini", "vertex-gemini": "vertex",
         "vertex-gemini-jsonarray": "vertex"},
        adapter_for, _gemini_answer, re.compile(rb'"finishReason": ?["\d]')),
    "gemini-interactions": Dialect(
        {"gemini-interactions": "gemini-interactions"},
        adapter_for, _interaction_answer, re.compile(rb'"event_type": ?"interaction\.completed"')),
    "bedrock-converse-stream": Dialect(
        {"bedrock-converse-stream": "bedrock"},
        adapter_for, _converse_answer, re.compile(rb'"messageStop"'),
        converse_text, frame=_converse_event),
    "bedrock-invoke-stream": Dialect(
        {"bedrock-invoke-stream": "bedrock"},
        adapter_for, _invoke_answer,
        re.compile(rb'"(messageStop|message_stop|totalOutputTextTokenCount)"|"(stop|finish)_reason": ?"'),
        _invoke_text, frame=_invoke_event, options={"api": "invoke"}, model="anthropic.claude-3"),
}  # fmt: skip

FOREIGN: Mapping[str, str] = {
    "writer-chat/openllmetry__test_writer_async_streaming_completions_legacy": "legacy completions, not chat",
}
"""Recordings that lie in a folder of another dialect, and what they are."""


@functools.cache
def recordings(dialect: str) -> tuple[Recording, ...]:
    """All answers of a dialect, errors included: those of the corpus, and the shared ones where they are here."""
    found = [answer for name in (dialect, f"{dialect}-array") for answer in _own(dialect, name)]
    for folder, provider in DIALECTS[dialect].folders.items():
        place = shared_or_none(f"recordings/{folder}")
        for sidecar in sorted(place.glob("*.meta.json")) if place else ():
            recording = _load(dialect, provider, folder, sidecar)
            if _is_of(dialect, recording):
                found.append(recording)
    return tuple(found)


def _own(dialect: str, name: str) -> Iterator[Recording]:
    """The answers of a file of the corpus."""
    if name not in make.DIALECTS:
        return
    written = make.DIALECTS[name]
    for line in (make.FOLDER / f"{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        body = row["body"].encode() if "body" in row else base64.b64decode(row["base64"])
        about = {
            "http_status": 200,
            "model": written.model,
            "expected": row["expected"],
            "cites": "beside" in row["expected"],
        }
        yield Recording(dialect, row.get("provider", written.provider), name, row["case"], body, about)


def _is_of(dialect: str, recording: Recording) -> bool:
    """One folder has the errors quoted in bug reports, of all dialects."""
    quoted = recording.folder == "quoted-errors"
    return recording.name not in FOREIGN and (not quoted or recording.about["format"] == dialect)


def _load(dialect: str, provider: str, folder: str, sidecar: Path) -> Recording:
    about = json.loads(sidecar.read_text())
    case = sidecar.name.removesuffix(".meta.json")
    body = (sidecar.parent / Path(about["file"]).name).read_bytes()
    return Recording(dialect, provider, folder, case, body, about)


def expected(recording: Recording) -> Answer:
    """What is to be read: as it was written down, or the oracle's reading with the corrections laid over it."""
    if (own := recording.about.get("expected")) is not None:
        calls = tuple(map(tuple, own.get("calls", ())))
        usage = own.get("usage")
        beside = None if own.get("beside") is None else tuple(own["beside"])
        return Answer(**{**own, "calls": calls, "usage": tuple(usage) if usage else None, "beside": beside})
    answer = DIALECTS[recording.dialect].oracle(recording)
    _, right = CORRECTIONS.get(recording.name, ("", {}))
    return replace(answer, **right)


def differences(found: Answer, wanted: Answer) -> dict[str, tuple[Any, Any]]:
    """The fields in which two answers differ, as (found, wanted). An id that the oracle has not may be any."""
    if len(found.calls) == len(wanted.calls):
        pairs = zip(found.calls, wanted.calls, strict=True)
        found = replace(found, calls=tuple(call if known[0] else ("", *call[1:]) for call, known in pairs))
    names = [item.name for item in fields(Answer) if item.name != "beside" or wanted.beside is not None]
    return {
        name: (getattr(found, name), getattr(wanted, name))
        for name in names
        if getattr(found, name) != getattr(wanted, name)
    }


CORRECTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "groq-chat/prism__stream-basic-text-1": (
        "Groq's SDK reads x_groq.usage only; these counts stand in the usual place",
        {"usage": (7, 50, None, None, None)}),
    "groq-chat/pydantic-ai__test_tool_use_failed_error_streaming": (
        "the error inside the stream is the end of it",
        {"failure": "model_output_invalid"}),
    "openai-responses/prism__stream-unknown-error-responses-1": (
        "the error inside the stream is the end of it; its code is one that nobody knows",
        {"failure": "server_error"}),
    "openai-responses/vercel__openai-error.1": (
        "the error inside the stream is the end of it, reported once",
        {"failure": "insufficient_funds"}),
    "mistral-chat/vercel__mistral-incremental-tool-call": (
        "Mistral's SDK does not put the pieces of a call together",
        {"calls": (("chatcmpl-tool-9f149c74c42f265b", "webSearchTool", {"query": "current Berlin weather"}),)}),
    "cerebras-chat/vercel__cererebras-structured-output-tools.1": (
        "two calls with one index are two calls: their ids differ",
        {"calls": (("bbd2b9d98", "nonUsefulTool", {}), ("e0ecf32e0", "nonUsefulTool", {}))}),
    "snowflake-chat/pydantic-ai__test_snowflake_thinking_streaming": (
        "the SDK does not read reasoning_details",
        {"reasoning": "15 * 27 = 405"}),
    "anthropic-messages/vercel__anthropic-programmatic-tool-calling.1": (
        "16 responses in one file: ours ends at the first message_stop, the SDK mixes them",
        {"finish": "tool_use", "usage": (3369, 725, None, 0, 0)}),
    "quoted-errors/anthropic-200-midstream-overloaded-event": (
        "an error inside a 200 is an error",
        {"failure": "provider_overloaded"}),
    "cohere-v2-chat/langchain-cohere__test_sql_agent__1": (
        "an end with the reason ERROR is a failure",
        {"finish": None, "failure": "model_output_invalid"}),
    "bedrock-converse-stream/req_llm__converse_stream_validation_exception": (
        "an exception among the events is an error", {"failure": "invalid_request"}),
    "bedrock-converse-stream/ruby_llm__chat_web_search_with_bedrock_amazon_nova-2-lite-v1_0_streams_grounded_turns": (
        "a tool that Bedrock runs itself is not for the caller", {"calls": ()}),
    "bedrock-invoke-stream/chatlas__test_reasoning": (
        "the oracle folds text only", {"reasoning": "This is a simple arithmetic question. 1 + 1 = 2."}),
    "bedrock-invoke-stream/dd-trace-py__cohere_invoke_stream_multi_output": (
        "of two answers the first is the answer; the oracle adds them up",
        {"text": " In machine learning and natural language processing, Long Short"}),
    "bedrock-invoke-stream/openinference__TestInvokeModelWithStreamResponse.test_invoke": (
        "the oracle folds text only",
        {"calls": (
            ("toolu_bdrk_01CquHF9otnnrgxxx54tVxau", "get_current_weather_info", {"city": "San Francisco"}),
            ("toolu_bdrk_017gKMzG8LV5r3snEuhgaSvt", "get_current_population_info", {"city": "San Francisco"}))}),
    "bedrock-invoke-stream/otel-contrib__test_invoke_model_with_response_stream_with_content_tool_call-amazon.nova": (
        "the oracle folds text only",
        {"calls": (
            ("3cd5c4df-1540-4fed-933f-707f9ca8286c", "get_current_weather", {"location": "Seattle"}),
            ("2e97e0b0-bef4-4d65-9774-e61de7bc454c", "get_current_weather", {"location": "San Francisco"}))}),
    "bedrock-invoke-stream/openllmetry__test_guardrail_invoke_stream": (
        "a guardrail that blocks leaves the reason and Bedrock's counts out; Titan's own counts end the answer",
        {"finish": "guardrail_intervened", "usage": (6, 3, None, None, None)}),
    "gemini/adk-go__TestPluginCallbackIntegration_agent_tool_default_schema__1": (
        "a finish reason that is no answer is a failure",
        {"finish": None, "failure": "model_output_invalid"}),
    "gemini/generative-ai-js__streaming-failure-empty-content": (
        "no finish reason came", {"failure": "stream_interrupted"}),
    "gemini/generative-ai-js__streaming-unknown-enum": (
        "a finish reason that nobody knows is no proof of an answer", {"finish": None, "failure": "server_error"}),
    "gemini/prism__stream-with-tools-1": (
        "the SDK refuses a signature that is not base64; it is opaque to us",
        {"calls": (("", "weather", {"city": "San Francisco"}),), "finish": "STOP",
         "usage": (109, 14, 144, None, None)}),
    "gemini-interactions/vercel__tool-call-step1": (
        "the oracle folds text only", {"calls": (("61nzpsv4", "getWeather", {"location": "San Francisco"}),)}),
    "vertex-gemini/firebase__streaming-failure-empty-content": (
        "no finish reason came", {"failure": "stream_interrupted"}),
    "vertex-gemini/firebase__streaming-failure-error-mid-stream": (
        "the bare JSON error after the events counts", {"finish": None, "failure": "server_error"}),
    "vertex-gemini/firebase__streaming-failure-invalid-json": (
        "no finish reason came", {"failure": "stream_interrupted"}),
    "vertex-gemini/firebase__streaming-failure-prompt-blocked-safety": (
        "a blocked prompt is a failure", {"failure": "content_filtered"}),
    "vertex-gemini/firebase__streaming-failure-unknown-finish-enum": (
        "a finish reason that nobody knows is no proof of an answer", {"finish": None, "failure": "server_error"}),
}  # fmt: skip
"""Where the oracle is naive: why, and the fields that are right instead."""

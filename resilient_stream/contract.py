"""The contracts between the parts: what an adapter, a decoder and a middleware are.

The one rule: an adapter and its decoder are pure. They turn values into bytes and bytes into values, never
await, and never raise for what a server sent: a decoder reports a `Failure` instead, so that what came before
it in the same read is still delivered.
Must never: import an implementation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from .chunks import Chunk
from .errors import Failure
from .harmless import safe_url
from .messages import Message, Tool
from .target import Target

if TYPE_CHECKING:
    from .call import Call
    from .transcript import Attempt

__all__ = [
    "Adapter",
    "Batch",
    "Capabilities",
    "Decoder",
    "Echo",
    "Endpoint",
    "Handler",
    "HttpRequest",
    "Middleware",
    "Outgoing",
    "ProcessRequest",
    "ReplayRequest",
    "Request",
    "Response",
    "ResumePoint",
    "Sending",
    "Transport",
    "WholeAdapter",
    "WholeDecoder",
]

Batch: TypeAlias = list[Chunk]
Echo: TypeAlias = Literal["never", "whole", "always"]
"""When an answer begins with the unfinished turn that it continues: only where it is asked for in one piece, or always.
"""


class ResumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider's own resume takes a broken stream up again: after event `sequence`, a number or a name, of
    `response_id`.

    state: what else the next decoder has to know, in its adapter's own form: tool calls that had begun.
    """

    response_id: str
    sequence: int | str
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """One call as the user meant it, checked, for one target. Adapters encode it; middlewares `replace` it.

    tool_choice: "auto", "none", "required" or a tool's name. output: a JSON schema the answer must follow. reasoning:
    an effort ("none", "minimal", "low", "medium", "high") or a budget in tokens. extra: merged into the provider's body
    last; a None there takes a field out. max_event_bytes: the decoder's bound on one event, and on what it holds back.
    attempt: which one at this target, from 1. targets: all that may be tried, in order; `target` is the one at hand.
    resume: take this broken stream up again instead of asking anew; only where the adapter's capabilities have
    native_resume. stream: False asks for the answer in one piece; only where they have `whole`.
    """

    messages: tuple[Message, ...]
    target: Target
    targets: tuple[Target, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    output: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning: str | int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    max_event_bytes: int = 8 * 1024 * 1024
    attempt: int = 1
    resume: ResumePoint | None = None
    stream: bool = True

    def __repr__(self) -> str:
        return f"Request({self.target.name}, {len(self.messages)} messages)"

    @property
    def model(self) -> str:
        """The model's name at the provider."""
        return self.target.model

    def option(self, name: str, default: Any = None) -> Any:
        """A target's option: what only some providers know."""
        return self.target.options.get(name, default)

    @property
    def decoding(self) -> dict[str, Any]:
        """What every decoder is made with: its bound, and the target's options `raw` and `terminal="eof_ok"`."""
        return {
            "max_event_bytes": self.max_event_bytes,
            "raw": bool(self.option("raw")),
            "eof_ok": self.option("terminal") == "eof_ok",
        }


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send, resolved for one attempt: environment read, key fetched. Its repr has no key.

    credentials: what a provider needs beyond one key, as its own resolver made it (a signing key, a project).
    """

    base_url: str
    api_key: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    credentials: Any = None

    def __repr__(self) -> str:
        return f"Endpoint({safe_url(self.base_url)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("base_url", safe_url(self.base_url))]


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter wants sent. The transport adds `Accept-Encoding`, the target its own headers."""

    method: str = "POST"
    url: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {safe_url(self.url)}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", safe_url(self.url))]


class ProcessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter wants run, for a provider that is a program. `stdin` is written to it and closed.

    environment: all the variables that it has. files: options of its command line whose values are names of files with
    this content, which only this user can read and which are removed when the program is over.
    """

    command: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    files: Mapping[str, bytes] = msgspec.field(default_factory=dict)

    @property
    def url(self) -> str:
        """For messages: a program has a name and no host."""
        return ""

    def __repr__(self) -> str:
        return f"ProcessRequest({self.command[0]}, {len(self.stdin)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("program", self.command[0])]


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for in a recording, and how its answer is played (see `providers/replay.py`)."""

    file: str
    messages: tuple[Message, ...]
    speed: float = 1.0
    repeat: bool = False
    max_line_bytes: int = 8 * 1024 * 1024

    @property
    def url(self) -> str:
        """For messages: a file has no host."""
        return ""

    def __repr__(self) -> str:
        return f"ReplayRequest({self.file!r}, {len(self.messages)} messages)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("file", self.file)]


Outgoing: TypeAlias = HttpRequest | ProcessRequest | ReplayRequest


class Sending:
    """How far a request has come: on a connection that had served another one, and written to it.

    request, record, endpoint: what it is, the attempt's entry in the transcript, and where it goes with which key;
    for a transport that keeps what passes (transport/recording.py).
    """

    __slots__ = ("endpoint", "record", "request", "reused", "written")

    def __init__(self, request: Request | None = None, record: Attempt | None = None) -> None:
        self.request = request
        self.record = record
        self.endpoint: Endpoint | None = None
        self.reused = False
        self.written = False


class Response(Protocol):
    """One answer and what carries it; one owner, who closes it. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]

    def read(self) -> Awaitable[bytes]:
        """What has arrived, at least one byte; b"" at the end of the body."""
        ...

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now, and close. Synchronous."""
        ...

    def drain(self) -> bytes:
        """What had arrived but was not read."""
        ...

    def close(self) -> None:
        """Let go of it now. Synchronous and idempotent."""
        ...


class Transport(Protocol):
    """How requests leave: HTTP, or a program's standard input."""

    async def open(self, request: Any, connect_timeout: float | None, sending: Sending) -> Response:
        """Send, and wait for the answer's head."""
        ...

    def release(self, response: Any) -> None:
        """The answer is whole: what carried it may be used again."""
        ...

    def close_idle(self, host: str = "") -> int:
        """Close the connections of the running loop that nobody uses, to one host or to all; gives their number.

        host: as `endpoint.host_of` writes it. Synchronous.
        """
        ...

    async def aclose(self) -> None:
        """Close everything of the running loop. Idempotent."""
        ...


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model at a provider can do beyond a plain answer.

    tools, images, output (a JSON schema for the answer), reasoning: what a request may ask for. image_links: also
    by URL, without the data. forced_tools: a call can be demanded. stop: stop sequences. prefill: an assistant's
    unfinished turn is continued; echoes_prefill: when it is sent again. native_resume: a broken stream can be
    taken up where it ended.
    streaming_tools: tool calls come in pieces, and whole; without it they are asked for in one piece.
    tool_names: a pattern of the tools' names that fit; others are sent under a name that does (`tool_names.py`).
    earlier_turns: what the model's own may be. "objects": none is empty, and the arguments of a call are a JSON object;
    "texts": they may be any text, at the provider's own address; "as_given": anything (see `earlier_turns.py`).
    usage: tokens are counted in the stream. whole: an answer can be asked for in one piece (`Request.stream` False);
    the adapter is a `WholeAdapter` then.
    """

    tools: bool = True
    images: bool = True
    output: bool = True
    reasoning: bool = True
    image_links: bool = True
    forced_tools: bool = True
    stop: bool = True
    prefill: bool = False
    echoes_prefill: Echo = "never"
    native_resume: bool = False
    streaming_tools: bool = True
    tool_names: str = r"[a-zA-Z0-9_-]{1,64}"
    earlier_turns: Literal["objects", "texts", "as_given"] = "objects"
    usage: bool = True
    whole: bool = False


class Decoder(Protocol):
    """Turns one response body into chunks. One object per response.

    failure: set when the stream reported an error, or cannot be read; nothing is decoded after it.
    done: the provider's end marker was seen and nothing more is expected.
    progress: goes up with each event of substance that made no chunk (not for pings and comments), so that
        work the model reports but we do not model keeps the stall clock quiet.
    model, response_id: as the provider names them, once known. A decoder whose provider can resume also has
    `resume_point`, a `ResumePoint` or None, kept up with what it has decoded.
    """

    failure: Failure | None
    done: bool
    progress: int
    model: str | None
    response_id: str | None

    def feed(self, data: bytes) -> Batch:
        """Decode what has become whole. Chunks that precede a failure in `data` are returned, then it is set."""
        ...

    def finish(self) -> Batch:
        """The body ended. Returns what only the end makes whole; sets `failure` (stream_interrupted) when the
        provider's end marker is missing. Idempotent."""
        ...


class WholeDecoder(Decoder, Protocol):
    """Turns the body of a whole answer into chunks: none until `finish`, which gives them all.

    A text there that is a key of `spans` stands for a long one, which was checked but not kept: the inside of a JSON
    string, from one byte of the body up to another.
    """

    spans: Mapping[str, tuple[int, int]]


class Adapter(Protocol):
    """One provider's dialect. Stateless: one object serves every request.

    name: as in "name:model". title: for people. base_url: its own. key_variables: environment variables that may
    hold the key, in order; empty when it needs none. url_variable: the one for the base URL. default_model: for
    a target that names none ("local"). media_types: the beginnings of the content types that its stream comes as;
    a 200 with another one is looked at before it is believed.

    An adapter may also have `options`, a tuple of names: what `Target(…)` may be given for it beside `raw`, `terminal`
    and `stream`. Another name is refused then; without `options` any is taken. The names of `stream()`'s own options,
    and those that target_options.py sends elsewhere (verify, timeout …), are refused for every provider.
    It may have `addresses`, too: other domains of the same provider. At any other host than these and `base_url`'s,
    errors name the host that answered.
    """

    name: str
    title: str
    base_url: str
    key_variables: tuple[str, ...]
    url_variable: str
    default_model: str | None
    media_types: tuple[str, ...]

    def capabilities(self, model: str) -> Capabilities:
        """What this model can do."""
        ...

    def encode(self, request: Request, endpoint: Endpoint) -> Outgoing:
        """The request for a streaming answer, or for a whole one where `request.stream` is False.

        Raises StreamError (unsupported_feature) for what the dialect cannot say
        in this request, where `capabilities` alone do not tell."""
        ...

    def decoder(self, request: Request) -> Decoder:
        """A fresh decoder for one response."""
        ...

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """What an answer other than a stream means. Header names are in lower case.

        max_retry_after: seconds that the policy waits at most. It decides no kind: `retry` looks at the wait itself.
        """
        ...


class WholeAdapter(Adapter, Protocol):
    """An adapter that can also ask for the answer in one piece."""

    def whole_decoder(self, request: Request) -> WholeDecoder:
        """A fresh decoder for one answer to a request whose `stream` is False."""
        ...


Handler: TypeAlias = Callable[[Request, "Call"], AsyncGenerator[Batch, None]]
"""The rest of the chain: yields batches, one list of chunks for each network wake-up; raises StreamError."""

Middleware: TypeAlias = Callable[[Request, "Call", Handler], AsyncGenerator[Batch, None]]
"""One link: calls `call_next(request, call)` any number of times, forwards its batches, closes each generator.
Runs once per call, outside in; must not hold a scope, timeout or task group across a `yield` (R1)."""

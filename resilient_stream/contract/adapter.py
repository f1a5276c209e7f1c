"""Defines what a provider's dialect consists of: an adapter that writes requests, and a decoder that reads one answer.

Both are pure. They turn values into bytes and bytes into values, never await, and never raise for what a server sent:
a decoder reports a `Failure` instead, so that what came before it in the same read is still delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

from ..chunks import Chunk, Usage
from ..failures import Failure
from .request import Endpoint, Request
from .transport import Outgoing

__all__ = [
    "Adapter",
    "Batch",
    "Capabilities",
    "Decoder",
    "Echo",
    "LimitHeaders",
    "Login",
    "OutputWay",
    "ProviderFacts",
    "TextReads",
    "WholeAdapter",
    "WholeDecoder",
    "facts_of",
]

Batch: TypeAlias = list[Chunk]
Echo: TypeAlias = Literal["never", "whole", "always"]
"""When an answer begins with the unfinished turn that it continues: only where it is asked for in one piece, or always.
"""


OutputWay: TypeAlias = Literal["schema", "json", "tool", "words"]
"""How an object is asked for, from the surest way to the weakest: by a schema that the provider enforces; by a mode in
which the answer is some JSON, with the schema told in words; by a tool that has to be called and whose arguments are
the object; in words alone."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """Says what a model at a provider can do beyond a plain answer.

    tools, images, output (a JSON schema for the answer), reasoning: what a request may ask for. output_by: how the
    answer's schema is asked for; the adapter itself writes "schema" and "json" (fitting/answer_form.py). image_links:
    also by URL, without the data. files: the kinds of files that are taken, each with how it may be given, like "pdf
    data" and "audio url" (fitting/files.py). cache_marks: parts and tools with one are sent with it. citations:
    passages of a document can be cited (`FilePart.citations`). hosted: the names of the tools that run at the provider;
    hosted_elsewhere: the provider that has more of them, in another API of the same host; own_tools: a pattern of the
    types that its own dicts of such tools have; any_tool: all of them (fitting/hosted.py). forced_tools: a call can be
    demanded. stop: stop sequences. prefill: an assistant's unfinished turn is continued; echoes_prefill: when it is
    sent again. native_resume: a broken stream can be taken up where it ended.
    streaming_tools: tool calls come in pieces, and whole; without it they are asked for in one piece.
    tool_names: a pattern of the tools' names that fit; others are sent under one that does (fitting/tool_names.py).
    earlier_turns: what the model's own may be. "objects": none is empty, and the arguments of a call are a JSON object;
    "texts": they may be any text, at the provider's own address; "as_given": anything (fitting/earlier_turns.py).
    top_k, presence_penalty, frequency_penalty, user, headers: the dialect has a field for this option of a call.
    usage: tokens are counted in the stream. whole: an answer can be asked for in one piece (`Request.stream` False);
    the adapter is a `WholeAdapter` then.
    signs_as: signed reasoning goes back to every model that has the same name here as the model that signed it; empty
    where the model's name and its provider's say it (providers/shared/families.py).
    cached_in_input: the input tokens of its `Usage` have in them what was read from a cache or written to one.
    reasoning_in_output: its output tokens have the reasoning in them.
    """

    tools: bool = True
    images: bool = True
    output: bool = True
    output_by: OutputWay = "schema"
    reasoning: bool = True
    image_links: bool = True
    files: frozenset[str] = frozenset()
    cache_marks: bool = False
    citations: bool = False
    hosted: frozenset[str] = frozenset()
    hosted_elsewhere: str = ""
    own_tools: str = r"(?!)"
    any_tool: bool = False
    forced_tools: bool = True
    stop: bool = True
    prefill: bool = False
    echoes_prefill: Echo = "never"
    native_resume: bool = False
    streaming_tools: bool = True
    tool_names: str = r"[a-zA-Z0-9_-]{1,64}"
    earlier_turns: Literal["objects", "texts", "as_given"] = "objects"
    top_k: bool = False
    presence_penalty: bool = False
    frequency_penalty: bool = False
    user: bool = False
    headers: bool = True
    usage: bool = True
    whole: bool = False
    signs_as: str = ""
    cached_in_input: bool = True
    reasoning_in_output: bool = True

    def totals(self, usage: Usage) -> tuple[int | None, int | None]:
        """Return all input tokens, cached ones included, and all output tokens, reasoning included."""
        given, made = usage.input_tokens, usage.output_tokens
        if given is not None and not self.cached_in_input:
            given += (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
        if made is not None and not self.reasoning_in_output:
            made += usage.reasoning_tokens or 0
        return given, made


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Describes credentials that a provider takes in place of a key.

    words: what they are called. variables, file: environment variables and a file that say that there are some.
    otherwise: what the documents say of them beside the variables of the key.
    """

    words: str
    variables: tuple[str, ...] = ()
    file: str = ""
    otherwise: str = ""


class LimitHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """Names the headers in which an answer says what is left of the account's limits.

    pattern: how a name is made of a `field` (remaining, limit, reset) and what it is `of`. requests, tokens: what these
    are called there. The defaults are OpenAI's, which most providers use, too; a provider may send none of them.
    """

    pattern: str = "x-ratelimit-{field}-{of}"
    requests: str = "requests"
    tokens: str = "tokens"

    def name(self, field: str, of: str) -> str:
        """Return the name of one header."""
        return self.pattern.format(field=field, of=of)


class ProviderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Says what the library has to know of a provider beside its dialect. The defaults are right for most of them.

    telemetry_name: what OpenTelemetry's conventions call it; empty: as it is named here.
    prices_name: what the price table of genai-prices calls it; empty: as it is named here.
    credentials: for a provider that needs more than an address and a key, a module with an async
    `resolve(target, adapter, base_url, key, attempt)` that gives an Endpoint or a Failure. base_url and key are what
    target and environment say, or "" and None; attempt counts from 1, and a later one may want fresh credentials.
    server: for a provider whose server we start ourselves, a module with an async `base_url()` and
    `api_key(base_url)`, and with `installed()` and `INSTALL` for those who have not installed it.
    program: the name of the program that it is, where it is one. needs: what it wants set, in words, where that is
    neither a key nor an address. login: credentials in place of a key. limit_headers: where it says what is left of the
    account's limits.
    """

    telemetry_name: str = ""
    prices_name: str = ""
    credentials: str = ""
    server: str = ""
    program: str = ""
    needs: str = ""
    login: Login | None = None
    limit_headers: LimitHeaders = LimitHeaders()


_USUAL = ProviderFacts()


class Decoder(Protocol):
    """Turns one response body into chunks. There is one object for each response.

    failure: set when the stream reported an error, or cannot be read; nothing is decoded after it.
    done: the provider's end marker was seen and nothing more is expected.
    progress: goes up with each event of substance that made no chunk (not for pings and comments), so that
        work the model reports but we do not model keeps the stall clock quiet.
    model, response_id: as the provider names them, once known. A decoder whose provider can resume also has
    `resume_point`, a `ResumePoint` or None, kept up with what it has decoded. One that can read a piece of text by
    less than itself has `lone_text`, a `TextReads` or None: it may be asked instead until the next `feed`.
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
        """Note that the body ended, and return what only the end makes whole.
        It sets `failure` (stream_interrupted) when the provider's end marker is missing. It may be called again."""
        ...


class TextReads(Protocol):
    """Reads network reads that are one piece of text each."""

    def read(self, data: bytes) -> Batch:
        """Return the piece of text. For any other read, return no chunk and change nothing."""
        ...


class WholeDecoder(Decoder, Protocol):
    """Turns the body of a whole answer into chunks: none until `finish`, which gives them all.

    A text there that is a key of `spans` stands for a long one, which was checked but not kept: the inside of a JSON
    string, from one byte of the body up to another.
    """

    spans: Mapping[str, tuple[int, int]]


class Adapter(Protocol):
    """Speaks one provider's dialect. It has no state: one object serves every request.

    name: as in "name:model". title: for people. base_url: its own. key_variables: environment variables that may
    hold the key, in order; empty when it needs none. url_variable: the one for the base URL. default_model: for
    a target that names none ("local"). media_types: the beginnings of the content types that its stream comes as;
    a 200 with another one is looked at before it is believed.

    An adapter may also have `options`, a tuple of names: what `Target(…)` may be given for it beside `raw`, `terminal`
    and `stream`. Another name is refused then; without `options` any is taken. The names of `stream()`'s own options,
    and those that given/target_options.py sends elsewhere (verify, timeout …), are refused for every provider.
    It may have `approval(call_id, approved, reason)`: the block that answers a `ServerToolCall` that waits.
    It may have `addresses`, too: other domains of the same provider. At any other host than these and `base_url`'s,
    errors name the host that answered.
    It may have `facts`, a `ProviderFacts`: what it is called in telemetry, how credentials are found, and the like; and
    `error_rules`, a `classify.rules.Rules`: what only this provider says of its errors, over the shared rules. Without
    them it is taken for a provider like most: a key, an address, and the shared rules.
    """

    name: str
    title: str
    base_url: str
    key_variables: tuple[str, ...]
    url_variable: str
    default_model: str | None
    media_types: tuple[str, ...]

    def capabilities(self, model: str) -> Capabilities:
        """Return what this model can do."""
        ...

    def encode(self, request: Request, endpoint: Endpoint) -> Outgoing:
        """Return the request for a streaming answer, or for a whole one where `request.stream` is False.

        Raises StreamError (unsupported_feature) for what the dialect cannot say
        in this request, where `capabilities` alone do not tell."""
        ...

    def decoder(self, request: Request) -> Decoder:
        """Return a fresh decoder for one response."""
        ...

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Return what an answer other than a stream means. Header names are in lower case.

        max_retry_after: seconds that the policy waits at most. It decides no kind: `retry` looks at the wait itself.
        """
        ...


def facts_of(adapter: Adapter) -> ProviderFacts:
    """Return the facts of an adapter, or the usual ones for an adapter without any."""
    facts: ProviderFacts = getattr(adapter, "facts", _USUAL)
    return facts


class WholeAdapter(Adapter, Protocol):
    """Describes an adapter that can also ask for the answer in one piece."""

    def whole_decoder(self, request: Request) -> WholeDecoder:
        """Return a fresh decoder for one answer to a request whose `stream` is False."""
        ...

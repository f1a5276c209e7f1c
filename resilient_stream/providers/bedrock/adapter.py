"""Adapts Amazon Bedrock's runtime: where its two APIs are, streaming or not, and how a request to them is authorised.

    Target("bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0")              Converse, one dialect for all
    Target("bedrock:…", api="invoke")                                           InvokeModel, each vendor's own

The path is signed as it is sent, so it is written here in the one way that aiohttp leaves alone. This module must never
await. It does not look for credentials; `credentials/bedrock.py` has found them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Batch, Capabilities, Endpoint, HttpRequest, Login, ProviderFacts, Request
from ...failures import Failure, StreamMisused
from ...fitting.files import files_of, forms
from ...messages import ImagePart
from ...wire.broken import failure_of
from ..anthropic.models import generation_of
from ..shared.families import signing_family
from ..shared.mending import Mender
from ..shared.open_call import READERS_RAISE
from ..shared.urls import joined, segment
from ..shared.whole import WholeAnswer
from . import bodies as bedrock_bodies
from . import converse_request
from .cache_points import keeps_marks
from .converse_request import output_way, top_k_of
from .converse_stream import ConverseReader
from .errors import RULES
from .frames import BedrockFrames
from .hosted import hosted_by
from .invoke_stream import InvokeReader
from .signature import SigningKey, sign
from .whole import WHOLE, PlainFrames

__all__ = ["ADAPTER", "APIS", "Bedrock", "BedrockDecoder"]

APIS: Mapping[str, tuple[str, str]] = {
    "converse": ("converse-stream", "converse"),
    "invoke": ("invoke-with-response-stream", "invoke"),
}
"""What `Target(..., api=…)` may say, and the end of its path: for a stream, and for an answer in one piece."""

FILES = forms(**dict.fromkeys(("pdf", "text", "office", "audio", "video"), "data url"))
_ERROR_TYPE = "x-amzn-errortype"
_WHOLE_CALLS = re.compile(r"meta\.llama(3-\d-|4)|writer\.palmyra")
"""Models that take tools, but not with a stream: "This model doesn't support tool use in streaming mode"."""


class BedrockDecoder:
    """Decodes one answer; see `contract.Decoder`. Its frames know how events arrive, and its reader knows what they
    mean."""

    __slots__ = ("_frames", "_mender", "_reader", "done", "failure", "model", "progress", "response_id")

    def __init__(self, reader: ConverseReader | InvokeReader, frames: BedrockFrames | PlainFrames) -> None:
        self._frames = frames
        self._reader = reader
        self._mender: Mender | None = None
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._reader.unmodelled

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        if self.done or self.failure is not None:
            return []
        return self._read_guarded(lambda batch: self._reader.read(self._frames.feed(data), batch))

    def finish(self) -> Batch:
        """Take note that the body ended. The answer is whole after the dialect's own end, or where the target says
        eof_ok."""
        if self.done or self.failure is not None:
            return []
        return self._read_guarded(lambda batch: batch.extend(self._reader.finish()))

    def _read_guarded(self, read: Callable[[Batch], None]) -> Batch:
        """Run a read; an event that the reader cannot take ends the answer after the chunks before it."""
        batch: Batch = []
        reader = self._reader
        try:
            read(batch)
            failure = reader.failure or (None if reader.done else self._frames.failure)
            self.done = reader.done
        except READERS_RAISE as error:
            failure = failure_of(error, "bad_event")
        self.failure, self.progress = failure, reader.progress
        self.model, self.response_id = reader.model, reader.response_id
        return self._mended(batch) if reader.halves else batch

    def _mended(self, batch: Batch) -> Batch:
        """Return the batch with halves of characters joined, for an answer in which such halves came."""
        mender = self._mender = self._mender or Mender()
        batch = mender.mend(batch)
        self.failure = mender.failure(self.failure)
        return batch + mender.end() if self.done else batch


class Bedrock(msgspec.Struct, frozen=True):
    """Adapts Bedrock's runtime; see `contract.Adapter`. A target has these options:

    api: "converse" (default) or "invoke". region, profile: over the environment's. session: a session of boto3 or
    botocore to take credentials from.
    """

    name: ClassVar[str] = "bedrock"
    title: ClassVar[str] = "Amazon Bedrock"
    base_url: ClassVar[str] = "https://bedrock-runtime.us-east-1.amazonaws.com"
    key_variables: ClassVar[tuple[str, ...]] = ("AWS_BEARER_TOKEN_BEDROCK",)
    url_variable: ClassVar[str] = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
    default_model: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ("api", "region", "profile", "session")
    media_types: ClassVar[tuple[str, ...]] = ("application/vnd.amazon.eventstream",)
    facts: ClassVar[ProviderFacts] = ProviderFacts(
        telemetry_name="aws.bedrock",
        credentials="resilient_stream.credentials.bedrock",
        login=Login(
            words="AWS credentials", variables=("AWS_PROFILE", "AWS_ACCESS_KEY_ID"), file="~/.aws/credentials",
            otherwise="or AWS credentials",
        ),
    )  # fmt: skip
    error_rules: ClassVar[Rules] = RULES

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do. Only some generations of Claude are known to continue an unfinished turn.

        The provider serves models of many vendors, so what one of them signed goes back to that model or its family.
        """
        return Capabilities(
            prefill=generation_of(model).prefill, streaming_tools=_WHOLE_CALLS.search(model) is None, whole=True,
            signs_as=signing_family(model) or f"{self.name}:{model}", cached_in_input=False,
            top_k=bool(top_k_of(model)), user=True, output_by=output_way(model), files=FILES,
            cache_marks=keeps_marks(model), citations="claude" in model, hosted=hosted_by(model),
            own_tools=r"\.systemTool",
        )  # fmt: skip

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a request to one of the two APIs. Raises StreamError for anything that this API cannot express."""
        _refuse_links(request)
        api = _api(request)
        encode_body = converse_request.encode_body if api == "converse" else bedrock_bodies.encode_body
        body = msgspec.json.encode(encode_body(request))
        stream, whole = APIS[api]
        method = stream if request.stream else whole
        url = joined(endpoint.base_url, f"/model/{segment(request.model, keep=':')}/{method}")
        accept = self.media_types[0] if request.stream else "application/json"
        headers = {"Content-Type": "application/json", "Accept": accept}
        if api == "invoke" and request.stream:
            headers["X-Amzn-Bedrock-Accept"] = "application/json"
        headers.update(endpoint.headers)
        return HttpRequest(url=url, headers=_authorised(url, headers, body, endpoint), body=body)

    def decoder(self, request: Request) -> BedrockDecoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        return BedrockDecoder(_reader(request), BedrockFrames(request.max_event_bytes))

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        decoder = BedrockDecoder(_reader(request), PlainFrames())
        return WholeAnswer(decoder, *WHOLE[_api(request)], cites=request.may_cite, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Bedrock's own in front. The error's class is in a header, before
        a colon."""
        if _ERROR_TYPE in headers:
            headers = {**headers, _ERROR_TYPE: headers[_ERROR_TYPE].partition(":")[0]}
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


ADAPTER = Bedrock()


def _api(request: Request) -> str:
    api: Any = request.option("api", "converse")
    if api not in APIS:
        raise StreamMisused(f"{request.target.name}: api is {' or '.join(map(repr, APIS))}; got {api!r}")
    return str(api)


def _reader(request: Request) -> ConverseReader | InvokeReader:
    options = {"cites": request.may_cite, **request.decoding}
    if _api(request) == "invoke":
        return InvokeReader(**options)
    return ConverseReader(**options)


def _refuse_links(request: Request) -> None:
    """Refuse links to pictures and files: Bedrock fetches nothing from the web; only Converse takes them from S3
    storage."""
    for part in (part for message in request.messages for part in message.parts if isinstance(part, ImagePart)):
        if part.data() is None and not (part.url.startswith("s3://") and _api(request) == "converse"):
            raise bedrock_bodies.refusal("pictures by link (a data: URL would do, or s3:// with Converse)")
    for file in files_of(request.messages):
        if file.url is not None and not (file.url.startswith("s3://") and _api(request) == "converse"):
            raise bedrock_bodies.refusal("files by link (their bytes would do, data=, or s3:// with Converse)")


def _authorised(url: str, headers: dict[str, str], body: bytes, endpoint: Endpoint) -> dict[str, str]:
    """Return the headers with the API key, or with a signature over those headers that no proxy changes."""
    if endpoint.api_key:
        return {"Authorization": f"Bearer {endpoint.api_key}", **headers}
    if not isinstance(endpoint.credentials, SigningKey):
        return headers
    kept = {name: value for name, value in headers.items() if name.lower().startswith(("content-type", "x-amz"))}
    return {**sign("POST", url, kept, body, endpoint.credentials), **headers}

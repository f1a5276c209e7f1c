"""A provider in a package of its own: the Parrot API, which answers in JSON lines.

    {"say": "Hel"}   {"say": "lo"}   {"end": "stop", "tokens": [9, 2]}   or   {"problem": {"code": …, "message": …}}

Pure: values become bytes and bytes become values. Retries, fallbacks, deadlines and endings come with the client.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from resilient_stream import Finished, TextDelta, Usage
from resilient_stream.classify import classify_error, classify_response
from resilient_stream.contract import Batch, Capabilities, Endpoint, HttpRequest, Request
from resilient_stream.errors import ErrorKind, Failure
from resilient_stream.wire.limits import EventTooLarge
from resilient_stream.wire.ndjson import NdjsonDecoder


class Line(msgspec.Struct):
    say: str = ""
    end: str | None = None
    tokens: tuple[int, int] | None = None
    problem: dict[str, object] | None = None


class ParrotDecoder:
    """One answer; see `resilient_stream.contract.Decoder`."""

    def __init__(self, max_event_bytes: int) -> None:
        self._lines = NdjsonDecoder(max_event_bytes)
        self.failure: Failure | None = None
        self.done, self.progress = False, 0
        self.model = self.response_id = None

    def feed(self, data: bytes) -> Batch:
        try:
            return self._read(self._lines.feed(data))
        except EventTooLarge:
            self.failure = Failure(kind=ErrorKind.BUFFER_LIMIT)
            return []

    def finish(self) -> Batch:
        """The body ended: without its `end` line it was cut."""
        batch = self._read(self._lines.finish())
        if not self.done:
            self.failure = self.failure or Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="no_end_marker")
        return batch

    def _read(self, lines: list[bytes]) -> Batch:
        batch: Batch = []
        for text in lines if not self.done and not self.failure else ():
            try:
                line = msgspec.json.decode(text, type=Line)
            except msgspec.DecodeError:
                self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json")
                break
            if line.problem is not None:
                self.failure = classify_error({"error": line.problem})
                break
            batch += [TextDelta(line.say)] if line.say else []
            if line.end is not None:
                batch += [Usage(*line.tokens)] if line.tokens else []
                batch.append(Finished("stop" if line.end == "stop" else "other", line.end))
                self.done = True
                break
        return batch


class Parrot(msgspec.Struct, frozen=True):
    """The adapter; see `resilient_stream.contract.Adapter`."""

    name: str = "parrot"
    title: str = "Parrot"
    base_url: str = "https://api.parrot.example"
    key_variables: tuple[str, ...] = ("PARROT_API_KEY",)
    url_variable: str = "PARROT_BASE_URL"
    default_model: str | None = None
    media_types: tuple[str, ...] = ("application/x-ndjson",)

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(tools=False, images=False, output=False)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        said = [{"role": message.role, "text": message.text} for message in request.messages]
        body = msgspec.json.encode({"parrot": request.model, "said": said, **request.extra})
        headers = {"Authorization": f"Bearer {endpoint.api_key}", **endpoint.headers}
        return HttpRequest(url=f"{endpoint.base_url}/talk", headers=headers, body=body)

    def decoder(self, request: Request) -> ParrotDecoder:
        return ParrotDecoder(request.max_event_bytes)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        return classify_response(status, headers, body, max_retry_after=max_retry_after)


ADAPTER = Parrot()

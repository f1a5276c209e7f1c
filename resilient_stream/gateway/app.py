"""Makes the gateway an application of aiohttp: the paths of two APIs, and what operators look at.

/v1/chat/completions  /v1/responses  /v1/messages  /v1/models      answered by the client's targets
/health                                                            the targets, as the client knows them
/metrics                                                           for Prometheus, where OpenTelemetry is there
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from aiohttp import web

from ..client import Client
from ..failures import StreamMisused
from ..formats.writer import Refusal
from ..integrations.anthropic.api import ANTHROPIC
from ..integrations.body import MAX_BODY
from ..integrations.openai.api import OPENAI
from ..integrations.refused import Refused
from ..integrations.service import Api, Models, Service, refusal_for
from ..outcome.errors import StreamError
from ..web.aiohttp import stream_response
from .door import Door

__all__ = ["make_app"]

APIS: Mapping[str, Api] = {"openai": OPENAI, "anthropic": ANTHROPIC}


def make_app(
    client: Client,
    *,
    keys: Iterable[str] = (),
    models: Models | None = None,
    host: str = "127.0.0.1",
    metrics: Callable[[], bytes] | None = None,
) -> web.Application:
    """Return a gateway to a client's targets; the client stays its caller's.

    keys: who sends one of them is served; without any, this machine's programs are. models: the targets of each model's
    name, see `Service`. host: where it will listen; without keys, requests for another name are refused. metrics: gives
    the page of /metrics.
    """
    gateway = Gateway(client, Door(keys, host=host), models, metrics)
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/health", gateway.health)
    app.router.add_get("/metrics", gateway.metrics)
    app.router.add_route("*", "/{path:.*}", gateway.serve)
    return app


class Gateway:
    """Serves each request by the API that its path belongs to."""

    def __init__(self, client: Client, door: Door, models: Models | None, metrics: Callable[[], bytes] | None) -> None:
        self._client = client
        self._door = door
        self._metrics = metrics
        self._services = {name: Service(client, api, models, advice=door.is_open) for name, api in APIS.items()}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of one of the APIs."""
        service = self._services[_api_of(request)]
        try:
            self._door.check(request.headers)
            answer = await service.answer(request.method, request.path, partial(_body, request), request.headers)
            if isinstance(answer, Refusal):
                return _response(answer)
            return await stream_response(request, answer.stream, format=answer.writer)
        except (Refused, StreamMisused, StreamError) as error:
            return _response(refusal_for(service.api, error, advice=self._door.is_open))

    async def health(self, request: web.Request) -> web.Response:
        """Tell how the targets are: 200 while one of them may be asked, else 503."""
        if (refused := self._refused(request)) is not None:
            return refused
        targets = self._client.health()
        well = any(target.state != "open" for target in targets)
        seen = [{"target": each.target, "state": each.state, "in_flight": each.in_flight} for each in targets]
        said = {"status": "ok" if well else "unavailable", "targets": seen}
        return web.json_response(said, status=200 if well else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the page for Prometheus."""
        if (refused := self._refused(request)) is not None:
            return refused
        if self._metrics is None:
            said = "No metrics: install resilient-stream[serve], which brings OpenTelemetry and its Prometheus page.\n"
            return web.Response(text=said, status=501)
        return web.Response(body=self._metrics(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    def _refused(self, request: web.Request) -> web.Response | None:
        """Return what a web page gets that asks for one of the pages for operators; None for anybody else."""
        try:
            self._door.check_place(request.headers)
        except Refused as refused:
            return _response(OPENAI.refusal_of(refused))
        return None


def _api_of(request: web.Request) -> str:
    """Return whose API a request is of; both have a list of models, and only Anthropic's clients send its version."""
    of_anthropic = request.path.startswith("/v1/messages") or "anthropic-version" in request.headers
    return "anthropic" if of_anthropic else "openai"


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(f"The request is larger than {MAX_BODY // 2**20} MiB.", status=413) from None
    except web.RequestPayloadError:
        raise Refused("The body of the request is not encoded as its headers say.") from None


def _response(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, headers=refusal.headers, body=refusal.body)

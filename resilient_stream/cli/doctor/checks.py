"""Checks one target: what is configured, whether its host can be reached, and whether it answers.

The last check is a real answer through the real client; those before it find the place where that would fail. No key is
shown, and nothing is printed here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from ...classify import classify_exception
from ...client import Client
from ...contract import Adapter, LimitHeaders, Request, facts_of
from ...credentials.endpoint import host_of, resolve, wrong_address
from ...failures import ErrorKind, Failure, StreamMisused
from ...messages import to_messages
from ...outcome.errors import StreamError
from ...outcome.making import error_for
from ...policy import Recovery, RetryPolicy
from ...providers import adapter_for
from ...target import Target
from ...text import readable
from ...transport import proxies
from ..wording import for_a_prompt

__all__ = ["PRICE", "STEPS", "Check", "Examination", "State", "Stop"]

State: TypeAlias = Literal["waiting", "running", "ok", "failed", "skipped"]

STEPS: Mapping[str, str] = {
    "config": "the provider is known, the base URL is one, what it needs is installed",
    "key": "an API key is set",
    "name": "the host's name has an address (DNS)",
    "connect": "the host accepts a connection (TCP)",
    "tls": "the host's certificate is good (TLS)",
    "stream": "a few tokens come, to the end",
}
"""The steps in their order, each with what it means when it is ok."""

PRICE = "price"
"""The step after them where a budget is asked for: the target's price is known."""

PROMPT = "Reply with OK."
USUAL = (3000, 1000)
"""Tokens of a request's input and output by which a budget is explained."""

MAX_TOKENS = 16
"""Output tokens of the test answer: the lowest limit that every provider accepts."""

CONNECT_SECONDS = 10.0
_PATHS = ("/chat/completions", "/completions", "/messages", "/responses", "/chat")
"""What the SDK itself appends to a base URL."""


@dataclass(frozen=True, slots=True)
class Check:
    """Holds the result of one step. note: a few words for the table. happened, to_do: what to say of a failure."""

    step: str
    state: State = "waiting"
    seconds: float | None = None
    note: str = ""
    happened: str = ""
    to_do: str = ""
    error: StreamError | None = None


class Stop(Exception):
    """Ends a step that is failed or skipped, with its result."""

    def __init__(self, state: State, note: str = "", happened: str = "", to_do: str = "") -> None:
        super().__init__(note)
        self.state = state
        self.note, self.happened, self.to_do = note, happened, to_do


class Examination:
    """Examines one target, step by step. deadline: seconds for all steps. budget: US dollars a day for which the
    target's price has to be known; then there is a step `price`, too.

    `checks` can be read while it runs. `limits`: what the answer's headers say of the account's limits.
    """

    def __init__(self, name: str, deadline: float, budget: float | None = None) -> None:
        self.name = name
        self.limits = ""
        steps = STEPS if budget is None else (*STEPS, PRICE)
        self.checks: dict[str, Check] = {step: Check(step) for step in steps}
        self._budget = budget
        self._until = time.monotonic() + deadline
        self._target: Target
        self._adapter: Adapter
        self._url = ""
        self._missing: Failure | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def ok(self) -> bool:
        """Return whether the target answered, and has a price where one was asked for."""
        return self.checks["stream"].state == "ok" and not self._has_failed(PRICE)

    @property
    def failed(self) -> list[Check]:
        """Return the steps that failed."""
        return [check for check in self.checks.values() if check.state == "failed"]

    async def run(self) -> None:
        """Run all steps that make sense after those before them."""
        steps: dict[str, Callable[[], Awaitable[str]]] = {
            "config": self._configure, "key": self._look_for_key, "name": self._look_up, "connect": self._connect,
            "tls": self._secure, "stream": self._stream, PRICE: self._price,
        }  # fmt: skip
        try:
            for step in self.checks:
                await self._step(step, steps[step])
        finally:
            self._hang_up()

    def _remaining(self) -> float:
        return max(self._until - time.monotonic(), 0.001)

    async def _step(self, step: str, work: Callable[[], Awaitable[str]]) -> None:
        if (behind := self._stands_behind(step)) is not None:
            self.checks[step] = Check(step, "skipped", note=f"not tried: {behind} failed")
            return
        self.checks[step] = Check(step, "running")
        began = time.monotonic()
        try:
            self.checks[step] = Check(step, "ok", note=await work(), seconds=time.monotonic() - began)
        except Stop as stop:
            self.checks[step] = Check(step, stop.state, None, stop.note, stop.happened, stop.to_do)
        except StreamError as error:
            self.checks[step] = Check(
                step,
                "failed",
                time.monotonic() - began,
                error.title,
                error.message,
                for_a_prompt(error.resolution),
                error,
            )

    def _stands_behind(self, step: str) -> str | None:
        """Return the earlier step whose failure makes this one pointless."""
        needed = {"key": ("config",), "stream": ("config", "key", "name", "connect", "tls"), PRICE: ("config",)}
        before = needed.get(step, ("config", "name", "connect"))
        return next((name for name in before if name != step and self._has_failed(name)), None)

    def _has_failed(self, step: str) -> bool:
        return step in self.checks and self.checks[step].state == "failed"

    # -- on this machine ----------------------------------------------------------------------

    async def _configure(self) -> str:
        try:
            self._target = Target.of(self.name)
            self._adapter = adapter_for(self._target.provider)
        except StreamMisused as misused:
            advice = "Write provider:model; `resilient-stream providers` lists the providers."
            raise Stop("failed", "not a target", f"{str(misused).rstrip('.')}.", advice) from None
        variable = self._adapter.url_variable
        own = os.environ.get(variable, "") if variable else ""
        if own and (wrong := wrong_url(own)):
            raise Stop(
                "failed", "base URL", f"{variable} {wrong}.", "Correct it, or unset it to use the provider's own."
            )
        try:
            async with asyncio.timeout(self._remaining()):
                self._url = await self._address(own)
        except TimeoutError:
            raise Stop("failed", "too slow", "Preparing the request took too long.", "Allow more time.") from None
        return host_of(self._url) or "a program"

    async def _address(self, own: str) -> str:
        """Return the address of a request, also when the key for it is missing."""
        endpoint = await resolve(self._target, self._adapter)
        if not isinstance(endpoint, Failure):
            request = Request(messages=to_messages(PROMPT), target=self._target)
            return str(getattr(self._adapter.encode(request, endpoint), "url", ""))
        if endpoint.kind is not ErrorKind.AUTHENTICATION:
            raise self._error(endpoint)
        self._missing = endpoint
        return own or ("" if "{" in self._adapter.base_url else self._adapter.base_url)

    async def _look_for_key(self) -> str:
        if self._missing is not None:
            raise self._error(self._missing)
        variables = self._adapter.key_variables
        if not variables:
            raise Stop("skipped", "needs none")
        given = next((name for name in variables if os.environ.get(name)), None)
        if given is None:
            raise Stop("skipped", "none set, and the base URL is your own")
        return given

    # -- on the network -----------------------------------------------------------------------

    async def _look_up(self) -> str:
        host, port = self._host()
        if _is_address(host):
            raise Stop("skipped", "an address already")
        found = await self._await_in_time(asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return str(found[0][4][0])

    async def _connect(self) -> str:
        host, port = self._host()
        _, self._writer = await self._await_in_time(asyncio.open_connection(host, port))
        return f"port {port}"

    async def _secure(self) -> str:
        host, _ = self._host()
        if not self._url.startswith("https:") or self._writer is None:
            raise Stop("skipped", "plain http")
        await self._await_in_time(self._writer.start_tls(ssl.create_default_context(), server_hostname=host))
        version: str = self._writer.get_extra_info("ssl_object").version()
        return version

    def _host(self) -> tuple[str, int]:
        """Return host and port if we connect to them ourselves."""
        parts = urlsplit(self._url)
        if not parts.hostname:
            raise Stop("skipped", "a program, no host")
        if (proxy := proxy_for(self._url)) is not None:
            raise Stop("skipped", f"through the proxy {proxy}, which finds the host itself")
        return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)

    async def _await_in_time(self, work: Awaitable[Any]) -> Any:
        """Await something for as long as a connection may take. The classifier names what fails."""
        seconds = min(CONNECT_SECONDS, self._remaining())
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as late:
            if late.errno is None:
                raise self._error(Failure(kind=ErrorKind.CONNECT_TIMEOUT, facts={"seconds": seconds})) from late
            raise self._classified(late) from late
        except (OSError, ssl.SSLError) as error:
            raise self._classified(error) from error

    def _classified(self, error: Exception) -> StreamError:
        failure = classify_exception(error, phase="connect", host=host_of(self._url))
        return self._error(failure or Failure(kind=ErrorKind.CONNECT_FAILED))

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    # -- an answer ----------------------------------------------------------------------------

    async def _stream(self) -> str:
        if not self._target.model and self._adapter.default_model is None:
            raise Stop("skipped", f"no model was named; try: doctor {self._target.provider}:MODEL")
        async with Client(self._target, retry=RetryPolicy.off(), recovery=Recovery.off()) as client:
            transcript = await client.complete(PROMPT, max_tokens=MAX_TOKENS, deadline=self._remaining())
        self.limits = limits_said(transcript.attempts[-1].headers, facts_of(self._adapter).limit_headers)
        first = transcript.time_to_first_chunk
        return "" if first is None else f"first chunk after {first:.2f} s"

    async def _price(self) -> str:
        """Look the price up as `Limits.cost_per_day` does."""
        from ...engine.prices import Prices

        assert self._budget is not None
        prices = Prices()
        try:
            prices.load()
        except StreamMisused as misused:
            to_do = "Install them, or give the client a function: Client(prices=…)."
            raise Stop("failed", "no prices", f"{str(misused).partition(';')[0]}.", to_do) from None
        given, made = USUAL
        cost = prices.mean(self._target.name, given, made, 0)
        if cost is None:
            happened = f"No price is known for {self._target.name}, so a client with a budget for it is refused."
            raise Stop(
                "failed", "not known", happened, "Give the client a function: Client(prices=lambda target, usage: …)."
            )
        each = f"${cost:.2g} for {given:,} tokens in and {made:,} out"
        return f"{each}: {int(Decimal(str(self._budget)) / cost):,} such requests a day" if cost else f"{each}: free"

    def _error(self, failure: Failure) -> StreamError:
        adapter, target = self._adapter, self._target
        return error_for(
            failure, phase="connect", provider=target.provider, model=target.model, provider_title=adapter.title,
            host=host_of(self._url) or None, env_var=" or ".join(adapter.key_variables) or None,
        )  # fmt: skip


def limits_said(headers: Mapping[str, str], names: LimitHeaders) -> str:
    """Return what an answer's headers say of the account's limits, in words; "" where they say nothing."""
    said = []
    for of, unit in ((names.requests, "requests"), (names.tokens, "tokens")):
        left, most = (headers.get(names.name(field, of), "") for field in ("remaining", "limit"))
        if left.isdecimal() and most.isdecimal():
            said.append(f"{readable.amount(left)} of {readable.amount(most)} {unit} left")
    return ", ".join(said)


def wrong_url(url: str) -> str | None:
    """Say what is wrong with an address, without repeating what may be secret in it. None when it is fine."""
    if (wrong := wrong_address(url.strip())) is not None:
        return wrong
    doubled = next((path for path in _PATHS if url.rstrip("/ ").endswith(path)), None)
    return f"ends in {doubled}, which is added by itself" if doubled else None


def proxy_for(url: str) -> str | None:
    """Return the host of the proxy that a request to this address would use, by the environment."""
    try:
        proxy = proxies.proxy_for(url)
    except proxies.UnusableProxy as error:
        return f"{error.name or '?'}; {error.variable} {error.reason}"
    return None if proxy is None else proxy.name


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return host == "localhost"

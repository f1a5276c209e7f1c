"""Runs the command `serve`: starts the gateway, says how to use it, and writes a line for each answer.

Everything is said on standard error, so a log of it can be kept by redirecting that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..client import Client
from ..events import BreakerChanged, Event, FellBack, RetryScheduled, StreamEnded
from ..failures import StreamMisused
from ..gateway.app import make_app
from ..gateway.door import is_loopback, keys_of
from ..gateway.prometheus import metrics_page
from ..integrations.service import Models
from ..policy import Breaker, Telemetry
from . import exit_codes, wording
from .ask import default_target
from .terminal import Notes

__all__ = ["serve"]

KEYS = "RESILIENT_STREAM_SERVE_KEYS"
LARGEST_KEYS = 64 * 1024
SERVER_LOG = logging.getLogger("aiohttp.server")
LOOK = 0.05
"""Seconds between two looks whether answers still run, while it stops."""


def serve(
    targets: Sequence[str],
    models: Sequence[str],
    *,
    host: str,
    port: int,
    keys: Path | None = None,
    drain: float = 10.0,
) -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit code.

    models: "name=target,target" each. keys: a file with keys, a line each. drain: seconds that running answers get.
    """
    notes = Notes()
    SERVER_LOG.addFilter(_is_ours)
    try:
        asyncio.run(_serve(notes, targets, models, host, port, _keys(keys), drain))
    except StreamMisused as error:
        notes.misuse(str(error))
        return exit_codes.MISUSED
    except OSError as error:
        notes.misuse(f"{host}:{port} cannot be listened on: {error.strerror}")
        return exit_codes.MISUSED
    finally:
        SERVER_LOG.removeFilter(_is_ours)
    return exit_codes.COMPLETE


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether what aiohttp logs is a fault of the gateway. It writes a traceback for each request that is no
    HTTP or breaks off, and whoever scans a network would fill the log."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError)


async def _serve(
    notes: Notes, targets: Sequence[str], models: Sequence[str], host: str, port: int, keys: Sequence[str], drain: float
) -> None:
    named = _models(models)
    default, said = ("", "") if targets or named else default_target()
    page = metrics_page()
    telemetry = None if page is None else Telemetry(meter_provider=page[0])
    asked = targets or ((default,) if default else _all_targets(named))
    async with Client(*asked, breaker=Breaker(), on_event=_watcher(notes), telemetry=telemetry) as client:
        app = make_app(client, keys=keys, models=named, host=host, metrics=None if page is None else page[1])
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            _welcome(notes, client, said, _address(runner, host), keys, host, named)
            await _until_stopped()
            running = len(client.calls)
            notes.note(_goodbye(running, drain))
            await site.stop()
            await _let_end(client, drain)
            await client.aclose()  # answers that still run end as errors, which their callers are sent
        finally:
            await runner.cleanup()


def _watcher(notes: Notes) -> Any:
    def tell(event: Event) -> None:
        if isinstance(event, RetryScheduled | FellBack | BreakerChanged) and (line := wording.event_line(event)):
            notes.note(line)
        elif isinstance(event, StreamEnded):
            notes.summary(event.transcript)

    return tell


def _welcome(
    notes: Notes, client: Client, said: str, address: str, keys: Sequence[str], host: str, named: Models | None
) -> None:
    if said:
        notes.note(said)
    asked = ", ".join(named) if named else " → ".join(target.name for target in client.targets)
    notes.note(f"Serving {asked}. Ctrl-C stops.")
    notes.note(f"OpenAI's API     OPENAI_BASE_URL={address}/v1 OPENAI_API_KEY={'…' if keys else 'none'}")
    notes.note(f"Anthropic's API  ANTHROPIC_BASE_URL={address} ANTHROPIC_API_KEY={'…' if keys else 'none'}")
    notes.note(f"For operators    {address}/health {address}/metrics")
    if not keys and not is_loopback(host):
        notes.note(
            f"Warning: {host} can be reached from other machines, and no key is asked for: whoever finds this address "
            f"spends your keys. Give --keys FILE, or set {KEYS}."
        )


def _goodbye(running: int, drain: float) -> str:
    if not running:
        return "Stopping."
    answers = "1 answer still runs" if running == 1 else f"{running} answers still run"
    return f"Stopping. {answers}, for {drain:g} s at most; Ctrl-C again ends them now."


def _address(runner: web.AppRunner, host: str) -> str:
    port = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)  # a second Ctrl-C ends it at once


async def _let_end(client: Client, seconds: float) -> None:
    until = asyncio.get_running_loop().time() + seconds
    for _ in range(int(seconds / LOOK) + 1):
        if not client.calls or asyncio.get_running_loop().time() >= until:
            return
        await asyncio.sleep(min(LOOK, seconds))


def _models(given: Sequence[str]) -> Models | None:
    """Return the names that may be asked for. Raises StreamMisused for one that is not written as it should be."""
    found: dict[str, list[str]] = {}
    for each in given:
        name, _, targets = each.partition("=")
        listed = [target.strip() for target in targets.split(",") if target.strip()]
        if not name.strip() or not listed:
            raise StreamMisused(f"--model is written NAME=PROVIDER:MODEL, with commas between fallbacks; got {each!r}")
        found[name.strip()] = listed
    return found or None


def _all_targets(models: Models | None) -> list[Any]:
    """Return the targets of all names, each once."""
    return list(dict.fromkeys(target for targets in (models or {}).values() for target in targets))


def _keys(path: Path | None) -> tuple[str, ...]:
    """Return the keys of the file, or else of the environment. Raises StreamMisused for a file without any."""
    if path is None:
        return keys_of(os.environ.get(KEYS, ""))
    try:
        with path.open("rb") as file:
            keys = keys_of(file.read(LARGEST_KEYS).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise StreamMisused(f"--keys: {path} cannot be read: {error}") from None
    if not keys:
        raise StreamMisused(f"--keys: {path} has no key in it")
    return keys

"""The shared error rows as inputs: bodies, headers, and exceptions built from notes of what aiohttp raised.

An exception is built from its class names, numbers and text alone, so the tests hold for any version of the library.
"""

from __future__ import annotations

import builtins
import csv
import json
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from tests.shared_files import shared_or_none

Row = Mapping[str, str]

_HEADER_VALUES = {
    "retry-after": "7", "retry-after-ms": "7000", "x-ratelimit-reset": "7", "cf-ray": "8f1-AMS",
    "cf-error-type": "origin", "cf-error-origin": "host", "proxy-authenticate": "Basic",
}  # fmt: skip


def rows(name: str) -> list[Row]:
    """A table of the shared errors; empty when it is not on this machine."""
    path = shared_or_none(f"errors/{name}")
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t")) if path else []


def headers_of(row: Row) -> dict[str, str]:
    """The headers a row names, with a value for those that have none."""
    found = {}
    for item in filter(None, (part.strip() for part in row["headers"].split(";"))):
        named = re.match(r"(:?[\w-]+)(?:: (.+)| \(([\d.]+(?:ms|m|s)[\d.s]*)\))?", item)
        if named:
            value = named[2] or named[3] or _HEADER_VALUES.get(named[1].lower(), "id-1")
            found[named[1].lower()] = value
    if row["provider"] == "bedrock":
        found.update(_bedrock_type(row))
    return found


def _bedrock_type(row: Row) -> dict[str, str]:
    named = re.search(r"(?:exception-type=)?(\w+Exception|FTUFormNotFilled)", row["match"])
    if named is None:
        return {}
    if row["phase"] == "stream":
        return {":exception-type": named[1]}
    return {"x-amzn-errortype": f"{named[1]}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


def reason_in(event: Any) -> str | None:
    """The finish or block reason of an event: the bare code that a decoder asks about."""
    for pattern in (r'"blockReason": ?"(\w+)"', r'"finish_?[rR]eason": ?"(\w+)"', r'"stopReason": ?"(\w+)"'):
        if found := re.search(pattern, json.dumps(event)):
            return found[1]
    return None


def exception_of(case: Row) -> BaseException:
    """The exception that one observed case describes, with its causes."""
    text, *extra = case["str"].split(" | ")
    error = _instance(case["mro"].split(" > "), "" if text == "(empty)" else text)
    causes = [_link(part) for part in case["cause_chain"].split(" <- ") if part]
    for outer, inner in zip([error, *causes], causes, strict=False):
        outer.__cause__ = inner
    if any(item.startswith("os_error=") for item in extra):
        error.os_error = causes[0]  # type: ignore[attr-defined]
    status = next((item for item in extra if item.startswith("status=")), "")
    if status:
        error.status = int(re.match(r"status=(\d+)", status)[1])  # type: ignore[attr-defined,index]
    number = re.match(r"-?\d+", case["errno"])
    if number:
        error.errno = int(number[0])  # type: ignore[attr-defined]
    return error


def _link(text: str) -> BaseException:
    named = re.match(r"([\w.]+)\(errno=(-?\d+|None)\): ?(.*)", text)
    assert named, text
    bases = ["OSError", "Exception"] if named[2] != "None" else ["Exception"]
    link = _instance([named[1].rpartition(".")[2], *bases], named[3])
    if named[2] != "None":
        link.errno = int(named[2])  # type: ignore[attr-defined]
    return link


def _instance(names: list[str], text: str) -> BaseException:
    base: type[BaseException] = BaseException
    for name in reversed(names):
        base = _real(name) or type(name, (base,), {})
    cls = type(base.__name__, (base,), {"__str__": lambda self: text})
    return cls.__new__(cls)


def _real(name: str) -> type[BaseException] | None:
    found = getattr(builtins, name, None) or getattr(ssl, name, None) or getattr(socket, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None

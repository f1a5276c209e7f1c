"""Makes a `Failure` of an error as people paste it: a body, a line of a traceback, an SDK's message, a status.

    429   HTTP/1.1 503 Service Unavailable   {"error": {...}}   Error code: 429 - {'error': {...}}   <html>...
    overloaded_error   You exceeded your current quota   aiohttp...ClientConnectorError: Cannot connect to host ...

The text is only taken apart here. What it means is told by the classifiers that a running stream uses. Nothing is
guessed: what none of them recognises is None.
"""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import socket
from itertools import pairwise
from typing import Any, Literal

from ..failures import ErrorKind, Failure
from .body import read_body, read_error
from .door import MAX_TEXT
from .generic import GENERIC
from .http import classify_error, classify_response
from .network import CLASSES, classify_exception
from .rules import Rules

__all__ = ["classify_pasted"]

MAX_PASTED = 64 * 1024

_STATUS = re.compile(
    r"^\W*+(?:HTTP)?+(?:/[\d.]++)?+\s*+(?:error|status|code)?+[\s:]*+([3-5]\d\d)\b(?! ?(?:ms|s|tokens|seconds)\b)"
    r"|(?:error code|status[ _]?code|status|HTTP(?:/[\d.]++)?(?: error)?)['\"]?[\s:=]++([3-5]\d\d)\b"
    r"|(?:client|server) error '([3-5]\d\d) |<title>\s*+([3-5]\d\d)\b|\b([3-5]\d\d), message=",
    re.IGNORECASE,
)
_HOST = re.compile(r"\bhost (?:https?://)?([\w.-]+|\[[\w:]+\])", re.IGNORECASE)
_CLASS = re.compile(rf"\b({'|'.join((*CLASSES, 'ContentEncodingError'))})\b")
_NO_ANSWER = re.compile(r"\b400, message\b|\bClientHttpProxyError\b")
"""Lines with a status that is not the provider's: aiohttp's parser puts a 400 of its own into its exceptions, and a
proxy has one too."""

# Sentences of other libraries and systems, and the class that means the same.
_SAYINGS: tuple[tuple[str, str], ...] = (
    (r"cannot connect to host", "ClientConnectorError"),
    (r"connection timeout to host|\bConnectTimeout\b", "ConnectionTimeoutError"),
    (r"timeout on reading data|\bReadTimeout\b|read timed out", "SocketTimeoutError"),
    (r"server disconnected", "ServerDisconnectedError"),
    (r"payload is not completed|incomplete chunked read|peer closed connection|incompleteread", "ClientPayloadError"),
    (r"session is closed|connector is closed|event loop is closed|can't start new thread|executor shutdown"
     r"|after (interpreter )?shutdown", "RuntimeError"),
    (r"connection closed$", "ClientConnectionError"),
    (r"control character.{0,40}in header", "ValueError"),
    (r"while decoding a json", "RecursionError"),
    (r"\b400, message=", "ClientResponseError"),
)  # fmt: skip
_CAUSES: tuple[tuple[str, str], ...] = (
    (r"can not decode content-encoding", "ContentEncodingError"),
    (r"certificate[ _]verify[ _]failed", "SSLCertVerificationError"),
    (r"\bUNEXPECTED_EOF_WHILE_READING\b", "SSLEOFError"),
    (r"\[SSL[:\]]|wrong_version_number", "SSLError"),
    (r"name or service not known|nodename nor servname|failure in name resolution|getaddrinfo|no address associated"
     r"|could not resolve host", "gaierror"),
)  # fmt: skip
_AMBIGUOUS = frozenset({errno.EPERM, errno.EACCES, errno.EAGAIN})
"""Their sentences are said of other things, too; they count by number only."""
_NUMBERS = {
    os.strerror(number).lower(): number for number in errno.errorcode if number > 0 and number not in _AMBIGUOUS
}
_OURS: tuple[tuple[str, Failure], ...] = (
    (r"\bclaude\b.{0,20}not found|No such file.{0,40}\bclaude\b",
     Failure(kind=ErrorKind.CLIENT_CONFIG, code="command_not_found")),
    (r"\b(CancelledError|KeyboardInterrupt)\b", Failure(kind=ErrorKind.CANCELLED)),
)  # fmt: skip
_BODY_BROKE = re.compile(r"payload|incomplete|peer closed", re.IGNORECASE)


def classify_pasted(text: str, rules: Rules = GENERIC) -> Failure | None:
    """Classify a pasted text by these rules; None when it is no error that is known here."""
    text = text[:MAX_PASTED].strip()
    status, value = _status(text), _value(text)
    if _NO_ANSWER.search(text):
        return _by_exception(text)
    if value is not None and (status or read_error(value).is_error):
        body = json.dumps(value).encode()
        return classify_response(status, {}, body, rules) if status else classify_error(value, rules)
    if read_body(text.encode()).form == "html":
        return classify_response(status or 200, {}, text.encode(), rules)
    if (ours := next((failure for pattern, failure in _OURS if re.search(pattern, text)), None)) is not None:
        return ours
    if status:
        return classify_response(status, {}, json.dumps({"error": {"message": text}}).encode(), rules)
    return _by_name(text, rules) or _by_exception(text) or _by_sentence(text, rules)


def _status(text: str) -> int | None:
    found = _STATUS.search(text[:2000])
    return int(next(filter(None, found.groups()))) if found else None


def _value(text: str) -> dict[str, Any] | list[Any] | None:
    """Decode the JSON in a text, or a printed Python value."""
    start = min((place for mark in "{[" if (place := text.find(mark)) >= 0), default=-1)
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text[start : max(text.rfind("}"), text.rfind("]")) + 1])
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
    return value if _is_json(value) else None


def _is_json(value: Any) -> bool:
    try:
        return isinstance(value, dict | list) and bool(json.dumps(value))
    except (TypeError, ValueError):
        return False


def _by_name(text: str, rules: Rules) -> Failure | None:
    """Classify a provider's code or type alone, or behind another SDK's class: `insufficient_quota`, `...Error:
    Overloaded`."""
    return classify_error({"error": {"code": text}}, rules) if len(text) <= 120 and rules.knows(text) else None


def _by_sentence(text: str, rules: Rules) -> Failure | None:
    """Classify a sentence that one of the phrases has."""
    known = rules.phrase_in(text[:MAX_TEXT], 0)
    return classify_error({"error": {"message": text}}, rules) if known else None


def _by_exception(text: str) -> Failure | None:
    """Classify an exception's line: build an exception of the class and number that it names, and classify that."""
    links = [name for pattern, name in _CAUSES if re.search(pattern, text, re.IGNORECASE)]
    links += _CLASS.findall(text) or [name for pattern, name in _SAYINGS if re.search(pattern, text, re.IGNORECASE)]
    number = _number(text)
    if not links and number is None:
        return None
    host = _HOST.search(text)
    phase: Literal["connect", "stream"] = "stream" if _BODY_BROKE.search(text) else "connect"
    error = _exception(links, number, text)
    error.status = _status(text)  # type: ignore[attr-defined]  # used for a proxy's answer
    return classify_exception(error, phase=phase, host=host[1] if host else "")


def _number(text: str) -> int | None:
    found = re.search(r"\[Errno (\d+)\]", text)
    if found:
        return int(found[1])
    if re.search(r"(?i)cannot connect ", text) and re.search(r"(?i)not permitted|permission denied", text):
        return errno.EACCES
    return next((number for sentence, number in _NUMBERS.items() if sentence in text.lower()), None)


def _exception(links: list[str], number: int | None, text: str) -> BaseException:
    """Return stand-ins with these class names, each the cause of the one before; the last has the system's error
    number."""
    chain: list[BaseException] = [_stand_in(name, text) for name in links]
    if number is not None and not {"gaierror", "SSLCertVerificationError"} & set(links):
        chain.append(OSError(number, os.strerror(number)))
    for outer, inner in pairwise(chain):
        outer.__cause__ = inner
    return chain[0]


def _stand_in(name: str, text: str) -> BaseException:
    if name == "gaierror":
        return socket.gaierror(socket.EAI_NONAME, text)
    said = text.rpartition(f"{name}: ")[2]
    return type(name, (Exception,), {})(said)  # type: ignore[no-any-return]

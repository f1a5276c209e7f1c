"""Makes a `Failure` of an exception of the HTTP library or the operating system, by class name and errno.

    errno of a resource, anywhere in the chain -> causes that say more than their wrapper
        -> sentences -> errno of the network -> class

What is not a fault of the network or of this host is None, so that our own bugs stay visible. The HTTP library is not
imported: its classes are known by name. `ClientResponseError.status` is not read, because the 400 in it is the
parser's, and no server sent it. `CancelledError` does not come here.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ..failures import ErrorKind, Failure
from ..text.readable import one_line

__all__ = ["CLASSES", "classify_exception"]

MAX_TEXT = 2000
"""Characters of an exception's text: a server's bytes may be in it."""

_K = ErrorKind


class Fault(NamedTuple):
    """Names the kinds that a class means: before the headers (while connecting or waiting), and in the body."""

    before: ErrorKind
    stream: ErrorKind


def _always(kind: ErrorKind) -> Fault:
    return Fault(kind, kind)


_LOST = Fault(_K.CONNECTION_LOST, _K.STREAM_INTERRUPTED)
_TLS = Fault(_K.TLS_FAILURE, _K.STREAM_INTERRUPTED)
_SLOW = Fault(_K.CONNECT_TIMEOUT, _K.READ_TIMEOUT)

# A row for each class of aiohttp.client_exceptions, and what the standard library raises beside them.
CLASSES: Mapping[str, Fault] = {
    "ClientError": _LOST,
    "ClientConnectionError": _LOST,
    "ClientOSError": _LOST,
    "ClientConnectionResetError": _LOST,
    "ClientConnectorError": _always(_K.CONNECT_FAILED),
    "ClientConnectorDNSError": _always(_K.DNS_FAILURE),
    "ClientConnectorSSLError": _always(_K.TLS_FAILURE),
    "ClientConnectorCertificateError": _always(_K.TLS_FAILURE),
    "ClientSSLError": _always(_K.TLS_FAILURE),
    "ClientProxyConnectionError": _always(_K.PROXY_ERROR),
    "ClientHttpProxyError": _always(_K.PROXY_ERROR),
    "UnixClientConnectorError": _always(_K.CONNECT_FAILED),
    "ServerConnectionError": _LOST,
    "ServerDisconnectedError": _LOST,
    "ServerFingerprintMismatch": _always(_K.TLS_FAILURE),
    "ServerTimeoutError": _SLOW,
    "ConnectionTimeoutError": _always(_K.CONNECT_TIMEOUT),
    "SocketTimeoutError": _always(_K.READ_TIMEOUT),
    "ClientPayloadError": _LOST,
    "UploadAbortedError": _LOST,
    "ClientResponseError": _always(_K.PROTOCOL_ERROR),
    "ContentTypeError": _always(_K.UNEXPECTED_RESPONSE),
    "WSServerHandshakeError": _always(_K.UNEXPECTED_RESPONSE),
    "WSMessageTypeError": _always(_K.PROTOCOL_ERROR),
    "TooManyRedirects": _always(_K.UNEXPECTED_RESPONSE),
    "RedirectClientError": _always(_K.UNEXPECTED_RESPONSE),
    "InvalidUrlRedirectClientError": _always(_K.UNEXPECTED_RESPONSE),
    "NonHttpUrlRedirectClientError": _always(_K.UNEXPECTED_RESPONSE),
    "InvalidURL": _always(_K.CLIENT_CONFIG),
    "InvalidUrlClientError": _always(_K.CLIENT_CONFIG),
    "NonHttpUrlClientError": _always(_K.CLIENT_CONFIG),
    # aiohttp's parser, when it is not wrapped. A line beyond our own limit is a limit of this SDK.
    "LineTooLong": _always(_K.BUFFER_LIMIT),
    "HeadTooLarge": _always(_K.PROTOCOL_ERROR),
    "TransferEncodingError": _always(_K.PROTOCOL_ERROR),
    "ContentLengthError": _LOST,
    "HttpProcessingError": _always(_K.PROTOCOL_ERROR),
    # The standard library. `OSError` itself has no row: only its network errnos have, see below.
    "SSLError": _TLS,
    "SSLCertVerificationError": _always(_K.TLS_FAILURE),
    "SSLEOFError": _LOST,
    "SSLZeroReturnError": _LOST,
    "SSLSyscallError": _LOST,
    "gaierror": _always(_K.DNS_FAILURE),
    "ConnectionError": _LOST,
    "ConnectionRefusedError": Fault(_K.CONNECT_FAILED, _K.STREAM_INTERRUPTED),
    # Only a timer makes one without an errno. Our own timers do not come here: whoever set them reports them.
    "TimeoutError": _always(_K.DEADLINE_EXCEEDED),
    "IncompleteReadError": _LOST,
    "LimitOverrunError": _always(_K.BUFFER_LIMIT),
    "MemoryError": _always(_K.OUT_OF_MEMORY),
    "UnicodeDecodeError": _always(_K.PROTOCOL_ERROR),
    "JSONDecodeError": _always(_K.PROTOCOL_ERROR),
}

# These say more than the exceptions that wrap them.
_CAUSES: Mapping[str, Fault] = {
    "ContentEncodingError": _always(_K.PROTOCOL_ERROR),
    "SSLCertVerificationError": _always(_K.TLS_FAILURE),
    "SSLEOFError": _LOST,
    "SSLZeroReturnError": _LOST,
}


_PARSERS: Mapping[str, Fault] = {name: CLASSES[name] for name in ("ClientResponseError", "HttpProcessingError")}
"""Classes whose `message` is the sentence of aiohttp's parser."""


class _Sentence(NamedTuple):
    """Gives the meaning of a class where it depends on the exception's text."""

    name: str
    pattern: re.Pattern[str]
    fault: Fault


_SENTENCES = tuple(
    _Sentence(name, re.compile(pattern, re.IGNORECASE), fault)
    for name, pattern, fault in (
        (
            "RuntimeError",
            r"session is closed|connector is closed|event loop is closed",
            _always(_K.CLIENT_CLOSED),
        ),
        ("RuntimeError", r"executor shutdown|after (interpreter )?shutdown", _always(_K.CLIENT_CLOSED)),
        ("RuntimeError", r"can't start new thread", _always(_K.OS_LIMIT)),
        ("ClientConnectionError", r"^(connection|connector is) closed\W*$", _always(_K.CLIENT_CLOSED)),
        ("RecursionError", r"while decoding a json", _always(_K.PROTOCOL_ERROR)),
        (
            "ValueError",
            r"(control character|newline|carriage return|null byte).{0,60}in header",
            _always(_K.CLIENT_CONFIG),
        ),
        ("TransferEncodingError", r"not enough data", _LOST),
        ("ClientConnectorError", r"attempting to bind on address", _always(_K.CLIENT_CONFIG)),
        ("SSLError", r"certificate", _always(_K.TLS_FAILURE)),
    )
)

_RESOURCES: Mapping[int, ErrorKind] = {
    errno.EMFILE: _K.FD_EXHAUSTED,
    errno.ENFILE: _K.FD_EXHAUSTED,
    errno.ENOMEM: _K.OUT_OF_MEMORY,
    errno.ENOBUFS: _K.OUT_OF_MEMORY,
}
_ERRNOS: Mapping[int, Fault] = {
    errno.EADDRNOTAVAIL: _always(_K.OS_LIMIT),
    errno.EADDRINUSE: _always(_K.OS_LIMIT),
    errno.EAGAIN: _always(_K.OS_LIMIT),
    errno.EPERM: _always(_K.CLIENT_CONFIG),
    errno.EACCES: _always(_K.CLIENT_CONFIG),
    errno.EAFNOSUPPORT: _always(_K.CONNECT_FAILED),
    errno.ECONNREFUSED: Fault(_K.CONNECT_FAILED, _K.STREAM_INTERRUPTED),
    errno.ENETUNREACH: Fault(_K.CONNECT_FAILED, _K.STREAM_INTERRUPTED),
    errno.ENETDOWN: Fault(_K.CONNECT_FAILED, _K.STREAM_INTERRUPTED),
    errno.EHOSTUNREACH: Fault(_K.CONNECT_FAILED, _K.STREAM_INTERRUPTED),
    errno.EHOSTDOWN: Fault(_K.CONNECT_FAILED, _K.STREAM_INTERRUPTED),
    errno.ETIMEDOUT: Fault(_K.CONNECT_TIMEOUT, _K.STREAM_INTERRUPTED),
    errno.ECONNRESET: _LOST,
    errno.ECONNABORTED: _LOST,
    errno.EPIPE: _LOST,
    errno.ENOTCONN: _LOST,
}
# A file that may not be opened is not the network; only under one of these are EPERM and EACCES a firewall.
_CONNECTING = frozenset({"ClientConnectorError", "ClientOSError"})
_FILE_ERRNOS = frozenset({errno.EPERM, errno.EACCES, errno.EAGAIN})

_REASONS: tuple[tuple[str, str], ...] = (
    (r"wrong_version_number|wrong version number|http_request", "the server does not speak https on this port"),
    (r"expired", "the certificate has expired"),
    (r"hostname mismatch|ip address mismatch|not valid for", "the certificate is for another host"),
    (
        r"self[- ]signed|unable to get (local )?issuer|unknown ca",
        "the certificate is signed by an unknown authority",
    ),
    (r"fingerprint", "the certificate is not the pinned one"),
    (r"bind on address", "The local address cannot be used on this machine"),
    (r"permission|not permitted", "A firewall or sandbox on this machine blocks the connection"),
    (r"in header", "A header or the API key contains a line break or control character"),
    (r"url", "The base URL is not a complete http or https URL"),
)


def classify_exception(
    error: BaseException, *, phase: Literal["connect", "request", "stream"], host: str = ""
) -> Failure | None:
    """Classify an exception of a connection; None when it is not one of the network or of this host.

    phase: connect and request are before the response's headers, stream is its body. host: for the message,
    taken from the exception when not given.
    """
    chain = tuple(_chain(error))
    if type(error).__name__ == "ClientHttpProxyError":
        return _proxy_answered(error, host)
    fault = _out_of_resources(chain) or _by_cause(chain) or _by_sentence(chain) or _by_errno(chain) or _by_class(chain)
    if fault is None:
        return None
    kind = fault.stream if phase == "stream" else fault.before
    if kind is _K.PROTOCOL_ERROR and _is_about_the_head(chain):
        # The same headers would come again, and the answer would be paid for again.
        return Failure(kind=kind, code="header_too_long", retry=False, facts=_facts(kind, chain, host))
    return Failure(kind=kind, facts=_facts(kind, chain, host))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return the error and its causes. An exception's context counts only behind a class of the network, since a bug in
    an error handler has a network error as its context, too."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < 32:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        behind = [getattr(link, "os_error", None), link.__cause__]
        if not link.__suppress_context__ and _named(link, CLASSES):
            behind.append(link.__context__)
        waiting += [item for item in behind if isinstance(item, BaseException)]


def _classes(link: BaseException) -> Iterator[str]:
    return (cls.__name__ for cls in type(link).__mro__)


def _named(link: BaseException, table: Mapping[str, Fault]) -> Fault | None:
    return next((table[name] for name in _classes(link) if name in table), None)


def _errno(link: BaseException) -> int | None:
    """Return the operating system's own error number.

    OpenSSL and the resolver use the attribute for other numbers: SSLError has errno 1, which would be EPERM. A wrapper
    only copies what its `os_error` says.
    """
    foreign = isinstance(link, ssl.SSLError | socket.gaierror) or "SSLError" in _classes(link)
    number = getattr(link, "errno", None)
    return number if isinstance(number, int) and not foreign and not hasattr(link, "os_error") else None


def _out_of_resources(chain: tuple[BaseException, ...]) -> Fault | None:
    found = next((kind for link in chain if (kind := _RESOURCES.get(_errno(link) or 0))), None)
    return _always(found) if found else None


def _by_cause(chain: tuple[BaseException, ...]) -> Fault | None:
    return next((fault for link in chain if (fault := _named(link, _CAUSES))), None)


def _by_sentence(chain: tuple[BaseException, ...]) -> Fault | None:
    return next(
        (
            sentence.fault
            for link in chain
            for sentence in _SENTENCES
            if sentence.name in _classes(link) and sentence.pattern.search(_text(link))
        ),
        None,
    )


def _by_errno(chain: tuple[BaseException, ...]) -> Fault | None:
    """Classify by errno. A plain OSError belongs to the network by its errno only; below a connector error, it is why
    the connection failed."""
    if _named(chain[0], CLASSES) not in (None, *_BROAD):
        return None
    connecting = any(name in _CONNECTING for name in _classes(chain[0]))
    for link in chain:
        number = _errno(link)
        if number is not None and number in _ERRNOS and (connecting or number not in _FILE_ERRNOS):
            return _ERRNOS[number]
        if number is None and isinstance(link, ConnectionError) and not hasattr(link, "os_error"):
            return _LOST  # aiohttp raises this after a failed handshake: ConnectionResetError without an errno.
    return None


_BROAD = frozenset({_LOST, CLASSES["ClientConnectorError"], CLASSES["ConnectionRefusedError"], CLASSES["TimeoutError"]})


def _by_class(chain: tuple[BaseException, ...]) -> Fault | None:
    return next((fault for link in chain if (fault := _named(link, CLASSES))), None)


def _proxy_answered(error: BaseException, host: str) -> Failure:
    """Classify the answer to CONNECT. It has the only real status in an exception: the proxy sent it."""
    status = getattr(error, "status", None)
    proxy = getattr(getattr(getattr(error, "request_info", None), "real_url", None), "host", None)
    facts = {name: value for name, value in (("proxy", proxy), ("host", host)) if value}
    if status == 407:
        return Failure(kind=_K.PROXY_AUTH, status=status, facts=facts)
    if status == 403:
        return Failure(kind=_K.PERMISSION_DENIED, code="proxy_refused", status=status, fallback=False, facts=facts)
    return Failure(kind=_K.PROXY_ERROR, status=status or None, facts=facts)


def _is_about_the_head(chain: tuple[BaseException, ...]) -> bool:
    """Return whether the head exceeds the limits of the parser or of our own connections (transport/sessions.py)."""
    return any("HeadTooLarge" in _classes(link) or _TOO_MANY in _parsers_words(link) for link in chain)


_TOO_MANY = "Too many headers"
_QUOTED = re.compile(r"(?: when reading)?:?\s{0,8}b['\"]|\n")


def _complaint(chain: tuple[BaseException, ...]) -> str:
    """Return the parser's own sentence, without the bytes that it quotes, which may be anything, even a secret."""
    words = next((words for link in chain if (words := _parsers_words(link))), "")
    return one_line(_QUOTED.split(words[:400], maxsplit=1)[0]).rstrip(":")[:200]


def _parsers_words(link: BaseException) -> str:
    """Return what the parser says. The text of its exceptions has the URL in it, too."""
    words = getattr(link, "message", "") if _named(link, _PARSERS) else ""
    return words if isinstance(words, str) else ""


def _text(link: BaseException) -> str:
    try:
        return str(link)[:MAX_TEXT]
    except Exception:  # An exception that a library did not initialise must not hide the fault itself.
        return ""


def _facts(kind: ErrorKind, chain: tuple[BaseException, ...], host: str) -> dict[str, Any]:
    found = host or next((name for link in chain if (name := _host(link))), "")
    facts: dict[str, Any] = {"host": found} if found else {}
    if kind is _K.PROXY_ERROR and (proxy := next((name for link in chain if (name := _host(link))), "")):
        facts["proxy"] = proxy
    if kind in (_K.TLS_FAILURE, _K.CLIENT_CONFIG):
        facts["reason"] = _reason(kind, chain)
    if kind is _K.PROTOCOL_ERROR and (words := _complaint(chain)):
        facts["reason"] = words
    return facts


def _host(link: BaseException) -> str:
    try:
        name = getattr(link, "host", "")
    except AttributeError:
        return ""
    return name if isinstance(name, str) else ""


def _reason(kind: ErrorKind, chain: tuple[BaseException, ...]) -> str:
    said = " ".join(f"{type(link).__name__} {_text(link)}" for link in chain)
    found = next((reason for pattern, reason in _REASONS if re.search(pattern, said, re.IGNORECASE)), "")
    if found:
        return found
    verified = next((text for link in chain if isinstance(text := getattr(link, "verify_message", None), str)), "")
    return verified or (
        "no encrypted connection could be set up" if kind is _K.TLS_FAILURE else "The connection could not be set up"
    )

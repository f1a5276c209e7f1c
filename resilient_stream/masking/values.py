"""Masks secrets by value: whatever an attempt was sent with is taken out of everything that leaves it.

    Secrets     what must not be shown: keys, headers, query values, logins; and the ways in which servers quote them
    hide        in a text, `hide_in` in plain values, `hide_failure` in a finding, `hide_cause` in an exception's chain
    mask_...    a request and an answer's headers as a recording has them

A header of a request is harmless only when its name is on the short list of harmless ones; and a value that was sent is
masked wherever it turns up: in a body, a prompt, an error in which the provider quotes it. Short values are not masked
everywhere. A key of less than eight characters protects nothing, and "test" is a word: it is masked where it stands
behind a name, as in `Authorization: test`. None of this runs while nothing goes wrong.
"""

from __future__ import annotations

import base64
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import getproxies

from msgspec import structs

from ..contract import Endpoint, HttpRequest, Outgoing, ProcessRequest
from ..failures import Failure
from ..target import Target
from ..text.harmless import HEADERS, QUERY, is_secret_name, keys_in_path, safe_headers, safe_url
from .spellings import SHORTEST, Finder, hints_in, hints_of, lower

__all__ = ["HIDDEN", "MASK", "Secrets", "mask_response_headers", "mask_sent", "secrets_of", "secrets_of_environment"]

MASK = "***"
"""The mask that is shown in place of a secret in recordings, whose form is documented."""
HIDDEN = "[hidden]"
"""The mask that is shown in place of a secret in errors, and so in logs, spans and tracebacks."""

MOST_TEXT = 16 * 1024
"""Characters of a text that are searched for parts of a secret, too: an exception may quote a whole answer."""
MOST_BYTES = 1024 * 1024
"""Bytes of a body in which parts are looked for: 20 ms of work, once the answer has ended."""
MOST_LINKS = 32
"""How many links of an exception's chain are cleaned."""

_SECRET_FIELD = re.compile(
    r"(?i)^(authorization|password|secret|token|client_secret|.*(api|access|secret)_?(key|token))$"
)
_LOGIN = re.compile(r"""(?<=://)[^/\s?#'"<>]*@""")
"""User and password in an address, wherever one stands in a text."""
_POSITION = (
    r"(?i)((?:authorization|api.?key|\bkey|token|secret|passw\w{0,8}|credentials?|bearer|basic|cookie)"
    r"[\"'`]?\s?[:=]?\s?[\"'`]?(?:bearer |basic )?)(?:%s)(?!\w)"
)
"""A place where a short key is recognised: behind a name."""


class Secrets:
    """Holds values that must not be shown. mask: what is shown in their place."""

    def __init__(self, values: Iterable[str], mask: str = HIDDEN) -> None:
        found = {value for value in values if value and value != mask}
        self.mask = mask
        self.values = frozenset(value for value in found if len(value) >= SHORTEST)
        """The values that are masked wherever they stand."""
        self._finder = Finder(self.values)
        self._short = _short(found - self.values)

    def hide(self, text: str) -> str:
        """Return the text with secrets replaced: whole, in another notation, or shortened to a part of some length."""
        secret = self._finder.places(lower(text), MOST_TEXT)
        shown = _LOGIN.sub(f"{self.mask}@", self._without(text, secret) if b"\1" in secret else text)
        return self._short.sub(rf"\g<1>{self.mask}", shown) if self._short else shown

    def _without(self, text: str, secret: bytearray) -> str:
        pieces, end = [], 0
        for found in re.finditer(rb"\x01+", secret):
            pieces.append(text[end : found.start()])
            end = found.end()
        return self.mask.join([*pieces, text[end:]])

    def hide_in(self, value: Any) -> Any:
        """Return JSON values with each of the secrets in them replaced, in names, too."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide_in(name): self.hide_in(item) for name, item in value.items()}
        return [self.hide_in(item) for item in value] if isinstance(value, list | tuple) else value

    def hide_failure(self, failure: Failure) -> Failure:
        """Return a failure without secrets in any of its texts."""
        return structs.replace(
            failure,
            detail=self.hide(failure.detail),
            code=self.hide(failure.code),
            request_id=failure.request_id and self.hide(failure.request_id),
            resets_at=failure.resets_at and self.hide(failure.resets_at),
            facts=self.hide_in(failure.facts),
        )

    def hide_cause(self, error: BaseException | None, seen: set[int] | None = None) -> BaseException | None:
        """Return an exception whose traceback shows no secret: itself, or a stand-in with the same class name.

        aiohttp's exceptions have the address in their text, and the request's headers in their repr.
        """
        seen = set() if seen is None else seen
        if error is None or id(error) in seen or len(seen) > MOST_LINKS:
            return None
        seen.add(id(error))
        shown, hushed = self._clean(error), error.__suppress_context__
        shown.__cause__ = self.hide_cause(error.__cause__, seen)
        shown.__context__ = None if hushed else self.hide_cause(error.__context__, seen)
        shown.__suppress_context__ = hushed
        return shown

    def _clean(self, error: BaseException) -> BaseException:
        said = _shown_text(error)
        notes = [str(note) for note in getattr(error, "__notes__", ())]
        if all(self.hide(text) == text for text in (*said, *notes)):
            return error
        kind = type(error)
        alike = type(kind.__name__, (Exception,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__})
        copy = alike(self.hide(said[0])).with_traceback(error.__traceback__)
        for note in notes:
            copy.add_note(self.hide(note))
        assert isinstance(copy, Exception)
        return copy

    def hide_bytes(self, data: bytes) -> bytes:
        """Return bytes with each of the values replaced, as they are, in another notation, or shortened."""
        secret = self.places(data)
        return self._without(data.decode("latin-1"), secret).encode("latin-1") if b"\1" in secret else data

    def places(self, data: bytes) -> bytearray:
        """Return a 1 for each byte that belongs to a secret."""
        return self._byte_finder.places(data.lower().decode("latin-1"), MOST_BYTES)

    @functools.cached_property
    def _byte_finder(self) -> Finder:
        return Finder(self.values, of_bytes=True)


def secrets_of(sent: Outgoing | None, endpoint: Endpoint | None, target: Target | None = None) -> Iterator[str]:
    """Return the values that must not be shown: everything that a request was sent with, or would have been sent
    with."""
    if endpoint is not None:
        yield from (endpoint.api_key or "", *_of_url(endpoint.base_url), *keys_in_path(endpoint.base_url))
        yield from (*_of_headers(endpoint.headers), *_of_fields(endpoint.credentials))
    if target is not None:
        yield from (target.api_key if isinstance(target.api_key, str) else "", *_of_url(target.base_url or ""))
        yield from _of_headers(target.headers or {})
        yield from (value for name, value in target.options.items() if isinstance(value, str) and is_secret_name(name))
    yield from _of_headers(getattr(sent, "headers", {}))
    yield from _of_url(getattr(sent, "url", ""))
    yield from (value for name, value in getattr(sent, "environment", {}).items() if is_secret_name(name))
    yield from (part for address in getproxies().values() for part in _of_url(address))


def hints_to(sent: Outgoing | None, base_url: str = "") -> frozenset[str]:
    """Return the hints that a text would have in common with something that was sent, for `quotes`."""
    url = getattr(sent, "url", "")
    headers = tuple(each for each in getattr(sent, "headers", {}).items() if each[0].lower() not in HEADERS)
    environment = tuple(getattr(sent, "environment", {}).items())
    return _hints(headers, url if "?" in url or "@" in url else "", base_url, environment)


@functools.lru_cache(maxsize=256)
def quotes(hints: frozenset[str], text: str) -> bool:
    """Check quickly whether a name from a server may contain something that was sent. False is certain, True is not.

    It is remembered, since every answer has the name of its model.
    """
    return "://" in text or not hints.isdisjoint(hints_in(text))


@functools.lru_cache(maxsize=64)
def _hints(
    headers: tuple[tuple[str, str], ...], url: str, base_url: str, environment: tuple[tuple[str, str], ...]
) -> frozenset[str]:
    """Return the hints of a request. They are remembered, since the next request to a target usually has the same
    key."""
    named = (value for name, value in environment if is_secret_name(name))
    return hints_of((*_of_headers(dict(headers)), *_of_url(url), *keys_in_path(base_url), *named))


def secrets_of_environment() -> Iterator[str]:
    """Return the values of variables that are named like a secret, for a text that did not come from an attempt."""
    return (value for name, value in os.environ.items() if len(value) >= SHORTEST and is_secret_name(name))


def mask_sent(request: Outgoing, body: Any) -> dict[str, Any]:
    """Return the request as it is recorded. body: what was sent, as JSON values or text."""
    if isinstance(request, HttpRequest):
        headers = safe_headers(request.headers, MASK)
        return {"method": request.method, "url": safe_url(request.url), "headers": headers, "body": _fields(body)}
    if isinstance(request, ProcessRequest):
        environment = dict.fromkeys(request.environment, MASK)
        files = {option: content.decode("utf-8", "replace") for option, content in request.files.items()}
        sent = {"command": list(request.command), "environment": environment, "stdin": body}
        return {**sent, "files": files} if files else sent
    return {}


def mask_response_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return an answer's headers without cookies and others whose name suggests a secret; the rest tells how the
    provider is doing."""
    return {name: _response_header(name, value) for name, value in headers.items()}


def _of_url(url: str) -> list[str]:
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        fields = [value for name, value in parse_qsl(parts.query) if name not in QUERY]
    except ValueError:
        return []
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    login = f"{user}:{password}" if password else ""
    return [user if len(user) >= SHORTEST else "", password, login, *fields]


def _of_headers(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name.lower() not in HEADERS and isinstance(value, str):
            yield from _of_header(value, named=is_secret_name(name))


def _of_header(value: str, *, named: bool) -> Iterator[str]:
    """Return a header's value and, if it is named like a secret, the secret in it: after "Bearer", in the fields of a
    signature, in cookies."""
    scheme, blank, rest = value.partition(" ")
    if not (named and blank):
        yield value if named or len(value) >= SHORTEST else ""
    if not named:
        return
    if blank and "=" not in rest.rstrip("="):
        yield rest.strip()
    for field in re.split(r"[,;]\s*|\s+", value):
        name, sign, said = field.partition("=")
        if sign and said.strip("=") and name.lower() != "signedheaders":
            yield said.partition("/")[0] if name == "Credential" else said
    if scheme.lower() == "basic":
        yield from _of_basic(rest)


def _of_basic(encoded: str) -> list[str]:
    try:
        login = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return []
    return [login, login.partition(":")[2]]


def _of_fields(credentials: Any) -> list[str]:
    """Return the fields of a resolver's result that are named like a secret: a signing key's, a token."""
    fields: tuple[str, ...] = getattr(credentials, "__struct_fields__", ()) or getattr(credentials, "_fields", ())
    values = ((name, getattr(credentials, name)) for name in fields)
    return [value for name, value in values if isinstance(value, str) and is_secret_name(name)]


def _short(values: frozenset[str] | set[str]) -> re.Pattern[str] | None:
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(_POSITION % "|".join(map(re.escape, longest_first))) if values else None


def _shown_text(error: BaseException) -> tuple[str, str]:
    """Return what a traceback and a debugger show of an exception. One that a library did not initialise may have
    neither."""
    said = []
    for show in (str, str if isinstance(error, UnicodeError) else repr):  # the repr of a UnicodeError has all the data
        try:
            said.append(show(error))
        except Exception:
            said.append("")
    return said[0], said[1]


def _response_header(name: str, value: str) -> str:
    if is_secret_name(name):
        return MASK
    return safe_url(value) if name == "location" else value


def _fields(value: Any) -> Any:
    """Return a body without the values of fields that are named like a secret."""
    if isinstance(value, dict):
        return {name: MASK if _is_secret(name, item) else _fields(item) for name, item in value.items()}
    return [_fields(item) for item in value] if isinstance(value, list) else value


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and _SECRET_FIELD.search(name) is not None

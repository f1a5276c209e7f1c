"""Words what the commands say of a shared store: its address without the password, and what is wrong.

`doctor --store` and `top` say the same of the same error.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from ..stores.cluster import nodes_of
from ..stores.looking import Server
from ..stores.redis import StoreLost
from ..stores.reports import RecordRefused

__all__ = ["StoreTrouble", "mismatch", "shown", "trouble_of"]

_WHY: Mapping[type[Exception], str] = {
    ConnectionRefusedError: "no server listens there.",
    FileNotFoundError: "there is no such socket.",
    socket.gaierror: "the host's name has no address.",
    TimeoutError: "no answer in time.",
}
"""What is said of errors of the network, in place of the words of the package redis."""

_REACH = "Is the server running, and may this machine reach it? A firewall or TLS (rediss://) may be why."
_NO_SERVER = "The server is a node of a cluster, and the URL names a single server: most keys are elsewhere."
_NO_CLUSTER = "The URL says that it is a cluster, and the server is a single one."
_LOGINS = ("AuthenticationError", "AuthenticationWrongNumberOfArgsError")
_MOVED = ("MovedError", "AskError")


class StoreTrouble(Exception):
    """Says what is wrong with a store: a few words, what happened and what to do. lasting: it does not pass."""

    def __init__(self, note: str, happened: str, to_do: str, *, lasting: bool = True) -> None:
        super().__init__(happened)
        self.note = note
        self.happened = happened
        self.to_do = to_do
        self.lasting = lasting


def trouble_of(error: Exception, url: str, place: str) -> StoreTrouble:
    """Return what an error of a store, of the package redis or of the network means. place: what was asked."""
    if isinstance(error, StoreLost | RecordRefused) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    said = _without_password(error, url)
    names = [cls.__name__ for cls in type(error).__mro__]
    if names[0] in _LOGINS:
        return _refused_login(url, place)
    if names[0] == "NoPermissionError":
        return StoreTrouble("not allowed", said, "Allow this user the command on keys of the prefix.")
    if names[0] in _MOVED:
        return _named_wrongly(is_cluster=True)
    if "ResponseError" in names or isinstance(error, RecordRefused):
        return StoreTrouble("refused", f"{place} refuses: {said}", "Another database or prefix may be needed.")
    why = next((words for kind, words in _WHY.items() if _is_behind(error, kind)), said)
    return StoreTrouble("no answer", f"{place}: {why or names[0]}", _REACH, lasting=False)


def mismatch(url: str, server: Server) -> StoreTrouble | None:
    """Return what is wrong where the URL names a cluster and the server is none, or the other way round."""
    if not server.version or server.is_cluster == bool(nodes_of(url)):
        return None
    return _named_wrongly(is_cluster=server.is_cluster)


def _named_wrongly(*, is_cluster: bool) -> StoreTrouble:
    if is_cluster:
        return StoreTrouble("a cluster", _NO_SERVER, "Begin the URL with redis+cluster:// (rediss+cluster:// for TLS).")
    return StoreTrouble("no cluster", _NO_CLUSTER, "Begin the URL with redis:// (rediss:// for TLS).")


def _refused_login(url: str, place: str) -> StoreTrouble:
    if _password(url):
        happened = f"{place} does not accept the user or the password."
        return StoreTrouble("password", happened, "Correct them in the URL.")
    happened = f"{place} asks for a password, and the URL has none."
    return StoreTrouble("password", happened, "Put it into the URL: redis://:PASSWORD@host, percent-encoded.")


def _password(url: str) -> str | None:
    parts = urlsplit(url)
    return parts.password or next(iter(parse_qs(parts.query).get("password", ())), None)


def _without_password(error: Exception, url: str) -> str:
    """Return what the error says as a sentence on one line."""
    said, password = " ".join(str(error).split()), _password(url)
    if password:
        said = said.replace(password, "***").replace(unquote(password), "***")
    return said if not said or said.endswith(".") else f"{said}."


def shown(url: str) -> str:
    """Return a URL without its password, also where it is one that cannot be read, or has the password in its query."""
    address, _, query = url.partition("?")
    scheme = re.match(r"[a-z+]+://", url)
    if "@" in query:  # the question mark may be one of the password
        return f"{scheme[0] if scheme else ''}***"
    return re.sub(r"^([a-z+]+://)?.*@", r"\1", address)


def _is_behind(error: BaseException | None, kind: type[Exception]) -> bool:
    """Return whether an error, or what it came from, is of this kind. Errors may lead in a circle to each other."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False

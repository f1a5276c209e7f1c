"""What servers are verified with: OpenSSL's own variables, as the environment has them when a request is sent.

Certificates that a variable names and that cannot be read are said, with the variable; OpenSSL itself would go on with
none. This module must never verify less than everything.
"""

from __future__ import annotations

import functools
import os
import ssl

__all__ = ["BadCertificates", "certificates"]

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_AT_IMPORT = tuple(map(os.environ.get, _VARIABLES))
"""What aiohttp's own context was made with: it makes one when it is imported, shortly before or after this module."""


class BadCertificates(Exception):
    """A variable names certificates that cannot be read. reason: the end of a sentence about it."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} {reason}")
        self.variable, self.reason = variable, reason


def certificates() -> ssl.SSLContext | bool:
    """What to verify a server with, by the environment as it is now; True is aiohttp's own. Raises BadCertificates."""
    named = tuple(map(os.environ.get, _VARIABLES))
    return _context(*named) if any(named) or any(_AT_IMPORT) else True


@functools.lru_cache(maxsize=8)
def _context(file: str | None, directory: str | None) -> ssl.SSLContext:
    """Takes some 20 ms, once for each state of the environment."""
    if directory and not os.path.isdir(directory):
        raise BadCertificates("SSL_CERT_DIR", "names a directory that does not exist")
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    if file:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ValueError) as error:
            raise BadCertificates("SSL_CERT_FILE", _why_not(error)) from error
    return context


def _why_not(error: Exception) -> str:
    if isinstance(error, ssl.SSLError | ValueError):
        return "names a file that has no certificates in PEM form"
    return f"names a file that cannot be read ({error.strerror if isinstance(error, OSError) else error})"

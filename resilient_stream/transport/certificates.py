"""Chooses the certificates that servers are verified with: by OpenSSL's own variables, as they are when a request is
sent.

Certificates that a variable names but that cannot be read are reported with the variable; OpenSSL itself would continue
with none. Verification is never weakened.
"""

from __future__ import annotations

import functools
import os
import ssl

__all__ = ["BadCertificates", "certificates"]

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_AT_IMPORT = tuple(map(os.environ.get, _VARIABLES))
"""The settings that aiohttp's own context was made with: aiohttp makes one when it is imported, shortly before or after
this module."""


class BadCertificates(Exception):
    """A variable names certificates that cannot be read. reason: the end of a sentence about it."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} {reason}")
        self.variable, self.reason = variable, reason


def certificates() -> ssl.SSLContext | bool:
    """Return the certificates to verify a server with, by the current environment; True is aiohttp's default. Raises
    BadCertificates."""
    named = tuple(map(os.environ.get, _VARIABLES))
    return _context(*named) if any(named) or any(_AT_IMPORT) else True


@functools.lru_cache(maxsize=8)
def _context(file: str | None, directory: str | None) -> ssl.SSLContext:
    """Return a TLS context; making one takes some 20 ms, once for each state of the environment."""
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

"""Signs a request by AWS's method, version 4, with botocore.

Pure. The time is part of the key that `credentials/bedrock.py` made, so the same request has the same signature. It
does not look for credentials, and it is imported only when a request is signed, since botocore takes a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["SigningKey", "sign"]


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the values that a signature is made with. token: of temporary credentials. now: UTC, as in
    20150830T123600Z."""

    access_key: str
    secret_key: str
    token: str | None = None
    region: str
    now: str

    def __repr__(self) -> str:
        return f"SigningKey({self.region!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("region", self.region)]


def sign(
    method: str, url: str, headers: Mapping[str, str], body: bytes, key: SigningKey, service: str = "bedrock"
) -> dict[str, str]:
    """Return the headers with the signature over all of them, and the headers that the signature needs.

    The URL's path has to be sent exactly as it is here: a path that a proxy or a client rewrites does not match the
    signature.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    signed = {**headers, "X-Amz-Date": key.now}
    if key.token:
        signed["X-Amz-Security-Token"] = key.token
    request = AWSRequest(method, url, signed, body)
    request.context["timestamp"] = key.now
    # `add_auth` would do all of this with a clock of its own.
    auth = SigV4Auth(ReadOnlyCredentials(key.access_key, key.secret_key, key.token), service, key.region)
    words = auth.string_to_sign(request, auth.canonical_request(request))
    names = auth.signed_headers(auth.headers_to_sign(request))
    signature = auth.signature(words, request)
    scope = f"Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"
    return {**signed, "Authorization": f"AWS4-HMAC-SHA256 {scope}"}

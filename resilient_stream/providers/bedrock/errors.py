"""Holds what only Bedrock says of errors: its rows over the shared rules.

A row is here only when it would be wrong at other providers, or is a code that means nothing without the provider's
manual. What generalises goes to `classify.generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import Verdict, make_rules, phrase
from ...failures import ErrorKind

__all__ = ["ROWS", "RULES"]

_K = ErrorKind

ROWS: Mapping[str, Any] = {
    "codes": {
        _K.AUTHENTICATION: """UnrecognizedClientException InvalidSignatureException IncompleteSignature
            RequestExpired InvalidClientTokenId MissingAuthenticationToken SignatureDoesNotMatch""",
        # Temporary credentials: the next attempt asks for fresh ones, once.
        Verdict(_K.AUTHENTICATION, retry=True): "ExpiredTokenException ExpiredToken",
        _K.QUOTA_EXHAUSTED: "ServiceQuotaExceededException",
        _K.PERMISSION_DENIED: "OptInRequired FTUFormNotFilled",
        _K.MODEL_LOADING: "ModelNotReadyException",
        _K.PROVIDER_TIMEOUT: "ModelTimeoutException",
        _K.SERVER_ERROR: "InternalServerException InternalFailure",
    },
    # The model failed; the sentence may say that its own tool call was the reason.
    "types": {_K.SERVER_ERROR: "ModelErrorException ModelStreamErrorException"},
    "phrases": (
        phrase(
            _K.MODEL_NOT_FOUND,
            r"on-demand throughput isn.t supported|model identifier is invalid|marked .{0,30}legacy",
        ),
    ),
}
RULES = make_rules(**ROWS, over=GENERIC)

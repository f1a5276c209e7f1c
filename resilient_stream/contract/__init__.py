"""Defines the contracts between the parts: requests, transports, adapters with their decoders, and links of the chain.

No implementation is here or imported here. A provider of your own needs `Adapter`, a link `Middleware`.
"""

from .adapter import (
    Adapter,
    Batch,
    Capabilities,
    Decoder,
    Echo,
    LimitHeaders,
    Login,
    OutputWay,
    ProviderFacts,
    TextReads,
    WholeAdapter,
    WholeDecoder,
    facts_of,
)
from .middleware import CallContext, Handler, Middleware, Policies
from .request import Endpoint, Meter, Request, ResumePoint, Silence
from .transport import HttpRequest, Outgoing, ProcessRequest, ReplayRequest, Response, Sending, Transport

__all__ = [
    "CallContext",
    "Policies",
    "Adapter",
    "Batch",
    "Capabilities",
    "Decoder",
    "Echo",
    "Endpoint",
    "Handler",
    "HttpRequest",
    "LimitHeaders",
    "Login",
    "Meter",
    "OutputWay",
    "Middleware",
    "Outgoing",
    "ProcessRequest",
    "ProviderFacts",
    "ReplayRequest",
    "Request",
    "Response",
    "ResumePoint",
    "Sending",
    "Silence",
    "Transport",
    "TextReads",
    "WholeAdapter",
    "WholeDecoder",
    "facts_of",
]

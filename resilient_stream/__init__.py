"""Streams from LLM providers, and does not break when they do.

    from resilient_stream import Client

    client = Client("openai:gpt-5-mini", "anthropic:claude-haiku-4-5")
    async for chunk in client.stream("Why is the sky blue?"):
        print(chunk.text, end="", flush=True)

Here are the public names and nothing else; the design is in docs/, the failures in `resilient_stream.kinds`.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from .client import Client
from .failures import ErrorCategory, ErrorKind, StreamMisused
from .messages import (
    FilePart,
    FunctionCall,
    History,
    HostedTool,
    ImagePart,
    Message,
    OpaquePart,
    Prompt,
    ReasoningPart,
    TextPart,
    Tool,
)
from .options import StreamOptions, TurnOptions
from .outcome.errors import (
    AllTargetsFailed,
    AuthenticationFailed,
    ClientClosed,
    ConnectionFailed,
    ContentBlocked,
    ContextError,
    ContextLengthExceeded,
    DeadlineExceeded,
    InvalidRequest,
    MalformedStream,
    ModelNotFound,
    Overloaded,
    PermanentError,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    ResourceError,
    ResponseTimeout,
    RetryableError,
    StreamError,
    StreamInterrupted,
)
from .outcome.transcript import Attempt, Transcript
from .policy import Breaker, Hedge, Limits, Recovery, RetryBudget, RetryPolicy, Telemetry, Timeouts
from .scope import Scope, ScopeReport
from .stream import Stream
from .target import Target
from .telemetry.current import TraceIds
from .telemetry.stderr import log_to_stderr

if TYPE_CHECKING:
    from .conversation.conversation import Conversation
    from .conversation.items import chunk_from_dict, chunk_to_dict
    from .conversation.progress import ToolProgress, report_progress
    from .conversation.prompts import Incomplete
    from .conversation.tools import ToolError
    from .conversation.turns import ConversationRecord, ToolResult, TurnStarted

_OF_CONVERSATIONS = {
    "Conversation": "conversation.conversation",
    "ConversationRecord": "conversation.turns",
    "Incomplete": "conversation.prompts",
    "ToolError": "conversation.tools",
    "ToolProgress": "conversation.progress",
    "ToolResult": "conversation.turns",
    "TurnStarted": "conversation.turns",
    "chunk_from_dict": "conversation.items",
    "chunk_to_dict": "conversation.items",
    "report_progress": "conversation.progress",
}
"""Public names that are loaded when they are first asked for: a program that streams single answers does not pay for
conversations at every start."""


def __getattr__(name: str) -> Any:
    if name not in _OF_CONVERSATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_OF_CONVERSATIONS[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__version__ = "0.1.0"

# A library does not decide where its log goes; without this Python prints warnings to stderr by itself.
logging.getLogger(__name__).addHandler(logging.NullHandler())
logging.getLogger(__name__).addFilter(TraceIds())
log_to_stderr()

__all__ = [
    "AllTargetsFailed",
    "Attempt",
    "AuthenticationFailed",
    "Breaker",
    "Chunk",
    "Client",
    "ClientClosed",
    "ConnectionFailed",
    "ContentBlocked",
    "ContextError",
    "ContextLengthExceeded",
    "Conversation",
    "ConversationRecord",
    "DeadlineExceeded",
    "ErrorCategory",
    "ErrorKind",
    "File",
    "Finished",
    "FunctionCall",
    "Hedge",
    "History",
    "HostedTool",
    "FilePart",
    "ImagePart",
    "Incomplete",
    "InvalidRequest",
    "Limits",
    "Logprobs",
    "MalformedStream",
    "Message",
    "ModelNotFound",
    "OpaquePart",
    "Overloaded",
    "PermanentError",
    "PermissionDenied",
    "Prompt",
    "QuotaExhausted",
    "RateLimited",
    "Raw",
    "ReasoningDelta",
    "ReasoningPart",
    "Recovery",
    "ResourceError",
    "ResponseTimeout",
    "RetryBudget",
    "RetryPolicy",
    "RetryableError",
    "Scope",
    "ScopeReport",
    "Seam",
    "ServerToolCall",
    "ServerToolResult",
    "Source",
    "Stream",
    "StreamError",
    "StreamInterrupted",
    "StreamMisused",
    "StreamOptions",
    "Target",
    "Telemetry",
    "TextDelta",
    "TextPart",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolError",
    "ToolProgress",
    "ToolResult",
    "Transcript",
    "TurnOptions",
    "TurnStarted",
    "Usage",
    "chunk_from_dict",
    "chunk_to_dict",
    "report_progress",
]

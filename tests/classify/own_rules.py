"""The rows of error rules that single providers have, by the provider's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resilient_stream.providers.anthropic import errors as anthropic
from resilient_stream.providers.bedrock import errors as bedrock
from resilient_stream.providers.cohere import errors as cohere
from resilient_stream.providers.google import errors as google
from resilient_stream.providers.ollama import errors as ollama
from resilient_stream.providers.openai.host_errors import HOSTS_ROWS

ERROR_RULES: Mapping[str, Mapping[str, Any]] = {
    **HOSTS_ROWS,
    "anthropic": anthropic.ROWS,
    "claude-code": anthropic.CLAUDE_CODE_ROWS,
    "bedrock": bedrock.ROWS,
    "cohere": cohere.ROWS,
    "gemini": google.ROWS,
    "gemini-interactions": google.ROWS,
    "vertex": google.ROWS,
    "ollama": ollama.ROWS,
}

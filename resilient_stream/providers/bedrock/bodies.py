"""Builds requests for Bedrock's InvokeModel: each model vendor's own body, as one row each.

The vendor is found in the model's name, as it is in the ids and profiles of Bedrock (`us.anthropic.claude-…`,
`meta.llama3-…`); a name without one (an application's own profile) is refused, since nobody can know what it takes.
Converse needs none of this. A tool or a picture that a body cannot have is refused, and never left out silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ...contract import Request
from ...fitting.answer_form import told_in_words
from ...fitting.files import files_of
from ...fitting.told import refusal
from ...messages import ImagePart, Message
from ..anthropic import request as messages_request
from ..openai.chat_turns import fitted
from ..openai.hosts import UNKNOWN
from ..shared.chat_shape import encode_message, encode_tool, encode_tool_choice
from ..shared.system import role_of, some_turns, system_text
from ..shared.values import known, merged
from . import converse_request

__all__ = ["VENDORS", "Vendor", "encode_body", "refusal"]


class Vendor(NamedTuple):
    """Describes how one vendor's body is built. models: words found in a model's name. body: builds the request. full:
    takes tools and pictures, not only text. top_k: has a field for it."""

    models: str
    body: Callable[[Request], dict[str, Any]]
    full: bool = False
    top_k: bool = False


def encode_body(request: Request) -> dict[str, Any]:
    """Return the body overridden by `extra`. Raises StreamError (unsupported_feature) for anything that the body cannot
    express."""
    vendor = next((row for row in VENDORS if re.search(row.models, request.model)), None)
    if request.user is not None:
        raise refusal("the name of an end user (user=) by api='invoke' (leave it out to use Converse)")
    if request.hosted:
        raise refusal("hosted tools by api='invoke' (leave it out to use Converse)")
    if vendor is None:
        raise refusal("api='invoke' for this model (leave it out to use Converse)")
    if request.top_k is not None and not vendor.top_k:
        raise refusal("choosing among a number of likeliest words (top_k=) by api='invoke' for this model")
    if not vendor.full and _is_more_than_text(request):
        raise refusal("tools, pictures, files and schemas by api='invoke' (leave it out to use Converse)")
    return merged(known(vendor.body(request)), request.extra)


def _is_more_than_text(request: Request) -> bool:
    pictures = any(isinstance(part, ImagePart) for message in request.messages for part in message.parts)
    calls = any(message.role == "tool" or message.tool_calls for message in request.messages)
    files = any(files_of(request.messages))
    return bool(request.tools or calls or pictures or files or request.output is not None)


# -- dialects that are spoken elsewhere, too --------------------------------------------------


def _claude(request: Request) -> dict[str, Any]:
    """Return Anthropic's own body. The path names the model and says whether the answer is streamed."""
    body = messages_request.encode_body(request)
    del body["model"], body["stream"]
    return {"anthropic_version": "bedrock-2023-05-31", **body}


def _nova(request: Request) -> dict[str, Any]:
    """Return Converse's body with a version and with the fields for reasoning at the top level."""
    body = converse_request.encode_body(request)
    more = body.pop("additionalModelRequestFields", {})
    return {"schemaVersion": "messages-v1", **merged(body, more)}


def _chat(request: Request) -> dict[str, Any]:
    if any(files_of(request.messages)):
        raise refusal("files by api='invoke' for this model (leave it out to use Converse)")
    request = told_in_words(request)
    return {
        "messages": [encode_message(message) for message in fitted(request, UNKNOWN)],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "tools": [encode_tool(tool) for tool in request.tools] or None,
        "tool_choice": encode_tool_choice(request.tool_choice),
    }


# -- models that continue a text --------------------------------------------------------------


def _titan(request: Request) -> dict[str, Any]:
    settings = {
        "maxTokenCount": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
    }
    said = _script(request.messages, {"user": "User: {}", "assistant": "Bot: {}", "system": "{}"})
    return {"inputText": f"{said}\nBot:", "textGenerationConfig": known(settings) or None}


def _llama3(request: Request) -> dict[str, Any]:
    """Return the prompt in the template of Llama 3's model card."""
    turn = "<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"
    said = "".join(turn.format(role=role_of(message), text=message.text) for message in request.messages)
    prompt = f"<|begin_of_text|>{said}<|start_header_id|>assistant<|end_header_id|>\n\n"
    return {"prompt": prompt, "max_gen_len": request.max_tokens, **_sampling(request, "top_p")}


def _llama2(request: Request) -> dict[str, Any]:
    return {"prompt": _instructions(request), "max_gen_len": request.max_tokens, **_sampling(request, "top_p")}


def _deepseek_r1(request: Request) -> dict[str, Any]:
    """Return the prompt in the template of the model card, as AWS has it.

    The model's thinking comes as text up to `</think>`; only Converse tells the two apart.
    """
    said = {"user": "<｜User｜>{}", "assistant": "<｜Assistant｜>{}<｜end▁of▁sentence｜>", "system": "{}"}
    script = "".join(said[role_of(message)].format(message.text) for message in request.messages)
    prompt = f"<｜begin▁of▁sentence｜>{script}<｜Assistant｜><think>\n"
    stop = list(request.stop) or None
    return {"prompt": prompt, "max_tokens": request.max_tokens, "stop": stop, **_sampling(request, "top_p")}


def _mistral(request: Request) -> dict[str, Any]:
    stop, prompt = list(request.stop) or None, _instructions(request)
    sampling = {**_sampling(request, "top_p"), "top_k": request.top_k}
    return {"prompt": prompt, "max_tokens": request.max_tokens, "stop": stop, **sampling}


def _instructions(request: Request) -> str:
    """Return the prompt in the template of Llama 2 and of Mistral's instruct models; a system prompt is the first
    question."""
    asked = "[INST] {} [/INST]"
    return "<s>" + _script(request.messages, {"user": asked, "assistant": "{}</s>", "system": asked})


def _command_r(request: Request) -> dict[str, Any]:
    *before, last = some_turns(request.messages, request.target.name)
    roles = {"user": "USER", "assistant": "CHATBOT"}
    return {
        "message": last.text,
        "chat_history": [{"role": roles[message.role], "message": message.text} for message in before] or None,
        "preamble": system_text(request.messages),
        "max_tokens": request.max_tokens,
        "stop_sequences": list(request.stop) or None,
        **_sampling(request, "p"),
        "k": request.top_k,
    }


def _command(request: Request) -> dict[str, Any]:
    said = _script(request.messages, {"user": "User: {}", "assistant": "Chatbot: {}", "system": "{}"})
    return {
        "prompt": f"{said}\nChatbot:",
        "max_tokens": request.max_tokens,
        "stop_sequences": list(request.stop) or None,
        "stream": request.stream,
        **_sampling(request, "p"),
        "k": request.top_k,
    }


def _script(messages: Sequence[Message], lines: Mapping[str, str]) -> str:
    return "\n".join(lines[role_of(message)].format(message.text) for message in messages)


def _sampling(request: Request, top_p: str) -> dict[str, Any]:
    return {"temperature": request.temperature, top_p: request.top_p}


VENDORS: tuple[Vendor, ...] = (
    Vendor(r"claude", _claude, full=True, top_k=True),
    Vendor(r"amazon\.nova", _nova, full=True, top_k=True),
    Vendor(r"amazon\.titan-t", _titan),
    Vendor(r"meta\.llama2", _llama2),
    Vendor(r"meta\.llama3", _llama3),
    Vendor(r"mistral\.(mi[sx]tral-\d|mistral-(small|large)-2402)", _mistral, top_k=True),
    Vendor(r"deepseek\.r1", _deepseek_r1),
    Vendor(r"cohere\.command-r", _command_r, top_k=True),
    Vendor(r"cohere\.command-", _command, top_k=True),
    Vendor(r"(ai21|openai|mistral|qwen|deepseek|minimax|moonshot(ai)?|zai|nvidia|google)\.", _chat, full=True),
)  # fmt: skip
"""The vendors' rows; the first one that fits a model's name is used."""

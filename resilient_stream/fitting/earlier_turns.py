"""Fits the model's earlier turns for sending again: no turn without content, arguments as JSON objects.

What cannot be sent as it was given is left out, and this is logged. Some APIs refuse an empty turn with a 400; to the
others it means nothing. Invalid arguments are sent unchanged to an API that takes any text, so that the model sees what
it wrote; elsewhere the call is sent without arguments. Nothing is guessed.
"""

from __future__ import annotations

import operator
from dataclasses import replace

from ..contract import Request
from ..messages import FunctionCall, Message, TextPart
from ..text.arguments import as_object_text
from .told import blank, left_out

__all__ = ["with_fitting_turns"]


def with_fitting_turns(request: Request, any_arguments: bool) -> Request:
    """Return the request with turns that can be sent; the same object where all of them can. Raises StreamError when
    none is left.

    any_arguments: a call's arguments may be any text. A last turn of a single space stays, since the model may continue
    it.
    """
    target, given = request.target.name, request.messages
    kept = [message for message in given[:-1] if _has_content(message)]
    kept += [message for message in given[-1:] if message.text or _has_content(message)]
    if len(kept) < len(given):
        left_out(target, "an assistant's turn without content", "there is nothing in it, so it is left out")
    if given and not kept:
        raise blank()
    made = tuple(_with_objects(message, target, any_arguments) for message in kept)
    same = len(made) == len(given) and all(map(operator.is_, made, given))
    return request if same else replace(request, messages=made)


def _has_content(message: Message) -> bool:
    """Return whether a message has content. A message of another role is empty on purpose."""
    if message.role != "assistant" or message.tool_calls:
        return True
    if isinstance(message.content, str):
        return bool(message.content.strip())
    return any(not isinstance(part, TextPart) or part.text.strip() for part in message.content)


def _with_objects(message: Message, target: str, any_arguments: bool) -> Message:
    if not message.tool_calls:
        return message
    calls = tuple(_with_object(call, target, any_arguments) for call in message.tool_calls)
    same = all(map(operator.is_, calls, message.tool_calls))
    return message if same else message.model_copy(update={"tool_calls": calls})


def _with_object(call: FunctionCall, target: str, any_arguments: bool) -> FunctionCall:
    text = as_object_text(call.arguments)
    if text is None and any_arguments:
        return call
    if text is None:
        left_out(target, "a call of an earlier turn", "its arguments are no JSON object, so it is sent with none")
    elif text == call.arguments.strip():
        return call
    return call.model_copy(update={"arguments": text or "{}"})

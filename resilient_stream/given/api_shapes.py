"""Translates messages of APIs into our own fields: dumps of SDK objects, OpenAI's parts, Anthropic's blocks, Gemini's
parts.

Nothing is lost silently. A field that is null or empty, or that only describes an answer (`READ_ONLY`), is left out;
any other without a place here is refused by name (Unfit). The classes of these fields are not imported, and what was
given is not changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from .checks import Unfit, plain
from .nearest import nearest

__all__ = ["READ_ONLY", "call_fields", "dumped", "message_fields", "part_fields", "split_results", "tool_fields"]

READ_ONLY = frozenset({
    "annotations", "citations", "logprobs", "id", "index", "object", "created", "created_at", "model", "stop_reason",
    "stop_sequence", "stop_details", "usage", "status", "finish_reason", "provider_specific_fields", "caller",
    "container", "reasoning_details", "phase",
})  # fmt: skip
"""Fields that an answer has beside its content; no API takes them back."""

Names: TypeAlias = Collection[str]
"""The fields of ours that there are."""

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


def dumped(value: Any) -> Any:
    """Return an SDK's object as the dict that it dumps; anything else unchanged."""
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) and not isinstance(value, type) else value


def tool_fields(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Read a tool in OpenAI's shape, its Responses API's or Anthropic's."""
    fields = {**value, **_inner_object(value, "function")}
    _only_type(fields, "function", "custom")
    if "input_schema" in fields:
        fields["parameters"] = fields.pop("input_schema")
    fields.pop("function", None)
    fields |= _cache_mark(fields)
    fields.pop("cache_control", None)
    return _known_fields(fields, names, "")


def call_fields(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Read a call in OpenAI's shape, or in Ollama's, whose arguments are an object."""
    fields = {"id": "", **value, **_inner_object(value, "function")}
    _only_type(fields, "function")
    fields.pop("function", None)
    fields |= _cache_mark(fields)
    fields.pop("cache_control", None)
    fields["arguments"] = _json_text(fields.get("arguments"))
    return _known_fields(fields, names, "")


def message_fields(value: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Read a message, and move calls and reasoning in its content to their own fields."""
    fields = dict(value)
    if fields.get("type") == "message":
        del fields["type"]
    thought = next((fields[name] for name in _THOUGHTS if isinstance(fields.get(name), str) and fields[name]), None)
    refusal = fields.pop("refusal", None)
    for name in _THOUGHTS:
        if isinstance(fields.get(name), str):
            del fields[name]
    content, calls = _content(fields.get("content"))
    if isinstance(refusal, str) and refusal:
        content = [*_as_parts(content), {"type": "text", "text": refusal}] if content else refusal
    if thought and not _has_reasoning(content):
        content = [{"type": "reasoning", "text": thought}, *_as_parts(content)]
    fields["content"] = content
    if calls:
        fields["tool_calls"] = [*(fields.get("tool_calls") or ()), *calls]
    elif fields.get("tool_calls") is None:
        fields["tool_calls"] = ()
    return _known_fields(fields, names, "")


def split_results(messages: Iterable[Any]) -> Iterator[Any]:
    """Return the messages, with tool results inside a user's turn (Anthropic's shape) as messages of their own."""
    for each in map(dumped, messages):
        content = each.get("content") if isinstance(each, Mapping) and each.get("role") == "user" else None
        blocks = [dumped(block) for block in content] if isinstance(content, list | tuple) else []
        if not any(map(_is_result, blocks)):
            yield each
            continue
        yield from (_result(block) for block in blocks if _is_result(block))
        if rest := [block for block in blocks if not _is_result(block)]:
            yield {**each, "content": rest}


def _result(block: Mapping[str, Any]) -> dict[str, Any]:
    """Read a tool result of Anthropic's. A mark for the cache stands behind its last part."""
    failed = {"is_error": True} if block.get("is_error") is True else {}
    content = block.get("content")
    if (mark := block.get("cache_control")) and content:
        *others, last = map(dumped, _as_parts(content))
        content = [*others, {**last, "cache_control": mark}]
    return {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content, **failed}


def part_fields(value: Mapping[str, Any], own_parts: Mapping[str, Names]) -> dict[str, Any]:
    """Read a part of a message in any accepted shape, as the fields of one of ours.

    own_parts: the types that no API has, with their fields.
    """
    kind = value.get("type") or next((name for name in _UNTYPED if name in value), None)
    if isinstance(kind, str) and kind in own_parts:
        return _known_fields(value, own_parts[kind], "")
    if not isinstance(kind, str) or kind not in _PARTS:
        known = ", ".join((*_FIRST, *own_parts, *(name for name in _PARTS if name not in (*_FIRST, *_UNTYPED))))
        raise Unfit(f".type: {_short(kind)} is not known; known are {known}")
    read, own = _PARTS[kind]
    marks = () if kind in _UNMARKED else _MARKS
    _left_out(value, ("type", *own, *marks), "")
    return {**read(value), **_cache_mark(value)} if marks else read(value)


_MARKS = ("cache", "cache_control")
_UNMARKED = ("thinking", "redacted_thinking")


def _cache_mark(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read a mark for the provider's cache: ours, or Anthropic's `cache_control`."""
    if not any(name in value for name in _MARKS):
        return {}
    control = _inner_object(value, "cache_control")
    if control and control.get("type") != "ephemeral":
        raise Unfit(f".cache_control.type: {_short(control.get('type'))} is not known; known is ephemeral")
    return {"cache": value.get("cache") or (control.get("ttl") or True if control else None)}


# -- parts --------------------------------------------------------------------------------------


def _as_text(value: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"type": "text", "text": value.get("text", value.get("refusal"))}
    if value.get("citations"):  # only Anthropic's go back; annotations of others are for people
        fields |= {"citations": plain(value["citations"], ".citations"), "cited_by": value.get("cited_by")}
    return fields


def _as_image(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read OpenAI's picture: a URL, or an object that has one."""
    image = value.get("image_url", value.get("url"))
    inner = dict(image) if isinstance(image, Mapping) else {"url": image}
    return {"type": "image_url", "detail": value.get("detail"), **_known_fields(inner, ("url", "detail"), ".image_url")}


def _as_input_image(value: Mapping[str, Any]) -> dict[str, Any]:
    if value.get("file_id"):
        return {"type": "file", "id": value["file_id"], "media_type": "image/*"}
    return _as_image(value)


def _as_source(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read a picture of Anthropic's (data with its type, a URL, an upload), or of Google's Interactions."""
    if "source" not in value:
        return _as_media(value)
    source = _inner_object(value, "source")
    if source.get("type") == "base64":
        return {"type": "image_url", "url": f"data:{source.get('media_type')};base64,{source.get('data')}"}
    if source.get("type") == "url":
        return {"type": "image_url", "url": source.get("url")}
    if source.get("type") == "file":
        return {"type": "file", "id": source.get("file_id"), "media_type": "image/*"}
    raise Unfit(f".source.type: {_short(source.get('type'))} is not known; known are base64, url, file")


def _as_document(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read a document of Anthropic's: data, a text, a URL or an upload; or of Google's Interactions."""
    if "source" not in value:
        return _as_media(value)
    asked = _inner_object(value, "citations")
    _left_out(asked, ("enabled",), ".citations")
    source = _inner_object(value, "source")
    made = {"type": "file", "name": value.get("title"), "citations": asked.get("enabled") is True}
    kind = source.get("type")
    if kind in ("base64", "text"):
        data = source.get("data")
        body = data.encode() if kind == "text" and isinstance(data, str) else data
        return {**made, "data": body, "media_type": source.get("media_type")}
    if kind == "url":
        return {**made, "url": source.get("url"), "media_type": "application/pdf"}
    if kind == "file":
        return {**made, "id": source.get("file_id")}
    raise Unfit(f".source.type: {_short(kind)} is not known; known are base64, text, url, file")


def _as_file(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read a file of ours, of OpenAI's chat completions (`file`), or of its Responses API (`file_data` …)."""
    inner = _inner_object(value, "file")
    _left_out(inner, (*_OUR_FILE, *_THEIR_FILE), ".file")
    inner = inner or dict(value)
    made = {ours: inner[theirs] for theirs, ours in _THEIR_FILE.items() if inner.get(theirs) is not None}
    address = made.get("data")
    # OpenRouter gives a link in the place of the data.
    if isinstance(address, str) and address.startswith(("https:", "http:")):
        made["url"] = made.pop("data")
    return {"type": "file", **{name: inner[name] for name in _OUR_FILE if inner.get(name) is not None}, **made}


_OUR_FILE = ("url", "data", "id", "media_type", "name", "citations")
_THEIR_FILE: Mapping[str, str] = {"file_data": "data", "file_id": "id", "file_url": "url", "filename": "name"}


def _as_audio(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read OpenAI's audio, data with its format, and Mistral's, base64 text or a URL."""
    inner = value.get("input_audio")
    if isinstance(inner, str):
        place = "url" if inner.startswith(("https:", "http:", "data:")) else "data"
        return {"type": "file", place: inner, "media_type": None if place == "url" else "audio/mpeg"}
    inner = _inner_object(value, "input_audio")
    _left_out(inner, ("data", "format"), ".input_audio")
    return {"type": "file", "data": inner.get("data"), "media_type": f"audio/{inner.get('format')}"}


def _as_address(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read Mistral's document, and a video of OpenRouter's and vLLM's."""
    if "document_url" in value:
        found = {"url": value["document_url"], "name": value.get("document_name"), "media_type": "application/pdf"}
    else:
        video = value.get("video_url")
        found = {"url": video.get("url") if isinstance(video, Mapping) else video, "media_type": "video/mp4"}
    if str(found["url"]).startswith("data:"):  # a data URL has its type in it
        del found["media_type"]
    return {"type": "file", **found}


def _as_media(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read a part of Google's: data or an address with a media type, in the words of Interactions or of Gemini."""
    inner: Mapping[str, Any] = value
    for place in ("inlineData", "inline_data", "fileData", "file_data"):
        if isinstance(value.get(place), Mapping):
            inner = _inner_object(value, place)
    media_type = inner.get("mimeType") or inner.get("mime_type")
    address = inner.get("fileUri") or inner.get("file_uri") or inner.get("uri")
    name = inner.get("displayName") or inner.get("display_name")
    if isinstance(media_type, str) and media_type.startswith("image/"):
        return {"type": "image_url", "url": address or f"data:{media_type};base64,{inner.get('data')}"}
    return {"type": "file", "url": address, "data": inner.get("data"), "media_type": media_type, "name": name}


def _as_thinking(value: Mapping[str, Any]) -> dict[str, Any]:
    """Read Anthropic's thinking, and Mistral's, which is a list of texts."""
    thought = value.get("thinking")
    if isinstance(thought, list | tuple):
        thought = "".join(str(part.get("text", "")) for part in thought if isinstance(part, Mapping))
    return {"type": "reasoning", "text": thought or "", "signature": value.get("signature") or None}


def _as_redacted(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "reasoning", "redacted": value.get("data")}


_MEDIA = ("data", "uri", "mime_type")

_PARTS: Mapping[str, tuple[Callable[[Mapping[str, Any]], dict[str, Any]], Names]] = {
    "text": (_as_text, ("text", "citations", "cited_by")),
    "image_url": (_as_image, ("url", "image_url", "detail")),
    "input_text": (_as_text, ("text",)),
    "output_text": (_as_text, ("text",)),
    "refusal": (_as_text, ("refusal",)),
    "input_image": (_as_input_image, ("image_url", "detail", "file_id")),
    "image": (_as_source, ("source", *_MEDIA)),
    "file": (_as_file, ("file", *_OUR_FILE, "file_id")),
    "input_file": (_as_file, tuple(_THEIR_FILE)),
    "input_audio": (_as_audio, ("input_audio",)),
    "document": (_as_document, ("source", "title", "citations", *_MEDIA)),
    "document_url": (_as_address, ("document_url", "document_name")),
    "video_url": (_as_address, ("video_url",)),
    "audio": (_as_media, _MEDIA),
    "video": (_as_media, _MEDIA),
    "inlineData": (_as_media, ("inlineData",)),
    "inline_data": (_as_media, ("inline_data",)),
    "fileData": (_as_media, ("fileData",)),
    "file_data": (_as_media, ("file_data",)),
    "thinking": (_as_thinking, ("thinking", "signature", "closed")),
    "redacted_thinking": (_as_redacted, ("data",)),
}
"""For each type of a part but reasoning, which is ours, what reads it and which fields it has."""

_UNTYPED = ("text", "inlineData", "inline_data", "fileData", "file_data")
"""Fields that say what a part is where it has no type."""

_FIRST = ("text", "image_url")


# -- fields -------------------------------------------------------------------------------------


def _content(content: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return the content without the calls in it (Anthropic's shape), and those calls, each with its place."""
    if not isinstance(content, list | tuple):
        return "" if content is None else content, []
    parts: list[Any] = []
    calls: list[dict[str, Any]] = []
    for block in map(dumped, content):
        if isinstance(block, Mapping) and block.get("type") == "tool_use":
            given = {"id": block.get("id"), "name": block.get("name"), "arguments": block.get("input")}
            _left_out(block, ("type", *_TOOL_USE, *_MARKS), "")
            calls.append({**given, **_cache_mark(block), "place": len(parts)})
        else:
            parts.append(block)
    return parts, [call | ({"place": None} if call["place"] == len(parts) else {}) for call in calls]


_TOOL_USE = ("id", "name", "input")


def _as_parts(content: Any) -> list[Any]:
    return (
        list(content) if isinstance(content, list | tuple) else [{"type": "text", "text": content}] if content else []
    )


def _has_reasoning(content: Any) -> bool:
    found = (
        block.get("type") if isinstance(block, Mapping) else getattr(block, "type", "") for block in _as_parts(content)
    )
    return any(kind in ("reasoning", "thinking", "redacted_thinking") for kind in found)


def _is_result(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "tool_result"


def _inner_object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    inner = dumped(value.get(name))
    return dict(inner) if isinstance(inner, Mapping) else {}


def _only_type(fields: dict[str, Any], *types: str) -> None:
    if (kind := fields.pop("type", None)) is not None and kind not in types:
        raise Unfit(f".type: {_short(kind)} is not known; known is {types[0]}")


def _json_text(arguments: Any) -> Any:
    if arguments is None:
        return "{}"
    return json.dumps(plain(arguments, ".arguments")) if isinstance(arguments, Mapping) else arguments


def _known_fields(fields: Mapping[str, Any], names: Names, place: str) -> dict[str, Any]:
    _left_out(fields, names, place)
    return {name: fields[name] for name in names if name in fields}


def _left_out(fields: Mapping[str, Any], names: Names, place: str) -> None:
    """Check that the fields outside of `names` may be left out. Raises Unfit for one that may not."""
    for name, value in fields.items():
        if name not in names and name not in READ_ONLY and not _is_nothing(value):
            near = nearest(str(name), names)
            hint = f"did you mean {near}?" if near else "it has no place here and would be lost; leave it out"
            raise Unfit(f"{place}.{str(name)[:40]}: not a known field: {hint}")


def _is_nothing(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | tuple | Mapping) and not value)


def _short(value: Any) -> str:
    """Return a name that was given, shortened to what a message may show."""
    return repr(value[:40] if isinstance(value, str) else value if value is None else type(value).__name__)

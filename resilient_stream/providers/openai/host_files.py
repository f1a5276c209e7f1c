"""Says how hosts of OpenAI's shape take files, one row each, in both of their APIs.

A host that is not here takes none; a text file then goes as text (`fitting/files.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...fitting.files import forms
from ...fitting.told import refusal
from ...messages import FilePart
from ..shared.chat_shape import data_url
from ..shared.values import known

__all__ = ["HostFiles", "files_at", "responses_files_at", "write_input_file"]


class HostFiles(NamedTuple):
    """Describes how one host takes files. takes: see `Capabilities.files`. write: encodes one such file for chat
    completions."""

    takes: frozenset[str] = frozenset()
    write: Callable[[FilePart], dict[str, Any]] = lambda part: {}


def _file(part: FilePart) -> dict[str, Any]:
    """Encode OpenAI's own form, with audio in one of its two formats."""
    if part.kind == "audio":
        return _audio(part, part.data or "", {"audio/wav": "wav", "audio/mpeg": "mp3"})
    if part.id is not None:
        return {"type": "file", "file": {"file_id": part.id}}
    return {"type": "file", "file": {"filename": name_of(part), "file_data": data_url(part)}}


def _audio(part: FilePart, data: str, formats: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Encode audio with its format. Raises StreamError for a format that the host does not take."""
    media_type = part.media_type or ""
    form = _FORMATS.get(media_type, media_type.partition("/")[2]) if formats is None else formats.get(media_type)
    if form is None:
        raise refusal(f"audio files of this format (give {' or '.join(sorted(set((formats or {}).values())))})")
    return {"type": "input_audio", "input_audio": {"data": data, "format": form}}


_FORMATS: Mapping[str, str] = {"audio/mpeg": "mp3", "audio/mp4": "m4a"}


def _openrouter(part: FilePart) -> dict[str, Any]:
    if part.kind == "audio":
        return _audio(part, part.data or "")
    return _video(part) if part.kind == "video" else _file(part)


def _mistral(part: FilePart) -> dict[str, Any]:
    if part.kind == "audio":
        return {"type": "input_audio", "input_audio": part.url or part.data}
    if part.id is not None:
        return {"type": "file", "file_id": part.id}
    return known({"type": "document_url", "document_url": data_url(part), "document_name": part.name})


def _open_server(part: FilePart) -> dict[str, Any]:
    """Encode what vLLM and SGLang take: their own fields for links, OpenAI's for audio."""
    if part.kind == "video":
        return _video(part)
    return _audio(part, part.data) if part.data else {"type": "audio_url", "audio_url": {"url": part.url}}


def _video(part: FilePart) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": data_url(part)}}


def _perplexity(part: FilePart) -> dict[str, Any]:
    return known({"type": "file_url", "file_url": {"url": part.url or part.data}, "file_name": part.name})


def _zai(part: FilePart) -> dict[str, Any]:
    return _video(part) if part.kind == "video" else {"type": "file_url", "file_url": {"url": part.url}}


def _alibaba(part: FilePart) -> dict[str, Any]:
    return _video(part) if part.kind == "video" else _audio(part, data_url(part))


def _gateway(part: FilePart) -> dict[str, Any]:
    inner = {"data": part.data, "media_type": part.media_type, "filename": part.name}
    return {"type": "file", "file": known(inner)}


def write_input_file(part: FilePart) -> dict[str, Any]:
    """Encode a file for the Responses API."""
    if part.kind == "image":
        return {"type": "input_image", "file_id": part.id, "detail": "auto"}
    if part.id is not None:
        return {"type": "input_file", "file_id": part.id}
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": name_of(part), "file_data": data_url(part)}


def name_of(part: FilePart) -> str:
    """Return the name of a file. A model is told it, and the API finds the type by its ending."""
    ending = {"pdf": ".pdf", "text": ".txt"}.get(part.kind, "")
    return part.name or f"file{ending}"


_OPENAI = HostFiles(forms(pdf="data id", text="data id", office="data id", audio="data"), _file)
_MEDIA = HostFiles(forms(audio="data url", video="data url"), _open_server)

# Sources: the SDKs of OpenAI, Mistral and OpenRouter; "Multimodal inputs" of vLLM, "File attachments" of Perplexity,
# "Omni-modal" of Alibaba Cloud, the API references of Z.ai and Moonshot, "PDF attachments" of Vercel.
_CHAT: Mapping[str, HostFiles] = {
    "OpenAI": _OPENAI,
    "Azure OpenAI": _OPENAI,
    "OpenRouter": HostFiles(
        forms(pdf="data url id", office="data url", audio="data", video="data url"), _openrouter
    ),
    "Mistral": HostFiles(forms(pdf="data url id", office="data url id", audio="data url"), _mistral),
    "Perplexity": HostFiles(forms(pdf="data url", office="data url"), _perplexity),
    "Alibaba Cloud": HostFiles(forms(audio="data url", video="data url"), _alibaba),
    "Moonshot": HostFiles(forms(video="data"), _video),
    "Z.ai": HostFiles(forms(pdf="url", office="url", video="url"), _zai),
    "Vercel AI Gateway": HostFiles(forms(pdf="data"), _gateway),
    "vLLM": _MEDIA,
    "SGLang": _MEDIA,
    "llama.cpp": HostFiles(forms(audio="data"), _file),
}  # fmt: skip
"""How hosts take files in chat completions, by the host's title."""

_RESPONSES: Mapping[str, frozenset[str]] = {
    "OpenAI": forms(pdf="data url id", text="data url id", office="data url id", image="id"),
    "Azure OpenAI": forms(pdf="data url id", image="id"),
    "OpenRouter": forms(pdf="data url"),
    "xAI": forms(pdf="url id", text="url id", office="url id"),
}


def files_at(title: str) -> HostFiles:
    """Return how a host takes files in chat completions, by its title."""
    return _CHAT.get(title, HostFiles())


def responses_files_at(title: str) -> frozenset[str]:
    """Return which files a host takes in its Responses API, by its title."""
    return _RESPONSES.get(title, frozenset())

"""Answers in the responses of a web server: FastAPI, Starlette, aiohttp."""

from __future__ import annotations

from ..conversation.items import chunk_from_dict, chunk_to_dict

__all__ = ["chunk_from_dict", "chunk_to_dict"]

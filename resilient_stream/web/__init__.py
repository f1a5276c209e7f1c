"""Sends answers in the responses of a web server: FastAPI, Starlette, aiohttp."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..conversation.items import chunk_from_dict, chunk_to_dict
    from .hub import Hub
    from .log import NoLongerKept, NoSuchStream, OutOfReach
    from .shutdown import end_responses, graceful_shutdown

_HOMES = {
    "Hub": ".hub",
    "NoLongerKept": ".log",
    "NoSuchStream": ".log",
    "OutOfReach": ".log",
    "chunk_from_dict": "..conversation.items",
    "chunk_to_dict": "..conversation.items",
    "end_responses": ".shutdown",
    "graceful_shutdown": ".shutdown",
}
"""Names that are imported when they are first used, and from where."""

__all__ = [
    "Hub", "NoLongerKept", "NoSuchStream", "OutOfReach", "chunk_from_dict", "chunk_to_dict", "end_responses",
    "graceful_shutdown",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)

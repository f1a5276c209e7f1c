"""Writes the log to standard error when `RESILIENT_STREAM_LOG=debug` is set, without a line of code.

This is done once in a process, at the level that the variable names. Other loggers' handlers are not touched.
"""

from __future__ import annotations

import logging
import os

__all__ = ["VARIABLE", "log_to_stderr"]

VARIABLE = "RESILIENT_STREAM_LOG"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LINE = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # is no generic when it runs
    """Lets our handler be recognised by its class."""


def log_to_stderr() -> None:
    """Set the handler up as the environment says; do nothing when it says nothing."""
    asked = os.environ.get(VARIABLE, "").strip().lower()
    logger = logging.getLogger("resilient_stream")
    if not asked or any(isinstance(handler, _Handler) for handler in logger.handlers):
        return
    handler = _Handler()
    handler.setFormatter(logging.Formatter(LINE, "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(LEVELS.get(asked, logging.INFO))
    if asked not in LEVELS:
        logger.warning("%s is one of %s; taking it as info", VARIABLE, ", ".join(LEVELS))

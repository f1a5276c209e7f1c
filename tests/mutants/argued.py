"""Why a mutant that no test notices may live: by its file, the line that it took out, and the one that it put in."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ARGUED"]

ARGUED: Mapping[tuple[str, str, str], str] = {
    (
        "engine/attempt.py",
        "if self.committed or (arriving and due > self._first_by):",
        "if self.committed or (arriving and due >= self._first_by):",
    ): "Where both clocks ring in the same instant the attempt ends then; only the name of the clock differs.",
}

"""Where the shared material is: recordings, error rows, conformance cases.

It is read through RESILIENT_STREAM_SHARED and never copied. Without it a test skips and says so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "RESILIENT_STREAM_SHARED"


def shared_or_none(path: str) -> Path | None:
    """The file or folder, or None when the shared material is not on this machine (for module-level use)."""
    root = os.environ.get(VARIABLE)
    found = Path(root, path) if root else None
    return found if found and found.exists() else None


def shared(path: str) -> Path:
    """The file or folder; skips the test when the shared material is not on this machine."""
    found = shared_or_none(path)
    if found is None:
        pytest.skip(f"{VARIABLE} is not set to a folder that has {path}")
    return found

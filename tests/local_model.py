"""The mark of tests that need the small real model; they skip where its packages are missing.

A skip says how to install what is missing. CI installs it, so there the tests run.
"""

from __future__ import annotations

import pytest

from resilient_stream.local import server as local_server

needs_local_model = [
    pytest.mark.local_model,
    pytest.mark.skipif(not local_server.installed(), reason=f"needs the local model: {local_server.INSTALL}"),
]
"""For `pytestmark`, or one by one as decorators."""


def local_model(test):
    """The same as a decorator."""
    for mark in needs_local_model:
        test = mark(test)
    return test

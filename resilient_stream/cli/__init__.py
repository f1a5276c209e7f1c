"""Runs the command line, `resilient-stream`: ask, chat, demo, serve, batch, providers, explain and doctor.

It uses the public API like any application: what it shows comes from chunks, events and the transcript. It needs the
extra `cli` (typer, rich, prompt_toolkit), which nothing else here needs. A failure that has a kind is shown in words,
never as a traceback.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

_NEEDED = ("typer", "rich")
_INSTALL = "the command line needs a few more packages: pip install 'resilient-stream[cli]'"


def main() -> None:
    """Run the command line, and end the process with the command's exit code."""
    try:
        import rich.console  # noqa: F401  # the commands import it later

        from .app import app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _NEEDED:
            raise
        print(_INSTALL, file=sys.stderr)
        raise SystemExit(2) from None
    app(prog_name="resilient-stream")

"""Where the `claude` program is, and which model it is to use.

The one rule: what is missing is said with the command that installs it. Must never: run the program.
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from ..contract import Adapter, Endpoint
from ..errors import ErrorKind, Failure
from ..target import Target

__all__ = ["Program", "resolve"]


class Program(NamedTuple):
    """path: of the program. model: CLAUDE_CODE_MODEL's, for a target that names none; None leaves it to the program."""

    path: str
    model: str | None


async def resolve(target: Target, adapter: Adapter, base_url: str, key: str | None, attempt: int) -> Endpoint | Failure:
    """Look for the program on PATH; `Target("claude-code", command=…)` names another one."""
    command = str(target.options.get("command", "claude"))
    path = shutil.which(command)
    if path is None:
        facts = {"reason": f"There is no program called {command} on this machine's PATH"}
        return Failure(kind=ErrorKind.CLIENT_CONFIG, code="command_not_found", fallback=True, facts=facts)
    return Endpoint(base_url="", api_key=key, credentials=Program(path, os.environ.get("CLAUDE_CODE_MODEL") or None))

"""Finds the `claude` program, and the model that it should use.

A missing program is reported with the command that installs it. The program gets only the variables that it needs, by
name, and not the keys of other providers. It is not run here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..contract import Adapter, Endpoint
from ..failures import ErrorKind, Failure
from ..target import Target

__all__ = ["PASSED_ON", "PASSED_ON_FOR", "Program", "resolve"]


class Program(NamedTuple):
    """Describes the program to run. path: of the program. model: CLAUDE_CODE_MODEL's, for a target that names none;
    None leaves it to the program. environment: the variables that it is given."""

    path: str
    model: str | None
    environment: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Program({self.path!r}, {self.model!r})"


PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TERM", "TZ", "TMPDIR", "TMP", "TEMP",
    "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS",
    "ANTHROPIC_*", "CLAUDE_*", "DISABLE_*", "MCP_TIMEOUT", "MCP_TOOL_TIMEOUT", "MAX_MCP_OUTPUT_TOKENS",
    "MAX_THINKING_TOKENS", "BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS", "BASH_MAX_OUTPUT_LENGTH",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA",
    "PROGRAMFILES*", "USERPROFILE", "USERNAME", "HOMEDRIVE", "HOMEPATH",
)  # fmt: skip
"""Variables that the program reads, as its documentation says, and variables that any program needs, on Windows too, in
capitals or not."""

PASSED_ON_FOR: Mapping[str, tuple[str, ...]] = {
    "CLAUDE_CODE_USE_BEDROCK": ("AWS_*",),
    "CLAUDE_CODE_USE_VERTEX": ("GOOGLE_*", "GCLOUD_*", "CLOUDSDK_*", "CLOUD_ML_REGION", "VERTEX_REGION_*"),
    "CLAUDE_CODE_USE_FOUNDRY": ("AZURE_*",),
}
"""Credentials of a cloud, passed on where a variable says that the program's models come from that cloud."""


async def resolve(target: Target, adapter: Adapter, base_url: str, key: str | None, attempt: int) -> Endpoint | Failure:
    """Look for the program on PATH.

    `Target("claude-code", command=…)` names another program, and `environment=("MY_*",)` further variables that it is
    given.
    """
    command = str(target.options.get("command", "claude"))
    path = shutil.which(command)
    if path is None:
        facts = {"reason": f"There is no program called {command} on this machine's PATH"}
        return Failure(kind=ErrorKind.CLIENT_CONFIG, code="command_not_found", fallback=True, facts=facts)
    model = os.environ.get("CLAUDE_CODE_MODEL") or None
    program = Program(path, model, _environment(target.options.get("environment", ())))
    return Endpoint(base_url="", api_key=key, credentials=program)


def _environment(more: Iterable[str]) -> dict[str, str]:
    """Return the variables that are passed on. more: names that the target adds, or beginnings of names with a *."""
    more = (more,) if isinstance(more, str) else tuple(map(str, more))
    clouds = [name for variable, names in PASSED_ON_FOR.items() if os.environ.get(variable) for name in names]
    wanted = [name.upper() for name in (*PASSED_ON, *clouds, *more)]
    whole = {name for name in wanted if not name.endswith("*")}
    beginnings = tuple(name[:-1] for name in wanted if name.endswith("*"))
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in whole or (beginnings and name.upper().startswith(beginnings))
    }

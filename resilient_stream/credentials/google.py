"""Gets a token for Google Cloud from google-auth, and the project and location that belong to it.

    an API key                               the express mode, no project
    Target(…, credentials=…)                 a google.auth credentials object of the caller's
    else google.auth.default()               a service account's file, gcloud's login, the machine's own

Google-auth waits in a thread, and its token is used until it says that it is no longer valid. A token is kept only in
the object that refreshes it.
"""

from __future__ import annotations

import os
from typing import Any

import anyio.to_thread

from ..contract import Adapter, Endpoint
from ..failures import ErrorKind, Failure
from ..providers.google.vertex import Place
from ..providers.shared.urls import in_host
from ..target import Target

__all__ = ["LOCATIONS", "PROJECTS", "resolve"]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PROJECTS = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID")
LOCATIONS = ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION")
"""Environment variables, in the order in which Google's and Anthropic's own SDKs read them."""

_found: dict[str, tuple[Any, str | None]] = {}
"""What google.auth.default() found, once for each process: credentials, and the project they belong to."""


async def resolve(target: Target, adapter: Adapter, base_url: str, key: str | None, attempt: int) -> Endpoint | Failure:
    """Return the address, token and place for one attempt. An attempt after the first asks for a new token."""
    location = _setting(target, "location", LOCATIONS) or "global"
    project = _setting(target, "project", PROJECTS)
    if key is not None and not target.options.get("credentials"):
        return Endpoint(
            base_url=base_url or adapter.base_url, api_key=key, headers=target.headers or {},
            credentials=Place("", location, express=True),
        )  # fmt: skip
    token = await anyio.to_thread.run_sync(_token, target.options.get("credentials"), attempt, abandon_on_cancel=True)
    if isinstance(token, Failure):
        return token
    project = project or token[1] or ""
    if not project:
        return _not_set_up(f"There is no project for {target.name}: set GOOGLE_CLOUD_PROJECT, or give the target one")
    return Endpoint(
        base_url=base_url or _host(location), api_key=token[0], headers=target.headers or {},
        credentials=Place(project, location),
    )  # fmt: skip


def _setting(target: Target, option: str, variables: tuple[str, ...]) -> str:
    given = target.options.get(option) or next((value for name in variables if (value := os.environ.get(name))), "")
    return str(given)


def _host(location: str) -> str:
    """Return the host for a region, a continent, or "global"."""
    if location in ("us", "eu"):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    region = "" if location == "global" else f"{in_host(location, 'location')}-"
    return f"https://{region}aiplatform.googleapis.com"


def _token(given: Any, attempt: int) -> tuple[str, str | None] | Failure:
    """Return a valid token, and the project that the credentials name; runs in a thread."""
    try:
        import google.auth
        import google.auth.exceptions
        import google.auth.transport.requests
    except ImportError:
        return _not_set_up("Vertex needs two more packages: pip install 'resilient-stream[vertex]'")
    try:
        credentials, project = (given, None) if given is not None else _default()
        if not credentials.valid or attempt > 1:
            credentials.refresh(google.auth.transport.requests.Request())
        return str(credentials.token), project
    except google.auth.exceptions.DefaultCredentialsError:
        return Failure(kind=ErrorKind.AUTHENTICATION, code="no_google_credentials")
    except google.auth.exceptions.TransportError:
        return Failure(kind=ErrorKind.CONNECT_FAILED, code="no_token", facts={"host": "Google's token server"})
    except google.auth.exceptions.GoogleAuthError as error:
        return Failure(kind=ErrorKind.AUTHENTICATION, code="no_token", detail=type(error).__name__)


def _default() -> tuple[Any, str | None]:
    import google.auth

    if "default" not in _found:
        _found["default"] = google.auth.default(scopes=[SCOPE])
    return _found["default"]


def _not_set_up(reason: str) -> Failure:
    return Failure(kind=ErrorKind.CLIENT_CONFIG, code="not_set_up", fallback=True, facts={"reason": reason})

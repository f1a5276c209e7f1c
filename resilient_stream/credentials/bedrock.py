"""Finds what Bedrock needs: a region, and an API key or credentials to sign with.

botocore finds the credentials (environment, profile, SSO, container, instance), in a thread, and refreshes them. A
second attempt at a target makes botocore look again, once, since the first may have been refused for old credentials.
No request is sent from here, and a missing botocore is reported with what to install.
"""

from __future__ import annotations

import functools
import os
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

import anyio.to_thread

from ..contract import Adapter, Endpoint
from ..failures import ErrorKind, Failure
from ..outcome.making import error_for
from ..providers.bedrock.signature import SigningKey
from ..providers.shared.urls import in_host
from ..target import Target

__all__ = ["resolve"]

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ARN_REGION = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+):")


class _Found(NamedTuple):
    """Holds what botocore found: the current credentials (None: there are none), and the profile's region."""

    credentials: Any
    region: str | None


_SESSIONS: dict[str | None, Any] = {}
"""botocore's sessions by profile: each keeps its credentials and refreshes them before they expire."""


async def resolve(target: Target, adapter: Adapter, base_url: str, key: str | None, attempt: int) -> Endpoint | Failure:
    """Return the endpoint of one attempt. Raises StreamError where botocore fails."""
    region = _region(target)
    address = base_url or os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
    found = None
    if key is None or not (region or address):
        found = await _find_credentials(target, attempt, needed=key is None)
        region = region or (found.region if found else None)
    if not region and not (key and address):
        return _not_set_up(f"There is no region for {target.name}: set AWS_REGION, or give the target its region")
    if key is None and (found is None or found.credentials is None):
        return Failure(kind=ErrorKind.AUTHENTICATION, code="no_aws_credentials")
    signing = None if key else _signing_key(found, region or "")
    return Endpoint(
        base_url=address or address_of(region or ""), api_key=key, headers=target.headers or {}, credentials=signing
    )


def address_of(region: str) -> str:
    """Return Bedrock's address in a region; China has a domain of its own."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{in_host(region, 'region')}.{domain}"


def _region(target: Target) -> str | None:
    """Return the target's own region, the environment's, or the one in the model's ARN."""
    known = (target.options.get("region"), *(os.environ.get(name) for name in REGION_VARIABLES))
    in_name = _ARN_REGION.match(target.model)
    return next((str(region) for region in known if region), in_name.group(1) if in_name else None)


def _signing_key(found: _Found | None, region: str) -> SigningKey:
    assert found is not None
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    known = found.credentials
    return SigningKey(
        access_key=known.access_key, secret_key=known.secret_key, token=known.token, region=region, now=now
    )


async def _find_credentials(target: Target, attempt: int, *, needed: bool) -> _Found | None:
    """Ask botocore in a thread, since it may read files and wait for the network; a cancelled attempt does not wait for
    it."""
    look = functools.partial(_ask, target.options.get("session"), target.options.get("profile"), attempt > 1)
    try:
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    except ImportError as error:
        if not needed:
            return None
        install = "pip install 'resilient-stream[bedrock]', or set AWS_BEARER_TOKEN_BEDROCK to an API key"
        raise error_for(_not_set_up(f"Requests to Bedrock are signed by botocore: {install}")) from error
    except Exception as error:
        facts = {"reason": _reason(error)}
        raise error_for(Failure(kind=ErrorKind.AUTHENTICATION, code="no_aws_credentials", facts=facts)) from error


def _ask(session: Any, profile: str | None, anew: bool) -> _Found:
    """Ask botocore; runs in a thread. session: the user's own, boto3's or botocore's, which is asked and not
    replaced."""
    import botocore.auth  # imported here for signing, so that the event loop does not wait for it
    import botocore.session

    if session is None:
        if anew or profile not in _SESSIONS:
            _SESSIONS[profile] = botocore.session.Session(profile=profile)
        session = _SESSIONS[profile]
    credentials = session.get_credentials()
    region = getattr(session, "region_name", None) or session.get_config_variable("region")
    return _Found(credentials and credentials.get_frozen_credentials(), region)


def _reason(error: Exception) -> str:
    """Return botocore's own sentence, e.g. on an unknown profile or an expired SSO login. An outside program's text is
    not shown."""
    name = type(error).__name__
    return name if name == "CredentialRetrievalError" else f"{name}: {error}"[:200]


def _not_set_up(reason: str) -> Failure:
    return Failure(kind=ErrorKind.CLIENT_CONFIG, code="not_set_up", fallback=True, facts={"reason": reason})

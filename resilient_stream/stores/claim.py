"""Claims a part of a pool that processes hold together in Redis, by a function in Lua that nothing comes between.

Both keys of a pool carry its digest in braces, so a cluster keeps them on one node.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..fleet.pool import Claim, Share
from .lua import CLAIMED, PRELUDE, called, claimed_with, numbers_of, share_of

__all__ = ["SCRIPT", "SHA", "claimed", "keys"]

SCRIPT = f"{PRELUDE}{CLAIMED}return claimed(KEYS[1], KEYS[2] or false, 1)"

SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


async def claimed(client: Any, prefix: str, claim: Claim) -> Share:
    """Call the function that claims a part of a pool. Raises Misread, and what the client raises."""
    reply = await called(client, SCRIPT, SHA, keys(prefix, claim), claimed_with(claim))
    return share_of(numbers_of(reply, 5))


def keys(prefix: str, claim: Claim) -> list[str]:
    """Return the names of the key of the leases and, where things are used up, of the period's."""
    tag = f"{prefix}:fleet:{{{claim.pool}}}"
    return [f"{tag}:held", *([f"{tag}:used:{claim.period}"] if claim.period else ())]

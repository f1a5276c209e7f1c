"""What some providers need beyond an address and a key: a module each, which its adapter's `facts` name.

A module has one `async def resolve(target, adapter, base_url, key, attempt)` that gives an `Endpoint`, or a `Failure`
that says what to set or install. Its libraries are imported when it is first asked. This module must never log, or put
a credential into an error or a repr.
"""

"""Finds what some providers need beyond an address and a key: one module each, which an adapter's `facts` name.

Each has one `async def resolve(target, adapter, base_url, key, attempt)`, which returns an `Endpoint`, or a `Failure`
that says what to set or install. Its libraries are imported when it is first asked. Nothing here logs a credential or
puts one into an error or a repr.
"""

"""What some providers need beyond an address and a key: a module each, found by the table in `endpoint`.

The one rule: a module has one `async def resolve(target, adapter, base_url, key, attempt)` that gives an `Endpoint`,
or a `Failure` that says what to set or install. Its libraries are imported when it is first asked.
Must never: log, or put a credential into an error or a repr.
"""

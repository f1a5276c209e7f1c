"""How bytes travel: HTTP by aiohttp, and programs in a child process.

The one rule: what is here moves bytes and closes for certain. Must never: know a dialect.
"""

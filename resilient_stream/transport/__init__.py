"""Moves bytes: HTTP by aiohttp, and programs in a child process.

Everything that is opened here is certain to be closed. No module here knows a dialect.
"""

"""How bytes travel: HTTP by aiohttp, and programs in a child process.

What is here moves bytes and closes for certain. This module must never know a dialect.
"""

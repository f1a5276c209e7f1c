"""Answers in the responses of a web server: FastAPI, Starlette, aiohttp."""

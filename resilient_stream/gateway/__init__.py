"""Serves the APIs of OpenAI and Anthropic, and has a `Client` answer: `resilient-stream serve`."""

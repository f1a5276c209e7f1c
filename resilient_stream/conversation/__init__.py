"""Turns of question, tool calls and answers over streams: the conversation, its tools and its record."""

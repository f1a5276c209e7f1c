"""Holds conversations: turns of question, tool calls and answers over streams, with their tools and their record."""

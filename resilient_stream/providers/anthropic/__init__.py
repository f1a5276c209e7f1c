"""Anthropic's Messages dialect, and the program claude-code, which prints its events."""

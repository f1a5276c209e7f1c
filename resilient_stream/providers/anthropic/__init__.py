"""Speaks Anthropic's Messages dialect, and reads the program claude-code, which prints its events."""

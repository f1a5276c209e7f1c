"""Runs the command `chat`, which is a conversation in a terminal."""

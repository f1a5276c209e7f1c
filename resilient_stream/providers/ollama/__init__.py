"""Speaks Ollama's own dialect."""

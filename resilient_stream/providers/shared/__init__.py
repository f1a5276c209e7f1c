"""Holds code that several dialects share: the decoders' frame, tool calls in pieces, addresses, values of any type."""

"""What the dialects have in common: decoders' frame, tool calls in pieces, addresses, values that may be anything."""

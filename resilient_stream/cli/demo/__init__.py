"""`resilient-stream demo`: an answer that is cut on purpose, and still comes whole."""

"""Fits a request to its target before it is sent: features, tool names, calls and results."""

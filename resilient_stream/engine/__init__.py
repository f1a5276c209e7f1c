"""Runs one call, from its first pull to its end: its attempts, its clocks, and the chain of links around them."""

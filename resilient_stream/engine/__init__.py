"""One call, from its first pull to its end: its attempts, its clocks, and the chain of links that they run in."""

"""Checks of what a caller gives, and the sentences that say what is wrong with it, where, and what was meant."""

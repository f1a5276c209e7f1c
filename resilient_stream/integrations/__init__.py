"""Speaks what other SDKs and their frameworks speak: requests read, answers written, and a transport that runs under
them."""

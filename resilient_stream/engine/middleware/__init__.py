"""Holds the chain's links, one async-generator function a file.

A link forwards batches as they come and closes what it opened. It holds no cancel scope, timeout or task group across a
`yield`, because such a scope would cancel the caller's code while the generator is suspended.
"""

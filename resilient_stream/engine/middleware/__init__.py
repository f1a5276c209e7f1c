"""The chain's links, one async-generator function a file.

The one rule: a link forwards batches as they come and closes what it opened. Must never: hold a cancel scope, a
timeout or a task group across a `yield`.
"""

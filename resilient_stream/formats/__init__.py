"""Writes an answer into the body of an HTTP response: one small pure file for each format."""

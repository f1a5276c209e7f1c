"""Tests of the synchronous client."""

"""Runs the command `explain`, which says what an error, a status or a log line means."""

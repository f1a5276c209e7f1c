"""`resilient-stream explain`: what an error, a status or a log line means."""

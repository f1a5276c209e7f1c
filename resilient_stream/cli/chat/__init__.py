"""`resilient-stream chat`: a conversation in a terminal."""

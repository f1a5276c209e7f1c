"""`resilient-stream doctor`: whether the targets can be reached and answer."""

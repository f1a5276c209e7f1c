"""What keeps secrets from being shown: keys masked by value in every notation, and files only their user reads."""

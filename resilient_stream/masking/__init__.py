"""Keeps secrets from being shown: keys are masked by value in every notation, and files are for their user only."""

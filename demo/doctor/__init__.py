"""Checks whether this machine can run the demo."""

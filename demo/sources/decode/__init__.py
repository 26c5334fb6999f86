"""Decoded video: tracks, times, upright frames, colours."""

"""Weights files of other projects: readers and conversion."""

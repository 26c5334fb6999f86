"""Graphs for other runtimes, and the check that they agree with Keras."""

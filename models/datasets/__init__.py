"""Labelled pictures: how they are prepared, read, split and cached as aligned chips."""

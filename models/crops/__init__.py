"""Crops of faces: from a detection to the input array of a network."""

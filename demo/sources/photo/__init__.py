"""Photos and animated pictures."""

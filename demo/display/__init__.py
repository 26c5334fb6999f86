"""What the user sees: overlay, tiles, window."""

"""What is kept: recordings, logs, summaries."""

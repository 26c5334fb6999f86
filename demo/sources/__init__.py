"""Where frames come from: cameras, streams, videos, photos."""

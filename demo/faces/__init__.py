"""What is known of the faces: detection, tracking, estimation, smoothing, anonymization."""

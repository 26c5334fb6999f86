"""Run networks and calibrate what they answer."""

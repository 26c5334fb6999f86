"""Run networks on a device and calibrate their outputs."""

"""The live application: sources, detection, tracking, smoother, drawing, sinks."""

"""The live application: sources, detection, tracking, fusion, drawing, sinks."""

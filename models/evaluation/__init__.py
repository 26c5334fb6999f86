"""Evaluation: predictions on labelled pictures, their metrics, tables and plots."""

"""Metrics, tables of results and plots."""

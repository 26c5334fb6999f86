"""Visits over days and weeks in one SQLite file, without pictures."""

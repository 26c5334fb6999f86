"""Measurements of the web page: viewers, a slow link, and a code that a page reads."""

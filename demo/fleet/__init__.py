"""Fleets: many cameras, each with a long-lived process that is started again where it dies."""

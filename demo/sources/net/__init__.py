"""Addresses: how each is opened, and what is never shown of them."""

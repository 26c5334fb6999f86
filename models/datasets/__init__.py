"""Labelled pictures: schemas, readers, splits, the cache of aligned chips."""

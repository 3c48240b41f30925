"""Dedup against its peers: processor time, memory, recall and precision on the same texts."""

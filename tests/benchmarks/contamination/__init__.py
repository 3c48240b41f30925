"""Contamination rules: what they find of planted items, and what they flag on real records."""

"""A training from its data to its folder."""

"""Where a pipeline starts from."""

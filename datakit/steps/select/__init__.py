"""Steps that choose the best of all records."""

"""Steps that make a corrected child of a record."""

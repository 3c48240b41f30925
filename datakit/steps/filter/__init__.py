"""Steps that look at one record and keep or drop it."""

"""Steps that drop what is the same as, or too similar to, a kept record."""

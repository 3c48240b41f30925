"""Steps that drop what a benchmark's item is found in."""

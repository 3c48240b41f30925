"""The command line: a thin door over the Python interface."""

"""datakit: grows a dataset from seeds, keeps the books, and shows what is in it."""

__version__ = "0.1.0"

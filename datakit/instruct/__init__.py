"""What Self-Instruct and its followers do with texts: rules, numbered lists, examples in a row."""

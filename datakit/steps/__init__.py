"""The built-in steps: one registered thing per file; siblings never import each other."""

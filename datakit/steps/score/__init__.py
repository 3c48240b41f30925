"""Steps that add measured values to `meta.scores`."""

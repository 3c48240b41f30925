"""How much memory a training takes, estimated before anything is loaded."""

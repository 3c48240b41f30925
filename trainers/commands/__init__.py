"""The commands: train, eval, chat, compare."""

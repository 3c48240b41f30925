"""Runs hostile SQL in a confined worker process and says what is wrong with it."""

from datakit.sqlite.sandbox import Sandbox, Verdict

__all__ = ["Sandbox", "Verdict"]

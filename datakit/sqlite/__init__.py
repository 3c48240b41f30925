"""Runs hostile SQL in a confined worker process and says what is wrong with it."""

from datakit.sqlite.sandbox import Sandbox, Verdict
from datakit.sqlite.suite import GoldError, Match, Suite, Suites

__all__ = ["GoldError", "Match", "Sandbox", "Suite", "Suites", "Verdict"]

"""Benchmark items that are found in records."""

from datakit.overlap.items import SHORTEST, Item, Parts, hashed
from datakit.overlap.overlap import Match, Overlap, Span
from datakit.overlap.rules import RULES

__all__ = ["RULES", "SHORTEST", "Item", "Match", "Overlap", "Parts", "Span", "hashed"]

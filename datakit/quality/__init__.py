"""What is broken about an answer; and rules for web pages, to compare with."""

from datakit.quality.faults import alnum_share, faults, repeated_share
from datakit.quality.web import WEB_RULES

__all__ = ["WEB_RULES", "alnum_share", "faults", "repeated_share"]

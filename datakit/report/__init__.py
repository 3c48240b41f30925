"""The quality report of a version, and its dataset card."""

from datakit.report.card import card
from datakit.report.page import render

__all__ = ["card", "render"]

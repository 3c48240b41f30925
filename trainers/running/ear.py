"""Who is told what happens in a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Ear"]


@dataclass
class Ear:
    """Who is told what happens: each is called with text.

    Args:
        say: A line of words.
        progress: A line that replaces the one before, and whether it is the last.
        table: Names and figures under a title.
    """

    say: Callable[[str], None] = lambda text: None
    progress: Callable[[str, bool], None] = lambda text, last: None
    table: Callable[[str, list[tuple[str, str]]], None] = lambda title, rows: None

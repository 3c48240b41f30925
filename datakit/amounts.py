"""Amounts as they are written for a reader: counts, sizes, times."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["about", "counted", "duration", "million", "money", "size"]


def counted(number: int, word: str) -> str:
    """Returns `1 record`, `2 records`, `1,000 records`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def million(number: float) -> str:
    """Returns a large count: `4.88 M`, `1.2 B`."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}\u00a0{name}"
    return f"{number:,.0f}"


def size(number: float) -> str:
    """Returns bytes: `19.6 MB`; MB are millions."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{number / unit:.3g}\u00a0{name}"
    return f"{number:,.0f}\u00a0bytes"


def money(amount: Decimal | float) -> str:
    """Returns US dollars: `$12.50`, of less than ten cents more digits: `$0.0042`; `$0.00`."""
    few = 0 < amount < Decimal("0.1")
    return f"${amount:,.4f}" if few else f"${amount:,.2f}"


def duration(seconds: float) -> str:
    """Returns a time that was measured: `8.2 s`, `4 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def about(seconds: float) -> str:
    """Returns a time that is estimated: `40 s`, `12 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

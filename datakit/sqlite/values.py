"""Values at which queries part: neighbours of a value, and what a constant of a query calls for.

Runs inside the worker, so it imports the standard library only.
"""

from __future__ import annotations

import datetime
import re

from datakit.sqlite.tables import Value

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(\D.*)?", re.DOTALL)
_MONTH = re.compile(r"\d{4}-\d\d")
_YEAR = re.compile(r"[12]\d{3}")
_DIGITS = re.compile(r"\d+")
_DAYS = (1, -1, 7, -30, 365, -366)
# A modifier of SQLite's date functions.
_SHIFT = re.compile(r"([+-]?\d{1,4}) (day|month|year)s?")
_UNITS = {"day": 1, "month": 30, "year": 365}
MAX_PADDED = 60
MAX_SHIFTED = 6


def near(value: Value) -> list[Value]:
    """Give the neighbours of a value, of the same kind; none for NULL and blobs."""
    if isinstance(value, int):
        return [each for each in (value + 1, value - 1) if _INT_MIN <= each <= _INT_MAX]
    if isinstance(value, float):
        return [value + 1.0, value - 1.0, value + 0.5, value - 0.25]
    if not isinstance(value, str):
        return []
    if date := _DATE.fullmatch(value):
        return list(_moves(date))
    found: list[Value] = [value.swapcase(), value + "x", value[:-1], "x" + value]
    if digits := _DIGITS.search(value):
        count = str(int(digits[0][:15]) + 1)
        found.append(value[: digits.start()] + count + value[digits.end() :])
    return [each for each in found if each != value]


def called_for(constant: Value, kind: str, own: list[Value], *, pattern: bool) -> list[Value]:
    """Give the values of a column at which a comparison with a constant may turn.

    Args:
        constant: A constant of the query.
        kind: The column's kind, as `tables.kind_of` names it.
        own: Values that the column has; they tell whether it holds dates.
        pattern: Whether the constant is a LIKE or GLOB pattern.
    """
    if isinstance(constant, bytes):
        return []
    dates = [date for each in own if isinstance(each, str) and (date := _DATE.fullmatch(each))]
    if dates or (kind == "date" and not own):
        return _dates(str(constant), dates)
    if kind in ("text", "date"):
        return _texts(constant, own, pattern=pattern)
    if isinstance(constant, str):
        try:
            constant = float(constant) if "." in constant else int(constant[:18])
        except ValueError:
            return []
    if kind == "real" and isinstance(constant, int):
        constant = float(constant) if abs(constant) < 2**53 else 0.0
    return [constant, *near(constant)] if isinstance(constant, int | float) else []


def _dates(text: str, dates: list[re.Match[str]]) -> list[Value]:
    tail = (dates[0][4] or "") if dates else ""
    if shift := _SHIFT.fullmatch(text.strip().lower()):
        days = int(shift[1]) * _UNITS[shift[2]]
        # Months and years differ in length, so the days around are there too.
        moved = [
            _move(date, sign * days + near)
            for date in dates[:MAX_SHIFTED]
            for sign in (1, -1)
            for near in range(-2, 3)
        ]
        exact = [
            _add_years(date, int(shift[1])) for date in dates[:MAX_SHIFTED] if shift[2] == "year"
        ]
        return [each for each in exact + moved if each is not None]
    if date := _DATE.fullmatch(text):
        tail = "" if date[4] else tail
        found = [text, *_moves(date)]
    elif _MONTH.fullmatch(text):
        found = _around(f"{text}-01", f"{text}-28", f"{text}-15")
    elif _YEAR.fullmatch(text):
        found = _around(f"{text}-01-01", f"{text}-12-31", f"{text}-06-15")
    else:
        return []
    return [each + tail for each in found]


def _around(*days: str) -> list[str]:
    dates = [date for day in days if (date := _DATE.fullmatch(day))]
    return [each for date in dates for each in (date[0], *_moves(date)[:2])]


def _moves(date: re.Match[str]) -> list[str]:
    return [moved for days in _DAYS if (moved := _move(date, days))]


def _add_years(date: re.Match[str], years: int) -> str:
    return f"{max(1, min(9999, int(date[1]) + years)):04}{date[0][4:]}"


def _texts(constant: Value, own: list[Value], *, pattern: bool) -> list[Value]:
    if isinstance(constant, int) and 0 < constant <= MAX_PADDED:
        words = [each for each in own if isinstance(each, str)][:2] or ["abc"]
        # For comparisons of a length.
        return [
            (word + "x" * MAX_PADDED)[:size]
            for word in words
            for size in (constant, constant - 1, constant + 1)
        ]
    if not isinstance(constant, str):
        return [str(constant)]
    if not pattern:
        return [constant, *near(constant), constant + " ", " " + constant]
    bare = constant.replace("%", "").replace("*", "").replace("_", "a").replace("?", "a")
    around = [bare, "x" + bare, bare + "x", "x" + bare + "x", bare.swapcase(), bare[:-1], bare[1:]]
    middle = constant.strip("%*").replace("%", "xyz").replace("*", "xyz").replace("_", "b")
    return [*around, middle, "x" + middle]


def _move(date: re.Match[str], days: int) -> str | None:
    try:
        day = datetime.date(int(date[1]), int(date[2]), int(date[3]))
        moved = day + datetime.timedelta(days)
    except (ValueError, OverflowError):
        return None
    return moved.isoformat() + (date[4] or "")

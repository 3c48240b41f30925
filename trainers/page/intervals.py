"""Figures with their intervals, one below the other, on one scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datakit.report.charts import figure, table
from datakit.report.markup import Markup, el, plain, quote

__all__ = ["Row", "intervals"]

_WIDTH, _EDGE, _HIGH, _FOOT = 560, 16, 38, 22
_NAME = 84
_FEW, _MANY = 5, 9


@dataclass(frozen=True)
class Row:
    """One figure.

    Args:
        name: What it is.
        value: The figure.
        low: Lower end of its interval; None if there is none.
        high: Upper end.
        sure: Whether a verdict may rest on it: a filled mark.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    sure: bool = False


def intervals(
    title: str, rows: Sequence[Row], scale: tuple[float, float], even: float | None = None
) -> Markup:
    """Returns a picture of figures with intervals, and the same as a table.

    Args:
        title: Its title.
        rows: The figures; one at least.
        scale: The ends of the axis.
        even: Where neither side is better; None if there is no such place.
    """
    least, most = scale
    bottom = len(rows) * _HIGH + 4

    def at(value: float) -> float:
        inside = min(max(value, least), most)
        return round(_EDGE + (inside - least) / (most - least) * (_WIDTH - 2 * _EDGE), 1)

    # A scale of whole numbers, as 1 to 10, has a mark for each.
    steps = _MANY if most - least == _MANY else _FEW
    marks = [least + (most - least) * step / steps for step in range(steps + 1)]
    picture = el(
        "svg",
        [el("line", x1=at(x), x2=at(x), y1=0, y2=bottom, class_="grid") for x in marks],
        [el("text", f"{x:g}", x=at(x), y=bottom + 15, class_="tick mid") for x in marks],
        None
        if even is None
        else el("line", x1=at(even), x2=at(even), y1=0, y2=bottom, class_="even"),
        [_row(each, number * _HIGH, at) for number, each in enumerate(rows)],
        viewBox=f"0 0 {_WIDTH} {bottom + _FOOT}",
        role="img",
        aria_label=f"{title}: {len(rows)} figures; the table below has them",
        class_="chart",
    )
    data = table(
        ("", "value", "low", "high"),
        [(quote(each.name, 160), *map(_told, (each.value, each.low, each.high))) for each in rows],
        title,
    )
    note = "A filled mark: people agree with the judge. A hollow one: not calibrated, no verdict."
    return figure(title, picture, data, note)


def _row(row: Row, top: float, at: Callable[[float], float]) -> list[Markup]:
    name = " ".join(plain(row.name).split())
    shown = name if len(name) <= _NAME else f"{name[: _NAME - 1]}\u2026"
    y = top + 27
    look = " sure" if row.sure else ""
    drawn = [el("text", el("title", name), shown, x=0, y=top + 15, class_="name")]
    if row.low is not None and row.high is not None:
        low, high = at(row.low), at(row.high)
        drawn.append(el("line", x1=low, x2=high, y1=y, y2=y, class_=f"interval{look}"))
    hint = el("title", f"{name}: {_told(row.value)}")
    return [*drawn, el("circle", hint, cx=at(row.value), cy=y, r=4.5, class_=f"point{look}")]


def _told(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.2f}"

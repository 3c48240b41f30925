"""The chapter about the rounds: what each brought, and when it began to bring the same again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from datakit.report.about import About, percent
from datakit.report.charts import Line, lines, table
from datakit.report.markup import Markup, el

__all__ = ["chapter", "has_curve"]

_ROWS = 24
_NOTE = (
    "Unlike records: how many records, none like another, would be as diverse as all that are "
    "there; likeness is shared words and pairs of words. Where that line goes flat while the "
    "other rises, the new ones repeat what is there."
)


def has_curve(about: About) -> bool:
    """Tells whether there is anything to show."""
    return len(about.manifest.get("curve") or ()) > 1


def chapter(about: About) -> Markup | None:
    """Returns how the pool grew, or None if no round was noted."""
    if not has_curve(about):
        return None
    curve: list[Mapping[str, Any]] = about.manifest["curve"]
    return el(
        "section",
        el("h2", "Growth"),
        el("p", _sentence(curve, about.first)),
        lines(
            "Records, and how many are unlike",
            _lines(curve),
            "candidates made",
            "records",
            _data(curve),
            _NOTE,
        ),
        id="growth",
        class_="chapter",
    )


def _sentence(curve: Sequence[Mapping[str, Any]], seeds: int) -> str:
    first, middle, last = curve[0], curve[len(curve) // 2], curve[-1]
    came = f"Something came of {last['seeds']:,} of {seeds:,} seeds."
    if len(curve) < 4:
        share = percent(last["kept"], last["made"])
        return f"Of {last['made']:,} candidates {share} were kept. {came}"
    early = percent(middle["kept"] - first["kept"], middle["made"] - first["made"])
    late = percent(last["kept"] - middle["kept"], last["made"] - middle["made"])
    return (
        f"Of the candidates of the first half of the rounds {early} were kept, of the second "
        f"half {late}. {came}"
    )


def _lines(curve: Sequence[Mapping[str, Any]]) -> list[Line]:
    named = {"pool": "seeds and records kept", "unlike": "unlike records"}
    return [
        Line(name, tuple((point["made"], point[key]) for point in curve), key == "unlike")
        for key, name in named.items()
    ]


def _data(curve: Sequence[Mapping[str, Any]]) -> Markup:
    step = max(1, math.ceil((len(curve) - 1) / _ROWS))
    # The last is always there.
    shown = [*curve[: len(curve) - 1 : step], curve[-1]]
    rows = [
        (
            f"{p['requests']:,}",
            f"{p['made']:,}",
            f"{p['kept']:,}",
            f"{p['pool']:,}",
            f"{p['unlike']:,.1f}",
            f"{p['distinct']:.3f}",
            f"{p['seeds']:,}",
        )
        for p in shown
    ]
    head = ("requests", "made", "kept", "pool", "unlike", "distinct-2", "seeds with offspring")
    return table(head, rows, "Growth")

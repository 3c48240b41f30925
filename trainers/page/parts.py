"""Pieces that all chapters of a training's page are made of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote
from trainers.page.charts import figures_of

__all__ = ["chapter", "hashed", "listed", "shown", "words"]


def chapter(id: str, title: str, *body: Child) -> Markup:
    """Returns a chapter."""
    return el("section", el("h2", title), body, id=id, class_="chapter")


def shown(value: object) -> str:
    """Returns a value of run.json as text."""
    if isinstance(value, float):
        return figures_of(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def listed(title: str, rows: Sequence[Sequence[Child]]) -> list[Child]:
    """Returns names and values under a title."""
    return [el("h3", title), words(title, ("of", "value"), rows)]


def words(title: str, head: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Returns a table whose cells stand left; texts are quoted."""
    cells = [[quote(each, 400) if isinstance(each, str) else each for each in row] for row in rows]
    return el("div", table(head, cells, title), class_="words")


def hashed(value: object) -> Markup:
    """Returns a hash, which may break anywhere."""
    return el("code", quote(str(value or "-"), 200), class_="hash")

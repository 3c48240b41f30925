"""What the terms of the teachers say, in words: the report and the card share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datakit.report.about import About, clipped

__all__ = ["NOTE", "rows", "told"]

NOTE = (
    "What the terms say about training was read on the day given; they may have changed since. "
    "This is no legal advice."
)


def rows(about: About) -> list[tuple[str, str, str, str]]:
    """Returns (teacher, terms with their day, training, duties), each once."""
    found = []
    for teacher in about.teachers:
        name = clipped(teacher.get("model") or "?", 80)
        for terms in teacher.get("known_terms") or ():
            day = f", {clipped(terms['date'], 10)}" if terms.get("date") else ""
            named = f"{clipped(terms.get('name'), 80)}{day}: {clipped(terms.get('url'))}"
            duties = "; ".join(clipped(each) for each in terms.get("duties") or ()) or "none known"
            found.append((name, named, told(terms), duties))
        if not teacher.get("known_terms"):
            link = clipped(teacher.get("terms") or "unknown")
            found.append((name, link, "unknown", "unknown"))
    return list(dict.fromkeys(found))


def told(terms: Mapping[str, Any]) -> str:
    """Returns in words whether a model may be trained on a teacher's answers."""
    if terms.get("training") == "limited":
        return f"limited: {clipped(terms.get('limit') or 'see there')}"
    return "allowed" if terms.get("training") == "allowed" else "unknown"

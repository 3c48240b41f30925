"""The lift lab: which dataset variant makes a model better, by how much, and how sure that is.

from trainers.lift import lift
found = lift(["sql@v4", "sql@v3"], baseline="general@v1", task="sql:held_out.jsonl", seeds=5)
print(found.verdict)
found.frame().groupby(["variant", "metric"]).score.mean()
found.comparison.difference("sql@v4", "sql@v3").low
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.lift.lifting import lift as lift
    from trainers.lift.result import Lift as Lift

__all__ = ["Lift", "lift"]


def __getattr__(name: str) -> object:
    import importlib

    places = {"lift": "trainers.lift.lifting", "Lift": "trainers.lift.result"}
    if name not in places:
        raise AttributeError(f"module 'trainers.lift' has no attribute {name!r}")
    return getattr(importlib.import_module(places[name]), name)

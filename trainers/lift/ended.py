"""What a trial leaves behind, as it is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.evaluate import Items

__all__ = ["Ended", "items_from", "items_to"]


@dataclass(frozen=True)
class Ended:
    """A trial that is done.

    Args:
        items: For each task the scores, item by item.
        loss: Training loss, as (step, nats per token).
        train_seconds: What the training took.
        seconds: That and the measuring.
    """

    items: tuple[Items, ...]
    loss: tuple[tuple[int, float], ...]
    train_seconds: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            "items": [items_to(each) for each in self.items],
            "loss": [list(each) for each in self.loss],
            "train_seconds": round(self.train_seconds, 2),
            "seconds": round(self.seconds, 2),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Ended:
        """Reads what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: If it is something else.
        """
        return cls(
            tuple(items_from(each) for each in value["items"]),
            tuple((int(step), float(loss)) for step, loss in value["loss"]),
            float(value["train_seconds"]),
            float(value["seconds"]),
        )


def items_to(items: Items) -> dict[str, Any]:
    """Returns items as JSON values; answers and all."""
    return {
        "ids": list(items.ids),
        "scores": {name: list(each) for name, each in items.scores.items()},
        "answers": None if items.answers is None else list(items.answers),
        "notes": list(items.notes),
        "weights": {name: list(each) for name, each in items.weights.items()},
        "exps": dict(items.exps),
        "fixed": sorted(items.fixed),
    }


def items_from(value: Mapping[str, Any]) -> Items:
    """Reads what `items_to` gave."""
    return Items(
        ids=tuple(value["ids"]),
        scores={name: tuple(each) for name, each in value["scores"].items()},
        answers=None if value["answers"] is None else tuple(value["answers"]),
        notes=tuple(value["notes"]),
        weights={name: tuple(each) for name, each in value["weights"].items()},
        exps=dict(value["exps"]),
        fixed=frozenset(value["fixed"]),
    )

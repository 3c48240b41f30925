"""What the manifest says, in the form in which the report and the card use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import yaml

from datakit.amounts import money
from datakit.store.version import Version

__all__ = ["About", "Row", "clipped", "kind_of", "percent"]

_DEDUP, _CONTAMINATION = "dedup", "contamination"
# Reasons that stand for no loss: the record went on in another form, or was not asked for.
_NO_LOSS = ("revised", "seed")


def percent(part: float, whole: float) -> str:
    """Returns a share in words that do not lie at the ends: never 0 % or 100 % of something."""
    if not whole or not part:
        return "0 %"
    share = 100 * part / whole
    if share < 1:
        return "under 1 %"
    if 99 < share < 100:
        return "over 99 %"
    return f"{share:.0f} %"


def clipped(value: object, limit: int = 200) -> str:
    """Returns a value of the manifest as a short text."""
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def kind_of(step: str) -> str:
    """Returns the family of a step: `dedup` of `dedup.minhash`."""
    return step.partition(".")[0]


@dataclass(frozen=True)
class Row:
    """One step of the funnel."""

    step: str
    taken: int
    made: int
    kept: int
    dropped: Mapping[str, int]
    seconds: float

    @property
    def lost(self) -> int:
        """Records that were dropped."""
        return sum(self.dropped.values())

    @property
    def came(self) -> int:
        """Records that came in or were made."""
        return self.taken + self.made


class About:
    """The manifest of a version.

    Args:
        version: The version.
    """

    def __init__(self, version: Version) -> None:
        self.manifest = version.manifest
        self.name = clipped(version.manifest["name"], 80)
        self.version = clipped(version.manifest["version"], 20)
        self.ref = f"{self.name}@{self.version}"
        self.kept = len(version)

    @cached_property
    def funnel(self) -> tuple[Row, ...]:
        """The steps in order."""
        return tuple(
            Row(
                clipped(row["step"], 80),
                row["in"],
                row["made"],
                row["kept"],
                {clipped(reason, 60): n for reason, n in row["dropped"].items()},
                row.get("seconds") or 0.0,
            )
            for row in self.manifest["funnel"]
        )

    @property
    def first(self) -> int:
        """Seeds, or records of the source."""
        return self.funnel[0].taken if self.funnel else self.kept

    @property
    def made(self) -> int:
        """Records that the steps made; revised ones are no new ones."""
        return sum(row.made - row.dropped.get("revised", 0) for row in self.funnel)

    @property
    def makers(self) -> set[str]:
        """Steps that made records, rather than revised them."""
        return {row.step for row in self.funnel if row.made > row.dropped.get("revised", 0)}

    @property
    def candidates(self) -> int:
        """Records that could have been kept: those that were made or, if none was, the source."""
        return self.made or self.first

    @property
    def reasons(self) -> list[tuple[str, str, int]]:
        """Losses as (step, reason, records), the greatest first."""
        losses = [
            (row.step, reason, n)
            for row in self.funnel
            for reason, n in row.dropped.items()
            if reason not in _NO_LOSS and n
        ]
        return sorted(losses, key=lambda each: (-each[2], each[0], each[1]))

    @property
    def cost(self) -> dict[str, Any]:
        """What was spent."""
        cost: dict[str, Any] = self.manifest.get("cost") or {}
        return cost

    @property
    def usd(self) -> str:
        """The cost as people write it; a cost that was not recorded is none."""
        if not self.cost.get("priced", True):
            return "not known"
        text = self.cost.get("usd")
        try:
            amount = Decimal(str(text))
        except InvalidOperation:
            return "not recorded"
        if not amount.is_finite():
            return "not recorded"
        return money(amount)

    @property
    def teachers(self) -> list[dict[str, Any]]:
        """Models that made or judged records."""
        teachers: list[dict[str, Any]] = self.manifest.get("teachers") or []
        return teachers

    @property
    def licenses(self) -> list[tuple[str, int]]:
        """Licences with the records under them, the commonest first."""
        found: dict[str, int] = self.manifest.get("licenses") or {}
        return sorted(found.items(), key=lambda each: (-each[1], each[0]))

    @property
    def day(self) -> str:
        """The day of its making, as in 22 November 2026."""
        created = str(self.manifest.get("created", ""))
        try:
            moment = datetime.fromisoformat(created)
        except ValueError:
            return clipped(created, 40)
        return f"{moment.day} {moment:%B %Y}"

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe, parsed; empty if it cannot be."""
        try:
            recipe = yaml.safe_load(self.manifest.get("recipe") or "")
        except (yaml.YAMLError, RecursionError, ValueError):
            return {}
        return recipe if isinstance(recipe, dict) else {}

    def settings(self, step: str) -> list[Mapping[str, Any]]:
        """Returns what the recipe sets for each step of that name."""
        steps = self.recipe.get("steps")
        found = (
            [each for each in steps if isinstance(each, dict)] if isinstance(steps, list) else []
        )
        return [each[step] or {} for each in found if isinstance(each.get(step, 0), dict | None)]

    def ran(self, kind: str) -> bool:
        """Returns whether a step of that family ran."""
        return any(kind_of(row.step) == kind for row in self.funnel)

    def sentence(self, grown: int) -> str:
        """Returns one sentence of what it is.

        Args:
            grown: Kept records that were made; the others are seeds.
        """
        if not self.made:
            steps = len(self.funnel)
            return (
                f"{self.kept:,} records, kept of {self.first:,} by {steps:,} "
                f"step{'' if steps == 1 else 's'}. No model made any of them."
            )
        models = list(dict.fromkeys(clipped(each.get("model", "?"), 60) for each in self.teachers))
        by = f" by {' and '.join(models[:2])}" if models else ""
        more = f" and {len(models) - 2} more" if len(models) > 2 else ""
        rounds = self.manifest.get("rounds")
        within = f" in {rounds:,} round{'' if rounds == 1 else 's'}" if rounds else ""
        seeds = self.kept - grown
        own = f"{seeds:,} seeds and " if seeds else ""
        of = "them" if seeds == self.first else f"{self.first:,} seeds"
        return f"{own}{grown:,} records grown from {of}{by}{more}{within}."

"""How often a study was looked at: each look that was not declared beforehand costs confidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datakit.errors import InputError
from trainers.lift.kept import Kept
from trainers.lift.power import looks as sentence_of

__all__ = ["Look", "Looks"]


@dataclass(frozen=True)
class Look:
    """One look at a study.

    Args:
        number: From 1.
        declared: How many looks were declared before the first trial.
        replicates: At each look so far, this one the last.
    """

    number: int
    declared: int
    replicates: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """What it means for the intervals; empty for one look."""
        return "" if self.number == self.declared == 1 else sentence_of(self.number, self.declared)


class Looks:
    """The looks at one study, kept beside its trials, wherever its pages are written.

    Args:
        kept: Where finished trials are.
        identity: Of the study, whatever the number of replicates is.
        declared: Replicates at each look, as the user declares them; empty is one look.

    Raises:
        InputError: If others were declared before, and the study was looked at since.
    """

    def __init__(self, kept: Kept, identity: str, declared: Sequence[int] = ()) -> None:
        self._kept, self._path = kept, kept.folder / "looks" / f"{identity}.json"
        told = self._read()
        self._seen = self._listed(told)
        before = tuple(map(int, told.get("declared", [])))
        self.declared = before if self._seen else tuple(sorted(set(declared)))
        if declared and self.declared != tuple(sorted(set(declared))):
            was = ",".join(map(str, before)) or "one look"
            raise InputError(
                f"--looks {','.join(map(str, declared))}: this study declared {was} before its "
                "first look, which cannot be changed since."
            )

    def at(self, seed: int, replicates: int, metric: str) -> Look:
        """Returns a look, and notes it; what was looked at before is no new look.

        Args:
            seed: Of the draws; other ones are another look.
            replicates: How many.
            metric: What the verdicts are about.

        Raises:
            InputError: If it cannot be noted.
        """
        # Another process may have looked since.
        self._seen = self._listed(self._read())
        if (seed, replicates, metric) not in self._seen:
            self._seen.append((seed, replicates, metric))
            told = {"declared": self.declared, "looks": self._seen}
            self._kept.write(self._path, json.dumps(told))
        number = self._seen.index((seed, replicates, metric)) + 1
        counts = tuple(k for _, k, _ in self._seen[:number])
        return Look(number, max(1, len(self.declared)), counts)

    @staticmethod
    def _listed(told: dict[str, Any]) -> list[tuple[int, int, str]]:
        return [(int(seed), int(k), str(m)) for seed, k, m in told.get("looks", [])]

    def _read(self) -> dict[str, Any]:
        try:
            told = json.loads(self._path.read_text("utf-8"))
            return told if isinstance(told, dict) else {}
        except (OSError, ValueError):
            return {}

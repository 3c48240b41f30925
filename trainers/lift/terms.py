"""What holds for every study, whatever it compares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from datakit.errors import InputError
from trainers.evaluate import TASKS, TaskOptions
from trainers.lift.kept import Kept
from trainers.running.ear import Ear
from trainers.sft import SFT

__all__ = ["Terms"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for every study.

    Finished trials are kept: a study that was interrupted goes on, and one with more replicates
    does only those that are new.

    Args:
        task: What is measured on data that no variant has; see `trainers.evaluate`.
        model: What is fine-tuned.
        seeds: Replicates; a verdict needs 5.
        looks: Replicates at each look, as they are declared before the first; empty is one look, at
            `seeds`. Every look that was not declared costs confidence.
        settings: Of each trial; steps and seed are the study's.
        metric: What the verdicts are about; None takes the task's first.
        effect: The smallest difference of interest, in the metric's unit.
        contaminated: Where test items stand in a variant: `stop` before anything is spent, or
            `keep` them, without a verdict.
        general: Whether the general set is measured too: what was forgotten.
        options: Of the task.
        workers: Trials at once; None is one for each GPU, or as the cores and the memory allow.
        device: `auto`, `cpu` or `cuda`.
        store: The folder of versions.
        fields: Our fields to the files'.
        seed: Of the draws.
        out: The page, an .html file; a .json file of the same name is written beside it.
        kept: Where finished trials are; None takes `lift` in the cache folder.
        ear: Who is told what happens.
    """

    task: str
    model: str = "embedded"
    seeds: int = 5
    looks: tuple[int, ...] = ()
    settings: SFT = field(default_factory=SFT)
    metric: str | None = None
    effect: float | None = None
    contaminated: Literal["stop", "keep"] = "stop"
    general: bool = True
    options: TaskOptions | None = None
    workers: int | None = None
    device: str = "auto"
    store: str | Path | None = None
    fields: Mapping[str, str] | None = None
    seed: int = 0
    out: str | Path | None = None
    kept: Kept | None = None
    ear: Ear = field(default_factory=Ear)

    def __post_init__(self) -> None:
        wrong = [
            f"--{name}: must be a whole number of at least 1, not {value!r}."
            for name in ("seeds", "workers")
            if (value := getattr(self, name)) is not None and value < 1
        ]
        kind = TASKS.get(self.task.partition(":")[0])
        if kind is not None and kind.judged:
            wrong.append(
                f"--task {self.task}: is finished by a judge, which a study does not ask. Measure "
                "the trained models with datakit eval --judge, or take another task."
            )
        if self.effect is not None and not 0 < self.effect < math.inf:
            wrong.append(f"--detect (effect): must be a number over 0, not {self.effect!r}.")
        if self.seed < 0:
            wrong.append(f"--draw-seed (seed): must be 0 or more, not {self.seed!r}.")
        if self.looks and self.seeds not in self.looks:
            wrong.append(
                f"--seeds {self.seeds}: is not among --looks; one look is at each of them."
            )
        if wrong:
            raise InputError(wrong)

    @property
    def batch(self) -> int:
        """Examples of one optimizer step."""
        return self.settings.batch * self.settings.accumulate

"""A pipeline: where records come from, and what is done with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Literal

from datakit.errors import InputError, PipelineError
from datakit.fingerprint import HASH_VERSION, identity
from datakit.llm.budget import dollars
from datakit.llm.teacher import Teacher
from datakit.record import digest
from datakit.step import asks, verb_of

__all__ = ["NAME", "Pipeline"]

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")


@dataclass(frozen=True)
class Pipeline:
    """What a pipeline file says.

    Args:
        name: The dataset's name: lower-case letters, digits, `_`, `.` and `-`.
        steps: Step objects, in order.
        seeds: A source of hand-written seeds, for pipelines that make records.
        source: A source of records, for pipelines that clean a dataset.
        random_seed: Every chance in the run comes from it.
        target: Kept records to stop at, seeds not counted.
        max_candidates: Made records to stop at, kept or not; None is 50 for each of `target`.
        round_size: Requests of a round. A round draws on what the rounds before have kept.
        draw: How steps draw the records that they show to the teacher: `uniform`, or `coverage`,
            which shows more often what the pool has little of; reports/steering.md measures it on
            the embedded model, where whether it helps cannot be told.
        min_novelty: The run ends when less than this share of the latest 200 candidates was kept;
            0 ends it when none was.
        include_seeds: Whether the seeds are in the dataset.
        teacher: Who answers; None is the embedded model.
        teachers: Teachers of single steps, by the step's place.
        budget: US dollars, or None.
        limit: Most records to read from `source`.
        recipe: The text it was read from.

    Raises:
        PipelineError: With all that is wrong with it.
    """

    name: str
    steps: tuple[Any, ...] = ()
    seeds: Any = None
    source: Any = None
    random_seed: int = 0
    target: int | None = None
    max_candidates: int | None = None
    round_size: int = 16
    draw: Literal["uniform", "coverage"] = "uniform"
    min_novelty: float = 0.0
    include_seeds: bool = True
    teacher: Teacher | None = None
    teachers: Mapping[int, Teacher] = field(default_factory=dict)
    budget: str | None = None
    limit: int | None = None
    recipe: str = ""

    def __post_init__(self) -> None:
        wrong = [f"{key}: {text}" for key, text in self.problems()]
        if wrong:
            raise PipelineError(wrong)

    def problems(self) -> list[tuple[str, str]]:
        """Returns what is wrong, as (key, sentence)."""
        wrong: list[tuple[str, str]] = []
        if not NAME.match(self.name):
            wrong.append(("name", f'"{self.name}" must be lower-case letters, digits, _ . -'))
        if self.seeds is None and self.source is None:
            wrong.append(("seeds", "give seeds (to make records) or source (to clean records)"))
        if self.seeds is not None and self.source is not None:
            wrong.append(("source", "give seeds (to make records) or source, not both"))
        elif self.source is not None and self.makers:
            wrong.append(("source", "a pipeline that makes records starts from seeds"))
        if self.makers and not (self.target or self.max_candidates):
            wrong.append(("target", "say how many kept records to stop at: target: 200"))
        if not self.makers and self.target:
            wrong.append(("target", "goes with a generate step; there is none"))
        if self.budget is not None:
            try:
                dollars(self.budget)
            except InputError as error:
                wrong.append(("budget", str(error).removesuffix(".")))
        return wrong

    @property
    def askers(self) -> list[int]:
        """Places of the steps that ask a teacher."""
        return [place for place, step in enumerate(self.steps) if asks(step)]

    @property
    def makers(self) -> list[int]:
        """Places of the steps that make records."""
        return [at for at, step in enumerate(self.steps) if verb_of(step) == "make"]

    @property
    def most(self) -> int:
        """Made records after which the run ends, whatever was kept."""
        return self.max_candidates or 50 * (self.target or 0)

    @property
    def cap(self) -> Decimal | None:
        """The budget in US dollars."""
        return None if self.budget is None else dollars(self.budget)

    def teacher_of(self, place: int) -> Teacher:
        """Returns the teacher of the step at a place."""
        return self.teachers.get(place) or self.teacher or Teacher()

    def start(self) -> Any:  # noqa: ANN401  a source
        """Returns the source that the pipeline starts from."""
        return self.source if self.source is not None else self.seeds

    def recipe_hash(self, teachers: Mapping[int, Any]) -> str:
        """Returns the hash of all that decides the data.

        Args:
            teachers: What identifies the teacher of each step that makes records.
        """
        return digest(
            {
                "hash_version": HASH_VERSION,
                "datakit": version("datakit"),
                "name": self.name,
                "start": identity(self.start()),
                "steps": identity(self.steps),
                "random_seed": self.random_seed,
                "target": self.target,
                "max_candidates": self.most,
                "round_size": self.round_size,
                "draw": self.draw,
                "min_novelty": self.min_novelty,
                "include_seeds": self.include_seeds,
                "limit": self.limit,
                "teachers": {str(place): value for place, value in teachers.items()},
            },
            size=16,
        )

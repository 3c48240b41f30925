"""The lab: a finished run whose records can be rebuilt with other steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from datakit.ablation.costs import StepCost, step_costs
from datakit.ablation.finding import Found
from datakit.ablation.labels import labels, place_of, reduced, rerun_name
from datakit.ablation.passing import Passes
from datakit.ablation.pricing import priced
from datakit.ablation.replay import Replay, carried
from datakit.ablation.rerun import Rerun, try_rerun
from datakit.ablation.variants import Candidate, Variant, control_of
from datakit.amounts import counted
from datakit.carrying import LOG
from datakit.llm.loop import Loop
from datakit.outcome import Rejected
from datakit.running.local import Engine
from datakit.running.plan import Plan
from datakit.step import verb_of

__all__ = ["Ablation"]

_WORDS = {
    "all": "",
    "without": " without {}",
    "only": " with {} alone",
    "bare": " without any step but the generators",
}
# What a pass says of a step; the rest is of the run: its time and its cost.
_TOLD = ("step", "in", "made", "kept", "dropped")
_SAME = (
    "The same candidates: the {:,} that the run made with all steps in place. A run with other "
    "steps would have shown its generators other examples."
)


class Ablation:
    """A finished run; made by `open_ablation`.

    In every variant the candidates are held fixed: those that the run made while all steps were in
    place. What the generators would have asked without a step is told by `rerun`.
    """

    def __init__(
        self,
        found: Found,
        replayed: Replay,
        engine: Engine,
        work: Path,
        loop: Loop,
    ) -> None:
        self.version = found.version
        self.pipeline = found.pipeline
        self._found = found
        self._replayed = replayed
        self._engine = engine
        self._work = work
        self._loop = loop
        self._stack = ExitStack()
        self._passes = Passes(found, replayed.growth.made, engine, work, loop)

    @property
    def ref(self) -> str:
        """The version, such as `sql@v3`."""
        return self.version.ref

    @property
    def steps(self) -> tuple[str, ...]:
        """Labels of the steps, in order; a step that is there several times is numbered."""
        return labels(self.pipeline)

    @property
    def generators(self) -> tuple[str, ...]:
        """Labels of the steps that make records."""
        return tuple(self.steps[at] for at in self.pipeline.makers)

    def candidates(self) -> Iterator[Candidate]:
        """Yields seeds (or a source's records), then what each generator made, in order."""
        for record in self._found.start():
            yield Candidate(record)
        for place, made in self._replayed.growth.made.items():
            for each in made:
                if isinstance(each, Rejected):
                    yield Candidate(each.record, self.steps[place], each.drop)
                else:
                    yield Candidate(each, self.steps[place])

    def all(self) -> Variant:
        """Returns what the version holds."""
        return self._named("all", "", range(len(self.pipeline.steps)))

    def bare(self) -> Variant:
        """Returns the candidates as the generators made them, without any other step."""
        return self._named("bare", "", self.pipeline.makers)

    def without(self, step: str) -> Variant:
        """Returns what comes out without a step; without a generator, its records are missing.

        Raises:
            InputError: If there is no such step.
        """
        return self._named("without", step, self._others(step))

    def only(self, step: str) -> Variant:
        """Returns what comes out with no step but this one and the generators.

        Of a generator: the seeds and its own records, with no other step. Errors as for `without`.
        """
        place, makers = place_of(self.pipeline, step), self.pipeline.makers
        return self._named("only", step, [place] if place in makers else sorted({place, *makers}))

    def control(self, step: str, seed: int, *, alone: bool = False) -> Variant:
        """Returns the control of a step: as many records dropped, but at random.

        Without the step more records come out; of these, as many are drawn as the whole pipeline
        kept. Where fewer come out without it, as many are drawn from the whole pipeline's.

        Args:
            step: The step's label.
            seed: Another one gives another draw.
            alone: Whether the step alone (`only`) is judged, against `bare`.

        Raises:
            InputError: If there is no such step.
        """
        whole = self.all()
        pair = (self.only(step), self.bare()) if alone else (whole, self.without(step))
        small, large = sorted(pair, key=len)
        drawn = replace(control_of(large, small, seed, apart=large is not whole), step=step)
        return replace(drawn, changed=drawn.sha256 != whole.sha256)

    def costs(self) -> list[StepCost]:
        """Returns what each step asked for and threw away, in the order of the steps."""
        return step_costs(
            self.pipeline,
            self.steps,
            self._replayed.books,
            self._passes.thrown(),
            self.version.manifest["funnel"],
        )

    def needs(self, step: str) -> tuple[str, ...]:
        """Returns the steps that ask for what this one looks at: without one it keeps nothing.

        Raises:
            InputError: If there is no such step.
        """
        place = place_of(self.pipeline, step)
        if not self.all().funnel[place]["kept"]:
            return ()
        measures = [
            at
            for at in self.pipeline.askers
            if at < place and verb_of(self.pipeline.steps[at]) == "score"
        ]
        return tuple(
            self.steps[at]
            for at in measures
            if (row := self.without(self.steps[at]).funnel[place - 1])["in"] and not row["kept"]
        )

    def rerun(self, step: str) -> Rerun:
        """Returns what a true rerun without a step would ask, and what it would cost.

        It is run on the log up to the first round, or record, about which a step would ask
        something new; what would be asked from there on is estimated. Nothing is sent.

        Raises:
            InputError: If there is no such step, or if no seed passes the others.
        """
        places = self._others(step)
        pipeline = reduced(self.pipeline, places, rerun_name(self.version.name, step))
        tried = try_rerun(
            self._found, pipeline, places, self._replayed, self._engine, self._work, self._loop
        )
        plan = Plan()
        if tried.records is None:
            held = self.without(step)
            plan = priced(self._found, pipeline, places, self._replayed, tried, held)
        return Rerun(step, pipeline, tried.answered, plan, tried.records, tried.again, tried.cost)

    def carry(self, rerun: Rerun) -> Path | None:
        """Copies the response log to the dataset of a rerun, so that no answer is paid for twice.

        What spends then is `datakit.run(rerun.pipeline)`: ask the user before.

        A rerun that was begun before keeps the log that it has.

        Returns:
            The log, or None for a pipeline that asks nobody.
        """
        if self._replayed.path is None:
            return None
        return carried(self._replayed.path, self._found.store.root / rerun.pipeline.name / LOG)

    def differs(self) -> str:
        """Returns what the rebuilt records have otherwise than the version; empty if nothing."""
        rebuilt = [record.to_line() for record in self.all().records]
        with open(self.version.data_path, "rb") as file:
            written = list(file)
        if len(rebuilt) != len(written):
            return f"{len(rebuilt):,} records come out, the version has {len(written):,}"
        for number, (new, old) in enumerate(zip(rebuilt, written, strict=True), 1):
            if new != old:
                return f"record {number:,} ({json.loads(old)['id']}) comes out otherwise"
        for now, then in zip(self.all().funnel, self.version.manifest["funnel"], strict=True):
            if any(now[key] != then[key] for key in _TOLD):
                return f"{then['step']} makes or drops other records than it did"
        return ""

    def _others(self, step: str) -> list[int]:
        place = place_of(self.pipeline, step)
        return [at for at in range(len(self.pipeline.steps)) if at != place]

    def _named(
        self, kind: Literal["all", "without", "only", "bare"], step: str, places: Sequence[int]
    ) -> Variant:
        whole = self._passes.some(range(len(self.pipeline.steps)))
        variant = self._passes.some(places)
        changed = variant.sha256 != whole.sha256
        named = replace(
            variant,
            name=self.ref + _WORDS[kind].format(step),
            kind=kind,
            step=step,
            changed=changed,
            held=bool(variant.unasked or (changed and self.pipeline.makers)),
        )
        return replace(named, notes=tuple(self._notes(named, whole)))

    def _notes(self, variant: Variant, whole: Variant) -> Iterator[str]:
        if variant.kind != "all" and not (variant.changed or variant.unasked):
            yield f"The records are those of {self.ref}: there is nothing to measure."
        if variant.changed and self.pipeline.makers:
            yield _SAME.format(sum(map(len, self._replayed.growth.made.values())))
        if variant.kind == "without" and variant.step in self.generators:
            yield f"What {variant.step} made is missing; what others made after it is there."
        if lost := variant.unasked:
            yield (
                f"Of {counted(lost, 'record')} nobody was asked what a step asks of a teacher, "
                "since they did not come so far in the run: they are missing here."
            )
        kept = {row["step"]: row["kept"] for row in whole.funnel}
        for row in variant.funnel:
            if row["in"] + row["made"] and not row["kept"] and kept.get(row["step"]):
                yield (
                    f"{row['step']} keeps nothing here: perhaps it needs what a step that is left "
                    "out measures."
                )

    def take(self, stack: ExitStack) -> None:
        """Takes over what is to be closed with the lab."""
        self._stack = stack

    def close(self) -> None:
        """Closes what steps have opened and removes the working files."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

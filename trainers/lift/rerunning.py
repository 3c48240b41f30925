"""True reruns of a pipeline without one of its steps, as far as the user has agreed to pay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from datakit.ablation import Ablation, Rerun
from datakit.ablation import Variant as Rebuilt
from datakit.errors import BudgetError, InputError
from datakit.llm.budget import Budget, dollars
from datakit.record import Record
from datakit.running.progress import Progress
from datakit.store import Version
from trainers.lift.terms import Terms
from trainers.lift.variants import gone_of

__all__ = ["Reruns"]


@dataclass
class Reruns:
    """What is run again, and what that may cost.

    Args:
        agreed: Is asked whether the pipeline is run again without a step, where that would ask
            the teacher something new; None never does.
        terms: Those of the study.
        budget: US dollars for all of them together, such as `"5.00"`; None is no cap.
    """

    agreed: Callable[[Rerun], bool] | None
    terms: Terms
    budget: str | None = None
    _left: Decimal | None = field(init=False)

    def __post_init__(self) -> None:
        """Reads the cap."""
        self._left = None if self.budget is None else dollars(self.budget)

    def of(self, lab: Ablation, step: str, left: Rebuilt) -> tuple[Rebuilt, str]:
        """Returns what a rerun without a step gives, or what was rebuilt; and a sentence on it."""
        try:
            asked = lab.rerun(step)
        except InputError as error:
            return left, f"There is no true rerun without {step}: {error}"
        if asked.records is not None and asked.free:
            return _in_place(lab, left, asked.records, ()), f"True rerun: {asked}"
        if self.agreed is None or not self.agreed(asked):
            return left, f"A true rerun without {step}: {asked}"
        version, ended = self._run(lab, asked)
        if version is None:
            return left, f"A true rerun without {step} is not used: {ended} {asked}"
        left = _in_place(lab, left, tuple(version.records()), gone_of(version))
        return left, f"{version.ref} is a true rerun: {asked}"

    def _run(self, lab: Ablation, asked: Rerun) -> tuple[Version | None, str]:
        """Returns the version of a rerun; none if the budget ended it, and what that says."""
        from datakit.api import execute, prepare

        lab.carry(asked)
        cap = None if self._left is None else f"{self._left:f}"
        prepared = prepare(asked.pipeline, store=self.terms.store, budget=cap)
        budget = Budget(prepared.pipeline.cap, anew=True)
        try:
            version = execute(prepared, tell=self._tell, budget=budget).version
        except BudgetError as error:
            return None, str(error)
        finally:
            self._left = None if self._left is None else self._left - budget.spent
        if version.manifest["interrupted"]:
            return None, "its budget ended it. Raise it with --budget to go on from there."
        return version, ""

    def _tell(self, it: Progress) -> None:
        if it.step:
            self.terms.ear.progress(f"rerun: {it.step}, {it.done:,} records", False)
            return
        text = f"rerun: round {it.round}, request {it.done:,} of {it.requests:,}, {it.kept:,} kept"
        self.terms.ear.progress(text, it.done == it.requests)


def _in_place(
    lab: Ablation, left: Rebuilt, records: tuple[Record, ...], gone: tuple[Record, ...]
) -> Rebuilt:
    """Returns what a rerun gave in the place of what was rebuilt from fixed candidates."""
    seeds = lab.all().seeds | left.seeds
    ids = {each.id for each in records}
    fresh = Rebuilt(left.name, left.kind, left.step, records, seeds=seeds & ids, gone=gone)
    return replace(fresh, changed=fresh.sha256 != lab.all().sha256)

"""The trials of a study: done once, kept, spread over cores or GPUs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping

from datakit.amounts import about
from trainers.evaluate import Items
from trainers.lift.bench import Work
from trainers.lift.crew import Crew, Place
from trainers.lift.ended import Ended
from trainers.lift.kept import Kept
from trainers.lift.result import Trial
from trainers.lift.study import Study
from trainers.running.ear import Ear

__all__ = ["places", "run"]


def run(
    study: Study,
    *,
    workers: int | None = None,
    kept: Kept | None = None,
    ear: Ear | None = None,
    seen: Callable[[Items], object] = lambda untrained: None,
) -> tuple[Items, Items | None, tuple[Trial, ...]]:
    """Does the trials of a study that are not done yet.

    Args:
        study: What was declared.
        workers: Trials at once; None is one for each GPU, or as the cores and the memory allow.
        kept: Where finished trials are.
        ear: Who is told what happens.
        seen: Is given the untrained model's items as soon as they are there; what it raises ends
            the study before the trials.

    Returns:
        The untrained model's items, those on the general set, and the trials.

    Raises:
        InputError: If a trial cannot be done; those that are done are kept.
    """
    shelf, ear = kept or Kept(), ear or Ear()
    works = dict(_works(study))
    found = {key: each for key in works if (each := shelf.get(key)) is not None}
    cached = frozenset(found)
    if study.untrained_key in found:
        seen(found[study.untrained_key].items[0])
    missing = [key for key in works if key not in found]
    if found:
        ear.say(f"{len(found):,} of {len(works):,} trials are done already")
    clock = _Clock(len(missing), ear.progress)
    if missing:
        crew = Crew(
            study.model,
            study.settings,
            study.tasks,
            places(study, len(missing), workers),
        )
        clock.start(len(crew.places))
        for work, ended in crew.work([works[key] for key in missing], clock.note):
            key = study.untrained_key if work is None else work.key
            shelf.put(key, ended)
            found[key] = ended
            if work is None:
                seen(ended.items[0])
            clock.step()
    return _sorted(study, found, cached)


def _works(study: Study) -> Iterable[tuple[str, Work | None]]:
    """Yields the trials by replicate, so that the first replicates are whole before others."""
    yield study.untrained_key, None
    for k in range(study.replicates):
        for name in study.names:
            work = study.work(name, k)
            yield work.key, work


def _sorted(
    study: Study, found: Mapping[str, Ended], cached: frozenset[str]
) -> tuple[Items, Items | None, tuple[Trial, ...]]:
    trials = []
    for k in range(study.replicates):
        for name in study.names:
            key, plan = study.work(name, k).key, study.plans[name][k]
            ended = found[key]
            trials.append(
                Trial(
                    variant=name,
                    replicate=k,
                    items=ended.items[0],
                    general=ended.items[1] if len(ended.items) > 1 else None,
                    loss=ended.loss,
                    seconds=ended.seconds,
                    steps=plan.steps,
                    examples=len(plan.indices),
                    distinct=len(set(plan.indices)),
                    tokens=plan.tokens,
                    cached=key in cached,
                )
            )
    base = found[study.untrained_key].items
    return base[0], base[1] if len(base) > 1 else None, tuple(trials)


class _Clock:
    """Tells how far a grid is, and how long it will take."""

    def __init__(self, total: int, tell: Callable[[str, bool], None]) -> None:
        self._total, self._tell, self._done = total, tell, 0
        self._began = time.monotonic()
        self._said = ""

    def start(self, workers: int) -> None:
        many = f", {workers} at once" if workers > 1 else ""
        self._said = many
        self._show()

    def note(self, text: str) -> None:
        self._show(text)

    def step(self) -> None:
        self._done += 1
        self._show()

    def _show(self, text: str = "") -> None:
        left = ""
        if 0 < self._done < self._total:
            seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
            left = f"   {about(seconds)} left"
        last = self._done == self._total
        doing = f"   {text[:60]}" if text and not last else ""
        self._tell(f"trial {self._done:,}/{self._total:,}{self._said}{left}{doing}", last)


def places(study: Study, most: int, workers: int | None) -> tuple[Place, ...]:
    """Returns where trials are done: a GPU each, or a share of the cores.

    Args:
        study: The study.
        most: Trials to do.
        workers: At once, as the user wants it; None is as the memory allows.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    if study.device.startswith("cuda"):
        import torch

        own = (
            [study.device]
            if ":" in study.device
            else [f"cuda:{at}" for at in range(torch.cuda.device_count())]
        )
        return tuple(Place(each, max(1, cores // len(own))) for each in own[: workers or None])
    count = workers or max(1, min(cores, most, study.fitting()))
    count = max(1, min(count, most))
    return tuple(Place("cpu", max(1, cores // count)) for _ in range(count))
